#include "tcpco/device/impairment_model.hpp"

#include "catch.hpp"

#include <cmath>
#include <vector>

using namespace tcpco;
using fate = impairment_decision::fate;

namespace {

struct run_result {
    int lost = 0;
    int overtaken = 0;
    int duplicates = 0;
    int corrupted = 0;
    std::vector<bool> losses{};
    std::vector<time_point> arrivals{};
};

// One frame of 1000 octets each millisecond.
run_result run(const impairment_config& c, int frames, std::uint64_t seed = 1)
{
    impairment_model model{c, seed};
    run_result r;
    time_point newest = time_point::min();
    for (int i = 0; i < frames; ++i) {
        const auto d = model.offer(time_point{duration{i * 1'000'000LL}}, 1000);
        r.losses.push_back(d.what == fate::lose);
        r.lost += d.what == fate::lose ? 1 : 0;
        r.duplicates += d.duplicate ? 1 : 0;
        r.corrupted += d.corrupt ? 1 : 0;
        r.overtaken += d.at < newest ? 1 : 0;
        newest = std::max(newest, d.at);
        r.arrivals.push_back(d.at);
    }
    return r;
}

bool about(double value, double expected, double tolerance) { return std::abs(value - expected) <= tolerance; }

}  // namespace

TEST_CASE("a model with nothing switched on delivers at once", "[device]")
{
    const impairment_config none;
    CHECK_FALSE(none.active());
    const auto r = run(none, 100);
    CHECK(r.lost + r.overtaken + r.duplicates + r.corrupted == 0);
    CHECK(r.arrivals[50] == time_point{50_ms});
}

TEST_CASE("independent loss strikes as often as it is told to", "[device]")
{
    CHECK(about(run({.loss = 0.02}, 100'000).lost, 2000, 200));
    CHECK(run({.loss = 1}, 100).lost == 100);
    CHECK(run({.loss = 0.02}, 1000, 7).losses == run({.loss = 0.02}, 1000, 7).losses);
    CHECK(run({.loss = 0.02}, 1000, 7).losses != run({.loss = 0.02}, 1000, 8).losses);
}

TEST_CASE("switching on another effect does not move the losses", "[device]")
{
    const auto plain = run({.loss = 0.1}, 1000).losses;
    CHECK(run({.loss = 0.1, .delay = 3_ms, .jitter = 2_ms, .reorder = 0.2, .duplicate = 0.2, .corrupt = 0.2}, 1000).losses == plain);
}

TEST_CASE("Gilbert-Elliott loses in bursts of the right length", "[device]")
{
    const auto r = run({.burst = {.good_to_bad = 0.01, .bad_to_good = 0.25}}, 200'000);
    // A share of 0.01 / (0.01 + 0.25) of the time is spent in the bad state, in stays of 4 frames.
    CHECK(about(r.lost, 200'000 * 0.01 / 0.26, 700));
    int bursts = 0;
    for (std::size_t i = 1; i < r.losses.size(); ++i) {
        bursts += r.losses[i] && !r.losses[i - 1] ? 1 : 0;
    }
    CHECK(about(static_cast<double>(r.lost) / bursts, 4.0, 0.3));
}

TEST_CASE("delay and jitter keep the order, and stay within their bounds", "[device]")
{
    const auto r = run({.delay = 10_ms, .jitter = 4_ms}, 10'000);
    CHECK(r.overtaken == 0);
    duration shortest = duration::max();
    duration longest{};
    for (std::size_t i = 0; i < r.arrivals.size(); ++i) {
        const duration d = r.arrivals[i] - time_point{duration{static_cast<std::int64_t>(i) * 1'000'000}};
        shortest = std::min(shortest, d);
        longest = std::max(longest, d);
    }
    CHECK(shortest >= 6_ms);
    CHECK(longest <= 14_ms);
    CHECK(longest > 13_ms);
    CHECK(run({.jitter = 1_ms}, 100).arrivals[0] >= time_point{});  // never before it was sent
}

TEST_CASE("a reordered frame is held back and overtaken", "[device]")
{
    impairment_model model{{.delay = 10_ms, .reorder = 0.1, .reorder_delay = 3_ms}, 1};
    int overtaken = 0;
    time_point newest = time_point::min();
    for (int i = 0; i < 10'000; ++i) {
        const time_point sent{duration{i * 1'000'000LL}};
        const auto d = model.offer(sent, 1000);
        CHECK((d.at == sent + 10_ms || d.at == sent + 13_ms));
        overtaken += d.at < newest ? 1 : 0;
        newest = std::max(newest, d.at);
    }
    CHECK(about(static_cast<double>(model.counters().reordered), 1000, 150));
    CHECK(overtaken > 1000);
}

TEST_CASE("duplicates and damage are counted", "[device]")
{
    impairment_model model{{.duplicate = 0.1, .corrupt = 0.1}, 3};
    int duplicates = 0;
    int damaged = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto d = model.offer(time_point{i}, 100);
        duplicates += d.duplicate ? 1 : 0;
        damaged += d.corrupt ? 1 : 0;
    }
    CHECK(about(duplicates, 1000, 150));
    CHECK(about(damaged, 1000, 150));
    CHECK(model.counters().duplicated == static_cast<std::uint64_t>(duplicates));
    CHECK(model.counters().corrupted == static_cast<std::uint64_t>(damaged));
}

TEST_CASE("a bottleneck spaces frames by their length, and drops what its queue cannot hold", "[device]")
{
    // 8 Mbit/s: 1000 octets take a millisecond.
    impairment_model model{{.delay = 5_ms, .rate_bits_per_second = 8'000'000, .queue_limit_octets = 10'000}, 1};
    int delivered = 0;
    for (int i = 0; i < 20; ++i) {
        const auto d = model.offer(time_point{}, 1000);
        if (d.what == fate::deliver) {
            ++delivered;
            CHECK(d.at == time_point{duration{delivered * 1'000'000LL}} + 5_ms);
        } else {
            CHECK(d.what == fate::queue_full);
        }
    }
    CHECK(delivered == 10);
    CHECK(model.counters().queue_full == 10);
    // Half a second later it is idle again.
    CHECK(model.offer(time_point{500_ms}, 1000).at == time_point{506_ms});
    // A frame larger than the whole queue passes when nothing waits.
    CHECK(model.offer(time_point{1_s}, 60'000).what == fate::deliver);
}
