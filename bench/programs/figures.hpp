// What a program of bench/run measured, as one line of JSON: {"row": {"entry": value, ...}, ...}.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

namespace tcpco_bench {

class figures {
public:
    void add(const std::string& row, const std::string& entry, double value) { rows_[row][entry] = value; }

    void print() const
    {
        const char* before_row = "{";
        for (const auto& [row, entries] : rows_) {
            std::printf("%s\"%s\": ", before_row, row.c_str());
            const char* before_entry = "{";
            for (const auto& [entry, value] : entries) {
                std::printf("%s\"%s\": %.9g", before_entry, entry.c_str(), value);
                before_entry = ", ";
            }
            std::printf("}");
            before_row = ", ";
        }
        std::puts(rows_.empty() ? "{}" : "}");
    }

private:
    std::map<std::string, std::map<std::string, double>> rows_;
};

inline double monotonic_seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of this process alone: what else runs on the machine counts less.
inline double processor_seconds()
{
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// What work alone took, without a stack and a device: printed as kernel_client does it, itself in the server's place.
struct work_alone {
    double seconds = 0;
    double cpu = 0;
    std::uint64_t octets = 0;

    void print() const
    {
        std::printf("{\"seconds\": %.6f, \"client_cpu\": 0, \"server_cpu\": %.6f, \"octets\": %llu}\n", seconds, cpu,
                    static_cast<unsigned long long>(octets));
    }
};

// round() says how many octets that was.
template <class Round>
work_alone work_for(double seconds, Round round)
{
    work_alone done;
    const double began = monotonic_seconds();
    const double used = processor_seconds();
    for (; done.seconds < seconds; done.seconds = monotonic_seconds() - began) {
        done.octets += round();
    }
    done.cpu = processor_seconds() - used;
    return done;
}

// Calls round(), which says how much it has done, for so long, and a quarter of that before it counts: how much a second of
// the processor's time.
template <class Round>
double per_second(double seconds, Round round)
{
    for (const double began = processor_seconds(); processor_seconds() - began < seconds / 4;) {
        round();
    }
    double done = 0;
    const double began = processor_seconds();
    double now = began;
    for (; now - began < seconds; now = processor_seconds()) {
        done += round();
    }
    return done / (now - began);
}

// Makes the compiler believe that somebody looks at the value.
template <class T>
void keep(const T& value)
{
    asm volatile("" : : "r"(&value) : "memory");
}

// xorshift64*: cheap, and without memory of its own worth counting.
struct quick_random {
    std::uint64_t state = 0x9E3779B97F4A7C15;

    std::uint64_t next() noexcept
    {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545F4914F6CDD1D;
    }
    std::uint32_t below(std::uint32_t n) noexcept { return static_cast<std::uint32_t>((next() >> 32) * n >> 32); }
};

}  // namespace tcpco_bench
