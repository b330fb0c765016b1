// Bounds that all congestion controllers share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tcpco/policy/events.hpp"

namespace tcpco::congestion {

// ssthresh before any loss: arbitrarily high (RFC5681-3.1f).
inline constexpr octet_count no_threshold = std::numeric_limits<octet_count>::max();

// No window is of use beyond the largest that a peer can offer, 65,535 << 14 octets (RFC 7323 section 2.2). Controllers
// stop growing at four times that, so that products of windows stay far from overflow.
inline constexpr octet_count largest_cwnd = octet_count{1} << 32;

// What one ACK can acknowledge: one offered window.
inline constexpr octet_count largest_ack = octet_count{1} << 30;

// The initial ssthresh of a controller that may take over in mid-life.
constexpr octet_count inherited_ssthresh(const connection_established& e) noexcept
{
    return e.prior_ssthresh > 0 ? e.prior_ssthresh : no_threshold;
}

// Likewise the window; never below one segment.
constexpr octet_count inherited_cwnd(const connection_established& e) noexcept
{
    const octet_count window = e.prior_cwnd > 0 ? e.prior_cwnd : e.initial_window;
    return window > e.smss ? window : e.smss;
}

// What a reduction starts from: FlightSize (RFC 5681 equation 4), and the window where that is less, as Linux takes it.
// FlightSize counts what was SACKed, too: where one recovery follows the other, or a retransmission was lost, up to
// twice the window is outstanding, and half of that would be no reduction at all (RFC5681-3.1g, 4.3d). The equation
// bounds ssthresh from above; a window that was not used is still no base.
//
// A timeout likewise: it mostly is the loss of a retransmission, and FlightSize has not shrunk since the recovery
// began, however much of it was SACKed. Half of it would be the window that this recovery has left, and RFC 5681
// section 4.3 wants that lowered twice. RFC 6675 section 5.1 leaves the window to RFC 5681; RFC 9937 takes off what was
// SACKed only for its pace (RecoverFS). Linux starts from the window (tcp_enter_loss), too.
template <class Event>
constexpr octet_count reduced_from(const Event& e, octet_count cwnd) noexcept
{
    return cwnd < e.in_flight ? cwnd : e.in_flight;
}

// What an ACK adds to the window in slow start: the octets that it newly acknowledges, so that ACKs cut into pieces win
// nothing, up to the limit L of RFC 3465. That is one segment; two where `segments` says so, and no more (Linux has no
// limit here), until a first loss has set ssthresh: in a slow start after that, ACKs may be of what left long before.
// RFC3465-2.2a, 2.3a, 2.3b, 2.3c, 2.3d, 3.2a
constexpr octet_count slow_start_growth(octet_count acked, std::uint32_t segments, octet_count ssthresh,
                                        octet_count smss) noexcept
{
    const std::uint32_t limit = std::min(segments, ssthresh == no_threshold ? 2U : 1U);
    return std::min(acked, static_cast<octet_count>(limit) * smss);
}

// The window after the segment size changed: the same number of segments when it shrank (RFC 5681 section 3.1), else
// the same octets; never below one segment. RFC5681-3.1e
constexpr octet_count rescaled_cwnd(octet_count cwnd, octet_count old_smss, octet_count smss) noexcept
{
    const octet_count scaled = smss < old_smss && cwnd < largest_cwnd ? cwnd * smss / old_smss : cwnd;
    return scaled > smss ? scaled : smss;
}

}  // namespace tcpco::congestion
