// A list of indices: which connections are ready, or have something to send.
//
// The links lie in a table of their own, one entry for each index, so that an index is in the list at most once, and
// comes in, goes out and is asked for in constant time, without allocation. A connection that is in several lists has
// an entry in each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcpco/core/assert.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// First in, first out.
class index_list {
public:
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    // Makes room for indices below `indices`; the only call that allocates. False when memory is short.
    [[nodiscard]] bool reserve(std::uint32_t indices) noexcept { return links_.make_room(indices); }
    std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(links_.size()); }

    // Appends `i`; where it is in the list already, nothing changes. Returns whether it was new.
    bool push_back(std::uint32_t i) noexcept
    {
        if (links_[i].linked) {
            return false;
        }
        links_[i] = {.next = none, .previous = last_, .linked = true};
        (last_ == none ? first_ : links_[last_].next) = i;
        last_ = i;
        ++size_;
        return true;
    }

    // Takes the first out and returns it; `none` when the list is empty.
    std::uint32_t pop_front() noexcept
    {
        const std::uint32_t i = first_;
        if (i != none) {
            erase(i);
        }
        return i;
    }

    // Returns whether `i` was in the list.
    bool erase(std::uint32_t i) noexcept
    {
        if (!contains(i)) {
            return false;
        }
        const link l = links_[i];
        (l.previous == none ? first_ : links_[l.previous].next) = l.next;
        (l.next == none ? last_ : links_[l.next].previous) = l.previous;
        links_[i] = {};
        --size_;
        return true;
    }

    bool contains(std::uint32_t i) const noexcept { return i < links_.size() && links_[i].linked; }
    std::uint32_t front() const noexcept { return first_; }                          // none when empty
    std::uint32_t next(std::uint32_t i) const noexcept { return links_[i].next; }  // the one behind `i`, or none
    bool empty() const noexcept { return first_ == none; }
    std::uint32_t size() const noexcept { return size_; }

    void clear() noexcept
    {
        while (!empty()) {
            pop_front();
        }
    }

private:
    struct link {
        std::uint32_t next = none;
        std::uint32_t previous = none;
        bool linked = false;
    };

    growable_array<link> links_{};
    std::uint32_t first_ = none;
    std::uint32_t last_ = none;
    std::uint32_t size_ = 0;
};

}  // namespace tcpco
