// The matrix of the simulations: loss x options x seeds, and how one failing case is run again. Names of these tests
// hold no comma: Catch2 would take it for a list.
//
// TCPCO_CASE and TCPCO_SEED in the environment choose one case: `TCPCO_SEED=2 TCPCO_CASE=5-st- <test program> "<name of
// the test>"`. A case is the loss in per cent, then s, t, w for SACK, timestamps and window scaling, or - where that is
// off. TCPCO_SEEDS=1000 tries more seeds than the few of every run.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

#include "catch.hpp"
#include "support/link.hpp"

namespace tcpco_test {

// Under AddressSanitizer all takes ten times as long: a part of the cases is enough to show what it is there for.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

struct simulation_case {
    std::uint64_t seed = 1;
    int loss = 0;  // per cent
    bool sack = true;
    bool timestamps = true;
    bool window_scaling = true;

    std::string name() const
    {
        return std::to_string(loss) + "-" + (sack ? "s" : "-") + (timestamps ? "t" : "-") +
               (window_scaling ? "w" : "-");
    }
};

// The command that runs this case, and only it, once more.
inline std::string replay_command(std::uint64_t seed, const std::string& name)
{
    char path[1'024] = {};
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
    return "TCPCO_SEED=" + std::to_string(seed) + " TCPCO_CASE=" + name + " " +
           (length > 0 ? path : "<this program>") + " \"" + Catch::getResultCapture().getCurrentTestName() + "\"";
}

// What to run: the whole matrix, or what the environment asks for.
inline std::vector<simulation_case> simulation_cases(std::uint64_t seeds)
{
    const char* only_case = std::getenv("TCPCO_CASE");
    const char* only_seed = std::getenv("TCPCO_SEED");
    if (const char* more = std::getenv("TCPCO_SEEDS"); more != nullptr) {
        seeds = std::strtoull(more, nullptr, 10);
    }
    std::vector<simulation_case> chosen;
    const std::uint64_t first = only_seed != nullptr ? std::strtoull(only_seed, nullptr, 10) : 1;
    const std::uint64_t last = only_seed != nullptr ? first : seeds;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        for (const int loss : {0, 1, 5, 20}) {
            for (unsigned options = 0; options < 8; ++options) {
                const simulation_case c{seed, loss, (options & 1) == 0, (options & 2) == 0, (options & 4) == 0};
                if (only_case == nullptr || c.name() == only_case) {
                    chosen.push_back(c);
                }
            }
        }
    }
    return chosen;
}

// The options are off at one end only, in turns: then neither may use them.
template <class Config>
void apply(const simulation_case& c, Config& config, bool this_end)
{
    config.tcp.sack = c.sack || !this_end;
    config.tcp.timestamps = c.timestamps || !this_end;
    config.tcp.window_scaling = c.window_scaling || !this_end;
}

// Losses come with half as many duplicates and as many late frames; every other seed has no loss, but a link that
// reorders. Jitter is no more than the round trip: beyond that, losses cannot be told from lateness.
inline link_profile profile_of(const simulation_case& c)
{
    link_profile p;
    p.loss = c.loss / 100.0;
    p.duplicate = p.loss / 2;
    p.reorder = c.loss == 0 && c.seed % 2 == 0 ? 0.05 : p.loss;
    p.delay = duration{static_cast<std::int64_t>(c.seed % 4) * 5'000'000};
    p.jitter = p.delay > duration{} ? duration{3'000'000} : duration{300'000};
    p.per_frame = duration{c.seed % 3 == 0 ? 0 : 120'000};
    return p;
}

// Runs one case with 40,000 octets one way and 15,000 the other; the answer is empty when all was well. `adjust` may
// change both configs.
template <class Bundle, class Adjust>
std::string run_case(const simulation_case& c, Adjust&& adjust)
{
    using sim = simulation<Bundle>;
    auto ca = sim::config_a(c.seed);
    auto cb = sim::config_b(c.seed);
    apply(c, ca, c.seed % 2 == 1);
    apply(c, cb, c.seed % 2 == 0);
    adjust(ca);
    adjust(cb);
    sim net{ca, cb, profile_of(c), c.seed};
    net.at_a.to_send = pattern(40'000, static_cast<std::uint32_t>(c.seed));
    net.at_b.to_send = pattern(15'000, static_cast<std::uint32_t>(c.seed + 99));
    // Data and ACKs take up to 80 frames on a good link, whatever the policies. On a bad one a timeout, or reordering
    // without SACK, may send a whole window again, some 28 segments and their ACKs.
    net.frame_limit = static_cast<std::size_t>(140 + 15 * c.loss);
    net.open();
    return net.complete(duration{std::int64_t{7'200} * 1'000'000'000});
}

template <class Bundle, class Adjust>
void run_matrix(Adjust&& adjust, std::uint64_t seeds = 3)
{
    const std::vector<simulation_case> cases = simulation_cases(seeds);
    REQUIRE_FALSE(cases.empty());
    for (const simulation_case& c : cases) {
        const std::string failure = run_case<Bundle>(c, adjust);
        if (!failure.empty()) {
            // Not only as INFO: Catch2 breaks its lines, and a command should survive being copied.
            std::fprintf(stderr, "to run it again:\n    %s\n", replay_command(c.seed, c.name()).c_str());
        }
        INFO("seed " << c.seed << ", case " << c.name());
        CHECK(failure == "");
    }
}

template <class Bundle>
void run_matrix()
{
    run_matrix<Bundle>([](auto&) {});
}

}  // namespace tcpco_test
