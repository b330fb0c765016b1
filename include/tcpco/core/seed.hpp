// What all secrets and hash keys of a stack derive from: initial sequence numbers, SYN and Fast Open cookies, ports,
// the clocks of timestamps, hash tables.
//
// 256 bits, so that nobody finds it by trying (RFC6528-3c, RFC6528-4a; RFC 4086): with a seed of 32 bits three numbers
// that a peer was given are enough to compute everybody else's within minutes. Real ones come from random_seed()
// (reactor/random_seed.hpp), since nothing here may ask the system; tests and simulations make one of an integer.
#pragma once

#include <array>
#include <cstdint>

#include "tcpco/core/siphash.hpp"

namespace tcpco {

class stack_seed {
public:
    // None: a stack with it works, and whoever knows this source knows its secrets.
    constexpr stack_seed() noexcept = default;
    // Deterministic: the same number gives the same packets. No secret, whatever the number is: it has 64 bits at most.
    // Implicit, so that `.seed = 7` says it.
    constexpr stack_seed(std::uint64_t number) noexcept : words_{number, 1, 0, 0} {}
    // 256 random bits.
    constexpr explicit stack_seed(const std::array<std::uint64_t, 4>& words) noexcept : words_{words} {}

    constexpr const std::array<std::uint64_t, 4>& words() const noexcept { return words_; }
    constexpr bool is_given() const noexcept { return *this != stack_seed{}; }
    friend constexpr bool operator==(const stack_seed&, const stack_seed&) noexcept = default;

private:
    std::array<std::uint64_t, 4> words_{};
};

// The n-th key derived from a seed, by SipHash as a keyed pseudo-random function: who knows one of them knows nothing
// about the seed or the others.
constexpr siphash_key derive_key(const stack_seed& seed, std::uint64_t n) noexcept
{
    const auto& [k0, k1, a, b] = seed.words();
    const std::uint64_t first[4] = {a, b, n, 0};
    const std::uint64_t second[4] = {a, b, n, 1};
    return {siphash({k0, k1}, first), siphash({k0, k1}, second)};
}

// The n-th seed, for a part that derives keys of its own. Its numbers are others than derive_key's.
constexpr stack_seed derive_seed(const stack_seed& seed, std::uint64_t n) noexcept
{
    constexpr std::uint64_t one = 0x7365'6564'2031'0000;
    constexpr std::uint64_t two = 0x7365'6564'2032'0000;
    const siphash_key low = derive_key(seed, one + n);
    const siphash_key high = derive_key(seed, two + n);
    return stack_seed{{low.k0, low.k1, high.k0, high.k1}};
}

static_assert(sizeof(stack_seed) == 32);

}  // namespace tcpco
