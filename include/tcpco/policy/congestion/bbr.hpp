// BBR, version 3 (draft-ietf-ccwg-bbr-06): sends at the rate that the path delivered, keeps in flight what the path
// holds, and looks from time to time for more of either. Loss bounds it; it is not what it waits for.
//
// The connection paces and samples the delivery rate (tcp/rate_sampler.hpp); the model of the path stands in
// bbr_model.hpp, the probing in bbr_probing.hpp. Names in comments, and labels BBR-..., are the draft's. What differs
// from it: gains are percents and rates integers; loss ranges (BBRStartupFullLossCnt) are counted as ACKs that brought
// losses; the random wait
// between probes comes from a generator whose state is part of the value, so that a run can be repeated. Marks, which
// the draft leaves open but for that they must count, are answered like losses beyond the threshold.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/core/assert.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/bbr_probing.hpp"

namespace tcpco::congestion {

class bbr : private bbr_probing {
public:
    using bbr_probing::phase;
    using bbr_probing::send_quantum;

    static constexpr const char* name = "bbr";  // Linux's word for it
    static constexpr bool wants_rate_samples = true;
    static constexpr bool regulates_recovery = true;

    struct config {
        std::uint64_t seed = 0x9e37'79b9'7f4a'7c15;  // of the wait between probes, mixed with the connection's own time
    };

    constexpr bbr() noexcept = default;
    constexpr explicit bbr(const config& c) noexcept { random_ = c.seed; }

