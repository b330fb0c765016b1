// What a sender keeps about its flight and tells its congestion controller, in the small: for the player of scripts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco::testing {

class sender_books {
protected:
    static constexpr octet_count most_in_flight = octet_count{1} << 34;

    octet_count pipe() const noexcept { return nxt_ - una_ - lost_; }

    // The next ACK: of so many thousandths of the flight, whole segments where it can be. `rtt` zero: no sample.
    ack_info next_ack(std::uint32_t permille, duration rtt, octet_count cwnd, octet_count ssthresh)
    {
        const octet_count flight = nxt_ - una_;
        octet_count acked = mul_div(flight, std::min<std::uint32_t>(permille, 1'000), 1'000);
        if (permille > 0 && flight > 0) {
            acked = std::min(flight, std::max(acked / smss_ * smss_, std::min(smss_, flight)));
        }
        ack_info a{.now = now_, .acked = acked, .delivered = acked, .in_flight_before = pipe(), .smss = smss_};
        a.cwnd_limited = filled_ || (cwnd < ssthresh && 2 * pipe() >= cwnd);
        a.app_limited = !filled_;
        a.rate = {.delivered = acked > 0 ? std::max(acked, pipe()) : 0,
                  .interval = rtt > duration::zero() ? rtt : rtt_,
                  .prior_in_flight = pipe(),
                  .lost = lost_,
                  .prior_delivered = delivered_ - std::min(delivered_, flight),
                  .total_delivered = delivered_ + acked,
                  .app_limited = !filled_};
        una_ += acked;
        delivered_ += acked;
        lost_ = std::min(lost_, nxt_ - una_);
        retries_ = acked > 0 ? 0 : retries_;
        a.in_flight = pipe();
        a.una = una_;
        a.nxt = nxt_;
        a.duplicate = acked == 0 && flight > 0;
        if (acked > 0 && rtt > duration::zero()) {
            a.latest_rtt = rtt;
            min_rtt_ = min_rtt_ == duration{} ? rtt : std::min(min_rtt_, rtt);
            srtt_ = srtt_ == duration{} ? rtt : duration{(7 * srtt_.ns + rtt.ns) / 8};
        }
        a.min_rtt = min_rtt_;
        a.srtt = srtt_;
        a.round_start = acked > 0 && una_ > round_end_;
        if (a.round_start) {
            ++round_;
            round_end_ = nxt_;
        }
        a.round = round_;
        return a;
    }

    time_point now_{1'000'000'000};
    time_point last_sent_{now_};
    duration rtt_{};
    duration min_rtt_{};
    duration srtt_{};
    stream_offset una_{1};
    stream_offset nxt_{1};
    stream_offset recovery_point_{};
    stream_offset reduced_until_{};
    stream_offset round_end_{};
    octet_count smss_ = 536;
    octet_count initial_window_ = 536;
    octet_count lost_ = 0;
    octet_count delivered_ = 0;
    octet_count total_lost_ = 0;
    std::uint64_t round_ = 0;
    std::uint32_t retries_ = 0;
    bool filled_ = false;
};

}  // namespace tcpco::testing
