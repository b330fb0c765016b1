// The user timeout option (RFC 5482).
#include "support/peer.hpp"

#include <optional>

#include "catch.hpp"
#include "tcpco/tcp/user_timeout.hpp"

using namespace tcpco_test;

namespace {

auto advising(duration user_timeout = duration{})
{
    return with([user_timeout](auto& c) {
        c.tcp.user_timeout_option = true;
        c.tcp.user_timeout = user_timeout;
    });
}

}  // namespace

TEST_CASE("User timeouts are said in seconds, in minutes where these do not fit, rounded up",
          "[conformance][RFC5482-3.3a][RFC5482-3.4a]")
{
    CHECK(user_timeout_to_wire(100_s) == 100);
    CHECK(user_timeout_to_wire(1_ms) == 1);
    CHECK(user_timeout_to_wire(32'767_s) == 32'767);
    CHECK(user_timeout_to_wire(32'768_s) == (0x8000 | 547));
    CHECK(user_timeout_to_wire(32'767 * 60_s) == 0xFFFF);
    CHECK(user_timeout_to_wire(32'768 * 60_s) == 0);
    CHECK(user_timeout_to_wire(0_s) == 0);
    CHECK(user_timeout_to_wire(duration{-1}) == 0);
    CHECK(user_timeout_from_wire(0x8000 | 547) == 547 * 60_s);
    CHECK(user_timeout_from_wire(100) == 100_s);
}

TEST_CASE("User timeout option: off by default, then it is neither sent nor heeded", "[conformance][RFC5482-3d]")
{
    peer p;
    p.in_established("mss=1000 uto=4000");
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10 uto=none");
    p.send("A seq=1001 ack=5011 uto=3000");
    CHECK(p.info().user_timeout == 0_s);
    CHECK(p.info().remote_user_timeout == 0_s);
}

TEST_CASE("User timeout option: it stands in the SYN and in the first segment without, five minutes by default",
          "[conformance][RFC5482-3a][RFC5482-3.2a]")
{
    peer p{advising()};
    p.connect();
    CHECK(p.next() == "S seq=5000 uto=300");
    p.send("SA seq=1000 ack=5001 mss=1000");
    CHECK(p.next() == "A seq=5001 ack=1001 uto=300");
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10 uto=none");
    p.wait(2_s);
    CHECK(p.next() == "A seq=5001 len=10 uto=none");
}

TEST_CASE("User timeout option: a listener's SYN,ACK says it, and so does the segment after it",
          "[conformance][RFC5482-3a]")
{
    peer p{advising(200_s)};
    p.listen();
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001 uto=200");
    p.send("A seq=1001 ack=5001");
    REQUIRE(p.accept());
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10 uto=200");
}

TEST_CASE("User timeout option: the longer advice is adopted, within 100 s and an hour",
          "[conformance][RFC5482-3.1b][RFC5482-3.1c][RFC5482-3.1d]")
{
    const auto adopted = [](duration ours, std::string_view theirs) {
        peer p{advising()};
        p.in_established();
        p.stack.set_user_timeout_option(p.id, ours);
        p.send("A seq=1001 ack=5001 uto=" + std::string{theirs});
        return p.info().user_timeout;
    };
    CHECK(adopted(300_s, "500") == 500_s);
    CHECK(adopted(300_s, "200") == 300_s);
    CHECK(adopted(20_s, "10") == 100_s);
    CHECK(adopted(20_s, "0x803B") == 59 * 60_s);
    CHECK(adopted(20_s, "0xFFFF") == 3'600_s);
    CHECK(adopted(100'000_s, "10") == 3'600_s);
}

TEST_CASE("User timeout option: the adopted timeout exceeds the RTO at that time", "[conformance][RFC5482-3.1c]")
{
    peer p{with([](auto& c) {
        c.tcp.user_timeout_option = true;
        c.tcp.user_timeout = 1_s;
        c.tcp.user_timeout_lower = 1_ms;
    })};
    p.in_established();
    p.send("A seq=1001 ack=5001 uto=1");
    CHECK(p.info().user_timeout == p.info().rto + 1_ms);
}

TEST_CASE("User timeout option: advice in a SYN counts once the connection is synchronized, not before",
          "[conformance][RFC5482-3.3b]")
{
    peer p{advising()};
    p.in_syn_received("mss=1000 uto=2000");
    CHECK(p.info().remote_user_timeout == 2'000_s);
    CHECK(p.info().user_timeout == 0_s);
    p.send("A seq=1001 ack=5001");
    CHECK(p.info().user_timeout == 2'000_s);

    peer q{advising()};
    CHECK(q.in_syn_sent() == "S uto=300");
    q.send("SA seq=1000 ack=5001 mss=1000 uto=2000");
    CHECK(q.info().user_timeout == 2'000_s);
}

TEST_CASE("User timeout option: what was adopted ends the connection, and no sooner",
          "[conformance][RFC5482-3.1b][RFC9293-3.10.8a]")
{
    peer p{advising(50_s)};
    p.in_established("mss=1000 uto=400");
    p.write(10);
    p.wait(399_s);
    CHECK(p.state() == "ESTABLISHED");
    p.wait(2_s);
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == message(errc::timed_out));
}

TEST_CASE("User timeout option: a timeout that the application set stays, and is said to the peer at once",
          "[conformance][RFC5482-3c][RFC5482-3.1a][RFC5482-3b]")
{
    peer p{advising()};
    p.in_established();
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10 uto=300");
    CHECK(p.stack.set_user_timeout(p.id, 60_s) == errc::ok);
    p.send("A seq=1001 ack=5011 uto=1000");
    CHECK(p.info().user_timeout == 60_s);
    CHECK(p.info().remote_user_timeout == 1'000_s);  // so the application can know
    p.write(10);
    CHECK(p.next() == "A seq=5011 len=10 uto=60");
    CHECK(p.stack.set_user_timeout(p.id, 0_s) == errc::ok);  // the peer's advice counts again
    p.send("A seq=1001 ack=5021");
    CHECK(p.info().user_timeout == 1'000_s);
}

TEST_CASE("User timeout option: an unacceptable segment advises nothing", "[conformance][RFC5482-3.1b]")
{
    peer p{advising()};
    p.in_established();
    p.send("A seq=90000 ack=5001 uto=1000");
    CHECK(p.info().remote_user_timeout == 0_s);
}

TEST_CASE("User timeout option: per connection it can be switched on and off", "[conformance][RFC5482-3b]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_user_timeout_option(p.id, 0x9000 * 60_s) == errc::invalid_argument);
    CHECK(p.stack.set_user_timeout_option(p.id, 0_s) == errc::invalid_argument);
    CHECK(p.stack.set_user_timeout_option({}, 1_s) == errc::bad_file_descriptor);
    CHECK(p.stack.set_user_timeout_option(p.id, 700_s) == errc::ok);
    p.write(10);
    CHECK(p.next() == "A seq=5001 len=10 uto=700");
    CHECK(p.stack.set_user_timeout_option(p.id, 800_s) == errc::ok);
    CHECK(p.stack.set_user_timeout_option(p.id, std::nullopt) == errc::ok);
    p.write(10);
    p.send("A seq=1001 ack=5011 uto=1000");
    CHECK(p.next() == "A seq=5011 len=10 uto=none");
    CHECK(p.info().remote_user_timeout == 0_s);
}

TEST_CASE("User timeout option: a full segment that is sent again keeps its size, the advice waits for the next",
          "[conformance][RFC5482-3b]")
{
    peer p;
    p.in_established();
    p.write(1'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.stack.set_user_timeout_option(p.id, 700_s) == errc::ok);
    p.wait(1'100_ms);
    CHECK(p.next() == "A seq=5001 len=1000 uto=none");
    p.send("A seq=1001 ack=6001");
    p.write(10);
    CHECK(p.next() == "A seq=6001 len=10 uto=700");
}

TEST_CASE("Keep-alive begins later than the adopted user timeout", "[conformance][RFC5482-4.2a]")
{
    peer p{advising()};
    p.in_established("mss=1000 uto=1000");
    CHECK(p.stack.set_keep_alive(p.id, keep_alive{.idle = 60_s, .interval = 10_s, .count = 3}) == errc::ok);
    p.wait(1'000_s);
    CHECK(p.next() == "-");
    p.wait(1_s);
    CHECK(p.next() == "A seq=5000 ack=1001");
}
