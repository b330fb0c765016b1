// Many small exchanges between two stacks in memory, on one core, without coroutines and without a device.
//
//     requests/n/connections   n octets there and n back, on each of the connections in turn; per request
//     connect_close            connect, one octet each way, close in order; per connection
#include "pair_of_stacks.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

namespace {

using namespace tcpco;
using tcpco::bench::offload;
using tcpco::bench::pair_of_stacks;

constexpr std::size_t burst = 256;  // frames of a turn

void requests(benchmark::State& state)
{
    const auto n = static_cast<std::size_t>(state.range(0));
    const auto count = static_cast<std::uint32_t>(state.range(1));
    pair_of_stacks net{offload::none, count};
    std::vector<pair_of_stacks::pair_of_ends> all(count);
    std::generate(all.begin(), all.end(), [&] { return net.connect(); });
    std::vector<std::byte> octets(n, std::byte{0x55});
    std::uint64_t complete = 0;
    std::uint64_t sent = 0;
    for (auto _ : state) {
        for (const auto& p : all) {
            sent += net.a.write(p.a, octets).value;
        }
        net.exchange(burst);
        for (const auto& p : all) {
            if (net.b.read(p.b, octets).value == n) {
                sent += net.b.write(p.b, octets).value;
            }
        }
        net.exchange(burst);
        for (const auto& p : all) {
            complete += net.a.read(p.a, octets).value == n ? 1U : 0U;
        }
    }
    if (complete != static_cast<std::uint64_t>(state.iterations()) * count || sent != complete * 2 * n) {
        state.SkipWithError("an answer is missing");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(complete));
}

void connect_close(benchmark::State& state)
{
    pair_of_stacks net;
    std::byte octet{0x55};
    const std::span one{&octet, 1};
    for (auto _ : state) {
        const auto [at_a, at_b] = net.connect();
        bool good = net.a.write(at_a, one).value == 1;
        net.exchange();
        good = good && net.b.read(at_b, one).value == 1 && net.b.write(at_b, one).value == 1;
        net.exchange();
        good = good && net.a.read(at_a, one).value == 1;
        net.a.close(at_a);
        net.exchange();
        good = good && net.b.read(at_b, one).ec == errc::end_of_stream;
        net.b.close(at_b);
        net.exchange();
        if (!good) {
            state.SkipWithError("the connection did not go its way");
            break;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

BENCHMARK(requests)->Args({64, 1'000});
BENCHMARK(connect_close);
