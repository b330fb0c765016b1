// RST: who accepts one, who answers with one (RFC 9293 3.5.2, 3.5.3, 3.10.7.1, 3.10.7.4 step 2; RFC 5961 3, 4), and
// abort.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

// --- acceptance, 3.10.7.4 step 2 -------------------------------------------------------------------------------------

TEST_CASE("ESTABLISHED: an RST exactly at RCV.NXT resets, without an answer", "[conformance][RFC5961-3.2b][MUST-12]")
{
    peer p;
    p.in_established();
    p.send("R seq=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"connection reset by peer"});
    CHECK(p.read_error() == "connection reset by peer");
    CHECK((p.write_error() == errc::connection_reset || p.write_error() == errc::broken_pipe));
}

TEST_CASE("ESTABLISHED: an RST in the window but not exact gets a challenge ACK", "[conformance][RFC5961-3.2c]")
{
    const std::string seq = GENERATE(as<std::string>{}, "1002", "5000", "11000");
    peer p;
    p.in_established();
    p.send("R seq=" + seq);
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("ESTABLISHED: an RST outside the window is dropped in silence",
          "[conformance][RFC5961-3.2a][RFC9293-3.10.7.4-2a]")
{
    const std::string seq = GENERATE(as<std::string>{}, "11001", "1000", "3000000000");
    peer p;
    p.in_established();
    p.send("R seq=" + seq);
    p.send("RA ack=5001 seq=" + seq);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A valid RST with data resets, and its data is ignored", "[conformance][SHLD-2]")
{
    peer p;
    p.in_established();
    p.send("RA seq=1001 ack=5001 len=20");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.read() == 0);
    CHECK(p.error() == std::string{"connection reset by peer"});
}

TEST_CASE("Every synchronized state but TIME-WAIT: an exact RST closes",
          "[conformance][RFC9293-3.10.7.4-2d][RFC9293-3.10.7.4-2e][RFC9293-3.10.7.4-2f]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("R seq=" + p.rcv_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.connections().empty());
    p.wait(300_s);
    CHECK(p.next() == "-");
}

TEST_CASE("Every synchronized state: an inexact RST in the window is challenged and changes nothing",
          "[conformance][RFC5961-3.2c]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("R seq=" + p.rcv_nxt(1));
    CHECK(p.next() == "A ack=" + p.rcv_nxt() + " seq=" + p.snd_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("Every synchronized state: an RST left of the window is dropped in silence", "[conformance][RFC5961-3.2a]")
{
    const std::string state = GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                       "CLOSING", "LAST-ACK", "TIME-WAIT");
    INFO(state);
    peer p;
    p.in(state);
    p.send("R seq=" + p.rcv_nxt(-1));
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("SYN-RECEIVED after LISTEN: an exact RST frees the record and tells nobody",
          "[conformance][MUST-11][RFC9293-3.10.7.4-2b]")
{
    peer p;
    p.in_syn_received();
    p.send("R seq=1001");
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
    CHECK(!p.accept());
    p.wait(100_s);
    CHECK(p.next() == "-");
    p.send("S seq=2000");  // the listener lives
    CHECK(p.next() == "SA ack=2001");
}

TEST_CASE("SYN-RECEIVED: an inexact RST in the window is challenged", "[conformance][RFC5961-3.2c]")
{
    peer p;
    p.in_syn_received();
    p.send("R seq=1002");
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
}

// --- SYN in a synchronized state, RFC 5961 4 -------------------------------------------------------------------------

TEST_CASE("ESTABLISHED: a SYN, wherever it lies, gets a challenge ACK",
          "[conformance][RFC5961-4.2a][RFC9293-3.10.7.4-4b]")
{
    const std::string syn = GENERATE(as<std::string>{}, "S seq=1001", "S seq=90000", "SA seq=1000 ack=5001",
                                     "S seq=1000", "SA seq=5000 ack=777");
    INFO(syn);
    peer p;
    p.in_established();
    p.send(syn);
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=5001 len=100");
    CHECK(p.next() == "A seq=5001 ack=1101");
    CHECK(p.read() == 100);
}

TEST_CASE("Other synchronized states: a SYN gets a challenge ACK", "[conformance][RFC5961-4.2a]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("S seq=" + p.rcv_nxt(100));
    CHECK(p.next() == "A ack=" + p.rcv_nxt() + " seq=" + p.snd_nxt());
    CHECK(p.state() == state);
}

TEST_CASE("Challenge ACKs are limited to ten in five seconds, and come again later", "[conformance][RFC5961-7a]")
{
    peer p;
    p.in_established();
    for (int i = 0; i < 50; ++i) {
        p.send("S seq=1001");
        p.wait(20_ms);
    }
    const std::size_t sent = p.forget();
    CHECK(sent >= 1);
    CHECK(sent <= 10);
    p.wait(10_s);
    p.send("S seq=1001");
    CHECK(p.next() == "A seq=5001 ack=1001");
}

TEST_CASE("The limit of challenge ACKs can be set", "[conformance][RFC5961-7b]")
{
    peer p{with([](auto& c) { c.tcp.challenge_acks = 3; })};
    p.in_established();
    for (int i = 0; i < 50; ++i) {
        p.send("R seq=1002");
    }
    CHECK(p.forget() == 3);
}

TEST_CASE("A peer that has restarted ends the old connection by its RST to the challenge ACK",
          "[conformance][RFC5961-4.2b]")
{
    peer p;
    p.in_established();
    p.send("S seq=70000");
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.send("R seq=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
}

// --- generation, 3.10.7.1 and 3.10.7.2 -------------------------------------------------------------------------------

TEST_CASE("CLOSED: whatever comes without ACK is answered by RST,ACK of SEQ 0", "[conformance][RFC9293-3.10.7.1b]")
{
    struct row {
        const char* segment;
        const char* answer;
    };
    const row r = GENERATE(row{"S seq=1000", "RA seq=0 ack=1001"}, row{"S seq=1000 len=5", "RA seq=0 ack=1006"},
                           row{"SF seq=1000", "RA seq=0 ack=1002"}, row{"F seq=1000", "RA seq=0 ack=1001"},
                           row{". seq=1000 len=3", "RA seq=0 ack=1003"}, row{"S seq=0xFFFFFFFF", "RA seq=0 ack=0"});
    INFO(r.segment);
    peer p;
    p.check_payload = false;
    p.send(r.segment);
    CHECK(p.next() == r.answer);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("CLOSED: whatever comes with ACK is answered by RST at SEG.ACK, without ACK",
          "[conformance][RFC9293-3.10.7.1c]")
{
    const std::string segment = GENERATE(as<std::string>{}, "A seq=1000 ack=777", "SA seq=1000 ack=777",
                                         "FA seq=1000 ack=777", "A seq=1000 ack=777 len=10");
    INFO(segment);
    peer p;
    p.send(segment);
    CHECK(p.next() == "R seq=777");
    CHECK(p.next() == "-");
}

TEST_CASE("CLOSED and LISTEN: an RST is never answered", "[conformance][RFC9293-3.10.7.1a][RFC9293-3.10.7.2a]")
{
    const std::string segment =
        GENERATE(as<std::string>{}, "R seq=1000", "RA seq=1000 ack=777", "SR seq=1000", "SRA seq=1000 ack=777");
    const bool listening = GENERATE(false, true);
    peer p;
    if (listening) {
        p.listen();
    }
    p.send(segment);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("LISTEN: an ACK is answered by RST at SEG.ACK, and the listener lives", "[conformance][RFC9293-3.10.7.2b]")
{
    const std::string segment =
        GENERATE(as<std::string>{}, "SA seq=1 ack=777", "A seq=1 ack=777", "FA seq=1 ack=777 len=4");
    INFO(segment);
    peer p;
    p.listen();
    p.send(segment);
    CHECK(p.next() == "R seq=777");
    p.send("S seq=1000");
    CHECK(p.next() == "SA ack=1001");
}

TEST_CASE("LISTEN: a segment with neither RST, ACK nor SYN is dropped",
          "[conformance][RFC9293-3.10.7.2e][RFC9293-3.10.7.4-8f]")
{
    const std::string segment = GENERATE(as<std::string>{}, "F seq=1000", ". seq=1000 len=5", ". seq=1000");
    INFO(segment);
    peer p;
    p.listen();
    p.send(segment);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("In a synchronized state an unacceptable segment gets an ACK, never an RST", "[conformance][RFC9293-3.5.2a]")
{
    const std::string state = GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                       "CLOSING", "LAST-ACK", "TIME-WAIT");
    const std::string segment = GENERATE(as<std::string>{}, "A seq=900000 len=10 ack=5001", "SA seq=900000 ack=5001",
                                         "FA seq=900000 ack=5001", "A seq=500 len=10 ack=5001",
                                         "A seq=1002 ack=900000", ". seq=900000 len=1");
    INFO(state << ": " << segment);
    peer p;
    p.in(state);
    p.send(segment);
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        CHECK((seen.header.flags & tcp_flag::rst) == 0);
        CHECK((seen.header.flags & tcp_flag::ack) != 0);
    }
    CHECK(p.state() == state);
}

TEST_CASE("A segment to a port where nobody listens gets no ICMP but RST", "[conformance][RFC9293-3.5.2a]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 to=8");
    CHECK(p.next() == "RA seq=0 ack=1001");
    CHECK(p.next() == "-");
}

// --- abort, 3.10.5 ---------------------------------------------------------------------------------------------------

TEST_CASE("abort() in a connected state sends one RST at SND.NXT and forgets the connection",
          "[conformance][RFC9293-3.10.5a]")
{
    const std::string state = GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT");
    INFO(state);
    peer p;
    p.in(state);
    const std::string seq = p.snd_nxt();
    p.abort();
    const packet rst = p.next();
    CHECK((rst == "R seq=" + seq || rst == "RA seq=" + seq));
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
    p.wait(100_s);
    CHECK(p.next() == "-");
}

TEST_CASE("abort() in CLOSING, LAST-ACK or TIME-WAIT sends nothing", "[conformance][RFC9293-3.10.5b]")
{
    const std::string state = GENERATE(as<std::string>{}, "CLOSING", "LAST-ACK", "TIME-WAIT");
    INFO(state);
    peer p;
    p.in(state);
    p.abort();
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("abort() in SYN-SENT sends nothing", "[conformance][RFC9293-3.10.5a]")
{
    peer p;
    p.in_syn_sent();
    p.abort();
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
    p.wait(100_s);
    CHECK(p.next() == "-");
}

TEST_CASE("abort() with octets in flight resets at SND.NXT and sends no more data", "[conformance][RFC9293-3.10.5a]")
{
    peer p;
    p.in_established();
    p.write(20'000);
    CHECK(p.forget() == 10);
    p.abort();
    const packet rst = p.next();
    CHECK(rst == "R seq=15001 | RA seq=15001");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=15001");
    CHECK(p.next() == "R seq=15001");  // as in CLOSED
}

TEST_CASE("RST: its own sequence number must be RCV.NXT, text that reaches up to it does not help",
          "[conformance][RFC5961-3.2c]")
{
    peer p;
    p.in_established();
    for (const char* forged : {"RA seq=1000 ack=5001 len=10", "RA seq=1 ack=5001 len=1010", "R seq=900 len=200"}) {
        p.send(forged);
        CHECK(p.next() == "A seq=5001 ack=1001");
        CHECK(p.state() == "ESTABLISHED");
    }
    CHECK(p.dropped(drop_reason::tcp_bad_rst) == 3);
}

TEST_CASE("SYN: on a synchronized connection it is challenged wherever it lies, with text or without",
          "[conformance][RFC5961-4.2a][RFC9293-3.10.7.4-4b]")
{
    peer p;
    p.in_established();
    for (const char* forged : {"SA seq=1000 ack=5001 len=10", "S seq=900 len=200", "SA seq=1001 ack=5001",
                               "SAF seq=2000 ack=5001", "S seq=90000"}) {
        p.send(forged);
        CHECK(p.next() == "A seq=5001 ack=1001");
        CHECK(p.next() == "-");
        CHECK(p.state() == "ESTABLISHED");
        CHECK(p.read() == 0);
    }
    CHECK(p.dropped(drop_reason::tcp_unexpected_syn) == 5);
}
