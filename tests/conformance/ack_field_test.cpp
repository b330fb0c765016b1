// The ACK field of an arriving segment (RFC 9293 3.10.7.4 step 5, RFC 5961 5).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

TEST_CASE("ESTABLISHED: an ACK of what was never sent is answered by an ACK, and the segment is dropped",
          "[conformance][RFC9293-3.10.7.4-5f]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5002 len=10");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Every state after ESTABLISHED: an ACK of what was never sent is answered by an ACK",
          "[conformance][RFC9293-3.10.7.4-5f]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("A seq=" + p.rcv_nxt() + " ack=" + p.snd_nxt(1));
    CHECK(p.next() == "A seq=" + p.snd_nxt() + " ack=" + p.rcv_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("An ACK older than the largest window that the peer ever had is answered by an ACK, its data dropped",
          "[conformance][MAY-12][RFC5961-5.2a][RFC5961-5.2b]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 len=10 ack=" + std::to_string(static_cast<std::uint32_t>(5'001 - 65'535 - 1)));
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.read() == 0);
}

TEST_CASE("An old ACK within the largest window of the peer is ignored, its data taken",
          "[conformance][MAY-12][RFC9293-3.10.7.4-5e]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 len=10 ack=" + std::to_string(static_cast<std::uint32_t>(5'001 - 65'535)));
    CHECK(p.next() == "A seq=5001 ack=1011");
    CHECK(p.read() == 10);
}

