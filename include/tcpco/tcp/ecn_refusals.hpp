// Where asking for ECN was in vain: SYNs that asked went unanswered and a plain one did not (RFC 3168 6.1.1.1, RFC 9768
// 3.1.4.1), or data with ECT did not get through (ect_black_hole.hpp). For ten minutes our SYNs to that address do not
// ask, so that only the first connection waits for the timeouts. A SYN that was lost by chance looks the same: that
// costs the marks for so long, which is little beside the timeouts.
//
// Sixteen addresses are remembered, the one that was learnt longest ago gives way. Who asks us is answered all the
// same.
#pragma once

#include <algorithm>
#include <array>

#include "tcpco/core/address.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

// RFC9768-3.1.4.1c
class ecn_refusals {
public:
    static constexpr duration lifetime{600'000'000'000};  // as path_mtu_cache's

    bool holds(const ip_address& destination, time_point now) const noexcept
    {
        return std::any_of(entries_.begin(), entries_.end(),
                           [&](const entry& e) { return now < e.until && e.destination == destination; });
    }
    void learn(const ip_address& destination, time_point now) noexcept
    {
        auto place = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const entry& e) { return e.until > now && e.destination == destination; });
        if (place == entries_.end()) {
            place = std::min_element(entries_.begin(), entries_.end(),
                                     [](const entry& a, const entry& b) { return a.until < b.until; });
        }
        *place = {destination, now + lifetime};
    }

private:
    struct entry {
        ip_address destination{};
        time_point until{};
    };
    std::array<entry, 16> entries_{};
};

}  // namespace tcpco
