// The send window, its update and its shrinking, window scaling, silly windows as sender (RFC 9293 3.8.6, RFC 7323
// 2).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

// --- update and shrinking --------------------------------------------------------------------------------------------

TEST_CASE("A reordered older ACK does not change the window, an equal one does", "[conformance][RFC9293-3.10.7.4-5g]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.send("A seq=1001 ack=5501 win=8000");
    CHECK(p.info().snd_wnd == 8'000);
    p.send("A seq=1001 ack=5101 win=100");
    CHECK(p.info().snd_wnd == 8'000);
    p.send("A seq=1001 ack=5501 win=9000");
    CHECK(p.info().snd_wnd == 9'000);
}

TEST_CASE("A window of a segment with an older sequence number is not taken", "[conformance][RFC9293-3.10.7.4-5g]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=100 win=8000");
    p.send("A seq=1101 ack=5001 win=9000");
    CHECK(p.info().snd_wnd == 9'000);
    p.send("A seq=1051 ack=5001 len=50 win=100");
    CHECK(p.info().snd_wnd == 9'000);
}

TEST_CASE("A newer segment may make the window smaller", "[conformance][MUST-34]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=2000");
    p.write(5'000);
    CHECK(p.forget() == 2);
    CHECK(p.info().unacked == 2'000);
}

TEST_CASE("A window shrunk to the left of SND.NXT: no new data, retransmission inside it, no abort",
          "[conformance][MUST-34][SHLD-15][SHLD-16][SHLD-17]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.send("A seq=1001 ack=5501 win=100");
    p.write(1'000);
    CHECK(p.next() == "-");
    p.mark();
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again == "A seq=5501 len=100 | A seq=5501 len=500");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5501 win=100");
    p.send("A seq=1001 ack=5601 win=0");
    for (int i = 0; i < 60; ++i) {  // the peer answers: the data beyond its edge must not end the connection
        p.wait(60_s);
        p.forget();
        p.send("A seq=1001 ack=5601 win=0");
    }
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=5601 win=10000");
    const packet resumed = p.next();
    CHECK(resumed.seq() == 5'601);
}

TEST_CASE("No octet beyond the window of the peer is sent", "[conformance][RFC7323-2.4c][RFC5681-2c]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=2500");
    p.write(9'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=6001 len=1000");
    const packet rest = p.next();
    CHECK(rest == "- | A seq=7001 len=500");
    p.send("A seq=1001 ack=6001 win=2500");
    p.wait(100_ms);
    CHECK(p.sent_up_to() <= 8'501);
}

TEST_CASE("A window update alone makes the sender go on at once", "[conformance][RFC9293-3.10.7.4-5g]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=1000");
    p.write(3'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6001 win=0");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6001 win=2000");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "A seq=7001 len=1000");
}

// --- silly windows, as sender ----------------------------------------------------------------------------------------

TEST_CASE("Silly windows: a sender does not fill small openings of the window", "[conformance][MUST-38]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.write(20'000);
    p.forget();
    p.send("A seq=1001 ack=15001 win=0");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=15001 win=100");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=15001 win=200");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=15001 win=1000");
    CHECK(p.next() == "A seq=15001 len=1000");
}

TEST_CASE("Silly windows: a small window is used after the override timeout", "[conformance][MUST-38]")
{
    peer p;
    p.in_established();
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.write(5'000);
    p.send("A seq=1001 ack=15001 win=100");
    CHECK(p.next() == "-");
    p.mark();
    p.wait(2_s);
    const packet small = p.next();
    CHECK(small.seq() == 15'001);
    CHECK(small.length >= 1);
    CHECK(small.length <= 100);
    CHECK(small.at <= 1'001_ms);
}

TEST_CASE("Silly windows: half of the largest window ever seen is worth a segment", "[conformance][MUST-38]")
{
    peer p;
    p.window = 800;  // less than a segment, from the start
    p.in_established();
    p.write(2'000);
    CHECK(p.next() == "A seq=5001 len=800");
    p.send("A seq=1001 ack=5801 win=400");
    CHECK(p.next() == "A seq=5801 len=400");
    p.send("A seq=1001 ack=6201 win=300");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6201 win=800");
    CHECK(p.next() == "A seq=6201 len=800");
}

// --- scaling ---------------------------------------------------------------------------------------------------------

TEST_CASE("Window scale: the window of a SYN is not scaled, later ones are",
          "[conformance][RFC7323-2.2e][RFC7323-2.3a]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 win=65535 mss=1000 ws=7");
    CHECK(p.next() == "SA seq=5000 ack=1001 ws");
    p.find_connection();
    CHECK(p.info().snd_wnd == 65'535);
    p.send("A seq=1001 ack=5001 win=512");
    CHECK(p.accept());
    CHECK(p.info().snd_wnd == 65'536);
    p.send("A seq=1001 ack=5001 win=65535");
    CHECK(p.info().snd_wnd == 65'535 * 128);
}

TEST_CASE("Window scale: without the option in the SYN there is none in the SYN,ACK and no shift",
          "[conformance][RFC7323-2.2a][RFC7323-2.2c]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 1'000'000; })};
    p.listen();
    p.send("S seq=1000 win=4000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001 ws=none win=65535");
    p.send("A seq=1001 ack=5001 win=5000");
    CHECK(p.accept());
    CHECK(p.info().snd_wnd == 5'000);
    p.send("A seq=1001 ack=5001 len=1000");
    const packet ack = p.next();
    CHECK(ack == "A ack=2001");
    CHECK(ack.win() >= 64'535);
}

TEST_CASE("Window scale: offered in our SYN, not answered: no shift", "[conformance][RFC7323-2.2a][RFC7323-2.2b]")
{
    peer p;
    CHECK(p.in_syn_sent() == "S seq=5000 ws");
    p.send("SA seq=1000 ack=5001 mss=1000 win=5000");
    CHECK(p.next() == "A seq=5001 ack=1001 win=10000");
    CHECK(p.info().snd_wnd == 5'000);
}

TEST_CASE("Window scale: a shift above 14 counts as 14", "[conformance][RFC7323-2.3c]")
{
    const std::string shift = GENERATE(as<std::string>{}, "15", "255");
    peer p;
    p.in_established("mss=1000 ws=" + shift);
    p.send("A seq=1001 ack=5001 win=2");
    CHECK(p.info().snd_wnd == 2 * 16'384);
    CHECK(p.info().snd_wscale == 14);
}

TEST_CASE("Window scale: the option on a segment without SYN is ignored", "[conformance][RFC7323-2.2d]")
{
    peer p;
    p.in_established("mss=1000 ws=2", "win=1000");
    p.send("A seq=1001 ack=5001 win=1000 ws=7 len=10");
    CHECK(p.info().snd_wnd == 4'000);
    CHECK(p.read() == 10);
}

TEST_CASE("Window scale: rounding never moves the advertised right edge left", "[conformance][RFC7323-2.4b][SHLD-14]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 4'000'000; })};
    p.listen();
    p.send("S seq=1000 mss=1000 ws=7");
    const packet syn_ack = p.next();
    CHECK(syn_ack == "SA ws");
    const std::uint32_t shift = syn_ack.options.window_scale;
    CHECK(shift >= 6);
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
    std::uint32_t edge = 0;
    std::uint32_t seq = 1'001;
    for (int i = 0; i < 300; ++i) {
        const std::uint32_t n = 1 + static_cast<std::uint32_t>(i) % 7;
        p.send("A ack=5001 seq=" + std::to_string(seq) + " len=" + std::to_string(n));
        seq += n;
        p.wait(100_ms);  // the ACK may be delayed
        const packet ack = p.last();
        CHECK(ack.ack() == seq);
        const std::uint32_t now = ack.ack() + (std::uint32_t{ack.win()} << shift);
        CHECK(now >= edge);
        edge = std::max(now, edge);
        if (i % 50 == 49) {
            CHECK(p.read(20) == 20);
        }
    }
}

TEST_CASE("Window scale: a segment up to the edge that was announced is taken", "[conformance][RFC7323-2.4a]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 1'000'000; })};
    p.listen();
    p.send("S seq=1000 mss=1000 ws=7");
    const packet syn_ack = p.next();
    const std::uint32_t shift = syn_ack.options.window_scale;
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
    p.send("A seq=1001 ack=5001 len=1");
    const packet ack = p.next();
    const std::uint32_t edge = ack.ack() + (std::uint32_t{ack.win()} << shift);
    p.send("A ack=5001 len=10 seq=" + std::to_string(edge - 10));
    CHECK(p.info().out_of_order == 10);
}

TEST_CASE("Window scale: the window of a FIN and of a challenge ACK is scaled", "[conformance][RFC7323-2.3b]")
{
    peer p{with([](auto& c) { c.receive_window.capacity = 1'000'000; })};
    p.listen();
    p.send("S seq=1000 mss=1000 ws=7");
    const packet syn_ack = p.next();
    CHECK(syn_ack == "SA win=65535 ws");
    const std::uint32_t shift = syn_ack.options.window_scale;
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
    const auto octets_of = [&](const packet& seen) { return std::uint32_t{seen.win()} << shift; };
    p.send("R seq=1002");
    packet seen = p.next();
    CHECK(seen == "A seq=5001 ack=1001");
    CHECK(octets_of(seen) <= 1'000'000);
    CHECK(octets_of(seen) > 900'000);
    p.shutdown();
    seen = p.next();
    CHECK(seen == "FA seq=5001");
    CHECK(octets_of(seen) <= 1'000'000);
    CHECK(octets_of(seen) > 900'000);
    p.send("FA seq=1001 ack=5002 win=100");
    seen = p.next();
    CHECK(seen == "A seq=5002 ack=1002");
    CHECK(octets_of(seen) <= 1'000'000);
}

TEST_CASE("Window scale: the window of a FIN of the peer is scaled", "[conformance][RFC7323-2.3a]")
{
    peer p;
    p.in_established("mss=1000 ws=3", "win=100");
    CHECK(p.info().snd_wnd == 800);
    p.send("FA seq=1001 ack=5001 win=200");
    CHECK(p.info().snd_wnd == 1'600);
}
