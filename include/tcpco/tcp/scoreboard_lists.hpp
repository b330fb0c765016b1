// Definitions of scoreboard's members: its counters, the order of transmission, the list of what is lost, and what of
// that was not reported yet. Include tcp/scoreboard.hpp.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>

#include "tcpco/tcp/scoreboard.hpp"

namespace tcpco {

// --- counters and lists ----------------------------------------------------------------------------------------------

inline void scoreboard::count(const transmission& t) noexcept
{
    const octet_count n = t.octets();
    if (t.sacked) {
        state_.sacked += n;
        state_.segments_sacked += t.wire_segments;
    } else if (t.lost) {
        state_.lost += n;
    } else {
        state_.in_flight += n;
        state_.segments += t.wire_segments;
        state_.retransmitted += t.ever_retransmitted ? n : 0;
    }
}

inline void scoreboard::uncount(const transmission& t) noexcept
{
    const octet_count n = t.octets();
    if (t.sacked) {
        state_.sacked -= n;
        state_.segments_sacked -= t.wire_segments;
    } else if (t.lost) {
        state_.lost -= n;
    } else {
        state_.in_flight -= n;
        state_.segments -= t.wire_segments;
        state_.retransmitted -= t.ever_retransmitted ? n : 0;
    }
}

// Puts `i` into its place among the lost. Losses are found in ascending order nearly always: at the end, at the front,
// or next to the one before.
inline void scoreboard::list_lost(index i) noexcept
{
    auto* const nodes = slab_.nodes();
    auto& list = state_.by_loss;
    const stream_offset first = nodes[i].record.first;
    if (list.tail != npos && nodes[list.tail].record.first < first) {
        list.insert_after(nodes, list.tail, i);  // the finger stays where the lower ones are found
        return;
    }
    index after = state_.lost_finger;
    if (list.head == npos || first < nodes[list.head].record.first) {
        after = npos;
    } else {
        while (first < nodes[after].record.first) {
            after = nodes[after].lost_prev;
        }
        while (nodes[nodes[after].lost_next].record.first < first) {
            after = nodes[after].lost_next;
        }
    }
    list.insert_after(nodes, after, i);
    state_.lost_finger = i;
}

// Takes `i` out of the list that its state has it in; SACKed records are in none.
inline void scoreboard::unlist(index i) noexcept
{
    auto* const nodes = slab_.nodes();
    const transmission& t = nodes[i].record;
    if (t.sacked) {
        return;
    }
    if (!t.lost) {
        state_.by_time.remove(nodes, i);
        return;
    }
    retract(i);
    const index before = nodes[i].lost_prev;
    state_.by_loss.remove(nodes, i);
    if (state_.lost_finger == i) {
        state_.lost_finger = before != npos ? before : state_.by_loss.head;
    }
}

inline void scoreboard::announce(index i) noexcept
{
    (state_.announced_head == npos ? state_.announced_head : slab_[state_.announced_tail].announced_next) = i;
    slab_[i].announced_next = npos;
    state_.announced_tail = i;
}

// The record is not lost any more before take_newly_lost() told so. Rare, and then near the front.
inline void scoreboard::retract(index i) noexcept
{
    if (slab_[i].announced_next == detail::not_announced) {
        return;
    }
    index before = npos;
    for (index j = state_.announced_head; j != i; j = slab_[j].announced_next) {
        before = j;
    }
    const index after = std::exchange(slab_[i].announced_next, detail::not_announced);
    (before == npos ? state_.announced_head : slab_[before].announced_next) = after;
    if (after == npos) {
        state_.announced_tail = before;
    }
}

template <class F>
octet_count scoreboard::take_newly_lost(F&& f)
{
    while (state_.announced_head != npos) {
        auto& node = slab_[state_.announced_head];
        state_.announced_head = std::exchange(node.announced_next, detail::not_announced);
        f(std::as_const(node.record));
    }
    state_.announced_tail = npos;
    return std::exchange(state_.newly_lost, 0);
}

// Records in the order of their transmission: a merge sort in place, linked by time_next only. What left at the same
// time is in sequence order.
class scoreboard::time_sorter {
public:
    explicit time_sorter(detail::transmission_node* nodes) noexcept : nodes_{nodes}
    {
        std::fill_n(chains_, levels, npos);
    }

    static bool older(const transmission& a, const transmission& b) noexcept
    {
        return a.sent_at < b.sent_at || (a.sent_at == b.sent_at && a.first < b.first);
    }

    void add(index i) noexcept
    {
        nodes_[i].time_next = npos;
        int level = 0;
        for (; chains_[level] != npos; ++level) {
            i = merge(std::exchange(chains_[level], npos), i);
        }
        chains_[level] = i;
    }

    // The first of all, when all are added.
    index sorted() noexcept
    {
        index chain = npos;
        for (index one : chains_) {
            chain = merge(one, chain);
        }
        return chain;
    }

private:
    static constexpr int levels = std::numeric_limits<index>::digits;

    index merge(index a, index b) noexcept
    {
        index head = npos;
        index* end = &head;
        while (a != npos && b != npos) {
            index& first = older(nodes_[b].record, nodes_[a].record) ? b : a;
            *end = first;
            end = &nodes_[first].time_next;
            first = *end;
        }
        *end = a != npos ? a : b;
        return head;
    }

    detail::transmission_node* nodes_;
    index chains_[levels];  // the k-th: none, or sorted, of 2^k records
};

// After all that was SACKed came back in flight.
inline void scoreboard::rebuild_time_order() noexcept
{
    auto* const nodes = slab_.nodes();
    time_sorter sorter{nodes};
    for (index i = slab_.front(); i != npos; i = nodes[i].next) {
        if (is_in_flight(nodes[i].record)) {
            sorter.add(i);
        }
    }
    state_.by_time = {};
    for (index i = sorter.sorted(), after = npos; i != npos; i = after) {
        after = nodes[i].time_next;
        state_.by_time.push_back(nodes, i);
    }
}

// Takes all presumed losses back; those not taken yet are not reported. They are sorted among themselves, and join the
// flight from its oldest end: what is in flight there and older is little, since losses are found by age, or by
// sequence among what was not sent again, which is the same. So it costs O(log n) for each record that was marked,
// however long the flight.
inline void scoreboard::clear_marks() noexcept
{
    take_newly_lost();
    if (state_.lost == 0) {
        return;
    }
    auto* const nodes = slab_.nodes();
    time_sorter sorter{nodes};
    for (index i = state_.by_loss.head; i != npos; i = nodes[i].lost_next) {
        transmission& t = nodes[i].record;
        uncount(t);
        t.lost = false;
        count(t);
        sorter.add(i);
    }
    state_.by_loss = {};
    state_.lost_finger = npos;
    index younger = state_.by_time.head;
    for (index i = sorter.sorted(), after = npos; i != npos; i = after) {
        after = nodes[i].time_next;
        while (younger != npos && !time_sorter::older(nodes[i].record, nodes[younger].record)) {
            younger = nodes[younger].time_next;
        }
        state_.by_time.insert_after(nodes, younger == npos ? state_.by_time.tail : nodes[younger].time_prev, i);
    }
}

}  // namespace tcpco
