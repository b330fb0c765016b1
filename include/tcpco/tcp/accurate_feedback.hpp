// Accurate ECN feedback (RFC 9768) on a connection: what an arriving segment says and counts, what a leaving one
// carries. Who speaks it is settled on the SYNs (ecn.hpp); the counters are in accurate_ecn.hpp.
//
// What a path does to it is watched: SYN and SYN,ACK leave without ECT, so a code point that arrived on one was put
// there, and nothing is sent with ECT any more (3.2.2.3); a counter or an option that begins with zero was wiped
// (3.2.2.4, 3.2.3.2.4). Feedback is given all the same, whatever became of the other direction (3.1.5).
//
// Where one turn of the stack takes several segments, an ACK that was owed before a mark came leaves by itself, so that
// no two are merged across it: as many as a record holds, beyond that and behind a hole they are merged (3.2.2.5.1
// allows that for one event). A super-frame is one event as well.
//
// Left out: ECT on control packets (the ECN++ draft), hence no response to marks on them; a cache of paths that drop
// the option (3.2.3.2.2); noticing that each packet comes back as marked (3.2.2.3 leaves open how).
#pragma once

#include <algorithm>

#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/ect_black_hole.hpp"

namespace tcpco {

namespace detail {

// The first option that must come, if the path lets it through (RFC 9768 3.2.3.2.3, 3.2.3.2.4).
constexpr void check_first_option(accurate_ecn& e, const accecn_option& option) noexcept
{
    e.option_void = option.present && is_wiped(option);
}

// What a client learns from the SYN,ACK that agrees: how its SYN arrived, which left without ECT.
// RFC9768-3.2.2.2d, 3.2.2.2e, 3.2.2.3a, 3.2.2.3c
template <class B>
void take_accurate_syn_ack(connection<B>& c, accurate_ecn& e, const arriving_segment& seg) noexcept
{
    const std::uint8_t arrived = codepoint_of_handshake(ace_of(seg.header.flags));
    e.no_ect = arrived != ecn_codepoint::not_ect;
    e.marked_handshake = arrived == ecn_codepoint::ce;
    e.handshake_owed = e.test_ack = e.test_text = true;
    if (seg.ce) {
        c.ace = 6;
        e.counted_syn_ack = true;
    }
    count_octets(e, seg.ecn, seg.payload.size);
    check_first_option(e, seg.options.accecn);
}

}  // namespace detail

// Both ends speak it, as the peer's SYN or SYN,ACK shows. Without memory for it the connection goes without ECN.
// RFC9768-3.1.1a, 3.1.1c, 3.1.5p
template <class B>
void begin_accurate(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    c.accurate = st.host.accurate.emplace();
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr) {
        st.drop(drop_reason::no_buffer);
        return;
    }
    c.ecn_accurate = true;
    e->handshake = seg.ecn;
    e->last_tsval = seg.options.tsval;
    c.ce_last = seg.ce;
    if (seg.acks()) {
        detail::take_accurate_syn_ack(c, *e, seg);
    }
}

// The ACK that ends a handshake in SYN-RECEIVED: where it is nothing else, it says how our SYN,ACK arrived.
// RFC9768-3.2.2.1b, 3.2.2.1c, 3.2.2.2f, 3.2.2.3b
template <class B>
void take_handshake_ack(connection<B>& c, arriving_segment& seg, step<B>& st) noexcept
{
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr || seg.without_ace) {
        return;
    }
    detail::check_first_option(*e, seg.options.accecn);
    if (seg.length() > 0 || seg.options.sack_count > 0) {
        return;  // the counter already
    }
    const unsigned ace = detail::ace_of(seg.header.flags);
    const std::uint8_t arrived = detail::codepoint_of_handshake(ace);
    seg.without_ace = true;
    e->deaf = ace == 0;
    e->no_ect = e->no_ect || e->deaf || arrived != ecn_codepoint::not_ect;
    if (arrived == ecn_codepoint::ce) {
        e->s_cep = 6;
        e->marked_handshake = true;
        count_rare(c.rare, &rare_state::marks_reported, 1);
    }
}

