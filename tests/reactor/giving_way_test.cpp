#include "tcpco/reactor/giving_way.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr duration shortest = giving_way::shortest_pause;

// How long it is left alone after somebody ran for long at `now`.
duration pause_after_long(giving_way& way, time_point now)
{
    const time_point ended = now + giving_way::long_time;
    way.learn(now, ended, true);
    duration pause = shortest;
    while (pause < giving_way::longest_pause && !way.worth_it(ended + pause)) {
        pause = pause + pause;
    }
    CHECK_FALSE(way.worth_it(ended + pause - 1_us));
    CHECK(way.worth_it(ended + pause));
    return pause;
}

}  // namespace

TEST_CASE("giving way goes on for as long as something comes of it", "[reactor]")
{
    giving_way way;
    time_point now{};
    for (unsigned i = 0; i < 1000; ++i) {
        REQUIRE(way.worth_it(now));
        way.learn(now, now + 10_us, i % giving_way::patience == 0);  // one less in a row than it has patience for
        now = now + 10_us;
    }
}

TEST_CASE("a reactor that gave way for nothing several times in a row leaves it for a while", "[reactor]")
{
    giving_way way;
    time_point now{};
    for (unsigned i = 0; i < giving_way::patience; ++i) {
        REQUIRE(way.worth_it(now));
        way.learn(now, now + 1_us, false);
    }
    now = now + 1_us;
    CHECK_FALSE(way.worth_it(now));
    CHECK_FALSE(way.worth_it(now + shortest - 1_us));
    now = now + shortest;
    REQUIRE(way.worth_it(now));
    SECTION("then once more is enough")
    {
        way.learn(now, now + 1_us, false);
        CHECK_FALSE(way.worth_it(now + 1_us));
    }
    SECTION("unless something came")
    {
        way.learn(now, now + 1_us, true);
        way.learn(now, now + 1_us, false);
        CHECK(way.worth_it(now + 1_us));
    }
}

TEST_CASE("a reactor that gave way to somebody who ran for long leaves it for a while, whatever came", "[reactor]")
{
    giving_way way;
    way.learn(time_point{}, time_point{} + giving_way::long_time - 1_us, true);
    REQUIRE(way.worth_it(time_point{} + giving_way::long_time));
    CHECK(pause_after_long(way, time_point{}) == shortest);
}

TEST_CASE("the time for which a reactor no longer gives way doubles until it has paid off many times", "[reactor]")
{
    giving_way way;
    time_point now{};
    const auto later = [&] { return now = now + 100_s; };
    CHECK(pause_after_long(way, now) == shortest);
    CHECK(pause_after_long(way, later()) == shortest + shortest);
    const auto pay_off = [&](unsigned times) {
        for (unsigned i = 0; i < times; ++i) {
            way.learn(now, now + 1_us, true);
        }
    };
    later();
    pay_off(giving_way::many - 1);
    CHECK(pause_after_long(way, now) == shortest + shortest + shortest + shortest);
    later();
    pay_off(giving_way::many);
    CHECK(pause_after_long(way, now) == shortest);
    for (int i = 0; i < 20; ++i) {
        static_cast<void>(pause_after_long(way, later()));
    }
    CHECK(pause_after_long(way, later()) == giving_way::longest_pause);
}
