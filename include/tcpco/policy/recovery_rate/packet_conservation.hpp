// During recovery each delivered octet lets one octet go, until the pipe is down to ssthresh and the losses have
// drained.
//
// The principle on its own (RFC 9937 section 1 discusses it), as a yardstick for PRR: it never leaves the sender
// silent, but the reduction comes only from the losses themselves, so a single loss is repaired at the full old rate
// and the window falls to ssthresh at once when recovery ends. RFC 5681 section 4.3 wants half the rate during repair:
// use PRR outside experiments.
#pragma once

#include <algorithm>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::reduction {

class packet_conservation {
public:
    struct config {};

    constexpr packet_conservation() noexcept = default;
    constexpr explicit packet_conservation(const config&) noexcept {}

    constexpr void on_enter(const recovery_started& s) noexcept
    {
        cwnd_ = s.smss;  // until the next ACK: the one forced retransmission
        credit_ = s.newly_delivered;
        ssthresh_ = s.ssthresh;
    }
    // Credit that was not used (the application was silent) is good up to ssthresh only: no burst above it. And where
    // the pipe is down to ssthresh, conservation is no reason to go beyond it again (RFC9937-6.2g).
    constexpr void on_ack(const recovery_progress& g) noexcept
    {
        credit_ += g.delivered;
        const octet_count conserved = g.in_flight + std::max<octet_count>(credit_, 0);
        const octet_count most = g.in_flight > ssthresh_ ? g.in_flight + g.delivered : ssthresh_;
        cwnd_ = std::max(std::min(conserved, most), g.smss);
    }
    constexpr void on_transmit(octet_count octets) noexcept { credit_ -= octets; }
    constexpr octet_count cwnd() const noexcept { return cwnd_; }

private:
    octet_count cwnd_ = 0;
    octet_count credit_ = 0;  // delivered and not yet replaced
    octet_count ssthresh_ = 0;
};

static_assert(recovery_rate<packet_conservation> && std::is_trivially_copyable_v<packet_conservation>);

}  // namespace tcpco::reduction
