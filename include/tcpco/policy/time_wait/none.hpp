// No TIME-WAIT: for tests, and for closed networks where no packet outlives its connection. An old duplicate can then
// reach a new connection of the same four-tuple, which is what MUST-13 prevents.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::time_wait {

class none {
public:
    struct config {};

    constexpr none() noexcept = default;
    constexpr explicit none(const config&) noexcept {}

    constexpr duration two_msl(duration) const noexcept { return duration::zero(); }
    constexpr bool honours_rst() const noexcept { return true; }
    constexpr time_wait_answer accepts_syn(const time_wait_syn&) const noexcept { return time_wait_answer::accept; }
};

static_assert(time_wait_policy<none> && std::is_empty_v<none>);

}  // namespace tcpco::time_wait