// A SYN,ACK came again: our ACK of it was lost, or dropped for its option. What it agrees to is settled (3.1.5k).
// RFC9768-3.2.2.1d, 3.1.5e, 3.1.5k
template <class B>
void note_repeated_syn_ack(connection<B>& c, const arriving_segment& seg, step<B>& st) noexcept
{
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr || c.passive || c.acks_owed == 0 || !seg.acks() || seg.seq != stream_offset{0} ||
        seg.ack < stream_offset{1}) {
        return;
    }
    e->handshake_owed = true;
    e->handshake = seg.ecn;
    e->sends_option = false;
    if (seg.ce && !e->counted_syn_ack) {
        c.ace = static_cast<std::uint8_t>((c.ace + 1) & 7);
        e->counted_syn_ack = true;
    }
}

// The window was just given: congestion that the handshake met is answered like any other.
// RFC9768-3.1.5g
template <class B>
void answer_handshake_marks(connection<B>& c, step<B>& st)
{
    accurate_ecn* e = st.accurate(c);
    sender_active<B>* s = st.sender(c);
    if (e == nullptr || s == nullptr || !e->marked_handshake) {
        return;
    }
    e->marked_handshake = false;
    s->congestion.on_congestion_event({.cause = congestion_cause::ecn_echo,
                                       .in_flight = s->congestion.cwnd(),
                                       .smss = c.smss,
                                       .now = st.now,
                                       .accurate = true});
    s->reduced_until = c.snd.nxt;
}

namespace detail {

// An ACK that is owed already leaves as it is, before what came now.
// RFC9768-3.2.2.5.1c
inline void keep_earlier_ack(const transmission_control_block& c, accurate_ecn& e) noexcept
{
    if (c.acks_owed > 0 && !c.receiver && e.earlier_count < e.earlier.size()) {
        e.earlier[e.earlier_count++] = {c.rcv.nxt, c.ace};
    }
}

// A segment inside the window, its text not taken yet. An ACK is due when marks begin, and for each second mark; for
// the third one where there is no text to acknowledge.
// RFC9768-3.2a, 3.2b, 3.2.2.5.1a, 3.2.2.5.1b
inline void count_marks(transmission_control_block& c, accurate_ecn& e, arriving_segment& seg) noexcept
{
    const bool text = seg.payload.size > 0;
    seg.ce_rose = text && seg.ce && !c.ce_last;
    c.ce_last = seg.ce;
    e.ack_of_acks = e.ack_of_acks && !text;
    if (!seg.ce) {
        count_octets(e, seg.ecn, seg.payload.size);
        return;
    }
    const std::uint32_t packets = seg.info.wire_segments;
    const bool unacknowledged = text || c.rcv.nxt > c.rcv.last_ack_sent;
    e.marks_unsaid = static_cast<std::uint8_t>(std::min<std::uint32_t>(255, e.marks_unsaid + packets));
    const bool due = seg.ce_rose || e.marks_unsaid >= (unacknowledged ? 2 : 3);
    if (due) {
        keep_earlier_ack(c, e);
    }
    c.ace = static_cast<std::uint8_t>((c.ace + packets) & 7);
    count_rare(c.rare, &rare_state::marks_received, packets);
    count_octets(e, seg.ecn, seg.payload.size);
    if (due) {
        c.acks_owed = std::max<std::uint8_t>(c.acks_owed, 1);
        e.marks_unsaid = 0;
        e.ack_of_acks = !unacknowledged;
    }
}

}  // namespace detail

