// The sending side: which segment leaves next (RFC 9293 3.7.4, 3.8.6.2.1; RFC 5681; RFC 6928), and what becomes true
// once it has left.
//
// next_segment() only looks: the device may refuse the frame. commit_segment() changes snd.nxt, the scoreboard and the
// timers, for exactly what the device took.
#pragma once

#include <algorithm>

#include "tcpco/tcp/acknowledgement.hpp"
#include "tcpco/tcp/opening.hpp"
#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/urgent.hpp"

namespace tcpco {

namespace detail {

// cwnd, or what the recovery rate makes of it during fast recovery.
template <class B>
octet_count congestion_window(const sender_active<B>& s)
{
    if constexpr (!regulates_recovery_v<typename B::congestion>) {
        if (s.recovery.in_recovery()) {
            return s.recovery_rate.cwnd();
        }
    }
    return s.congestion.cwnd();
}

// cwnd counts octets, but the packets in flight are bounded too: with small segments, no more than twice as many as a
// cwnd of full-sized ones has, and 10 at the least (else a cwnd of 14600 octets became 14600 frames of one octet).
template <class B>
bool packets_are_bounded(const connection<B>& c, const sender_active<B>& s)
{
    const octet_count full = congestion_window(s) / c.smss;
    return s.board.segments_in_flight() < static_cast<std::uint64_t>(2 * std::max<octet_count>(full, 10));
}

// Payload that fits one wire segment beside these options (MUST-16).
// RFC6691-2b, RFC1191-6.4a, SHLD-28
template <class B>
octet_count segment_room(const connection<B>& c, const leaving_segment& out, const step<B>& st)
{
    const octet_count path = path_mtu_of(c, st.host) - fixed_headers(c.remote.address);
    const auto options = static_cast<octet_count>(encoded_size(out.options));
    return std::max<octet_count>(1, std::min<octet_count>(c.peer_mss, path) - options);
}

// Octets that may follow one another without a pause.
template <class B>
octet_count send_quantum(const connection<B>& c, const sender_active<B>& s)
{
    octet_count quantum = 0;
    if constexpr (sets_send_quantum<typename B::congestion>) {
        quantum = s.congestion.send_quantum();  // 0: the mechanism's default
    }
    if constexpr (paces<typename B::congestion>) {
        if (quantum == 0 && s.congestion.pacing_rate() != 0) {
            quantum = pacer::default_quantum(s.congestion.pacing_rate(), c.smss);
        }
    }
    return quantum == 0 ? 65'536 : quantum;
}

// How many octets one frame may carry: a segment, or a super-frame of whole segments where the device cuts it up.
template <class B>
octet_count frame_room(const connection<B>& c, const sender_active<B>& s, octet_count segment, const step<B>& st)
{
    const octet_count largest = sends_urgent(c) ? 0 : std::min(st.host.tso_max, send_quantum(c, s));
    return std::max(segment, largest / segment * segment);
}

// Sets the range that leaves, and what follows from it. `last` is one past its last position; SYN and FIN count.
// SHLD-27, MUST-60
template <class B>
void set_range(leaving_segment& out, const connection<B>& c, stream_offset first, stream_offset last,
               octet_count segment)
{
    out.seq = first;
    out.syn = first == stream_offset{0};
    const stream_offset text_end = std::min(last, c.fin_at());
    out.octets = std::max<octet_count>(0, text_end - (first + (out.syn ? 1 : 0)));
    out.fin = !out.syn && c.fin_queued && last > c.fin_at();
    out.fresh = last > c.snd.nxt;
    out.psh = out.octets > 0 && text_end == c.fin_at();  // MUST-61: the last of what is buffered
    out.wire_segments = static_cast<std::uint16_t>(std::max<octet_count>(1, (out.octets + segment - 1) / segment));
    out.gso_size = static_cast<std::uint16_t>(out.wire_segments > 1 ? segment : 0);
}

// Nagle and sender silly-window avoidance (RFC 9293 3.7.4, 3.8.6.2.1, MUST-38): a segment shorter than it could be.
template <class B>
bool may_send_small(connection<B>& c, octet_count octets, octet_count available, octet_count window_room, step<B>& st)
{
    if (octets < available) {
        // The window cuts it, not the application: worth it only from half the largest window on, or by the timer.
        c.blocked_small = octets < octet_count{c.snd.max_wnd} / 2;
        return !c.blocked_small;
    }
    static_cast<void>(window_room);
    return st.host.gate.may_send({.octets = octets,
                                  .smss = c.smss,
                                  .unacknowledged = c.snd.nxt - std::max(c.snd.una, stream_offset{1}),
                                  .last_small_unacknowledged = c.snd.limited_until > c.snd.una,
                                  .no_delay = c.no_delay || c.snd.up > c.snd.nxt,  // what is urgent does not wait
                                  .corked = c.corked && c.snd.up <= c.snd.nxt,
                                  .fin_follows = c.fin_queued});
}

// Octets (or SYN, or FIN) that were never sent. `room`: what cwnd leaves.
// SHLD-15, MUST-34, RFC7323-2.4c, SHLD-28, RFC9293-3.10.2b, 3.10.4c
template <class B>
bool choose_new(leaving_segment& out, connection<B>& c, sender_active<B>& s, octet_count room, bool ignore_cwnd,
                step<B>& st)
{
    const octet_count available = c.sendable_end() - c.snd.nxt;
    if (available <= 0) {
        c.cwnd_limited = false;
        return false;
    }
    const octet_count segment = segment_room(c, out, st);
    const bool is_syn = c.snd.nxt == stream_offset{0};
    const octet_count window_room = is_syn ? 1 : c.send_right_edge() - c.snd.nxt;
    if (window_room <= 0) {
        c.cwnd_limited = false;
        return false;
    }
    octet_count octets = std::min({available, window_room, frame_room(c, s, segment, st)});
    if (!ignore_cwnd) {
        const octet_count whole =
            octets > segment ? std::min(octets, std::max(segment, room / segment * segment)) : octets;
        if ((room < whole && s.board.in_flight() > 0) || !packets_are_bounded(c, s)) {
            c.cwnd_limited = true;
            return false;
        }
        octets = whole;
    }
    // A FIN needs no room of its own beside a full segment: it takes a position, not an octet.
    const bool fin_fits = c.fin_queued && octets == segment && available == segment + 1 && window_room > segment;
    const stream_offset last = c.snd.nxt + octets + (fin_fits ? 1 : 0) + (is_syn ? syn_text(out, c, st) : 0);
    const bool bare_fin = c.fin_queued && c.snd.nxt == c.fin_at();
    if (!is_syn && !bare_fin && octets < segment && !may_send_small(c, octets, available, window_room, st)) {
        c.cwnd_limited = false;
        return false;
    }
    if (!s.board.may_transmit_new()) {
        st.drop(drop_reason::no_buffer);
        return false;
    }
    c.blocked_small = false;
    out.kind = segment_kind::new_data;
    set_range(out, c, c.snd.nxt, last, segment);
    return true;
}

// SHLD-17, RFC2018-5d, RFC9293-3.10.8b
template <class B>
bool choose_retransmission(leaving_segment& out, connection<B>& c, sender_active<B>& s, const send_decision& decision,
                           octet_count room, step<B>& st)
{
    octet_count segment = segment_room(c, out, st);
    if (decision.range.octets() > segment && (out.options.sack_count > 0 || out.options.user_timeout != 0)) {
        out.options.user_timeout = 0;
        out.options.sack_count = 0;  // else what once was one segment would leave as two; the next ACK has the blocks
        segment = segment_room(c, out, st);
    }
    const stream_offset first = decision.range.first;
    if (c.snd.una == stream_offset{0} && first > c.snd.una) {
        return false;  // until the SYN is acknowledged it alone is repeated (RFC7413-4.2.2b, 4.2.2f)
    }
    // SHLD-16: inside the window even if it shrank. A closed one is the persist timer's matter.
    const octet_count window_room = first == stream_offset{0} ? 1 : c.send_right_edge() - first;
    const octet_count octets = std::min({decision.range.octets(), window_room, frame_room(c, s, segment, st)});
    if (octets <= 0) {
        return false;
    }
    if (!decision.ignore_window && room < std::min(octets, segment) && s.board.in_flight() > 0) {
        c.cwnd_limited = true;
        return false;
    }
    out.kind = segment_kind::retransmission;
    set_range(out, c, first, first + octets, segment);
    return true;
}

// RFC 8985 7.3: new data if there is some and the window allows, else the last segment once more.
template <class B>
bool choose_loss_probe(leaving_segment& out, connection<B>& c, sender_active<B>& s, const send_decision& decision,
                       step<B>& st)
{
    if (decision.range.octets() == 0 && choose_new(out, c, s, 0, true, st)) {
        out.kind = segment_kind::loss_probe;
        return true;
    }
    const octet_count segment = segment_room(c, out, st);
    if (c.snd.una == stream_offset{0}) {
        out.kind = segment_kind::loss_probe;
        set_range(out, c, c.snd.una, c.snd.una + 1, segment);
        return true;
    }
    const stream_offset last = decision.range.octets() > 0 ? decision.range.last : c.snd.nxt;
    const stream_offset first = std::max({decision.range.first, last - segment, c.snd.una});
    if (first >= last) {
        return false;
    }
    out.kind = segment_kind::loss_probe;
    set_range(out, c, first, last, segment);
    return true;
}

// The persist timer fired (RFC 9293 3.8.6.1): one octet, or what silly-window avoidance held back.
template <class B>
bool choose_window_probe(leaving_segment& out, connection<B>& c, sender_active<B>& s, step<B>& st)
{
    const octet_count segment = segment_room(c, out, st);
    out.kind = segment_kind::window_probe;
    if (s.board.flight_size() > 0) {
        set_range(out, c, c.snd.una, c.snd.una + 1, segment);
        return true;
    }
    const octet_count available = c.sendable_end() - c.snd.nxt;
    if (available <= 0 || !s.board.may_transmit_new()) {
        return false;
    }
    const octet_count room = std::clamp<octet_count>(c.send_right_edge() - c.snd.nxt, 1, segment);
    set_range(out, c, c.snd.nxt, c.snd.nxt + std::min(available, room), segment);
    return true;
}

// Pacing: false, and a time to come back, when the last burst has not been paid for.
template <class B>
bool pacing_allows(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    c.pacing_at = time_point::never();
    if constexpr (paces<typename B::congestion>) {
        if (s.congestion.pacing_rate() != 0 && !s.pace.may_send(st.now)) {
            c.pacing_at = s.pace.next_send_at();
            return false;
        }
    }
    static_cast<void>(s);
    static_cast<void>(st);
    return true;
}

template <class B>
bool choose_data(leaving_segment& out, connection<B>& c, sender_active<B>& s, step<B>& st)
{
    if (c.probe_owed) {
        return choose_window_probe(out, c, s, st);
    }
    const octet_count room = congestion_window(s) - s.board.in_flight();
    const send_decision decision = s.recovery.next(s.board, room);
    if (decision.action != send_action::nothing && !decision.ignore_window && !pacing_allows(c, s, st)) {
        return false;
    }
    switch (decision.action) {
    case send_action::nothing: return false;
    case send_action::retransmit: return choose_retransmission(out, c, s, decision, room, st);
    case send_action::probe: return choose_loss_probe(out, c, s, decision, st);
    case send_action::new_data: break;
    }
    if (choose_new(out, c, s, room, decision.ignore_window, st)) {
        return true;
    }
    if constexpr (decides_without_data<typename B::recovery, scoreboard>) {
        // Nothing new can leave; the policy may know old octets that are worth sending (RFC 6675 NextSeg rules 3 and
        // 4).
        const send_decision fallback = s.recovery.without_data(s.board, room);
        return fallback.action == send_action::retransmit && choose_retransmission(out, c, s, fallback, room, st);
    }
    return false;
}

// RFC 5681 4.1: after an idle RTO the window says nothing about the path any more.
template <class B>
void restart_after_idle(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    if constexpr (told_of_idle_restart<typename B::congestion>) {
        if (s.board.flight_size() == 0 && is_synchronized(c.state) && c.last_sent_at != time_point{} &&
            st.now - c.last_sent_at > c.rto.rto()) {
            s.congestion.on_idle_restart(st.now, initial_window(c, st));
        }
    }
}

// The options and the window of every segment; what of the peer is acknowledged is rcv.nxt.
template <class B>
void fill_header(leaving_segment& out, connection<B>& c, step<B>& st)
{
    const bool syn_next =
        c.snd.una == stream_offset{0};  // whatever the state: a close may come before the SYN is acknowledged
    out.syn = syn_next;
    out.ack = c.state != tcp_state::syn_sent;
    fill_options(out, c, st);
    if (syn_next) {
        fill_syn_options(out, c, st);
    }
}

}  // namespace detail

// What this connection would send now, if anything. Call commit_segment() with it if it was sent.
// RFC7323-3.2b, 3.2g
template <class B>
bool next_segment(leaving_segment& out, connection<B>& c, step<B>& st)
{
    if (c.read_since_ack) {
        consider_window_update(c, st);
    }
    out = leaving_segment{};
    detail::fill_header(out, c, st);
    const bool sends = c.state != tcp_state::closed && c.state != tcp_state::listen && c.state != tcp_state::time_wait;
    bool chosen = false;
    if (sends && (c.sender || c.sendable_end() > c.snd.nxt)) {
        if (sender_active<B>* s = open_sender(c, st)) {
            if (c.sendable_end() > c.snd.nxt) {
                detail::restart_after_idle(c, *s, st);
            }
            chosen = detail::choose_data(out, c, *s, st);
            if (!chosen && !c.cwnd_limited && c.sendable_end() == c.snd.nxt) {
                s->rate.mark_app_limited(s->board.in_flight());
            }
        }
    }
    if (chosen && !out.syn && out.options.has_mss) {
        out.options = {};  // text behind a SYN,ACK that is not acknowledged yet (RFC 7413)
        fill_options(out, c, st);
    }
    if (!chosen) {
        if (c.acks_owed == 0 || c.snd.nxt == stream_offset{0} || c.state == tcp_state::syn_sent) {
            return false;
        }
        out.syn = out.fin = out.psh = false;
        out.kind = segment_kind::pure_ack;
        out.seq = c.keep_probe_owed ? c.snd.nxt - 1 : c.acceptable_seq();
        if (out.options.has_mss) {
            out.options = {};
            fill_options(out, c, st);
        }
    }
    out.urgent = urgent_pointer_of(c, out);
    advertise_window(out, c, st);
    return true;
}

namespace detail {

template <class B>
void commit_ack(connection<B>& c, const leaving_segment& out)
{
    c.rcv.right_edge = out.right_edge;
    if (!out.ack) {
        return;
    }
    c.rcv.last_ack_sent = c.rcv.nxt;
    c.acks_owed = c.acks_owed == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(c.acks_owed - 1);
    c.ack_at = time_point::never();
    c.keep_probe_owed = false;
    c.uto_owed = c.uto_owed && (out.syn || out.options.user_timeout == 0);
    c.dsack = {};
    c.ack_policy.on_ack_sent();
}

template <class B>
void tell_policies_of_transmission(connection<B>& c, sender_active<B>& s, const leaving_segment& out,
                                   octet_count in_flight_before, duration idle_for, step<B>& st)
{
    if (const auto i = s.board.find(out.seq); i != scoreboard::npos) {
        s.recovery.on_transmit(s.board[i], timing_of(c, s, st.now));
    }
    s.recovery_rate.on_transmit(out.length());
    if constexpr (told_of_packets_sent<typename B::congestion>) {
        s.congestion.on_packet_sent({.now = st.now,
                                     .octets = out.length(),
                                     .segments = out.wire_segments,
                                     .in_flight_before = in_flight_before,
                                     .retransmission = !out.fresh,
                                     .probe = out.kind == segment_kind::loss_probe,
                                     .idle_for = idle_for});
    }
    if constexpr (paces<typename B::congestion>) {
        s.pace.on_sent(out.length(), st.now, s.congestion.pacing_rate(), send_quantum(c, s));
    }
}

template <class B>
void commit_octets(connection<B>& c, const leaving_segment& out, step<B>& st)
{
    sender_active<B>& s = *st.sender(c);
    const octet_count in_flight_before = s.board.in_flight();
    const bool was_idle = s.board.flight_size() == 0;
    const duration idle_for = was_idle && c.last_sent_at != time_point{} ? st.now - c.last_sent_at : duration{};
    const delivery_stamp stamp = s.rate.on_send(st.now, out.length(), in_flight_before, was_idle);
    st.host.counters.fast_open_sent += out.syn && out.octets > 0 ? 1U : 0U;
    if (out.fresh && out.seq == c.snd.nxt) {
        s.board.on_transmit_new(out.seq, out.end(), st.now, out.wire_segments, stamp);
        c.snd.nxt = out.end();
        if (out.octets > 0 && out.octets < c.smss) {
            c.snd.limited_until = out.end();
        }
    } else {
        s.board.on_retransmit(out.seq, std::min(out.end(), c.snd.nxt), st.now, stamp, out.wire_segments);
        c.stats.retransmissions += out.wire_segments;
        st.host.counters.retransmissions += out.wire_segments;
        c.syn_retransmitted = c.syn_retransmitted || out.syn;
    }
    if (was_idle) {
        c.timer_base = st.now;  // RFC 6298 5.1
        c.progress_at = st.now;
        c.unanswered = 0;
    }
    if (c.life == life_timer::quiet || c.life == life_timer::keep_alive) {
        c.life = life_timer::none;
        c.life_at = time_point::never();
    }
    c.probe_owed = false;
    c.last_sent_at = st.now;
    c.stats.octets_sent += static_cast<std::uint64_t>(out.octets);
    tell_policies_of_transmission(c, s, out, in_flight_before, idle_for, st);
    if (out.octets > 0) {
        c.ack_policy.on_data_sent();
    }
}

}  // namespace detail

// `out`, as next_segment() gave it, was sent at st.now.
template <class B>
void commit_segment(connection<B>& c, const leaving_segment& out, step<B>& st)
{
    c.stats.segments_sent += out.wire_segments;
    st.host.counters.segments_sent += out.wire_segments;
    detail::commit_ack(c, out);
    if (out.length() > 0) {
        detail::commit_octets(c, out, st);
        rearm_timer(c, st);
    }
    observe(st.host.observer, event::segment_sent{.connection = key_of(c),
                                                  .at = st.now,
                                                  .first = out.seq,
                                                  .octets = out.octets,
                                                  .wire_segments = out.wire_segments,
                                                  .window = static_cast<std::uint32_t>(out.right_edge - c.rcv.nxt),
                                                  .flags = flags_of(out),
                                                  .retransmission = out.kind == segment_kind::retransmission,
                                                  .probe = out.kind == segment_kind::loss_probe});
}

}  // namespace tcpco
