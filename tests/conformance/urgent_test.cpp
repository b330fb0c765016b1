// Urgent data (RFC 9293 3.8.5, RFC 6093).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

void write_urgent(peer<>& p, std::size_t n, std::uint32_t from = 0)
{
    std::vector<std::byte> octets(n);
    for (std::size_t i = 0; i < n; ++i) {
        octets[i] = stream_octet(from + static_cast<std::uint32_t>(i));
    }
    REQUIRE(p.stack.write_urgent(p.id, octets).value == n);
}

// The news of the connection since the last call.
std::uint8_t news(peer<>& p)
{
    std::uint8_t what = 0;
    while (const auto event = p.stack.poll_event()) {
        what = static_cast<std::uint8_t>(what | event->what);
    }
    return what;
}

bool urgent_news(peer<>& p) { return (news(p) & readiness::urgent) != 0; }

}  // namespace

TEST_CASE("Urgent: the pointer of a sent segment names the octet behind the urgent ones, which are part of the stream",
          "[conformance][MUST-30][MUST-62][RFC6093-4a][RFC6093-5b]")
{
    peer p;
    p.in_established();
    p.write(5);
    CHECK(p.next() == "A seq=5001 len=5 urg=0");
    p.send("A seq=1001 ack=5006");
    write_urgent(p, 5, 5);
    CHECK(p.next() == "UA seq=5006 len=5 urg=5");
    p.send("A seq=1001 ack=5011");
    p.check_payload = false;
    p.write(5);
    CHECK(p.next() == "A seq=5011 len=5 urg=0");
}

