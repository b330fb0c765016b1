// Explicit congestion notification (RFC 3168): who agrees to it, which packets may be marked, and what a mark does.
#include "support/peer.hpp"

#include "catch.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"

using namespace tcpco_test;

namespace {

struct dctcp_policies : conformance_policies {
    using congestion = tcpco::congestion::dctcp;
};

// A stack which asks for ECN in its own SYNs.
stack_config<conformance_policies> asking()
{
    return with([](auto& c) { c.tcp.ecn = ecn_use::request; });
}

// ACKs are delayed from the first segment on.
template <class Bundle = conformance_policies>
stack_config<Bundle> delaying()
{
    return with<Bundle>([](auto& c) { c.ack.quick_segments = 0; });
}

// Established with ECN, the peer having asked: text of 1000 octets a segment.
template <class Peer>
void agree(Peer& p)
{
    p.listen();
    p.send("SEW seq=1000 mss=1000");
    REQUIRE(p.next() == "SAE seq=5000 ack=1001 ecn=0");
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.mark();
}

}  // namespace

TEST_CASE("ECN: a SYN that asks is answered with ECE alone, any other without",
          "[conformance][RFC3168-6.1.1a][RFC3168-6.1.1b][RFC3168-6.1.1g][RFC3168-6.1.1h]")
{
    peer p;
    p.listen();
    p.send("SEW seq=1000 mss=1000");
    CHECK(p.next() == "SAE seq=5000 ack=1001 ecn=0");
    for (const char* other : {"S seq=1000 mss=1000", "SE seq=1000 mss=1000", "SW seq=1000 mss=1000"}) {
        ++p.peer_port;
        p.send(other);
        CHECK(p.next() == "SA ack=1001 ecn=0");
    }
}

TEST_CASE("ECN: switched off it is not agreed to, whoever asks", "[conformance][RFC3168-6.1.1f]")
{
    peer p{with([](auto& c) { c.tcp.ecn = ecn_use::off; })};
    p.listen();
    p.send("SEW seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001 ecn=0");
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=0");
    p.send("A seq=1001 ack=6001 len=10 ecn=3");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1011");
    CHECK_FALSE(p.info().ecn);
}

TEST_CASE("ECN: by default our own SYNs do not ask, set to request they do", "[conformance][RFC3168-6.1.1f]")
{
    peer usual;
    CHECK(usual.in_syn_sent() == "S seq=5000 ecn=0");
    peer asks{asking()};
    asks.connect();
    CHECK(asks.next() == "SEW seq=5000 ecn=0");
}

