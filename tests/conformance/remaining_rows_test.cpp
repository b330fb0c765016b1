// Requirements that no other test shows: the edges of the window, RECEIVE and CLOSE late in a connection's life, SACK
// and D-SACK in the corners.
#include "support/peer.hpp"

#include <vector>

#include "catch.hpp"

using namespace tcpco_test;

TEST_CASE("An empty segment is acceptable from rcv.nxt up to, not including, the right edge",
          "[conformance][RFC9293-3.10.7.4-1b]")
{
    peer p;
    p.in_established();
    for (const char* inside : {"A seq=1001 ack=5001", "A seq=1002 ack=5001", "A seq=11000 ack=5001"}) {
        p.send(inside);
        CHECK(p.next() == "-");
    }
    CHECK(p.dropped(drop_reason::tcp_out_of_window) == 0);
    for (const char* outside : {"A seq=1000 ack=5001", "A seq=11001 ack=5001", "A seq=3000000000 ack=5001"}) {
        p.send(outside);
        CHECK(p.next() == "A seq=5001 ack=1001");
    }
    CHECK(p.dropped(drop_reason::tcp_out_of_window) == 3);
}

TEST_CASE("Text is acceptable when its first or its last octet lies in the window",
          "[conformance][RFC9293-3.10.7.4-1d]")
{
    peer p;
    p.in_established();
    p.send("A seq=11000 len=1 ack=5001");  // the last octet of the window
    CHECK(p.next() == "A ack=1001");
    p.send("A seq=992 len=10 ack=5001");  // its last octet is the first
    CHECK(p.next() == "A ack=1002");
    CHECK(p.dropped(drop_reason::tcp_out_of_window) == 0);
    p.send("A seq=992 len=9 ack=5001");
    CHECK(p.next() == "A ack=1002");
    p.send("A seq=11002 len=1 ack=5001");
    CHECK(p.next() == "A ack=1002");
    CHECK(p.dropped(drop_reason::tcp_out_of_window) == 2);
    CHECK(p.read() == 1);
}

TEST_CASE("All segments of a connection carry the address and port that the first one had",
          "[conformance][MUST-44][MUST-45]")
{
    peer p;
    const auto [ec, id] = p.stack.connect({p.peer_address, p.peer_port});  // the stack chooses
    CHECK(ec == errc::ok);
    p.id = id;
    const endpoint chosen = p.stack.local_of(id);
    CHECK(chosen.address == p.sut_address);
    p.sut_port = chosen.port;
    const packet syn = p.next();
    CHECK(syn.header.source_port == chosen.port);
    p.send("SA seq=1000 ack=" + std::to_string(syn.seq() + 1));
    CHECK(p.next().header.source_port == chosen.port);
    p.write(10);
    CHECK(p.next().header.source_port == chosen.port);
    CHECK(p.stack.local_of(id) == chosen);
}

TEST_CASE("The Diffserv field is the connection's own, on text and pure ACKs, and can be changed",
          "[conformance][MUST-48][SHLD-21][SHLD-22]")
{
    peer p;
    p.in_established();
    const auto dscp = [&] { return std::to_integer<unsigned>(p.next().octets.at(1)) >> 2; };
    p.write(10);
    CHECK(dscp() == 0);
    CHECK(p.stack.set_dscp(p.id, 46) == errc::ok);
    p.send("A seq=1001 ack=5011");
    p.write(10);
    CHECK(dscp() == 46);
    p.send("A seq=90000 ack=5021");
    CHECK(dscp() == 46);
    CHECK(p.stack.set_dscp(p.id, 8) == errc::ok);
    p.send("A seq=90000 ack=5021");
    CHECK(dscp() == 8);
    CHECK(p.stack.set_dscp(p.id, 64) == errc::invalid_argument);
    CHECK(p.stack.set_dscp({}, 1) == errc::bad_file_descriptor);
}

