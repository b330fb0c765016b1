// What reading the headers of one frame costs: Ethernet, IPv4 with its checksum, TCP, and options as they come in
// practice. The TCP checksum is not in it: it depends on the payload (checksum_bench).
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <span>

namespace {

using namespace tcpco;

constexpr tcp_options no_options{};
constexpr tcp_options timestamps{.has_timestamps = true, .tsval = 1'234'567, .tsecr = 7'654'321};
constexpr tcp_options syn_options{.has_mss = true,
                                  .has_window_scale = true,
                                  .sack_permitted = true,
                                  .has_timestamps = true,
                                  .window_scale = 7,
                                  .mss = 1'460,
                                  .tsval = 1'234'567};
constexpr tcp_options three_sacks{.has_timestamps = true,
                                  .sack_count = 3,
                                  .tsval = 1'234'567,
                                  .tsecr = 7'654'321,
                                  .sack_blocks = {{{{9'000}, {12'000}}, {{4'000}, {6'000}}, {{1'000}, {2'000}}, {}}}};

struct made_frame {
    std::array<std::byte, 128> octets{};
    std::size_t size = 0;
};

made_frame frame_with(const tcp_options& options)
{
    made_frame f;
    const std::span<std::byte> out{f.octets};
    std::size_t at = write_ethernet({.destination = {{2, 0, 0, 0, 0, 1}},
                                     .source = {{2, 0, 0, 0, 0, 2}},
                                     .type = ethertype::ipv4},
                                    out);
    const std::size_t tcp_size = tcp_header_size + encoded_size(options);
    at += write_ipv4({.total_length = static_cast<std::uint16_t>(ipv4_header_size + tcp_size),
                      .ttl = 64,
                      .protocol = ip_protocol::tcp,
                      .source = "192.0.2.1"_ip.v4(),
                      .destination = "192.0.2.2"_ip.v4()},
                     out.subspan(at));
    at += write_tcp({.source_port = 49'152, .destination_port = 7, .seq = {1}, .ack = {2}, .flags = tcp_flag::ack},
                    options, out.subspan(at));
    f.size = at;
    return f;
}

void parse(benchmark::State& state, const tcp_options& options)
{
    const made_frame f = frame_with(options);
    const std::span<const std::byte> octets = std::span{f.octets}.first(f.size);
    for (auto _ : state) {
        benchmark::ClobberMemory();
        const auto link = parse_ethernet(octets);
        const auto packet = parse_ipv4(link->payload);
        const auto segment = parse_tcp(packet->payload);
        if (!link || !packet || !segment) {
            state.SkipWithError("the frame does not parse");
            break;
        }
        tcp_options parsed = parse_tcp_options(segment->options);
        benchmark::DoNotOptimize(parsed);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void write(benchmark::State& state, const tcp_options& options)
{
    tcp_options given = options;
    for (auto _ : state) {
        benchmark::DoNotOptimize(given);
        made_frame f = frame_with(given);
        benchmark::DoNotOptimize(f);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

BENCHMARK_CAPTURE(parse, without_options, no_options);
BENCHMARK_CAPTURE(parse, timestamps, timestamps);
BENCHMARK_CAPTURE(parse, syn, syn_options);
BENCHMARK_CAPTURE(parse, three_sack_blocks, three_sacks);
BENCHMARK_CAPTURE(write, timestamps, timestamps);
BENCHMARK_CAPTURE(write, three_sack_blocks, three_sacks);
