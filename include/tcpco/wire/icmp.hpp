// ICMP for IPv4 (RFC 792; the next-hop MTU after RFC 1191; codes after RFC 1122 and RFC 1812).
//
// A message is 8 octets of header, whose second half means something else for each type, and a body: the echoed data,
// or the quoted packet of an error (parse_quoted_ipv4, parse_quoted_tcp). What to do about a message is the stack's
// question. Left out: redirects' and timestamps' contents, multi-part extensions (RFC 4884).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/assert.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/parsed.hpp"

namespace tcpco {

inline constexpr std::size_t icmp_header_size = 8;

// Any value may stand in a header; those without a name are unknown types.
enum class icmp_type : std::uint8_t {
    echo_reply = 0,
    destination_unreachable = 3,
    source_quench = 4,
    redirect = 5,
    echo_request = 8,
    time_exceeded = 11,
    parameter_problem = 12,
};

// The code of a destination unreachable message.
enum class icmp_unreachable : std::uint8_t {
    network = 0,
    host = 1,
    protocol = 2,
    port = 3,
    fragmentation_needed = 4,  // carries the next-hop MTU
    source_route_failed = 5,
    network_unknown = 6,
    host_unknown = 7,
    host_isolated = 8,
    network_prohibited = 9,
    host_prohibited = 10,
    network_type_of_service = 11,
    host_type_of_service = 12,
    communication_prohibited = 13,
    precedence_violation = 14,
    precedence_cutoff = 15,
};

struct icmp_header {
    icmp_type type{};
    std::uint8_t code = 0;
    std::uint32_t rest = 0;  // octets 4 to 7, by type

    static constexpr icmp_header echo(icmp_type type, std::uint16_t identifier, std::uint16_t sequence) noexcept
    {
        return {type, 0, static_cast<std::uint32_t>(identifier) << 16 | sequence};
    }
    // `next_hop_mtu` belongs to fragmentation_needed and is zero for the other codes.
    static constexpr icmp_header unreachable(icmp_unreachable code, std::uint16_t next_hop_mtu = 0) noexcept
    {
        return {icmp_type::destination_unreachable, static_cast<std::uint8_t>(code), next_hop_mtu};
    }

    // Of an echo request or reply.
    constexpr std::uint16_t identifier() const noexcept { return static_cast<std::uint16_t>(rest >> 16); }
    constexpr std::uint16_t sequence() const noexcept { return static_cast<std::uint16_t>(rest & 0xFFFF); }
    // Of destination unreachable, fragmentation needed; 0 from a router that does not know RFC 1191.
    constexpr std::uint16_t next_hop_mtu() const noexcept { return static_cast<std::uint16_t>(rest & 0xFFFF); }
    // Of a parameter problem: the octet of the quoted packet that is to blame.
    constexpr std::uint8_t pointer() const noexcept { return static_cast<std::uint8_t>(rest >> 24); }

    // Errors quote a packet and must not be answered by another error (RFC 1122 section 3.2.2).
    constexpr bool is_error() const noexcept
    {
        return type == icmp_type::destination_unreachable || type == icmp_type::source_quench ||
               type == icmp_type::redirect || type == icmp_type::time_exceeded || type == icmp_type::parameter_problem;
    }
    constexpr bool is_unreachable(icmp_unreachable c) const noexcept
    {
        return type == icmp_type::destination_unreachable && code == static_cast<std::uint8_t>(c);
    }

    friend constexpr bool operator==(const icmp_header&, const icmp_header&) noexcept = default;
};

struct icmp_message {
    icmp_header header{};
    std::span<const std::byte> body{};
};

enum class icmp_error : std::uint8_t {
    none,
    truncated,     // shorter than a header
    bad_checksum,  // over header and body
};

constexpr const char* message(icmp_error e) noexcept
{
    switch (e) {
    case icmp_error::none: return "none";
    case icmp_error::truncated: return "truncated";
    case icmp_error::bad_checksum: return "bad checksum";
    }
    return "unknown error";
}

constexpr parsed<icmp_message, icmp_error> parse_icmp(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < icmp_header_size) {
        return icmp_error::truncated;
    }
    checksum_accumulator sum;
    sum.add(octets);
    if (!sum.good()) {
        return icmp_error::bad_checksum;
    }
    return icmp_message{
        {static_cast<icmp_type>(octets[0]), std::to_integer<std::uint8_t>(octets[1]), read_be32(octets, 4)},
        octets.subspan(icmp_header_size)};
}

// Writes the header at the start of `out`, which must hold it, with the checksum over it and the pieces of the body,
// and returns its size. The body itself is not written: it stays a gather list.
constexpr std::size_t write_icmp(const icmp_header& header, std::span<const std::span<const std::byte>> body,
                                 std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(out.size() >= icmp_header_size);
    std::byte* at = out.data();
    at[0] = static_cast<std::byte>(header.type);
    at[1] = std::byte{header.code};
    write_be16(at + 2, 0);
    write_be32(at + 4, header.rest);
    checksum_accumulator sum;
    sum.add(out.first(icmp_header_size));
    for (const auto& piece : body) {
        sum.add(piece);
    }
    write_be16(at + 2, sum.checksum());
    return icmp_header_size;
}

}  // namespace tcpco
