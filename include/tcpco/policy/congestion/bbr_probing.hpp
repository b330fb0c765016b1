// BBR's phases and its search for bandwidth, ProbeBW (draft-ietf-ccwg-bbr-06, section 5.3.3): down, cruise, refill, up.
//
// bbr.hpp has the rest of the state machine and what a connection calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tcpco/policy/congestion/bbr_model.hpp"

namespace tcpco::congestion {

class bbr_probing {
public:
    enum class phase : std::uint8_t {
        startup,
        drain,
        probe_bw_down,
        probe_bw_cruise,
        probe_bw_refill,
        probe_bw_up,
        probe_rtt
    };

    // SetSendQuantum: what leaves in a millisecond, between two segments and 64 KiB. BBR-5.6.3a, 5.6.3b
    constexpr octet_count send_quantum() const noexcept
    {
        return std::clamp<octet_count>(pacing_rate_ / 1'000, 2 * smss_, std::max<octet_count>(65'536, 2 * smss_));
    }

protected:
    static constexpr std::int64_t startup_gain = 277;  // StartupPacingGain: 4 ln 2
    static constexpr std::int64_t loss_percent = 2;    // LossThresh
    static constexpr std::int64_t headroom_percent = 15;

    // Where the ACKs of a probe stand (section 2.14).
    enum class ack_phase : std::uint8_t { init, probe_starting, probe_feedback, probe_stopping, refilling };

    // What a needless recovery has ended, to be taken up again.
    enum class undo_step : std::uint8_t { nothing, startup, probe_up };

    static constexpr std::int64_t percent(std::int64_t value, std::int64_t p) noexcept
    {
        return mul_div(value, p, 100);
    }
    static constexpr octet_count share(octet_count value, std::int64_t p) noexcept { return percent(value, p); }

    constexpr octet_count least_cwnd() const noexcept { return 4 * smss_; }  // MinPipeCwnd, BBR-5.6.4.3a
    constexpr bool probes_bw() const noexcept { return phase_ >= phase::probe_bw_down && phase_ <= phase::probe_bw_up; }
    constexpr bool wants_losses() const noexcept
    {
        return phase_ == phase::startup || phase_ == phase::probe_bw_refill || phase_ == phase::probe_bw_up;
    }

    // The table of section 5.6.1. BBR-5.3.1.1a, 5.3.2a, 5.3.3.1a, 5.3.3.2a, 5.3.3.5a
    constexpr std::int64_t pacing_gain() const noexcept
    {
        switch (phase_) {
        case phase::startup: return startup_gain;
        case phase::drain: return 50;
        case phase::probe_bw_down: return 90;
        case phase::probe_bw_up: return 125;
        default: return 100;
        }
    }
    constexpr std::int64_t cwnd_gain() const noexcept
    {
        return phase_ == phase::probe_bw_up ? 225 : phase_ == phase::probe_rtt ? 50 : 200;
    }

    // --- how much the path holds (5.6.4) ---------------------------------------------------------------------------

    constexpr octet_count bdp(std::int64_t rate, std::int64_t gain) const noexcept
    {
        return model_.bdp(rate, gain, initial_cwnd_);
    }
    // QuantizationBudget. BBR-5.5.8.1a, 5.6.4.2a, 5.6.4.3a
    constexpr octet_count inflight(std::int64_t rate, std::int64_t gain) const noexcept
    {
        const octet_count budget = std::max({bdp(rate, gain), 3 * send_quantum(), least_cwnd()});
        return budget + (phase_ == phase::probe_bw_up ? 2 * smss_ : 0);
    }
    constexpr octet_count inflight_with_headroom() const noexcept
    {
        if (model_.inflight_longterm == no_bound) {
            return no_bound;
        }
        const octet_count headroom = std::max(smss_, share(model_.inflight_longterm, headroom_percent));
        return std::max(model_.inflight_longterm - headroom, least_cwnd());
    }

