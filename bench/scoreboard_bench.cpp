// What the scoreboard costs: sending and acknowledging, and the ACKs of a long flight with a hole at its front.
#include "tcpco/tcp/scoreboard.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>

using namespace tcpco;

namespace {

constexpr octet_count mss = 1448;
constexpr auto ignore = [](const transmission&, bool) {};

scoreboard with_flight(std::int64_t records)
{
    scoreboard board;
    board.start({1});
    for (std::int64_t i = 0; i < records; ++i) {
        if (!board.on_transmit_new(board.nxt(), board.nxt() + mss, time_point{i}, 1, {})) {
            break;
        }
    }
    return board;
}

void send_two_acknowledge_two(benchmark::State& state)
{
    scoreboard board = with_flight(state.range(0));
    for (auto _ : state) {
        for (int i = 0; i < 2; ++i) {
            benchmark::DoNotOptimize(board.on_transmit_new(board.nxt(), board.nxt() + mss, time_point{1}, 1, {}));
        }
        benchmark::DoNotOptimize(board.on_cumulative_ack(board.una() + 2 * mss, ignore));
    }
}
BENCHMARK(send_two_acknowledge_two)->Arg(10)->Arg(1'000)->Arg(50'000);

// A block that covers everything but the first record, and begins anywhere: nothing new, as most SACK blocks.
void repeated_sack_block(benchmark::State& state)
{
    scoreboard board = with_flight(state.range(0));
    board.on_sack({board.una() + mss, board.nxt()}, ignore);
    std::int64_t i = 0;
    for (auto _ : state) {
        i = (i * 7 + 1) % state.range(0);
        benchmark::DoNotOptimize(board.on_sack({board.una() + mss * (1 + i / 2), board.nxt()}, ignore));
    }
}
BENCHMARK(repeated_sack_block)->Arg(10)->Arg(1'000)->Arg(50'000);

// The first record is lost, sent again, and lost again.
void mark_and_retransmit(benchmark::State& state)
{
    scoreboard board = with_flight(state.range(0));
    board.mark_all_lost();
    board.take_newly_lost();
    std::int64_t now = state.range(0);
    for (auto _ : state) {
        const auto i = board.first_lost();
        benchmark::DoNotOptimize(board.on_retransmit(board[i].first, board[i].last, time_point{++now}, {}));
        board.mark_lost(i);
        board.take_newly_lost();
    }
}
BENCHMARK(mark_and_retransmit)->Arg(10)->Arg(1'000)->Arg(50'000);

}  // namespace
