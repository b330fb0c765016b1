// The user timeout option (RFC 5482): two ends tell each other how long they wait for acknowledgements, so that a
// long disconnection which one of them would bear does not end in the other's timeout.
//
// What the RFC calls ENABLED is adv_uto != 0, ADV_UTO is adv_uto, REMOTE_UTO remote_uto, CHANGEABLE uto_changeable. The
// option is advice: nobody waits for it, and it is not repeated when lost (RFC5482-3.2a). The user timeout itself
// stands in timeouts.hpp. Linux knows TCP_USER_TIMEOUT but neither sends nor reads the option.
#pragma once

#include <algorithm>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

// RFC5482-3.3a: 15 bits of seconds, or of minutes where the upper bit is set; rounded up, so that nobody gives up
// before what was advised. 0: it cannot be said (RFC5482-3.4a: zero never is).
constexpr std::uint16_t user_timeout_to_wire(duration d) noexcept
{
    if (d <= duration{} || d == duration::max()) {
        return 0;
    }
    const std::int64_t seconds = (d.ns - 1) / 1'000'000'000 + 1;
    const std::int64_t minutes = (seconds + 59) / 60;
    if (seconds <= 0x7FFF) {
        return static_cast<std::uint16_t>(seconds);
    }
    return minutes <= 0x7FFF ? static_cast<std::uint16_t>(0x8000 | minutes) : std::uint16_t{0};
}

constexpr duration user_timeout_from_wire(std::uint16_t wire) noexcept
{
    return duration{std::int64_t{wire & 0x7FFF} * ((wire & 0x8000) != 0 ? 60 : 1) * 1'000'000'000};
}

// A connection begins as the stack's settings say.
template <class B>
void begin_user_timeout_option(connection<B>& c, const step<B>& st)
{
    constexpr duration usual{300'000'000'000};
    const tcp_settings& settings = st.host.settings;
    if (rare_state* rare = settings.user_timeout_option ? c.rare.make() : nullptr) {
        rare->adv_uto = user_timeout_to_wire(settings.user_timeout > duration{} ? settings.user_timeout : usual);
        c.uto_owed = rare->adv_uto != 0;
    }
}

// An acceptable segment brings the peer's advice. Where the option is off it is ignored (RFC5482-3d).
template <class B>
void note_user_timeout_option(connection<B>& c, const arriving_segment& seg)
{
    if (seg.options.user_timeout != 0 && c.rare->adv_uto != 0) {
        c.rare.make()->remote_uto = seg.options.user_timeout;  // it is there
    }
}

// RFC5482-3.1b: the longer advice, within our limits, of which the lower exceeds the present RTO (RFC5482-3.1c). Only
// in synchronized states (RFC5482-3.3b), and never against what the application set (RFC5482-3.1a).
template <class B>
void adopt_user_timeout(connection<B>& c, const step<B>& st)
{
    if (c.rare->remote_uto == 0 || c.rare->adv_uto == 0 || !c.uto_changeable || !is_synchronized(c.state)) {
        return;
    }
    const tcp_settings& settings = st.host.settings;
    const duration lower = std::max(settings.user_timeout_lower, c.rto.rto() + duration{1'000'000});
    const duration longer = std::max(user_timeout_from_wire(c.rare->adv_uto),
                                     user_timeout_from_wire(c.rare->remote_uto));
    c.user_timeout = to_user_timeout(std::min(settings.user_timeout_upper, std::max(longer, lower)));
}

}  // namespace tcpco
