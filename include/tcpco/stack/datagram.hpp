// What the network layer hands up.
#pragma once

#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/frame_info.hpp"
#include "tcpco/storage/buffer.hpp"

namespace tcpco {

// A TCP segment on its way up: the packet's TCP part, and what IP said about it.
struct datagram {
    ip_address source{};
    ip_address destination{};
    slice payload{};
    frame_info info{};
    std::uint8_t ecn = 0;  // the code point (wire/ipv4.hpp)
    bool plain = false;    // from outside, and the IP header, of 20 octets, stands before `payload`
};

}  // namespace tcpco
