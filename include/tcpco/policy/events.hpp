// What policies are told and what they answer: every struct that crosses the seam between tcp/ and a policy.
//
// Units: sizes and windows in octets (signed 64-bit, so that differences are safe), times in nanoseconds
// (core/time.hpp), counts of segments as they are on the wire. All arithmetic on them is integer arithmetic. The
// structs are trivially copyable, with named fields; a policy ignores what it does not need.
#pragma once

#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

using octet_count = std::int64_t;

// --- delivery rate (draft-ietf-ccwg-bbr-06, section 4.1) -------------------------------------------------------------

// Snapshot of the connection's delivery state, taken when a segment is sent and kept in its transmission record.
struct delivery_stamp {
    octet_count delivered = 0;   // total octets delivered before
    time_point delivered_at{};   // when the last of them was
    time_point first_sent_at{};  // when the first segment of that flight left
    octet_count lost = 0;        // total octets marked lost before
    octet_count in_flight = 0;   // in flight, this segment included
    bool app_limited = false;
    bool ect = false;            // it left with ECT (for the connection, not for policies)

    friend constexpr bool operator==(const delivery_stamp&, const delivery_stamp&) noexcept = default;
};

struct rate_sample {
    octet_count delivered = 0;        // octets delivered over `interval`; 0: no sample
    duration interval{};              // the longer of send and ACK interval
    octet_count prior_in_flight = 0;  // in flight when the sampled segment was sent
    octet_count lost = 0;             // octets marked lost over the interval
    octet_count prior_delivered = 0;  // total delivered when the sampled segment was sent
    octet_count total_delivered = 0;  // total delivered now
    bool app_limited = false;         // the application had nothing to send: the sample is a lower bound
};

// One range of octets in flight, as the scoreboard keeps it.
struct transmission {
    stream_offset first{};            // first octet; SYN and FIN occupy one each
    stream_offset last{};             // one past the end
    time_point sent_at{};             // last time it was transmitted, in nanoseconds: RFC8985-4.2a
    std::uint32_t wire_segments = 1;  // segments on the wire (more than 1 for a super-frame)
    std::uint16_t transmissions = 1;  // 1: never retransmitted
    bool sacked = false;              // a SACK block covers it
    bool lost = false;                // presumed lost and not sent again since
    bool ever_retransmitted = false;  // no RTT sample without a timestamp (Karn)
    delivery_stamp stamp{};

    constexpr octet_count octets() const noexcept { return last - first; }
    friend constexpr bool operator==(const transmission&, const transmission&) noexcept = default;
};

struct offset_range {
    stream_offset first{};
    stream_offset last{};  // one past the end
    friend constexpr bool operator==(const offset_range&, const offset_range&) noexcept = default;
    constexpr octet_count octets() const noexcept { return last - first; }
};

// --- congestion control --------------------------------------------------------------------------------------------

struct connection_established {
    time_point now{};
    octet_count initial_window = 0;  // RFC 6928 or RFC 5681, per the stack's options
    octet_count smss = 0;            // payload octets of a full-sized segment
    duration handshake_rtt{};        // zero: unknown (the SYN was retransmitted, or none)
    octet_count prior_cwnd = 0;      // when the controller takes over in mid-life: what was in force; else 0
    octet_count prior_ssthresh = 0;  // likewise
    time_point validated_at = time_point::never();  // when prior_cwnd was last in use (RFC 7661); never(): unknown
};

struct packet_sent {
    time_point now{};
    octet_count octets = 0;
    std::uint32_t segments = 0;
    octet_count in_flight_before = 0;
    bool retransmission = false;
    bool probe = false;   // tail loss probe
    duration idle_for{};  // time since the last transmission, when nothing was in flight; else zero
};

struct ecn_info {
    bool ece = false;               // classic echo (RFC 3168), or newly reported marks (RFC 9768)
    std::uint32_t ce_segments = 0;  // newly reported CE marks, with accurate feedback
    octet_count ce_octets = 0;      // likewise; estimated where the path lets no option through
    bool accurate = false;          // the peer counts marks (RFC 9768): the two numbers mean something
};

struct ack_info {
    time_point now{};       // when the ACK arrived, not when it is processed
    octet_count acked = 0;  // newly acknowledged cumulatively
    octet_count newly_sacked = 0;
    // Newly delivered: acked or sacked, each octet once. Without SACK a duplicate ACK counts too, which a peer may make
    // up: a window that follows deliveries grows by `acked` there.
    octet_count delivered = 0;
    octet_count newly_lost = 0;        // marked lost while this ACK was processed
    octet_count in_flight_before = 0;  // before this ACK
    octet_count in_flight = 0;         // after it (RFC 6675's pipe)
    stream_offset una{};               // after it
    stream_offset nxt{};
    duration latest_rtt{};      // zero: this ACK gave no sample
    duration min_rtt{};         // windowed minimum; zero: none yet
    duration srtt{};            // zero: none yet
    std::uint64_t round = 0;    // round trips counted by delivery
    bool round_start = false;   // this ACK began a new round
    bool cwnd_limited = false;  // cwnd, not the application or rwnd, bounded the flight: growth is earned
    bool app_limited = false;
    bool in_recovery = false;    // fast recovery; recovery_rate governs, do not grow
    bool duplicate = false;      // a duplicate ACK by RFC 5681 section 2
    bool selective_acks = true;  // the peer has SACK: more than one loss in a round trip can be seen
    rate_sample rate{};        // filled when the controller's `wants_rate_samples`
    ecn_info ecn{};
    octet_count smss = 0;
};

