// Proportional Rate Reduction (RFC 9937): what may be sent in recovery is in proportion to what was delivered, so that
// the pipe reaches ssthresh when the repair ends, neither by a silence of half a round trip nor by a burst.
//
// `ssthresh` is whatever the controller's decrease has made of it (RFC9937-5b). The mechanism calls on_enter for the
// ACK that began the episode, on_ack for each that follows, and on_transmit for whatever leaves. `in_flight` of on_ack
// is the scoreboard's pipe: without what is lost, with what of it was sent again (RFC9937-6.2c, 6.2d).
#pragma once

#include <algorithm>
#include <type_traits>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/concepts.hpp"

namespace tcpco::reduction {

class prr {
public:
    struct config {};

    constexpr prr() noexcept = default;
    constexpr explicit prr(const config&) noexcept {}

    // RFC 9937 section 6.1: RecoverFS is what the first window of recovery can deliver, this ACK included; it stays
    // constant. The ACK itself is answered as any other; a timer that began the episode delivered nothing.
    // RFC9937-6.1a, 6.1b
    constexpr void on_enter(const recovery_started& s) noexcept
    {
        delivered_ = out_ = 0;
        ssthresh_ = s.ssthresh;
        const octet_count by_this_ack = s.by_duplicates ? 0 : s.newly_delivered;  // a duplicate's is still in flight
        recover_fs_ = std::max(s.in_flight - s.sacked + by_this_ack, octet_count{1});
        cwnd_ = s.pipe + s.smss;
        on_ack({.delivered = s.newly_delivered, .newly_lost = s.smss, .in_flight = s.pipe, .smss = s.smss});
    }

    // RFC 9937 section 6.2, of which RFC9937-6.2a, 6.2h and 6.2i. Without SACK no more can have been delivered than
    // there was to be delivered (RFC9937-6.2b).
    constexpr void on_ack(recovery_progress g) noexcept
    {
        if (g.by_duplicates) {
            g.delivered = std::min(g.delivered, recover_fs_ - delivered_);
        }
        if (g.delivered <= 0) {
            return;
        }
        delivered_ += g.delivered;
        octet_count send = g.in_flight > ssthresh_ ? proportional() : bounded(g);
        if (out_ == 0 && send <= 0) {
            send = g.smss;  // recovery always begins with one retransmission
        }
        cwnd_ = g.in_flight + std::max<octet_count>(send, 0);
    }

    constexpr void on_transmit(octet_count octets) noexcept { out_ += octets; }  // prr_out, RFC9937-6.3a
    constexpr octet_count cwnd() const noexcept { return cwnd_; }
    // RecoverFS, as long as it lasts: no more than that can duplicate ACKs stand for (RFC9937-6.2e).
    constexpr octet_count most_duplicated() const noexcept { return recover_fs_; }

private:
    // RFC9937-6.2f
    constexpr octet_count proportional() const noexcept
    {
        return mul_div_up(delivered_, ssthresh_, recover_fs_) - out_;
    }

    // The pipe fell below ssthresh because of heavy loss: conserve packets, and grow by slow start only on a "safe"
    // ACK, one that advanced and brought no news of loss (RFC9937-6.2g).
    constexpr octet_count bounded(const recovery_progress& g) const noexcept
    {
        octet_count send = std::max(delivered_ - out_, g.delivered);
        if (g.una_advanced && g.newly_lost == 0) {
            send += g.smss;
        }
        return std::min(send, ssthresh_ - g.in_flight);
    }

    octet_count delivered_ = 0;  // prr_delivered
    octet_count out_ = 0;        // prr_out
    octet_count recover_fs_ = 1;
    octet_count ssthresh_ = 0;
    octet_count cwnd_ = 0;
};

static_assert(recovery_rate<prr> && std::is_trivially_copyable_v<prr> && sizeof(prr) == 40);

}  // namespace tcpco::reduction
