// The MSS option and the size of segments (RFC 9293 3.7.1, RFC 6691).
#include "support/peer.hpp"

#include "catch.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"

using namespace tcpco_test;

TEST_CASE("Without an MSS option segments hold 536 octets", "[conformance][MUST-15]")
{
    const bool active = GENERATE(false, true);
    peer p;
    active ? p.in_established_active("") : p.in_established("");
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=536");
    CHECK(p.next() == "A seq=5537 len=536");
    CHECK(p.info().smss == 536);
}

TEST_CASE("The MSS of the peer bounds the segments", "[conformance][MUST-14][MUST-16]")
{
    peer p;
    p.in_established("mss=700");
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=700");
}

TEST_CASE("Options make room for themselves: timestamps", "[conformance][MUST-16][RFC6691-2a]")
{
    peer p;
    p.in_established("mss=1460 ts=1", "ts=1/0");
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=1448 ts");
}

TEST_CASE("Options make room for themselves: timestamps and SACK blocks", "[conformance][MUST-16][RFC6691-2b]")
{
    peer p;
    p.in_established("mss=1460 sackok ts=1", "ts=1/0");
    for (const char* seq : {"1101", "1301", "1501"}) {
        p.send(std::string{"A ack=5001 len=100 ts=1/0 seq="} + seq);
    }
    p.forget();
    p.write(10'000);
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        const std::size_t options = seen.header.header_length() - tcp_header_size;
        CHECK(seen.length + options <= 1'460);
        CHECK(seen.octets.size() <= 1'500);
    }
}

TEST_CASE("An MSS larger than our MTU allows is not believed", "[conformance][MUST-16]")
{
    const std::string mss = GENERATE(as<std::string>{}, "9000", "65535");
    peer p;
    p.in_established("mss=" + mss);
    p.write(5'000);
    CHECK(p.next() == "A seq=5001 len=1460");
}

TEST_CASE("Our MSS is the MTU less 40, whatever options there are", "[conformance][MUST-67][SHLD-5][RFC6691-2a]")
{
    struct row {
        std::uint16_t mtu;
        const char* mss;
    };
    const row r = GENERATE(row{1500, "1460"}, row{576, "536"}, row{9000, "8960"});
    peer p{with([&](auto& c) { c.network.mtu = r.mtu; })};
    p.listen();
    p.send("S seq=1000 mss=1460 ts=1 sackok ws=7");
    CHECK(p.next() == std::string{"SA ack=1001 mss="} + r.mss);
    p.send("S seq=1000 mss=1460 port=40001");
    CHECK(p.next() == std::string{"SA ack=1001 mss="} + r.mss);
    p.sut_port = 30'000;
    CHECK(p.stack.connect({p.peer_address, p.peer_port}).ec == errc::ok);
    CHECK(p.next() == std::string{"S mss="} + r.mss);
}

TEST_CASE("An MSS of 0, 1 or 40 is raised to the documented minimum", "[conformance][MUST-16]")
{
    const std::string mss = GENERATE(as<std::string>{}, "0", "1", "40");
    peer p;
    p.in_established("mss=" + mss);
    CHECK(p.info().smss == 88);
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=88");
}

TEST_CASE("The minimum holds with timestamps and SACK blocks", "[conformance][MUST-16]")
{
    peer p;
    p.in_established("mss=1 sackok ts=1", "ts=1/0");
    for (const char* seq : {"1101", "1301", "1501"}) {
        p.send(std::string{"A ack=5001 len=100 ts=1/0 seq="} + seq);
    }
    p.forget();
    p.write(1'000);
    const packet seen = p.next();
    CHECK(seen.length >= 48);
    CHECK(seen.length <= 88);
}

TEST_CASE("An MSS option on a segment without SYN is ignored", "[conformance][MUST-65]")
{
    peer p;
    p.in_established("mss=1000");
    p.send("A seq=1001 ack=5001 len=10 mss=100");
    CHECK(p.read() == 10);
    p.forget();
    p.write(2'000);
    CHECK(p.next() == "A seq=5001 len=1000");
}

TEST_CASE("The MSS of a crossed SYN counts", "[conformance][MUST-14]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000 mss=600");
    CHECK(p.next() == "SA mss=1460");
    p.send("A seq=1001 ack=5001");
    p.write(2'000);
    CHECK(p.next() == "A seq=5001 len=600");
}

TEST_CASE("The packets in flight are bounded by cwnd in segments too", "[conformance]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_no_delay(p.id, true) == errc::ok);
    std::size_t packets = 0;
    for (int i = 0; i < 500; ++i) {
        p.write(1);
        packets += p.forget();
    }
    CHECK(packets <= 20);
}
