// What one recovery has sent again and nobody has reported as a duplicate yet: the books for DSACK (RFC 2883, RFC
// 3708).
//
// Octets are counted as often as they were sent again: if a retransmission was sent again in its turn, one report does
// not say which of the copies was needless. A few ranges are kept, and there are no others: a recovery that scatters
// more of them, or a report of what was never sent again, ends the accounting, and then nothing is concluded.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tcpco/policy/events.hpp"

namespace tcpco::recovery {

class resent_ranges {
public:
    static constexpr std::size_t capacity = 8;  // ranges apart; neighbours of the same count are one

    // A new recovery; all that is sent again lies at or above `origin`.
    constexpr void start(stream_offset origin) noexcept
    {
        origin_ = origin;
        size_ = 0;
        sound_ = true;
    }
    // No conclusion until the next start().
    constexpr void give_up() noexcept { sound_ = false; }
    constexpr bool is_sound() const noexcept { return sound_; }

    constexpr void on_resent(offset_range r) noexcept
    {
        if (sound_ && r.first >= origin_ && r.last - origin_ <= furthest) {
            change(position(r.first), position(r.last), 1);
        } else {
            give_up();
        }
    }

    // A duplicate was reported. False, and nothing changed: not all of it was sent again, or as often.
    constexpr bool on_reported(offset_range r) noexcept
    {
        if (!sound_ || r.first >= r.last || r.first < origin_ || r.last - origin_ > furthest ||
            !covers(position(r.first), position(r.last))) {
            return false;
        }
        change(position(r.first), position(r.last), -1);
        return sound_;
    }

    // All that was sent again was reported.
    constexpr bool all_reported() const noexcept { return sound_ && size_ == 0; }
    constexpr stream_offset origin() const noexcept { return origin_; }
    friend constexpr bool operator==(const resent_ranges&, const resent_ranges&) noexcept = default;

private:
    static constexpr octet_count furthest = std::numeric_limits<std::uint32_t>::max();

    struct range {
        std::uint32_t first = 0;  // beyond origin_
        std::uint32_t last = 0;
        std::int32_t times = 0;

        friend constexpr bool operator==(const range&, const range&) noexcept = default;
    };

    constexpr std::uint32_t position(stream_offset o) const noexcept
    {
        return static_cast<std::uint32_t>(o - origin_);
    }

    constexpr bool covers(std::uint32_t first, std::uint32_t last) const noexcept
    {
        for (std::size_t i = 0; i < size_ && first < last; ++i) {
            first = ranges_[i].first <= first ? std::max(first, ranges_[i].last) : first;
        }
        return first >= last;
    }

    // Adds `by` to the count of each octet in [first, last): a walk that writes the list anew.
    constexpr void change(std::uint32_t first, std::uint32_t last, std::int32_t by) noexcept
    {
        const std::array<range, capacity> before = ranges_;
        const std::size_t count = size_;
        size_ = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const range& r = before[i];
            if (first < std::min(last, r.first)) {  // in front of it, and in none
                put({first, std::min(last, r.first), by});
                first = std::min(last, r.first);
            }
            const std::uint32_t begin = std::clamp(first, r.first, r.last);
            const std::uint32_t end = std::clamp(last, begin, r.last);
            put({r.first, begin, r.times});
            put({begin, end, r.times + by});
            put({end, r.last, r.times});
            first = std::max(first, end);
        }
        put({first, std::max(first, last), by});
    }

    constexpr void put(const range& r) noexcept
    {
        if (r.first >= r.last || r.times == 0) {
            return;
        }
        if (size_ > 0 && ranges_[size_ - 1].last == r.first && ranges_[size_ - 1].times == r.times) {
            ranges_[size_ - 1].last = r.last;
        } else if (size_ < capacity) {
            ranges_[size_++] = r;
        } else {
            give_up();
        }
    }

    std::array<range, capacity> ranges_{};
    stream_offset origin_{};
    std::uint32_t size_ = 0;
    bool sound_ = true;
};

static_assert(std::is_trivially_copyable_v<resent_ranges> && sizeof(resent_ranges) <= 112);

}  // namespace tcpco::recovery
