// The cpus that this process may use, a thread's own time on one of them, and what two do beside one.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>
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

// How long each run works before it counts: until its memory is there, and in the caches as far as it fits.
constexpr double warm_up_seconds = 0.1;

// run({cpu}) for each cpu at the same time, each in a process of its own, so that they share nothing but the machine; all
// of them together. For programs whose other threads have ended.
template <class Run>
double in_own_processes(const std::vector<int>& cpus, Run run)
{
    std::vector<int> results;
    std::vector<pid_t> children;
    for (const int cpu : cpus) {
        int ends[2];
        const pid_t child = ::pipe(ends) == 0 ? ::fork() : -1;
        if (child < 0) {
            throw std::system_error{errno, std::generic_category(), "a process of its own"};
        }
        if (child == 0) {
            double rate = 0;  // it failed
            try {
                rate = run(std::vector<int>{cpu});
            } catch (const std::exception& e) {
                std::fprintf(stderr, "%s\n", e.what());
            }
            ::_exit(::write(ends[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
        }
        ::close(ends[1]);
        results.push_back(ends[0]);
        children.push_back(child);
    }
    double total = 0;
    bool failed = false;
    for (std::size_t i = 0; i < children.size(); ++i) {
        double rate = 0;
        failed = ::read(results[i], &rate, sizeof rate) != sizeof rate || rate <= 0 || failed;
        ::close(results[i]);
        ::waitpid(children[i], nullptr, 0);
        total += rate;
    }
    if (failed) {
        throw std::runtime_error{"a process of its own failed"};
    }
    return total;
}

// run(cpus, seconds) gives the rate of all these cpus together: for each of the two alone, so that a slower one does not
// pass for a loss, for both, and, if asked for, for both in processes of their own, which is what the machine has to give.
// In short runs, in turn: how fast each cpu is changes within seconds where others use the machine, too.
template <class Run>
void print_alone_and_together(const char* row, double seconds, bool apart, Run run)
{
    constexpr double slice = 0.1;
    const std::vector<int> cpus = two_own_cpus();
    const auto of = [&](const std::vector<int>& some) { return run(some, slice); };
    const int passes = std::max(1, static_cast<int>(seconds / slice / 2));
    double alone = 0;
    double both = 0;
    double in_processes = 0;
    for (int i = 0; i < passes; ++i) {
        alone += (of({cpus[0]}) + of({cpus[1]})) / 2;
        both += of(cpus);
        in_processes += apart ? in_own_processes(cpus, of) : 0;
    }
    figures found;
    found.add(row, "alone", alone / passes);
    found.add(row, "tcpco", both / passes);
    if (apart) {
        found.add(row, "apart", in_processes / passes);
    }
    found.print();
}

}  // namespace tcpco_bench
