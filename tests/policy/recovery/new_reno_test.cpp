#include "tcpco/policy/recovery/new_reno.hpp"

#include "catch.hpp"
#include "policy/fake_board.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"

using namespace tcpco;
using fake::at;
using fake::segments;

namespace {

using sender = fake::sender<recovery::new_reno>;

sender ten_in_flight()
{
    sender s;
    s.send(10);
    return s;
}

sender in_recovery()
{
    sender s = ten_in_flight();
    s.duplicate();
    s.duplicate();
    s.duplicate();
    s.resend();
    return s;
}

}  // namespace

TEST_CASE("the third duplicate ACK retransmits the first segment, the first two do not", "[policy][RFC5681-3.2c]")
{
    sender s = ten_in_flight();
    CHECK(s.duplicate() == verdict_kind::none);
    CHECK(s.duplicate() == verdict_kind::none);
    CHECK(s.next().action == send_action::new_data);  // limited transmit
    CHECK(s.duplicate() == verdict_kind::enter);
    const send_decision d = s.next();
    CHECK(d.action == send_action::retransmit);
    CHECK(d.range == segments(0, 1));
    CHECK(d.ignore_window);
    CHECK(s.recovery.in_recovery());
    s.resend();
    CHECK(s.duplicate() == verdict_kind::none);  // the fourth starts nothing
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("progress between duplicate ACKs starts their count again", "[policy][RFC5681-3.2c]")
{
    sender s = ten_in_flight();
    s.duplicate();
    s.duplicate();
    s.ack(1);
    CHECK(s.duplicate() == verdict_kind::none);
    CHECK(s.duplicate() == verdict_kind::none);
    CHECK(s.duplicate() == verdict_kind::enter);
    CHECK(s.next().range == segments(1, 2));
}

TEST_CASE("a partial ACK retransmits the next hole at once and keeps recovery", "[policy][RFC6582-3.2d][RFC6582-3.2f]")
{
    sender s = in_recovery();
    CHECK(s.ack(3) == verdict_kind::none);
    CHECK(s.recovery.in_recovery());
    CHECK(s.next().range == segments(3, 4));
    CHECK(s.next().ignore_window);
    s.resend();
    CHECK(s.ack(7) == verdict_kind::none);
    CHECK(s.next().range == segments(7, 8));
}

TEST_CASE("an ACK of all that was sent when recovery began ends it", "[policy][RFC6582-3.2c]")
{
    sender s = in_recovery();
    s.send(2);
    CHECK(s.ack(10) == verdict_kind::exit);
    CHECK_FALSE(s.recovery.in_recovery());
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("after a timeout everything is sent again, and its echoes start no fast retransmit",
          "[policy][RFC6582-4a][RFC6582-3.2h]")
{
    sender s = in_recovery();
    s.timer(retransmission_timer::rto);
    CHECK_FALSE(s.recovery.in_recovery());
    CHECK(s.records.lost() == 10 * fake::smss);
    CHECK(s.next().range == segments(0, 1));
    s.resend();
    s.ack(4);
    s.duplicate();
    s.duplicate();
    CHECK(s.duplicate() == verdict_kind::none);
    CHECK_FALSE(s.recovery.in_recovery());
    s.ack(10);
    s.send(5);
    s.ack(11);  // beyond recover: a new loss is a new episode
    s.duplicate();
    s.duplicate();
    CHECK(s.duplicate() == verdict_kind::enter);
}

TEST_CASE("the heuristic: short progress after a timeout lets the next duplicates retransmit, a leap does not",
          "[policy][RFC6582-4.1a]")
{
    const std::int64_t progress = GENERATE(0, 4, 5);
    sender s{{.ack_heuristic = true}};
    s.send(10);
    s.timer(retransmission_timer::rto);
    s.resend();
    if (progress > 0) {
        s.ack(progress);
    }
    s.duplicate();
    s.duplicate();
    CHECK((s.duplicate() == verdict_kind::enter) == (progress == 4));
}

TEST_CASE("an impatient recovery lets only its first partial ACK start the timer", "[policy][RFC6582-3.2g]")
{
    const bool impatient = GENERATE(true, false);
    sender s{{.impatient = impatient}};
    s.send(10);
    for (int i = 0; i < 3; ++i) {
        s.duplicate();
    }
    s.resend();
    CHECK_FALSE(s.recovery.holds_timer(at(2)));
    s.ack(2);
    s.resend();
    CHECK(s.recovery.holds_timer(at(2)) == impatient);
    CHECK(s.recovery.holds_timer(at(9)) == impatient);
    CHECK_FALSE(s.recovery.holds_timer(at(10)));  // the whole of it
    s.ack(10);
    CHECK_FALSE(s.recovery.holds_timer(at(10)));
}

TEST_CASE("a retransmitted super-frame that is acknowledged piece by piece is not sent again", "[policy][RFC6582-3.2d]")
{
    sender s;
    s.records.send(8 * fake::smss, s.now);
    s.send(3);
    for (int i = 0; i < 3; ++i) {
        s.duplicate();
    }
    CHECK(s.next().range == segments(0, 1));  // only its front is known to be missing
    s.resend();
    CHECK(s.ack(4) == verdict_kind::none);
    CHECK(s.next().range == segments(4, 5));
    s.resend();
    s.resend(segments(5, 8));
    s.ack(6);
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("with SACK a duplicate with news counts although its window changed", "[policy][RFC5681-2b]")
{
    sender s = ten_in_flight();
    s.has_sack = true;
    s.sack(1, 2);
    s.sack(2, 3);
    CHECK(s.sack(3, 4) == verdict_kind::enter);
    CHECK(s.next().range == segments(0, 1));
    s.resend();
    CHECK(s.ack(4) == verdict_kind::none);
    CHECK(s.next().range == segments(4, 5));
}

TEST_CASE("go-back-N knows the timeout only, and then sends everything in order", "[policy][RFC6298-5.4a]")
{
    fake::sender<recovery::go_back_n> s;
    s.send(4);
    for (int i = 0; i < 5; ++i) {
        CHECK(s.duplicate() == verdict_kind::none);
    }
    CHECK(s.next().action == send_action::new_data);
    s.timer(retransmission_timer::rto);
    for (std::int64_t i = 0; i < 4; ++i) {
        CHECK(s.next().range == segments(i, i + 1));
        REQUIRE(s.resend());
    }
    CHECK_FALSE(s.resend());
    CHECK_FALSE(s.recovery.in_recovery());
}
