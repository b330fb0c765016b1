// What can be set for all connections of a stack and is no policy.
#pragma once

#include <cstdint>
#include <optional>

#include "tcpco/core/time.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco {

// When slots run short, a connection with less than this queued (to read, or to send) may use the last quarter. An
// initial window of ten segments fits.
inline constexpr octet_count reserve_share = 16'384;

// Probes on an idle connection (RFC 9293 3.8.4): they find a peer that is gone without a word. A probe is a segment
// without octets, at snd.nxt - 1, which every peer answers with an ACK (SHLD-12); the
// octet of garbage for hosts that answer nothing else is left out, those are older than the RFC. In whole seconds, 1 to
// 65535, as in other stacks (MUST-27).
struct keep_alive {
    duration idle{7'200'000'000'000};    // without a segment from the peer until the first probe (MUST-28: 2 hours)
    duration interval{75'000'000'000};  // between probes (the RFC is silent; Linux and FreeBSD: 75 s)
    std::uint8_t count = 9;             // unanswered in a row until the connection is given up (MUST-29: not one alone)
};

// Whether segments larger than usual are sent to find a path's MTU where ICMP does not tell (RFC 4821). on_black_hole:
// after three timeouts in a row of a full segment; a healthy path never sees one.
enum class path_probing : std::uint8_t { off, on_black_hole };

// Explicit congestion notification. accept: by RFC 3168, when the peer asks for it; request: our own SYNs ask, too. The
// accurate ones do likewise by RFC 9768, and by RFC 3168 with a peer that knows no more than that (Linux: tcp_ecn = 5
// and 3).
enum class ecn_use : std::uint8_t { off, accept, request, accept_accurate, request_accurate };

constexpr bool is_accurate(ecn_use use) noexcept { return use >= ecn_use::accept_accurate; }
constexpr bool requests(ecn_use use) noexcept { return use == ecn_use::request || use == ecn_use::request_accurate; }

struct tcp_settings {
    // Linux's default as well, until 7.0 (tcp_ecn = 2): whoever asks has routers that mark, and the rest of the world
    // sees no flag that a middlebox could dislike. A controller that wants each mark (DCTCP, Prague) is best served by
    // accurate feedback.
    ecn_use ecn = ecn_use::accept;

    bool sack = true;            // offer SACK-Permitted (RFC 2018)
    bool timestamps = true;      // offer timestamps (RFC 7323)
    bool window_scaling = true;  // offer window scale (RFC 7323)

    // Initial window in segments of SMSS (RFC 6928: 10, at most max(14600, 2 SMSS) octets). 0: the table of RFC 5681
    // 3.1, 4 segments up to 1095 octets, 3 up to 2190, else 2 (RFC5681-3.1a).
    std::uint8_t initial_window_segments = 10;

    // After an idle RTO the controller begins with the initial window again (RFC5681-4.1a; Linux:
    // tcp_slow_start_after_idle, on as well). Off, a burst of the old window may meet a path that has changed.
    bool restart_after_idle = true;

    // The Differentiated Services code point of new connections, 0 to 63 (MUST-48); per connection by set_dscp().
    std::uint8_t dscp = 0;

    // Keep-alive of new connections (MUST-24, MUST-25: off); per connection by set_keep_alive(). Values that it would
    // refuse leave it off.
    std::optional<tcpco::keep_alive> keep_alive{};

    // After the stack's first moment: so long connect() answers would_block, and SYNs are dropped (counted as
    // quiet_time). For hosts that restart and may have lost track of numbers in use (RFC 9293 3.4.3): one MSL, 120 s.
    // 0, the default: initial numbers and ephemeral ports come from a key that is new with each stack, so segments of
    // an earlier life fit into none of this one but by chance.
    duration quiet_time{};

    // R2 (RFC 9293 3.8.3) as numbers of retransmissions. A SYN doubles from 1 s: 7 retransmissions give up after 247
    // s, the last wait being bounded by 120 s (MUST-23 asks for 3 minutes); a SYN-ACK after 63 s, as peers do, since a
    // half-open record is cheap to lose. Data: 15 back-offs from 200 ms, capped at 120 s each, are more than 13
    // minutes (SHLD-11 asks for 100 s).
    std::uint8_t syn_retries = 7;
    std::uint8_t syn_ack_retries = 5;
    std::uint8_t data_retries = 15;

    // How long the peer may wait for our close before it is reported (readiness::advised,
    // stack_counters::close_wait_held): most often somebody forgot it. Nothing is done about it: what is still to be
    // sent may take as long as it likes. Zero: never.
    duration close_wait_report{300'000'000'000};

    // How long FIN-WAIT-2 may last once nobody can read any more (not in the RFC; Linux's default). Never runs after a
    // mere shutdown(write).
    duration fin_wait_2_timeout = duration{60'000'000'000};

    // The smallest MSS that is believed; below, segments would be mostly header (peers shipped endless tiny segments
    // for MSS 0 and 1). 88 leaves 48 octets of payload beside 40 octets of
    // options; Linux's least, 48, has the options in it.
    std::uint16_t minimum_mss = 88;

    // Send buffer of a connection in octets. It begins with the first number and grows to the second where all of it
    // is in flight and cwnd allows more, to twice that, so that a round trip's worth is in flight and another waits
    // (Linux: tcp_wmem, 16 KiB to 4 MiB; here memory is taken by what is written, not by the limit, so the first may
    // be what fills 800 Mbit/s at 10 ms). It does not grow while slots run short, and never once set_send_buffer() has
    // set it. Not smaller than the second: no tuning.
    std::uint32_t send_buffer_initial = 1u << 20;
    std::uint32_t send_buffer_octets = 1u << 22;
    // Writers wait while so many octets are not even sent (Linux: TCP_NOTSENT_LOWAT): what is written last leaves soon,
    // however deep the send buffer. 0, the default: no mark. Per connection by set_low_water().
    std::uint32_t low_water_octets = 0;
    std::uint16_t maximum_ranges = 64;            // out-of-order ranges per connection

    // How long Fast Open is not tried again with a server where it failed (RFC7413-4.1.3b leaves it open; long enough
    // that a middlebox which drops such SYNs costs a timeout rarely).
    duration fast_open_retry_after = duration{600'000'000'000};

    // How long octets may stay unacknowledged before the connection ends (RFC 9293 3.10.8, 3.8.3), in milliseconds;
    // from 49 days on: never. Per connection by set_user_timeout(). Zero, the default: the numbers above decide.
    // Behind a closed window it counts from the peer's last ACK (MUST-37).
    duration user_timeout{};

    // The user timeout option (RFC 5482): each end advises the other how long it waits for acknowledgements, and a
    // connection whose application set no user timeout adopts the longer advice, within the limits. Off by default, as
    // the RFC has it; per connection by set_user_timeout_option(). The advice is `user_timeout`, or five minutes where
    // that is zero (RFC 9293's example for OPEN).
    bool user_timeout_option = false;
    duration user_timeout_lower{100'000'000'000};    // RFC5482-3.1d: not below R2
    duration user_timeout_upper{3'600'000'000'000};  // an hour: how long a peer may make us keep octets (RFC5482-3.1c)

    // Challenge ACKs per connection (RFC 5961 section 7): this many in each 5 s.
    std::uint8_t challenge_acks = 10;
};

}  // namespace tcpco
