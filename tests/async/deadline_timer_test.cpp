#include "tcpco/async/deadline_timer.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tcpco/core/random.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

void nothing(completion&) noexcept {}

}  // namespace

TEST_CASE("Timers leave the heap by time, and among equals in the order of arming", "[async]")
{
    timer_heap heap;
    deadline_timer a{&nothing}, b{&nothing}, c{&nothing}, d{&nothing};
    heap.insert(a, time_point{20});
    heap.insert(b, time_point{10});
    heap.insert(c, time_point{20});
    heap.insert(d, time_point{10});
    for (deadline_timer* expected : {&b, &d, &a, &c}) {
        REQUIRE(heap.earliest() == expected);
        heap.remove(*expected);
    }
    CHECK(heap.empty());
}

TEST_CASE("A timer that is armed again moves and counts as armed last", "[async]")
{
    timer_heap heap;
    deadline_timer a{&nothing}, b{&nothing};
    heap.insert(a, time_point{10});
    heap.insert(b, time_point{10});
    heap.insert(a, time_point{10});
    CHECK(heap.earliest() == &b);
    heap.insert(a, time_point{5});
    CHECK(heap.earliest() == &a);
}

TEST_CASE("A timer that is destroyed leaves the heap, and a heap that is destroyed leaves its timers", "[async]")
{
    deadline_timer outlives{&nothing};
    {
        timer_heap heap;
        heap.insert(outlives, time_point{7});
        {
            deadline_timer brief{&nothing};
            heap.insert(brief, time_point{1});
            REQUIRE(heap.earliest() == &brief);
        }
        REQUIRE(heap.earliest() == &outlives);
    }
    CHECK_FALSE(outlives.armed());
}

TEST_CASE("The heap agrees with an ordered map under random arming, moving and disarming", "[async]")
{
    random_source random{2024};
    timer_heap heap;
    std::vector<std::unique_ptr<deadline_timer>> timers;
    for (int i = 0; i < 200; ++i) {
        timers.push_back(std::make_unique<deadline_timer>(&nothing));
    }
    std::map<std::pair<std::int64_t, std::uint64_t>, deadline_timer*> model;
    std::map<deadline_timer*, std::pair<std::int64_t, std::uint64_t>> where;
    std::uint64_t order = 0;
    const auto forget = [&](deadline_timer& t) {
        if (const auto found = where.find(&t); found != where.end()) {
            model.erase(found->second);
            where.erase(found);
        }
    };
    for (int step = 0; step < 20'000; ++step) {
        deadline_timer& t = *timers[random.below(200)];
        switch (random.below(4)) {
        case 0:
        case 1: {
            const std::int64_t at = random.below(50);
            forget(t);
            where[&t] = {at, order++};
            model[where[&t]] = &t;
            heap.insert(t, time_point{at});
            break;
        }
        case 2:
            forget(t);
            t.disarm();
            break;
        default:
            if (!model.empty()) {
                deadline_timer& first = *model.begin()->second;
                forget(first);
                heap.remove(*heap.earliest());
                REQUIRE_FALSE(first.armed());
            }
        }
        REQUIRE(heap.empty() == model.empty());
        REQUIRE((model.empty() || heap.earliest() == model.begin()->second));
    }
}
