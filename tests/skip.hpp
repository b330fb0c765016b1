// Skipping a test whose privilege or device is missing, with the reason, under Catch2 2.13 and 3.
//
//     if (!may_make_a_tap()) {
//         tcpco_test::skip("no TAP: /dev/net/tun is 0600");
//         return;  // Catch2 2.13 has no way to leave the test for you
//     }
//
// An executable in which every test was skipped exits with 77, which CTest shows as "Skipped" (see tests/main.cpp).
// One that skipped some and passed the others passes; the reasons stand in its output either way.
#pragma once

#include <cstdio>
#include <string>

#include "catch.hpp"

namespace tcpco_test {

inline constexpr int skipped_exit_code = 77;

namespace detail {

inline bool current_test_skipped = false;

}  // namespace detail

inline void skip(const std::string& reason)
{
    detail::current_test_skipped = true;
    std::fprintf(stderr, "SKIPPED: %s\n", reason.c_str());
#if defined(SKIP)
    SKIP(reason);
#else
    SUCCEED("skipped: " << reason);
#endif
}

}  // namespace tcpco_test
