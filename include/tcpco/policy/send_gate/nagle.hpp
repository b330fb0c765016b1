// The Nagle algorithm (RFC 9293 section 3.7.4, SHLD-7; RFC 1122 section 4.2.3.4): while anything is unacknowledged, a
// segment that is not full waits for the acknowledgement or for more data.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::gate {

// The answers that no send gate decides otherwise: a full segment goes, a cork holds what could still grow, and the end
// of the stream cannot grow.
constexpr bool must_send(const small_segment& s) noexcept { return s.octets >= s.smss || s.fin_follows; }
constexpr bool must_wait(const small_segment& s) noexcept { return s.corked; }

class nagle {
public:
    struct config {};

    constexpr nagle() noexcept = default;
    constexpr explicit nagle(const config&) noexcept {}

    // A cork binds even with no_delay, so that an application can set no_delay once and cork its batches. MUST-17:
    // no_delay.
    constexpr bool may_send(const small_segment& s) const noexcept
    {
        if (must_send(s) || must_wait(s)) {
            return must_send(s);
        }
        return s.no_delay || s.unacknowledged == 0;
    }
};

static_assert(send_gate<nagle> && std::is_empty_v<nagle>);

}  // namespace tcpco::gate
