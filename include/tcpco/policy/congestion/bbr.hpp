// BBR, version 3 (draft-ietf-ccwg-bbr-04): sends at the rate that the path delivered, keeps in flight what the path
// holds, and looks from time to time for more of either. Loss bounds it; it is not what it waits for.
//
// The connection paces, counts round trips and samples the delivery rate; the model of the path stands in
// bbr_model.hpp. Names in comments are the draft's. What differs from the draft: gains are percents and rates
// integers; loss ranges (StartupFullLossCnt) are counted as ACKs that brought losses; the random wait between probes
// comes from a generator whose state is part of the value, so that a run can be repeated.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

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

    // BBROnInit
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
        derived_from_ = {};
        reset_full_bw();
        enter_startup();
    }

    // BBRHandleRestartFromIdle
    constexpr void on_packet_sent(const packet_sent& e) noexcept
    {
        if (e.in_flight_before > 0 || e.idle_for <= duration::zero()) {
            return;
        }
        idle_restart_ = true;
        if (probes_bw()) {
            set_pacing_rate(100);
            derived_from_ = {};
        } else if (phase_ == phase::probe_rtt) {
            check_probe_rtt_done(e.now);
        }
    }

    // BBRUpdateOnACK
    constexpr void on_ack(const ack_info& a) noexcept
    {
        smss_ = std::max<octet_count>(a.smss, 1);
        delivered_ += a.delivered;
        round_start_ = a.round_start;
        if (round_start_) {
            ++rounds_since_probe_;
        }
        model_.take(a, wants_losses(), cwnd_);
        check_full_bw(a);
        check_startup_done(a);
        if (phase_ == phase::drain && a.in_flight <= inflight(model_.bw(), 100)) {
            start_down(a.now);
        }
        update_probe_bw(a);
        const bool expired = model_.update_min_rtt(a);
        check_probe_rtt(a, expired);
        model_.finish(a);
        derive();
        set_cwnd(a);
    }

    // BBRHandleLostPacket
    constexpr void on_packet_lost(const packet_lost& e) noexcept
    {
        model_.loss_in_round = true;
        if (!samples_count_) {
            return;
        }
        const octet_count lost = e.total_lost - e.stamp.lost;
        if (lost > share(e.in_flight_at_send, loss_percent)) {
            too_much_in_flight(inflight_at_loss(e.in_flight_at_send, lost, e.octets), e.stamp.app_limited);
        }
    }

    // Recovery is BBR's own matter. What was in force is kept for its end.
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        save_cwnd();
        if (e.cause == congestion_cause::loss) {
            in_recovery_ = true;
            recovery_rounds_ = 0;
            losses_in_round_ = 0;
        }
    }
    constexpr void on_recovery_exit() noexcept
    {
        in_recovery_ = false;
        cwnd_ = std::max(cwnd_, prior_cwnd_);
    }
    // BBROnEnterRTO: everything is taken for lost, so one segment is in flight next.
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if (e.first) {
            save_cwnd();
        }
        cwnd_ = e.smss;
    }
    // BBRHandleSpuriousLossDetection
    constexpr void on_spurious(spurious_cause, const bbr& prior) noexcept
    {
        in_recovery_ = false;
        model_.loss_in_round = false;
        reset_full_bw();
        model_.bw_shortterm = std::max(model_.bw_shortterm, prior.model_.bw_shortterm);
        model_.inflight_shortterm = std::max(model_.inflight_shortterm, prior.model_.inflight_shortterm);
        model_.inflight_longterm = std::max(model_.inflight_longterm, prior.model_.inflight_longterm);
        cwnd_ = std::max(cwnd_, prior.cwnd_);
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
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

    // --- Startup and Drain (5.3.1, 5.3.2) --------------------------------------------------------------------------

    constexpr void enter_startup() noexcept
    {
        phase_ = phase::startup;
        in_recovery_ = false;
        samples_count_ = false;
        ack_phase_ = ack_phase::init;
    }
    // BBRCheckFullBWReached: three rounds in which the rate did not grow by a quarter.
    constexpr void check_full_bw(const ack_info& a) noexcept
    {
        if (full_bw_now_ || a.rate.app_limited || a.rate.delivered <= 0) {
            return;
        }
        const std::int64_t rate = bbr_model::rate_of(a.rate);
        if (rate >= percent(full_bw_, 125)) {
            reset_full_bw(rate);
            return;
        }
        if (round_start_ && ++full_bw_rounds_ >= full_bw_count) {
            full_bw_now_ = true;
            full_bw_reached_ = true;
        }
    }
    // BBRCheckStartupHighLoss: a full round in recovery with more than 2 % of loss, in six places or more.
    constexpr void check_startup_done(const ack_info& a) noexcept
    {
        if (phase_ != phase::startup) {
            return;
        }
        losses_in_round_ += a.newly_lost > 0 ? 1 : 0;
        if (model_.loss_round_start) {
            recovery_rounds_ += in_recovery_ ? 1 : 0;
            if (recovery_rounds_ > 1 && losses_in_round_ >= full_loss_count &&
                a.rate.lost > share(a.rate.prior_in_flight, loss_percent)) {
                full_bw_reached_ = true;
                model_.inflight_longterm = std::max(bdp(model_.max_bw(), 100), model_.inflight_latest);
            }
            losses_in_round_ = 0;
        }
        if (full_bw_reached_) {
            phase_ = phase::drain;
        }
    }

    // --- ProbeRTT (5.3.4) ------------------------------------------------------------------------------------------

    constexpr void check_probe_rtt(const ack_info& a, bool expired) noexcept
    {
        if (phase_ != phase::probe_rtt && expired && !idle_restart_) {
            phase_ = phase::probe_rtt;
            save_cwnd();
            probe_rtt_done_ = time_point::never();
            ack_phase_ = ack_phase::probe_stopping;
        }
        if (phase_ == phase::probe_rtt) {
            if (probe_rtt_done_ == time_point::never() && a.in_flight <= probe_rtt_cwnd()) {
                probe_rtt_done_ = a.now + probe_rtt_duration;
                probe_rtt_round_done_ = false;
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

    constexpr octet_count probe_rtt_cwnd() const noexcept { return std::max(bdp(model_.bw(), 50), least_cwnd()); }

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

    // BBRSetPacingRate, and what of BBRSetCwnd follows from the model alone. Most ACKs change neither bandwidth nor
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

    // BBRSetCwnd
    constexpr void set_cwnd(const ack_info& a) noexcept
    {
        const octet_count holds = holds_ + model_.extra_acked();
        const octet_count largest = std::max(holds, budget_) + (phase_ == phase::probe_bw_up ? 2 * smss_ : 0);
        if (a.newly_lost > 0) {
            cwnd_ = std::max(cwnd_ - a.newly_lost, smss_);
        }
        if (full_bw_reached_) {
            cwnd_ = std::min(cwnd_ + a.delivered, largest);
        } else if (cwnd_ < largest || delivered_ < initial_cwnd_) {
            cwnd_ += a.delivered;
        }
        octet_count bound = largest_cwnd;
        if (phase_ == phase::probe_rtt) {
            bound = std::min(probe_rtt_cwnd(), inflight_with_headroom());
        } else if (phase_ == phase::probe_bw_cruise) {
            bound = inflight_with_headroom();
        } else if (probes_bw()) {
            bound = model_.inflight_longterm;
        }
        bound = std::max(std::min({bound, model_.inflight_shortterm, largest_cwnd}), least_cwnd());
        cwnd_ = std::clamp(cwnd_, std::min(least_cwnd(), bound), bound);
    }

};

static_assert(congestion_controller<bbr> && paces<bbr> && sets_send_quantum<bbr> && told_of_packets_lost<bbr>);
static_assert(wants_rate_samples_v<bbr> && regulates_recovery_v<bbr>);
static_assert(std::is_trivially_copyable_v<bbr> && sizeof(bbr) <= 384);

}  // namespace tcpco::congestion