TEST_CASE("ECN: the SYN,ACK decides: ECE alone agrees, none, both or CWR alone do not",
          "[conformance][RFC3168-6.1.1a][RFC3168-6.1.1c][RFC3168-6.1.1g]")
{
    const std::string answer = GENERATE("SAE", "SA", "SAEW", "SAW");
    peer p{asking()};
    p.connect();
    REQUIRE(p.next() == "SEW seq=5000");
    p.send(answer + " seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A seq=5001 ack=1001 ecn=0");
    p.write(1'000);
    CHECK(p.next() == (answer == "SAE" ? "A seq=5001 len=1000 ecn=2" : "A seq=5001 len=1000 ecn=0"));
    CHECK(p.info().ecn == (answer == "SAE"));
}

TEST_CASE("ECN: an answer with ECE to a SYN that did not ask agrees to nothing", "[conformance][RFC3168-6.1.1c]")
{
    peer p;
    p.in_syn_sent();
    p.send("SAE seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=0");
}

TEST_CASE("ECN: a SYN that is repeated does not ask again, and then nothing is agreed",
          "[conformance][RFC3168-6.1.1.1a][RFC3168-6.1.1c]")
{
    peer p{asking()};
    p.connect();
    REQUIRE(p.next() == "SEW seq=5000");
    p.wait(1_s);
    CHECK(p.next() == "S seq=5000 t=1");
    p.send("SAE seq=1000 ack=5001 mss=1000");  // to the first one, late
    CHECK(p.next() == "A seq=5001 ack=1001");
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=0");
}

TEST_CASE("ECN: who has sent both kinds of SYN echoes marks, and sends none that could be marked",
          "[conformance][RFC3168-6.1.1c][RFC3168-6.1.1e]")
{
    peer p{asking()};
    p.connect();
    REQUIRE(p.next() == "SEW seq=5000");
    p.wait(1_s);
    REQUIRE(p.next() == "S seq=5000");
    p.send("SAE seq=1000 ack=5001 mss=1000");
    p.forget();
    p.send("A seq=1001 ack=5001 len=100 ecn=3");
    CHECK(p.next() == "AE seq=5001 ack=1101");
    p.write(100);
    CHECK(p.next() == "AE seq=5001 len=100 ecn=0");
}

TEST_CASE("ECN: a SYN that comes again without asking agrees to nothing any more",
          "[conformance][RFC3168-6.1.1b][RFC3168-6.1.1c]")
{
    peer p;
    p.listen();
    p.send("SEW seq=1000 mss=1000");
    REQUIRE(p.next() == "SAE seq=5000 ack=1001");
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.write(100);
    CHECK(p.next() == "A seq=5001 len=100 ecn=0");
}

TEST_CASE("ECN: new data is ECT(0), nothing else is: no ACK, no retransmission, no probe, no FIN",
          "[conformance][RFC3168-5a][RFC3168-5.2a][RFC3168-6.1.5a][RFC3168-6.1.6a]")
{
    peer p{delaying()};
    agree(p);
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=0");  // again
    p.send("A seq=1001 ack=6001 len=10 win=0");
    p.write(500);
    p.wait(10_s);
    p.forget();
    p.wait(120_s);
    const packet probe = p.next();
    CHECK(probe == "A seq=6001 len=1 ecn=0");
    CHECK_FALSE(probe.header.has(tcp_flag::cwr));
    p.forget();
    p.send("A seq=1011 ack=6002 len=10 win=5000");
    CHECK(p.next() == "AW seq=6002 ack=1021 len=499 ecn=2");
    p.send("A seq=1021 ack=6501 len=10 win=5000");
    p.wait(1_s);
    CHECK(p.next() == "A seq=6501 ack=1031 ecn=0");
    p.shutdown();
    CHECK(p.next() == "FA seq=6501 ecn=0");
}

TEST_CASE("ECN: three recoveries in a row without a sign of ECT, and new data goes without, but marks are still echoed",
          "[conformance]")
{
    const bool arrives = GENERATE(false, true);  // one in between does
    peer p{delaying()};
    agree(p);
    std::uint32_t at = 5001;
    for (int i = 0; i < 3; ++i) {
        CAPTURE(i);
        p.write(1'000);
        const char* flags = i == 0 || (i == 2 && arrives) ? "A" : "AW";  // CWR, once after each recovery
        CHECK(p.next() == flags + std::string{" len=1000 ecn=2 seq="} + std::to_string(at));
        int seconds = 0;
        for (packet again = p.next(); ++seconds < 100; again = p.next()) {
            if (again != "-") {
                CHECK(again == "A len=1000 ecn=0 seq=" + std::to_string(at));
                break;
            }
            p.wait(1_s);
        }
        CHECK(seconds < 100);
        at += 1'000;
        p.send("A seq=1001 ack=" + std::to_string(at));
        if (i == 1 && arrives) {
            p.write(1'000);
            CHECK(p.next() == "AW len=1000 ecn=2 seq=" + std::to_string(at));
            at += 1'000;
            p.send("A seq=1001 ack=" + std::to_string(at));
        }
    }
    p.write(1'000);
    CHECK(p.next() == (arrives ? "AW ecn=2 len=1000" : "A ecn=0 len=1000"));
    p.send("A seq=1001 ack=" + std::to_string(at + 1'000) + " len=10 ecn=3");
    p.wait(1_s);
    CHECK(p.last() == "AE ack=1011");
}

TEST_CASE("ECN: an outage of many timeouts is one recovery", "[conformance]")
{
    peer p{delaying()};
    agree(p);
    p.write(1'000);
    p.wait(60_s);
    CHECK(p.info().timeouts >= 4);
    p.forget();
    p.send("A seq=1001 ack=6001");
    p.write(1'000);
    CHECK(p.next() == "AW seq=6001 len=1000 ecn=2");
}

TEST_CASE("ECN: after a mark every ACK has ECE until CWR comes, and a mark with the CWR begins anew",
          "[conformance][RFC3168-6.1.1e][RFC3168-6.1.3a]")
{
    peer p{delaying()};
    agree(p);
    p.send("A seq=1001 ack=5001 len=1000 ecn=2");
    p.send("A seq=2001 ack=5001 len=1000 ecn=2");
    CHECK(p.next() == "A ack=3001");
    p.send("A seq=3001 ack=5001 len=1000 ecn=3");
    p.send("A seq=4001 ack=5001 len=1000 ecn=2");
    p.wait(1_s);
    CHECK(p.last() == "AE ack=5001");
    p.write(100);
    CHECK(p.next() == "AE len=100");
    p.send("A seq=5001 ack=5101 len=10 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "AE ack=5011");
    p.send("AW seq=5011 ack=5101 len=10 ecn=3");
    p.wait(1_s);
    CHECK(p.next() == "AE ack=5021");
    p.send("AW seq=5021 ack=5101 len=10 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "A ack=5031");
    CHECK(p.info().marks_received == 2);
}

TEST_CASE("ECN: the ACK of a marked segment has ECE though CWR came before it left", "[conformance][RFC3168-6.1.3b]")
{
    peer p{delaying()};
    agree(p);
    p.send_together({"A seq=1001 ack=5001 len=100 ecn=3", "AW seq=1101 ack=5001 len=100 ecn=2"});
    p.wait(1_s);
    CHECK(p.last() == "AE ack=1201");
    p.send("A seq=1201 ack=5001 len=100 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1301");
}

TEST_CASE("ECN: marks on pure ACKs and outside the window mean nothing", "[conformance][RFC3168-6.1.5b]")
{
    peer p{delaying()};
    agree(p);
    p.send("A seq=1001 ack=5001 ecn=3");
    p.send("A seq=900 ack=5001 len=50 ecn=3");
    CHECK(p.next() == "A ack=1001");
    p.send("A seq=61001 ack=5001 len=50 ecn=3");
    CHECK(p.next() == "A ack=1001");
    p.send("A seq=1001 ack=5001 len=50 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1051");
    CHECK(p.info().marks_received == 0);
}

TEST_CASE("ECN: an echo halves the window once in a window of data, sends nothing again, and CWR says so once",
          "[conformance][SHLD-8][RFC3168-5b][RFC3168-6.1.2a][RFC3168-6.1.2b][RFC3168-6.1.2c][RFC3168-6.1.2e][RFC3168-6.1.1d]")
{
    peer p{delaying()};
    agree(p);
    p.window = 60'000;
    p.write(30'000);
    CHECK(p.sent_up_to() == 15'001);  // ten segments
    REQUIRE(p.info().cwnd == 10'000);
    p.send("AE seq=1001 ack=6001");
    CHECK(p.info().cwnd == 5'000);
    CHECK(p.info().ssthresh == 5'000);
    CHECK(p.next() == "-");
    p.send("AE seq=1001 ack=7001");  // the same window of data
    p.send("AE seq=1001 ack=9001");
    CHECK(p.info().cwnd == 5'000);
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=11001");
    const packet first = p.next();
    CHECK(first == "AW seq=15001 len=1000 ecn=2");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=12001");
    CHECK(p.next() == "A seq=16001 len=1000 ecn=2");
    const octet_count before = p.info().cwnd;
    p.send("AE seq=1001 ack=16001");  // beyond what was in flight at the last reduction
    CHECK(p.info().cwnd < before);
    CHECK(p.info().retransmissions == 0);
}

TEST_CASE("ECN: a loss and an echo in one window of data are one reduction", "[conformance][RFC3168-6.1.2b]")
{
    peer p{delaying()};
    agree(p);
    p.window = 60'000;
    p.write(30'000);
    p.forget();
    for (int i = 0; i < 3; ++i) {
        p.send("AE seq=1001 ack=5001");
    }
    // The echo came first and halved; the loss that follows lies in the same window.
    const octet_count reduced = p.info().ssthresh;
    CHECK(reduced >= 4'000);
    CHECK(reduced <= 5'000);
}

TEST_CASE("ECN: CWR is not on a retransmission", "[conformance][RFC3168-6.1.2f][RFC3168-6.1.2e]")
{
    peer p{delaying()};
    agree(p);
    p.window = 60'000;
    p.write(30'000);
    p.forget();
    p.wait(1_s);  // the timeout is a reduction as well
    const packet again = p.next();
    CHECK(again == "A seq=5001 len=1000 ecn=0");
    CHECK_FALSE(again.header.has(tcp_flag::cwr));
    p.send("A seq=1001 ack=15001");
    CHECK(p.next() == "AW seq=15001 len=1000 ecn=2");
    CHECK(p.next() == "A seq=16001 len=1000 ecn=2");
}

TEST_CASE("ECN: where the window is one segment, the next one after an echo waits for a retransmission timeout",
          "[conformance][RFC3168-6.1.2d]")
{
    peer p{with([](auto& c) { c.tcp.initial_window_segments = 1; })};
    agree(p);
    p.window = 60'000;
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=1000 ecn=2");
    CHECK(p.next() == "-");
    p.send("AE seq=1001 ack=6001");
    CHECK(p.info().cwnd == 1'000);
    CHECK(p.next() == "-");
    p.wait(999_ms);
    CHECK(p.next() == "-");
    p.wait(1_ms);
    CHECK(p.next() == "AW seq=6001 len=1000 ecn=2");
    p.send("AE seq=1001 ack=7001");
    p.wait(999_ms);
    CHECK(p.next() == "-");
    p.wait(1_ms);
    CHECK(p.next() == "AW seq=7001 len=1000 ecn=2");
    p.send("A seq=1001 ack=8001");
    CHECK(p.next() == "A seq=8001 len=1000");
    CHECK(p.info().timeouts == 0);
}

TEST_CASE("ECN: an echo from a peer with whom nothing was agreed changes nothing", "[conformance][RFC3168-6.1.1c]")
{
    peer p;
    p.in_established();
    p.window = 60'000;
    p.write(10'000);
    p.forget();
    const octet_count before = p.info().cwnd;
    p.send("AE seq=1001 ack=6001");
    CHECK(p.info().cwnd > before);
}

TEST_CASE("ECN: it survives a SYN cookie, by the timestamp", "[conformance][RFC4987-3.6e]")
{
    peer p{with([](auto& c) { c.syn_defence.use = syn::cookies::when::always; })};
    p.listen();
    const bool asked = GENERATE(true, false);
    p.send(std::string{asked ? "SEW" : "S"} + " seq=1000 mss=1000 ts=7/0");
    const packet answer = p.next();
    CHECK(answer.header.has(tcp_flag::ece) == asked);
    p.iss = answer.header.seq;
    const std::string ts = " ts=8/" + std::to_string(answer.options.tsval);
    const std::string ack = std::to_string(answer.seq() + 1);
    p.send("A seq=1001 ack=" + ack + ts);
    REQUIRE(p.accept());
    CHECK(p.info().ecn == asked);
    p.write(100);
    CHECK(p.next() == (asked ? "A len=100 ecn=2" : "A len=100 ecn=0"));
}

TEST_CASE("ECN: simultaneous open agrees when both have asked", "[conformance][RFC3168-6.1.1a][MUST-10]")
{
    peer p{asking()};
    p.connect();
    REQUIRE(p.next() == "SEW seq=5000");
    p.send("SEW seq=1000 mss=1000");
    CHECK(p.next() == "SAE seq=5000 ack=1001");
    p.send("SAE seq=1000 ack=5001 mss=1000");
    p.forget();
    REQUIRE(p.state() == "ESTABLISHED");
    p.write(100);
    CHECK(p.next() == "A seq=5001 len=100 ecn=2");
}

TEST_CASE("DCTCP: every ACK says whether the last segment was marked, at once where that changes",
          "[conformance][RFC8257-3.2a][RFC8257-3.2b]")
{
    peer<dctcp_policies> p{delaying<dctcp_policies>()};
    agree(p);
    p.send("A seq=1001 ack=5001 len=100 ecn=2");
    CHECK(p.next() == "-");
    p.send("A seq=1101 ack=5001 len=100 ecn=3");
    CHECK(p.next() == "AE ack=1201");
    p.send("A seq=1201 ack=5001 len=100 ecn=3");
    CHECK(p.next() == "-");
    p.send("A seq=1301 ack=5001 len=100 ecn=2");
    CHECK(p.next() == "A ack=1401");
}
