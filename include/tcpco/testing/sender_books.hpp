// What a sender keeps about its flight and tells its congestion controller, in the small: for the player of scripts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco::testing {

class sender_books {
protected:
    static constexpr octet_count most_in_flight = octet_count{1} << 34;

    octet_count pipe() const noexcept { return nxt_ - una_ - lost_ - sacked_; }

    static std::string text(octet_count n)
    {
        return n == congestion::no_threshold ? std::string{"infinite"} : std::to_string(n);
    }

    // The next ACK: of so many thousandths of the flight, whole segments where it can be. `rtt` zero: no sample.
    ack_info next_ack(std::uint32_t permille, duration rtt, octet_count cwnd, octet_count ssthresh)
    {
        const octet_count flight = nxt_ - una_;
        octet_count acked = mul_div(flight, std::min<std::uint32_t>(permille, 1'000), 1'000);
        if (permille > 0 && permille < 1'000 && flight > 0) {
            acked = std::min(flight, std::max(acked / smss_ * smss_, std::min(smss_, flight)));
        }
        const octet_count delivered = acked - std::min(sacked_, acked);
        ack_info a{.now = now_, .acked = acked, .delivered = delivered, .in_flight_before = pipe(), .smss = smss_};
        sacked_ -= acked - delivered;
        complete(a, rtt, cwnd, ssthresh);
        return a;
    }

    // A duplicate with SACK blocks for so many thousandths of what is in flight, whole segments.
    ack_info next_sack(std::uint32_t permille, duration rtt, octet_count cwnd, octet_count ssthresh)
    {
        const octet_count flight = pipe();
        const octet_count some = mul_div(flight, std::min<std::uint32_t>(permille, 1'000), 1'000) / smss_ * smss_;
        const octet_count sacked = std::min(flight, std::max(some, smss_));
        ack_info a{.now = now_, .newly_sacked = sacked, .delivered = sacked, .in_flight_before = flight, .smss = smss_};
        sacked_ += sacked;
        complete(a, rtt, cwnd, ssthresh);
        return a;
    }

    // What follows from what was acknowledged and delivered; `rtt` zero: no sample.
    void complete(ack_info& a, duration rtt, octet_count cwnd, octet_count ssthresh)
    {
        const octet_count flight = nxt_ - una_;
        a.cwnd_limited = filled_ || (cwnd < ssthresh && 2 * a.in_flight_before >= cwnd);
        a.app_limited = !filled_;
        a.rate = {.delivered = a.delivered > 0 ? std::max(a.delivered, a.in_flight_before) : 0,
                  .interval = rtt > duration::zero() ? rtt : rtt_,
                  .prior_in_flight = a.in_flight_before,
                  .lost = lost_,
                  .prior_delivered = delivered_ - std::min(delivered_, flight),
                  .total_delivered = delivered_ + a.delivered,
                  .app_limited = !filled_};
        una_ += a.acked;
        delivered_ += a.delivered;
        lost_ = std::min(lost_, nxt_ - una_ - sacked_);
        retries_ = a.acked > 0 ? 0 : retries_;
        a.in_flight = pipe();
        a.una = una_;
        a.nxt = nxt_;
        a.duplicate = a.acked == 0 && flight > 0;
        if (a.delivered > 0 && rtt > duration::zero()) {
            a.latest_rtt = rtt;
            min_rtt_ = min_rtt_ == duration{} ? rtt : std::min(min_rtt_, rtt);
            srtt_ = srtt_ == duration{} ? rtt : duration{(7 * srtt_.ns + rtt.ns) / 8};
        }
        a.min_rtt = min_rtt_;
        a.srtt = srtt_;
        a.round_start = a.acked > 0 && una_ > round_end_;
        if (a.round_start) {
            ++round_;
            round_end_ = nxt_;
        }
        a.round = round_;
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
    octet_count sacked_ = 0;
    octet_count delivered_ = 0;
    octet_count total_lost_ = 0;
    std::uint64_t round_ = 0;
    std::uint32_t retries_ = 0;
    bool filled_ = false;
};

}  // namespace tcpco::testing
