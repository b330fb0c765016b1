// Round trips counted by delivery (draft-ietf-ccwg-bbr-06 section 5.5.1, UpdateRound).
//
// A round ends when a segment is delivered that was sent after the round began: one window has gone out and come back.
// Counting this way needs no clock and no RTT estimate, and holds through loss and recovery.
#pragma once

#include <cstdint>

#include "tcpco/policy/events.hpp"

namespace tcpco {

class round_counter {
public:
    // An ACK delivered something. `prior_delivered`: what was delivered when the segment that was sent last of those
    // left (its stamp); `delivered`: what is delivered now. True: this ACK begins a round.
    constexpr bool on_delivered(octet_count prior_delivered, octet_count delivered) noexcept
    {
        if (prior_delivered < next_round_at_) {
            return false;
        }
        next_round_at_ = delivered;
        ++count_;
        return true;
    }

    // The round in progress is not to count on: after idleness or a timeout the next one begins with what is sent now.
    constexpr void restart(octet_count delivered) noexcept { next_round_at_ = delivered; }

    constexpr std::uint64_t count() const noexcept { return count_; }
    friend constexpr bool operator==(const round_counter&, const round_counter&) noexcept = default;

private:
    octet_count next_round_at_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace tcpco
