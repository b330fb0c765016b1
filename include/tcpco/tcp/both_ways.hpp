// For builds with TCPCO_BOTH_WAYS (core/assert.hpp): what the long way makes of a segment that went the short one
// (header_prediction.hpp), and whether both ended alike.
//
// The long way gets a copy of the connection, and of its sending half. Where a segment arrives nothing is allocated, so
// what a copy would allocate for is lent: the queues stay with the connection but for their numbers, what has been read
// and the half are the host's own, and the memory of its records grows where segments leave. Where that is too little,
// with more than 512 records, nothing is compared.
#pragma once

#include <concepts>
#include <utility>

#include "tcpco/tcp/header_prediction.hpp"

namespace tcpco {

// After segments have left: the records of `c` can be copied.
template <class B>
void make_room_to_compare(const connection<B>& c, step<B>& st) noexcept
{
    if constexpr (goes_both_ways) {
        if (const sender_active<B>* s = st.sender(c)) {
            st.host.compared_sender.board.make_room_for(s->board);
        }
    } else {
        static_cast<void>(c);
        static_cast<void>(st);
    }
}

// host.compared_sender is what the connection's sending half is now. False: there is too little memory for that.
template <class B>
bool lend_sending_half(const connection<B>& c, step<B>& st)
{
    sender_active<B>* const from = st.sender(c);
    if (from == nullptr) {
        return true;
    }
    sender_active<B>& to = st.host.compared_sender;
    scoreboard memory = std::move(to.board);
    if (!memory.assign_within(from->board)) {
        to.board = std::move(memory);
        return false;
    }
    scoreboard board = std::move(from->board);
    to = *from;  // a board without records is copied without an allocation
    from->board = std::move(board);
    to.board = std::move(memory);
    return true;
}

// What the long way makes of the segment, and of a connection that has nothing unread; after lend_sending_half().
template <class B>
connection<B> arrive_the_long_way(connection<B>& c, arriving_segment&& seg, step<B>& st)
{
    receive_queue unread = std::move(c.receive);
    send_queue unsent = std::move(c.send);  // whose numbers stay
    cold_part<rare_state> rare = std::move(c.rare);
    c.receive = receive_queue{};
    connection<B> other = c;
    c.receive = std::move(unread);
    c.send = std::move(unsent);
    other.receive = std::move(st.host.compared);
    other.rare = std::move(rare);
    [[maybe_unused]] const rare_state before = *other.rare;
    const stack_counters counters = st.host.counters;
    st.compared = true;
    segment_arrives(other, seg, st);
    st.compared = false;
    st.host.counters = counters;
    TCPCO_ASSERT(*other.rare == before && !st.reply && !st.doubtful);
    other.receive.discard(other.receive.size());
    st.host.compared = std::move(other.receive);
    c.rare = std::move(other.rare);
    return other;
}

namespace detail {

// Of a policy that does not compare, what it answers has to do.
template <class T>
constexpr bool same(const T& a, const T& b) noexcept
{
    if constexpr (std::equality_comparable<T>) {
        return a == b;
    } else {
        return true;
    }
}

inline bool agree(const scoreboard& a, const scoreboard& b) noexcept
{
    bool same = a.una() == b.una() && a.nxt() == b.nxt() && a.records() == b.records() &&
                a.in_flight() == b.in_flight() && a.segments_in_flight() == b.segments_in_flight() &&
                a.sacked() == b.sacked() && a.segments_sacked() == b.segments_sacked() && a.lost() == b.lost() &&
                a.retransmitted() == b.retransmitted() && a.emulated() == b.emulated() &&
                a.highest_sacked() == b.highest_sacked() && a.line() == b.line();
    auto i = a.first_unacked();
    auto j = b.first_unacked();
    auto t = a.oldest_sent();
    auto u = b.oldest_sent();
    while (same && i != scoreboard::npos && j != scoreboard::npos && t != scoreboard::npos && u != scoreboard::npos) {
        same = a[i] == b[j] && a[t].first == b[u].first;
        i = a.next(i);
        j = b.next(j);
        t = a.next_sent(t);
        u = b.next_sent(u);
    }
    return same && (i == scoreboard::npos) == (j == scoreboard::npos) &&
           (t == scoreboard::npos) == (u == scoreboard::npos);
}

template <class B>
bool agree(const sender_active<B>& a, const sender_active<B>& b) noexcept
{
    if constexpr (paces<typename B::congestion>) {
        if (a.congestion.pacing_rate() != b.congestion.pacing_rate()) {
            return false;
        }
    }
    const timer_request wants = a.recovery.timer();
    return agree(a.board, b.board) && a.congestion.cwnd() == b.congestion.cwnd() &&
           a.congestion.ssthresh() == b.congestion.ssthresh() && wants.kind == b.recovery.timer().kind &&
           wants.at == b.recovery.timer().at && a.recovery.in_recovery() == b.recovery.in_recovery() &&
           same(a.congestion, b.congestion) && same(a.recovery, b.recovery) &&
           same(a.recovery_rate, b.recovery_rate) && a.rate == b.rate && a.rounds == b.rounds &&
           a.min_rtts == b.min_rtts && a.progress_at == b.progress_at && a.times == b.times &&
           a.search.size == b.search.size && a.search.asked == b.search.asked && a.limited_until == b.limited_until &&
           a.reduced_until == b.reduced_until && a.burst_end == b.burst_end &&
           a.flight_before_disorder == b.flight_before_disorder && a.resumption_window == b.resumption_window &&
           a.before.has_value() == b.before.has_value();
}

}  // namespace detail

// Both ways led to the same.
template <class B>
bool agree(const connection<B>& a, const connection<B>& b) noexcept
{
    return a.state == b.state && a.events == b.events && a.snd.una == b.snd.una && a.snd.nxt == b.snd.nxt &&
           a.snd.wl1 == b.snd.wl1 && a.snd.wl2 == b.snd.wl2 && a.snd.wnd == b.snd.wnd &&
           a.snd.max_wnd == b.snd.max_wnd && a.rcv.nxt == b.rcv.nxt && a.rcv.right_edge == b.rcv.right_edge &&
           a.rcv.last_ack_sent == b.rcv.last_ack_sent &&
           a.acks_owed == b.acks_owed && a.ack_at == b.ack_at && a.timer == b.timer &&
           a.timer_at == b.timer_at && a.timer_base == b.timer_base && a.life == b.life && a.life_at == b.life_at &&
           a.retries == b.retries && a.timed_out == b.timed_out &&
           a.starved == b.starved && a.send_tuned == b.send_tuned && a.send.front() == b.send.front() &&
           a.send.end() == b.send.end() && a.send.limit() == b.send.limit() && a.rto.rto() == b.rto.rto() &&
           a.rto.srtt() == b.rto.srtt() && detail::same(a.rto, b.rto) &&
           a.smss == b.smss &&
           a.path_mtu == b.path_mtu && a.rmss == b.rmss &&
           a.ts_recent == b.ts_recent && a.ts_recent_at == b.ts_recent_at &&
           a.last_received_at == b.last_received_at && a.unanswered == b.unanswered &&
           a.keep_probes == b.keep_probes && a.untimed == b.untimed && a.cwr_owed == b.cwr_owed &&
           a.held_by_mark == b.held_by_mark && a.probe_owed == b.probe_owed && a.cwnd_limited == b.cwnd_limited &&
           a.stats.segments_received == b.stats.segments_received &&
           a.stats.data_segments_received == b.stats.data_segments_received;
}

// And so for the sending half of `c`, and the one that was lent.
template <class B>
bool sending_halves_agree(const connection<B>& c, step<B>& st) noexcept
{
    const sender_active<B>* const s = st.sender(c);
    return s == nullptr || detail::agree(*s, st.host.compared_sender);
}

}  // namespace tcpco
