// DCTCP (RFC 8257): the window shrinks by half of the share of octets that were marked, so that short queues suffice.
//
// For data centres alone, whose switches mark at a shallow threshold; beside ordinary flows on the public Internet it
// takes more than its share (section 6). So no bundle has it unless it is named there (RFC8257-1a).
//
// Growth, loss and timeouts are Reno's. What is here is the estimate alpha and the reduction; that marks are echoed one
// by one, and acknowledged at once where they change, is for the connection to do (section 3.2).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/policy/congestion/reno.hpp"

namespace tcpco::congestion {

class dctcp {
public:
    static constexpr const char* name = "dctcp";  // Linux's word for it

    static constexpr bool wants_exact_ecn_echo = true;  // RFC8257-3.2a

    struct config {
        reno::config base{};
        std::uint32_t gain_shift = 4;  // g = 1/16 (section 4.2)
    };

    // alpha in units of 2^-20: exact enough that it can become zero, and small enough for products (RFC8257-4.2a).
    static constexpr std::int64_t scale = std::int64_t{1} << 20;

    constexpr dctcp() noexcept = default;
    constexpr explicit dctcp(const config& c) noexcept : base_{c.base}, config_{c} {}

    constexpr void on_connection_established(const connection_established& e) noexcept
    {
        base_.on_connection_established(e);
        alpha_ = scale;  // the first mark halves the window, as if it were a loss
        acked_ = marked_ = 0;
        window_end_ = {};
    }

    // RFC8257-3.3a, 3.3b. Marks are counted where the connection counts them (AccECN), else by the echo of the ACK.
    constexpr void on_ack(const ack_info& a) noexcept
    {
        const octet_count acked = std::clamp(a.acked, octet_count{0}, largest_ack);
        const octet_count counted = std::clamp(a.ecn.ce_octets, octet_count{0}, largest_ack);
        acked_ += acked;
        marked_ += a.ecn.ce_octets > 0 ? counted : a.ecn.ece ? acked : 0;
        if (a.una > window_end_) {
            end_of_window(a.nxt);
        }
        base_.on_ack(a);
    }

    // RFC8257-3.3c: for a mark cwnd * (1 - alpha / 2). RFC8257-3.5a: a loss is a loss.
    constexpr void on_congestion_event(const congestion_event& e) noexcept
    {
        if (e.cause != congestion_cause::ecn_echo) {
            base_.on_congestion_event(e);
            return;
        }
        const octet_count before = base_.cwnd();
        const octet_count after = std::max(before - mul_div(before, alpha_, 2 * scale), 2 * e.smss);
        base_.on_connection_established({.now = e.now,
                                         .smss = e.smss,
                                         .prior_cwnd = std::min(before, after),
                                         .prior_ssthresh = after});
    }

    constexpr void on_retransmission_timeout(const retransmission_timeout& e) noexcept
    {
        base_.on_retransmission_timeout(e);
        acked_ = marked_ = 0;  // what was marked before says nothing about the window that begins anew
    }
    constexpr void on_spurious(spurious_cause cause, const dctcp& prior) noexcept
    {
        base_.on_spurious(cause, prior.base_);
    }
    constexpr void on_idle_restart(time_point now, octet_count restart_window) noexcept
    {
        base_.on_idle_restart(now, restart_window);
    }
    constexpr void on_smss_change(octet_count old_smss, octet_count smss) noexcept
    {
        base_.on_smss_change(old_smss, smss);
    }

    constexpr octet_count cwnd() const noexcept { return base_.cwnd(); }
    constexpr octet_count ssthresh() const noexcept { return base_.ssthresh(); }
    // The share of octets marked, 0 to `scale`: for tests and observers.
    constexpr std::int64_t alpha() const noexcept { return alpha_; }

private:
    // alpha = alpha * (1 - g) + g * M. The decrease is rounded up: else alpha would never come to zero.
    constexpr void end_of_window(stream_offset end) noexcept
    {
        if (acked_ > 0) {
            const std::int64_t share = std::min(mul_div(marked_, scale, acked_), scale);
            const std::int64_t divisor = std::int64_t{1} << std::min(config_.gain_shift, 20u);
            alpha_ = std::clamp(alpha_ - (alpha_ + divisor - 1) / divisor + share / divisor, std::int64_t{0}, scale);
        }
        acked_ = marked_ = 0;
        window_end_ = end;
    }

    reno base_{};
    config config_{};
    std::int64_t alpha_ = scale;
    octet_count acked_ = 0;   // in this window
    octet_count marked_ = 0;  // of these, with an echo of a mark
    stream_offset window_end_{};
};

static_assert(congestion_controller<dctcp> && told_of_timeouts<dctcp> && told_of_spurious<dctcp>);
static_assert(std::is_trivially_copyable_v<dctcp> && sizeof(dctcp) <= 88);

}  // namespace tcpco::congestion
