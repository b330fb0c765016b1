// Segments that overlap, come out of order or twice, and wrap around; what SACK says about them (RFC 9293 3.4,
// 3.10.7.4 step 1 and 7; RFC 2018, RFC 2883).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

// --- wrap-around -----------------------------------------------------------------------------------------------------

namespace {

struct wrapping : peer<> {
    wrapping() : peer<>{with([](auto& c) { c.isn.first = 0xFFFFFFF8; })} { irs = sequence_number{0xFFFFFFF0}; }
};

}  // namespace

TEST_CASE("Sequence numbers wrap: handshake, data both ways and close", "[conformance][RFC9293-3.4a]")
{
    wrapping p;
    p.in_established();
    p.send("A seq=0xFFFFFFF1 ack=0xFFFFFFF9 len=32");
    CHECK(p.next() == "A seq=0xFFFFFFF9 ack=0x11");
    CHECK(p.read() == 32);
    p.write(32);
    CHECK(p.next() == "A seq=0xFFFFFFF9 ack=0x11 len=32");
    p.send("A seq=0x11 ack=0x19");
    CHECK(p.info().unacked == 0);
    p.shutdown();
    CHECK(p.next() == "FA seq=0x19 ack=0x11");
    p.send("FA seq=0x11 ack=0x1a");
    CHECK(p.next() == "A seq=0x1a ack=0x12");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("Sequence numbers wrap: two halves in reverse order", "[conformance][RFC9293-3.4a]")
{
    wrapping p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1 ack=0xFFFFFFF9 len=16");
    CHECK(p.next() == "A seq=0xFFFFFFF9 ack=0xFFFFFFF1 sack=1-17");
    p.send("A seq=0xFFFFFFF1 ack=0xFFFFFFF9 len=16");
    CHECK(p.next() == "A seq=0xFFFFFFF9 ack=17 sack=none");
    CHECK(p.read() == 32);
}

TEST_CASE("Sequence numbers wrap: the order of SACK blocks across zero", "[conformance][RFC9293-3.4a]")
{
    wrapping p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=0xFFFFFFFA ack=0xFFFFFFF9 len=3");
    CHECK(p.next() == "A ack=0xFFFFFFF1 sack=4294967290-4294967293");
    p.send("A seq=0x5 ack=0xFFFFFFF9 len=3");
    CHECK(p.next() == "A ack=0xFFFFFFF1 sack=5-8,4294967290-4294967293");
    p.send("A seq=0xFFFFFFFD ack=0xFFFFFFF9 len=8");
    CHECK(p.next() == "A ack=0xFFFFFFF1 sack=4294967290-8");
    p.send("A seq=0xFFFFFFF1 ack=0xFFFFFFF9 len=9");
    CHECK(p.next() == "A ack=8 sack=none");
    CHECK(p.read() == 23);
}

TEST_CASE("Sequence numbers wrap: edges of the window, RST and old ACKs", "[conformance][RFC9293-3.4a]")
{
    wrapping p;
    p.in_established();
    SECTION("the right edge, 9985, lies behind zero")
    {
        p.send("R seq=9985");
        CHECK(p.next() == "-");
        p.send("R seq=9984");
        CHECK(p.next() == "A seq=0xFFFFFFF9 ack=0xFFFFFFF1");
        CHECK(p.state() == "ESTABLISHED");
    }
    SECTION("the check of old ACKs does not underflow")
    {
        p.write(100);
        CHECK(p.next() == "A len=100");
        p.send("A seq=0xFFFFFFF1 ack=93");  // all 100: SND.UNA is now behind zero
        CHECK(p.info().unacked == 0);
        p.send("A seq=0xFFFFFFF1 ack=0xFFFFFFF9 len=10");
        CHECK(p.next() == "A seq=93 ack=0xFFFFFFFB");
        CHECK(p.read() == 10);
    }
    SECTION("an ACK of what was not sent, behind zero")
    {
        p.send("A seq=0xFFFFFFF1 ack=5 len=10");
        CHECK(p.next() == "A seq=0xFFFFFFF9 ack=0xFFFFFFF1");
        CHECK(p.read() == 0);
    }
}

TEST_CASE("Sequence numbers wrap: retransmission and partial ACKs", "[conformance][RFC9293-3.4a]")
{
    wrapping p;
    p.in_established();
    p.write(3'000);
    CHECK(p.forget() == 3);
    p.send("A seq=0xFFFFFFF1 ack=493");  // in the middle of the first segment
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again == "A seq=493 len=500 | A seq=493 len=1000");
    p.send("A seq=0xFFFFFFF1 ack=2993");
    CHECK(p.info().unacked == 0);
}

// --- overlap ---------------------------------------------------------------------------------------------------------

TEST_CASE("Overlapping segments deliver each octet once", "[conformance][RFC9293-3.10.7.4-1f][SHLD-31]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1101 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001 sack=1101-1201");
    p.send("A seq=1301 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001 sack=1301-1401,1101-1201");
    p.send("A seq=1151 ack=5001 len=200");
    CHECK(p.next() == "A ack=1001 sack=1101-1401 | A ack=1001 sack=1151-1201,1101-1401");
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1401 sack=none");
    CHECK(p.read() == 400);
}

