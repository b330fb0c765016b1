// The retransmission timer: RFC 6298, Karn, back-off, giving up (RFC 9293 3.8.1, 3.8.3).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

TEST_CASE("An unanswered segment is sent again after 1, 3 and 7 s, one segment each time",
          "[conformance][RFC6298-5.4a][RFC6298-5.5a][RFC6298-5.6a]")
{
    peer p{with([](auto& c) { c.network.path_probing = path_probing::off; })};  // else the third asks for a black hole
    p.in_established();
    p.write(3'000);
    CHECK(p.forget() == 3);
    p.wait(8_s);
    CHECK(p.next() == "A seq=5001 len=1000 t=1");
    CHECK(p.next() == "A seq=5001 len=1000 t=3");
    CHECK(p.next() == "A seq=5001 len=1000 t=7");
    CHECK(p.next() == "-");
}

TEST_CASE("Karn: the ACK of a retransmitted segment gives no sample, and the back-off stays until one comes",
          "[conformance][MUST-18][RFC6298-3a][RFC6298-5.8a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    const duration srtt = p.info().srtt;
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000 t=1");
    p.wait(50_ms);
    p.send("A seq=1001 ack=6001");
    CHECK(p.info().srtt == srtt);
    p.mark();
    p.write(1'000);
    CHECK(p.next() == "A seq=6001 len=1000");
    p.wait(3_s);
    CHECK(p.next() == "A seq=6001 len=1000 t=2");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=7001");
    p.write(1'000);
    CHECK(p.next() == "A seq=7001 len=1000");
    p.wait(10_ms);
    p.send("A seq=1001 ack=8001");  // never retransmitted: a sample
    CHECK(p.info().rto == 1_s);
}

TEST_CASE("A new ACK with data outstanding starts the timer again from the time of the ACK",
          "[conformance][RFC6298-5.3a][RFC6298-5.1a][RFC6928-9a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(900_ms);
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(50_ms);
    p.send("A seq=1001 ack=6001");
    const duration rto = p.info().rto;
    p.wait(rto - 1_ms);
    CHECK(p.next() == "-");
    p.wait(2_ms);
    const packet again = p.next();
    CHECK(again == "A seq=6001 len=1000");
    CHECK(again.at >= 1'950_ms);
}

TEST_CASE("A duplicate ACK does not start the timer again, nor does new data",
          "[conformance][RFC6298-5.3a][RFC6298-5.1a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(500_ms);
    p.send("A seq=1001 ack=5001");
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(501_ms);
    CHECK(p.next() == "A seq=5001 len=1000 t=1");
}

TEST_CASE("When everything is acknowledged the timer stops", "[conformance][RFC6298-5.2a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.send("A seq=1001 ack=6001");
    p.wait(3600_s);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A lost SYN is sent again after 1, 3 and 7 s, and then the RTO for data is 3 s",
          "[conformance][RFC6298-2.1a][RFC6298-5.7a][MUST-22][RFC5681-3.1d][RFC6928-2b]")
{
    peer p;
    p.in_syn_sent();
    p.wait(7_s);
    CHECK(p.next() == "S seq=5000 t=1");
    CHECK(p.next() == "S seq=5000 t=3");
    CHECK(p.next() == "S seq=5000 t=7");
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.info().rto == 3_s);
    p.mark();
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");  // a lost SYN: the initial window is one segment
    p.wait(3_s);
    CHECK(p.next() == "A seq=5001 len=1000 t=3");
}

TEST_CASE("With the initial window of RFC 5681 one lost SYN leaves one segment", "[conformance][RFC5681-3.1d]")
{
    const bool lost = GENERATE(true, false);
    CAPTURE(lost);
    peer p{with([](auto& c) { c.tcp.initial_window_segments = 0; })};
    p.connect();
    CHECK(p.next() == "S seq=5000");
    if (lost) {
        p.wait(1_s);
        CHECK(p.next() == "S seq=5000");
    }
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A ack=1001");
    p.write(6'000);
    CHECK(p.forget() == (lost ? 1 : 4));
}

TEST_CASE("The initial window of RFC 5681 is two large segments", "[conformance][RFC5681-3.1b]")
{
    peer p{with([](auto& c) {
        c.tcp.initial_window_segments = 0;
        c.network.mtu = 4'000;
    })};
    p.in_established("mss=3000");
    p.write(12'000);
    CHECK(p.next() == "A seq=5001 len=3000");
    CHECK(p.next() == "A seq=8001 len=3000");
    CHECK(p.next() == "-");
}

TEST_CASE("The retransmitted SYN is the same SYN", "[conformance][RFC9293-3.10.8b]")
{
    peer p;
    const packet first = p.in_syn_sent();
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again == "S seq=5000 mss=1460");
    CHECK(again.win() == first.win());
    CHECK(again.options.has_window_scale == first.options.has_window_scale);
    CHECK(again.options.sack_permitted == first.options.sack_permitted);
}

TEST_CASE("RTT samples: SRTT, RTTVAR and RTO as in RFC 6298",
          "[conformance][RFC6298-2.2a][RFC6298-2.3a][RFC6298-2.3b][RFC6298-2.3c]")
{
    peer p{with([](auto& c) { c.rto.minimum = 1_ms; })};
    p.in_syn_sent();
    p.wait(100_ms);
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.info().srtt == 100_ms);
    CHECK(p.info().rttvar == 50_ms);
    CHECK(p.info().rto == 300_ms);
    p.forget();
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    p.wait(200_ms);
    p.send("A seq=1001 ack=6001");
    CHECK(p.info().rttvar == 62'500_us);
    CHECK(p.info().srtt == 112'500_us);
    CHECK(p.info().rto == 362'500_us);
}

TEST_CASE("A round trip of no variance keeps the granularity between SRTT and RTO, and the minimum of 1 s holds",
          "[conformance][RFC6298-4a][RFC6298-2.4a]")
{
    peer p;
    p.in_established();
    for (int i = 0; i < 200; ++i) {
        p.write(100);
        p.wait(20_ms);
        p.send("A seq=1001 ack=" + std::to_string(5'101 + 100 * i));
    }
    CHECK(p.info().rto == 1_s);
    CHECK(p.info().srtt > 15_ms);
    CHECK(p.info().srtt <= 20_ms);
}

TEST_CASE("The RTO has a maximum of at least 60 s", "[conformance][RFC6298-2.5a]")
{
    peer p{with([](auto& c) { c.network.path_probing = path_probing::off; })};
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(600_s);
    duration last{};
    duration longest{};
    for (packet again = p.next(); again != "-"; again = p.next()) {
        CHECK(again.at - last >= longest - 1_ms);
        longest = again.at - last;
        last = again.at;
    }
    CHECK(longest >= 60_s);
    CHECK(longest <= 120_s);
}

TEST_CASE("Timestamps: the ACK of a retransmitted segment gives a sample of the transmission that it echoes, or none",
          "[conformance][MUST-18][RFC6298-3a][RFC7323-4.1a]")
{
    peer p;
    p.in_established("mss=1000 ts=1", "ts=1/0");
    p.write(900);
    CHECK(p.forget() == 1);
    p.wait(1_s);
    const packet again = p.next();
    CHECK(again == "A seq=5001 len=900 ts");
    p.wait(50_ms);
    p.send("A seq=1001 ack=5901 ts=2/" + std::to_string(again.options.tsval));
    CHECK(p.info().srtt <= 60_ms);
    CHECK(p.info().unacked == 0);
}

TEST_CASE("Karn: octets that waited behind a hole for a retransmission give no sample, neither by ACK nor by SACK",
          "[conformance][MUST-18][RFC6298-3a]")
{
    const bool sack = GENERATE(false, true);
    CAPTURE(sack);
    peer p;
    p.in_established(sack ? "mss=1000 sackok" : "mss=1000");
    p.write(3'000);
    CHECK(p.forget() == 3);
    const duration srtt = p.info().srtt;
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000 t=1");
    p.wait(50_ms);
    p.send(sack ? "A seq=1001 ack=6001 sack=7001-8001" : "A seq=1001 ack=8001");
    CHECK(p.info().srtt == srtt);
    CHECK(p.info().rto == 2_s);
}

TEST_CASE("A short head asks for a black hole, too: the third time it leaves in a piece", "[conformance][RFC8899-5.2a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(8_s);
    CHECK(p.next() == "A seq=5001 len=1000 t=1");
    CHECK(p.next() == "A seq=5001 len=1000 t=3");
    CHECK(p.next() == "A seq=5001 len=492 t=7");
    CHECK(p.next() == "-");
}

TEST_CASE("Timestamps: the echo of a first transmission is a sample when it comes too soon to be the second one's",
          "[conformance][MUST-18][RFC7323-4.1a]")
{
    const bool soon = GENERATE(true, false);
    CAPTURE(soon);
    peer p;
    p.in_syn_received("mss=1000 ts=1");
    p.wait(400_ms);  // the round trip
    p.send("A seq=1001 ack=5001 ts=2/0");
    REQUIRE(p.accept());
    const duration before = p.info().srtt;
    p.write(900);
    const packet first = p.next();
    p.wait(1'200_ms);
    REQUIRE(p.next() == "A seq=5001 len=900 t=1.6");
    const duration rto = p.info().rto;
    p.wait(soon ? 100_ms : 400_ms);
    p.send("A seq=1001 ack=5901 ts=3/" + std::to_string(first.options.tsval));
    CHECK((p.info().srtt > before) == soon);
    CHECK((p.info().rto == rto) == !soon);
}

TEST_CASE("Timestamps: an ACK with a D-SACK gives no sample: it answers what came twice, not what it echoes",
          "[conformance][MUST-18][RFC7323-4.1a]")
{
    const bool twice = GENERATE(true, false);
    CAPTURE(twice);
    peer p;
    p.in_syn_received("mss=1000 sackok ts=1");
    p.wait(400_ms);
    p.send("A seq=1001 ack=5001 ts=2/0");
    REQUIRE(p.accept());
    const duration before = p.info().srtt;
    p.write(900);
    const packet first = p.next();
    p.wait(1'200_ms);
    REQUIRE(p.next() == "A seq=5001 len=900 t=1.6");
    p.wait(100_ms);
    const std::string ack = "A seq=1001 ack=5901 ts=3/" + std::to_string(first.options.tsval);
    p.send(twice ? ack + " sack=5001-5901" : ack);
    CHECK((p.info().srtt == before) == twice);
}

// --- giving up -------------------------------------------------------------------------------------------------------

TEST_CASE("Data that is never acknowledged ends the connection, not before 100 s",
          "[conformance][MUST-20][SHLD-11][RFC9293-3.10.8a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    p.wait(100_s);
    CHECK(p.state() == "ESTABLISHED");
    p.wait(3600_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"timed out"});
    CHECK(p.read_error() == "timed out");
    CHECK((p.write_error() == errc::timed_out || p.write_error() == errc::broken_pipe));
    CHECK((p.stack.readiness_of(p.id) & readiness::closed) != 0);
}

TEST_CASE("A peer that repeats its last ACK makes no progress, and is not waited for without end",
          "[conformance][MUST-20][RFC9293-3.10.8a]")
{
    peer p;
    p.in_established();
    p.write(100);
    for (int i = 0; i < 40; ++i) {
        p.wait(100_s);
        p.send("A seq=1001 ack=5001");
    }
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"timed out"});
}

TEST_CASE("The number of retransmissions is a setting", "[conformance][MUST-21]")
{
    peer p{with([](auto& c) { c.tcp.data_retries = 3; })};
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(14_s);
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.forget() == 3);
    p.wait(2_s);  // 1 + 2 + 4 + 8 = 15 s
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("Any progress starts the count again", "[conformance][MUST-20]")
{
    peer p{with([](auto& c) { c.tcp.data_retries = 3; })};
    p.in_established();
    p.write(3'000);
    for (int i = 1; i <= 2; ++i) {
        p.wait(2_s);
        p.send("A seq=1001 ack=" + std::to_string(5'001 + 1'000 * i));
    }
    p.wait(3_s);
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A SYN that nobody answers fails after three minutes or more", "[conformance][MUST-22][MUST-23]")
{
    peer p;
    p.in_syn_sent();
    p.wait(180_s);
    CHECK(p.state() == "SYN-SENT");
    CHECK(p.forget() >= 3);
    p.wait(600_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"timed out"});
}

TEST_CASE("A FIN that nobody acknowledges ends by the same rule", "[conformance][MUST-20]")
{
    const std::string state = GENERATE(as<std::string>{}, "FIN-WAIT-1", "CLOSING", "LAST-ACK");
    INFO(state);
    peer p{with([](auto& c) { c.tcp.data_retries = 3; })};
    p.in(state);
    p.wait(20_s);
    CHECK(p.connections().empty());
}

TEST_CASE("An RTO retransmission never leaves early", "[conformance][RFC6298-5a]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.forget() == 1);
    p.wait(999_ms);
    p.stack.advance(p.now);
    p.stack.advance(p.now);
    CHECK(p.next() == "-");
}

TEST_CASE("What recovery sends again is not sent again by the timer before a whole RTO is over",
          "[conformance][RFC6298-5a][RFC6298-1a][RFC6675-6a]")
{
    peer p;
    p.in_established();
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.wait(600_ms);
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=5001");
    }
    CHECK(p.next() == "A seq=5001 len=1000 t=0.6");
    p.wait(999_ms);
    CHECK(p.next() == "-");
    p.wait(2_ms);
    CHECK(p.next() == "A seq=5001 len=1000 t=1.6");
}

TEST_CASE("Each round trip gives a sample", "[conformance][RFC6298-3b]")
{
    peer p;
    p.in_established();
    std::uint32_t acked = 5'001;
    for (int round = 0; round < 6; ++round) {
        p.write(10'000);
        std::uint32_t end = acked;
        for (std::uint32_t to = p.sent_up_to(); to != 0; to = p.sent_up_to()) {
            end = std::max(end, to);
        }
        REQUIRE(end > acked);
        const duration before = p.info().srtt;
        p.wait(round % 2 == 0 ? 100_ms : 300_ms);
        for (; acked < end; acked = std::min(acked + 2'000, end)) {
            p.send("A seq=1001 ack=" + std::to_string(std::min(acked + 2'000, end)));
        }
        CHECK(p.info().srtt != before);
    }
}

TEST_CASE("The least round trip is that of the last five minutes: a path that became longer is noticed",
          "[conformance][RFC8985-6.2a]")
{
    peer p;
    p.in_syn_received();
    p.wait(20_ms);
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    std::uint32_t acked = 5'001;
    const auto exchange = [&] {
        p.write(1'000);
        p.wait(80_ms);
        p.send("A seq=1001 ack=" + std::to_string(acked += 1'000));
        p.wait(30_s);
    };
    for (int i = 0; i < 9; ++i) {
        exchange();
        CHECK(p.info().min_rtt == 20_ms);
    }
    for (int i = 0; i < 3; ++i) {
        exchange();
    }
    CHECK(p.info().min_rtt == 80_ms);
}

TEST_CASE("An idle connection sends nothing: there is no keep-alive unless it was asked for", "[conformance][MUST-25]")
{
    peer p;
    p.in_established();
    p.wait(86'400_s);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

// --- what a timeout does to the window -------------------------------------------------------------------------------

TEST_CASE("A timeout sets cwnd to one segment and halves ssthresh once, whatever follows",
          "[conformance][MUST-19][RFC5681-3.1n][RFC6928-2d]")
{
    peer p;
    p.in_established();
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.wait(1_s);
    CHECK(p.info().cwnd == 1'000);
    CHECK(p.info().ssthresh == 5'000);
    p.wait(6_s);
    CHECK(p.info().cwnd == 1'000);
    CHECK(p.info().ssthresh == 5'000);
}

TEST_CASE("After a timeout slow start sends what was lost, two segments for each ACK",
          "[conformance][RFC5681-3.1i][RFC5681-3.1h]")
{
    peer p;
    p.in_established();
    p.write(10'000);
    CHECK(p.forget() == 10);
    p.wait(1_s);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=6001");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.next() == "A seq=7001 len=1000");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=15001");  // the rest had arrived
    CHECK(p.info().unacked == 0);
    CHECK(p.next() == "-");
}

TEST_CASE("Slow start: ten ACKs of a tenth of a segment grow cwnd by one segment", "[conformance][RFC5681-3.1j]")
{
    peer p;
    p.in_established();
    p.write(20'000);
    CHECK(p.forget() == 10);
    const auto before = p.info().cwnd;
    for (int i = 1; i <= 10; ++i) {
        p.send("A seq=1001 ack=" + std::to_string(5'001 + 100 * i));
    }
    CHECK(p.info().cwnd <= before + 1'000);
}
