// Requests in memory on one core, and on two at the same time: each core has stacks of its own, which share nothing.
//
//     seconds=s connections=n   requests of 64 octets on each connection in turn
#include <atomic>
#include <thread>
#include <vector>

#include "../request_rounds.hpp"
#include "arguments.hpp"
#include "figures.hpp"
#include "own_cpus.hpp"

namespace {

using namespace tcpco_bench;
using tcpco::bench::request_rounds;

// Millions of requests a second of all cpus together.
double run(const std::vector<int>& cpus, double seconds, std::uint32_t connections)
{
    std::atomic<std::size_t> waiting{cpus.size()};
    std::vector<double> rates(cpus.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        threads.emplace_back([&, i] {
            pin_to(cpus[i]);
            request_rounds own{connections, 64};
            for (--waiting; waiting > 0;) {
            }
            const auto rounds_for = [&own](double length) {
                std::uint64_t complete = 0;
                for (const double began = monotonic_seconds(); monotonic_seconds() - began < length;) {
                    complete += own.round();
                }
                return complete;
            };
            rounds_for(warm_up_seconds);
            const double used = thread_seconds();
            const std::uint64_t complete = rounds_for(seconds);
            rates[i] = static_cast<double>(complete) / (thread_seconds() - used) / 1e6;
        });
    }
    double total = 0;
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        threads[i].join();
        total += rates[i];
    }
    return total;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const double seconds = given.real("seconds", 1);
    const unsigned connections = given.number("connections", 1'000);
    given.done();
    print_alone_and_together("two_cores", seconds, false, [&](const std::vector<int>& cpus, double length) {
        return run(cpus, length, connections);
    });
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "two_cores: %s\n", e.what());
    return 1;
}
