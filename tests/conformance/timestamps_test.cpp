// Timestamps and PAWS (RFC 7323).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

// ESTABLISHED with timestamps, TS.Recent = 100, Last.ACK.sent = 1001.
void with_timestamps(peer<>& p, const char* recent = "100")
{
    p.in_established(std::string{"mss=1000 sackok ts="} + recent, std::string{"ts="} + recent + "/0");
}

stack_config<conformance_policies> delayed_acks()
{
    return with([](auto& c) { c.ack.quick_segments = 0; });
}

}  // namespace

TEST_CASE("Timestamps: in the SYN,ACK if the SYN had them, echoing it", "[conformance][RFC7323-3.2a][RFC7323-3.2g]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 mss=1000 ts=77");
    CHECK(p.next() == "SA ts tsecr=77");
    p.send("S seq=1000 mss=1000 port=40001");
    CHECK(p.next() == "SA ts=none");
}

TEST_CASE("Timestamps: our SYN offers them with TSecr 0, and without an answer there are none",
          "[conformance][RFC7323-3.2a][RFC7323-3.2g]")
{
    peer p;
    CHECK(p.in_syn_sent() == "S seq=5000 ts tsecr=0");
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A ack=1001 ts=none");
}

TEST_CASE("Timestamps: every segment carries them, retransmissions with the present time",
          "[conformance][RFC7323-3.2b]")
{
    peer p;
    with_timestamps(p);
    p.write(100);
    const packet first = p.next();
    CHECK(first == "A len=100 ts tsecr=100");
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again == "A seq=5001 len=100 ts tsecr=100");
    CHECK(again.options.tsval - first.options.tsval == 1'000);  // ticks of a millisecond
    p.send("A seq=1001 ack=5101 ts=101/0 len=10");
    CHECK(p.next() == "A ack=1011 ts tsecr=101");
    p.send("R seq=1012 ts=101/0");
    CHECK(p.next() == "A ack=1011 ts");  // a challenge ACK
    p.shutdown();
    CHECK(p.next() == "FA seq=5101 ts tsecr=101");
    p.send("FA seq=1011 ack=5102 ts=102/0");
    CHECK(p.next() == "A ack=1012 ts tsecr=102");
    p.wait(1_s);
    p.send("FA seq=1011 ack=5102 ts=102/0");
    CHECK(p.next() == "A ack=1012 ts");  // from TIME-WAIT
}

