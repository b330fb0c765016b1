// Taking a transition: the only writer of a connection's state.
//
// The bundle's table says where an event leads and what is to be done; this header does it. Whatever the table does not
// have is refused: the caller answers a segment as in CLOSED, a user call with operation_not_permitted.
#pragma once

#include <algorithm>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

template <class B>
bool take_transition(connection<B>& c, tcp_event what, step<B>& st);

namespace detail {

// What the controller knew, for tcp_info and for a sender that begins again; and how its time was spent. Before the
// sending half goes.
template <class B>
void keep_windows(connection<B>& c, step<B>& st)
{
    if (sender_active<B>* s = st.sender(c)) {
        c.idle.keep_windows(s->congestion.cwnd(), s->congestion.ssthresh());
        c.idle.keep_min_rtt(s->min_rtts.get(), s->min_rtts.taken_at());
        if constexpr (remembers_validation<typename B::congestion>) {
            c.validated_at = s->congestion.validated_at();
        }
        const auto spent = [&](send_limit cause) {
            return static_cast<std::uint64_t>(s->times.spent(cause, st.now).microseconds());
        };
        const std::uint64_t busy = c.stats.busy + spent(send_limit::none);
        c.stats.busy = static_cast<std::uint32_t>(busy);
        count_rare(c.rare, &rare_state::busy_hours, busy >> 32);
        count_rare(c.rare, &rare_state::window_limited, spent(send_limit::receive_window));
        count_rare(c.rare, &rare_state::buffer_limited, spent(send_limit::send_buffer));
        count_rare(c.rare, &rare_state::cwnd_limited, spent(send_limit::congestion_window));
        s->times = {};  // where the half stays, it counts anew
    }
}

// Gives back what a connection without future does not need. Octets that were received in order stay readable.
template <class B>
void delete_tcb(connection<B>& c, step<B>& st)
{
    keep_windows(c, st);
    st.host.senders.erase(c.sender);
    st.host.receivers.erase(c.receiver);
    st.host.accurate.erase(c.accurate);
    c.sender = {};
    c.receiver = {};
    c.accurate = {};
    c.send.release();
    c.timer = retransmission_timer::none;
    c.timer_at = c.ack_at = c.life_at = time_point::never();
    c.life = life_timer::none;
    c.acks_owed = 0;
    c.probe_owed = c.read_since_ack = false;
    c.events |=
        readiness::readable | readiness::writable | readiness::connected | readiness::flushed | readiness::closed;
}

// RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST>, where that is acceptable; with ACK, as is equally valid and easier on
// middleboxes.
// RFC7323-3.2c
template <class B>
void send_reset(const connection<B>& c, step<B>& st)
{
    st.reply = stateless_segment{.local = c.local,
                                 .remote = c.remote,
                                 .seq = to_wire(c.acceptable_seq(), c.snd.iss),
                                 .ack = to_wire(c.rcv.nxt, c.rcv.irs),
                                 .flags = static_cast<std::uint16_t>(
                                     tcp_flag::rst | tcp_flag::ack | (c.accurate ? flags_of_ace(c.ace) : 0))};
    if (c.timestamps) {
        st.reply->options.has_timestamps = true;  // RFC 7323 3.2
        st.reply->options.tsval = timestamp_now(c, st.now);
        st.reply->options.tsecr = c.ts_recent;
    }
}

template <class B>
void end_with(connection<B>& c, errc reason)
{
    if (c.error == errc::ok) {
        c.error = reason;
    }
}

// RFC9293-3.10.7.4-5j, 8c, 8d
template <class B>
void start_two_msl(connection<B>& c, step<B>& st)
{
    // MUST-13; RFC 9293 3.10.7.4: all other timers are turned off. What the peer's FIN asked for is still acknowledged.
    keep_windows(c, st);
    st.host.senders.erase(c.sender);
    c.sender = {};
    c.timer = retransmission_timer::none;
    c.timer_at = time_point::never();
    c.life = life_timer::two_msl;
    c.life_at = st.now + st.host.time_wait.two_msl(c.rto.rto());
    c.events |= readiness::closed;
}

template <class B>
void perform(connection<B>& c, actions act, step<B>& st)
{
    if (contains(act, actions::send_ack)) {
        c.acks_owed = c.acks_owed == 0 ? 1 : c.acks_owed;
    }
    if (contains(act, actions::send_fin)) {
        c.fin_queued = true;
    }
    if (contains(act, actions::send_rst)) {
        send_reset(c, st);
    }
    if (contains(act, actions::defer_close)) {
        c.close_deferred = true;
    }
    if (contains(act, actions::start_two_msl)) {
        start_two_msl(c, st);
    }
    if (contains(act, actions::signal_established)) {
        c.events |= readiness::connected | readiness::writable;
        ++st.host.counters.connections_opened;
    }
    if (contains(act, actions::signal_end_of_stream)) {
        c.events |= readiness::readable;
    }
    if (contains(act, actions::signal_refused)) {
        end_with(c, errc::connection_refused);
    }
    if (contains(act, actions::signal_reset)) {
        end_with(c, errc::connection_reset);
    }
    if (contains(act, actions::signal_timed_out)) {
        // A host or network that ICMP or ARP called unreachable is the better reason (SHLD-25).
        end_with(c, c.soft_error == errc::ok ? errc::timed_out : c.soft_error);
    }
    if (contains(act, actions::delete_tcb)) {
        delete_tcb(c, st);
    }
}

}  // namespace detail

// RFC7413-4.1.3b: Fast Open failed with this server.
template <class B>
void refuse_fast_open(const connection<B>& c, step<B>& st)
{
    st.host.fast_open_client.refuse(c.remote.address, st.now, st.now + st.host.settings.fast_open_retry_after);
}

// FIN-WAIT-2 ends by itself only when nobody can read any more: never after a mere shutdown(write).
template <class B>
void limit_fin_wait_2(connection<B>& c, step<B>& st)
{
    if (c.state == tcp_state::fin_wait_2 && c.reader_gone && c.life != life_timer::fin_wait_2) {
        c.life = life_timer::fin_wait_2;
        const std::int16_t seconds = c.rare->fin_wait_2_seconds;
        const duration own{std::max<std::int64_t>(seconds, 0) * 1'000'000'000};
        c.life_at = st.now + (seconds == 0 ? st.host.settings.fin_wait_2_timeout : own);
    }
}

// False: the table has no such transition, nothing happened.
template <class B>
bool take_transition(connection<B>& c, tcp_event what, step<B>& st)
{
    const transition* row = find_transition<typename B::state_machine>(
        c.state, what, {.passive = c.passive, .octets_queued = c.send.size() > 0});
    if (row == nullptr) {
        return false;
    }
    const tcp_state from = c.state;
    c.state = row->to;
    if (c.fast_open && from == tcp_state::syn_sent &&
        (what == tcp_event::rst_acceptable || what == tcp_event::gave_up)) {
        refuse_fast_open(c, st);
    }
    observe(st.host.observer, event::state_changed{.connection = key_of(c), .at = st.now, .from = from, .to = c.state});
    detail::perform(c, row->act, st);
    limit_fin_wait_2(c, st);
    if (c.state == tcp_state::established && c.close_deferred) {
        c.close_deferred = false;
        take_transition(c, tcp_event::close, st);
    }
    return true;
}

}  // namespace tcpco
