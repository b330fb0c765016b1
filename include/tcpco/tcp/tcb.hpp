// The transmission control block (RFC 9293 section 3.3.1): the part of a connection that knows no policy.
//
// Members are spelled as in the RFC: tcb.snd.una, tcb.rcv.nxt. Positions are stream offsets, the SYN at 0. Sockets and
// the stack's non-template parts work on this type alone; connection.hpp adds the policies.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/policy/events.hpp"
#include "tcpco/policy/state_machine/state.hpp"
#include "tcpco/storage/armed_time.hpp"
#include "tcpco/storage/cold_part.hpp"
#include "tcpco/storage/octet_queue.hpp"
#include "tcpco/storage/reassembly_queue.hpp"
#include "tcpco/storage/slab.hpp"

namespace tcpco {

// What may have changed on a socket since it was last looked at; a set, coalesced on the ready list.
namespace readiness {
inline constexpr std::uint8_t none = 0;
inline constexpr std::uint8_t readable = 1;     // octets, end of stream or an error can be read
inline constexpr std::uint8_t writable = 2;     // the send buffer has room, or writing fails
inline constexpr std::uint8_t connected = 4;    // the handshake ended, well or not
inline constexpr std::uint8_t flushed = 8;      // everything written is acknowledged
inline constexpr std::uint8_t closed = 16;      // the connection is over
inline constexpr std::uint8_t acceptable = 32;  // a listener has a connection
inline constexpr std::uint8_t urgent = 64;      // the peer's urgent mark appeared or moved on
inline constexpr std::uint8_t advised = 128;    // tcp_info has news: an ICMP error, R1 reached, CLOSE-WAIT held long
}  // namespace readiness

// What the life timer means; one at a time.
enum class life_timer : std::uint8_t { none, two_msl, fin_wait_2, quiet, keep_alive, pacing };

struct send_sequence_variables {
    stream_offset una{};            // oldest unacknowledged
    stream_offset nxt{};            // next to send
    near_offset wl1{};              // seg.seq of the last window update, in the receive stream
    near_offset wl2{};              // seg.ack of it
    sequence_number iss{};
    std::uint32_t wnd = 0;      // octets; RFC 7323 bounds it to 2^30
    std::uint32_t max_wnd = 0;  // largest seen (sender SWS avoidance, RFC 5961)
    std::uint8_t wscale = 0;    // shift of the windows that the peer sends
};

struct receive_sequence_variables {
    stream_offset nxt{};
    near_offset right_edge{};       // rcv.nxt + rcv.wnd as last advertised: never moves left
    near_offset last_ack_sent{};    // RFC 7323
    sequence_number irs{};
    std::uint8_t wscale = 0;  // shift of the windows that we send
    bool scaled = false;      // both ends have sent the option, whatever the shifts

    octet_count wnd() const noexcept { return right_edge - nxt; }
};

struct tcb_statistics {
    std::uint32_t segments_sent = 0;  // modulo 2^32; the rest is in rare_state
    std::uint32_t segments_received = 0;
    std::uint32_t data_segments_sent = 0;
    std::uint32_t data_segments_received = 0;
    std::uint32_t busy = 0;  // microseconds of the times when the sending half existed before, limited by nothing
};

// What most connections never need; it is there from the first change on, until a quiet moment finds nothing in it.
// Where there is no memory for it, what would be counted is not, a mark of urgency or a report of duplicates is not
// kept, and a challenge ACK is not sent.
struct rare_state {
    std::uint64_t octets_retransmitted = 0;
    std::uint32_t retransmissions = 0;
    std::uint32_t timeouts = 0;
    std::uint32_t segments_sent_high = 0;  // times 2^32
    std::uint32_t segments_received_high = 0;
    std::uint32_t busy_hours = 0;  // so often `busy` has passed 2^32 microseconds: 72 minutes
    std::uint32_t fast_recoveries = 0;
    std::uint32_t duplicate_acks = 0;
    std::uint32_t out_of_order = 0;     // segments that came behind a hole
    std::uint32_t marks_received = 0;   // segments with CE
    std::uint32_t dsacks_received = 0;  // reports of duplicates (RFC 2883)
    std::uint32_t reorderings = 0;      // ACKs that showed one (SACK)
    std::uint32_t recoveries_undone = 0;  // found needless, by timeout or duplicate ACKs
    std::uint32_t marks_reported = 0;   // segments of ours with CE, as the peer counts them (RFC 9768)
    std::uint64_t window_limited = 0;   // microseconds, like `busy`
    std::uint64_t buffer_limited = 0;
    std::uint64_t cwnd_limited = 0;

