// Keep-alive (RFC 9293 3.8.4) and the user timeout (3.8.3, 3.10.8).
#include "support/peer.hpp"

#include <optional>

#include "catch.hpp"

using namespace tcpco_test;

namespace {

constexpr keep_alive quick{.idle = 60_s, .interval = 10_s, .count = 3};

}  // namespace

TEST_CASE("Without keep-alive an idle connection sends nothing for fifty days", "[conformance][MUST-25]")
{
    peer p;
    p.in_established();
    p.wait(50 * 86'400_s);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A keep-alive probe is an empty segment at snd.nxt - 1, two hours after the last segment by default",
          "[conformance][MUST-24][MUST-28][SHLD-12]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{}) == errc::ok);
    p.wait(7'199_s);
    CHECK(p.next() == "-");
    p.wait(2_s);
    CHECK(p.next() == "A seq=5000 ack=1001 len=0 t=7200");
    p.send("A seq=1001 ack=5001");
    CHECK(p.next() == "-");
    p.wait(7'199_s);
    CHECK(p.next() == "-");  // not after the interval between probes: the peer has answered
    p.wait(2_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Keep-alive: so many probes without an answer, no fewer, end the connection with timed_out",
          "[conformance][MUST-27][MUST-29]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, quick) == errc::ok);
    p.wait(89_s);
    CHECK(p.next() == "A seq=5000 ack=1001 t=60");
    CHECK(p.next() == "A seq=5000 ack=1001 t=70");
    CHECK(p.next() == "A seq=5000 ack=1001 t=80");
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
    p.wait(2_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == message(errc::timed_out));
    CHECK(p.next() == "RA seq=5001 ack=1001");
}

TEST_CASE("Keep-alive: whatever acceptable segment comes starts the idle time anew", "[conformance][MUST-26]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, quick) == errc::ok);
    for (int i = 0; i < 5; ++i) {
        p.wait(50_s);
        p.send("A seq=1001 ack=5001");
    }
    CHECK(p.next() == "-");
    p.wait(59_s);
    CHECK(p.next() == "-");
    p.wait(2_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
    // One that is not acceptable does not: anybody could send it.
    p.wait(5_s);
    p.send("A seq=90000 ack=5001");
    p.forget();
    p.wait(26_s);
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("Keep-alive does not run while octets are outstanding: these have a timer of their own",
          "[conformance][MUST-26]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.idle = 2_s, .interval = 1_s, .count = 1}) == errc::ok);
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10");
    p.wait(20_s);
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        CHECK(seen == "A seq=5001 len=10");
    }
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Keep-alive: switched off it stops, switched on again it counts from the last segment",
          "[conformance][MUST-24][MUST-27]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, quick) == errc::ok);
    p.wait(65_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
    CHECK(p.stack.set_keep_alive(p.id, std::nullopt) == errc::ok);
    p.wait(3'600_s);
    CHECK(p.next() == "-");
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.idle = 4'000_s, .interval = 10_s, .count = 3}) == errc::ok);
    p.wait(200_s);
    CHECK(p.next() == "-");
    p.wait(200_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
}

TEST_CASE("Keep-alive: a clock that jumps by days sends one probe, and waits for its answer", "[conformance][MUST-29]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, quick) == errc::ok);
    p.now = p.now + 10 * 86'400_s;
    p.wait(1_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
    CHECK(p.next() == "-");
    p.send("A seq=1001 ack=5001");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A peer's keep-alive probe is answered with an ACK", "[conformance][MUST-24]")
{
    peer p;
    p.in_established();
    p.send("A seq=1000 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
}

TEST_CASE("Keep-alive: times outside 1 to 65535 s and a count of 0 are refused", "[conformance][MUST-27]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.idle = 0_s}) == errc::invalid_argument);
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.idle = 65'536_s}) == errc::invalid_argument);
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.interval = duration{-1}}) == errc::invalid_argument);
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.count = 0}) == errc::invalid_argument);
    CHECK(p.stack.set_keep_alive({}, keep_alive{}) == errc::bad_file_descriptor);
    CHECK(p.stack.set_user_timeout(p.id, duration{-1}) == errc::invalid_argument);
    CHECK(p.stack.set_user_timeout({}, 1_s) == errc::bad_file_descriptor);
}

TEST_CASE("User timeout: octets unacknowledged for so long end the connection with timed_out, to the millisecond",
          "[conformance][MUST-21][RFC9293-3.10.8a]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_user_timeout(p.id, 5'500_ms) == errc::ok);
    p.wait(100_s);
    CHECK(p.state() == "ESTABLISHED");  // idle is not unacknowledged
    p.write(10);
    p.wait(5'499_ms);
    CHECK(p.state() == "ESTABLISHED");
    p.wait(1_ms);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == message(errc::timed_out));
}

TEST_CASE("User timeout: it counts anew from each acknowledgement of something new", "[conformance][MUST-21]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_user_timeout(p.id, 5_s) == errc::ok);
    p.write(3'000);
    p.wait(4_s);
    p.send("A seq=1001 ack=6001");
    p.wait(4_s);
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=6001");  // nothing new
    p.wait(2_s);
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("User timeout: longer than the retransmissions would last, and infinite, are kept", "[conformance][MUST-21]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_user_timeout(p.id, GENERATE(100'000_s, 60 * 86'400_s)) == errc::ok);
    p.write(10);
    p.wait(90'000_s);
    CHECK(p.state() == "ESTABLISHED");
    p.forget();
    p.send("A seq=1001 ack=5011");
    CHECK(p.info().unacked == 0);
}

TEST_CASE("User timeout: a closed window whose probes are answered does not count, one whose are not does",
          "[conformance][MUST-37][MUST-21]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_user_timeout(p.id, 20_s) == errc::ok);
    p.send("A seq=1001 ack=5001 win=0");
    p.wait(100_s);
    p.write(10);
    for (int i = 0; i < 60; ++i) {
        p.wait(2_s);
        if (p.next() != "-") {
            p.send("A seq=1001 ack=5001 win=0");
        }
    }
    CHECK(p.state() == "ESTABLISHED");
    p.wait(85_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == message(errc::timed_out));
}

TEST_CASE("User timeout: a SYN is bounded by it, too", "[conformance][MUST-22]")
{
    peer p{with([](auto& c) { c.tcp.user_timeout = 10_s; })};
    p.in_syn_sent();
    p.wait(9'999_ms);
    CHECK(p.state() == "SYN-SENT");
    p.wait(2_ms);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == message(errc::timed_out));
}
