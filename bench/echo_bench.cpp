// Two stacks in memory, without coroutines and without a device: the stack's own cost.
//
//     echo/n        n octets there and back, Nagle off; both ends counted
//     bulk/.../n    a stream, n segments of 1448 octets at a time: with TCP checksums, without, and as super-frames
//
// For comparison, on another machine of two processors, with both ends in memory and segments of 1500 octets: smoltcp 0.13
// takes 248 ns a segment with checksums and 158 without, lwIP's loopback 1,366. bench/run measures lwIP here.
#include "pair_of_stacks.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using namespace tcpco;
using tcpco::bench::offload;
using tcpco::bench::pair_of_stacks;

void echo(benchmark::State& state)
{
    pair_of_stacks net{offload::none};
    const auto n = static_cast<std::size_t>(state.range(0));
    std::vector<std::byte> octets(n, std::byte{0x55});
    for (auto _ : state) {
        const bool sent = net.a.write(net.at_a, octets).value == n;
        net.exchange();
        const bool there = net.b.read(net.at_b, octets).value == n && net.b.write(net.at_b, octets).value == n;
        net.exchange();
        const bool back = net.a.read(net.at_a, octets).value == n;
        if (!sent || !there || !back) {
            state.SkipWithError("the octets did not come back");
            break;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
    state.counters["frames"] = benchmark::Counter(static_cast<double>(net.frames), benchmark::Counter::kAvgIterations);
}

void bulk(benchmark::State& state, offload o)
{
    pair_of_stacks net{o};
    const std::size_t chunk = static_cast<std::size_t>(state.range(0)) * 1'448;
    std::vector<std::byte> out(chunk, std::byte{0x55});
    std::vector<std::byte> in(chunk);
    std::uint64_t received = 0;
    for (auto _ : state) {
        if (net.a.write(net.at_a, out).value != chunk) {
            state.SkipWithError("the send buffer is full");
            break;
        }
        net.exchange();
        for (std::size_t n = 1; n > 0; received += n) {
            n = net.b.read(net.at_b, in).value;
        }
        net.exchange();  // the window update
    }
    const tcp_info sender = net.a.info(net.at_a).value;
    if (received < chunk * static_cast<std::uint64_t>(state.iterations()) || sender.retransmissions > 0) {
        state.SkipWithError("octets are missing, or were sent twice");
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(received));
    // Time per data segment on the wire, both ends and the ACKs included; and what it takes in frames.
    const double segments = static_cast<double>(received) / 1'448.0;
    state.counters["per_segment"] =
        benchmark::Counter(segments, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["frames_per_segment"] = static_cast<double>(net.frames) / segments;
}

}  // namespace

BENCHMARK(echo)->Arg(1)->Arg(64)->Arg(1448);
BENCHMARK_CAPTURE(bulk, checksums, offload::none)->Arg(8)->Arg(128);
BENCHMARK_CAPTURE(bulk, checksum_offload, offload::checksum)->Arg(8)->Arg(128);
BENCHMARK_CAPTURE(bulk, super_frames, offload::segmentation)->Arg(128);
