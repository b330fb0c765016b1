// Compact records of TIME-WAIT: they answer as the connection did.
#include "tcpco/stack/time_waits.hpp"

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

// The user has closed, the peer too: nobody holds the connection any more.
void in_abandoned_time_wait(peer<>& p, const std::string& syn = "mss=1000", const std::string& stamp = "")
{
    p.in_established(syn, stamp);
    CHECK(p.stack.close(p.id) == errc::ok);
    CHECK(p.next() == "FA seq=5001 ack=1001");
    p.send("FA seq=1001 ack=5002 " + (stamp.empty() ? "" : std::string{"ts=300/0"}));
    CHECK(p.next() == "A seq=5002 ack=1002");
    p.mark();
}

std::vector<std::string> time_waits(peer<>& p, std::size_t records)
{
    CHECK(p.stack.time_wait_count() == records);
    return p.connections();
}

const std::vector<std::string> one{"TIME-WAIT"};
const std::vector<std::string> none{};

}  // namespace

TEST_CASE("TIME-WAIT: a connection that nobody holds becomes a record for 2 MSL", "[stack][MUST-13]")
{
    peer p;
    in_abandoned_time_wait(p);
    CHECK(time_waits(p, 1) == one);
    CHECK(p.stack.connection_count() == 0);
    p.wait(60_s - 1_ms);
    CHECK(time_waits(p, 1) == one);
    p.wait(2_ms);
    CHECK(time_waits(p, 0) == none);
    CHECK(p.next() == "-");
    p.send("A seq=1002 ack=5002");
    CHECK(p.next() == "R seq=5002");
}

TEST_CASE("TIME-WAIT: a connection that its user holds stays one until he closes it", "[stack]")
{
    peer p;
    p.in_time_wait();
    CHECK(time_waits(p, 0) == one);
    CHECK(p.stack.close(p.id) == errc::ok);
    CHECK(time_waits(p, 1) == one);
    p.wait(61_s);
    CHECK(time_waits(p, 0) == none);
}

TEST_CASE("TIME-WAIT record: a repeated FIN is acknowledged and starts 2 MSL again", "[stack][RFC9293-3.10.7.4-5l]")
{
    peer p;
    in_abandoned_time_wait(p);
    p.wait(50_s);
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002 win=9999");
    CHECK(p.next() == "-");
    p.wait(59_s);
    CHECK(time_waits(p, 1) == one);
    p.wait(2_s);
    CHECK(time_waits(p, 0) == none);
}

TEST_CASE("TIME-WAIT record: an RST is ignored, old text is acknowledged", "[stack][RFC1337-3a][RFC1337-3b]")
{
    peer p;
    in_abandoned_time_wait(p);
    p.send("R seq=1002");
    CHECK(p.next() == "-");
    p.send("A seq=901 ack=5002 len=100");
    CHECK(p.next() == "A seq=5002 ack=1002");
    p.send("R seq=1002");
    CHECK(time_waits(p, 1) == one);
    CHECK(p.stack.counters().of(drop_reason::tcp_rst_in_time_wait) == 2);
}

TEST_CASE("TIME-WAIT record: an RST ends it where the policy says so", "[stack][RFC9293-3.10.7.4-2g]")
{
    peer p{with([](auto& c) { c.time_wait.honour_rst = true; })};
    in_abandoned_time_wait(p);
    p.send("R seq=1001");
    CHECK(time_waits(p, 1) == one);
    p.send("R seq=1002");
    CHECK(time_waits(p, 0) == none);
}