    stream_offset snd_up{};          // behind the last urgent octet written
    stream_offset rcv_up{};          // behind the last urgent octet announced
    stream_range dsack{};            // duplicate to report in the next ACK (RFC 2883)
    time_point challenge_window{};   // when challenge_credit was last filled
    std::uint8_t challenge_credit = 0;
    std::uint16_t adv_uto = 0;     // RFC 5482, as on the wire: our advice; 0: ENABLED is false
    std::uint16_t remote_uto = 0;  // the peer's last advice; 0: none
    std::int16_t fin_wait_2_seconds = 0;  // in place of the stack's FIN-WAIT-2 timeout; 0: that; negative: none at all

    // The completions of suspended operations on one socket; the reader's, which waits while nothing happens, is the
    // TCB's own.
    completion* writer = nullptr;
    completion* connector = nullptr;  // connect()
    completion* flusher = nullptr;
    completion* closer = nullptr;
    completion* urgent = nullptr;

    friend constexpr bool operator==(const rare_state&, const rare_state&) noexcept = default;
};

// Counts in rare_state.
template <class N>
void count_rare(cold_part<rare_state>& rare, N rare_state::*what, std::uint64_t n) noexcept
{
    if (n > 0) {
        if (rare_state* r = rare.make()) {
            r->*what += static_cast<N>(n);
        }
    }
}

// Counts in 32 bits, of which one beyond the last is in rare_state: few connections live to see it.
inline void count_long(std::uint32_t& low, cold_part<rare_state>& rare, std::uint32_t rare_state::*high,
                       std::uint32_t n) noexcept
{
    low += n;
    if (low < n) {
        count_rare(rare, high, 1);
    }
}

// R1 of RFC 9293 3.8.3 (SHLD-10: at least three): so many timeouts in a row are a delivery problem.
inline constexpr std::uint8_t r1_timeouts = 3;

inline constexpr std::uint32_t no_user_timeout = 0xFFFFFFFF;

// In milliseconds, rounded up; what does not fit, 49 days, is never.
inline std::uint32_t to_user_timeout(duration limit) noexcept
{
    const std::int64_t ms = limit.ns / 1'000'000 + (limit.ns % 1'000'000 > 0 ? 1 : 0);
    return ms < std::int64_t{no_user_timeout} ? static_cast<std::uint32_t>(ms) : no_user_timeout;
}

struct transmission_control_block {
    // First, since a segment that is not like the one before finds its connection by them.
    endpoint local{};
    endpoint remote{};
    slab_id self{};  // this connection, as its stack names it

    tcp_state state = tcp_state::closed;
    errc error = errc::ok;  // why it ended
    errc soft_error = errc::ok;
    std::uint8_t events = 0;  // readiness bits not yet taken
    life_timer life = life_timer::none;
    retransmission_timer timer = retransmission_timer::none;
    std::uint8_t retries = 0;     // of the retransmission or persist timer, since the last progress
    std::uint8_t unanswered = 0;  // timeouts in a row without any acceptable ACK
    std::uint8_t acks_owed = 0;   // ACKs to send now; several only as duplicates for a peer without SACK