struct packet_lost {
    octet_count octets = 0;
    std::uint32_t segments = 0;
    delivery_stamp stamp{};
    octet_count in_flight_at_send = 0;
    octet_count total_lost = 0;  // all octets ever marked lost, these included
};

enum class congestion_cause : std::uint8_t { loss, ecn_echo, tlp_repaired, lost_retransmission, local_drop };

struct congestion_event {
    congestion_cause cause = congestion_cause::loss;
    octet_count in_flight = 0;  // FlightSize (RFC 5681): sent and not cumulatively acknowledged, before the event
    octet_count pipe_ack = 0;   // what the path carried of late, if more (congestion/validated.hpp); 0: not known
    octet_count smss = 0;
    time_point now{};
    bool accurate = false;  // an ecn_echo that reports counted marks, so that a small one is a small sign
};

struct retransmission_timeout {
    bool first = true;          // false: a repeated timeout of the same data; ssthresh must not shrink again
    octet_count in_flight = 0;  // FlightSize when it fired
    octet_count smss = 0;
    time_point now{};
};

enum class spurious_cause : std::uint8_t { dsack, timestamp, f_rto };

// --- loss recovery -------------------------------------------------------------------------------------------------

struct sack_info {
    octet_count newly_sacked = 0;
    bool has_blocks = false;  // the ACK carried SACK blocks that were usable
    bool dsack = false;       // its first block reports a duplicate (RFC 2883)
    offset_range dsack_range{};
    bool reneged = false;  // the receiver took back what it had SACKed (RFC 2018 section 8)
    bool sack_permitted = false;
};

// What the connection knows about time, for policies that arm timers.
struct path_timing {
    time_point now{};
    duration srtt{};  // zero: no sample yet
    duration min_rtt{};
    duration rto{};  // with back-off
    time_point rto_at = time_point::never();  // when it is due for what is in flight; never(): a whole RTO from now
    octet_count in_flight = 0;
    octet_count smss = 0;
    // When the segment left whose timestamp this ACK echoes, down to whole milliseconds; never(): unknown.
    time_point echoed = time_point::never();

    // It left before the tick of `sent_at` (RFC 3522, RFC 8985 section 6.2): the ACK is no answer to what left then.
    constexpr bool echoes_before(time_point sent_at) const noexcept
    {
        return echoed != time_point::never() && echoed + duration{1'000'000} <= sent_at;
    }
};

enum class verdict_kind : std::uint8_t {
    none,
    enter,         // loss detected: fast recovery begins
    exit,          // recovery_point was passed
    lost_again,    // a retransmission was lost
    tlp_repaired,  // a tail loss probe repaired a loss (RFC 8985 section 7.4): one congestion event
    spurious,      // the episode was not caused by loss: undo
};

struct recovery_verdict {
    verdict_kind kind = verdict_kind::none;
    spurious_cause cause = spurious_cause::dsack;  // with `spurious` or `undo`
    bool undo = false;  // before anything else: the episode that was on, or the last one, was not caused by loss

    constexpr bool undoes() const noexcept { return undo || kind == verdict_kind::spurious; }
};

// The timer slot of a connection that has something to wait for; the kinds exclude each other (RFC 8985 section 8).
enum class retransmission_timer : std::uint8_t { none, rto, pto, reorder, persist };

// `none`: the mechanism's RTO is right. pto or reorder: fire on_timer(kind) at `at` unless the RTO is due earlier.
struct timer_request {
    retransmission_timer kind = retransmission_timer::none;
    time_point at = time_point::never();
};

enum class send_action : std::uint8_t { nothing, new_data, retransmit, probe };

// What may leave next. `range` is meaningful for `retransmit` and for a `probe` of old data; an empty range with
// `probe` asks for new data, or for the last segment where there is none. `ignore_window`: must not wait for cwnd (the
// first retransmission of an episode, a tail loss probe).
struct send_decision {
    send_action action = send_action::new_data;
    offset_range range{};
    bool ignore_window = false;
};

// --- recovery rate (PRR and its kin) -------------------------------------------------------------------------------

// Everything as it is after the ACK (or the timer) that began recovery, and after its losses were marked.
struct recovery_started {
    octet_count in_flight = 0;        // FlightSize: snd.nxt - snd.una
    octet_count sacked = 0;           // of it, SACKed
    octet_count pipe = 0;             // of it, in flight
    octet_count newly_delivered = 0;  // by the ACK that began it; zero: a timer did
    octet_count ssthresh = 0;         // the controller's, after its congestion event
    octet_count smss = 0;
    bool by_duplicates = false;       // no SACK: what is delivered is told by duplicate ACKs, which a peer may make up
};

