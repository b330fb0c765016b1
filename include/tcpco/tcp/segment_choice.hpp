// Which octets leave next: never sent ones, lost ones, a loss probe or a window probe (RFC 9293 3.7.4, 3.8.6; RFC 8985
// 7.3). Nothing changes here but what the timers must know of the refusal: the segment may yet not be taken.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/tcp/path_search.hpp"
#include "tcpco/tcp/retransmission_timer.hpp"
#include "tcpco/tcp/send_room.hpp"

namespace tcpco::detail {

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
    // MUST-61: the last of what is buffered. Not in a SYN, as in Linux: middleboxes know none with it (RFC 7413 7.1).
    out.psh = !out.syn && out.octets > 0 && text_end == c.fin_at();
    // A SYN is one packet, of which no device may make several; its text may be longer than SMSS is yet (RFC 7413
    // 4.2.1).
    const octet_count segments = out.octets <= segment || out.syn ? 1 : (out.octets + segment - 1) / segment;
    out.wire_segments = static_cast<std::uint16_t>(segments);
    out.gso_size = static_cast<std::uint16_t>(out.wire_segments > 1 ? segment : 0);
}

// Nagle and sender silly-window avoidance (RFC 9293 3.7.4, 3.8.6.2.1, MUST-38): a segment shorter than it could be.
// `ahead`: octets that leave before it in the same frame, with which `available` and `window_room` do not count.
template <class B>
[[gnu::always_inline]] inline bool may_send_small(connection<B>& c, octet_count octets, octet_count available,
                                                  octet_count window_room, step<B>& st, octet_count ahead = 0)
{
    if (octets < available) {
        // The window cuts it, not the application: worth it only from half the largest window on, or by the timer.
        c.blocked_small = octets < octet_count{c.snd.max_wnd} / 2;
        return !c.blocked_small;
    }
    static_cast<void>(window_room);
    const bool corked = c.corked && !c.pushed;
    const sender_active<B>* s = st.sender(c);
    return st.host.gate.may_send({.octets = octets,
                                  .smss = c.smss,
                                  .unacknowledged = c.snd.nxt - std::max(c.snd.una, stream_offset{1}) + ahead,
                                  .last_small_unacknowledged = s != nullptr && s->limited_until > c.snd.una,
                                  .no_delay = c.no_delay || c.rare->snd_up > c.snd.nxt,  // what is urgent does not wait
                                  .corked = corked && c.rare->snd_up <= c.snd.nxt,
                                  .fin_follows = c.fin_queued});
}

// Octets (or SYN, or FIN) that were never sent. `room`: what cwnd leaves.
// SHLD-15, MUST-34, RFC7323-2.4c, SHLD-28, RFC9293-3.10.2b, 3.10.4c, RFC5681-2c, 3a, RFC6675-5d
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
    const auto options = static_cast<octet_count>(encoded_size(out.options));
    const octet_count probe = ignore_cwnd ? 0 : probe_payload(c, s, available, window_room, options, st);
    if (probe > room && s.board.in_flight() > 0) {
        c.cwnd_limited = true;  // until there is room for it
        return false;
    }
    octet_count octets = probe > 0 ? probe : std::min({available, window_room, frame_room(c, s, segment, st)});
    if (!ignore_cwnd && probe == 0) {
        const octet_count whole =
            octets > segment ? std::min(octets, std::max(segment, room / segment * segment)) : octets;
        if ((room < whole && s.board.in_flight() > 0) || !packets_are_bounded(c, s)) {
            c.cwnd_limited = true;
            return false;
        }
        octets = whole;
    }
    // The last segment of a super-frame, too, leaves only where it would leave alone.
    if (octets > segment && probe == 0) {
        const octet_count tail = octets % segment;
        const octet_count full = octets - tail;
        const bool whole = tail == 0 || may_send_small(c, tail, available - full, window_room - full, st, full);
        octets = whole ? octets : full;
    }
    // A FIN needs no room of its own beside full segments: it takes a position, not an octet.
    const bool only_fin_is_left = c.fin_queued && probe == 0 && octets > 0 && available == octets + 1;
    const bool fin_fits = only_fin_is_left && octets % segment == 0 && window_room > octets;
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
    // Who is not asked again in this turn was stopped by the turn's budget or by the device. With what an earlier turn
    // noted, cwnd would grow without end where each turn ends so (RFC9438-4.6c; RFC 7661).
    c.cwnd_limited = false;
    out.kind = segment_kind::new_data;
    out.mtu_probe = probe > 0;
    set_range(out, c, c.snd.nxt, last, std::max(segment, probe));
    return true;
}

// A single octet that is sent again takes along what waits behind it: most often it is the window probe that was
// refused, and alone it would have Nagle hold the rest back for a round trip more. FreeBSD does the same, for which a
// probe does not count as sent; Linux probes without an octet. Returns where the segment ends.
template <class B>
stream_offset end_with_what_waits(const connection<B>& c, sender_active<B>& s, stream_offset last,
                                  octet_count segment)
{
    const stream_offset end = std::min({c.sendable_end(), c.send_right_edge(), c.snd.una + segment});
    const bool cut = end < c.sendable_end() && end - c.snd.una < segment;
    const bool silly = cut && end - c.snd.una < octet_count{c.snd.max_wnd} / 2;  // MUST-38
    const bool alone = s.board.flight_size() == 1 && c.snd.una > stream_offset{0} && last == c.snd.nxt;
    return alone && end > last && !silly && !c.corked && s.board.may_transmit_new() ? end : last;
}

