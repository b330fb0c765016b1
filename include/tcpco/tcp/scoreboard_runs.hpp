// Definitions of scoreboard's members: runs of SACKed records, and the line beyond which they are counted. Include
// tcp/scoreboard.hpp.
//
// A run is known by its last record, which keeps the first; the others find the last by a chain that looking shortens.
// So what a record that is SACKed joins, what a cumulative ACK takes away and where a run ends or begins cost O(log n)
// at the most, amortised, and no more where runs grow at either end or into one another.
#pragma once

#include <utility>

#include "tcpco/tcp/scoreboard.hpp"

namespace tcpco {

// The last record of the run of SACKed records in which `i` is. Each keeps (in lost_prev) some record of its run at or
// after itself; looking shortens the path, as in union-find, so that repeated blocks do not walk the run again.
inline scoreboard::index scoreboard::run_end(index i) noexcept
{
    index end = i;
    for (;;) {
        while (slab_[end].lost_prev != end) {
            end = slab_[end].lost_prev;
        }
        const index after = slab_[end].next;
        if (after == npos || !slab_[after].record.sacked) {
            break;
        }
        slab_[end].lost_prev = after;
    }
    while (i != end) {
        i = std::exchange(slab_[i].lost_prev, end);
    }
    return end;
}

// The record of `i` was SACKed just now; `before`: the one before it in sequence order.
inline void scoreboard::join_run(index before, index i) noexcept
{
    auto* const nodes = slab_.nodes();
    const transmission& t = nodes[i].record;
    const index after = nodes[i].next;
    const bool joins_lower = before != npos && nodes[before].record.sacked;
    const bool joins_upper = after != npos && nodes[after].record.sacked;
    nodes[i].lost_prev = i;
    nodes[run_end(i)].lost_next = joins_lower ? nodes[before].lost_next : i;
    state_.ranges += 1U - (joins_lower ? 1U : 0U) - (joins_upper ? 1U : 0U);
    if (state_.line <= t.first) {
        const bool lower_counts = joins_lower && state_.line <= nodes[before].record.first;
        state_.sacked_beyond += t.octets();
        state_.ranges_beyond += 1U - (lower_counts ? 1U : 0U) - (joins_upper ? 1U : 0U);
    }
}

// A SACKed record at the left edge is acknowledged; `after`: the one behind it.
inline void scoreboard::leave_run(const transmission& t, index after) noexcept
{
    const std::uint32_t ends = after == npos || !slab_[after].record.sacked ? 1U : 0U;
    state_.ranges -= ends;
    if (state_.line < t.last) {
        state_.sacked_beyond -= t.octets();
        state_.ranges_beyond -= ends;
    }
}

inline scoreboard::index scoreboard::highest_unsacked() noexcept
{
    const index i = slab_.back();
    if (i == npos || !slab_[i].record.sacked) {
        return i;
    }
    // The run at the left edge may have lost its first record: there is nothing before it in any case.
    const index head = slab_.front();
    return slab_[head].record.sacked && run_end(head) == i ? npos : slab_.before(slab_[i].lost_next);
}

inline void scoreboard::reset_line() noexcept
{
    state_.line = state_.una;
    state_.sacked_beyond = state_.sacked;
    state_.ranges_beyond = state_.ranges;
}

inline scoreboard::index scoreboard::move_line(index i) noexcept
{
    TCPCO_ASSERT(slab_[i].record.first == line());
    const bool sacked = slab_[i].record.sacked;
    const index end = sacked ? run_end(i) : i;
    const stream_offset last = slab_[end].record.last;
    if (sacked) {
        state_.sacked_beyond -= last - line();
        --state_.ranges_beyond;
    }
    state_.line = last;
    return slab_[end].next;
}

// Runs of SACKed records, and those beyond the line, as a walk finds them.
inline bool scoreboard::runs_hold() const noexcept
{
    std::uint32_t ranges = 0;
    std::uint32_t beyond = 0;
    octet_count octets_beyond = 0;
    bool inside = false;
    bool counted = false;
    bool sound = true;
    index start = npos;
    for (index i = slab_.front(); i != npos; i = slab_[i].next) {
        const transmission& t = slab_[i].record;
        ranges += t.sacked && !inside ? 1U : 0U;
        start = t.sacked && !inside ? i : start;
        counted = counted && inside && t.sacked;
        inside = t.sacked;
        sound = sound && (state_.line <= t.first || t.last <= line());
        if (inside && state_.line < t.last) {
            octets_beyond += t.octets();
            beyond += counted ? 0U : 1U;
            counted = true;
        }
        const index after = slab_[i].next;
        if (inside && start != slab_.front() && (after == npos || !slab_[after].record.sacked)) {
            sound = sound && slab_[i].lost_next == start;
        }
    }
    return sound && ranges == state_.ranges && beyond == state_.ranges_beyond && octets_beyond == state_.sacked_beyond;
}

}  // namespace tcpco
