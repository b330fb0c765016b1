// When and how data leaves: Nagle and its switch, PSH, full segments (RFC 9293 3.7.4, 3.9.1.2).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

TEST_CASE("Nagle: a small segment waits while anything is unacknowledged", "[conformance][SHLD-7]")
{
    peer p;
    p.in_established();
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(10);
    p.write(10);
    p.wait(500_ms);
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5011");
    CHECK(p.next() == "A seq=5011 len=20");
    CHECK(p.next() == "-");
}

TEST_CASE("Nagle: a full segment does not wait", "[conformance][SHLD-7][SHLD-28]")
{
    peer p;
    p.in_established();
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(2'500);
    CHECK(p.next() == "A seq=5011 len=1000");
    CHECK(p.next() == "A seq=6011 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=7011");
    CHECK(p.next() == "A seq=7011 len=500");
}

TEST_CASE("Nagle switched off: a small segment leaves at once", "[conformance][MUST-17]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_no_delay(p.id, true) == errc::ok);
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(10);
    CHECK(p.next() == "A seq=5011 len=10");
    p.write(10);
    CHECK(p.next() == "A seq=5021 len=10");
}

TEST_CASE("Nagle switched off while a small segment waits: it leaves", "[conformance][MUST-17]")
{
    peer p;
    p.in_established();
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(10);
    CHECK(p.next() == "-");
    CHECK(p.stack.set_no_delay(p.id, true) == errc::ok);
    CHECK(p.next() == "A seq=5011 len=10");
}

TEST_CASE("Nagle can be switched off from the start", "[conformance][MUST-17]")
{
    peer p;
    p.id = p.stack.connect({p.peer_address, p.peer_port}, {.local = {p.sut_address, 30'000}, .no_delay = true}).value;
    p.sut_port = 30'000;
    CHECK(p.next() == "S seq=5000");
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(10);
    CHECK(p.next() == "A seq=5011 len=10");
}

TEST_CASE("Nagle and close(): the FIN leaves with the last short segment at once", "[conformance][SHLD-7]")
{
    peer p;
    p.in_established();
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.write(10);
    CHECK(p.next() == "-");
    p.shutdown();
    CHECK(p.next() == "FA seq=5011 len=10");
}

TEST_CASE("PSH is set on the segment that empties the send buffer", "[conformance][MUST-61]")
{
    peer p;
    p.in_established();
    p.write(2'500);
    const packet first = p.next();
    CHECK(first == "A seq=5001 len=1000");
    CHECK(!first.header.has(tcp_flag::psh));
    CHECK(!p.next().header.has(tcp_flag::psh));
    const packet rest = p.next();  // Nagle lets it wait
    if (rest == "-") {
        p.send("A seq=1001 ack=7001");
        CHECK(p.next() == "PA seq=7001 len=500");
    } else {
        CHECK(rest == "PA seq=7001 len=500");
    }
}

TEST_CASE("PSH is set on a full segment too if nothing follows", "[conformance][MUST-61]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.next() == "PA seq=5001 len=1000");
}

TEST_CASE("PSH is set on a retransmission that empties the buffer", "[conformance][MUST-61]")
{
    peer p;
    p.in_established();
    p.write(100);
    CHECK(p.next() == "PA seq=5001 len=100");
    p.wait(1_s);
    CHECK(p.next() == "PA seq=5001 len=100");
}

TEST_CASE("Data is not withheld without further writes", "[conformance][MUST-60]")
{
    peer p;
    p.in_established();
    p.write(1);
    CHECK(p.next() == "PA seq=5001 len=1");
}

TEST_CASE("A corked connection sends full segments only, and the rest when the cork goes", "[conformance][SHLD-28]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_cork(p.id, true) == errc::ok);
    p.write(1'500);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6001");
    CHECK(p.next() == "-");
    CHECK(p.stack.set_cork(p.id, false) == errc::ok);
    CHECK(p.next() == "A seq=6001 len=500");
}

TEST_CASE("Many small writes while the window is closed become full segments", "[conformance][SHLD-27][SHLD-28]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=0");
    for (int i = 0; i < 200; ++i) {
        p.write(10);
    }
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5001 win=4000");
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "-");
}

TEST_CASE("Every segment after the handshake carries an ACK of all that came in order",
          "[conformance][RFC9293-3.10.2b]")
{
    peer p{with([](auto& c) { c.ack.quick_segments = 0; })};
    p.in_established();
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "-");  // the ACK waits
    p.write(10);
    CHECK(p.next() == "A seq=5001 ack=1101 len=10");
    p.wait(1_s - 1_ms);
    CHECK(p.next() == "-");  // and needs no segment of its own any more
}

TEST_CASE("Writing into a full send buffer says so, and the writer is told when there is room", "[conformance]")
{
    peer p{with([](auto& c) { c.tcp.send_buffer_octets = 20'000; })};
    p.in_established();
    p.write(20'000);
    CHECK(p.forget() == 10);
    CHECK(p.write_error() == errc::would_block);
    CHECK((p.stack.readiness_of(p.id) & readiness::writable) == 0);
    p.send("A seq=1001 ack=15001");
    CHECK((p.stack.readiness_of(p.id) & readiness::writable) != 0);
}

// --- stretch ACKs ----------------------------------------------------------------------------------------------------

TEST_CASE("A stretch ACK of twenty segments grows slow start by one segment, or by two where that is allowed",
          "[conformance][RFC5681-3.1i]")
{
    const std::uint32_t allowed = GENERATE(1u, 2u);
    CAPTURE(allowed);
    peer p{with([allowed](auto& c) {
        c.tcp.initial_window_segments = 20;
        c.congestion.slow_start_segments = allowed;  // L of RFC 3465
    })};
    p.in_established("mss=1000");
    p.write(60'000);
    CHECK(p.forget() == 20);
    CHECK(p.info().cwnd == 20'000);
    p.send("A seq=1001 ack=25001");
    CHECK(p.info().cwnd == 20'000 + 1'000 * static_cast<octet_count>(allowed));
    CHECK(p.forget() == 20 + allowed);
}

TEST_CASE("A stretch ACK in congestion avoidance: one segment for a window of octets, and no more",
          "[conformance][RFC5681-3.1k][RFC5681-3.1l]")
{
    peer p{with([](auto& c) { c.tcp.initial_window_segments = 40; })};
    p.in_established("mss=1000");
    p.write(40'000);
    CHECK(p.forget() == 40);
    p.send("A seq=1001 ack=5001");
    p.send("A seq=1001 ack=5001");
    p.send("A seq=1001 ack=5001");
    CHECK(p.next() == "A seq=5001 len=1000");
    p.send("A seq=1001 ack=45001");
    p.forget();
    REQUIRE(p.info().cwnd == 20'000);
    REQUIRE(p.info().ssthresh == 20'000);
    p.write(62'000);
    CHECK(p.forget() == 20);
    p.send("A seq=1001 ack=65001");  // all twenty at once
    CHECK(p.info().cwnd == 21'000);
    CHECK(p.forget() == 21);
    p.send("A seq=1001 ack=85001");  // twenty of twenty-one
    CHECK(p.info().cwnd == 21'000);
    CHECK(p.forget() == 20);
    p.send("A seq=1001 ack=86001");
    CHECK(p.info().cwnd == 22'000);
    CHECK(p.forget() == 1);  // and that was the last octet
}

TEST_CASE("Cork: push() lets out what waits, and nothing that is written later", "[conformance][RFC9293-3.7.4]")
{
    peer p;
    p.in_established();
    REQUIRE(p.stack.set_cork(p.id, true) == errc::ok);
    p.write(10);
    CHECK(p.next() == "-");
    REQUIRE(p.stack.push(p.id) == errc::ok);
    CHECK(p.next() == "A seq=5001 len=10");
    p.send("A seq=1001 ack=5011");
    p.write(2'000);
    REQUIRE(p.stack.push(p.id) == errc::ok);
    CHECK(p.next() == "A seq=5011 len=1000");
    CHECK(p.next() == "A seq=6011 len=1000");
    p.send("A seq=1001 ack=7011");
    p.write(10);
    CHECK(p.next() == "-");
}
