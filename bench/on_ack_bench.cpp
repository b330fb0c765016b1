// What one ACK costs a congestion controller: slow start and congestion avoidance, Reno, CUBIC, and CUBIC chosen at run
// time.
//
// For comparison, smoltcp 0.13 on another machine of two processors: CUBIC 1.8 ns in slow start and 10.9 in avoidance,
// Reno 2.3 and 5.7.
#include <benchmark/benchmark.h>

#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/congestion/reno.hpp"

namespace {

using namespace tcpco;
using namespace tcpco::congestion;

constexpr octet_count smss = 1'460;
constexpr int acks_per_flow = 1 << 16;  // then the flow starts again, so that windows stay those of real life

template <class Controller>
Controller flow(const typename Controller::config& c, octet_count window, octet_count ssthresh)
{
    Controller controller{c};
    controller.on_connection_established(
        {.initial_window = window, .smss = smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
    return controller;
}

template <class Controller>
void run(benchmark::State& state, const typename Controller::config& c, octet_count window, octet_count ssthresh)
{
    const Controller fresh = flow<Controller>(c, window, ssthresh);
    Controller controller = fresh;
    ack_info a{.acked = 2 * smss,
               .delivered = 2 * smss,
               .latest_rtt = 20_ms,
               .min_rtt = 20_ms,
               .srtt = 20_ms,
               .cwnd_limited = true,
               .smss = smss};
    int left = acks_per_flow;
    for (auto _ : state) {
        a.now += 20_us;
        benchmark::DoNotOptimize(a);
        controller.on_ack(a);
        benchmark::DoNotOptimize(controller);
        if (--left == 0) {
            left = acks_per_flow;
            controller = fresh;
        }
    }
}

template <class Controller>
void slow_start(benchmark::State& state)
{
    run<Controller>(state, {}, 10 * smss, congestion::no_threshold);
}

template <class Controller>
void avoidance(benchmark::State& state)
{
    run<Controller>(state, {}, 1'000 * smss, 1'000 * smss);
}

using chosen = any_congestion<reno, cubic, paced>;

void avoidance_chosen_at_run_time(benchmark::State& state)
{
    run<chosen>(state, chosen::config::of<cubic>(), 1'000 * smss, 1'000 * smss);
}

void cubic_reduction(benchmark::State& state)
{
    cubic controller = flow<cubic>({}, 1'000 * smss, 1'000 * smss);
    ack_info a{.acked = 2 * smss, .srtt = 20_ms, .cwnd_limited = true, .smss = smss};
    const cubic fresh = controller;
    for (auto _ : state) {
        controller = fresh;
        controller.on_congestion_event({.in_flight = 1'000 * smss, .smss = smss});
        controller.on_ack(a);  // begins the epoch: the cube root is here
        benchmark::DoNotOptimize(controller);
    }
}

}  // namespace

BENCHMARK(slow_start<reno>)->Name("on_ack/reno/slow_start");
BENCHMARK(avoidance<reno>)->Name("on_ack/reno/avoidance");
BENCHMARK(slow_start<cubic>)->Name("on_ack/cubic/slow_start");
BENCHMARK(avoidance<cubic>)->Name("on_ack/cubic/avoidance");
BENCHMARK(avoidance_chosen_at_run_time)->Name("on_ack/any_congestion(cubic)/avoidance");
BENCHMARK(cubic_reduction)->Name("on_congestion_event/cubic");
