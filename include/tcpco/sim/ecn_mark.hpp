// What a router does with the ECN field of a frame that passes (RFC 3168 section 5): look whether its sender
// understands marks, and mark. IPv4 and IPv6, with or without an Ethernet header and one VLAN tag before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/async/concepts.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"

namespace tcpco {

namespace detail {

// Where the IP header begins; past the end where there is none.
inline std::size_t ip_header_at(std::span<const std::byte> frame, link_framing framing) noexcept
{
    if (framing == link_framing::ip) {
        return 0;
    }
    constexpr std::size_t tag_size = 4;
    std::size_t at = ethernet_header_size;
    const auto type = [&]() noexcept { return static_cast<ethertype>(read_be16(frame.data() + at - 2)); };
    if (frame.size() >= at + tag_size && type() == ethertype::vlan) {
        at += tag_size;
    }
    return frame.size() > at && (type() == ethertype::ipv4 || type() == ethertype::ipv6) ? at : frame.size();
}

inline unsigned ip_version_at(std::span<const std::byte> frame, std::size_t at) noexcept
{
    return frame.size() >= at + ipv4_header_size ? std::to_integer<unsigned>(frame[at]) >> 4 : 0;
}

}  // namespace detail

// The field's two bits (namespace ecn_codepoint); not_ect for all that is no IP packet.
inline std::uint8_t ecn_of_frame(std::span<const std::byte> frame, link_framing framing) noexcept
{
    const std::size_t at = detail::ip_header_at(frame, framing);
    switch (detail::ip_version_at(frame, at)) {
    case 4: return std::to_integer<std::uint8_t>(frame[at + 1]) & 3;
    case 6: return std::to_integer<std::uint8_t>(frame[at + 1]) >> 4 & 3;
    default: return ecn_codepoint::not_ect;
    }
}

// Sets "congestion experienced" where the sender understands it, and puts an IPv4 header's checksum right. False: it
// does not, and nothing changed (RFC 3168 section 5: Not-ECT is never marked). A frame that has a mark keeps it.
inline bool mark_frame(std::span<std::byte> frame, link_framing framing) noexcept
{
    if (ecn_of_frame(frame, framing) == ecn_codepoint::not_ect) {
        return false;
    }
    const std::size_t at = detail::ip_header_at(frame, framing);
    if (detail::ip_version_at(frame, at) == 6) {
        frame[at + 1] |= std::byte{ecn_codepoint::ce << 4};
        return true;
    }
    const std::uint16_t before = read_be16(frame.data() + at);
    frame[at + 1] |= std::byte{ecn_codepoint::ce};
    // RFC 1624 equation 3: a header that was damaged stays so.
    const std::uint16_t old_sum = read_be16(frame.data() + at + 10);
    const std::uint64_t sum = std::uint64_t{static_cast<std::uint16_t>(~old_sum)} +
                              static_cast<std::uint16_t>(~before) + read_be16(frame.data() + at);
    write_be16(frame.data() + at + 10, static_cast<std::uint16_t>(~fold_checksum(sum)));
    return true;
}

}  // namespace tcpco
