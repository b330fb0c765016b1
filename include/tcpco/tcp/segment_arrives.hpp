// SEGMENT ARRIVES (RFC 9293 section 3.10.7), in the RFC's order.
//
// `segment_arrives` is the parent: it holds all the control flow. Its children are one check of the RFC each and
// answer with a verdict. The states CLOSED and LISTEN have no TCB: answer_as_closed() is for both, open_passive()
// (user_calls.hpp) makes the TCB of a SYN that a listener accepts. TIME-WAIT's special answer to a SYN (RFC 6191) is
// given by the stack before.
//
// RFC 5961 is on: an RST counts only exactly at rcv.nxt, a SYN on a synchronized connection gets a challenge ACK, and
// an ACK must lie within [snd.una - max.snd.wnd, snd.nxt].
#pragma once

#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/sender.hpp"
#include "tcpco/tcp/transition_step.hpp"
#include "tcpco/tcp/urgent.hpp"

namespace tcpco {

// The RST that a segment without connection is answered with (3.10.7.1); an RST is answered with nothing.
// RFC9293-3.10.7.1a, 3.10.7.1b, 3.10.7.1c; RFC7323-5.2b
inline std::optional<stateless_segment> answer_as_closed(endpoint local, endpoint remote, const arriving_segment& seg)
{
    if (seg.rst()) {
        return std::nullopt;
    }
    stateless_segment reply{.local = local, .remote = remote};
    reply.options.has_timestamps = seg.options.has_timestamps;
    reply.options.tsecr = seg.options.tsval;
    if (seg.acks()) {
        reply.seq = seg.header.ack;
        reply.flags = tcp_flag::rst;
    } else {
        reply.ack = seg.header.seq + static_cast<std::uint32_t>(seg.length());
        reply.flags = tcp_flag::rst | tcp_flag::ack;
    }
    return reply;
}

namespace detail {

enum class verdict : std::uint8_t {
    proceed,
    drop,
};

// RFC 5961 section 7: an ACK that says where we are, at most a few in each 5 s of one connection. The counter is the
// connection's own and each window's length is jittered: a global or regular one is a side channel.
// RFC5961-7a, 7b
template <class B>
void challenge(connection<B>& c, step<B>& st)
{
    rare_state* r = c.rare.make();
    if (r != nullptr && st.now >= r->challenge_window) {
        r->challenge_window = st.now + duration{5'000'000'000} + duration{st.host.random.below(1'000'000'000)};
        r->challenge_credit = st.host.settings.challenge_acks;
    }
    if (r == nullptr || r->challenge_credit == 0) {
        ++st.host.counters.challenge_acks_limited;
        return;
    }
    --r->challenge_credit;
    ++st.host.counters.challenge_acks;
    owe_ack(c);
}

// The ACK that says where we are. An empty segment is answered within the limit of challenge ACKs only: two ends that
// disagree about the numbers would answer each other for ever (Linux has such a limit, too).
template <class B>
void answer_unacceptable(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    if (seg.length() == 0) {
        challenge(c, st);
    } else {
        owe_ack(c, true);
    }
}

// RFC 7323 5.3: a segment older than the one whose timestamp we echo is a duplicate from before a wrap. Not for RST,
// and not once ts_recent is older than 24 days (5.5): then its comparison means nothing.
// RFC7323-5.2a, 5.3a, 5.5a
template <class B>
bool fails_paws(const connection<B>& c, const arriving_segment& seg, time_point now)
{
    return c.timestamps && seg.options.has_timestamps && !seg.rst() &&
           static_cast<std::int32_t>(seg.options.tsval - c.ts_recent) < 0 && !ts_recent_is_void(c, now);
}

// Step 1, for segments outside the window.
// RFC9293-3.10.7.4-1e, 2a, 4b, 5l, RFC5961-3.2a, 4.2a, RFC1337-3b, RFC9293-3.5.2a
template <class B>
verdict reject_unacceptable(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    const bool unexpected_syn = seg.syn() && !seg.rst() && is_synchronized(c.state);
    st.drop(unexpected_syn ? drop_reason::tcp_unexpected_syn : drop_reason::tcp_out_of_window);
    if (seg.rst()) {
        return verdict::drop;
    }
    if (c.state == tcp_state::syn_received && seg.syn() && !seg.acks() && seg.seq == stream_offset{0}) {
        if (!agrees_again(c, seg, st)) {
            take_transition(c, tcp_event::abort, st);
            return verdict::drop;
        }
        resend_syn(c, st);  // our SYN,ACK was lost: repeat that, since a mere ACK tells a peer in SYN-SENT nothing
        return verdict::drop;
    }
    if (c.state == tcp_state::time_wait && seg.fin() && c.fin_received && seg.fin_at() + 1 == c.rcv.nxt) {
        // The peer repeats its FIN: our last ACK was lost (3.10.7.4 step 8). Its sequence number is old, so this is the
        // place where 2MSL starts anew.
        c.life_at = st.now + st.host.time_wait.two_msl(c.rto.rto());
    }
    if (unexpected_syn) {
        challenge(c, st);
        note_repeated_syn_ack(c, seg, st);
    } else {
        note_duplicate(c, seg);
        answer_unacceptable(c, seg, st);
    }
    return verdict::drop;
}

// The SYN,ACK of a simultaneous open (MUST-10) repeats a SYN that has come already, so it lies left of the window;
// what is new in it is the acknowledgement of ours. By the letter it would be answered with an ACK, and both ends be
// established by those; taking it at once, as Linux does, saves a round trip and cannot loop.
template <class B>
bool is_crossed_syn_ack(const connection<B>& c, const arriving_segment& seg)
{
    return c.state == tcp_state::syn_received && !c.passive && seg.syn() && seg.acks() && !seg.rst() &&
           seg.seq == stream_offset{0} && seg.ack == c.snd.nxt;
}

// RFC 7323 3.2: a segment without the timestamp that was agreed SHOULD be dropped silently. Not a SYN: a peer that has
// started anew does not know what was agreed, and RFC 5961 4.2 has every SYN answered with a challenge ACK. And not
// for ever: behind a middlebox that has begun to take the option out, the connection would stand still. After three
// such segments of the window in a row they are taken, without PAWS's protection, until one has the option again.
// Linux takes them at once.
template <class B>
bool lacks_timestamp(connection<B>& c, const arriving_segment& seg)
{
    constexpr std::uint8_t enough = 3;
    if (!c.timestamps || seg.options.has_timestamps || seg.rst() || seg.syn()) {
        c.untimed = seg.options.has_timestamps ? std::uint8_t{0} : c.untimed;
        return false;
    }
    if (c.untimed < enough) {
        // What repeats the latest octets counts as well: both ends may wait for an ACK of what had arrived.
        const stream_offset end = seg.seq + seg.length();
        const bool repeats = seg.length() > 0 && end <= c.rcv.nxt && end + octet_count{65'535} > c.rcv.nxt;
        const bool acceptable = repeats || is_acceptable({c.rcv.nxt, c.rcv.wnd()}, seg.seq, seg.length());
        c.untimed = static_cast<std::uint8_t>(c.untimed + (acceptable ? 1 : 0));
        return true;
    }
    return false;
}

// First, check sequence number. Trims what lies outside the window.
// RFC7323-3.2d, 3.2e, 3.2f, 5.3b, RFC2883-4.3a, RFC9293-3.8.6a
template <class B>
verdict check_sequence_number(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    if (fails_paws(c, seg, st.now)) {
        st.drop(drop_reason::tcp_paws);
        answer_unacceptable(c, seg, st);
        return verdict::drop;
    }
    if (lacks_timestamp(c, seg)) {
        st.drop(drop_reason::tcp_missing_timestamp);
        return verdict::drop;
    }
    if (is_crossed_syn_ack(c, seg)) {
        trim_to_window(c, seg);
        seg.header.flags = static_cast<std::uint16_t>(seg.header.flags & ~tcp_flag::ece);  // RFC 3168 6.1.1: no echo
        owe_ack(c);
        return verdict::proceed;
    }
    if (!is_acceptable({c.rcv.nxt, c.rcv.wnd()}, seg.seq, seg.length())) {
        // MUST-66: with a closed window the ACK (and RST) of a segment at rcv.nxt are still used; its text is not.
        if (c.rcv.wnd() > 0 || seg.seq != c.rcv.nxt || (seg.syn() && !seg.rst())) {
            return reject_unacceptable(c, seg, st);
        }
        st.drop(drop_reason::tcp_out_of_window);
        if (!seg.rst()) {
            owe_ack(c);
        }
    }
    if (seg.syn() && !seg.rst() && (is_synchronized(c.state) || (!seg.acks() && seg.seq < c.rcv.nxt))) {
        // RFC 5961 4.2: wherever it lies; trimming would make it plain text. Half-open, what lies left of the window
        // repeats the peer's SYN, whatever text it carries: without an ACK there is nothing else to be used of it.
        return reject_unacceptable(c, seg, st);
    }
    c.last_received_at = st.now;
    c.keep_probes = 0;
    note_duplicate(c, seg);
    trim_to_window(c, seg);
    return verdict::proceed;
}

// Second, check the RST bit (RFC 5961 section 3.2).
// SHLD-2, RFC9293-3.10.7.4-2b, 2c, 2d, 2e, 2f, 2g, RFC5961-3.2b, 3.2c, 4.2b, RFC1337-3a
template <class B>
verdict check_rst(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    if (!seg.rst()) {
        return verdict::proceed;
    }
    if (seg.sent_seq != c.rcv.nxt) {  // its own number: text before it must not widen the target
        st.drop(drop_reason::tcp_bad_rst);
        challenge(c, st);
    } else if (c.state == tcp_state::time_wait) {
        // RFC 1337, fix F1: an RST must not cut TIME-WAIT short, unless the policy says so.
        if (st.host.time_wait.honours_rst()) {
            take_transition(c, tcp_event::two_msl_elapsed, st);
        } else {
            st.drop(drop_reason::tcp_rst_in_time_wait);
        }
    } else {
        c.reset_received = true;
        if (c.fast_opened && c.state == tcp_state::syn_received) {
            end_with(c, errc::connection_reset);  // its user has it already: nobody refused him
        }
        take_transition(c, tcp_event::rst_acceptable, st);
    }
    return verdict::drop;
}

// Third, check security: not for hosts without compartments. Fourth, check the SYN bit.
// RFC9293-3.10.7.4-3a, 4a, 4b, RFC5961-4.2a
template <class B>
verdict check_syn(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    if (!seg.syn()) {
        return verdict::proceed;
    }
    if (c.state == tcp_state::syn_received && c.passive) {
        take_transition(c, tcp_event::syn_repeated, st);
    } else {
        st.drop(drop_reason::tcp_unexpected_syn);
        challenge(c, st);
    }
    return verdict::drop;
}

// Fifth, check the ACK field.
// RFC9293-3.10.7.4-5a, 5b, 5c, 5e, 5f, 5h, 5i, 5j, 5k, RFC5961-5.2a, 5.2b
template <class B>
verdict check_ack(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    if (!seg.acks()) {
        st.drop(drop_reason::tcp_no_ack_bit);
        return verdict::drop;
    }
    const bool opens = c.state == tcp_state::syn_received;
    if (opens) {
        if (seg.ack <= c.snd.una || seg.ack > c.snd.nxt) {
            st.drop(drop_reason::tcp_ack_of_unsent);
            st.reply = answer_as_closed(c.local, c.remote, seg);
            return verdict::drop;
        }
        set_send_window(c, seg);
        if (!take_transition(c, tcp_event::handshake_acked, st)) {
            st.drop(drop_reason::tcp_refused_by_machine);
            st.reply = answer_as_closed(c.local, c.remote, seg);
            return verdict::drop;
        }
    }
    if (seg.ack > c.snd.nxt) {
        st.drop(drop_reason::tcp_ack_of_unsent);
        answer_unacceptable(c, seg, st);
        return verdict::drop;
    }
    if (seg.ack < c.snd.una - octet_count{c.snd.max_wnd}) {
        st.drop(drop_reason::tcp_ack_too_old);  // MAY-12, RFC 5961 section 5
        challenge(c, st);
        return verdict::drop;
    }
    // Only now is it the peer's, as far as both numbers can tell: a blind segment must not move the clock that PAWS
    // compares with (Linux waits for the ACK check, too), nor advise, nor claim that a router marked it.
    update_ts_recent(c, seg, st.now);
    note_user_timeout_option(c, seg);
    if (opens) {
        take_handshake_ack(c, seg, st);
    }
    note_marks(c, seg, st);
    adopt_user_timeout(c, st);
    process_ack(c, seg, st);
    if (opens && !c.fast_opened) {
        establish_congestion(c, st);
    }
    if (opens) {
        answer_handshake_marks(c, st);
    }
    if (c.fin_acked()) {
        take_transition(c, tcp_event::fin_acked, st);  // refused where the FIN was acknowledged before
    }
    return c.state == tcp_state::closed ? verdict::drop : verdict::proceed;
}

// Seventh, process the segment text.
// RFC9293-3.10.7.4-7b
template <class B>
verdict check_text(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    if (!may_receive(c.state)) {
        if (seg.payload.size > 0) {
            st.drop(drop_reason::tcp_text_after_fin);
        }
        return verdict::drop;
    }
    if (seg.payload.size == 0 && !seg.fin()) {
        return verdict::proceed;
    }
    if ((c.reader_gone || c.refuses_text) && seg.payload.size > 0) {
        // RFC 9293 3.6.1, SHLD-3: text that nobody will read; the peer has to know that it is lost.
        end_with(c, errc::connection_reset);
        take_transition(c, tcp_event::abort, st);
        return verdict::drop;
    }
    process_segment_text(c, seg, st);
    return verdict::proceed;
}

// Eighth, check the FIN bit.
// RFC9293-3.10.7.4-8b, 8c, 8d, 8e
template <class B>
void check_fin(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    if (take_fin(c, seg)) {
        if (c.receiver) {  // text that the peer sent behind its own FIN: nobody will ever read it
            st.host.receivers.erase(c.receiver);
            c.receiver = {};
        }
        take_transition(c, tcp_event::fin_acceptable, st);
        const duration patience = st.host.settings.close_wait_report;
        const bool reports = c.state == tcp_state::close_wait && patience > duration{};
        c.ack_at = reports ? st.now + patience : time_point::never();  // the FIN is acknowledged at once
    }
}

// SYN-SENT (3.10.7.3): ACK, RST, security, SYN, in this order.
// RFC9293-3.10.7.3a, 3.10.7.3b, 3.10.7.3c, 3.10.7.3d, 3.10.7.3e, 3.10.7.3f, 3.10.7.3g, RFC5961-3.2d,
// RFC9293-3.10.7.4-8f
template <class B>
void arrives_in_syn_sent(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    const bool ack_acceptable = seg.acks() && c.snd.una < seg.ack && seg.ack <= c.snd.nxt;
    if (seg.acks() && !ack_acceptable) {
        st.drop(drop_reason::tcp_bad_ack_in_syn_sent);
        st.reply = answer_as_closed(c.local, c.remote, seg);
        return;
    }
    if (seg.rst()) {
        // RFC 5961 3.2 asks here for the ACK check alone: there is no rcv.nxt yet.
        if (ack_acceptable) {
            c.reset_received = true;
            take_transition(c, tcp_event::rst_acceptable, st);
        } else {
            st.drop(drop_reason::tcp_bad_rst);
        }
        return;
    }
    if (!seg.syn()) {
        st.drop(drop_reason::tcp_bad_ack_in_syn_sent);
        return;
    }
    const tcp_event event = ack_acceptable ? tcp_event::syn_acked : tcp_event::syn_crossed;
    if (find_transition<typename B::state_machine>(c.state, event, {.passive = c.passive}) == nullptr) {
        st.drop(drop_reason::tcp_refused_by_machine);
        st.reply = answer_as_closed(c.local, c.remote, seg);
        return;
    }
    accept_peer_syn(c, seg, st);
    c.last_received_at = st.now;
    if (!ack_acceptable) {
        take_transition(c, event, st);
        resend_syn(c, st);  // now as SYN,ACK (MUST-10)
        return;
    }
    take_transition(c, event, st);
    if (c.fast_open) {
        learn_fast_open(c, seg, st);
    }
    adopt_user_timeout(c, st);
    process_ack(c, seg, st);
    establish_congestion(c, st);
    answer_handshake_marks(c, st);
    if (c.snd.una < c.snd.nxt) {
        resend_flight(c, st);  // RFC7413-4.2.2d: the text of the SYN was not taken; no sign of congestion
    }
    trim_to_window(c, seg);
    if (check_text(c, seg, st) == verdict::proceed) {
        check_fin(c, seg, st);
    }
}

}  // namespace detail

// A segment for this connection, which is in SYN-SENT or beyond.
// RFC7323-2.3a
template <class B>
void segment_arrives(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    using detail::verdict;
    count_long(c.stats.segments_received, c.rare, &rare_state::segments_received_high, seg.info.wire_segments);
    c.stats.data_segments_received += seg.payload.size > 0 ? seg.info.wire_segments : 0U;
    seg.without_ace = seg.syn();  // RFC9768-3.2.2b
    seg.ack = from_wire(seg.header.ack, c.snd.iss, c.snd.una);
    if (c.state == tcp_state::syn_sent) {
        detail::arrives_in_syn_sent(c, seg, st);
        return;
    }
    seg.seq = seg.sent_seq = from_wire(seg.header.seq, c.rcv.irs, c.rcv.nxt);
    seg.wnd = octet_count{seg.header.window} << (seg.syn() ? 0 : c.snd.wscale);
    if (detail::check_sequence_number(c, seg, st) == verdict::drop || detail::check_rst(c, seg, st) == verdict::drop ||
        detail::check_syn(c, seg, st) == verdict::drop || detail::check_ack(c, seg, st) == verdict::drop) {
        return;
    }
    check_urg(c, seg);
    if (detail::check_text(c, seg, st) == verdict::drop) {
        return;
    }
    detail::check_fin(c, seg, st);
}

}  // namespace tcpco
