// Dynamic right-sizing of the receive buffer, in its simple form (Fisk and Feng, 2001): twice what the reader took in
// one round trip, so that a sender in slow start is never held back, within a budget.
//
// It grows and never shrinks: giving memory back while the peer may still use the window would move the right edge left
// (SHLD-14). What counts is what was read, not what arrived: who reads little keeps a small buffer. One
// who reads seldom and much at a time counts as fast, and its buffer grows; the budget bounds it.
#pragma once

#include <algorithm>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::window {

class auto_tuned {
public:
    struct config {
        octet_count initial = 131'072;  // 128 KiB, as in Linux: some 90 segments, more than any initial window
        // The budget. Above what the queue of a TAP holds (1 MiB, see `fixed`), since a path that needs more has a long
        // RTT and spreads it.
        octet_count maximum = 4'194'304;
    };

    constexpr auto_tuned() noexcept : auto_tuned{config{}} {}
    constexpr explicit auto_tuned(const config& c) noexcept
        : capacity_{std::min({c.initial, c.maximum, largest_window})}, maximum_{std::min(c.maximum, largest_window)}
    {
    }

    // For one connection (SO_RCVBUF). Octets, more than 0.
    constexpr void set_capacity(octet_count octets) noexcept
    {
        capacity_ = maximum_ = std::min(octets, largest_window);
    }
    constexpr octet_count capacity() const noexcept { return capacity_; }
    constexpr octet_count largest() const noexcept { return maximum_; }
    constexpr duration round_trip() const noexcept { return round_trip_; }
    constexpr octet_count window(const receive_window_state& s) const noexcept
    {
        return std::max<octet_count>(capacity_ - s.unread, 0);
    }

    constexpr void on_delivered(octet_count n, const receive_window_state& s) noexcept
    {
        if (s.srtt <= duration::zero()) {
            return;  // no idea yet how long a round trip is
        }
        if (round_trip_ == duration::zero()) {
            round_began_ = s.now;
            taken_ = 0;
        }
        round_trip_ = s.srtt;
        taken_ += n;
        if (s.now - round_began_ >= s.srtt) {
            capacity_ = std::max(capacity_, std::min(2 * taken_, maximum_));
            round_began_ = s.now;
            taken_ = 0;
        }
    }

private:
    static constexpr octet_count largest_window = octet_count{1} << 30;  // RFC 7323 2.3: none beyond can be said
    octet_count capacity_;
    octet_count maximum_;
    octet_count taken_ = 0;  // read in this round trip
    time_point round_began_{};
    duration round_trip_{};  // zero: nothing has been measured
};

static_assert(receive_window_policy<auto_tuned> && tuned_window<auto_tuned>);
static_assert(std::is_trivially_copyable_v<auto_tuned> && sizeof(auto_tuned) <= 40);

}  // namespace tcpco::window
