// Prague: DCTCP's answer to each mark, made fit for the Internet (draft-briscoe-iccrg-prague-congestion-control-04; its
// reference code is L4STeam's tcp_prague; the requirements are RFC 9331 section 4.3).
//
// Its packets carry ECT(1), which a router with a shallow queue for such flows marks early and often (L4S). The share
// of marked octets, smoothed over rounds, says how much of the window is given up once in a round; octets without a
// mark add to it all the time, so the window follows a queue of less than a millisecond closely. Loss, and ECN by RFC
// 3168 where the peer cannot count marks, halve the window as in Reno: beside classic flows at a classic queue it is
// one of them.
//
// Flows of a short round trip would push out others: rounds count as if they took 25 ms at the least, and what is added
// in one is less by the square (RTT independence, from the first round on; the draft waits for 500).
//
// A queue that marks as RFC 3168 has it takes ECT(1) for ECT(0), and few marks for enough: there Prague would push out
// classic flows. Such a queue is long and its length varies, an L4S one is short and steady: by that they are told
// apart, round by round (Briscoe and Ahmed, "TCP Prague Fall-back on Detection of a Classic ECN AQM", arXiv 1911.00710,
// version 2), and marks of a classic one halve the window. Paths whose delay varies for other reasons are taken for
// classic, too: that costs rate, not fairness. In Linux's L4S tree this is off unless it is asked for; RFC 9331 wants
// it outside of networks of one's own.
//
// Left out: windows below two segments (RFC 9331 would like them and does not require them): at two segments a flow
// answers marks no more, its loss it does; what is added faster when capacity becomes free.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"

namespace tcpco::congestion {

class prague {
public:
    static constexpr const char* name = "prague";  // as in Linux's L4S tree

    static constexpr bool grows_beside_marks = true;  // marked octets are left out below

    struct config {
        std::uint32_t gain_shift = 4;         // a round weighs 1/16 in the average (as in DCTCP), 0 to 10
        duration reference_rtt{25'000'000};   // shorter round trips behave like this one; zero: as they are
        duration burst{250'000};              // may leave without a pause (RFC9331-4.3g)
        std::uint32_t slow_start_segments = 1;  // as reno's
        bool classic_fallback = true;         // false: all queues on the way are known to be L4S's
    };

    // Shares in units of 2^-20.
    static constexpr int share_bits = 20;
    static constexpr std::int64_t scale = std::int64_t{1} << share_bits;

    constexpr prague() noexcept : prague{config{}} {}
    constexpr explicit prague(const config& c) noexcept : config_{c}
    {
        config_.gain_shift = std::min(config_.gain_shift, 10U);
        alpha_ = scale << config_.gain_shift;
    }

    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        *this = prague{config_};
        cwnd_ = inherited_cwnd(e);
        ssthresh_ = inherited_ssthresh(e);
        smss_ = e.smss;
        srtt_ = e.handshake_rtt;
    }

    // RFC9331-4.3a, 4.3e
    constexpr void on_ack(const ack_info& a) noexcept
    {
        smss_ = a.smss;
        srtt_ = a.srtt;
        const octet_count marked = a.ecn.accurate ? std::clamp(a.ecn.ce_octets, octet_count{0}, largest_ack) : 0;
        watch_delay(a);
        delivered_ += std::clamp(a.delivered, octet_count{0}, largest_ack);
        marked_ += marked;
        if (a.una > round_end_ && a.now - round_at_ >= virtual_rtt()) {
            end_of_round(a);
        }
        const octet_count fresh = std::min(std::clamp(a.acked, octet_count{0}, largest_ack) - marked, cwnd_);
        if (fresh <= 0 || a.in_recovery || !is_limited(a) || cwnd_ >= largest_cwnd) {
            return;
        }
        if (cwnd_ < ssthresh_) {
            const octet_count more = slow_start_growth(fresh, config_.slow_start_segments, ssthresh_, a.smss);
            cwnd_ = std::min(cwnd_ + more, ssthresh_);
        } else {
            avoid_congestion(fresh, a.smss);
        }
    }

