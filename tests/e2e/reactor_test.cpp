// The reactor beside TCP with the kernel: calls from other threads, a loop around it, files and kernel sockets on its
// ring.
#include "e2e/world.hpp"

#include <atomic>

#include <liburing.h>

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

constexpr int rounds = 5;

// Writes a line to its client each time it is told to.
task<> write_when_told(tcp_listener& listener, async_event& told)
{
    auto [ec, socket] = co_await listener.accept();
    for (int i = 0; i < rounds && !ec; ++i) {
        ec = co_await told.wait();
        told.reset();
        static_cast<void>(co_await socket.write("line\n"));
    }
}

struct relay {
    std::error_code submitted{};
    std::error_code waited{};
    std::size_t events = 0;
    std::string from_file{};
};

// Sends the client a file, read on the ring, and what comes from a socket of the kernel, awaited on the ring.
task<> send_file_and_datagram(linux_reactor& reactor, tcp_listener& listener, int file, int datagrams, relay& r)
{
    auto [ec, socket] = co_await listener.accept();
    std::string octets(100'000, '\0');
    std::size_t at = 0;
    while (at < octets.size()) {
        const auto [failed, n] = co_await reactor.submit([&](io_uring_sqe* sqe) {
            io_uring_prep_read(sqe, file, octets.data() + at, static_cast<unsigned>(octets.size() - at), at);
        });
        r.submitted = failed;
        if (failed || n == 0) {
            break;
        }
        at += n;
    }
    octets.resize(at);
    r.from_file = octets;
    static_cast<void>(co_await socket.write(octets));
    const auto [late, events] = co_await with_timeout(reactor.wait_fd(datagrams, POLLIN), 5_s);
    r.waited = late;
    r.events = events;
    char text[100];
    const ssize_t n = ::recv(datagrams, text, sizeof text, MSG_DONTWAIT);
    const std::string_view datagram{text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
    static_cast<void>(co_await socket.write(datagram));
}

// A file with `text` in it that has no name any more.
int nameless_file(const std::string& text)
{
    char path[] = "/tmp/tcpco-e2e-XXXXXX";
    const int fd = ::mkstemp(path);
    ::unlink(path);
    return ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? fd : -1;
}

// The time until `at`, for poll(): rounded up, so that nothing is due when it ends too early.
int milliseconds_until(time_point at)
{
    const time_point now = tcpco::detail::monotonic_now();
    if (at <= now) {
        return 0;
    }
    return at == time_point::never() ? 1'000
                                     : static_cast<int>(std::min<std::int64_t>((at - now).ns / 1'000'000 + 1, 1'000));
}

}  // namespace

TEST_CASE("post() from several threads: every function runs once, on the reactor's thread, beside a busy transfer",
          "[e2e][post]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    tcp_listener listener{w.net, our_service};
    const auto here = std::this_thread::get_id();
    int ran = 0;
    int elsewhere = 0;
    std::string problem;
    const auto late = w.until_end_of(
        [&] {
            std::vector<std::jthread> threads;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&] {
                    for (int i = 0; i < 500; ++i) {
                        w.reactor->post([&] {
                            ++ran;
                            elsewhere += std::this_thread::get_id() == here ? 0 : 1;
                        });
                    }
                });
            }
            problem = exchange_with(7, pattern(1 << 20, 1));
        },
        with_scope(serve_echo, std::ref(listener)));
    CHECK(!late);
    CHECK(problem == "");
    CHECK(ran == 1'500);
    CHECK(elsewhere == 0);
    CHECK(w.close());
}

TEST_CASE("post() wakes a reactor that waits, and what it does reaches the kernel's client at once", "[e2e][post]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    async_event told;
    std::string got;
    std::chrono::steady_clock::duration slowest{};
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            for (int i = 0; i < rounds; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds{30});  // nothing else is under way
                const auto began = std::chrono::steady_clock::now();
                w.reactor->post([&] { told.set(); });
                got += client.receive_exactly(5).octets;
                slowest = std::max(slowest, std::chrono::steady_clock::now() - began);
            }
        },
        write_when_told(listener, told));
    CHECK(!late);
    CHECK(got == "line\nline\nline\nline\nline\n");
    CHECK(slowest < std::chrono::seconds{1});
    CHECK(w.close());
}

TEST_CASE("a program with a poll loop of its own turns the reactor when event_fd() or deadline() says so",
          "[e2e][embedding]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    tcp_listener listener{w.net, our_service};
    tcpco::detail::wake_event client_done;  // something of the program's own to wait for
    std::string first;
    std::string second;
    std::atomic<bool> idle = false;
    int idle_turns = 0;
    int turns = 0;
    const std::jthread kernel{[&] {
        first = exchange_with(7, pattern(1 << 20, 1));
        {
            kernel_stream quiet;
            quiet.connect(7);
            std::this_thread::sleep_for(std::chrono::milliseconds{300});  // what is under way settles
            idle = true;
            std::this_thread::sleep_for(std::chrono::milliseconds{300});
            idle = false;
        }
        second = exchange_with(7, "after a pause");
        client_done.signal();
    }};
    const auto serve_all = [](tcp_listener& l) -> task<> { co_await with_scope(serve_echo, std::ref(l)); };
    root<> work{w.reactor->get_executor(), serve_all(listener)};
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    bool over = false;
    while (!over && std::chrono::steady_clock::now() < limit) {
        pollfd both[] = {{w.reactor->event_fd(), POLLIN, 0}, {client_done.fd(), POLLIN, 0}};
        ::poll(both, 2, milliseconds_until(w.reactor->deadline()));
        over = both[1].revents != 0;
        w.reactor->turn();
        ++turns;
        idle_turns += idle ? 1 : 0;
    }
    CHECK(over);
    CHECK(first == "");
    CHECK(second == "");
    CHECK(turns > 3);
    CHECK(idle_turns < 20);  // a loop that spins would have made thousands
    work.request_stop();
    for (int i = 0; i < 1'000 && !work.done(); ++i) {
        w.reactor->turn(1_ms);
    }
    CHECK(work.done());
    CHECK(w.close());
}

TEST_CASE("one program: a TCP session on tcpco, a file by submit(), a socket of the kernel by wait_fd()",
          "[e2e][submit]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    tcp_listener listener{w.net, our_service};
    const std::string content = pattern(50'000, 1);
    const tcpco::detail::unique_fd file{nameless_file(content)};
    REQUIRE(file.get() >= 0);
    kernel_socket datagrams{SOCK_DGRAM, 0};
    REQUIRE(datagrams.bind("127.0.0.1", 5'555) == 0);
    kernel_read got;
    relay r;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
            kernel_socket sender{SOCK_DGRAM, 0};
            sender.connect(5'555, "127.0.0.1");
            ::send(sender.fd(), "and a datagram", 14, 0);
            got = client.receive_all();
        },
        send_file_and_datagram(*w.reactor, listener, file.get(), datagrams.fd(), r));
    CHECK(!late);
    if (is_poll(*w.reactor)) {
        CHECK(r.submitted == std::errc::operation_not_supported);
        CHECK(got.octets == "and a datagram");
    } else {
        CHECK(!r.submitted);
        CHECK(difference(r.from_file, content) == "");
        CHECK(difference(got.octets, content + "and a datagram") == "");
    }
    CHECK(!r.waited);
    CHECK(r.events == POLLIN);
    CHECK(got.ended);
    CHECK(w.close());
}
