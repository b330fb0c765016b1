#include "tcpco/reactor/random_seed.hpp"

#include <cstdint>
#include <set>

#include "catch.hpp"

using namespace tcpco;

TEST_CASE("A random seed has 256 bits, others each time", "[reactor][RFC6528-3c][RFC6528-4a]")
{
    std::set<std::uint32_t> halves;
    for (int i = 0; i < 8; ++i) {
        const stack_seed seed = random_seed();
        CHECK(seed.is_given());
        for (const std::uint64_t word : seed.words()) {
            halves.insert(static_cast<std::uint32_t>(word));
            halves.insert(static_cast<std::uint32_t>(word >> 32));
        }
    }
    CHECK(halves.size() > 60);  // of 64: equal ones by chance are possible, not likely
}
