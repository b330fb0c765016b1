// TIME-WAIT as RFC 9293 wants it: two maximum segment lifetimes (MUST-13), ended early only by a SYN that cannot be old
// (MAY-2, RFC 6191), never by an RST (RFC 1337). Of RFC 1337 the fix F1 is taken, F2 and F3 are left out.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::time_wait {

namespace detail {

// RFC 6191 section 2: may this SYN be a new connection's? A newer timestamp says so (RFC6191-2a), and so do timestamps
// where there were none (RFC6191-2d: the peer has started anew). Where timestamps are equal (RFC6191-2b) or there is
// nothing to compare (RFC6191-2c, 2d) the number decides: it must lie beyond the peer's FIN. What is left is silently
// dropped (RFC6191-2e): it may be an old duplicate, and a live peer repeats its SYN with a later timestamp. Linux
// answers with an ACK instead, whose RST ends TIME-WAIT there unless rfc1337 is set.
constexpr time_wait_answer rfc6191(const time_wait_syn& s) noexcept
{
    const bool beyond = !precedes(s.seq, s.rcv_nxt);
    bool may_open = beyond;
    if (s.had_timestamps && s.has_timestamps && s.tsval != s.ts_recent) {
        may_open = static_cast<std::int32_t>(s.tsval - s.ts_recent) > 0;
    } else if (!s.had_timestamps && s.has_timestamps) {
        may_open = true;
    }
    return may_open ? time_wait_answer::accept : time_wait_answer::drop;
}

}  // namespace detail

// The policy is `time_wait::two_msl` (below); a class cannot have a member of its own name, and the concept asks
// two_msl().
class rfc9293 {
public:
    struct config {
        // RFC 9293 takes 2 minutes (`rfc9293_config` below). 30 s, hence 60 s in TIME-WAIT, is what Linux and the BSDs
        // do: longer than any path of today keeps a packet.
        duration msl{30'000'000'000};
        bool accept_syn = true;   // MAY-2; false: a SYN is answered with an ACK, as in other synchronized states
        // RFC1337-3a (F1): an RST that answers an old duplicate would end TIME-WAIT too soon. F2 (a MAY), to heed
        // it after 2 s where there are timestamps, is left out: F1 needs no clock and gives up nothing but the record.
        bool honour_rst = false;
    };

    constexpr rfc9293() noexcept = default;
    constexpr explicit rfc9293(const config& c) noexcept : config_{c} {}

    constexpr duration two_msl(duration) const noexcept { return config_.msl * 2; }
    constexpr bool honours_rst() const noexcept { return config_.honour_rst; }
    // RFC6191-2a, 2b, 2c, 2d, 2e, SHLD-4
    constexpr time_wait_answer accepts_syn(const time_wait_syn& s) const noexcept
    {
        return config_.accept_syn ? detail::rfc6191(s) : time_wait_answer::ack;
    }

private:
    config config_{};
};

using two_msl = rfc9293;

// The MSL of RFC 793 and RFC 9293 3.4.2, 2 minutes: 4 minutes in TIME-WAIT. `{.time_wait = time_wait::rfc9293_config}`.
inline constexpr rfc9293::config rfc9293_config{.msl = duration{120'000'000'000}};

static_assert(time_wait_policy<two_msl> && std::is_trivially_copyable_v<two_msl> && sizeof(two_msl) <= 16);

}  // namespace tcpco::time_wait
