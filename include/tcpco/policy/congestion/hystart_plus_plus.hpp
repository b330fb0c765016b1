// HyStart++ (RFC 9406) around any loss-based controller: the initial slow start ends when the round-trip time rises,
// not only when the queue overflows.
//
//     using congestion = tcpco::congestion::hystart_plus_plus<tcpco::congestion::cubic>;
//
// The mixin owns the window during the initial slow start; then it hands the window and ssthresh over and is nothing
// but the controller that it is around (section 4.3: only the first slow start begins without a known ssthresh).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"

namespace tcpco::congestion {

template <congestion_controller Base>
    requires told_of_establishment<Base>
class hystart_plus_plus {
public:
    static constexpr const char* name = [] {
        if constexpr (requires { Base::name; }) {
            return Base::name;
        } else {
            return "?";
        }
    }();
    static constexpr bool wants_rate_samples = wants_rate_samples_v<Base>;

    // RFC9406-4.3a, 4.3b: the constants of section 4.3.
    struct config {
        typename Base::config base{};
        duration least_rise{4'000'000};      // MIN_RTT_THRESH: below it a rise may be noise
        duration largest_rise{16'000'000};   // MAX_RTT_THRESH: no more is waited for
        std::uint32_t rise_divisor = 8;      // MIN_RTT_DIVISOR: else an eighth of the round trip
        std::uint32_t samples = 8;           // N_RTT_SAMPLE: in a round, before its minimum counts
        std::uint32_t growth_divisor = 4;    // CSS_GROWTH_DIVISOR; below 2 it is taken as 2
        std::uint32_t css_rounds = 5;        // CSS_ROUNDS
        std::uint32_t segments_per_ack = 8;  // L, for a sender that is not paced; a paced one has no limit

        friend constexpr bool operator==(const config&, const config&) noexcept
            requires std::equality_comparable<typename Base::config>
        = default;
    };

    constexpr hystart_plus_plus() noexcept = default;
    constexpr explicit hystart_plus_plus(const config& c) noexcept : base_{c.base}, config_{c} {}

    // RFC9406-4.3d: a connection that knows an ssthresh already has no need of it.
    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        base_.on_connection_established(e);
        phase_ = e.prior_ssthresh > 0 && e.prior_ssthresh < no_threshold ? phase::handed_over : phase::slow_start;
        cwnd_ = base_.cwnd();
        begin_round({});  // so the first ACK finds no round before it
    }

    constexpr void on_ack(const ack_info& a) noexcept
    {
        if (phase_ == phase::handed_over) {
            base_.on_ack(a);
            return;
        }
        count_round(a);
        take_sample(a.latest_rtt);
        if (a.acked > 0 && !a.in_recovery && a.cwnd_limited && cwnd_ < largest_cwnd) {
            grow(a);
        }
        look_for_a_rise();
        if (phase_ == phase::conservative && rounds_left_ == 0) {
            hand_over(cwnd_, a.smss, a.now);  // RFC9406-4.2f
        }
    }

    // RFC9406-4.2g: slow start is over, and the base answers as it always does.
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        if (phase_ != phase::handed_over) {
            hand_over(cwnd_, e.smss, e.now);
        }
        base_.on_congestion_event(e);
    }
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if (phase_ != phase::handed_over) {
            hand_over(cwnd_, e.smss, e.now);
        }
        if constexpr (told_of_timeouts<Base>) {
            base_.on_retransmission_timeout(e);
        } else {
            base_.on_congestion_event({.in_flight = e.in_flight, .smss = e.smss, .now = e.now});
        }
    }

    // What was taken back brings the initial slow start back, too.
    constexpr void on_spurious(spurious_cause cause, const hystart_plus_plus& prior) noexcept
    {
        if (prior.phase_ != phase::handed_over) {
            *this = prior;
            return;
        }
        if constexpr (told_of_spurious<Base>) {
            base_.on_spurious(cause, prior.base_);
        } else {
            base_ = prior.base_;
        }
    }

    constexpr void on_idle_restart(time_point now, octet_count restart_window) noexcept
    {
        cwnd_ = std::min(cwnd_, restart_window);
        if constexpr (told_of_idle_restart<Base>) {
            base_.on_idle_restart(now, restart_window);
        }
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        cwnd_ = rescaled_cwnd(cwnd_, old_smss, smss);
        if constexpr (told_of_smss_change<Base>) {
            base_.on_smss_change(old_smss, smss);
        }
    }
    constexpr void on_packet_sent(const packet_sent& e) noexcept
        requires told_of_packets_sent<Base>
    {
        base_.on_packet_sent(e);
    }
    constexpr void on_packet_lost(const packet_lost& e) noexcept
        requires told_of_packets_lost<Base>
    {
        base_.on_packet_lost(e);
    }
    constexpr void on_recovery_exit() noexcept
        requires told_of_recovery_exit<Base>
    {
        base_.on_recovery_exit();
    }

    constexpr octet_count cwnd() const noexcept { return phase_ == phase::handed_over ? base_.cwnd() : cwnd_; }
    constexpr octet_count ssthresh() const noexcept
    {
        return phase_ == phase::handed_over ? base_.ssthresh() : no_threshold;
    }
    constexpr std::uint64_t pacing_rate() const noexcept
        requires paces<Base>
    {
        return base_.pacing_rate();
    }

    // For tests and observers.
    constexpr bool in_conservative_slow_start() const noexcept { return phase_ == phase::conservative; }
    constexpr bool handed_over() const noexcept { return phase_ == phase::handed_over; }
    constexpr const Base& base() const noexcept { return base_; }
    friend constexpr bool operator==(const hystart_plus_plus&, const hystart_plus_plus&) noexcept
        requires std::equality_comparable<Base> && std::equality_comparable<typename Base::config>
    = default;

