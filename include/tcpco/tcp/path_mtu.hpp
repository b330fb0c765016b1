// What is known of paths' MTUs (RFC 1191): which destinations cannot be reached with packets as large as the device's.
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
            entries_[place] = {destination, mtu, now + lifetime};
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
    };

    growable_array<entry> entries_;
    std::size_t limit_;
};

}  // namespace tcpco
