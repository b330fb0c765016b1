// CUBIC (RFC 9438): after a reduction the window grows along a cubic curve of time, flat around the window where loss
// was met last, and never slower than Reno would.
//
// Slow start is Reno's; HyStart++ (RFC9438-4.10b) goes around it: hystart_plus_plus<cubic>, as in the default bundle.
// Windows are octets, so C is scaled by SMSS. All arithmetic is integer: time in units of 1,024 ns, the curve as one
// product of 128 bits and a shift, without division. Most ACKs only add up what they acknowledge: the curve is looked
// at sixteen times in a window, since between two looks it hardly moves (Linux computes it at most 32 times a second).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"

namespace tcpco::congestion {

class cubic {
public:
    static constexpr const char* name = "cubic";  // Linux's word for it

    struct config {
        std::uint32_t c_milli = 400;     // C = 0.4 segments/s^3 (RFC9438-5.1a), in thousandths, up to 4,000
        std::uint32_t beta_milli = 700;  // multiplicative decrease to 0.7 (section 4.6)
        bool fast_convergence = true;    // section 4.7: leave room to a flow that is new
        std::uint16_t ecn_beta_milli = 0;  // beta for a mark (RFC 8511 3.1: 850 does well); 0: beta_milli
        std::uint32_t slow_start_segments = 1;  // as reno's

        friend constexpr bool operator==(const config&, const config&) noexcept = default;
    };

    constexpr cubic() noexcept = default;
    constexpr explicit cubic(const config& c) noexcept : config_{c} {}

    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        *this = cubic{config_};
        cwnd_ = inherited_cwnd(e);
        ssthresh_ = inherited_ssthresh(e);
    }

    // Time that passed idle is no time of the curve: it is moved by as much (RFC9438-4.2c).
    constexpr void on_packet_sent(const packet_sent& e) noexcept
    {
        if (clock_ == clock::running) {
            epoch_ += std::max(e.idle_for, duration::zero());
        }
    }

    constexpr void on_ack(const ack_info& a) noexcept
    {
        if (a.acked <= 0 || a.in_recovery) {
            return;
        }
        if (!a.cwnd_limited) {  // so in_flight, not cwnd, is what is reduced: RFC9438-4.6c
            pause(a.now);
            return;
        }
        if (cwnd_ < ssthresh_) {  // RFC9438-4.10a
            slow_start(a);
            return;
        }
        const octet_count acked = acked_ + std::min(a.acked, largest_ack);
        if (acked < cwnd_ / looks && clock_ == clock::running) {
            acked_ = static_cast<std::uint32_t>(acked);
            return;
        }
        acked_ = 0;
        avoid_congestion(a, acked);
    }

    // Section 4.6 and 4.7. Once per episode.
    // RFC9438-4.6a, 4.6b, 4.6d, RFC8511-3.1b, 4a
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        remember_maximum();
        const bool mark = e.cause == congestion_cause::ecn_echo;
        const bool own = mark && config_.ecn_beta_milli != 0 && cwnd_ > ssthresh_;
        const octet_count reduced =
            scaled(reduced_from(e, cwnd_), own ? config_.ecn_beta_milli : config_.beta_milli);
        const octet_count least = mark ? e.smss : 2 * e.smss;
        ssthresh_ = std::max(reduced, 2 * e.smss);
        cwnd_ = std::min(cwnd_, std::max(reduced, least));
        clock_ = clock::stopped;
    }

    // Reno's loss window, CUBIC's beta; the next stage of avoidance begins on the flat part of the curve.
    // RFC9438-4.8a
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if (e.first) {
            cwnd_prior_ = cwnd_;
            ssthresh_ = std::max(scaled(reduced_from(e, cwnd_), config_.beta_milli), 2 * e.smss);
        }
        cwnd_ = e.smss;
        w_max_ = 0;
        clock_ = clock::stopped;
    }

    // Back to what was, unless the window has grown past it since.
    // RFC9438-4.9a, 4.9b, 4.9c
    constexpr void on_spurious(spurious_cause, const cubic& prior) noexcept
    {
        if (cwnd_ < prior.cwnd_) {
            *this = prior;
        }
    }

    // The curve continues from the smaller window when growth resumes.
    constexpr void on_idle_restart(time_point, octet_count restart_window) noexcept
    {
        cwnd_ = std::min(cwnd_, restart_window);
        clock_ = clock::stopped;
    }

    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        cwnd_ = rescaled_cwnd(cwnd_, old_smss, smss);
        clock_ = clock::stopped;
    }

    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    constexpr octet_count ssthresh() const noexcept { return ssthresh_; }
    // For tests and observers: the variables of section 4.1.2. K is meaningful in congestion avoidance only.
    constexpr octet_count w_max() const noexcept { return w_max_; }
    constexpr octet_count w_est() const noexcept { return w_est_; }
    constexpr duration k() const noexcept { return duration{static_cast<std::int64_t>(k_) << time_shift}; }
    friend constexpr bool operator==(const cubic&, const cubic&) noexcept = default;

