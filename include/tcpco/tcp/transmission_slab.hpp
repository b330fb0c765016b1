// Memory and order of transmission records, underneath the scoreboard.
//
// Records live in a slab addressed by index, so that a copied stack needs no fix-ups. They are found by offset in a
// ring of indices sorted by sequence: transmitting appends at its end, a cumulative ACK pops its front (both O(1)), and
// a look-up is a binary search. The ring has one entry for what left as a unit. Its pieces hang behind one another, so
// a split is O(1) however long the flight, and a look-up walks over those of one unit besides; there are no more of
// them than the octets of a unit justify (scoreboard::split_for_sack), while the flight can be as long as the peer's
// window. A balanced tree would make each append and pop, of which there are thousands for one split, five times
// dearer. Nothing is allocated before the first record; growth doubles and may be refused.
//
// A record is in two intrusive lists besides: in order of transmission while it is in flight, in order of sequence
// while it is presumed lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco::detail {

using record_index = std::uint32_t;
inline constexpr record_index no_record = std::numeric_limits<record_index>::max();
inline constexpr record_index not_announced = no_record - 1;  // in announced_next: not among the newly lost

struct transmission_node {
    transmission record{};
    record_index next = no_record;  // in sequence order; in the free list when unused
    record_index time_prev = no_record;
    record_index time_next = no_record;
    record_index lost_prev = no_record;  // while SACKed: a record up to which all are SACKed (see scoreboard::run_end)
    record_index lost_next = no_record;  // while SACKed, in the last record of its run: the first (highest_unsacked)
    record_index announced_next = not_announced;  // newly lost records, in the order of marking
};
static_assert(sizeof(transmission_node) <= 112, "a bulk sender keeps one per super-frame in flight");

// A doubly linked list through two members of the nodes. A removed record keeps its Next link: a loop that marks the
// record it stands on may still ask for the one after.
template <record_index transmission_node::*Prev, record_index transmission_node::*Next>
struct record_list {
    record_index head = no_record;
    record_index tail = no_record;

    // `after` no_record: at the front.
    void insert_after(transmission_node* nodes, record_index after, record_index i) noexcept
    {
        const record_index before = after == no_record ? head : nodes[after].*Next;
        nodes[i].*Prev = after;
        nodes[i].*Next = before;
        (after == no_record ? head : nodes[after].*Next) = i;
        (before == no_record ? tail : nodes[before].*Prev) = i;
    }
    void push_back(transmission_node* nodes, record_index i) noexcept { insert_after(nodes, tail, i); }

    void remove(transmission_node* nodes, record_index i) noexcept
    {
        const record_index prev = nodes[i].*Prev;
        const record_index next = nodes[i].*Next;
        (prev == no_record ? head : nodes[prev].*Next) = next;
        (next == no_record ? tail : nodes[next].*Prev) = prev;
    }
};
using time_list = record_list<&transmission_node::time_prev, &transmission_node::time_next>;
using lost_list = record_list<&transmission_node::lost_prev, &transmission_node::lost_next>;

class transmission_slab {
public:
    static constexpr record_index first_capacity = 4;  // a request, with room to send it again
    static constexpr record_index max_capacity = record_index{1} << 24;

    transmission_slab() = default;
    // Copying allocates as a container does; it is for exploration and tests, not for the data path.
    transmission_slab(const transmission_slab& other) : transmission_slab{}
    {
        limit_ = other.limit_;
        if (other.size_ == 0) {
            return;
        }
        nodes_ = nodes_in(::operator new(octets_for(other.capacity_)));
        ring_ = ring_behind(nodes_, other.capacity_);
        std::copy_n(other.nodes_, other.used_, nodes_);
        std::copy_n(other.ring_, other.capacity_, ring_);
        capacity_ = other.capacity_;
        head_ = other.head_;
        units_ = other.units_;
        size_ = other.size_;
        last_ = other.last_;
        used_ = other.used_;
        free_ = other.free_;
    }
    transmission_slab(transmission_slab&& other) noexcept { swap(other); }
    transmission_slab& operator=(transmission_slab other) noexcept
    {
        swap(other);
        return *this;
    }