TEST_CASE("SYN-RECEIVED: an unacceptable ACK is answered by RST at SEG.ACK, and the handshake can still end",
          "[conformance][RFC9293-3.10.7.4-5c]")
{
    peer p;
    p.in_syn_received();
    p.send("A seq=1001 ack=5000");
    CHECK(p.next() == "R seq=5000");
    p.send("A seq=1001 ack=5002");
    CHECK(p.next() == "R seq=5002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-RECEIVED");
    p.send("A seq=1001 ack=5001");
    CHECK(p.next() == "-");
    CHECK(p.accept());
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Without the ACK bit a segment is dropped in every state", "[conformance][RFC9293-3.10.7.4-5a]")
{
    const std::string state = GENERATE(as<std::string>{}, "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
                                       "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT");
    const std::string flags = GENERATE(as<std::string>{}, ".", "F", "P");
    INFO(state << ' ' << flags);
    peer p;
    p.in(state);
    p.send(flags + " len=10 seq=" + p.rcv_nxt());
    CHECK(p.next() == "-");
    CHECK(p.state() == state);
}

TEST_CASE("ESTABLISHED: an acceptable ACK frees what it covers and tells the writer",
          "[conformance][RFC9293-3.10.7.4-5d]")
{
    peer p;
    p.in_established();
    p.write(3'000);
    CHECK(p.forget() == 3);
    CHECK((p.stack.readiness_of(p.id) & readiness::flushed) == 0);
    p.send("A seq=1001 ack=6501");
    CHECK(p.info().unacked == 1'500);
    CHECK(p.info().send_queued == 1'500);
    p.send("A seq=1001 ack=8001");
    CHECK(p.info().unacked == 0);
    CHECK((p.stack.readiness_of(p.id) & readiness::flushed) != 0);
    p.wait(10_s);
    CHECK(p.next() == "-");
}

TEST_CASE("An ACK in a segment outside the window is not used", "[conformance][RFC9293-3.10.7.4-1e]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.send("A seq=20000 ack=6001");
    CHECK(p.next() == "A seq=6001 ack=1001");
    CHECK(p.info().unacked == 1'000);
}

TEST_CASE("A segment outside the window is answered by one ACK", "[conformance][RFC9293-3.10.7.4-1e]")
{
    const std::string segment =
        GENERATE(as<std::string>{}, "A seq=11001 ack=5001 len=10", "A seq=11001 ack=5001", "A seq=900 ack=5001 len=100",
                 "A seq=1000 ack=5001", "FA seq=11001 ack=5001", "A seq=500 ack=5001 len=200");
    INFO(segment);
    peer p;
    p.in_established();
    p.send(segment);
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
}

TEST_CASE("The edges of the window: the first and the last octet are inside",
          "[conformance][RFC9293-3.10.7.4-1a][RFC9293-3.10.7.4-1f]")
{
    peer p;
    p.in_established();
    SECTION("the last octet is kept, what lies beyond is cut")
    {
        p.send("A seq=11000 ack=5001 len=10");
        CHECK(p.next() == "A seq=5001 ack=1001");
        CHECK(p.info().out_of_order == 1);
    }
    SECTION("an overlapping segment gives its new part only")
    {
        p.send("A seq=991 ack=5001 len=20");
        CHECK(p.next() == "A seq=5001 ack=1011");
        CHECK(p.read() == 10);
    }
    SECTION("a segment larger than the window fills it")
    {
        for (int i = 0; i < 9; ++i) {
            p.send("A ack=5001 len=1000 seq=" + std::to_string(1'001 + i * 1'000));
        }
        p.forget();
        p.send("A seq=10001 ack=5001 len=1400");
        CHECK(p.next() == "A ack=11001 win=0");
        CHECK(p.read() == 10'000);
    }
}

TEST_CASE("SYN-RECEIVED: the ACK of our SYN brings its window and enters ESTABLISHED",
          "[conformance][RFC9293-3.10.7.4-5b]")
{
    peer p;
    p.in_syn_received();
    CHECK(!p.accept());
    p.send("A seq=1001 ack=5001 win=3000");
    CHECK(p.accept());
    CHECK(p.info().snd_wnd == 3'000);
}

TEST_CASE("FIN-WAIT-1: an ACK of data but not of the FIN stays, one of the FIN enters FIN-WAIT-2",
          "[conformance][RFC9293-3.10.7.4-5h]")
{
    peer p;
    p.in_established();
    p.write(100);
    p.shutdown();
    CHECK(p.next() == "FA seq=5001 ack=1001 len=100");
    p.send("A seq=1001 ack=5101");
    CHECK(p.state() == "FIN-WAIT-1");
    p.send("A seq=1001 ack=5102");
    CHECK(p.state() == "FIN-WAIT-2");
    CHECK(p.next() == "-");
}

TEST_CASE("A FIN that waits behind unsent data cannot be acknowledged yet", "[conformance][RFC9293-3.10.7.4-5h]")
{
    peer p;
    p.in_established();
    p.write(30'000);  // beyond cwnd
    p.shutdown();
    CHECK(p.forget() == 10);
    CHECK(p.state() == "FIN-WAIT-1");
    p.send("A seq=1001 ack=15001");
    CHECK(p.state() == "FIN-WAIT-1");
    CHECK(p.info().unacked > 0);
}

TEST_CASE("CLOSING: the ACK of our FIN enters TIME-WAIT, another one does not", "[conformance][RFC9293-3.10.7.4-5j]")
{
    peer p;
    p.in_closing();
    p.send("A seq=1002 ack=5001");
    CHECK(p.state() == "CLOSING");
    p.send("A seq=1002 ack=5002");
    CHECK(p.state() == "TIME-WAIT");
    CHECK(p.next() == "-");
}

TEST_CASE("LAST-ACK: the ACK of our FIN ends the connection, another one does not",
          "[conformance][RFC9293-3.10.7.4-5k]")
{
    peer p;
    p.in_last_ack();
    p.send("A seq=1002 ack=5001");
    CHECK(p.state() == "LAST-ACK");
    p.send("A seq=1002 ack=5002");
    CHECK(p.state() == "CLOSED");
    CHECK(p.next() == "-");
    CHECK(p.error() == std::string{"success"});
}

TEST_CASE("Two ends in agreement do not answer the pure ACKs of each other", "[conformance][RFC5681-4.2e]")
{
    const std::string state =
        GENERATE(as<std::string>{}, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p;
    p.in(state);
    p.send("A ack=5001 seq=" + p.rcv_nxt());
    p.send("A ack=5001 win=1234 seq=" + p.rcv_nxt());
    CHECK(p.next() == "-");
}

TEST_CASE("Empty segments outside the window are answered within the limit only: two ends that disagree fall silent",
          "[conformance][RFC5961-7b]")
{
    peer p;
    p.in_established();
    int answers = 0;
    for (int i = 0; i < 1'000; ++i) {
        p.send("A seq=90000 ack=5001");
        answers += p.next() == "-" ? 0 : 1;
    }
    CHECK(answers == 10);
    p.send("A seq=500 ack=5001 len=100");  // a retransmission has to learn where we are
    CHECK(p.next() == "A seq=5001 ack=1001");
}
