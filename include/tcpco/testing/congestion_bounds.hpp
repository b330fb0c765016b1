// How much a reduction has to take, and how much it may: the numbers behind the laws of congestion controllers.
//
// A reduction begins with what was in flight (FlightSize, RFC 5681 equation 4), or with the window where that is less:
// half of what nobody used is no reduction, and neither is half of a flight that counts what was SACKed long ago. It
// leaves two segments at the least (RFC 5681 3.1).
#pragma once

#include <algorithm>

#include "tcpco/policy/arithmetic.hpp"
#include "tcpco/policy/events.hpp"

namespace tcpco::testing {

struct reduction_bounds {
    // Of what a reduction begins with, in hundredths. RFC 5681 leaves 50 after a loss, RFC 9438 leaves 70; 85 is what
    // RFC 8511 leaves after a mark, the mildest answer that an RFC knows.
    static constexpr octet_count mildest_percent = 85;

    octet_count least = 0;    // less means that a product wrapped: a quarter, of which a segment may be rounded off
    octet_count less = 0;     // more means that nothing was given up
    octet_count enough = 0;   // more means that too little was given up

    // `not_validated`: what RFC 7661 may leave, where the controller keeps to it; else 0.
    static constexpr reduction_bounds of(octet_count window, octet_count flight, octet_count smss,
                                         octet_count not_validated = 0) noexcept
    {
        const octet_count from = std::min(window, flight);
        const octet_count floor = std::max(2 * smss, not_validated);
        return {.least = std::max<octet_count>(from / 4 - smss, 0),
                .less = std::max(from - 1, floor),
                .enough = std::max(mul_div_up(from, mildest_percent, 100), floor)};
    }
};

}  // namespace tcpco::testing
