// Delayed acknowledgements (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).
//
// In-order data waits for the second full-sized segment, for data to ride on, or for a short time; whatever tells the
// sender about loss goes at once. A super-frame (several wire segments in one) is a batch already: it is answered when
// the driver has delivered everything that waits, so that a train of super-frames costs one ACK (MUST-58).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::ack {

class delayed {
public:
    // The bound of MUST-40 is below 500 ms; a longer `delay` is cut to this.
    static constexpr duration longest_delay{499'000'000};

    struct config {
        // 40 ms as in Linux: far below the smallest RTO of any peer (200 ms), so that a delayed ACK is never mistaken
        // for a loss, and long enough for an answer to be computed and to carry it.
        duration delay{40'000'000};
        std::uint8_t every = 2;  // full-sized segments per ACK (SHLD-19); more is a stretch ACK
        // Acknowledge the first segments of a connection at once: the sender is in slow start and grows by each ACK. 16
        // as in Linux.
        std::uint8_t quick_segments = 16;
        // true: plain segments too are answered once per batch. Twice the receive rate on a TAP without offload, but a
        // stretch ACK, which a sender that counts ACKs instead of octets feels.
        bool stretch = false;
    };

    constexpr delayed() noexcept : delayed{config{}} {}
    constexpr explicit delayed(const config& c) noexcept
        : delay_us_{static_cast<std::uint32_t>(std::clamp(c.delay, duration{}, longest_delay).microseconds())},
          every_{std::max(c.every, std::uint8_t{1})}, quick_{c.quick_segments}, stretch_{c.stretch}
    {
    }

    // RFC5681-4.2a, 4.2b, 4.2c, 4.2d, 3.2a, 3.2b, RFC8257-3.2b, RFC6582-5a
    constexpr ack_decision on_segment(const received_segment& s) noexcept
    {
        // Each duplicate ACK counts for the sender's fast retransmit, so these are never coalesced. A change of the CE
        // mark is reported with the segment that brought it.
        if (!s.in_order || s.fills_hole || s.duplicate || s.ce_changed) {
            return ack_decision::now();
        }
        const bool quick = quick_ > 0;
        quick_ = static_cast<std::uint8_t>(quick_ - std::min<std::uint32_t>(quick_, s.wire_segments));
        const bool due = s.wire_segments >= every_ || s.unacked_octets >= every_ * std::max<octet_count>(s.rmss, 1);
        if (quick || due) {
            return stretch_ || s.wire_segments > 1 ? ack_decision::end_of_batch() : ack_decision::now();
        }
        return ack_decision::within(delay());
    }
    constexpr duration delay(duration = {}) const noexcept { return duration{std::int64_t{delay_us_} * 1'000}; }

    // A window update is a segment of its own, so it must be worth one. A sender that can no longer send two segments
    // waits for it: tell it as soon as silly window avoidance allows (MUST-39). Else a quarter of the buffer: ordinary
    // ACKs carry the window too.
    constexpr bool on_read(const window_growth& w) const noexcept
    {
        const octet_count half = std::max<octet_count>(w.capacity / 2, 1);
        if (w.advertised < 2 * w.rmss) {
            return w.growth >= std::min(half, w.rmss);
        }
        return w.growth >= std::min(half, std::max(2 * w.rmss, w.capacity / 4));
    }

    constexpr void on_data_sent() noexcept {}
    constexpr void on_ack_sent() noexcept {}

private:
    std::uint32_t delay_us_;
    std::uint8_t every_;
    std::uint8_t quick_;  // segments still to be acknowledged at once
    bool stretch_;
};

static_assert(ack_policy<delayed> && std::is_trivially_copyable_v<delayed> && sizeof(delayed) <= 8);

}  // namespace tcpco::ack
