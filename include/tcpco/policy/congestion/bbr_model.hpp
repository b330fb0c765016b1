// What BBR knows of the path (draft-ietf-ccwg-bbr-04, section 5.5): how fast it delivers, how long it is, how much it
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
// rounds.
class two_period_max {
public:
    constexpr void update(std::int64_t value) noexcept { best_[0] = std::max(best_[0], value); }
    constexpr void next_period() noexcept { best_ = {0, best_[0]}; }
    constexpr std::int64_t get() const noexcept { return std::max(best_[0], best_[1]); }

private:
    std::array<std::int64_t, 2> best_{};
};

class bbr_model {
public:
    static constexpr duration min_rtt_window{10'000'000'000};     // MinRTTFilterLen
    static constexpr duration probe_rtt_interval{5'000'000'000};  // ProbeRTTInterval
    static constexpr std::int64_t beta_percent = 70;              // Beta: what a short-term bound keeps after loss

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

    // BBRUpdateLatestDeliverySignals and BBRUpdateCongestionSignals. `probing`: losses are wanted then, to find the
    // bounds.
    constexpr void take(const ack_info& a, bool probing, octet_count cwnd) noexcept
    {
        const std::int64_t rate = rate_of(a.rate);
        bw_latest_ = std::max(bw_latest_, rate);
        inflight_latest = std::max(inflight_latest, a.rate.delivered);
        loss_round_start = a.rate.total_delivered > 0 && a.rate.prior_delivered >= loss_round_delivered_;
        if (loss_round_start) {
            loss_round_delivered_ = a.rate.total_delivered;
        }
        if (rate > 0 && (rate >= max_bw_.get() || !a.rate.app_limited)) {
            max_bw_.update(rate);
        }
        if (a.newly_lost > 0) {
            loss_in_round = true;
        }
        if (loss_round_start) {
            if (!probing && loss_in_round) {
                lower_short_term_bounds(cwnd);
            }
            loss_in_round = false;
        }
        gather(a, cwnd);
    }

    // BBRAdvanceLatestDeliverySignals and BBRBoundBWForModel: after the decisions of this ACK.
    constexpr void finish(const ack_info& a) noexcept
    {
        if (loss_round_start) {
            bw_latest_ = rate_of(a.rate);
            inflight_latest = a.rate.delivered;
        }
    }

    // BBRUpdateMinRTT. True: the path's length was not seen for so long that the queue should be drained to see it.
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

    constexpr void forget_short_term_bounds() noexcept
    {
        bw_shortterm = no_bound;
        inflight_shortterm = no_bound;
    }
    constexpr void reset_congestion_signals() noexcept
    {
        loss_in_round = false;
        bw_latest_ = 0;
        inflight_latest = 0;
    }
    // A probing cycle is over: the maximum of two cycles ago is forgotten.
    constexpr void next_cycle() noexcept { max_bw_.next_period(); }

    constexpr std::int64_t max_bw() const noexcept { return max_bw_.get(); }
    constexpr std::int64_t bw() const noexcept { return std::min(max_bw_.get(), bw_shortterm); }
    constexpr octet_count extra_acked() const noexcept { return extra_acked_.get(); }

    // BBRBDPMultiple, the gain in percent; `initial` where the path was not measured yet.
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
    octet_count inflight_latest = 0;  // the most that was delivered in a round trip, of the last one
    bool loss_in_round = false;
    bool loss_round_start = false;

private:
    // BBRInitLowerBounds, BBRLossLowerBounds
    constexpr void lower_short_term_bounds(octet_count cwnd) noexcept
    {
        const std::int64_t bw = bw_shortterm == no_bound ? max_bw_.get() : bw_shortterm;
        const octet_count inflight = inflight_shortterm == no_bound ? cwnd : inflight_shortterm;
        bw_shortterm = std::max(bw_latest_, mul_div(bw, beta_percent, 100));
        inflight_shortterm = std::max(inflight_latest, mul_div(inflight, beta_percent, 100));
    }

    // BBRUpdateACKAggregation: what is acknowledged beyond the rate, for the paths that gather ACKs.
    constexpr void gather(const ack_info& a, octet_count cwnd) noexcept
    {
        constexpr std::uint32_t rounds = 5;
        if (a.round_start && ++aggregation_rounds_ >= rounds) {
            aggregation_rounds_ = 0;
            extra_acked_.next_period();
        }
        const duration elapsed =
            std::clamp(a.now - aggregation_start_, duration::zero(), duration{10'000'000'000});
        octet_count expected = mul_div(bw(), elapsed.ns, 1'000'000'000);
        if (aggregated_ <= expected) {
            aggregated_ = 0;
            aggregation_start_ = a.now;
            expected = 0;
        }
        aggregated_ = std::min(aggregated_ + a.delivered, largest_cwnd);
        extra_acked_.update(std::min(aggregated_ - expected, cwnd));
    }

    two_period_max max_bw_{};
    two_period_max extra_acked_{};
    std::int64_t bw_latest_ = 0;
    octet_count loss_round_delivered_ = 0;
    octet_count aggregated_ = 0;
    time_point aggregation_start_{};
    std::uint32_t aggregation_rounds_ = 0;
};

}  // namespace tcpco::congestion