TEST_CASE("An RST for a segment with a timestamp echoes it, with a timestamp of 0", "[conformance][RFC7323-5.2b]")
{
    peer p;
    p.check_payload = false;
    p.send("S seq=1000 ts=77/0");
    CHECK(p.next() == "RA seq=0 ack=1001 ts=0 tsecr=77");
    p.send("A seq=1000 ack=5 ts=78/9");
    CHECK(p.next() == "R seq=5 ts=0 tsecr=78");
    p.send("S seq=1000");
    CHECK(p.next() == "RA seq=0 ack=1001 ts=none");
}

TEST_CASE("RECEIVE after the peer's FIN gives what is left, then the end, in every state that follows",
          "[conformance][RFC9293-3.10.3b][RFC9293-3.10.3c]")
{
    peer p;
    p.in_established();
    p.send("FA seq=1001 len=20 ack=5001");
    CHECK(p.next() == "A ack=1022");
    CHECK(p.state() == "CLOSE-WAIT");
    CHECK(p.read(5) == 5);
    p.shutdown();
    CHECK(p.next() == "FA seq=5001 ack=1022");
    CHECK(p.state() == "LAST-ACK");
    CHECK(p.read(5) == 5);
    CHECK(p.read() == 10);
    CHECK(p.end_of_stream());
    CHECK(p.end_of_stream());
    p.send("A seq=1022 ack=5002");
    CHECK(p.state() == "CLOSED");
    CHECK(p.end_of_stream());
}

TEST_CASE("RECEIVE in CLOSING and TIME-WAIT: the end, after what was queued", "[conformance][RFC9293-3.10.3c]")
{
    peer p;
    p.in_fin_wait_1();
    p.send("FA seq=1001 len=7 ack=5001");
    CHECK(p.state() == "CLOSING");
    CHECK(p.read(3) == 3);
    p.send("A seq=1009 ack=5002");
    CHECK(p.state() == "TIME-WAIT");
    CHECK(p.read() == 4);
    CHECK(p.end_of_stream());
}

TEST_CASE("CLOSE in CLOSE-WAIT: what is queued leaves first, then the FIN, and the state is LAST-ACK",
          "[conformance][RFC9293-3.10.4d]")
{
    peer p;
    p.in_close_wait();
    p.write(2'500);
    p.shutdown();
    CHECK(p.state() == "LAST-ACK");
    CHECK(p.next() == "A seq=5001 len=1000 ack=1002");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "FA seq=7001 len=500");
    p.send("A seq=1002 ack=7502");
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("SACK, as sender: after a timeout the left edge is sent again even where it was SACKed",
          "[conformance][RFC2018-5c][RFC2018-8c][RFC6675-4a]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(3'000);
    CHECK(p.forget() == 3);
    p.send("A seq=1001 ack=5001 sack=6001-7001");
    p.send("A seq=1001 ack=6001 sack=6001-7001");  // takes back what it had SACKed: it would have acknowledged it
    p.forget();
    p.wait(5_s);
    bool left_edge = false;
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        left_edge = left_edge || seen.seq() == 6'001;
    }
    CHECK(left_edge);
    p.send("A seq=1001 ack=8001");
    CHECK(p.info().unacked == 0);
}