    // OnInit. BBR-5.2.1a, 5.6.2a, 5.6.4.1a
    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        random_ = (random_ ^ static_cast<std::uint64_t>(e.now.ns + e.handshake_rtt.ns)) | 1;
        model_ = bbr_model{e.now, e.handshake_rtt};
        smss_ = std::max<octet_count>(e.smss, 1);
        cwnd_ = inherited_cwnd(e);
        initial_cwnd_ = cwnd_;
        const duration rtt = e.handshake_rtt > duration::zero() ? e.handshake_rtt : duration{1'000'000};
        pacing_rate_ = percent(mul_div(cwnd_, 1'000'000'000, rtt.ns), startup_gain);
        full_bw_reached_ = false;
        was_too_high_ = was_precautionary_ = false;
        undo_step_ = undo_step::nothing;
        next_round_delivered_ = low_rates_from_ = 0;
        low_rates_until_ = -1;
        derived_from_ = {};
        look_again();
        reset_full_bw();
        enter_startup();
    }

    // HandleRestartFromIdle. BBR-5.4.1a, 5.4.1b, 5.4.1c
    constexpr void on_packet_sent(const packet_sent& e) noexcept
    {
        if (e.in_flight_before > 0 || e.idle_for <= duration::zero()) {
            return;
        }
        look_again();
        idle_restart_ = true;
        model_.restart_aggregation(e.now);
        if (probes_bw()) {
            set_pacing_rate(100);
            derived_from_ = {};
        } else if (phase_ == phase::probe_rtt) {
            check_probe_rtt_done(e.now);
        }
    }

    // UpdateOnACK. BBR-5.2.3a. With TCPCO_BOTH_WAYS each ACK goes the long way as well.
    constexpr void on_ack(const ack_info& a) noexcept
    {
        if constexpr (goes_both_ways) {
            bbr decided = *this;
            decided.decide(a);
            if (take_unnoticed(a)) {
                TCPCO_ASSERT(*this == decided);
            } else {
                *this = decided;
            }
        } else if (!take_unnoticed(a)) {
            decide(a);
        }
    }

    // HandleLostPacket. BBR-5.5.10.2a, 5.5.10.2b, 5.5.10.2c
    constexpr void on_packet_lost(const packet_lost& e) noexcept
    {
        look_again();
        if (model_.note_loss() && !in_recovery_) {
            save_bounds();
        }
        if (!samples_count_) {
            return;
        }
        const octet_count lost = e.total_lost - e.stamp.lost;
        if (is_too_high(lost, e.in_flight_at_send)) {
            too_much_in_flight(inflight_at_loss(e.in_flight_at_send, lost, e.octets), e.stamp.app_limited);
        }
    }

    // Recovery is BBR's own matter. What was in force is kept for its end. BBR-5.6.4.4b
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        look_again();
        save_cwnd();
        if (e.cause == congestion_cause::loss) {
            in_recovery_ = true;
            recovery_rounds_ = 0;
            losses_in_round_ = 0;
        } else if (e.cause == congestion_cause::ecn_echo) {
            answer_mark(e);
        }
    }
    // BBR-5.6.4.4b
    constexpr void on_recovery_exit() noexcept
    {
        look_again();
        in_recovery_ = false;
        cwnd_ = std::max(cwnd_, prior_cwnd_);
    }
    // OnEnterRTO: everything is taken for lost, so one segment is in flight next. BBR-5.6.4.4a
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        look_again();
        if (e.first) {
            save_cwnd();
        }
        cwnd_ = e.smss;
    }
    // HandleSpuriousLossDetection. What was in force is known here, since the first packet that was taken for lost;
    // `prior` is from after that.
    // BBR-5.5.11.2a, 5.5.11.2b
    constexpr void on_spurious(spurious_cause, const bbr& prior) noexcept
    {
        look_again();
        in_recovery_ = false;
        model_.loss_in_round = false;
        reset_full_bw();
        model_.bw_shortterm = std::max({model_.bw_shortterm, undo_bw_, prior.model_.bw_shortterm});
        model_.inflight_shortterm =
            std::max({model_.inflight_shortterm, undo_shortterm_, prior.model_.inflight_shortterm});
        model_.inflight_longterm =
            std::max({model_.inflight_longterm, undo_longterm_, prior.model_.inflight_longterm});
        cwnd_ = std::max({cwnd_, prior_cwnd_, prior.cwnd_});
        if (undo_step_ == undo_step::startup && phase_ != phase::startup) {
            full_bw_reached_ = false;
            if (phase_ != phase::probe_rtt) {
                enter_startup();
            }
        } else if (undo_step_ == undo_step::probe_up && phase_ != phase::probe_bw_up && phase_ != phase::probe_rtt) {
            start_refill();
        }
        undo_step_ = undo_step::nothing;
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        look_again();
        smss_ = std::max<octet_count>(smss, 1);
        cwnd_ = rescaled_cwnd(cwnd_, old_smss, smss);
    }

    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    // There is none: loss does not end the search for bandwidth. Before the pipe was full: as high as it gets.
    constexpr octet_count ssthresh() const noexcept { return full_bw_reached_ ? cwnd_ : no_threshold; }
    constexpr std::uint64_t pacing_rate() const noexcept { return static_cast<std::uint64_t>(pacing_rate_); }
    // For tests and observers.
    constexpr phase state() const noexcept { return phase_; }
    constexpr const bbr_model& model() const noexcept { return model_; }
    constexpr bool full_bw_reached() const noexcept { return full_bw_reached_; }

private:
    static constexpr std::int64_t pacing_margin_percent = 1;
    static constexpr std::uint32_t full_bw_count = 3;
    static constexpr std::uint32_t full_loss_count = 6;
    static constexpr duration probe_rtt_duration{200'000'000};

    // An ACK of which something follows.
    [[gnu::noinline]] constexpr void decide(const ack_info& a) noexcept
    {
        smss_ = std::max<octet_count>(a.smss, 1);
        selective_acks_ = a.selective_acks;
        delivered_ += earned(a);
        if (cycle_start_ == time_point::never()) {
            cycle_start_ = a.now;
        }
        limited_ = a.rate.app_limited ||
                   (a.rate.prior_delivered >= low_rates_from_ && a.rate.prior_delivered <= low_rates_until_);
        update_round(a);
        model_.take(a, {.probing = wants_losses(),
                        .round_start = round_start_,
                        .limited = limited_,
                        .filled = full_bw_reached_,
                        .cwnd = cwnd_});
        check_full_bw(a);
        check_startup_done(a);
        check_drain_done(a);
        update_probe_bw(a);
        const bool expired = model_.update_min_rtt(a);
        check_probe_rtt(a, expired);
        model_.finish(a);
        derive();
        set_cwnd(a);
        round_start_ = limited_ = model_.loss_round_start = false;  // of this ACK alone
        set_marks();
    }

