// The policy concepts: what a user-written policy must offer, one concept a question.
//
// A policy answers with a value; it never sends, never owns a timer, never sees the TCB. Policies are semiregular
// values: copying one copies its whole state, which is how undo and exploration work. `tcp/` asks, keeps the books and
// acts. Members beyond the required ones are refinements found by concept; `ask` in tcp/ supplies the default.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tcpco/core/address.hpp"
#include "tcpco/core/seed.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco {

namespace detail {

// std::semiregular, asked as one expression that instantiates nothing: half a hundred policies and their configs are
// looked at in each translation unit, and the standard's concept took a tenth of the time of including them.
template <class T>
concept semiregular_value = requires(T value, const T& other, T&& old) {
    T();
    T{};
    T(other);
    T(static_cast<T&&>(old));
    { value = other } -> std::same_as<T&>;
    { value = static_cast<T&&>(old) } -> std::same_as<T&>;
    { value.~T() } noexcept;
};

}  // namespace detail

// A semiregular value with a nested `config`, from which it can be made.
template <class P>
concept policy = detail::semiregular_value<P> && detail::semiregular_value<typename P::config> &&
                 requires(const typename P::config& c) { static_cast<P>(c); };

// --- how much may be in flight -------------------------------------------------------------------------------------
// Required: on_ack, on_congestion_event, cwnd, ssthresh. Refinements: the concepts below, each one member.
template <class C>
concept congestion_controller = policy<C> && requires(C c, const C cc, const ack_info& a, const congestion_event& e) {
    c.on_ack(a);
    c.on_congestion_event(e);
    { cc.cwnd() } -> std::convertible_to<octet_count>;
    { cc.ssthresh() } -> std::convertible_to<octet_count>;
};

template <class C>
concept told_of_establishment = requires(C c, const connection_established& e) { c.on_connection_established(e); };
template <class C>
concept told_of_packets_sent = requires(C c, const packet_sent& e) { c.on_packet_sent(e); };
template <class C>
concept told_of_packets_lost = requires(C c, const packet_lost& e) { c.on_packet_lost(e); };
template <class C>
concept told_of_timeouts = requires(C c, const retransmission_timeout& e) { c.on_retransmission_timeout(e); };
template <class C>
concept told_of_recovery_exit = requires(C c) { c.on_recovery_exit(); };
template <class C>
concept told_of_spurious = requires(C c, spurious_cause cause, const C& prior) { c.on_spurious(cause, prior); };
template <class C>
concept told_of_idle_restart = requires(C c, time_point now, octet_count restart_window) {
    c.on_idle_restart(now, restart_window);
};
template <class C>
concept told_of_smss_change =
    requires(C c, octet_count old_smss, octet_count smss) { c.on_smss_change(old_smss, smss); };
// pacing_rate() in octets per second, 0: none; send_quantum() in octets.
template <class C>
concept paces = requires(const C c) { { c.pacing_rate() } -> std::convertible_to<std::uint64_t>; };
template <class C>
concept sets_send_quantum = requires(const C c) { { c.send_quantum() } -> std::convertible_to<octet_count>; };
// Whether what it sends is to carry ECT(1), as RFC 9331 has it for controllers that answer each mark; asked only where
// the feedback is accurate. Without it: ECT(0).
template <class C>
concept chooses_ect = requires(const C c) { { c.ect_1() } -> std::same_as<bool>; };
// When its window was last in use (RFC 7661); the connection keeps the answer beside the windows while it is idle.
template <class C>
concept remembers_validation = requires(const C c) { { c.validated_at() } -> std::same_as<time_point>; };
// One of several, found by name: index_of(name) is below `count`, or there is none of that name.
template <class C>
concept chosen_by_name = requires(typename C::config config, std::string_view name, std::size_t index) {
    { C::index_of(name) } -> std::same_as<std::size_t>;
    { C::name_of(index) } -> std::convertible_to<const char*>;
    { C::count } -> std::convertible_to<std::size_t>;
    config.index = index;
};

