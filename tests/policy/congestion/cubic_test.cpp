#include "tcpco/policy/congestion/cubic.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "catch.hpp"

using namespace tcpco;
using congestion::cubic;

namespace {

constexpr octet_count smss = 1'460;

// RFC 9438 section 4 in doubles and segments, as the text has it.
struct reference {
    double cwnd, ssthresh, w_max = 0, w_est = 0, cwnd_prior = 0, k = 0, epoch = -1;

    void on_loss(double flight)
    {
        cwnd_prior = cwnd;
        w_max = cwnd < w_max ? cwnd * 0.85 : cwnd;
        ssthresh = std::max(flight * 0.7, 2.0);
        cwnd = ssthresh;
        epoch = -1;
    }
    double curve(double t) const { return 0.4 * std::pow(t - k, 3) + w_max; }
    void on_ack(double now, double rtt, double segments)
    {
        if (epoch < 0) {
            epoch = now;
            w_est = cwnd;
            k = cwnd < w_max ? std::cbrt((w_max - cwnd) / 0.4) : 0;
            w_max = std::max(w_max, cwnd);
        }
        const double alpha = w_est >= cwnd_prior ? 1.0 : 3 * 0.3 / 1.7;
        w_est += alpha * segments / cwnd;
        if (curve(now - epoch) < w_est) {
            cwnd = std::max(cwnd, w_est);
        } else {
            const double target = std::clamp(curve(now - epoch + rtt), cwnd, 1.5 * cwnd);
            cwnd += segments * (target - cwnd) / cwnd;
        }
    }
};

cubic established(octet_count window, octet_count ssthresh = 0)
{
    cubic c;
    c.on_connection_established(
        {.initial_window = 10 * smss, .smss = smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
    return c;
}

ack_info ack_at(duration t, octet_count octets, duration rtt)
{
    return {.now = time_point{t},
            .acked = octets,
            .delivered = octets,
            .srtt = rtt,
            .cwnd_limited = true,
            .smss = smss};
}

// Full windows in flight for a while, an ACK for every second segment; worst relative distance from the reference.
double worst_distance(octet_count window, duration rtt, duration length)
{
    cubic c = established(window, window);
    reference r{.cwnd = static_cast<double>(window) / smss, .ssthresh = 0};
    c.on_congestion_event({.in_flight = window, .smss = smss});
    r.on_loss(static_cast<double>(window) / smss);
    double worst = 0;
    for (duration t{}; t < length;) {
        const std::int64_t acks = std::max<std::int64_t>(c.cwnd() / (2 * smss), 1);
        for (std::int64_t i = 0; i < acks; ++i) {
            t += rtt / acks;
            c.on_ack(ack_at(t, 2 * smss, rtt));
            r.on_ack(t.seconds(), rtt.seconds(), 2);
        }
        const double segments = static_cast<double>(c.cwnd()) / smss;
        worst = std::max(worst, std::abs(segments - r.cwnd) / r.cwnd);
    }
    return worst;
}

}  // namespace

TEST_CASE("CUBIC follows the RFC computed in doubles",
          "[policy][RFC9438-4.2a][RFC9438-4.4a][RFC9438-4.5a][RFC9438-5.1a][RFC9438-4.2b][RFC9438-4.3a][RFC9438-4.3b]")
{
    CHECK(worst_distance(100 * smss, 100_ms, 20_s) < 0.002);
    CHECK(worst_distance(1'000 * smss, 40_ms, 12_s) < 0.002);
    CHECK(worst_distance(20'000 * smss, 200_ms, 60_s) < 0.002);
    CHECK(worst_distance(20 * smss, 1_ms, 1_s) < 0.005);  // the Reno-friendly region
}

TEST_CASE("CUBIC: K is the cube root of the distance to W_max over C", "[policy][RFC9438-4.2a]")
{
    cubic c = established(1'000 * smss, 1'000 * smss);
    c.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
    CHECK(c.cwnd() == 700 * smss);
    CHECK(c.w_max() == 1'000 * smss);
    c.on_ack(ack_at(1_s, smss, 100_ms));
    CHECK(std::abs(c.k().seconds() - std::cbrt(300 / 0.4)) < 0.0001);  // 9.0856 s
}

TEST_CASE("CUBIC: a loss below the last maximum gives room away", "[policy][RFC9438-4.7a]")
{
    cubic c = established(1'000 * smss, 1'000 * smss);
    c.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
    c.on_congestion_event({.in_flight = 700 * smss, .smss = smss});
    CHECK(c.w_max() == 595 * smss);  // 0.85 of 700
    CHECK(c.cwnd() == 490 * smss);

    cubic selfish{cubic::config{.fast_convergence = false}};
    selfish.on_connection_established({.smss = smss, .prior_cwnd = 1'000 * smss, .prior_ssthresh = smss});
    selfish.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
    selfish.on_congestion_event({.in_flight = 700 * smss, .smss = smss});
    CHECK(selfish.w_max() == 700 * smss);
}

TEST_CASE("CUBIC: the decrease is 0.7 of what was in flight, two segments at least, one for ECN",
          "[policy][RFC9438-4.6a][RFC9438-4.6b][RFC9438-4.6d]")
{
    cubic c = established(10 * smss);
    c.on_congestion_event({.in_flight = 5 * smss, .smss = smss});
    CHECK(c.ssthresh() == 5 * smss * 7 / 10);
    CHECK(c.cwnd() == 5 * smss * 7 / 10);
    c.on_congestion_event({.in_flight = smss, .smss = smss});
    CHECK(c.cwnd() == 2 * smss);
    c.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = smss, .smss = smss});
    CHECK(c.cwnd() == smss);
    CHECK(c.ssthresh() == 2 * smss);
}

TEST_CASE("CUBIC: losses in two successive windows take 0.7 twice, however much SACKed data is outstanding",
          "[policy][RFC9438-4.6b]")
{
    cubic c = established(1'000 * smss, 1'000 * smss);
    c.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
    REQUIRE(c.cwnd() == 700 * smss);
    c.on_congestion_event({.in_flight = 1'300 * smss, .smss = smss});  // 700 in the pipe, 600 SACKed beyond the hole
    CHECK(c.ssthresh() == 490 * smss);
    CHECK(c.cwnd() == 490 * smss);
}

TEST_CASE("CUBIC: a timeout in recovery lowers the threshold a second time, whatever is outstanding",
          "[policy][RFC5681-4.3d][RFC9438-4.8a]")
{
    cubic c = established(100 * smss, 100 * smss);
    c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    REQUIRE(c.cwnd() == 70 * smss);
    c.on_retransmission_timeout({.first = true, .in_flight = 100 * smss, .smss = smss});
    CHECK(c.ssthresh() == 49 * smss);
}

TEST_CASE("CUBIC: after a timeout slow start to 0.7, then the flat point of the curve",
          "[policy][RFC9438-4.8a][RFC9438-4.10a]")
{
    cubic c = established(150 * smss, 150 * smss);
    c.on_congestion_event({.in_flight = 150 * smss, .smss = smss});  // a maximum that must be forgotten
    c.on_retransmission_timeout({.first = true, .in_flight = 100 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);
    CHECK(c.ssthresh() == 70 * smss);
    c.on_retransmission_timeout({.first = false, .in_flight = 2 * smss, .smss = smss});
    CHECK(c.ssthresh() == 70 * smss);
    duration t{};
    while (c.cwnd() < c.ssthresh()) {
        c.on_ack(ack_at(t += 1_ms, smss, 100_ms));
    }
    c.on_ack(ack_at(t, smss, 100_ms));
    CHECK(c.w_max() == 70 * smss);
    CHECK(c.k() == duration::zero());
}

TEST_CASE("CUBIC: time in which the application was the limit is no time of the curve", "[policy][RFC9438-4.2c]")
{
    const auto grown = [](duration pause, bool idle) {
        cubic c = established(1'000 * smss, 1'000 * smss);
        c.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
        duration t{};
        for (int i = 0; i < 2'000; ++i) {
            c.on_ack(ack_at(t += 1_ms, 10 * smss, 100_ms));
        }
        if (pause > duration::zero()) {
            if (idle) {
                c.on_packet_sent({.now = time_point{t + pause}, .idle_for = pause});
            } else {
                ack_info a = ack_at(t, smss, 100_ms);
                a.cwnd_limited = false;
                c.on_ack(a);
            }
            t += pause;
        }
        for (int i = 0; i < 100; ++i) {
            c.on_ack(ack_at(t += 1_ms, 10 * smss, 100_ms));
        }
        return c.cwnd();
    };
    CHECK(std::abs(grown(60_s, false) - grown(0_s, false)) <= smss);
    CHECK(std::abs(grown(60_s, true) - grown(0_s, true)) <= smss);
}

TEST_CASE("CUBIC: a spurious reduction is taken back unless the window is larger already",
          "[policy][RFC9438-4.9b][RFC9438-4.9c]")
{
    cubic c = established(100 * smss, 100 * smss);
    const cubic prior = c;
    c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    c.on_spurious(spurious_cause::dsack, prior);
    CHECK(c.cwnd() == 100 * smss);
    CHECK(c.ssthresh() == prior.ssthresh());
    cubic larger = established(200 * smss, 100 * smss);
    larger.on_spurious(spurious_cause::dsack, prior);
    CHECK(larger.cwnd() == 200 * smss);
}

TEST_CASE("CUBIC: a timeout that was none is taken back, the curve and its clock with it",
          "[policy][RFC9438-4.9a][RFC9438-4.9b]")
{
    const auto avoid = [](cubic& c, duration from) {
        duration t = from;
        for (int i = 0; i < 500; ++i) {
            c.on_ack(ack_at(t += 1_ms, smss, 100_ms));
        }
    };
    cubic c = established(100 * smss, 100 * smss);
    c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    avoid(c, 0_s);
    const cubic prior = c;
    cubic untouched = c;
    c.on_retransmission_timeout({.first = true, .in_flight = 70 * smss, .smss = smss});
    c.on_ack(ack_at(600_ms, smss, 100_ms));
    REQUIRE(c.cwnd() < 10 * smss);
    c.on_spurious(spurious_cause::f_rto, prior);
    CHECK(c.ssthresh() == prior.ssthresh());
    avoid(c, 600_ms);
    avoid(untouched, 600_ms);
    CHECK(c.cwnd() == untouched.cwnd());
    CHECK(c.w_est() == untouched.w_est());
    CHECK(c.k() == untouched.k());
    CHECK(c.w_max() == 100 * smss);
}

TEST_CASE("CUBIC: nothing grows on duplicates, in recovery, or when the window was not the limit",
          "[policy][RFC9438-4.6c]")
{
    for (const octet_count ssthresh : {octet_count{0}, 5 * smss}) {
        cubic c = established(10 * smss, ssthresh);
        ack_info a = ack_at(1_s, 10 * smss, 100_ms);
        a.in_recovery = true;
        c.on_ack(a);
        a.in_recovery = false;
        a.cwnd_limited = false;
        c.on_ack(a);
        a.cwnd_limited = true;
        a.acked = 0;
        c.on_ack(a);
        CHECK(c.cwnd() == 10 * smss);
    }
}

TEST_CASE("CUBIC: windows of 2^32-1 octets, RTTs of 100 s and years of time neither overflow nor shrink", "[policy]")
{
    constexpr octet_count most = UINT32_MAX;
    for (const octet_count segment : {octet_count{1}, octet_count{536}, octet_count{65'535}}) {
        cubic c{cubic::config{.c_milli = 4'000}};
        c.on_connection_established({.smss = segment, .prior_cwnd = most, .prior_ssthresh = most});
        c.on_congestion_event({.in_flight = most, .smss = segment});
        CHECK(c.cwnd() == most * 7 / 10);
        octet_count before = c.cwnd();
        duration t{};
        for (int i = 0; i < 200; ++i) {
            c.on_ack({.now = time_point{t}, .acked = most, .srtt = 100_s, .cwnd_limited = true, .smss = segment});
            CHECK(c.cwnd() >= before);
            before = c.cwnd();
            t += i < 100 ? 100_s : 10'000'000_s;
        }
        CHECK(c.cwnd() <= 2 * most);
        c.on_congestion_event({.in_flight = 0, .smss = segment});
        CHECK(c.cwnd() == 2 * segment);
    }
}

TEST_CASE("CUBIC: a mark may leave more of the window than a loss does (ABE), but not in slow start",
          "[policy][RFC8511-3.1b][RFC8511-4a]")
{
    for (const octet_count ssthresh : {101 * smss, 100 * smss}) {
        cubic slow{{.ecn_beta_milli = 850}};
        slow.on_connection_established({.smss = smss, .prior_cwnd = 100 * smss, .prior_ssthresh = ssthresh});
        slow.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
        CHECK(slow.cwnd() == 70 * smss);
    }
    cubic c{{.ecn_beta_milli = 850}};
    c.on_connection_established({.smss = smss, .prior_cwnd = 100 * smss, .prior_ssthresh = 1});
    cubic lost = c;
    c.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
    CHECK(c.cwnd() == 85 * smss);
    lost.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
    CHECK(lost.cwnd() == 70 * smss);
    cubic plain = established(100 * smss, 1);
    plain.on_congestion_event({.cause = congestion_cause::ecn_echo, .in_flight = 100 * smss, .smss = smss});
    CHECK(plain.cwnd() == 70 * smss);
}

TEST_CASE("CUBIC: slow start grows by a segment for an ACK at the most, and ends at ssthresh exactly",
          "[policy][RFC9438-4.10a]")
{
    cubic c = established(10 * smss, 11 * smss + 700);
    c.on_ack(ack_at(1_ms, 5 * smss, 100_ms));
    CHECK(c.cwnd() == 11 * smss);
    c.on_ack(ack_at(2_ms, 5 * smss, 100_ms));
    CHECK(c.cwnd() == 11 * smss + 700);
}

TEST_CASE("CUBIC: the curve's clock stands from the first ACK on for which the window was not the limit",
          "[policy][RFC9438-4.2c]")
{
    const auto grown = [](int idle_acks) {
        cubic c = established(100 * smss, 100 * smss);
        c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
        c.on_ack(ack_at(1_s, 10 * smss, 100_ms));
        for (int i = 0; i < idle_acks; ++i) {
            ack_info a = ack_at(duration{1'500'000'000} + 2_s * i, smss, 100_ms);
            a.cwnd_limited = false;
            c.on_ack(a);
        }
        for (int i = 0; i < 200; ++i) {
            c.on_ack(ack_at(9_s + 10_ms * i, 10 * smss, 100_ms));
        }
        return c.cwnd();
    };
    CHECK(grown(1) == grown(4));
    CHECK(grown(1) < grown(0));
}

TEST_CASE("CUBIC: after a timeout the Reno estimate is slow until it is where the timeout met the window",
          "[policy][RFC9438-4.3b][RFC9438-4.8a]")
{
    cubic c = established(100 * smss, 100 * smss);
    const bool met_loss_before = GENERATE(true, false);
    if (met_loss_before) {
        c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
        c.on_ack(ack_at(1_ms, 10 * smss, 100_ms));
        REQUIRE(c.k() > duration::zero());
    }
    c.on_retransmission_timeout({.first = true, .in_flight = 70 * smss, .smss = smss});
    duration t = 10_ms;
    while (c.cwnd() < c.ssthresh()) {
        c.on_ack(ack_at(t += duration{1'000}, smss, 100_ms));
    }
    const octet_count before = c.cwnd();
    for (octet_count left = before; left > 0; left -= smss) {  // a window
        c.on_ack(ack_at(t, smss, 100_ms));
    }
    CHECK(c.k() == duration::zero());
    CHECK(c.w_est() - before > smss * 50 / 100);
    CHECK(c.w_est() - before < smss * 56 / 100);  // 3 * 0.3 / 1.7 of a segment
}

TEST_CASE("CUBIC: no window grows beyond the largest of use", "[policy]")
{
    cubic c = established(congestion::largest_cwnd);
    c.on_ack(ack_at(1_s, smss, 100_ms));
    CHECK(c.cwnd() == congestion::largest_cwnd);
}

TEST_CASE("CUBIC: idle time while the curve's clock stands is left out of it once, not twice", "[policy][RFC9438-4.2c]")
{
    const auto grown = [](bool told) {
        cubic c = established(100 * smss, 100 * smss);
        c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
        c.on_ack(ack_at(1_s, 10 * smss, 100_ms));
        ack_info unused = ack_at(2_s, smss, 100_ms);
        unused.cwnd_limited = false;
        c.on_ack(unused);
        if (told) {
            c.on_packet_sent({.now = time_point{7_s}, .octets = smss, .segments = 1, .idle_for = 5_s});
        }
        for (int i = 0; i < 200; ++i) {
            c.on_ack(ack_at(9_s + 10_ms * i, 10 * smss, 100_ms));
        }
        return c.cwnd();
    };
    CHECK(grown(true) == grown(false));
}

TEST_CASE("CUBIC: an ACK of more octets than any window holds counts as one window", "[policy]")
{
    const auto grown = [](octet_count octets) {
        cubic c = established(100 * smss, 100 * smss);
        c.on_congestion_event({.in_flight = 100 * smss, .smss = smss});
        c.on_ack(ack_at(1_s, smss, 100_ms));
        c.on_ack(ack_at(2_s, octets, 100_ms));
        return c.cwnd();
    };
    CHECK(grown(octet_count{1} << 50) == grown(congestion::largest_ack));
}
