// Suspended, and awake again: the clock jumps, and every timer is due at once. And options that are lost on the way.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

constexpr duration jumps[] = {3'600_s, 30 * 86'400_s, 400 * 86'400_s};

void sleep_through(peer<>& p, duration d)
{
    p.now = p.now + d;
    p.wait(0_s);
}

}  // namespace

TEST_CASE("Clock jump in mid-transfer: one retransmission, and an answer carries the connection on",
          "[conformance][RFC9293-3.10.8b]")
{
    for (const duration jump : jumps) {
        peer p;
        p.in_established();
        p.write(1'000);
        CHECK(p.next() == "A seq=5001 len=1000");
        sleep_through(p, jump);
        CHECK(p.next() == "A seq=5001 len=1000");
        CHECK(p.next() == "-");
        CHECK(p.state() == "ESTABLISHED");
        CHECK(p.info().timeouts == 1);
        p.send("A seq=1001 ack=6001");
        p.write(500);
        CHECK(p.next() == "A seq=6001 len=500");
        CHECK(p.info().rto < 121_s);
    }
}

TEST_CASE("Clock jump: an ACK that waits already is taken before the timers, so nothing is sent again",
          "[conformance][RFC9293-3.10.8b]")
{
    for (const duration jump : jumps) {
        peer p;
        p.in_established();
        p.write(1'000);
        CHECK(p.next() == "A seq=5001 len=1000");
        p.now = p.now + jump;
        p.send("A seq=1001 ack=6001");
        p.wait(0_s);
        CHECK(p.next() == "-");
        CHECK(p.info().timeouts == 0);
    }
}

TEST_CASE("Clock jump: timestamps that stood still for longer than 24 days do not lock the peer out",
          "[conformance][RFC7323-5.5a]")
{
    for (const duration jump : jumps) {
        peer p;
        p.in_established("mss=1000 ts=1000/0", "ts=1000/0");
        p.send("A seq=1001 ack=5001 len=10 ts=1001/0");
        p.forget();
        sleep_through(p, jump);
        p.forget();
        const auto tsval = static_cast<std::uint32_t>(1'001 + static_cast<std::uint64_t>(jump.milliseconds()));
        p.send("A seq=1011 ack=5001 len=10 ts=" + std::to_string(tsval) + "/0");
        CHECK(p.next() == "A seq=5001 ack=1021");
    }
}

TEST_CASE("Clock jump: a closed window is probed once, and a delayed ACK leaves at once", "[conformance][MUST-36]")
{
    for (const duration jump : jumps) {
        peer p;
        p.in_established();
        p.send("A seq=1001 ack=5001 win=0");
        p.write(10);
        CHECK(p.next() == "-");
        sleep_through(p, jump);
        CHECK(p.next() == "A seq=5001 len=1");
        CHECK(p.next() == "-");
        CHECK(p.state() == "ESTABLISHED");
        p.send("A seq=1001 ack=5002 win=1000");
        CHECK(p.next() == "A seq=5002 len=9");
    }
}

TEST_CASE("Clock jump: a user timeout that passed meanwhile ends the connection, a SYN goes on trying",
          "[conformance][RFC9293-3.10.8a][MUST-22]")
{
    for (const duration jump : jumps) {
        peer p;
        p.in_established();
        p.stack.set_user_timeout(p.id, 60_s);
        p.write(10);
        CHECK(p.next() == "A seq=5001 len=10");
        sleep_through(p, jump);
        CHECK(p.state() == "CLOSED");
        CHECK(p.error() == message(errc::timed_out));

        peer q;
        q.in_syn_sent();
        sleep_through(q, jump);
        CHECK(q.next() == "S seq=5000");
        q.send("SA seq=1000 ack=5001 mss=1000");
        CHECK(q.state() == "ESTABLISHED");
    }
}

TEST_CASE("Options that a middlebox took out of the handshake are not used: losses are repaired without them",
          "[conformance][RFC7323-3.2a][RFC7323-2.2a]")
{
    peer p;
    const packet syn = p.in_syn_sent();
    CHECK(syn.options.has_timestamps);
    CHECK(syn.options.sack_permitted);
    CHECK(syn.options.has_window_scale);
    p.send("SA seq=1000 ack=5001 win=8000");
    CHECK(p.next() == "A seq=5001 ack=1001 ts=none sack=none");
    p.write(4 * 536);
    for (std::uint32_t at = 5'001; at < 5'001 + 4 * 536; at += 536) {
        CHECK(p.next() == "A seq=" + std::to_string(at) + " len=536 ts=none");
    }
    for (int i = 0; i < 3; ++i) {
        p.send("A seq=1001 ack=5001 win=8000");  // the first one is lost
    }
    CHECK(p.next() == "A seq=5001 len=536 ts=none");
    p.send("A seq=1001 ack=7145 win=8000");
    CHECK(p.info().unacked == 0);
    p.send("A seq=1501 ack=7145 len=500 win=8000");  // and so does the other direction
    CHECK(p.next() == "A seq=7145 ack=1001 sack=none");
    p.send("A seq=1001 ack=7145 len=500 win=8000");
    CHECK(p.next() == "A seq=7145 ack=2001 sack=none");
}
