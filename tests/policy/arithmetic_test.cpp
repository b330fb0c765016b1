#include "tcpco/policy/arithmetic.hpp"

#include <cstdint>

#include "catch.hpp"

using namespace tcpco;

TEST_CASE("the cube root is exact on both sides of each cube", "[policy]")
{
    for (std::uint64_t r : {1ULL, 2ULL, 10ULL, 999ULL, 65'536ULL, 2'097'151ULL, 1ULL << 40, (1ULL << 41) + 12'345}) {
        const uint128 cube = static_cast<uint128>(r) * r * r;
        CHECK(cube_root(cube) == r);
        CHECK(cube_root(cube - 1) == r - 1);
        CHECK(cube_root(cube + 1) == r);
    }
    CHECK(cube_root(0) == 0);
}

TEST_CASE("products beyond 64 bits are divided exactly", "[policy]")
{
    constexpr std::int64_t big = std::int64_t{1} << 40;
    CHECK(mul_div(big, big, big) == big);
    CHECK(mul_div_up(big + 1, big, big * 2) == (big + 2) / 2);
    CHECK(mul_div(7, 3, 2) == 10);
    CHECK(mul_div_up(7, 3, 2) == 11);
    CHECK(mul_div_up(0, 3, 2) == 0);
}
