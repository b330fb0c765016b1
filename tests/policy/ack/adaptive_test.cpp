#include "tcpco/policy/ack/adaptive.hpp"

#include "catch.hpp"

using namespace tcpco;
using ack::adaptive;
using when = ack_decision::when;

namespace {

constexpr octet_count rmss = 1460;

// A peer's in-order segments, each its own ACK behind it.
struct arrivals {
    adaptive a;
    time_point now{1_s};
    duration srtt = 2_s;

    ack_decision segment(duration after, octet_count unacked = 100)
    {
        now = now + after;
        return a.on_segment({.now = now, .octets = 100, .unacked_octets = unacked, .rmss = rmss, .srtt = srtt});
    }
};

}  // namespace

TEST_CASE("adaptive: the first segments are acknowledged at once, and again after a silence", "[policy][SHLD-18]")
{
    arrivals from{adaptive{{.quick_segments = 3}}};
    from.srtt = 50_ms;
    for (int round = 0; round < 2; ++round) {
        CHECK(from.segment(1_ms + round * 201_ms).at == when::now);
        CHECK(from.segment(1_ms).at == when::now);
        CHECK(from.segment(200_ms).at == when::now);
        CHECK(from.segment(200_ms).at == when::within);  // 200 ms is no silence yet
    }
    from.srtt = 2_s;
    CHECK(from.segment(4'000_ms).at == when::within);  // nor are two round trips
    CHECK(from.segment(4'001_ms).at == when::now);
}

TEST_CASE("adaptive: the delay follows the time between segments, from 40 ms to below half a second",
          "[policy][MUST-40]")
{
    arrivals from{adaptive{{.quick_segments = 0}}};
    CHECK(from.segment(0_s).delay == 40_ms);
    for (int i = 0; i < 20; ++i) {
        from.segment(100_ms);
    }
    CHECK(from.segment(100_ms).delay > 99_ms);
    CHECK(from.segment(100_ms).delay <= 100_ms);
    for (int i = 0; i < 20; ++i) {
        from.segment(1_ms);
    }
    CHECK(from.segment(1_ms).delay == 40_ms);
    for (int i = 0; i < 20; ++i) {
        from.segment(3_s);
    }
    CHECK(from.segment(3_s).delay == adaptive::longest_delay);
    CHECK(adaptive::longest_delay < 500_ms);
}

TEST_CASE("adaptive: no delay exceeds a round trip, unless that is shorter than the shortest delay",
          "[policy][MUST-40]")
{
    arrivals from{adaptive{{.quick_segments = 0}}};
    from.segment(0_s);
    from.srtt = 90_ms;
    for (int i = 0; i < 20; ++i) {
        from.segment(150_ms);
    }
    CHECK(from.segment(150_ms).delay == 90_ms);
    from.srtt = 1_ms;
    CHECK(from.segment(150_ms).delay == 40_ms);
}

TEST_CASE("adaptive: every second full-sized segment is acknowledged, and loss is told at once",
          "[policy][SHLD-19][RFC5681-4.2d]")
{
    adaptive a{{.quick_segments = 0}};
    received_segment s{.now = time_point{1_s}, .octets = rmss, .unacked_octets = rmss, .rmss = rmss};
    CHECK(a.on_segment(s).at == when::within);
    s.unacked_octets = 2 * rmss;
    CHECK(a.on_segment(s).at == when::now);
    s.wire_segments = 10;
    CHECK(a.on_segment(s).at == when::end_of_batch);
    s.unacked_octets = rmss;
    s.wire_segments = 1;
    s.in_order = false;
    CHECK(a.on_segment(s).at == when::now);
    s.in_order = true;
    s.fills_hole = true;
    CHECK(a.on_segment(s).at == when::now);
}

TEST_CASE("adaptive: a clock that stands still or jumps by a month leaves the delay in its bounds", "[policy][MUST-40]")
{
    arrivals from{adaptive{{.quick_segments = 0}}};
    for (const duration gap : {0_s, 30 * 86'400_s, 0_s, 1_ms}) {
        const ack_decision d = from.segment(gap);
        CHECK(d.delay >= 40_ms);
        CHECK(d.delay < 500_ms);
    }
}
