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

static_assert(told_of_deliveries<with_undo<recovery::rack_tlp>> && !told_of_deliveries<with_undo<recovery::new_reno>>);
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
constexpr std::int64_t round_the_circle = std::int64_t{1} << 32;  // as far away as sequence numbers do not tell apart
static_assert(!reported({octets(100, 200)}, {octets(100 + round_the_circle, 200 + round_the_circle)}));
static_assert(!reported({octets(100, 200)}, {octets(100 - round_the_circle, 200 - round_the_circle)}));
static_assert(!reported({octets(100, 200 + round_the_circle)}, {octets(100, 200)}));
static_assert(reported({octets(100, 110), octets(110, 120), octets(120, 130), octets(130, 140), octets(140, 150),
                        octets(150, 160), octets(160, 170), octets(170, 180), octets(180, 190)},
                       {octets(100, 190)}));  // neighbours are one

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
    for (const std::int64_t count : {8, 9, 8}) {
        r.start({0});
        for (std::int64_t i = 0; i < count; ++i) {
            r.on_resent(octets(20 * i, 20 * i + 10));
        }
        for (std::int64_t i = 0; i < count; ++i) {
            r.on_reported(octets(20 * i, 20 * i + 10));
        }
        CHECK(r.all_reported() == (count == 8));
        r.on_resent(octets(500, 600));
    }
    CHECK_FALSE(r.on_reported(octets(550, 550)));
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

// --- the detector's books ---------------------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("a timeout within fast recovery is the same episode: what left again before and after it is not accounted for",
                   "[policy][RFC3708-3c][RFC5682-3.1b]", reno_sender, sack_sender, rack_sender)
{
    auto s = flight<TestType>(6);
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.send(2);
    time_out(s);
    CHECK(s.recovery.detector().step() == recovery::f_rto_step::none);
    CHECK(s.ack(7) != verdict_kind::spurious);
    CHECK(s.recovery.detector().is_open());  // until what was in flight at the timeout is acknowledged
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) != verdict_kind::spurious);
    s.ack(9);
    CHECK_FALSE(s.recovery.detector().is_open());
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) != verdict_kind::spurious);  // sent again twice
}

TEST_CASE("what is sent again after an episode has ended is none of it", "[policy][RFC3708-3a]")
{
    auto s = flight<rack_sender>(6);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.send(3);
    CHECK(s.ack(7) == verdict_kind::exit);
    s.wait(50_ms);
    CHECK(s.ack(8) == verdict_kind::none);  // of what had been sent when it ended: reports still count
    s.resend(segments(9, 10));              // a probe
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::spurious);
}

