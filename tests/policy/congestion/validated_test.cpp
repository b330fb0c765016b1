#include "tcpco/policy/congestion/validated.hpp"

#include <cstdint>
#include <string_view>

#include "catch.hpp"
#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"
#include "tcpco/policy/congestion/hystart_plus_plus.hpp"
#include "tcpco/policy/congestion/prague.hpp"
#include "tcpco/policy/congestion/reno.hpp"

using namespace tcpco;
using congestion::cubic;
using congestion::reno;
using congestion::validated;

static_assert(congestion_controller<validated<reno>> && told_of_timeouts<validated<reno>>);
static_assert(paces<validated<reno>> && remembers_validation<validated<reno>> && !remembers_validation<reno>);
static_assert(!told_of_idle_restart<validated<reno>>);  // the window outlives the pause: that is what it is for
static_assert(validated<congestion::dctcp>::wants_exact_ecn_echo && !validated<reno>::wants_exact_ecn_echo);
static_assert(grows_beside_marks_v<validated<congestion::prague>> && chooses_ect<validated<congestion::prague>>);
static_assert(!chooses_ect<validated<reno>>);
static_assert(std::string_view{validated<congestion::hystart_plus_plus<cubic>>::name} == "cubic_cwv");

namespace {

template <class C>
concept can_be_validated = requires { typename validated<C>; };
static_assert(can_be_validated<cubic> && !can_be_validated<congestion::bbr>);

constexpr octet_count smss = 1'000;
constexpr duration ms{1'000'000};
constexpr duration minute{60'000'000'000};

// A window of 40 segments in congestion avoidance, on a path of 100 ms; what it sends is what the test says.
template <class Base = reno>
struct sender {
    explicit sender(const typename validated<Base>::config& c = {}) : policy{c}
    {
        policy.on_connection_established({.now = now,
                                          .initial_window = 10 * smss,
                                          .smss = smss,
                                          .handshake_rtt = rtt,
                                          .prior_cwnd = 40 * smss,
                                          .prior_ssthresh = 40 * smss});
    }

    void send(octet_count segments, bool again = false)
    {
        policy.on_packet_sent({.now = now, .octets = segments * smss, .retransmission = again});
        nxt += again ? 0 : segments * smss;
    }
    void ack(octet_count segments, bool limited = false, bool in_recovery = false)
    {
        const octet_count before = nxt - una;
        una += segments * smss;
        policy.on_ack({.now = now,
                       .acked = segments * smss,
                       .delivered = segments * smss,
                       .in_flight_before = before,
                       .in_flight = nxt - una,
                       .una = una,
                       .nxt = nxt,
                       .srtt = rtt,
                       .cwnd_limited = limited,
                       .in_recovery = in_recovery,
                       .smss = smss});
    }
    // So many segments leave, and are acknowledged one by one a round trip later.
    void round(octet_count segments, bool limited = false)
    {
        send(segments);
        now += rtt;
        for (octet_count i = 0; i < segments; ++i) {
            ack(1, limited);
        }
    }
    void lose(congestion_cause cause = congestion_cause::loss)
    {
        policy.on_congestion_event({.cause = cause, .in_flight = nxt - una, .smss = smss, .now = now});
    }
    octet_count window() const { return policy.cwnd() / smss; }
    octet_count threshold() const { return policy.ssthresh() / smss; }
    octet_count carried() const { return policy.carried(now) / smss; }

    duration rtt = 100 * ms;
    time_point now{1'000'000'000'000};
    stream_offset una{1};
    stream_offset nxt{1};
    validated<Base> policy;
};

}  // namespace

TEST_CASE("CWV: what was in flight and is acknowledged a round trip later is a sample, the largest of a second counts",
          "[policy][RFC7661-4.2a][RFC7661-4.2b]")
{
    sender s;
    CHECK(s.carried() == 0);
    s.round(12);
    CHECK(s.carried() == 12);
    s.round(30);
    CHECK(s.carried() == 30);
    for (int i = 0; i < 7; ++i) {
        s.round(5);
    }
    CHECK(s.carried() == 30);
    for (int i = 0; i < 3; ++i) {
        s.round(5);
    }
    CHECK(s.carried() == 5);
    s.now += 1'000 * ms;
    CHECK(s.carried() == 0);
}

TEST_CASE("CWV: on a long path the largest of three round trips counts", "[policy][RFC7661-4.2b]")
{
    sender s;
    s.rtt = 2'000 * ms;
    s.round(30);
    s.round(5);
    s.round(5);
    CHECK(s.carried() == 30);
    s.round(5);
    CHECK(s.carried() == 5);
}

TEST_CASE("CWV: ACKs within a round trip are one sample, however few there are", "[policy][RFC7661-4.2a]")
{
    sender s;
    s.send(20);
    s.ack(1);
    CHECK(s.carried() == 0);  // 19 of the 20 are still on their way
    s.send(15);
    s.ack(9);
    CHECK(s.carried() == 0);
    s.ack(25);  // one ACK for two flights
    CHECK(s.carried() == 20);
}

TEST_CASE("CWV: nothing is measured in fast recovery", "[policy][RFC7661-4.2c]")
{
    sender s;
    s.round(12);
    s.send(20);
    s.lose();
    s.ack(20, false, true);
    CHECK(s.carried() == 12);
}

TEST_CASE("CWV: what lasts after a timeout is recovery, too, a round that a mark reduced is none", "[policy][RFC7661-4.2c]")
{
    const bool marked = GENERATE(true, false);
    const bool lost = GENERATE(true, false);
    sender s;
    s.round(12);
    s.send(20);
    if (lost) {
        s.lose();
    }
    s.una += 20 * smss;
    s.policy.on_ack({.now = s.now,
                     .acked = 20 * smss,
                     .una = s.una,
                     .nxt = s.nxt,
                     .srtt = s.rtt,
                     .in_recovery = true,
                     .ecn = {.ece = marked},
                     .smss = smss});
    CHECK(s.carried() == (marked && !lost ? 20 : 12));
}

TEST_CASE("CWV: a sample counts for three quarters of a second at the least, whenever it was taken",
          "[policy][RFC7661-4.2b]")
{
    for (int rounds = 1; rounds < 12; ++rounds) {
        sender s;
        for (int i = 0; i < rounds; ++i) {
            s.round(5);
        }
        s.round(30);
        for (int i = 0; i < 7; ++i) {
            s.round(5);
            CHECK(s.carried() == 30);
        }
    }
}

TEST_CASE("CWV: who comes back from a pause is not validated by the first ACKs, but by a round trip",
          "[policy][RFC7661-4.4b][RFC7661-4.4d]")
{
    sender s;
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .prior_cwnd = 40 * smss,
                                        .validated_at = s.now - minute});
    s.send(30);
    s.now += s.rtt;
    for (int i = 0; i < 29; ++i) {
        s.ack(1);
        CHECK_FALSE(s.policy.is_validated());
    }
    s.ack(1);
    CHECK(s.policy.is_validated());
}