TEST_CASE("Timestamps: keep the same base on every segment of a connection and run forward",
          "[conformance][RFC7323-5.4a]")
{
    peer p;
    with_timestamps(p);
    std::uint32_t before = 0;
    for (int i = 0; i < 10; ++i) {
        p.write(10);
        const packet seen = p.next();
        CHECK(seen == "A len=10 ts");
        if (i > 0) {
            CHECK(seen.options.tsval - before == 500);
        }
        before = seen.options.tsval;
        p.send("A seq=1001 ts=101/0 ack=" + std::to_string(5'011 + 10 * i));
        p.wait(500_ms);
    }
}

TEST_CASE("Timestamps: an RST carries them where the connection has them", "[conformance][RFC7323-3.2c]")
{
    peer p;
    with_timestamps(p);
    p.abort();
    CHECK(p.next() == "R seq=5001 ts | RA seq=5001 ts");
}

TEST_CASE("PAWS: an older timestamp is acknowledged and the segment dropped", "[conformance][RFC7323-5.3a]")
{
    const std::string tsval = GENERATE(as<std::string>{}, "99", "0", "0x80000065");
    INFO(tsval);
    peer p;
    with_timestamps(p);
    p.send("A seq=1001 ack=5001 len=100 ts=" + tsval + "/0");
    CHECK(p.next() == "A seq=5001 ack=1001 tsecr=100");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.dropped(drop_reason::tcp_paws) == 1);
}

TEST_CASE("PAWS: the ACK of a segment that fails is not used", "[conformance][RFC7323-5.3a]")
{
    peer p;
    with_timestamps(p);
    p.write(100);
    CHECK(p.forget() == 1);
    p.send("A seq=1001 ack=5101 ts=99/0");
    CHECK(p.info().unacked == 100);
}

TEST_CASE("PAWS: an RST is exempt, and its timestamp changes nothing", "[conformance][RFC7323-5.2a]")
{
    peer p;
    with_timestamps(p);
    SECTION("exact, with an old timestamp")
    {
        p.send("R seq=1001 ts=50/0");
        CHECK(p.next() == "-");
        CHECK(p.state() == "CLOSED");
    }
    SECTION("exact, without a timestamp")
    {
        p.send("R seq=1001");
        CHECK(p.state() == "CLOSED");
    }
    SECTION("not exact, with a new timestamp")
    {
        p.send("R seq=1002 ts=5000/0");
        CHECK(p.next() == "A ack=1001 tsecr=100");
        p.send("A seq=1001 ack=5001 len=10 ts=100/0");
        CHECK(p.next() == "A ack=1011 tsecr=100");
    }
}

TEST_CASE("Timestamps: a segment without them is dropped in silence, the connection lives",
          "[conformance][RFC7323-3.2d][RFC7323-3.2e]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.dropped(drop_reason::tcp_missing_timestamp) == 1);
    p.send("A seq=1001 ack=5001 len=100 ts=101/0");
    CHECK(p.next() == "A ack=1101");
    CHECK(p.read() == 100);
}

TEST_CASE("Timestamps: the echo of a retransmission ends the back-off, which without it stays", "[conformance][RFC7323-4.1a]")
{
    peer p;
    with_timestamps(p);
    p.write(100);
    p.forget();
    p.wait(7_s);  // 1, 3 and 7 s
    const packet again = p.last();
    REQUIRE(again == "A seq=5001 len=100 t=7");
    REQUIRE(p.info().rto == 8_s);
    p.wait(20_ms);
    p.send("A seq=1001 ack=5101 ts=101/" + std::to_string(again.options.tsval));
    CHECK(p.info().rto == 1_s);
    CHECK(p.info().srtt < 100_ms);
}

TEST_CASE("Timestamps: taken out in mid-life they are done without from the fourth segment on, until they are back",
          "[conformance][RFC7323-3.2d]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=50001 ack=5001 len=100");  // outside the window: of no account
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=5001 len=100");
        CHECK(p.next() == "-");
    }
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1101");
    CHECK(p.read() == 100);
    p.send("A seq=1101 ack=5001 len=100");
    CHECK(p.next() == "A ack=1201");
    p.send("A seq=1201 ack=5001 len=100 ts=101/0");
    CHECK(p.next() == "A ack=1301");
    p.send("A seq=1301 ack=5001 len=100");
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::tcp_missing_timestamp) == 5);
}

TEST_CASE("Timestamps: taken out while both ends wait for ACKs, repeats of what had arrived count as well",
          "[conformance][RFC7323-3.2d]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=1001 ack=5001 len=100 ts=101/0");
    p.wait(1_s);
    CHECK(p.read() == 100);
    p.write(100);
    p.forget();
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=5101 len=100");  // the peer had no ACK of it
        CHECK(p.next() == "-");
    }
    p.send("A seq=1001 ack=5101 len=100");
    CHECK(p.next() == "A seq=5101 ack=1101");
    p.send("A seq=1101 ack=5101");
    CHECK(p.info().unacked == 0);
}

TEST_CASE("Timestamps: what acknowledges nothing that was sent moves no clock: the peer's next segment passes",
          "[conformance][RFC7323-5.3a][RFC7323-4.3a]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=1001 ack=900000 len=10 ts=2000000/0");  // in the window, from somebody who cannot know the rest
    p.forget();
    p.send("A seq=1001 ack=5001 len=100 ts=101/0");
    CHECK(p.next() == "A ack=1101 tsecr=101");
    CHECK(p.dropped(drop_reason::tcp_paws) == 0);
}

TEST_CASE("Timestamps: which one is echoed: delayed ACK, out of order, filled hole",
          "[conformance][RFC7323-4.3a][RFC7323-4.3b][RFC7323-4.3c][RFC7323-4.3d]")
{
    peer p{delayed_acks()};
    with_timestamps(p);
    p.send("A seq=1001 ack=5001 len=100 ts=101/0");
    CHECK(p.next() == "-");
    p.send("A seq=1101 ack=5001 len=100 ts=102/0");
    p.wait(400_ms);
    CHECK(p.next() == "A ack=1201 tsecr=101");
    CHECK(p.next() == "-");
    p.send("A seq=1301 ack=5001 len=100 ts=103/0");
    CHECK(p.next() == "A ack=1201 tsecr=101 | A ack=1201 tsecr=102");
    p.send("A seq=1201 ack=5001 len=100 ts=104/0");
    CHECK(p.next() == "A ack=1401 tsecr=104");
}

