#include "tcpco/policy/recovery/sack.hpp"

#include "catch.hpp"
#include "policy/fake_board.hpp"

using namespace tcpco;
using fake::at;
using fake::segments;

namespace {

using sender = fake::sender<recovery::sack>;

static_assert(decides_without_data<recovery::sack, fake::board>);

sender with_sack(int in_flight)
{
    sender s;
    s.has_sack = true;
    s.send(in_flight);
    return s;
}

}  // namespace

TEST_CASE("recovery starts with the third SACKed segment, and two holes are repaired in one round trip",
          "[policy][RFC6675-4b][RFC6675-4d][RFC6675-4e][RFC6675-5g]")
{
    sender s = with_sack(10);
    CHECK(s.sack(1, 2) == verdict_kind::none);
    CHECK(s.sack(3, 4) == verdict_kind::none);
    CHECK(s.sack(4, 5) == verdict_kind::enter);
    CHECK(s.next().range == segments(0, 1));
    CHECK(s.next().ignore_window);
    s.resend();
    CHECK(s.next().action == send_action::new_data);  // segment 2 has two above it only
    CHECK(s.sack(5, 6) == verdict_kind::none);
    CHECK(s.next().range == segments(2, 3));
    CHECK_FALSE(s.next().ignore_window);
    s.resend();
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("three separate small ranges above mean loss although they are less than two segments",
          "[policy][RFC6675-4b]")
{
    sender s = with_sack(1);
    for (int i = 0; i < 6; ++i) {
        s.records.send(10, s.now);
    }
    const auto sack_piece = [&](std::int64_t i) {
        s.records.sack({fake::at(1) + 10 * i, fake::at(1) + 10 * (i + 1)});
        return s.tell({.newly_sacked = 10, .delivered = 10}, {.newly_sacked = 10, .has_blocks = true});
    };
    CHECK(sack_piece(1) == verdict_kind::none);
    CHECK(sack_piece(3) == verdict_kind::none);
    CHECK(sack_piece(5) == verdict_kind::enter);
    CHECK(s.next().range == segments(0, 1));
    CHECK(s.records.lost() == fake::smss + 10);  // piece 0 as well; piece 2 has two ranges above it, 4 has one
}

TEST_CASE("one ACK that SACKs enough starts recovery without counting to three", "[policy][RFC6675-5c][RFC6675-5f]")
{
    sender s = with_sack(10);
    CHECK(s.sack(5, 10) == verdict_kind::enter);
    for (std::int64_t i = 0; i < 5; ++i) {
        CHECK(s.next().range == segments(i, i + 1));
        REQUIRE(s.resend());
    }
    CHECK_FALSE(s.resend());  // what was sent again is not lost again by counting
    CHECK(s.sack(2, 3) == verdict_kind::none);
    CHECK_FALSE(s.resend());
    CHECK(s.ack(10) == verdict_kind::exit);
}

TEST_CASE("new data acknowledged starts the count of duplicates again", "[policy][RFC6675-5b][RFC6675-5c]")
{
    sender s = with_sack(1);
    for (int i = 0; i < 8; ++i) {
        s.records.send(10, s.now);
    }
    const auto sack_piece = [&](std::int64_t i) {  // next to one another, so that they are one range of few octets
        s.records.sack({at(1) + 10 * i, at(1) + 10 * (i + 1)});
        return s.tell({.newly_sacked = 10, .delivered = 10}, {.newly_sacked = 10, .has_blocks = true});
    };
    CHECK(sack_piece(1) == verdict_kind::none);
    CHECK(sack_piece(2) == verdict_kind::none);
    CHECK(s.ack(1) == verdict_kind::none);
    CHECK(sack_piece(3) == verdict_kind::none);
    CHECK(sack_piece(4) == verdict_kind::none);
    CHECK(sack_piece(5) == verdict_kind::enter);
}

TEST_CASE("recovery lasts until what was sent before it is acknowledged, and repairs from the left edge on",
          "[policy][RFC6675-5e]")
{
    sender s = with_sack(10);
    REQUIRE(s.sack(2, 6) == verdict_kind::enter);
    CHECK(s.recovery.recovery_point() == at(10));
    CHECK(s.recovery.resent_to() == at(0));
    CHECK(s.next().range == segments(0, 1));
    CHECK(s.next().ignore_window);
    s.resend();
    CHECK(s.recovery.resent_to() == at(1));
    CHECK(s.next().range == segments(1, 2));
    CHECK_FALSE(s.next().ignore_window);
    s.resend();
    s.send(2);
    CHECK(s.recovery.recovery_point() == at(10));
    CHECK(s.ack(9) == verdict_kind::none);
    CHECK(s.ack(10) == verdict_kind::exit);
}

TEST_CASE("what is sent again before it is lost by the rules is in flight twice, until it is lost by them",
          "[policy][RFC6675-4c]")
{
    sender s = with_sack(12);
    s.sack(1, 4);
    REQUIRE(s.resend());
    CHECK(s.recovery.counted_twice() == 0);  // the first was lost
    s.sack(5, 6);
    const send_decision d = s.recovery.without_data(s.records, 10'000);
    REQUIRE(d.range == segments(4, 5));
    s.resend(d.range);
    CHECK(s.recovery.counted_twice() == fake::smss);
    s.sack(6, 7);
    CHECK(s.recovery.counted_twice() == fake::smss);
    SECTION("lost")
    {
        s.sack(7, 8);
        CHECK(s.recovery.counted_twice() == 0);
    }
    SECTION("delivered")
    {
        s.sack(4, 5);
        CHECK(s.recovery.counted_twice() == 0);
    }
    SECTION("the end of recovery")
    {
        s.timer(retransmission_timer::rto);
        CHECK(s.recovery.counted_twice() == 0);
    }
}

TEST_CASE("the tail is sent once more although it was sent again before", "[policy][RFC6675-4g]")
{
    sender s = with_sack(10);
    REQUIRE(s.sack(5, 10) == verdict_kind::enter);
    while (s.resend()) {
    }
    CHECK(s.recovery.without_data(s.records, 10'000).action == send_action::nothing);  // without progress
    s.ack(2);
    const send_decision d = s.recovery.without_data(s.records, 10'000);
    CHECK(d.action == send_action::retransmit);
    CHECK(d.range == segments(4, 5));
    s.resend(d.range);
    CHECK(s.recovery.without_data(s.records, 10'000).action == send_action::nothing);
}

TEST_CASE("without new data a hole that is not lost yet is sent, then the tail once",
          "[policy][RFC6675-4f][RFC6675-4g][RFC6675-4h][RFC6675-5i]")
{
    sender s = with_sack(10);
    s.sack(1, 4);
    REQUIRE(s.resend());
    s.sack(5, 6);
    REQUIRE(s.next().action == send_action::new_data);
    send_decision d = s.recovery.without_data(s.records, 10'000);
    CHECK(d.range == segments(4, 5));  // rule 3
    s.resend(d.range);
    CHECK(s.recovery.without_data(s.records, 10'000).action == send_action::nothing);  // rule 4 wants progress first
    s.ack(4);
    d = s.recovery.without_data(s.records, 10'000);
    CHECK(d.range == segments(9, 10));  // rule 4
    s.resend(d.range);
    CHECK(s.recovery.resent_to() == fake::at(5));  // HighRxt is unchanged
    CHECK(s.recovery.without_data(s.records, 10'000).action == send_action::nothing);
}

TEST_CASE("after a timeout SACKed data is kept, and no recovery starts before the old window is acknowledged",
          "[policy][RFC6675-5.1a][RFC6675-5.1b]")
{
    sender s = with_sack(10);
    s.sack(5, 7);
    s.timer(retransmission_timer::rto);
    CHECK(s.records.lost() == 8 * fake::smss);
    CHECK(s.sack(7, 10) == verdict_kind::none);
    CHECK_FALSE(s.recovery.in_recovery());
    for (std::int64_t i = 0; i < 5; ++i) {
        CHECK(s.next().range == segments(i, i + 1));
        REQUIRE(s.resend());
    }
    CHECK_FALSE(s.resend());
}

TEST_CASE("a peer without SACK gets NewReno", "[policy][RFC6582]")
{
    sender s;
    s.send(10);
    s.duplicate();
    s.duplicate();
    CHECK(s.duplicate() == verdict_kind::enter);
    CHECK(s.next().range == segments(0, 1));
    s.resend();
    CHECK(s.ack(3) == verdict_kind::none);
    CHECK(s.next().range == segments(3, 4));
    CHECK(s.next().ignore_window);
    s.resend();
    CHECK(s.ack(10) == verdict_kind::exit);
}
