#include "tcpco/storage/armed_time.hpp"

#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco;
using namespace tcpco::literals;

namespace {

static_assert(sizeof(armed_time) == 4);

}  // namespace

TEST_CASE("armed time: what was not armed is not covered", "[storage]")
{
    armed_time armed;
    const time_point now{5_s};
    CHECK_FALSE(armed.covers(now, now));
    CHECK_FALSE(armed.covers(now + 1'000_s, now));
    armed.note(now + 1_s, now);
    CHECK(armed.covers(now + 2_s, now));
    armed.forget();
    CHECK_FALSE(armed.covers(now + 2_s, now));
}

TEST_CASE("armed time: a move to a later tick is covered, one to an earlier time is not", "[storage]")
{
    armed_time armed;
    const time_point now{5_s};
    armed.note(now + 200_ms, now);
    CHECK(armed.covers(now + 200_ms + timer_wheel::tick, now));
    CHECK(armed.covers(now + 10_s, now + 100_ms));
    CHECK_FALSE(armed.covers(now + 200_ms - 1_ns, now));
    CHECK_FALSE(armed.covers(now + 1_ms, now));
    CHECK_FALSE(armed.covers(now - 1'000'000_s, now));  // long due: as now
}

TEST_CASE("armed time: a node that is armed for later than can be said here is unknown", "[storage]")
{
    armed_time armed;
    const time_point now{5_s};
    armed.note(now + 7'200_s, now);  // keep-alive
    CHECK_FALSE(armed.covers(now + 1_s, now));
    CHECK_FALSE(armed.covers(now + 7'300_s, now));
    armed.note(time_point::never(), now);
    CHECK_FALSE(armed.covers(now + 1_s, now));
    CHECK_FALSE(armed.covers(now + 7'300_s, now));
}

TEST_CASE("armed time: whatever is said to be covered is, wherever the clock stands", "[storage]")
{
    const auto seed = GENERATE(range(1u, 21u));
    CAPTURE(seed);
    random_source random{seed};
    const auto distance = [&] {
        return duration{static_cast<std::int64_t>(random.next() & ((std::uint64_t{1} << (4 + random.below(50))) - 1))};
    };
    time_point now{static_cast<std::int64_t>(random.next() >> 2)};
    armed_time armed;
    time_point node = time_point::never();
    unsigned covered = 0;
    for (int step = 0; step < 20'000; ++step) {
        now += distance() / 1'024;
        if (node <= now) {
            armed.forget();
            node = time_point::never();
        }
        const time_point at = random.chance(0.1) ? now - distance() : now + distance();
        if (armed.covers(at, now)) {
            REQUIRE(node <= std::max(at, now));
            ++covered;
            continue;
        }
        node = std::min(node, std::max(at, now));
        armed.note(node, now);
        if (node - now < 2'000_s) {
            REQUIRE(armed.covers(node + timer_wheel::tick, now));
        }
    }
    CHECK(covered > 1'000);
}