TEST_CASE("CWV: a loss after a second without a sample is one of a window that is not validated",
          "[policy][RFC7661-4.4b][RFC7661-4.4.1a]")
{
    sender<cubic> s;
    s.round(40);
    s.send(30);
    s.now += 1'500 * ms;
    s.lose();
    CHECK(s.window() == 15);
}

TEST_CASE("CWV: a recovery from what a validated window lost stays the base's, however long it lasts",
          "[policy][RFC7661-4.2c]")
{
    sender<cubic> s;
    s.round(40);
    s.send(30);
    s.lose();
    s.now += 2'000 * ms;
    s.ack(1, false, true);
    s.policy.on_recovery_exit();
    CHECK(s.window() == 21);
}

TEST_CASE("CWV: what was sent again in one recovery is no matter of the next", "[policy][RFC7661-4.4.1b]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(6);
    s.lose();
    s.send(4, true);
    s.policy.on_recovery_exit();
    REQUIRE(s.window() == 6);
    s.ack(6);
    for (int i = 0; i < 12; ++i) {
        s.round(2);
    }
    REQUIRE_FALSE(s.policy.is_validated());
    s.send(6);
    s.lose();
    s.policy.on_recovery_exit();
    CHECK(s.window() == 3);
}

TEST_CASE("CWV: a mark is answered to what is in flight, where that is more than was carried", "[policy][RFC7661-4.4f]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(24);
    s.lose(congestion_cause::ecn_echo);
    CHECK(s.window() == 12);
}

TEST_CASE("CWV: a window of which less than half is in use is not validated, one of which more is, is again",
          "[policy][RFC7661-4.1a][RFC7661-4.4b][RFC7661-4.4d]")
{
    sender s;
    CHECK(s.policy.is_validated());  // nothing is known yet
    s.round(20);
    CHECK(s.policy.is_validated());
    for (int i = 0; i < 12; ++i) {
        s.round(19);
    }
    CHECK_FALSE(s.policy.is_validated());
    s.round(20);
    CHECK_FALSE(s.policy.is_validated());
    s.round(21);
    CHECK(s.policy.is_validated());
}