// The end of octets that are sent again, FIN included where it left with them: it takes a position, not an octet, so
// what was one segment is one again.
template <class B>
stream_offset with_fin(const connection<B>& c, const sender_active<B>& s, stream_offset last)
{
    const bool sent = c.fin_queued && last == c.fin_at() && last < c.snd.nxt;
    const auto i = sent ? s.board.find(last - 1) : scoreboard::npos;
    return i != scoreboard::npos && s.board[i].last > last ? last + 1 : last;
}

// SHLD-17, RFC2018-5d, RFC9293-3.10.8b
template <class B>
bool choose_retransmission(leaving_segment& out, connection<B>& c, sender_active<B>& s, const send_decision& decision,
                           octet_count room, step<B>& st)
{
    out.options.accecn = {};  // RFC9768-3.2.3.2.2c: it may be why the first one was lost; the next ACK has it
    octet_count segment = segment_room(c, out, st);
    if (decision.range.octets() > segment && (out.options.sack_count > 0 || out.options.user_timeout != 0)) {
        out.options.user_timeout = 0;
        out.options.sack_count = 0;  // else what once was one segment would leave as two; the next ACK has the blocks
        segment = segment_room(c, out, st);
    }
    if (const octet_count piece = asked_payload(c, s, static_cast<octet_count>(encoded_size(out.options))); piece > 0) {
        if (s.board.in_flight() > 0) {
            return false;  // the piece alone, so that its answer tells something
        }
        segment = std::min(segment, piece);
    }
    const stream_offset first = decision.range.first;
    if (c.snd.una == stream_offset{0} && first > c.snd.una) {
        return false;  // until the SYN is acknowledged it alone is repeated (RFC7413-4.2.2b, 4.2.2f)
    }
    // SHLD-16: inside the window even if it shrank. A closed one is the persist timer's matter.
    const octet_count window_room = first == stream_offset{0} ? 1 : c.send_right_edge() - first;
    const octet_count frame = s.search.asking ? segment : frame_room(c, s, segment, st);
    // Of a super-frame one segment where one was earned, else what cwnd has room for: a record may be many segments.
    const octet_count earned = decision.ignore_window ? segment : std::max(segment, room / segment * segment);
    const octet_count octets = std::min({decision.range.octets(), window_room, frame, earned});
    if (octets <= 0) {
        return false;
    }
    if (!decision.ignore_window && room < std::min(octets, segment) && s.board.in_flight() > 0) {
        c.cwnd_limited = true;  // RFC6675-5h, RFC8985-9.3a
        return false;
    }
    out.kind = segment_kind::retransmission;
    const stream_offset last = first + octets;
    const stream_offset whole = octets < window_room ? with_fin(c, s, last) : last;
    set_range(out, c, first, end_with_what_waits(c, s, whole, segment), segment);
    return true;
}

// RFC8985-7.3b: new data if there is some and the window allows, else the last segment once more, as it was: what began
// or ended elsewhere would repair nothing.
template <class B>
bool choose_loss_probe(leaving_segment& out, connection<B>& c, sender_active<B>& s, const send_decision& decision,
                       step<B>& st)
{
    if (decision.range.octets() == 0 && choose_new(out, c, s, 0, true, st)) {
        out.kind = segment_kind::loss_probe;
        return true;
    }
    // Else what was one segment would not fit beside them, and a few octets of its end were the probe; the next ACK has
    // the blocks.
    out.options.user_timeout = 0;
    out.options.sack_count = 0;
    const octet_count segment = segment_room(c, out, st);
    if (c.snd.una == stream_offset{0}) {
        out.kind = segment_kind::loss_probe;
        set_range(out, c, c.snd.una, c.snd.una + 1, segment);
        return true;
    }
    const stream_offset last = decision.range.octets() > 0 ? decision.range.last : c.snd.nxt;
    const auto i = s.board.find(last - 1);
    if (i == scoreboard::npos) {
        return false;
    }
    const stream_offset begin = s.board[i].first;
    const octet_count text = std::min(last, std::max(c.fin_at(), begin + 1)) - begin;
    const stream_offset first = std::max(decision.range.first, begin + (text - 1) / segment * segment);
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

// Pacing: false, and a time to come back, when the last burst has not been paid for. So after a mark for which the
// window is too small to answer.
// RFC3168-6.1.2d
template <class B>
[[gnu::always_inline]] inline bool pacing_allows(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    forget_pace(c, st);
    if (c.held_by_mark && st.now < c.timer_base + c.rto.rto()) {
        c.wait_for_pace(c.timer_base + c.rto.rto());
        return false;
    }
    c.held_by_mark = false;
    if constexpr (paces<typename B::congestion>) {
        if (s.congestion.pacing_rate() != 0 && !s.pace.may_send(st.now)) {
            c.wait_for_pace(s.pace.next_send_at());
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
    const octet_count room = congestion_window(s) - pipe_of(s);
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

}  // namespace tcpco::detail
