// The end of many connections: the limit of orphans, shutdown() of a whole stack, and what a broken pipe looks like.
#include "tcpco/stack/connections.hpp"

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

// A connection from another port of the peer, accepted.
void open_from(peer<>& p, std::uint16_t port)
{
    p.peer_port = port;
    p.check_payload = false;
    p.send("S seq=1000 mss=1000");
    p.send("A seq=1001 ack=" + std::to_string(p.next().seq() + 1));
    REQUIRE(p.accept());
    p.forget();
}

}  // namespace

TEST_CASE("orphans beyond their limit are reset on close, counted, and make room when they end", "[stack]")
{
    peer p{with([](auto& c) { c.limits.orphans = 1; })};
    p.listen();
    open_from(p, 40'000);
    p.close();
    const packet fin = p.next();
    CHECK(fin == "FA ack=1001");
    open_from(p, 40'001);
    p.close();
    CHECK(p.next() == "RA ack=1001");
    CHECK(p.stack.counters().orphans_reset == 1);
    CHECK(p.stack.connection_count() == 1);
    p.stack.check_invariants();

    p.peer_port = 40'000;
    p.send("FA seq=1001 ack=" + std::to_string(fin.seq() + 1));  // now TIME-WAIT: no orphan any more
    CHECK(p.next() == "A ack=1002");
    p.stack.check_invariants();
    open_from(p, 40'002);
    p.close();
    CHECK(p.next() == "FA ack=1001");
    CHECK(p.stack.counters().orphans_reset == 1);
}

TEST_CASE("shutdown of a stack: FINs, nothing new, resets at the deadline, then finished", "[stack]")
{
    peer p{with([](auto& c) { c.limits.orphans = 0; })};  // of no account here
    p.in_established();
    const time_point deadline = p.now + 5_s;
    CHECK_FALSE(p.stack.is_shut_down());
    p.stack.shutdown(p.now, deadline);
    CHECK(p.next() == "FA seq=5001 ack=1001");
    CHECK(p.stack.counters().orphans_reset == 0);
    CHECK(p.stack.listen({p.sut_address, 99}).ec == errc::operation_not_permitted);
    CHECK(p.stack.connect({p.peer_address, 99}).ec == errc::operation_not_permitted);

    SECTION("a peer that answers")
    {
        p.send("FA seq=1001 ack=5002");
        CHECK(p.next() == "A seq=5002 ack=1002");
        CHECK(p.stack.is_shut_down());
        CHECK(p.stack.deadline() > deadline);
    }
    SECTION("a peer that does not")
    {
        p.send("A seq=1001 ack=5002");
        CHECK(p.stack.deadline() <= deadline);
        p.wait(5_s - 1_ms);
        CHECK_FALSE(p.stack.is_shut_down());
        CHECK(p.next() == "-");
        p.wait(2_ms);
        CHECK(p.next() == "RA seq=5002 ack=1001");
        CHECK(p.stack.is_shut_down());
    }
    p.stack.check_invariants();
}

TEST_CASE("broken pipe: the first write after the peer has gone meets its RST, the second fails", "[stack]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10");
    p.send("FA seq=1011 ack=5001");  // close(): the peer will not read either, but we cannot know
    p.forget();
    CHECK(p.state() == "CLOSE-WAIT");
    p.write(10);
    CHECK(p.next() == "A seq=5001 ack=1012 len=10");
    p.send("R seq=1012");
    CHECK(p.write_error() == errc::broken_pipe);
    CHECK(p.read() == 10);  // what had come stays readable: the RST says nothing against it
    CHECK(p.read_error() == std::string{message(errc::connection_reset)});
}
