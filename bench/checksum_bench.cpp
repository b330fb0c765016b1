// What the Internet checksum costs, beside memcpy of the same octets: the bound for anything that looks at each of
// them. 40: an ACK; 576, 1448, 8948: segments of common MTUs; 65536: a super-frame. sum/ and sum_and_copy/ are the
// kernels that this processor has, each by itself; checksum is the one that is chosen, with its choice.
#include "tcpco/wire/checksum.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>
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

template <bool copy>
void kernel(benchmark::State& state, detail::sum_kernel k)
{
    const auto from = octets_for(state);
    std::vector<std::byte> to(from.size());
    for (auto _ : state) {
        benchmark::DoNotOptimize(detail::sum_message<copy>(k, from.data(), from.size(), to.data()));
        benchmark::ClobberMemory();
    }
    count_octets(state);
}

// Before main(): the processor is asked as early as it can be.
const bool kernels_registered = [] {
    constexpr std::pair<const char*, detail::sum_kernel> kernels[] = {
        {"words", detail::sum_kernel::words},
        {"vectors16", detail::sum_kernel::vectors16},
        {"vectors32", detail::sum_kernel::vectors32},
        {"vectors64", detail::sum_kernel::vectors64},
    };
    for (const auto& [name, k] : kernels) {
        if (!detail::has_sum_kernel(k)) {
            continue;
        }
        for (const std::int64_t size : {40, 64, 128, 256, 576, 1448, 8948, 65536}) {
            benchmark::RegisterBenchmark((std::string{"sum/"} + name).c_str(), kernel<false>, k)->Arg(size);
            benchmark::RegisterBenchmark((std::string{"sum_and_copy/"} + name).c_str(), kernel<true>, k)->Arg(size);
        }
    }
    return true;
}();

}  // namespace

BENCHMARK(copy_only)->Name("memcpy")->Arg(40)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum)->Arg(40)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum_while_copying)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
BENCHMARK(checksum_of_a_gather_list)->Arg(576)->Arg(1448)->Arg(8948)->Arg(65536);
