#include "tcpco/policy/ack/delayed.hpp"

#include "catch.hpp"
#include "tcpco/policy/ack/immediate.hpp"

using namespace tcpco;
using ack::delayed;
using when = ack_decision::when;

namespace {

constexpr octet_count rmss = 1460;

constexpr received_segment segment(octet_count octets, octet_count unacked)
{
    return {.octets = octets, .unacked_octets = unacked, .rmss = rmss};
}

delayed past_the_start(delayed::config c = {})
{
    c.quick_segments = 0;
    return delayed{c};
}

}  // namespace

TEST_CASE("every second full-sized segment is acknowledged, a first one waits", "[policy][SHLD-19][SHLD-18]")
{
    delayed a = past_the_start();
    const ack_decision first = a.on_segment(segment(rmss, rmss));
    CHECK(first.at == when::within);
    CHECK(first.delay == 40_ms);
    CHECK(a.on_segment(segment(rmss, 2 * rmss)).at == when::now);
    CHECK(a.on_segment(segment(10, 2 * rmss - 1)).at == when::within);  // small ones add up to octets
}

TEST_CASE("no delay reaches half a second", "[policy][MUST-40]")
{
    delayed a = past_the_start({.delay = 10_s});
    CHECK(a.on_segment(segment(1, 1)).delay < 500_ms);
    CHECK(past_the_start({.delay = 0_s}).on_segment(segment(1, 1)).delay == 0_s);
}

TEST_CASE("what tells of loss or congestion goes at once", "[policy][RFC5681-4.2d][RFC5681-3.2b]")
{
    delayed a = past_the_start({.stretch = true});
    received_segment s = segment(rmss, rmss);
    SECTION("out of order") { s.in_order = false; }
    SECTION("a hole is filled") { s.fills_hole = true; }
    SECTION("a duplicate") { s.duplicate = true; }
    SECTION("the CE mark changed") { s.ce_changed = true; }
    s.wire_segments = 10;
    CHECK(a.on_segment(s).at == when::now);
}

TEST_CASE("a super-frame is answered when all that waits was delivered", "[policy][MUST-58]")
{
    delayed a = past_the_start();
    received_segment s = segment(44 * rmss, 44 * rmss);
    s.wire_segments = 44;
    CHECK(a.on_segment(s).at == when::end_of_batch);
    CHECK(past_the_start({.stretch = true}).on_segment(segment(rmss, 2 * rmss)).at == when::end_of_batch);
}

TEST_CASE("the first segments of a connection are acknowledged at once", "[policy]")
{
    delayed a{delayed::config{.quick_segments = 3}};
    received_segment two = segment(2 * rmss, 2 * rmss);
    two.wire_segments = 2;
    CHECK(a.on_segment(segment(1, 1)).at == when::now);
    CHECK(a.on_segment(two).at == when::end_of_batch);
    CHECK(a.on_segment(segment(1, 1)).at == when::within);
}

TEST_CASE("a window update waits until it is worth a segment", "[policy][MUST-39]")
{
    const delayed a;
    const auto read = [&a](octet_count growth, octet_count advertised) {
        return a.on_read({.growth = growth, .advertised = advertised, .capacity = 64 * rmss, .rmss = rmss});
    };
    CHECK_FALSE(read(1, 0));
    CHECK_FALSE(read(rmss - 1, 0));
    CHECK(read(rmss, 0));
    CHECK_FALSE(read(2 * rmss, 32 * rmss));
    CHECK(read(16 * rmss, 32 * rmss));
    CHECK(a.on_read({.growth = 500, .advertised = 0, .capacity = 1'000, .rmss = rmss}));
    CHECK_FALSE(a.on_read({.growth = 0, .advertised = 0, .capacity = 0, .rmss = 0 + 1}));
}

TEST_CASE("immediate: each segment is acknowledged, a read when silly window avoidance allows", "[policy][MUST-39]")
{
    const ack::immediate a;
    CHECK(a.on_segment(segment(1, 1)).at == when::now);
    CHECK(a.on_read({.growth = rmss, .advertised = 10 * rmss, .capacity = 64 * rmss, .rmss = rmss}));
    CHECK_FALSE(a.on_read({.growth = 1, .advertised = 0, .capacity = 64 * rmss, .rmss = rmss}));
    CHECK_FALSE(a.on_read({.growth = 0, .advertised = 0, .capacity = 0, .rmss = 0}));
}
