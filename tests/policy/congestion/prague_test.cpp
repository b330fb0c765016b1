#include "tcpco/policy/congestion/prague.hpp"

#include <cmath>
#include <cstdint>

#include "bottleneck.hpp"
#include "catch.hpp"
#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/reno.hpp"

using namespace tcpco;
using congestion::prague;

namespace {

constexpr octet_count smss = 1'000;
constexpr duration ms{1'000'000};

// A sender with windows of a hundred segments, one ACK for each.
struct sender {
    explicit sender(duration rtt = 25 * ms, octet_count window = 100 * smss, octet_count ssthresh = 1,
                    const prague::config& c = {})
        : policy{c}, srtt{rtt}
    {
        policy.on_connection_established({.initial_window = 10 * smss,
                                          .smss = smss,
                                          .handshake_rtt = rtt,
                                          .prior_cwnd = window,
                                          .prior_ssthresh = ssthresh});
    }
    void ack(octet_count octets, octet_count marked, bool accurate = true)
    {
        una = una + octets;
        policy.on_ack({.now = now,
                       .acked = octets,
                       .delivered = octets,
                       .una = una,
                       .nxt = nxt,
                       .srtt = srtt,
                       .cwnd_limited = true,
                       .ecn = {.ece = marked > 0, .ce_octets = marked, .accurate = accurate},
                       .smss = smss});
        nxt = una + 100 * smss;
    }
    // A round trip, of whose hundred segments the first `marked` had a mark; answered once, if at all.
    void round(int marked, bool answered = false)
    {
        for (int i = 0; i < 100; ++i) {
            if (i == 0 && marked > 0 && answered) {
                mark();
            }
            ack(smss, i < marked ? smss : 0);
            now += srtt / 100;
        }
    }
    void mark(bool accurate = true)
    {
        policy.on_congestion_event({.cause = congestion_cause::ecn_echo,
                                    .in_flight = 100 * smss,
                                    .smss = smss,
                                    .now = now,
                                    .accurate = accurate});
    }
    double alpha() const { return static_cast<double>(policy.alpha()) / static_cast<double>(prague::scale); }

