#include "tcpco/tcp/rate_sampler.hpp"

#include <type_traits>

#include "catch.hpp"

using namespace tcpco;

static_assert(std::is_trivially_copyable_v<rate_sampler>);

namespace {

constexpr time_point at_ms(std::int64_t ms) { return time_point{ms * 1'000'000}; }

constexpr transmission sent(std::int64_t first, std::int64_t last, time_point when, const delivery_stamp& stamp)
{
    transmission t;
    t.first = {first};
    t.last = {last};
    t.sent_at = when;
    t.stamp = stamp;
    return t;
}

constexpr rate_sample acknowledge(rate_sampler& s, const transmission& t, time_point now, duration min_rtt = {})
{
    s.begin_ack();
    s.on_delivered(t, now);
    return s.sample(min_rtt);
}

// Two segments of 1000 octets, sent at 0 and 10 ms, acknowledged at 100 and 110 ms; then one sent at 100 ms,
// acknowledged at 200 ms.
constexpr bool steady_path()
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    const transmission b = sent(1001, 2001, at_ms(10), s.on_send(at_ms(10), 1000, 1000, false));
    const rate_sample first = acknowledge(s, a, at_ms(100));
    const transmission c = sent(2001, 3001, at_ms(100), s.on_send(at_ms(100), 1000, 1000, false));
    const rate_sample second = acknowledge(s, b, at_ms(110));
    const rate_sample third = acknowledge(s, c, at_ms(200));
    return first.delivered == 1000 && first.interval == 100_ms && first.prior_in_flight == 1000 &&
           octets_per_second(first) == 10'000 &&
           second.delivered == 2000 && second.interval == 110_ms && second.prior_in_flight == 2000 &&
           // c left when 1000 were delivered (at 100 ms), in a flight that began with a's departure at 0
           third.delivered == 2000 && third.interval == 100_ms && octets_per_second(third) == 20'000;
}
static_assert(steady_path());

}  // namespace

TEST_CASE("a rate sample is what was delivered over the longer of send and ACK interval",
          "[tcp][BBR-4.1.1.2.1a][BBR-4.1.1.2.4a][BBR-4.1.2.2a]")
{
    REQUIRE(steady_path());
}

TEST_CASE("ACKs that arrive in a burst do not inflate the rate: the send interval bounds it", "[tcp][BBR-4.1.1.2.4a]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    acknowledge(s, a, at_ms(20));
    const transmission b = sent(1001, 2001, at_ms(50), s.on_send(at_ms(50), 1000, 1000, false));
    // Delivered at 20 ms, and b at 55 ms: 35 ms of ACKs, but b left 50 ms after a.
    const rate_sample r = acknowledge(s, b, at_ms(55));
    CHECK(r.interval == 50_ms);
    CHECK(r.delivered == 1000);
}

TEST_CASE("the send interval begins with the departure of the segment delivered last", "[tcp]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    const transmission b = sent(1001, 2001, at_ms(10), s.on_send(at_ms(10), 1000, 1000, false));
    acknowledge(s, a, at_ms(19));
    acknowledge(s, b, at_ms(20));
    const delivery_stamp stamp = s.on_send(at_ms(21), 1000, 0, false);
    CHECK(stamp.first_sent_at == at_ms(10));
    CHECK(stamp.delivered_at == at_ms(20));
    CHECK(acknowledge(s, sent(2001, 3001, at_ms(21), stamp), at_ms(25)).interval == 11_ms);
}

TEST_CASE("one ACK for several records gives one sample, over the one sent last", "[tcp][BBR-4.1.2.3a]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    acknowledge(s, a, at_ms(10));
    const transmission b = sent(1001, 2001, at_ms(12), s.on_send(at_ms(12), 1000, 0, false));
    const transmission c = sent(2001, 3001, at_ms(14), s.on_send(at_ms(14), 1000, 1000, false));
    s.begin_ack();
    s.on_delivered(c, at_ms(30));
    s.on_delivered(b, at_ms(30));
    CHECK(s.has_newest());
    CHECK(s.prior_delivered() == 1000);
    const rate_sample r = s.sample({});
    CHECK(r.prior_in_flight == 2000);
    CHECK(r.delivered == 2000);
    CHECK(r.interval == 20_ms);
    CHECK(s.delivered() == 3000);
}

TEST_CASE("an ACK that delivers nothing gives no sample", "[tcp]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    acknowledge(s, a, at_ms(10));
    s.begin_ack();
    CHECK_FALSE(s.has_newest());
    CHECK(s.sample({}).delivered == 0);
    CHECK(octets_per_second(s.sample({})) == 0);
}

