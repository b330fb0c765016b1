// Octets that came before their turn (RFC 9293 section 3.10.7.4; SACK blocks of RFC 2018 and RFC 2883).
//
// Segments beyond rcv.nxt wait here as slices, joined into ranges without gaps. New octets only ever lie at the ends of
// ranges or between them, so a range is a plain chain of slices, and the work for a segment is a binary search over
// the ranges plus what it joins: a peer that sends tiny segments in odd places cannot make it walk them. Ranges and
// slices are bounded; what exceeds a bound is refused, and the peer sends it again.
//
// Octets that are already here win over later ones that claim the same place.
//
// A payload that the caller has copied into a slot of its own leaves room there: what follows it is copied behind it.
//
// Left out: the receive window (the caller trims to it first, which bounds the octets too), whether a small payload is
// copied out of a large slot and where to, and rcv.nxt.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// Octets [left, right) of a stream.
struct stream_range {
    stream_offset left{};
    stream_offset right{};
    constexpr bool empty() const noexcept { return right <= left; }
    constexpr std::int64_t size() const noexcept { return right - left; }
    friend constexpr bool operator==(const stream_range&, const stream_range&) noexcept = default;
};

class reassembly_queue {
public:
    struct config {
        std::uint32_t max_ranges = 64;     // holes in one window; more is an attack or a hopeless path
        std::uint32_t max_slices = 8'192;  // a window of 12 MB in full segments
    };

    enum class refusal : std::uint8_t {
        none,
        too_many_ranges,
        too_many_slices,
        no_memory,
        beyond_fin,  // octets behind the FIN, or a second FIN elsewhere: the peer contradicts itself
    };

    struct insert_result {
        bool accepted = false;   // all octets are held now
        bool duplicate = false;  // there were octets, and all were held before
        refusal reason = refusal::none;
        std::uint32_t new_octets = 0;
        stream_range overlap{};  // the first octets that were held before, for a D-SACK block (RFC 2883); or empty
    };

    reassembly_queue() = default;
    explicit reassembly_queue(config c) noexcept : config_{c} {}

    // Takes the octets from `at` on, and notes a FIN behind them. A refusal changes nothing. `copied`: the slot is
    // nobody else's, and append() may write behind the octets.
    insert_result insert(stream_offset at, slice octets, bool fin, bool copied = false) noexcept
    {
        const stream_offset end = at + octets.size;
        if (contradicts_fin(end, fin)) {
            return {.reason = refusal::beyond_fin};
        }
        insert_result result{};
        if (octets.size > 0) {
            result = insert_octets({at, end}, std::move(octets), copied);
        } else {
            result.accepted = true;
        }
        if (result.accepted && fin) {
            fin_at_ = end;
        }
        return result;
    }

    // Copies octets behind those that end at `at`, where these were copied and their slot has room for all of it.
    // False: it is not so; nothing has changed.
    bool append(stream_offset at, std::span<const std::byte> octets) noexcept
    {
        const std::uint32_t i = first_reaching(at);
        const stream_offset end = at + static_cast<std::int64_t>(octets.size());
        if (i == count_ || ranges_[i].right != at || contradicts_fin(end, false) ||
            (i + 1 < count_ && ranges_[i + 1].left <= end)) {
            return false;
        }
        node& n = nodes_[ranges_[i].tail];
        if (!n.copied || !n.data.owner.unique()) {  // a copied stack shares the slot
            return false;
        }
        const auto used = static_cast<std::size_t>(n.data.data - n.data.owner.data()) + n.data.size;
        if (n.data.owner.capacity() - used < octets.size()) {
            return false;
        }
        std::memcpy(n.data.owner.data() + used, octets.data(), octets.size());
        n.data.size += static_cast<std::uint32_t>(octets.size());
        octets_ += octets.size();
        ranges_[i].right = end;
        ranges_[i].touched = ++segments_;
        return true;
    }

    // How many octets without a gap end at `at`.
    std::int64_t run_before(stream_offset at) const noexcept
    {
        const std::uint32_t i = first_reaching(at);
        return i < count_ && ranges_[i].right == at ? at - ranges_[i].left : 0;
    }

    // Hands over what is contiguous from `next` on, as fn(slice&&) for one slice after another, and forgets octets
    // before `next`. When fn returns bool, false means that it did not take the slice: it and all behind it stay.
    // Returns the offset behind the last octet taken, or `next`. fn must not call this queue.
    template <class F>
    stream_offset pop_ready(stream_offset next, F&& fn)
    {
        bool going = true;
        while (going && count_ > 0 && ranges_[0].left <= next) {
            range& r = ranges_[0];
            while (going && r.head != none) {
                going = pop_slice(r, next, fn);
            }
            if (r.head == none) {
                remove_ranges(0, 1);
            }
        }
        return next;
    }

