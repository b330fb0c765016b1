// The SACK blocks of one ACK in the order of the sequence (RFC 8985 section 6.2). Peers send the latest first (RFC 2018
// section 4).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <tuple>

#include "tcpco/tcp/connection.hpp"

namespace tcpco::detail {

// The blocks that lie in the flight, in the order of the sequence: policies see what was delivered from below, else a
// block that was reported before and got lost would look like reordering (RFC8985-6.2d).
struct sorted_blocks {
    std::array<offset_range, std::tuple_size_v<decltype(tcp_options::sack_blocks)>> ranges{};
    std::size_t count = 0;

    constexpr void insert(const offset_range& range) noexcept
    {
        std::size_t at = count++;
        for (; at > 0 && range.first < ranges[at - 1].first; --at) {
            ranges[at] = ranges[at - 1];
        }
        ranges[at] = range;
    }
    constexpr std::span<const offset_range> all() const noexcept { return std::span{ranges}.first(count); }
};

}  // namespace tcpco::detail
