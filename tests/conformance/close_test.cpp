// Closing: orderly, half, simultaneous, in three segments; FIN out of order or with data; data that nobody will read
// (RFC 9293 3.6, 3.10.4, 3.10.7.4 steps 7 and 8).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

// --- the handshakes --------------------------------------------------------------------------------------------------

TEST_CASE("Simultaneous close: both FINs cross, then CLOSING and TIME-WAIT",
          "[conformance][RFC9293-3.10.7.4-8c][RFC9293-3.10.7.4-5j]")
{
    peer p;
    p.in_established();
    p.shutdown();
    CHECK(p.next() == "FA seq=5001 ack=1001");
    CHECK(p.state() == "FIN-WAIT-1");
    p.send("FA seq=1001 ack=5001");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.state() == "CLOSING");
    CHECK(p.end_of_stream());
    p.send("A seq=1002 ack=5002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("Close in three segments: a FIN that acknowledges ours goes straight to TIME-WAIT",
          "[conformance][RFC9293-3.10.7.4-8c]")
{
    peer p;
    p.in_fin_wait_1();
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
    CHECK(p.end_of_stream());
}

TEST_CASE("Close in three segments, with data on the FIN", "[conformance][RFC9293-3.10.7.4-8c]")
{
    peer p;
    p.in_fin_wait_1();
    p.send("FA seq=1001 ack=5002 len=50");
    CHECK(p.next() == "A seq=5002 ack=1052");
    CHECK(p.state() == "TIME-WAIT");
    CHECK(p.read() == 50);
    CHECK(p.end_of_stream());
}