    // Where the peer's FIN is, once it was received.
    std::optional<stream_offset> fin_at() const noexcept { return fin_at_; }

    bool empty() const noexcept { return count_ == 0; }
    std::uint64_t octets() const noexcept { return octets_; }
    // What these octets cost: the slots that they keep from their pools.
    std::uint64_t memory_octets() const noexcept { return memory_; }
    std::uint64_t copied_memory_octets() const noexcept { return copied_memory_; }  // those that were copied

    std::uint32_t range_count() const noexcept { return count_; }
    stream_range range_at(std::uint32_t i) const noexcept { return {ranges_[i].left, ranges_[i].right}; }  // by offset

    // The range that the latest segment is in; empty when nothing is held.
    stream_range most_recent_range() const noexcept
    {
        stream_range most_recent{};
        sack_blocks({&most_recent, 1});
        return most_recent;
    }

    // Fills `out` in the order RFC 2018 section 4 asks for: first the range of the latest segment, then those touched
    // before it, the latest first. Returns how many there are.
    // RFC2018-3a, 4f, 4g, 4h, 8b
    std::uint32_t sack_blocks(std::span<stream_range> out) const noexcept
    {
        std::uint32_t written = 0;
        std::uint64_t before = ~std::uint64_t{0};
        while (written < out.size() && written < count_) {
            const range* latest = nullptr;
            for (std::uint32_t i = 0; i < count_; ++i) {
                const range& r = ranges_[i];
                if (r.touched < before && (latest == nullptr || r.touched > latest->touched)) {
                    latest = &r;
                }
            }
            before = latest->touched;
            out[written++] = {latest->left, latest->right};
        }
        return written;
    }

    // Gives everything back, the tables too; the FIN stays noted.
    void release() noexcept
    {
        const auto fin = fin_at_;
        *this = reassembly_queue{config_};
        fin_at_ = fin;
    }

private:
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    struct node {
        slice data{};
        std::uint32_t charge : 31 = 0;  // octets of slot counted for this slice in memory_
        std::uint32_t copied : 1 = 0;
        std::uint32_t next = none;
    };
    struct segment {
        slice octets{};
        bool copied = false;
    };
    struct range {
        stream_offset left{};
        stream_offset right{};
        std::uint32_t head = none;
        std::uint32_t tail = none;
        std::uint64_t touched = 0;  // the number of the latest segment in it
    };

    bool contradicts_fin(stream_offset end, bool fin) const noexcept
    {
        if (fin_at_) {
            return end > *fin_at_ || (fin && end != *fin_at_);
        }
        return fin && count_ > 0 && ranges_[count_ - 1].right > end;
    }

    // The first range that ends at `at` or behind it.
    std::uint32_t first_reaching(stream_offset at) const noexcept
    {
        const range* begin = ranges_.data();
        return static_cast<std::uint32_t>(
            std::partition_point(begin, begin + count_, [&](const range& r) { return r.right < at; }) - begin);
    }

    insert_result insert_octets(stream_range where, slice octets, bool copied) noexcept
    {
        // Ranges [first, last) touch the segment; they and the segment become one.
        const std::uint32_t first = first_reaching(where.left);
        std::uint32_t last = first;
        insert_result result{};
        std::int64_t held = 0;
        std::uint32_t gaps = 0;
        stream_offset covered = where.left;
        for (; last < count_ && ranges_[last].left <= where.right; ++last) {
            const range& r = ranges_[last];
            const stream_range common{std::max(r.left, where.left), std::min(r.right, where.right)};
            if (!common.empty()) {
                held += common.size();
                result.overlap = result.overlap.empty() ? common : result.overlap;
            }
            gaps += covered < r.left ? 1u : 0u;
            covered = r.right;
        }
        gaps += covered < where.right ? 1u : 0u;
        result.new_octets = static_cast<std::uint32_t>(where.size() - held);
        result.duplicate = gaps == 0;
        result.reason = make_room(gaps, first == last);
        if (result.reason != refusal::none) {
            result.new_octets = 0;
            return result;
        }
        result.accepted = true;
        if (first == last) {
            open_range(first, where.left);
            last = first + 1;
        }
        octets_ += result.new_octets;
        fill(first, last, where, gaps, {std::move(octets), copied});
        return result;
    }

    // Sees to it that `slices` nodes are free, and a range when one is `opened`.
    refusal make_room(std::uint32_t slices, bool opened) noexcept
    {
        if (opened) {
            if (count_ >= config_.max_ranges) {
                return refusal::too_many_ranges;
            }
            if (count_ == ranges_.size() && !ranges_.grow(4, config_.max_ranges)) {
                return refusal::no_memory;
            }
        }
        if (used_ + slices > config_.max_slices) {
            return refusal::too_many_slices;
        }
        while (used_ + slices > nodes_.size()) {
            const std::size_t before = nodes_.size();
            if (!nodes_.grow(16, config_.max_slices)) {
                return refusal::no_memory;
            }
            for (std::size_t i = nodes_.size(); i-- > before;) {
                nodes_[i].next = free_;
                free_ = static_cast<std::uint32_t>(i);
            }
        }
        return refusal::none;
    }

