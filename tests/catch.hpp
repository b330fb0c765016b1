// One include for both Catch2 lines: Debian 12 ships 2.13, newer systems ship 3.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
