#include "tcpco/policy/rto/rfc6298.hpp"

#include <algorithm>
#include <cmath>

#include "catch.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/policy/rto/fixed.hpp"

using namespace tcpco;
using rto::rfc6298;

namespace {

constexpr rfc6298 with_minimum(duration minimum)
{
    return rfc6298{rfc6298::config{.minimum = minimum}};
}

constexpr rfc6298 sampled(rfc6298 e, duration first, duration second = {}, std::uint32_t per_round = 1)
{
    e.on_rtt_sample({.rtt = first});
    if (second > duration::zero()) {
        e.on_rtt_sample({.rtt = second, .samples_per_round = per_round});
    }
    return e;
}

// RFC 6298 sections 2.1 to 2.3.
static_assert(rfc6298{}.rto() == 1_s && rfc6298{}.srtt() == 0_s);
static_assert(sampled(with_minimum(1_ms), 100_ms).srtt() == 100_ms);
static_assert(sampled(with_minimum(1_ms), 100_ms).rttvar() == 50_ms);
static_assert(sampled(with_minimum(1_ms), 100_ms).rto() == 300_ms);
static_assert(sampled(with_minimum(1_ms), 100_ms, 200_ms).rttvar() == 62'500_us);
static_assert(sampled(with_minimum(1_ms), 100_ms, 200_ms).srtt() == 112'500_us);
static_assert(sampled(with_minimum(1_ms), 100_ms, 200_ms).rto() == 362'500_us);
static_assert(sampled(with_minimum(1_s), 100_ms, 200_ms).rto() == 1_s);  // 2.4

}  // namespace

TEST_CASE("RTO: doubles with each timeout up to the maximum", "[policy][RFC6298-5.5a][RFC6298-2.5a]")
{
    rfc6298 e;
    e.on_rtt_sample({.rtt = 100_ms, .source = rtt_source::handshake});
    REQUIRE(e.rto() == 300_ms);
    duration expected = 300_ms;
    for (int i = 0; i < 8; ++i) {
        e.on_retransmission_timeout();
        expected = expected * 2;
        CHECK(e.rto() == expected);
    }
    for (int i = 0; i < 300; ++i) {
        e.on_retransmission_timeout();
        CHECK(e.rto() == 120_s);
    }
}

TEST_CASE("RTO: a backed-off RTO stays until a new sample, progress alone does not end it", "[policy][RFC6298-5.8a]")
{
    rfc6298 e = sampled(rfc6298{}, 100_ms);
    e.on_retransmission_timeout();
    e.on_forward_progress();
    CHECK(e.rto() == 600_ms);
    CHECK(e.srtt() == 100_ms);
    e.on_rtt_sample({.rtt = 100_ms});
    CHECK(e.rto() < 300_ms);
}

TEST_CASE("RTO: a timeout found spurious takes the back-off away", "[policy]")
{
    rfc6298 e = sampled(rfc6298{}, 100_ms);
    e.on_retransmission_timeout();
    e.on_spurious_timeout();
    CHECK(e.rto() == 300_ms);
}

TEST_CASE("RTO: whatever is measured, it is no shorter than the formulas make it", "[policy][RFC6298-1a]")
{
    random_source random{5};
    rfc6298 e = with_minimum(1_ms);
    double srtt = 0;
    double rttvar = 0;
    double doubled = 1;
    for (int i = 0; i < 5'000; ++i) {
        if (random.below(8) == 0) {
            e.on_retransmission_timeout();
            doubled *= 2;
        } else {
            const double r = 1'000 + static_cast<double>(random.below(random.below(5) == 0 ? 2'000'000'000 : 50'000'000));
            e.on_rtt_sample({.rtt = duration{static_cast<std::int64_t>(r)}});
            rttvar = srtt == 0 ? r / 2 : 0.75 * rttvar + 0.25 * std::abs(srtt - r);
            srtt = srtt == 0 ? r : 0.875 * srtt + 0.125 * r;
            doubled = 1;
        }
        const double due = std::min(doubled * std::max(srtt + std::max(1e6, 4 * rttvar), 1e6), 120e9);
        REQUIRE(srtt > 0);
        CHECK(static_cast<double>(e.rto().ns) > due * (1 - 1e-6) - 100);
        CHECK(static_cast<double>(e.rto().ns) < due * (1 + 1e-6) + 100);
    }
}

TEST_CASE("RTO: the first one may be larger, until there is a sample", "[policy][RFC6298-2.1b]")
{
    rfc6298 e{rfc6298::config{.initial = 3_s}};
    CHECK(e.rto() == 3_s);
    e.on_retransmission_timeout();
    CHECK(e.rto() == 6_s);
    e.on_rtt_sample({.rtt = 100_ms});
    CHECK(e.rto() == 300_ms);
}

TEST_CASE("RTO: after as many back-offs as are asked for a sample counts as a first one", "[policy][RFC6298-5.9a]")
{
    for (const int timeouts : {3, 4}) {
        rfc6298 e = sampled(rfc6298{rfc6298::config{.minimum = 1_ms, .forget_after = 4}}, 100_ms);
        for (int i = 0; i < timeouts; ++i) {
            e.on_retransmission_timeout();
        }
        CHECK(e.rto() == 300_ms * (1 << timeouts));  // what is in force stays so until then
        e.on_rtt_sample({.rtt = 500_ms});
        CHECK(e.srtt() == (timeouts < 4 ? 150_ms : 500_ms));
        CHECK(e.rttvar() == (timeouts < 4 ? 137'500_us : 250_ms));
        e.on_rtt_sample({.rtt = 500_ms});
        CHECK(e.rttvar() != 250_ms);  // once
    }
}

TEST_CASE("RTO: SYNs at 0, 1, 3, 7 s, then 3 s for the first data", "[policy][RFC6298-5.7a]")
{
    rfc6298 e;
    CHECK(e.rto() == 1_s);
    e.on_retransmission_timeout();
    CHECK(e.rto() == 2_s);
    e.on_retransmission_timeout();
    CHECK(e.rto() == 4_s);
    e.on_forward_progress();  // the SYN is acknowledged; Karn: no sample
    CHECK(e.rto() == 3_s);
    e.on_retransmission_timeout();
    e.on_forward_progress();
    CHECK(e.rto() == 6_s);  // data backs off as ever
    e.on_rtt_sample({.rtt = 100_ms});
    CHECK(e.rto() == 300_ms);
}

TEST_CASE("RTO: a timestamp's sample of a lost SYN does not undo the 3 s", "[policy][RFC6298-5.7a]")
{
    rfc6298 e;
    e.on_retransmission_timeout();
    e.on_rtt_sample({.rtt = 100_ms, .source = rtt_source::handshake});
    CHECK(e.rto() == 3_s);
    CHECK(e.srtt() == 100_ms);
    e.on_rtt_sample({.rtt = 100_ms});
    CHECK(e.rto() < 1_s);
}

TEST_CASE("RTO: without variance the granularity keeps it above SRTT", "[policy][RFC6298-4a]")
{
    rfc6298 e = with_minimum(0_s);
    for (int i = 0; i < 200; ++i) {
        e.on_rtt_sample({.rtt = 100_ms});
    }
    CHECK(e.rto() == 101_ms);
    CHECK(e.rttvar() < 100_us);
}

TEST_CASE("RTO: ten samples in a round trip move the estimate about as much as one", "[policy][RFC7323-4.2a]")
{
    rfc6298 one = sampled(with_minimum(0_s), 100_ms, 200_ms);
    rfc6298 ten = sampled(with_minimum(0_s), 100_ms);
    for (int i = 0; i < 10; ++i) {
        ten.on_rtt_sample({.rtt = 200_ms, .samples_per_round = 10});
    }
    CHECK(ten.srtt() > 111_ms);
    CHECK(ten.srtt() <= one.srtt());
    CHECK(sampled(with_minimum(0_s), 100_ms, 200_ms, 10).srtt() == 101'250_us);
    CHECK(sampled(with_minimum(0_s), 100_ms, 200_ms, 10).rttvar() == 51'250_us);
}

TEST_CASE("RTO: samples of nothing and of hours are taken as they come", "[policy]")
{
    rfc6298 e = sampled(rfc6298{}, 0_s);
    CHECK(e.srtt() > 0_s);
    CHECK(e.rto() == 200_ms);
    e = sampled(rfc6298{}, 10'000_s, 1_ns, 0);
    CHECK(e.rto() == 120_s);
}

TEST_CASE("the fixed RTO is what the test says", "[policy]")
{
    rto::fixed e{rto::fixed::config{.rto = 250_ms}};
    e.on_retransmission_timeout();
    CHECK(e.rto() == 250_ms);
    rto::fixed doubling{rto::fixed::config{.rto = 250_ms, .back_off = true}};
    doubling.on_retransmission_timeout();
    doubling.on_retransmission_timeout();
    CHECK(doubling.rto() == 1_s);
    doubling.on_forward_progress();
    CHECK(doubling.rto() == 250_ms);
    doubling.on_rtt_sample({.rtt = 5_ms});
    CHECK(doubling.srtt() == 5_ms);
}
