// What BBR knows of the path (draft-ietf-ccwg-bbr-06, section 5.5): how fast it delivers, how long it is, how much it
// gathers ACKs, and which bounds loss has shown. bbr.hpp decides by it.
//
// Rates are octets per second. "Long-term" bounds come from probing and hold until the next probe, "short-term" ones
// from loss in between and hold until the path is refilled.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco::congestion {

inline constexpr std::int64_t no_bound = std::numeric_limits<std::int64_t>::max();

// The largest of the current and of the last period: max_bw over two probing cycles, extra_acked over two times five
// rounds (of Startup: over two). Linux has the two slots as well, the draft a window that slides.
// BBR-5.5.6a, 5.5.9b
class two_period_max {
public:
    constexpr void update(std::int64_t value) noexcept { best_[0] = std::max(best_[0], value); }
    constexpr void next_period() noexcept { best_ = {0, best_[0]}; }
    constexpr std::int64_t get() const noexcept { return std::max(best_[0], best_[1]); }
    constexpr std::int64_t newest() const noexcept { return best_[0]; }
    friend constexpr bool operator==(const two_period_max&, const two_period_max&) noexcept = default;

private:
    std::array<std::int64_t, 2> best_{};
};

class bbr_model {
public:
    static constexpr duration min_rtt_window{10'000'000'000};     // MinRTTFilterLen
    static constexpr duration probe_rtt_interval{5'000'000'000};  // ProbeRTTInterval
    static constexpr std::int64_t beta_percent = 70;              // Beta: what a short-term bound keeps after loss
    static constexpr duration one_second{1'000'000'000};

    constexpr bbr_model() noexcept = default;
    constexpr bbr_model(time_point now, duration rtt) noexcept
        : min_rtt{rtt > duration::zero() ? rtt : duration::max()}, min_rtt_at{now}, probe_rtt_min{min_rtt},
          probe_rtt_min_at{now}, aggregation_start_{now}
    {
    }

    static constexpr std::int64_t rate_of(const rate_sample& r) noexcept
    {
        return r.delivered > 0 && r.interval > duration::zero()
                   ? mul_div(std::min(r.delivered, largest_ack), 1'000'000'000, r.interval.ns)
                   : 0;
    }

    // Whether rate_of() is no more than `most`, without a division.
    static constexpr bool rate_within(const rate_sample& r, std::int64_t most) noexcept
    {
        std::int64_t octets = 0;
        std::int64_t beyond = 0;
        return !__builtin_mul_overflow(r.delivered, one_second.ns, &octets) &&
               (__builtin_mul_overflow(most + 1, r.interval.ns, &beyond) || octets < beyond);
    }

    // What the state machine knows of an ACK before the model does.
    struct context {
        bool probing = false;  // losses are wanted now, to find the bounds
        bool round_start = false;
        bool limited = false;  // the sample says nothing of the path: the application, or ProbeRTT, was the limit
        bool filled = false;   // full_bw_reached
        octet_count cwnd = 0;
    };

    // NoteLoss: the round of the loss ends when what is sent from now on is acknowledged. True: the first in its round.
    // BBR-5.5.10.2d
    constexpr bool note_loss() noexcept
    {
        if (loss_in_round) {
            return false;
        }
        loss_in_round = loss_is_new_ = true;
        loss_round_delivered_ = delivered_total;
        return true;
    }

    // UpdateLatestDeliverySignals, UpdateCongestionSignals, UpdateACKAggregation.
    // BBR-5.5.5a, 5.5.10.3a
    constexpr void take(const ack_info& a, const context& c) noexcept
    {
        const std::int64_t rate = rate_of(a.rate);
        delivered_total = std::max(delivered_total, a.rate.total_delivered);
        if (a.newly_lost > 0) {
            note_loss();
        }
        if (loss_is_new_) {
            loss_is_new_ = false;
            loss_round_delivered_ = delivered_total;  // this ACK's octets too: they tell of the loss
        }
        bw_latest_ = std::max(bw_latest_, rate);
        inflight_latest = std::max(inflight_latest, a.rate.delivered);
        loss_round_start = a.rate.total_delivered > 0 && a.rate.prior_delivered >= loss_round_delivered_;
        if (loss_round_start) {
            loss_round_delivered_ = delivered_total;
        }
        if (rate > 0 && (rate >= max_bw_.get() || !c.limited)) {
            max_bw_.update(rate);
        }
        if (loss_round_start) {
            if (!c.probing && loss_in_round) {
                lower_short_term_bounds(c.cwnd);
            }
            loss_in_round = false;
        }
        gather(a, c);
    }

    // AdvanceLatestDeliverySignals: after the decisions of this ACK. BBR-5.5.10.3b
    constexpr void finish(const ack_info& a) noexcept
    {
        if (loss_round_start) {
            bw_latest_ = rate_of(a.rate);
            inflight_latest = a.rate.delivered;
        }
    }

    // UpdateMinRTT. True: the path's length was not seen for so long that the queue should be drained to see it.
    // BBR-5.3.4.3a, 5.5.7.2a
    constexpr bool update_min_rtt(const ack_info& a) noexcept
    {
        const bool expired = a.now > probe_rtt_min_at + probe_rtt_interval;
        if (a.latest_rtt > duration::zero() && (a.latest_rtt < probe_rtt_min || expired)) {
            probe_rtt_min = a.latest_rtt;
            probe_rtt_min_at = a.now;
        }
        if (probe_rtt_min < min_rtt || a.now > min_rtt_at + min_rtt_window) {
            min_rtt = probe_rtt_min;
            min_rtt_at = probe_rtt_min_at;
        }
        return expired;
    }

    // What an ACK may show without a maximum of the rate being raised, or a round of losses being over: the rate of its
    // sample, and how much had been delivered when its packet left (less than that).
    constexpr std::int64_t rate_mark() const noexcept { return std::min(bw_latest_, max_bw_.newest()); }
    constexpr octet_count loss_round_end() const noexcept { return loss_round_delivered_; }
    // When there is something to do about the minimum of the round trip whatever the samples say.
    constexpr time_point min_rtt_until() const noexcept
    {
        return std::min(probe_rtt_min_at + probe_rtt_interval, min_rtt_at + min_rtt_window);
    }

    // gather() for an ACK that begins no round, where `rate` is bw(). False, and nothing was done: it raises
    // extra_acked, or the numbers are large. Compares in billionths of octets, without a division.
    constexpr bool gather_unnoticed(time_point now, octet_count delivered, std::int64_t rate) noexcept
    {
        const duration elapsed = now - aggregation_start_;
        std::int64_t expected = 0;
        if (elapsed < duration::zero() || elapsed > longest_aggregation ||
            __builtin_mul_overflow(rate, elapsed.ns, &expected)) {
            return false;
        }
        const octet_count most = extra_acked_.newest();
        if (aggregated_ * one_second.ns <= expected) {
            if (delivered > most) {
                return false;
            }
            aggregated_ = delivered;
            aggregation_start_ = now;
            return true;
        }
        const octet_count sum = aggregated_ + delivered;
        if (sum > largest_cwnd || (sum - most) * one_second.ns > expected) {
            return false;
        }
        aggregated_ = sum;
        return true;
    }

    constexpr void forget_short_term_bounds() noexcept
    {
        bw_shortterm = no_bound;
        inflight_shortterm = no_bound;
    }
    constexpr void reset_congestion_signals() noexcept
    {
        loss_in_round = loss_is_new_ = false;
        bw_latest_ = 0;
        inflight_latest = 0;
    }
    // Silence is no sign of ACKs being gathered; as in Linux what was counted before is forgotten, too. BBR-5.4.1c
    constexpr void restart_aggregation(time_point now) noexcept
    {
        aggregation_start_ = now;
        aggregated_ = 0;
    }
    // A probing cycle is over: the maximum of two cycles ago is forgotten.
    constexpr void next_cycle() noexcept { max_bw_.next_period(); }

    constexpr std::int64_t max_bw() const noexcept { return max_bw_.get(); }
    constexpr std::int64_t bw() const noexcept { return std::min(max_bw_.get(), bw_shortterm); }
    constexpr octet_count extra_acked() const noexcept { return extra_acked_.get(); }

    // BDPMultiple, the gain in percent; `initial` where the path was not measured yet.
    constexpr octet_count bdp(std::int64_t rate, std::int64_t gain_percent, octet_count initial) const noexcept
    {
        if (min_rtt == duration::max()) {
            return initial;
        }
        const octet_count product = mul_div(rate, min_rtt.ns, 1'000'000'000);
        return mul_div(std::min(product, largest_cwnd), gain_percent, 100);
    }

    duration min_rtt = duration::max();  // max: not measured
    time_point min_rtt_at{};
    duration probe_rtt_min = duration::max();
    time_point probe_rtt_min_at{};
    std::int64_t bw_shortterm = no_bound;
    octet_count inflight_shortterm = no_bound;
    octet_count inflight_longterm = no_bound;
    octet_count delivered_total = 0;  // as the rate samples have it
    octet_count inflight_latest = 0;  // the most that was delivered in a round trip, of the last one
    bool loss_in_round = false;
    bool loss_round_start = false;

    friend constexpr bool operator==(const bbr_model&, const bbr_model&) noexcept = default;

private:
    static constexpr duration longest_aggregation{10'000'000'000};

    // InitLowerBounds, LossLowerBounds. BBR-5.5.10.3a
    constexpr void lower_short_term_bounds(octet_count cwnd) noexcept
    {
        const std::int64_t bw = bw_shortterm == no_bound ? max_bw_.get() : bw_shortterm;
        const octet_count inflight = inflight_shortterm == no_bound ? cwnd : inflight_shortterm;
        bw_shortterm = std::max(bw_latest_, mul_div(bw, beta_percent, 100));
        inflight_shortterm = std::max(inflight_latest, mul_div(inflight, beta_percent, 100));
    }

    // UpdateACKAggregation: what is acknowledged beyond the rate, for the paths that gather ACKs.
    // BBR-5.5.9a, 5.5.9b
    constexpr void gather(const ack_info& a, const context& c) noexcept
    {
        const std::uint32_t rounds = c.filled ? 5 : 1;
        if (c.round_start && ++aggregation_rounds_ >= rounds) {
            aggregation_rounds_ = 0;
            extra_acked_.next_period();
        }
        const duration elapsed =
            std::clamp(a.now - aggregation_start_, duration::zero(), longest_aggregation);
        octet_count expected = mul_div(bw(), elapsed.ns, 1'000'000'000);
        if (aggregated_ <= expected) {
            aggregated_ = 0;
            aggregation_start_ = a.now;
            expected = 0;
        }
        aggregated_ = std::min(aggregated_ + a.delivered, largest_cwnd);
        extra_acked_.update(std::min(aggregated_ - expected, c.cwnd));
    }

    two_period_max max_bw_{};
    two_period_max extra_acked_{};
    std::int64_t bw_latest_ = 0;
    octet_count loss_round_delivered_ = 0;
    octet_count aggregated_ = 0;
    time_point aggregation_start_{};
    std::uint32_t aggregation_rounds_ = 0;
    bool loss_is_new_ = false;  // noted since the last ACK
};

}  // namespace tcpco::congestion
