// Segments that continue one another, as they come while somebody sends much: one is looked at, the others are added to
// it (generic receive offload, GRO).
//
// A device with receive offload puts such segments together before anybody sees them; where it cannot, the stack
// gathers them from the frames that it is handed at once. What is taken then is what a super-frame would have been:
// segments of the same size, of which the last may be shorter; with the same acknowledgement, window and timestamps;
// none but the last with PSH; 64 KiB at most. Acknowledgement policies are told how many they were.
//
// Small segments count as well: two of them, gathered, are two for a policy that acknowledges every second one.
//
// Left out: segments that the short way does not take (header_prediction.hpp), so all with ECN, and text out of order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tcpco/policy/events.hpp"
#include "tcpco/storage/frame.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco {

// What comes behind the text of the first segment.
struct gathered_text {
    static constexpr octet_count most = 65'535;  // with the first one's: an IP packet cannot be larger, either

    std::span<frame> frames{};  // of each only the text
    octet_count octets = 0;     // in all of them
};

// Whether TCP headers of `head` octets, 20 or 32, differ in ports, sequence number, PSH, checksum and urgent pointer at
// most.
inline bool says_the_same(const std::byte* a, const std::byte* b, std::uint32_t head) noexcept
{
    const auto differ = [a, b](std::size_t at) {
        std::uint64_t x = 0;
        std::uint64_t y = 0;
        std::memcpy(&x, a + at, sizeof x);
        std::memcpy(&y, b + at, sizeof y);
        return x ^ y;
    };
    std::uint64_t flags = 0;
    const std::byte psh[8] = {{}, {}, {}, {}, {}, std::byte{tcp_flag::psh}, {}, {}};
    std::memcpy(&flags, psh, sizeof flags);
    std::uint64_t differences = differ(8) & ~flags;  // acknowledgement, offset and flags, window
    if (head > tcp_header_size) {
        differences |= differ(20) | differ(24);  // timestamps
    }
    return differences == 0;
}

}  // namespace tcpco
