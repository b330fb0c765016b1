// Pacing: when the next segment may leave, so that a window is spread over its round trip and not sent in one burst.
//
// A schedule, not a bucket with a tick: each transmission moves `next_send_at` on by the time its octets take at the
// rate. Fractions of a nanosecond are carried, and a timer that fires late does not shift the schedule, so the mean
// rate is exact; what lateness may be made good at once is bounded by a quantum. Only lateness counts: a sender that
// had nothing to send gets no credit for the time, and begins its schedule anew.
//
// What leaves on its own account (pure ACKs, RST, the first retransmission of an episode) is not asked for here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tcpco/core/time.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco {

class pacer {
public:
    // The default send quantum at a rate: 1 ms' worth, within 2 SMSS and 64 KiB.
    static constexpr octet_count default_quantum(std::uint64_t rate, octet_count smss) noexcept
    {
        const octet_count low = 2 * smss;
        return std::clamp(static_cast<octet_count>(std::min<std::uint64_t>(rate / 1'000, 65'536)), low,
                          std::max<octet_count>(low, 65'536));
    }

    // May a segment leave at `now`? "No" notes that somebody is held back until next_send_at().
    constexpr bool may_send(time_point now) noexcept
    {
        if (next_ <= now) {
            return true;
        }
        held_back_ = true;
        return false;
    }

    // time_point::min() before anything was paced; a time in the past: at once.
    constexpr time_point next_send_at() const noexcept { return next_; }

    // `octets` (as they count against the rate) left at `now`. `rate` in octets per second, 0: not paced. `quantum`: at
    // most so many octets may follow one another at once to make good for lateness; 0: none.
    constexpr void on_sent(octet_count octets, time_point now, std::uint64_t rate, octet_count quantum = 0) noexcept
    {
        if (rate == 0 || octets <= 0) {
            return;
        }
        if (rate != rate_) {
            rate_ = rate;
            fraction_ = 0;  // of a nanosecond, at another rate
        }
        const bool catching_up = held_back_ || now == last_sent_;
        const time_point earliest = catching_up ? now - time_for(quantum) : now;
        if (next_ < earliest) {
            next_ = earliest;
            fraction_ = 0;
        }
        const std::uint64_t exact = product(octets) + fraction_;
        next_ = next_ + duration{static_cast<std::int64_t>(exact / rate)};
        fraction_ = exact % rate;
        held_back_ = false;
        last_sent_ = now;
    }

    // Forgets the schedule: what follows may leave at once.
    constexpr void reset() noexcept { *this = pacer{}; }

private:
    // octets * 10^9, for at most 9 GB: ten thousand times the largest super-frame.
    static constexpr std::uint64_t product(octet_count octets) noexcept
    {
        return static_cast<std::uint64_t>(std::clamp<octet_count>(octets, 0, 9'000'000'000)) * 1'000'000'000;
    }
    constexpr duration time_for(octet_count octets) const noexcept
    {
        return duration{static_cast<std::int64_t>(product(octets) / rate_)};
    }

    time_point next_ = time_point::min();
    time_point last_sent_ = time_point::min();
    std::uint64_t rate_ = 0;
    std::uint64_t fraction_ = 0;  // of the next nanosecond, in units of 1 / rate_
    bool held_back_ = false;      // may_send() said no since the last transmission
};

}  // namespace tcpco
