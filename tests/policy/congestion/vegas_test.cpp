#include "tcpco/policy/congestion/vegas.hpp"

#include <algorithm>
#include <cstdint>

#include "catch.hpp"

using namespace tcpco;
using congestion::vegas;

namespace {

constexpr octet_count smss = 1'000;
constexpr duration ms{1'000'000};

// A path that carries `capacity` octets in `base` and queues what is beyond.
struct path {
    explicit path(octet_count window, octet_count ssthresh = 0, const vegas::config& c = {}) : policy{c}
    {
        policy.on_connection_established(
            {.initial_window = window, .smss = smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
        nxt = una + window;
    }

    void round()
    {
        const octet_count window = policy.cwnd();
        const duration rtt{std::max(base.ns, base.ns * window / capacity)};
        lowest = std::min(lowest, rtt);
        for (const stream_offset end = nxt; una < end;) {
            una = una + smss;
            policy.on_ack({.now = now, .acked = smss, .delivered = smss, .una = una, .nxt = nxt, .latest_rtt = rtt,
                           .min_rtt = lowest, .cwnd_limited = limited, .smss = smss});
            nxt = std::max(nxt, una + policy.cwnd());
        }
        now = now + rtt;
    }
    void rounds(int n)
    {
        for (int i = 0; i < n; ++i) {
            round();
        }
    }
    double queued() const { return static_cast<double>(policy.cwnd() - capacity) / smss; }

    vegas policy;
    duration base = 50 * ms;
    octet_count capacity = 100 * smss;
    duration lowest = duration::max();
    bool limited = true;
    time_point now{};
    stream_offset una{1};
    stream_offset nxt{};
};

}  // namespace

TEST_CASE("Vegas: in avoidance the window settles with alpha to beta segments in the queue", "[policy]")
{
    for (const octet_count start : {90, 100, 130}) {
        path p{start * smss, smss};
        p.lowest = p.base;
        p.rounds(120);
        CHECK(p.queued() >= 1.5);
        CHECK(p.queued() <= 5);
        const octet_count settled = p.policy.cwnd();
        p.rounds(50);
        CHECK(std::max(settled, p.policy.cwnd()) - std::min(settled, p.policy.cwnd()) <= 2 * smss);
    }
}

TEST_CASE("Vegas: it moves by one segment in a round trip", "[policy]")
{
    path p{50 * smss, smss};
    p.lowest = p.base;
    p.round();
    for (int i = 0; i < 10; ++i) {
        const octet_count before = p.policy.cwnd();
        p.round();
        CHECK(p.policy.cwnd() - before >= 0);
        CHECK(p.policy.cwnd() - before <= 2 * smss);
    }
    CHECK(p.policy.cwnd() > 50 * smss);
}

TEST_CASE("Vegas: slow start doubles in every second round and ends before the queue is long", "[policy]")
{
    path p{10 * smss};
    p.lowest = p.base;
    p.rounds(4);
    CHECK(p.policy.cwnd() >= 20 * smss);
    CHECK(p.policy.cwnd() <= 40 * smss);
    p.rounds(16);
    CHECK(p.policy.ssthresh() != congestion::no_threshold);
    CHECK(p.policy.cwnd() >= 90 * smss);
    CHECK(p.policy.cwnd() <= 110 * smss);
}

TEST_CASE("Vegas: rounds with fewer than three samples are Reno's", "[policy]")
{
    path p{2 * smss, smss};
    p.round();
    const octet_count before = p.policy.cwnd();
    p.rounds(3);
    CHECK(p.policy.cwnd() > before);
}

TEST_CASE("Vegas: a window that is not the limit does not grow", "[policy]")
{
    path p{50 * smss, smss};
    p.lowest = p.base;
    p.limited = false;
    p.rounds(20);
    CHECK(p.policy.cwnd() == 50 * smss);
}

TEST_CASE("Vegas: loss and timeouts are answered as Reno does, and taken back", "[policy]")
{
    path p{50 * smss, smss};
    const vegas prior = p.policy;
    p.policy.on_congestion_event({.in_flight = 50 * smss, .smss = smss});
    CHECK(p.policy.cwnd() == 25 * smss);
    p.policy.on_retransmission_timeout({.in_flight = 25 * smss, .smss = smss});
    CHECK(p.policy.cwnd() == smss);
    p.policy.on_spurious(spurious_cause::f_rto, prior);
    CHECK(p.policy.cwnd() == 50 * smss);
}

TEST_CASE("Vegas: never below two segments, whatever the delay", "[policy]")
{
    path p{10 * smss, smss};
    p.lowest = ms;
    p.rounds(60);
    CHECK(p.policy.cwnd() >= 2 * smss);
}

TEST_CASE("Vegas: each round counts its own samples: one late sample after a round of many moves nothing", "[policy]")
{
    path p{50 * smss, smss};
    p.lowest = p.base;
    p.rounds(3);
    const octet_count before = p.policy.cwnd();
    // The application pauses: one segment in this round, and its ACK is delayed by as much as a full queue.
    p.una = p.nxt + smss;
    const stream_offset end = p.una + 10 * smss;
    p.policy.on_ack({.now = p.now, .acked = smss, .delivered = smss, .una = p.una, .nxt = end,
                     .latest_rtt = p.base, .min_rtt = p.base, .smss = smss});
    const octet_count at_round_end = p.policy.cwnd();
    CHECK(at_round_end >= before - smss);
    p.policy.on_ack({.now = p.now, .acked = smss, .delivered = smss, .una = end + smss, .nxt = end + 9 * smss,
                     .latest_rtt = p.base * 3, .min_rtt = p.base, .smss = smss});
    CHECK(p.policy.cwnd() == at_round_end);
}

TEST_CASE("Vegas: what was measured before a pause says nothing of the path after it", "[policy]")
{
    path p{50 * smss, smss};
    p.lowest = p.base;
    p.rounds(3);
    const auto ack = [&p](duration rtt) {
        p.una = p.una + smss;
        p.policy.on_ack({.now = p.now, .acked = smss, .delivered = smss, .una = p.una, .nxt = p.nxt,
                         .latest_rtt = rtt, .min_rtt = p.base, .cwnd_limited = true, .smss = smss});
    };
    for (int i = 0; i < 10; ++i) {
        ack(p.base);
    }
    p.policy.on_idle_restart(p.now, 100 * smss);
    const octet_count before = p.policy.cwnd();
    p.una = p.nxt;
    ack(p.base * 3);  // the only sample of its round: nothing is known of the queue
    CHECK(p.policy.cwnd() == before);
}

TEST_CASE("Vegas: however little may wait in the queue, two segments are left", "[policy]")
{
    path p{3 * smss, smss, {.alpha = 1, .beta = 1}};
    for (int i = 0; i < 60; ++i) {
        p.una = p.una + smss / 4;
        p.policy.on_ack({.now = p.now, .acked = smss / 4, .delivered = smss / 4, .una = p.una,
                         .nxt = p.una + 2 * smss, .latest_rtt = p.base * 4, .min_rtt = p.base, .smss = smss});
        REQUIRE(p.policy.cwnd() >= 2 * smss);
    }
    CHECK(p.policy.cwnd() == 2 * smss);
}
