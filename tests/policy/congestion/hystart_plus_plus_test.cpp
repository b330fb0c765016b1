#include "tcpco/policy/congestion/hystart_plus_plus.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/reno.hpp"

using namespace tcpco;
using congestion::cubic;
using congestion::reno;
using hystart = congestion::hystart_plus_plus<reno>;

static_assert(congestion_controller<hystart> && told_of_spurious<hystart> && told_of_timeouts<hystart>);
static_assert(congestion_controller<congestion::hystart_plus_plus<cubic>>);
static_assert(told_of_packets_sent<congestion::hystart_plus_plus<cubic>> && !told_of_packets_sent<hystart>);

namespace {

constexpr octet_count smss = 1'000;
constexpr duration ms{1'000'000};
constexpr duration tick{1};

// A sender whose window is always full: each round acknowledges what was in flight at its beginning, segment by segment.
struct sender {
    explicit sender(const hystart::config& c = {}) : policy{c}
    {
        policy.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    }

    void ack(duration rtt, octet_count octets = smss, bool limited = true)
    {
        una = una + octets;
        policy.on_ack({.now = now, .acked = octets, .delivered = octets, .una = una, .nxt = nxt, .latest_rtt = rtt,
                       .cwnd_limited = limited, .smss = smss});
        nxt = std::max(nxt, una + policy.cwnd());
    }
    void round(duration rtt)
    {
        now = now + rtt;
        for (const stream_offset end = nxt; una < end;) {
            ack(rtt);
        }
    }

    hystart policy;
    time_point now{};
    stream_offset una{1};
    stream_offset nxt{1 + 10 * smss};
};

}  // namespace

TEST_CASE("HyStart++: on a path whose round trip does not change it is slow start", "[policy][RFC9406-4.2b]")
{
    sender s;
    for (int i = 0; i < 6; ++i) {
        const octet_count before = s.policy.cwnd();
        s.round(50 * ms);
        CHECK(s.policy.cwnd() == 2 * before);
    }
    CHECK_FALSE(s.policy.in_conservative_slow_start());
    CHECK(s.policy.ssthresh() == congestion::no_threshold);
}

TEST_CASE("HyStart++: one ACK grows the window by L segments at the most", "[policy][RFC9406-4.2b][RFC9406-4.3a]")
{
    sender s;
    s.ack(50 * ms, 20 * smss);
    CHECK(s.policy.cwnd() == 18 * smss);
    s.ack(50 * ms, 100);
    CHECK(s.policy.cwnd() == 18 * smss + 100);
}

TEST_CASE("HyStart++: a rise of an eighth, 4 ms at least and 16 ms at the most, begins conservative slow start",
          "[policy][RFC9406-4.2c][RFC9406-4.3a]")
{
    const auto turns = [](duration first, duration second) {
        sender s;
        s.round(first);
        s.round(first);
        s.round(second);
        return s.policy.in_conservative_slow_start();
    };
    CHECK_FALSE(turns(80 * ms, 90 * ms - tick));
    CHECK(turns(80 * ms, 90 * ms));
    CHECK_FALSE(turns(8 * ms, 12 * ms - tick));
    CHECK(turns(8 * ms, 12 * ms));
    CHECK_FALSE(turns(400 * ms, 416 * ms - tick));
    CHECK(turns(400 * ms, 416 * ms));
}

TEST_CASE("HyStart++: a round's minimum counts from its eighth sample on", "[policy][RFC9406-4.2c][RFC9406-4.2a]")
{
    sender s;
    s.round(40 * ms);
    for (int i = 0; i < 8; ++i) {
        CHECK_FALSE(s.policy.in_conservative_slow_start());
        s.ack(60 * ms);
    }
    CHECK(s.policy.in_conservative_slow_start());
}

TEST_CASE("HyStart++: a round ends with the octet that was next to be sent when it began", "[policy][RFC9406-4.2a]")
{
    // Ten samples of 40 ms; the first of the next round comes before, or behind, that octet.
    for (const bool behind : {false, true}) {
        sender s;
        s.round(40 * ms);
        if (!behind) {
            s.policy.on_ack({.una = s.una, .nxt = s.nxt, .latest_rtt = 60 * ms, .smss = smss});  // of the old round
        }
        for (int i = 0; i < 7; ++i) {
            s.ack(60 * ms);
        }
        CHECK_FALSE(s.policy.in_conservative_slow_start());
        s.ack(60 * ms);
        CHECK(s.policy.in_conservative_slow_start());
    }
}

