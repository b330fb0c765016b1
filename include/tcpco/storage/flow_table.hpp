// From a key to an index: which connection a segment belongs to.
//
// Open addressing with linear probing over a dense array of entries of eight octets: 32 bits of the hash, and the
// value. A key's home is the beginning of a cache line, so that those that share a home are looked for within a line:
// at half load one in 120 spills over into the next (one in sixteen, were homes anywhere). Keys are not kept: whoever
// is named by a value knows his own, and a lookup asks him where the hash agrees. So an entry and what it names are two
// cache lines, whatever the length of a key, and the second would be needed anyway.
// Erasing shifts the followers back, so there are no tombstones and no slow decay. The table doubles at three quarters,
// up to a limit, and refuses beyond it.
//
// The hash has to be keyed (flow_hash is), since peers choose the keys: with a known hash they could pile all
// connections up behind one slot, and each segment would walk the pile.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "tcpco/core/four_tuple.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

namespace detail {

// The places of a table, of which a tag and a value are all that is known: the same whatever the keys are, so that it
// is compiled once.
class flow_places {
public:
    std::uint32_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::uint32_t limit() const noexcept { return limit_; }
    std::size_t capacity() const noexcept { return lines_.size() * per_line; }
    std::uint64_t refused() const noexcept { return refused_; }

    // Calls fn(std::uint32_t value) for each entry, in no order that means anything. fn must not change the table.
    template <class F>
    void for_each(F&& fn) const
    {
        for (std::size_t i = 0; i < capacity(); ++i) {
            if (at(i).tag != 0) {
                fn(at(i).value);
            }
        }
    }

protected:
    struct entry {
        std::uint32_t tag = 0;  // 0: an empty slot
        std::uint32_t value = 0;
    };
    static_assert(sizeof(entry) == 8, "eight entries a cache line");
    static constexpr std::size_t per_line = 64 / sizeof(entry);
    struct alignas(64) line {
        entry entries[per_line];
    };

    static constexpr std::uint32_t max_limit = 1u << 30;
    static constexpr std::size_t first_capacity = 16;
    static constexpr std::size_t absent = ~std::size_t{0};
    static constexpr std::uint32_t taken = 0x8000'0000;  // set in each tag

    explicit flow_places(std::uint32_t limit) noexcept : limit_{limit < max_limit ? limit : max_limit} {}

    static std::uint32_t tag_of(std::uint64_t hashed) noexcept { return static_cast<std::uint32_t>(hashed) | taken; }
    std::size_t mask() const noexcept { return capacity() - 1; }
    std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
    std::size_t home_of(std::uint32_t tag) const noexcept { return tag & mask() & ~(per_line - 1); }
    entry& at(std::size_t i) noexcept { return lines_[i / per_line].entries[i % per_line]; }
    const entry& at(std::size_t i) const noexcept { return lines_[i / per_line].entries[i % per_line]; }

    template <class IsNamed>
    std::size_t locate(std::uint32_t tag, IsNamed&& is_named) const noexcept
    {
        if (size_ == 0) {
            return absent;
        }
        for (std::size_t i = home_of(tag); at(i).tag != 0; i = next(i)) {
            if (at(i).tag == tag && is_named(at(i).value)) {
                return i;
            }
        }
        return absent;
    }

    // One that is not there yet. False, and counted: the limit is reached or memory is short.
    bool add(entry e) noexcept
    {
        if (size_ >= limit_ || (size_ + 1 > capacity() / 4 * 3 && !rehash())) {
            ++refused_;
            return false;
        }
        place(e);
        ++size_;
        return true;
    }

    // Whoever stands behind the hole, and does not stand between its own home and the hole, moves up into it.
    void remove(std::size_t hole) noexcept
    {
        for (std::size_t i = next(hole); at(i).tag != 0; i = next(i)) {
            if (((i - home_of(at(i).tag)) & mask()) >= ((i - hole) & mask())) {
                at(hole) = at(i);
                hole = i;
            }
        }
        at(hole) = {};
        --size_;
    }