// Traits, each a static constexpr bool, false when absent.
template <class C>
constexpr bool wants_rate_samples_v = [] {
    if constexpr (requires { { C::wants_rate_samples } -> std::convertible_to<bool>; }) {
        return static_cast<bool>(C::wants_rate_samples);
    } else {
        return false;
    }
}();
template <class C>
constexpr bool regulates_recovery_v = [] {
    if constexpr (requires { { C::regulates_recovery } -> std::convertible_to<bool>; }) {
        return static_cast<bool>(C::regulates_recovery);
    } else {
        return false;
    }
}();

// grows_beside_marks: on an ACK that reports marks it grows by the octets that had none, which it counts itself.
template <class C>
constexpr bool grows_beside_marks_v = [] {
    if constexpr (requires { { C::grows_beside_marks } -> std::convertible_to<bool>; }) {
        return static_cast<bool>(C::grows_beside_marks);
    } else {
        return false;
    }
}();

// One among several has the traits of what was chosen: there it answers what the mechanism asks at run time.
template <class C>
concept answers_for_traits = requires(const C c) {
    { c.chosen_regulates_recovery() } -> std::same_as<bool>;
    { c.chosen_grows_beside_marks() } -> std::same_as<bool>;
};
template <class C>
constexpr bool regulates_recovery(const C& c) noexcept
{
    if constexpr (answers_for_traits<C>) {
        return c.chosen_regulates_recovery();
    } else {
        return regulates_recovery_v<C>;
    }
}
template <class C>
constexpr bool grows_beside_marks(const C& c) noexcept
{
    if constexpr (answers_for_traits<C>) {
        return c.chosen_grows_beside_marks();
    } else {
        return grows_beside_marks_v<C>;
    }
}

// --- which octets next ---------------------------------------------------------------------------------------------
// The part of the scoreboard that policies see: they may look and mark, never send. Records are named by `index`.
template <class B>
concept loss_board = requires(B b, const B cb, typename B::index i, stream_offset o) {
    { B::npos } -> std::convertible_to<typename B::index>;
    { cb.first_unacked() } -> std::same_as<typename B::index>;  // lowest sequence; npos: nothing in flight
    { cb.next(i) } -> std::same_as<typename B::index>;          // the one after, in sequence order
    { cb.oldest_sent() } -> std::same_as<typename B::index>;    // earliest sent_at that is neither sacked nor lost
    { cb.next_sent(i) } -> std::same_as<typename B::index>;     // the one after, in order of transmission
    { cb.first_lost() } -> std::same_as<typename B::index>;     // lowest sequence presumed lost and not resent
    { cb.find(o) } -> std::same_as<typename B::index>;          // the record that holds octet o
    { cb[i] } -> std::same_as<const transmission&>;
    { cb.una() } -> std::same_as<stream_offset>;
    { cb.nxt() } -> std::same_as<stream_offset>;
    { cb.in_flight() } -> std::convertible_to<octet_count>;     // pipe
    { cb.sacked() } -> std::convertible_to<octet_count>;
    { cb.segments_sacked() } -> std::convertible_to<std::uint32_t>;  // wire segments
    { cb.lost() } -> std::convertible_to<octet_count>;
    { cb.retransmitted() } -> std::convertible_to<octet_count>;
    { cb.highest_sacked() } -> std::same_as<stream_offset>;     // end of the highest SACKed range; una when none
    b.mark_lost(i);                                             // idempotent; sacked records are left alone
    b.mark_all_lost();                                          // after a retransmission timeout
    b.clear_marks();                                            // takes all presumed losses back (undo)
    // For rules that judge by what is SACKed above a record, without a walk for each ACK; runs are of SACKed neighbours
    { b.past_run(i) } -> std::same_as<typename B::index>;       // i is SACKed: the record behind its run
    { b.highest_unsacked() } -> std::same_as<typename B::index>;
    { cb.sacked_ranges() } -> std::convertible_to<std::uint32_t>;  // runs
    { cb.line() } -> std::same_as<stream_offset>;               // a place in sequence order that only policies move
    { cb.sacked_beyond() } -> std::convertible_to<octet_count>;
    { cb.ranges_beyond() } -> std::convertible_to<std::uint32_t>;  // runs of which a part lies beyond the line
    b.reset_line();                                             // to una
    { b.move_line(i) } -> std::same_as<typename B::index>;      // i is there: behind it, or its run; what is there
};

