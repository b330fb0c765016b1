// TIMEOUTS (RFC 9293 section 3.10.8): what happens when a connection's timers are due.
//
// RTO: RFC 6298 section 5, MUST-18 to MUST-23. Persist: RFC 9293 3.8.6.1, MUST-36, MUST-37. Delayed ACK: 3.8.6.3.
// TIME-WAIT: 3.6.1, MUST-13.
#pragma once

#include "tcpco/tcp/acknowledgement.hpp"
#include "tcpco/tcp/receiver.hpp"

namespace tcpco {

namespace detail {

// RFC4987-3.3a
template <class B>
unsigned retry_limit(const connection<B>& c, const step<B>& st)
{
    switch (c.state) {
    case tcp_state::syn_sent: return st.host.settings.syn_retries;
    case tcp_state::syn_received: return st.host.settings.syn_ack_retries;
    default: return st.host.settings.data_retries;
    }
}

// R2 is reached, or the user timeout (RFC 9293 3.10.8). False: there is hope left.
// RFC9293-3.10.8a
template <class B>
bool give_up(connection<B>& c, step<B>& st)
{
    const bool over = c.user_timeout != 0 ? st.now >= user_timeout_at(c, st.sender(c))
                                          : c.unanswered >= retry_limit(c, st);
    if (!over) {
        c.unanswered = static_cast<std::uint8_t>(std::min(255, c.unanswered + 1));
        if (c.unanswered == r1_timeouts) {
            c.events |= readiness::advised;  // SHLD-9, SHLD-10
            st.doubtful = true;              // MUST-20: the next hop is asked for anew
        }
        return false;
    }
    take_transition(c, tcp_event::gave_up, st);
    return true;
}

// What was SACKed stays marked, as RFC 6675 5.1 asks for (RFC 2018 would forget it all), unless the receiver reneged.
// RFC9293-3.10.8b, RFC2018-5c, RFC4015-3.2a, RFC6298-5.4a, 5.6a
template <class B>
void on_retransmission_timeout(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    const bool first = !c.timed_out;  // not c.retries: a window that was closed meanwhile begins that count anew
    c.timed_out = true;
    const octet_count flight_size = s.board.flight_size();
    if (first && !s.recovery.in_recovery()) {
        s.before = s.congestion;
    }
    if (first) {
        note_missing(c, st);
    }
    // RFC 2018 section 8: a head that is SACKed and still outstanding at the RTO means that the receiver reneged.
    if (const auto head = s.board.first_unacked(); head != scoreboard::npos && s.board[head].sacked) {
        s.board.renege();
    }
    s.board.clear_emulation();
    count_rare(c.rare, &rare_state::timeouts, 1);
    ++st.host.counters.timeouts;
    c.retries = static_cast<std::uint8_t>(std::min(255, c.retries + 1));
    c.rto.on_retransmission_timeout();  // RFC6298-5.5a
    ask_for_black_hole(c, s, st);
    const recovery_verdict verdict = s.recovery.on_timer(retransmission_timer::rto, timing_of(c, s, st.now), s.board);
    prepare_verdict(c, s, verdict, 0, st);
    lost_only_a_probe(c, s, report_losses(c, s), st);
    apply_verdict(c, s, verdict, flight_size, 0, st);
    if (is_synchronized(c.state)) {
        if constexpr (told_of_timeouts<typename B::congestion>) {
            s.congestion.on_retransmission_timeout(
                {.first = first, .in_flight = flight_size, .smss = c.smss, .now = st.now});
        } else {
            s.congestion.on_congestion_event({.in_flight = flight_size, .smss = c.smss, .now = st.now});
        }
    }
    note_reduction(c, s);
    c.timer_base = st.now;  // RFC6298-5.6a
    c.held_by_mark = false;
    observe(st.host.observer,
            event::timer_fired{.connection = key_of(c), .at = st.now, .kind = event::timer_kind::rto});
}

// PTO or reordering timer: the recovery policy marks, next() then says what to send.
template <class B>
void on_recovery_timer(connection<B>& c, sender_active<B>& s, retransmission_timer kind, step<B>& st)
{
    const octet_count flight_size = s.board.flight_size();
    const recovery_verdict verdict = s.recovery.on_timer(kind, timing_of(c, s, st.now), s.board);
    prepare_verdict(c, s, verdict, 0, st);
    if (lost_only_a_probe(c, s, report_losses(c, s), st) && verdict.kind == verdict_kind::enter) {
        repair_probe(c, s, 0);
    } else {
        apply_verdict(c, s, verdict, flight_size, 0, st);
    }
    if (kind == retransmission_timer::pto) {
        c.timer_base = st.now;  // RFC8985-7.3c: the RTO counts from the probe
    }
    observe(st.host.observer,
            event::timer_fired{
                .connection = key_of(c),
                .at = st.now,
                .kind = kind == retransmission_timer::pto ? event::timer_kind::pto : event::timer_kind::reorder});
}

template <class B>
void on_retransmission_timer(connection<B>& c, step<B>& st)
{
    const retransmission_timer kind = c.timer;
    sender_active<B>* s = st.sender(c);
    if (kind == retransmission_timer::persist) {
        if (s != nullptr && c.unanswered == 0) {
            s->progress_at = st.now;  // the peer has answered so far: its time runs from this probe on (MUST-37)
        }
        if (give_up(c, st)) {
            return;
        }
        c.probe_owed = true;
        c.retries = static_cast<std::uint8_t>(std::min(255, c.retries + 1));
        c.timer_base = st.now;
        observe(st.host.observer,
                event::timer_fired{.connection = key_of(c), .at = st.now, .kind = event::timer_kind::persist});
    } else if (s != nullptr && kind == retransmission_timer::rto) {
        if (give_up(c, st)) {
            return;
        }
        on_retransmission_timeout(c, *s, st);
    } else if (s != nullptr) {
        on_recovery_timer(c, *s, kind, st);
    }
    rearm_timer(c, st);
}

// The connection has been quiet: its sending half goes back to the pool; what the controller learnt stays.
template <class B>
void release_sender(connection<B>& c, step<B>& st)
{
    const sender_active<B>* s = st.sender(c);
    if (s != nullptr && s->board.flight_size() == 0 && c.sendable_end() == c.snd.nxt) {
        keep_windows(c, st);
        st.host.senders.erase(c.sender);
        c.sender = {};
        c.rare.drop_if_default();
    }
}

// RFC 9293 3.8.4, MUST-26, MUST-29. A probe that is late, because the clock jumped or the device slept, is still a
// first probe: each gets its full interval.
template <class B>
void on_keep_alive(connection<B>& c, step<B>& st)
{
    if (c.keep_count == 0 || c.sender || st.now < c.last_received_at + keep_alive_idle(c)) {
        rearm_timer(c, st);
    } else if (c.keep_probes >= c.keep_count) {
        take_transition(c, tcp_event::gave_up, st);
    } else {
        ++c.keep_probes;
        c.keep_probe_owed = true;
        owe_ack(c);
        c.life = life_timer::keep_alive;
        c.life_at = st.now + duration{c.keep_interval * std::int64_t{1'000'000'000}};
    }
}

// RFC9293-3.10.8c
template <class B>
void on_life_timer(connection<B>& c, step<B>& st)
{
    const life_timer kind = c.life;
    c.life = life_timer::none;
    c.life_at = time_point::never();
    switch (kind) {
    case life_timer::none: break;
    case life_timer::pacing: rearm_timer(c, st); break;  // it may have nothing to send after all
    case life_timer::two_msl: take_transition(c, tcp_event::two_msl_elapsed, st); break;
    case life_timer::fin_wait_2: take_transition(c, tcp_event::fin_wait_2_elapsed, st); break;
    case life_timer::quiet:
        release_sender(c, st);
        rearm_timer(c, st);
        break;
    case life_timer::keep_alive: on_keep_alive(c, st); break;
    }
}

}  // namespace detail

// Fires what is due at st.now. Spurious calls do nothing.
template <class B>
void advance_connection(connection<B>& c, step<B>& st)
{
    if (c.ack_at <= st.now) {
        c.ack_at = time_point::never();
        if (!c.fin_received) {
            owe_ack(c);
        } else if (c.state == tcp_state::close_wait) {
            c.events |= readiness::advised;
            ++st.host.counters.close_wait_held;
        }
    }
    if (c.timer_at <= st.now) {
        detail::on_retransmission_timer(c, st);
    }
    if (c.life_at <= st.now) {
        detail::on_life_timer(c, st);
    }
}

}  // namespace tcpco
