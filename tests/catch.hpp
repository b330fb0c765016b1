// One include for both Catch2 lines: Debian 12 ships 2.13, newer systems ship 3.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <cstddef>
#include <string>
#include <vector>

// Octets are shown by their number and their first sixteen: printing a transfer whole takes minutes.
template <>
struct Catch::StringMaker<std::vector<std::byte>> {
    static std::string convert(const std::vector<std::byte>& octets)
    {
        std::string text = std::to_string(octets.size()) + " octets:";
        for (std::size_t i = 0; i < octets.size() && i < 16; ++i) {
            text += ' ' + std::to_string(std::to_integer<int>(octets[i]));
        }
        return text + (octets.size() > 16 ? " ..." : "");
    }
};
