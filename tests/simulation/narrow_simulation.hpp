// Two stacks on a path with a bottleneck (sim/bottleneck.hpp) each way, with the losses, duplicates and late frames of
// link_profile behind it; and the matrix of controllers and weathers that every recovery has to come through.
//
// TCPCO_CASE=reno-marks and TCPCO_SEED choose one case, TCPCO_SEEDS how often each is run; TCPCO_LONG=1 tries 300. Each
// run has a seed of its own.
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
    // RTO is over. And the books: a window of a segment at the least, no octet in flight and SACKed or lost at once.
    // Ask after each event; empty, or what is wrong.
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
        if (is_synchronized(i.state) && i.state != tcp_state::time_wait &&
            (i.cwnd < i.smss || i.in_flight + i.sacked + i.lost > i.unacked)) {
            return std::string{name} + ": cwnd " + std::to_string(i.cwnd) + ", in flight " +
                   std::to_string(i.in_flight) + ", SACKed " + std::to_string(i.sacked) + ", lost " +
                   std::to_string(i.lost) + " of " + std::to_string(i.unacked);
        }
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

// What the queue marks above: a quarter of its length, or two frames, which no queue of L4S's exceeds for long.
enum class marking { none, deep, shallow };

struct weather {
    const char* name;
    double loss = 0;
    double reorder = 0;
    double duplicate = 0;
    marking marks = marking::none;
};
inline constexpr weather weathers[] = {
    {.name = "clean"},
    {.name = "loss1", .loss = 0.01},
    {.name = "loss3", .loss = 0.03},
    {.name = "loss10", .loss = 0.1},
    {.name = "reorder", .reorder = 0.1},
    {.name = "double", .duplicate = 0.05},
    {.name = "marks", .marks = marking::deep},
    {.name = "l4s", .marks = marking::shallow},
    {.name = "all", .loss = 0.02, .reorder = 0.05, .duplicate = 0.02, .marks = marking::deep},
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
    if (w.marks != marking::none) {
        hop.mark_above_octets = w.marks == marking::deep ? hop.queue_limit_octets / 4 : 2 * 1'514;
    }
    link_profile behind{.loss = w.loss, .duplicate = w.duplicate, .reorder = w.reorder};
    behind.jitter = duration{1'000'000 + static_cast<std::int64_t>(draw.next() % 4'000'000)};
    auto ca = world::config_a(seed);
    auto cb = world::config_b(seed);
    ca.congestion.index = cb.congestion.index = controller_index;
    std::get<fixed_window>(ca.congestion.configs).window = 24'000;
    std::get<fixed_window>(cb.congestion.configs).window = 24'000;
    // Marks are counted for Prague, and for half of the others.
    if (controller_index == prague || seed % 2 == 0) {
        ca.tcp.ecn = w.marks == marking::none ? ecn_use::accept_accurate : ecn_use::request_accurate;
        cb.tcp.ecn = ecn_use::accept_accurate;
    } else {
        ca.tcp.ecn = w.marks == marking::none ? ecn_use::accept : ecn_use::request;
    }
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

// Every controller in every weather, `runs` times: with 30 each pair of recovery and controller sees 270 seeds.
template <class Bundle>
void run_narrow_matrix(std::uint64_t first_seed, std::uint64_t runs)
{
    const char* only_case = std::getenv("TCPCO_CASE");
    const char* only_seed = std::getenv("TCPCO_SEED");
    const char* more = std::getenv("TCPCO_SEEDS");
    runs = more != nullptr ? std::strtoull(more, nullptr, 10) : long_run() ? 300 : sanitized ? 2 : runs;
    runs = only_seed != nullptr ? 1 : runs;
    std::uint64_t seed = first_seed;
    std::size_t done = 0;
    for (std::size_t c = 0; c < any_controller::count; ++c) {
        for (const weather& w : weathers) {
            const std::string name = name_of(c, w);
            for (std::uint64_t i = 0; i < runs; ++i, ++seed) {
                if (only_case != nullptr && name != only_case) {
                    continue;
                }
                ++done;
                const std::uint64_t chosen = only_seed != nullptr ? std::strtoull(only_seed, nullptr, 10) : seed;
                const std::string failure = run_narrow<Bundle>(c, w, chosen);
                if (!failure.empty()) {
                    std::fprintf(stderr, "to run it again:\n    %s\n", replay_command(chosen, name).c_str());
                }
                INFO("seed " << chosen << ", case " << name);
                CHECK(failure == "");
            }
        }
    }
    CHECK(done > 0);
}

}  // namespace tcpco_test
