// Minshall's refinement of Nagle (draft-minshall-nagle, what Linux does): a small segment waits only while an earlier
// *small* segment is unacknowledged. A reply that ends in a small segment then leaves at once behind its full segments,
// where Nagle would wait for the peer's delayed ACK.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/send_gate/nagle.hpp"

namespace tcpco::gate {

class minshall {
public:
    struct config {};

    constexpr minshall() noexcept = default;
    constexpr explicit minshall(const config&) noexcept {}

    constexpr bool may_send(const small_segment& s) const noexcept
    {
        if (must_send(s) || must_wait(s)) {
            return must_send(s);
        }
        return s.no_delay || s.unacknowledged == 0 || !s.last_small_unacknowledged;
    }
};

static_assert(send_gate<minshall> && std::is_empty_v<minshall>);

}  // namespace tcpco::gate