TEST_CASE("A segment that begins before RCV.NXT gives its new part", "[conformance][RFC9293-3.10.7.4-1f]")
{
    peer p;
    p.in_established();
    p.send("A seq=951 ack=5001 len=100");
    CHECK(p.next() == "A ack=1051");
    CHECK(p.read() == 50);
}

TEST_CASE("A segment that holds the whole queue replaces it", "[conformance][SHLD-31]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    for (const char* seq : {"1101", "1301", "1501"}) {
        p.send(std::string{"A ack=5001 len=100 seq="} + seq);
        p.forget();
    }
    p.send("A seq=1001 ack=5001 len=1000");
    CHECK(p.next() == "A ack=2001 sack=none");
    CHECK(p.read() == 1'000);
    CHECK(p.info().out_of_order == 0);
}

TEST_CASE("A full duplicate is acknowledged at once and delivers nothing",
          "[conformance][RFC9293-3.10.7.4-1e][RFC2883-4a]")
{
    peer p{with([](auto& c) { c.ack.quick_segments = 0; })};
    p.in_established("mss=1000 sackok");
    p.send("A seq=1001 ack=5001 len=100");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1101");
    CHECK(p.read() == 100);
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1101 sack=none | A ack=1101 sack=1001-1101");
    CHECK(p.read() == 0);
}

TEST_CASE("All orders of five segments give the same stream", "[conformance][SHLD-31]")
{
    std::vector<int> order{0, 1, 2, 3, 4};
    do {
        peer p;
        p.in_established("mss=1000 sackok");
        for (const int i : order) {
            p.send("A ack=5001 len=70 seq=" + std::to_string(1'001 + 60 * i));  // overlapping by 10
        }
        const packet last = p.last();
        CHECK(last == "A ack=1311");
        CHECK(last.options.sack_count <= 1);  // what the last one repeated (RFC 2883 4.2), and nothing else
        CHECK((last.options.sack_count == 0 || last.options.sack_blocks[0].right.value <= 1'311));
        CHECK(p.read() == 310);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("The queue is bounded by the window", "[conformance][RFC9293-3.10.7.4-1f]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=10501 ack=5001 len=1000");
    CHECK(p.next() == "A ack=1001 sack=10501-11001");
    CHECK(p.info().out_of_order == 500);
}

// --- SACK ------------------------------------------------------------------------------------------------------------

TEST_CASE("SACK: none without SACK-permitted", "[conformance][RFC2018-4c]")
{
    peer p;
    p.in_established("mss=1000");
    p.send("A seq=1101 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001 sack=none");
}

TEST_CASE("SACK: permitted in the SYN,ACK only if the SYN did so", "[conformance][RFC2018-2a]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 mss=1000");
    CHECK(!p.next().options.sack_permitted);
    p.send("S seq=1000 mss=1000 sackok port=40001");
    CHECK(p.next().options.sack_permitted);
}

TEST_CASE("SACK: four blocks, newest first, but three with timestamps",
          "[conformance][RFC2018-4f][RFC2018-4g][RFC2018-4h]")
{
    const bool timestamps = GENERATE(false, true);
    peer p;
    const std::string ts = timestamps ? " ts=1/0" : "";
    p.in_established("mss=1000 sackok" + ts, ts);
    for (int i = 0; i < 5; ++i) {
        p.send("A ack=5001 len=100 seq=" + std::to_string(1'201 + 200 * i) + ts);
    }
    CHECK(p.last() == (timestamps ? "A ack=1001 sack=2001-2101,1801-1901,1601-1701"
                                  : "A ack=1001 sack=2001-2101,1801-1901,1601-1701,1401-1501"));
}

TEST_CASE("SACK: data and ACKs that this side sends meanwhile carry the blocks too", "[conformance][RFC2018-4d]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1201 ack=5001 len=100");
    CHECK(p.next() == "A ack=1001 sack=1201-1301");
    p.write(10);
    CHECK(p.next() == "A seq=5001 ack=1001 len=10 sack=1201-1301");
}

TEST_CASE("SACK: a hole that is filled in part moves the cumulative ACK and keeps the other blocks",
          "[conformance][RFC2018-4d]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1101 ack=5001 len=100");
    p.send("A seq=1301 ack=5001 len=100");
    p.forget();
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1201 sack=1301-1401");
}

TEST_CASE("SACK, as sender: what was only SACKed is kept, and sent again after a timeout",
          "[conformance][RFC2018-5d]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(2'000);
    CHECK(p.forget() == 2);
    p.send("A seq=1001 ack=5001 sack=5001-6001");  // strange, but no acknowledgement
    CHECK(p.info().send_queued == 2'000);
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again.seq() == 5'001);
    CHECK(again.length == 1'000);
}

TEST_CASE("SACK, as sender: nonsense blocks are ignored", "[conformance][RFC2018-5a]")
{
    const std::string block =
        GENERATE(as<std::string>{}, "6001-5001", "20001-30001", "1-100", "5001-5001", "4001-20001", "5001-4000000000");
    INFO(block);
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(5'000);
    CHECK(p.forget() == 5);
    for (int i = 0; i < 2; ++i) {
        p.send("A seq=1001 ack=5001 sack=" + block);
    }
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=10001");
    CHECK(p.info().unacked == 0);
    p.wait(10_s);
    CHECK(p.state() == "ESTABLISHED");
}
