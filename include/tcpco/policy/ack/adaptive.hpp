// Delayed acknowledgements whose delay follows the peer (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).
//
// At the beginning, and again after a silence, the peer is in slow start and grows by each ACK: its first segments are
// acknowledged at once. Later every second full-sized segment is; what waits for a second one waits about as long as
// segments have been apart lately, for if none has come by then, none will. Linux does so too (quick-ACK and ATO), but
// knows replies that carry the ACK as well; here they simply do.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/ack/delayed.hpp"

namespace tcpco::ack {

class adaptive {
public:
    static constexpr duration longest_delay = delayed::longest_delay;  // MUST-40

    struct config {
        duration shortest{40'000'000};   // as in `delayed`, which has the reasons
        duration silence{200'000'000};   // the least that counts as one: the smallest RTO of peers, who then restart
        std::uint8_t every = 2;          // full-sized segments per ACK (SHLD-19)
        std::uint8_t quick_segments = 16;  // acknowledged at once at the beginning and after each silence
    };

    constexpr adaptive() noexcept : adaptive{config{}} {}
    constexpr explicit adaptive(const config& c) noexcept
        : silence_{c.silence}, every_{std::max(c.every, std::uint8_t{1})}, quick_segments_{c.quick_segments},
          shortest_ms_{static_cast<std::uint16_t>(std::clamp(c.shortest, duration{}, longest_delay).milliseconds())},
          apart_{shortest()}
    {
    }

    constexpr ack_decision on_segment(const received_segment& s) noexcept
    {
        follow(s);
        const bool quick = quick_ > 0;
        quick_ = static_cast<std::uint8_t>(quick_ - std::min<std::uint32_t>(quick_, s.wire_segments));
        if (!s.in_order || s.fills_hole || s.duplicate || s.ce_changed) {
            return ack_decision::now();  // as `delayed`: none of these is ever coalesced
        }
        const bool due = s.wire_segments >= every_ || s.unacked_octets >= every_ * std::max<octet_count>(s.rmss, 1);
        if (quick || due) {
            return s.wire_segments > 1 ? ack_decision::end_of_batch() : ack_decision::now();
        }
        return ack_decision::within(delay(s.srtt));
    }
    // No longer than a round trip, as in Linux: the delay adds to what the peer measures, and stays below its RTO.
    constexpr duration delay(duration srtt) const noexcept
    {
        return std::clamp(apart_, shortest(), std::clamp(srtt, shortest(), longest_delay));
    }
    constexpr bool on_read(const window_growth& w) const noexcept { return delayed{}.on_read(w); }
    constexpr void on_data_sent() noexcept {}
    constexpr void on_ack_sent() noexcept {}

private:
    constexpr duration shortest() const noexcept { return duration{shortest_ms_ * std::int64_t{1'000'000}}; }

    // An average in which the last gap weighs half. A silence is no gap.
    constexpr void follow(const received_segment& s) noexcept
    {
        const duration gap = s.now - last_;
        const bool silent = last_ == time_point{} || gap > std::max(silence_, s.srtt * 2);
        quick_ = silent ? quick_segments_ : quick_;
        apart_ = silent ? shortest() : (apart_ + std::max(gap, duration{})) / 2;
        last_ = s.now;
    }

    duration silence_;
    std::uint8_t every_;
    std::uint8_t quick_segments_;
    std::uint8_t quick_ = 0;  // segments still to be acknowledged at once
    std::uint16_t shortest_ms_;
    duration apart_;     // how far segments have been apart lately
    time_point last_{};  // when the last one came
};

static_assert(ack_policy<adaptive> && std::is_trivially_copyable_v<adaptive> && sizeof(adaptive) <= 32);

}  // namespace tcpco::ack