TEST_CASE("HyStart++ around CUBIC: without loss the curve begins at its flat point, where slow start was left",
          "[policy][RFC9438-4.10b][RFC9438-4.10c][RFC9406-4.2f]")
{
    CHECK(std::is_same_v<default_policies::congestion, congestion::hystart_plus_plus<cubic>>);
    default_policies::congestion c;
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    stream_offset una{1};
    stream_offset nxt{1 + 10 * smss};
    duration t{};
    for (int i = 0; !c.handed_over() && i < 10'000; ++i) {
        una = una + smss;
        c.on_ack({.now = time_point{t += ms}, .acked = smss, .una = una, .nxt = nxt,
                  .latest_rtt = (una.value < 20'000 ? 40 : 60) * ms, .srtt = 50 * ms, .cwnd_limited = true, .smss = smss});
        nxt = std::max(nxt, una + c.cwnd());
    }
    REQUIRE(c.handed_over());
    const octet_count left_at = c.cwnd();
    c.on_ack({.now = time_point{t += ms}, .acked = smss, .una = una, .nxt = nxt, .srtt = 50 * ms,
              .cwnd_limited = true, .smss = smss});
    CHECK(c.base().k() == duration::zero());
    CHECK(c.base().w_max() == left_at);
    CHECK(c.cwnd() < left_at + smss);  // congestion avoidance
}

TEST_CASE("HyStart++: one sample that is low keeps the round in slow start", "[policy][RFC9406-4.2c]")
{
    sender s;
    s.round(40 * ms);
    s.ack(41 * ms);
    for (int i = 0; i < 15; ++i) {
        s.ack(90 * ms);
    }
    CHECK_FALSE(s.policy.in_conservative_slow_start());
}

TEST_CASE("HyStart++: conservative slow start grows a quarter as fast for five rounds, then the base goes on from there",
          "[policy][RFC9406-4.2d][RFC9406-4.2f][RFC9406-4.3a]")
{
    sender s;
    s.round(40 * ms);
    const stream_offset round_end = s.nxt;
    for (int i = 0; i < 8; ++i) {
        s.ack(60 * ms);
    }
    REQUIRE(s.policy.in_conservative_slow_start());
    const octet_count before = s.policy.cwnd();
    s.ack(60 * ms);
    CHECK(s.policy.cwnd() == before + smss / 4);
    int rounds = 1;  // what is left of the round in which it began is the first
    for (stream_offset end = round_end; s.policy.in_conservative_slow_start() && rounds < 20;) {
        const stream_offset sent = s.nxt;
        s.ack(60 * ms);
        if (s.una > end) {
            end = sent;
            ++rounds;
        }
    }
    CHECK(rounds == 6);  // by the ACK which shows that the fifth is over
    CHECK(s.policy.handed_over());
    CHECK(s.policy.ssthresh() <= s.policy.cwnd());
    const octet_count flat = s.policy.cwnd();
    s.round(60 * ms);
    CHECK(s.policy.cwnd() - flat <= 2 * smss);  // congestion avoidance: a segment in a round trip
}

TEST_CASE("HyStart++: a round whose minimum falls below the baseline brings slow start back", "[policy][RFC9406-4.2e]")
{
    sender s;
    s.round(40 * ms);
    s.round(60 * ms);
    REQUIRE(s.policy.in_conservative_slow_start());
    s.round(45 * ms);
    CHECK_FALSE(s.policy.in_conservative_slow_start());
    CHECK_FALSE(s.policy.handed_over());
    const octet_count before = s.policy.cwnd();
    s.round(45 * ms);
    CHECK(s.policy.cwnd() == 2 * before);
}

TEST_CASE("HyStart++: loss ends slow start, and the base answers as always", "[policy][RFC9406-4.2g]")
{
    sender s;
    s.round(40 * ms);
    const octet_count flight = s.policy.cwnd();
    s.policy.on_congestion_event({.in_flight = flight, .smss = smss});
    CHECK(s.policy.cwnd() == flight / 2);
    CHECK(s.policy.ssthresh() == flight / 2);
    CHECK(s.policy.handed_over());
}

TEST_CASE("HyStart++: a mark ends slow start as a loss does", "[policy][RFC9406-4.2g]")
{
    sender s;
    s.round(40 * ms);
    s.policy.on_congestion_event(
        {.cause = congestion_cause::ecn_echo, .in_flight = s.policy.cwnd(), .smss = smss});
    CHECK(s.policy.handed_over());
    CHECK(s.policy.ssthresh() == 10 * smss);
}

TEST_CASE("HyStart++: the slow start after a timeout is the base's own", "[policy][RFC9406-4.3d]")
{
    sender s;
    s.round(40 * ms);
    s.policy.on_retransmission_timeout({.in_flight = 20 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == smss);
    s.round(40 * ms);
    for (int i = 0; i < 20; ++i) {
        s.ack(90 * ms);
    }
    CHECK_FALSE(s.policy.in_conservative_slow_start());
}

TEST_CASE("HyStart++: an episode that was none is undone into the slow start that it ended", "[policy][RFC9406-4.2g]")
{
    sender s;
    s.round(40 * ms);
    const hystart prior = s.policy;
    s.policy.on_congestion_event({.in_flight = 20 * smss, .smss = smss});
    s.policy.on_spurious(spurious_cause::dsack, prior);
    CHECK(s.policy.cwnd() == 20 * smss);
    CHECK_FALSE(s.policy.handed_over());
}

TEST_CASE("HyStart++: a divisor of growth below 2 is taken as 2", "[policy][RFC9406-4.3b]")
{
    sender s{{.growth_divisor = 0}};
    s.round(40 * ms);
    s.round(60 * ms);
    REQUIRE(s.policy.in_conservative_slow_start());
    const octet_count before = s.policy.cwnd();
    s.ack(60 * ms);
    CHECK(s.policy.cwnd() == before + smss / 2);
}

namespace {

// A base that is paced.
struct paced_reno : reno {
    using reno::reno;
    std::uint64_t pacing_rate() const noexcept { return 1'000'000; }
};

}  // namespace

TEST_CASE("HyStart++: a paced sender has no limit L", "[policy][RFC9406-4.3c]")
{
    congestion::hystart_plus_plus<paced_reno> paced;
    paced.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    paced.on_ack({.acked = 20 * smss, .una = stream_offset{20 * smss}, .nxt = stream_offset{30 * smss},
                  .cwnd_limited = true, .smss = smss});
    CHECK(paced.cwnd() == 30 * smss);
}

TEST_CASE("HyStart++: a window that the application does not fill does not grow", "[policy][RFC9406-4.2b]")
{
    sender s;
    s.ack(40 * ms, smss, false);
    CHECK(s.policy.cwnd() == 10 * smss);
}

TEST_CASE("HyStart++: who comes back from idleness without ever having lost anything is still in slow start",
          "[policy][RFC9406-4.3d]")
{
    const auto hands_over = [](octet_count ssthresh) {
        hystart policy;
        policy.on_connection_established({.initial_window = 10 * smss,
                                          .smss = smss,
                                          .prior_cwnd = 10 * smss,
                                          .prior_ssthresh = ssthresh});
        return policy.handed_over();
    };
    CHECK_FALSE(hands_over(congestion::no_threshold));
    CHECK(hands_over(congestion::no_threshold - 1));
    CHECK(hands_over(5 * smss));
}

TEST_CASE("HyStart++: a connection that begins anew has no round before it to compare with", "[policy][RFC9406-4.2a]")
{
    sender s;
    s.round(50 * ms);
    s.policy.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    s.nxt = s.una + 10 * smss;
    s.round(70 * ms);
    CHECK_FALSE(s.policy.in_conservative_slow_start());
    s.round(90 * ms);
    CHECK(s.policy.in_conservative_slow_start());
}

TEST_CASE("HyStart++: no window grows beyond the largest of use", "[policy]")
{
    sender s;
    s.policy.on_connection_established({.initial_window = congestion::largest_cwnd, .smss = smss});
    s.ack(50 * ms);
    CHECK(s.policy.cwnd() == congestion::largest_cwnd);
}