TEST_CASE("TIME-WAIT record: challenge ACKs stay limited", "[stack][RFC5961-7a]")
{
    peer p;
    in_abandoned_time_wait(p);
    std::size_t answers = 0;
    for (int i = 0; i < 100; ++i) {
        p.send("A seq=1 ack=5002");
        answers += p.forget();
    }
    CHECK(answers > 0);
    CHECK(answers < 20);
    // A repeated FIN begins 2 MSL anew; the limit knows nothing of that.
    p.wait(4'900_ms);
    p.send("FA seq=1001 ack=5002");
    p.send("A seq=1 ack=5002");
    p.forget();
    const auto limited = p.stack.counters().challenge_acks_limited;
    p.send("A seq=1 ack=5002");
    CHECK(p.forget() == 0);
    CHECK(p.stack.counters().challenge_acks_limited == limited + 1);
    p.wait(1'200_ms);
    p.send("A seq=1 ack=5002");
    CHECK(p.forget() == 1);
    CHECK(p.stack.counters().challenge_acks_limited == limited + 1);
}

TEST_CASE("TIME-WAIT record: the time of the next challenge ACKs is kept to the microsecond, whatever 2 MSL is", "[stack]")
{
    const auto kept = [](time_point expires, time_point at) {
        time_wait_record r;
        r.expires = expires;
        r.set_challenge_window(at);
        return r.challenge_window();
    };
    const time_point now{1'000'000'000'123'456};
    CHECK(kept(now + 60_s, now + 5'500_ms) == now + 5'500_ms);
    CHECK(kept(now, now + 6_s) == now + 6_s);
    CHECK(kept(now + 60_s, now) == now);
    const time_point odd = now + duration{5'500'000'001};
    CHECK(kept(now + 60_s, odd) >= odd);
    CHECK(kept(now + 60_s, odd) < odd + 1_us);
    CHECK(kept(now + 60_s, time_point{}) == time_point{});       // never set
    CHECK(kept(now + 10'000_s, now) == time_point{});            // too long ago to tell
    CHECK(kept(time_point::never(), now + 5_s) == time_point{});  // 2 MSL without an end
}

TEST_CASE("TIME-WAIT record: SYNs are judged by number and timestamp", "[stack][MAY-2][RFC6191-2a][RFC6191-2e]")
{
    peer p;
    in_abandoned_time_wait(p, "mss=1000 ts=100", "ts=200/0");
    p.send("S seq=200000000 mss=1000 ts=299");
    CHECK(p.next() == "-");
    CHECK(time_waits(p, 1) == one);
    p.check_payload = false;
    p.send("S seq=500 mss=1000 ts=301");
    const packet answer = p.next();
    CHECK(answer == "SA ack=501 tsecr=301");
    CHECK(precedes(sequence_number{5'002}, answer.header.seq));
    CHECK(time_waits(p, 0) == std::vector<std::string>{"SYN-RECEIVED"});
}

TEST_CASE("TIME-WAIT record: its four-tuple cannot be connected", "[stack][MUST-13]")
{
    peer p;
    p.in_established_active();
    CHECK(p.stack.close(p.id) == errc::ok);
    p.forget();
    p.send("FA seq=1001 ack=5002");
    p.forget();
    CHECK(time_waits(p, 1) == one);
    CHECK(p.stack.connect({p.peer_address, p.peer_port}, {.local = {p.sut_address, 30'000}}).ec ==
          errc::address_in_use);
}

TEST_CASE("TIME-WAIT records: beyond the limit the oldest ends, counted", "[stack]")
{
    peer p{with([](auto& c) { c.limits.time_wait = 2; })};
    for (std::uint16_t port = 40'000; port < 40'005; ++port) {
        if (port != 40'000) {
            p.peer_port = port;
        }
        p.listen();
        p.check_payload = false;
        p.send("S seq=1000 mss=1000");
        const std::string ack = std::to_string(p.next().seq() + 1);
        const std::string fin = std::to_string(std::stoul(ack) + 1);
        p.send("A seq=1001 ack=" + ack);
        CHECK(p.accept());
        CHECK(p.stack.close(p.id) == errc::ok);
        p.forget();
        p.send("FA seq=1001 ack=" + fin);
        p.forget();
        CHECK(p.stack.close(p.listener) == errc::ok);
    }
    CHECK(p.stack.time_wait_count() == 2);
    CHECK(p.stack.counters().time_wait_evicted == 3);
    p.send("FA seq=1001 ack=1");
    CHECK(p.forget() == 1);
    CHECK(p.connections().size() == 2);
    p.peer_port = 40'000;  // the first
    p.send("FA seq=1001 ack=77");
    CHECK(p.next() == "R seq=77");
}

TEST_CASE("TIME-WAIT records: with a limit of none the connections go on themselves, counted", "[stack][MUST-13]")
{
    peer p{with([](auto& c) { c.limits.time_wait = 0; })};
    in_abandoned_time_wait(p);
    CHECK(time_waits(p, 0) == one);
    CHECK(p.stack.counters().time_wait_refused > 0);
    p.wait(59_s);
    p.send("R seq=1002");
    CHECK(p.connections() == one);
    p.wait(2_s);
    CHECK(p.connections() == none);
}

TEST_CASE("TIME-WAIT records end with abort_all and with the device", "[stack]")
{
    const bool device = GENERATE(false, true);
    peer p;
    in_abandoned_time_wait(p);
    if (device) {
        p.stack.device_lost(errc::network_down);
    } else {
        p.stack.abort_all(p.now);
    }
    CHECK(time_waits(p, 0) == none);
    CHECK(p.next() == "-");
    p.stack.check_invariants();
}
