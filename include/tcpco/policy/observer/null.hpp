// The observer that takes no event: every observe() call compiles to nothing.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::observers {

class null {
public:
    struct config {};

    constexpr null() noexcept = default;
    constexpr explicit null(const config&) noexcept {}
};

static_assert(observer<null> && std::is_empty_v<null>);

}  // namespace tcpco::observers