    // --- Startup and Drain (5.3.1, 5.3.2) --------------------------------------------------------------------------

    constexpr void enter_startup() noexcept
    {
        phase_ = phase::startup;
        in_recovery_ = false;
        samples_count_ = false;
        ack_phase_ = ack_phase::init;
    }
    // CheckFullBWReached: three rounds in which the rate did not grow by a quarter. BBR-5.3.1.2a
    constexpr void check_full_bw(const ack_info& a) noexcept
    {
        if (full_bw_now_ || !round_start_ || limited_ || a.rate.delivered <= 0) {
            return;
        }
        const std::int64_t rate = bbr_model::rate_of(a.rate);
        if (rate >= percent(full_bw_, 125)) {
            reset_full_bw(rate);
            return;
        }
        if (++full_bw_rounds_ >= full_bw_count) {
            full_bw_now_ = true;
            full_bw_reached_ = true;
        }
    }
    constexpr void check_startup_done(const ack_info& a) noexcept
    {
        if (phase_ != phase::startup) {
            return;
        }
        check_startup_loss(a);
        if (full_bw_reached_) {
            enter_drain();
        }
    }
    // CheckStartupHighLoss: a full round in recovery with more than 2 % of loss, in six places or more; where the peer
    // has no SACK any loss in recovery, for no more than one can be seen in a round. BBR-5.3.1.3a, 5.3.1.3b
    constexpr void check_startup_loss(const ack_info& a) noexcept
    {
        losses_in_round_ += a.newly_lost > 0 ? 1 : 0;
        bool high = !selective_acks_ && in_recovery_ && a.newly_lost > 0;
        if (model_.loss_round_start) {
            recovery_rounds_ += in_recovery_ ? 1 : 0;
            high = high || (recovery_rounds_ > 1 && losses_in_round_ >= full_loss_count &&
                            a.rate.lost > share(a.rate.prior_in_flight, loss_percent));
            losses_in_round_ = 0;
        }
        if (high) {
            undo_step_ = undo_step::startup;
            bound_startup();
        }
    }
    // BBR-5.3.1.3c
    constexpr void bound_startup() noexcept
    {
        full_bw_reached_ = true;
        model_.inflight_longterm = std::max(bdp(model_.bw(), 100), model_.inflight_latest);
    }
    constexpr void enter_drain() noexcept
    {
        phase_ = phase::drain;
        drain_round_ = round_count_;
    }
    // CheckDrainDone: the queue is gone; or it does not go, for the rate was not the path's. BBR-5.3.2a, 5.3.2b
    constexpr void check_drain_done(const ack_info& a) noexcept
    {
        if (phase_ == phase::drain &&
            (a.in_flight <= inflight(model_.bw(), 100) || round_count_ > drain_round_ + 3)) {
            start_down(a.now);
        }
    }

    // A mark is congestion: it ends what looks for more, and between probes counts as a loss. BBR-3.7a
    constexpr void answer_mark(const congestion_event& e) noexcept
    {
        model_.note_loss();
        if (phase_ == phase::startup) {
            bound_startup();
            enter_drain();
        } else if (samples_count_ || phase_ == phase::probe_bw_refill) {
            too_much_in_flight(e.in_flight, false);
            if (phase_ == phase::probe_bw_refill) {
                start_down(e.now);
            }
        }
        undo_step_ = undo_step::nothing;
    }
    // SaveStateUponLoss, but for the window. BBR-5.5.11.1a
    constexpr void save_bounds() noexcept
    {
        undo_step_ = undo_step::nothing;
        undo_bw_ = model_.bw_shortterm;
        undo_shortterm_ = model_.inflight_shortterm;
        undo_longterm_ = model_.inflight_longterm;
    }

    // --- ProbeRTT (5.3.4) ------------------------------------------------------------------------------------------