TEST_CASE("Urgent: every segment before the mark carries it, none behind it does", "[conformance][MUST-30][MUST-31]")
{
    peer p;
    p.in_established();
    p.write(1'500);
    CHECK(p.next() == "A seq=5001 len=1000");  // left before anything was urgent
    write_urgent(p, 1'000, 1'500);
    CHECK(p.next() == "UA seq=6001 len=1000 urg=1500");
    CHECK(p.next() == "UA seq=7001 len=500 urg=500");
    CHECK(p.next() == "-");
    p.check_payload = false;
    p.stack.set_no_delay(p.id, true);
    p.write(10);
    CHECK(p.next() == "A seq=7501 len=10 urg=0");
    p.wait(1'100_ms);
    CHECK(p.next() == "UA seq=5001 len=1000 urg=2500");  // sent again, it says what was not known before
}

TEST_CASE("Urgent: small urgent segments wait for nothing, neither Nagle nor cork", "[conformance][MUST-30]")
{
    peer p;
    p.in_established();
    p.stack.set_cork(p.id, true);
    p.write(10);
    CHECK(p.next() == "-");
    write_urgent(p, 10, 10);
    CHECK(p.next() == "UA seq=5001 len=20 urg=20");
    write_urgent(p, 10, 20);
    CHECK(p.next() == "UA seq=5021 len=10 urg=10");
}

TEST_CASE("Urgent: what is sent again carries the mark as it stands now", "[conformance][MUST-30]")
{
    peer p;
    p.in_established();
    write_urgent(p, 10);
    CHECK(p.next() == "UA seq=5001 len=10 urg=10");
    write_urgent(p, 10, 10);
    CHECK(p.next() == "UA seq=5011 len=10 urg=10");
    p.wait(1'100_ms);
    CHECK(p.next() == "UA seq=5001 len=10 urg=20");
}

TEST_CASE("Urgent: a mark more than 65535 octets ahead is named as far as the field can", "[conformance][MUST-31]")
{
    peer p;
    p.in_established("mss=1000 ws=4");
    write_urgent(p, 100'000);
    CHECK(p.next() == "UA seq=5001 len=1000 urg=65535");
    std::uint32_t at = 6'001;
    while (at < 105'001) {
        const packet seen = p.next();
        if (seen == "-") {
            p.send("A seq=1001 ack=" + std::to_string(at));
            continue;
        }
        REQUIRE(seen.seq() == at);
        CHECK((seen.header.flags & tcp_flag::urg) != 0);
        CHECK(seen.header.urgent_pointer == std::min(105'001 - at, 65'535U));
        at += static_cast<std::uint32_t>(seen.length);
    }
}

TEST_CASE("Urgent: behind a closed window the peer is told at once, by a segment without text",
          "[conformance][MUST-30]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 win=0");
    write_urgent(p, 10);
    CHECK(p.next() == "UA seq=5001 len=0 urg=10");
    CHECK(p.next() == "-");
    p.wait(1'100_ms);
    CHECK(p.next() == "UA seq=5001 len=1 urg=10");  // the probe says it, too
}

TEST_CASE("Urgent: the user is told when a mark appears and when it moves on, not when it is repeated",
          "[conformance][MUST-30][MUST-32][MUST-33][RFC9293-3.10.7.4-6a][RFC6093-6a]")
{
    peer p;
    p.in_established();
    CHECK_FALSE(urgent_news(p));
    p.send("UA seq=1001 ack=5001 len=10 urg=30");  // most of it has yet to come
    CHECK(urgent_news(p));
    CHECK(p.stack.urgent_ahead(p.id) == 30);
    CHECK(p.info().urgent_ahead == 30);
    CHECK((p.stack.readiness_of(p.id) & readiness::urgent) != 0);
    p.send("UA seq=1011 ack=5001 len=10 urg=20");
    CHECK_FALSE(urgent_news(p));
    CHECK(p.read(5) == 5);
    CHECK(p.stack.urgent_ahead(p.id) == 25);
    p.send("UA seq=1021 ack=5001 len=10 urg=11");
    CHECK(urgent_news(p));
    CHECK(p.read() == 25);
    CHECK(p.stack.urgent_ahead(p.id) == 1);
    p.send("A seq=1031 ack=5001 len=10");
    CHECK(p.stack.urgent_ahead(p.id) == 1);
    CHECK(p.read() == 10);
    CHECK(p.stack.urgent_ahead(p.id) == 0);
    CHECK((p.stack.readiness_of(p.id) & readiness::urgent) == 0);
    p.send("UA seq=1041 ack=5001 len=10 urg=10");
    CHECK(urgent_news(p));
}

TEST_CASE("Urgent: the mark counts from where the segment began, also when its beginning is old",
          "[conformance][MUST-62]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10");
    p.send("UA seq=1001 ack=5001 len=20 urg=15");
    CHECK(p.stack.urgent_ahead(p.id) == 15);
    CHECK(p.read() == 20);
    CHECK(p.stack.urgent_ahead(p.id) == 0);
}

TEST_CASE("Urgent: a mark that arrives behind our closed window is heard", "[conformance][MUST-66][MUST-32]")
{
    peer p;
    p.in_established();
    std::uint32_t at = 1'001;
    while (p.info().rcv_wnd > 0) {
        const auto n = static_cast<std::uint32_t>(std::min<octet_count>(p.info().rcv_wnd, 1'000));
        p.send("A ack=5001 seq=" + std::to_string(at) + " len=" + std::to_string(n));
        at += n;
    }
    CHECK(at == 11'001);
    news(p);
    p.send("UA seq=11001 ack=5001 len=0 urg=4");
    CHECK(urgent_news(p));
    CHECK(p.stack.urgent_ahead(p.id) == 10'004);
}

TEST_CASE("Urgent: unacceptable segments, a pointer of 0 and one behind what was read mark nothing",
          "[conformance][RFC9293-3.10.7.4-6a]")
{
    peer p;
    p.in_established();
    p.send("UA seq=90000 ack=5001 len=0 urg=4");
    p.send("UA seq=1001 ack=5001 len=10 urg=0");
    CHECK_FALSE(urgent_news(p));
    CHECK(p.read() == 10);
    p.send("UA seq=1001 ack=5001 len=12 urg=10");
    CHECK_FALSE(urgent_news(p));
    CHECK(p.stack.urgent_ahead(p.id) == 0);
    p.send("A seq=1013 ack=5001 len=10 urg=10");  // a pointer without the flag
    CHECK_FALSE(urgent_news(p));
    CHECK(p.stack.urgent_ahead({}) == 0);
}

TEST_CASE("Urgent: behind the peer's FIN the flag means nothing, and a mark ends with the stream",
          "[conformance][RFC9293-3.10.7.4-6a]")
{
    peer p;
    p.in_established();
    p.send("UFA seq=1001 ack=5001 len=10 urg=100");
    CHECK(p.stack.urgent_ahead(p.id) == 10);
    CHECK(p.read() == 10);
    CHECK(p.stack.urgent_ahead(p.id) == 0);
    news(p);
    p.send("UA seq=1012 ack=5001 urg=100");
    CHECK_FALSE(urgent_news(p));
}

TEST_CASE("Urgent: writing on no connection, and after shutdown, says so", "[conformance][MUST-30]")
{
    peer p;
    p.in_established();
    const std::byte one[] = {std::byte{1}};
    CHECK(p.stack.write_urgent({}, one).ec == errc::bad_file_descriptor);
    p.shutdown();
    CHECK(p.stack.write_urgent(p.id, one).ec == errc::broken_pipe);
    CHECK(p.next() == "FA seq=5001");
}
