// The state machine of RFC 9293 (figure 5 and section 3.10), and one that leaves an edge out.
#pragma once

#include "tcpco/policy/state_machine/transition.hpp"

namespace tcpco::state_machines {

struct rfc9293 {
    using s = tcp_state;
    using e = tcp_event;
    using g = guard;
    using a = actions;

    static constexpr std::array<transition, 49> rows{{
        {s::closed, e::passive_open, g::always, s::listen, a::none, "3.10.1"},
        {s::closed, e::active_open, g::always, s::syn_sent, a::send_syn, "3.10.1"},

        {s::listen, e::active_open, g::always, s::syn_sent, a::send_syn, "3.10.1"},
        {s::listen, e::syn_acceptable, g::always, s::syn_received, a::send_syn_ack, "3.10.7.2"},
        {s::listen, e::close, g::always, s::closed, a::delete_tcb, "3.10.4"},
        {s::listen, e::abort, g::always, s::closed, a::delete_tcb, "3.10.5"},

        {s::syn_sent, e::syn_acked, g::always, s::established, a::send_ack | a::signal_established, "3.10.7.3"},
        {s::syn_sent, e::syn_crossed, g::always, s::syn_received, a::send_syn_ack, "3.10.7.3, MUST-10"},
        {s::syn_sent, e::rst_acceptable, g::always, s::closed, a::signal_refused | a::delete_tcb, "3.10.7.3"},
        {s::syn_sent, e::close, g::always, s::closed, a::delete_tcb, "3.10.4"},
        {s::syn_sent, e::abort, g::always, s::closed, a::delete_tcb, "3.10.5"},
        {s::syn_sent, e::gave_up, g::always, s::closed, a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::syn_received, e::handshake_acked, g::always, s::established, a::signal_established, "3.10.7.4 5"},
        {s::syn_received, e::syn_repeated, g::passive_origin, s::listen, a::delete_tcb, "3.10.7.4 4, MUST-11"},
        {s::syn_received, e::rst_acceptable, g::passive_origin, s::listen, a::delete_tcb, "3.10.7.4 2, MUST-11"},
        {s::syn_received, e::rst_acceptable, g::active_origin, s::closed, a::signal_refused | a::delete_tcb,
         "3.10.7.4 2"},
        {s::syn_received, e::close, g::nothing_queued, s::fin_wait_1, a::send_fin, "3.10.4"},
        {s::syn_received, e::close, g::octets_queued, s::syn_received, a::defer_close, "3.10.4"},
        {s::syn_received, e::abort, g::always, s::closed, a::send_rst | a::delete_tcb, "3.10.5"},
        {s::syn_received, e::gave_up, g::always, s::closed, a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::established, e::fin_acceptable, g::always, s::close_wait, a::send_ack | a::signal_end_of_stream,
         "3.10.7.4 8"},
        {s::established, e::close, g::always, s::fin_wait_1, a::send_fin, "3.10.4"},
        {s::established, e::rst_acceptable, g::always, s::closed, a::signal_reset | a::delete_tcb, "3.10.7.4 2"},
        {s::established, e::abort, g::always, s::closed, a::send_rst | a::delete_tcb, "3.10.5"},
        {s::established, e::gave_up, g::always, s::closed, a::send_rst | a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::fin_wait_1, e::fin_acked, g::always, s::fin_wait_2, a::none, "3.10.7.4 5"},
        {s::fin_wait_1, e::fin_acceptable, g::always, s::closing, a::send_ack | a::signal_end_of_stream, "3.10.7.4 8"},
        {s::fin_wait_1, e::rst_acceptable, g::always, s::closed, a::signal_reset | a::delete_tcb, "3.10.7.4 2"},
        {s::fin_wait_1, e::abort, g::always, s::closed, a::send_rst | a::delete_tcb, "3.10.5"},
        {s::fin_wait_1, e::gave_up, g::always, s::closed, a::send_rst | a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::fin_wait_2, e::fin_acceptable, g::always, s::time_wait,
         a::send_ack | a::signal_end_of_stream | a::start_two_msl, "3.10.7.4 8"},
        {s::fin_wait_2, e::rst_acceptable, g::always, s::closed, a::signal_reset | a::delete_tcb, "3.10.7.4 2"},
        {s::fin_wait_2, e::abort, g::always, s::closed, a::send_rst | a::delete_tcb, "3.10.5"},
        {s::fin_wait_2, e::gave_up, g::always, s::closed, a::send_rst | a::signal_timed_out | a::delete_tcb, "3.8.3"},
        // Not in the RFC, which lets FIN-WAIT-2 last for ever; Linux, FreeBSD and we end it when nobody can read.
        {s::fin_wait_2, e::fin_wait_2_elapsed, g::always, s::closed, a::delete_tcb, "3.10.8, own"},

        {s::close_wait, e::close, g::always, s::last_ack, a::send_fin, "3.10.4, figure 5"},
        {s::close_wait, e::rst_acceptable, g::always, s::closed, a::signal_reset | a::delete_tcb, "3.10.7.4 2"},
        {s::close_wait, e::abort, g::always, s::closed, a::send_rst | a::delete_tcb, "3.10.5"},
        {s::close_wait, e::gave_up, g::always, s::closed, a::send_rst | a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::closing, e::fin_acked, g::always, s::time_wait, a::start_two_msl, "3.10.7.4 5"},
        {s::closing, e::rst_acceptable, g::always, s::closed, a::delete_tcb, "3.10.7.4 2"},
        {s::closing, e::abort, g::always, s::closed, a::delete_tcb, "3.10.5"},
        {s::closing, e::gave_up, g::always, s::closed, a::signal_timed_out | a::delete_tcb, "3.8.3"},

        {s::last_ack, e::fin_acked, g::always, s::closed, a::delete_tcb, "3.10.7.4 5"},
        {s::last_ack, e::rst_acceptable, g::always, s::closed, a::delete_tcb, "3.10.7.4 2"},
        {s::last_ack, e::gave_up, g::always, s::closed, a::signal_timed_out | a::delete_tcb, "3.8.3"},
        {s::last_ack, e::abort, g::always, s::closed, a::delete_tcb, "3.10.5"},

        {s::time_wait, e::two_msl_elapsed, g::always, s::closed, a::delete_tcb, "3.10.8"},
        {s::time_wait, e::abort, g::always, s::closed, a::delete_tcb, "3.10.5"},
    }};
};

static_assert(state_machine<rfc9293>);

// Without simultaneous open: a crossing SYN is refused with an RST. For hosts that never open towards each other,
// where the edge only serves an attacker who connects back.
struct no_simultaneous_open {
    static constexpr auto rows =
        without<rfc9293::rows, [](const transition& row) { return row.event == tcp_event::syn_crossed; }>();
};

static_assert(state_machine<no_simultaneous_open>);

}  // namespace tcpco::state_machines
