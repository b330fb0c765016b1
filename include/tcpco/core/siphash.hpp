// SipHash (Aumasson, Bernstein, INDOCRYPT 2012): the keyed hash behind initial sequence numbers (RFC 6528), ephemeral
// ports and cookies, as SipHash-2-4. Tables, of whose hashes nobody sees anything, have SipHash-1-3, as those of Rust
// and Python. All keys derive from the stack's one seed (core/seed.hpp).
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
    template <unsigned Rounds>
    constexpr void compress(std::uint64_t m) noexcept
    {
        v3 ^= m;
        rounds<Rounds>();
        v0 ^= m;
    }
    template <unsigned Rounds>
    constexpr std::uint64_t finish() noexcept
    {
        v2 ^= 0xff;
        rounds<Rounds>();
        return v0 ^ v1 ^ v2 ^ v3;
    }

private:
    template <unsigned Rounds>
    constexpr void rounds() noexcept
    {
        round();
        if constexpr (Rounds > 1) {
            rounds<Rounds - 1>();
        }
    }
};

}  // namespace detail

// The hash of a sequence of 64-bit words; equals SipHash-Compress-Finish of their little-endian octets.
template <unsigned Compress = 2, unsigned Finish = 4>
constexpr std::uint64_t siphash(siphash_key key, std::span<const std::uint64_t> words) noexcept
{
    detail::siphash_state state{key};
    for (std::uint64_t m : words) {
        state.compress<Compress>(m);
    }
    state.compress<Compress>(static_cast<std::uint64_t>(words.size() * 8) << 56);
    return state.finish<Finish>();
}

}  // namespace tcpco