TEST_CASE("CWV: without a sample for a second the window is not validated", "[policy][RFC7661-4.4b]")
{
    sender s;
    s.round(40);
    s.send(2);
    s.now += 1'500 * ms;
    s.ack(1);
    CHECK_FALSE(s.policy.is_validated());
}

TEST_CASE("CWV: a window that doubles in a round trip is validated all the time", "[policy][RFC7661-4.4b]")
{
    sender s;
    s.policy.on_connection_established({.now = s.now, .initial_window = 10 * smss, .smss = smss});
    s.send(10);
    for (octet_count flight = 10; flight < 500;) {
        s.now += s.rtt;
        octet_count next = 0;
        for (octet_count i = 0; i < flight; ++i) {
            s.ack(1, true);
            REQUIRE(s.policy.is_validated());
            s.send(2);
            next += 2;
        }
        flight = next;
        REQUIRE(s.window() == flight);
    }
}

TEST_CASE("CWV: a window that is not validated grows where it is the limit, and else not",
          "[policy][RFC7661-4.4a][RFC7661-4.4e]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(15);
    }
    REQUIRE_FALSE(s.policy.is_validated());
    CHECK(s.window() == 40);
    for (int i = 0; i < 3; ++i) {
        s.round(15, true);
    }
    CHECK_FALSE(s.policy.is_validated());
    CHECK(s.window() == 41);
}

TEST_CASE("CWV: a loss while the window is not validated leaves half of what was carried, less what was sent again",
          "[policy][RFC7661-4.4f][RFC7661-4.4.1a][RFC7661-4.4.1b][RFC7661-4.4.1c][RFC7661-4.4.1d]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    SECTION("more than what is in flight")
    {
        s.send(6);
        s.lose();
        CHECK(s.window() == 8);
        CHECK(s.threshold() == 8);
        s.send(2, true);
        s.send(1, true);
        s.send(3);
        CHECK(s.window() == 8);
        s.policy.on_recovery_exit();
        CHECK(s.policy.cwnd() == (16 - 3) * smss / 2);
        CHECK(s.policy.ssthresh() == (16 - 3) * smss / 2);
    }
    SECTION("less than what is in flight")
    {
        s.send(24);
        s.lose();
        CHECK(s.window() == 12);
        s.send(4, true);
        s.policy.on_recovery_exit();
        CHECK(s.window() == 10);
    }
    SECTION("never less than a segment")
    {
        s.send(6);
        s.lose();
        s.send(16, true);
        s.policy.on_recovery_exit();
        CHECK(s.window() == 1);
        CHECK(s.threshold() == 2);
    }
    CHECK(s.policy.is_validated());  // nothing is known any more
    CHECK(s.carried() == 0);
}

TEST_CASE("CWV: half is what is left under CUBIC, too", "[policy][RFC7661-4.4.1a][RFC7661-4.4.1b]")
{
    sender<cubic> s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(10);
    s.lose();
    CHECK(s.window() == 8);
    s.send(2, true);
    s.policy.on_recovery_exit();
    CHECK(s.window() == 7);
    CHECK(s.threshold() == 7);
}

TEST_CASE("CWV: a lost retransmission halves once more", "[policy][RFC7661-4.4.1a]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(6);
    s.lose();
    s.send(2, true);
    s.lose(congestion_cause::lost_retransmission);
    CHECK(s.window() == 4);
    s.send(2, true);
    s.policy.on_recovery_exit();
    CHECK(s.window() == 2);
}

TEST_CASE("CWV: a loss while the window is validated is the base's matter", "[policy][RFC7661-4.4.1a]")
{
    sender<cubic> s;
    s.round(40);
    s.send(30);
    s.lose();
    CHECK(s.window() == 21);
    s.send(10, true);
    s.policy.on_recovery_exit();
    CHECK(s.window() == 21);
}

TEST_CASE("CWV: a probe that repaired a loss, or a mark, needs no recovery to end", "[policy][RFC7661-4.4.1a]")
{
    const congestion_cause cause = GENERATE(congestion_cause::tlp_repaired, congestion_cause::ecn_echo);
    sender s{{.base = {.ecn_beta_milli = 800}}};
    s.policy.on_connection_established(
        {.now = s.now, .initial_window = 10 * smss, .smss = smss, .prior_cwnd = 40 * smss, .prior_ssthresh = smss});
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(6);
    s.lose(cause);
    CHECK(s.policy.cwnd() == (cause == congestion_cause::ecn_echo ? 12'800 : 8'000));  // 800 of 1000, as Reno is told
    CHECK(s.policy.is_validated());
    s.ack(6);
    CHECK(s.carried() == 6);
}