TEST_CASE("a probe of more than one record before the recovery makes reports ambiguous", "[policy][RFC3708-3b]")
{
    fake::board board;
    recovery::spurious_detector detector;
    const path_timing timing{.now = time_point{1'000}, .smss = 1'000};
    detector.on_transmit(board.send(500, timing.now), timing);
    detector.on_transmit(board.send(500, timing.now), timing);
    detector.on_transmit(board.resend({{1}, {501}}, timing.now), timing);  // with both, and told of the first
    board.acknowledge({501});
    detector.on_recovery(board);
    detector.on_transmit(board.resend({{501}, {1'001}}, timing.now), timing);
    CHECK_FALSE(detector.on_ack({.una = {501}, .nxt = {1'001}}, report(octets(501, 1'001)), timing, board));
}

TEST_CASE("a report that comes before anything was sent again is not of this episode", "[policy][RFC3708-3b]")
{
    auto s = flight<sack_sender>(6);
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    CHECK(s.tell({.duplicate = true}, report(segments(2, 3))) == verdict_kind::none);
    REQUIRE(s.resend());
    s.ack(7);
    CHECK(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::spurious);
}

TEST_CASE("F-RTO waits for its retransmission to leave, and ends where all is acknowledged before",
          "[policy][RFC5682-2.1b]")
{
    auto s = flight<sack_sender>(6);
    s.wait(s.rto);
    s.timer(retransmission_timer::rto);
    CHECK(s.recovery.detector().step() == recovery::f_rto_step::retransmit_first);
    s.ack(2);  // the device had no room yet
    CHECK(s.recovery.detector().step() == recovery::f_rto_step::retransmit_first);
    CHECK(s.ack(3) == verdict_kind::none);
    s.ack(7);
    CHECK(s.recovery.detector().step() == recovery::f_rto_step::none);
}

TEST_CASE("F-RTO is there again for the next timeout after an undo", "[policy][RFC5682-2.1a]")
{
    auto s = flight<sack_sender>(10);
    time_out(s);
    s.ack(2);
    s.send(2);
    REQUIRE(s.ack(3) == verdict_kind::spurious);
    CHECK_FALSE(s.recovery.detector().is_open());
    time_out(s);
    CHECK(s.recovery.detector().step() == recovery::f_rto_step::wait);
    s.ack(4);
    s.send(2);
    CHECK(s.ack(5) == verdict_kind::spurious);
}

TEST_CASE("a fast recovery ends what F-RTO was waiting for", "[policy][RFC5682-2.1g]")
{
    fake::board board;
    recovery::spurious_detector detector;
    board.send(1'000, time_point{1'000});
    detector.on_timeout(board, false, 1'000);
    CHECK(detector.step() == recovery::f_rto_step::retransmit_first);
    detector.on_recovery(board);
    CHECK(detector.step() == recovery::f_rto_step::none);
}

TEST_CASE("F-RTO with SACK: an ACK of the new segments too is no proof", "[policy][RFC5682-3.1a]")
{
    auto s = flight<sack_sender>(10);
    time_out(s);
    s.ack(2);
    s.send(2);
    CHECK(s.ack(12) == verdict_kind::none);
}

TEST_CASE("F-RTO cuts its one segment out of a super-frame", "[policy][RFC5682-2.1a]")
{
    fake::sender<with_undo<recovery::go_back_n>> s;
    s.send();
    s.ack(1);
    s.records.send(5 * fake::smss, s.now);
    s.timer(retransmission_timer::rto);
    CHECK(s.next().range == segments(1, 2));
}

TEST_CASE("without SACK the ACK of a timeout's retransmission may answer that: its echo counts only when it is too soon",
          "[policy][RFC3522-3.2e]")
{
    const bool soon = GENERATE(true, false);
    auto s = flight<reno_sender>(6, false);
    const time_point original = s.now - 102_ms;
    time_out(s);
    s.wait(soon ? 49_ms : 50_ms);
    s.echoed = original;
    CHECK(s.ack(2) == (soon ? verdict_kind::spurious : verdict_kind::none));
}

TEST_CASE("an echo says nothing before the retransmission has left, and nothing of an earlier one",
          "[policy][RFC3522-3.2a][RFC3522-3.2d]")
{
    auto s = flight<rack_sender>(6);
    const time_point original = s.now - 102_ms;
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.wait(5_ms);
    REQUIRE(s.resend());
    REQUIRE(s.tell({.duplicate = true}, report(segments(1, 2))) == verdict_kind::spurious);  // still unacknowledged
    s.wait(s.rto);
    s.timer(retransmission_timer::rto);  // another episode, of the same octets
    s.echoed = original;
    CHECK(s.ack(2) == verdict_kind::none);
}

TEST_CASE("where the original was a retransmission itself any older echo is believed", "[policy][RFC3522-3.2e]")
{
    auto s = flight<sack_sender>(6);
    const time_point original = s.now - 102_ms;
    s.resend(segments(1, 2));  // a probe, as it were
    s.wait(50_ms);
    s.sack(2, 3);
    s.sack(2, 4);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.wait(5_ms);
    REQUIRE(s.resend());
    s.echoed = original;
    CHECK(s.ack(5) == verdict_kind::spurious);
}

// --- what follows ----------------------------------------------------------------------------------------------------

TEST_CASE("RACK learns of reordering by a fast recovery that was needless, by a timeout it does not",
          "[policy][RFC8985-6.2d]")
{
    const bool timeout_before = GENERATE(false, true);
    auto s = flight<rack_sender>(10);
    std::int64_t first = 1;
    if (timeout_before) {
        time_out(s);
        s.ack(2);
        s.send(2);
        REQUIRE(s.ack(3) == verdict_kind::spurious);
        CHECK_FALSE(s.recovery.base().reordering_seen());
        s.ack(13);
        s.send(10);
        s.wait(100_ms);
        first = 13;
    }
    REQUIRE(s.sack(first + 1, first + 4) == verdict_kind::enter);
    s.wait(5_ms);
    REQUIRE(s.resend());
    s.echoed = s.now - 104_ms;
    REQUIRE(s.ack(first + 4) == verdict_kind::spurious);
    CHECK(s.recovery.base().reordering_seen());
}

TEST_CASE("a recovery that the reordering timer began can be needless, too", "[policy][RFC3522-3.2e]")
{
    auto s = flight<rack_sender>(4);
    const time_point original = s.now - 100_ms;
    CHECK(s.sack(2, 3) == verdict_kind::none);
    s.now = s.recovery.timer().at;
    REQUIRE(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    s.wait(5_ms);
    REQUIRE(s.resend());
    s.echoed = original;
    CHECK(s.ack(3) == verdict_kind::spurious);
}

TEST_CASE("an ACK may undo one recovery and begin the next: it does both", "[policy][RFC3708-3a]")
{
    auto s = flight<rack_sender>(6);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    CHECK(s.ack(7) == verdict_kind::exit);
    s.send(6);  // 7 to 12
    s.wait(100_ms);
    s.timer(retransmission_timer::reorder);
    for (auto i = s.records.find(at(8)); i != fake::board::npos && s.records[i].last <= at(12); i = s.records.next(i)) {
        s.recovery.on_delivered(s.records[i], s.timing());
    }
    s.records.sack(segments(8, 12));
    sack_info blocks = report(segments(1, 2));
    blocks.newly_sacked = 4 * fake::smss;
    blocks.has_blocks = blocks.sack_permitted = true;
    const ack_info a{.now = s.now,
                     .newly_sacked = 4 * fake::smss,
                     .delivered = 4 * fake::smss,
                     .una = s.records.una(),
                     .nxt = s.records.nxt(),
                     .latest_rtt = s.rtt,
                     .duplicate = true,
                     .smss = fake::smss};
    s.wait(60_ms);  // the undo lets RACK wait for what is late, half a round trip now
    const recovery_verdict v = s.recovery.on_ack(a, blocks, s.timing(), s.records);
    CHECK(v.undoes());
    CHECK(v.cause == spurious_cause::dsack);
    CHECK(v.kind == verdict_kind::enter);
    CHECK(s.records.lost() == fake::smss);
}

TEST_CASE("a timeout in the handshake is no episode", "[policy]")
{
    fake::sender<with_undo<recovery::go_back_n>> s;
    CHECK(s.timer(retransmission_timer::rto) == verdict_kind::none);  // nothing in flight
    CHECK(s.next().action == send_action::new_data);
}
