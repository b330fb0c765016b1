// Reno congestion control: slow start and congestion avoidance (RFC 5681 section 3.1) by counting octets (RFC 3465).
//
// Not here: the initial window and its restart after idle time (the stack's option), fast recovery's inflation (the
// scoreboard's pipe does that work).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/core/assert.hpp"
#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"

namespace tcpco::congestion {

class reno {
public:
    static constexpr const char* name = "reno";  // Linux's word for it

    struct config {
        // Growth per ACK in slow start, in segments, 0 to 2. 1 is the limit of RFC 5681; RFC 3465 section 2.3 allows 2
        // before the first loss, which makes up for delayed ACKs and sends bursts of up to 4 segments.
        std::uint32_t slow_start_segments = 1;
        // What a mark (ECN) leaves of the window, in thousandths. 500: as a loss does (RFC 3168). RFC 8511 allows 800,
        // since a queue that marks is shorter than one that drops; an experiment, so it is not the default (FreeBSD's
        // is off, too). Slow start, which may have doubled the window, halves it all the same (FreeBSD does not).
        // RFC8511-3.1a
        std::uint32_t ecn_beta_milli = 500;
    };

    constexpr reno() noexcept = default;
    constexpr explicit reno(const config& c) noexcept : config_{c} {}

    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        cwnd_ = inherited_cwnd(e);
        ssthresh_ = inherited_ssthresh(e);
        count_anew();
    }

    // Grows only on what was acknowledged cumulatively, and only where the window was the limit: a window that the
    // application did not fill says nothing about the path.
    // RFC5681-3.1a, 3.1h, 3.1i
    constexpr void on_ack(const ack_info& a) noexcept
    {
        if (const octet_count counted = counted_ + a.acked; counted <= unnoticed_ && !a.in_recovery && a.cwnd_limited) {
            TCPCO_ASSERT(a.acked >= 0 && cwnd_ >= ssthresh_ && counted <= cwnd_ - a.smss);
            counted_ = counted;
            return;
        }
        if (a.acked <= 0 || a.in_recovery || !a.cwnd_limited) {
            return;
        }
        if (cwnd_ < ssthresh_) {
            slow_start(a);
        } else {
            avoid_congestion(a);
        }
    }

    // Called once per loss episode, so there is one reduction per window of data (RFC 5681 section 3.2, equation 4).
    // RFC5681-3.1g, 3.2g, 4.3a, 4.3c, 4.3d, RFC8511-3a, 3b, 4a
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        const bool milder = e.cause == congestion_cause::ecn_echo && cwnd_ > ssthresh_;
        const std::uint32_t beta = milder ? config_.ecn_beta_milli : 500;
        ssthresh_ = std::max(mul_div(reduced_from(e, cwnd_), std::min(beta, 1'000U), 1'000), 2 * e.smss);
        cwnd_ = std::min(cwnd_, ssthresh_);  // after a timeout the window is smaller already
        count_anew();
    }

    // A repeated timeout of the same data leaves ssthresh alone, else it would end at two segments (RFC 5681 section
    // 3.1).
    // RFC5681-3.1n, 3.1o, 3.1p, RFC6928-2d
    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if (e.first) {
            ssthresh_ = std::max(reduced_from(e, cwnd_) / 2, 2 * e.smss);
        }
        cwnd_ = e.smss;  // the loss window
        count_anew();
    }

    // RFC 4015 section 3: what was in force, unless both have grown past it since.
    constexpr void on_spurious(spurious_cause, const reno& prior) noexcept
    {
        cwnd_ = std::max(cwnd_, prior.cwnd_);
        ssthresh_ = std::max(ssthresh_, prior.ssthresh_);
        count_anew();
        counted_ = prior.counted_;
    }

    constexpr void on_idle_restart(time_point, octet_count restart_window) noexcept
    {
        cwnd_ = std::min(cwnd_, restart_window);
        count_anew();
    }

    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        cwnd_ = rescaled_cwnd(cwnd_, old_smss, smss);
        unnoticed_ = -1;
    }

    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    constexpr octet_count ssthresh() const noexcept { return ssthresh_; }

private:
    constexpr void count_anew() noexcept
    {
        counted_ = 0;
        unnoticed_ = -1;
    }

    // min(N, SMSS) per ACK: an ACK cut into ten must not grow the window tenfold. Stops at ssthresh exactly.
    // RFC5681-3.1j
    constexpr void slow_start(const ack_info& a) noexcept
    {
        const octet_count growth = slow_start_growth(a.acked, config_.slow_start_segments, ssthresh_, a.smss);
        cwnd_ = cwnd_ < largest_cwnd ? std::min(cwnd_ + growth, ssthresh_) : cwnd_;
    }

    // One segment for each window of acknowledged octets, and no more than one for one ACK. A window of 9.5 segments
    // has 9 in flight, and a round trip acknowledges no more: the half is not waited for, or each round trip would last
    // one ACK longer (Linux's window is a number of segments).
    // RFC5681-3.1k, 3.1l, RFC3465-2.1a
    constexpr void avoid_congestion(const ack_info& a) noexcept
    {
        counted_ += a.acked;
        if (counted_ <= cwnd_ - a.smss) {
            unnoticed_ = cwnd_ - a.smss;
            return;
        }
        const octet_count whole = a.smss > 0 && cwnd_ > a.smss ? cwnd_ / a.smss * a.smss : cwnd_;
        if (counted_ >= whole) {
            counted_ = std::min(counted_ - whole, whole);
            cwnd_ += cwnd_ < largest_cwnd ? a.smss : 0;
        }
    }

    octet_count cwnd_ = 536;  // one default segment until the connection says more
    octet_count ssthresh_ = no_threshold;
    octet_count counted_ = 0;  // octets acknowledged towards the next increase
    octet_count unnoticed_ = -1;  // up to here counting is all there is to do in avoidance; -1: that is to be seen
    config config_{};
};

static_assert(congestion_controller<reno> && told_of_timeouts<reno> && told_of_idle_restart<reno>);
static_assert(std::is_trivially_copyable_v<reno> && sizeof(reno) <= 40);

}  // namespace tcpco::congestion
