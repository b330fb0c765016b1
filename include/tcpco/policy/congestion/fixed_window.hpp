// A congestion window that never changes: for tests, and for links where nothing else sends. It does not react to loss,
// so it must not be used on a shared network (RFC 5681 section 3).
#pragma once

#include "tcpco/policy/concepts.hpp"

namespace tcpco::congestion {

class fixed_window {
public:
    struct config {
        octet_count window = 65'535;  // octets; the largest window without scaling
    };

    constexpr fixed_window() noexcept = default;
    constexpr explicit fixed_window(const config& c) noexcept : config_{c} {}

    constexpr void on_ack(const ack_info&) noexcept {}
    constexpr void on_congestion_event(const congestion_event&) noexcept {}
    constexpr octet_count cwnd() const noexcept { return config_.window; }
    constexpr octet_count ssthresh() const noexcept { return config_.window; }

private:
    config config_{};
};

static_assert(congestion_controller<fixed_window>);

}  // namespace tcpco::congestion
