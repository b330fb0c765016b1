// A run of segments that differ in their sequence number alone: what a bulk sender mostly sends.
//
// next_segment() answers every question anew for each segment. Where one full segment follows another in the same turn
// of the stack, and so at the same time, nearly all answers stay: options, window, flags and size. repeat_segment()
// asks the few whose answer may have changed. It is no second opinion: builds with TCPCO_BOTH_WAYS ask next_segment()
// as well, and compare.
//
// Where the recovery goes by the time that octets left and not by the number of records (knows_steady), the questions
// are asked once for the whole run: run_length() says how many more may follow, and commit_run() keeps the books of
// them together, as of a super-frame that this stack has cut itself: one record, and each policy is told once. Not
// beside a controller that paces or wants rate samples, for which each segment has a stamp of its own.
//
// Left out: super-frames, of which a turn has few; segments that carry more than text (SACK blocks, marks, urgent
// pointers), and those of a connection that searches its path's MTU.
#pragma once

#include "tcpco/tcp/calm.hpp"
#include "tcpco/tcp/sender.hpp"

namespace tcpco {

// `out` has just left, at st.now. Whether the one behind it may be the same again.
template <class B>
bool may_repeat(const leaving_segment& out, const connection<B>& c, const step<B>& st)
{
    return c.send.end() - c.snd.nxt > out.octets && out.kind == segment_kind::new_data && out.fresh && !out.syn &&
           !out.psh && !out.mtu_probe && out.options.sack_count == 0 && out.options.user_timeout == 0 &&
           !out.options.has_mss && st.host.tso_max == 0 && c.path_mtu == 0 && !c.ecn && !c.accurate &&
           !sends_urgent(c) && out.octets == detail::segment_room(c, out, st);
}

// Makes `out`, which may_repeat(), the segment that leaves next. False: it is another one, or none; next_segment()
// knows. Nothing but commit_segment() may have happened to the connection since `out` left.
template <class B>
bool repeat_segment(leaving_segment& out, connection<B>& c, step<B>& st)
{
    sender_active<B>& s = *st.sender(c);
    const octet_count room = detail::congestion_window(s) - detail::pipe_of(s);
    // More text than one segment: the last of what is buffered has PSH, and perhaps FIN.
    if (c.send.end() - c.snd.nxt <= out.octets || c.send_right_edge() - c.snd.nxt < out.octets || room < out.octets ||
        !detail::packets_are_bounded(c, s)) {
        return false;
    }
    const send_decision decision = s.recovery.next(s.board, room);
    if (decision.action != send_action::new_data || decision.ignore_window || !detail::pacing_allows(c, s, st) ||
        !s.board.may_transmit_new()) {
        return false;
    }
    out.seq = c.snd.nxt;
    if constexpr (goes_both_ways) {
        [[maybe_unused]] leaving_segment asked;
        TCPCO_ASSERT(next_segment(asked, c, st) && asked == out);
    }
    return true;
}

namespace detail {

// What next_segment() notes where it has no segment, since nothing waits.
template <class B>
[[gnu::always_inline]] inline void note_rest(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    c.cwnd_limited = false;
    forget_pace(c, st);
    s.rate.mark_app_limited(s.board.in_flight());
    s.times.change(c.snd.una == c.snd.nxt ? send_limit::idle : limit_of(c), st.now);
}

}  // namespace detail

// Of a connection that is not calm(): nothing waits but text and ACKs.
template <class B>
bool is_idle(const connection<B>& c, const sender_active<B>& s) noexcept
{
    return !c.probe_owed && !c.held_by_mark && transmits(c.state) && c.sendable_end() <= c.snd.nxt &&
           s.board.lost() == 0 && s.recovery.is_steady();
}

// Nothing waits, nothing is lost and no ACK is owed, so that next_segment() has no segment: what it would note is
// noted. Asked for each segment that has left, since a stack visits its connections until there is nothing more.
// False: there may be one.
template <class B>
[[gnu::always_inline]] inline bool is_at_rest(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    if constexpr (knows_steady<typename B::recovery> && !paces<typename B::congestion>) {
        if (c.acks_owed > 0 || c.read_since_ack || c.send.end() > c.snd.nxt || !(c.calm || is_idle(c, s))) {
            return false;
        }
        if constexpr (goes_both_ways) {
            [[maybe_unused]] leaving_segment asked;
            TCPCO_ASSERT(!next_segment(asked, c, st));
        }
        detail::note_rest(c, s, st);
        return true;
    } else {
        return false;
    }
}

// The same of any connection. Without a sending half there is nothing to be noted.
template <class B>
bool is_at_rest(connection<B>& c, step<B>& st)
{
    if (sender_active<B>* const s = st.sender(c)) {
        return is_at_rest(c, *s, st);
    }
    const bool rests = c.acks_owed == 0 && !c.read_since_ack && c.sendable_end() <= c.snd.nxt;
    if constexpr (goes_both_ways) {
        [[maybe_unused]] leaving_segment asked;
        TCPCO_ASSERT(!rests || !next_segment(asked, c, st));
    }
    return rests;
}

// The bundle's policies take a run for one transmission.
template <class B>
inline constexpr bool sends_runs_v = knows_steady<typename B::recovery> && !paces<typename B::congestion> &&
                                     !wants_rate_samples_v<typename B::congestion> &&
                                     !told_of_packets_lost<typename B::congestion>;

// How many segments like `out`, which may_repeat() and has just left, follow it now; `most` at the most. 0: none, or it
// has to be asked for each.
template <class B>
std::size_t run_length(const leaving_segment& out, const connection<B>& c, step<B>& st, std::size_t most)
{
    const sender_active<B>& s = *st.sender(c);
    const octet_count size = out.octets;
    const octet_count text = c.send.end() - c.snd.nxt - 1;  // more than one segment, as in repeat_segment()
    const octet_count least = std::min({text, c.send_right_edge() - c.snd.nxt,
                                        detail::congestion_window(s) - detail::pipe_of(s)});
    // Smaller ones keep a record each: SACK blocks may cut a piece out for so many octets only (scoreboard.hpp).
    if (least < size || size < scoreboard::fragment_octets || !c.sack_permitted || !s.recovery.is_steady() ||
        s.board.lost() > 0) {
        return 0;
    }
    const std::size_t n = std::min(static_cast<std::size_t>(least / size), most);
    return n > 0 && detail::packets_are_bounded(c, s, static_cast<octet_count>(n) - 1) ? n : 0;
}

// As many segments like `out`, which run_length() allowed, have left at st.now: what commit_segment() does for each.
template <class B>
void commit_run(connection<B>& c, const leaving_segment& out, std::uint32_t segments, step<B>& st)
{
    sender_active<B>& s = *st.sender(c);
    const octet_count in_flight_before = s.board.in_flight();
    const stream_offset first = c.snd.nxt;
    const octet_count octets = out.octets * segments;
    c.snd.nxt += octets;
    s.limited_until = out.octets < c.smss ? c.snd.nxt : s.limited_until;
    count_long(c.stats.segments_sent, c.rare, &rare_state::segments_sent_high, segments);
    c.stats.data_segments_sent += segments;
    st.host.counters.segments_sent += segments;
    s.board.extend_newest(octets, segments);
    transmission piece = s.board[s.board.find(first)];
    piece.first = first;
    piece.wire_segments = segments;
    s.recovery.on_transmit(piece, timing_of(c, s, st.now));
    s.recovery_rate.on_transmit(octets);
    if constexpr (told_of_packets_sent<typename B::congestion>) {
        s.congestion.on_packet_sent(
            {.now = st.now, .octets = octets, .segments = segments, .in_flight_before = in_flight_before});
    }
    for (std::uint32_t i = 0; i < segments; ++i) {
        c.ack_policy.on_ack_sent();
        c.ack_policy.on_data_sent();
        observe(st.host.observer, event::segment_sent{.connection = key_of(c),
                                                      .at = st.now,
                                                      .first = first + i * out.octets,
                                                      .octets = out.octets,
                                                      .wire_segments = 1,
                                                      .window = static_cast<std::uint32_t>(out.right_edge - c.rcv.nxt),
                                                      .flags = flags_of(out),
                                                      .retransmission = false,
                                                      .probe = false});
    }
}

}  // namespace tcpco
