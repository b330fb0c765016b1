// A guard: addresses that are known to be there, because a connection of theirs was opened by a SYN cookie. Under
// pressure they get records where all others get cookies: their SYN,ACKs are sent again when lost, and they keep all
// options. The last quarter of the SYN queue is for them alone; Linux keeps it so for destinations "proven to be
// alive", though only without cookies, and by its metrics cache.
//
// To be known is no licence: whoever owns one address may still forge SYNs in its name, so each proof is good for a few
// records. The table is bounded and hashed with a key; in a full set of four the one whose proof is oldest goes. To
// push somebody out takes real addresses and whole handshakes, and costs him a cookie.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tcpco/policy/syn_defence/guarded.hpp"

namespace tcpco::syn {

// 16 octets for each of `Entries`.
template <std::size_t Entries = 1'024>
class verified_sources {
    static_assert(std::has_single_bit(Entries) && Entries >= 4);

public:
    struct config {
        duration lifetime{600'000'000'000};  // of a proof: addresses change hands slower than in ten minutes
        std::uint32_t records = 8;           // that one proof is good for; what a browser opens at once
    };

    struct counts {
        std::uint64_t verified = 0;  // proofs
        std::uint64_t evicted = 0;   // forgotten before their time, for want of room
        std::uint64_t served = 0;    // SYNs that got a record for it
        std::uint64_t deferred = 0;  // SYNs of others that got a cookie since only the reserve was left
    };

    constexpr verified_sources() = default;
    constexpr explicit verified_sources(const config& c) : config_{c} {}

    constexpr void seed(const stack_seed& seed) noexcept { key_ = derive_key(seed, purpose); }

    constexpr syn_answer admit(const syn_info& s, syn_answer so_far) noexcept
    {
        const bool pressed = s.half_open >= s.half_open_limit - s.half_open_limit / 4;
        const bool room = s.half_open < s.half_open_limit && s.unaccepted < s.backlog;
        if (so_far == syn_answer::cookie ? !room : so_far != syn_answer::accept || !pressed) {
            return so_far;
        }
        entry* e = find(s.source, s.now);
        if (e != nullptr && e->records > 0) {
            --e->records;
            ++counts_.served;
            return syn_answer::accept;
        }
        counts_.deferred += so_far == syn_answer::accept ? 1U : 0U;
        return syn_answer::cookie;
    }

    constexpr void on_source_verified(const source_verified& v) noexcept
    {
        ++counts_.verified;
        entry* e = find(v.source, v.now);
        if (e == nullptr) {
            entry* set = set_of(hash(v.source));
            e = set;
            for (std::size_t i = 1; i < ways; ++i) {
                e = set[i].expires < e->expires ? set + i : e;
            }
            counts_.evicted += e->expires > v.now ? 1U : 0U;
        }
        *e = {v.now + config_.lifetime, tag(hash(v.source)), config_.records};
    }

    constexpr const counts& counted() const noexcept { return counts_; }

private:
    static constexpr std::uint64_t purpose = 0x7665'7269'6669'6564;  // what the key is derived for
    static constexpr std::size_t ways = 4;

    struct entry {
        time_point expires{};
        std::uint32_t tag = 0;  // half of the hash: two addresses are taken for one once in four thousand million pairs
        std::uint32_t records = 0;
    };

    constexpr std::uint64_t hash(const ip_address& a) const noexcept { return detail::hash_source(key_, a, 128); }
    static constexpr std::uint32_t tag(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32); }
    constexpr entry* set_of(std::uint64_t hash) noexcept
    {
        return entries_.data() + (hash & 0xFFFFFFFFU) % (Entries / ways) * ways;
    }
    constexpr entry* find(const ip_address& a, time_point now) noexcept
    {
        const std::uint64_t h = hash(a);
        entry* set = set_of(h);
        for (std::size_t i = 0; i < ways; ++i) {
            if (set[i].tag == tag(h) && set[i].expires > now) {
                return set + i;
            }
        }
        return nullptr;
    }

    config config_{};
    siphash_key key_{};
    counts counts_{};
    std::array<entry, Entries> entries_{};
};

static_assert(syn_guard<verified_sources<>> && seeded_syn_defence<verified_sources<>> &&
              told_of_verified_sources<verified_sources<>>);

}  // namespace tcpco::syn