    // BBR-5.6.4.5a
    constexpr octet_count probe_rtt_cwnd() const noexcept { return std::max(bdp(model_.bw(), 50), least_cwnd()); }
    // What the model lets a window grow to, and what it is bounded by whatever its size.
    // BBR-5.6.4.2a, 5.6.4.6a, 5.6.4.7a
    constexpr octet_count largest_window() const noexcept
    {
        return std::max(holds_ + model_.extra_acked(), budget_) + (phase_ == phase::probe_bw_up ? 2 * smss_ : 0);
    }
    constexpr octet_count window_bound() const noexcept
    {
        octet_count bound = largest_cwnd;
        if (phase_ == phase::probe_rtt) {
            bound = std::min(probe_rtt_cwnd(), inflight_with_headroom());
        } else if (phase_ == phase::probe_bw_cruise) {
            bound = inflight_with_headroom();
        } else if (probes_bw()) {
            bound = model_.inflight_longterm;
        }
        return std::max(std::min({bound, model_.inflight_shortterm, largest_cwnd}), least_cwnd());
    }

    // What a window may grow by. Without SACK a duplicate ACK stands for a delivery that nobody can check, and a peer
    // sends as many as it likes: what it stood for counts when it is acknowledged. Linux lets it count at once.
    // RFC5681-3.1i
    static constexpr octet_count earned(const ack_info& a) noexcept { return a.selective_acks ? a.delivered : a.acked; }

    // Rounds are counted here, not by the connection: most phases begin a round of their own, so that what they send is
    // what their round measures.
    // BBR-5.5.1a
    constexpr void update_round(const ack_info& a) noexcept
    {
        round_start_ = a.rate.total_delivered > 0 && a.rate.prior_delivered >= next_round_delivered_;
        if (round_start_) {
            next_round_delivered_ = a.rate.total_delivered;
            ++round_count_;
            ++rounds_since_probe_;
        }
    }
    constexpr void start_round() noexcept { next_round_delivered_ = model_.delivered_total; }

    constexpr void reset_full_bw(std::int64_t rate = 0) noexcept
    {
        full_bw_ = rate;
        full_bw_rounds_ = 0;
        full_bw_now_ = false;
    }

    // --- ProbeBW (5.3.3) -------------------------------------------------------------------------------------------

    // `now` is never() where only a loss is known of: then the next ACK says when it was. BBR-5.3.3.9a
    constexpr void start_down(time_point now) noexcept
    {
        model_.reset_congestion_signals();
        pick_probe_wait();
        cycle_start_ = now;
        ack_phase_ = ack_phase::probe_stopping;
        start_round();
        phase_ = phase::probe_bw_down;
    }
    // BBR-5.3.3.3a, 5.3.3.9a
    constexpr void start_refill() noexcept
    {
        model_.forget_short_term_bounds();
        up_rounds_ = 0;
        up_credit_ = 0;
        was_precautionary_ = false;
        ack_phase_ = ack_phase::refilling;
        start_round();
        phase_ = phase::probe_bw_refill;
    }
    constexpr void start_up(const ack_info& a) noexcept
    {
        samples_count_ = true;
        ack_phase_ = ack_phase::probe_starting;
        start_round();
        reset_full_bw(bbr_model::rate_of(a.rate));
        phase_ = phase::probe_bw_up;
        raise_slope();
    }

    constexpr void update_probe_bw(const ack_info& a) noexcept
    {
        if (!full_bw_reached_) {
            return;
        }
        const bool bounded = a.cwnd_limited && cwnd_ >= model_.inflight_longterm;  // before this ACK raises the bound
        if (adapt_long_term_model(a) || !probes_bw()) {
            return;
        }
        switch (phase_) {
        case phase::probe_bw_down:
            if (!time_to_probe(a) && time_to_cruise(a)) {
                phase_ = phase::probe_bw_cruise;
            }
            break;
        case phase::probe_bw_cruise: static_cast<void>(time_to_probe(a)); break;
        case phase::probe_bw_refill:
            if (round_start_) {  // a round of what was refilled has been delivered: BBR-5.3.3.3a
                start_up(a);
            }
            break;
        case phase::probe_bw_up:
            if (time_to_go_down(a, bounded)) {
                was_too_high_ = false;  // as far as is known yet
                start_down(a.now);
            }
            break;
        default: break;
        }
    }

