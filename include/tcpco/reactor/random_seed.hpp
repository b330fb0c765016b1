// Real randomness for a stack's seed: 256 bits of the system's (RFC6528-4a, RFC 4086).
//
//     basic_stack<> net{{.address = "198.18.0.2/24"_net, .seed = random_seed()}};
//
// std::random_device gives 32 bits a call, of the processor or of getentropy(3) with the compilers that are tested
// here: one call would be a seed that can be found by trying.
#pragma once

#include <array>
#include <cstdint>
#include <random>

#include "tcpco/core/seed.hpp"

namespace tcpco {

// Throws what std::random_device does where the system has none to give. RFC6528-3c
inline stack_seed random_seed()
{
    static_assert(std::random_device::max() == 0xFFFFFFFF && std::random_device::min() == 0);
    std::random_device source;
    std::array<std::uint64_t, 4> words{};
    for (std::uint64_t& word : words) {
        const std::uint64_t high = source();
        word = high << 32 | source();
    }
    return stack_seed{words};
}

}  // namespace tcpco
