// Explicit congestion notification (RFC 3168, SHLD-8): routers mark packets in place of dropping them, the receiver
// echoes the mark (ECE) until the sender says that it has slowed down (CWR).
//
// Negotiated on the SYNs, together with accurate feedback (RFC 9768): three flags on a SYN that an older peer takes for
// RFC 3168's two. A middlebox that drops SYNs with these flags costs one timeout, or two where accurate feedback was
// asked for: a SYN repeated after that is without (RFC3168-6.1.1.1a, RFC9768-3.1.4.1a, 3.1.4.1b); one that clears or
// mirrors them costs nothing. Of one that drops data for what says that it may be marked, ect_black_hole.hpp. Left out:
// ECN on SYN,ACKs (RFC 5562), the nonce.
#pragma once

#include <cstdint>

#include "tcpco/tcp/accurate_feedback.hpp"
#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/ect_black_hole.hpp"

namespace tcpco {

namespace detail {

constexpr std::uint16_t ecn_flags = tcp_flag::ece | tcp_flag::cwr;
constexpr std::uint16_t accurate_flags = ecn_flags | tcp_flag::ae;

// The kinds of feedback.
enum class ecn_mode : std::uint8_t { none, classic, accurate };

// What a SYN asks for, as far as this host would grant it. Combinations that nobody has defined yet ask for what is
// newest.
// RFC9768-3.1.1b, 3.1.2b, 3.1.3a, RFC3168-6.1.1a, 6.1.1g
constexpr ecn_mode mode_of_syn(std::uint16_t flags, ecn_use use) noexcept
{
    const unsigned set = flags & accurate_flags;
    if (!is_accurate(use)) {
        return use != ecn_use::off && (set & ecn_flags) == ecn_flags ? ecn_mode::classic : ecn_mode::none;
    }
    return set == 0 ? ecn_mode::none : set == ecn_flags ? ecn_mode::classic : ecn_mode::accurate;
}

// What a SYN,ACK grants, when our SYN has asked for what `use` says. None, where all flags come back: a host that
// mirrors what it does not know.
// RFC9768-3.1.1c, 3.1.2a, 3.1.2c, 3.1.3b, RFC3168-6.1.1a, 6.1.1c, 6.1.1g
constexpr ecn_mode mode_of_syn_ack(std::uint16_t flags, ecn_use use) noexcept
{
    const unsigned ace = ace_of(flags);
    if (is_accurate(use) && ace != 7 && ace >= 2) {
        return ecn_mode::accurate;
    }
    const bool classic = is_accurate(use) ? ace == 1 : (flags & ecn_flags) == tcp_flag::ece;
    return classic ? ecn_mode::classic : ecn_mode::none;
}

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

// What the peer's SYN or SYN,ACK says. In simultaneous open each end has asked, and the SYN,ACKs agree; with accurate
// feedback the SYNs alone decide.
// RFC3168-6.1.1a, 6.1.1b, 6.1.1c, 6.1.1g, RFC9768-3.1.2d
template <class B>
void negotiate_ecn(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    const ecn_use use = st.host.settings.ecn;
    const detail::ecn_mode mode = !seg.acks()   ? detail::mode_of_syn(seg.header.flags, use)
                                  : c.ecn_asked ? detail::mode_of_syn_ack(seg.header.flags, use)
                                                : detail::ecn_mode::none;
    c.ecn = mode == detail::ecn_mode::classic;
    if (seg.acks() && c.ecn_asked && c.ecn_plain_syn && mode == detail::ecn_mode::none) {
        st.host.ecn_refused.learn(c.remote.address, st.now);  // RFC9768-3.1.4.1c
    }
    if (mode == detail::ecn_mode::accurate) {
        begin_accurate(c, seg, st);
    }
}

// The peer's SYN came again, before it was known to have our SYN,ACK. The kind of feedback stays. False: it asks for
// another kind now, and nobody could tell any more what both ends speak.
// RFC9768-3.1.5a, 3.1.5c, 3.1.5e, 3.1.5i, 3.1.5j, 3.1.5m, RFC3168-6.1.1c
template <class B>
bool agrees_again(connection<B>& c, const arriving_segment& seg, step<B>& st) noexcept
{
    const detail::ecn_mode asks = detail::mode_of_syn(seg.header.flags, st.host.settings.ecn);
    if (accurate_ecn* e = st.accurate(c)) {
        e->handshake = seg.ecn;
        e->no_ect = e->no_ect || asks == detail::ecn_mode::none;
        return asks != detail::ecn_mode::classic;
    }
    const bool agrees = !(c.ecn && asks == detail::ecn_mode::accurate);
    c.ecn = c.ecn && asks == detail::ecn_mode::classic;  // a SYN that does not ask any more agrees to nothing
    return agrees;
}

// The flags of our own SYN or SYN,ACK. Whether a SYN has asked is known when it was sent: ecn_asked. A SYN,ACK that
// agrees to accurate feedback says how the SYN arrived; the second repetition goes without flags, in case that a
// middlebox drops them.
// RFC3168-6.1.1a, 6.1.1b, 6.1.1f, 6.1.1.1a
// RFC9768-3.1.1a, 3.1.1b, 3.1.3c, 3.1.3d, 3.1.4.1a, 3.1.4.1b, 3.1.5b, 3.1.5m, 3.1.5n, 3.2.3.2.2a
template <class B>
void offer_ecn(leaving_segment& out, const connection<B>& c, const step<B>& st) noexcept
{
    const tcp_settings& settings = st.host.settings;
    const bool first = c.snd.nxt == stream_offset{0};
    const bool once = c.rare->retransmissions == 0;  // the first one, or the first repetition
    const bool may_ask = !st.host.ecn_refused.holds(c.remote.address, st.now);
    const accurate_ecn* e = st.accurate(c);
    std::uint16_t flags = 0;
    if (out.ack) {
        flags = c.ecn ? tcp_flag::ece : std::uint16_t{0};
        if (e != nullptr && once) {
            flags = detail::flags_of_ace(detail::handshake_ace(e->handshake));
        }
    } else if (settings.ecn == ecn_use::request && first && may_ask) {
        flags = detail::ecn_flags;
    } else if (settings.ecn == ecn_use::request_accurate && once && may_ask) {
        flags = detail::accurate_flags;
    }
    out.ae = (flags & tcp_flag::ae) != 0;
    out.cwr = (flags & tcp_flag::cwr) != 0;
    out.ece = (flags & tcp_flag::ece) != 0;
}

// A segment inside the window. CWR comes first: a mark on the same segment begins anew.
// RFC3168-6.1.1e, 6.1.3a, 6.1.5b
template <class B>
void note_marks(connection<B>& c, arriving_segment& seg, step<B>& st) noexcept
{
    if (accurate_ecn* e = st.accurate(c)) {
        detail::count_marks(c, *e, seg);
    }
    if (!c.ecn) {
        return;
    }
    if (seg.has(tcp_flag::cwr)) {
        c.ecn_echo = false;
    }
    if (seg.ce && seg.payload.size > 0) {
        c.ecn_echo = c.ecn_unacked = true;
        count_rare(c.rare, &rare_state::marks_received, seg.info.wire_segments);
    }
}

// Who has also sent a SYN that did not ask may not send ECT, but has to echo marks all the same (RFC3168-6.1.1c,
// 6.1.1e). Nor does who knows that it does not get through.
template <class B>
bool may_send_ect(const connection<B>& c) noexcept
{
    return !(c.ecn_asked && c.ecn_plain_syn) && ect_passes(c);
}

// ECE on every segment with ACK until CWR came, and on the ACK of whatever was marked (RFC3168-6.1.3b, RFC8257-3.2a);
// ECT(0) on new data alone, and CWR on the first of it after a reduction.
// RFC3168-5a, 5.2a, 6.1.1h, 6.1.2e, 6.1.2f, 6.1.5a, 6.1.6a, RFC9768-3.1.5l
template <class B>
void mark_segment(leaving_segment& out, const connection<B>& c, const step<B>& st) noexcept
{
    if (const accurate_ecn* e = out.syn ? nullptr : st.accurate(c)) {
        mark_accurately(out, c, *e, st);
    }
    if (!c.ecn || out.syn) {
        return;
    }
    out.ece = out.ack && (detail::echoes_exactly_v<B> ? bool{c.ce_last} : c.ecn_echo || c.ecn_unacked);
    out.ect = out.kind == segment_kind::new_data && out.octets > 0 && may_send_ect(c);
    out.cwr = out.ect && c.cwr_owed;
}

// The ACK reports marks, which ask for a reduction: one in each window of data, whatever caused the last one.
// RFC3168-6.1.2a, 6.1.2b, RFC9768-3.1.5g
template <class B>
bool asks_to_slow_down(const connection<B>& c, const sender_active<B>& s, const ecn_info& told) noexcept
{
    return told.ece && c.snd.una > s.reduced_until && !s.recovery.in_recovery();
}

// The window was reduced, for whatever reason: the peer may stop its echo. That an initial or restart window was too
// large stays so even if this turns out to have been needless.
// RFC3168-5b, 6.1.1d, 6.1.2e
template <class B>
void note_reduction(connection<B>& c, sender_active<B>& s) noexcept
{
    s.reduced_until = c.snd.nxt;
    c.cwr_owed = c.ecn;
    c.burst_failed = c.burst_failed || c.snd.una < s.burst_end;
}

// A window of one segment cannot be halved. In its place the time between two segments grows: new data waits for as
// long as the retransmission timer takes, which begins anew. (Linux has no such rule; it goes on with a segment in each
// round trip.)
// RFC3168-6.1.2d
template <class B>
void hold_new_data(connection<B>& c, time_point now) noexcept
{
    c.timer_base = now;
    c.held_by_mark = true;
}

// What an ACK says of marks goes into `info`, and is answered (RFC 3168 6.1.2). `flight_size`: before the ACK.
template <class B>
void answer_echo(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, const ack_result& delivered,
                 octet_count flight_size, ack_info& info, step<B>& st)
{
    if (accurate_ecn* e = st.accurate(c)) {
        info.ecn = take_accurate_feedback(c, *e, seg, delivered, flight_size);
        if (info.ecn.ece) {
            s.before.reset();  // congestion there was: no undo (as keep_reduction_if_marked())
        }
    } else {
        info.ecn.ece = c.ecn && seg.has(tcp_flag::ece) && !seg.syn();
    }
    if (asks_to_slow_down(c, s, info.ecn)) {
        if (s.congestion.cwnd() <= c.smss && c.snd.una > stream_offset{1}) {  // before, there is no window yet
            hold_new_data(c, st.now);
        }
        s.congestion.on_congestion_event({.cause = congestion_cause::ecn_echo,
                                          .in_flight = flight_size,
                                          .smss = c.smss,
                                          .now = st.now,
                                          .accurate = info.ecn.accurate});
        note_reduction(c, s);
    }
}

}  // namespace tcpco
