// From a key to an index: which connection a segment belongs to.
//
// Open addressing with linear probing over a dense array of 32-bit tags; keys are compared only where the tag agrees.
// Erasing shifts the followers back, so there are no tombstones and no slow decay. The table doubles at three quarters,
// up to a limit, and refuses beyond it.
//
// The hash has to be keyed (four_tuple_hash is), since peers choose the keys: with a known hash they could pile all
// connections up behind one slot, and each segment would walk the pile.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "tcpco/core/address.hpp"
#include "tcpco/core/siphash.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// The two ends that name a connection (RFC 9293 section 3.4.1: "socket pair").
struct four_tuple {
    endpoint local{};
    endpoint remote{};
    friend constexpr bool operator==(const four_tuple&, const four_tuple&) noexcept = default;
};

// SipHash of a four_tuple.
struct four_tuple_hash {
    siphash_key key{};

    constexpr std::uint64_t operator()(const four_tuple& t) const noexcept
    {
        const std::uint64_t ports = std::uint64_t{t.local.port} << 16 | t.remote.port;
        if (t.local.address.is_v4() && t.remote.address.is_v4()) {
            const std::uint64_t words[] = {
                std::uint64_t{t.local.address.v4().value} << 32 | t.remote.address.v4().value, ports};
            return siphash(key, words);
        }
        const std::uint64_t families = (t.local.address.is_v4() ? 1u : 0u) | (t.remote.address.is_v4() ? 2u : 0u);
        const std::uint64_t words[] = {word(t.local.address, 0), word(t.local.address, 8), word(t.remote.address, 0),
                                       word(t.remote.address, 8), families << 32 | ports};
        return siphash(key, words);
    }

private:
    static constexpr std::uint64_t word(const ip_address& address, std::size_t from) noexcept
    {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            value = value << 8 | address.octets()[from + i];
        }
        return value;
    }
};

// Hash: a copyable functor from Key to std::uint64_t. Key: default constructible, copyable, with ==.
template <class Key, class Hash>
class flow_table {
public:
    static constexpr std::uint32_t npos = 0xFFFFFFFF;  // what find() answers when there is no such key

    enum class outcome : std::uint8_t {
        inserted,
        exists,   // nothing changed
        refused,  // the limit is reached or memory is short; counted
    };

    // Holds `limit` keys at most (2^30 in any case); allocates nothing yet.
    explicit flow_table(std::uint32_t limit, Hash hash = Hash{}) noexcept
        : hash_{std::move(hash)}, limit_{limit < max_limit ? limit : max_limit}
    {
    }

    // The hash of a key, for a caller that looks up more than once.
    std::uint64_t hash(const Key& key) const noexcept { return hash_(key); }

    // The value under `key`, or npos. Segments come in runs of one connection: the key that was found last is compared
    // first, and a run costs one hash.
    std::uint32_t find(const Key& key) const noexcept
    {
        if (recent_ < tags_.size() && tags_[recent_] != 0 && entries_[recent_].key == key) {
            return entries_[recent_].value;
        }
        const std::size_t at = locate(key, tag_of(hash_(key)));
        if (at == absent) {
            return npos;
        }
        recent_ = at;
        return entries_[at].value;
    }
    std::uint32_t find(const Key& key, std::uint64_t hashed) const noexcept
    {
        const std::size_t at = locate(key, tag_of(hashed));
        return at == absent ? npos : entries_[at].value;
    }

    outcome insert(const Key& key, std::uint32_t value) noexcept { return insert(key, value, hash_(key)); }
    outcome insert(const Key& key, std::uint32_t value, std::uint64_t hashed) noexcept
    {
        const std::uint32_t tag = tag_of(hashed);
        if (locate(key, tag) != absent) {
            return outcome::exists;
        }
        if (size_ >= limit_ || (size_ + 1 > tags_.size() / 4 * 3 && !rehash())) {
            ++refused_;
            return outcome::refused;
        }
        place(tag, {key, value});
        ++size_;
        return outcome::inserted;
    }

    // Gives `key` another value: a half-open record has become a connection. False when there is no such key.
    bool replace(const Key& key, std::uint32_t value) noexcept
    {
        const std::size_t at = locate(key, tag_of(hash_(key)));
        if (at == absent) {
            return false;
        }
        entries_[at].value = value;
        return true;
    }

    // False when there was no such key.
    bool erase(const Key& key) noexcept
    {
        std::size_t hole = locate(key, tag_of(hash_(key)));
        if (hole == absent) {
            return false;
        }
        // Whoever stands behind the hole, and does not stand between its own home and the hole, moves up into it.
        for (std::size_t i = next(hole); tags_[i] != 0; i = next(i)) {
            if (((i - tags_[i]) & mask()) >= ((i - hole) & mask())) {
                tags_[hole] = tags_[i];
                entries_[hole] = std::move(entries_[i]);
                hole = i;
            }
        }
        tags_[hole] = 0;
        entries_[hole] = {};
        --size_;
        return true;
    }

    // Calls fn(const Key&, std::uint32_t value) for each entry, in no order that means anything. fn must not change
    // the table.
    template <class F>
    void for_each(F&& fn) const
    {
        for (std::size_t i = 0; i < tags_.size(); ++i) {
            if (tags_[i] != 0) {
                fn(entries_[i].key, entries_[i].value);
            }
        }
    }

    std::uint32_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::uint32_t limit() const noexcept { return limit_; }
    std::size_t capacity() const noexcept { return tags_.size(); }
    std::uint64_t refused() const noexcept { return refused_; }

private:
    struct entry {
        Key key{};
        std::uint32_t value = 0;
    };

    static constexpr std::uint32_t max_limit = 1u << 30;
    static constexpr std::size_t first_capacity = 16;
    static constexpr std::size_t absent = ~std::size_t{0};
    static constexpr std::uint32_t taken = 0x8000'0000;  // set in each tag, so that 0 is an empty slot

    static std::uint32_t tag_of(std::uint64_t hashed) noexcept { return static_cast<std::uint32_t>(hashed) | taken; }
    std::size_t mask() const noexcept { return tags_.size() - 1; }
    std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }

    std::size_t locate(const Key& key, std::uint32_t tag) const noexcept
    {
        if (size_ == 0) {
            return absent;
        }
        for (std::size_t i = tag & mask(); tags_[i] != 0; i = next(i)) {
            if (tags_[i] == tag && entries_[i].key == key) {
                return i;
            }
        }
        return absent;
    }

    void place(std::uint32_t tag, entry e) noexcept
    {
        std::size_t i = tag & mask();
        while (tags_[i] != 0) {
            i = next(i);
        }
        tags_[i] = tag;
        entries_[i] = std::move(e);
    }

    // Twice the capacity. The old arrays go only when both new ones are there.
    bool rehash() noexcept
    {
        flow_table larger{limit_, hash_};
        const std::size_t capacity = tags_.size() == 0 ? first_capacity : tags_.size() * 2;
        if (!larger.tags_.grow_to(capacity) || !larger.entries_.grow_to(capacity)) {
            return false;
        }
        for (std::size_t i = 0; i < tags_.size(); ++i) {
            if (tags_[i] != 0) {
                larger.place(tags_[i], std::move(entries_[i]));
            }
        }
        std::swap(tags_, larger.tags_);
        std::swap(entries_, larger.entries_);
        return true;
    }

    growable_array<std::uint32_t> tags_{};
    growable_array<entry> entries_{};
    [[no_unique_address]] Hash hash_;
    std::uint32_t limit_;
    mutable std::size_t recent_ = 0;  // where find() ended last; whatever stands there now is compared before it counts
    std::uint32_t size_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace tcpco
