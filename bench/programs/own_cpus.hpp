// The cpus that this process may use, a thread's own time on one of them, and what two do beside one.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

#include "figures.hpp"

namespace tcpco_bench {

inline void pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

// Throws where there is one only.
inline std::vector<int> two_own_cpus()
{
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    std::vector<int> cpus;
    for (int i = 0; i < CPU_SETSIZE && cpus.size() < 2; ++i) {
        if (CPU_ISSET(static_cast<std::size_t>(i), &set)) {
            cpus.push_back(i);
        }
    }
    if (cpus.size() < 2) {
        throw std::runtime_error{"there is one cpu"};
    }
    return cpus;
}

// Each core's own time: caches and memory are shared with the other one and count, what else the machine runs does not.
inline double thread_seconds()
{
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// run(cpus, share) gives the rate of all these cpus together, in that share of the time: for each of the two alone, so that
// a slower one does not pass for a loss, and for both.
template <class Run>
void print_alone_and_together(const char* row, Run run)
{
    const std::vector<int> cpus = two_own_cpus();
    const double one = (run({cpus[0]}, 0.5) + run({cpus[1]}, 0.5)) / 2;
    figures found;
    found.add(row, "alone", one);
    found.add(row, "tcpco", run(cpus, 1.0));
    found.print();
}

}  // namespace tcpco_bench
