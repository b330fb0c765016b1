// During recovery the window is ssthresh from the first moment on (RFC 6675 section 5; RFC 6582 in terms of pipe).
//
// What recovery ends with is ssthresh, too (RFC5681-3.2l); until then no round trip carries more than that, half of the
// flight where the controller halves (RFC5681-4.3b; CUBIC's 0.7 is RFC 9438's). The simplest rule: it stops sending
// until half a window has been acknowledged, then goes on at half the rate.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::reduction {

class pass_through {
public:
    struct config {};

    constexpr pass_through() noexcept = default;
    constexpr explicit pass_through(const config&) noexcept {}

    constexpr void on_enter(const recovery_started& s) noexcept { cwnd_ = s.ssthresh; }
    constexpr void on_ack(const recovery_progress&) noexcept {}
    constexpr void on_transmit(octet_count) noexcept {}
    constexpr octet_count cwnd() const noexcept { return cwnd_; }

private:
    octet_count cwnd_ = 0;
};

static_assert(recovery_rate<pass_through> && std::is_trivially_copyable_v<pass_through> && sizeof(pass_through) == 8);

}  // namespace tcpco::reduction
