// Ethernet II framing (RFC 894): 14 octets of header, without preamble and frame check sequence.
//
// Left out: VLAN tags and IEEE 802.3 length framing; their type values are simply not those of a protocol known here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/parsed.hpp"

namespace tcpco {

inline constexpr std::size_t ethernet_header_size = 14;

// Any value may stand in a header; those without a name are unknown protocols.
enum class ethertype : std::uint16_t { ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, ipv6 = 0x86DD };

struct ethernet_header {
    mac_address destination{};
    mac_address source{};
    ethertype type{};

    friend constexpr bool operator==(const ethernet_header&, const ethernet_header&) noexcept = default;
};

struct ethernet_frame {
    ethernet_header header{};
    std::span<const std::byte> payload{};  // padding of short frames included: the length stands in the layer above
};

enum class ethernet_error : std::uint8_t {
    none,
    truncated,  // shorter than a header
};

constexpr const char* message(ethernet_error e) noexcept
{
    switch (e) {
    case ethernet_error::none: return "none";
    case ethernet_error::truncated: return "truncated";
    }
    return "unknown error";
}

constexpr parsed<ethernet_frame, ethernet_error> parse_ethernet(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < ethernet_header_size) {
        return ethernet_error::truncated;
    }
    const std::byte* at = octets.data();
    return ethernet_frame{
        {read_mac_address(at), read_mac_address(at + 6), static_cast<ethertype>(read_be16(at + 12))},
        octets.subspan(ethernet_header_size)};
}

// Writes the header at the start of `out`, which must hold it, and returns its size.
constexpr std::size_t write_ethernet(const ethernet_header& header, std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(out.size() >= ethernet_header_size);
    std::byte* at = out.data();
    write_mac_address(at, header.destination);
    write_mac_address(at + 6, header.source);
    write_be16(at + 12, static_cast<std::uint16_t>(header.type));
    return ethernet_header_size;
}

}  // namespace tcpco
