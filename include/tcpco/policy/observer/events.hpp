// The typed events that an observer may take, one struct each: `void on(const event::rtt_measured&)`.
//
// They are trivially copyable and cost nothing where no overload takes them. `connection` tells connections apart
// within one stack; 0 means that the event belongs to none. Times are when it happened on the driver's line, offsets
// are octets since the SYN.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tcpco/policy/events.hpp"
#include "tcpco/policy/state_machine/state.hpp"

namespace tcpco::event {

using connection_key = std::uint64_t;

struct state_changed {
    connection_key connection = 0;
    time_point at{};
    tcp_state from = tcp_state::closed;
    tcp_state to = tcp_state::closed;
};

// The twelve flag bits of the TCP header as they stand on the wire (CWR is 0x080, AE 0x100).
struct segment_sent {
    connection_key connection = 0;
    time_point at{};
    stream_offset first{};
    octet_count octets = 0;
    std::uint32_t wire_segments = 1;
    std::uint32_t window = 0;  // advertised, scaled up
    std::uint16_t flags = 0;
    bool retransmission = false;
    bool probe = false;
};

struct segment_received {
    connection_key connection = 0;
    time_point at{};  // arrival, not processing
    stream_offset first{};
    octet_count octets = 0;
    std::uint32_t wire_segments = 1;
    std::uint32_t window = 0;  // scaled up
    std::uint16_t flags = 0;
};

struct retransmitted {
    connection_key connection = 0;
    time_point at{};
    offset_range range{};
    std::uint16_t transmissions = 2;  // this one included
    bool by_timeout = false;
};

// `reason` is the value of the enumeration by which the stack counts its drops.
struct frame_dropped {
    connection_key connection = 0;
    time_point at{};
    std::uint32_t octets = 0;
    std::uint16_t reason = 0;
};

struct rtt_measured {
    connection_key connection = 0;
    time_point at{};
    duration rtt{};
    duration srtt{};
    duration rttvar{};
    duration rto{};
    rtt_source source = rtt_source::transmission;
};

struct cwnd_changed {
    connection_key connection = 0;
    time_point at{};
    octet_count cwnd = 0;
    octet_count ssthresh = 0;
    octet_count in_flight = 0;
    bool in_recovery = false;
};

// What was reduced in a timeout or a fast recovery was given back (RFC 4015); the values are those after it.
struct recovery_undone {
    connection_key connection = 0;
    time_point at{};
    spurious_cause cause = spurious_cause::dsack;
    octet_count cwnd = 0;
    octet_count ssthresh = 0;
};

enum class timer_kind : std::uint8_t { rto, pto, reorder, persist, delayed_ack, time_wait, keep_alive, user_timeout };
inline constexpr std::size_t timer_kind_count = 8;

struct timer_fired {
    connection_key connection = 0;
    time_point at{};
    timer_kind kind = timer_kind::rto;
};

static_assert(std::is_trivially_copyable_v<segment_sent> && sizeof(segment_sent) <= 56);

}  // namespace tcpco::event
