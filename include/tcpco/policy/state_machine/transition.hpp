// The vocabulary of the transition table, and what makes a table well-formed.
//
// A state machine policy is a type with `static constexpr std::array<transition, N> rows`. Events are verdicts, not
// segments: by the time the table is asked, sequence numbers and ACKs were judged (tcp/segment_arrives.hpp). A pair
// (state, event) without a row is refused: a segment is then answered as in CLOSED, a user call returns
// operation_not_permitted. Rows are tried in order; the first whose guard holds is taken.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "tcpco/policy/state_machine/state.hpp"

namespace tcpco {

enum class tcp_event : std::uint8_t {
    // user calls (RFC 9293 3.10.1 to 3.10.5)
    passive_open,
    active_open,
    close,  // of the sending direction: shutdown and close alike
    abort,
    // verdicts on segments (3.10.7)
    syn_acceptable,   // LISTEN: a SYN that may open a connection
    syn_acked,        // SYN-SENT: a SYN, and our SYN is acknowledged
    syn_crossed,      // SYN-SENT: a SYN without ACK: simultaneous open
    handshake_acked,  // SYN-RECEIVED: our SYN is acknowledged
    syn_repeated,     // SYN-RECEIVED: another SYN within the window
    fin_acceptable,   // a FIN whose turn it is: all before it has arrived
    fin_acked,        // our FIN is acknowledged
    rst_acceptable,   // an RST that passed RFC 5961's checks
    // timeouts (3.10.8)
    gave_up,             // R2 (3.8.3) or the user timeout passed
    two_msl_elapsed,     // TIME-WAIT is over, by time or because a new SYN may reuse it (RFC 6191)
    fin_wait_2_elapsed,  // nobody is left to read, and the peer does not close
};

constexpr std::size_t tcp_event_count = 15;

constexpr const char* to_string(tcp_event e) noexcept
{
    constexpr const char* names[tcp_event_count] = {"passive OPEN",
                                                    "active OPEN",
                                                    "CLOSE",
                                                    "ABORT",
                                                    "SYN acceptable",
                                                    "SYN acknowledged",
                                                    "SYN crossed",
                                                    "handshake acknowledged",
                                                    "SYN repeated",
                                                    "FIN acceptable",
                                                    "FIN acknowledged",
                                                    "RST acceptable",
                                                    "gave up",
                                                    "2MSL elapsed",
                                                    "FIN-WAIT-2 elapsed"};
    return names[static_cast<std::size_t>(e)];
}

enum class guard : std::uint8_t {
    always,
    passive_origin,  // the connection came out of LISTEN (MUST-11)
    active_origin,
    nothing_queued,  // no octets wait to be sent
    octets_queued,
};

// What the stack does when a row is taken; a set.
enum class actions : std::uint16_t {
    none = 0,
    send_syn = 1 << 0,
    send_syn_ack = 1 << 1,
    send_ack = 1 << 2,
    send_fin = 1 << 3,  // after everything that is queued
    send_rst = 1 << 4,
    start_two_msl = 1 << 5,
    defer_close = 1 << 6,  // CLOSE is remembered until ESTABLISHED (3.10.4)
    delete_tcb = 1 << 7,
    signal_established = 1 << 8,
    signal_end_of_stream = 1 << 9,
    signal_refused = 1 << 10,
    signal_reset = 1 << 11,
    signal_timed_out = 1 << 12,
};

constexpr actions operator|(actions a, actions b) noexcept
{
    return static_cast<actions>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool contains(actions set, actions one) noexcept
{
    return (static_cast<unsigned>(set) & static_cast<unsigned>(one)) != 0;
}

struct transition {
    tcp_state from{};
    tcp_event event{};
    guard when = guard::always;
    tcp_state to{};
    actions act = actions::none;
    const char* clause = "";  // of RFC 9293
};

// What the guards are judged by.
struct guard_input {
    bool passive = false;
    bool octets_queued = false;
};

constexpr bool holds(guard g, guard_input in) noexcept
{
    switch (g) {
    case guard::always: return true;
    case guard::passive_origin: return in.passive;
    case guard::active_origin: return !in.passive;
    case guard::nothing_queued: return !in.octets_queued;
    case guard::octets_queued: return in.octets_queued;
    }
    return false;
}

namespace detail {

// For each state and event the first row of the two; rows.size(): there is none. A row beyond the 255th is looked for
// from there on.
template <class Machine>
inline constexpr auto first_rows = [] {
    std::array<std::array<std::uint8_t, tcp_event_count>, tcp_state_count> first{};
    for (auto& of_state : first) {
        of_state.fill(static_cast<std::uint8_t>(Machine::rows.size() < 255 ? Machine::rows.size() : 255));
    }
    for (std::size_t i = Machine::rows.size(); i-- > 0;) {
        const transition& row = Machine::rows[i];
        first[static_cast<std::size_t>(row.from)][static_cast<std::size_t>(row.event)] =
            static_cast<std::uint8_t>(i < 255 ? i : 255);
    }
    return first;
}();

}  // namespace detail

// The row that applies, or null: the event is refused.
template <class Machine>
constexpr const transition* find_transition(tcp_state from, tcp_event event, guard_input in) noexcept
{
    const auto& first = detail::first_rows<Machine>[static_cast<std::size_t>(from)];
    for (std::size_t i = first[static_cast<std::size_t>(event)]; i < Machine::rows.size(); ++i) {
        const transition& row = Machine::rows[i];
        if (row.from == from && row.event == event && holds(row.when, in)) {
            return &row;
        }
    }
    return nullptr;
}

// A copy of `Rows` without those for which `Removed(row)`; for machines that differ from the RFC's by missing edges.
template <const auto& Rows, auto Removed>
constexpr auto without() noexcept
{
    constexpr std::size_t kept_count = [] {
        std::size_t n = 0;
        for (const transition& row : Rows) {
            n += Removed(row) ? 0U : 1U;
        }
        return n;
    }();
    std::array<transition, kept_count> kept{};
    std::size_t n = 0;
    for (const transition& row : Rows) {
        if (!Removed(row)) {
            kept[n++] = row;
        }
    }
    return kept;
}

namespace detail {

template <std::size_t N>
constexpr bool reaches_closed(const std::array<transition, N>& rows, tcp_state from) noexcept
{
    std::array<bool, tcp_state_count> seen{};
    seen[static_cast<std::size_t>(from)] = true;
    for (std::size_t pass = 0; pass < tcp_state_count; ++pass) {
        for (const transition& row : rows) {
            if (seen[static_cast<std::size_t>(row.from)]) {
                seen[static_cast<std::size_t>(row.to)] = true;
            }
        }
    }
    return seen[static_cast<std::size_t>(tcp_state::closed)];
}

template <std::size_t N>
constexpr bool all_reach_closed(const std::array<transition, N>& rows) noexcept
{
    for (std::size_t s = 0; s < tcp_state_count; ++s) {
        if (!reaches_closed(rows, static_cast<tcp_state>(s))) {
            return false;
        }
    }
    return true;
}

// No edge leads from a synchronized state to one that is not, CLOSED excepted.
template <std::size_t N>
constexpr bool never_unsynchronizes(const std::array<transition, N>& rows) noexcept
{
    for (const transition& row : rows) {
        if (is_synchronized(row.from) && !is_synchronized(row.to) && row.to != tcp_state::closed) {
            return false;
        }
    }
    return true;
}

// Every row says where it comes from, deletes the TCB exactly when it ends in CLOSED or goes back to LISTEN, and no row
// is hidden behind an earlier one with the same state, event and guard.
template <std::size_t N>
constexpr bool rows_are_consistent(const std::array<transition, N>& rows) noexcept
{
    for (std::size_t i = 0; i < N; ++i) {
        const transition& row = rows[i];
        const bool ends = row.to == tcp_state::closed || (row.to == tcp_state::listen && row.from != tcp_state::closed);
        if (row.clause[0] == '\0' || ends != contains(row.act, actions::delete_tcb)) {
            return false;
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (rows[j].from == row.from && rows[j].event == row.event &&
                (rows[j].when == row.when || rows[j].when == guard::always)) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace detail

template <class M>
concept state_machine = requires
{
    {
        M::rows.size()
        } -> std::convertible_to<std::size_t>;
}
&&detail::all_reach_closed(M::rows) && detail::never_unsynchronizes(M::rows) && detail::rows_are_consistent(M::rows);

}  // namespace tcpco
