// Initial sequence numbers by RFC 6528: a clock of 4 us plus a keyed hash of the four-tuple (MUST-8, MUST-9, SHLD-1).
//
// For one four-tuple the numbers grow with time, so that a reopened connection does not meet its old segments; between
// four-tuples they are unrelated, so that nobody can guess one from another. The key has 128 bits and derives from the
// stack's seed of 256.
#pragma once

#include <cstdint>
#include <type_traits>

#include "tcpco/core/four_tuple.hpp"
#include "tcpco/core/seed.hpp"
#include "tcpco/policy/concepts.hpp"

namespace tcpco::isn {

// A new ISS must lie behind all of the old connection (MAY-2): beyond its last number by more than an unscaled window,
// so that old segments in flight are outside the new one's first window.
inline constexpr std::uint32_t reopening_distance = 65'537;

constexpr sequence_number not_below_or(const sequence_number* not_below, sequence_number iss) noexcept
{
    return not_below != nullptr && !precedes(*not_below, iss) ? *not_below + reopening_distance : iss;
}

class rfc6528 {
public:
    struct config {};

    constexpr rfc6528() noexcept = default;
    constexpr explicit rfc6528(const config&) noexcept {}

    // RFC6528-3b, 3c
    constexpr void seed(const stack_seed& seed) noexcept { key_ = derive_key(seed, purpose); }

    // RFC6528-3a, 3b, 3d
    constexpr sequence_number generate(endpoint local, endpoint remote, time_point now,
                                       const sequence_number* not_below) const noexcept
    {
        const std::uint64_t f = four_tuple_hash{key_}({local, remote});
        const auto clock = static_cast<std::uint64_t>(now.ns) / 4'000;  // M: a tick every 4 us
        return not_below_or(not_below, {static_cast<std::uint32_t>(clock + f)});
    }

private:
    static constexpr std::uint64_t purpose = 0x6973'6e36'3532'3830;  // what the key is derived for

    siphash_key key_{};
};

static_assert(isn_generator<rfc6528> && std::is_trivially_copyable_v<rfc6528> && sizeof(rfc6528) == 16);

}  // namespace tcpco::isn
