// Assertions of the protocol core.
//
// TCPCO_ASSERT states what must hold for the code to be right; it is checked when TCPCO_CHECKED is 1 (the default
// unless NDEBUG is set) and vanishes otherwise. Input from the network is never asserted: it is checked, counted and
// dropped with a reason.
//
// With TCPCO_BOTH_WAYS 1 such a build does what has a short way the long way as well, and compares (tcp/both_ways.hpp).
// tcpco's own tests and fuzzers are built so. Nobody else is by default: a segment costs four times as much.
#pragma once

#include <cstdio>
#include <cstdlib>

#if !defined(TCPCO_CHECKED)
#if defined(NDEBUG)
#define TCPCO_CHECKED 0
#else
#define TCPCO_CHECKED 1
#endif
#endif

#if !defined(TCPCO_BOTH_WAYS)
#define TCPCO_BOTH_WAYS 0
#endif

namespace tcpco {

inline constexpr bool goes_both_ways = TCPCO_CHECKED != 0 && TCPCO_BOTH_WAYS != 0;

}  // namespace tcpco

namespace tcpco::detail {

// Not constexpr on purpose: a failed assertion in a constant expression stops the compilation at the assertion.
[[noreturn]] inline void assertion_failed(const char* text, const char* file, int line) noexcept
{
    std::fprintf(stderr, "tcpco: assertion failed: %s (%s:%d)\n", text, file, line);
    std::abort();
}

}  // namespace tcpco::detail

#if TCPCO_CHECKED
#define TCPCO_ASSERT(condition) \
    (static_cast<bool>(condition) ? void(0) : ::tcpco::detail::assertion_failed(#condition, __FILE__, __LINE__))
#else
#define TCPCO_ASSERT(condition) void(0)
#endif