    prague policy;
    duration srtt;
    time_point now{duration{1'000'000'000}};
    stream_offset una{1};
    stream_offset nxt{1};
};

using tests::bottleneck;
using tests::path_shape;

}  // namespace

TEST_CASE("Prague: the first marks halve the window, later ones take half of their share",
          "[policy][RFC9331-4.3a]")
{
    sender s;
    s.mark();
    CHECK(s.policy.cwnd() == 50 * smss);
    CHECK(s.policy.ssthresh() == 50 * smss);
    for (int i = 0; i < 200; ++i) {
        s.round(10);
    }
    CHECK(std::fabs(s.alpha() - 0.1) < 0.01);
    const octet_count before = s.policy.cwnd();
    s.mark();
    CHECK(std::fabs(static_cast<double>(s.policy.cwnd()) / static_cast<double>(before) - 0.95) < 0.005);
}

TEST_CASE("Prague: the share is averaged over rounds, a sixteenth each, and stays within 0 and 1",
          "[policy][RFC9331-4.3a]")
{
    sender s;
    s.round(0);
    s.round(0);
    CHECK(s.alpha() == 1.0);  // nothing is learnt before the first answered mark
    s.mark();
    double expected = 1.0;
    s.round(0);  // ends with the next round's first ACK
    for (int i = 0; i < 20; ++i) {
        const double before = s.alpha();
        s.round(0);
        expected = before * 15 / 16;
        CHECK(std::fabs(s.alpha() - expected) < 0.001);
    }
    for (int i = 0; i < 400; ++i) {
        s.round(0);
    }
    CHECK(s.policy.alpha() == 0);
    for (int i = 0; i < 400; ++i) {
        s.round(100);
        CHECK(s.policy.alpha() <= prague::scale);
    }
    CHECK(s.alpha() > 0.99);
}

TEST_CASE("Prague: a share too small for one round's resolution is still seen", "[policy][RFC9331-4.3a]")
{
    sender s;
    s.mark();
    for (int i = 0; i < 1'000; ++i) {
        s.ack(smss, 10);  // ten octets of a round's hundred thousand
        s.round(0);
    }
    CHECK(std::fabs(s.alpha() - 0.0001) < 0.00002);
}

TEST_CASE("Prague: octets with a mark earn no growth, those beside them do", "[policy]")
{
    sender s;
    const octet_count before = s.policy.cwnd();
    for (int i = 0; i < 100; ++i) {
        s.ack(smss, smss);
    }
    CHECK(s.policy.cwnd() == before);
    for (int i = 0; i < 100; ++i) {
        s.ack(2 * smss, smss);
    }
    CHECK(s.policy.cwnd() > before + smss * 9 / 10);
    CHECK(s.policy.cwnd() <= before + smss);
    s.ack(smss, 1'000'000'000);  // more than was acknowledged, as a lie may have it
    CHECK(s.policy.cwnd() <= before + smss);
}

TEST_CASE("Prague: a paced window that is nearly full is full, unless the application has no more", "[policy]")
{
    const auto grows = [](octet_count in_flight, bool app_limited, bool in_recovery) {
        sender s;
        for (int i = 0; i < 100; ++i) {
            s.policy.on_ack({.now = s.now,
                             .acked = smss,
                             .delivered = smss,
                             .in_flight_before = in_flight,
                             .srtt = s.srtt,
                             .app_limited = app_limited,
                             .in_recovery = in_recovery,
                             .smss = smss});
        }
        return s.policy.cwnd() > 100 * smss;
    };
    CHECK(grows(90 * smss, false, false));
    CHECK_FALSE(grows(80 * smss, false, false));
    CHECK_FALSE(grows(90 * smss, true, false));
    CHECK_FALSE(grows(100 * smss, false, true));
}

TEST_CASE("Prague: without counted marks, and for a loss, it is Reno", "[policy][RFC9331-4.3c]")
{
    sender s;
    s.mark();
    for (int i = 0; i < 100; ++i) {
        s.round(0);
    }
    REQUIRE(s.alpha() < 0.01);  // a counted mark would take next to nothing
    prague classic = s.policy;
    const octet_count window = classic.cwnd();
    classic.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = window, .smss = smss, .now = s.now});
    CHECK(classic.cwnd() == window / 2);
    prague lost = s.policy;
    lost.on_congestion_event({.in_flight = window, .smss = smss, .now = s.now});
    CHECK(lost.cwnd() == window / 2);
    CHECK(lost.ssthresh() == window / 2);
    // Whatever is outstanding: with the window that the loss has left it is lowered a second time.
    lost.on_retransmission_timeout({.in_flight = window, .smss = smss, .now = s.now});
    CHECK(lost.cwnd() == smss);
    CHECK(lost.ssthresh() == window / 4);
    lost.on_retransmission_timeout({.first = false, .in_flight = smss, .smss = smss, .now = s.now});
    CHECK(lost.ssthresh() == window / 4);
    lost.on_spurious(spurious_cause::dsack, s.policy);
    CHECK(lost.cwnd() == window);
    CHECK(lost.ssthresh() == s.policy.ssthresh());
    lost.on_congestion_event({.in_flight = smss, .smss = smss, .now = s.now});
    CHECK(lost.cwnd() == 2 * smss);
}

TEST_CASE("Prague: two segments are the least that marks leave", "[policy]")
{
    sender s{25 * ms, 3 * smss};
    for (int i = 0; i < 10; ++i) {
        s.mark();
        s.now += 100 * ms;
    }
    CHECK(s.policy.cwnd() == 2 * smss);
    sender one{25 * ms, smss};
    one.mark();
    CHECK(one.policy.cwnd() == smss);  // marks never make it larger
}

TEST_CASE("Prague: rounds of less than 25 ms count as if they took so long", "[policy][RFC9331-4.3e]")
{
    // In 25 ms a flow gains what one with that round trip does, as a rate: a fifth of the window for a fifth of the RTT.
    sender slow{25 * ms};
    sender fast{5 * ms};
    slow.round(0);
    for (int i = 0; i < 5; ++i) {
        fast.round(0);
    }
    const octet_count gained_slow = slow.policy.cwnd() - 100 * smss;
    const octet_count gained_fast = fast.policy.cwnd() - 100 * smss;
    CHECK(gained_slow > smss * 95 / 100);
    CHECK(gained_slow <= smss);
    CHECK(gained_fast > smss * 19 / 100);
    CHECK(gained_fast <= smss / 5);
    // And it answers marks once in so long.
    fast.mark();
    const octet_count reduced = fast.policy.cwnd();
    fast.now += 20 * ms;
    fast.mark();
    CHECK(fast.policy.cwnd() == reduced);
    fast.now += 6 * ms;
    fast.mark();
    CHECK(fast.policy.cwnd() < reduced);
    // And learns from them as often.
    const double before = fast.alpha();
    for (int i = 0; i < 10; ++i) {
        fast.round(0);
    }
    CHECK(fast.alpha() < before * 0.95);
    CHECK(fast.alpha() > before * 0.80);  // three rounds at the most, not ten
    // Switched off, it is as fast as the path.
    sender plain{5 * ms, 100 * smss, 1, {.reference_rtt = duration{}}};
    plain.round(0);
    CHECK(plain.policy.cwnd() > 100 * smss + smss * 95 / 100);
}

TEST_CASE("Prague: it paces at its window in a round trip, twice that in early slow start, in bursts of 250 us",
          "[policy][RFC9331-4.3g]")
{
    const sender avoiding;
    CHECK(avoiding.policy.pacing_rate() == 4'000'000);
    CHECK(avoiding.policy.send_quantum() == smss);
    const sender starting{25 * ms, 100 * smss, 1'000 * smss};
    CHECK(starting.policy.pacing_rate() == 8'000'000);
    CHECK(starting.policy.send_quantum() == 2'000);
    prague unknown;
    unknown.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    CHECK(unknown.pacing_rate() == 0);
    CHECK(unknown.send_quantum() == 0);
}

TEST_CASE("Prague: a shallow marking queue is kept short and the link busy", "[policy][RFC9331-4.3a]")
{
    const path_shape shape{.rate = 12'500'000, .delay = duration{20'000'000}, .queue = 500'000, .mark_above = 12'500};
    bottleneck<prague> b{shape};
    b.run(duration{5'000'000'000});
    static_cast<void>(b.utilization(duration{5'000'000'000}));
    b.longest_queue = 0;
    const std::uint64_t before = b.reductions;
    b.run(duration{10'000'000'000});
    CHECK(b.utilization(duration{10'000'000'000}) > 0.93);
    CHECK(b.longest_queue < 25'000);  // two milliseconds
    CHECK(b.reductions - before > 25);  // marks come often, each of them small
    CHECK(b.policy.alpha() < prague::scale / 3);
    CHECK(b.lost_total() == 0);
    // Reno on the same path does worse: it halves for each.
    bottleneck<congestion::reno> r{shape};
    r.run(duration{5'000'000'000});
    static_cast<void>(r.utilization(duration{5'000'000'000}));
    r.run(duration{10'000'000'000});
    CHECK(r.utilization(duration{10'000'000'000}) < 0.93);
}

TEST_CASE("Prague: behind a queue that only drops it fills the link and backs off as Reno does",
          "[policy][RFC9331-4.3c]")
{
    bottleneck<prague> b{{.rate = 1'250'000, .delay = duration{40'000'000}, .queue = 50'000}};
    b.run(duration{5'000'000'000});
    static_cast<void>(b.utilization(duration{5'000'000'000}));
    b.run(duration{20'000'000'000});
    CHECK(b.utilization(duration{20'000'000'000}) > 0.8);
    CHECK(b.lost_total() > 0);
    CHECK(b.reductions > 3);
    CHECK(b.policy.ssthresh() < 200'000);
}

TEST_CASE("Prague: a queue that marks as RFC 3168 has it is noticed and answered by halving, an L4S one is not",
          "[policy][RFC9331-4.3d]")
{
    // 100 Mbit/s. A mark in 100 ms at the most once as much waits as the path holds; or each packet beyond 1 ms.
    const std::int64_t delay = GENERATE(5, 20);
    path_shape classic{.rate = 12'500'000, .delay = delay * ms, .queue = 2'000'000, .mark_above = 12'500 * delay};
    classic.mark_interval = 100 * ms;
    const path_shape l4s{.rate = 12'500'000, .delay = delay * ms, .queue = 2'000'000, .mark_above = 12'500};
    const auto run = [](bottleneck<prague>& b) {
        b.run(duration{10'000'000'000});
        static_cast<void>(b.utilization(duration{10'000'000'000}));
        b.longest_queue = 0;
        b.run(duration{10'000'000'000});
    };
    CAPTURE(delay);
    bottleneck<prague> noticing{classic};
    run(noticing);
    CHECK(noticing.policy.is_classic());
    CHECK(noticing.utilization(duration{10'000'000'000}) > 0.5);
    bottleneck<prague> blind{classic, {.classic_fallback = false}};
    run(blind);
    CHECK_FALSE(blind.policy.is_classic());
    CHECK(noticing.longest_queue < blind.longest_queue * 2 / 3);
    bottleneck<congestion::reno> reno{classic};
    reno.run(duration{10'000'000'000});
    reno.longest_queue = 0;
    reno.run(duration{10'000'000'000});
    CAPTURE(noticing.longest_queue, blind.longest_queue, reno.longest_queue);
    CHECK(noticing.longest_queue < reno.longest_queue * 3 / 2);
    bottleneck<prague> shallow{l4s};
    run(shallow);
    CHECK_FALSE(shallow.policy.is_classic());
    CHECK(shallow.utilization(duration{10'000'000'000}) > 0.85);
    CHECK(shallow.longest_queue < 37'500);  // 3 ms
}

TEST_CASE("Prague: the verdict follows the delay's depth and variation, round by round, and can be switched off",
          "[policy][RFC9331-4.3d]")
{
    const auto rounds = [](sender& s, int count, duration deviation, duration depth) {
        for (int i = 0; i < count * 10; ++i) {
            s.una = s.una + 10 * smss;
            s.policy.on_ack({.now = s.now,
                             .acked = 10 * smss,
                             .delivered = 10 * smss,
                             .una = s.una,
                             .nxt = s.una + 100 * smss,
                             .latest_rtt = s.srtt + depth + (i % 2 == 0 ? deviation : -deviation),
                             .min_rtt = s.srtt,
                             .srtt = s.srtt,
                             .ecn = {.ece = true, .ce_octets = smss, .accurate = true},
                             .smss = smss});
            s.now += s.srtt / 10;
        }
    };
    sender s{25 * ms};
    rounds(s, 100, 8 * ms, 10 * ms);
    CHECK_FALSE(s.policy.is_classic());  // nothing is asked before the first mark
    s.mark();
    rounds(s, 100, 8 * ms, 10 * ms);
    CHECK(s.policy.is_classic());
    const octet_count before = s.policy.cwnd();
    REQUIRE(s.alpha() < 0.3);
    s.mark();
    CHECK(s.policy.cwnd() == before - before / 2);
    const octet_count again = s.policy.cwnd();
    s.now += 1 * ms;
    s.mark();  // the connection reports one in a round trip: no longer interval of our own
    CHECK(s.policy.cwnd() < again);
    rounds(s, 200, duration{100'000}, duration{500'000});  // another path
    CHECK_FALSE(s.policy.is_classic());
    sender blind{25 * ms, 100 * smss, 1, {.classic_fallback = false}};
    blind.mark();
    rounds(blind, 100, 8 * ms, 10 * ms);
    CHECK_FALSE(blind.policy.is_classic());
}

TEST_CASE("Prague: at a round trip of a hundred microseconds it still answers what the queue says",
          "[policy][RFC9331-4.3f]")
{
    // 10 Gbit/s over 100 us: a window of 125 segments; marks beyond 20 us of queue.
    const path_shape shape{.rate = 1'250'000'000, .delay = duration{100'000}, .queue = 2'000'000, .mark_above = 25'000};
    bottleneck<prague> b{shape};
    b.run(duration{200'000'000});
    static_cast<void>(b.utilization(duration{200'000'000}));
    b.longest_queue = 0;
    b.run(duration{300'000'000});
    CHECK(b.utilization(duration{300'000'000}) > 0.7);
    CHECK(b.longest_queue < 125'000);  // 100 us
    // A tenth of the rate: the window follows within a hundredth of a second.
    b.path.rate = 125'000'000;
    b.run(duration{200'000'000});
    b.longest_queue = 0;
    b.run(duration{200'000'000});
    CHECK(b.longest_queue < 60'000);
    CHECK(b.lost_total() == 0);
}

TEST_CASE("Prague: chosen at run time it alone asks for ECT(1)", "[policy][RFC9331-4.1a][RFC9331-4.3b]")
{
    using any = congestion::any_congestion<congestion::reno, prague>;
    CHECK_FALSE(any{any::config{}}.ect_1());
    CHECK(any{any::config::of<prague>()}.ect_1());
    CHECK(any::index_of("prague") == 1);
    CHECK_FALSE(grows_beside_marks_v<any>);  // the safe answer for Reno
    CHECK(grows_beside_marks_v<prague>);
}

TEST_CASE("Prague: a round of marks ends when what left in it is acknowledged, and not before its time",
          "[policy][RFC9331-4.3a]")
{
    sender s;
    s.mark();
    s.round(0);
    s.ack(smss, 0);  // a round begins
    const double before = s.alpha();
    const stream_offset end = s.nxt;
    s.now += 100 * ms;  // the path has become long
    while (s.una + smss < end) {
        s.ack(smss, 0);
        REQUIRE(s.alpha() == before);
    }
    s.ack(2 * smss, 0);
    CHECK(s.alpha() < before);
}

TEST_CASE("Prague: slow start ends at ssthresh exactly, an ACK adds a segment at the most, the window has a limit",
          "[policy]")
{
    sender s{25 * ms, 10 * smss, 10 * smss + 300};
    s.ack(smss, 0);
    CHECK(s.policy.cwnd() == 10 * smss + 300);
    s.ack(octet_count{1} << 40, 0);
    CHECK(s.policy.cwnd() == 11 * smss + 300);
    sender largest{25 * ms, congestion::largest_cwnd};
    largest.ack(congestion::largest_cwnd, 0);
    CHECK(largest.policy.cwnd() == congestion::largest_cwnd);
}

TEST_CASE("Prague: the first mark is answered whenever it comes", "[policy][RFC9331-4.3a]")
{
    sender s;
    s.now = time_point{1 * ms};
    s.mark();
    CHECK(s.policy.cwnd() == 50 * smss);
    s.now += 20 * ms;
    s.mark();
    CHECK(s.policy.cwnd() == 50 * smss);
}

TEST_CASE("Prague: a mark on the loss window leaves ssthresh at two segments", "[policy][RFC9331-4.3c]")
{
    sender s;
    s.policy.on_retransmission_timeout({.first = true, .in_flight = 100 * smss, .smss = smss, .now = s.now});
    s.mark();
    CHECK(s.policy.cwnd() == smss);
    CHECK(s.policy.ssthresh() == 2 * smss);
}

TEST_CASE("Prague: what was needless is given back, less what has grown since, and a pause leaves no more than its window",
          "[policy]")
{
    sender s;
    const prague prior = s.policy;
    s.policy.on_congestion_event({.in_flight = 100 * smss, .smss = smss, .now = s.now});
    REQUIRE(s.policy.cwnd() == 50 * smss);
    s.policy.on_spurious(spurious_cause::dsack, prior);
    CHECK(s.policy.cwnd() == 100 * smss);
    for (int i = 0; i < 3; ++i) {
        s.round(0);
    }
    const octet_count grown = s.policy.cwnd();
    REQUIRE(grown > 100 * smss);
    s.policy.on_spurious(spurious_cause::dsack, prior);
    CHECK(s.policy.cwnd() == grown);
    s.policy.on_idle_restart(s.now, 200 * smss);
    CHECK(s.policy.cwnd() == grown);
    s.policy.on_idle_restart(s.now, 10 * smss);
    CHECK(s.policy.cwnd() == 10 * smss);
}

TEST_CASE("Prague: it paces twice as fast in the first half of slow start, and sends no less than a segment at once",
          "[policy][RFC9331-4.3g]")
{
    const sender early{25 * ms, 40 * smss, 100 * smss};
    CHECK(early.policy.pacing_rate() == 3'200'000);
    const sender late{25 * ms, 60 * smss, 100 * smss};
    CHECK(late.policy.pacing_rate() == 2'400'000);
    const sender slow{25 * ms, 2 * smss};
    CHECK(slow.policy.send_quantum() == smss);  // 250 us are 20 octets
}

TEST_CASE("Prague: however short the round trip is, octets without a mark add something", "[policy][RFC9331-4.3f]")
{
    sender s{duration{5'000}, 4 * smss};
    for (int i = 0; i < 10'000; ++i) {
        s.ack(smss, 0);
    }
    CHECK(s.policy.cwnd() > 4 * smss);
}
