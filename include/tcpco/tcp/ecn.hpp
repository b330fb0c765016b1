// Explicit congestion notification (RFC 3168): routers mark packets in place of dropping them, the receiver echoes the
// mark (ECE) until the sender says that it has slowed down (CWR).
//
// Negotiated on the SYNs. A middlebox that drops SYNs with these flags costs one timeout: a repeated SYN is without
// (RFC3168-6.1.1.1a), one that clears or mirrors them costs nothing. Left out: AccECN (RFC 9768), ECN on SYN,ACKs (RFC
// 5562), the nonce.
#pragma once

#include <cstdint>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

namespace detail {

constexpr std::uint16_t ecn_flags = tcp_flag::ece | tcp_flag::cwr;

// Whether marks are echoed one by one, as DCTCP wants it (RFC8257-3.2a), instead of until CWR comes.
template <class B>
constexpr bool echoes_exactly_v = [] {
    if constexpr (requires { B::congestion::wants_exact_ecn_echo; }) {
        return static_cast<bool>(B::congestion::wants_exact_ecn_echo);
    } else {
        return false;
    }
}();

}  // namespace detail

// What the peer's SYN or SYN,ACK says. In simultaneous open each end has asked, and the SYN,ACKs agree.
// RFC3168-6.1.1a, 6.1.1b, 6.1.1c, 6.1.1g
template <class B>
void negotiate_ecn(connection<B>& c, const arriving_segment& seg, const tcp_settings& settings) noexcept
{
    const unsigned flags = seg.header.flags & detail::ecn_flags;
    if (seg.acks()) {
        c.ecn = c.ecn_asked && flags == tcp_flag::ece;
    } else {
        c.ecn = settings.ecn != ecn_use::off && flags == detail::ecn_flags;
    }
}

// The flags of our own SYN or SYN,ACK. Whether a SYN has asked is known when it was sent: ecn_asked.
// RFC3168-6.1.1a, 6.1.1b, 6.1.1f, 6.1.1.1a
template <class B>
void offer_ecn(leaving_segment& out, const connection<B>& c, const tcp_settings& settings) noexcept
{
    out.cwr = !out.ack && settings.ecn == ecn_use::request && c.snd.nxt == stream_offset{0};
    out.ece = out.ack ? bool{c.ecn} : out.cwr;
}

// A segment inside the window. CWR comes first: a mark on the same segment begins anew.
// RFC3168-6.1.1e, 6.1.3a, 6.1.5b
inline void note_marks(transmission_control_block& c, const arriving_segment& seg) noexcept
{
    if (!c.ecn) {
        return;
    }
    if (seg.has(tcp_flag::cwr)) {
        c.ecn_echo = false;
    }
    if (seg.ce && seg.payload.size > 0) {
        c.ecn_echo = c.ecn_unacked = true;
        c.stats.marks_received += seg.info.wire_segments;
    }
}

// Who has also sent a SYN that did not ask may not send ECT, but has to echo marks all the same (RFC3168-6.1.1c,
// 6.1.1e).
template <class B>
bool may_send_ect(const connection<B>& c) noexcept
{
    return !(c.ecn_asked && c.ecn_plain_syn);
}

// ECE on every segment with ACK until CWR came, and on the ACK of whatever was marked (RFC3168-6.1.3b, RFC8257-3.2a);
// ECT(0) on new data alone, and CWR on the first of it after a reduction.
// RFC3168-5a, 5.2a, 6.1.1h, 6.1.2e, 6.1.2f, 6.1.5a, 6.1.6a
template <class B>
void mark_segment(leaving_segment& out, const connection<B>& c) noexcept
{
    if (!c.ecn || out.syn) {
        return;
    }
    out.ece = out.ack && (detail::echoes_exactly_v<B> ? bool{c.ce_last} : c.ecn_echo || c.ecn_unacked);
    out.ect = out.kind == segment_kind::new_data && out.octets > 0 && may_send_ect(c);
    out.cwr = out.ect && c.cwr_owed;
}

// The ACK carries an echo that asks for a reduction: one in each window of data, whatever caused the last one.
// RFC3168-6.1.2a, 6.1.2b
template <class B>
bool asks_to_slow_down(const connection<B>& c, const sender_active<B>& s, const arriving_segment& seg) noexcept
{
    return c.ecn && seg.has(tcp_flag::ece) && !seg.syn() && c.snd.una > s.reduced_until && !s.recovery.in_recovery();
}

// The window was reduced, for whatever reason: the peer may stop its echo.
// RFC3168-5b, 6.1.1d, 6.1.2e
template <class B>
void note_reduction(connection<B>& c, sender_active<B>& s) noexcept
{
    s.reduced_until = c.snd.nxt;
    c.cwr_owed = c.ecn;
}

}  // namespace tcpco
