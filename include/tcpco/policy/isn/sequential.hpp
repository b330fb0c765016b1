// Initial sequence numbers that a test knows beforehand: first, first + step, ... Anybody can guess them (against
// MUST-9), so never outside a test.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/isn/rfc6528.hpp"

namespace tcpco::isn {

class sequential {
public:
    struct config {
        std::uint32_t first = 5'000;
        std::uint32_t step = 64'000;  // RFC 793's distance between connections
    };

    constexpr sequential() noexcept : sequential{config{}} {}
    constexpr explicit sequential(const config& c) noexcept : next_{c.first}, step_{c.step} {}

    constexpr void seed(const stack_seed&) noexcept {}
    constexpr sequence_number generate(endpoint, endpoint, time_point, const sequence_number* not_below) noexcept
    {
        const sequence_number iss = not_below_or(not_below, next_);
        next_ = iss + step_;
        return iss;
    }

private:
    sequence_number next_;
    std::uint32_t step_;
};

static_assert(isn_generator<sequential> && std::is_trivially_copyable_v<sequential> && sizeof(sequential) == 8);

}  // namespace tcpco::isn
