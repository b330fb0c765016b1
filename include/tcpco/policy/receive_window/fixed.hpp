// A receive buffer of one size, and a window that is its free part (RFC 9293 section 3.8.6).
//
// That the right edge never moves left and never in small steps (SHLD-14, MUST-39) is the mechanism's care.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::window {

class fixed {
public:
    struct config {
        // 1 MiB: fills 800 Mbit/s at 10 ms, and stays below what the queue of a TAP holds (1000 frames of 1,460
        // octets), beyond which the kernel drops in silence.
        octet_count capacity = 1'048'576;
    };

    constexpr fixed() noexcept = default;
    constexpr explicit fixed(const config& c) noexcept { set_capacity(c.capacity); }

    // For one connection (SO_RCVBUF). Octets, more than 0; beyond 2^30 no window can be said (RFC 7323 2.3).
    constexpr void set_capacity(octet_count octets) noexcept
    {
        capacity_ = static_cast<std::uint32_t>(std::clamp<octet_count>(octets, 0, octet_count{1} << 30));
    }
    constexpr octet_count capacity() const noexcept { return capacity_; }
    // Octets behind a hole lie inside the window: they cost none of it.
    constexpr octet_count window(const receive_window_state& s) const noexcept
    {
        return std::max<octet_count>(capacity_ - s.unread, 0);
    }
    constexpr void on_delivered(octet_count, const receive_window_state&) noexcept {}

private:
    std::uint32_t capacity_ = static_cast<std::uint32_t>(config{}.capacity);  // no window is larger than 1 GiB
};

static_assert(receive_window_policy<fixed> && std::is_trivially_copyable_v<fixed> && sizeof(fixed) == 4);

}  // namespace tcpco::window