struct recovery_progress {
    octet_count delivered = 0;
    octet_count newly_lost = 0;
    bool una_advanced = false;
    octet_count in_flight = 0;  // pipe after the ACK
    octet_count smss = 0;
    bool by_duplicates = false;  // as above
};

// --- RTT -----------------------------------------------------------------------------------------------------------

enum class rtt_source : std::uint8_t { handshake, transmission, timestamp };

struct rtt_sample {
    duration rtt{};
    std::uint32_t samples_per_round = 1;  // expected samples in one window (RFC 7323 appendix G)
    rtt_source source = rtt_source::transmission;
};

// --- receiving side ------------------------------------------------------------------------------------------------

struct received_segment {
    time_point now{};
    std::uint32_t wire_segments = 1;
    octet_count octets = 0;
    bool in_order = true;     // began at rcv.nxt and no hole was open
    bool fills_hole = false;  // closed a gap, wholly or partly (RFC 5681 4.2: acknowledge at once)
    bool duplicate = false;   // held nothing new
    bool psh = false;
    bool ce = false;                 // IP said congestion experienced
    bool ce_changed = false;         // different from the segment before
    octet_count unacked_octets = 0;  // received in order and not yet acknowledged, this segment included
    octet_count rmss = 0;            // the largest segment the peer sent, bounded by our MSS
    duration srtt{};
};

// When to acknowledge. `end_of_batch`: when the driver has delivered all frames that wait.
struct ack_decision {
    enum class when : std::uint8_t { now, end_of_batch, within };
    when at = when::now;
    duration delay{};  // with `within`; below 0.5 s (MUST-40)

    static constexpr ack_decision now() noexcept { return {}; }
    static constexpr ack_decision end_of_batch() noexcept { return {when::end_of_batch, {}}; }
    static constexpr ack_decision within(duration d) noexcept { return {when::within, d}; }
};

// The reader took octets: is a window update worth a segment?
struct window_growth {
    octet_count growth = 0;      // how far the right edge would move beyond what was last advertised
    octet_count advertised = 0;  // what the peer may still send by the last advertisement
    octet_count capacity = 0;    // of the receive buffer
    octet_count rmss = 0;
};

struct receive_window_state {
    octet_count capacity = 0;      // receive buffer, octets
    octet_count unread = 0;        // delivered in order, not yet read
    octet_count out_of_order = 0;  // held behind a hole
    duration srtt{};
    time_point now{};
};

// --- sending side --------------------------------------------------------------------------------------------------

// A segment smaller than SMSS wants to leave while data is unacknowledged (RFC 9293 section 3.7.4).
struct small_segment {
    octet_count octets = 0;
    octet_count smss = 0;
    octet_count unacknowledged = 0;          // snd.nxt - snd.una
    bool last_small_unacknowledged = false;  // the last small segment sent is not acknowledged yet (Minshall)
    bool no_delay = false;                   // MUST-17: Nagle switched off on this connection
    bool corked = false;
    bool fin_follows = false;  // the stream ends with this segment
};

// --- TIME-WAIT, opening --------------------------------------------------------------------------------------------

// A SYN that meets the TIME-WAIT of an older connection (RFC 6191).
struct time_wait_syn {
    sequence_number seq{};
    sequence_number rcv_nxt{};            // one past the peer's FIN
    bool had_timestamps = false;          // the old connection
    bool has_timestamps = false;          // the SYN
    std::uint32_t tsval = 0;              // of the SYN, if it has_timestamps
    std::uint32_t ts_recent = 0;          // the peer's last one, if the old connection had_timestamps
    duration age{};                       // since TIME-WAIT began, or began anew
};

enum class time_wait_answer : std::uint8_t {
    accept,  // the old connection ends, the SYN is treated as in LISTEN
    ack,     // an ACK that says where we are, within the limit of challenge ACKs (RFC 5961 section 4)
    drop,    // no answer; TIME-WAIT goes on
};

struct syn_info {
    time_point now{};
    std::uint32_t half_open = 0;  // connections in SYN-RECEIVED of this listener
    std::uint32_t half_open_limit = 0;
    std::uint32_t unaccepted = 0;  // established, waiting for accept()
    std::uint32_t backlog = 0;     // limit of `unaccepted`
    ip_address source{};           // as the SYN says: it may be forged
};

enum class syn_answer : std::uint8_t {
    accept,  // a record
    cookie,  // an answer without a record
    drop,    // the listener is full
    reset,   // the same, but the client is told
    limit,   // its source sends too many: no answer, counted apart
};

// A source that completed a handshake by a cookie: it received what was sent to its address.
struct source_verified {
    time_point now{};
    ip_address source{};
};

}  // namespace tcpco
