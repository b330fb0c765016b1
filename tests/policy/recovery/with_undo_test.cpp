#include "tcpco/policy/recovery/with_undo.hpp"

#include "catch.hpp"
#include "policy/fake_board.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"

using namespace tcpco;
using fake::at;
using fake::segments;
using recovery::with_undo;

namespace {

using reno_sender = fake::sender<with_undo<recovery::new_reno>>;
using sack_sender = fake::sender<with_undo<recovery::sack>>;
using rack_sender = fake::sender<with_undo<recovery::rack_tlp>>;

static_assert(told_of_deliveries<with_undo<recovery::rack_tlp>> && !told_of_deliveries<with_undo<recovery::sack>>);
static_assert(loss_recovery_over<with_undo<recovery::go_back_n>, fake::board>);
static_assert(told_of_undo<recovery::new_reno> && told_of_undo<recovery::sack> && told_of_undo<recovery::rack_tlp>);

constexpr offset_range octets(std::int64_t first, std::int64_t last) { return {{first}, {last}}; }

// Ranges sent again, then ranges reported; whether that is all.
constexpr bool reported(std::initializer_list<offset_range> resent, std::initializer_list<offset_range> reports)
{
    recovery::resent_ranges r;
    r.start({100});
    for (const offset_range& each : resent) {
        r.on_resent(each);
    }
    for (const offset_range& each : reports) {
        r.on_reported(each);
    }
    return r.all_reported();
}

static_assert(reported({octets(100, 200)}, {octets(100, 200)}));
static_assert(reported({octets(100, 200), octets(200, 300)}, {octets(150, 250), octets(100, 150), octets(250, 300)}));
static_assert(reported({octets(300, 400), octets(100, 200)}, {octets(100, 200), octets(300, 400)}));
static_assert(!reported({octets(100, 200)}, {octets(100, 199)}));
static_assert(!reported({octets(100, 200)}, {octets(100, 201)}));
static_assert(!reported({octets(100, 200)}, {octets(99, 200)}));
static_assert(!reported({octets(100, 200)}, {octets(200, 200)}));
static_assert(!reported({octets(100, 200), octets(300, 400)}, {octets(100, 400)}));
static_assert(!reported({octets(100, 200), octets(150, 250)}, {octets(100, 250)}));
static_assert(reported({octets(100, 200), octets(150, 250)}, {octets(100, 250), octets(150, 200)}));
static_assert(!reported({octets(50, 200)}, {octets(50, 200)}));  // from before: not of this recovery

// `count` segments in flight, 1 ms apart, behind one that was acknowledged.
template <class Sender>
Sender flight(int count, bool has_sack = true)
{
    Sender s;
    s.has_sack = has_sack;
    s.send();
    s.wait(100_ms);
    s.ack(1);
    for (int i = 0; i < count; ++i) {
        s.wait(1_ms);
        s.send();
    }
    s.wait(97_ms);
    return s;
}

template <class Sender>
void time_out(Sender& s)
{
    s.wait(s.rto);
    s.timer(retransmission_timer::rto);
    CHECK(s.resend());
}

sack_info report(offset_range range) { return {.dsack = true, .dsack_range = range}; }

}  // namespace

TEST_CASE("as many ranges as are kept can be reported, more end the accounting", "[policy][RFC3708-3a]")
{
    recovery::resent_ranges r;
    for (const std::int64_t count : {8, 9}) {
        r.start({0});
        for (std::int64_t i = 0; i < count; ++i) {
            r.on_resent(octets(20 * i, 20 * i + 10));
        }
        for (std::int64_t i = 0; i < count; ++i) {
            r.on_reported(octets(20 * i, 20 * i + 10));
        }
        CHECK(r.all_reported() == (count == 8));
    }
}

TEMPLATE_TEST_CASE("the echo of the original ends a fast recovery as if it had not begun", "[policy][RFC3522-3.2c]",
                   reno_sender, sack_sender, rack_sender)
{
    auto s = flight<TestType>(6);
    const time_point original = s.now - 102_ms;
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.wait(5_ms);
    REQUIRE(s.resend());
    s.wait(5_ms);
    s.echoed = original;
    CHECK(s.ack(5) == verdict_kind::spurious);
    CHECK_FALSE(s.recovery.in_recovery());
    CHECK(s.records.lost() == 0);
    CHECK(s.next().action == send_action::new_data);
}

TEMPLATE_TEST_CASE("the echo of the retransmission does not", "[policy][RFC3522-3.2d]", reno_sender, sack_sender,
                   rack_sender)
{
    auto s = flight<TestType>(6);
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.echoed = s.now;
    s.wait(100_ms);
    CHECK(s.ack(5) == verdict_kind::none);
    CHECK(s.recovery.in_recovery());
}

