// The segment that nearly always comes next (Jacobson's header prediction): the next octets of the stream, an
// acknowledgement of what is in flight, or both, in ESTABLISHED, with nothing else to say.
//
// SEGMENT ARRIVES asks some forty questions of a segment, and of one in a bulk stream or among requests and answers
// these are always answered alike. Here they are compared at once: the header's words with those that are expected, and
// the connection's state with what makes the rest of the questions idle. What remains is what such a segment does: the
// window, the timestamp, the acknowledgement (peaceful_ack.hpp), the text, and when that is acknowledged. It is no
// second opinion: what is not expected goes the long way untouched, and builds with TCPCO_BOTH_WAYS go the long way
// with a copy of the connection as well, and compare (both_ways.hpp).
//
// Left out: text beside which nothing is acknowledged while something is in flight; ECN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "tcpco/tcp/gathered_text.hpp"
#include "tcpco/tcp/peaceful_ack.hpp"
#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/segment_arrives.hpp"

namespace tcpco {

namespace detail {

// Nothing is in flight or waits to be sent, and consider_quiet() would arm nothing: who sends nothing for long has no
// sending half.
template <class B>
bool only_receives(const connection<B>& c) noexcept
{
    return c.snd.una == c.snd.nxt && c.send.end() == c.snd.nxt && c.timer == retransmission_timer::none &&
           (c.life != life_timer::none || (!c.sender && c.keep_count == 0));
}

}  // namespace detail

// What a segment that is expected does.
template <class B>
struct prediction {
    sender_active<B>* sender = nullptr;
    std::uint32_t head = 0;   // octets of header
    std::uint32_t acked = 0;  // how much it acknowledges
    bool psh = false;
    gathered_text more{};  // what continues it; its segments are in the frame's info
};

// Whether the TCP segment in `octets`, which was not marked on its way, is one that is expected; `p` says how.
template <class B>
[[gnu::always_inline]] inline bool is_predicted(connection<B>& c, std::span<const std::byte> octets, step<B>& st,
                                                prediction<B>& p) noexcept
{
    const std::uint32_t head = c.timestamps ? tcp_header_size + detail::aligned_timestamps_size : tcp_header_size;
    if (octets.size() < head) {
        return false;
    }
    const std::byte* const at = octets.data();
    const unsigned offset_and_flags = read_be16(at + 12) & ~unsigned{tcp_flag::psh};
    const auto size = static_cast<octet_count>(octets.size() - head);
    if (offset_and_flags != (head / 4 << 12 | tcp_flag::ack) ||
        read_be32(at + 4) != to_wire(c.rcv.nxt, c.rcv.irs).value || size > c.rcv.wnd() || c.snd.wl1 > c.rcv.nxt) {
        return false;
    }
    if (c.timestamps && (read_be32(at + 20) != detail::aligned_timestamps ||
                         static_cast<std::int32_t>(read_be32(at + 24) - c.ts_recent) < 0)) {
        return false;
    }
    if (c.snd.wnd == 0 || !is_calm(c, st)) {
        return false;
    }
    p.head = head;
    p.psh = (std::to_integer<unsigned>(at[13]) & tcp_flag::psh) != 0;
    p.acked = read_be32(at + 8) - to_wire(c.snd.una, c.snd.iss).value;
    p.sender = st.sender(c);
    if (p.acked == 0) {
        return size > 0 && detail::only_receives(c);
    }
    return octet_count{p.acked} <= c.snd.nxt - c.snd.una && p.sender != nullptr &&
           (c.timer == retransmission_timer::rto || c.timer == retransmission_timer::pto);
}

template <class B>
bool is_predicted(connection<B>& c, std::span<const std::byte> octets, step<B>& st) noexcept
{
    prediction<B> p;
    return is_predicted(c, octets, st, p);
}

namespace detail {

// Behind the text of the first segment, if that was taken as a whole; what finds no place is dropped.
template <class B>
octet_count queue_gathered(connection<B>& c, const gathered_text& more, bool whole, step<B>& st)
{
    octet_count taken = 0;
    for (frame& f : more.frames) {
        if (whole) {
            const octet_count size = f.data.size;
            const octet_count queued = queue_for_reader(c, std::move(f.data), st);
            taken += queued;
            whole = queued == size;
        }
        if (!whole) {
            st.drop(drop_reason::no_buffer);
        }
    }
    return taken;
}

// RFC9293-3.10.7.4-7a
template <class B>
[[gnu::always_inline]] inline void take_predicted_text(connection<B>& c, slice&& text, const gathered_text& more,
                                                       const frame_info& info, bool psh, step<B>& st)
{
    const octet_count first = text.size;
    const octet_count size = first + more.octets;
    received_segment event{.now = st.now,
                           .wire_segments = info.wire_segments,
                           .octets = size,
                           .psh = psh,
                           .rmss = c.rmss,
                           .srtt = c.rto.srtt()};
    c.stats.data_segments_received += info.wire_segments;
    c.rmss = static_cast<std::uint16_t>(std::clamp<octet_count>(text_of_each(info, size), c.rmss, c.own_mss));
    octet_count taken = queue_for_reader(c, std::move(text), st);
    if (taken < first) {
        st.drop(drop_reason::no_buffer);
    }
    if (!more.frames.empty()) {
        taken += queue_gathered(c, more, taken == first, st);
    }
    c.rcv.nxt += taken;
    c.events |= taken > 0 ? readiness::readable : readiness::none;
    if (taken < size) {
        acknowledge_part(c, taken);
        return;
    }
    event.unacked_octets = c.rcv.nxt - c.rcv.last_ack_sent;
    schedule_ack(c, event, st);
}

}  // namespace detail

// Takes the segment in `octets`, which is_predicted() as `p` says, and whose checksum is good. The stack's part of the
// books is the caller's.
template <class B>
[[gnu::always_inline]] inline void take_predicted(connection<B>& c, slice&& octets, const frame_info& info,
                                                  const prediction<B>& p, step<B>& st)
{
    const std::byte* const at = octets.data;
    count_long(c.stats.segments_received, c.rare, &rare_state::segments_received_high, info.wire_segments);
    c.untimed = 0;
    c.last_received_at = st.now;
    c.keep_probes = 0;
    if (c.timestamps && c.rcv.nxt <= c.rcv.last_ack_sent) {  // RFC7323-4.3b
        c.ts_recent = read_be32(at + 24);
        c.ts_recent_at = st.now;
    }
    c.snd.wnd = static_cast<std::uint32_t>(
        std::min<octet_count>(octet_count{read_be16(at + 14)} << c.snd.wscale, octet_count{1} << 30));
    c.snd.max_wnd = std::max(c.snd.max_wnd, c.snd.wnd);
    c.snd.wl1 = c.rcv.nxt;
    const stream_offset ack = c.snd.una + p.acked;
    c.snd.wl2 = ack;
    if (p.acked > 0) {
        const std::uint32_t echo = c.timestamps ? read_be32(at + 28) : 0;
        acknowledge_in_peace(c, *p.sender, ack, info.arrived_at, echo, st);
    } else {
        c.unanswered = 0;
    }
    if (octets.size > p.head) {
        octets.remove_prefix(p.head);
        detail::take_predicted_text(c, std::move(octets), p.more, info, p.psh, st);
    }
}

}  // namespace tcpco
