// Two stacks in memory and a wire between them, for what counts the stack's own cost: no coroutines, no device. Compiled
// once (pair_of_stacks.cpp) for all that use it.
#pragma once

#include "tcpco/core.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcpco::bench {

enum class offload { none, checksum, segmentation };

// A wire that copies each frame once, as a device does, into the slots of the receiver's pool.
class pair_of_stacks {
public:
    // With one connection from a to b, at_a and at_b; there is room for `more` besides.
    explicit pair_of_stacks(offload o = offload::none, std::uint32_t more = 15);
    ~pair_of_stacks();

    struct pair_of_ends {
        connection_id a{};
        connection_id b{};
    };

    // One more connection, Nagle off at both ends.
    pair_of_ends connect();

    basic_stack<> a;
    basic_stack<> b;
    connection_id at_a{};
    connection_id at_b{};
    std::uint64_t frames = 0;

    // What a driver's turn does, until nothing is left to do. Each turn takes at most `burst` frames from a stack, so
    // that ACKs come while there is still something to send.
    void exchange(std::size_t burst = 16);

private:
    std::size_t move(basic_stack<>& from, basic_stack<>& to, std::size_t burst);

    buffer_pool pool_;
    std::vector<frame> carried_{};
    listener_id listener_{};
    time_point now_{1'000'000'000};
};

}  // namespace tcpco::bench
