// ARP for IPv4 over Ethernet (RFC 826): 28 octets.
//
// Whether a packet is to be believed (sender addresses, gratuitous ARP) is the neighbour cache's question. Left out:
// other hardware and protocol types, RARP and its relatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/parsed.hpp"

namespace tcpco {

inline constexpr std::size_t arp_packet_size = 28;

enum class arp_operation : std::uint16_t { request = 1, reply = 2 };

struct arp_packet {
    arp_operation operation = arp_operation::request;
    mac_address sender_mac{};
    ipv4_address sender_ip{};
    mac_address target_mac{};  // zero in a request
    ipv4_address target_ip{};

    friend constexpr bool operator==(const arp_packet&, const arp_packet&) noexcept = default;
};

// In the order in which they are checked.
enum class arp_error : std::uint8_t {
    none,
    truncated,          // shorter than 28 octets
    bad_hardware_type,  // not Ethernet
    bad_protocol_type,  // not IPv4
    bad_length,         // address lengths other than 6 and 4
    bad_operation,      // neither request nor reply
};

constexpr const char* message(arp_error e) noexcept
{
    switch (e) {
    case arp_error::none: return "none";
    case arp_error::truncated: return "truncated";
    case arp_error::bad_hardware_type: return "bad hardware type";
    case arp_error::bad_protocol_type: return "bad protocol type";
    case arp_error::bad_length: return "bad address length";
    case arp_error::bad_operation: return "bad operation";
    }
    return "unknown error";
}

// Octets after the packet are padding of the frame, and ignored.
constexpr parsed<arp_packet, arp_error> parse_arp(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < arp_packet_size) {
        return arp_error::truncated;
    }
    const std::byte* at = octets.data();
    if (read_be16(at) != 1) {
        return arp_error::bad_hardware_type;
    }
    if (read_be16(at + 2) != static_cast<std::uint16_t>(ethertype::ipv4)) {
        return arp_error::bad_protocol_type;
    }
    if (at[4] != std::byte{6} || at[5] != std::byte{4}) {
        return arp_error::bad_length;
    }
    const auto operation = static_cast<arp_operation>(read_be16(at + 6));
    if (operation != arp_operation::request && operation != arp_operation::reply) {
        return arp_error::bad_operation;
    }
    return arp_packet{operation, read_mac_address(at + 8), read_ipv4_address(at + 14), read_mac_address(at + 18),
                      read_ipv4_address(at + 24)};
}

// Writes the packet at the start of `out`, which must hold it, and returns its size.
constexpr std::size_t write_arp(const arp_packet& packet, std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(out.size() >= arp_packet_size);
    std::byte* at = out.data();
    write_be16(at, 1);
    write_be16(at + 2, static_cast<std::uint16_t>(ethertype::ipv4));
    at[4] = std::byte{6};
    at[5] = std::byte{4};
    write_be16(at + 6, static_cast<std::uint16_t>(packet.operation));
    write_mac_address(at + 8, packet.sender_mac);
    write_ipv4_address(at + 14, packet.sender_ip);
    write_mac_address(at + 18, packet.target_mac);
    write_ipv4_address(at + 24, packet.target_ip);
    return arp_packet_size;
}

}  // namespace tcpco