private:
    enum class phase : std::uint8_t { slow_start, conservative, handed_over };

    // RFC9406-4.2a: a round ends when the octet that was SND.NXT at its beginning is acknowledged: the sample of that
    // ACK is the new round's.
    constexpr void count_round(const ack_info& a) noexcept
    {
        if (a.una <= round_end_) {
            return;
        }
        last_min_ = current_min_;
        begin_round(a.nxt);
        if (phase_ == phase::conservative && rounds_left_ > 0) {
            --rounds_left_;
        }
    }
    constexpr void begin_round(stream_offset end) noexcept
    {
        round_end_ = end;
        current_min_ = duration::max();
        sampled_ = 0;
    }

    constexpr void take_sample(duration rtt) noexcept
    {
        if (rtt > duration::zero()) {
            current_min_ = std::min(current_min_, rtt);
            ++sampled_;
        }
    }

    // RFC9406-4.2b, 4.2d, 4.3c
    constexpr void grow(const ack_info& a) noexcept
    {
        octet_count growth = std::min(a.acked, largest_ack);
        if (!is_paced()) {
            growth = std::min(growth, static_cast<octet_count>(config_.segments_per_ack) * a.smss);
        }
        if (phase_ == phase::conservative) {
            growth /= std::max(config_.growth_divisor, 2u);
        }
        cwnd_ += growth;
    }
    constexpr bool is_paced() const noexcept
    {
        if constexpr (paces<Base>) {
            return base_.pacing_rate() != 0;
        } else {
            return false;
        }
    }

    // RFC9406-4.2c: the queue begins to fill. RFC9406-4.2e: it was something else.
    constexpr void look_for_a_rise() noexcept
    {
        if (sampled_ < config_.samples) {
            return;
        }
        if (phase_ == phase::conservative) {
            if (current_min_ < baseline_) {
                phase_ = phase::slow_start;
            }
            return;
        }
        if (last_min_ == duration::max()) {
            return;
        }
        const duration share{last_min_.ns / std::max<std::int64_t>(config_.rise_divisor, 1)};
        const duration rise = std::max(config_.least_rise, std::min(share, config_.largest_rise));
        if (current_min_ >= last_min_ + rise) {
            phase_ = phase::conservative;
            baseline_ = current_min_;
            rounds_left_ = config_.css_rounds;  // what is left of this round counts as the first
        }
    }

    constexpr void hand_over(octet_count ssthresh, octet_count smss, time_point now) noexcept
    {
        base_.on_connection_established(
            {.now = now, .initial_window = cwnd_, .smss = smss, .prior_cwnd = cwnd_, .prior_ssthresh = ssthresh});
        phase_ = phase::handed_over;
    }

    Base base_{};
    config config_{};
    octet_count cwnd_ = 536;  // one default segment until the connection says more
    stream_offset round_end_{};
    duration last_min_ = duration::max();     // of the round before; max: none
    duration current_min_ = duration::max();  // of this round
    duration baseline_{};                     // of the round in which conservative slow start began
    std::uint32_t sampled_ = 0;
    std::uint32_t rounds_left_ = 0;
    phase phase_ = phase::slow_start;
};

}  // namespace tcpco::congestion
