// The cpus that this process may use, and a thread's own time on one of them.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

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

}  // namespace tcpco_bench
