// Delivery rate samples (draft-ietf-ccwg-bbr-06, section 4.1, where draft-cheng-iccrg-delivery-rate-estimation went).
//
// How fast the path delivered, measured over the flight of one segment: each segment takes a snapshot of what had been
// delivered when it left; when it is delivered, the difference over the longer of the time it took to send and the
// time it took to acknowledge is a rate that no burst of data or of ACKs can inflate. A sample taken while the
// application had too little to send is marked: it is a lower bound only.
//
// Use: on_send() for each segment that the sink took; then for each ACK begin_ack(), on_delivered() for each record
// newly delivered (not those that SACK had delivered before), on_lost() for what was marked lost, and sample().
// Retransmissions take a new stamp, as the draft does. One record, so one stamp, is what the device cuts into segments
// (BBR-4.1.3.1a).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/core/time.hpp"
#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco {

// The rate in octets per second; 0 where there is no sample.
constexpr std::uint64_t octets_per_second(octet_count delivered, duration interval) noexcept
{
    if (delivered <= 0 || interval <= duration::zero()) {
        return 0;
    }
    // 64 bits hold delivered * 10^9 up to 18 GB; beyond, whole microseconds are exact enough.
    const auto octets = static_cast<std::uint64_t>(delivered);
    const auto ns = static_cast<std::uint64_t>(interval.ns);
    return octets < 18'000'000'000 ? octets * 1'000'000'000 / ns
                                   : octets / std::max<std::uint64_t>(ns / 1'000, 1) * 1'000'000;
}
constexpr std::uint64_t octets_per_second(const rate_sample& s) noexcept
{
    return octets_per_second(s.delivered, s.interval);
}

class rate_sampler {
public:
    // `octets` leave at `now`. `nothing_outstanding`: snd.una == snd.nxt before them, so a flight begins.
    // `in_flight_before`: the pipe without them. After a timeout the pipe may be empty while segments are on their way;
    // they belong to the flight that is measured, so it does not begin anew (Linux asks for packets out as well).
    // BBR-2.2a, 4.1.2.2a, 4.1.2.2b
    constexpr delivery_stamp on_send(time_point now, octet_count octets, octet_count in_flight_before,
                                     bool nothing_outstanding) noexcept
    {
        delivery_stamp stamp;
        on_send(stamp, now, octets, in_flight_before, nothing_outstanding);
        return stamp;
    }

    // The same into its place: a copy of what has just been written waits until that is in the cache.
    constexpr void on_send(delivery_stamp& stamp, time_point now, octet_count octets, octet_count in_flight_before,
                           bool nothing_outstanding) noexcept
    {
        if (nothing_outstanding) {
            first_sent_at_ = now;
            delivered_at_ = now;
        }
        stamp.delivered = delivered_;
        stamp.delivered_at = delivered_at_;
        stamp.first_sent_at = first_sent_at_;
        stamp.lost = lost_;
        stamp.in_flight = in_flight_before + octets;
        stamp.app_limited = app_limited();
        stamp.ect = false;
    }

    constexpr void begin_ack() noexcept { has_newest_ = false; }

    // `t` was delivered by the ACK that arrived at `now`. The sample is taken over the segment sent last.
    // BBR-4.1.2.3a
    constexpr void on_delivered(const transmission& t, time_point now) noexcept
    {
        delivered_ += t.octets();
        delivered_at_ = now;
        if (has_newest_ && (t.sent_at < newest_sent_at_ || (t.sent_at == newest_sent_at_ && t.last < newest_last_))) {
            return;
        }
        has_newest_ = true;
        newest_sent_at_ = t.sent_at;
        newest_last_ = t.last;
        newest_ = t.stamp;
    }

    constexpr void on_lost(octet_count octets) noexcept { lost_ += octets; }

    // The sample of this ACK. `delivered` is 0 where there is none: nothing was newly delivered, no time passed, or the
    // interval is below the minimum RTT (`min_rtt`, zero: unknown), which only a spurious retransmission explains.
    // BBR-4.1.1.2.1a, 4.1.1.2.4a, 4.1.2.3b, 4.1.2.3c, 4.1.3.5a
    constexpr rate_sample sample(duration min_rtt) noexcept
    {
        if (delivered_ > app_limited_until_) {
            app_limited_until_ = 0;  // the flight that was too small is delivered
        }
        rate_sample s;
        if (!has_newest_) {
            return s;
        }
        first_sent_at_ = newest_sent_at_;
        s.prior_in_flight = newest_.in_flight;
        s.lost = lost_ - newest_.lost;
        s.prior_delivered = newest_.delivered;
        s.total_delivered = delivered_;
        s.app_limited = newest_.app_limited;
        const duration send_elapsed = newest_sent_at_ - newest_.first_sent_at;
        const duration ack_elapsed = delivered_at_ - newest_.delivered_at;
        s.interval = std::max(send_elapsed, ack_elapsed);
        if (s.interval > duration::zero() && s.interval >= min_rtt) {
            s.delivered = delivered_ - newest_.delivered;
            remember(s);
        }
        return s;
    }

    // The stamp's `delivered` of the record last sent of those this ACK delivered: what round_counter wants.
    constexpr bool has_newest() const noexcept { return has_newest_; }
    constexpr octet_count prior_delivered() const noexcept { return newest_.delivered; }

    // The application had nothing more to send although cwnd would have let it, with `in_flight` octets on their way:
    // samples are lower bounds until those are delivered. BBR-4.1.2.4a
    constexpr void mark_app_limited(octet_count in_flight) noexcept
    {
        app_limited_until_ = std::max<octet_count>(delivered_ + in_flight, 1);
    }
    constexpr bool app_limited() const noexcept { return app_limited_until_ != 0; }

    constexpr octet_count delivered() const noexcept { return delivered_; }
    constexpr octet_count lost() const noexcept { return lost_; }

    // For whoever asks how fast the path is: the last sample, octets per second; 0: there was none. Of those taken
    // while the application had too little to send only what is no slower counts, as in Linux's tcp_info.
    constexpr std::uint64_t delivery_rate() const noexcept
    {
        return octets_per_second(last_delivered_, last_interval_);
    }
    constexpr bool delivery_rate_app_limited() const noexcept { return last_app_limited_; }
    friend constexpr bool operator==(const rate_sampler&, const rate_sampler&) noexcept = default;

private:
    constexpr void remember(const rate_sample& s) noexcept
    {
        // No slower than what is remembered; multiplied, since a division costs more than the rest of this.
        if (!s.app_limited || static_cast<uint128>(s.delivered) * static_cast<uint128>(last_interval_.ns) >=
                                  static_cast<uint128>(last_delivered_) * static_cast<uint128>(s.interval.ns)) {
            last_delivered_ = s.delivered;
            last_interval_ = s.interval;
            last_app_limited_ = s.app_limited;
        }
    }

    octet_count delivered_ = 0;
    octet_count lost_ = 0;
    octet_count app_limited_until_ = 0;  // in terms of delivered_; 0: not limited
    time_point delivered_at_{};
    octet_count last_delivered_ = 0;  // of the sample that is remembered
    duration last_interval_{};
    time_point first_sent_at_{};  // when the segment most recently delivered left: the flight measured begins there

    bool last_app_limited_ = false;

    // Of the ACK in progress.
    bool has_newest_ = false;
    time_point newest_sent_at_{};
    stream_offset newest_last_{};
    delivery_stamp newest_{};
};

}  // namespace tcpco