private:
    // The curve's: not begun, or begun anew by the next ACK; running; standing, while the application is the limit.
    enum class clock : std::uint8_t { stopped, running, paused };

    static constexpr octet_count looks = 16;  // at the curve, in a window of acknowledged octets
    static constexpr int time_shift = 10;                              // the curve's time: units of 2^10 ns
    static constexpr std::int64_t longest_time = std::int64_t{1} << 33;  // 2.4 hours in them
    // C of 1/1000 segment/s^3 in segments per unit^3, times 2^92: (1024e-9)^3 / 1000 * 2^92.
    static constexpr std::int64_t c_scale = 5'316'912;
    static constexpr int c_shift = 92;

    static constexpr octet_count scaled(octet_count window, std::uint32_t milli) noexcept
    {
        return mul_div(window, milli, 1'000);
    }

    // C in octets per unit^3, times 2^92; below 2^51.
    constexpr std::int64_t curvature(octet_count smss) const noexcept { return c_scale * config_.c_milli * smss; }

    // RFC9438-4.7a
    constexpr void remember_maximum() noexcept
    {
        cwnd_prior_ = cwnd_;
        const bool still_falling = config_.fast_convergence && cwnd_ < w_max_;
        w_max_ = still_falling ? scaled(cwnd_, (1'000 + config_.beta_milli) / 2) : cwnd_;
    }

    constexpr void pause(time_point now) noexcept
    {
        if (clock_ == clock::running) {
            clock_ = clock::paused;
            paused_at_ = now;
        }
    }

    constexpr void slow_start(const ack_info& a) noexcept
    {
        const octet_count growth = slow_start_growth(a.acked, config_.slow_start_segments, ssthresh_, a.smss);
        cwnd_ = cwnd_ < largest_cwnd ? std::min(cwnd_ + growth, ssthresh_) : cwnd_;
    }

    // RFC9438-4.2a: K is where the curve reaches W_max. Without a W_max (after a timeout, or when slow start ended
    // without loss) or above it, the curve begins at its flat point: K = 0 (RFC9438-4.10c).
    constexpr void begin_epoch(const ack_info& a) noexcept
    {
        clock_ = clock::running;
        epoch_ = a.now;
        w_est_ = cwnd_;
        est_rest_ = growth_rest_ = 0;
        if (cwnd_ < w_max_) {
            const auto distance = static_cast<uint128>(w_max_ - cwnd_) << c_shift;
            k_ = static_cast<std::int64_t>(cube_root(distance / static_cast<uint128>(curvature(a.smss))));
        } else {
            w_max_ = cwnd_;
            k_ = 0;
        }
    }

    // W_cubic(t) = C * (t - K)^3 + W_max; t in units. The square loses its low 32 bits, less than an octet in the
    // result.
    constexpr octet_count curve(std::int64_t t, std::int64_t c) const noexcept
    {
        const std::int64_t x = std::clamp(t - k_, -longest_time, longest_time);
        const auto magnitude = static_cast<std::uint64_t>(x < 0 ? -x : x);                            // to 2^33
        const auto square = static_cast<std::uint64_t>(static_cast<uint128>(magnitude) * magnitude >> 32);  // to 2^34
        const auto cube = static_cast<std::uint64_t>(static_cast<uint128>(square) * magnitude >> 16);       // to 2^51
        const auto rise = static_cast<std::uint64_t>(static_cast<uint128>(cube) * static_cast<std::uint64_t>(c) >>
                                                     (c_shift - 48));  // to 2^58
        const auto bounded = static_cast<octet_count>(std::min<std::uint64_t>(rise, 4 * largest_cwnd));
        return w_max_ + (x < 0 ? -bounded : bounded);
    }

    // `acked`: by this ACK and those before it that did not look.
    constexpr void avoid_congestion(const ack_info& a, octet_count acked) noexcept
    {
        if (clock_ == clock::paused) {
            epoch_ += a.now - paused_at_;
            clock_ = clock::running;
        } else if (clock_ == clock::stopped) {
            begin_epoch(a);
            acked = std::min(a.acked, largest_ack);
        }
        if (cwnd_ >= largest_cwnd) {
            return;
        }
        const std::int64_t c = curvature(a.smss);
        const std::int64_t t = (a.now - epoch_).ns >> time_shift;
        estimate_reno(acked, a.smss);
        if (curve(t, c) < w_est_) {
            cwnd_ = std::max(cwnd_, w_est_);  // RFC9438-4.3a
            return;
        }
        // A window's worth of ACKs brings cwnd to where the curve is one round trip from now.
        // RFC9438-4.2b, 4.4a, 4.5a
        const std::int64_t rtt = a.srtt.ns >> time_shift;
        const octet_count target = std::clamp(curve(t + rtt, c), cwnd_, cwnd_ + cwnd_ / 2);
        growth_rest_ += acked * (target - cwnd_);
        if (growth_rest_ >= cwnd_) {
            const octet_count growth = growth_rest_ / cwnd_;
            growth_rest_ -= growth * cwnd_;
            cwnd_ += growth;
        }
    }

    // The window of a Reno with decrease beta and, to be as fast on average, increase alpha; once it is where the loss
    // was, alpha is 1 (RFC9438-4.3a, 4.3b). The part below an octet is kept in est_rest_.
    constexpr void estimate_reno(octet_count acked, octet_count smss) noexcept
    {
        const std::int64_t beta = config_.beta_milli;
        const std::int64_t alpha = w_est_ >= cwnd_prior_ ? 1'000 : 3'000 * (1'000 - beta) / (1'000 + beta);
        const std::int64_t unit = cwnd_ * 1'000;
        est_rest_ += alpha * acked * smss;
        if (est_rest_ >= unit) {
            const octet_count growth = est_rest_ / unit;
            est_rest_ -= growth * unit;
            w_est_ = std::min(w_est_ + growth, largest_cwnd);
        }
    }

    octet_count cwnd_ = 536;  // one default segment until the connection says more
    octet_count ssthresh_ = no_threshold;
    octet_count w_max_ = 0;       // 0: the next epoch begins at K = 0
    octet_count w_est_ = 0;       // what Reno would have
    octet_count cwnd_prior_ = 0;  // cwnd before the last reduction
    time_point epoch_{};
    time_point paused_at_{};
    std::int64_t k_ = 0;            // units of 2^10 ns
    std::int64_t growth_rest_ = 0;  // octets * cwnd
    std::int64_t est_rest_ = 0;     // octets * cwnd * 1000
    config config_{};
    clock clock_ = clock::stopped;
    std::uint32_t acked_ = 0;  // octets, since the curve was looked at: less than a sixteenth of cwnd
};

static_assert(congestion_controller<cubic> && told_of_spurious<cubic> && told_of_packets_sent<cubic>);
static_assert(std::is_trivially_copyable_v<cubic> && sizeof(cubic) <= 104);

}  // namespace tcpco::congestion
