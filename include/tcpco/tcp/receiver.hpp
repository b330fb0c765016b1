// The receiving side: what window is offered, where text goes, when it is acknowledged (RFC 9293 3.8.6.2.2, 3.8.6.3,
// 3.10.7.4 steps 7 and 8; RFC 2018 section 4; RFC 2883 section 4; RFC 7323 section 4.3).
//
// In-order text goes to the receive queue as slices of the very slots it arrived in; a payload that would pin a slot
// much larger than itself is copied into shared chunks. Text behind a hole waits in the reassembly queue.
#pragma once

#include <algorithm>

#include "tcpco/tcp/accurate_feedback.hpp"
#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/out_of_order.hpp"

namespace tcpco {

// The RFC's W = [rcv.nxt, rcv.nxt + rcv.wnd): what a TCB and the compact records all can answer.
struct sequence_view {
    stream_offset nxt{};
    octet_count wnd = 0;
};

// RFC 9293 3.10.7.4, first check, table 6.
// RFC9293-3.10.7.4-1a, 1b, 1c, 1d
constexpr bool is_acceptable(sequence_view rcv, stream_offset seq, octet_count length) noexcept
{
    const auto within = [rcv](stream_offset at) { return rcv.nxt <= at && at < rcv.nxt + rcv.wnd; };
    if (length == 0) {
        return rcv.wnd == 0 ? seq == rcv.nxt : within(seq);
    }
    return rcv.wnd > 0 && (within(seq) || within(seq + (length - 1)) ||
                           (seq < rcv.nxt && rcv.nxt + rcv.wnd < seq + length));  // covers the whole window
}

template <class B>
inline receive_window_state window_state(const connection<B>& c, step<B>& st)
{
    const receiver_active* holes = st.receiver(c);
    return {.capacity = c.window.capacity(),
            .unread = static_cast<octet_count>(c.receive.size()),
            .out_of_order = holes == nullptr ? 0 : static_cast<octet_count>(holes->queue.octets()),
            .srtt = c.rto.srtt(),
            .now = st.now};
}

// How far the right edge may be moved now. It never moves left (SHLD-14), and it moves only when that is worth a
// segment: by half the buffer or a full-sized segment (MUST-39, RFC 9293 3.8.6.2.2).
// RFC7323-2.4a, 2.4b
template <class B>
[[gnu::always_inline]] inline stream_offset offered_edge(const connection<B>& c, step<B>& st)
{
    const octet_count sayable = octet_count{65'535} << c.rcv.wscale;  // more would be an update that says nothing new
    const octet_count window = std::clamp<octet_count>(c.window.window(window_state(c, st)), 0, sayable);
    const octet_count worthwhile = std::min<octet_count>(c.window.capacity() / 2, c.own_mss);
    const octet_count advertised = c.rcv.wnd();
    return c.rcv.nxt + (window - advertised >= worthwhile ? window : advertised);
}

// A window as it stands in the header, and what it advertises.
struct offered_window {
    std::uint16_t field = 0;
    stream_offset right_edge{};
};

// The window of a segment that acknowledges `nxt`. Shifting rounds down, and that alone would move the edge left: then
// the field is rounded up, which offers less than 2^shift octets that the buffer does not have; they are taken all the
// same.
// RFC7323-2.3b, 2.4b
template <class B>
[[gnu::always_inline]] inline offered_window offer_window(const connection<B>& c, stream_offset nxt, unsigned shift,
                                                          step<B>& st)
{
    const stream_offset edge = offered_edge(c, st);
    octet_count units = (edge - nxt) >> shift;
    const octet_count advertised = c.rcv.wnd() + (c.rcv.nxt - nxt);  // from nxt on
    if ((units << shift) < advertised) {
        units = (advertised + (octet_count{1} << shift) - 1) >> shift;
    }
    units = std::clamp<octet_count>(units, 0, 65'535);
    return {static_cast<std::uint16_t>(units), nxt + std::max(advertised, units << shift)};
}

// RFC7323-2.2e
template <class B>
void advertise_window(leaving_segment& out, const connection<B>& c, step<B>& st)
{
    const unsigned shift = out.syn ? 0 : c.rcv.wscale;  // RFC 7323 2.2: never on a SYN
    const offered_window offered = offer_window(c, c.rcv.nxt - out.ack_behind, shift, st);
    out.window = offered.field;
    out.right_edge = offered.right_edge;
}

// An ACK is to leave now. A peer without SACK counts duplicates: each out-of-order segment owes one of its own.
// RFC5681-4.2e
template <class B>
void owe_ack(connection<B>& c, bool duplicate = false) noexcept
{
    if (c.acks_owed == 0 || (duplicate && !c.sack_permitted && c.acks_owed < 255)) {
        ++c.acks_owed;
    }
}

// The reader took octets since the last ACK: the window may grow.
template <class B>
inline void tell_of_reading(connection<B>& c, step<B>& st)
{
    const octet_count taken = c.rcv.nxt - stream_offset{1} - static_cast<octet_count>(c.receive.size());
    const stream_offset told = stream_offset{taken};
    c.window.on_delivered(told - c.taken_told, window_state(c, st));
    c.taken_told = told;
}

// And a window update, if that is worth a segment.
template <class B>
void consider_window_update(connection<B>& c, step<B>& st)
{
    c.read_since_ack = false;
    if (!may_receive(c.state)) {
        return;
    }
    tell_of_reading(c, st);
    const octet_count growth = offered_edge(c, st) - c.rcv.right_edge;
    if (growth > 0 &&
        c.ack_policy.on_read(
            {.growth = growth, .advertised = c.rcv.wnd(), .capacity = c.window.capacity(), .rmss = c.rmss})) {
        owe_ack(c);
    }
}

// RFC 7323 4.3: the timestamp to echo is that of the segment which the last ACK was about, or a newer one.
// RFC7323-4.3a, 4.3b, 4.3c, 4.3d, 5.2a
template <class B>
void update_ts_recent(connection<B>& c, const arriving_segment& seg, time_point now)
{
    // An RST or SYN on a connection is a challenge at best: it must not set what later segments are measured by (5.2).
    if (c.timestamps && seg.options.has_timestamps && !seg.rst() && !seg.syn() && seg.sent_seq <= c.rcv.last_ack_sent &&
        (static_cast<std::int32_t>(seg.options.tsval - c.ts_recent) >= 0 || ts_recent_is_void(c, now))) {
        c.ts_recent = seg.options.tsval;
        c.ts_recent_at = now;
    }
}

// Cuts off what lies outside the window: old octets at the left (a SYN is the first of them), and octets or a FIN
// beyond the right edge.
// RFC9293-3.10.7.4-1f
template <class B>
void trim_to_window(const connection<B>& c, arriving_segment& seg)
{
    if (seg.seq < c.rcv.nxt && seg.syn()) {
        seg.header.flags = static_cast<std::uint16_t>(seg.header.flags & ~tcp_flag::syn);
        seg.seq += 1;
    }
    if (seg.seq < c.rcv.nxt) {
        const octet_count old = std::min<octet_count>(c.rcv.nxt - seg.seq, seg.payload.size);
        seg.payload.remove_prefix(static_cast<std::uint32_t>(old));
        seg.seq += old;
    }
    const octet_count excess = seg.fin_at() - c.rcv.right_edge;
    if (excess >= 0) {
        seg.header.flags = static_cast<std::uint16_t>(seg.header.flags & ~tcp_flag::fin);
        seg.payload.remove_suffix(static_cast<std::uint32_t>(std::min<octet_count>(excess, seg.payload.size)));
    }
}

namespace detail {

// How much text the segments had that came as one frame; the last may have had less.
inline octet_count text_of_each(const frame_info& info, octet_count size) noexcept
{
    if (info.wire_segments <= 1) {
        return size;
    }
    return info.gso_size > 0 ? std::min<octet_count>(info.gso_size, size) : size / info.wire_segments;
}

// A payload below this share of its slot is copied out: one octet must not pin a slot of 64 KiB. Also when the slots
// that frames arrive in run short: the ACK or the missing segment that would free them needs one.
inline bool should_copy(const slice& payload) noexcept
{
    return payload.owner.pool_is_short() || std::size_t{payload.size} * 4 < payload.owner.capacity();
}

// Where received octets are copied to; null: what is left of the pools is for sending, and for readers that keep up:
// each of them makes progress beside any number that do not read.
template <class B>
buffer_pool* copy_pool(octet_count queued, std::size_t size, step<B>& st) noexcept
{
    const bool bulk = queued > 4'096 || size > st.host.small.slot_size();
    buffer_pool& first = bulk ? st.host.large : st.host.small;
    buffer_pool& second = bulk && size <= st.host.small.slot_size() ? st.host.small : st.host.large;
    if (queued < reserve_share) {
        return first.available() > 0 ? &first : &second;
    }
    return !first.is_short() ? &first : !second.is_short() ? &second : nullptr;
}

// Returns how many octets were taken, from the first on.
template <class B>
[[gnu::always_inline]] inline octet_count queue_for_reader(connection<B>& c, slice&& payload, step<B>& st)
{
    octet_count taken = 0;
    const bool must_copy = payload.owner.pool_is_short();
    if (should_copy(payload)) {
        buffer_pool* pool = copy_pool(static_cast<octet_count>(c.receive.size()), payload.size, st);
        const std::size_t copied = pool == nullptr ? 0 : c.receive.push_copy(payload.octets(), *pool);
        payload.remove_prefix(static_cast<std::uint32_t>(copied));
        taken = static_cast<octet_count>(copied);
        if (must_copy || payload.size == 0) {
            return taken;
        }
    }
    const octet_count rest = payload.size;
    return c.receive.push(std::move(payload)) ? taken + rest : taken;
}

// No slot was free for all of the text. What was taken, of a super-frame whole segments perhaps, is acknowledged at
// once: it may be the last that comes before the peer sends the rest again.
template <class B>
void acknowledge_part(connection<B>& c, octet_count taken) noexcept
{
    if (taken > 0) {
        owe_ack(c);
    }
}

// What the sender of out-of-order text is told with which urgency, and how the policy sees in-order text.
template <class B>
[[gnu::always_inline]] inline void schedule_ack(connection<B>& c, const received_segment& event, step<B>& st)
{
    if (!event.in_order || event.duplicate || event.fills_hole) {
        owe_ack(c, !event.in_order || event.duplicate);  // RFC5681-4.2d: at once
    }
    const ack_decision decision = c.ack_policy.on_segment(event);
    switch (decision.at) {
    case ack_decision::when::now:
    case ack_decision::when::end_of_batch: owe_ack(c); break;
    case ack_decision::when::within:
        // MUST-40: below half a second, whatever the policy says.
        c.ack_at = std::min(c.ack_at, st.now + std::min(decision.delay, duration{499'000'000}));
        break;
    }
}

// Text behind a hole. False: it was refused, as if it had been lost.
// SHLD-31, MAY-13, RFC2018-4e
template <class B>
bool hold_out_of_order(connection<B>& c, arriving_segment& seg, received_segment& event, step<B>& st)
{
    if (!c.receiver) {
        c.receiver = st.host.receivers.emplace(
            receiver_active{reassembly_queue{reassembly_queue::config{.max_ranges = st.host.settings.maximum_ranges}}});
        if (!c.receiver) {
            st.drop(drop_reason::no_buffer);
            return false;
        }
    }
    reassembly_queue& queue = st.receiver(c)->queue;
    slice text = std::move(seg.payload);
    bool copied = false;
    if (text.size > 0 && should_copy(text)) {
        if (!seg.fin() && queue.append(seg.text(), text.octets())) {
            count_rare(c.rare, &rare_state::out_of_order, event.wire_segments);
            return true;
        }
        if (!is_in_proportion(queue, text.size, st.host.small)) {
            st.drop(drop_reason::out_of_order_limit);
            return false;
        }
        buffer_pool* pool = out_of_order_pool(queue, seg.text(), text.size, st.host.small, st.host.large);
        frame copy = pool == nullptr ? frame{} : copy_frame(*pool, text.octets());
        copied = static_cast<bool>(copy.data.owner);
        if (copied) {
            text = std::move(copy.data);
        } else if (text.owner.pool_is_short()) {
            st.drop(drop_reason::no_buffer);
            return false;
        }
    }
    const auto held = queue.insert(seg.text(), std::move(text), seg.fin(), copied);
    if (!held.accepted) {
        st.drop(drop_reason::out_of_order_limit);
        return false;
    }
    count_rare(c.rare, &rare_state::out_of_order, event.wire_segments);
    event.in_order = false;
    event.duplicate = held.duplicate;
    if (rare_state* r = held.overlap.empty() ? nullptr : c.rare.make()) {
        r->dsack = held.overlap;  // RFC2883-4c, 4.2a: the first part that was here already
    }
    return true;
}

// The hole is closed: what waited behind it follows. The reassembly queue goes when it is empty.
// MUST-59
template <class B>
void deliver_held(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    receiver_active* holes = st.receiver(c);
    c.rcv.nxt = holes->queue.pop_ready(c.rcv.nxt, [&c](slice&& held) { return c.receive.push(std::move(held)); });
    if (holes->queue.fin_at() == c.rcv.nxt) {
        seg.header.flags |= tcp_flag::fin;
        seg.payload = {};
        seg.seq = c.rcv.nxt;
    }
    if (holes->queue.empty() && (!holes->queue.fin_at() || seg.fin())) {
        st.host.receivers.erase(c.receiver);
        c.receiver = {};
    }
}

}  // namespace detail

// RFC 9293 3.10.7.4 step 7.
// RFC9293-3.10.7.4-7a
template <class B>
void process_segment_text(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    const octet_count size = seg.payload.size;
    received_segment event{.now = st.now,
                           .wire_segments = seg.info.wire_segments,
                           .octets = size,
                           .psh = seg.has(tcp_flag::psh),
                           .ce = seg.ce,
                           .ce_changed = seg.ce_rose || seg.ce != c.ce_last,
                           .rmss = c.rmss,
                           .srtt = c.rto.srtt()};
    c.ce_last = seg.ce;
    c.rmss = static_cast<std::uint16_t>(
        std::clamp<octet_count>(detail::text_of_each(seg.info, size), c.rmss, c.own_mss));
    if (seg.text() > c.rcv.nxt) {
        detail::hold_out_of_order(c, seg, event, st);
        event.in_order = false;
        detail::schedule_ack(c, event, st);
        return;
    }
    if (size > 0) {
        slice text = std::move(seg.payload);
        seg.payload = {};
        seg.seq += size;
        const octet_count taken = detail::queue_for_reader(c, std::move(text), st);
        c.rcv.nxt += taken;
        c.events |= taken > 0 ? readiness::readable : readiness::none;
        if (taken < size) {
            st.drop(drop_reason::no_buffer);  // as if the rest had been lost: the peer sends it again
            seg.header.flags = static_cast<std::uint16_t>(seg.header.flags & ~tcp_flag::fin);
            detail::acknowledge_part(c, taken);
            return;
        }
    }
    if (c.receiver) {
        const stream_offset before = c.rcv.nxt;
        detail::deliver_held(c, seg, st);
        event.in_order = false;
        event.fills_hole = true;
        c.events |= c.rcv.nxt > before ? readiness::readable : readiness::none;
    }
    if (size > 0) {
        event.unacked_octets = c.rcv.nxt - c.rcv.last_ack_sent;
        detail::schedule_ack(c, event, st);
    }
}

// RFC 9293 3.10.7.4 step 8, in the states where a FIN may come. False: not its turn yet, or none.
// RFC9293-3.10.7.4-8a
template <class B>
bool take_fin(connection<B>& c, const arriving_segment& seg)
{
    if (!seg.fin() || c.fin_received || seg.fin_at() != c.rcv.nxt) {
        return false;
    }
    c.rcv.nxt += 1;
    c.rcv.right_edge = std::max(c.rcv.right_edge, near_offset{c.rcv.nxt});
    c.fin_received = true;
    return true;
}

// A segment that was received before, or its left part: the next ACK says so (RFC 2883 section 4.1.1, 4.2).
// RFC2883-4a, 4.2a
template <class B>
void note_duplicate(connection<B>& c, const arriving_segment& seg)
{
    const stream_offset end = std::min(seg.fin_at(), c.rcv.nxt);
    if (c.sack_permitted && seg.payload.size > 0 && seg.text() < end) {
        if (rare_state* r = c.rare.make()) {
            r->dsack = {seg.text(), end};
        }
    }
}

namespace detail {

// RFC2018-4b, 4c, 4d, 4f, 4g, 4h, RFC2883-4a, 4c, 4d
template <class B>
void fill_sacks(leaving_segment& out, connection<B>& c, step<B>& st)
{
    std::array<stream_range, 4> blocks{};
    std::size_t count = 0;
    if (!c.rare->dsack.empty()) {
        blocks[count++] = c.rare->dsack;
    }
    if (receiver_active* holes = st.receiver(c)) {
        count += holes->queue.sack_blocks(std::span{blocks}.subspan(count));
    }
    count = std::min<std::size_t>(count, c.timestamps ? 3 : 4);
    for (std::size_t i = 0; i < count; ++i) {
        out.options.sack_blocks[i] = {to_wire(blocks[i].left, c.rcv.irs), to_wire(blocks[i].right, c.rcv.irs)};
    }
    out.options.sack_count = static_cast<std::uint8_t>(count);
}

}  // namespace detail

// The options of an ACK: timestamps echo, a D-SACK, the blocks that are held, counts of marks.
// RFC7323-3.2b, 3.2g
template <class B>
void fill_options(leaving_segment& out, connection<B>& c, step<B>& st)
{
    if (c.timestamps) {
        out.options.has_timestamps = true;
        out.options.tsval = timestamp_now(c, st.now);
        out.options.tsecr = c.ts_recent;
    }
    if (out.syn) {
        return;
    }
    if (c.uto_owed) {
        out.options.user_timeout = c.rare->adv_uto;  // RFC5482-3a, 3b
    }
    if (c.sack_permitted && (c.receiver || !c.rare->dsack.empty())) {
        detail::fill_sacks(out, c, st);
    }
    if (c.accurate) {
        fill_accurate_option(out, c, st);
    }
}

}  // namespace tcpco
