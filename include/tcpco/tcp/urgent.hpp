// Urgent data (RFC 9293 3.8.5, RFC 6093): a mark in the stream up to which the sender asks for haste.
//
// The octets themselves are delivered in line, as all others (RFC6093-6a). The pointer names the octet behind the
// urgent ones (MUST-62, RFC6093-4a), on both sides; Linux agrees by default (its tcp_stdurg is the contrary reading of
// RFC 1122), but takes the last urgent octet out of the stream unless SO_OOBINLINE is set. There is no limit to how
// many octets may be urgent (MUST-31): where the mark is more than 65535 octets ahead, a segment names the farthest
// that its field can, and the segments behind it more.
//
// Kept for the applications that have it (RFC6093-5b); new ones should not begin with it (SHLD-13, RFC6093-5a), for
// middleboxes clear the flag.
#pragma once

#include <algorithm>

#include "tcpco/tcp/segment.hpp"
#include "tcpco/tcp/tcb.hpp"

namespace tcpco {

// How many octets the reader has yet to take until it has passed the urgent ones; some may not have arrived yet. 0:
// nothing urgent (MUST-33).
inline octet_count urgent_ahead(const transmission_control_block& c) noexcept
{
    const stream_offset end = c.rcv.nxt - (c.fin_received ? 1 : 0);
    const stream_offset mark = c.fin_received ? std::min(c.rare->rcv_up, end) : c.rare->rcv_up;
    return std::max<octet_count>(0, mark - (end - static_cast<octet_count>(c.receive.size())));
}

// 3.10.7.4, sixth: check the URG bit. The user is told when a mark appears, and again when it moves on (MUST-32); a
// segment that repeats it says nothing new (RFC9293-3.10.7.4-6a). Even behind a closed window (MUST-66).
inline void check_urg(transmission_control_block& c, const arriving_segment& seg) noexcept
{
    if (!seg.has(tcp_flag::urg) || !may_receive(c.state)) {
        return;
    }
    // Counted from where the segment began, before old octets were cut off.
    const stream_offset mark =
        from_wire(seg.header.seq, c.rcv.irs, c.rcv.nxt) + octet_count{seg.header.urgent_pointer};
    rare_state* r = mark > c.rare->rcv_up ? c.rare.make() : nullptr;
    if (r != nullptr) {
        r->rcv_up = mark;
        c.events |= urgent_ahead(c) > 0 ? readiness::urgent : readiness::none;
    }
}

// SEND with the urgent flag (3.10.2), after the octets were queued. A peer with a closed window is told at once.
inline void mark_urgent(transmission_control_block& c) noexcept
{
    if (rare_state* r = c.rare.make()) {
        r->snd_up = c.send.end();
    }
    if (is_synchronized(c.state) && c.snd.nxt >= c.send_right_edge()) {
        c.acks_owed = std::max(c.acks_owed, std::uint8_t{1});
    }
}

// Some of what is urgent is not acknowledged. Until then no super-frames: whoever cuts them up copies the pointer,
// which then would be wrong in all but the first segment (Linux does the same).
inline bool sends_urgent(const transmission_control_block& c) noexcept { return c.rare->snd_up > c.snd.una; }

// The urgent pointer of a segment; 0: without URG.
inline std::uint16_t urgent_pointer_of(const transmission_control_block& c, const leaving_segment& out) noexcept
{
    const stream_offset from = out.octets > 0 ? out.seq : c.snd.nxt;
    const stream_offset up = c.rare->snd_up;
    if (out.syn || up <= from) {
        return 0;
    }
    return static_cast<std::uint16_t>(std::min<octet_count>(up - out.seq, 65'535));
}

}  // namespace tcpco