TEMPLATE_TEST_CASE("a timeout is undone by F-RTO, and nothing of the old flight is sent again",
                   "[policy][RFC5682-2.1e][RFC5682-3.1a]", reno_sender, sack_sender, rack_sender)
{
    auto s = flight<TestType>(10);
    time_out(s);
    CHECK(s.next().action == send_action::nothing);
    s.wait(500_ms);
    s.ack(2);
    CHECK(s.next().action == send_action::new_data);
    s.send();
    CHECK(s.next().action == send_action::new_data);
    s.send();
    CHECK(s.next().action == send_action::nothing);
    CHECK(s.ack(3) == verdict_kind::spurious);
    CHECK(s.records.lost() == 0);
    CHECK(s.next().action == send_action::new_data);
    CHECK(s.ack(4) == verdict_kind::none);
    CHECK(s.records.lost() == 0);  // nor is it found lost by what came of the retransmission
}

TEMPLATE_TEST_CASE("a timeout that was needed goes the recovery's own way", "[policy][RFC5682-2.1b][RFC5682-2.1d]",
                   reno_sender, sack_sender, rack_sender)
{
    auto s = flight<TestType>(10);
    time_out(s);
    s.wait(100_ms);
    s.ack(2);
    s.send(2);
    s.wait(100_ms);
    s.sack(11, 12);
    CHECK(s.next().range == segments(2, 3));
    CHECK(s.ack(3) == verdict_kind::none);
    CHECK(s.records.lost() > 0);
}

TEMPLATE_TEST_CASE("where no new octets can leave F-RTO gives way", "[policy][RFC5682-2.1c]", reno_sender, sack_sender,
                   rack_sender)
{
    auto s = flight<TestType>(10);
    time_out(s);
    s.wait(100_ms);
    s.ack(2);
    CHECK(s.next().action == send_action::new_data);
    CHECK(s.recovery.without_data(s.records, 2'000).range == segments(2, 3));
    CHECK(s.next().range == segments(2, 3));
}

TEST_CASE("after one new segment F-RTO does not give way", "[policy][RFC5682-2.1c]")
{
    auto s = flight<reno_sender>(10);
    time_out(s);
    s.wait(100_ms);
    s.ack(2);
    s.send();
    CHECK(s.recovery.without_data(s.records, 2'000).action == send_action::nothing);
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("RACK widens its window for the D-SACK that undoes its recovery", "[policy][RFC8985-4.3a][RFC3708-3a]")
{
    auto s = flight<rack_sender>(6);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(5_ms);
    CHECK(s.ack(7) == verdict_kind::exit);
    s.send();
    s.wait(95_ms);
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::spurious);
    CHECK(s.recovery.base().reordering_multiplier() == 2);
}

TEST_CASE("a copy that left before the recovery makes reports ambiguous", "[policy][RFC3708-3b]")
{
    auto s = flight<sack_sender>(6);
    s.resend(segments(6, 7));  // a probe of the tail
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.ack(5);
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::none);
}

TEST_CASE("one answer for an episode", "[policy][RFC3522-3.2a]")
{
    auto s = flight<sack_sender>(6);
    s.sack(2, 5);
    REQUIRE(s.resend());
    s.wait(5_ms);
    s.echoed = s.now - 107_ms;
    CHECK(s.ack(5) == verdict_kind::spurious);
    s.echoed = time_point::never();
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::none);
}

TEST_CASE("another hole that was sent again is left to its retransmission after an undo", "[policy][RFC4015-4a]")
{
    auto s = flight<sack_sender>(12);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.sack(6, 11);
    REQUIRE(s.resend());  // 1
    REQUIRE(s.resend());  // 5
    s.wait(5_ms);
    s.echoed = s.now - 107_ms;
    CHECK(s.ack(5) == verdict_kind::spurious);
    CHECK(s.next().action == send_action::new_data);
    s.echoed = time_point::never();
    CHECK(s.ack(11) == verdict_kind::none);
}

TEST_CASE("each kind of proof can be switched off", "[policy]")
{
    const recovery::spurious_detector::config off{.timestamps = false, .dsack = false, .f_rto = false};
    sack_sender s{{.base = {}, .undo = off}};
    s.has_sack = true;
    s.send(7);
    s.wait(100_ms);
    s.sack(1, 5);
    REQUIRE(s.resend());
    s.wait(5_ms);
    s.echoed = s.now - 105_ms;
    CHECK(s.ack(5) == verdict_kind::none);
    CHECK(s.tell({.duplicate = true}, report(segments(0, 1))) == verdict_kind::none);
    time_out(s);
    CHECK(s.next().action != send_action::nothing);
}

TEST_CASE("a timeout in the handshake is no episode", "[policy]")
{
    fake::sender<with_undo<recovery::go_back_n>> s;
    CHECK(s.timer(retransmission_timer::rto) == verdict_kind::none);  // nothing in flight
    CHECK(s.next().action == send_action::new_data);
}
