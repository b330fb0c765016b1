#include "tcpco/policy/isn/rfc6528.hpp"

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
