// The slowest hop of a path, one direction of it, as arithmetic without frames: octets leave at a rate, those that
// come faster wait in a FIFO of bounded octets, and a queue that has grown too long marks (RFC 3168) before it drops.
//
//     bottleneck hop{{.rate_bits_per_second = 10'000'000, .delay = 20_ms, .queue_limit_octets = 25'000}};
//     const bottleneck_answer a = hop.offer(now, frame.size(), may_be_marked);
//
// Frames never change their order, so all that becomes of one is known when it is offered: no events, no timers. The
// rate is exact: the k-th frame of a busy period is through after the octets of all k, not after k rounded times.
//
// The marking rule is the step of RFC 8257 section 3.1, by the queue that a frame finds. Left out: rules that look at
// frames as they leave (CoDel), several queues, and frames longer than the wire's (a super-frame would be one here; the
// device of sim/bottleneck_link.hpp offers no offload). Loss, jitter, duplicates and reordering are
// device/impairment.hpp's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>

#include "tcpco/core/time.hpp"

namespace tcpco {

struct bottleneck_config {
    // Of frames as the device gives them: an Ethernet header counts, preamble and gap do not. 0: a frame takes no time
    // (then nothing ever waits). At most 10^12.
    std::uint64_t rate_bits_per_second = 10'000'000;
    duration delay{};  // of the path behind it, one way

    // How much may wait, in octets; the frame that is being sent does not count. What does not fit is dropped, except
    // where nothing waits or is being sent. One round trip's worth at the rate keeps a sender that halves its window
    // busy; the default is that for 50 ms at 10 Mbit/s.
    std::size_t queue_limit_octets = 62'500;

    // A frame that may be marked is when it finds more than this waiting. For a time t instead of a length (the step
    // of L4S queues): rate * t / 8. Default: never.
    std::size_t mark_above_octets = std::numeric_limits<std::size_t>::max();
};

struct bottleneck_counters {
    std::uint64_t offered = 0;
    std::uint64_t taken = 0;
    std::uint64_t taken_octets = 0;
    std::uint64_t queue_full = 0;      // dropped
    std::uint64_t marked = 0;
    std::size_t longest_queue_octets = 0;
};

struct bottleneck_answer {
    bool taken = false;  // false: dropped, the queue was full
    bool mark = false;   // it leaves with "congestion experienced"
    time_point at{};     // when its last bit arrives behind the path
};

class bottleneck {
public:
    bottleneck() = default;
    explicit bottleneck(const bottleneck_config& config) : config_{config} {}

    const bottleneck_config& config() const noexcept { return config_; }
    const bottleneck_counters& counters() const noexcept { return counters_; }

    // One frame comes at `now`, which never goes back. `may_be_marked`: its sender understands marks (ECT).
    bottleneck_answer offer(time_point now, std::size_t octets, bool may_be_marked)
    {
        ++counters_.offered;
        const std::size_t found = queued(now);
        if (found > 0 || now < free_at_) {
            if (octets > config_.queue_limit_octets || found > config_.queue_limit_octets - octets) {
                ++counters_.queue_full;
                return {};
            }
            waiting_.push_back({free_at_, octets});
            octets_waiting_ += octets;
            counters_.longest_queue_octets = std::max(counters_.longest_queue_octets, octets_waiting_);
        }
        const bool mark = may_be_marked && found > config_.mark_above_octets;
        counters_.marked += mark ? 1U : 0U;
        ++counters_.taken;
        counters_.taken_octets += octets;
        return {true, mark, serialise(now, octets) + config_.delay};
    }

    // Octets that wait at `now`, the frame being sent excluded.
    std::size_t queued(time_point now)
    {
        while (!waiting_.empty() && waiting_.front().leaves_queue_at <= now) {
            octets_waiting_ -= waiting_.front().octets;
            waiting_.pop_front();
        }
        return octets_waiting_;
    }

private:
    struct waiting_frame {
        time_point leaves_queue_at{};
        std::size_t octets = 0;
    };

    // When the last bit is through; rounded up to the nanosecond, but what was rounded does not add up.
    time_point serialise(time_point now, std::size_t octets) noexcept
    {
        const std::uint64_t rate = config_.rate_bits_per_second;
        if (rate == 0) {
            return now;
        }
        if (free_at_ <= now) {
            free_at_ = now;
            ahead_ = 0;
        }
        // In units of 1/rate nanoseconds; 64 KiB are 5.2e14.
        const std::uint64_t needed = static_cast<std::uint64_t>(octets) * 8'000'000'000;
        const std::uint64_t left = needed > ahead_ ? needed - ahead_ : 0;
        const std::uint64_t ns = (left + rate - 1) / rate;
        ahead_ = ahead_ + ns * rate - needed;
        free_at_ += duration{static_cast<std::int64_t>(ns)};
        return free_at_;
    }

    bottleneck_config config_{};
    bottleneck_counters counters_{};
    std::deque<waiting_frame> waiting_{};
    std::size_t octets_waiting_ = 0;
    time_point free_at_ = time_point::min();  // when what was taken is through, rounded up
    std::uint64_t ahead_ = 0;                 // by how much free_at_ was rounded, in units of 1/rate ns: below rate
};

}  // namespace tcpco
