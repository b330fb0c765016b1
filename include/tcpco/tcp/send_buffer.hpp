// How much the user may write: the send buffer's limit, and the low-water mark of what is not sent yet.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tcpco/tcp/tcb.hpp"

namespace tcpco {

// Octets that the next write may queue, as far as the send buffer and the low-water mark go.
inline std::size_t send_room(const transmission_control_block& c) noexcept
{
    const octet_count below = c.low_water == 0 ? octet_count{1} << 40 : octet_count{c.low_water} - c.unsent();
    return std::min(c.send.room(), static_cast<std::size_t>(std::max<octet_count>(below, 0)));
}

// Waking a writer is worth it: a third of the buffer is free, else it would wake for each segment that is acknowledged,
// and half of what the low-water mark allows is sent (Linux has the same half).
inline bool has_writing_room(const transmission_control_block& c) noexcept
{
    return c.send.room() * 3 >= c.send.limit() && (c.low_water == 0 || c.unsent() * 2 < octet_count{c.low_water});
}

}  // namespace tcpco