TEST_CASE("SACK, as sender: one block is no loss, and each ACK releases what left the network and no more",
          "[conformance][RFC2018-5.1a][RFC6675-5d]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(30'000);
    CHECK(p.forget() == 10);
    p.send("A seq=1001 ack=5001 sack=6001-7001");
    CHECK(p.next() == "A seq=15001 len=1000");  // limited transmit
    CHECK(p.next() == "-");
    CHECK(p.info().fast_recoveries == 0);
    CHECK(p.info().cwnd == 10'000);
}

TEST_CASE("SACK, as receiver: after the hole is filled, and after a limit took them, no block names what is not held",
          "[conformance][RFC2018-8b][RFC2018-4e][RFC2018-4b]")
{
    peer p{with([](auto& c) { c.tcp.maximum_ranges = 2; })};
    p.in_established("mss=1000 sackok");
    p.send("A seq=1101 len=10 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1101-1111");  // each at once
    p.send("A seq=1201 len=10 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1201-1211,1101-1111");
    p.send("A seq=1301 len=10 ack=5001");  // beyond the limit
    const packet third = p.next();
    for (const sack_block& b : third.options.sacks()) {
        CHECK((b.left.value == 1'101 || b.left.value == 1'201 || b.left.value == 1'301));
    }
    CHECK(third.options.sack_count <= 2);
    p.send("A seq=1001 len=100 ack=5001");
    const packet filled = p.next();
    CHECK(filled.ack() >= 1'111);
    for (const sack_block& b : filled.options.sacks()) {
        CHECK(b.left.value > filled.ack());
    }
}

TEST_CASE("D-SACK: a duplicate is reported in one ACK only, one inside a held block is followed by the whole block",
          "[conformance][RFC2883-4b][RFC2883-4c][RFC2883-4d]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1101 len=100 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1101-1201");
    p.send("A seq=1301 len=100 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1301-1401,1101-1201");
    p.send("A seq=1121 len=50 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1121-1171,1101-1201,1301-1401");
    p.send("A seq=1401 len=10 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1301-1411,1101-1201");
}

TEST_CASE("D-SACK: of a segment that is partly old only the old part is reported", "[conformance][RFC2883-4.2a]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.send("A seq=1101 len=100 ack=5001");
    p.forget();
    p.send("A seq=1151 len=100 ack=5001");
    CHECK(p.next() == "A ack=1001 sack=1151-1201,1101-1251");
    p.send("A seq=1001 len=100 ack=5001");
    CHECK(p.next() == "A ack=1251");
    p.send("A seq=1201 len=100 ack=5001");  // what lies left of the window is as old
    p.wait(500_ms);
    CHECK(p.next() == "A ack=1301 sack=1201-1251");
}

TEST_CASE("D-SACK: a segment that PAWS drops is acknowledged", "[conformance][RFC2883-4.3a]")
{
    peer p;
    p.in_established("mss=1000 sackok ts=100/0", "ts=101/0");
    p.send("A seq=1001 len=10 ack=5001 ts=50/0");
    CHECK(p.next() == "A seq=5001 ack=1001 tsecr=101 sack=none");
    p.send("A seq=1001 len=10 ack=5001 ts=102/0");
    CHECK(p.next() == "A ack=1011 tsecr=102");
    p.send("A seq=1001 len=10 ack=5001 ts=50/0");  // a duplicate: it may be from before a wrap, so no block names it
    CHECK(p.next() == "A seq=5001 ack=1011 tsecr=102 sack=none");
    p.send("A seq=1001 len=10 ack=5001 ts=102/0");
    CHECK(p.next() == "A seq=5001 ack=1011 sack=1001-1011");
    CHECK(p.dropped(drop_reason::tcp_paws) == 2);
}

TEST_CASE("D-SACK, as sender: the first block is one by the ACK of the same packet, or by the second block",
          "[conformance][RFC2883-5a][RFC2883-5b]")
{
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.send("A seq=1001 ack=7001 sack=5001-6001");              // below its ACK: nothing is delivered by it
    CHECK(p.info().in_flight == 8'000);
    p.send("A seq=1001 ack=7001 sack=9001-10001,8001-11001");  // inside the second: the second counts
    CHECK(p.info().in_flight == 5'000);
}

TEST_CASE("Timestamps tick once a millisecond: the clock comes round after 49 days, far beyond the MSL",
          "[conformance][RFC7323-5.4b]")
{
    peer p;
    p.in_established("mss=1000 ts=100/0", "ts=101/0");
    p.write(1);
    const std::uint32_t first = p.next().options.tsval;
    p.send("A seq=1001 ack=5002 ts=102/0");
    p.wait(1'000_s);
    p.write(1);
    CHECK(p.next().options.tsval - first == 1'000'000);
}
