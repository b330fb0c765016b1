// A syn_defence with a guard behind it: the defence answers for the listener (are its queues full?), the guard for the
// source (who asks?). Guards stand one behind the other by nesting:
//
//     using syn_defence = syn::guarded<syn::guarded<syn::cookies, syn::prefix_rate<>>, syn::verified_sources<>>;
//
// What the RFC leaves to firewalls (RFC 4987 3.1) is here for stacks that have none in front of them.
#pragma once

#include <cstdint>

#include "tcpco/core/seed.hpp"
#include "tcpco/policy/concepts.hpp"

namespace tcpco::syn {

// Hears what the defence would answer, and gives the answer. A guard must not accept what `so_far` drops: that is the
// listener's own limit.
template <class G>
concept syn_guard = policy<G> && requires(G g, const syn_info& s, syn_answer so_far) {
    { g.admit(s, so_far) } -> std::same_as<syn_answer>;
};

template <syn_defence Defence, syn_guard Guard>
class guarded {
public:
    struct config {
        typename Defence::config defence{};
        typename Guard::config guard{};
    };

    constexpr guarded() = default;
    constexpr explicit guarded(const config& c) : defence_{c.defence}, guard_{c.guard} {}

    constexpr void seed(const stack_seed& seed) noexcept
    {
        if constexpr (seeded_syn_defence<Defence>) {
            defence_.seed(derive_seed(seed, 1));
        }
        if constexpr (seeded_syn_defence<Guard>) {
            guard_.seed(derive_seed(seed, 2));
        }
    }

    constexpr syn_answer admit(const syn_info& s) noexcept { return guard_.admit(s, defence_.admit(s)); }

    constexpr void on_source_verified(const source_verified& v) noexcept
    {
        if constexpr (told_of_verified_sources<Defence>) {
            defence_.on_source_verified(v);
        }
        if constexpr (told_of_verified_sources<Guard>) {
            guard_.on_source_verified(v);
        }
    }

    constexpr const Defence& defence() const noexcept { return defence_; }
    constexpr const Guard& guard() const noexcept { return guard_; }

private:
    Defence defence_{};
    Guard guard_{};
};

namespace detail {

// The hash of the first `bits` of an address. Sources are hashed with a key: whoever could foretell which of them meet
// in a table could choose whom to hurt.
constexpr std::uint64_t hash_source(siphash_key key, const ip_address& a, unsigned bits) noexcept
{
    std::uint64_t words[3] = {0, 0, static_cast<std::uint64_t>(a.family())};
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned kept = bits <= 8 * i ? 0 : bits - 8 * i;
        const unsigned mask = kept >= 8 ? 0xff : 0xff00U >> kept & 0xffU;
        words[i / 8] = words[i / 8] << 8 | (a.octets()[i] & mask);
    }
    return siphash(key, words);
}

}  // namespace detail

}  // namespace tcpco::syn
