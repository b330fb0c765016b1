// What an imperfect link does to a frame, as a decision without the frame: lose it, delay it, send it twice, damage it,
// let it be overtaken. One set of models for real devices (device/impairment.hpp) and for simulated links.
//
// A link has two parts in this order: a bottleneck of `rate` with a tail-drop queue before it, and a path that loses,
// delays, reorders, duplicates and corrupts. A zero switches each off. All randomness follows from the seed, and each
// effect draws from a stream of its own: switching one on changes nothing about where the others strike.
//
// Random loss is either independent with probability `loss`, or comes in bursts after Gilbert and Elliott: two states
// with a loss probability each.
//
// A super-frame is one frame here, with its real length at the bottleneck. Frames keep their order, with jitter too: a
// frame is never released before the one ahead of it, except where `reorder` says that it is held back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "tcpco/core/random.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

// Probabilities are per frame, 0 to 1.
struct impairment_config {
    double loss = 0;

    struct gilbert_elliott {
        double good_to_bad = 0;  // 0: not in use
        double bad_to_good = 1;
        double loss_in_good = 0;
        double loss_in_bad = 1;
    } burst{};

    duration delay{};   // one way
    duration jitter{};  // uniform within delay +- jitter, not below 0

    double reorder = 0;         // probability that a frame is held back, and overtaken by those behind it
    duration reorder_delay{};   // by how much; 0: 1 ms

    double duplicate = 0;
    double corrupt = 0;  // one bit is inverted

    std::uint64_t rate_bits_per_second = 0;
    std::size_t queue_limit_octets = 256 * 1024;  // before the bottleneck; what does not fit is dropped

    constexpr bool active() const noexcept
    {
        return loss > 0 || burst.good_to_bad > 0 || burst.loss_in_good > 0 || delay.ns > 0 || jitter.ns > 0 ||
               reorder > 0 || duplicate > 0 || corrupt > 0 || rate_bits_per_second > 0;
    }
};

struct impairment_counters {
    std::uint64_t offered = 0;
    std::uint64_t lost = 0;
    std::uint64_t queue_full = 0;  // dropped before the bottleneck
    std::uint64_t duplicated = 0;
    std::uint64_t corrupted = 0;
    std::uint64_t reordered = 0;
};

// What is to become of one frame.
struct impairment_decision {
    enum class fate : std::uint8_t { deliver, lose, queue_full };

    fate what = fate::deliver;
    time_point at{};            // when it arrives
    bool duplicate = false;     // it arrives a second time, right behind
    bool corrupt = false;
    std::uint64_t corrupt_bit = 0;  // of the frame, modulo its length
};

class impairment_model {
public:
    impairment_model() = default;
    impairment_model(const impairment_config& config, std::uint64_t seed) noexcept
        : config_{config}, loss_{stream(seed, 1)}, jitter_{stream(seed, 2)}, reorder_{stream(seed, 3)},
          duplicate_{stream(seed, 4)}, corrupt_{stream(seed, 5)}
    {
    }

    const impairment_config& config() const noexcept { return config_; }
    const impairment_counters& counters() const noexcept { return counters_; }
    bool active() const noexcept { return config_.active(); }

    // One frame of `octets` is offered at `now`, which never goes back.
    impairment_decision offer(time_point now, std::size_t octets) noexcept
    {
        ++counters_.offered;
        impairment_decision d;
        const time_point departure = pass_bottleneck(now, octets);
        if (departure == time_point::never()) {
            ++counters_.queue_full;
            d.what = impairment_decision::fate::queue_full;
            return d;
        }
        const bool lost = draw_loss();
        d.at = arrival(departure);
        d.duplicate = duplicate_.chance(config_.duplicate);
        d.corrupt = corrupt_.chance(config_.corrupt);
        if (lost) {
            ++counters_.lost;
            d.what = impairment_decision::fate::lose;
            return d;
        }
        d.corrupt_bit = d.corrupt ? corrupt_.next() : 0;
        counters_.duplicated += d.duplicate ? 1 : 0;
        counters_.corrupted += d.corrupt ? 1 : 0;
        return d;
    }

private:
    static random_source stream(std::uint64_t seed, std::uint64_t salt) noexcept
    {
        random_source mix{seed ^ (salt * 0xD1342543DE82EF95)};
        return random_source{mix.next()};
    }

    // When the last octet leaves the bottleneck; never() when the frame does not fit the queue before it.
    time_point pass_bottleneck(time_point now, std::size_t octets) noexcept
    {
        if (config_.rate_bits_per_second == 0) {
            return now;
        }
        const time_point start = std::max(now, busy_until_);
        const duration waiting = start - now;
        const double queued = static_cast<double>(waiting.ns) * static_cast<double>(config_.rate_bits_per_second) / 8e9;
        if (queued + static_cast<double>(octets) > static_cast<double>(config_.queue_limit_octets) && waiting.ns > 0) {
            return time_point::never();
        }
        // 64 KiB at 1 bit/s is 5.3e14 ns: no overflow.
        const std::uint64_t ns = static_cast<std::uint64_t>(octets) * 8'000'000'000 / config_.rate_bits_per_second;
        busy_until_ = start + duration{static_cast<std::int64_t>(ns)};
        return busy_until_;
    }

    bool draw_loss() noexcept
    {
        const auto& burst = config_.burst;
        if (burst.good_to_bad <= 0 && burst.loss_in_good <= 0) {
            return loss_.chance(config_.loss);
        }
        const bool lost = loss_.chance(bad_ ? burst.loss_in_bad : burst.loss_in_good);
        const bool changes = loss_.chance(bad_ ? burst.bad_to_good : burst.good_to_bad);
        bad_ = bad_ != changes;
        return loss_.chance(config_.loss) || lost;
    }

    time_point arrival(time_point departure) noexcept
    {
        std::int64_t delay = config_.delay.ns;
        if (config_.jitter.ns > 0) {
            const double unit = static_cast<double>(jitter_.next() >> 11) * 0x1.0p-53;  // [0, 1)
            delay += static_cast<std::int64_t>((2 * unit - 1) * static_cast<double>(config_.jitter.ns));
        }
        time_point at = departure + duration{std::max<std::int64_t>(delay, 0)};
        if (reorder_.chance(config_.reorder)) {
            ++counters_.reordered;
            return at + (config_.reorder_delay.ns > 0 ? config_.reorder_delay : duration{1'000'000});
        }
        at = std::max(at, last_arrival_);
        last_arrival_ = at;
        return at;
    }

    impairment_config config_{};
    impairment_counters counters_{};
    random_source loss_{};
    random_source jitter_{};
    random_source reorder_{};
    random_source duplicate_{};
    random_source corrupt_{};
    time_point busy_until_ = time_point::min();
    time_point last_arrival_ = time_point::min();
    bool bad_ = false;
};

}  // namespace tcpco
