// RFC 9768: accurate ECN feedback. The three flags are said as one number, ace=N.
#include <string>

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

stack_config<conformance_policies> using_ecn(ecn_use use)
{
    return with([use](auto& c) {
        c.tcp.ecn = use;
        c.ack.quick_segments = 0;  // ACKs are delayed from the first segment on
    });
}
const auto accepting = using_ecn(ecn_use::accept_accurate);
const auto asking = using_ecn(ecn_use::request_accurate);

std::string number(unsigned n) { return std::to_string(n); }

// How a SYN,ACK, and the ACK of one, say a code point: Not-ECT, ECT(1), ECT(0), CE.
unsigned handshake(unsigned codepoint)
{
    constexpr unsigned says[] = {2, 3, 4, 6};
    return says[codepoint];
}

// Established, the peer having asked: text of 1000 octets a segment.
void agree(peer<>& p, const std::string& syn_options = "", const std::string& ack = "acc=0:1,0,1")
{
    p.listen();
    p.send("S ace=7 seq=1000 mss=1000 " + syn_options);
    REQUIRE(p.next() == "SA ace=2 seq=5000 ack=1001 ecn=0 acc=0:1,0,1");
    p.send("A ace=2 seq=1001 ack=5001 " + ack);
    REQUIRE(p.accept());
    REQUIRE(p.info().accurate_ecn);
    p.mark();
}

// The same with `segments` of 1000 octets in flight.
void agree_and_send(peer<>& p, unsigned segments, const std::string& syn_options = "",
                    const std::string& ack = "acc=0:1,0,1")
{
    p.window = 60'000;
    agree(p, syn_options, ack);
    p.write(segments * 1'000);
    REQUIRE(p.waiting() == std::min(segments, 10U));
    p.forget();
    p.mark();
}

}  // namespace

TEST_CASE("AccECN: a SYN is answered by what it asks for, and by how it arrived",
          "[conformance][RFC9768-3.1.1b][RFC9768-3.1.2b][RFC9768-3.1.3a][RFC9768-3.1.3d][RFC9768-3.1.5p]")
{
    for (unsigned flags = 0; flags < 8; ++flags) {
        for (unsigned codepoint = 0; codepoint < 4; ++codepoint) {
            peer p{accepting};
            p.listen();
            p.send("S seq=1000 mss=1000 ace=" + number(flags) + " ecn=" + number(codepoint));
            const unsigned expected = flags == 0 ? 0 : flags == 3 ? 1 : handshake(codepoint);
            CHECK(p.next() == "SA seq=5000 ack=1001 ecn=0 ace=" + number(expected));
            p.send("A seq=1001 ack=5001 ace=" + number(flags == 0 || flags == 3 ? 0 : 2));
            REQUIRE(p.accept());
            CHECK(p.info().accurate_ecn == (flags != 0 && flags != 3));
            CHECK(p.info().ecn == (flags != 0));
            p.write(100);
            CHECK(p.next().octets[1] == std::byte{flags == 0 ? std::uint8_t{0} : std::uint8_t{2}});
        }
    }
}

TEST_CASE("AccECN: who does without it answers a SYN that asks for it by RFC 3168, or not at all",
          "[conformance][RFC9768-3.1.5n][RFC9768-3.1.5l]")
{
    peer classic{using_ecn(ecn_use::accept)};
    classic.listen();
    classic.send("S ace=7 seq=1000 mss=1000");
    CHECK(classic.next() == "SA ace=1 acc=none");
    peer off{using_ecn(ecn_use::off)};
    off.listen();
    off.send("S ace=7 seq=1000 mss=1000");
    CHECK(off.next() == "SA ace=0 acc=none");
    off.send("A seq=1001 ack=5001");
    REQUIRE(off.accept());
    off.write(100);
    CHECK(off.next() == "A len=100 ecn=0");
}

