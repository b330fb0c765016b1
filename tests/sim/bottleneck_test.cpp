#include "tcpco/sim/bottleneck.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr std::uint64_t rate_10m = 10'000'000;

}  // namespace

TEST_CASE("bottleneck: a frame is through after its octets at the rate and the delay, to the nanosecond", "[sim]")
{
    bottleneck hop{{.rate_bits_per_second = rate_10m, .delay = 20_ms}};
    const bottleneck_answer first = hop.offer(time_point{5_ms}, 1'500, false);
    CHECK(first.taken);
    CHECK(first.at == time_point{5_ms} + 1'200_us + 20_ms);
    // The next waits for it, and one that comes later waits for none.
    CHECK(hop.offer(time_point{5_ms}, 1'000, false).at == time_point{5_ms} + 2'000_us + 20_ms);
    CHECK(hop.offer(time_point{8_ms}, 1'000, false).at == time_point{8_ms} + 800_us + 20_ms);
    // At the very nanosecond at which it becomes free it is free; a nanosecond sooner it is not.
    CHECK(hop.offer(time_point{8'800_us}, 500, false).at == time_point{9'200_us} + 20_ms);
    CHECK(hop.offer(time_point{time_point{9'200_us} - 1_ns}, 500, false).at == time_point{9'600_us} + 20_ms);
}

TEST_CASE("bottleneck: at a rate that no nanosecond divides a thousand frames take no nanosecond more than one of all",
          "[sim]")
{
    // 7 Mbit/s: 1,000 octets are 1,142,857.14 ns.
    bottleneck hop{{.rate_bits_per_second = 7'000'000, .queue_limit_octets = 2'000'000}};
    for (std::int64_t k = 1; k <= 1'000; ++k) {
        const std::int64_t exact = (k * 8'000 * 1'000'000'000 + 6'999'999) / 7'000'000;
        REQUIRE(hop.offer(time_point{}, 1'000, false).at == time_point{exact});
    }
    // Frames of an octet at the fastest rate: 125 of them are a nanosecond.
    bottleneck fast{{.rate_bits_per_second = 1'000'000'000'000, .queue_limit_octets = 1'000}};
    for (std::int64_t k = 1; k <= 500; ++k) {
        REQUIRE(fast.offer(time_point{}, 1, false).at == time_point{(k + 124) / 125});
    }
}

TEST_CASE("bottleneck: without a rate frames take the delay alone, and nothing waits or is dropped", "[sim]")
{
    bottleneck path{{.rate_bits_per_second = 0, .delay = 3_ms, .queue_limit_octets = 0, .mark_above_octets = 0}};
    for (int i = 0; i < 1'000; ++i) {
        const bottleneck_answer a = path.offer(time_point{1_ms}, 1'500, true);
        REQUIRE(a.taken);
        REQUIRE_FALSE(a.mark);
        REQUIRE(a.at == time_point{4_ms});
    }
    CHECK(path.queued(time_point{1_ms}) == 0);
}

TEST_CASE("bottleneck: the queue takes just its limit, drops are counted and take no time", "[sim]")
{
    bottleneck hop{{.rate_bits_per_second = rate_10m, .queue_limit_octets = 3'000}};
    CHECK(hop.offer(time_point{}, 1'500, false).taken);  // being sent: not in the queue
    CHECK(hop.queued(time_point{}) == 0);
    CHECK(hop.offer(time_point{}, 1'500, false).taken);
    CHECK(hop.offer(time_point{}, 1'400, false).taken);
    CHECK(hop.queued(time_point{}) == 2'900);
    CHECK_FALSE(hop.offer(time_point{}, 101, false).taken);
    CHECK(hop.offer(time_point{}, 100, false).at == time_point{3'600_us});  // as if the one before had not come
    CHECK_FALSE(hop.offer(time_point{1'200_us - 1_ns}, 1'500, false).taken);
    CHECK(hop.queued(time_point{1'200_us}) == 1'500);  // the second is being sent
    CHECK(hop.offer(time_point{1'200_us}, 1'500, false).at == time_point{4'800_us});
    CHECK(hop.queued(time_point{4'800_us}) == 0);
    CHECK(hop.counters().offered == 7);
    CHECK(hop.counters().taken == 5);
    CHECK(hop.counters().taken_octets == 6'000);
    CHECK(hop.counters().queue_full == 2);
    CHECK(hop.counters().longest_queue_octets == 3'000);
    // Nothing fits a queue of nothing, but what finds the hop idle.
    bottleneck bare{{.rate_bits_per_second = rate_10m, .queue_limit_octets = 0}};
    CHECK(bare.offer(time_point{}, 1'500, false).taken);
    CHECK_FALSE(bare.offer(time_point{1'200_us - 1_ns}, 1, false).taken);
    CHECK(bare.offer(time_point{1'200_us}, 1'500, false).taken);
}

TEST_CASE("bottleneck: what finds more than the threshold waiting is marked, if it may be", "[sim]")
{
    bottleneck hop{{.rate_bits_per_second = rate_10m, .mark_above_octets = 2'000}};
    CHECK_FALSE(hop.offer(time_point{}, 1'000, true).mark);
    CHECK_FALSE(hop.offer(time_point{}, 1'000, true).mark);
    CHECK_FALSE(hop.offer(time_point{}, 1'000, true).mark);
    CHECK_FALSE(hop.offer(time_point{}, 1'000, true).mark);  // finds 2,000
    CHECK(hop.offer(time_point{}, 1'000, true).mark);        // finds 3,000
    const bottleneck_answer not_ect = hop.offer(time_point{}, 1'000, false);
    CHECK(not_ect.taken);
    CHECK_FALSE(not_ect.mark);
    CHECK(hop.counters().marked == 1);
    CHECK_FALSE(hop.offer(time_point{4'000_us}, 1'000, true).mark);  // the queue has run down
}