    mutable std::size_t recent_ = 0;  // where find() ended last; whatever stands there now is asked before it counts

private:
    void place(entry e) noexcept
    {
        std::size_t i = home_of(e.tag);
        while (at(i).tag != 0) {
            i = next(i);
        }
        at(i) = e;
    }

    // Twice the capacity. The old array goes only when the new one is there.
    bool rehash() noexcept
    {
        growable_array<line> old;
        std::swap(old, lines_);
        if (!lines_.grow_to(old.size() == 0 ? first_capacity / per_line : old.size() * 2)) {
            std::swap(old, lines_);
            return false;
        }
        for (std::size_t i = 0; i < old.size(); ++i) {
            for (const entry& e : old[i].entries) {
                if (e.tag != 0) {
                    place(e);
                }
            }
        }
        return true;
    }

    growable_array<line> lines_{};
    std::uint32_t limit_;
    std::uint32_t size_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace detail

// Hash: a copyable functor from Key to std::uint64_t. `is_named(value)`, where a call takes it: whether the key in
// question is that of `value`, one of those in the table.
template <class Key, class Hash>
class flow_table : public detail::flow_places {
public:
    static constexpr std::uint32_t npos = 0xFFFFFFFF;  // what find() answers when there is no such key

    enum class outcome : std::uint8_t {
        inserted,
        exists,   // nothing changed
        refused,  // the limit is reached or memory is short; counted
    };

    // Holds `limit` keys at most (2^30 in any case); allocates nothing yet.
    explicit flow_table(std::uint32_t limit, Hash hash = Hash{}) noexcept
        : flow_places{limit}, hash_{std::move(hash)}
    {
    }

    // The value under `key`, or npos. Segments come in runs of one connection: what was found last is asked first, and
    // a run costs no hash.
    template <class IsNamed>
    std::uint32_t find(const Key& key, IsNamed&& is_named) const noexcept
    {
        if (empty()) {
            return npos;
        }
        if (recent_ < capacity() && at(recent_).tag != 0 && is_named(at(recent_).value)) {
            return at(recent_).value;
        }
        const std::size_t found = locate(tag_for(key), is_named);
        if (found == absent) {
            return npos;
        }
        recent_ = found;
        return at(found).value;
    }

    // Whom find() will ask first, or npos: a guess, for who wants his memory to be on its way.
    std::uint32_t guess(const Key& key) const noexcept
    {
        const std::uint32_t tag = tag_for(key);
        const auto any = [](std::uint32_t) { return true; };
        const std::size_t found = locate(tag, any);
        return found == absent ? npos : at(found).value;
    }

    template <class IsNamed>
    outcome insert(const Key& key, std::uint32_t value, IsNamed&& is_named) noexcept
    {
        const std::uint32_t tag = tag_for(key);
        if (locate(tag, is_named) != absent) {
            return outcome::exists;
        }
        return add({tag, value}) ? outcome::inserted : outcome::refused;
    }

    // Gives `key` another value: a half-open record has become a connection. False when there is no such key.
    template <class IsNamed>
    bool replace(const Key& key, std::uint32_t value, IsNamed&& is_named) noexcept
    {
        const std::size_t found = locate(tag_for(key), is_named);
        if (found == absent) {
            return false;
        }
        at(found).value = value;
        return true;
    }

    // False when there was no such key.
    template <class IsNamed>
    bool erase(const Key& key, IsNamed&& is_named) noexcept
    {
        const std::size_t found = locate(tag_for(key), is_named);
        if (found == absent) {
            return false;
        }
        remove(found);
        return true;
    }

private:
    // What is asked for last is often asked for again: found, and then erased; not found, and then inserted.
    std::uint32_t tag_for(const Key& key) const noexcept
    {
        if (asked_tag_ == 0 || !(asked_ == key)) {
            asked_ = key;
            asked_tag_ = tag_of(hash_(key));
        }
        return asked_tag_;
    }

    [[no_unique_address]] Hash hash_;
    mutable std::uint32_t asked_tag_ = 0;  // of asked_; 0: there is none
    mutable Key asked_{};
};

}  // namespace tcpco
