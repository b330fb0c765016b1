// Zero windows, as receiver and as sender (RFC 9293 3.8.6.1, 3.10.7.4 step 1).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

// The application has not read anything: RCV.NXT = 11001, RCV.WND = 0.
void fill_the_window(peer<>& p)
{
    for (int i = 0; i < 10; ++i) {
        p.send("A ack=5001 len=1000 seq=" + std::to_string(1'001 + 1'000 * i));
    }
    p.wait(1_s);
    CHECK(p.last() == "A seq=5001 ack=11001 win=0");
}

// The peer has closed its window with everything acknowledged.
void close_the_peers_window(peer<>& p)
{
    p.in_established();
    p.send("A seq=1001 ack=5001 win=0");
    CHECK(p.next() == "-");
    p.mark();
}

}  // namespace

// --- receiver --------------------------------------------------------------------------------------------------------

TEST_CASE("Zero window: an octet is refused and answered with the window",
          "[conformance][RFC9293-3.10.7.4-1c][RFC9293-3.8.6a]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    p.send("A seq=11001 ack=5001 len=1");
    CHECK(p.next() == "A seq=5001 ack=11001 win=0");
    CHECK(p.next() == "-");
    CHECK(p.read() == 10'000);
    CHECK(p.read() == 0);
}

TEST_CASE("Zero window: the ACK of an empty segment is used, without an answer", "[conformance][RFC9293-3.10.7.4-1a]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    p.write(100);
    CHECK(p.next() == "A seq=5001 ack=11001 len=100 win=0");
    p.send("A seq=11001 ack=5101");
    CHECK(p.next() == "-");
    CHECK(p.info().unacked == 0);
}

TEST_CASE("Zero window: the ACK of a probe is used, its octet is not", "[conformance][RFC9293-3.10.7.4-1c]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    p.write(100);
    CHECK(p.next() == "A len=100");
    p.send("A seq=11001 ack=5101 len=1");
    CHECK(p.next() == "A seq=5101 ack=11001 win=0");
    CHECK(p.info().unacked == 0);
    CHECK(p.info().rcv_wnd == 0);
}

TEST_CASE("Zero window: the window field of a probe is used", "[conformance][RFC9293-3.10.7.4-1c]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=0");
    fill_the_window(p);
    CHECK(p.info().snd_wnd == 65'535);
    p.send("A seq=11001 ack=5001 win=0");
    p.write(100);
    CHECK(p.next() == "-");
    p.send("A seq=11001 ack=5001 len=1 win=4000");
    const packet answer = p.next();
    CHECK(answer == "A seq=5001 ack=11001 len=100 win=0");
}

TEST_CASE("Zero window: an RST at RCV.NXT resets", "[conformance][MUST-66]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    SECTION("exact")
    {
        p.send("R seq=11001");
        CHECK(p.state() == "CLOSED");
    }
    SECTION("exact, whatever else it says")
    {
        p.send("SR seq=11001");
        CHECK(p.state() == "CLOSED");
        CHECK(p.error() == std::string{"connection reset by peer"});
    }
    SECTION("any other is outside the window")
    {
        p.send("R seq=11002");
        p.send("R seq=11000");
        CHECK(p.state() == "ESTABLISHED");
    }
    CHECK(p.next() == "-");
}

TEST_CASE("Zero window: a FIN is refused, and taken when it comes again", "[conformance][RFC9293-3.10.7.4-1c]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    p.send("FA seq=11001 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=11001 win=0");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.read() == 10'000);
    CHECK(!p.end_of_stream());
    p.forget();
    p.send("FA seq=11001 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=11002");
    CHECK(p.end_of_stream());
}

TEST_CASE("Zero window: reading a little opens nothing, reading enough opens at once", "[conformance][MUST-39]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    CHECK(p.read(1) == 1);
    CHECK(p.next() == "-");
    CHECK(p.read(900) == 900);
    CHECK(p.next() == "-");
    CHECK(p.read(4'200) == 4'200);
    const packet update = p.next();
    CHECK(update == "A seq=5001 ack=11001");
    CHECK(update.win() >= 1'460);
    CHECK(p.next() == "-");
}

TEST_CASE("Silly windows: the right edge moves by half the buffer or a segment, or not at all",
          "[conformance][MUST-39]")
{
    peer p;
    p.in_established();
    fill_the_window(p);
    std::uint32_t edge = 11'001;
    for (int i = 0; i < 10'000; i += 100) {
        CHECK(p.read(100) == 100);
        p.send("A seq=11001 ack=5001 len=1");  // provokes an ACK while the window is closed
        for (packet a = p.next(); a != "-"; a = p.next()) {
            const std::uint32_t now = a.ack() + a.win();
            CHECK((now == edge || now - edge >= 1'460));
            edge = now;
        }
        if (edge != 11'001) {
            break;
        }
    }
    CHECK(edge > 11'001);
}

// --- sender ----------------------------------------------------------------------------------------------------------

TEST_CASE("A zero window is probed after one RTO, then at growing intervals",
          "[conformance][MUST-36][SHLD-29][SHLD-30]")
{
    peer p;
    close_the_peers_window(p);
    p.write(100);
    CHECK(p.next() == "-");
    p.wait(16_s);
    for (const char* t : {"1", "3", "7", "15"}) {
        const packet probe = p.next();
        INFO(t);
        CHECK((probe == std::string{"A seq=5001 ack=1001 len=1 t="} + t ||
               probe == std::string{"A seq=5001 ack=1001 len=100 t="} + t));
    }
    CHECK(p.next() == "-");
}

TEST_CASE("A zero window may last for ever while probes are answered", "[conformance][MUST-37]")
{
    peer p{with([](auto& c) { c.tcp.data_retries = 5; })};
    close_the_peers_window(p);
    p.write(100);
    const auto cwnd = p.info().cwnd;
    int probes = 0;
    duration longest{};
    time_point last = p.now;
    for (int i = 0; i < 3'600; ++i) {
        p.wait(1_s);
        while (p.next() != "-") {
            ++probes;
            longest = std::max(longest, p.now - last);
            last = p.now;
            p.send("A seq=1001 ack=5001 win=0");
        }
    }
    CHECK(p.state() == "ESTABLISHED");
    CHECK(probes > 20);
    CHECK(longest <= 121_s);
    CHECK(p.info().cwnd == cwnd);
    p.send("A seq=1001 ack=5001 win=1000");
    std::uint32_t end = p.sent_up_to();
    CHECK(end > 5'001);
    p.send("A seq=1001 win=1000 ack=" + std::to_string(end));  // what Nagle may have held back
    end = std::max(end, p.sent_up_to());
    CHECK(end == 5'101);
}

TEST_CASE("Probes that nobody answers end the connection", "[conformance][MUST-20]")
{
    peer p{with([](auto& c) { c.tcp.data_retries = 5; })};
    close_the_peers_window(p);
    p.write(100);
    p.wait(3'600_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"timed out"});
}

TEST_CASE("An octet that a probe delivered is not probed again", "[conformance][MUST-36]")
{
    peer p;
    close_the_peers_window(p);
    p.write(100);
    p.wait(1_s);
    const packet probe = p.next();
    CHECK(probe == "A seq=5001 len=1 | A seq=5001 len=100");
    if (probe.length == 1) {
        p.send("A seq=1001 ack=5002 win=0");
        CHECK(p.next() == "-");
        p.wait(4_s);
        CHECK(p.next() == "A seq=5002 len=1");
    }
}

TEST_CASE("A lost window update is made good by the next probe", "[conformance][MUST-36]")
{
    peer p;
    close_the_peers_window(p);
    p.write(2'000);
    p.wait(1_s);
    CHECK(p.forget() == 1);
    p.send("A seq=1001 ack=5001 win=2000");
    std::uint32_t end = p.sent_up_to();
    CHECK(end >= 6'001);
    p.send("A seq=1001 win=2000 ack=" + std::to_string(end));  // what Nagle may have held back
    end = std::max(end, p.sent_up_to());
    CHECK(end == 7'001);
}

TEST_CASE("The answer to a probe may take its octet and open the window", "[conformance][MUST-36]")
{
    peer p;
    close_the_peers_window(p);
    p.write(2'000);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1");
    p.send("A seq=1001 ack=5002 win=2000");
    CHECK(p.next() == "A seq=5002 len=1000");
    p.send("A seq=1001 ack=6002 win=2000");
    CHECK(p.next() == "A seq=6002 len=999");
}

TEST_CASE("The octet of a refused probe takes along what waits behind it", "[conformance][MUST-36][MUST-38]")
{
    for (const bool corked : {false, true}) {
        peer p;
        close_the_peers_window(p);
        p.write(100);
        p.wait(1_s);
        CHECK(p.next() == "A seq=5001 len=1");
        p.send("A seq=1001 ack=5001 win=0");
        CHECK(p.info().retransmissions == 0);
        CHECK(p.stack.set_cork(p.id, corked) == errc::ok);
        p.send("A seq=1001 ack=5001 win=9000");
        CHECK(p.next() == (corked ? "A seq=5001 len=1" : "PA seq=5001 len=100"));
        CHECK(p.next() == "-");
        CHECK(p.info().octets_retransmitted == 1);
        CHECK(p.stack.set_cork(p.id, false) == errc::ok);
        p.send(corked ? "A seq=1001 ack=5002 win=9000" : "A seq=1001 ack=5101 win=9000");
        CHECK(p.next() == (corked ? "PA seq=5002 len=99" : "-"));
    }
}

TEST_CASE("A refused probe's octet goes alone where the window is still a silly one", "[conformance][MUST-38]")
{
    peer p;
    close_the_peers_window(p);
    p.write(3'000);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1");
    p.send("A seq=1001 ack=5001 win=300");
    CHECK(p.next() == "A seq=5001 len=1");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5002 win=9000");
    CHECK(p.next() == "A seq=5002 len=1000");
}

TEST_CASE("With nothing to send a zero window is not probed", "[conformance][MUST-36]")
{
    peer p;
    close_the_peers_window(p);
    p.wait(600_s);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Zero window and a close that waits: the FIN is sent or probed", "[conformance][MUST-36]")
{
    peer p;
    close_the_peers_window(p);
    SECTION("nothing else to send")
    {
        p.shutdown();
        p.wait(1_s);
        CHECK(p.next() == "FA seq=5001 ack=1001");
        CHECK(p.state() == "FIN-WAIT-1");
        p.send("A seq=1001 ack=5002 win=0");
        CHECK(p.state() == "FIN-WAIT-2");
    }
    SECTION("behind data")
    {
        p.write(100);
        p.shutdown();
        CHECK(p.state() == "FIN-WAIT-1");
        p.wait(1_s);
        const packet probe = p.next();
        CHECK(probe == "A seq=5001 len=1 | FA seq=5001 len=100");
        p.send("A seq=1001 ack=5001 win=1000");
        const packet fin = p.last();
        CHECK(fin.header.has(tcp_flag::fin));
        CHECK(fin.seq() + fin.length == 5'101);
        p.send("A seq=1001 ack=5102");
        CHECK(p.state() == "FIN-WAIT-2");
    }
}

TEST_CASE("A window that closes over data in flight is probed too", "[conformance][MUST-35]")
{
    peer p;
    p.in_established();
    p.write(3'000);
    CHECK(p.forget() == 3);
    p.send("A seq=1001 ack=6001 win=0");
    CHECK(p.next() == "-");
    p.mark();
    p.wait(1_s);
    const packet probe = p.next();
    CHECK(probe != "-");
    CHECK(probe.seq() == 6'001);
    for (int i = 0; i < 100; ++i) {
        p.send("A seq=1001 ack=6001 win=0");
        p.wait(60_s);
        p.forget();
    }
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=6001 win=5000");
    CHECK(p.next().seq() == 6'001);
}

TEST_CASE("A window that closes and opens between two timeouts of the same octets leaves ssthresh as it is",
          "[conformance][RFC5681-3.1n]")
{
    const bool closes = GENERATE(false, true);
    peer p;
    p.in_established();
    p.write(30'000);
    CHECK(p.forget() == 10);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.info().ssthresh == 5'000);
    if (closes) {
        p.send("A seq=1001 ack=5001 win=0");
        CHECK(p.info().probes_window);
        p.send("A seq=1001 ack=5001 win=3000");  // and a third of the flight fits
    }
    p.forget();
    p.wait(10_s);
    CHECK(p.info().timeouts >= 2);
    CHECK(p.info().ssthresh == 5'000);
    CHECK(p.info().cwnd == 1'000);
    p.send("A seq=1001 ack=15001 win=60000");  // progress: the next timeout is a first one
    CHECK(p.forget() > 0);
    p.wait(60_s);
    CHECK(p.info().ssthresh < 5'000);
}

// --- a probe octet that was refused lies beyond the window -----------------------------------------------------------

TEST_CASE("A closed window: our RST stands at its edge, not behind the refused probe, where it would be ignored",
          "[conformance][RFC9293-3.10.7.4-1e]")
{
    peer p;
    close_the_peers_window(p);
    p.write(100);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1");
    p.abort();
    CHECK(p.next() == "RA seq=5001 ack=1001");
}

TEST_CASE("A closed window: our ACK stands at its edge, not behind the refused probe",
          "[conformance][RFC9293-3.10.7.4-1e]")
{
    peer p;
    close_the_peers_window(p);
    p.write(100);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1");
    p.send("A seq=1101 ack=5001 len=10 win=0");  // behind a hole: answered at once
    CHECK(p.next() == "A seq=5001 ack=1001 len=0");
}

TEST_CASE("A closed window: an orphan ends some day, though its probes are answered", "[conformance][MUST-37]")
{
    peer p;
    close_the_peers_window(p);
    p.write(100);
    p.close();
    for (int minutes = 0; minutes < 60 && !p.connections().empty(); ++minutes) {
        p.wait(60_s);
        p.forget();
        p.send("A seq=1001 ack=5001 win=0");
        p.forget();
    }
    CHECK(p.connections().empty());
}
