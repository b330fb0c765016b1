// Definitions of scoreboard's members: splitting, transmission, acknowledgement, marks, checking. Include
// tcp/scoreboard.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "tcpco/tcp/scoreboard.hpp"
#include "tcpco/tcp/scoreboard_lists.hpp"
#include "tcpco/tcp/scoreboard_runs.hpp"

namespace tcpco {

namespace detail {

// Wire segments in the first `left` octets of a record; at least one, and leaves one where there are two.
constexpr std::uint32_t segments_of_part(const transmission& t, octet_count left) noexcept
{
    if (t.wire_segments < 2) {
        return 1;
    }
    const octet_count share = (left * t.wire_segments + t.octets() - 1) / t.octets();
    return static_cast<std::uint32_t>(std::clamp<octet_count>(share, 1, t.wire_segments - 1));
}

}  // namespace detail

// --- splitting -------------------------------------------------------------------------------------------------------

// Cuts record `i` at `at`, inside it; returns the right part. Requires room for a record.
inline scoreboard::index scoreboard::split(index i, stream_offset at) noexcept
{
    uncount(slab_[i].record);
    const index j = slab_.duplicate(i);
    auto* const nodes = slab_.nodes();
    auto& left = nodes[i];
    auto& right = nodes[j];
    left.record.wire_segments = detail::segments_of_part(right.record, at - right.record.first);
    left.record.last = right.record.first = at;
    right.record.wire_segments -= std::min(left.record.wire_segments, right.record.wire_segments - 1);
    count(left.record);
    count(right.record);
    if (left.record.sacked) {
        right.lost_prev = j;
        right.lost_next = left.lost_next;  // where it is the last of its run now
    } else if (left.record.lost) {
        state_.by_loss.insert_after(nodes, i, j);
        if (left.announced_next != detail::not_announced) {
            right.announced_next = std::exchange(left.announced_next, j);
            state_.announced_tail = state_.announced_tail == i ? j : state_.announced_tail;
        }
    } else {
        state_.by_time.insert_after(nodes, i, j);
    }
    return j;
}

// A peer can ask for these, so they are bounded: all together by the memory that they take, those of one unit by the
// steps of a look-up.
inline bool scoreboard::split_for_sack(index i, stream_offset at, index& right) noexcept
{
    if (records() >= free_fragments + flight_size() / fragment_octets || !slab_.reserve(1 + retransmission_room)) {
        return false;
    }
    const auto unit = slab_.size_of_unit(at);
    if (unit.pieces >= free_pieces + unit.octets / fragment_octets) {
        return false;
    }
    right = split(i, at);
    return true;
}

inline bool scoreboard::split(stream_offset at) noexcept
{
    const index i = find(at);
    index right = npos;
    const bool many = i != npos && slab_[i].record.first < at && slab_[i].record.wire_segments > 1;
    return many && split_for_sack(i, at, right);
}

// --- transmission ----------------------------------------------------------------------------------------------------

[[gnu::always_inline]] inline delivery_stamp* scoreboard::transmit_new(stream_offset first, stream_offset last,
                                                                       time_point now,
                                                                       std::uint32_t wire_segments) noexcept
{
    TCPCO_ASSERT(first == state_.nxt && first < last);
    if (!may_transmit_new()) {
        return nullptr;
    }
    const index i = slab_.push_back();
    transmission& t = slab_[i].record;
    t.first = first;
    t.last = last;
    t.sent_at = now;
    t.wire_segments = wire_segments;
    t.transmissions = 1;
    t.sacked = t.lost = t.ever_retransmitted = false;
    state_.by_time.push_back(slab_.nodes(), i);
    state_.in_flight += last - first;
    state_.segments += wire_segments;
    state_.nxt = last;
    return &t.stamp;
}

inline void scoreboard::extend_newest(octet_count octets, std::uint32_t wire_segments) noexcept
{
    transmission& t = slab_[slab_.back()].record;
    TCPCO_ASSERT(is_in_flight(t) && t.transmissions == 1 && t.last == state_.nxt && octets > 0);
    t.last += octets;
    t.wire_segments += wire_segments;
    t.stamp.in_flight += octets;
    state_.in_flight += octets;
    state_.segments += wire_segments;
    state_.nxt = t.last;
}

inline bool scoreboard::on_retransmit(stream_offset first, stream_offset last, time_point now,
                                      const delivery_stamp& stamp, std::uint32_t wire_segments) noexcept
{
    TCPCO_ASSERT(state_.una <= first && first < last && last <= state_.nxt);
    index i = find(first);
    const index cuts = (slab_[i].record.first < first ? 1U : 0U) + (last < slab_[find(last - 1)].record.last ? 1U : 0U);
    if (cuts != 0 && !slab_.reserve(cuts)) {
        return false;
    }
    if (slab_[i].record.first < first) {
        i = split(i, first);
    }
    octet_count octets_left = last - first;
    octet_count segments_left = wire_segments;
    while (octets_left > 0) {
        if (last < slab_[i].record.last) {
            split(i, last);
        }
        const octet_count octets = slab_[i].record.octets();
        const octet_count share = std::max<octet_count>((segments_left * octets + octets_left - 1) / octets_left, 1);
        retransmit_record(i, now, stamp, static_cast<std::uint32_t>(share));
        octets_left -= octets;
        segments_left = std::max<octet_count>(segments_left - share, 0);
        i = slab_[i].next;
    }
    return true;
}

// RFC8985-6.1a, 7.3d
inline void scoreboard::retransmit_record(index i, time_point now, const delivery_stamp& stamp,
                                          std::uint32_t segments) noexcept
{
    transmission& t = slab_[i].record;
    uncount(t);
    unlist(i);
    t.lost = false;
    t.ever_retransmitted = true;
    if (t.transmissions < std::numeric_limits<std::uint16_t>::max()) {
        ++t.transmissions;
    }
    t.sent_at = now;
    t.wire_segments = segments;
    t.stamp = stamp;
    if (!t.sacked) {
        state_.by_time.push_back(slab_.nodes(), i);
    }
    count(t);
}

// --- acknowledgement -------------------------------------------------------------------------------------------------

template <class OnDelivered>
ack_result scoreboard::on_cumulative_ack(stream_offset una, OnDelivered&& on_delivered)
{
    TCPCO_ASSERT(una <= state_.nxt);
    ack_result result;
    octet_count first_flight = 0;  // acknowledged by their first transmission: what duplicate ACKs can have stood for
    const auto deliver = [&](const transmission& t) {
        state_.una = t.last;
        result.acked += t.octets();
        if (!t.sacked) {
            result.add_delivered(t);
            first_flight += t.ever_retransmitted ? 0 : t.octets();
        }
        on_delivered(t, t.sacked);
    };
    while (state_.una < una) {
        const index i = slab_.front();
        transmission& t = slab_[i].record;
        uncount(t);
        if (t.last <= una) {
            unlist(i);
            if (t.sacked) {
                leave_run(t, slab_[i].next);
            }
            slab_.pop_front();
            deliver(t);  // the record has left all lists; its memory is there until another is made
            continue;
        }
        transmission part = t;
        part.last = una;
        part.wire_segments = detail::segments_of_part(t, part.octets());
        if (t.sacked && state_.line < t.last) {
            state_.sacked_beyond -= part.octets();
        }
        t.wire_segments -= std::min(part.wire_segments, t.wire_segments - 1);
        t.first = una;
        count(t);
        deliver(part);
    }
    const octet_count told_before = std::min(state_.emulated, first_flight);
    result.newly_delivered -= told_before;
    state_.emulated = state_.una == state_.nxt ? 0 : state_.emulated - told_before;
    return result;
}

template <class OnDelivered>
octet_count scoreboard::on_plain_ack(stream_offset una, OnDelivered&& on_delivered)
{
    TCPCO_ASSERT(is_plain() && state_.una < una && una <= state_.nxt && state_.highest_sacked <= state_.una);
    const octet_count acked = una - state_.una;
    auto* const nodes = slab_.nodes();
    do {
        const index i = slab_.front();
        transmission& t = nodes[i].record;
        if (t.last <= una) {
            state_.una = t.last;
            state_.in_flight -= t.octets();
            state_.segments -= t.wire_segments;
            state_.by_time.remove(nodes, i);
            slab_.pop_front();
            on_delivered(std::as_const(t));
            continue;
        }
        // A part, which is told of as if it were the whole.
        const std::uint32_t segments = t.wire_segments;
        const std::uint32_t part = detail::segments_of_part(t, una - t.first);
        const stream_offset last = std::exchange(t.last, una);
        t.wire_segments = part;
        state_.una = una;
        state_.in_flight -= t.octets();
        on_delivered(std::as_const(t));
        t.first = una;
        t.last = last;
        t.wire_segments = segments - std::min(part, segments - 1);
        state_.segments -= segments - t.wire_segments;
    } while (state_.una < una);
    return acked;
}

template <class OnDelivered>
ack_result scoreboard::on_sack(offset_range block, OnDelivered&& on_delivered)
{
    ack_result result;
    const stream_offset first = std::max(block.first, state_.una);
    const stream_offset last = std::min(block.last, state_.nxt);
    if (first >= last) {
        return result;
    }
    index i = slab_.find(first);
    index before = slab_[i].record.sacked || slab_[i].record.first < first ? npos : slab_.before(i);
    for (; i != npos && slab_[i].record.first < last; before = i, i = slab_[i].next) {
        if (slab_[i].record.sacked) {
            i = run_end(i);
            continue;
        }
        if (slab_[i].record.first < first) {
            before = i;
            if (!split_for_sack(before, first, i)) {
                continue;
            }
        }
        index rest = npos;
        if (last < slab_[i].record.last && !split_for_sack(i, last, rest)) {
            break;
        }
        uncount(slab_[i].record);
        unlist(i);
        transmission& t = slab_[i].record;
        t.lost = false;
        result.add_delivered(t);
        on_delivered(std::as_const(t), false);
        t.sacked = true;
        join_run(before, i);
        count(t);
        result.newly_sacked += t.octets();
        state_.highest_sacked = std::max(state_.highest_sacked, t.last);
    }
    return result;
}

// A sort of everything, once for a retransmission timeout.
inline bool scoreboard::renege() noexcept
{
    if (state_.sacked == 0) {
        return false;
    }
    for (index i = slab_.front(); i != npos; i = slab_[i].next) {
        transmission& t = slab_[i].record;
        if (t.sacked) {
            uncount(t);
            t.sacked = false;
            count(t);
        }
    }
    state_.highest_sacked = state_.una;
    state_.ranges = state_.ranges_beyond = 0;
    state_.sacked_beyond = 0;
    rebuild_time_order();
    return true;
}

// --- marks -----------------------------------------------------------------------------------------------------------

// Idempotent; a SACKed record is left alone.
inline void scoreboard::mark_lost(index i) noexcept
{
    transmission& t = slab_[i].record;
    if (!is_in_flight(t)) {
        return;
    }
    uncount(t);
    unlist(i);
    t.lost = true;
    list_lost(i);
    announce(i);
    count(t);
    state_.newly_lost += t.octets();
}

// After a retransmission timeout. What duplicate ACKs stood for is forgotten: all of it will be sent again.
inline void scoreboard::mark_all_lost() noexcept
{
    for (index i = slab_.front(); i != npos; i = slab_[i].next) {
        mark_lost(i);
    }
    state_.emulated = 0;
}

// --- checking --------------------------------------------------------------------------------------------------------

// Sequence order without gaps, each record in the list of its state, the counters as a walk finds them.
inline bool scoreboard::sequence_order_holds() const noexcept
{
    scoreboard sum;
    index position = 0;
    stream_offset expected = state_.una;
    index lost = state_.by_loss.head;
    bool sound = true;
    for (index i = slab_.front(); i != npos; i = slab_[i].next, ++position) {
        const transmission& t = slab_[i].record;
        sound = sound && t.first == expected && t.first < t.last && t.wire_segments > 0 && t.transmissions > 0;
        sound = sound && find(t.first) == i && find(t.last - 1) == i;
        sound = sound && !(t.sacked && t.lost) && (!t.sacked || t.last <= state_.highest_sacked);
        if (t.lost) {
            sound = sound && lost == i;
            lost = slab_[i].lost_next;
        }
        sum.count(t);
        expected = t.last;
    }
    sound = sound && position == slab_.size() && expected == state_.nxt && lost == npos;
    sound = sound && (state_.lost_finger == npos) == (state_.lost == 0) && state_.emulated >= 0;
    return sound && sum.state_.in_flight == state_.in_flight && sum.state_.sacked == state_.sacked &&
           sum.state_.lost == state_.lost && sum.state_.retransmitted == state_.retransmitted &&
           sum.state_.segments == state_.segments && sum.state_.segments_sacked == state_.segments_sacked;
}

inline bool scoreboard::time_order_holds() const noexcept
{
    octet_count octets = 0;
    index before = npos;
    bool sound = true;
    for (index i = state_.by_time.head; i != npos; before = i, i = slab_[i].time_next) {
        const transmission& t = slab_[i].record;
        sound = sound && is_in_flight(t) && slab_[i].time_prev == before;
        sound = sound && (before == npos || slab_[before].record.sent_at <= t.sent_at);
        octets += t.octets();
    }
    return sound && state_.by_time.tail == before && octets == state_.in_flight;
}

inline void scoreboard::check_invariants() const noexcept
{
    TCPCO_ASSERT(sequence_order_holds());
    TCPCO_ASSERT(time_order_holds());
    TCPCO_ASSERT(runs_hold());
}

}  // namespace tcpco
