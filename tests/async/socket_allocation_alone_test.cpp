// What sockets allocate in steady state: nothing; and what an idle session costs. This test replaces operator new, so
// it is an executable of its own.
#include "tcpco/async/tcp_socket.hpp"

#include <cstdlib>
#include <new>

#include "socket_world.hpp"

using namespace socket_test;

namespace {

std::size_t allocations = 0;

void* allocate(std::size_t octets)
{
    ++allocations;
    if (void* p = std::malloc(octets)) {
        return p;
    }
    throw std::bad_alloc{};
}

}  // namespace

void* operator new(std::size_t octets)
{
    return allocate(octets);
}
void* operator new(std::size_t octets, const std::nothrow_t&) noexcept
{
    ++allocations;
    return std::malloc(octets);
}
void operator delete(void* p) noexcept
{
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept
{
    std::free(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept
{
    std::free(p);
}

namespace {

// A task's twin that tells how large its frame is.
class measured {
public:
    static inline std::size_t frame_octets = 0;

    class promise_type : public detail::task_promise_base {
    public:
        static void* operator new(std::size_t octets)
        {
            frame_octets = octets;
            return std::malloc(octets);
        }
        static void operator delete(void* frame, std::size_t) noexcept { std::free(frame); }
        measured get_return_object() noexcept
        {
            return measured{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        void return_void() noexcept { result_.emplace(true); }
        void unhandled_exception() noexcept {}

    private:
        detail::result_slot<void> result_;
    };
    static_assert(sizeof(promise_type) == sizeof(task<>::promise_type));

    explicit measured(std::coroutine_handle<promise_type> h) noexcept : coroutine_{h} {}
    measured(const measured&) = delete;
    measured& operator=(const measured&) = delete;
    ~measured() { coroutine_.destroy(); }

private:
    std::coroutine_handle<promise_type> coroutine_;
};

// The README's session.
template <class Task>
Task session(tcp_socket socket)
{
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return;
        }
        if (auto [failed, n] = co_await socket.write(octets); failed) {
            co_return;
        }
    }
}

struct totals {
    std::size_t rounds = 0;
    std::size_t before = 0;
    std::size_t after = 0;
};

// Echo round trips of every kind of read and write: some to warm up, then those that are counted.
task<> rounds(tcp_socket& client, std::size_t warm_up, std::size_t counted, totals& t)
{
    octets out = pattern(3'000);
    octets in(3'000);
    std::string line(128, '\0');
    for (std::size_t i = 0; i < warm_up + counted; ++i) {
        if (i == warm_up) {
            t.before = allocations;
        }
        auto [written, read] = co_await when_all(client.write(out), with_timeout(client.read_exactly(in), 1_s));
        if (written.ec || read.ec) {
            co_return;
        }
        line.clear();
        auto [ec, n] = co_await client.write("a line of text\n");
        auto [failed, length] = co_await client.read_until(line, "\n");
        auto [some, m] = co_await client.write_some("x", "y");
        const std::error_code there = co_await client.readable();
        auto [last, k] = co_await client.read_some(std::span{in}.first(1), std::span{in}.subspan(1, 9));
        const std::error_code flushed = co_await client.flush();
        if (ec || failed || some || there || last || flushed || length != 15 || k != 2) {
            co_return;
        }
        ++t.rounds;
    }
    t.after = allocations;
}

task<> steady_state(world& w, totals& t)
{
    auto [client, server] = co_await w.connected();
    root<> echoes{w.reactor.get_executor(), session<task<>>(std::move(server))};
    co_await rounds(client, 50, 500, t);
    client.close();
    succeeds(co_await sleep_for(100_ms));
    CHECK(echoes.done());
}

}  // namespace

TEST_CASE("Reads and writes allocate nothing in steady state", "[async]")
{
    world w;
    totals t;
    w.run(steady_state(w, t));
    CHECK(t.rounds == 550);
    CHECK(t.after - t.before == 0);
}

// The pool hands out frames in steps of 64 octets, so anything from 385 to 448 costs the same.
TEST_CASE("The echo session's frame is within the seventh class of the frame pool", "[async]")
{
    measured (*volatile start)(tcp_socket) = &session<measured>;  // nothing that a compiler could elide
    {
        const measured m = start(tcp_socket{});
    }
    CHECK(measured::frame_octets > 200);
    CHECK(measured::frame_octets <= 448);
}

TEST_CASE("The counter of allocations counts", "[async]")
{
    const std::size_t before = allocations;
    int* volatile p = new int;
    delete p;
    CHECK(allocations == before + 1);
}