    void open_range(std::uint32_t i, stream_offset left) noexcept
    {
        range* begin = ranges_.data();
        std::move_backward(begin + i, begin + count_, begin + count_ + 1);
        ranges_[i] = {.left = left, .right = left};
        ++count_;
    }

    void remove_ranges(std::uint32_t first, std::uint32_t last) noexcept
    {
        range* begin = ranges_.data();
        std::move(begin + last, begin + count_, begin + first);
        count_ -= last - first;
    }

    // Puts the new octets of `where` before, between and behind the ranges [first, last), which become one.
    void fill(std::uint32_t first, std::uint32_t last, stream_range where, std::uint32_t gaps, segment s) noexcept
    {
        range merged = ranges_[first];
        if (where.left < merged.left) {
            const std::uint32_t n = take_node(s, where, {where.left, merged.left}, --gaps == 0);
            nodes_[n].next = merged.head;
            merged.head = n;
            merged.left = where.left;
        }
        for (std::uint32_t i = first; merged.right < where.right; ++i) {
            const bool followed = i + 1 < last;
            const stream_offset gap_end = followed ? ranges_[i + 1].left : where.right;
            if (merged.right < gap_end) {
                const std::uint32_t n = take_node(s, where, {merged.right, gap_end}, --gaps == 0);
                join(merged, {.left = merged.right, .right = gap_end, .head = n, .tail = n});
            }
            if (followed) {
                join(merged, ranges_[i + 1]);
            }
        }
        merged.touched = ++segments_;
        ranges_[first] = merged;
        remove_ranges(first + 1, last);
    }

    // Appends what begins where `r` ends.
    void join(range& r, const range& more) noexcept
    {
        (r.head == none ? r.head : nodes_[r.tail].next) = more.head;
        r.tail = more.tail;
        r.right = more.right;
    }

    // A node for `part` of the slice that fills `where`. The slot is counted for its last part, which leaves last.
    std::uint32_t take_node(segment& s, stream_range where, stream_range part, bool last_part) noexcept
    {
        const std::uint32_t n = free_;
        free_ = nodes_[n].next;
        ++used_;
        const std::byte* data = s.octets.data + (part.left - where.left);
        const auto slot = s.octets.owner ? static_cast<std::uint32_t>(s.octets.owner.capacity()) : 0u;
        nodes_[n].charge = last_part ? slot & 0x7FFF'FFFFU : 0U;
        nodes_[n].copied = s.copied ? 1U : 0U;
        nodes_[n].data = slice{last_part ? std::move(s.octets.owner) : s.octets.owner, data,
                               static_cast<std::uint32_t>(part.size())};
        nodes_[n].next = none;
        memory_ += nodes_[n].charge;
        copied_memory_ += s.copied ? nodes_[n].charge : 0U;
        return n;
    }

    // Hands over the first slice of `r`, or what of it lies behind `next`. False when fn did not take it.
    template <class F>
    bool pop_slice(range& r, stream_offset& next, F& fn)
    {
        node& n = nodes_[r.head];
        const stream_offset end = r.left + n.data.size;
        if (end > next) {
            const auto passed = static_cast<std::uint32_t>(next - r.left);
            n.data.remove_prefix(passed);
            octets_ -= passed;
            r.left = next;
            if constexpr (std::is_same_v<decltype(fn(std::move(n.data))), bool>) {
                if (!fn(std::move(n.data))) {
                    return false;
                }
            } else {
                fn(std::move(n.data));
            }
            next = end;
        }
        octets_ -= static_cast<std::uint64_t>(end - r.left);
        memory_ -= n.charge;
        copied_memory_ -= n.copied != 0 ? n.charge : 0U;
        r.left = end;
        free_node(std::exchange(r.head, n.next));
        return true;
    }

    void free_node(std::uint32_t n) noexcept
    {
        nodes_[n].data = {};
        nodes_[n].next = std::exchange(free_, n);
        --used_;
    }

    config config_{};
    growable_array<range> ranges_{};  // count_ of them, in order of offset, none touching another
    growable_array<node> nodes_{};
    std::uint32_t count_ = 0;
    std::uint32_t used_ = 0;  // nodes in ranges
    std::uint32_t free_ = none;
    std::uint32_t copied_memory_ = 0;
    std::uint64_t octets_ = 0;
    std::uint64_t memory_ = 0;
    std::uint64_t segments_ = 0;
    std::optional<stream_offset> fin_at_{};
};

}  // namespace tcpco
