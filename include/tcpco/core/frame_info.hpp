// What travels with a frame besides its octets, in both directions.
//
// Everything that counts segments counts `wire_segments`: a super-frame handed over by a device with segmentation
// offload is one frame and many segments. Without offload the fields keep their defaults.
#pragma once

#include <cstdint>

#include "tcpco/core/time.hpp"

namespace tcpco {

enum class checksum_state : std::uint8_t {
    verify,   // in: not checked by anybody, the stack checks. out: complete
    partial,  // in: the sender left it to hardware, the payload is trusted. out: the device completes it; the field
              // holds the pseudo-header's sum
    good,     // in: checked below the stack
};

enum class gso_kind : std::uint8_t { none, tcp_v4, tcp_v6 };

struct frame_info {
    time_point arrived_at{};  // when the frame was harvested, not when it is processed; unused on output
    checksum_state checksum = checksum_state::verify;
    gso_kind gso_type = gso_kind::none;
    std::uint16_t gso_size = 0;       // TCP payload octets per wire segment, when gso_type is set
    std::uint16_t wire_segments = 1;  // how many segments the frame is, or becomes, on the wire
    std::uint16_t interface = 0;      // index of the device, for stacks with several
};

}  // namespace tcpco