// A pure ACK has to leave before any text: the one that feeds the SYN,ACK back, or one that text must not overtake.
// RFC9768-3.2.2.1e
template <class B>
bool ack_goes_first(const connection<B>& c, const step<B>& st) noexcept
{
    const accurate_ecn* e = st.accurate(c);
    return e != nullptr && c.acks_owed > 0 && (e->handshake_owed || e->earlier_count > 0);
}

// The option goes on an ACK when a counter has moved since it was last said, with all counters that ever moved, and
// where the path is tested. Two SACK blocks come before it; then only what moved is said, or nothing yet.
// RFC9768-3.2.3.2.1a, 3.2.3.2.1b, 3.2.3.2.1c, 3.2.3.2.2a, 3.2.3.3a, 3.2.3.3b, 3.2.3.3d
template <class B>
void fill_accurate_option(leaving_segment& out, const connection<B>& c, const step<B>& st) noexcept
{
    const accurate_ecn* e = st.accurate(c);
    if (e == nullptr) {
        return;
    }
    if (e->ack_of_acks) {
        out.options.sack_count = 0;  // RFC9768-3.2.2.5.1d: else it looks like a duplicate ACK
    }
    if (!e->sends_option || !out.ack || (out.syn && c.snd.nxt > stream_offset{0})) {
        return;
    }
    const bool test = out.syn || e->test_ack || (e->test_text && c.unsent() > 0);
    if (!test && e->unsaid == 0) {
        return;
    }
    constexpr std::uint8_t all = ecn_counter::ce | ecn_counter::ect_0 | ecn_counter::ect_1;
    const std::size_t used = detail::encoded_size_without_sacks(out.options);
    const std::size_t sacks = std::min<std::size_t>(out.options.sack_count, 2);
    const std::size_t kept = sacks == 0 ? 0 : 4 + 8 * sacks;
    for (const std::uint8_t counters : {test ? all : e->changed, e->unsaid}) {
        const accecn_option option = detail::option_with(e->r, counters);
        if (used + detail::accecn_size(option, 0) + kept <= max_tcp_options_size) {
            out.options.accecn = option;
            return;
        }
    }
}

// The three flags of a segment without SYN, and ECT: ECT(1) where the controller is made for it (RFC 9331 4.1).
// RFC9768-3.2.2a, 3.2.2.2a, 3.2c, 3.1.5f, 3.1.5h, 3.1.5i, 3.1.5o, RFC9331-4.1a, 4.2a
template <class B>
void mark_accurately(leaving_segment& out, const connection<B>& c, const accurate_ecn& e, const step<B>& st) noexcept
{
    unsigned ace = c.ace;
    if (out.kind == segment_kind::pure_ack && e.earlier_count > 0) {
        out.earlier = true;
        out.ack_behind = c.rcv.nxt - e.earlier[0].ack;
        out.options.accecn = {};  // its counters are those of now
        ace = e.earlier[0].ace;
    } else if (out.kind == segment_kind::pure_ack && e.handshake_owed && out.options.sack_count == 0) {
        ace = detail::handshake_ace(e.handshake);
    }
    const std::uint16_t flags = detail::flags_of_ace(ace);
    out.ae = (flags & tcp_flag::ae) != 0;
    out.cwr = (flags & tcp_flag::cwr) != 0;
    out.ece = (flags & tcp_flag::ece) != 0;
    out.ect = out.kind == segment_kind::new_data && out.octets > 0 && !e.no_ect && ect_passes(c);
    if constexpr (chooses_ect<typename B::congestion>) {
        const sender_active<B>* s = st.host.senders.get(c.sender);
        out.ect_1 = out.ect && s != nullptr && s->congestion.ect_1();
    }
}

