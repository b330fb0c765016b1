#include "tcpco/reactor/system_reactor.hpp"

#include "catch.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "reactor/fake_stack.hpp"
#include "reactor/rungs.hpp"
#include "skip.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/frame_fd.hpp"

using namespace tcpco;
using tcpco_test::fake_stack;
using tcpco_test::is_poll;
using tcpco_test::reactor_on;

namespace {

// A driver on one end of a socket pair; the other end is the test's.
struct one_stack {
    one_stack(linux_reactor& r, frame_fd_options options = {}, driver_options d = {})
        : one_stack{r, frame_fd::pair(options), d}
    {
    }
    one_stack(linux_reactor& r, std::pair<frame_fd, frame_fd> ends, driver_options d)
        : reactor{r}, device{std::move(ends.first)}, peer{std::move(ends.second)}, drive{stack, device, reactor, d}
    {
    }

    void peer_sends(const std::string& text) const
    {
        REQUIRE(::send(peer.fd(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }
    // Empty when nothing is there.
    std::string peer_receives() const
    {
        std::string text(70'000, '\0');
        const ssize_t n = ::recv(peer.fd(), text.data(), text.size(), MSG_DONTWAIT);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }
    template <class Condition>
    bool turn_until(Condition condition)
    {
        for (int i = 0; i < 2000 && !condition(); ++i) {
            reactor.turn(5_ms);
        }
        return condition();
    }

    linux_reactor& reactor;
    frame_fd device;
    frame_fd peer;
    fake_stack stack{};
    driver<fake_stack, frame_fd, linux_reactor> drive;
};

task<io_result> await_readable(linux_reactor& r, int fd)
{
    co_return co_await r.wait_fd(fd, POLLIN);
}

task<int> await_arrival(fake_stack& s)
{
    if (s.arrivals.empty()) {  // the first turn may have read before this began
        co_await s.arrival_after_now();
    }
    co_return static_cast<int>(s.arrivals.size());
}

// Runs `f` in a process of its own; returns its exit status as wait() has it. f's result is the exit code.
template <class F>
int in_child(F f)
{
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(f());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

// As a container's seccomp profile does. False where that may not be done.
bool forbid_io_uring()
{
    sock_filter program[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},  // the number of the system call
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_io_uring_setup},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog filter{4, program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

struct pipe_ends {
    pipe_ends() { REQUIRE(::pipe(fds) == 0); }
    ~pipe_ends()
    {
        ::close(fds[0]);
        ::close(fds[1]);
    }
    void write(char c) const { REQUIRE(::write(fds[1], &c, 1) == 1); }
    int fds[2] = {-1, -1};
};

}  // namespace

TEST_CASE("frames cross a descriptor whole and in order, on each step of the ladder", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    INFO(reactor->why());
    one_stack t{*reactor};
    t.stack.echo = true;
    for (int i = 0; i < 300; ++i) {
        t.peer_sends(std::string(1 + static_cast<std::size_t>(i * 7 % 1400), 'a') + std::to_string(i));
        if (i % 5 == 0) {
            reactor->turn(5_ms);
        }
        while (t.stack.arrivals.size() + 100 < static_cast<std::size_t>(i)) {
            reactor->turn(5_ms);
        }
        t.peer_receives();
    }
    CHECK(t.turn_until([&] {
        t.peer_receives();
        return t.stack.arrivals.size() == 300;
    }));
    for (int i = 0; i < 300; ++i) {
        REQUIRE(t.stack.text(static_cast<std::size_t>(i)) ==
                std::string(1 + static_cast<std::size_t>(i * 7 % 1400), 'a') + std::to_string(i));
    }
    CHECK(t.drive.io_counters().received == 300);
    CHECK(tcpco_test::uring_workers() == 0);
}

TEST_CASE("what a port took is written in order when the kernel's queue was full meanwhile", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    constexpr int total = 2000;
    for (int i = 0; i < total; ++i) {
        t.stack.send("frame " + std::to_string(i));
    }
    for (int i = 0; i < 20; ++i) {
        reactor->turn(1_ms);  // nobody reads: the socket fills
    }
    CHECK(t.drive.io_counters().would_block > 0);
    CHECK(t.stack.refused_count > 0);
    CHECK(t.stack.output.size() > 1000);
    int seen = 0;
    CHECK(t.turn_until([&] {
        for (int burst = 0; burst < 7; ++burst) {
            const std::string text = t.peer_receives();
            if (text.empty()) {
                break;
            }
            REQUIRE(text == "frame " + std::to_string(seen));
            ++seen;
        }
        return seen == total;
    }));
    reactor->turn();
    CHECK(t.stack.held.empty());
    CHECK(t.stack.written_count + t.stack.done_count == total);
    CHECK(t.drive.io_counters().sent == total);
    CHECK(tcpco_test::uring_workers() == 0);
}

TEST_CASE("frames keep their order while somebody reads from a full queue", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    constexpr int total = 30'000;
    std::atomic<int> in_order{0};
    std::atomic<bool> ended{false};
    std::thread reader{[&] {
        char text[64];
        while (in_order < total) {
            // Without waiting, and slower than the writer: it takes frames out while a batch meets a full queue.
            const ssize_t n = ::recv(t.peer.fd(), text, sizeof text - 1, MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN) {
                continue;
            }
            if (in_order % 5 == 0) {
                const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds{30};
                while (std::chrono::steady_clock::now() < until) {
                }
            }
            if (n <= 0 || std::string(text, static_cast<std::size_t>(n)) != std::to_string(in_order)) {
                break;
            }
            ++in_order;
        }
        ended = true;
    }};
    int sent = 0;
    for (int i = 0; i < 100'000 && !ended; ++i) {
        while (sent < total && t.stack.output.size() < 500) {
            t.stack.send(std::to_string(sent++));
        }
        reactor->turn(1_ms);
    }
    ::shutdown(t.peer.fd(), SHUT_RD);
    reader.join();
    CHECK(in_order == total);
}

TEST_CASE("a reactor sleeps while the kernel's queue is full", "[reactor]")
{
    const std::string rung = GENERATE("", "off");
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    for (int i = 0; i < 2000; ++i) {
        t.stack.send("x");
    }
    for (int i = 0; i < 50; ++i) {
        reactor->turn(1_ms);
    }
    const auto before = std::chrono::steady_clock::now();
    reactor->turn(30_ms);
    CHECK(std::chrono::steady_clock::now() - before > std::chrono::milliseconds{25});
}

TEST_CASE("a read that fills its slot is dropped and counted", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    t.peer_sends(std::string(t.drive.pool().slot_size() + 100, 'x'));
    t.peer_sends(std::string(t.drive.pool().slot_size(), 'x'));
    t.peer_sends(std::string(t.drive.pool().slot_size() - 1, 'y'));
    CHECK(t.turn_until([&] { return !t.stack.arrivals.empty(); }));
    CHECK(t.stack.arrivals.size() == 1);
    CHECK(t.drive.io_counters().truncated == 2);
    t.stack.arrivals.clear();
    CHECK(t.drive.pool().available() + 128 >= t.drive.pool().slot_count());
}

TEST_CASE("when all slots are taken reading stops, and goes on when some come back", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor, frame_fd_options{}, {.slots = 8}};
    t.stack.keep = true;
    for (int i = 0; i < 10; ++i) {
        t.peer_sends(std::to_string(i));
    }
    CHECK(t.turn_until([&] { return t.stack.arrivals.size() == 8; }));
    for (int i = 0; i < 5; ++i) {
        const auto before = std::chrono::steady_clock::now();
        reactor->turn(10_ms);
        if (i > 1) {
            CHECK(std::chrono::steady_clock::now() - before > std::chrono::milliseconds{7});  // no busy loop
        }
    }
    CHECK(t.stack.arrivals.size() == 8);
    CHECK(t.drive.io_counters().no_slot > 0);
    t.stack.kept.clear();
    CHECK(t.turn_until([&] { return t.stack.arrivals.size() == 10; }));
    CHECK(t.stack.text(9) == "9");
}

TEST_CASE("the stack looks at large frames after a few of them, at small ones after more", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor, frame_fd_options{}, {.slots = 64, .batch_octets = 4'000}};
    const auto most_in_a_turn = [&](const std::string& text) {
        for (int i = 0; i < 12; ++i) {
            t.peer_sends(text);
        }
        t.stack.arrivals.clear();
        std::size_t most = 0;
        for (std::size_t before = 0; before < 12; before = t.stack.arrivals.size()) {
            reactor->turn(5_ms);
            most = std::max(most, t.stack.arrivals.size() - before);
        }
        return most;
    };
    most_in_a_turn(std::string(1'000, 'x'));  // now it is known how large frames are
    CHECK(most_in_a_turn(std::string(1'000, 'x')) == 4);
    most_in_a_turn("x");
    if (rung == "off") {
        CHECK(most_in_a_turn("x") == 12);
        return;
    }
    std::size_t most = 0;
    for (int i = 0; i < 10; ++i) {  // by system calls more are read once several looks have found all they looked for
        most = std::max(most, most_in_a_turn("x"));
    }
    CHECK(most > 4);
}

TEST_CASE("the end of the peer is the loss of the device", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    reactor->turn();
    t.peer = frame_fd{};
    CHECK(t.turn_until([&] { return t.stack.lost != errc::ok; }));
    CHECK(t.stack.lost == errc::network_down);
    t.stack.send("into the void");
    const auto before = std::chrono::steady_clock::now();
    reactor->turn(10_ms);
    reactor->turn(10_ms);
    CHECK(std::chrono::steady_clock::now() - before > std::chrono::milliseconds{8});  // no busy loop
}

TEST_CASE("a driver ends at any time: before the first turn, and with writes under way", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    {
        one_stack unused{*reactor};
    }
    {
        one_stack t{*reactor};
        for (int i = 0; i < 1000; ++i) {
            t.stack.send("x");
        }
        reactor->turn(1_ms);
        reactor->turn(1_ms);
        fake_stack outlives;
        {
            driver second{outlives, t.peer, *reactor};
            for (int i = 0; i < 1000; ++i) {
                outlives.send("x");
            }
            reactor->turn();
            reactor->turn();
        }
        CHECK(outlives.held.empty());  // every token came back
    }
    {
        one_stack again{*reactor};
        again.peer_sends("y");
        CHECK(again.turn_until([&] { return again.stack.arrivals.size() == 1; }));
    }
}

TEST_CASE("run() sleeps until a frame comes, and a timer of the stack is on time", "[reactor]")
{
    const std::string rung = GENERATE("", "off");
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    reactor->turn();
    t.stack.timer = reactor->now() + 20_ms;
    const time_point due = t.stack.timer;
    std::thread peer{[&] {
        std::this_thread::sleep_for(std::chrono::milliseconds{60});
        static_cast<void>(::send(t.peer.fd(), "z", 1, 0));
    }};
    CHECK(reactor->run(await_arrival(t.stack)) == 1);
    peer.join();
    REQUIRE(t.stack.fired.size() == 1);
    CHECK(t.stack.fired[0] >= due);
    CHECK(t.stack.fired[0] < due + 15_ms);
    CHECK(t.stack.arrivals[0].info.arrived_at == t.stack.arrivals[0].at);
}

TEST_CASE("wait_fd completes with the events that hold", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    p.write('x');
    const io_result r = reactor->run(await_readable(*reactor, p.fds[0]));
    CHECK_FALSE(r.ec);
    CHECK((r.n & POLLIN) != 0);
    CHECK(reactor->run(await_readable(*reactor, 9999)).ec == std::errc::bad_file_descriptor);
}

TEST_CASE("a stop ends a wait_fd with operation_canceled", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    reactor->post([&] { reactor->stop(); });
    CHECK(reactor->run(await_readable(*reactor, p.fds[0])).ec == std::errc::operation_canceled);
    reactor->stop();
    CHECK(reactor->run(await_readable(*reactor, p.fds[0])).ec == std::errc::operation_canceled);
}

TEST_CASE("a wait_fd that is destroyed leaves no trace", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    struct counter : completion {
        counter() : completion{[](completion& c) noexcept { ++static_cast<counter&>(c).n; }} {}
        int n = 0;
    } told;
    {
        auto wait = reactor->wait_fd(p.fds[0], POLLIN);
        const environment env{.stop = {}, .deadline = time_point::never(), .exec = &reactor->get_executor()};
        REQUIRE(wait.start(told, env));
        reactor->turn();
    }
    p.write('x');
    for (int i = 0; i < 3; ++i) {
        reactor->turn(2_ms);
    }
    CHECK(told.n == 0);
    auto never_ended = std::make_unique<wait_fd_operation>(reactor->wait_fd(p.fds[1], POLLIN));
    const environment env{.stop = {}, .deadline = time_point::never(), .exec = &reactor->get_executor()};
    REQUIRE(never_ended->start(told, env));
    reactor->turn();
    never_ended.reset();
    reactor.reset();  // and the reactor may go at once
    CHECK(told.n == 0);
}

TEST_CASE("submit() does any operation on io_uring, and is not supported elsewhere", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    auto through_pipe = [](linux_reactor& r, const pipe_ends& ends) -> task<io_result> {
        char c = 'k';
        auto write = [&](io_uring_sqe* sqe) { io_uring_prep_write(sqe, ends.fds[1], &c, 1, 0); };
        auto [ec, n] = co_await r.submit(write);
        if (ec) {
            co_return io_result{ec, n};
        }
        char d = 0;
        auto read = [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, ends.fds[0], &d, 1, 0); };
        const io_result got = co_await r.submit(read);
        CHECK(d == 'k');
        co_return got;
    };
    const io_result r = reactor->run(through_pipe(*reactor, p));
    if (is_poll(*reactor)) {
        CHECK(r.ec == std::errc::operation_not_supported);
    } else {
        CHECK_FALSE(r.ec);
        CHECK(r.n == 1);
    }
}

TEST_CASE("a submitted operation that is cancelled says so, and an error of the kernel comes as it is", "[reactor]")
{
    auto reactor = reactor_on("");
    if (is_poll(*reactor)) {
        tcpco_test::skip("no io_uring here: " + reactor->why());
        return;
    }
    pipe_ends p;
    auto read_from = [](linux_reactor& r, int fd) -> task<io_result> {
        char c = 0;
        auto read = [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fd, &c, 1, 0); };
        co_return co_await r.submit(read);
    };
    reactor->post([&] { reactor->stop(); });
    CHECK(reactor->run(read_from(*reactor, p.fds[0])).ec == std::errc::operation_canceled);
    CHECK(reactor->run(read_from(*reactor, 9999)).ec == std::errc::bad_file_descriptor);
}

TEST_CASE("post() from another thread wakes a sleeping reactor, in order", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    std::vector<int> order;
    pipe_ends never;
    std::thread other{[&] {
        for (int i = 0; i < 1000; ++i) {
            reactor->post([&order, i] { order.push_back(i); });
            if (i % 100 == 0) {
                std::this_thread::sleep_for(std::chrono::milliseconds{1});
            }
        }
        reactor->post([&] { reactor->stop(); });
    }};
    CHECK(reactor->run(await_readable(*reactor, never.fds[0])).ec == std::errc::operation_canceled);
    other.join();
    REQUIRE(order.size() == 1000);
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("what is posted and never run is destroyed with the reactor", "[reactor]")
{
    auto token = std::make_shared<int>(1);
    {
        auto reactor = reactor_on("off");
        reactor->post([token] {});
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("a reactor made on one thread runs on another", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    p.write('x');
    bool ok = false;
    std::thread runner{[&] {
        ok = !reactor->run(await_readable(*reactor, p.fds[0])).ec;
        reactor.reset();
    }};
    runner.join();
    CHECK(ok);
}

TEST_CASE("with busy polling a reactor looks again and again before it sleeps, as long as it was told to", "[reactor]")
{
    const std::string rung = GENERATE("", "no-defer", "off");
    CAPTURE(rung);
    auto reactor = make_linux_reactor({.uring = uring_settings::parse(rung), .say = nullptr, .busy_poll = 10_s});
    one_stack t{*reactor};
    const auto send_later = [&] {
        return std::jthread{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
            static_cast<void>(::send(t.peer.fd(), "z", 1, 0));
        }};
    };
    {
        const std::jthread peer = send_later();
        CHECK(reactor->run(await_arrival(t.stack)) == 1);
    }
    CHECK(reactor->waits().slept == 0);
    CHECK(reactor->waits().polled > 0);

    t.stack.timer = reactor->now() + 5_ms;  // ends the polling, too
    CHECK(t.turn_until([&] { return !t.stack.fired.empty(); }));
    {
        const std::jthread other{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
            reactor->post([] {});
        }};
        reactor->turn(8_s);
    }
    CHECK(reactor->waits().slept == 0);

    reactor->set_busy_poll(1_ms);  // too short for what comes
    const std::uint64_t polled = reactor->waits().polled;
    {
        const std::jthread peer = send_later();
        CHECK(t.turn_until([&] { return t.stack.arrivals.size() == 2; }));
    }
    CHECK(reactor->waits().slept > 0);
    reactor->set_busy_poll({});
    const std::uint64_t slept = reactor->waits().slept;
    reactor->turn(1_ms);
    CHECK(reactor->waits().slept == slept + 1);
    CHECK(reactor->waits().polled <= polled + 1);
}

TEST_CASE("a reactor gives way to a peer on its processor before it sleeps", "[reactor]")
{
    auto reactor = reactor_on("");
    if (is_poll(*reactor)) {
        tcpco_test::skip("no io_uring here: " + reactor->why());
        return;
    }
    one_stack t{*reactor};
    t.stack.echo = true;
    cpu_set_t here;
    REQUIRE(::sched_getaffinity(0, sizeof here, &here) == 0);
    int cpu = 0;
    while (!CPU_ISSET(static_cast<std::size_t>(cpu), &here)) {
        ++cpu;
    }
    const tcpco::detail::cpu_pin one_cpu{cpu};  // the peer's thread inherits it
    std::atomic<bool> over{false};
    std::jthread peer{[&] {
        // Never waits, so it runs when we let it; one frame is on its way at a time.
        static_cast<void>(::send(t.peer.fd(), "p", 1, 0));
        while (!over) {
            char c = 0;
            if (::recv(t.peer.fd(), &c, 1, MSG_DONTWAIT) == 1) {
                static_cast<void>(::send(t.peer.fd(), "p", 1, 0));
            }
            std::this_thread::yield();
        }
    }};
    const time_point limit = detail::monotonic_now() + 20_s;  // others on this processor: it tries again after a while
    while (reactor->waits().gave_way == 0 && detail::monotonic_now() < limit) {
        reactor->turn(1_s);
    }
    over = true;
    CHECK(reactor->waits().gave_way != 0);
    CHECK_FALSE(t.stack.arrivals.empty());
}

TEST_CASE("a reactor that has nobody to give way to sleeps", "[reactor]")
{
    auto reactor = reactor_on("");
    one_stack t{*reactor};
    for (std::uint64_t i = 1; i <= 10; ++i) {
        const time_point before = detail::monotonic_now();
        reactor->turn(2_ms);
        CHECK(detail::monotonic_now() - before >= 2_ms);
        CHECK(reactor->waits().slept == i);
    }
    CHECK(reactor->waits().gave_way == 0);
}

TEST_CASE("a doorbell wakes another reactor: by a message between rings, or by an eventfd", "[reactor]")
{
    const auto [from, to] = GENERATE(std::pair{"", ""}, std::pair{"no-defer", ""}, std::pair{"", "no-defer"},
                                     std::pair{"no-msg-ring", ""}, std::pair{"", "off"}, std::pair{"off", ""});
    const bool asleep = GENERATE(true, false);  // a ring that has not turned yet refuses messages
    CAPTURE(from, to, asleep);
    auto reactor = reactor_on(from);
    auto other = reactor_on(to);
    auto bell = reactor->doorbell_to(*other);
    duration slept{};
    const auto sleep = [&] {
        const time_point began = detail::monotonic_now();
        other->turn(20_s);
        slept = detail::monotonic_now() - began;
    };
    const auto ring = [&] {
        reactor->turn();
        bell->ring();
        reactor->turn();
        reactor->turn();  // hears of a refusal
    };
    if (asleep) {
        other->turn();
        std::jthread sleeper{sleep};
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
        ring();
    } else {
        ring();
        std::jthread sleeper{sleep};
    }
    CHECK(slept < 10_s);
    bell.reset();
}

TEST_CASE("a loop around the reactor sleeps on event_fd() and deadline()", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    t.stack.echo = true;
    const int outer = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{};
    interest.events = EPOLLIN;
    REQUIRE(::epoll_ctl(outer, EPOLL_CTL_ADD, reactor->event_fd(), &interest) == 0);
    auto woken = [&](int milliseconds) {
        epoll_event e{};
        return ::epoll_wait(outer, &e, 1, milliseconds) == 1;
    };
    while (woken(5)) {
        reactor->turn();
    }
    CHECK(reactor->deadline() == time_point::never());
    SECTION("a frame wakes it")
    {
        t.peer_sends("ping");
        REQUIRE(woken(1000));
        for (int i = 0; i < 5 && t.stack.done_count + t.stack.written_count == 0; ++i) {
            reactor->turn();
        }
        CHECK(t.peer_receives() == "ping");
    }
    SECTION("a post wakes it")
    {
        bool ran = false;
        std::thread other{[&] { reactor->post([&] { ran = true; }); }};
        other.join();
        REQUIRE(woken(1000));
        reactor->turn();
        CHECK(ran);
    }
    SECTION("again and again")
    {
        for (int i = 0; i < 20; ++i) {
            t.peer_sends("ping");
            REQUIRE(woken(1000));
            while (t.stack.arrivals.size() != static_cast<std::size_t>(i) + 1) {
                reactor->turn();
            }
            while (reactor->deadline() <= reactor->now() || woken(0)) {
                reactor->turn();
            }
            CHECK(t.peer_receives() == "ping");
        }
    }
    SECTION("a wait_fd on an eventfd wakes it, each time")
    {
        // The kernel defers the signal of an eventfd from within that of another, and forgets it from the second time
        // on.
        const tcpco::detail::wake_event user;
        struct counter : completion {
            counter() : completion{[](completion& c) noexcept { ++static_cast<counter&>(c).n; }} {}
            int n = 0;
        } told;
        const environment env{.stop = {}, .deadline = time_point::never(), .exec = &reactor->get_executor()};
        for (int i = 1; i <= 4; ++i) {
            auto wait = reactor->wait_fd(user.fd(), POLLIN);
            REQUIRE(wait.start(told, env));
            reactor->turn();
            while (woken(0)) {
                reactor->turn();
            }
            user.signal();
            REQUIRE(woken(1000));
            for (int turns = 0; turns < 3 && told.n < i; ++turns) {
                reactor->turn();
            }
            CHECK(told.n == i);
            user.clear();
        }
    }
    SECTION("a frame of a driver that was made between two turns wakes it")
    {
        one_stack late{*reactor};
        for (int i = 0; i < 5 && woken(0); ++i) {
            reactor->turn();
        }
        late.peer_sends("ping");
        REQUIRE(woken(1000));
        for (int i = 0; i < 5 && late.stack.arrivals.empty(); ++i) {
            reactor->turn();
        }
        CHECK(late.stack.arrivals.size() == 1);
    }
    SECTION("a timer shows in deadline()")
    {
        t.stack.timer = reactor->now() + 1_s;
        CHECK(reactor->deadline() == t.stack.timer);
        CHECK_FALSE(woken(5));
    }
    ::close(outer);
}

TEST_CASE("the first signal requests a stop, the next one resets all connections", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    t.stack.connections = 3;
    pipe_ends never;
    reactor->stop_on_signals({SIGUSR1, SIGUSR2});
    REQUIRE(::raise(SIGUSR1) == 0);
    CHECK(reactor->run(await_readable(*reactor, never.fds[0])).ec == std::errc::operation_canceled);
    CHECK(t.stack.connections == 3);
    CHECK(reactor->signals_seen() == 1);
    REQUIRE(::raise(SIGUSR2) == 0);
    CHECK(t.turn_until([&] { return reactor->signals_seen() == 2; }));
    CHECK(t.stack.connections == 0);
}

TEST_CASE("the reactor says which step of the ladder it is, and why", "[reactor]")
{
    CHECK(reactor_on("off")->why() == "poll(2): TCPCO_URING=off");
    auto best = reactor_on("");
    if (is_poll(*best)) {
        CHECK(best->why().find("io_uring is refused") != std::string::npos);
        tcpco_test::skip("no io_uring here: " + best->why());
        return;
    }
    CHECK(best->why() == "io_uring");
    CHECK(reactor_on("no-defer")->why() == "io_uring without DEFER_TASKRUN");
    static int lines = 0;
    const system_reactor quiet{{.uring = uring_settings::parse("off"), .say = [](const std::string&) { ++lines; }}};
    CHECK(lines == 1);
    CHECK(quiet.why() == "poll(2): TCPCO_URING=off");
}

TEST_CASE("a word in TCPCO_URING that is none is said with all else that there is to say, once", "[reactor]")
{
    static std::vector<std::string> said;
    const auto say = [](const std::string& line) { said.push_back(line); };
    const std::string ignored = "; TCPCO_URING has a word that is none of off, no-defer, no-msg-ring: ignored";
    said.clear();
    static_cast<void>(make_linux_reactor({.uring = uring_settings::parse("of,off"), .say = say}));
    REQUIRE(said.size() == 1);  // what goes to stderr is one line a process
    CHECK(said[0] == "poll(2): TCPCO_URING=off" + ignored);
    const auto reactor = make_linux_reactor({.uring = uring_settings::parse("no-defre"), .say = say});
    REQUIRE(said.size() == 2);
    CHECK(said[1] == reactor->why() + ignored);
}

TEST_CASE("where io_uring is forbidden the reactor is poll(2), with the reason", "[reactor]")
{
    const int status = in_child([] {
        if (!forbid_io_uring()) {
            return 77;
        }
        static std::string said;
        const auto reactor = make_linux_reactor({.uring = {}, .say = [](const std::string& line) { said = line; }});
        return said == "poll(2): io_uring is refused (io_uring_setup: Operation not permitted)" &&
                       reactor->why() == said
                   ? 0
                   : 1;
    });
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        tcpco_test::skip("no seccomp filter may be set here");
        return;
    }
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("to destroy a submitted operation while the kernel works on it ends the program", "[reactor]")
{
    if (is_poll(*reactor_on(""))) {
        tcpco_test::skip("no io_uring here");
        return;
    }
    const int status = in_child([] {
        if (std::freopen("/dev/null", "w", stderr) == nullptr) {
            return 1;
        }
        std::signal(SIGABRT, SIG_DFL);
        auto reactor = reactor_on("");
        int fds[2];
        char c = 0;
        if (::pipe(fds) != 0) {
            return 1;
        }
        auto read = [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fds[0], &c, 1, 0); };
        completion told{[](completion&) noexcept {}};
        auto op = std::make_unique<submit_operation<decltype(read)>>(reactor->submit(read));
        const environment env{.stop = {}, .deadline = time_point::never(), .exec = &reactor->get_executor()};
        if (!op->start(told, env)) {
            return 1;
        }
        reactor->turn();
        op.reset();
        return 0;
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("TCPCO_URING takes several words", "[reactor]")
{
    static_assert(uring_settings::parse("off").off);
    static_assert(!uring_settings::parse("no-defer").defer);
    static_assert(!uring_settings::parse("no-msg-ring,no-defer").defer);
    static_assert(!uring_settings::parse("no-defer,no-msg-ring").msg_ring && uring_settings::parse("").msg_ring);
    static_assert(uring_settings::parse("nonsense").defer && uring_settings::parse("nonsense").unknown_word && !uring_settings::parse("nonsense").off);
    ::setenv("TCPCO_URING", "off", 1);
    CHECK(uring_settings::from_environment().off);
    ::unsetenv("TCPCO_URING");
    CHECK_FALSE(uring_settings::from_environment().off);
}

TEST_CASE("a port that writes without end is read all the same, and so is its neighbour", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    one_stack neighbour{*reactor};
    int seen = 0;
    for (int turn = 0; turn < 600; ++turn) {
        while (t.stack.output.size() < 2) {
            t.stack.output.push_back({std::vector<std::byte>(60, std::byte{0x55})});
        }
        if (turn == 100 || turn == 200) {
            t.peer_sends("a");
            neighbour.peer_sends("b");
        }
        reactor->turn();
        while (!t.peer_receives().empty()) {
            ++seen;
        }
    }
    CHECK(t.stack.arrivals.size() == 2);
    CHECK(neighbour.stack.arrivals.size() == 2);
    CHECK(seen > 600);
}

TEST_CASE("the first turn of a reactor hears what comes while it waits", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor};
    const std::jthread peer{[&] {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
        static_cast<void>(::send(t.peer.fd(), "z", 1, 0));
    }};
    reactor->turn(5_s);
    CHECK(t.stack.arrivals.size() == 1);
}

TEST_CASE("a descriptor that outlives its driver waits as before", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    auto [device, peer] = frame_fd::pair();
    const bool waits = GENERATE(true, false);
    detail::set_nonblocking(device.fd(), !waits);
    const int before = ::fcntl(device.fd(), F_GETFL);
    {
        fake_stack stack;
        driver drive{stack, device, *reactor};
        CHECK((::fcntl(device.fd(), F_GETFL) & O_NONBLOCK) != 0);
        reactor->turn();
    }
    CHECK(::fcntl(device.fd(), F_GETFL) == before);
}

TEST_CASE("a port leaves its descriptor as it was, whether it is closed or destroyed, and leaves it alone from then on",
          "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    auto [device, peer] = frame_fd::pair();
    buffer_pool pool{2'048, 4};
    const auto waits = [fd = device.fd()] { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; };
    REQUIRE(waits());
    auto port = reactor->open_port({.fd = device.fd()}, pool);
    CHECK_FALSE(waits());
    port.reset();
    CHECK(waits());
    port = reactor->open_port({.fd = device.fd()}, pool);
    port->close();
    CHECK(waits());
    detail::set_nonblocking(device.fd(), true);  // by whoever has the descriptor, or its number, now
    port.reset();
    CHECK_FALSE(waits());
}

TEST_CASE("a read error that stays is the loss of the device, and no busy loop", "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    pipe_ends p;
    ::close(std::exchange(p.fds[0], -1));  // poll(2) shows an error from now on; and who writes cannot read
    buffer_pool pool{2'048, 4};
    auto port = reactor->open_port({.fd = p.fds[1]}, pool);
    for (int i = 0; i < 1'000 && port->failure() == errc::ok; ++i) {
        reactor->turn(1_ms);
    }
    CHECK(port->failure() == errc::network_down);
    CHECK(port->counters().read_errors > 1);
    reactor->turn();
    const time_point before = detail::monotonic_now();
    reactor->turn(10_ms);
    CHECK(detail::monotonic_now() - before > 8_ms);
}

TEST_CASE("a driver with the fewest slots, octets and frames that can be asked for carries frames all the same",
          "[reactor]")
{
    const std::string rung = GENERATE(from_range(std::begin(tcpco_test::all_rungs), std::end(tcpco_test::all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    one_stack t{*reactor, frame_fd_options{}, {.slots = 1, .batch_octets = 0, .budget = 0}};
    t.stack.echo = true;
    for (int i = 0; i < 5; ++i) {
        t.peer_sends(std::to_string(i));
    }
    REQUIRE(t.turn_until([&] { return t.stack.done_count + t.stack.written_count == 5; }));
    for (int i = 0; i < 5; ++i) {
        CHECK(t.peer_receives() == std::to_string(i));
    }
    reactor->turn();
    const time_point before = detail::monotonic_now();
    reactor->turn(10_ms);
    CHECK(detail::monotonic_now() - before > 8_ms);  // no busy loop
}

TEST_CASE("a system_reactor is used as any other", "[reactor]")
{
    system_reactor reactor{{.say = nullptr}};
    auto [device, peer] = frame_fd::pair();
    fake_stack stack;
    driver drive{stack, device, reactor};
    REQUIRE(::send(peer.fd(), "hi", 2, 0) == 2);
    CHECK(reactor.run(await_arrival(stack)) == 1);
    CHECK(stack.text(0) == "hi");
}