TEST_CASE("CWV: a timeout is the base's matter and the end of all that was known", "[policy][RFC7661-4.4g]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(6);
    s.policy.on_retransmission_timeout({.in_flight = 6 * smss, .smss = smss, .now = s.now});
    CHECK(s.window() == 1);
    CHECK(s.threshold() == 3);
    CHECK(s.policy.is_validated());
    CHECK(s.policy.validated_at() == s.now);
}

TEST_CASE("CWV: what was needless is given back, and the window is as little validated as before", "[policy]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.send(6);
    const auto prior = s.policy;
    s.lose();
    const bool found_out_late = GENERATE(false, true);
    if (found_out_late) {
        s.policy.on_recovery_exit();
        s.ack(1);
    }
    s.policy.on_spurious(spurious_cause::dsack, prior);
    CHECK(s.window() == 40);
    CHECK_FALSE(s.policy.is_validated());
    CHECK(s.policy.validated_at() == prior.validated_at());
    CHECK(s.carried() == 16);
    s.policy.on_recovery_exit();
    CHECK(s.window() == 40);
}

TEST_CASE("CWV: a recovery that ends without a word is over with the first ACK outside of it", "[policy]")
{
    sender s;
    s.round(30);
    s.send(20);
    s.lose();
    s.ack(1, false, true);
    CHECK(s.carried() == 30);
    s.ack(19);
    CHECK(s.carried() == 19);
}