// A segment with ACK has left. True: it was an earlier one, and the one that is owed is still to come.
template <class B>
bool note_accurate_ack(connection<B>& c, const leaving_segment& out, step<B>& st) noexcept
{
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr) {
        return false;
    }
    if (out.earlier) {
        std::move(e->earlier.begin() + 1, e->earlier.end(), e->earlier.begin());
        --e->earlier_count;
        c.rcv.last_ack_sent = std::max(c.rcv.last_ack_sent, near_offset{c.rcv.nxt - out.ack_behind});
        return true;
    }
    e->marks_unsaid = e->earlier_count = 0;
    e->ack_of_acks = false;
    e->unsaid = out.options.accecn.present ? std::uint8_t{0} : e->unsaid;
    if (!out.syn) {
        e->test_ack = false;
        e->test_text = e->test_text && out.octets == 0;
        e->handshake_owed = e->handshake_owed && out.kind != segment_kind::pure_ack;
    }
    return false;
}

// A SYN,ACK, or text, has left. Options that went with what had to be repeated may be why it was lost; a SYN,ACK
// without any flag may have told the client that there is no ECN here.
// RFC9768-3.2.3.2.2b, 3.2.3.2.2c, 3.1.5i
template <class B>
void note_accurate_octets(const connection<B>& c, const leaving_segment& out, step<B>& st) noexcept
{
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr) {
        return;
    }
    if (out.syn && out.ack) {
        e->no_ect = e->no_ect || !(out.ae || out.cwr || out.ece);
    }
    const bool repeated = !out.fresh && (out.syn || (out.octets > 0 && out.seq == stream_offset{1}));
    e->sends_option = e->sends_option && !repeated;
}

// What an ACK reports of marks on what we sent. An ACK that was overtaken says nothing: neither its number nor its
// timestamp is news.
// RFC9768-3.2.2.2b, 3.2.2.4a, 3.2.3.2.3a, 3.2.3.2.3b, 3.2.3.2.3c, 3.2.3.2.4a, 3.2.3.2.5a, 3.2.3.2.5b
template <class B>
ecn_info take_accurate_feedback(connection<B>& c, accurate_ecn& e, const arriving_segment& seg,
                                const ack_result& delivered, octet_count flight_size) noexcept
{
    ecn_info told{.accurate = true};
    const bool later =
        seg.options.has_timestamps && static_cast<std::int32_t>(seg.options.tsval - e.last_tsval) > 0;
    const bool news = delivered.acked > 0 || delivered.newly_sacked > 0 || later;
    if (seg.without_ace || !news) {
        return told;
    }
    e.last_tsval = later ? seg.options.tsval : e.last_tsval;
    const unsigned ace = detail::ace_of(seg.header.flags);
    if (!e.ace_checked) {
        e.ace_checked = true;
        e.deaf = e.deaf || ace == 0;
        e.no_ect = e.no_ect || ace == 0;
    }
    if (e.deaf) {
        return told;
    }
    detail::marked_octets marked;
    if (seg.options.accecn.present && !e.option_void) {
        marked = detail::take_option_counts(e.s, seg.options.accecn);
    }
    constexpr std::uint16_t thinned = 4 * 16;  // ACKs of four segments and more are the rule here
    const std::uint32_t packets =
        detail::newly_marked(ace, e.s_cep, delivered.segments, marked, c.smss, e.acked_average >= thinned);
    if (delivered.segments > 0) {
        const std::int32_t sample = static_cast<std::int32_t>(std::min(delivered.segments, 1'000U)) * 16;
        e.acked_average = static_cast<std::uint16_t>(e.acked_average + (sample - e.acked_average) / 8);
    }
    e.s_cep += packets;
    count_rare(c.rare, &rare_state::marks_reported, packets);
    e.no_ect = e.no_ect || (marked.octets > 0 && packets == 0);  // one of the two was tampered with
    const octet_count average = delivered.segments > 0
                                    ? std::max<octet_count>(1, delivered.newly_delivered / delivered.segments)
                                    : c.smss;
    told.ce_segments = packets;
    told.ce_octets =
        std::min<octet_count>(flight_size, marked.known ? octet_count{marked.octets} : packets * average);
    told.ece = packets > 0 || marked.octets > 0;
    return told;
}

}  // namespace tcpco
