// Two stacks in memory, without coroutines and without a device: the stack's own cost.
//
//     echo/n        n octets there and back, Nagle off; both ends counted
//     bulk/.../n    a stream, n segments of 1448 octets at a time: with TCP checksums, without, and as super-frames
//
// For comparison, measured on one machine with both ends in memory and segments of 1500 octets: smoltcp 0.13 takes
// 248 ns a segment with checksums and 158 without.
#include "tcpco/core.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using namespace tcpco;

enum class offload { none, checksum, segmentation };

// A wire that copies each frame once, as a device does, into the slots of the receiver's pool.
class pair_of_stacks {
public:
    explicit pair_of_stacks(offload o)
        : a{config("192.0.2.1/24"_net, 1)}, b{config("192.0.2.2/24"_net, 2)},
          pool_{o == offload::segmentation ? 66'560u : 2'048u, o == offload::segmentation ? 64u : 2'048u}
    {
        const device_config device{.tx_checksum_offload = o != offload::none,
                                   .tso4 = o == offload::segmentation,
                                   .tso_max = o == offload::segmentation ? 65'535u : 0u};
        a.configure_device(device);
        b.configure_device(device);
        a.set_neighbour(b.address().v4(), config("192.0.2.2/24"_net, 2).network.mac);
        b.set_neighbour(a.address().v4(), config("192.0.2.1/24"_net, 1).network.mac);
        const listener_id listener = b.listen({b.address(), 7}).value;
        at_a = a.connect({b.address(), 7}, {.no_delay = true}).value;
        exchange();
        at_b = b.accept(listener).value;
        b.set_no_delay(at_b, true);
    }

    basic_stack<> a;
    basic_stack<> b;
    connection_id at_a{};
    connection_id at_b{};
    std::uint64_t frames = 0;

    // What a driver's turn does, until nothing is left to do. Each turn takes at most `burst` frames from a stack, so
    // that ACKs come while there is still something to send.
    void exchange(std::size_t burst = 16)
    {
        now_ += 1_us;
        a.advance(now_);
        b.advance(now_);
        while (move(a, b, burst) + move(b, a, burst) > 0) {
        }
    }

private:
    static stack_config<default_policies> config(ip_prefix address, std::uint8_t number)
    {
        stack_config<default_policies> c{.address = address};
        c.network.mac.octets[5] = number;
        c.limits.connections = 16;
        c.seed = number;
        return c;
    }

    std::size_t move(basic_stack<>& from, basic_stack<>& to, std::size_t burst)
    {
        const std::size_t n = from.transmit(
            now_,
            [&](const outgoing_frame& f) {
                buffer slot = pool_.acquire();
                if (!slot) {
                    return sink_verdict::refused;
                }
                f.copy_to(slot.data());
                const std::byte* first = slot.data();
                to.receive(now_, frame{slice{std::move(slot), first, static_cast<std::uint32_t>(f.size())}, f.info});
                return sink_verdict::done;
            },
            burst);
        frames += n;
        return n;
    }

    buffer_pool pool_;
    time_point now_{1'000'000'000};
};

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
