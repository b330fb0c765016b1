// How much the user may write: the send buffer's limit, which grows with cwnd where it is what limits the sender, and
// the low-water mark of what is not sent yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tcpco/tcp/settings.hpp"
#include "tcpco/tcp/tcb.hpp"

namespace tcpco {

inline std::uint32_t initial_send_buffer(const tcp_settings& s) noexcept
{
    return std::min(s.send_buffer_initial, s.send_buffer_octets);
}

// Waking a writer is worth it: a third of the buffer is free, else it would wake for each segment that is acknowledged,
// and half of what the low-water mark allows is sent (Linux has the same half).
inline bool has_writing_room(const transmission_control_block& c) noexcept
{
    return c.send.room() * 3 >= c.send.limit() && (c.low_water == 0 || c.unsent() * 2 < octet_count{c.low_water});
}

// cwnd has moved: twice of it should fit, within the settings' limit and while there are slots. Not while segments wait
// that the buffer holds already: then cwnd, the window or the device is the limit (Linux, too, does not expand while
// cwnd is full), and what a larger buffer holds only leaves the cache before it leaves. Nor for more than twice what is
// in flight: cwnd says what is allowed, not what the path takes. A sender that its buffer holds back has all of it in
// flight, since its writer sleeps until a third is free; so it doubles with each round trip, as slow start does.
template <class Host>
void tune_send_buffer(transmission_control_block& c, octet_count cwnd, const Host& host) noexcept
{
    if (c.unsent() >= octet_count{c.smss} || has_writing_room(c)) {
        return;
    }
    const octet_count used = std::min(std::min(cwnd, octet_count{1} << 40), c.queued());
    const auto wanted = static_cast<std::size_t>(std::min<octet_count>(2 * used, host.settings.send_buffer_octets));
    if (wanted > c.send.limit() && !host.large.is_short()) {
        c.send.set_limit(wanted);
    }
    c.send_tuned = c.send.limit() < host.settings.send_buffer_octets;
}

// Octets that the next write may queue, as far as the send buffer and the low-water mark go.
inline std::size_t send_room(const transmission_control_block& c) noexcept
{
    const octet_count below = c.low_water == 0 ? octet_count{1} << 40 : octet_count{c.low_water} - c.unsent();
    return std::min(c.send.room(), static_cast<std::size_t>(std::max<octet_count>(below, 0)));
}

}  // namespace tcpco
