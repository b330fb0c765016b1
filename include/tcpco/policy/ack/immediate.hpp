// Every segment is acknowledged at once: for tests, and for peers that need each ACK. RFC 9293 prefers delayed ACKs
// (SHLD-18).
#pragma once

#include <algorithm>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::ack {

class immediate {
public:
    struct config {};

    constexpr immediate() noexcept = default;
    constexpr explicit immediate(const config&) noexcept {}

    constexpr ack_decision on_segment(const received_segment&) const noexcept { return ack_decision::now(); }
    // The least that silly window avoidance allows (MUST-39).
    constexpr bool on_read(const window_growth& w) const noexcept
    {
        return w.growth >= std::max<octet_count>(std::min(w.capacity / 2, w.rmss), 1);
    }
    constexpr void on_data_sent() noexcept {}
    constexpr void on_ack_sent() noexcept {}
};

static_assert(ack_policy<immediate> && std::is_empty_v<immediate>);

}  // namespace tcpco::ack
