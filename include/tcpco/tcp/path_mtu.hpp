// What is known of paths' MTUs (RFC 1191): which destinations cannot be reached with packets as large as the device's.
//
// Beside RFC 1191's ICMP messages it keeps what probing has found (RFC 4821): between which sizes the path's MTU lies,
// and when the next probe may be sent.
//
// Of a stack, so that the next connection to the same place begins with the right size. Bounded: the entry that was
// learnt longest ago gives way. An entry is forgotten after ten minutes (RFC1191-3f, 6.3a): the path may have become
// wider, and the next large packet tells.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

class path_mtu_cache {
public:
    // No path is believed to be narrower, in octets of IP packet: the smallest plateau of RFC 1191 section 7 above the
    // 68 that no link may go below (RFC1191-3d). Linux refuses to go below 552, and lets routers fragment then.
    static constexpr std::uint16_t narrowest = 296;
    static constexpr duration lifetime{600'000'000'000};

    explicit path_mtu_cache(std::size_t limit = 256) noexcept : limit_{limit} {}

    // 0: nothing is known, the device's own MTU holds.
    std::uint16_t find(const ip_address& destination, time_point now) const noexcept
    {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].destination == destination && now < entries_[i].until) {
                return entries_[i].mtu;
            }
        }
        return 0;
    }

    void learn(const ip_address& destination, std::uint16_t mtu, time_point now) noexcept
    {
        std::size_t place = 0;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].destination == destination) {
                place = i;
                break;
            }
            place = entries_[i].until < entries_[place].until ? i : place;
        }
        const bool known = place < entries_.size() && entries_[place].destination == destination;
        if (!known && entries_.size() < limit_ && entries_.grow_to(entries_.size() + 1)) {
            place = entries_.size() - 1;
        }
        if (place < entries_.size()) {
            entries_[place] = {.destination = destination, .mtu = mtu, .until = now + lifetime};
        }
    }

    // --- the search (path_search.hpp) ------------------------------------------------------------------------------

    // Packets of `failed` octets vanish without a word: `mtu` from now on, and probes for what lies between.
    void suspect(const ip_address& destination, std::uint16_t mtu, std::uint16_t failed, time_point now) noexcept
    {
        const entry* before = entry_of(destination);
        const std::uint16_t ceiling = before != nullptr && before->searching ? before->failed : 0xFFFF;
        learn(destination, mtu, now);
        if (entry* e = entry_of(destination)) {
            e->searching = true;
            // Perhaps it was an outage: what failed, here and in steps before, is tried again.
            e->failed = ceiling != 0xFFFF ? ceiling : static_cast<std::uint16_t>(failed + 1);
            e->tries = 0;
            e->probe_at = now;
        }
    }

    // The size to probe, between `current` and `most`; 0: none now. Large steps first: the largest size at once, for an
    // outage is more common than a black hole, then halves.
    std::uint16_t next_probe(const ip_address& destination, std::uint16_t current, std::uint16_t most,
                             time_point now) noexcept
    {
        entry* e = entry_of(destination);
        if (e == nullptr || !e->searching || now < e->probe_at) {
            return 0;
        }
        const auto ceiling = static_cast<std::uint16_t>(std::min<unsigned>(e->failed, most + 1U));
        if (ceiling <= current + 16U) {  // near enough (RFC 4821 7.3); once more in ten minutes
            e->searching = ceiling > current + 1U || e->failed <= most;
            e->probe_at = now + lifetime;
            e->until = now + lifetime * 2;  // known until it has been tried again
            e->failed = 0xFFFF;
            return 0;
        }
        const bool untried = ceiling == most + 1U || e->told;
        return static_cast<std::uint16_t>(untried ? ceiling - 1 : (current + ceiling) / 2);
    }
    void probe_sent(const ip_address& destination, time_point not_before) noexcept
    {
        if (entry* e = entry_of(destination)) {
            e->probe_at = not_before;
            e->until = not_before + lifetime * 2;
        }
    }
    void probe_arrived(const ip_address& destination, std::uint16_t size, time_point now) noexcept
    {
        if (entry* e = entry_of(destination)) {
            e->mtu = std::max(e->mtu, size);
            e->tries = 0;
            e->told = false;
            e->probe_at = now;
        }
    }
    // One loss may be anything's: the size is given up when as many were lost as MAX_PROBES says (RFC8899-5.1.2a).
    void probe_lost(const ip_address& destination, std::uint16_t size, time_point) noexcept
    {
        constexpr std::uint8_t max_probes = 3;
        entry* e = entry_of(destination);
        if (e != nullptr && ++e->tries >= max_probes) {
            e->failed = std::min(e->failed, size);
            e->tries = 0;
            e->told = false;
        }
    }
    // A router on the way would take `mtu` octets of it: the next probe has that size, unless somebody lies.
    void probe_refused(const ip_address& destination, std::uint16_t mtu) noexcept
    {
        if (entry* e = entry_of(destination)) {
            e->failed = std::min(e->failed, static_cast<std::uint16_t>(mtu + 1));
            e->tries = 0;
            e->told = true;
        }
    }

    // For routers that do not say how much they can take (RFC1191-3c): the next smaller MTU that is common.
    static constexpr std::uint16_t plateau_below(std::uint16_t size) noexcept
    {
        constexpr std::array<std::uint16_t, 8> plateaus{32'000, 17'914, 8'166, 4'352, 2'002, 1'492, 1'006, 508};
        for (const std::uint16_t p : plateaus) {
            if (p < size) {
                return p;
            }
        }
        return narrowest;
    }

private:
    struct entry {
        ip_address destination{};
        std::uint16_t mtu = 0;
        time_point until{};
        std::uint16_t failed = 0xFFFF;  // the smallest size that is known not to get through
        std::uint8_t tries = 0;         // probes lost at the present size
        bool searching = false;
        bool told = false;  // `failed` is a router's word: what lies below it is worth a probe
        time_point probe_at{};  // no probe before
    };

    entry* entry_of(const ip_address& destination) noexcept
    {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].destination == destination) {
                return &entries_[i];
            }
        }
        return nullptr;
    }

    growable_array<entry> entries_;
    std::size_t limit_;
};

}  // namespace tcpco
