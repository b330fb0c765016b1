// A fixed window sent at a fixed rate: not a controller for a network, but the proof that pacing, rate samples and a
// controller that regulates its own recovery fit the seam. BBR and its kin take the same shape.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"

namespace tcpco::congestion {

class paced {
public:
    static constexpr bool wants_rate_samples = true;
    static constexpr bool regulates_recovery = true;  // its window counts in recovery too

    struct config {
        octet_count window = 131'072;            // octets
        std::uint64_t rate = 12'500'000;         // octets per second: 100 Mbit/s
        octet_count quantum = 2'920;             // octets per burst: two segments
    };

    constexpr paced() noexcept = default;
    constexpr explicit paced(const config& c) noexcept : config_{c} {}

    constexpr void on_ack(const ack_info& a) noexcept
    {
        if (a.rate.delivered > 0 && a.rate.interval > duration::zero()) {
            const std::int64_t rate = mul_div(a.rate.delivered, 1'000'000'000, a.rate.interval.ns);
            delivery_rate_ = std::max(delivery_rate_, static_cast<std::uint64_t>(rate));
        }
    }
    constexpr void on_congestion_event(const congestion_event&) noexcept {}

    constexpr octet_count cwnd() const noexcept { return config_.window; }
    constexpr octet_count ssthresh() const noexcept { return config_.window; }
    constexpr std::uint64_t pacing_rate() const noexcept { return config_.rate; }
    constexpr octet_count send_quantum() const noexcept { return config_.quantum; }
    // The highest delivery rate that a sample showed, octets per second; 0: no sample yet.
    constexpr std::uint64_t delivery_rate() const noexcept { return delivery_rate_; }

private:
    config config_{};
    std::uint64_t delivery_rate_ = 0;
};

static_assert(congestion_controller<paced> && paces<paced> && sets_send_quantum<paced>);
static_assert(wants_rate_samples_v<paced> && regulates_recovery_v<paced>);
static_assert(std::is_trivially_copyable_v<paced> && sizeof(paced) <= 40);

}  // namespace tcpco::congestion
