#include "tcpco/policy/recovery/rack_tlp.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "policy/fake_board.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"

using namespace tcpco;
using fake::at;
using fake::segments;

namespace {

using sender = fake::sender<recovery::rack_tlp>;

static_assert(told_of_deliveries<recovery::rack_tlp>);
static_assert(!decides_without_data<recovery::rack_tlp, fake::board>);  // NextSeg of RFC 6675 is not asked

// `count` segments in flight, 1 ms apart, behind one that was acknowledged (so that the peer's SACK is known).
sender flight(int count)
{
    sender s;
    s.has_sack = true;
    s.send();
    s.wait(100_ms);
    s.ack(1);
    for (int i = 0; i < count; ++i) {
        s.wait(1_ms);
        s.send();
    }
    return s;
}

}  // namespace

TEST_CASE("a segment is lost when one sent later was delivered a reordering window ago",
          "[policy][RFC8985-6.2e][RFC8985-6.2f]")
{
    sender s = flight(4);  // segments 1 to 4
    s.wait(97_ms);         // one RTT after segment 1
    CHECK(s.sack(2, 3) == verdict_kind::none);  // might be reordering: a quarter of the least RTT, 25 ms
    CHECK(s.next().action == send_action::new_data);
    const timer_request t = s.recovery.timer();
    CHECK(t.kind == retransmission_timer::reorder);
    s.now = t.at;
    CHECK(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    CHECK(s.next().range == segments(1, 2));
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
}

TEST_CASE("without reordering three SACKed segments mean loss at once", "[policy][RFC8985-3.3a]")
{
    sender s = flight(6);
    s.wait(97_ms);
    CHECK(s.sack(2, 3) == verdict_kind::none);
    CHECK(s.sack(3, 4) == verdict_kind::none);
    CHECK(s.sack(4, 5) == verdict_kind::enter);
    CHECK(s.next().range == segments(1, 2));
    CHECK(s.records.lost() == fake::smss);  // 5 and 6 were sent later than what was delivered
}

TEST_CASE("times of transmission are told apart by the nanosecond", "[policy][RFC8985-4.2a]")
{
    sender s;
    s.has_sack = true;
    s.rtt = 40_us;
    s.send(4);
    s.wait(40_us);
    CHECK(s.sack(1, 4) == verdict_kind::enter);
    s.send();
    s.wait(1_ns);
    s.resend();
    s.wait(40_us);
    s.sack(4, 5);
    CHECK(s.records.lost() == 0);  // what was sent again left a nanosecond after what was delivered
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
}

TEST_CASE("of what was delivered the one that was sent last counts, of several sent at once the last",
          "[policy][RFC8985-6.2c]")
{
    sender s = flight(3);  // segments 1 to 3
    s.send(4);             // 4 to 7, at the time of segment 3
    s.wait(100_ms);
    CHECK(s.sack(5, 6) == verdict_kind::none);
    CHECK(s.sack(2, 3) == verdict_kind::none);  // sent earlier: changes nothing
    s.now = s.recovery.timer().at;
    CHECK(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    CHECK(s.records.lost() == 3 * fake::smss);  // 1, 3 and 4; 6 and 7 left together with 5, but behind it
}

TEST_CASE("a window that was widened again and again is no longer than SRTT", "[policy][RFC8985-3.3c]")
{
    sender s = flight(4);
    const sack_info dsack{.dsack = true, .dsack_range = segments(0, 1)};
    for (int round = 0; round < 20; ++round) {
        s.wait(100_ms);
        s.tell({}, dsack);
        s.records.acknowledge(s.records.nxt());
        s.tell({.acked = fake::smss, .delivered = fake::smss}, {});
        s.send(4);
    }
    REQUIRE(s.recovery.reordering_multiplier() == 21);  // a window of more than five round trips
    const std::int64_t una = (s.records.una() - at(0)) / fake::smss;
    const time_point sent_at = s.now;
    s.wait(100_ms);
    s.sack(una + 1, una + 2);
    CHECK(s.recovery.timer().kind == retransmission_timer::reorder);
    CHECK(s.recovery.timer().at == sent_at + 100_ms + s.rtt);
}

TEST_CASE("no hole is sent again before it is found lost, though there is nothing else to send", "[policy][RFC8985-9.2a]")
{
    fake::sender<recovery::with_undo<recovery::rack_tlp>> s;
    s.has_sack = true;
    s.send();
    s.wait(100_ms);
    s.ack(1);
    s.send(10);
    s.wait(100_ms);
    s.sack(3, 7);
    if (!s.recovery.in_recovery()) {
        s.wait(100_ms);
        REQUIRE(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    }
    while (s.resend()) {
    }
    // 7 to 10 left with what was delivered, but behind it. RFC 6675 would send the last of them (rule 4).
    s.ack(2);
    CHECK(s.recovery.in_recovery());
    CHECK(s.next().action == send_action::new_data);
    CHECK(s.recovery.without_data(s.records, 10'000).action == send_action::nothing);
}

TEST_CASE("once reordering was seen three segments above are no proof", "[policy][RFC8985-6.2d]")
{
    sender s = flight(6);
    s.wait(97_ms);
    s.sack(2, 3);
    s.ack(3);  // segment 1 was only late
    CHECK(s.recovery.reordering_seen());
    s.wait(3_ms);
    CHECK(s.sack(4, 7) == verdict_kind::none);
    CHECK(s.recovery.timer().kind == retransmission_timer::reorder);
}

TEST_CASE("a lost retransmission is found by time and reduces again", "[policy][RFC8985-6.2h][RFC8985-9.3b]")
{
    sender s = flight(6);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(1_ms);
    s.send(2);  // segments 7 and 8, after the retransmission of 1
    s.wait(100_ms);
    CHECK(s.sack(7, 9) == verdict_kind::lost_again);
    CHECK(s.next().range == segments(1, 2));
}

TEST_CASE("what was sent in recovery and is lost, and what was lost in the round trip of a reduction, reduces no more",
          "[policy][RFC8985-9.3b][RFC5681-4.3d]")
{
    SECTION("an original")
    {
        sender s = flight(6);
        s.wait(97_ms);
        REQUIRE(s.sack(2, 5) == verdict_kind::enter);
        REQUIRE(s.resend());
        s.wait(1_ms);
        s.send(3);  // segments 7 to 9
        s.wait(100_ms);
        REQUIRE(s.ack(5) == verdict_kind::none);
        CHECK(s.sack(8, 10) == verdict_kind::none);
        CHECK(s.records[s.records.find(at(7))].lost);
    }
    SECTION("a second retransmission that left before the reduction for the first")
    {
        sender s = flight(8);
        s.wait(97_ms);
        REQUIRE(s.sack(3, 6) == verdict_kind::enter);
        REQUIRE(s.resend());
        s.wait(1_ms);
        s.send();  // segment 9
        s.wait(4_ms);
        REQUIRE(s.resend());
        s.wait(1_ms);
        s.send();  // segment 10
        s.wait(95_ms);
        REQUIRE(s.sack(9, 10) == verdict_kind::lost_again);
        s.wait(5_ms);
        CHECK(s.sack(10, 11) == verdict_kind::none);
        CHECK(s.records[s.records.find(at(2))].lost);
    }
}

TEST_CASE("the first retransmission of a recovery leaves whatever the window says, those after it do not",
          "[policy][RFC9937-6.2h]")
{
    sender s = flight(8);
    s.wait(97_ms);
    REQUIRE(s.sack(4, 9) == verdict_kind::enter);
    CHECK(s.next().ignore_window);
    REQUIRE(s.resend());
    CHECK(s.next().range == segments(2, 3));
    CHECK_FALSE(s.next().ignore_window);
}

TEST_CASE("a retransmission that arrives late is no reordering", "[policy][RFC8985-6.2d]")
{
    sender s = flight(6);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(100_ms);
    s.ack(5);
    CHECK_FALSE(s.recovery.reordering_seen());
}

TEST_CASE("in recovery nothing is waited for where the order was always kept", "[policy][RFC8985-3.3a]")
{
    sender s = flight(9);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(1_ms);
    REQUIRE(s.ack(5) == verdict_kind::none);
    s.wait(1_ms);
    s.sack(6, 7);
    CHECK(s.records[s.records.find(at(5))].lost);
}

TEST_CASE("the timer ends with what it waited for, be that delivered or taken for lost by a timeout",
          "[policy][RFC8985-6.2f][RFC8985-8a]")
{
    sender s = flight(4);
    s.wait(97_ms);
    s.sack(2, 3);
    REQUIRE(s.recovery.timer().kind == retransmission_timer::reorder);
    const bool delivered = GENERATE(true, false);
    if (delivered) {
        s.ack(5);
    } else {
        s.timer(retransmission_timer::rto);
    }
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
}

TEST_CASE("what a needless retransmission seemed to prove is forgotten with it", "[policy][RFC8985-6.2b]")
{
    sender s = flight(8);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.wait(1_ms);
    REQUIRE(s.resend());
    s.wait(100_ms);
    s.ack(5);  // of the original, though it looks like the retransmission's
    REQUIRE(s.records.lost() > 0);
    s.records.clear_marks();
    s.recovery.on_undo(s.records.una());
    s.tell({.duplicate = true}, {});
    CHECK(s.records.lost() == 0);
    CHECK_FALSE(s.recovery.in_recovery());
}

TEST_CASE("without SACK, too, an undo ends the recovery", "[policy][RFC8985-4.1a]")
{
    sender s;
    s.send(6);
    s.wait(100_ms);
    s.ack(1);
    for (int i = 0; i < 3; ++i) {
        s.duplicate();
    }
    REQUIRE(s.recovery.in_recovery());
    s.recovery.on_undo(s.records.una());
    CHECK_FALSE(s.recovery.in_recovery());
}

TEST_CASE("without SACK, too, a timeout is over when all that was in flight then is acknowledged",
          "[policy][RFC8985-4.1a]")
{
    sender s;
    s.send(3);
    CHECK(s.recovery.is_steady());
    s.timer(retransmission_timer::rto);
    CHECK_FALSE(s.recovery.is_steady());
    s.resend();
    s.wait(100_ms);
    s.ack(2);
    CHECK_FALSE(s.recovery.is_steady());
    s.ack(3);
    CHECK(s.recovery.is_steady());
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("a timeout ends fast recovery", "[policy][RFC8985-6.3a]")
{
    sender s = flight(6);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.timer(retransmission_timer::rto);
    CHECK_FALSE(s.recovery.in_recovery());
    s.resend();
    s.wait(100_ms);
    CHECK(s.ack(7) == verdict_kind::none);
}

TEST_CASE("an echo from before the retransmission is of the transmission before and proves nothing",
          "[policy][RFC8985-6.2b]")
{
    sender s = flight(6);
    s.wait(97_ms);
    const time_point before = s.now;
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    s.wait(10_ms);
    REQUIRE(s.resend());
    s.wait(150_ms);
    s.echoed = before;
    CHECK(s.ack(5) == verdict_kind::none);
    CHECK(s.records.lost() == 0);
}

TEST_CASE("an ACK sooner than the least RTT is of the transmission before and proves nothing", "[policy][RFC8985-6.2b]")
{
    sender s = flight(6);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(1_ms);
    CHECK(s.ack(5) == verdict_kind::none);
    CHECK(s.records.lost() == 0);  // 5 and 6 left before the retransmission, but it was not what arrived
}

TEST_CASE("a full ACK ends recovery, losses of the next window are looked for at once", "[policy][RFC8985-6.2e]")
{
    sender s = flight(6);
    s.wait(97_ms);
    REQUIRE(s.sack(2, 7) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.send(2);
    s.wait(100_ms);
    CHECK(s.ack(7) == verdict_kind::exit);
    CHECK_FALSE(s.recovery.in_recovery());
    CHECK(s.recovery.timer().at == s.now);
    CHECK(s.timer(retransmission_timer::reorder) == verdict_kind::none);
}

TEST_CASE("each round trip with a DSACK widens the window, and sixteen recoveries without take it back",
          "[policy][RFC8985-3.3b][RFC8985-6.2g]")
{
    sender s = flight(4);
    const sack_info dsack{.dsack = true, .dsack_range = segments(0, 1)};
    s.sack(2, 3, dsack);
    CHECK(s.recovery.reordering_multiplier() == 2);
    s.sack(3, 4, dsack);  // the same round trip
    CHECK(s.recovery.reordering_multiplier() == 2);
    std::int64_t una = 5;
    s.ack(una);
    for (int episode = 1; episode <= 16; ++episode) {
        CHECK(s.recovery.reordering_multiplier() == 2);
        s.send(5);
        s.wait(200_ms);
        s.sack(una + 1, una + 5);
        s.timer(retransmission_timer::reorder);
        if (!s.recovery.in_recovery()) {
            s.wait(200_ms);
            REQUIRE(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
        }
        s.resend();
        una += 5;
        CHECK(s.ack(una) == verdict_kind::exit);
    }
    CHECK(s.recovery.reordering_multiplier() == 1);
}

TEST_CASE("on a timeout the first segment is lost, what has just left is not", "[policy][RFC8985-6.3a]")
{
    sender s = flight(3);
    s.wait(900_ms);
    s.send();
    CHECK(s.timer(retransmission_timer::rto) == verdict_kind::none);
    CHECK(s.records.lost() == 3 * fake::smss);
    CHECK(s.next().range == segments(1, 2));
    CHECK(s.next().ignore_window);  // the loss window is full with what is in flight
    CHECK_FALSE(s.recovery.in_recovery());
    s.resend();
    CHECK(s.sack(4, 5) == verdict_kind::none);  // no second reduction
}

TEST_CASE("the probe is due after two round trips, later where one segment may wait for a delayed ACK",
          "[policy][RFC8985-7.2a][RFC8985-7.2b]")
{
    sender s = flight(2);
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
    CHECK(s.recovery.timer().at == s.now + 200_ms);
    s = flight(1);
    CHECK(s.recovery.timer().at == s.now + 400_ms);
    s.rto = 300_ms;
    s.ack(2);
    s.send();
    CHECK(s.recovery.timer().at == s.now + 300_ms - duration{1});  // in the RTO's place
    s.send(3);
    s.sack(3, 4);
    CHECK(s.recovery.timer().kind != retransmission_timer::pto);  // RACK has something to go by
}

TEST_CASE("the probe comes before the RTO of what was sent earlier, and after 1 s where no round trip is known",
          "[policy][RFC8985-7.2b]")
{
    sender s = flight(2);
    s.rto_at = s.now + 150_ms;  // of the first segment
    s.send();
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
    CHECK(s.recovery.timer().at == s.now + 150_ms - 1_ns);
    s.rto_at = time_point::never();
    s.rtt = 0_s;
    s.rto = 3_s;
    s.send();
    CHECK(s.recovery.timer().at == s.now + 1_s);
    s.wait(10_ms);
    s.ack(4);
    CHECK(s.recovery.timer().at == s.now + 1_s);  // of a single segment, too
}

TEST_CASE("there is one timer: waiting for what is late takes the place of the probe, recovery ends both",
          "[policy][RFC8985-8a]")
{
    sender s = flight(4);
    REQUIRE(s.recovery.timer().kind == retransmission_timer::pto);
    s.wait(97_ms);
    s.sack(2, 3);
    CHECK(s.recovery.timer().kind == retransmission_timer::reorder);
    s.now = s.recovery.timer().at;
    CHECK(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
    s.resend();
    s.send();
    CHECK(s.recovery.timer().kind == retransmission_timer::none);  // in recovery there is no probe
}

TEST_CASE("recovery and timeout end the episode of a probe", "[policy][RFC8985-7.1a]")
{
    const bool timeout = GENERATE(true, false);
    sender s = flight(6);
    s.timer(retransmission_timer::pto);
    REQUIRE(s.next().action == send_action::probe);
    s.resend(segments(6, 7));
    s.send(2);
    s.wait(100_ms);
    if (timeout) {
        s.timer(retransmission_timer::rto);
    } else {
        REQUIRE(s.sack(2, 6) == verdict_kind::enter);
    }
    s.resend();
    s.wait(100_ms);
    CHECK(s.ack(8) == verdict_kind::none);  // more than the probe: it is no sign of what it repaired
    s.ack(9);
    s.send(2);
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
}

TEST_CASE("a probe goes out once per episode and RTT sample", "[policy][RFC8985-7.3a][RFC8985-7.3b]")
{
    sender s = flight(2);
    s.now = s.recovery.timer().at;
    s.timer(retransmission_timer::pto);
    const send_decision d = s.next();
    CHECK(d.action == send_action::probe);
    CHECK(d.ignore_window);
    CHECK(d.range.octets() == 0);
    s.resend(segments(2, 3));
    CHECK(s.recovery.timer().kind == retransmission_timer::none);  // RFC8985-7.3c: the RTO runs now
    CHECK(s.next().action == send_action::new_data);
}

TEST_CASE("a probe of new data is acknowledged as any data, and the next may follow",
          "[policy][RFC8985-7.3b][RFC8985-7.4a]")
{
    sender s = flight(2);
    s.timer(retransmission_timer::pto);
    REQUIRE(s.next().action == send_action::probe);
    s.send(1);
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
    s.wait(100_ms);
    CHECK(s.ack(4) == verdict_kind::none);
    s.send(2);
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
    CHECK(s.ack(6) == verdict_kind::none);
}

TEST_CASE("no second probe before an RTT sample was taken", "[policy][RFC8985-7.3a]")
{
    sender s = flight(2);
    s.timer(retransmission_timer::pto);
    s.send(1);
    s.records.acknowledge(fake::at(4));
    s.tell({.acked = 3 * fake::smss}, {});  // without a sample
    s.send(2);
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
    s.ack(5);
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
}

TEST_CASE("a probe that repaired a loss is one congestion event, one that arrived twice is none",
          "[policy][RFC8985-7.4a][RFC8985-7.4b]")
{
    sender s = flight(2);
    s.timer(retransmission_timer::pto);
    s.resend(segments(2, 3));
    s.wait(100_ms);
    SECTION("only one copy arrived")
    {
        CHECK(s.ack(3) == verdict_kind::none);
        s.send(1);
        CHECK(s.ack(4) == verdict_kind::tlp_repaired);
    }
    SECTION("a DSACK tells of both")
    {
        CHECK(s.ack(3) == verdict_kind::none);
        CHECK(s.tell({.duplicate = true}, {.has_blocks = true, .dsack = true, .dsack_range = segments(2, 3)}) ==
              verdict_kind::none);
        CHECK(s.recovery.reordering_multiplier() == 1);
        s.send(1);
        CHECK(s.ack(4) == verdict_kind::none);
    }
    SECTION("a plain duplicate tells of both")
    {
        CHECK(s.ack(3) == verdict_kind::none);
        CHECK(s.duplicate() == verdict_kind::none);
        s.send(1);
        CHECK(s.ack(4) == verdict_kind::none);
    }
}

TEST_CASE("where nobody reports deliveries the RTT of the ACK stands for them", "[policy][RFC8985-6.2e]")
{
    sender s = flight(6);
    s.wait(97_ms);
    s.records.sack(segments(3, 7));
    const duration rtt = s.now - s.records[s.records.find(fake::at(6))].sent_at;
    const ack_info a{.now = s.now,
                     .newly_sacked = 4'000,
                     .delivered = 4'000,
                     .una = s.records.una(),
                     .nxt = s.records.nxt(),
                     .latest_rtt = rtt,
                     .smss = fake::smss};
    const sack_info blocks{.newly_sacked = 4'000, .has_blocks = true, .sack_permitted = true};
    CHECK(s.recovery.on_ack(a, blocks, s.timing(), s.records).kind == verdict_kind::enter);
    CHECK(s.records.lost() == 2 * fake::smss);
}

TEST_CASE("a peer without SACK gets NewReno and no probe", "[policy][RFC8985-4.1a]")
{
    sender s;
    s.send(10);
    CHECK(s.recovery.timer().kind == retransmission_timer::none);
    s.duplicate();
    s.duplicate();
    CHECK(s.duplicate() == verdict_kind::enter);
    CHECK(s.next().range == segments(0, 1));
    CHECK(s.recovery.in_recovery());
    s.timer(retransmission_timer::rto);
    CHECK_FALSE(s.recovery.in_recovery());
    CHECK(s.records.lost() == 10 * fake::smss);
}

// --- the window of reordering ----------------------------------------------------------------------------------------

TEST_CASE("the window of reordering grows by a quarter of the least RTT for a round with a DSACK, up to the smoothed RTT",
          "[policy][RFC8985-4.3a][RFC8985-3.3c]")
{
    sender s = flight(1);
    std::int64_t una = 1;
    for (const std::int64_t quarters : {1, 2, 3, 4, 4, 4}) {
        CAPTURE(quarters, s.recovery.reordering_multiplier());
        s.wait(100_ms);
        s.ack(++una);
        s.send(2);
        s.wait(100_ms);
        CHECK(s.sack(una + 1, una + 2) == verdict_kind::none);
        CHECK(s.recovery.timer().kind == retransmission_timer::reorder);
        CHECK(s.recovery.timer().at == s.now + 25_ms * quarters);
        s.ack(una + 2);
        una += 2;
        s.send();
        s.tell({.duplicate = true}, {.has_blocks = true, .dsack = true, .dsack_range = segments(0, 1)});
    }
}

TEST_CASE("the timer waits for the last segment that is not due yet", "[policy][RFC8985-6.2f]")
{
    sender s = flight(5);
    s.wait(96_ms);
    CHECK(s.sack(5, 6) == verdict_kind::none);  // 1 to 4 left up to 4 ms before it
    const time_point last = s.records[s.records.find(fake::at(4))].sent_at;
    const duration rtt = s.now - s.records[s.records.find(fake::at(5))].sent_at;
    CHECK(s.recovery.timer().at == last + rtt + 25_ms);
    s.now = s.recovery.timer().at;
    CHECK(s.timer(retransmission_timer::reorder) == verdict_kind::enter);
    CHECK(s.records.lost() == 4 * fake::smss);
}

TEST_CASE("three short segments above are as good a proof as two full ones and an octet", "[policy][RFC8985-3.3a]")
{
    sender s = flight(1);
    const bool shorts = GENERATE(true, false);
    for (const octet_count octets : shorts ? std::vector<octet_count>{10, 10, 10} : std::vector<octet_count>{2'001}) {
        s.records.send(octets, s.now);
    }
    s.wait(100_ms);
    const stream_offset end = s.records.nxt();
    for (auto i = s.records.next(0); i != fake::board::npos; i = s.records.next(i)) {
        s.recovery.on_delivered(s.records[i], s.timing());
    }
    s.records.sack({fake::at(2), end});
    const octet_count news = end - fake::at(2);
    CHECK(s.tell({.newly_sacked = news, .delivered = news}, {.newly_sacked = news, .has_blocks = true}) ==
          verdict_kind::enter);
}

// --- reductions ------------------------------------------------------------------------------------------------------

TEST_CASE("originals that are found lost in recovery are no second reduction, nor is what was sent again before it",
          "[policy][RFC8985-9.3b][RFC5681-4.3d]")
{
    sender s = flight(9);
    s.resend(segments(9, 10));  // a probe, before
    s.wait(97_ms);
    REQUIRE(s.sack(2, 5) == verdict_kind::enter);
    REQUIRE(s.resend());
    s.wait(4_ms);
    CHECK(s.sack(7, 8) == verdict_kind::none);  // 5 and 6 are lost, too
    CHECK(s.records.lost() == 2 * fake::smss);
    s.send();
    s.wait(120_ms);
    s.records.sack(segments(1, 2));  // the repair came through; the probe did not
    CHECK(s.sack(10, 11) == verdict_kind::none);
    CHECK(s.records[s.records.find(fake::at(9))].lost);
}

// --- probes ----------------------------------------------------------------------------------------------------------

TEST_CASE("in recovery, behind a hole, or with a probe on its way no probe is armed", "[policy][RFC8985-7.2a]")
{
    sender s = flight(6);
    SECTION("behind a hole")
    {
        s.sack(2, 3);
        s.send();
        CHECK(s.recovery.timer().kind != retransmission_timer::pto);
    }
    SECTION("in recovery")
    {
        s.wait(97_ms);
        REQUIRE(s.sack(2, 5) == verdict_kind::enter);
        REQUIRE(s.resend());
        s.send();
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
        s.timer(retransmission_timer::pto);  // fired all the same
        CHECK(s.next().action != send_action::probe);
    }
    SECTION("after a probe")
    {
        s.timer(retransmission_timer::pto);
        s.resend(segments(6, 7));
        s.send();
        s.ack(2);
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
        s.timer(retransmission_timer::pto);
        CHECK(s.next().action != send_action::probe);
    }
    SECTION("after a timeout")
    {
        s.timer(retransmission_timer::pto);
        s.timer(retransmission_timer::rto);
        CHECK(s.next().action == send_action::retransmit);
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
    }
    SECTION("until all that a timeout found outstanding is acknowledged")
    {
        s.wait(1'000_ms);
        s.timer(retransmission_timer::rto);
        for (int i = 0; i < 3; ++i) {
            REQUIRE(s.resend());
        }
        s.wait(100_ms);
        s.ack(2);
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
        s.ack(7);
        s.send();
        CHECK(s.recovery.timer().kind == retransmission_timer::pto);
    }
    SECTION("behind a hole that is no loss any more")
    {
        s.sack(3, 4);
        s.recovery.on_undo(s.records.una());
        s.send();
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
    }
    SECTION("with nothing in flight")
    {
        s.ack(7);
        CHECK(s.recovery.timer().kind == retransmission_timer::none);
    }
}

TEST_CASE("a probe that is due and has not left is forgotten where all is acknowledged: the next data is no probe",
          "[policy][RFC8985-7.3a]")
{
    sender s = flight(2);
    s.timer(retransmission_timer::pto);
    REQUIRE(s.next().action == send_action::probe);  // the device takes nothing
    s.wait(100_ms);
    s.ack(3);
    CHECK(s.next().action == send_action::new_data);
    s.send(2);
    CHECK(s.recovery.timer().kind == retransmission_timer::pto);
}

TEST_CASE("only the report of the probe itself, or a bare duplicate of its ACK, says that it came twice",
          "[policy][RFC8985-7.4b]")
{
    sender s = flight(3);
    s.timer(retransmission_timer::pto);
    s.resend(segments(3, 4));
    s.wait(100_ms);
    SECTION("a D-SACK of something else")
    {
        s.ack(4);
        s.tell({.duplicate = true}, {.has_blocks = true, .dsack = true, .dsack_range = segments(1, 2)});
    }
    SECTION("a duplicate that brings blocks")
    {
        s.ack(4);
        s.send(2);
        s.sack(5, 6);
    }
    s.send();
    CHECK(s.ack(5) == verdict_kind::tlp_repaired);
    s.send(1);
    CHECK(s.ack(6) == verdict_kind::none);  // once
}