TEST_CASE("Timestamps: TS.Recent takes a newer timestamp of a segment at Last.ACK.sent only",
          "[conformance][RFC7323-4.3a]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=1001 ack=5001 ts=200/0");  // no data, at the left edge
    p.send("R seq=1002");
    CHECK(p.next() == "A ack=1001 tsecr=200");
    p.send("A seq=1501 ack=5001 len=10 ts=300/0");  // beyond it
    CHECK(p.next() == "A ack=1001 tsecr=200");
}

TEST_CASE("PAWS: timestamps wrap", "[conformance][RFC7323-5.3a]")
{
    peer p;
    with_timestamps(p, "0xFFFFFFFF");
    p.send("A seq=1001 ack=5001 len=100 ts=1/0");
    CHECK(p.next() == "A ack=1101 tsecr=1");
    p.send("A seq=1101 ack=5001 len=100 ts=0xFFFFFFFF/0");
    CHECK(p.next() == "A ack=1101 tsecr=1");
    CHECK(p.read() == 100);
}

TEST_CASE("PAWS: after 24 days of idleness any timestamp is accepted", "[conformance][RFC7323-5.5a]")
{
    peer p;
    with_timestamps(p);
    const duration day{86'400'000'000'000};
    p.wait(day * 20);
    SECTION("not after 20 days")
    {
        p.send("A seq=1001 ack=5001 len=100 ts=50/0");
        CHECK(p.next() == "A ack=1001 tsecr=100");
    }
    SECTION("after 25 days")
    {
        p.wait(day * 5);
        p.send("A seq=1001 ack=5001 len=100 ts=50/0");
        CHECK(p.next() == "A ack=1101 tsecr=50");
        p.send("A seq=1101 ack=5001 len=100 ts=51/0");  // not idle any more, and fine
        CHECK(p.next() == "A ack=1201 tsecr=51");
        CHECK(p.read() == 200);
    }
    SECTION("not 20 days after the second of two segments in a row")
    {
        p.send("A seq=1001 ack=5001 len=100 ts=101/0");
        CHECK(p.next() == "A ack=1101 tsecr=101");
        p.wait(day * 20);
        p.send("A seq=1101 ack=5001 len=100 ts=102/0");
        CHECK(p.next() == "A ack=1201 tsecr=102");
        p.wait(day * 20);
        p.send("A seq=1201 ack=5001 len=100 ts=50/0");
        CHECK(p.next() == "A ack=1201 tsecr=102");
    }
}

TEST_CASE("Timestamps on a connection that has none are ignored", "[conformance][RFC7323-3.2f]")
{
    peer p;
    p.in_established("mss=1000");
    p.send("A seq=1001 ack=5001 len=100 ts=1000/0");
    CHECK(p.next() == "A ack=1101 ts=none");
    p.send("A seq=1101 ack=5001 len=100 ts=1/0");
    CHECK(p.next() == "A ack=1201 ts=none");
    CHECK(p.read() == 200);
}

TEST_CASE("PAWS comes before the window: an old duplicate outside it gets one ACK and leaves TS.Recent alone",
          "[conformance][RFC7323-5.3b]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=90000 ack=5001 len=100 ts=99/0");
    CHECK(p.next() == "A seq=5001 ack=1001 tsecr=100");
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::tcp_paws) == 1);
}

TEST_CASE("A segment outside the window does not change TS.Recent", "[conformance][RFC7323-4.3a]")
{
    peer p;
    with_timestamps(p);
    p.send("A seq=90000 ack=5001 len=100 ts=5000/0");
    CHECK(p.next() == "A seq=5001 ack=1001 tsecr=100");
}

TEST_CASE("SYN-RECEIVED: the final ACK needs its timestamp", "[conformance][RFC7323-3.2d]")
{
    peer p;
    p.in_syn_received("mss=1000 ts=100");
    p.send("A seq=1001 ack=5001");  // without the timestamp: dropped
    CHECK(!p.accept());
    p.send("A seq=1001 ack=5001 ts=101/0");
    CHECK(p.accept());
}

TEST_CASE("Timestamps start at a different value on each connection", "[conformance][RFC7323-7a]")
{
    peer p;
    p.check_payload = false;
    p.listen();
    p.send("S seq=1000 mss=1000 ts=1 port=40000");
    const packet first = p.next();
    p.send("S seq=1000 mss=1000 ts=1 port=40001");
    const packet second = p.next();
    CHECK(first == "SA ts");
    CHECK(second == "SA ts");
    CHECK(first.options.tsval != second.options.tsval);
}
