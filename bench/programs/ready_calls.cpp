// What a coroutine's read and write of 64 octets cost when they complete at once, beside a memcpy of as many through a
// function pointer; and how often they allocate. Between the two stand the limits of co_await itself: the same memcpy
// in an awaitable that has no more to do, awaited by a coroutine of nothing but a frame ("bare await"), and in an
// operation that a task awaits ("task's await").
//
//     rounds=n   of 256 writes, which travel, and 256 reads of what arrived
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <vector>

#include "arguments.hpp"
#include "figures.hpp"
#include "tcpco/tcpco.hpp"

namespace {

std::uint64_t allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t octets)
{
    ++allocations;
    if (void* p = std::malloc(octets)) {
        return p;
    }
    throw std::bad_alloc{};
}
[[gnu::noinline]] void* operator new(std::size_t octets, const std::nothrow_t&) noexcept
{
    ++allocations;
    return std::malloc(octets);
}
[[gnu::noinline]] void operator delete(void* p) noexcept
{
    std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept
{
    std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept
{
    std::free(p);
}

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr std::size_t calls = 256;  // in a row
constexpr std::size_t octets_each = 64;

// What `calls` calls in a row took, again and again: the median, so that what else the machine did does not count.
struct laps {
    std::vector<double> seconds{};
    std::uint64_t allocations = 0;

    double nanoseconds()
    {
        const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
        std::nth_element(seconds.begin(), middle, seconds.end());
        return *middle / static_cast<double>(calls) * 1e9;
    }
};

class lap {
public:
    lap() : allocations_{allocations}, began_{monotonic_seconds()} {}
    void end(laps& to, unsigned round) const
    {
        const double took = monotonic_seconds() - began_;
        to.allocations += round > 0 ? allocations - allocations_ : 0;  // the first lap fills pools
        to.seconds.push_back(took);
    }

private:
    std::uint64_t allocations_;
    double began_;
};

stack_config<default_policies> config(ip_prefix address, std::uint8_t number)
{
    stack_config<default_policies> c{.address = address};
    c.network.mac.octets[5] = number;
    c.limits.connections = 16;
    c.seed = number;
    return c;
}

struct world {
    virtual_reactor reactor{{.turns_per_instant = std::numeric_limits<std::uint64_t>::max()}};
    memory_link link{{.queue_frames = 1'000, .delay = 1_us}};
    basic_stack<> client{config("198.18.0.1/24"_net, 1)};
    basic_stack<> server{config("198.18.0.2/24"_net, 2)};
    driver<basic_stack<>, memory_link::end, virtual_reactor> left{client, link.left(), reactor};
    driver<basic_stack<>, memory_link::end, virtual_reactor> right{server, link.right(), reactor};
};

task<> measure(world& net, unsigned rounds, laps& writes, laps& reads)
{
    tcp_listener listener{net.server, {"198.18.0.2"_ip, 7}};
    auto [to, from] = co_await when_all(connect(net.client, {"198.18.0.2"_ip, 7}), listener.accept());
    tcp_socket writer = std::move(to.value);
    tcp_socket reader = std::move(from.value);
    std::vector<std::byte> octets(octets_each, std::byte{0x55});
    std::size_t failed = 0;
    writes.seconds.reserve(rounds);
    reads.seconds.reserve(rounds);
    for (unsigned i = 0; i < rounds; ++i) {
        const lap writing;
        for (std::size_t n = 0; n < calls; ++n) {
            auto [ec, done] = co_await writer.write(octets);
            failed += ec || done != octets_each;
        }
        writing.end(writes, i);
        failed += static_cast<bool>(co_await writer.flush());
        const lap reading;
        for (std::size_t n = 0; n < calls; ++n) {
            auto [ec, done] = co_await reader.read_some(octets);
            failed += ec || done != octets_each;
        }
        reading.end(reads, i);
    }
    if (failed > 0) {
        throw std::runtime_error{"a call did not do all of its work"};
    }
}

using copy_function = void* (*)(void*, const void*, std::size_t);
volatile copy_function pointer_to_memcpy = &std::memcpy;

// The same walk through memory: from and to the buffer of 64 octets, along one of as many as the calls move in a row.
alignas(64) std::byte row[calls * octets_each];
alignas(64) std::byte one[octets_each];

struct walk {
    bool to_the_row;

    std::byte* to(std::size_t n) const { return to_the_row ? row + n * octets_each : one; }
    const std::byte* from(std::size_t n) const { return to_the_row ? one : row + n * octets_each; }
};

laps copies(unsigned rounds, bool to_the_row)
{
    const walk along{to_the_row};
    laps all;
    for (unsigned i = 0; i < rounds; ++i) {
        const copy_function copy = pointer_to_memcpy;
        const lap copying;
        for (std::size_t n = 0; n < calls; ++n) {
            copy(along.to(n), along.from(n), octets_each);
            keep(one);
        }
        copying.end(all, i);
    }
    return all;
}

// An operation, and an awaitable of any coroutine, that is this memcpy and answers as a read does.
class copy_at_once {
public:
    copy_at_once(copy_function copy, std::byte* to, const std::byte* from) noexcept : copy_{copy}, to_{to}, from_{from}
    {
    }

    bool ready() const noexcept { return true; }
    bool complete_at_once() noexcept
    {
        copy_(to_, from_, octets_each);
        return true;
    }
    bool start(completion&, const environment&) noexcept { return false; }
    void cancel() noexcept {}
    io_result result() const noexcept { return {make_error_code(errc::ok), octets_each}; }

private:
    copy_function copy_;
    std::byte* to_;
    const std::byte* from_;
};

class bare_copy : copy_at_once {
public:
    using copy_at_once::copy_at_once;
    bool await_ready() noexcept { return complete_at_once(); }
    void await_suspend(std::coroutine_handle<>) noexcept {}
    io_result await_resume() const noexcept { return result(); }
};

// Runs to its end where it is called, and is gone then.
struct bare_coroutine {
    struct promise_type {
        bare_coroutine get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

// With a Coroutine that has nothing but a frame and the bare Copy, or with a task and the operation.
template <class Coroutine, class Copy>
Coroutine await_copies(unsigned rounds, bool to_the_row, laps& all)
{
    const walk along{to_the_row};
    std::size_t failed = 0;
    for (unsigned i = 0; i < rounds; ++i) {
        const copy_function copy = pointer_to_memcpy;
        const lap copying;
        for (std::size_t n = 0; n < calls; ++n) {
            auto [ec, done] = co_await Copy{copy, along.to(n), along.from(n)};
            failed += ec || done != octets_each;
            keep(one);
        }
        copying.end(all, i);
    }
    keep(failed);
}

void add_limits(figures& found, const char* call, unsigned rounds, bool to_the_row)
{
    laps bare;
    await_copies<bare_coroutine, bare_copy>(rounds, to_the_row, bare);
    laps in_task;
    virtual_reactor reactor{{.turns_per_instant = std::numeric_limits<std::uint64_t>::max()}};
    reactor.run(await_copies<task<>, copy_at_once>(rounds, to_the_row, in_task));
    found.add(call, "memcpy", copies(rounds, to_the_row).nanoseconds());
    found.add(call, "bare await", bare.nanoseconds());
    found.add(call, "task's await", in_task.nanoseconds());
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const unsigned rounds = given.number("rounds", 20'000);
    given.done();
    world net;
    laps writes;
    laps reads;
    net.reactor.run(measure(net, rounds, writes, reads));
    figures found;
    found.add("ready_write", "tcpco", writes.nanoseconds());
    found.add("ready_read", "tcpco", reads.nanoseconds());
    add_limits(found, "ready_write", rounds, true);
    add_limits(found, "ready_read", rounds, false);
    found.add("ready_allocations", "tcpco", static_cast<double>(writes.allocations + reads.allocations));
    found.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "ready_calls: %s\n", e.what());
    return 1;
}
