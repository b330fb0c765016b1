// Lists of indices: which connections are ready, or have something to send.
//
// The links lie in a table of their own, one entry for each index, so that an index is in the list at most once, and
// comes in, goes out and is asked for in constant time, without allocation. A connection that is in several lists has
// an entry in each; lists of which a connection is in one at a time share a table (index_lists).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcpco/core/assert.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// `Lists` lists, first in, first out; an index is in one of them at most.
template <std::size_t Lists>
class index_lists {
public:
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    // Makes room for indices below `indices`; the only call that allocates. False when memory is short.
    [[nodiscard]] bool reserve(std::uint32_t indices) noexcept { return links_.make_room(indices); }
    std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(links_.size()); }

    // Appends `i` to a list; where it is in one already, nothing changes. Returns whether it was new.
    bool push_back(std::uint32_t i, std::size_t which = 0) noexcept
    {
        if (links_[i].previous != unlinked) {
            return false;
        }
        ends& l = ends_[which];
        links_[i] = {.next = none, .previous = l.last};
        (l.last == none ? l.first : links_[l.last].next) = i;
        l.last = i;
        ++size_;
        return true;
    }

    // Takes the first out and returns it; `none` when the list is empty.
    std::uint32_t pop_front(std::size_t which = 0) noexcept
    {
        const std::uint32_t i = ends_[which].first;
        if (i != none) {
            unlink(i);
        }
        return i;
    }

    // Returns whether `i` was in a list.
    bool erase(std::uint32_t i) noexcept
    {
        if (!contains(i)) {
            return false;
        }
        unlink(i);
        return true;
    }

    bool contains(std::uint32_t i) const noexcept { return i < links_.size() && links_[i].previous != unlinked; }
    std::uint32_t front(std::size_t which = 0) const noexcept { return ends_[which].first; }  // none when empty
    std::uint32_t next(std::uint32_t i) const noexcept { return links_[i].next; }  // the one behind `i`, or none
    bool empty(std::size_t which = 0) const noexcept { return ends_[which].first == none; }
    std::uint32_t size() const noexcept { return size_; }  // of all lists together

    void clear() noexcept
    {
        for (std::size_t which = 0; which < Lists; ++which) {
            while (!empty(which)) {
                pop_front(which);
            }
        }
    }

private:
    static constexpr std::uint32_t unlinked = 0xFFFFFFFE;

    struct link {
        std::uint32_t next = none;
        std::uint32_t previous = unlinked;
    };
    struct ends {
        std::uint32_t first = none;
        std::uint32_t last = none;
    };

    // The list that `i` is the first (or last) of.
    template <std::uint32_t ends::*End>
    std::uint32_t& end_at(std::uint32_t i) noexcept
    {
        std::size_t which = 0;
        while (Lists > 1 && ends_[which].*End != i) {
            ++which;
        }
        return ends_[which].*End;
    }

    void unlink(std::uint32_t i) noexcept
    {
        const link l = links_[i];
        (l.previous == none ? end_at<&ends::first>(i) : links_[l.previous].next) = l.next;
        (l.next == none ? end_at<&ends::last>(i) : links_[l.next].previous) = l.previous;
        links_[i] = {};
        --size_;
    }

    growable_array<link> links_{};
    ends ends_[Lists]{};
    std::uint32_t size_ = 0;
};

using index_list = index_lists<1>;

}  // namespace tcpco
