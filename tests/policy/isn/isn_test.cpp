#include "tcpco/policy/isn/rfc6528.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>

#include "catch.hpp"
#include "tcpco/policy/isn/sequential.hpp"

using namespace tcpco;

namespace {

const endpoint local{"198.18.0.2"_ip, 7};
const endpoint remote{"198.18.0.1"_ip, 50'000};

isn::rfc6528 seeded(std::uint64_t seed)
{
    isn::rfc6528 g;
    g.seed(seed);
    return g;
}

}  // namespace

TEST_CASE("ISN: one four-tuple's numbers advance by one every 4 us", "[policy][MUST-8][RFC6528-3a][RFC6528-3d]")
{
    const isn::rfc6528 g = seeded(1);
    const sequence_number first = g.generate(local, remote, time_point{1_s}, nullptr);
    CHECK(g.generate(local, remote, time_point{1_s + 4_us}, nullptr) - first == 1);
    CHECK(g.generate(local, remote, time_point{2_s}, nullptr) - first == 250'000);
}

TEST_CASE("ISN: each part of the four-tuple, and the key, changes the number",
          "[policy][MUST-9][SHLD-1][RFC6528-3a][RFC6528-3b]")
{
    std::set<std::uint32_t> seen;
    const auto add = [&seen](const isn::rfc6528& g, endpoint l, endpoint r) {
        seen.insert(g.generate(l, r, time_point{1_s}, nullptr).value);
    };
    const isn::rfc6528 g = seeded(1);
    add(g, local, remote);
    add(g, remote, local);
    add(g, {local.address, 8}, remote);
    add(g, {"198.18.0.3"_ip, 7}, remote);
    add(g, local, {remote.address, 50'001});
    add(g, local, {"198.18.0.9"_ip, 50'000});
    add(g, local, {"2001:db8::1"_ip, 50'000});
    add(g, local, {"2001:db8:0:0:0:0:1:1"_ip, 50'000});
    add(seeded(2), local, remote);
    CHECK(seen.size() == 9);
    const isn::rfc6528 same = seeded(1);
    constexpr time_point now{1_s};
    CHECK(same.generate(local, remote, now, nullptr) == g.generate(local, remote, now, nullptr));
}

TEST_CASE("ISN: a reopened connection starts beyond all of the old one", "[policy][MAY-2]")
{
    const isn::rfc6528 g = seeded(1);
    const sequence_number natural = g.generate(local, remote, time_point{1_s}, nullptr);
    const sequence_number old = natural - 1'000U;
    CHECK(g.generate(local, remote, time_point{1_s}, &old) == natural);
    for (const std::uint32_t ahead : {0U, 5'000U, 0x7FFF0000U}) {
        const sequence_number last = natural + ahead;
        const sequence_number iss = g.generate(local, remote, time_point{1_s}, &last);
        CHECK(precedes(last, iss));
        CHECK(iss - last > 65'535);
    }
}

TEST_CASE("sequential numbers are known beforehand", "[policy]")
{
    isn::sequential g{isn::sequential::config{.first = 100, .step = 10}};
    CHECK(g.generate(local, remote, {}, nullptr).value == 100);
    CHECK(g.generate(local, remote, {}, nullptr).value == 110);
    const sequence_number old{5'000};
    CHECK(precedes(old, g.generate(local, remote, {}, &old)));
}

TEST_CASE("ISN: the secret has 256 bits, and each of them counts", "[policy][RFC6528-3b][RFC6528-3c]")
{
    const auto number = [](const stack_seed& seed) {
        isn::rfc6528 g;
        g.seed(derive_seed(seed, 1));
        return g.generate(local, remote, time_point{}, nullptr).value;
    };
    std::set<std::uint32_t> seen{number({}), number(0), number(1)};
    for (std::size_t bit = 0; bit < 256; ++bit) {
        std::array<std::uint64_t, 4> words{1, 2, 3, 4};
        words[bit / 64] ^= std::uint64_t{1} << bit % 64;
        seen.insert(number(stack_seed{words}));
    }
    CHECK(seen.size() > 256);  // of 259: two of them may be equal by chance
}

TEST_CASE("A seed: its keys differ, and so do its seeds, and what was left out is not given", "[policy][RFC6528-3c]")
{
    constexpr stack_seed none{};
    static_assert(!none.is_given() && stack_seed{0}.is_given() && stack_seed{7} == 7);
    std::set<std::uint64_t> halves;
    for (std::uint64_t n = 0; n < 20; ++n) {
        const siphash_key key = derive_key(7, n);
        const stack_seed seed = derive_seed(7, n);
        halves.insert({key.k0, key.k1});
        halves.insert(seed.words().begin(), seed.words().end());
    }
    CHECK(halves.size() == 20 * 6);
}