    // As a copy, into the memory that is here. False: that is too little, and nothing changed.
    bool assign_within(const transmission_slab& other) noexcept
    {
        if (other.used_ > capacity_) {
            return false;
        }
        std::copy_n(other.nodes_, other.used_, nodes_);
        for (record_index number = 0; number < other.units_; ++number) {
            ring_[number] = other.unit(number);
        }
        head_ = 0;
        units_ = other.units_;
        size_ = other.size_;
        last_ = other.last_;
        used_ = other.used_;
        free_ = other.free_;
        limit_ = other.limit_;
        return true;
    }
    // Memory for as much as `other` has, as long as that is not much.
    void make_room_for(const transmission_slab& other) noexcept
    {
        constexpr record_index much = 512;
        if (capacity_ < other.capacity_ && other.capacity_ <= much) {
            static_cast<void>(grow(other.capacity_));
        }
    }
    ~transmission_slab() { ::operator delete(nodes_); }

    record_index size() const noexcept { return size_; }
    record_index capacity() const noexcept { return capacity_; }
    record_index limit() const noexcept { return limit_; }
    void set_limit(record_index records) noexcept { limit_ = std::min(records, max_capacity); }

    transmission_node* nodes() noexcept { return nodes_; }
    transmission_node& operator[](record_index i) noexcept
    {
        TCPCO_ASSERT(i < used_);
        return nodes_[i];
    }
    const transmission_node& operator[](record_index i) const noexcept
    {
        TCPCO_ASSERT(i < used_);
        return nodes_[i];
    }

    record_index front() const noexcept { return size_ == 0 ? no_record : unit(0); }
    record_index back() const noexcept { return size_ == 0 ? no_record : last_; }

    // The last record that begins at or before `o`. Requires a record and front's first <= o.
    record_index find(stream_offset o) const noexcept
    {
        if (nodes_[last_].record.first <= o) {
            return last_;
        }
        record_index i = unit(unit_of(o));
        for (record_index after = nodes_[i].next; nodes_[after].record.first <= o;) {
            i = after;
            after = nodes_[i].next;
        }
        return i;
    }

    // The record before `i` in sequence order; no_record: there is none.
    record_index before(record_index i) const noexcept
    {
        return i == front() ? no_record : find(nodes_[i].record.first - 1);
    }

    // The pieces of what left as a unit with the octet at `o`, and their octets.
    struct unit_size {
        record_index pieces = 0;
        octet_count octets = 0;
    };
    unit_size size_of_unit(stream_offset o) const noexcept
    {
        const record_index number = unit_of(o);
        const record_index end = number + 1 < units_ ? unit(number + 1) : no_record;
        unit_size size;
        for (record_index i = unit(number); i != end; i = nodes_[i].next) {
            ++size.pieces;
            size.octets += nodes_[i].record.octets();
        }
        return size;
    }

    // Room for `extra` more records; false: refused, and nothing changed.
    [[gnu::always_inline]] bool reserve(record_index extra) noexcept
    {
        const std::uint64_t wanted = std::uint64_t{size_} + extra;
        return wanted <= limit_ && (wanted <= capacity_ || grow(wanted));
    }

    // Requires reserve(1). The record is the caller's to write, all of it.
    record_index push_back() noexcept
    {
        const record_index i = allocate();
        if (size_++ != 0) {
            nodes_[last_].next = i;
        }
        last_ = i;
        ring_[(head_ + units_++) & (capacity_ - 1)] = i;
        return i;
    }

    record_index push_back(const transmission& record) noexcept
    {
        const record_index i = push_back();
        nodes_[i].record = record;
        return i;
    }

    // A copy of the record of `i`, behind it in sequence order; the links of the lists are the caller's. The caller
    // then moves the boundary between the two. Requires reserve(1).
    record_index duplicate(record_index i) noexcept
    {
        const record_index copy = allocate();
        nodes_[copy].record = nodes_[i].record;
        nodes_[copy].next = std::exchange(nodes_[i].next, copy);
        last_ = last_ == i ? copy : last_;
        ++size_;
        return copy;
    }

