// TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4, 3.10.8; RFC 1337, RFC 6191).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

TEST_CASE("TIME-WAIT lasts 2 MSL", "[conformance][MUST-13][RFC9293-3.10.8c]")
{
    const auto msl = GENERATE(1, 30, 120);
    peer p{with([&](auto& c) { c.time_wait.msl = duration{msl * 1'000'000'000LL}; })};
    p.in_time_wait();
    p.wait(duration{msl * 2'000'000'000LL} - 1_ms);
    CHECK(p.state() == "TIME-WAIT");
    p.wait(2_ms);
    CHECK(p.state() == "CLOSED");
    CHECK(p.next() == "-");
    CHECK(p.error() == std::string{"success"});
}

TEST_CASE("TIME-WAIT: a retransmitted FIN is acknowledged and starts 2 MSL again", "[conformance][RFC9293-3.10.7.4-5l]")
{
    peer p{with([](auto& c) { c.time_wait.msl = 30_s; })};
    p.in_time_wait();
    p.wait(50_s);
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.next() == "-");
    p.wait(59_s);
    CHECK(p.state() == "TIME-WAIT");
    p.wait(2_s);
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("TIME-WAIT: a retransmitted FIN with its data is acknowledged and delivers nothing",
          "[conformance][RFC9293-3.10.7.4-5l]")
{
    peer p;
    p.in_fin_wait_2();
    p.send("FA seq=1001 ack=5002 len=10");
    CHECK(p.next() == "A seq=5002 ack=1012");
    CHECK(p.read() == 10);
    p.send("FA seq=1001 ack=5002 len=10");
    CHECK(p.next() == "A seq=5002 ack=1012");
    CHECK(p.read() == 0);
}

TEST_CASE("TIME-WAIT: an RST, even at the left edge, is ignored (RFC 1337)", "[conformance][RFC1337-3a]")
{
    peer p;
    p.in_time_wait();
    p.send("R seq=1002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
    p.wait(59_s);
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("TIME-WAIT: an RST ends it where the policy says so", "[conformance][RFC9293-3.10.7.4-2g]")
{
    peer p{with([](auto& c) { c.time_wait.honour_rst = true; })};
    p.in_time_wait();
    p.send("R seq=1001");
    p.send("R seq=12002");
    CHECK(p.state() == "TIME-WAIT");
    p.send("R seq=1002");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("TIME-WAIT: old data is acknowledged and not delivered", "[conformance][RFC9293-3.10.7.4-1e][RFC1337-3b]")
{
    peer p;
    p.in_time_wait();
    p.send("A seq=901 ack=5002 len=100");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
}

TEST_CASE("TIME-WAIT: a SYN beyond the old connection opens a new one, with a greater ISS",
          "[conformance][MAY-2][RFC6191-2d]")
{
    peer p;
    p.in_time_wait();
    p.check_payload = false;
    p.send("S seq=200000000 mss=1000");
    const packet answer = p.next();
    CHECK(answer == "SA ack=200000001");
    CHECK(precedes(sequence_number{5'002}, answer.header.seq));
    p.send("A seq=200000001 ack=" + std::to_string(answer.seq() + 1));
    CHECK(p.accept());
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.connections().size() == 1);
}

TEST_CASE("TIME-WAIT: the new ISS lies beyond the old connection whatever the generator says", "[conformance][MAY-2]")
{
    peer p{with([](auto& c) { c.isn.step = 0; })};
    p.in_time_wait();
    p.check_payload = false;
    p.send("S seq=200000000 mss=1000");
    const packet answer = p.next();
    CHECK(answer == "SA ack=200000001");
    CHECK(precedes(sequence_number{5'002}, answer.header.seq));
}

TEST_CASE("TIME-WAIT: an old SYN opens nothing", "[conformance][RFC6191-2e]")
{
    const std::string seq = GENERATE(as<std::string>{}, "500", "1000", "1001");
    INFO(seq);
    peer p;
    p.in_time_wait();
    p.send("S seq=" + seq);
    CHECK(p.next() == "-");
    CHECK(p.stack.counters().of(drop_reason::tcp_syn_in_time_wait) == 1);
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("TIME-WAIT: a SYN where nobody listens any more is answered without a connection", "[conformance][MAY-2]")
{
    peer p;
    p.in_time_wait();
    CHECK(p.stack.close(p.listener) == errc::ok);
    p.send("S seq=200000000");
    const packet answer = p.next();
    CHECK((answer == "RA seq=0 ack=200000001" || answer == "-" || answer == "A seq=5002 ack=1002"));
    const auto left = p.connections();
    CHECK((left.empty() || left == std::vector<std::string>{"TIME-WAIT"}));
}

namespace {

// TIME-WAIT of a connection with timestamps; the last one of the peer was 300.
void in_time_wait_with_timestamps(peer<>& p)
{
    p.in_established("mss=1000 ts=100", "ts=200/0");
    p.shutdown();
    CHECK(p.next() == "FA seq=5001 ack=1001 tsecr=200");
    p.send("FA seq=1001 ack=5002 ts=300/0");
    CHECK(p.next() == "A seq=5002 ack=1002 tsecr=300");
    CHECK(p.state() == "TIME-WAIT");
}

}  // namespace

TEST_CASE("TIME-WAIT: a SYN with a newer timestamp opens a connection whatever its number",
          "[conformance][SHLD-4][RFC6191-2a]")
{
    peer p;
    in_time_wait_with_timestamps(p);
    p.send("S seq=500 mss=1000 ts=301");
    CHECK(p.next() == "SA ack=501 tsecr=301");
}

TEST_CASE("TIME-WAIT: the timestamp of an RST that is ignored changes nothing",
          "[conformance][RFC7323-5.2a][RFC1337-3a]")
{
    peer p;
    in_time_wait_with_timestamps(p);
    p.send("R seq=1002 ts=50000/0");
    CHECK(p.next() == "-");
    p.send("S seq=500 mss=1000 ts=301");
    CHECK(p.next() == "SA ack=501 tsecr=301");
}

TEST_CASE("TIME-WAIT: a SYN with an equal timestamp needs a newer number", "[conformance][RFC6191-2b]")
{
    peer p;
    in_time_wait_with_timestamps(p);
    p.send("S seq=500 mss=1000 ts=300");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
    p.send("S seq=2000 mss=1000 ts=300");
    CHECK(p.next() == "SA ack=2001");
}

TEST_CASE("TIME-WAIT: a SYN with an older timestamp opens nothing", "[conformance][RFC6191-2e]")
{
    peer p;
    in_time_wait_with_timestamps(p);
    p.send("S seq=200000000 mss=1000 ts=299");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("TIME-WAIT: a SYN without timestamp after a connection with them needs a newer number",
          "[conformance][RFC6191-2c]")
{
    peer p;
    in_time_wait_with_timestamps(p);
    p.send("S seq=900 mss=1000");
    CHECK(p.next() == "-");
    CHECK(p.state() == "TIME-WAIT");
    p.send("S seq=2000 mss=1000");
    CHECK(p.next() == "SA ack=2001 ts=none");
}

TEST_CASE("TIME-WAIT: a SYN with timestamps after a connection without them opens a new one whatever its number",
          "[conformance][RFC6191-2d]")
{
    peer p;
    p.in_time_wait();
    p.check_payload = false;
    p.send("S seq=500 mss=1000 ts=7");
    CHECK(p.next() == "SA ack=501 tsecr=7");
}

TEST_CASE("TIME-WAIT: the policy can forbid a new connection", "[conformance][MAY-2]")
{
    peer p{with([](auto& c) { c.time_wait.accept_syn = false; })};
    p.in_time_wait();
    p.send("S seq=200000000");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("TIME-WAIT: a SYN that the policy forbids is answered with an ACK though it lacks timestamps",
          "[conformance][RFC9293-3.10.7.4-4b]")
{
    peer p{with([](auto& c) { c.time_wait.accept_syn = false; })};
    in_time_wait_with_timestamps(p);
    p.send("S seq=200000000 mss=1000");
    CHECK(p.next() == "A seq=5002 ack=1002 tsecr=300");
    CHECK(p.state() == "TIME-WAIT");
}

TEST_CASE("TIME-WAIT: its four-tuple cannot be connected freely", "[conformance][MUST-13]")
{
    peer p;
    p.in_established_active();
    p.shutdown();
    CHECK(p.next() == "FA seq=5001");
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    CHECK(p.state() == "TIME-WAIT");
    const auto again =
        p.stack.connect({p.peer_address, p.peer_port}, {.local = {p.sut_address, 30'000}, .no_delay = false});
    if (again.ec == errc::ok) {
        p.check_payload = false;
        const packet syn = p.next();  // allowed with an ISS beyond the old connection (MAY-2)
        CHECK(syn == "S");
        CHECK(precedes(sequence_number{5'002}, syn.header.seq));
    } else {
        CHECK((again.ec == errc::address_in_use || again.ec == errc::address_not_available));
    }
}

TEST_CASE("TIME-WAIT: timestamps that this stack does not use do not make an old SYN a new one",
          "[conformance][RFC6191-2d][RFC6191-2e]")
{
    peer p{with([](auto& c) { c.tcp.timestamps = false; })};
    p.in_established("mss=1000 ts=100");
    p.shutdown();
    p.forget();
    p.send("FA seq=1001 ack=5002 ts=102/0");
    p.forget();
    p.send("S seq=1000 mss=1000 ts=100");  // the old connection's own
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::tcp_syn_in_time_wait) == 1);
    CHECK(p.state() == "TIME-WAIT");
}

namespace {

const std::string new_syn = "S seq=200000000 mss=1000";

// In TIME-WAIT, with an owner or as a record.
void in_time_wait(peer<>& p, bool owned)
{
    p.in_time_wait();
    if (!owned) {
        p.close();
    }
    p.check_payload = false;
}

}  // namespace

TEST_CASE("TIME-WAIT: a new connection in its place gets no cookie, whose number might lie below the old ones",
          "[conformance][MAY-2]")
{
    peer p{with([&](auto& c) { c.syn_defence.use = syn::cookies::when::always; })};
    p.listen();
    p.check_payload = false;
    p.send("S seq=1000 mss=1000");
    const std::uint32_t iss = p.next().seq();
    p.send("A seq=1001 ack=" + std::to_string(iss + 1));
    CHECK(p.accept());
    p.shutdown();
    p.forget();
    p.send("FA seq=1001 ack=" + std::to_string(iss + 2));
    p.forget();
    const std::uint64_t cookies = p.stack.counters().syn_cookies_sent;
    p.send(new_syn);
    const packet answer = p.next();
    CHECK(answer == "SA ack=200000001");
    CHECK(precedes(sequence_number{iss + 2}, answer.header.seq));
    CHECK(p.stack.counters().syn_cookies_sent == cookies);
    CHECK(p.stack.connection_count() == 1);
}

TEST_CASE("TIME-WAIT: what refuses the new SYN leaves the old connection where it was", "[conformance][MAY-2]")
{
    const auto [owned, why] = GENERATE(table<bool, std::string>({{false, "half-open"},
                                                                 {true, "half-open"},
                                                                 {false, "accept queue"},
                                                                 {true, "accept queue"},
                                                                 {false, "slot"}}));
    INFO(why << (owned ? ", held by its user" : ", a record"));
    peer p{with([&](auto& c) { c.limits.connections = why == "slot" ? 1 : 10; })};
    in_time_wait(p, owned);
    CHECK(p.stack.set_options(p.listener, {.half_open_limit = 1}) == errc::ok);
    p.send("S seq=1 port=7777 mss=1000");
    const std::uint32_t iss = p.next().seq();
    if (why != "half-open") {
        CHECK(p.stack.set_backlog(p.listener, 1) == errc::ok);
        p.send("A seq=2 port=7777 ack=" + std::to_string(iss + 1));
    }
    p.send(new_syn);
    CHECK(p.next() == "-");
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    p.stack.check_invariants();
}

TEST_CASE("TIME-WAIT: the old connection returns when the SYN in its place was an old duplicate",
          "[conformance][MAY-2]")
{
    const auto [owned, by_reset] = GENERATE(
        table<bool, bool>({{false, false}, {false, true}, {true, false}, {true, true}}));
    INFO((owned ? "held by its user, " : "a record, ") << (by_reset ? "RST" : "no answer"));
    peer p{with([](auto& c) {
        c.time_wait.msl = 60_s;
        c.tcp.syn_ack_retries = 1;
    })};
    in_time_wait(p, owned);
    p.send(new_syn);
    CHECK(p.next() == "SA ack=200000001");
    CHECK(p.connections() == std::vector<std::string>{"SYN-RECEIVED"});
    CHECK(p.stack.time_wait_count() == 0);
    p.stack.check_invariants();
    if (by_reset) {
        p.send("R seq=200000001");
    } else {
        p.wait(10_s);
        p.forget();
    }
    CHECK(p.connections() == std::vector<std::string>{"TIME-WAIT"});
    CHECK(p.stack.time_wait_count() == 1);
    p.stack.check_invariants();
    p.send("FA seq=1001 ack=5002");
    CHECK(p.next() == "A seq=5002 ack=1002");
    p.wait(121_s);
    CHECK(p.connections().empty());
    p.stack.check_invariants();
}

TEST_CASE("TIME-WAIT: once the new connection stands the old one is over for good", "[conformance][MAY-2][MUST-13]")
{
    peer p;
    in_time_wait(p, GENERATE(false, true));
    p.send(new_syn);
    const std::uint32_t iss = p.next().seq();
    const bool late = GENERATE(false, true);
    if (late) {
        p.wait(61_s);  // its 2 MSL go on meanwhile
        p.forget();
    }
    p.send("A seq=200000001 ack=" + std::to_string(iss + 1));
    CHECK(p.connections() == std::vector<std::string>{"ESTABLISHED"});
    p.stack.check_invariants();
    p.send("R seq=200000001");
    CHECK(p.connections().empty());
    p.stack.check_invariants();
}
