// Vegas (Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on a Global Internet", 1995): a window that
// keeps a few segments of its own in the bottleneck's queue, and so takes delay for the signal, not loss.
//
// Once in a round trip the window is compared with what the path carries: of `cwnd` octets, cwnd * base / rtt are under
// way, the rest waits in a queue. Fewer than `alpha` segments there: one more; more than `beta`: one less. Loss, and
// what follows from it, is Reno's answer. Beside loss-based flows it gets little: they fill the queue that it avoids.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/congestion/reno.hpp"

namespace tcpco::congestion {

class vegas {
public:
    static constexpr const char* name = "vegas";  // Linux's word for it

    // Segments that wait in the queue; Linux's numbers, the paper's alpha and beta are 1 and 3.
    struct config {
        reno::config base{};
        std::uint32_t alpha = 2;  // fewer: the window grows
        std::uint32_t beta = 4;   // more: it shrinks
        std::uint32_t gamma = 1;  // more: slow start ends
    };

    constexpr vegas() noexcept = default;
    constexpr explicit vegas(const config& c) noexcept : base_{c.base}, config_{c} {}

    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        base_.on_connection_established(e);
        round_min_ = duration::max();
        samples_ = 0;
        round_end_ = {};
        odd_ = false;
    }

    constexpr void on_ack(const ack_info& a) noexcept
    {
        if (a.latest_rtt > duration::zero()) {
            round_min_ = std::min(round_min_, a.latest_rtt);
            ++samples_;
        }
        if (a.una > round_end_) {
            end_of_round(a);
        }
        // Every other round of slow start the window stands still, so that its queue can be compared. Where the round
        // trip could not be measured, Vegas is Reno.
        const bool slow_start = base_.cwnd() < base_.ssthresh();
        if (slow_start ? !odd_ : reno_round_) {
            base_.on_ack(a);
        }
    }

    constexpr void on_congestion_event(const congestion_event& e) noexcept { base_.on_congestion_event(e); }
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        base_.on_retransmission_timeout(e);
    }
    constexpr void on_spurious(spurious_cause cause, const vegas& prior) noexcept
    {
        base_.on_spurious(cause, prior.base_);
    }
    constexpr void on_idle_restart(time_point now, octet_count restart_window) noexcept
    {
        base_.on_idle_restart(now, restart_window);
        round_min_ = duration::max();
        samples_ = 0;
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        base_.on_smss_change(old_smss, smss);
    }

    constexpr octet_count cwnd() const noexcept { return base_.cwnd(); }
    constexpr octet_count ssthresh() const noexcept { return base_.ssthresh(); }

private:
    // One sample may be that of an acknowledgement which was delayed; with three, one was not.
    static constexpr std::uint32_t fewest_samples = 3;

    constexpr void end_of_round(const ack_info& a) noexcept
    {
        round_end_ = a.nxt;
        odd_ = !odd_;
        const bool measured = samples_ >= fewest_samples && a.min_rtt > duration::zero() && a.smss > 0;
        const duration rtt = round_min_;
        round_min_ = duration::max();
        samples_ = 0;
        reno_round_ = !measured;
        if (measured && !a.in_recovery) {
            compare(a, rtt);
        }
    }

    constexpr void compare(const ack_info& a, duration rtt) noexcept
    {
        const octet_count window = base_.cwnd();
        const octet_count queued = window - mul_div(window, a.min_rtt.ns, rtt.ns);
        if (window < base_.ssthresh()) {
            if (queued > config_.gamma * a.smss) {  // back to what the path carries, and a segment
                const octet_count under_way = std::max(window - queued + a.smss, 2 * a.smss);
                set_window(a, std::min(window, under_way), std::min(window, under_way));
            }
        } else if (queued > config_.beta * a.smss) {
            const octet_count less = std::max(window - a.smss, 2 * a.smss);
            set_window(a, less, std::max(std::min(base_.ssthresh(), less), octet_count{1}));
        } else if (queued < config_.alpha * a.smss && a.cwnd_limited && window < largest_cwnd) {
            set_window(a, window + a.smss, base_.ssthresh());
        }
    }

    constexpr void set_window(const ack_info& a, octet_count window, octet_count ssthresh) noexcept
    {
        base_.on_connection_established(
            {.now = a.now, .smss = a.smss, .prior_cwnd = window, .prior_ssthresh = ssthresh});
    }

    reno base_{};
    config config_{};
    duration round_min_ = duration::max();
    stream_offset round_end_{};
    std::uint32_t samples_ = 0;
    bool odd_ = false;        // a round of slow start in which the window stands still
    bool reno_round_ = true;  // the round before had too few samples
};

static_assert(congestion_controller<vegas> && told_of_timeouts<vegas> && told_of_spurious<vegas>);
static_assert(std::is_trivially_copyable_v<vegas> && sizeof(vegas) <= 88);

}  // namespace tcpco::congestion
