// RACK-TLP with PRR (RFC 8985, RFC 9937), on the wire: what leaves when, on a path of 100 ms. RTO 1 s at the least.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

struct rack_policies : default_policies {
    using congestion = tcpco::congestion::reno;
    using isn = tcpco::isn::sequential;
};

using rack_peer = peer<rack_policies>;

constexpr duration rtt{100'000'000};

// `count` segments of 1000 octets from 5001 on, in flight for 100 ms; `more` octets wait. With a round trip of 100 ms.
void in_flight(rack_peer& p, std::size_t count, std::size_t more = 0)
{
    p.in_syn_received("mss=1000 sackok");
    p.wait(rtt);
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    REQUIRE(p.info().min_rtt == rtt);
    p.write(1'000 * count + more);
    REQUIRE(p.forget() == count);
    p.wait(rtt);
}

}  // namespace

TEST_CASE("PRR: the ACK that begins recovery releases what it delivered, as those after it do",
          "[conformance][RFC9937-6.1a][RFC9937-6.2f]")
{
    rack_peer p;
    in_flight(p, 10, 10'000);
    // Six delivered by one ACK: in flight 3, ssthresh 5: SndCnt is 2, that of 5001 included.
    p.send("A seq=1001 ack=5001 sack=6001-12001");
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=15001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().ssthresh == 5'000);
    CHECK(p.info().in_flight == 5'000);
    p.send("A seq=1001 ack=5001 sack=6001-13001");
    CHECK(p.next() == "A seq=16001 len=1000");
    CHECK(p.next() == "-");
}

TEST_CASE("PRR: the loss of a retransmission begins an episode of its own, and its ACK is answered once",
          "[conformance][RFC9937-6.1a][RFC8985-9.3b]")
{
    rack_peer p;
    in_flight(p, 10, 30'000);
    for (int i = 1; i <= 10; ++i) {
        p.send("A seq=1001 ack=" + std::to_string(5'001 + 1'000 * i));
    }
    REQUIRE(p.sent_up_to() == 35'001);  // 20 in flight from 15001 on
    p.wait(rtt);
    p.send("A seq=1001 ack=15001 sack=16001-19001");
    CHECK(p.next() == "A seq=15001 len=1000");
    p.wait(1_ms);
    p.send("A seq=1001 ack=15001 sack=16001-35001");
    REQUIRE(p.info().in_flight == 10'000);
    REQUIRE(p.sent_up_to() == 44'001);
    p.wait(rtt);
    // Behind what was sent again, two arrive: 7 in flight, ssthresh is 5, RecoverFS 10.
    p.send("A seq=1001 ack=15001 sack=16001-37001");
    CHECK(p.info().ssthresh == 5'000);
    CHECK(p.next() == "A seq=15001 len=1000");
    CHECK(p.next() == "-");
}

TEST_CASE("RACK: what is lost waits for the window as anything else does", "[conformance][RFC8985-9.3a]")
{
    rack_peer p;
    in_flight(p, 10);
    // 5001 to 11001 are lost, three are delivered: with nothing in flight, PRR conserves packets.
    p.send("A seq=1001 ack=5001 sack=12001-15001");
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "A seq=7001 len=1000");
    CHECK(p.next() == "-");
    CHECK(p.info().lost == 4'000);
    p.wait(rtt);
    p.send("A seq=1001 ack=6001 sack=12001-15001");
    CHECK(p.next() == "A seq=8001 len=1000");
    CHECK(p.next() == "A seq=9001 len=1000");  // one more, for the ACK was a safe one
    CHECK(p.next() == "-");
}

TEST_CASE("RACK: the blocks of one ACK come from above, and what they report was not reordered for that",
          "[conformance][RFC8985-6.2d][RFC8985-3.3a]")
{
    rack_peer p;
    in_flight(p, 10);
    p.send("A seq=1001 ack=5001 sack=9001-11001,6001-8001");
    CHECK(p.next() == "A seq=5001 len=1000");  // at once: no order was ever seen to be broken
    CHECK(p.info().fast_recoveries == 1);
}

TEST_CASE("RACK: the RTO of what was sent earlier does not come before the probe", "[conformance][RFC8985-7.2b][RFC8985-8a]")
{
    rack_peer p{[] {
        auto c = baseline<rack_policies>();
        c.rto.minimum = 1_ms;
        return c;
    }()};
    p.in_syn_received("mss=1000 sackok");
    p.wait(rtt);
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    REQUIRE(p.info().rto == 300_ms);
    p.mark();
    p.write(1'000);
    p.wait(150_ms);
    p.write(1'000);
    CHECK(p.forget() == 2);
    p.wait(149_ms);
    CHECK(p.next() == "-");
    p.wait(2_ms);
    CHECK(p.next() == "A seq=6001 len=1000 t=0.3");  // two round trips from the second are 350 ms
    CHECK(p.info().timeouts == 0);
    p.wait(297_ms);
    CHECK(p.next() == "-");  // the one timer is the RTO's now, from the probe on
    p.wait(3_ms);
    CHECK(p.next() == "A seq=5001 len=1000 t=0.6");
    CHECK(p.info().timeouts == 1);
}

TEST_CASE("PRR: recovery ends with the window at ssthresh", "[conformance][RFC9937-6.4a]")
{
    rack_peer p;
    in_flight(p, 10, 20'000);
    p.send("A seq=1001 ack=5001 sack=6001-9001");
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");  // 3 * 5 / 10 of a segment
    p.wait(rtt);
    p.send("A seq=1001 ack=15001");
    CHECK_FALSE(p.info().in_recovery);
    CHECK(p.info().cwnd == 5'000);
    CHECK(p.info().ssthresh == 5'000);
    p.forget();
    CHECK(p.info().in_flight == 5'000);
}

TEST_CASE("RACK: a loss probe is the whole last segment, also where SACK blocks of ours are due",
          "[conformance][RFC8985-7.3a]")
{
    rack_peer p;
    in_flight(p, 3);
    p.send("A seq=2001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001 sack=2001-2101");
    p.wait(3 * rtt);
    CHECK(p.next() == "A seq=7001 len=1000");
}

TEST_CASE("RACK: a loss that a probe repairs counts towards the path that drops ECT, a needless probe does not",
          "[conformance][RFC8985-7.4b]")
{
    const bool needless = GENERATE(false, true);
    CAPTURE(needless);
    rack_peer p;
    p.listen();
    p.send("SEW seq=1000 mss=1000 sackok");
    REQUIRE(p.next() == "SAE seq=5000 ack=1001");
    p.wait(rtt);
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.write(1'000);
    REQUIRE(p.next() == "A seq=5001 len=1000 ecn=2");
    p.wait(500_ms);
    REQUIRE(p.next() == "A seq=5001 len=1000 ecn=0");
    REQUIRE(p.info().timeouts == 0);
    p.write(1'000);
    REQUIRE(p.next() == "A seq=6001 len=1000 ecn=2");
    p.send(needless ? "A seq=1001 ack=7001 sack=5001-6001" : "A seq=1001 ack=7001");
    // Two more recoveries without a sign of ECT make three.
    for (std::uint32_t at = 7'001; at < 9'001; at += 1'000) {
        p.write(1'000);
        REQUIRE(p.next() == "A len=1000 ecn=2 | AW len=1000 ecn=2");
        p.wait(5_s);
        p.forget();
        p.send("A seq=1001 ack=" + std::to_string(at + 1'000));
    }
    REQUIRE(p.info().timeouts >= 2);
    p.write(1'000);
    CHECK(p.next() == (needless ? "A len=1000 ecn=2 | AW len=1000 ecn=2" : "A len=1000 ecn=0 | AW len=1000 ecn=0"));
}