TEST_CASE("an interval below the minimum RTT gives no sample", "[tcp][BBR-4.1.2.3b][BBR-4.1.3.5a]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    CHECK(acknowledge(s, a, at_ms(10), 11_ms).delivered == 0);
    const transmission b = sent(1001, 2001, at_ms(20), s.on_send(at_ms(20), 1000, 0, true));
    CHECK(acknowledge(s, b, at_ms(31), 11_ms).delivered == 1000);
    const transmission c = sent(2001, 3001, at_ms(40), s.on_send(at_ms(40), 1000, 0, true));
    CHECK(acknowledge(s, c, at_ms(40)).delivered == 0);  // no time passed at all
}

TEST_CASE("a flight that begins after idleness is not measured over the idle time", "[tcp][BBR-4.1.2.2b]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    acknowledge(s, a, at_ms(10));
    const transmission b = sent(1001, 2001, at_ms(5000), s.on_send(at_ms(5000), 1000, 0, true));
    const rate_sample r = acknowledge(s, b, at_ms(5010));
    CHECK(r.interval == 10_ms);
    CHECK(r.delivered == 1000);
}

TEST_CASE("samples are marked application-limited until what was then in flight is delivered",
          "[tcp][BBR-4.1.2.4a][BBR-4.1.2.3c]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    s.mark_app_limited(1000);
    CHECK(s.app_limited());
    const transmission b = sent(1001, 2001, at_ms(1), s.on_send(at_ms(1), 1000, 1000, false));
    CHECK_FALSE(acknowledge(s, a, at_ms(10)).app_limited);  // left before the mark
    CHECK(s.app_limited());                                 // exactly the marked octets are delivered, none beyond
    CHECK(acknowledge(s, b, at_ms(11)).app_limited);
    CHECK_FALSE(s.app_limited());
    const transmission c = sent(2001, 3001, at_ms(12), s.on_send(at_ms(12), 1000, 0, true));
    CHECK_FALSE(acknowledge(s, c, at_ms(22)).app_limited);
}

TEST_CASE("a mark with nothing delivered and nothing in flight still marks", "[tcp]")
{
    rate_sampler s;
    s.mark_app_limited(0);
    CHECK(s.app_limited());
    CHECK(s.on_send(at_ms(0), 10, 0, true).app_limited);
}

TEST_CASE("a sample says what was marked lost over its interval", "[tcp]")
{
    rate_sampler s;
    s.on_lost(500);
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    s.on_lost(300);
    CHECK(acknowledge(s, a, at_ms(10)).lost == 300);
    CHECK(s.lost() == 800);
}

TEST_CASE("the rate in octets per second does not overflow", "[tcp]")
{
    rate_sample s;
    s.delivered = 1'000'000'000'000;
    s.interval = 10_s;
    CHECK(octets_per_second(s) == 100'000'000'000);
    s.delivered = 17'000'000'000;
    CHECK(octets_per_second(s) == 1'700'000'000);
}

TEST_CASE("of records sent at once the one with the highest number gives the sample, whatever their order",
          "[tcp][BBR-4.1.2.3a]")
{
    rate_sampler s;
    const transmission a = sent(1, 1001, at_ms(0), s.on_send(at_ms(0), 1000, 0, true));
    const transmission b = sent(1001, 2001, at_ms(0), s.on_send(at_ms(0), 1000, 1000, false));
    s.begin_ack();
    s.on_delivered(b, at_ms(30));
    s.on_delivered(a, at_ms(30));
    CHECK(s.sample({}).prior_in_flight == 2000);
}

TEST_CASE("the rate that is told is the last one, of those that the application limited no slower one", "[tcp]")
{
    rate_sampler s;
    const auto sample = [&s](std::int64_t from, std::int64_t octets, std::int64_t ms, bool limited) {
        if (limited) {
            s.mark_app_limited(0);
        }
        const delivery_stamp stamp = s.on_send(at_ms(ms), octets, 0, true);
        acknowledge(s, sent(from, from + octets, at_ms(ms), stamp), at_ms(ms + 100));
    };
    sample(1, 10'000, 0, false);
    CHECK(s.delivery_rate() == 100'000);
    sample(10'001, 1'000, 1'000, true);
    CHECK(s.delivery_rate() == 100'000);
    CHECK_FALSE(s.delivery_rate_app_limited());
    sample(11'001, 20'000, 2'000, true);
    CHECK(s.delivery_rate() == 200'000);
    CHECK(s.delivery_rate_app_limited());
    sample(31'001, 1'000, 3'000, false);
    CHECK(s.delivery_rate() == 10'000);
}