    void pop_front() noexcept
    {
        if (--size_ == 0) {
            clear();  // start again at the bottom of the slab, where the cache is warm
            return;
        }
        const record_index i = unit(0);
        const record_index after = std::exchange(nodes_[i].next, free_);
        free_ = i;
        if (units_ > 1 && unit(1) == after) {
            head_ = (head_ + 1) & (capacity_ - 1);
            --units_;
        } else {
            ring_[head_] = after;  // the next piece of the same unit
        }
    }

    void clear() noexcept
    {
        head_ = units_ = size_ = used_ = 0;
        free_ = no_record;
    }

    void release() noexcept
    {
        clear();
        ::operator delete(std::exchange(nodes_, nullptr));
        ring_ = nullptr;
        capacity_ = 0;
    }

private:
    // Nodes and ring are one piece of memory, which is not cleared: both are written before they are read.
    static_assert(std::is_trivially_copyable_v<transmission_node> && std::is_aggregate_v<transmission_node>);
    static std::size_t octets_for(record_index capacity) noexcept
    {
        return capacity * (sizeof(transmission_node) + sizeof(record_index));
    }
    static transmission_node* nodes_in(void* memory) noexcept { return static_cast<transmission_node*>(memory); }
    static record_index* ring_behind(transmission_node* nodes, record_index capacity) noexcept
    {
        return reinterpret_cast<record_index*>(nodes + capacity);
    }

    // The first record of a unit, by its number in sequence order.
    record_index unit(record_index number) const noexcept { return ring_[(head_ + number) & (capacity_ - 1)]; }

    // The last unit that begins at or before `o`.
    record_index unit_of(stream_offset o) const noexcept
    {
        if (nodes_[unit(units_ - 1)].record.first <= o) {
            return units_ - 1;
        }
        record_index low = 0;  // begins at or before o
        record_index high = units_ - 1;  // begins after o
        while (high - low > 1) {
            const record_index middle = low + (high - low) / 2;
            (nodes_[unit(middle)].record.first <= o ? low : high) = middle;
        }
        return low;
    }

    record_index allocate() noexcept
    {
        TCPCO_ASSERT(size_ < capacity_);
        const record_index i = free_ == no_record ? used_++ : std::exchange(free_, nodes_[free_].next);
        transmission_node& n = nodes_[i];  // the record is the caller's to write
        n.next = n.time_prev = n.time_next = n.lost_prev = n.lost_next = no_record;
        n.announced_next = not_announced;
        return i;
    }

    [[gnu::noinline]] bool grow(std::uint64_t wanted) noexcept
    {
        record_index capacity = std::max(capacity_, first_capacity);
        while (capacity < wanted) {
            capacity *= 2;
        }
        void* const memory = ::operator new(octets_for(capacity), std::nothrow);
        if (memory == nullptr) {
            return false;
        }
        transmission_node* const nodes = nodes_in(memory);
        record_index* const ring = ring_behind(nodes, capacity);
        std::copy_n(nodes_, used_, nodes);
        for (record_index number = 0; number < units_; ++number) {
            ring[number] = unit(number);
        }
        ::operator delete(std::exchange(nodes_, nodes));
        ring_ = ring;
        head_ = 0;
        capacity_ = capacity;
        return true;
    }

    void swap(transmission_slab& other) noexcept
    {
        std::swap(nodes_, other.nodes_);
        std::swap(ring_, other.ring_);
        std::swap(capacity_, other.capacity_);
        std::swap(limit_, other.limit_);
        std::swap(head_, other.head_);
        std::swap(units_, other.units_);
        std::swap(size_, other.size_);
        std::swap(last_, other.last_);
        std::swap(used_, other.used_);
        std::swap(free_, other.free_);
    }

    transmission_node* nodes_ = nullptr;
    record_index* ring_ = nullptr;  // of capacity_ entries, like nodes_; a power of two
    record_index capacity_ = 0;
    record_index limit_ = max_capacity;
    record_index head_ = 0;  // of the ring
    record_index units_ = 0;  // in the ring
    record_index size_ = 0;   // records
    record_index last_ = no_record;
    record_index used_ = 0;  // nodes below were used since the slab was last empty
    record_index free_ = no_record;
};

}  // namespace tcpco::detail