template <class R, class Board>
concept loss_recovery_over =
    policy<R> && loss_board<Board> &&
    requires(R r, const R cr, Board& board, const ack_info& a, const sack_info& s, const transmission& t,
             const path_timing& timing, retransmission_timer kind, octet_count room) {
        r.on_transmit(t, timing);
        { r.on_ack(a, s, timing, board) } -> std::same_as<recovery_verdict>;
        { r.on_timer(kind, timing, board) } -> std::same_as<recovery_verdict>;
        { r.next(board, room) } -> std::same_as<send_decision>;
        { cr.timer() } -> std::same_as<timer_request>;
        { cr.in_recovery() } -> std::same_as<bool>;  // fast recovery, not the time after an RTO
    };

// Refinements. on_delivered: once for each record when it is first acknowledged or SACKed, in sequence order, before
// on_ack (RFC 8985 section 6.2). without_data: next() said new_data, and there is none to send (RFC 6675 NextSeg rules
// 3 and 4).
template <class R>
concept told_of_deliveries =
    requires(R r, const transmission& t, const path_timing& timing) { r.on_delivered(t, timing); };
template <class R, class Board>
concept decides_without_data = requires(R r, Board& board, octet_count room) {
    { r.without_data(board, room) } -> std::same_as<send_decision>;
};
// on_undo: the episode was needless (recovery/with_undo.hpp): be as if it had not begun. The board's marks are taken
// back already; nothing below `point` starts another.
// holds_timer: an ACK of `una` does not start the RTO anew, nor does what is sent again at `una` (RFC 6582 section 4).
// counted_twice: octets of which two copies are taken to be in flight (SetPipe of RFC 6675 section 4).
// on_reordering: a fast recovery, perhaps one that has ended, was needless: what seemed lost had been overtaken.
// is_steady: nothing is lost, and next() answers new_data, however much of that leaves, until an ACK or a timer comes;
// and with a peer that speaks SACK what leaves at one time may be one record, since the policy goes by the time that
// each record left and by what SACK blocks cut out of it, never by the number of records. on_transmit is told of each
// piece of it.
template <class R>
concept told_of_undo = requires(R r, stream_offset point) { r.on_undo(point); };
template <class R>
concept told_of_reordering = requires(R r) { r.on_reordering(); };
template <class R>
concept holds_timer = requires(const R r, stream_offset una) { { r.holds_timer(una) } -> std::same_as<bool>; };
template <class R>
concept knows_steady = requires(const R r) { { r.is_steady() } -> std::same_as<bool>; };
// awaits_plain_ack: of an ACK that covers the oldest records and says nothing else, while none is SACKed, lost or was
// sent again, on_plain_ack(a, sent_at, timing) tells all that there is to know: `sent_at` is when what left last of
// them left. It takes the place of on_delivered and on_ack, whose verdict would be none.
template <class R, class Board>
concept takes_plain_acks =
    requires(R r, const R cr, const Board& board, const ack_info& a, time_point sent_at, const path_timing& timing) {
        { cr.awaits_plain_ack(board) } -> std::same_as<bool>;
        r.on_plain_ack(a, sent_at, timing);
    };
template <class R>
concept counts_copies = requires(const R r) { { r.counted_twice() } -> std::same_as<octet_count>; };

// --- how fast during recovery --------------------------------------------------------------------------------------
template <class P>
concept recovery_rate = policy<P> && requires(P p, const P cp, const recovery_started& s, const recovery_progress& g) {
    p.on_enter(s);
    p.on_ack(g);
    p.on_transmit(octet_count{});
    { cp.cwnd() } -> std::convertible_to<octet_count>;
};

// Refinement: without SACK, duplicate ACKs in recovery stand for no more octets than these.
template <class P>
concept bounds_duplicates = requires(const P p) { { p.most_duplicated() } -> std::convertible_to<octet_count>; };

