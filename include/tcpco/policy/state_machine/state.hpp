// The states of a TCP connection (RFC 9293 section 3.3.2).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tcpco {

enum class tcp_state : std::uint8_t {
    closed,
    listen,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait,
};

constexpr std::size_t tcp_state_count = 11;

// As the RFC writes it: "FIN-WAIT-1".
constexpr const char* to_string(tcp_state s) noexcept
{
    constexpr const char* names[tcp_state_count] = {"CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED",
                                                    "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                                    "CLOSING",    "LAST-ACK",   "TIME-WAIT"};
    return names[static_cast<std::size_t>(s)];
}

// Both ends have agreed on sequence numbers.
constexpr bool is_synchronized(tcp_state s) noexcept
{
    return s >= tcp_state::established;
}

// The user may still queue octets to send.
constexpr bool may_send(tcp_state s) noexcept
{
    return s == tcp_state::established || s == tcp_state::close_wait;
}

// SYN, octets or FIN may have to leave: not without TCB, and not in TIME-WAIT, which only answers.
constexpr bool transmits(tcp_state s) noexcept
{
    return s >= tcp_state::syn_sent && s <= tcp_state::last_ack;
}

// Octets may still arrive from the peer.
constexpr bool may_receive(tcp_state s) noexcept
{
    return s == tcp_state::established || s == tcp_state::fin_wait_1 || s == tcp_state::fin_wait_2;
}

}  // namespace tcpco
