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

}  // namespace tcpco::detail