TEST_CASE("CWV: a window that is not validated is spread over a round trip, unless it is the initial one or smaller",
          "[policy][RFC7661-4.4.2a]")
{
    sender s;
    s.round(40);
    CHECK(s.policy.pacing_rate() == 0);
    for (int i = 0; i < 12; ++i) {
        s.round(5);
    }
    // 40,000 octets in 80 ms.
    CHECK(s.policy.pacing_rate() / 1'000 == 499);
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .handshake_rtt = s.rtt,
                                        .prior_cwnd = 10 * smss,
                                        .validated_at = s.now - 5'000 * ms});
    REQUIRE_FALSE(s.policy.is_validated());
    CHECK(s.policy.pacing_rate() == 0);
}

TEST_CASE("CWV: a window that was not in use for five minutes is halved, and again, to the initial one at the least",
          "[policy][RFC7661-4.4c][RFC7661-4.4.3b]")
{
    sender s;
    s.round(40);
    while (s.policy.is_validated()) {
        s.round(2);
    }
    const time_point last = s.policy.validated_at();
    const auto rounds_until = [&s](time_point end) {
        while (s.now + s.rtt < end) {
            s.round(2);
        }
    };
    rounds_until(last + 5 * minute);
    CHECK(s.window() == 40);
    s.round(2);
    CHECK(s.window() == 20);
    CHECK(s.threshold() == 40);  // no less than what three quarters of the window are
    rounds_until(last + 10 * minute);
    CHECK(s.window() == 20);
    s.round(2);
    CHECK(s.window() == 10);
    rounds_until(last + 30 * minute);
    CHECK(s.window() == 10);
}

TEST_CASE("CWV: the first packet after a long pause finds the window halved, where the sender was kept, too",
          "[policy][RFC7661-4.4c][RFC7661-4.4.3a]")
{
    sender s;
    s.round(40);
    s.now += 6 * minute;
    s.policy.on_packet_sent({.now = s.now, .octets = smss, .segments = 1, .idle_for = 6 * minute});
    CHECK(s.window() == 20);
    CHECK_FALSE(s.policy.is_validated());
}

TEST_CASE("CWV: a lost retransmission lowers the window also where segments became smaller before",
          "[policy][RFC5681-4.3d]")
{
    sender s;
    s.round(40);
    while (s.policy.is_validated()) {
        s.round(2);
    }
    s.send(16);
    s.lose();
    REQUIRE(s.policy.cwnd() == 8'000);
    s.policy.on_smss_change(smss, 500);
    REQUIRE(s.policy.cwnd() == 4'000);
    s.policy.on_congestion_event(
        {.cause = congestion_cause::lost_retransmission, .in_flight = 16'000, .smss = 500, .now = s.now});
    CHECK(s.policy.cwnd() == 2'000);
    CHECK(s.policy.ssthresh() == 2'000);
}

TEST_CASE("CWV: a loss lowers the window also where more is in flight than it allows", "[policy][RFC5681-3.1g]")
{
    sender s;
    s.round(40);
    while (s.policy.is_validated()) {
        s.round(2);
    }
    s.send(40);
    s.now = s.policy.validated_at() + 5 * minute;
    s.ack(1);  // the period is over, with a flight of twice the window that is left
    REQUIRE(s.window() == 20);
    s.lose();
    CHECK(s.window() == 10);
    CHECK(s.threshold() == 10);
}

TEST_CASE("CWV: at the end of the period ssthresh is three quarters of the window, if it was less",
          "[policy][RFC7661-4.4.3a]")
{
    sender s{{.period = minute}};
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .prior_cwnd = 40 * smss,
                                        .prior_ssthresh = 8 * smss,
                                        .validated_at = s.now - minute});
    CHECK(s.window() == 20);
    CHECK(s.threshold() == 30);
}

TEST_CASE("CWV: at the end of the period ssthresh follows a window, too, that is too small to be halved",
          "[policy][RFC7661-4.4.3a]")
{
    const octet_count before = GENERATE(4, 7);
    sender s;
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .prior_cwnd = 8 * smss,
                                        .prior_ssthresh = before * smss,
                                        .validated_at = s.now - 5 * minute});
    CHECK(s.window() == 8);
    CHECK(s.threshold() == std::max<octet_count>(before, 6));
}

TEST_CASE("CWV: a window a little larger than the initial one becomes that", "[policy][RFC7661-4.4.3b]")
{
    sender s;
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .prior_cwnd = 15 * smss,
                                        .validated_at = s.now - 5 * minute});
    CHECK(s.window() == 10);
    CHECK(s.policy.ssthresh() == congestion::no_threshold);
}

TEST_CASE("CWV: a period of more than five minutes is five", "[policy][RFC7661-4.4c]")
{
    sender s{{.period = 20 * minute}};
    s.policy.on_connection_established({.now = s.now,
                                        .initial_window = 10 * smss,
                                        .smss = smss,
                                        .prior_cwnd = 40 * smss,
                                        .validated_at = s.now - 5 * minute});
    CHECK(s.window() == 20);
}

TEST_CASE("CWV: who comes back from a pause has the window, not validated, and from a long one what is left of it",
          "[policy][RFC7661-4.4c][RFC7661-4.4.3b]")
{
    sender s;
    s.round(40);
    connection_established e{.initial_window = 10 * smss,
                             .smss = smss,
                             .handshake_rtt = s.rtt,
                             .prior_cwnd = s.policy.cwnd(),
                             .prior_ssthresh = s.policy.ssthresh(),
                             .validated_at = s.policy.validated_at()};
    const time_point last = s.now;
    struct row {
        std::int64_t minutes;
        octet_count window;
    };
    for (const row r : {row{0, 40}, row{4, 40}, row{5, 20}, row{9, 20}, row{10, 10}, row{60'000, 10}}) {
        e.now = last + r.minutes * minute;
        s.policy.on_connection_established(e);
        CHECK(s.window() == r.window);
        CHECK_FALSE(s.policy.is_validated());
    }
    // Who takes over from another controller knows nothing of it.
    e.now = last;
    e.validated_at = time_point::never();
    s.policy.on_connection_established(e);
    CHECK(s.policy.is_validated());
}

TEST_CASE("CWV: another segment size makes what was carried meaningless", "[policy]")
{
    sender s;
    for (int i = 0; i < 12; ++i) {
        s.round(16);
    }
    s.policy.on_smss_change(smss, 100);
    CHECK(s.policy.cwnd() == 4'000);
    CHECK(s.carried() == 0);
    s.policy.on_congestion_event({.in_flight = 2'000, .smss = 100, .now = s.now});
    CHECK(s.policy.cwnd() == 1'000);
}

TEST_CASE("CWV: chosen at run time it remembers, another one does not", "[policy]")
{
    using any = congestion::any_congestion<reno, validated<reno>>;
    static_assert(remembers_validation<any>);
    CHECK(any::index_of("reno_cwv") == 1);
    any with{any::config{.index = 1}};
    with.on_connection_established({.now = time_point{7}, .initial_window = 10 * smss, .smss = smss});
    CHECK(with.validated_at() == time_point{7});
    CHECK(any{}.validated_at() == time_point::never());
}