    // BBR-5.3.3.1a
    constexpr bool time_to_cruise(const ack_info& a) const noexcept
    {
        return a.in_flight <= drained();
    }
    constexpr octet_count drained() const noexcept
    {
        return std::min(inflight_with_headroom(), inflight(model_.max_bw(), 100));
    }
    // After a probe that went too high the next one only looks whether the bound is safe now.
    // BBR-5.3.3.6a, 5.3.3.7a
    constexpr bool time_to_go_down(const ack_info& a, bool bounded) noexcept
    {
        if (was_too_high_ && a.in_flight >= model_.inflight_longterm) {
            was_precautionary_ = true;
            return true;
        }
        if (bounded) {
            reset_full_bw(bbr_model::rate_of(a.rate));  // the bound is what limits the rate, not the path
            return false;
        }
        return full_bw_now_;
    }
    // BBR-5.3.3.8.2a: 2 to 3 s, or as many round trips as Reno would need to grow by as much (at most 63):
    // looked at once in each.
    constexpr bool time_to_probe(const ack_info& a) noexcept
    {
        if (a.now > cycle_start_ + probe_wait_ || (round_start_ && rounds_since_probe_ >= reno_rounds())) {
            start_refill();
            return true;
        }
        return false;
    }
    constexpr std::uint64_t reno_rounds() const noexcept
    {
        const octet_count target = std::min(bdp(model_.bw(), 100), cwnd_);
        return static_cast<std::uint64_t>(std::clamp<octet_count>(target / smss_, 1, 63));
    }
    constexpr void pick_probe_wait() noexcept
    {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        rounds_since_probe_ = random_ & 1;
        probe_wait_ = duration{2'000'000'000 + static_cast<std::int64_t>((random_ >> 1) % 1'000'000'000)};
    }

    // AdaptLongTermModel. True: the phase was decided.
    // BBR-5.3.3.6b, 5.3.3.9b, 5.5.10.2e
    constexpr bool adapt_long_term_model(const ack_info& a) noexcept
    {
        if (ack_phase_ == ack_phase::probe_starting && round_start_) {
            ack_phase_ = ack_phase::probe_feedback;
        }
        if (ack_phase_ == ack_phase::probe_stopping && round_start_) {
            samples_count_ = false;
            ack_phase_ = ack_phase::init;
            if (probes_bw() && !limited_) {
                model_.next_cycle();
            }
            if (probes_bw() && was_precautionary_ && !was_too_high_) {
                start_refill();
                return true;
            }
        }
        if (model_.inflight_longterm == no_bound || is_too_high(a.rate.lost, a.rate.prior_in_flight)) {
            return false;
        }
        model_.inflight_longterm = std::max(model_.inflight_longterm, a.rate.prior_in_flight);
        if (phase_ == phase::probe_bw_up) {
            probe_upward(a);
        }
        return false;
    }
    // IsInflightTooHigh. BBR-5.5.10.2a
    constexpr bool is_too_high(octet_count lost, octet_count in_flight) const noexcept
    {
        return lost > share(in_flight, loss_percent) || (lost > 0 && !selective_acks_);
    }
    // HandleInflightTooHigh. BBR-5.5.10.2b, 5.3.3.7b
    constexpr void too_much_in_flight(octet_count at_loss, bool app_limited) noexcept
    {
        was_too_high_ = true;
        samples_count_ = false;
        if (!app_limited) {
            const octet_count target = std::min(bdp(model_.bw(), 100), cwnd_);
            model_.inflight_longterm = std::max({at_loss, percent(target, bbr_model::beta_percent), smss_});
        }
        if (phase_ == phase::probe_bw_up) {
            undo_step_ = undo_step::probe_up;
            start_down(time_point::never());
        }
    }
    // InflightAtLoss, BBR-5.5.10.2c: how much was in flight when losses passed the threshold, within the packet that
    // shows it.
    static constexpr octet_count inflight_at_loss(octet_count in_flight, octet_count lost, octet_count size) noexcept
    {
        const octet_count before = std::max<octet_count>(in_flight - size, 0);
        const octet_count lost_before = std::max<octet_count>(lost - size, 0);
        const octet_count prefix = (percent(before, loss_percent) - lost_before) * 100 / (100 - loss_percent);
        return before + std::max<octet_count>(prefix, 0);
    }
    // ProbeInflightLongtermUpward: the bound grows as in slow start while nothing speaks against it. In octets, where
    // the draft counts segments.
    // BBR-5.3.3.5b
    constexpr void probe_upward(const ack_info& a) noexcept
    {
        if (!a.cwnd_limited || cwnd_ < model_.inflight_longterm) {
            return;
        }
        up_credit_ += std::min(earned(a), largest_ack);
        const octet_count step = mul_div(up_credit_, up_growth_, std::max<octet_count>(cwnd_, 1));
        if (step > 0) {
            up_credit_ = 0;
            model_.inflight_longterm = std::min(model_.inflight_longterm + step, largest_cwnd);
        }
        if (round_start_) {
            raise_slope();
        }
    }
    constexpr void raise_slope() noexcept
    {
        up_growth_ = std::min(smss_ << up_rounds_, std::max(cwnd_, smss_));  // no more than what is acknowledged
        up_rounds_ = std::min(up_rounds_ + 1, 30u);
    }

    // What pacing rate and budget follow from.
    struct basis {
        std::int64_t bw = -1;
        duration min_rtt{};
        octet_count smss = 0;
        phase in{};
        bool full = false;
        friend constexpr bool operator==(const basis&, const basis&) noexcept = default;
    };

    // --- ACKs of which nothing follows -----------------------------------------------------------------------------
    //
    // Most ACKs begin no round, raise no maximum and end no phase. What an ACK has to pass for more to follow from it
    // than counts that are a little higher is reckoned when the last decision was made; it stands until the next one,
    // or until the connection reports anything but an ACK.

    struct marks {
        time_point until = time_point::min();  // later ACKs are looked at: a wait is over. min(): each ACK is
        octet_count round_end = 0;  // likewise the one of a packet that left when so much had been delivered, or more
        std::int64_t rate = 0;      // a faster sample is one more maximum
        octet_count in_flight = 0;  // so much or less: the queue is gone
        octet_count cwnd = 0;       // where it stops
        friend constexpr bool operator==(const marks&, const marks&) noexcept = default;
    };

    constexpr void look_again() noexcept { marks_.until = time_point::min(); }
    constexpr void set_marks() noexcept
    {
        look_again();
        const bool steady = full_bw_reached_ && (probes_bw() || phase_ == phase::probe_rtt);
        const bool bounded_probe = phase_ == phase::probe_bw_up && model_.inflight_longterm != no_bound;
        if (!steady || bounded_probe || idle_restart_ || !selective_acks_) {
            return;
        }
        marks_ = {.until = std::min(model_.min_rtt_until(), phase_until()),
                  .round_end = std::min(next_round_delivered_, model_.loss_round_end()),
                  .rate = model_.rate_mark(),
                  .in_flight = std::numeric_limits<octet_count>::min(),
                  .cwnd = std::min(largest_window(), window_bound())};
        if (phase_ == phase::probe_bw_down) {
            marks_.in_flight = drained();
        } else if (phase_ == phase::probe_rtt && probe_rtt_done_ == time_point::never()) {
            marks_.in_flight = probe_rtt_cwnd();
        }
    }
    constexpr time_point phase_until() const noexcept
    {
        if (phase_ == phase::probe_rtt) {
            return probe_rtt_round_done_ ? probe_rtt_done_ : time_point::never();
        }
        const bool waits = phase_ == phase::probe_bw_down || phase_ == phase::probe_bw_cruise;
        return waits ? cycle_start_ + probe_wait_ : time_point::never();
    }
    // Nothing but what take_unnoticed() counts changes by this ACK.
    constexpr bool is_within_marks(const ack_info& a) const noexcept
    {
        return a.now <= marks_.until && a.smss == smss_ && a.selective_acks && a.newly_lost <= 0 &&
               a.rate.prior_delivered < marks_.round_end && a.rate.delivered <= model_.inflight_latest &&
               bbr_model::rate_within(a.rate, marks_.rate) && a.rate.prior_in_flight <= model_.inflight_longterm &&
               a.in_flight > marks_.in_flight &&
               (a.latest_rtt >= model_.probe_rtt_min || a.latest_rtt <= duration::zero());
    }
    constexpr bool take_unnoticed(const ack_info& a) noexcept
    {
        if (!is_within_marks(a) || !model_.gather_unnoticed(a.now, a.delivered, derived_from_.bw)) {
            return false;
        }
        delivered_ += a.delivered;
        model_.delivered_total = std::max(model_.delivered_total, a.rate.total_delivered);
        cwnd_ = std::min(cwnd_ + a.delivered, marks_.cwnd);
        if (phase_ == phase::probe_rtt) {
            low_rates_until_ = model_.delivered_total + a.in_flight;
        }
        return true;
    }

    bbr_model model_{};
    marks marks_{};
    basis derived_from_{};
    octet_count holds_ = 0;   // the path, by the phase's gain for cwnd
    octet_count budget_ = 0;  // for bursts, and the least window
    std::uint64_t random_ = 1;  // never 0: xorshift would stay there
    octet_count cwnd_ = 536;  // one default segment until the connection says more
    octet_count smss_ = 536;
    octet_count initial_cwnd_ = 536;
    octet_count prior_cwnd_ = 0;  // before recovery or ProbeRTT
    octet_count delivered_ = 0;
    std::int64_t pacing_rate_ = 0;
    std::int64_t full_bw_ = 0;
    octet_count up_credit_ = 0;
    octet_count next_round_delivered_ = 0;
    octet_count low_rates_until_ = -1;  // delivered by then: was sent in ProbeRTT; -1: nothing
    octet_count up_growth_ = 0;  // octets that the long-term bound gains per window delivered
    duration probe_wait_{2'000'000'000};
    time_point cycle_start_{};
    time_point probe_rtt_done_ = time_point::never();
    std::uint64_t rounds_since_probe_ = 0;
    std::uint64_t round_count_ = 0;
    std::uint32_t full_bw_rounds_ = 0;
    std::uint32_t recovery_rounds_ = 0;
    std::uint32_t losses_in_round_ = 0;
    unsigned up_rounds_ = 0;
    phase phase_ = phase::startup;
    ack_phase ack_phase_ = ack_phase::init;
    bool full_bw_reached_ = false;
    bool full_bw_now_ = false;
    bool round_start_ = false;
    bool in_recovery_ = false;
    bool idle_restart_ = false;
    bool samples_count_ = false;  // bw_probe_samples: losses come from a probe of bandwidth
    bool probe_rtt_round_done_ = false;
    bool limited_ = false;            // the rate sample of this ACK is a lower bound only
    bool selective_acks_ = true;      // the peer has SACK: more than one loss in a round can be seen
    bool was_too_high_ = false;       // prev_probe_too_high
    bool was_precautionary_ = false;  // prev_probe_precautionary
    undo_step undo_step_ = undo_step::nothing;

    friend constexpr bool operator==(const bbr_probing&, const bbr_probing&) noexcept = default;
};

}  // namespace tcpco::congestion
