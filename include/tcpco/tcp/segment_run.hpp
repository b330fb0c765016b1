// A run of segments that differ in their sequence number alone: what a bulk sender mostly sends.
//
// next_segment() answers every question anew for each segment. Where one full segment follows another in the same turn
// of the stack, and so at the same time, nearly all answers stay: options, window, flags and size. repeat_segment()
// asks the few whose answer may have changed. It is no second opinion: builds with assertions ask next_segment() as
// well, and compare.
//
// Left out: super-frames, of which a turn has few; segments that carry more than text (SACK blocks, marks, urgent
// pointers), and those of a connection that searches its path's MTU.
#pragma once

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
    if constexpr (TCPCO_CHECKED != 0) {
        leaving_segment asked;
        TCPCO_ASSERT(next_segment(asked, c, st) && asked == out);
    }
    return true;
}

}  // namespace tcpco
