// When data is acknowledged (RFC 9293 3.8.6.3, RFC 5681 4.2).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

// No quick ACKs at the start of a connection: delayed from the first segment on.
stack_config<conformance_policies> always_delayed()
{
    return with([](auto& c) {
        c.ack.quick_segments = 0;
        c.receive_window.capacity = 100'000;
    });
}

}  // namespace

TEST_CASE("Delayed ACK: a single segment is acknowledged within 500 ms, not at once",
          "[conformance][MUST-40][SHLD-18][RFC5681-4.2a]")
{
    peer p{always_delayed()};
    p.in_established();
    p.send("A seq=1001 ack=5001 len=1000");
    CHECK(p.next() == "-");
    p.wait(499_ms);
    const packet ack = p.next();
    CHECK(ack == "A seq=5001 ack=2001");
    CHECK(ack.at > 0_ms);
    CHECK(p.next() == "-");
    p.wait(10_s);
    CHECK(p.next() == "-");
}

TEST_CASE("Delayed ACK: the delay is configured, and never 500 ms or more", "[conformance][MUST-40]")
{
    peer p{with([](auto& c) {
        c.ack.quick_segments = 0;
        c.ack.delay = 3_s;
    })};
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10");
    p.wait(3_s);
    const packet ack = p.next();
    CHECK(ack == "A ack=1011");
    CHECK(ack.at < 500_ms);
}

TEST_CASE("Delayed ACK: the delay runs from the first unacknowledged segment", "[conformance][MUST-40][RFC5681-4.2b]")
{
    peer p{with([](auto& c) {
        c.ack.quick_segments = 0;
        c.ack.delay = 400_ms;
    })};
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10");
    p.wait(300_ms);
    p.send("A seq=1011 ack=5001 len=10");
    p.wait(300_ms);
    CHECK(p.next() == "A ack=1021 t=0.4");
    CHECK(p.next() == "-");
}

TEST_CASE("Delayed ACK: every second full-sized segment is acknowledged at once",
          "[conformance][SHLD-19][RFC5681-4.2c]")
{
    peer p{always_delayed()};
    p.in_established();
    int acks = 0;
    int unanswered = 0;
    for (int i = 0; i < 20; ++i) {
        p.send("A ack=5001 len=1460 seq=" + std::to_string(1'001 + 1'460 * i));
        const packet ack = p.next();
        unanswered = ack == "-" ? unanswered + 1 : 0;
        CHECK(unanswered < 2);
        if (unanswered == 0) {
            CHECK(ack == "A ack=" + std::to_string(1'001 + 1'460 * (i + 1)));
            ++acks;
        }
    }
    CHECK(acks >= 10);
    CHECK(acks <= 12);
}

TEST_CASE("Delayed ACK: a peer whose segments are smaller than ours still gets an ACK for two RMSS of data",
          "[conformance][SHLD-19]")
{
    peer p{always_delayed()};
    p.in_established();
    for (int i = 0; i < 6; ++i) {
        p.send("A ack=5001 len=500 seq=" + std::to_string(1'001 + 500 * i));
    }
    CHECK(p.waiting() >= 1);
}

TEST_CASE("Delayed ACK: segments out of order, in a hole and duplicates are acknowledged at once",
          "[conformance][MAY-13][RFC5681-3.2a][RFC5681-3.2b][RFC5681-4.2d][RFC6582-5a]")
{
    peer p{always_delayed()};
    p.in_established();
    p.send("A seq=1101 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001");
    p.send("A seq=1301 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001");
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1201");
    p.send("A seq=1201 ack=5001 len=100");
    CHECK(p.next() == "A ack=1401");
    p.send("A seq=1201 ack=5001 len=100");
    CHECK(p.next() == "A ack=1401");
    CHECK(p.next() == "-");
}

TEST_CASE("The first segments of a connection are acknowledged at once", "[conformance]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10");
    CHECK(p.next() == "A ack=1011 t=0");
}

TEST_CASE("Several segments in one turn that release a queue are answered by one ACK",
          "[conformance][MUST-59][MUST-58]")
{
    peer p;
    p.in_established();
    for (int i = 1; i < 5; ++i) {
        p.send("A ack=5001 len=100 seq=" + std::to_string(1'001 + 100 * i));
        CHECK(p.next() == "A ack=1001");
    }
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1501");
    CHECK(p.next() == "-");
}

TEST_CASE("There is at most one ACK for a segment", "[conformance][RFC5681-4.2e]")
{
    peer p;
    p.in_established();
    std::size_t acks = 0;
    for (int i = 0; i < 30; ++i) {
        p.send("A ack=5001 len=300 seq=" + std::to_string(1'001 + 300 * i));
        acks += p.forget();
    }
    CHECK(acks <= 30);
}

TEST_CASE("Without SACK each out-of-order segment of one turn gets its own duplicate ACK",
          "[conformance][RFC5681-3.2a]")
{
    peer p;
    p.in_established();
    p.send_together({"A seq=1101 ack=5001 len=100", "A seq=1201 ack=5001 len=100", "A seq=1301 ack=5001 len=100"});
    CHECK(p.next() == "A ack=1001");
    CHECK(p.next() == "A ack=1001");
    CHECK(p.next() == "A ack=1001");
    CHECK(p.next() == "-");
}
