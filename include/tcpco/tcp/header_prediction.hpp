// The segment that nearly always comes next to one who receives (Jacobson's header prediction): the next octets of the
// stream, in ESTABLISHED, with nothing else to say.
//
// SEGMENT ARRIVES asks some forty questions of a segment, and of one in a bulk stream the answers are always the same.
// Here they are compared at once: the header's words with those that are expected, and the connection's state with what
// makes the rest of the questions idle. What remains is what such a segment does: the window, the timestamp, the text,
// and when it is acknowledged. It is no second opinion: what is not expected goes the long way untouched, and builds
// with assertions go the long way with a copy of the connection as well, and compare.
//
// Left out: a segment that acknowledges something, or comes while something is in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/segment_arrives.hpp"

namespace tcpco {

namespace detail {

// Nothing is in flight, waits to be sent, or is to be remembered of what comes: in ESTABLISHED, a receiver at peace.
template <class B>
bool only_receives(const connection<B>& c, step<B>& st) noexcept
{
    const sender_active<B>* s = st.sender(c);
    return c.state == tcp_state::established && c.snd.una == c.snd.nxt && c.sendable_end() == c.snd.nxt &&
           c.timer == retransmission_timer::none && c.life != life_timer::none && c.snd.wnd != 0 && !c.receiver &&
           !c.accurate && !c.ecn && !c.ce_last && !c.reader_gone && !c.refuses_text && c.rare->adv_uto == 0 &&
           (s == nullptr || !s->recovery.in_recovery());
}

}  // namespace detail

// Whether the TCP segment in `octets`, which was not marked on its way, is the one that is expected.
template <class B>
bool is_predicted(const connection<B>& c, std::span<const std::byte> octets, step<B>& st) noexcept
{
    const std::size_t head = c.timestamps ? tcp_header_size + detail::aligned_timestamps_size : tcp_header_size;
    if (octets.size() <= head) {
        return false;
    }
    const std::byte* const at = octets.data();
    const unsigned offset_and_flags = read_be16(at + 12) & ~unsigned{tcp_flag::psh};
    const auto size = static_cast<octet_count>(octets.size() - head);
    if (offset_and_flags != (head / 4 << 12 | tcp_flag::ack) ||
        read_be32(at + 4) != to_wire(c.rcv.nxt, c.rcv.irs).value ||
        read_be32(at + 8) != to_wire(c.snd.una, c.snd.iss).value || size > c.rcv.wnd() || c.snd.wl1 > c.rcv.nxt) {
        return false;
    }
    if (c.timestamps && (read_be32(at + 20) != detail::aligned_timestamps ||
                         static_cast<std::int32_t>(read_be32(at + 24) - c.ts_recent) < 0)) {
        return false;
    }
    return detail::only_receives(c, st);
}

// Takes the segment in `octets`, which is_predicted() and whose checksum is good. The stack's part of the books is the
// caller's.
template <class B>
void take_predicted(connection<B>& c, slice&& octets, const frame_info& info, step<B>& st)
{
    const std::byte* const at = octets.data;
    const std::uint32_t head = c.timestamps ? tcp_header_size + detail::aligned_timestamps_size : tcp_header_size;
    count_long(c.stats.segments_received, c.rare, &rare_state::segments_received_high, info.wire_segments);
    c.stats.data_segments_received += info.wire_segments;
    c.untimed = 0;
    c.last_received_at = st.now;
    c.keep_probes = 0;
    c.unanswered = 0;
    if (c.timestamps && c.rcv.nxt <= c.rcv.last_ack_sent) {  // RFC7323-4.3b
        c.ts_recent = read_be32(at + 24);
        c.ts_recent_at = st.now;
    }
    c.snd.wnd = static_cast<std::uint32_t>(
        std::min<octet_count>(octet_count{read_be16(at + 14)} << c.snd.wscale, octet_count{1} << 30));
    c.snd.max_wnd = std::max(c.snd.max_wnd, c.snd.wnd);
    c.snd.wl1 = c.rcv.nxt;
    c.snd.wl2 = c.snd.una;

    const bool psh = (read_be16(at + 12) & tcp_flag::psh) != 0;
    octets.remove_prefix(head);
    const octet_count size = octets.size;
    const octet_count segment = info.wire_segments > 1 ? size / info.wire_segments : size;
    received_segment event{.now = st.now,
                           .wire_segments = info.wire_segments,
                           .octets = size,
                           .psh = psh,
                           .rmss = c.rmss,
                           .srtt = c.rto.srtt()};
    c.rmss = static_cast<std::uint16_t>(std::clamp<octet_count>(segment, c.rmss, c.own_mss));
    const octet_count taken = detail::queue_for_reader(c, std::move(octets), st);
    c.rcv.nxt += taken;
    c.events |= taken > 0 ? readiness::readable : readiness::none;
    if (taken < size) {
        st.drop(drop_reason::no_buffer);
        return;
    }
    event.unacked_octets = c.rcv.nxt - c.rcv.last_ack_sent;
    detail::schedule_ack(c, event, st);
}

// For builds with assertions: what the long way makes of the same segment, and of a connection that has nothing unread.
template <class B>
connection<B> arrive_the_long_way(connection<B>& c, arriving_segment&& seg, step<B>& st)
{
    // What a copy would allocate for is lent: where a segment arrives nothing is allocated.
    receive_queue unread = std::move(c.receive);
    send_queue unsent = std::move(c.send);
    cold_part<rare_state> rare = std::move(c.rare);
    c.receive = receive_queue{};
    connection<B> other = c;
    c.receive = std::move(unread);
    other.receive = std::move(st.host.compared);
    other.send = std::move(unsent);
    other.rare = std::move(rare);
    const rare_state before = *other.rare;
    const stack_counters counters = st.host.counters;
    segment_arrives(other, seg, st);
    st.host.counters = counters;
    TCPCO_ASSERT(*other.rare == before);
    other.receive.discard(other.receive.size());
    st.host.compared = std::move(other.receive);
    c.send = std::move(other.send);
    c.rare = std::move(other.rare);
    return other;
}

// Both ways led to the same.
template <class B>
bool agree(const connection<B>& a, const connection<B>& b) noexcept
{
    return a.state == b.state && a.events == b.events && a.snd.una == b.snd.una && a.snd.nxt == b.snd.nxt &&
           a.snd.wl1 == b.snd.wl1 && a.snd.wl2 == b.snd.wl2 && a.snd.wnd == b.snd.wnd &&
           a.snd.max_wnd == b.snd.max_wnd && a.rcv.nxt == b.rcv.nxt && a.rcv.right_edge == b.rcv.right_edge &&
           a.rcv.last_ack_sent == b.rcv.last_ack_sent &&
           a.acks_owed == b.acks_owed && a.ack_at == b.ack_at && a.timer == b.timer &&
           a.timer_at == b.timer_at && a.life == b.life && a.life_at == b.life_at && a.rmss == b.rmss &&
           a.ts_recent == b.ts_recent && a.ts_recent_at == b.ts_recent_at &&
           a.last_received_at == b.last_received_at && a.unanswered == b.unanswered &&
           a.keep_probes == b.keep_probes && a.untimed == b.untimed &&
           a.stats.segments_received == b.stats.segments_received &&
           a.stats.data_segments_received == b.stats.data_segments_received;
}

}  // namespace tcpco
