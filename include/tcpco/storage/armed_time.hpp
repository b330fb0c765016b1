// For when a timer wheel's node is armed, in the object that the timer belongs to.
//
// Most timers move to later times, as the RTO does with each acknowledgement, and the wheel asks for the time when it
// comes to a node. So a move to a later time has nothing to tell it; that it is one can be seen here, in four octets
// beside the time itself, without reading the node.
//
// What is kept is the end of the wheel's tick, modulo 2^32 of them (73 minutes). It is as good as no more than half of
// that ahead: a node that is armed for later is unknown here, and the wheel has to be asked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/core/time.hpp"
#include "tcpco/storage/timer_wheel.hpp"

namespace tcpco {

class armed_time {
public:
    // Whether the node is armed for `at` or earlier: then it stays where it is. False: the wheel knows. `now` must not
    // be before that of an earlier call.
    bool covers(time_point at, time_point now) const noexcept
    {
        const auto ticks = static_cast<std::uint32_t>(tick_of(std::max(at, now)));
        return ends_ != unknown && static_cast<std::int32_t>(ticks - ends_) >= 0;
    }

    // The node is armed for `at`.
    void note(time_point at, time_point now) noexcept
    {
        const std::int64_t end = tick_of(at) + 1;
        const auto ends = static_cast<std::uint32_t>(end);
        ends_ = end - tick_of(now) >= half ? unknown : ends != unknown ? ends : ends + 1;
    }

    // The node has fired, or was cancelled.
    void forget() noexcept { ends_ = unknown; }

private:
    static constexpr std::uint32_t unknown = 0;
    static constexpr std::int64_t half = std::int64_t{1} << 31;

    static std::int64_t tick_of(time_point at) noexcept { return at.ns >> tick_bits; }
    static constexpr unsigned tick_bits = 10;
    static_assert(timer_wheel::tick == duration{1 << tick_bits});

    std::uint32_t ends_ = unknown;
};

}  // namespace tcpco
