// Small segments leave at once, as if no_delay were set on every connection (MUST-17); a cork still holds them.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/send_gate/nagle.hpp"

namespace tcpco::gate {

class off {
public:
    struct config {};

    constexpr off() noexcept = default;
    constexpr explicit off(const config&) noexcept {}

    constexpr bool may_send(const small_segment& s) const noexcept { return must_send(s) || !must_wait(s); }
};

static_assert(send_gate<off> && std::is_empty_v<off>);

}  // namespace tcpco::gate
