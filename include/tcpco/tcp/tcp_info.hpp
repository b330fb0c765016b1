// What a connection tells about itself, in the RFCs' own terms; a copy, taken when asked for.
#pragma once

#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/policy/events.hpp"
#include "tcpco/policy/state_machine/state.hpp"

namespace tcpco {

struct tcp_info {
    tcp_state state = tcp_state::closed;
    endpoint local{};
    endpoint remote{};
    errc error = errc::ok;       // why the connection ended; ok while it lives and after a normal close
    errc soft_error = errc::ok;  // last soft error (RFC 9293 3.9.2.2, SHLD-25)

    std::uint16_t smss = 0;  // payload octets of a full-sized segment to the peer
    std::uint16_t largest_received = 0;  // the peer's largest segment so far; 536 at first
    std::uint16_t rmss = 0;  // the MSS that this side announced
    std::uint8_t snd_wscale = 0;
    std::uint8_t rcv_wscale = 0;
    bool window_scaling = false;  // agreed on, whatever the shifts
    bool sack_permitted = false;
    bool timestamps = false;
    bool ecn = false;           // by RFC 3168 or RFC 9768
    bool accurate_ecn = false;  // by RFC 9768

    octet_count snd_wnd = 0;  // the peer's window, octets
    octet_count rcv_wnd = 0;  // ours, as last advertised
    octet_count cwnd = 0;
    octet_count ssthresh = 0;
    octet_count in_flight = 0;       // pipe (RFC 6675)
    octet_count sacked = 0;          // SACKed and not yet acknowledged
    octet_count lost = 0;            // presumed lost and not sent again
    octet_count retransmitted = 0;   // sent again and in flight
    octet_count receive_capacity = 0;  // of the receive buffer
    duration receive_rtt{};          // the round trip by which that is tuned; zero: it is not, or not yet
    std::uint16_t path_mtu = 0;        // IP packet octets that the path is thought to take
    octet_count unacked = 0;         // snd.nxt - snd.una
    octet_count send_queued = 0;     // in the send buffer, acknowledged octets excluded
    octet_count unsent = 0;          // of these, never sent yet
    octet_count receive_queued = 0;  // delivered in order, not yet read
    octet_count out_of_order = 0;    // held behind a hole
    octet_count urgent_ahead = 0;    // octets to read until the peer's urgent ones are passed (MUST-33)

    duration user_timeout{};         // in force; zero: numbers of retransmissions decide; duration::max(): never
    duration remote_user_timeout{};  // the peer's advice (RFC 5482), taken or not (RFC5482-3.1a); zero: none

    duration rto{};
    duration srtt{};  // zero: no sample yet
    duration rttvar{};
    duration min_rtt{};
    duration ack_delay{};  // how long an ACK would wait now; zero: no text has come, or the policy does not say

    std::uint64_t pacing_rate = 0;  // octets per second; 0: not paced
    // The last sample (tcp/rate_sampler.hpp), octets per second; 0: none since the sending half was last given back.
    std::uint64_t delivery_rate = 0;
    bool delivery_rate_app_limited = false;  // the application had too little to send: the path may do more

    // How long there was something to send, and of that, what was waited for (tcp/limited_times.hpp).
    duration busy{};
    duration limited_by_receive_window{};
    duration limited_by_send_buffer{};
    duration limited_by_cwnd{};

    // Since then; zero where it never was. A segment of ours, an acceptable one of the peer's.
    duration since_sent{};
    duration since_received{};

    std::uint64_t segments_sent = 0;  // on the wire: a super-frame counts as its segments
    std::uint64_t segments_received = 0;
    std::uint64_t octets_sent = 0;      // payload, retransmissions included
    std::uint64_t octets_received = 0;  // payload delivered in order
    std::uint64_t retransmissions = 0;  // segments sent again
    std::uint64_t timeouts = 0;         // retransmission timeouts
    std::uint64_t fast_recoveries = 0;
    std::uint64_t duplicate_acks = 0;  // received
    std::uint64_t octets_acknowledged = 0;
    std::uint64_t octets_retransmitted = 0;
    std::uint32_t data_segments_sent = 0;  // with payload
    std::uint32_t data_segments_received = 0;
    std::uint32_t segments_out_of_order = 0;  // received behind a hole
    std::uint32_t dsacks_received = 0;
    std::uint32_t reorderings = 0;     // ACKs by which the path was seen to reorder what we sent (SACK)
    std::uint32_t recoveries_undone = 0;  // needless timeouts and fast recoveries whose reduction was taken back
    std::uint32_t marks_received = 0;  // segments with CE (RFC 3168)
    std::uint32_t marks_reported = 0;  // of ours, as the peer counts them (RFC 9768)
    std::uint8_t retries = 0;  // back-offs of the running retransmission or persist timer
    std::uint8_t unanswered = 0;  // timeouts in a row without any acceptable ACK; a probe's answer ends the row
    bool probes_window = false;  // that timer probes a closed window
    bool delivery_doubtful = false;  // R1 is reached: three timeouts in a row without an answer (SHLD-9)
    bool in_recovery = false;    // fast recovery
};

// The same beside <netinet/tcp.h>, whose ::tcp_info makes the short name ambiguous under `using namespace tcpco`.
using connection_info = tcp_info;

}  // namespace tcpco
