// What a coroutine's read and write of 64 octets cost when they complete at once, beside a memcpy of as many through a
// function pointer; and how often they allocate.
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

// The same walk through memory: from and to the buffer of 64 octets, along one of as many as the calls move in a row.
laps copies(unsigned rounds, bool to_the_row)
{
    static volatile copy_function pointer = &std::memcpy;
    std::vector<std::byte> row(calls * octets_each);
    std::vector<std::byte> one(octets_each, std::byte{0x55});
    laps all;
    for (unsigned i = 0; i < rounds; ++i) {
        const copy_function copy = pointer;
        const lap copying;
        for (std::size_t n = 0; n < calls; ++n) {
            std::byte* at = row.data() + n * octets_each;
            copy(to_the_row ? at : one.data(), to_the_row ? one.data() : at, octets_each);
            keep(one);
        }
        copying.end(all, i);
    }
    return all;
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
    found.add("ready_write", "memcpy", copies(rounds, true).nanoseconds());
    found.add("ready_read", "memcpy", copies(rounds, false).nanoseconds());
    found.add("ready_allocations", "tcpco", static_cast<double>(writes.allocations + reads.allocations));
    found.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "ready_calls: %s\n", e.what());
    return 1;
}