// --- how long until retransmission ---------------------------------------------------------------------------------
template <class E>
concept rto_estimator = policy<E> && requires(E e, const E ce, const rtt_sample& s) {
    e.on_rtt_sample(s);
    e.on_retransmission_timeout();  // back off
    e.on_forward_progress();        // new data was acknowledged
    e.on_spurious_timeout();
    { ce.rto() } -> std::same_as<duration>;  // back-off included
    { ce.srtt() } -> std::same_as<duration>;
    { ce.rttvar() } -> std::same_as<duration>;
};

// --- acknowledge now, later, not -----------------------------------------------------------------------------------
template <class A>
concept ack_policy = policy<A> && requires(A a, const received_segment& s, const window_growth& w) {
    { a.on_segment(s) } -> std::same_as<ack_decision>;
    { a.on_read(w) } -> std::same_as<bool>;  // true: send a window update now
    a.on_data_sent();
    a.on_ack_sent();
};
// Refinement: how long an ACK would wait now; srtt: of the connection, zero where it is not known.
template <class A>
concept tells_ack_delay = requires(const A a, duration srtt) { { a.delay(srtt) } -> std::same_as<duration>; };

// --- how long 2MSL is, what may end it -----------------------------------------------------------------------------
template <class T>
concept time_wait_policy = policy<T> && requires(const T t, const time_wait_syn& s, duration rto) {
    { t.two_msl(rto) } -> std::same_as<duration>;  // how long, asked when it begins; rto: the connection's
    { t.accepts_syn(s) } -> std::same_as<time_wait_answer>;
    { t.honours_rst() } -> std::same_as<bool>;
};

// --- how much to advertise -----------------------------------------------------------------------------------------
template <class W>
concept receive_window_policy = policy<W> && requires(W w, const W cw, const receive_window_state& s, octet_count n) {
    { cw.capacity() } -> std::convertible_to<octet_count>;  // receive buffer in octets
    { cw.window(s) } -> std::convertible_to<octet_count>;   // octets beyond rcv.nxt that may be offered
    w.on_delivered(n, s);                                   // the reader took n octets
};
// Refinement: its capacity can be set for one connection (SO_RCVBUF).
template <class W>
concept resizable_window = receive_window_policy<W> && requires(W w, octet_count octets) { w.set_capacity(octets); };

// Refinement: it follows the reader. largest(): what capacity() may become, for the shift that the SYN announces;
// round_trip(): by which it measures, zero where it has not yet.
template <class W>
concept tuned_window = receive_window_policy<W> && requires(const W w) {
    { w.largest() } -> std::convertible_to<octet_count>;
    { w.round_trip() } -> std::same_as<duration>;
};

// --- may a small segment go ----------------------------------------------------------------------------------------
template <class G>
concept send_gate = policy<G> && requires(const G g, const small_segment& s) {
    { g.may_send(s) } -> std::same_as<bool>;
};

// --- initial sequence numbers --------------------------------------------------------------------------------------
// `not_below`: null, or a number that the ISS must follow (a reopened TIME-WAIT, RFC 6191).
template <class I>
concept isn_generator = policy<I> && requires(I i, endpoint local, endpoint remote, time_point now,
                                              const sequence_number* not_below, const stack_seed& seed) {
    i.seed(seed);
    { i.generate(local, remote, now, not_below) } -> std::same_as<sequence_number>;
};

// --- admission of SYNs ---------------------------------------------------------------------------------------------
template <class D>
concept syn_defence = policy<D> && requires(D d, const syn_info& s) {
    { d.admit(s) } -> std::same_as<syn_answer>;
};

template <class D>
concept seeded_syn_defence = requires(D d, const stack_seed& seed) { d.seed(seed); };  // once, before all else
template <class D>
concept told_of_verified_sources = requires(D d, const source_verified& v) { d.on_source_verified(v); };

// --- what happened -------------------------------------------------------------------------------------------------
// An observer has any number of overloads `on(const event&)`; an event that none takes costs nothing.
template <class O>
concept observer = policy<O>;

template <class O, class Event>
constexpr void observe([[maybe_unused]] O& o, [[maybe_unused]] const Event& event)
{
    if constexpr (requires { o.on(event); }) {
        o.on(event);
    }
}

}  // namespace tcpco