    // CheckProbeRTT. BBR-5.3.4.1a, 5.3.4.2a, 5.3.4.2b, 5.3.4.3b, 5.3.3.9a
    constexpr void check_probe_rtt(const ack_info& a, bool expired) noexcept
    {
        if (phase_ != phase::probe_rtt && expired && !idle_restart_) {
            phase_ = phase::probe_rtt;
            save_cwnd();
            probe_rtt_done_ = time_point::never();
            ack_phase_ = ack_phase::probe_stopping;
            low_rates_from_ = model_.delivered_total;
            start_round();
        }
        if (phase_ == phase::probe_rtt) {
            low_rates_until_ = model_.delivered_total + a.in_flight;  // BBR-5.3.4.3c
            if (probe_rtt_done_ == time_point::never() && a.in_flight <= probe_rtt_cwnd()) {
                probe_rtt_done_ = a.now + probe_rtt_duration;
                probe_rtt_round_done_ = false;
                start_round();
            } else if (probe_rtt_done_ != time_point::never()) {
                probe_rtt_round_done_ = probe_rtt_round_done_ || round_start_;
                if (probe_rtt_round_done_) {
                    check_probe_rtt_done(a.now);
                }
            }
        }
        if (a.rate.delivered > 0) {
            idle_restart_ = false;
        }
    }
    // CheckProbeRTTDone, ExitProbeRTT. BBR-5.3.4.4a
    constexpr void check_probe_rtt_done(time_point now) noexcept
    {
        if (probe_rtt_done_ == time_point::never() || now <= probe_rtt_done_) {
            return;
        }
        model_.probe_rtt_min_at = now;
        cwnd_ = std::max(cwnd_, prior_cwnd_);
        model_.forget_short_term_bounds();
        if (full_bw_reached_) {
            start_down(now);
            phase_ = phase::probe_bw_cruise;
        } else {
            enter_startup();
        }
    }

    // --- what it comes to (5.6) ------------------------------------------------------------------------------------

    // BBR-5.6.2b
    constexpr void set_pacing_rate(std::int64_t gain) noexcept
    {
        const std::int64_t rate = percent(percent(model_.bw(), gain), 100 - pacing_margin_percent);
        if (rate > 0 && (full_bw_reached_ || rate > pacing_rate_)) {
            pacing_rate_ = rate;
        }
    }
    constexpr void save_cwnd() noexcept
    {
        const bool reduced = in_recovery_ || phase_ == phase::probe_rtt;
        prior_cwnd_ = reduced ? std::max(prior_cwnd_, cwnd_) : cwnd_;
    }

    // SetPacingRate, and what of SetCwnd follows from the model alone. Most ACKs change neither bandwidth nor
    // round trip nor phase; then nothing of it has changed.
    constexpr void derive() noexcept
    {
        const basis now{model_.bw(), model_.min_rtt, smss_, phase_, full_bw_reached_};
        if (now == derived_from_) {
            return;
        }
        derived_from_ = now;
        set_pacing_rate(pacing_gain());
        holds_ = bdp(now.bw, cwnd_gain());
        budget_ = std::max(3 * send_quantum(), least_cwnd());
    }

    // SetCwnd, BoundCwndForModel. BBR-5.6.4.2a, 5.6.4.3a, 5.6.4.5a, 5.6.4.6a, 5.6.4.7a
    constexpr void set_cwnd(const ack_info& a) noexcept
    {
        const octet_count largest = largest_window();
        if (full_bw_reached_) {
            cwnd_ = std::min(cwnd_ + earned(a), largest);
        } else if (cwnd_ < largest || delivered_ < initial_cwnd_) {
            cwnd_ += earned(a);
        }
        cwnd_ = std::clamp(cwnd_, least_cwnd(), window_bound());
    }

    octet_count low_rates_from_ = 0;  // samples of what left from here to low_rates_until_ were taken in ProbeRTT
    std::int64_t undo_bw_ = 0;          // what loss may have lowered since: nothing is below 0
    octet_count undo_shortterm_ = 0;
    octet_count undo_longterm_ = 0;
    std::uint64_t drain_round_ = 0;

    friend constexpr bool operator==(const bbr&, const bbr&) noexcept = default;
};

static_assert(congestion_controller<bbr> && paces<bbr> && sets_send_quantum<bbr> && told_of_packets_lost<bbr>);
static_assert(wants_rate_samples_v<bbr> && regulates_recovery_v<bbr>);
static_assert(std::is_trivially_copyable_v<bbr> && sizeof(bbr) <= 448);

}  // namespace tcpco::congestion
