// A guard: each network prefix may send so many SYNs a second and so many at once (a token bucket); what is beyond
// gets a cookie, or silence. One network cannot fill the SYN queue for all others.
//
// The buckets are bounded and never evicted, so there is nothing by which a sender could get his own bucket full again
// but waiting: each prefix has one bucket in each of two rows, by a keyed hash, and shares both with whoever falls
// there (as flows do in Stochastic Fair Blue, Feng et al., INFOCOM 2001). It is beyond its rate when both are empty. A
// prefix without guilt is in both of the buckets of k senders with a chance of (k / Buckets)^2; since the default
// answer is a cookie, even then it is not kept out. Whoever forges sources of thousands of prefixes empties all
// buckets: then everybody gets cookies, as without this guard.
//
// A bucket is the time at which it will be full again: the token bucket without a counter (the generic cell rate
// algorithm, ITU-T I.371).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tcpco/policy/syn_defence/guarded.hpp"

namespace tcpco::syn {

// 16 octets for each of `Buckets`; the default, 16 KiB a stack, separates some hundred floods.
template <std::size_t Buckets = 1'024>
class prefix_rate {
    static_assert(std::has_single_bit(Buckets));

public:
    struct config {
        // SYNs a second and at once, from one prefix; 0 counts as 1. By default a quarter of a listener's default SYN
        // queue may come at once, and the many browsers behind one address of a provider are still served with
        // records.
        std::uint32_t per_second = 16;
        std::uint32_t burst = 32;
        // What is beyond gets: cookie, or limit (silence, drop_reason::syn_rate_limited), for links on which even
        // SYN,ACKs are too many: a forged SYN sends them to somebody else.
        syn_answer beyond = syn_answer::cookie;
        // In bits. A /24 is the smallest network that is routed; a /64 is what one IPv6 host has for itself.
        std::uint8_t ipv4_prefix = 24;
        std::uint8_t ipv6_prefix = 64;
    };

    struct counts {
        std::uint64_t within = 0;  // SYNs whose prefix kept to its rate
        std::uint64_t beyond = 0;
    };

    constexpr prefix_rate() = default;
    constexpr explicit prefix_rate(const config& c) : config_{c} {}

    constexpr void seed(const stack_seed& seed) noexcept { key_ = derive_key(seed, purpose); }

    // Only what would be answered takes a token.
    constexpr syn_answer admit(const syn_info& s, syn_answer so_far) noexcept
    {
        if (so_far != syn_answer::accept && so_far != syn_answer::cookie) {
            return so_far;
        }
        if (take(s)) {
            ++counts_.within;
            return so_far;
        }
        ++counts_.beyond;
        return config_.beyond == syn_answer::accept ? so_far : config_.beyond;
    }

    constexpr const counts& counted() const noexcept { return counts_; }

private:
    static constexpr std::uint64_t purpose = 0x7072'6566'6978'6573;  // what the key is derived for

    constexpr bool take(const syn_info& s) noexcept
    {
        const unsigned bits = s.source.is_v4() ? config_.ipv4_prefix : config_.ipv6_prefix;
        const std::uint64_t hash = detail::hash_source(key_, s.source, bits);
        const duration interval{1'000'000'000 / std::int64_t{std::max(config_.per_second, 1U)}};
        const duration most{interval.ns * std::max(config_.burst, 1U)};
        bool taken = false;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            time_point& full_at = rows_[row][(hash >> (32 * row)) % Buckets];
            const time_point after = std::max(full_at, s.now) + interval;
            if (after - s.now <= most) {
                full_at = after;
                taken = true;
            }
        }
        return taken;
    }

    config config_{};
    siphash_key key_{};
    counts counts_{};
    std::array<std::array<time_point, Buckets>, 2> rows_{};
};

static_assert(syn_guard<prefix_rate<>> && seeded_syn_defence<prefix_rate<>>);
static_assert(sizeof(prefix_rate<1'024>) <= 16'384 + 64);

}  // namespace tcpco::syn
