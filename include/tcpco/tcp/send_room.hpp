// How much one frame may carry: a segment that fits the path and the peer (RFC 9293 3.7.1, RFC 6691), a burst of them
// where the device cuts it up, and cwnd as it stands now (RFC 5681, RFC 9937).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/tcp/acknowledgement.hpp"
#include "tcpco/tcp/opening.hpp"
#include "tcpco/tcp/urgent.hpp"

namespace tcpco::detail {

// cwnd, or what the recovery rate makes of it during fast recovery.
template <class B>
[[gnu::always_inline]] inline octet_count congestion_window(const sender_active<B>& s)
{
    if constexpr (!regulates_recovery_v<typename B::congestion>) {
        if (s.recovery.in_recovery() && !regulates_recovery(s.congestion)) {
            return s.recovery_rate.cwnd();
        }
    }
    // RFC4015-3.4c; when recovery is over it is the controller's again, which ssthresh has bounded: RFC9937-6.4a
    return s.resumption_window != 0 ? std::min(s.resumption_window, s.congestion.cwnd()) : s.congestion.cwnd();
}

// What cwnd is compared with: the recovery may count some of what is in flight twice (SetPipe, RFC6675-4c).
template <class B>
[[gnu::always_inline]] inline octet_count pipe_of(const sender_active<B>& s)
{
    if constexpr (counts_copies<typename B::recovery>) {
        return s.board.in_flight() + s.recovery.counted_twice();
    } else {
        return s.board.in_flight();
    }
}

// cwnd counts octets, but the packets in flight are bounded too: with small segments, no more than twice as many as a
// cwnd of full-sized ones has, and 10 at the least (else a cwnd of 14600 octets became 14600 frames of one octet). May
// another packet leave after `more`?
template <class B>
[[gnu::always_inline]] inline bool packets_are_bounded(const connection<B>& c, const sender_active<B>& s,
                                                       octet_count more = 0)
{
    // No division: n are fewer than twice the full-sized segments of cwnd exactly where n / 2 + 1 of these fit into it.
    const octet_count in_flight = s.board.segments_in_flight() + more;
    return in_flight < 2 * 10 || (in_flight / 2 + 1) * c.smss <= congestion_window(s);
}

// Payload that fits one wire segment beside these options (MUST-16).
// RFC6691-2b, RFC1191-6.4a, SHLD-28
template <class B>
octet_count segment_room(const connection<B>& c, const leaving_segment& out, const step<B>& st)
{
    const octet_count path = path_mtu_of(c, st.host) - fixed_headers(c.remote.address);
    const auto options = static_cast<octet_count>(encoded_size(out.options));
    return std::max<octet_count>(1, std::min<octet_count>(c.peer_mss, path) - options);
}

// Octets that may follow one another without a pause.
template <class B>
octet_count send_quantum(const connection<B>& c, const sender_active<B>& s)
{
    octet_count quantum = 0;
    if constexpr (sets_send_quantum<typename B::congestion>) {
        quantum = s.congestion.send_quantum();  // 0: the mechanism's default
    }
    if constexpr (paces<typename B::congestion>) {
        if (quantum == 0 && s.congestion.pacing_rate() != 0) {
            quantum = pacer::default_quantum(s.congestion.pacing_rate(), c.smss);
        }
    }
    return quantum == 0 ? 65'536 : quantum;
}

// How many octets one frame may carry: a segment, or a super-frame of whole segments where the device cuts it up. What
// is true of one segment alone, an urgent pointer or CWR, leaves in one alone; so does what has CWR's bit as part of a
// counter, since devices take it off all segments but the first (RFC9768-3.3.4a).
template <class B>
octet_count frame_room(const connection<B>& c, const sender_active<B>& s, octet_count segment, const step<B>& st)
{
    const bool alone = sends_urgent(c) || c.cwr_owed || (c.accurate && (c.ace & 2) != 0);
    const octet_count largest = alone ? 0 : std::min(st.host.tso_max, send_quantum(c, s));
    return largest < 2 * segment ? segment : largest / segment * segment;
}

}  // namespace tcpco::detail
