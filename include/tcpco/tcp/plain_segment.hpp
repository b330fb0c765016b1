// The segment that nearly always leaves a connection of requests and answers: all the text that waits, in one segment
// with PSH, or an ACK alone; with timestamps or without options, once the handshake is over and unless a FIN is to
// leave, while nothing is lost, marked or held back.
//
// next_segment() asks some forty questions to find out that it is this one. Here those are asked whose answer decides
// whether it is, and then all but its window is known. It is no second opinion: what is not plain goes the long way
// untouched, and builds with TCPCO_BOTH_WAYS ask next_segment() as well, and compare.
//
// Left out: text of more than one segment (segment_run.hpp has its short way), connections with ECN (each segment may
// have to echo a mark), and recoveries that cannot say that they have nothing to send again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/tcp/segment_run.hpp"

namespace tcpco {

// What is not known of it already: it stands at snd.nxt, and acknowledges rcv.nxt.
struct plain_segment {
    std::span<const std::byte> text{};  // all that was not sent; none: an ACK alone
    duration rto{};                     // where there is text
    stream_offset right_edge{};         // what the window advertises
    std::uint16_t window = 0;           // as it will stand in the header
};

namespace detail {

// The text that waits may leave now, in one segment: what choose_data() and choose_new() ask.
// SHLD-15, MUST-34, RFC9293-3.10.2b, RFC5681-3a
template <class B>
[[gnu::always_inline]] inline bool may_send_all(connection<B>& c, sender_active<B>& s, octet_count octets, duration rto,
                                                step<B>& st)
{
    const octet_count options = c.timestamps ? octet_count{aligned_timestamps_size} : 0;
    const octet_count segment =
        std::min<octet_count>(c.peer_mss, st.host.mtu - fixed_headers(c.remote.address)) - options;  // MUST-16
    if (octets > segment || octets > c.send_right_edge() - c.snd.nxt) {
        return false;
    }
    if constexpr (told_of_idle_restart<typename B::congestion>) {
        if (s.board.flight_size() == 0 && st.now - c.last_sent_at > rto) {
            return false;  // restart_after_idle()
        }
    }
    const octet_count in_flight = pipe_of(s);
    if (in_flight > 0 && (congestion_window(s) - in_flight < octets || !packets_are_bounded(c, s))) {
        return false;
    }
    return pacing_allows(c, s, st) && s.board.may_transmit_new() &&
           (octets == segment || may_send_small(c, octets, octets, octets, st));
}

// The same segment as next_segment() writes it.
template <class B>
leaving_segment spelled_out(const plain_segment& plain, const connection<B>& c, const step<B>& st)
{
    leaving_segment out;
    out.kind = plain.text.empty() ? segment_kind::pure_ack : segment_kind::new_data;
    out.seq = c.snd.nxt;
    out.octets = static_cast<octet_count>(plain.text.size());
    out.psh = out.fresh = !plain.text.empty();
    out.window = plain.window;
    out.right_edge = plain.right_edge;
    if (c.timestamps) {
        out.options.has_timestamps = true;
        out.options.tsval = timestamp_now(c, st.now);
        out.options.tsecr = c.ts_recent;
    }
    return out;
}

}  // namespace detail

// Whether the segment that leaves next is a plain one: then it is `out`. Like next_segment() it only looks, and
// commit_plain() makes it true. False: it is another one, or there is none.
// RFC7323-3.2b, 3.2g
template <class B>
[[gnu::always_inline]] inline bool choose_plain(plain_segment& out, connection<B>& c, step<B>& st)
    requires knows_steady<typename B::recovery>
{
    const octet_count octets = c.send.end() - c.snd.nxt;
    if (octets > c.smss || c.low_water != 0 || !(is_calm(c, st) || ends_calmly(c, st.sender(c)))) {
        return false;
    }
    if (c.acks_owed > 1) {
        return false;
    }
    if (octets > 0) {
        sender_active<B>* s = st.sender(c);
        out.text = c.send.end_piece(c.snd.nxt);
        out.rto = c.rto.rto();
        if (s == nullptr || out.text.empty() || !detail::may_send_all(c, *s, octets, out.rto, st)) {
            return false;
        }
        if (c.read_since_ack) {
            tell_of_reading(c, st);  // no update is owed: this segment will say it
        }
        c.blocked_small = false;
        s->times.change(send_limit::none, st.now);
    } else {
        if (c.read_since_ack) {
            consider_window_update(c, st);
        }
        if (c.acks_owed == 0 || c.snd.nxt > c.send_right_edge()) {
            return false;
        }
        sender_active<B>* s = st.sender(c);
        if (s != nullptr) {
            if (paces<typename B::congestion>) {
                return false;
            }
            detail::note_rest(c, *s, st);
        }
    }
    const offered_window offered = offer_window(c, c.rcv.nxt, c.rcv.wscale, st);
    out.window = offered.field;
    out.right_edge = offered.right_edge;
    if constexpr (goes_both_ways) {
        [[maybe_unused]] leaving_segment asked;
        TCPCO_ASSERT(next_segment(asked, c, st) && asked == detail::spelled_out(out, c, st));
    }
    return true;
}

// Others have no plain segments.
template <class B>
bool choose_plain(plain_segment&, connection<B>&, step<B>&)
{
    return false;
}

namespace detail {

// What commit_octets() does for text that is new and in one segment.
template <class B>
[[gnu::hot]] void commit_plain_text(connection<B>& c, sender_active<B>& s, octet_count octets, duration rto,
                                    step<B>& st)
{
    const octet_count in_flight_before = s.board.in_flight();
    const bool was_idle = s.board.flight_size() == 0;
    const duration idle_for = was_idle && c.last_sent_at != time_point{} ? st.now - c.last_sent_at : duration{};
    if (delivery_stamp* stamp = s.board.transmit_new(c.snd.nxt, c.snd.nxt + octets, st.now, 1)) {
        s.rate.on_send(*stamp, st.now, octets, in_flight_before, was_idle);
    }
    c.snd.nxt += octets;
    c.pushed = false;
    s.limited_until = octets < c.smss ? c.snd.nxt : s.limited_until;
    start_timers(c, s, was_idle, st.now);
    c.last_sent_at = st.now;
    ++c.stats.data_segments_sent;
    const path_timing timing = timing_of(c, s, st.now, time_point::never(), rto);
    s.recovery.on_transmit(s.board.newest(), timing);
    tell_of_packet(c, s, {.now = st.now, .octets = octets, .segments = 1, .in_flight_before = in_flight_before,
                          .idle_for = idle_for}, st);
    c.ack_policy.on_data_sent();
    // RFC8985-8a. Of what rearm_timer() asks the rest is known: something is in flight, and the window is open.
    const timer_request wanted = s.recovery.timer();
    if (wanted.kind != retransmission_timer::none && wanted.at < timing.rto_at) {
        set_timer(c, &s, wanted.kind, wanted.at, st.now);
    } else {
        set_timer(c, &s, retransmission_timer::rto, timing.rto_at, st.now);
    }
    if constexpr (!paces<typename B::congestion>) {  // note_rest(): nothing is left
        c.cwnd_limited = false;
        s.rate.mark_app_limited(s.board.in_flight());
        s.times.change(has_writing_room(c) ? send_limit::none : send_limit::send_buffer, st.now);
    }
}

}  // namespace detail

// `out`, as choose_plain() gave it, was sent at st.now: what commit_segment(), rearm_timer() and is_at_rest() do for
// it.
template <class B>
[[gnu::always_inline]] inline void commit_plain(connection<B>& c, const plain_segment& out, step<B>& st)
{
    const stream_offset first = c.snd.nxt;
    const auto octets = static_cast<octet_count>(out.text.size());
    count_long(c.stats.segments_sent, c.rare, &rare_state::segments_sent_high, 1);
    ++st.host.counters.segments_sent;
    c.rcv.right_edge = out.right_edge;
    c.rcv.last_ack_sent = c.rcv.nxt;
    c.acks_owed = 0;
    c.read_since_ack = false;
    c.ack_at = c.fin_received ? c.ack_at : time_point::never();
    c.ack_policy.on_ack_sent();
    if (octets > 0) {
        detail::commit_plain_text(c, *st.sender(c), octets, out.rto, st);
    } else {
        rearm_timer(c, st);
    }
    observe(st.host.observer,
            event::segment_sent{.connection = key_of(c),
                                .at = st.now,
                                .first = first,
                                .octets = octets,
                                .wire_segments = 1,
                                .window = static_cast<std::uint32_t>(out.right_edge - c.rcv.nxt),
                                .flags = static_cast<std::uint16_t>(tcp_flag::ack | (octets > 0 ? tcp_flag::psh : 0)),
                                .retransmission = false,
                                .probe = false});
}

}  // namespace tcpco
