// Integer arithmetic that policies share: products that pass 64 bits, and the cube root that CUBIC needs.
//
// Windows reach 2^32 octets and are multiplied with each other; a double would round differently from one machine to
// the next, and a simulation must replay octet by octet. So: 128-bit intermediates, explicit rounding.
#pragma once

#include <cstdint>

namespace tcpco {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

// a * b / c, rounded down; for a, b >= 0 and c > 0 and a result that fits. Nearly all products fit into 64 bits, where
// dividing is one instruction, or none by a constant; by 128 bits it is a function.
constexpr std::int64_t mul_div(std::int64_t a, std::int64_t b, std::int64_t c) noexcept
{
    std::uint64_t product = 0;
    if (!__builtin_mul_overflow(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b), &product)) {
        return static_cast<std::int64_t>(product / static_cast<std::uint64_t>(c));
    }
    return static_cast<std::int64_t>(static_cast<int128>(a) * b / c);
}

// a * b / c, rounded up; same domain.
constexpr std::int64_t mul_div_up(std::int64_t a, std::int64_t b, std::int64_t c) noexcept
{
    return static_cast<std::int64_t>((static_cast<int128>(a) * b + (c - 1)) / c);
}

// The largest r with r^3 <= x, for x < 2^126: one bit of the result at a time, 42 rounds.
constexpr std::uint64_t cube_root(uint128 x) noexcept
{
    std::uint64_t root = 0;
    for (int bit = 41; bit >= 0; --bit) {
        const std::uint64_t trial = root | std::uint64_t{1} << bit;
        if (static_cast<uint128>(trial) * trial * trial <= x) {
            root = trial;
        }
    }
    return root;
}

static_assert(cube_root(26) == 2 && cube_root(27) == 3);
static_assert(cube_root(static_cast<uint128>(1) << 123) == std::uint64_t{1} << 41);
static_assert(mul_div(std::int64_t{1} << 32, std::int64_t{1} << 32, std::int64_t{1} << 33) == std::int64_t{1} << 31);
static_assert(mul_div_up(10, 10, 3) == 34 && mul_div(10, 10, 3) == 33);

}  // namespace tcpco
