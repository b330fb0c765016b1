// pipeACK (RFC 7661 section 4.2): how many octets the path carried in a round trip of late, whatever cwnd allows.
//
// A sample is what was in flight at one moment and is acknowledged a round trip later. The estimate is the largest
// sample of the last second, or of three round trips where these are longer: an application that sends in bursts is
// measured by its bursts. Four bins of a quarter of that time each hold it (section 4.5.1 proposes such a thing), so
// what is older than three quarters may be forgotten.
//
// Not here: what it is compared with (congestion/validated.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/events.hpp"

namespace tcpco::congestion {

class pipe_ack {
public:
    // Before the first sample it is undefined: nothing may be concluded from it.
    constexpr bool is_defined() const noexcept { return defined_; }

    // Octets at `now`; 0: undefined, or nothing was acknowledged for so long that no sample is left. RFC7661-4.2b
    constexpr octet_count value(time_point now) const noexcept
    {
        octet_count most = 0;
        for (const bin& b : bins_) {
            most = b.octets > most && now - b.began < period_ ? b.octets : most;
        }
        return most;
    }

    // An ACK outside of loss recovery. True: a round trip ended with it, there is a sample.
    // RFC7661-4.2a
    constexpr bool on_ack(const ack_info& a) noexcept
    {
        if (a.acked <= 0) {
            return false;
        }
        period_ = std::max(3 * a.srtt, least_period);
        if (round_end_ <= round_begin_) {
            // No round trip is on. This ACK begins one, and not the one before, which knew nothing yet of what it
            // released: all that is in flight left within the last one.
            round_begin_ = a.una - a.acked;
            round_end_ = a.nxt;
        }
        if (a.una < round_end_) {
            return false;
        }
        keep(round_end_ - round_begin_, a.now);
        round_end_ = round_begin_;
        return true;
    }

    // Undefined again, and no round trip is on.
    constexpr void forget() noexcept { *this = pipe_ack{}; }
    // Nothing was sent for long: defined, and zero.
    constexpr void fall_silent() noexcept
    {
        forget();
        defined_ = true;
    }

private:
    struct bin {
        octet_count octets = 0;  // the largest sample
        time_point began{};
    };
    static constexpr duration least_period{1'000'000'000};

    constexpr void keep(octet_count octets, time_point now) noexcept
    {
        if (!defined_ || now - bins_[newest_].began >= period_ / static_cast<std::int64_t>(bins_.size())) {
            newest_ = static_cast<std::uint8_t>((newest_ + 1U) % bins_.size());
            bins_[newest_] = {0, now};
        }
        bins_[newest_].octets = std::max(bins_[newest_].octets, octets);
        defined_ = true;
    }

    std::array<bin, 4> bins_{};
    duration period_ = least_period;  // how long a sample counts
    stream_offset round_begin_{};     // the round trip's octets, [begin, end); empty: none is on
    stream_offset round_end_{};
    std::uint8_t newest_ = 0;
    bool defined_ = false;
};

static_assert(std::is_trivially_copyable_v<pipe_ack> && sizeof(pipe_ack) <= 96);

}  // namespace tcpco::congestion
