#include "tcpco/policy/congestion/bbr.hpp"

#include <cstdint>
#include <set>
#include <utility>

#include "catch.hpp"
#include "policy/congestion/bottleneck.hpp"
#include "tcpco/policy/congestion/reno.hpp"

using namespace tcpco;
using congestion::bbr;
using tests::bottleneck;
using tests::path_shape;

namespace {

constexpr duration second{1'000'000'000};
constexpr duration ms{1'000'000};
constexpr octet_count smss = bottleneck<bbr>::smss;

// The smallest and the largest of what `look` says, asked every 5 ms over `length`.
template <class Look>
std::pair<std::int64_t, std::int64_t> range_over(bottleneck<bbr>& b, duration length, Look look)
{
    std::pair<std::int64_t, std::int64_t> range{look(), look()};
    for (const time_point end = b.now + length; b.now < end;) {
        b.run(5 * ms);
        range = {std::min(range.first, look()), std::max(range.second, look())};
    }
    return range;
}

}  // namespace

TEST_CASE("BBR: fills links of very different rates and lengths, whether the queue is a tenth of the path or four times",
          "[policy]")
{
    for (const std::int64_t rate : {std::int64_t{125'000}, std::int64_t{1'250'000}, std::int64_t{12'500'000}}) {
        for (const std::int64_t delay : {10, 40, 160}) {
            const octet_count bdp = rate * delay / 1'000;
            for (const octet_count queue : {std::max<octet_count>(bdp / 10, 6 * smss), bdp, 4 * bdp}) {
                if (queue < 6 * smss) {
                    continue;
                }
                bottleneck<bbr> b{{.rate = rate, .delay = delay * ms, .queue = queue}};
                b.run(4 * second);
                static_cast<void>(b.utilization(4 * second));
                b.run(20 * second);
                INFO(rate << " octets/s, " << delay << " ms, queue " << queue);
                CHECK(b.utilization(20 * second) > 0.85);
            }
        }
    }
}

TEST_CASE("BBR: leaves the queue empty for most of the time, however long it could be", "[policy]")
{
    bottleneck<bbr> b{{.queue = 1'000'000}};
    b.run(5 * second);
    int filled = 0;
    int looked = 0;
    for (; looked < 2'000; ++looked) {
        b.run(5 * ms);
        filled += b.queued() > 10'000 ? 1 : 0;
    }
    CHECK(filled < looked / 4);
}

TEST_CASE("BBR: startup ends when the rate stops to grow, then the queue that it built is drained", "[policy]")
{
    bottleneck<bbr> b{{.queue = 1'000'000}};
    CHECK(b.policy.state() == bbr::phase::startup);
    while (b.policy.state() == bbr::phase::startup && b.now < time_point{10 * second}) {
        b.run(ms);
    }
    CHECK(b.policy.state() == bbr::phase::drain);
    CHECK(b.policy.full_bw_reached());
    CHECK(b.queued() > 20'000);
    while (b.policy.state() == bbr::phase::drain && b.now < time_point{10 * second}) {
        b.run(ms);
    }
    CHECK((b.policy.state() == bbr::phase::probe_bw_down || b.policy.state() == bbr::phase::probe_bw_cruise));
    CHECK(b.policy.pacing_rate() < 1'250'000);
    b.run(100 * ms);
    CHECK(b.queued() < 15'000);
}

TEST_CASE("BBR: goes round down, cruise, refill and up, and every five seconds the queue is emptied to see the path",
          "[policy]")
{
    bottleneck<bbr> b{{.queue = 100'000}};
    b.run(3 * second);
    std::set<bbr::phase> seen;
    int visits = 0;
    bool there = false;
    for (int i = 0; i < 20'000; ++i) {
        b.run(ms);
        seen.insert(b.policy.state());
        const bool now_there = b.policy.state() == bbr::phase::probe_rtt;
        visits += now_there && !there ? 1 : 0;
        there = now_there;
    }
    CHECK(seen.count(bbr::phase::probe_bw_down) == 1);
    CHECK(seen.count(bbr::phase::probe_bw_cruise) == 1);
    CHECK(seen.count(bbr::phase::probe_bw_refill) == 1);
    CHECK(seen.count(bbr::phase::probe_bw_up) == 1);
    CHECK(visits >= 3);
    CHECK(visits <= 4);
}

TEST_CASE("BBR: knows the path's length and rate", "[policy]")
{
    bottleneck<bbr> b{{.queue = 500'000}};
    b.run(15 * second);
    CHECK(b.policy.model().min_rtt >= 40 * ms);
    CHECK(b.policy.model().min_rtt <= 44 * ms);
    CHECK(b.policy.model().max_bw() >= 1'200'000);
    CHECK(b.policy.model().max_bw() <= 1'300'000);
}

TEST_CASE("BBR: half a percent of random loss costs it little where it costs Reno most", "[policy]")
{
    const path_shape lossy{.rate = 12'500'000, .queue = 500'000, .loss_ppm = 5'000};
    bottleneck<bbr> b{lossy};
    bottleneck<congestion::reno> reno{lossy};
    b.run(20 * second);
    reno.run(20 * second);
    CHECK(b.utilization(20 * second) > 0.7);
    CHECK(reno.utilization(20 * second) < 0.2);
}

TEST_CASE("BBR: finds a rate that has grown, and one that has shrunk, within some seconds", "[policy]")
{
    bottleneck<bbr> b{{.queue = 200'000}};
    b.run(8 * second);
    b.path.rate = 5'000'000;
    b.run(12 * second);
    static_cast<void>(b.utilization(second));
    b.run(5 * second);
    CHECK(b.utilization(5 * second) > 0.8);
    b.path.rate = 625'000;
    b.run(12 * second);
    static_cast<void>(b.utilization(second));
    b.longest_queue = 0;
    b.run(5 * second);
    CHECK(b.utilization(5 * second) > 0.8);
    CHECK(b.longest_queue < 200'000);
}

TEST_CASE("BBR: a path that became longer is seen after the old minimum has aged", "[policy]")
{
    bottleneck<bbr> b{{.queue = 200'000}};
    b.run(6 * second);
    b.path.delay = 80 * ms;
    b.run(25 * second);
    CHECK(b.policy.model().min_rtt >= 80 * ms);
    static_cast<void>(b.utilization(second));
    b.run(5 * second);
    CHECK(b.utilization(5 * second) > 0.8);
}

TEST_CASE("BBR: the window stays between four segments and what a path could ever hold", "[policy]")
{
    for (const std::uint32_t loss : {0u, 20'000u, 300'000u}) {
        bottleneck<bbr> b{{.loss_ppm = loss}};
        const auto [least, most] = range_over(b, 10 * second, [&] { return b.policy.cwnd(); });
        CHECK(least >= smss);
        CHECK(most <= congestion::largest_cwnd);
        CHECK(b.delivered_total() > 0);
    }
}

TEST_CASE("BBR: a timeout leaves one segment, and the window is back when the path answers", "[policy]")
{
    bottleneck<bbr> b{path_shape{}};
    b.run(4 * second);
    const octet_count before = b.policy.cwnd();
    b.policy.on_retransmission_timeout({.in_flight = before, .smss = smss, .now = b.now});
    CHECK(b.policy.cwnd() == smss);
    b.run(second);
    CHECK(b.policy.cwnd() >= before / 2);
}

TEST_CASE("BBR: what loss has bounded is unbounded when there was no loss", "[policy]")
{
    bottleneck<bbr> b{path_shape{}};
    b.run(4 * second);
    const bbr prior = b.policy;
    b.policy.on_congestion_event({.in_flight = 20 * smss, .smss = smss, .now = b.now});
    b.policy.on_ack({.now = b.now, .newly_lost = 20 * smss, .smss = smss});
    CHECK(b.policy.cwnd() < prior.cwnd());
    b.policy.on_spurious(spurious_cause::dsack, prior);
    CHECK(b.policy.cwnd() == prior.cwnd());
}

TEST_CASE("BBR: rates taken while the application was the limit do not lower what is known", "[policy]")
{
    bottleneck<bbr> b{path_shape{}};
    b.run(4 * second);
    const std::int64_t known = b.policy.model().max_bw();
    for (int i = 0; i < 1'000; ++i) {
        const time_point now = b.now + i * ms;
        b.policy.on_ack({.now = now,
                         .delivered = 100,
                         .latest_rtt = 41 * ms,
                         .round_start = i % 40 == 0,
                         .rate = {.delivered = 100,
                                  .interval = 40 * ms,
                                  .prior_in_flight = 100,
                                  .prior_delivered = 1'000'000'000 + i * 100,
                                  .total_delivered = 1'000'000'100 + i * 100,
                                  .app_limited = true},
                         .smss = smss});
    }
    CHECK(b.policy.model().max_bw() >= known / 2);
}

TEST_CASE("BBR: the same events give the same state, another seed another wait", "[policy]")
{
    const path_shape shape{.delay = 160 * ms, .queue = 200'000};  // 63 round trips are longer than 3 s
    bottleneck<bbr> a{shape};
    bottleneck<bbr> b{shape};
    bottleneck<bbr> c{shape, {.seed = 12'345}};
    for (int i = 0; i < 100; ++i) {
        a.run(100 * ms);
        b.run(100 * ms);
        c.run(100 * ms);
        REQUIRE(a.policy.cwnd() == b.policy.cwnd());
        REQUIRE(a.policy.pacing_rate() == b.policy.pacing_rate());
    }
    CHECK(a.delivered_total() == b.delivered_total());
    CHECK(a.delivered_total() != c.delivered_total());
}

TEST_CASE("BBR: however often the timer fires, what comes back is the window from before the first time", "[policy]")
{
    bbr c;
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    c.on_retransmission_timeout({.first = true, .in_flight = 10 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);
    c.on_retransmission_timeout({.first = false, .in_flight = 10 * smss, .smss = smss});
    c.on_retransmission_timeout({.first = false, .in_flight = 10 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);
    c.on_recovery_exit();
    CHECK(c.cwnd() == 10 * smss);
}