TEST_CASE("Normal close, this side first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT",
          "[conformance][RFC9293-3.10.7.4-5h][RFC9293-3.10.7.4-8d]")
{
    peer p;
    p.in_fin_wait_1();
    p.send("A seq=1001 ack=5002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "FIN-WAIT-2");
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("Normal close, the peer first: CLOSE-WAIT, LAST-ACK, CLOSED without TIME-WAIT",
          "[conformance][RFC9293-3.10.7.4-8b][RFC9293-3.10.7.4-5k][MUST-12]")
{
    peer p;
    p.in_established();
    p.send("FA seq=1001 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=1002");
    CHECK(p.state() == "CLOSE-WAIT");
    CHECK(p.end_of_stream());
    p.close();
    CHECK(p.next() == "FA seq=5001 ack=1002");
    CHECK(p.state() == "LAST-ACK");
    p.send("A seq=1002 ack=5002");
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("A lost FIN is sent again, with its FIN bit and its number", "[conformance][RFC9293-3.10.8b]")
{
    const std::string state = GENERATE(as<std::string>{}, "FIN-WAIT-1", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.wait(1_s);
    CHECK(p.next() == "FA seq=5001 t=1.0 ack=" + p.rcv_nxt());
    p.wait(2_s);
    CHECK(p.next() == "FA seq=5001 t=3.0 ack=" + p.rcv_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("A lost FIN with data: both are sent again in one segment", "[conformance][RFC9293-3.10.8b]")
{
    peer p;
    p.in_established();
    p.write(100);
    p.shutdown();
    CHECK(p.next() == "FA seq=5001 len=100 ack=1001");
    p.wait(1_s);
    CHECK(p.next() == "FA seq=5001 len=100 ack=1001");
}

TEST_CASE("The FIN follows all queued data", "[conformance][RFC9293-3.10.4c]")
{
    peer p;
    p.in_established();
    p.write(2'500);
    p.close();
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "FA seq=7001 len=500");
    CHECK(p.next() == "-");
    CHECK(p.state() == "FIN-WAIT-1");
}

TEST_CASE("After a FIN was sent, writing fails and reading goes on", "[conformance][RFC9293-3.10.2c][RFC9293-3.10.3a]")
{
    const std::string state = GENERATE(as<std::string>{}, "FIN-WAIT-1", "FIN-WAIT-2");
    peer p;
    p.in(state);
    CHECK(p.write_error() == errc::broken_pipe);
    CHECK(p.read_error() == "operation would block");
    p.send("A seq=1001 ack=5002 len=100");
    CHECK(p.read() == 100);
}

TEST_CASE("A second shutdown sends no second FIN", "[conformance][RFC9293-3.10.4e]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT");
    INFO(state);
    peer p;
    p.in(state);
    p.shutdown();
    p.close();
    CHECK(p.next() == "-");
}

TEST_CASE("close() in SYN-SENT sends nothing and forgets the connection", "[conformance][RFC9293-3.10.4a]")
{
    peer p;
    p.in_syn_sent();
    p.close();
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
    p.wait(60_s);
    CHECK(p.next() == "-");
}

TEST_CASE("A listener that closes leaves its connections alone and refuses new ones", "[conformance][RFC9293-3.10.4a]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.close(p.listener) == errc::ok);
    p.send("S seq=9000 port=40001");
    CHECK(p.next() == "RA seq=0 ack=9001");
    p.send("A seq=1001 ack=5001 len=10");
    CHECK(p.read() == 10);
    CHECK(p.state() == "ESTABLISHED");
}

// --- FIN out of order, beyond the window, with data ------------------------------------------------------------------

TEST_CASE("A FIN behind a hole waits until the hole is filled", "[conformance][RFC9293-3.10.7.4-8a][SHLD-31]")
{
    peer p;
    p.in_established();
    p.send("FA seq=1101 ack=5001 len=100");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(!p.end_of_stream());
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A seq=5001 ack=1202");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSE-WAIT");
    CHECK(p.read() == 200);
    CHECK(p.end_of_stream());
}

TEST_CASE("A bare FIN behind a hole is remembered, or asked for again", "[conformance][RFC9293-3.10.7.4-8a]")
{
    peer p;
    p.in_established();
    p.send("FA seq=1101 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.send("A seq=1001 ack=5001 len=100");
    const packet answer = p.next();
    if (answer == "A seq=5001 ack=1101") {
        p.send("FA seq=1101 ack=5001");
        CHECK(p.next() == "A seq=5001 ack=1102");
    } else {
        CHECK(answer == "A seq=5001 ack=1102");
    }
    CHECK(p.state() == "CLOSE-WAIT");
    CHECK(p.read() == 100);
    CHECK(p.end_of_stream());
}

TEST_CASE("A FIN beyond the right edge is not consumed", "[conformance][RFC9293-3.10.7.4-1f]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 100; })};
    p.in_established();
    p.send("FA seq=1001 ack=5001 len=150");
    CHECK(p.next() == "A seq=5001 ack=1101");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.read() == 100);
    CHECK(!p.end_of_stream());
    p.forget();
    p.send("FA seq=1101 ack=5001 len=50");
    CHECK(p.next() == "A seq=5001 ack=1152");
    CHECK(p.read() == 50);
    CHECK(p.end_of_stream());
}

TEST_CASE("A FIN right behind data that fills the window is not consumed either", "[conformance][RFC9293-3.10.7.4-1f]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 100; })};
    p.in_established();
    p.send("FA seq=1001 ack=5001 len=100");
    const packet answer = p.next();
    CHECK(p.read() == 100);
    if (answer == "A ack=1101") {
        p.forget();
        p.send("FA seq=1101 ack=5001");
        CHECK(p.next() == "A ack=1102");
    } else {
        CHECK(answer == "A ack=1102");  // the FIN takes no room in the buffer: this is allowed as well
    }
    CHECK(p.end_of_stream());
}

TEST_CASE("A FIN with data: the data, then the end, and a retransmission is answered and delivers nothing",
          "[conformance][RFC9293-3.10.7.4-8b]")
{
    peer p;
    p.in_established();
    p.send("FA seq=1001 ack=5001 len=10");
    CHECK(p.next() == "A seq=5001 ack=1012");
    CHECK(p.read() == 10);
    CHECK(p.end_of_stream());
    p.send("FA seq=1001 ack=5001 len=10");
    CHECK(p.next() == "A seq=5001 ack=1012");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.state() == "CLOSE-WAIT");
}

TEST_CASE("A FIN is acknowledged at once even if data ACKs are delayed", "[conformance][RFC9293-3.10.7.4-8b]")
{
    peer p{with([](auto& c) { c.ack.quick_segments = 0; })};
    p.in_established();
    p.send("FA seq=1001 ack=5001 len=10");
    CHECK(p.next() == "A seq=5001 ack=1012 t=0");
}

TEST_CASE("The text of a segment after the FIN of the peer is ignored", "[conformance][RFC9293-3.10.7.4-7b]")
{
    const std::string state = GENERATE(as<std::string>{}, "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT");
    INFO(state);
    peer p;
    p.in(state);
    p.send("A seq=1002 ack=5001 len=100");
    CHECK(p.read() == 0);
    CHECK(p.state() == state);
    const packet answer = p.last();
    CHECK((answer == "-" || answer == "A seq=" + p.snd_nxt() + " ack=1002"));
}

TEST_CASE("A retransmitted FIN is acknowledged again and changes nothing", "[conformance][RFC9293-3.10.7.4-8e]")
{
    const std::string state = GENERATE(as<std::string>{}, "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("FA seq=1001 ack=5001");
    CHECK(p.next() == "A ack=1002 seq=" + p.snd_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("A FIN in SYN-SENT is not processed", "[conformance][RFC9293-3.10.7.4-8f][RFC9293-3.10.7.3g]")
{
    peer p;
    p.in_syn_sent();
    p.send("F seq=1000");
    p.send("FA seq=1000 ack=5001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

// --- half-close ------------------------------------------------------------------------------------------------------

TEST_CASE("Half-close: after shutdown the data of the peer still arrives and is acknowledged",
          "[conformance][RFC9293-3.10.7.4-7a][RFC9293-3.10.7.4-8d]")
{
    peer p;
    p.in_fin_wait_2();
    p.send("A seq=1001 ack=5002 len=1000");
    CHECK(p.next() == "A seq=5002 ack=2001");
    CHECK(p.read() == 1'000);
    p.send("FA seq=2001 ack=5002");
    CHECK(p.last() == "A seq=5002 ack=2002");
    CHECK(p.end_of_stream());
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("Half-close: data arrives in FIN-WAIT-1 too", "[conformance][RFC9293-3.10.7.4-7a]")
{
    peer p;
    p.in_fin_wait_1();
    p.send("A seq=1001 ack=5001 len=500");
    CHECK(p.next() == "A seq=5002 ack=1501");
    CHECK(p.read() == 500);
    CHECK(p.state() == "FIN-WAIT-1");
}

TEST_CASE("Half-close may last: FIN-WAIT-2 after shutdown has no timeout", "[conformance][RFC9293-3.10.7.4-5i]")
{
    peer p;
    p.in_fin_wait_2();
    p.wait(3600_s);
    CHECK(p.state() == "FIN-WAIT-2");
    p.send("A seq=1001 ack=5002 len=10");
    CHECK(p.read() == 10);
}

TEST_CASE("After close() FIN-WAIT-2 ends by its timeout", "[conformance]")
{
    peer p;
    p.in_established();
    p.close();
    CHECK(p.next() == "FA seq=5001");
    p.send("A seq=1001 ack=5002");
    CHECK(p.connections() == std::vector<std::string>{"FIN-WAIT-2"});
    p.wait(59_s);
    CHECK(p.connections() == std::vector<std::string>{"FIN-WAIT-2"});
    p.wait(2_s);
    CHECK(p.connections().empty());
}

TEST_CASE("CLOSE-WAIT: this side still sends, and sends again what was lost, and the FIN follows",
          "[conformance][RFC9293-3.10.2b]")
{
    peer p;
    p.in_close_wait();
    p.write(3'000);
    CHECK(p.next() == "A seq=5001 ack=1002 len=1000");
    CHECK(p.next() == "A seq=6001 ack=1002 len=1000");
    CHECK(p.next() == "A seq=7001 ack=1002 len=1000");
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 ack=1002 len=1000 t=1.0");
    p.send("A seq=1002 ack=8001");
    p.forget();
    p.close();
    CHECK(p.next() == "FA seq=8001 ack=1002");
    CHECK(p.state() == "LAST-ACK");
    p.send("A seq=1002 ack=8002");
    CHECK(p.connections().empty());
}

// --- data that nobody will read --------------------------------------------------------------------------------------

TEST_CASE("close() with unread data sends RST instead of FIN", "[conformance][SHLD-3]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1101");
    p.close();
    const packet rst = p.next();
    CHECK(rst == "R seq=5001 | RA seq=5001 ack=1101");
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("close() after everything was read sends FIN", "[conformance][SHLD-3]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A ack=1101");
    CHECK(p.read() == 100);
    p.close();
    CHECK(p.next() == "FA seq=5001 ack=1101");
}

TEST_CASE("Data that arrives after close() is answered by RST", "[conformance][SHLD-3]")
{
    peer p;
    p.in_established();
    p.close();
    CHECK(p.next() == "FA seq=5001 ack=1001");
    SECTION("in FIN-WAIT-2")
    {
        p.send("A seq=1001 ack=5002");
        CHECK(p.next() == "-");
        p.send("A seq=1001 ack=5002 len=10");
        const packet rst = p.next();
        CHECK(rst == "R seq=5002 | RA seq=5002");
    }
    SECTION("in FIN-WAIT-1")
    {
        p.send("A seq=1001 ack=5001 len=10");
        const packet rst = p.next();
        CHECK(rst == "R | RA");
    }
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("A bare FIN after close() is a normal end, no RST", "[conformance][SHLD-3]")
{
    peer p;
    p.in_established();
    p.close();
    CHECK(p.next() == "FA seq=5001 ack=1001");
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.connections() == std::vector<std::string>{"TIME-WAIT"});
}

TEST_CASE("A connection that ends before it was accepted tells its acceptor so", "[conformance][MUST-12]")
{
    peer p;
    p.in_syn_received();
    p.send("A seq=1001 ack=5001");
    p.send("R seq=1001");
    if (p.accept()) {
        CHECK(p.read_error() == "connection reset by peer");
    }
    CHECK(p.next() == "-");
}

TEST_CASE("A close with zero linger resets", "[conformance][RFC9293-3.10.5a]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_reset_on_close(p.id, true) == errc::ok);
    p.close();
    const packet rst = p.next();
    CHECK(rst == "R seq=5001 | RA seq=5001");
    CHECK(p.connections().empty());
}