    bool passive : 1 = false;  // came out of LISTEN (MUST-11)
    bool owned : 1 = false;    // a user holds it; without owner it is freed once CLOSED
    bool in_accept_queue : 1 = false;
    bool fin_queued : 1 = false;  // a FIN follows the queued octets
    bool fin_received : 1 = false;
    bool close_deferred : 1 = false;
    bool reader_gone : 1 = false;   // close(): nobody will read
    bool refuses_text : 1 = false;  // as if closed, though what had arrived may still be read
    bool linger_reset : 1 = false;  // close() aborts
    bool sack_permitted : 1 = false;
    bool timestamps : 1 = false;
    bool no_delay : 1 = false;
    bool corked : 1 = false;
    bool pushed : 1 = false;  // the cork lets through what waits now
    bool probe_owed : 1 = false;  // the persist timer fired
    bool cwnd_limited : 1 = false;
    bool timed_out : 1 = false;  // what is at snd.una was sent again by the RTO
    bool read_since_ack : 1 = false;  // the reader took octets: a window update may be due
    bool syn_retransmitted : 1 = false;
    bool ce_last : 1 = false;
    bool blocked_small : 1 = false;  // silly-window avoidance holds octets back
    bool reset_received : 1 = false;
    bool starved : 1 = false;  // a write met exhausted pools: told when slots come back
    bool hungry : 1 = false;   // and it had less than its share of them
    bool keep_probe_owed : 1 = false;  // the next pure ACK is a keep-alive probe
    bool fast_open : 1 = false;    // our first SYN (or SYN,ACK) carries the option of RFC 7413
    bool uto_changeable : 1 = true;  // the peer's advice may set user_timeout (RFC 5482 3)
    bool uto_owed : 1 = false;       // the next segment without SYN carries our advice
    bool ecn : 1 = false;          // negotiated (RFC 3168)
    bool ecn_accurate : 1 = false;  // or by RFC 9768: then, while it lives, it has a record of that
    bool ecn_asked : 1 = false;    // by our SYN
    bool ecn_plain_syn : 1 = false;  // and not by a later one
    bool ecn_echo : 1 = false;     // a mark came, and no CWR since
    bool ecn_unacked : 1 = false;  // a mark came, and no ACK left since
    bool held_by_mark : 1 = false;  // a mark came, the window is one segment: nothing new until the timer (RFC 3168)
    bool cwr_owed : 1 = false;     // the next new data says that the window was reduced
    bool send_tuned : 1 = false;     // the send buffer grows with cwnd
    bool burst_failed : 1 = false;   // the network was not up to an initial or restart window (RFC 6928)
    std::uint8_t ect_failures : 2 = 0;  // recoveries in a row without a sign that ECT gets through (ect_black_hole.hpp)
    bool fast_opened : 1 = false;  // the SYN's text was taken: usable before the handshake ends
    std::uint8_t ace : 3 = 5;      // RFC 9768's r.cep: CE packets received, the 3 bits that are ever said (3.2.1)
    std::uint8_t congestion_choice : 4 = 0;  // one more than the index chosen by name; 0: as the stack's config has it

    std::uint8_t dscp : 6 = 0;  // of all that this connection sends (MUST-48, SHLD-22)
    bool calm : 1 = false;      // so it was found (calm.hpp), and nothing has disturbed it since

    // Members that have no unique address lend the room behind their last one to those that follow.
    [[no_unique_address]] send_sequence_variables snd;
    std::uint8_t untimed = 0;  // segments in a row without the timestamp that was agreed; 3: they are taken
    std::uint8_t keep_probes = 0;        // sent since the peer was last heard
    std::uint8_t keep_count = 0;         // keep-alive: unanswered probes that end the connection; 0: off (MUST-25)
    [[no_unique_address]] receive_sequence_variables rcv;
    std::uint16_t smss = 536;  // payload of a full-sized segment, options of every segment taken off

    std::uint16_t rmss = 0;        // largest segment received, at least 536 (for ACK decisions)
    std::uint16_t own_mss = 0;     // announced
    std::uint16_t peer_mss = 536;  // RFC 9293 3.7.1, MUST-15
    std::uint16_t path_mtu = 0;    // what a router on the way said (RFC 1191); 0: the device's
    std::uint32_t ts_recent = 0;
    coarse_time ts_recent_at{};
    std::uint32_t ts_offset = 0;  // added to our millisecond clock: hides uptime (RFC 7323 5.4)
    std::uint32_t neighbour = 0xFFFFFFFF;
    std::uint32_t user_timeout = 0;  // milliseconds; 0: the number of retransmissions decides; no_user_timeout: never
    std::uint32_t low_water = 0;  // unsent octets from which on writers wait; 0: the send buffer alone decides

