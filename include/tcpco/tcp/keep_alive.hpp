// Keep-alive's numbers as a connection keeps them (RFC 9293 3.8.4, MUST-27). What they lead to stands in timeouts.hpp.
#pragma once

#include <cstdint>

#include "tcpco/tcp/settings.hpp"
#include "tcpco/tcp/tcb.hpp"

namespace tcpco {

namespace detail {

// Whole seconds, rounded up.
constexpr std::int64_t keep_alive_seconds(duration d) noexcept { return (d.ns + 999'999'999) / 1'000'000'000; }

}  // namespace detail

constexpr bool is_valid(const keep_alive& k) noexcept
{
    const auto fits = [](duration d) {
        return detail::keep_alive_seconds(d) >= 1 && detail::keep_alive_seconds(d) <= 65'535;
    };
    return fits(k.idle) && fits(k.interval) && k.count > 0;
}

// False: the values are not valid, and nothing changed.
inline bool use_keep_alive(transmission_control_block& c, const keep_alive& k) noexcept
{
    if (!is_valid(k)) {
        return false;
    }
    c.keep_idle = static_cast<std::uint16_t>(detail::keep_alive_seconds(k.idle));
    c.keep_interval = static_cast<std::uint16_t>(detail::keep_alive_seconds(k.interval));
    c.keep_count = k.count;
    c.keep_probes = 0;
    return true;
}

}  // namespace tcpco
