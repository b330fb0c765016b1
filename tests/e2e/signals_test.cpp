// A server process that is asked to stop, as a service manager does it: the whole program of the README, in a child.
#include "e2e/world.hpp"

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

constexpr int graceful = 0;
constexpr int had_to_reset = 3;

// An echo server that stops on SIGTERM; for its exit code. The step of the ladder comes from the environment.
int serve_until_sigterm(const ready_pipe& ready, duration grace)
{
    tap link = open_tap({});
    system_reactor reactor{{.say = nullptr}};
    basic_stack<> net{{.address = "198.18.0.2/24"_net, .seed = 1}};
    driver link_driver{net, link, reactor};
    tcp_listener listener{net, our_service};
    reactor.stop_on_signals({SIGINT, SIGTERM});
    ready.tell();
    reactor.run(with_scope(serve_echo, std::ref(listener)));
    listener.close();
    const bool all_ended = link_driver.close_all(grace);
    return reactor.signals_seen() == 1 && all_ended ? graceful : had_to_reset;
}

struct environment_rung {
    explicit environment_rung(const std::string& rung) { ::setenv("TCPCO_URING", rung.c_str(), 1); }
    environment_rung(const environment_rung&) = delete;
    environment_rung& operator=(const environment_rung&) = delete;
    ~environment_rung() { ::unsetenv("TCPCO_URING"); }
};

}  // namespace

TEST_CASE("SIGTERM with sessions open: their octets, then a FIN for each kernel client, and exit code 0",
          "[e2e][signal]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const environment_rung chosen{rung};
    const ready_pipe ready;
    child_process server{[&] { return serve_until_sigterm(ready, 5_s); }};
    REQUIRE(ready.wait());
    std::vector<kernel_stream> clients(3);
    for (kernel_stream& c : clients) {
        REQUIRE(c.connect(7) == 0);
        REQUIRE(c.send_all("Hello") == 0);
        REQUIRE(c.receive_exactly(5).octets == "Hello");
    }
    server.signal(SIGTERM);
    for (kernel_stream& c : clients) {
        const kernel_read last = c.receive_all();
        CHECK(last.octets == "");
        CHECK(last.ended);
        CHECK(last.error == 0);
        c.close();
    }
    CHECK(server.wait() == graceful);
}

TEST_CASE("a second SIGTERM resets what the first could not end", "[e2e][signal]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const environment_rung chosen{rung};
    const ready_pipe ready;
    child_process server{[&] { return serve_until_sigterm(ready, 30_s); }};
    REQUIRE(ready.wait());
    // One client that does not end its direction, and one that does not even read: its FIN cannot get through.
    kernel_stream open_ended;
    REQUIRE(open_ended.connect(7) == 0);
    kernel_stream lazy;
    lazy.set_receive_buffer(8'192);
    REQUIRE(lazy.connect(7) == 0);
    REQUIRE(lazy.send_all(pattern(300'000, 1)) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    server.signal(SIGTERM);
    const kernel_read last = open_ended.receive_all();
    CHECK(last.ended);
    CHECK(last.error == 0);
    CHECK(server.wait(std::chrono::milliseconds{100}) == -1);  // it waits for both
    server.signal(SIGTERM);
    CHECK(server.wait(std::chrono::seconds{5}) == had_to_reset);
    CHECK(lazy.receive_all().error == ECONNRESET);
    CHECK((open_ended.wait(POLLOUT, std::chrono::seconds{2}) & POLLERR) != 0);
    CHECK(open_ended.pending_error() == EPIPE);  // a reset after the FIN
}