    time_point timer_base{};  // the retransmission timer counts from here
    time_point timer_at = time_point::never();
    // Delayed ACK. Behind the peer's FIN none is: there, when CLOSE-WAIT has been held too long.
    time_point ack_at = time_point::never();
    time_point life_at = time_point::never();
    time_point last_sent_at{};
    time_point last_received_at{};  // an acceptable segment

    [[no_unique_address]] send_queue send;
    owned_slab_id sender{};  // sender_active, while there is something to send
    [[no_unique_address]] receive_queue receive;
    armed_time armed{};  // of the earliest time in deadline()
    completion* reader = nullptr;  // of a suspended read
    cold_part<rare_state> rare;
    tcb_statistics stats;
    owned_slab_id receiver{};  // receiver_active, while a hole is open
    owned_slab_id accurate{};  // accurate_ecn, when that was negotiated (RFC 9768)
    slab_id listener{};  // of a passive connection not yet accepted

    std::uint16_t keep_idle = 0;      // keep-alive: seconds without a segment until the first probe
    std::uint16_t keep_interval = 0;  // seconds between probes

    // Something else than a short way has happened to the connection, or will.
    void disturb() noexcept { calm = false; }

    // Octets that the user wrote and the peer has not acknowledged.
    octet_count queued() const noexcept { return static_cast<octet_count>(send.size()); }
    octet_count unsent() const noexcept
    {
        return std::max<octet_count>(0, send.end() - std::max(snd.nxt, stream_offset{1}));
    }
    // One past the last position that can be sent: the SYN alone before the handshake (and what went with it, RFC
    // 7413), then data, then the FIN.
    stream_offset sendable_end() const noexcept
    {
        if ((state == tcp_state::syn_sent || state == tcp_state::syn_received) && !fast_opened) {
            return snd.nxt < stream_offset{1} ? stream_offset{1} : snd.nxt;
        }
        return send.end() + (fin_queued ? 1 : 0);
    }
    stream_offset fin_at() const noexcept { return send.end(); }
    // Octets of text that have left, each as often as it did: no position leaves for the first time twice.
    std::uint64_t octets_sent() const noexcept
    {
        const octet_count once = std::min(snd.nxt, fin_at()) - stream_offset{1};
        return static_cast<std::uint64_t>(std::max<octet_count>(once, 0)) + rare->octets_retransmitted;
    }
    bool fin_acked() const noexcept { return fin_queued && snd.una > send.end(); }
    stream_offset send_right_edge() const noexcept { return snd.una + octet_count{snd.wnd}; }

    // Where a segment without text stands: snd.nxt (RFC 9293 3.10.7.4), unless that lies beyond the window. Octets out
    // there (a window probe, or what a shrunken window cut off) may have been refused, and then the peer would find
    // the segment unacceptable, an RST included. Linux does the same.
    stream_offset acceptable_seq() const noexcept
    {
        const stream_offset edge = send_right_edge();
        return snd.nxt <= edge || snd.una == stream_offset{0} ? snd.nxt : (edge < snd.una ? snd.una : edge);
    }

    // What waits, or is in flight, may be followed at `at`. An end that has its time already does not wait for that.
    void wait_for_pace(time_point at) noexcept
    {
        const bool is_quiet = snd.una == snd.nxt && sendable_end() == snd.nxt;
        if (!is_quiet && life != life_timer::two_msl && life != life_timer::fin_wait_2) {
            life = life_timer::pacing;
            life_at = at;
        }
    }

    time_point deadline() const noexcept
    {
        time_point at = timer_at < ack_at ? timer_at : ack_at;
        return life_at < at ? life_at : at;
    }
};

// RFC 7323 5.5: after 24 days the comparison with ts_recent means nothing any more.
// RFC7323-5.5a
inline bool ts_recent_is_void(const transmission_control_block& c, time_point now) noexcept
{
    constexpr duration lifetime{std::int64_t{24} * 86'400 * 1'000'000'000};
    return c.ts_recent_at.until(now) >= lifetime;
}

// Our clock of milliseconds, from an offset that hides when it began (RFC 7323 5.4).
// RFC7323-5.4a, 5.4b
inline std::uint32_t timestamp_now(const transmission_control_block& c, time_point now) noexcept
{
    return static_cast<std::uint32_t>(now.since_origin().milliseconds()) + c.ts_offset;
}

}  // namespace tcpco
