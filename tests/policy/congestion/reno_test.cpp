#include "tcpco/policy/congestion/reno.hpp"

#include <cstdint>

#include "catch.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"

using namespace tcpco;
using congestion::reno;

namespace {

constexpr octet_count smss = 1000;

constexpr reno established(octet_count window, octet_count ssthresh = 0)
{
    reno c;
    c.on_connection_established(
        {.initial_window = 10 * smss, .smss = smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
    return c;
}

constexpr ack_info ack_of(octet_count octets)
{
    return {.acked = octets, .delivered = octets, .cwnd_limited = true, .smss = smss};
}

constexpr octet_count after(reno c, const ack_info& a)
{
    c.on_ack(a);
    return c.cwnd();
}

// One round trip: a window of full segments, each acknowledged by itself.
constexpr reno round_trip(reno c)
{
    for (octet_count left = c.cwnd() / smss; left > 0; --left) {
        c.on_ack(ack_of(smss));
    }
    return c;
}

// RFC 5681 section 3.1: slow start doubles a window in a round trip, by a segment per ACK at most, by what was
// acknowledged at most.
static_assert(round_trip(established(10 * smss)).cwnd() == 20 * smss);
static_assert(after(established(10 * smss), ack_of(5 * smss)) == 11 * smss);
static_assert(after(established(10 * smss), ack_of(100)) == 10 * smss + 100);
static_assert(after(established(3 * smss, 3 * smss + 400), ack_of(smss)) == 3 * smss + 400);

// Congestion avoidance adds a segment in a round trip.
static_assert(round_trip(established(10 * smss, 5 * smss)).cwnd() == 11 * smss);
static_assert(round_trip(round_trip(established(10 * smss, 5 * smss))).cwnd() == 12 * smss);
// Also where the window holds half a segment that never is in flight.
static_assert(round_trip(established(9 * smss + 500, 5 * smss)).cwnd() == 10 * smss + 500);
static_assert(round_trip(round_trip(established(9 * smss + 500, 5 * smss))).cwnd() == 11 * smss + 500);

}  // namespace

TEST_CASE("Reno: the initial window is the stack's, ssthresh is arbitrarily high", "[policy][RFC5681-3.1f]")
{
    reno c;
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    CHECK(c.cwnd() == 10 * smss);
    CHECK(c.ssthresh() > octet_count{1} << 40);
}

TEST_CASE("Reno: ten ACKs of a tenth of a segment grow the window by one segment", "[policy][RFC5681-3.1j]")
{
    reno c = established(10 * smss);
    for (int i = 0; i < 10; ++i) {
        c.on_ack(ack_of(smss / 10));
    }
    CHECK(c.cwnd() == 11 * smss);
}

TEST_CASE("Reno: RFC 3465 allows two segments per ACK in slow start, no more, and one after a timeout",
          "[policy][RFC5681-3.1i][RFC3465-2.2a][RFC3465-2.3a][RFC3465-2.3b][RFC3465-2.3c][RFC3465-2.3d][RFC3465-3.2a]")
{
    const std::uint32_t configured = GENERATE(2u, 3u, 1'000'000u);
    reno c{reno::config{.slow_start_segments = configured}};
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    c.on_ack(ack_of(5 * smss));
    CHECK(c.cwnd() == 12 * smss);
    c.on_ack(ack_of(3 * smss / 2));
    CHECK(c.cwnd() == 13 * smss + smss / 2);
    c.on_retransmission_timeout({.in_flight = 12 * smss, .smss = smss});
    c.on_ack(ack_of(5 * smss));
    CHECK(c.cwnd() == 2 * smss);
    CHECK(c.ssthresh() == 6 * smss);
}

TEST_CASE("Reno: a stretch ACK of a whole window grows avoidance by one segment",
          "[policy][RFC5681-3.1k][RFC5681-3.1l][RFC3465-2.1a]")
{
    reno c = established(10 * smss, 5 * smss);
    c.on_ack(ack_of(30 * smss));
    CHECK(c.cwnd() == 11 * smss);
    c.on_ack(ack_of(smss - 1));  // what was left over is one window at most
    CHECK(c.cwnd() == 11 * smss);
    c.on_ack(ack_of(1));
    CHECK(c.cwnd() == 12 * smss);
}

TEST_CASE("Reno: nothing grows on duplicates, in recovery, or when the window was not the limit",
          "[policy][RFC5681-3.1i]")
{
    for (const octet_count ssthresh : {octet_count{0}, 5 * smss}) {
        const reno c = established(10 * smss, ssthresh);
        ack_info a = ack_of(10 * smss);
        a.in_recovery = true;
        CHECK(after(c, a) == 10 * smss);
        a.in_recovery = false;
        a.cwnd_limited = false;
        CHECK(after(c, a) == 10 * smss);
        CHECK(after(c, ack_info{.cwnd_limited = true, .duplicate = true, .smss = smss}) == 10 * smss);
    }
}

TEST_CASE("Reno: loss halves what was in flight, not the window, and two segments are the least",
          "[policy][RFC5681-3.2g][RFC5681-3.1g][RFC5681-4.3a]")
{
    reno c = established(20 * smss);
    c.on_congestion_event({.in_flight = 10 * smss, .smss = smss});
    CHECK(c.ssthresh() == 5 * smss);
    CHECK(c.cwnd() == 5 * smss);
    c.on_congestion_event({.in_flight = 2 * smss, .smss = smss});
    CHECK(c.ssthresh() == 2 * smss);
    CHECK(c.cwnd() == 2 * smss);
}

TEST_CASE("Reno: losses in two successive windows halve it twice, however much SACKed data is outstanding",
          "[policy][RFC5681-4.3d]")
{
    reno c = established(100 * smss);
    c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    REQUIRE(c.cwnd() == 50 * smss);
    c.on_congestion_event({.in_flight = 95 * smss, .smss = smss});  // 50 in the pipe, 45 SACKed beyond the hole
    CHECK(c.ssthresh() == 25 * smss);
    CHECK(c.cwnd() == 25 * smss);
}

TEST_CASE("Reno: the loss of a retransmission halves what the first loss left", "[policy][RFC5681-4.3d]")
{
    reno c = established(20 * smss);
    c.on_congestion_event({.in_flight = 20 * smss, .smss = smss});
    REQUIRE(c.cwnd() == 10 * smss);
    c.on_congestion_event({.cause = congestion_cause::lost_retransmission, .in_flight = 20 * smss, .smss = smss});
    CHECK(c.ssthresh() == 5 * smss);
    CHECK(c.cwnd() == 5 * smss);
}

TEST_CASE("Reno: a timeout in recovery lowers the threshold a second time, whatever is outstanding",
          "[policy][RFC5681-4.3d][RFC5681-3.1n]")
{
    reno c = established(20 * smss);
    c.on_congestion_event({.in_flight = 20 * smss, .smss = smss});
    c.on_retransmission_timeout({.first = true, .in_flight = 20 * smss, .smss = smss});
    CHECK(c.ssthresh() == 5 * smss);
    CHECK(c.cwnd() == smss);
}

TEST_CASE("Reno: a timeout leaves one segment, and a repeated one does not lower ssthresh again",
          "[policy][RFC5681-3.1n][RFC5681-3.1o][RFC5681-3.1p]")
{
    reno c = established(20 * smss);
    c.on_retransmission_timeout({.first = true, .in_flight = 20 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);
    CHECK(c.ssthresh() == 10 * smss);
    c.on_retransmission_timeout({.first = false, .in_flight = 3 * smss, .smss = smss});
    CHECK(c.ssthresh() == 10 * smss);
    c.on_congestion_event({.in_flight = 20 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);  // a reduction is never an increase
}

TEST_CASE("Reno: what was needless is given back, and what has grown since is kept", "[policy][RFC4015-3.4b]")
{
    const reno before = established(40 * smss, 30 * smss);
    reno c = before;
    c.on_retransmission_timeout({.first = true, .in_flight = 40 * smss, .smss = smss});
    REQUIRE(c.cwnd() == smss);
    c.on_spurious(spurious_cause::f_rto, before);
    CHECK(c.cwnd() == 40 * smss);
    CHECK(c.ssthresh() == 30 * smss);
    c.on_connection_established({.smss = smss, .prior_cwnd = 50 * smss, .prior_ssthresh = 35 * smss});
    c.on_spurious(spurious_cause::dsack, before);
    CHECK(c.cwnd() == 50 * smss);
    CHECK(c.ssthresh() == 35 * smss);
}

TEST_CASE("Reno: idle time restarts with the restart window at most", "[policy][RFC5681-4.1a]")
{
    reno c = established(20 * smss);
    c.on_idle_restart({}, 10 * smss);
    CHECK(c.cwnd() == 10 * smss);
    c.on_idle_restart({}, 30 * smss);
    CHECK(c.cwnd() == 10 * smss);
}

TEST_CASE("Reno: a smaller segment size keeps the number of segments", "[policy][RFC5681-3.1e]")
{
    reno c = established(10 * smss);
    c.on_smss_change(1000, 500);
    CHECK(c.cwnd() == 5'000);
    c.on_smss_change(500, 8'000);
    CHECK(c.cwnd() == 8'000);  // never below one segment
}

TEST_CASE("Reno: extremes neither overflow nor fall below a segment", "[policy]")
{
    constexpr octet_count most = UINT32_MAX;
    reno c = established(most);
    for (int i = 0; i < 100; ++i) {
        c.on_ack({.acked = most, .cwnd_limited = true, .smss = 65'535});
    }
    CHECK(c.cwnd() >= most);
    CHECK(c.cwnd() <= 2 * most);
    c.on_congestion_event({.in_flight = most, .smss = smss});
    CHECK(c.cwnd() == most / 2);
    c.on_congestion_event({.in_flight = 0, .smss = smss});
    CHECK(c.cwnd() == 2 * smss);
}

TEST_CASE("a fixed window stays what it is", "[policy]")
{
    congestion::fixed_window c{congestion::fixed_window::config{.window = 7'000}};
    c.on_ack(ack_of(smss));
    c.on_congestion_event({.in_flight = 7'000, .smss = smss});
    CHECK(c.cwnd() == 7'000);
    CHECK(c.ssthresh() == 7'000);
}

TEST_CASE("Reno: a mark may leave more of the window than a loss does (ABE), two segments at the least",
          "[policy][RFC8511-3a][RFC8511-3b][RFC8511-3.1a]")
{
    const auto after_mark = [](std::uint32_t beta, octet_count in_flight, congestion_cause cause) {
        reno c{{.ecn_beta_milli = beta}};
        c.on_connection_established({.smss = smss, .prior_cwnd = 100 * smss, .prior_ssthresh = 1});
        c.on_congestion_event({.cause = cause, .in_flight = in_flight, .smss = smss});
        CHECK(c.cwnd() == c.ssthresh());
        return c.cwnd();
    };
    CHECK(after_mark(500, 100 * smss, congestion_cause::ecn_echo) == 50 * smss);
    CHECK(after_mark(800, 100 * smss, congestion_cause::ecn_echo) == 80 * smss);
    CHECK(after_mark(800, 100 * smss, congestion_cause::loss) == 50 * smss);
    CHECK(after_mark(800, 2 * smss, congestion_cause::ecn_echo) == 2 * smss);
    CHECK(after_mark(5'000, 100 * smss, congestion_cause::ecn_echo) == 100 * smss);  // never more
    CHECK(reno::config{}.ecn_beta_milli == 500);
}

TEST_CASE("Reno: a mark in slow start takes what a loss takes, however mild the answer to marks is",
          "[policy][RFC8511-4a]")
{
    for (const octet_count above : {-1, 0, 1}) {
        reno c{{.ecn_beta_milli = 800}};
        c.on_connection_established(
            {.smss = smss, .prior_cwnd = 100 * smss, .prior_ssthresh = (100 - above) * smss});
        c.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
        CHECK(c.cwnd() == (above > 0 ? 80 : 50) * smss);
    }
}

TEST_CASE("Reno: what was acknowledged towards the next segment begins anew with each reduction, and comes back undone",
          "[policy][RFC5681-3.1k][RFC4015-3.4b]")
{
    const reno nearly = [] {  // nine of ten segments
        reno c = established(10 * smss, 5 * smss);
        c.on_ack(ack_of(9 * smss));
        return c;
    }();
    REQUIRE(after(nearly, ack_of(smss)) == 11 * smss);
    SECTION("a loss")
    {
        reno c = nearly;
        c.on_congestion_event({.in_flight = 10 * smss, .smss = smss});
        CHECK(after(c, ack_of(4 * smss)) == 5 * smss);
    }
    SECTION("a timeout")
    {
        reno c = nearly;
        c.on_retransmission_timeout({.first = true, .in_flight = 10 * smss, .smss = smss});
        for (int i = 0; i < 4; ++i) {
            c.on_ack(ack_of(smss));
        }
        REQUIRE(c.cwnd() == 5 * smss);
        CHECK(after(c, ack_of(4 * smss)) == 5 * smss);
    }
    SECTION("idleness")
    {
        reno c = nearly;
        c.on_idle_restart({}, 10 * smss);
        CHECK(after(c, ack_of(smss)) == 10 * smss);
    }
    SECTION("an undo")
    {
        reno c = nearly;
        c.on_congestion_event({.in_flight = 10 * smss, .smss = smss});
        c.on_spurious(spurious_cause::dsack, nearly);
        CHECK(after(c, ack_of(smss)) == 11 * smss);
    }
}

TEST_CASE("Reno: no window grows beyond the largest of use", "[policy]")
{
    CHECK(after(established(congestion::largest_cwnd, smss), ack_of(congestion::largest_cwnd)) ==
          congestion::largest_cwnd);
    CHECK(after(established(congestion::largest_cwnd), ack_of(smss)) == congestion::largest_cwnd);
}
