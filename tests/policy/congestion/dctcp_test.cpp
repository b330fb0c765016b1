#include "tcpco/policy/congestion/dctcp.hpp"

#include <cmath>
#include <cstdint>
#include <string_view>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"

using namespace tcpco;
using congestion::dctcp;

namespace {

template <class C>
constexpr bool echoes_exactly = requires { C::wants_exact_ecn_echo; };

constexpr octet_count smss = 1'000;

struct sender {
    explicit sender(octet_count window = 100 * smss, octet_count ssthresh = 1)
    {
        policy.on_connection_established(
            {.initial_window = 10 * smss, .smss = smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
    }
    void ack(octet_count octets, bool ece, octet_count counted = 0)
    {
        una = una + octets;
        policy.on_ack({.acked = octets, .una = una, .nxt = nxt, .ecn = {.ece = ece, .ce_octets = counted},
                       .smss = smss});
        nxt = una + 100 * smss;
    }
    // A window of 100 segments of which the first `marked` have an echo. The window's end is known by the ACK after it.
    void window(int marked)
    {
        for (int i = 0; i < 100; ++i) {
            ack(smss, i < marked);
        }
    }

    dctcp policy;
    stream_offset una{1};
    stream_offset nxt{1};
};

double alpha_of(const sender& s)
{
    return static_cast<double>(s.policy.alpha()) / static_cast<double>(dctcp::scale);
}

}  // namespace

TEST_CASE("DCTCP: who does not name it does not have it, nor its echo of marks", "[policy][RFC8257-1a]")
{
    using usual = default_policies::congestion;
    CHECK(std::string_view{usual::name} != dctcp::name);
    CHECK_FALSE(echoes_exactly<usual>);
    CHECK(echoes_exactly<dctcp>);
}

TEST_CASE("DCTCP: alpha begins at 1: the first mark halves the window", "[policy][RFC8257-3.3a][RFC8257-3.3c]")
{
    sender s;
    CHECK(alpha_of(s) == 1.0);
    s.policy.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == 50 * smss);
    CHECK(s.policy.ssthresh() == 50 * smss);
}

TEST_CASE("DCTCP: alpha follows the share of marked octets, a sixteenth of the distance for each window",
          "[policy][RFC8257-3.3a][RFC8257-3.3b]")
{
    sender s;
    s.ack(smss, false);  // a window of one segment, unmarked: it ends with its own ACK
    double expected = 1.0 - 1.0 / 16;
    CHECK(std::fabs(alpha_of(s) - expected) < 1e-5);
    for (int i = 0; i < 200; ++i) {
        s.window(30);
    }
    CHECK(std::fabs(alpha_of(s) - 0.3) < 0.03);
}

TEST_CASE("DCTCP: alpha comes to zero and never below, and to 1 and never above", "[policy][RFC8257-4.2a]")
{
    sender s;
    for (int i = 0; i < 1'000; ++i) {
        s.window(0);
        REQUIRE(s.policy.alpha() >= 0);
    }
    CHECK(s.policy.alpha() == 0);
    s.policy.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == 100 * smss);
    for (int i = 0; i < 1'000; ++i) {
        s.window(100);
        REQUIRE(s.policy.alpha() <= dctcp::scale);
    }
    CHECK(alpha_of(s) > 0.99);
}

TEST_CASE("DCTCP: marks that are counted are taken as counted", "[policy][RFC8257-3.3b]")
{
    sender s;
    for (int i = 0; i < 300; ++i) {
        for (int k = 0; k < 100; ++k) {
            s.ack(smss, true, 500);  // half of the octets, though each ACK has an echo
        }
    }
    CHECK(std::fabs(alpha_of(s) - 0.5) < 0.03);
}

TEST_CASE("DCTCP: a loss halves the window whatever alpha is", "[policy][RFC8257-3.5a]")
{
    sender s;
    for (int i = 0; i < 1'000; ++i) {
        s.window(0);
    }
    s.policy.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == 50 * smss);
    s.policy.on_retransmission_timeout({.in_flight = 50 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == smss);
    CHECK(s.policy.ssthresh() == 25 * smss);
}

TEST_CASE("DCTCP: marks leave two segments at the least", "[policy][RFC8257-3.3c]")
{
    sender s{3 * smss};
    for (int i = 0; i < 5; ++i) {
        s.policy.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 2 * smss, .smss = smss});
    }
    CHECK(s.policy.cwnd() == 2 * smss);
}

TEST_CASE("DCTCP: a mark in slow start ends it", "[policy][RFC8257-3.3c]")
{
    sender s{40 * smss, congestion::no_threshold};
    s.policy.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 40 * smss, .smss = smss});
    CHECK(s.policy.cwnd() == 20 * smss);
    CHECK(s.policy.ssthresh() == 20 * smss);
}

TEST_CASE("DCTCP: a window of observation ends with an ACK beyond what had been sent when it began",
          "[policy][RFC8257-3.3b]")
{
    sender s;
    s.ack(smss, false);
    const stream_offset end = s.nxt;
    s.ack(smss, false);  // a window ends, and the next one ends there
    const std::int64_t alpha = s.policy.alpha();
    while (s.una < end) {
        s.ack(smss, false);
    }
    CHECK(s.una == end);
    CHECK(s.policy.alpha() == alpha);
    s.ack(smss, false);
    CHECK(s.policy.alpha() < alpha);
}

TEST_CASE("DCTCP: what was marked before a timeout says nothing of the window that begins with it", "[policy]")
{
    sender s;
    s.window(0);
    for (const std::int64_t last = s.policy.alpha(); s.policy.alpha() == last;) {
        s.ack(smss, false);
    }
    const std::int64_t before = s.policy.alpha();  // a window has just begun
    for (int i = 0; i < 60; ++i) {
        s.ack(smss, true);
    }
    s.policy.on_retransmission_timeout({.first = true, .in_flight = 40 * smss, .smss = smss});
    while (s.policy.alpha() == before) {
        s.ack(smss, false);
    }
    CHECK(s.policy.alpha() <= before - before / 16);
}

TEST_CASE("DCTCP: a connection that begins anew takes its first marks for all", "[policy][RFC8257-3.3a]")
{
    sender s;
    s.window(0);
    REQUIRE(alpha_of(s) < 1);
    s.policy.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    CHECK(alpha_of(s) == 1.0);
}
