// The sending side: the segment that leaves next with its options and its window, and what becomes true once it has
// left (RFC 9293 3.7.4; RFC 5681). Which octets it carries is chosen in segment_choice.hpp.
//
// next_segment() only looks: the device may refuse the frame. commit_segment() changes snd.nxt, the scoreboard and the
// timers, for exactly what the device took.
#pragma once

#include <algorithm>

#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/segment_choice.hpp"
#include "tcpco/tcp/send_buffer.hpp"

namespace tcpco {

namespace detail {

// RFC 5681 4.1: after an idle RTO the window says nothing about the path any more. Idle since our last octets left: a
// request that has just come does not make it young (RFC5681-4.1b).
template <class B>
void restart_after_idle(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    if constexpr (told_of_idle_restart<typename B::congestion>) {
        const bool idle = s.board.flight_size() == 0 && is_synchronized(c.state) && c.last_sent_at != time_point{};
        if (st.host.settings.restart_after_idle && idle && st.now - c.last_sent_at > c.rto.rto()) {
            const octet_count window = restart_window(c, st);
            s.burst_end = c.snd.nxt + window;
            s.congestion.on_idle_restart(st.now, window);
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
        fill_accurate_option(out, c, st);
    }
}

// What stands between this connection and its next segment, when there is none to be sent.
template <class B>
send_limit limit_of(const connection<B>& c)
{
    const bool unsent = c.sendable_end() > c.snd.nxt;
    if (unsent && (c.blocked_small || c.send_right_edge() <= c.snd.nxt)) {
        return send_limit::receive_window;
    }
    if (unsent && (c.cwnd_limited || c.life == life_timer::pacing)) {
        return send_limit::congestion_window;
    }
    if (!unsent && c.snd.una == c.snd.nxt) {
        return send_limit::idle;
    }
    // All that the buffer holds is in flight, but for what Nagle keeps for a full segment.
    return has_writing_room(c) ? send_limit::none : send_limit::send_buffer;
}

}  // namespace detail

// What this connection would send now, if anything; `out` comes as it is made. Call commit_segment() with it if it was
// sent.
// RFC7323-3.2b, 3.2g
template <class B>
bool next_segment(leaving_segment& out, connection<B>& c, step<B>& st)
{
    if (c.read_since_ack) {
        consider_window_update(c, st);
    }
    detail::fill_header(out, c, st);
    bool chosen = false;
    if (transmits(c.state) && (c.sender || c.sendable_end() > c.snd.nxt) && !ack_goes_first(c, st)) {
        if (sender_active<B>* s = open_sender(c, st)) {
            if (c.sendable_end() > c.snd.nxt) {
                detail::restart_after_idle(c, *s, st);
            }
            chosen = detail::choose_data(out, c, *s, st);
            if (!chosen && !c.cwnd_limited && c.sendable_end() == c.snd.nxt) {
                s->rate.mark_app_limited(s->board.in_flight());
            }
            s->times.change(chosen ? send_limit::none : detail::limit_of(c), st.now);
        }
    }
    if (chosen && !out.syn && out.options.has_mss) {
        out = leaving_segment{.ack = out.ack};  // text behind a SYN,ACK that is not acknowledged yet (RFC 7413):
        fill_options(out, c, st);               // chosen once more, with the room that fewer options leave
        chosen = detail::choose_data(out, c, *st.sender(c), st);
    }
    if (!chosen) {
        if (c.acks_owed == 0 || c.snd.nxt == stream_offset{0} || c.state == tcp_state::syn_sent) {
            return false;
        }
        out.syn = out.fin = out.psh = out.ece = out.cwr = out.ae = false;
        out.kind = segment_kind::pure_ack;
        out.seq = c.keep_probe_owed ? c.snd.nxt - 1 : c.acceptable_seq();
        if (out.options.has_mss) {
            out.options = {};
            fill_options(out, c, st);
        }
    }
    mark_segment(out, c, st);
    out.urgent = urgent_pointer_of(c, out);
    advertise_window(out, c, st);
    return true;
}

namespace detail {

template <class B>
void commit_ack(connection<B>& c, const leaving_segment& out, step<B>& st)
{
    c.rcv.right_edge = out.right_edge;
    if (!out.ack || note_accurate_ack(c, out, st)) {
        return;
    }
    c.rcv.last_ack_sent = c.rcv.nxt;
    c.acks_owed = c.acks_owed == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(c.acks_owed - 1);
    c.ack_at = c.fin_received ? c.ack_at : time_point::never();
    c.keep_probe_owed = false;
    if (!out.syn && out.options.user_timeout != 0) {
        c.uto_owed = false;
    }
    if (rare_state* r = c.rare.present()) {
        r->dsack = {};  // RFC2883-4b
    }
    c.ecn_unacked = false;
    c.ack_policy.on_ack_sent();
}

template <class B>
void tell_of_packet(connection<B>& c, sender_active<B>& s, const packet_sent& packet, step<B>& st)
{
    s.recovery_rate.on_transmit(packet.octets);
    if constexpr (told_of_packets_sent<typename B::congestion>) {
        s.congestion.on_packet_sent(packet);
    }
    if constexpr (paces<typename B::congestion>) {
        s.pace.on_sent(packet.octets, st.now, s.congestion.pacing_rate(), send_quantum(c, s));
    }
}

template <class B>
void tell_policies_of_transmission(connection<B>& c, sender_active<B>& s, const leaving_segment& out,
                                   octet_count in_flight_before, duration idle_for, step<B>& st)
{
    if (const auto i = s.board.find(out.seq); i != scoreboard::npos) {
        s.recovery.on_transmit(s.board[i], timing_of(c, s, st.now));
    }
    tell_of_packet(c, s,
                   {.now = st.now,
                    .octets = out.length(),
                    .segments = out.wire_segments,
                    .in_flight_before = in_flight_before,
                    .retransmission = !out.fresh,
                    .probe = out.kind == segment_kind::loss_probe,
                    .idle_for = idle_for},
                   st);
}

// Octets leave: nobody is quiet any more, and what counts from the first that is outstanding begins.
// RFC6298-5.1a
template <class B>
void start_timers(connection<B>& c, sender_active<B>& s, bool was_idle, time_point now) noexcept
{
    if (was_idle) {
        c.timer_base = now;
        s.progress_at = now;
        c.unanswered = 0;
    }
    if (c.life == life_timer::quiet || c.life == life_timer::keep_alive) {
        c.life = life_timer::none;
        c.life_at = time_point::never();
    }
}

template <class B>
void observe_retransmission(const connection<B>& c, const sender_active<B>& s, offset_range range, step<B>& st)
{
    if constexpr (requires(event::retransmitted e) { st.host.observer.on(e); }) {
        st.host.observer.on(event::retransmitted{.connection = key_of(c),
                                                 .at = st.now,
                                                 .range = range,
                                                 .transmissions = s.board[s.board.find(range.first)].transmissions,
                                                 .by_timeout = c.timed_out});
    }
}

template <class B>
void commit_octets(connection<B>& c, const leaving_segment& out, step<B>& st)
{
    sender_active<B>& s = *st.sender(c);
    const octet_count in_flight_before = s.board.in_flight();
    const bool was_idle = s.board.flight_size() == 0;
    const duration idle_for = was_idle && c.last_sent_at != time_point{} ? st.now - c.last_sent_at : duration{};
    delivery_stamp stamp = s.rate.on_send(st.now, out.length(), in_flight_before, was_idle);
    stamp.ect = out.ect;
    st.host.counters.fast_open_sent += out.syn && out.octets > 0 ? 1U : 0U;
    if (out.fresh && out.seq == c.snd.nxt) {
        s.board.on_transmit_new(out.seq, out.end(), st.now, out.wire_segments, stamp);
        c.snd.nxt = out.end();
        c.pushed = c.pushed && c.snd.nxt < c.send.end();
        if (out.mtu_probe) {
            note_probe(c, s, out, st);
        }
        if (out.octets > 0 && out.octets < c.smss) {
            s.limited_until = out.end();
        }
    } else {
        const stream_offset again = std::min(out.end(), c.snd.nxt);
        s.board.on_retransmit(out.seq, again, st.now, stamp, out.wire_segments);
        // A whole RTO for what the timer would send again (RFC6298-5a, RFC6675-6a). Not for a SYN,ACK that answers a
        // repeated SYN: who repeats it without end would keep a half-open connection.
        if (out.seq == c.snd.una && !out.syn && !timer_runs_on(s, c.snd.una)) {
            c.timer_base = st.now;
        }
        const octet_count sent_again = std::min(out.octets, again - out.seq);
        count_rare(c.rare, &rare_state::octets_retransmitted, static_cast<std::uint64_t>(sent_again));
        if (out.fresh) {  // end_with_what_waits()
            s.board.on_transmit_new(again, out.end(), st.now, 1, stamp);
            s.recovery.on_transmit(s.board[s.board.find(again)], timing_of(c, s, st.now));
            c.snd.nxt = out.end();
            s.limited_until = out.octets < c.smss ? out.end() : s.limited_until;
        }
        count_rare(c.rare, &rare_state::retransmissions, out.wire_segments);
        st.host.counters.retransmissions += out.wire_segments;
        c.syn_retransmitted = c.syn_retransmitted || out.syn;
        observe_retransmission(c, s, {out.seq, again}, st);
    }
    start_timers(c, s, was_idle, st.now);
    c.probe_owed = false;
    note_accurate_octets(c, out, st);
    if (out.cwr) {
        c.cwr_owed = false;
    }
    if (out.syn && !out.ack) {
        c.ecn_asked = c.ecn_asked || out.cwr;
        c.ecn_plain_syn = c.ecn_plain_syn || !out.cwr;
    }
    c.last_sent_at = st.now;
    c.stats.data_segments_sent += out.octets > 0 ? out.wire_segments : 0U;
    tell_policies_of_transmission(c, s, out, in_flight_before, idle_for, st);
    if (out.octets > 0) {
        c.ack_policy.on_data_sent();
    }
}

}  // namespace detail

// `out`, as next_segment() gave it, was sent at st.now. After one or several of them, call rearm_timer().
template <class B>
void commit_segment(connection<B>& c, const leaving_segment& out, step<B>& st)
{
    count_long(c.stats.segments_sent, c.rare, &rare_state::segments_sent_high, out.wire_segments);
    st.host.counters.segments_sent += out.wire_segments;
    detail::commit_ack(c, out, st);
    if (out.length() > 0) {
        detail::commit_octets(c, out, st);
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
