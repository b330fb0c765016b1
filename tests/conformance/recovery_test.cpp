// Duplicate ACKs, fast retransmit, NewReno (RFC 5681 3.2, RFC 6582, RFC 3042). Without SACK unless said otherwise.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

// 5001 to 15000 in flight, 10 segments, which is cwnd; more waits.
void ten_in_flight(peer<>& p, std::size_t more = 10'000)
{
    p.in_established();
    p.write(10'000 + more);
    CHECK(p.forget() == 10);
    CHECK(p.info().cwnd == 10'000);
}

constexpr const char* duplicate = "A seq=1001 ack=5001";

// Three duplicate ACKs for what is in flight, [acked, end), then everything is acknowledged. Answers up to where.
std::uint32_t lose_one(peer<>& p, std::uint32_t acked, std::uint32_t end)
{
    const auto recoveries = p.info().fast_recoveries;
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=" + std::to_string(acked));
    }
    CHECK(p.info().fast_recoveries == recoveries + 1);
    for (std::uint32_t fresh = p.sent_up_to(); fresh != 0; fresh = p.sent_up_to()) {
        end = std::max(end, fresh);
        p.send("A seq=1001 ack=" + std::to_string(end));
    }
    CHECK(p.info().unacked == 0);
    return end;
}

// Everything is acknowledged, segment by segment, until the window is wider than 20 segments. Answers what is
// acknowledged then.
std::uint32_t widen(peer<>& p, std::uint32_t acked)
{
    for (int i = 0; i < 20 && p.info().cwnd <= 20'000; ++i) {
        p.write(50'000);
        for (std::uint32_t end = p.sent_up_to(); end != 0; end = p.sent_up_to()) {
            while (acked < end) {
                acked = std::min(acked + 1'000, end);
                p.send("A seq=1001 ack=" + std::to_string(acked));
            }
        }
    }
    CHECK(p.info().unacked == 0);
    CHECK(p.info().cwnd > 20'000);
    return acked;
}

}  // namespace

TEST_CASE("Two duplicate ACKs release a new segment each, the third retransmits",
          "[conformance][RFC5681-3.2c][RFC5681-3.2d][RFC3042-2a][RFC3042-2b][RFC5681-3.2e][RFC6582-3.2a]")
{
    peer p;
    ten_in_flight(p);
    p.send(duplicate);
    CHECK(p.next() == "A seq=15001 len=1000");
    p.send(duplicate);
    CHECK(p.next() == "A seq=16001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().cwnd == 10'000);
    p.send(duplicate);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().ssthresh == 5'000);  // what limited transmit sent does not count
    CHECK(p.info().fast_recoveries == 1);
    p.send(duplicate);
    CHECK(p.next() == "-");
    CHECK(p.info().fast_recoveries == 1);
}

TEST_CASE("In recovery further duplicates release new data once half a window has left the network",
          "[conformance][RFC5681-3.2h][RFC5681-3.2i][RFC5681-3.2k][RFC5681-4.3b]")
{
    peer p;
    ten_in_flight(p);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    p.forget();
    std::size_t fresh = 0;
    for (int i = 0; i < 8; ++i) {  // the other 6 of 10, and the 2 of limited transmit
        p.send(duplicate);
        while (true) {
            const packet more = p.next();
            if (more == "-") {
                break;
            }
            CHECK(more.seq() >= 17'001);
            ++fresh;
        }
    }
    // RFC 5681: cwnd = 5000 + 3000 + 8 * 1000 = 16000 over 12000 in flight.
    CHECK(fresh >= 3);
    CHECK(fresh <= 4);
}

TEST_CASE("With nothing more to send the third duplicate retransmits all the same", "[conformance][RFC5681-3.2c]")
{
    peer p;
    ten_in_flight(p, 0);
    p.send(duplicate);
    p.send(duplicate);
    CHECK(p.next() == "-");
    p.send(duplicate);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
}

TEST_CASE("What is no duplicate ACK is not counted", "[conformance][RFC5681-2a]")
{
    const std::string other = GENERATE(std::string{"A seq=1001 ack=5001 win=60000"},  // another window
                                       std::string{"A seq=1001 ack=5001 len=10"},     // data
                                       std::string{"A seq=1001 ack=4999"},            // an older ACK
                                       std::string{"FA seq=1001 ack=5001"});          // a FIN
    INFO(other);
    peer p;
    ten_in_flight(p, 0);
    p.send(duplicate);
    p.send(duplicate);
    p.send(other);
    while (true) {
        const packet seen = p.next();
        if (seen == "-") {
            break;
        }
        CHECK(seen.length == 0);
    }
    CHECK(p.info().fast_recoveries == 0);
}

TEST_CASE("Duplicate ACKs with nothing outstanding mean nothing", "[conformance][RFC5681-2a]")
{
    peer p;
    p.in_established();
    for (int i = 0; i < 10; ++i) {
        p.send(duplicate);
    }
    CHECK(p.next() == "-");
    CHECK(p.info().fast_recoveries == 0);
    CHECK(p.info().cwnd == 10'000);
}

TEST_CASE("NewReno: a partial ACK retransmits the next hole at once and stays in recovery",
          "[conformance][RFC6582-3.2d][RFC6582-3.2f]")
{
    peer p;
    ten_in_flight(p, 2'000);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    CHECK(p.sent_up_to() == 17'001);
    p.send("A seq=1001 ack=8001");
    CHECK(p.next() == "A seq=8001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().ssthresh == 5'000);
    p.send("A seq=1001 ack=10001");
    CHECK(p.next() == "A seq=10001 len=1000");
    CHECK(p.info().fast_recoveries == 1);
    CHECK(p.info().ssthresh == 5'000);
}

TEST_CASE("NewReno: a partial ACK takes off what it acknowledges, less the segment that it shows to be missing",
          "[conformance][RFC6582-3.2e]")
{
    peer p;
    ten_in_flight(p);
    for (int i = 0; i < 10; ++i) {  // of 12, with those of limited transmit, 5001 and 8001 are lost
        p.send(duplicate);
    }
    CHECK(p.sent_up_to() == 20'001);
    // RFC 6582: cwnd was 5000 + 10 * 1000, and is 15000 - 3000 + 1000; 12000 are outstanding.
    p.send("A seq=1001 ack=8001");
    CHECK(p.next() == "A seq=8001 len=1000");
    CHECK(p.next() == "A seq=20001 len=1000");
    CHECK(p.next() == "-");
}

TEST_CASE("NewReno: of the partial ACKs of an impatient recovery the first alone starts the timer",
          "[conformance][RFC6582-3.2g][RFC6298-5a]")
{
    const bool impatient = GENERATE(false, true);
    peer p{with([&](auto& c) { c.recovery.base.impatient = impatient; })};
    ten_in_flight(p, 0);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    p.wait(300_ms);
    p.send("A seq=1001 ack=8001");
    p.wait(300_ms);
    p.send("A seq=1001 ack=10001");
    p.forget();
    REQUIRE(p.info().rto == 1_s);
    p.wait(699_ms);
    CHECK(p.next() == "-");
    p.wait(2_ms);
    CHECK(p.next() == (impatient ? "A seq=10001 len=1000 t=1.3" : "-"));
    p.wait(300_ms);
    CHECK((p.next() == "A seq=10001 len=1000 t=1.6") == !impatient);
}

TEST_CASE("NewReno: the ACK of all that was sent ends recovery with cwnd at ssthresh or below",
          "[conformance][RFC6582-3.2c][RFC5681-3.2l][RFC9937-6.4a]")
{
    peer p;
    ten_in_flight(p, 2'000);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    p.forget();
    p.send("A seq=1001 ack=17001");
    CHECK(p.info().cwnd <= 5'000);
    CHECK(p.info().ssthresh == 5'000);
    CHECK(p.next() == "-");
    CHECK(p.info().unacked == 0);
    p.write(10'000);
    const std::size_t burst = p.forget();
    CHECK(burst >= 2);
    CHECK(burst <= 5);
}

TEST_CASE("NewReno: what was in flight before recovery ends does not start another", "[conformance][RFC6582-3.2b]")
{
    peer p;
    ten_in_flight(p, 2'000);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    p.forget();
    p.send("A seq=1001 ack=16001");  // partial: recover is 15000 (or 17000, with the two of limited transmit)
    p.forget();
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=16001");
    }
    CHECK(p.info().ssthresh == 5'000);
}

TEST_CASE("After a timeout, duplicates of the old flight start no fast retransmit",
          "[conformance][RFC6582-3.2h][RFC6582-4a]")
{
    peer p;
    ten_in_flight(p, 0);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    const auto ssthresh = p.info().ssthresh;
    for (int i = 0; i < 5; ++i) {
        p.send(duplicate);
    }
    CHECK(p.info().fast_recoveries == 0);
    CHECK(p.info().ssthresh == ssthresh);
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        CHECK(seen.seq() != 5'001);
    }
}

TEST_CASE("A lost retransmission is made good by the timer", "[conformance][RFC5681-3.2h]")
{
    peer p;
    ten_in_flight(p, 0);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    CHECK(p.next() == "A seq=5001 len=1000");
    p.wait(1_s + 1_ms);
    CHECK(p.next() == "A seq=5001 len=1000");
}

TEST_CASE("With SACK, blocks count on whatever ACK they come", "[conformance][RFC6675-5a]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.send("A seq=1001 ack=5001 len=10 sack=6001-7001");  // with data
    CHECK(p.info().sacked == 1'000);
    p.send("A seq=1011 ack=5001 win=50000 sack=6001-8001");  // with another window
    CHECK(p.info().sacked == 2'000);
    p.send("A seq=1011 ack=8001 win=50000 sack=9001-10001");  // with progress
    CHECK(p.info().sacked == 1'000);
    p.send("A seq=1011 ack=5001 win=50000 sack=9001-11001");  // older than the last
    CHECK(p.info().sacked == 2'000);
    p.send("FA seq=1011 ack=8001 win=50000 sack=9001-12001");
    CHECK(p.info().sacked == 3'000);
}

TEST_CASE("With SACK, duplicates without news release nothing", "[conformance][RFC5681-3.2f][RFC3042-2c]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(20'000);
    CHECK(p.forget() == 10);
    p.send("A seq=1001 ack=5001");
    CHECK(p.next() == "-");
}

TEST_CASE("With SACK, blocks above the hole start recovery, and only the hole is sent again",
          "[conformance][RFC5681-3.2c]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.send("A seq=1001 ack=5001 sack=6001-7001");
    p.send("A seq=1001 ack=5001 sack=6001-8001");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5001 sack=6001-9001");
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=9001");
    CHECK(p.info().unacked == 6'000);
}

TEST_CASE("Flight is bounded by cwnd together with what is sent", "[conformance][RFC5681-2c][RFC5681-3a]")
{
    peer p;
    p.in_established();
    p.write(50'000);
    std::uint32_t acked = 5'001;
    std::uint32_t end = p.sent_up_to();
    for (int i = 0; i < 20; ++i) {
        CHECK(static_cast<octet_count>(end - acked) <= p.info().cwnd);
        acked += 1'000;
        p.send("A seq=1001 ack=" + std::to_string(acked));
        end = std::max(end, p.sent_up_to());
    }
}

TEST_CASE("The initial window is ten segments, 14600 octets at most",
          "[conformance][RFC6928-2a][RFC6928-2c][RFC5681-3.1c]")
{
    struct row {
        const char* mss;
        std::size_t segments;
    };
    const row r = GENERATE(row{"mss=1460", 10}, row{"mss=536", 10}, row{"mss=1000", 10});
    peer p;
    p.in_established(r.mss);
    p.write(50'000);
    CHECK(p.forget() == r.segments);
}

TEST_CASE("After an idle time longer than the RTO a burst is at most the initial window",
          "[conformance][RFC5681-4.1a][RFC6928-2e]")
{
    peer p;
    p.in_established();
    widen(p, 5'001);
    p.wait(10_s);
    p.write(50'000);
    CHECK(p.forget() <= 10);
}

TEST_CASE("Idle time counts from the last octets sent: a request just before the answer does not make the window young",
          "[conformance][RFC5681-4.1b]")
{
    peer p;
    p.in_established();
    const std::uint32_t acked = widen(p, 5'001);
    p.wait(10_s);
    p.send("A seq=1001 ack=" + std::to_string(acked) + " len=100");
    p.forget();
    p.write(50'000);
    CHECK(p.forget() == 10);
}

TEST_CASE("Where an initial or restart window met a loss, a restart begins with four segments",
          "[conformance][RFC6928-2f]")
{
    peer p;
    p.in_established();
    const auto [initial, later] = GENERATE(std::pair{true, false}, std::pair{false, true}, std::pair{false, false});
    CAPTURE(initial, later);
    std::uint32_t acked = 5'001;
    const auto lose_of_twenty = [&] {
        p.write(20'000);
        acked = lose_one(p, acked, p.sent_up_to());
    };
    if (initial) {
        lose_of_twenty();
    }
    acked = widen(p, acked);
    if (later) {  // what the path carries beside a window that has grown is another matter
        lose_of_twenty();
        acked = widen(p, acked);
    }
    p.wait(10_s);
    p.write(20'000);
    const std::uint32_t end = p.sent_up_to();
    CHECK(end - acked == (initial ? 4'000U : 10'000U));
    CHECK(p.info().cwnd == (initial ? 4'000 : 10'000));
    acked = lose_one(p, acked, end);  // in the restart window
    acked = widen(p, acked);
    p.wait(10_s);
    p.write(20'000);
    CHECK(p.forget() == 4);
}

TEST_CASE("After the repair the window is ssthresh and grows as in congestion avoidance",
          "[conformance][RFC5681-4.3c][RFC5681-3.1a]")
{
    peer p;
    ten_in_flight(p, 2'000);
    for (int i = 0; i < 3; ++i) {
        p.send(duplicate);
    }
    p.forget();
    p.send("A seq=1001 ack=17001");
    CHECK(p.info().cwnd == 5'000);
    CHECK(p.info().ssthresh == 5'000);
    p.write(20'000);
    CHECK(p.forget() == 5);
    for (std::uint32_t acked = 18'001; acked <= 22'001; acked += 1'000) {
        CHECK(p.info().cwnd == 5'000);
        p.send("A seq=1001 ack=" + std::to_string(acked));
    }
    CHECK(p.info().cwnd == 6'000);
}

TEST_CASE("A FIN that left with a full segment leaves with it again, as one segment", "[conformance]")
{
    peer p;
    p.in_established();
    p.write(2'000);
    p.shutdown();
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "FA seq=6001 len=1000");
    p.send("A seq=1001 ack=6001");
    p.wait(1100_ms);
    CHECK(p.next() == "FA seq=6001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=7001");  // a peer that had room for the octets alone
    p.wait(2100_ms);
    CHECK(p.next() == "FA seq=7001");
    p.send("A seq=1001 ack=7002");
    CHECK(p.state() == "FIN-WAIT-2");
}
