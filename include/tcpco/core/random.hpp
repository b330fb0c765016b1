// Pseudo-random numbers for decisions that need no secrecy: jitter, simulation, impairments. Secrets come from SipHash
// over a seed (core/seed.hpp).
#pragma once

#include <cstdint>

namespace tcpco {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): 64 bits of state, equidistributed; every seed is good, zero included.
class random_source {
public:
    constexpr random_source() = default;
    constexpr explicit random_source(std::uint64_t seed) noexcept : state_{seed} {}

    constexpr std::uint64_t next() noexcept
    {
        state_ += 0x9E3779B97F4A7C15;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    // Uniform in [0, bound); 0 when bound is 0. Multiply-shift: the bias is below bound / 2^32.
    constexpr std::uint32_t below(std::uint32_t bound) noexcept
    {
        return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
    }

    // True with probability p; p <= 0 never, p >= 1 always.
    constexpr bool chance(double p) noexcept
    {
        return static_cast<double>(next() >> 11) * 0x1.0p-53 < p;
    }

    friend constexpr bool operator==(const random_source&, const random_source&) noexcept = default;

private:
    std::uint64_t state_ = 0;
};

}  // namespace tcpco
