#include "tcpco/tcp/pacer.hpp"

#include <type_traits>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco;

static_assert(std::is_trivially_copyable_v<pacer>);
static_assert(sizeof(pacer) <= 40);
static_assert(pacer::default_quantum(1'000'000, 1460) == 2920);          // 1 ms is 1000 octets: two segments
static_assert(pacer::default_quantum(10'000'000, 1460) == 10'000);       // 1 ms
static_assert(pacer::default_quantum(10'000'000'000, 1460) == 65'536);   // bounded
static_assert(pacer::default_quantum(0, 65'000) == 130'000);             // two segments, however large

namespace {

constexpr time_point at_us(std::int64_t us) { return time_point{us * 1'000}; }
constexpr std::uint64_t megabyte = 1'000'000;  // per second: 1000 octets take 1 ms

}  // namespace

TEST_CASE("each transmission puts the next one off by the time its octets take at the rate", "[tcp]")
{
    pacer p;
    CHECK(p.may_send(at_us(0)));
    p.on_sent(1000, at_us(0), megabyte);
    CHECK(p.next_send_at() == at_us(1000));
    CHECK_FALSE(p.may_send(at_us(999)));
    CHECK(p.may_send(at_us(1000)));
    p.on_sent(500, at_us(1000), megabyte);
    CHECK(p.next_send_at() == at_us(1500));
    p.on_sent(500, at_us(1000), 2 * megabyte);  // sent regardless, at another rate
    CHECK(p.next_send_at() == at_us(1750));
    p.reset();
    CHECK(p.may_send(at_us(1000)));
}

TEST_CASE("without a rate nothing waits", "[tcp]")
{
    pacer p;
    p.on_sent(1'000'000, at_us(0), 0);
    CHECK(p.may_send(at_us(0)));
    CHECK(p.next_send_at() <= at_us(0));
}

TEST_CASE("fractions of a nanosecond are carried: no drift", "[tcp]")
{
    // 1 octet at 3 octets per second: a third of a second each.
    pacer p;
    time_point now{0};
    for (int i = 0; i < 3'000; ++i) {
        REQUIRE(p.may_send(now));
        p.on_sent(1, now, 3);
        now = p.next_send_at();
        REQUIRE_FALSE(p.may_send(now - 1_ns));
    }
    CHECK(now == time_point{1000_s});
}

TEST_CASE("a timer that fires late does not lower the rate", "[tcp]")
{
    pacer p;
    random_source random{3};
    time_point now{0};
    octet_count sent = 0;
    while (now < time_point{1_s}) {
        while (p.may_send(now)) {
            p.on_sent(1000, now, megabyte, 2000);
            sent += 1000;
        }
        now = p.next_send_at() + duration{random.below(1'500'000)};  // up to 1.5 ms late, the quantum is 2 ms
    }
    CHECK(sent >= 998'000);
    CHECK(sent <= 1'000'000);
}

TEST_CASE("lateness is made good within the quantum only", "[tcp]")
{
    pacer p;
    p.on_sent(1000, at_us(0), megabyte, 3000);
    CHECK_FALSE(p.may_send(at_us(500)));
    int burst = 0;
    while (p.may_send(at_us(100'000))) {  // 99 ms late: 99 segments would be due
        p.on_sent(1000, at_us(100'000), megabyte, 3000);
        ++burst;
    }
    CHECK(burst == 4);  // a quantum of three, and the one that is due now
    CHECK(p.next_send_at() == at_us(101'000));
}

TEST_CASE("idleness earns no credit", "[tcp]")
{
    pacer p;
    p.on_sent(1000, at_us(0), megabyte, 10'000);
    // Nobody asked in the meantime: there was nothing to send.
    REQUIRE(p.may_send(at_us(50'000)));
    p.on_sent(1000, at_us(50'000), megabyte, 10'000);
    CHECK(p.next_send_at() == at_us(51'000));
    CHECK_FALSE(p.may_send(at_us(50'000)));
}

TEST_CASE("large amounts and rates do not overflow", "[tcp]")
{
    pacer p;
    p.on_sent(1'000'000'000, at_us(0), 1, 65'536);
    CHECK(p.next_send_at() == time_point{duration{1'000'000'000 * std::int64_t{1'000'000'000}}});
    p.reset();
    p.on_sent(65'536, at_us(0), 100'000'000'000, 65'536);
    CHECK(p.next_send_at() == time_point{655});
}

TEST_CASE("what has no octets is no part of the schedule", "[tcp]")
{
    pacer p;
    p.on_sent(1000, at_us(0), megabyte);
    p.on_sent(0, at_us(5'000), megabyte);
    CHECK(p.next_send_at() == at_us(1'000));
}

TEST_CASE("a fraction of a nanosecond is of its rate and its schedule: another rate, or a pause, ends it", "[tcp]")
{
    pacer p;
    p.on_sent(1, time_point{0}, 600'000'001);  // a nanosecond, and two thirds of another
    REQUIRE(p.next_send_at() == time_point{1});
    p.on_sent(1, time_point{1}, 1);
    CHECK(p.next_send_at() == time_point{1'000'000'001});
    p.reset();
    p.on_sent(2, time_point{0}, 3);
    p.on_sent(1, time_point{10_s}, 3);
    CHECK(p.next_send_at() == time_point{10_s} + duration{333'333'333});
}

TEST_CASE("who was held back once has no credit for a pause after that", "[tcp]")
{
    pacer p;
    p.on_sent(1000, at_us(0), megabyte, 10'000);
    REQUIRE_FALSE(p.may_send(at_us(500)));
    p.on_sent(1000, at_us(1'000), megabyte, 10'000);
    REQUIRE(p.may_send(at_us(10'000)));
    p.on_sent(1000, at_us(10'000), megabyte, 10'000);
    CHECK(p.next_send_at() == at_us(11'000));
}
