// What the Internet checksum costs, beside memcpy of the same octets: the bound for anything that looks at each of
// them. 40: an ACK; 576, 1448, 8948: segments of common MTUs; 65536: a super-frame.
#include "tcpco/wire/checksum.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <vector>

namespace {

using namespace tcpco;

std::vector<std::byte> octets_for(const benchmark::State& state)
{
    std::vector<std::byte> octets(static_cast<std::size_t>(state.range(0)));
    for (std::size_t i = 0; i < octets.size(); ++i) {
        octets[i] = static_cast<std::byte>(i * 31);
    }
    return octets;
}

void count_octets(benchmark::State& state)
{
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void copy_only(benchmark::State& state)
{
    const auto from = octets_for(state);
    std::vector<std::byte> to(from.size());
    for (auto _ : state) {
        std::memcpy(to.data(), from.data(), from.size());
        benchmark::DoNotOptimize(to.data());
        benchmark::ClobberMemory();
    }
    count_octets(state);
}

void checksum(benchmark::State& state)
{
    const auto octets = octets_for(state);
    for (auto _ : state) {
        benchmark::ClobberMemory();
        checksum_accumulator sum;
        sum.add(octets);
        benchmark::DoNotOptimize(sum.checksum());
    }
    count_octets(state);
}

void checksum_while_copying(benchmark::State& state)
{
    const auto from = octets_for(state);
    std::vector<std::byte> to(from.size());
    for (auto _ : state) {
        checksum_accumulator sum;
        sum.copy_and_add(from, to.data());
        benchmark::DoNotOptimize(sum.checksum());
        benchmark::ClobberMemory();
    }
    count_octets(state);
}

// As frames leave: headers, and a payload in two pieces, the first of odd length.
void checksum_of_a_gather_list(benchmark::State& state)
{
    const auto octets = octets_for(state);
    const std::span<const std::byte> all{octets};
    const std::size_t cut = all.size() / 2 | 1;
    const std::array<std::span<const std::byte>, 3> pieces{all.first(20), all.subspan(20, cut - 20), all.subspan(cut)};
    for (auto _ : state) {
        benchmark::ClobberMemory();
        checksum_accumulator sum;
        for (const auto& piece : pieces) {
            sum.add(piece);
        }
        benchmark::DoNotOptimize(sum.checksum());
    }
    count_octets(state);
}

}  // namespace

BENCHMARK(copy_only)->Name("memcpy")->Arg(40)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum)->Arg(40)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum_while_copying)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum_of_a_gather_list)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
