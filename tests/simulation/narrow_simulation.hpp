// Two stacks on a path with a bottleneck (sim/bottleneck.hpp) each way, with the losses, duplicates and late frames of
// link_profile behind it; and the matrix of controllers and weathers that every recovery has to come through.
//
// TCPCO_CASE=reno-marks and TCPCO_SEED choose one case, TCPCO_SEEDS the number of seeds; TCPCO_LONG=1 tries 300.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "simulation/any_bundles.hpp"
#include "simulation/cases.hpp"
#include "tcpco/sim/bottleneck.hpp"
#include "tcpco/sim/ecn_mark.hpp"

namespace tcpco_test {

inline bool long_run() { return std::getenv("TCPCO_LONG") != nullptr; }

template <class Bundle>
struct narrow_simulation {
    using world = simulation<Bundle>;

    narrow_simulation(const stack_config<Bundle>& ca, const stack_config<Bundle>& cb, const bottleneck_config& forth,
                const bottleneck_config& back, const link_profile& weather = {}, std::uint64_t seed = 1)
        : net{ca, cb, weather, seed}, hops{bottleneck{forth}, bottleneck{back}}
    {
        net.skip_arp();
        net.link.passes = [this](time_point now, int from, octets& frame) -> std::optional<time_point> {
            const bool markable = ecn_of_frame(frame, link_framing::ethernet) != ecn_codepoint::not_ect;
            const bottleneck_answer a = hops[static_cast<std::size_t>(from)].offer(now, frame.size(), markable);
            last_frame_at = now;
            if (!a.taken) {
                return std::nullopt;
            }
            if (a.mark) {
                mark_frame(frame, link_framing::ethernet);
            }
            return a.at;
        };
    }

    // No stall: while octets are outstanding, and the peer's window is open, something is sent or arrives before the
    // RTO is over. Ask after each event; empty, or what is wrong.
    std::string stall()
    {
        std::string bad = stall_of(net.info_a(), 0, "a");
        return !bad.empty() || !net.id_b ? bad : stall_of(net.info_b(), 1, "b");
    }

    world net;
    std::array<bottleneck, 2> hops;
    time_point last_frame_at{};

private:
    std::string stall_of(const tcp_info& i, std::size_t end, const char* name)
    {
        const bool waits = i.unacked > 0 && i.snd_wnd > 0 && i.state != tcp_state::closed;
        const std::uint64_t moved = i.segments_sent + i.segments_received;
        if (!waits || moved != moved_[end]) {
            moved_[end] = moved;
            moved_at_[end] = net.now;
            due_[end] = net.now + i.rto;
            return {};
        }
        if (net.now <= due_[end]) {
            return {};
        }
        return std::string{name} + " is silent since " + std::to_string(moved_at_[end].since_origin().microseconds()) +
               " us with " + std::to_string(i.unacked) + " octets outstanding and an RTO of " +
               std::to_string(i.rto.microseconds()) + " us";
    }

    std::array<std::uint64_t, 2> moved_{};
    std::array<time_point, 2> moved_at_{};
    std::array<time_point, 2> due_{};
};

struct weather {
    const char* name;
    double loss;
    double reorder;
    double duplicate;
    bool marks;
};
inline constexpr weather weathers[] = {
    {"clean", 0, 0, 0, false},     {"loss1", 0.01, 0, 0, false},     {"loss3", 0.03, 0, 0, false},
    {"loss10", 0.1, 0, 0, false},  {"reorder", 0, 0.1, 0, false},    {"double", 0, 0, 0.05, false},
    {"marks", 0, 0, 0, true},      {"all", 0.02, 0.05, 0.02, true},
};

inline std::string name_of(std::size_t controller_index, const weather& w)
{
    return std::string{controller_names[controller_index]} + "-" + w.name;
}

// One transfer of 80,000 octets forth and 10,000 back, over 2 to 8 Mbit/s, 10 to 60 ms there and back, and a queue of
// half a round trip's worth to two. Empty: all was well.
template <class Bundle>
std::string run_narrow(std::size_t controller_index, const weather& w, std::uint64_t seed)
{
    using world = simulation<Bundle>;
    random_source draw{seed * 977 + 5};
    const std::uint64_t rate = 2'000'000 + draw.next() % 6'000'000;
    const duration delay{5'000'000 + static_cast<std::int64_t>(draw.next() % 25'000'000)};
    const auto round_trip = static_cast<std::size_t>(rate * static_cast<std::uint64_t>(2 * delay.ns) / 8'000'000'000);
    bottleneck_config hop{.rate_bits_per_second = rate, .delay = delay};
    hop.queue_limit_octets = std::max<std::size_t>(6'000, round_trip / 2 * (1 + draw.next() % 4));
    if (w.marks) {
        hop.mark_above_octets = hop.queue_limit_octets / 4;
    }
    link_profile behind{.loss = w.loss, .duplicate = w.duplicate, .reorder = w.reorder};
    behind.jitter = duration{1'000'000 + static_cast<std::int64_t>(draw.next() % 4'000'000)};
    auto ca = world::config_a(seed);
    auto cb = world::config_b(seed);
    ca.congestion.index = cb.congestion.index = controller_index;
    std::get<fixed_window>(ca.congestion.configs).window = 24'000;
    std::get<fixed_window>(cb.congestion.configs).window = 24'000;
    ca.tcp.ecn = w.marks ? ecn_use::request : ecn_use::accept;
    narrow_simulation<Bundle> path{ca, cb, hop, hop, behind, seed};
    path.net.at_a.to_send = pattern(80'000, static_cast<std::uint32_t>(seed));
    path.net.at_b.to_send = pattern(10'000, static_cast<std::uint32_t>(seed + 99));
    path.net.frame_limit = 1'000;
    path.net.open();
    std::string stall;
    path.net.run(
        [&] {
            stall = path.stall();
            return !stall.empty() || (path.net.everything_arrived() && path.net.both_in(tcp_state::closed));
        },
        duration{3'600'000'000'000});
    return stall.empty() ? path.net.complete(duration{1'000'000'000}) : stall;
}

// Every controller in every weather.
template <class Bundle>
void run_narrow_matrix(std::uint64_t seeds)
{
    const char* only_case = std::getenv("TCPCO_CASE");
    const char* only_seed = std::getenv("TCPCO_SEED");
    const char* more = std::getenv("TCPCO_SEEDS");
    seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : long_run() ? 300 : sanitized ? 1 : seeds;
    const std::uint64_t first = only_seed != nullptr ? std::strtoull(only_seed, nullptr, 10) : 1;
    const std::uint64_t last = only_seed != nullptr ? first : seeds;
    std::size_t runs = 0;
    for (std::size_t c = 0; c < any_controller::count; ++c) {
        for (const weather& w : weathers) {
            const std::string name = name_of(c, w);
            for (std::uint64_t seed = first; seed <= last && (only_case == nullptr || name == only_case); ++seed) {
                ++runs;
                const std::string failure = run_narrow<Bundle>(c, w, seed);
                if (!failure.empty()) {
                    std::fprintf(stderr, "to run it again:\n    %s\n", replay_command(seed, name).c_str());
                }
                INFO("seed " << seed << ", case " << name);
                CHECK(failure == "");
            }
        }
    }
    CHECK(runs > 0);
}

}  // namespace tcpco_test
