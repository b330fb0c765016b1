#include "tcpco/storage/timer_wheel.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/storage/armed_time.hpp"

using namespace tcpco::literals;
using tcpco::armed_time;
using tcpco::duration;
using tcpco::time_point;
using tcpco::timer_id;
using tcpco::timer_wheel;

namespace {

static_assert(timer_wheel::tick <= 1'024_ns, "deadlines are needed to a microsecond or finer");
static_assert(sizeof(timer_wheel) < 10'000);

struct harness {
    timer_wheel wheel;
    std::vector<timer_id> fired{};

    explicit harness(std::uint32_t ids, time_point start = time_point{}) : wheel{start} { REQUIRE(wheel.reserve(ids)); }
    std::vector<timer_id> advance(time_point now)
    {
        fired.clear();
        wheel.advance(now, [&](timer_id id) { fired.push_back(id); });
        return fired;
    }
};

using ids = std::vector<timer_id>;

// What the wheel must do, in the plainest way: a list by time, and the order of arming within a tick does not count.
struct naive {
    std::vector<time_point> at;
    explicit naive(std::uint32_t n) : at(n, time_point::never()) {}
    ids due(time_point now) const
    {
        ids result;
        for (timer_id i = 0; i < at.size(); ++i) {
            if (at[i] != time_point::never() && at[i] <= now) {
                result.push_back(i);
            }
        }
        return result;
    }
    time_point earliest() const { return *std::min_element(at.begin(), at.end()); }
};

// Distances as a stack has them, from a microsecond to years.
duration random_distance(tcpco::random_source& random)
{
    const std::uint32_t bits = 4 + random.below(52);
    return duration{static_cast<std::int64_t>(random.next() & ((std::uint64_t{1} << bits) - 1))};
}

}  // namespace

TEST_CASE("timer wheel: without an armed timer there is no deadline and nothing fires", "[storage]")
{
    harness h{4};
    CHECK(h.wheel.deadline() == time_point::never());
    CHECK(h.advance(time_point{1'000_s}).empty());
    CHECK_FALSE(h.wheel.armed(0));
    CHECK(h.wheel.when(0) == time_point::never());
}

TEST_CASE("timer wheel: a timer fires once, at its exact time, never before", "[storage]")
{
    const auto at = GENERATE(as<std::int64_t>{}, 1, 1'023, 1'024, 1'025, 65'535, 65'536, 200'000'000,
                             240'000'000'000'000, std::numeric_limits<std::int64_t>::max() - 1);
    CAPTURE(at);
    harness h{1};
    h.wheel.schedule(0, time_point{at});
    CHECK(h.wheel.armed(0));
    CHECK(h.wheel.when(0) == time_point{at});
    CHECK(h.wheel.deadline() == time_point{at});
    CHECK(h.advance(time_point{at - 1}).empty());
    CHECK(h.wheel.deadline() == time_point{at});
    CHECK(h.advance(time_point{at}) == ids{0});
    CHECK_FALSE(h.wheel.armed(0));
    CHECK(h.wheel.deadline() == time_point::never());
    CHECK(h.advance(time_point::never()).empty());
}

TEST_CASE("timer wheel: re-arming moves a timer, to later and to earlier", "[storage]")
{
    harness h{2};
    h.wheel.schedule(0, time_point{200_ms});
    h.wheel.schedule(0, time_point{300_ms});
    CHECK(h.wheel.when(0) == time_point{300_ms});
    CHECK(h.wheel.deadline() <= time_point{300_ms});
    CHECK(h.advance(time_point{300_ms - 1_ns}).empty());
    CHECK(h.wheel.deadline() == time_point{300_ms});
    CHECK(h.advance(time_point{300_ms}) == ids{0});
    h.wheel.schedule(1, time_point{900_ms});
    h.wheel.schedule(1, time_point{400_ms});
    CHECK(h.wheel.deadline() == time_point{400_ms});
    CHECK(h.advance(time_point{400_ms}) == ids{1});
    CHECK(h.advance(time_point{900_ms}).empty());
    CHECK(h.wheel.armed_count() == 0);
}

TEST_CASE("timer wheel: a cancelled timer does not fire, and never() cancels", "[storage]")
{
    harness h{3};
    h.wheel.schedule(0, time_point{1_ms});
    h.wheel.schedule(1, time_point{1_ms});
    h.wheel.schedule(2, time_point{1_ms});
    h.wheel.cancel(0);
    h.wheel.cancel(0);
    h.wheel.schedule(2, time_point::never());
    CHECK(h.wheel.armed_count() == 1);
    CHECK(h.advance(time_point{2_ms}) == ids{1});
}

TEST_CASE("timer wheel: a time in the past, or before the start, is due at once", "[storage]")
{
    harness h{2, time_point{5_s}};
    h.wheel.schedule(0, time_point{1_s});
    CHECK(h.wheel.deadline() <= time_point{5_s});
    CHECK(h.advance(time_point{5_s}) == ids{0});
    h.advance(time_point{9_s});
    h.wheel.schedule(1, time_point{6_s});
    CHECK(h.wheel.deadline() <= time_point{9_s});
    CHECK(h.advance(time_point{9_s}) == ids{1});
}

TEST_CASE("timer wheel: a clock that stands or goes back fires nothing twice", "[storage]")
{
    harness h{2};
    h.wheel.schedule(0, time_point{10_ms});
    h.wheel.schedule(1, time_point{20_ms});
    CHECK(h.advance(time_point{15_ms}) == ids{0});
    CHECK(h.advance(time_point{15_ms}).empty());
    CHECK(h.advance(time_point{3_ms}).empty());
    CHECK(h.advance(time_point{20_ms}) == ids{1});
}

TEST_CASE("timer wheel: a jump of 200 years fires all in order of time", "[storage]")
{
    harness h{1'000};
    tcpco::random_source random{7};
    for (timer_id i = 0; i < 1'000; ++i) {
        h.wheel.schedule(i, time_point{random_distance(random)});
    }
    std::vector<time_point> at;
    for (timer_id i = 0; i < 1'000; ++i) {
        at.push_back(h.wheel.when(i));
    }
    const ids fired = h.advance(time_point{duration{6'307'200'000 * 1'000'000'000}});
    REQUIRE(fired.size() == 1'000);
    CHECK(std::is_sorted(fired.begin(), fired.end(), [&](timer_id a, timer_id b) {
        return at[a].since_origin() / timer_wheel::tick < at[b].since_origin() / timer_wheel::tick;
    }));
}

TEST_CASE("timer wheel: timers of one tick fire in the order of arming", "[storage]")
{
    harness h{4};
    for (timer_id i : {2u, 0u, 3u, 1u}) {
        h.wheel.schedule(i, time_point{1_s});
    }
    CHECK(h.advance(time_point{2_s}) == ids{2, 0, 3, 1});
}

TEST_CASE("timer wheel: a callback may arm and cancel any timer, its own included", "[storage]")
{
    harness h{4};
    for (timer_id i = 0; i < 3; ++i) {
        h.wheel.schedule(i, time_point{1_ms});
    }
    ids fired;
    h.wheel.advance(time_point{1_ms}, [&](timer_id id) {
        fired.push_back(id);
        if (id == 0) {
            CHECK_FALSE(h.wheel.armed(0));
            h.wheel.cancel(1);                        // due as well, but cancelled in time
            h.wheel.schedule(2, time_point{5_ms});    // due as well, but put off
            h.wheel.schedule(0, time_point{1_ms});    // due already: the next call's
            h.wheel.schedule(3, time_point{500_us});  // likewise
            CHECK(h.wheel.deadline() <= time_point{1_ms});
        }
    });
    CHECK(fired == ids{0});
    CHECK(h.wheel.deadline() <= time_point{1_ms});
    CHECK(h.advance(time_point{1_ms}) == ids{0, 3});
    CHECK(h.advance(time_point{5_ms}) == ids{2});
}

TEST_CASE("timer wheel: a timer that re-arms itself without delay fires once a call", "[storage]")
{
    harness h{1};
    h.wheel.schedule(0, time_point{1_ms});
    for (int i = 0; i < 3; ++i) {
        int calls = 0;
        h.wheel.advance(time_point{1_s}, [&](timer_id id) {
            ++calls;
            h.wheel.schedule(id, time_point{i == 1 ? time_point{1_s} : time_point{2_ms}});
        });
        CHECK(calls == 1);
    }
}

TEST_CASE("timer wheel: what a callback arms for later in a long jump waits for the next call", "[storage]")
{
    harness h{2};
    h.wheel.schedule(0, time_point{1_ms});
    ids fired;
    h.wheel.advance(time_point{100_s}, [&](timer_id id) {
        fired.push_back(id);
        h.wheel.schedule(1, time_point{50_s});
    });
    CHECK(fired == ids{0});
    CHECK(h.wheel.deadline() <= time_point{100_s});
    CHECK(h.advance(time_point{100_s}) == ids{1});
}

TEST_CASE("timer wheel: it agrees with a naive model under random calls", "[storage]")
{
    const auto seed = GENERATE(range(1u, 21u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    constexpr std::uint32_t count = 40;
    const time_point start{static_cast<std::int64_t>(random.next() >> 3)};
    harness h{count, start};
    naive model{count};
    time_point now = start;
    std::vector<time_point> armed_at(count);  // a time past already counts as this
    for (int step = 0; step < 5'000; ++step) {
        const timer_id id = random.below(count);
        switch (random.below(4)) {
        case 0:
        case 1:
            model.at[id] = now + random_distance(random) - duration{random.below(3'000)};
            armed_at[id] = now;
            h.wheel.schedule(id, model.at[id]);
            break;
        case 2:
            model.at[id] = time_point::never();
            h.wheel.cancel(id);
            break;
        default:
            now = random.chance(0.5) ? now + random_distance(random) / 64
                                     : std::max(now, std::min(h.wheel.deadline(), now + 1'000_s));
            ids fired = h.advance(now);
            for (std::size_t i = 1; i < fired.size(); ++i) {
                const auto tick_of = [&](timer_id t) {
                    return (std::max(model.at[t], armed_at[t]) - start) / timer_wheel::tick;
                };
                REQUIRE(tick_of(fired[i - 1]) <= tick_of(fired[i]));
            }
            std::sort(fired.begin(), fired.end());
            REQUIRE(fired == model.due(now));
            for (const timer_id t : fired) {
                model.at[t] = time_point::never();
            }
            if (random.chance(0.2)) {  // a clock that goes back counts as one that stands
                REQUIRE(h.advance(now - random_distance(random)).empty());
            }
        }
        REQUIRE(h.wheel.when(id) == model.at[id]);
        REQUIRE(h.wheel.deadline() <= model.earliest());
        REQUIRE((h.wheel.deadline() == time_point::never()) == (model.earliest() == time_point::never()));
    }
}

TEST_CASE("timer wheel: random callbacks arm and cancel, and every timer still fires as the model says", "[storage]")
{
    const auto seed = GENERATE(range(1u, 11u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    constexpr std::uint32_t count = 20;
    harness h{count};
    naive model{count};
    time_point now{};
    for (timer_id turn = 0; turn < 2'000; ++turn) {
        model.at[turn % count] = now + random_distance(random);
        h.wheel.schedule(turn % count, model.at[turn % count]);
        now += random_distance(random) / 256;
        ids due = model.due(now);  // what must fire, but for what the callbacks change
        h.wheel.advance(now, [&](timer_id id) {
            const auto known = std::find(due.begin(), due.end(), id);
            REQUIRE(known != due.end());
            due.erase(known);
            model.at[id] = time_point::never();
            const timer_id other = random.below(count);
            if (random.chance(0.5)) {
                model.at[other] = now + random_distance(random) / 256 - duration{random.below(50'000)};
                h.wheel.schedule(other, model.at[other]);
            } else {
                model.at[other] = time_point::never();
                h.wheel.cancel(other);
            }
            due.erase(std::remove(due.begin(), due.end(), other), due.end());
            REQUIRE(h.wheel.deadline() <= model.earliest());
        });
        REQUIRE(due.empty());
        REQUIRE(h.wheel.deadline() <= model.earliest());
        for (timer_id i = 0; i < count; ++i) {
            REQUIRE(h.wheel.when(i) == model.at[i]);
        }
    }
}

TEST_CASE("timer wheel: owners that move their timers to later times are asked, and nothing fires early or is lost",
          "[storage]")
{
    const auto seed = GENERATE(range(1u, 11u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    constexpr std::uint32_t count = 40;
    const time_point start{static_cast<std::int64_t>(random.next() >> 3)};
    harness h{count, start};
    naive model{count};  // what the owners want; the wheel knows an earlier time
    std::vector<armed_time> armed(count);
    time_point now = start;
    std::uint32_t unsaid = 0;
    for (int step = 0; step < 5'000; ++step) {
        const timer_id id = random.below(count);
        if (random.chance(0.6)) {
            const bool off = random.chance(0.05);
            const duration ahead = random_distance(random) / (random.chance(0.9) ? 4'096 : 1);
            model.at[id] = off ? time_point::never() : now + ahead;
            const bool covered = !off && armed[id].covers(model.at[id], now);
            unsaid += covered ? 1u : 0u;
            if (!covered && model.at[id] < h.wheel.when(id)) {
                h.wheel.schedule(id, model.at[id]);
            }
            if (!covered && h.wheel.armed(id)) {
                armed[id].note(h.wheel.when(id), now);
            }
        } else {
            now = random.chance(0.5) ? now + random_distance(random) / 4'096
                                     : std::max(now, std::min(h.wheel.deadline(), now + 1'000_s));
            ids fired;
            h.wheel.advance(
                now,
                [&](timer_id due) {
                    armed[due].forget();
                    fired.push_back(due);
                },
                [&](timer_id asked) {
                    armed[asked].note(model.at[asked], now);
                    return model.at[asked];
                });
            std::sort(fired.begin(), fired.end());
            REQUIRE(fired == model.due(now));
            for (const timer_id t : fired) {
                model.at[t] = time_point::never();
            }
        }
        REQUIRE(h.wheel.when(id) <= model.at[id]);
        REQUIRE(h.wheel.deadline() <= model.earliest());
    }
    CHECK(unsaid > 10);
    for (timer_id i = 0; i < count; ++i) {
        model.at[i] = time_point::never();
    }
    h.wheel.advance(
        time_point::never(), [](timer_id) { FAIL("nobody wants it"); }, [](timer_id) { return time_point::never(); });
    CHECK(h.wheel.armed_count() == 0);
}

TEST_CASE("timer wheel: a driver that sleeps until each deadline makes few empty calls", "[storage]")
{
    tcpco::random_source random{99};
    constexpr std::uint32_t count = 500;
    harness h{count};
    for (timer_id i = 0; i < count; ++i) {
        h.wheel.schedule(i, time_point{random_distance(random)});
    }
    SECTION("none re-armed: none at all")
    {
        while (h.wheel.deadline() != time_point::never()) {
            REQUIRE_FALSE(h.advance(h.wheel.deadline()).empty());
        }
    }
    SECTION("re-armed and cancelled: at most two for each")
    {
        for (timer_id i = 0; i < count; i += 2) {
            h.wheel.schedule(i, h.wheel.when(i) + random_distance(random));
        }
        for (timer_id i = 0; i < count; i += 3) {
            h.wheel.cancel(i);
        }
        std::uint32_t empty = 0;
        while (h.wheel.deadline() != time_point::never()) {
            empty += h.advance(h.wheel.deadline()).empty() ? 1u : 0u;
            REQUIRE(empty <= 2 * count);
        }
        CHECK(h.wheel.armed_count() == 0);
    }
}

TEST_CASE("timer wheel: a copy goes on by itself", "[storage]")
{
    harness h{2};
    h.wheel.schedule(0, time_point{1_s});
    timer_wheel copy{h.wheel};
    h.wheel.cancel(0);
    int calls = 0;
    copy.advance(time_point{1_s}, [&](timer_id) { ++calls; });
    CHECK(calls == 1);
    CHECK(h.advance(time_point{1_s}).empty());
}
