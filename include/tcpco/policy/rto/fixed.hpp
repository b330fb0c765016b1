// A retransmission timeout that is a number: for tests that must know when each retransmission is due. It measures SRTT
// nowhere and does not back off unless told to (RFC 6298 5.5 wants it), so it is of no use on a real network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::rto {

class fixed {
public:
    struct config {
        duration rto{1'000'000'000};
        bool back_off = false;  // double with each timeout, until progress is made; 16 times at most
    };

    constexpr fixed() noexcept = default;
    constexpr explicit fixed(const config& c) noexcept : config_{c} {}

    constexpr void on_rtt_sample(const rtt_sample& s) noexcept { last_ = s.rtt; }
    constexpr void on_retransmission_timeout() noexcept
    {
        back_off_ = std::min(back_off_ + 1, config_.back_off ? 16 : 0);
    }
    constexpr void on_forward_progress() noexcept { back_off_ = 0; }
    constexpr void on_spurious_timeout() noexcept { back_off_ = 0; }
    constexpr duration rto() const noexcept { return config_.rto * (std::int64_t{1} << back_off_); }
    constexpr duration srtt() const noexcept { return last_; }  // the last sample
    constexpr duration rttvar() const noexcept { return {}; }

private:
    config config_{};
    duration last_{};
    int back_off_ = 0;
};

static_assert(rto_estimator<fixed> && std::is_trivially_copyable_v<fixed> && sizeof(fixed) <= 32);

}  // namespace tcpco::rto