    // Counted marks take half of their share of the window, once in a round. The first ones end slow start: what their
    // share is nobody knows yet, so all of it. Everything else is answered as in Reno (RFC9331-4.3c), and so are the
    // marks of a classic queue, once in a round trip (RFC9331-4.3d).
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        if (e.cause != congestion_cause::ecn_echo || !e.accurate) {
            ssthresh_ = std::max(reduced_from(e, cwnd_) / 2, 2 * e.smss);
            cwnd_ = std::min(cwnd_, ssthresh_);
        } else if (saw_mark_ && !is_classic() && e.now - reduced_at_ < virtual_rtt()) {
            return;
        } else {
            saw_mark_ = true;
            const octet_count less = mul_div(cwnd_, answered_share() + 1, 2 * scale);  // rounded to the nearest
            cwnd_ = std::min(cwnd_, std::max(cwnd_ - less, 2 * e.smss));
            ssthresh_ = std::max(cwnd_, 2 * e.smss);
        }
        reduced_at_ = e.now;
    }

    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        if (e.first) {
            ssthresh_ = std::max(reduced_from(e, cwnd_) / 2, 2 * e.smss);
        }
        cwnd_ = e.smss;  // the loss window
    }
    // What was learnt of marks since then stays.
    constexpr void on_spurious(spurious_cause, const prague& prior) noexcept
    {
        cwnd_ = std::max(cwnd_, prior.cwnd_);
        ssthresh_ = prior.ssthresh_;
    }
    constexpr void on_idle_restart(time_point, octet_count restart_window) noexcept
    {
        cwnd_ = std::min(cwnd_, restart_window);
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        cwnd_ = rescaled_cwnd(cwnd_, old_smss, smss);
    }

    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    constexpr octet_count ssthresh() const noexcept { return ssthresh_; }
    constexpr bool ect_1() const noexcept { return true; }  // RFC9331-4.1a

    // The window in a round trip; twice that while slow start doubles it. 0: no round trip is known yet.
    constexpr std::uint64_t pacing_rate() const noexcept
    {
        if (srtt_ <= duration::zero()) {
            return 0;
        }
        const std::int64_t gain = cwnd_ < ssthresh_ / 2 ? 2 : 1;
        return static_cast<std::uint64_t>(mul_div(gain * cwnd_, 1'000'000'000, srtt_.ns));
    }
    // RFC9331-4.3g
    constexpr octet_count send_quantum() const noexcept
    {
        const auto rate = static_cast<std::int64_t>(pacing_rate());
        return rate == 0 ? 0 : std::max(smss_, mul_div(rate, config_.burst.ns, 1'000'000'000));
    }

    // The share of octets marked, 0 to `scale`: for tests and observers.
    constexpr std::int64_t alpha() const noexcept { return alpha_ >> config_.gain_shift; }
    // The bottleneck's queue is taken for a classic one.
    constexpr bool is_classic() const noexcept { return score_ >= classic_from; }

private:
    // Of what speaks for a classic queue, in units of 2^-8: below 8 it is L4S's, from 9 on classic, in between a mix of
    // both answers; 17 at the most, so that either is left as fast as it was entered.
    static constexpr std::int32_t score_unit = 256;
    static constexpr std::int32_t l4s_below = 8 * score_unit;
    static constexpr std::int32_t classic_from = 9 * score_unit;
    static constexpr std::int32_t highest_score = 17 * score_unit;
    static constexpr std::int64_t steady_ns = 750'000;     // mean deviation of the round trip behind an L4S queue
    static constexpr std::int64_t shallow_ns = 2'000'000;  // depth of a queue that no L4S one has

    // The share of the window that a mark halves: between alpha and all of it.
    constexpr std::int64_t answered_share() const noexcept
    {
        const std::int64_t classic = std::clamp(score_ - l4s_below, 0, score_unit);
        return alpha() + (scale - alpha()) * classic / score_unit;
    }

    // Round trip and its deviation, averaged over as many ACKs as the window has segments, to the power of 3/2: a good
    // part of a classic queue's sawtooth.
    constexpr void watch_delay(const ack_info& a) noexcept
    {
        if (a.latest_rtt <= duration::zero()) {
            return;
        }
        const std::int64_t sample = std::min<std::int64_t>(a.latest_rtt.ns, 100'000'000'000);
        if (slow_rtt_ == 0) {
            slow_rtt_ = sample;
            deviation_ = steady_ns;  // neither speaks for nor against
        }
        const auto window = static_cast<std::uint64_t>(cwnd_ / std::max<octet_count>(a.smss, 1)) | 1U;
        const std::int64_t weight = std::int64_t{2} << (std::bit_width(window) * 3 / 2);
        const std::int64_t off = sample - slow_rtt_;
        slow_rtt_ += off / weight;
        deviation_ += ((off < 0 ? -off : off) - deviation_) / weight;
    }

    // log2(x) in units of 2^-8, the fraction linear between powers of two.
    static constexpr std::int32_t log2_of(std::int64_t x) noexcept
    {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(x, 1));
        const int whole = static_cast<int>(std::bit_width(value)) - 1;
        return whole * score_unit + static_cast<std::int32_t>(((value << 8) >> whole) & 255U);
    }

    // Half a bit for each doubling of the deviation beyond an L4S queue's, and as much off for each halving; half a bit
    // for each doubling of the depth.
    // RFC9331-4.3d
    constexpr void judge_queue(duration min_rtt) noexcept
    {
        if (!config_.classic_fallback || slow_rtt_ == 0 || min_rtt <= duration::zero()) {
            return;
        }
        const std::int32_t varies = log2_of(deviation_) - log2_of(steady_ns);
        const std::int32_t deep = std::max(log2_of(slow_rtt_ - min_rtt.ns) - log2_of(shallow_ns), 0);
        score_ = std::clamp(score_ + varies / 2 + deep / 2, 0, highest_score);
    }

    constexpr duration virtual_rtt() const noexcept { return std::max(srtt_, config_.reference_rtt); }

    // A window that is paced exactly is never quite full: nearly so is full, unless the application has nothing more.
    constexpr bool is_limited(const ack_info& a) const noexcept
    {
        const octet_count missing = std::max(cwnd_ / 8, send_quantum() + 2 * a.smss);
        return a.cwnd_limited || (!a.app_limited && a.in_flight_before + missing >= cwnd_);
    }

    // alpha = alpha * (1 - g) + g * share, kept as alpha / g, so that nothing is lost by rounding.
    constexpr void end_of_round(const ack_info& a) noexcept
    {
        if (saw_mark_) {
            judge_queue(a.min_rtt);
        }
        if (saw_mark_ && delivered_ > 0) {
            const std::int64_t share = std::min(mul_div(marked_, scale, delivered_), scale);
            alpha_ = std::min(alpha_ - (alpha_ >> config_.gain_shift) + share, scale << config_.gain_shift);
        }
        delivered_ = marked_ = 0;
        round_end_ = a.nxt;
        round_at_ = a.now;
    }

    // A segment for each window, times the square of srtt / virtual_rtt. RFC9331-4.3e, 4.3f
    constexpr void avoid_congestion(octet_count fresh, octet_count smss) noexcept
    {
        std::int64_t factor = scale;
        if (srtt_ > duration::zero() && srtt_ < config_.reference_rtt) {
            const std::int64_t ratio = mul_div(srtt_.ns, scale, config_.reference_rtt.ns);
            factor = std::max<std::int64_t>(mul_div(ratio, ratio, scale), 1);
        }
        carry_ += mul_div(fresh * smss, factor, cwnd_);
        cwnd_ += carry_ >> share_bits;
        carry_ &= scale - 1;
    }

    octet_count cwnd_ = 536;  // one default segment until the connection says more
    octet_count ssthresh_ = no_threshold;
    octet_count smss_ = 536;
    std::int64_t alpha_ = 0;      // share / gain
    std::int64_t carry_ = 0;      // of growth, below one octet, in units of 2^-20
    octet_count delivered_ = 0;   // in this round
    octet_count marked_ = 0;      // of these
    stream_offset round_end_{};   // snd.nxt when it began
    time_point round_at_{};
    time_point reduced_at_{};
    duration srtt_{};
    std::int64_t slow_rtt_ = 0;   // ns; 0: no sample yet
    std::int64_t deviation_ = 0;  // of the round trip from it, ns
    std::int32_t score_ = 0;
    bool saw_mark_ = false;
    config config_{};
};

static_assert(congestion_controller<prague> && paces<prague> && sets_send_quantum<prague> && chooses_ect<prague>);
static_assert(told_of_timeouts<prague> && told_of_spurious<prague> && told_of_idle_restart<prague>);
static_assert(std::is_trivially_copyable_v<prague> && sizeof(prague) <= 160);

}  // namespace tcpco::congestion
