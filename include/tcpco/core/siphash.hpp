// SipHash-2-4 (Aumasson, Bernstein, INDOCRYPT 2012): the keyed hash behind initial sequence numbers (RFC 6528), the
// connection table and the ephemeral ports. All keys derive from the stack's one seed (core/seed.hpp).
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace tcpco {

struct siphash_key {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
    friend constexpr bool operator==(const siphash_key&, const siphash_key&) noexcept = default;
};

namespace detail {

struct siphash_state {
    std::uint64_t v0, v1, v2, v3;

    constexpr explicit siphash_state(siphash_key key) noexcept
        : v0{key.k0 ^ 0x736f6d6570736575}, v1{key.k1 ^ 0x646f72616e646f6d}, v2{key.k0 ^ 0x6c7967656e657261},
          v3{key.k1 ^ 0x7465646279746573}
    {
    }

    constexpr void round() noexcept
    {
        v0 += v1; v1 = std::rotl(v1, 13); v1 ^= v0; v0 = std::rotl(v0, 32);
        v2 += v3; v3 = std::rotl(v3, 16); v3 ^= v2;
        v0 += v3; v3 = std::rotl(v3, 21); v3 ^= v0;
        v2 += v1; v1 = std::rotl(v1, 17); v1 ^= v2; v2 = std::rotl(v2, 32);
    }
    constexpr void compress(std::uint64_t m) noexcept
    {
        v3 ^= m;
        round();
        round();
        v0 ^= m;
    }
    constexpr std::uint64_t finish() noexcept
    {
        v2 ^= 0xff;
        for (int i = 0; i < 4; ++i) {
            round();
        }
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

}  // namespace detail

// The hash of a sequence of 64-bit words; equals SipHash-2-4 of their little-endian octets.
constexpr std::uint64_t siphash(siphash_key key, std::span<const std::uint64_t> words) noexcept
{
    detail::siphash_state state{key};
    for (std::uint64_t m : words) {
        state.compress(m);
    }
    state.compress(static_cast<std::uint64_t>(words.size() * 8) << 56);
    return state.finish();
}

}  // namespace tcpco
