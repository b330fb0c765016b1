// Copies of a few octets without a call: four loads and four stores, which overlap where they must.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>

namespace tcpco::detail {

// What copy_short() copies: as much as four of its lanes, at least one.
constexpr bool is_short(std::size_t n) noexcept
{
    return n >= 16 && n <= 64;
}

// `from` and `to` must not overlap.
[[gnu::always_inline]] inline void copy_short(std::byte* to, const std::byte* from, std::size_t n) noexcept
{
    using lane = std::array<std::byte, 16>;
    const std::size_t second = n > 2 * sizeof(lane) ? sizeof(lane) : 0;
    lane lanes[4];
    std::memcpy(&lanes[0], from, sizeof(lane));
    std::memcpy(&lanes[1], from + second, sizeof(lane));
    std::memcpy(&lanes[2], from + (n - sizeof(lane) - second), sizeof(lane));
    std::memcpy(&lanes[3], from + (n - sizeof(lane)), sizeof(lane));
    std::memcpy(to, &lanes[0], sizeof(lane));
    std::memcpy(to + second, &lanes[1], sizeof(lane));
    std::memcpy(to + (n - sizeof(lane) - second), &lanes[2], sizeof(lane));
    std::memcpy(to + (n - sizeof(lane)), &lanes[3], sizeof(lane));
}

// Where it is known only now which of the two it is.
[[gnu::always_inline]] inline void copy_few_or_many(std::byte* to, const std::byte* from, std::size_t n) noexcept
{
    if (is_short(n)) {
        copy_short(to, from, n);
    } else {
        std::memcpy(to, from, n);
    }
}

// Short: n is_short().
template <bool Short>
[[gnu::always_inline]] inline void copy_octets(std::byte* to, const std::byte* from, std::size_t n) noexcept
{
    if constexpr (Short) {
        copy_short(to, from, n);
    } else {
        std::memcpy(to, from, n);
    }
}

}  // namespace tcpco::detail