TEST_CASE("AccECN: our SYN has all three flags and no option, and the SYN,ACK decides",
          "[conformance][RFC9768-3.1.1a][RFC9768-3.1.1c][RFC9768-3.1.2a][RFC9768-3.1.2c][RFC9768-3.1.3b]"
          "[RFC9768-3.1.3c][RFC9768-3.2.2.3a][RFC9768-3.2.3.2.1a][RFC9768-3.1.5f]")
{
    for (unsigned flags = 0; flags < 8; ++flags) {
        CAPTURE(flags);
        peer p{asking};
        p.window = 60'000;
        p.connect();
        REQUIRE(p.next() == "S seq=5000 ace=7 acc=none ecn=0");
        p.send("SA seq=1000 ack=5001 mss=1000 ace=" + number(flags));
        const bool accurate = flags >= 2 && flags != 7;
        CHECK(p.next() == std::string{"A seq=5001 ack=1001 ecn=0 ace="} + (accurate ? "2" : "0"));
        CHECK(p.info().accurate_ecn == accurate);
        CHECK(p.info().ecn == (accurate || flags == 1));
        CHECK(p.info().cwnd == (flags == 6 ? 5'000 : 10'000));  // CE on our SYN is congestion, whoever put it there
        p.write(1'000);
        const bool intact = flags == 1 || flags == 2 || flags == 5;  // our SYN left without ECT
        CHECK(p.next() == std::string{"A seq=5001"} + (accurate ? " len=988 ace=5 acc=0:1,0,1" : " len=1000 acc=none") +
                              (accurate || flags != 1 ? "" : " ace=0") + (intact ? " ecn=2" : " ecn=0"));
    }
}

TEST_CASE("AccECN: a client that did not ask enters no mode, whatever the SYN,ACK says", "[conformance][RFC9768-3.1.1c]")
{
    for (unsigned flags = 0; flags < 8; ++flags) {
        peer p{accepting};
        p.in_syn_sent();
        p.send("SA seq=1000 ack=5001 mss=1000 ace=" + number(flags));
        CHECK(p.next() == "A seq=5001 ack=1001");
        CHECK_FALSE(p.info().ecn);
    }
}

TEST_CASE("AccECN: the ACK of the SYN,ACK says how that came, leaves before any text, and a mark on it counts once",
          "[conformance][RFC9768-3.2.2.1a][RFC9768-3.2.2.1d][RFC9768-3.2.2.1e][RFC9768-3.2.2.2e][RFC9768-3.1.5e]"
          "[RFC9768-3.2.3.2.1c][RFC9768-3.2.3.2.2b][RFC9768-3.1.5k]")
{
    for (unsigned codepoint = 0; codepoint < 4; ++codepoint) {
        peer p{asking};
        p.connect();
        p.write(300);
        REQUIRE(p.next() == "S ace=7");
        p.send("SA seq=1000 ack=5001 mss=1000 ace=2 acc=0:1,0,1 ecn=" + number(codepoint));
        CHECK(p.next() == "A seq=5001 ack=1001 acc=0:1,0,1 ace=" + number(handshake(codepoint)));
        const std::string counter = codepoint == 3 ? "6" : "5";
        CHECK(p.next() == "A seq=5001 len=300 acc=0:1,0,1 ace=" + counter);
        // It comes again, as if our ACK had been lost, and with it the option may be at fault.
        p.send("SA seq=1000 ack=5001 mss=1000 ace=1 ecn=3");
        CHECK(p.next() == "A seq=5301 ack=1001 ace=6 acc=none");
        p.send("SA seq=1000 ack=5001 mss=1000 ace=2");
        CHECK(p.next() == "A seq=5301 ack=1001 ace=2 acc=none");
        p.write(10);
        p.send("A ace=5 seq=1001 ack=5301 len=10 ecn=3");
        CHECK(p.next() == "A seq=5301 ack=1011 len=10 acc=none ace=7");
        CHECK(p.info().accurate_ecn);
    }
}

TEST_CASE("AccECN: the first repeated SYN asks again, later ones do not, and the first SYN,ACK decides",
          "[conformance][RFC9768-3.1.4.1a][RFC9768-3.1.4.1b][RFC9768-3.1.3c][RFC9768-3.1.5b][RFC9768-3.1.2a]")
{
    const unsigned answer = GENERATE(0u, 1u, 2u);
    peer p{asking};
    p.connect();
    REQUIRE(p.next() == "S seq=5000 ace=7");
    p.wait(1_s);
    CHECK(p.next() == "S seq=5000 ace=7 t=1");
    p.wait(2_s);
    CHECK(p.next() == "S seq=5000 ace=0 t=3");
    p.wait(4_s);
    CHECK(p.next() == "S seq=5000 ace=0 t=7");
    p.send("SA seq=1000 ack=5001 mss=1000 ace=" + number(answer));
    p.forget();
    p.write(100);
    // The server is in the mode that its SYN,ACK says; a client may mark after a plain SYN, by RFC 3168 it may not.
    const char* expected[] = {"A len=100 ace=0 ecn=0", "A len=100 ace=0 ecn=0", "A len=100 ace=5 ecn=2"};
    CHECK(p.next() == expected[answer]);
}

TEST_CASE("ECN: where SYNs that ask go unanswered our next ones do not ask, for ten minutes",
          "[conformance][RFC9768-3.1.4.1c]")
{
    const bool accurate = GENERATE(true, false);
    const bool agreed = GENERATE(false, true);  // to the first SYN, which was only late
    const char* asks = accurate ? "S ace=7" : "S ace=3";
    const auto open = [](peer<>& p) {
        p.connect();
        return p.next();
    };
    const auto reset = [](peer<>& p, const packet& syn) {
        p.send("RA seq=1001 ack=" + number(syn.seq() + 1));
        p.forget();
    };
    peer p{accurate ? asking : using_ecn(ecn_use::request)};
    const packet first = open(p);
    CHECK(first == asks);
    p.wait(7_s);
    p.forget();
    p.send("SA seq=1000 ack=" + number(first.seq() + 1) + " mss=1000 ace=" + (agreed ? "1" : "0"));
    p.forget();
    reset(p, first);
    const packet second = open(p);
    CHECK(second == (agreed ? asks : "S ace=0"));
    reset(p, second);
    p.wait(590_s);
    const packet third = open(p);
    CHECK(third == (agreed ? asks : "S ace=0"));
    reset(p, third);
    p.wait(10_s);
    CHECK(open(p) == asks);
}

TEST_CASE("AccECN: simultaneous open takes the mode of the SYN that came", "[conformance][RFC9768-3.1.2d][MUST-10]")
{
    peer p{asking};
    p.connect();
    REQUIRE(p.next() == "S seq=5000 ace=7");
    p.send("S seq=1000 mss=1000 ace=7 ecn=1");
    CHECK(p.next() == "SA seq=5000 ack=1001 ace=3");
    p.send("SA seq=1000 ack=5001 mss=1000 ace=6");  // its flags are no counter
    REQUIRE(p.state() == "ESTABLISHED");
    p.forget();
    p.write(100);
    CHECK(p.next() == "A seq=5001 len=100 ecn=2 ace=5");
    CHECK(p.info().marks_reported == 0);
    peer classic{asking};
    classic.connect();
    REQUIRE(classic.next() == "S seq=5000 ace=7");
    classic.send("S seq=1000 mss=1000 ace=3");
    CHECK(classic.next() == "SA seq=5000 ack=1001 ace=1");
}

TEST_CASE("AccECN: a SYN,ACK that is repeated goes without option, and then without flags, but the mode stays",
          "[conformance][RFC9768-3.2.3.2.1b][RFC9768-3.2.3.2.2a][RFC9768-3.1.5i][RFC9768-3.1.5o][RFC9768-3.1.5a]")
{
    const int repetitions = GENERATE(0, 1, 2, 3);
    peer p{accepting};
    p.listen();
    p.send("S ace=7 seq=1000 mss=1000 ts=7/0 ecn=1");
    REQUIRE(p.next() == "SA ace=3 acc=0:1,0,1");
    for (int i = 1; i <= repetitions; ++i) {
        p.wait(duration{1'000'000'000} * (1 << (i - 1)));
        CHECK(p.next() == (i == 1 ? "SA ace=3 acc=none" : "SA ace=0 acc=none"));
    }
    p.send("A ace=2 seq=1001 ack=5001 ts=8/1");
    REQUIRE(p.accept());
    CHECK(p.info().accurate_ecn);
    p.write(100);
    CHECK(p.next() == (repetitions < 2 ? "A len=100 ecn=2 ace=5" : "A len=100 ecn=0 ace=5"));
    p.send("A ace=5 seq=1001 ack=5101 len=100 ecn=3 ts=9/1");
    CHECK(p.next() == std::string{"A ack=1101 ace=6"} + (repetitions == 0 ? " acc=0:1,100" : " acc=none"));
}

TEST_CASE("AccECN: a SYN that comes again is answered again, as it arrived last, and a plain one forbids ECT",
          "[conformance][RFC9768-3.1.5e][RFC9768-3.1.5i][RFC9768-3.1.5j][RFC9768-3.1.5a]")
{
    const bool plain = GENERATE(false, true);
    peer p{accepting};
    p.listen();
    p.send("S ace=7 seq=1000 mss=1000");
    REQUIRE(p.next() == "SA ace=2 acc=0:1,0,1");
    p.send(std::string{"S seq=1000 mss=1000 ecn=1 ace="} + (plain ? "0" : "7"));
    CHECK(p.next() == "SA ace=3 acc=none");
    p.send("A ace=2 seq=1001 ack=5001");
    REQUIRE(p.accept());
    CHECK(p.info().accurate_ecn);
    p.write(100);
    CHECK(p.next() == (plain ? "A len=100 ecn=0 ace=5" : "A len=100 ecn=2 ace=5"));
}

TEST_CASE("AccECN: SYNs that ask for both kinds of feedback are answered with RST",
          "[conformance][RFC9768-3.1.5c][RFC9768-3.1.5b]")
{
    const bool accurate_first = GENERATE(false, true);
    peer p{accepting};
    p.listen();
    p.send(std::string{"S seq=1000 mss=1000 ace="} + (accurate_first ? "7" : "3"));
    REQUIRE(p.next() == (accurate_first ? "SA ace=2" : "SA ace=1"));
    p.send(std::string{"S seq=1000 mss=1000 ace="} + (accurate_first ? "3" : "7"));
    const packet reset = p.next();
    CHECK(reset.header.has(tcp_flag::rst | tcp_flag::ack));
    CHECK(reset.ack() == 1'001);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("AccECN: without ECN it stays so, whatever later SYNs ask for", "[conformance][RFC9768-3.1.5m][RFC9768-3.1.5a]")
{
    const unsigned later = GENERATE(3u, 7u);
    peer p{accepting};
    p.listen();
    p.send("S seq=1000 mss=1000");
    REQUIRE(p.next() == "SA ace=0");
    p.send("S seq=1000 mss=1000 ace=" + number(later));
    CHECK(p.next() == "SA ace=0");
}

TEST_CASE("AccECN: the ACK of our SYN,ACK says how it arrived, and what that means",
          "[conformance][RFC9768-3.2.2.1b][RFC9768-3.2.2.1c][RFC9768-3.2.2.2f][RFC9768-3.2.2.3b][RFC9768-3.2.2.3c]"
          "[RFC9768-3.1.5g]")
{
    for (unsigned ace = 0; ace < 8; ++ace) {
        CAPTURE(ace);
        peer p{accepting};
        p.window = 60'000;
        p.listen();
        p.send("S ace=7 seq=1000 mss=1000");
        REQUIRE(p.next() == "SA ace=2");
        p.send("A seq=1001 ack=5001 ace=" + number(ace));
        REQUIRE(p.accept());
        CHECK(p.info().accurate_ecn);
        CHECK(p.info().cwnd == (ace == 6 ? 5'000 : 10'000));
        CHECK(p.info().marks_reported == (ace == 6 ? 1 : 0));
        p.write(2'000);
        const bool marks = ace == 1 || ace == 2 || ace == 5 || ace == 7;  // else something put a code point there
        CHECK(p.next() == std::string{"A seq=5001 len=1000 ace=5 ecn="} + (marks ? "2" : "0"));
        p.forget();
        const octet_count before = p.info().cwnd;
        p.send(std::string{"A seq=1001 ack=7001 len=100 ecn=3 ace="} + (ace == 6 ? "7" : "6"));  // one more mark
        CHECK((p.info().cwnd < before) == (ace != 0));
        CHECK(p.next() == "A ack=1101 ace=6");  // feedback is given, whatever the other direction does
    }
}

TEST_CASE("AccECN: text may end the handshake, and its flags are the counter", "[conformance][RFC9768-3.2.2.1b][RFC9768-3.2.2a]")
{
    peer p{accepting};
    p.listen();
    p.send("S ace=7 seq=1000 mss=1000");
    REQUIRE(p.next() == "SA ace=2");
    p.send("A ace=6 seq=1001 ack=5001 len=10");  // not CE on the SYN,ACK, which would forbid ECT; one mark
    REQUIRE(p.accept());
    CHECK(p.info().marks_reported == 1);
    p.write(10);
    CHECK(p.next() == "A len=10 ecn=2 ace=5");
}

TEST_CASE("AccECN: each CE packet moves ACE by one, round and round, and options count octets by code point",
          "[conformance][RFC9768-3.2a][RFC9768-3.2b][RFC9768-3.2c][RFC9768-3.2.1a][RFC9768-3.2.2a][RFC9768-3.2.2.2a]"
          "[RFC9768-3.2.3.1a][RFC9768-3.2.3.3a][RFC9768-3.1.5h]")
{
    peer p{accepting};
    agree(p);
    p.send("A ace=5 seq=1001 ack=5001 len=100 ecn=2");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1101 ace=5 acc=0:101");
    p.send("A ace=5 seq=1101 ack=5001 len=100");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1201 ace=5 acc=none");  // nothing has moved
    std::uint32_t seq = 1'201;
    for (unsigned mark = 1; mark <= 20; ++mark) {
        p.send("A ace=5 seq=" + number(seq) + " ack=5001 len=10 ecn=3");
        seq += 10;
        p.wait(1_s);
        CHECK(p.next() == "A ack=" + number(seq) + " ace=" + number((5 + mark) % 8) + " acc=0:101," + number(mark * 10));
    }
    p.send("A ace=5 seq=" + number(seq) + " ack=5001 len=7 ecn=1");
    p.wait(1_s);
    CHECK(p.next() == "A ace=1 ack=" + number(seq + 7) + " acc=0:101,200,8");
    CHECK(p.info().marks_received == 20);
    p.write(100);
    CHECK(p.next() == "A len=100 ecn=2 ace=1 acc=none");
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=100 ecn=0 ace=1");  // repeated, with what is true now
}

TEST_CASE("AccECN: ECT(1) alone is said in the other order", "[conformance][RFC9768-3.2.3a][RFC9768-3.2.3.3c]")
{
    peer p{accepting};
    agree(p);
    p.send("A ace=5 seq=1001 ack=5001 len=100 ecn=1");
    p.wait(1_s);
    CHECK(p.next() == "A ack=1101 ace=5 acc=1:101");
    p.send("A ace=5 seq=1101 ack=5001 len=50 ecn=3");
    CHECK(p.next() == "A ack=1151 ace=6 acc=1:101,50");
}

TEST_CASE("AccECN: only what is acceptable is counted, and a SYN never is",
          "[conformance][RFC9768-3.2a][RFC9768-3.2.2.2d][RFC9768-3.2.2b]")
{
    peer p{accepting};
    p.listen();
    p.send("S ace=7 seq=1000 mss=1000 ecn=3");
    REQUIRE(p.next() == "SA ace=6");
    p.send("A ace=2 seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.send("A ace=5 seq=900 ack=5001 len=50 ecn=3");
    CHECK(p.next() == "A ack=1001 ace=5");
    p.send("A ace=5 seq=61001 ack=5001 len=50 ecn=3");
    CHECK(p.next() == "A ack=1001 ace=5");
    p.send("A ace=5 seq=1001 ack=9001 len=50 ecn=3");  // acknowledges what was never sent
    CHECK(p.next() == "A ack=1001 ace=5");
    p.send("S ace=7 seq=1001 ecn=3");
    CHECK(p.next() == "A ack=1001 ace=5");
    CHECK(p.info().marks_received == 0);
}

TEST_CASE("AccECN: text is acknowledged at once when marks begin, and then for each second mark",
          "[conformance][RFC9768-3.2.2.5.1a][RFC9768-3.2.2.5.1b]")
{
    peer p{accepting};
    agree(p);
    auto text = [&p, seq = 1'001u](unsigned codepoint) mutable {
        p.send("A ace=5 ack=5001 len=10 seq=" + number(seq) + " ecn=" + number(codepoint));
        seq += 10;
        return p.waiting();
    };
    CHECK(text(2) == 0);
    CHECK(text(3) == 1);
    CHECK(p.next() == "A ack=1021 ace=6");
    CHECK(text(3) == 0);
    CHECK(text(3) == 1);
    CHECK(p.next() == "A ack=1041 ace=0");
    CHECK(text(2) == 0);  // that marks end is no news: no counter moves
    CHECK(text(3) == 1);
    CHECK(p.next() == "A ack=1061 ace=1");
    p.send("A ace=5 ack=5001 seq=1061");  // what came before is any packet, not only text
    CHECK(text(3) == 1);
    CHECK(p.next() == "A ack=1071 ace=2");
}

TEST_CASE("AccECN: marks on ACKs alone are answered for each third one, without SACK blocks",
          "[conformance][RFC9768-3.2.2.5.1b][RFC9768-3.2.2.5.1d]")
{
    peer p{accepting};
    agree(p, "sackok");
    for (unsigned i = 1; i <= 9; ++i) {
        p.send("A ace=5 seq=1001 ack=5001 ecn=3");
        if (i % 3 == 0) {
            CHECK(p.next() == "A seq=5001 ack=1001 sack=none ace=" + number((5 + i) % 8));
        }
        CHECK(p.next() == "-");
    }
    p.send("A ace=5 seq=1101 ack=5001 len=10");  // a hole: the ACK of text has its block
    CHECK(p.next() == "A ack=1001 sack=1101-1111 ace=6");
    p.send("A ace=5 seq=1001 ack=5001 ecn=3");
    p.send("A ace=5 seq=1001 ack=5001 ecn=3");
    p.send("A ace=5 seq=1001 ack=5001 ecn=3");
    CHECK(p.next() == "A ack=1001 sack=none ace=1");
    p.send_together({"A ace=5 seq=1001 ack=5001 ecn=3", "A ace=5 seq=1001 ack=5001 ecn=3",
                     "A ace=5 seq=1001 ack=5001 ecn=3", "A ace=5 seq=1201 ack=5001 len=10"});
    CHECK(p.last() == "A ack=1001 sack=1201-1211,1101-1111 ace=4");
}

TEST_CASE("AccECN: ACKs are not merged across a mark, though one turn brings all",
          "[conformance][RFC9768-3.2.2.5.1c][RFC9768-3.2.2.5.1a][RFC9768-3.2.2.5.1b]")
{
    peer p{accepting};
    agree(p);
    // Two full segments are worth an ACK; then marks come and go.
    p.send_together({"A ace=5 seq=1001 ack=5001 len=1000 ecn=2", "A ace=5 seq=2001 ack=5001 len=1000 ecn=2",
                     "A ace=5 seq=3001 ack=5001 len=10 ecn=3", "A ace=5 seq=3011 ack=5001 len=10 ecn=2",
                     "A ace=5 seq=3021 ack=5001 len=10 ecn=3"});
    const packet first = p.next();
    CHECK(first == "A seq=5001 ack=3001 ace=5 acc=none");
    CHECK(p.next() == "A seq=5001 ack=3021 ace=6 acc=none");
    const packet last = p.next();
    CHECK(last == "A seq=5001 ack=3031 ace=7 acc=0:2011,20");
    CHECK(first.ack() + first.win() == last.ack() + last.win());  // the same right edge
    CHECK(p.next() == "-");
    // Beyond what is kept they are merged; every mark is counted all the same.
    p.send_together({"A ace=5 seq=3031 ack=5001 len=10 ecn=2", "A ace=5 seq=3041 ack=5001 len=10 ecn=3",
                     "A ace=5 seq=3051 ack=5001 len=10 ecn=2", "A ace=5 seq=3061 ack=5001 len=10 ecn=3",
                     "A ace=5 seq=3071 ack=5001 len=10 ecn=2", "A ace=5 seq=3081 ack=5001 len=10 ecn=3",
                     "A ace=5 seq=3091 ack=5001 len=10 ecn=2", "A ace=5 seq=3101 ack=5001 len=10 ecn=3",
                     "A ace=5 seq=3111 ack=5001 len=10 ecn=2", "A ace=5 seq=3121 ack=5001 len=10 ecn=3",
                     "A ace=5 seq=3131 ack=5001 len=10 ecn=2", "A ace=5 seq=3141 ack=5001 len=10 ecn=3"});
    CHECK(p.waiting() == 5);
    CHECK(p.last() == "A ack=3151 ace=5 acc=0:2071,80");
    CHECK(p.read() == 2'150);
}

TEST_CASE("AccECN: an earlier ACK leaves before text", "[conformance][RFC9768-3.2.2.5.1c]")
{
    peer p{accepting};
    agree(p);
    p.stack.receive_copy(p.now, p.build("A ace=5 seq=1001 ack=5001 len=10 ecn=3"));
    p.stack.receive_copy(p.now, p.build("A ace=5 seq=1011 ack=5001 len=10 ecn=2"));
    p.stack.receive_copy(p.now, p.build("A ace=5 seq=1021 ack=5001 len=10 ecn=3"));
    p.write(50);
    CHECK(p.next() == "A seq=5001 ack=1021 ace=6");
    CHECK(p.next() == "A seq=5001 ack=1031 len=50 ace=7 acc=0:11,20");
    p.wait(duration{500'000'000});
    CHECK(p.next() == "-");
}

TEST_CASE("AccECN: SACK blocks come before the option: two at the least",
          "[conformance][RFC9768-3.2.3.3b][RFC9768-3.2.3.3c][RFC9768-3.2.3.3d]")
{
    peer p{accepting};
    agree(p, "sackok ts=1/0", "acc=0:1,0,1 ts=2/1");
    p.send("A ace=5 seq=1001 ack=5001 len=10 ecn=3 ts=3/1");
    p.send("A ace=5 seq=1011 ack=5001 len=10 ecn=2 ts=3/1");
    p.send("A ace=5 seq=1021 ack=5001 len=10 ecn=1 ts=3/1");
    p.wait(1_s);
    CHECK(p.last() == "A ack=1031 ace=6 acc=0:11,10,11");  // 12 octets beside the timestamps
    p.send("A ace=5 seq=1101 ack=5001 len=10 ecn=2 ts=3/1");
    CHECK(p.next() == "A ace=6 ack=1031 sack=1101-1111 acc=0:21,10,11");
    p.send("A ace=5 seq=1201 ack=5001 len=10 ecn=2 ts=3/1");
    CHECK(p.next() == "A ace=6 ack=1031 sack=1201-1211,1101-1111 acc=0:31");  // what moved, and no more
    p.send("A ace=5 seq=1301 ack=5001 len=10 ecn=3 ts=3/1");
    CHECK(p.next() == "A ace=7 ack=1031 sack=1301-1311,1201-1211 acc=0:31,20");
    p.send_together({"A ace=5 seq=1401 ack=5001 len=10 ecn=2 ts=3/1", "A ace=5 seq=1501 ack=5001 len=10 ecn=1 ts=3/1"});
    // Both that moved would not fit beside two blocks.
    CHECK(p.last() == "A ace=7 ack=1031 sack=1501-1511,1401-1411,1301-1311 acc=none");
    p.send("A ace=5 seq=1031 ack=5001 len=70 ts=3/1");
    CHECK(p.last() == "A ace=7 ack=1111 sack=1501-1511,1401-1411,1301-1311 acc=none");
    p.send("A ace=5 seq=1111 ack=5001 len=90 ts=3/1");
    p.send("A ace=5 seq=1211 ack=5001 len=90 ts=3/1");
    p.send("A ace=5 seq=1311 ack=5001 len=90 ts=3/1");
    CHECK(p.last() == "A ace=7 ack=1411 sack=1501-1511 acc=0:41,20,21");  // there is room again
}

TEST_CASE("AccECN: the client's first text has the option, and is repeated without, and then none is sent any more",
          "[conformance][RFC9768-3.2.3.2.1c][RFC9768-3.2.3.2.2b][RFC9768-3.2.3.2.2c]")
{
    peer p{asking};
    p.connect();
    REQUIRE(p.next() == "S ace=7");
    p.send("SA seq=1000 ack=5001 mss=1000 ace=2 acc=0:1,0,1");
    REQUIRE(p.next() == "A ace=2 acc=0:1,0,1");
    p.send("A ace=5 seq=1001 ack=5001 len=10");  // has moved no counter
    p.wait(1_s);
    CHECK(p.next() == "A ack=1011 ace=5 acc=none");
    p.write(988);  // alone: in a super-frame all segments have the first one's options
    CHECK(p.next() == "PA seq=5001 len=988 ace=5 acc=0:1,0,1");
    p.write(1'012);
    CHECK(p.next() == "A seq=5989 len=1000 ace=5 acc=none");
    p.forget();
    p.wait(duration{990'000'000});
    p.send("A ace=5 seq=1011 ack=5001 len=10 ecn=2");  // something to say, just then
    REQUIRE(p.next() == "-");
    p.wait(duration{10'000'000});
    CHECK(p.next() == "A seq=5001 ack=1021 len=988 ecn=0 ace=5 acc=none");
    p.send("A ace=5 seq=1021 ack=6989 len=10 ecn=3");
    CHECK(p.last() == "A seq=6989 len=12 ack=1031 ace=6 acc=none");
}

TEST_CASE("AccECN: marks that ACE reports halve the window once in a window of data, and CWR says nothing of it",
          "[conformance][RFC9768-3.1.5g][RFC9768-3.1.5h][RFC9768-3.2.2.2b][RFC9768-3.2.3.2.3b]")
{
    peer p{accepting};
    agree_and_send(p, 30, "", "");  // and without options
    p.send("A ace=5 seq=1001 ack=6001");
    const octet_count before = p.info().cwnd;
    CHECK(before == 11'000);
    CHECK(p.sent_up_to() == 17'001);
    p.send("A ace=6 seq=1001 ack=7001");
    CHECK(p.info().cwnd == before / 2);
    CHECK(p.info().marks_reported == 1);
    p.send("A ace=0 seq=1001 ack=9001");  // two more, in the same window
    p.send("A ace=0 seq=1001 ack=13001");
    CHECK(p.info().marks_reported == 3);
    CHECK(p.info().cwnd == before / 2);
    const packet next = p.next();
    CHECK(next == "A seq=17001 len=1000 ecn=2 ace=5");  // 5 = AE and ECE: no CWR
    p.send("A ace=1 seq=1001 ack=17001");  // beyond what was in flight then? not yet
    const octet_count reduced = p.info().cwnd;
    p.send("A ace=2 seq=1001 ack=18001");
    CHECK(p.info().cwnd < reduced);
    CHECK(p.info().marks_reported == 5);
    CHECK(p.info().retransmissions == 0);
}

TEST_CASE("AccECN: an ACK that was overtaken says nothing, and a later timestamp is news",
          "[conformance][RFC9768-3.2.2.2b][RFC9768-3.2.3.1b]")
{
    peer p{accepting};
    agree_and_send(p, 10);
    p.send("A ace=5 seq=1001 ack=8001");
    p.send("A ace=7 seq=1001 ack=7001");  // older: ACE seems to have moved by two
    p.send("A ace=7 seq=1001 ack=8001");  // no news of text
    CHECK(p.info().marks_reported == 0);
    p.send("A ace=6 seq=1001 ack=9001");
    CHECK(p.info().marks_reported == 1);
    peer stamped{accepting};
    agree_and_send(stamped, 8, "ts=1/0", "acc=0:1,0,1 ts=2/1");
    stamped.send("A ace=5 seq=1001 ack=6001 ts=5/1");
    stamped.send("A ace=7 seq=1001 ack=6001 ts=6/1");
    CHECK(stamped.info().marks_reported == 2);
    stamped.send("A ace=0 seq=1001 ack=6001 ts=6/1");
    stamped.send("A ace=0 seq=1001 ack=6001 ts=4/1");
    CHECK(stamped.info().marks_reported == 2);
}

TEST_CASE("AccECN: where ACE may have gone round unseen the safest likely number counts, unless octets tell",
          "[conformance][RFC9768-3.2.2.2c][RFC9768-3.2.2.5.2a][RFC9768-3.2.2.5.2b][RFC9768-3.2.3.2.3a][RFC9768-3.2.3.2.3c][RFC9768-3.2.3.2.5a]")
{
    struct row {
        const char* ack;
        unsigned marks;
    };
    // Ten segments, one ACK.
    const row rows[] = {
        {"A ace=5 seq=1001 ack=15001", 8},                 // none, or eight: eight
        {"A ace=6 seq=1001 ack=15001", 9},                 // 10 - ((10 - 1) % 8)
        {"A ace=7 seq=1001 ack=15001", 10},                // 10 - ((10 - 2) % 8)
        {"A ace=4 seq=1001 ack=15001", 7},                 // 15 would be more than there were
        {"A ace=5 seq=1001 ack=15001 acc=0:10001", 0},     // no octet was marked
        {"A ace=6 seq=1001 ack=15001 acc=0:9001,1000", 1},
        {"A ace=5 seq=1001 ack=15001 acc=0:2001,8000", 8},
        {"A ace=5 seq=1001 ack=12001", 0},                 // seven cannot have gone round
        {"A ace=3 seq=1001 ack=7001", 6},                  // more marks than packets: ACE is right
    };
    for (const row& r : rows) {
        CAPTURE(r.ack);
        peer p{accepting};
        agree_and_send(p, 10, "", "");
        p.send(r.ack);
        CHECK(p.info().marks_reported == r.marks);
        CHECK((p.info().cwnd < 10'000) == (r.marks > 0));
    }
}

TEST_CASE("AccECN: on a path whose ACKs always stand for many packets, a large one is no sign of lost ones",
          "[conformance][RFC9768-3.2.2.5.2a]")
{
    peer p{with([](auto& c) {
        c.tcp.ecn = ecn_use::accept_accurate;
        c.congestion.slow_start_segments = 2;
    })};
    agree_and_send(p, 200, "", "");
    std::uint32_t acked = 5'001;
    for (int i = 0; i < 12; ++i) {
        acked += 7'000;
        p.send("A ace=5 seq=1001 ack=" + number(acked));
    }
    p.forget();
    REQUIRE(p.info().marks_reported == 0);
    p.send("A ace=5 seq=1001 ack=" + number(acked + 20'000));
    CHECK(p.info().marks_reported == 0);
}

TEST_CASE("AccECN: a first counter of zero means that somebody wipes it: no ECT, no answer, but feedback",
          "[conformance][RFC9768-3.2.2.4a][RFC9768-3.2.2.3c][RFC9768-3.1.5o]")
{
    const unsigned first = GENERATE(0u, 1u, 4u);
    peer p{accepting};
    agree_and_send(p, 10);
    p.send("A seq=1001 ack=6001 ace=" + number(first));
    const bool wiped = first == 0;
    CHECK((p.info().marks_reported == 0) == wiped);
    CHECK((p.info().cwnd > 10'000) == wiped);
    p.send("A seq=1001 ack=15001 len=10 ecn=3 ace=" + number(first));
    p.forget();
    p.write(100);
    CHECK(p.next() == std::string{"A len=100 ace=6 ecn="} + (wiped ? "0" : "2"));
}

TEST_CASE("AccECN: a first option with a zero where counters begin with one makes all options void",
          "[conformance][RFC9768-3.2.3.2.4a]")
{
    const bool wiped = GENERATE(false, true);
    peer p{accepting};
    agree_and_send(p, 10, "", wiped ? "acc=0:0,0,0" : "acc=0:1,0,1");
    p.send("A ace=5 seq=1001 ack=15001 acc=0:10001,0,1");
    CHECK(p.info().marks_reported == (wiped ? 8 : 0));
}

TEST_CASE("AccECN: octets that were marked though no packet was: ECT ends", "[conformance][RFC9768-3.2.3.2.5b]")
{
    const bool consistent = GENERATE(false, true);
    peer p{accepting};
    agree_and_send(p, 10);
    p.send(std::string{"A seq=1001 ack=7001 acc=0:1001,1000 ace="} + (consistent ? "6" : "5"));
    CHECK(p.info().cwnd < 10'000);
    p.send(std::string{"A seq=1001 ack=15001 acc=0:9001,1000 ace="} + (consistent ? "6" : "5"));
    p.forget();
    p.write(100);
    CHECK(p.next() == std::string{"A len=100 ecn="} + (consistent ? "2 ace=5" : "0 ace=5"));
}

TEST_CASE("AccECN: no feedback grows the window beyond what plain ACKs do, nor reduces it twice in a round",
          "[conformance][RFC9768-3.1.5g]")
{
    const auto run = [](auto&& ace_of) {
        peer p{accepting};
        agree_and_send(p, 10);
        for (unsigned i = 1; i <= 10; ++i) {
            p.send("A seq=1001 ack=" + number(5'001 + 1'000 * i) + ' ' + ace_of(i));
            p.send("A seq=1001 ack=" + number(5'001 + 1'000 * i) + ' ' + ace_of(i + 3));
        }
        p.forget();
        return p.info().cwnd;
    };
    const octet_count plain = run([](unsigned) { return "ace=5"; });
    CHECK(plain > 10'000);
    // A storm: each ACK reports as many marks as it can.
    CHECK(run([](unsigned i) { return "ace=" + number((5 + 7 * i) % 8); }) == 5'000);
    // Octet counters that go backwards, or jump.
    CHECK(run([](unsigned i) { return "ace=5 acc=0:1," + number(16'000'000 - i * 1'000); }) <= plain);
    CHECK(run([](unsigned i) { return "ace=6 acc=1:" + number(i) + ",16777215," + number(i * 7); }) <= plain);
    CHECK(run([](unsigned i) { return "ace=" + number(i % 8) + " acc=0:16777215"; }) <= plain);
    CHECK(run([](unsigned) { return "ace=5 opt=AC0D000001000002000003FFFF010101"; }) <= plain);  // an odd length
}

TEST_CASE("AccECN: an echo by RFC 3168's flags from a peer in AccECN mode is a counter and nothing else",
          "[conformance][RFC9768-3.2.2a]")
{
    peer p{accepting};
    agree_and_send(p, 10);
    p.send("A ace=5 seq=1001 ack=6001");  // ECE is set, and no mark reported
    CHECK(p.info().cwnd == 11'000);
    p.send("A ace=5 seq=1001 ack=6001 len=10 ecn=3");
    p.send("AW seq=1011 ack=7001 len=10");  // ACE 2: five more
    CHECK(p.last() == "A ack=1021 ace=6 | A ack=1011 ace=6 | A len=1000 ack=1021 ace=6");
    CHECK(p.info().marks_reported == 5);
}

TEST_CASE("AccECN: it survives a SYN cookie, by the ACK's flags alone", "[conformance][RFC9768-5.1a]")
{
    const unsigned asked = GENERATE(0u, 3u, 7u);
    const bool stamps = GENERATE(false, true);
    peer p{with([](auto& c) {
        c.syn_defence.use = syn::cookies::when::always;
        c.tcp.ecn = ecn_use::accept_accurate;
    })};
    p.listen();
    p.send("S seq=1000 mss=1000 ecn=1 ace=" + number(asked) + (stamps ? " ts=7/0" : ""));
    const packet answer = p.next();
    const unsigned expected = asked == 7 ? 3 : asked == 3 && stamps ? 1 : 0;
    CHECK(answer == "SA ack=1001 ace=" + number(expected) + (asked == 7 ? " acc=0:1,0,1" : " acc=none"));
    p.iss = answer.header.seq;
    const std::string ts = stamps ? " ts=8/" + std::to_string(answer.options.tsval) : "";
    p.send("A seq=1001 ack=" + std::to_string(answer.seq() + 1) + ts + " ace=" + (asked == 7 ? "2" : "0"));
    REQUIRE(p.accept());
    CHECK(p.info().accurate_ecn == (asked == 7));
    CHECK(p.info().ecn == (expected != 0));
    p.write(100);
    CHECK(p.next() == std::string{"A len=100 ace="} + (asked == 7 ? "5" : "0") + (expected != 0 ? " ecn=2" : " ecn=0"));
}

TEST_CASE("AccECN: ACE stands on FIN, RST and the ACKs of TIME-WAIT, too", "[conformance][RFC9768-3.2.2a]")
{
    peer p{accepting};
    agree(p);
    p.send("A ace=5 seq=1001 ack=5001 len=10 ecn=3");
    REQUIRE(p.next() == "A ack=1011 ace=6");
    REQUIRE(p.read() == 10);
    p.close();
    CHECK(p.next() == "FA seq=5001 ace=6 ecn=0");
    p.send("FA ace=5 seq=1011 ack=5002 ecn=3");
    CHECK(p.next() == "A seq=5002 ack=1012 ace=7");
    p.send("FA ace=5 seq=1011 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1012 ace=7");
    peer ended{accepting};
    agree(ended);
    ended.send("A ace=5 seq=1001 ack=5001 len=10 ecn=3");
    ended.forget();
    ended.abort();
    CHECK(ended.next() == "RA seq=5001 ack=1011 ace=6");
}
