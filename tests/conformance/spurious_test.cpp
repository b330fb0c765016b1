// Timeouts and fast retransmits that were needless are found out and undone: F-RTO (RFC 5682), the Eifel detection (RFC
// 3522), D-SACK (RFC 3708), and what follows from it (RFC 4015). The peer is one whose segments, or whose ACKs, were
// only late.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

constexpr const char* plain = "mss=1000";
constexpr const char* with_sack = "mss=1000 sackok";
constexpr const char* with_times = "mss=1012 sackok ts=100/0";  // 1000 octets beside the timestamps

// 5001 to 15000 in flight, 10 segments, which is cwnd; more waits. The answer is the timestamp of the first.
std::uint32_t ten_in_flight(peer<>& p, std::string options = plain, std::size_t more = 10'000)
{
    const bool times = options.find("ts=") != std::string::npos;
    p.in_established(options, times ? "ts=101/0" : "");
    p.write(10'000 + more);
    const packet first = p.next();
    CHECK(first == "A seq=5001 len=1000");
    CHECK(p.forget() == 9);
    CHECK(p.info().cwnd == 10'000);
    return times ? first.options.tsval : 0;
}

std::string ack_of(std::uint32_t ack, std::uint32_t echo)
{
    return "A seq=1001 ack=" + std::to_string(ack) + " ts=150/" + std::to_string(echo);
}

// The timer fires; the first segment is sent again, and no other.
packet time_out(peer<>& p, duration rto = 1_s)
{
    p.wait(rto);
    packet again = p.next();
    CHECK(again == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().cwnd == 1'000);
    CHECK(p.info().ssthresh == 5'000);
    return again;
}

// Three duplicates, or three SACKed segments: 5001 is sent again, and limited transmit sends two new ones before.
packet fast_retransmit(peer<>& p, const std::string& options = "")
{
    const bool sack = options.find("sack") != std::string::npos;
    const std::string rest = sack ? options.substr(0, options.find("sack")) : options;
    for (int i = 1; i <= 3; ++i) {
        p.send("A seq=1001 ack=5001 " + rest + (sack ? "sack=6001-" + std::to_string(6'001 + 1'000 * i) : ""));
    }
    packet again = p.last();
    CHECK(again == "A seq=5001 len=1000");
    CHECK(p.info().fast_recoveries == 1);
    CHECK(p.info().ssthresh == 5'000);
    return again;
}

bool undone(peer<>& p)
{
    CHECK(p.info().recoveries_undone == p.stack.counters().recoveries_undone);
    return p.info().recoveries_undone == 1 && p.info().cwnd == 10'000 && p.info().ssthresh > 100'000;
}
bool not_undone(peer<>& p)
{
    return p.info().recoveries_undone == 0 && p.info().ssthresh == 5'000;
}

// Everything that waits; true if nothing of it lies below `seq`.
bool nothing_below(peer<>& p, std::uint32_t seq)
{
    bool fresh = true;
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        fresh = fresh && seen.seq() >= seq;
    }
    return fresh;
}

}  // namespace

// --- F-RTO -----------------------------------------------------------------------------------------------------------

TEST_CASE("F-RTO: after a timeout two ACKs of what was not sent again show that all was only late",
          "[conformance][RFC5682-2.1a][RFC5682-2.1c][RFC5682-2.1e][RFC5682-4a][RFC4015-3.2a][RFC4015-3.3a][RFC4015-3.4b]")
{
    peer p;
    ten_in_flight(p);
    time_out(p);
    p.send("A seq=1001 ack=6001");
    CHECK(p.next() == "A seq=15001 len=1000");  // new octets, not the next old ones
    CHECK(p.next() == "A seq=16001 len=1000");
    CHECK(p.next() == "-");
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=7001");
    CHECK(undone(p));
    CHECK(p.info().in_flight == 10'000);
    p.send("A seq=1001 ack=9001");
    CHECK(p.next() == "A seq=17001 len=1000");
    CHECK(nothing_below(p, 17'001));
    CHECK(p.info().retransmissions == 1);
}

TEST_CASE("F-RTO: a duplicate ACK after the new segments means loss, and slow start repairs it",
          "[conformance][RFC5682-2.1d]")
{
    peer p;
    ten_in_flight(p);
    time_out(p);
    p.send("A seq=1001 ack=6001");
    CHECK(p.sent_up_to() == 17'001);
    p.send("A seq=1001 ack=6001");
    CHECK(p.info().cwnd <= 3'000);
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=7001");
    CHECK(p.next() == "A seq=7001 len=1000");
    CHECK(not_undone(p));
}

TEST_CASE("F-RTO: a first ACK that is a duplicate, or covers all or too little, ends it", "[conformance][RFC5682-2.1b]")
{
    peer p;
    ten_in_flight(p);
    time_out(p);
    SECTION("a duplicate")
    {
        p.send("A seq=1001 ack=5001");
        p.send("A seq=1001 ack=6001");
        CHECK(p.next() == "A seq=6001 len=1000");
    }
    SECTION("all that was sent before the timeout")
    {
        p.send("A seq=1001 ack=15001");
        CHECK(p.next() == "A seq=15001 len=1000");
        p.send("A seq=1001 ack=16001");
    }
    SECTION("a part of the segment that was sent again")
    {
        p.send("A seq=1001 ack=5501");
        CHECK(p.info().lost > 0);
        p.send("A seq=1001 ack=6001");
        CHECK(p.next() == "A seq=6001 len=1000");
    }
    CHECK(not_undone(p));
}

TEST_CASE("F-RTO: with nothing new to send, or no window for it, the old octets go, and nothing is concluded",
          "[conformance][RFC5682-2.1c]")
{
    const bool closed = GENERATE(false, true);
    peer p;
    ten_in_flight(p, plain, closed ? 10'000 : 0);
    time_out(p);
    p.send(std::string{"A seq=1001 ack=6001"} + (closed ? " win=9000" : ""));
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "A seq=7001 len=1000");
    CHECK(p.next() == "-");
    p.send(std::string{"A seq=1001 ack=7001"} + (closed ? " win=8000" : ""));
    CHECK(not_undone(p));
}

TEST_CASE("F-RTO: another timeout of the same octets takes the conventional way",
          "[conformance][RFC5682-2.1a][RFC5682-2.1f]")
{
    peer p;
    ten_in_flight(p);
    time_out(p);
    p.wait(2_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    p.send("A seq=1001 ack=6001");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "A seq=7001 len=1000");
    p.send("A seq=1001 ack=7001");
    p.send("A seq=1001 ack=8001");
    CHECK(not_undone(p));
}

TEST_CASE("F-RTO: it is not for a timeout within fast recovery", "[conformance][RFC5682-2.1g][RFC5682-3.1b]")
{
    const std::string options = GENERATE(std::string{plain}, std::string{with_sack});
    peer p;
    ten_in_flight(p, options);
    fast_retransmit(p, options == plain ? "" : "sack");
    p.wait(1_s + 1_ms);
    CHECK(p.last() == "A seq=5001 len=1000");
    p.send("A seq=1001 ack=6001");
    CHECK(p.next().seq() < 15'001);
    p.send("A seq=1001 ack=10001");
    CHECK(p.info().recoveries_undone == 0);
}

TEST_CASE("F-RTO: what is neither an ACK of news nor a duplicate changes nothing", "[conformance][RFC5682-2.1h]")
{
    const std::string other = GENERATE(std::string{"A seq=1001 ack=5001 win=60000"},  // another window
                                       std::string{"A seq=1001 ack=5001 len=10"},     // data
                                       std::string{"A seq=1001 ack=4999"});           // an older ACK
    peer p;
    ten_in_flight(p);
    time_out(p);
    p.send(other);
    p.forget();
    p.send("A seq=1011 ack=6001");
    p.forget();
    p.send("A seq=1011 ack=7001");
    CHECK(p.info().recoveries_undone == 1);
}

TEST_CASE("F-RTO with SACK: a block of what was not sent again is proof, one of the new segments is the contrary",
          "[conformance][RFC5682-3.1a]")
{
    peer p;
    ten_in_flight(p, with_sack);
    time_out(p);
    p.send("A seq=1001 ack=5001 sack=8001-9001");  // noted, and the first ACK waited for
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6001 sack=8001-9001");
    CHECK(p.sent_up_to() == 17'001);
    SECTION("late octets")
    {
        p.send("A seq=1001 ack=6001 sack=8001-10001");
        CHECK(undone(p));
        CHECK(nothing_below(p, 17'001));
    }
    SECTION("new octets")
    {
        p.send("A seq=1001 ack=6001 sack=15001-16001,8001-9001");
        CHECK(p.next() == "A seq=6001 len=1000");
        p.send("A seq=1001 ack=7001 sack=15001-17001,8001-9001");
        CHECK(not_undone(p));
    }
    SECTION("no news")
    {
        p.send("A seq=1001 ack=6001 sack=8001-9001");
        CHECK(p.next() == "-");
        p.send("A seq=1001 ack=7001 sack=8001-9001");
        CHECK(undone(p));
    }
}

// --- timestamps ------------------------------------------------------------------------------------------------------

TEST_CASE("Eifel: the echo of the original undoes a timeout at the first ACK",
          "[conformance][RFC3522-3.2c][RFC3522-3.2e][RFC4015-3.3a][RFC4015-3.4b][RFC4015-4a]")
{
    peer p;
    const std::uint32_t original = ten_in_flight(p, with_times);
    time_out(p);
    p.send(ack_of(6'001, original));
    CHECK(undone(p));
    CHECK(p.next() == "A seq=15001 len=1000");
    CHECK(nothing_below(p, 15'001));
    CHECK(p.info().rto < 2_s);  // without back-off
}

TEST_CASE("Eifel: the echo of the retransmission is no reason, and nothing is waited for",
          "[conformance][RFC3522-3.2d]")
{
    peer p;
    const std::uint32_t original = ten_in_flight(p, with_times);
    const packet again = time_out(p);
    p.send(ack_of(6'001, again.options.tsval));
    CHECK(p.next() == "A seq=6001 len=1000");
    p.send(ack_of(7'001, original));  // the one ACK that counts has been
    CHECK(not_undone(p));
}

TEST_CASE("Eifel: of two timeouts in a row the first retransmission is what echoes are compared with",
          "[conformance][RFC3522-3.2a][RFC3522-3.2b][RFC4015-3.1a]")
{
    peer p;
    const std::uint32_t original = ten_in_flight(p, with_times);
    const packet first = time_out(p);
    p.wait(2_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    SECTION("the original")
    {
        p.send(ack_of(6'001, original));
        CHECK(undone(p));
    }
    SECTION("the first retransmission")
    {
        p.send(ack_of(6'001, first.options.tsval));
        CHECK(not_undone(p));
    }
    SECTION("older than the original: nobody can have seen that")
    {
        p.send(ack_of(6'001, original - 1'000));
        CHECK(not_undone(p));
    }
}

TEST_CASE("Eifel: a segment that was only reordered undoes the fast retransmit",
          "[conformance][RFC3522-3.2e][RFC4015-4a]")
{
    const bool sack = GENERATE(false, true);
    peer p;
    const std::uint32_t original = ten_in_flight(p, sack ? with_times : "mss=1012 ts=100/0");
    p.wait(10_ms);
    const std::string times = "ts=150/" + std::to_string(original) + " ";
    fast_retransmit(p, times + (sack ? "sack" : ""));
    p.send(ack_of(9'001, original));
    CHECK(undone(p));
    CHECK_FALSE(p.info().in_recovery);
    CHECK(nothing_below(p, 15'001));
}

TEST_CASE("Eifel: without a timestamp, or with a D-SACK beside it, an ACK says nothing",
          "[conformance][RFC3522-3.2f][RFC3522-3.2h]")
{
    peer p;
    const std::uint32_t original = ten_in_flight(p, with_times, 0);
    p.wait(10_ms);
    const std::string times = "ts=150/" + std::to_string(original) + " ";
    fast_retransmit(p, times + "sack");
    SECTION("a D-SACK of something else")
    {
        p.send(ack_of(9'001, original) + " sack=4001-5001");
    }
    SECTION("an echo of nothing")
    {
        p.send(ack_of(9'001, 0));
    }
    CHECK(not_undone(p));
}

// --- D-SACK ----------------------------------------------------------------------------------------------------------

TEST_CASE("D-SACK: the report of the only retransmission undoes, also after recovery has ended",
          "[conformance][RFC3708-3a][RFC3708-2a]")
{
    const bool ended = GENERATE(false, true);
    peer p;
    ten_in_flight(p, with_sack);
    fast_retransmit(p, "sack");
    if (ended) {
        p.send("A seq=1001 ack=17001");
        p.forget();
    }
    CHECK(p.info().in_recovery == !ended);
    CHECK(not_undone(p));
    p.send(std::string{"A seq=1001 sack=5001-6001 ack="} + (ended ? "17001" : "9001"));
    CHECK(undone(p));
    CHECK(p.info().dsacks_received == 1);
    CHECK_FALSE(p.info().in_recovery);
    CHECK(nothing_below(p, 17'001));
}

TEST_CASE("D-SACK: as long as one retransmission is not reported nothing is undone", "[conformance][RFC3708-3a]")
{
    peer p;
    ten_in_flight(p, with_sack, 0);
    fast_retransmit(p, "sack");
    p.send("A seq=1001 ack=9001 sack=10001-15001");  // partial: NewReno sends 9001 again
    CHECK(p.next() == "A seq=9001 len=1000");
    p.send("A seq=1001 ack=9001 sack=5001-6001,10001-15001");
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=15001");
    CHECK(not_undone(p));
    SECTION("in two halves")
    {
        p.send("A seq=1001 ack=15001 sack=9001-9501");
        CHECK(not_undone(p));
        p.send("A seq=1001 ack=15001 sack=9501-10001");
        CHECK(undone(p));
    }
    SECTION("never")
    {
        p.send("A seq=1001 ack=15001 sack=5001-6001");  // that one again
        p.send("A seq=1001 ack=15001 sack=5001-6001");
        CHECK(not_undone(p));
    }
}

TEST_CASE("D-SACK: a report of what was never sent again, or never sent at all, ends the detection",
          "[conformance][RFC3708-3b]")
{
    const std::string lie = GENERATE(std::string{"sack=7001-8001"},   // sent once
                                     std::string{"sack=5001-9001"},   // more than the retransmission
                                     std::string{"sack=5001-6002"});  // by an octet
    INFO(lie);
    peer p;
    ten_in_flight(p, with_sack, 0);
    fast_retransmit(p, "sack");
    p.send("A seq=1001 ack=15001 " + lie);
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=15001 sack=5001-6001");
    CHECK(not_undone(p));
    CHECK(p.info().cwnd <= 10'000);
    // Nor for the next recovery of this connection.
    p.write(20'000);
    p.forget();
    const octet_count before = p.info().cwnd;
    REQUIRE(before >= 4'000);
    p.send("A seq=1001 ack=15001 sack=16001-17001");
    p.send("A seq=1001 ack=15001 sack=16001-18001");
    p.send("A seq=1001 ack=15001 sack=16001-19001");
    REQUIRE(p.info().in_recovery);
    const std::string all = "A seq=1001 ack=" + std::to_string(p.sent_up_to());
    p.send(all);
    p.send(all + " sack=15001-16001");
    CHECK(p.info().recoveries_undone == 0);
}

TEST_CASE("D-SACK: what lies outside of all that was ever sent is no report", "[conformance][RFC3708-3b]")
{
    peer p;
    ten_in_flight(p, with_sack, 0);
    fast_retransmit(p, "sack");
    p.send("A seq=1001 ack=15001 sack=4001-5001");
    p.send("A seq=1001 ack=15001 sack=25001-26001");
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=15001 sack=5001-6001");
    CHECK(undone(p));
}

TEST_CASE("D-SACK: octets that were sent again twice are not accounted for", "[conformance][RFC3708-3c]")
{
    peer p;
    ten_in_flight(p, with_sack, 0);
    time_out(p);
    p.wait(2_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    p.send("A seq=1001 ack=5001 sack=6001-7001");  // not all ACKs were lost
    p.send("A seq=1001 ack=15001 sack=5001-6001");
    CHECK(not_undone(p));
    p.send("A seq=1001 ack=15001 sack=5001-6001");
    CHECK(not_undone(p));
}

TEST_CASE("D-SACK: where all ACKs were lost the report of the retransmission undoes nothing", "[conformance][RFC3708-3e]")
{
    const bool heard = GENERATE(false, true);  // of anything behind the segment, before
    peer p;
    ten_in_flight(p, with_sack, 0);
    time_out(p);
    if (heard) {
        p.send("A seq=1001 ack=5001 sack=6001-7001");
    }
    p.send("A seq=1001 ack=15001 sack=5001-6001");
    CHECK((p.info().recoveries_undone == 1) == heard);
}

TEST_CASE("D-SACK: a round trip after its end a recovery stays as it was", "[conformance][RFC3708-3d]")
{
    peer p;
    ten_in_flight(p, with_sack);
    fast_retransmit(p, "sack");
    p.send("A seq=1001 ack=17001");
    const std::uint32_t sent = p.sent_up_to();
    CHECK(sent > 17'001);
    p.write(1'000);
    p.send("A seq=1001 ack=" + std::to_string(sent));
    const std::uint32_t more = p.sent_up_to();
    p.send("A seq=1001 ack=" + std::to_string(more));
    p.send("A seq=1001 ack=" + std::to_string(more) + " sack=5001-6001");
    CHECK(p.info().recoveries_undone == 0);
}

// --- the response ----------------------------------------------------------------------------------------------------

TEST_CASE("Undo: the restored window opens as in slow start, not as a burst", "[conformance][RFC4015-3.4c]")
{
    peer p;
    p.in_established(with_times, "ts=101/0");
    p.write(200'000);
    packet sent = p.next();
    for (int round = 0; round < 2; ++round) {  // cwnd grows to 40 segments
        std::vector<packet> flight;
        for (; sent != "-"; sent = p.next()) {
            flight.push_back(sent);
        }
        for (const packet& each : flight) {
            p.send(ack_of(each.seq() + 1'000, each.options.tsval));
        }
        sent = p.next();
    }
    const std::uint32_t original = sent.options.tsval;
    const std::uint32_t end = std::max(sent.seq() + 1'000, p.sent_up_to());
    const octet_count before = p.info().cwnd;
    CHECK(before == 40'000);
    p.wait(1_s);
    CHECK(p.next() == "A len=1000 seq=" + std::to_string(end - 40'000));
    p.send(ack_of(end, original));  // an outage is over: all had arrived, and one ACK says so
    CHECK(p.info().recoveries_undone == 1);
    CHECK(p.info().cwnd == before);
    CHECK(p.forget() == 10);
    p.send(ack_of(end + 10'000, p.info().timeouts > 0 ? original + 1'000 : 0));
    CHECK(p.forget() == 20);
    CHECK(p.info().cwnd == before);  // what did not limit the flight has not grown
}

TEST_CASE("Undo: an ACK that echoes a congestion mark leaves the window reduced", "[conformance][RFC4015-3.4a]")
{
    const bool marked = GENERATE(false, true);
    peer p;
    p.listen();
    p.send("SEW seq=1000 mss=1012 sackok ts=100/0");
    p.next();
    p.send("A seq=1001 ack=5001 ts=101/0");
    CHECK(p.accept());
    p.write(20'000);
    const packet first = p.next();
    p.forget();
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    p.send(std::string{marked ? "AE" : "A"} + ack_of(6'001, first.options.tsval).substr(1));
    CHECK(p.info().recoveries_undone == (marked ? 0 : 1));
    CHECK((p.info().ssthresh > 5'000) == !marked);
}
