// Many small exchanges between two stacks in memory, on one core, without coroutines and without a device.
//
//     requests/n/connections   n octets there and n back, on each of the connections in turn; per request
//     connect_close            connect, one octet each way, close in order; per connection
#include "request_rounds.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

namespace {

using namespace tcpco;
using tcpco::bench::pair_of_stacks;
using tcpco::bench::request_rounds;

void requests(benchmark::State& state)
{
    request_rounds rounds{static_cast<std::uint32_t>(state.range(1)), static_cast<std::size_t>(state.range(0))};
    std::uint64_t complete = 0;
    try {
        for (auto _ : state) {
            complete += rounds.round();
        }
    } catch (const std::runtime_error& e) {
        state.SkipWithError(e.what());
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
