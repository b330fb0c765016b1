#include "tcpco/storage/growable_array.hpp"

#include <cstddef>

#include "catch.hpp"

using namespace tcpco;

namespace {

std::size_t moves = 0;

struct counted {
    counted() = default;
    counted& operator=(counted&& other) noexcept
    {
        value = other.value;
        ++moves;
        return *this;
    }
    int value = 0;
};

}  // namespace

TEST_CASE("growable array: grow_to makes it exactly so long, keeps what is there, and never shrinks", "[storage]")
{
    growable_array<int> a;
    REQUIRE(a.grow_to(3));
    a[2] = 7;
    REQUIRE(a.grow_to(10));
    CHECK(a.size() == 10);
    CHECK(a[2] == 7);
    CHECK(a[9] == 0);
    REQUIRE(a.grow_to(2));
    CHECK(a.size() == 10);
}

TEST_CASE("growable array: a table that follows a slab chunk by chunk is copied a few times, not at each chunk",
          "[storage]")
{
    moves = 0;
    growable_array<counted> a;
    constexpr std::size_t chunk = 20;
    constexpr std::size_t most = 100'000;
    for (std::size_t n = chunk; n <= most; n += chunk) {
        REQUIRE(a.make_room(n));
        REQUIRE(a.size() >= n);
        a[n - 1].value = static_cast<int>(n);
    }
    CHECK(a[chunk - 1].value == chunk);
    CHECK(a[most - 1].value == most);
    CHECK(a.size() <= most + most / 8);
    CHECK(moves < 10 * most);
}
