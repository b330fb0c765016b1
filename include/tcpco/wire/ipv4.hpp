// The IPv4 header (RFC 791), with the DS and ECN fields of RFC 2474 and RFC 3168 in place of the type of service.
//
// Options are handed on as they came and looked at by nobody: what is unknown is ignored (RFC 9293 3.9.2, MUST-50).
// None are ever written. Left out: reassembly, and lengths beyond 65535 (a total length of 0 is an error).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ip_protocol.hpp"
#include "tcpco/wire/parsed.hpp"

namespace tcpco {

inline constexpr std::size_t ipv4_header_size = 20;  // without options

// Two bits of the IP header (RFC 3168 section 5).
namespace ecn_codepoint {
inline constexpr std::uint8_t not_ect = 0;
inline constexpr std::uint8_t ect_1 = 1;
inline constexpr std::uint8_t ect_0 = 2;
inline constexpr std::uint8_t ce = 3;
}  // namespace ecn_codepoint

struct ipv4_header {
    std::uint8_t dscp = 0;           // 6 bits
    std::uint8_t ecn = 0;            // 2 bits of ecn_codepoint
    std::uint16_t total_length = 0;  // octets, header included
    std::uint16_t identification = 0;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // in units of 8 octets, 13 bits
    std::uint8_t ttl = 0;
    ip_protocol protocol{};
    ipv4_address source{};
    ipv4_address destination{};

    constexpr bool is_fragment() const noexcept { return more_fragments || fragment_offset != 0; }
    friend constexpr bool operator==(const ipv4_header&, const ipv4_header&) noexcept = default;
};

struct ipv4_packet {
    ipv4_header header{};
    std::span<const std::byte> options{};
    std::span<const std::byte> payload{};  // what total_length says: padding of the frame is cut off
};

// In the order in which they are checked.
enum class ipv4_error : std::uint8_t {
    none,
    truncated,          // the octets end before the header does, or before total_length does
    bad_version,        // not 4
    bad_header_length,  // below 20 octets
    bad_checksum,       // of the header
    bad_total_length,   // below the header's length
};

constexpr const char* message(ipv4_error e) noexcept
{
    switch (e) {
    case ipv4_error::none: return "none";
    case ipv4_error::truncated: return "truncated";
    case ipv4_error::bad_version: return "bad version";
    case ipv4_error::bad_header_length: return "bad header length";
    case ipv4_error::bad_checksum: return "bad header checksum";
    case ipv4_error::bad_total_length: return "bad total length";
    }
    return "unknown error";
}

namespace detail {

// The fields at `at`, where 20 octets must stand.
constexpr ipv4_header read_ipv4_header(const std::byte* at) noexcept
{
    const auto traffic = std::to_integer<std::uint8_t>(at[1]);
    const std::uint16_t fragment = read_be16(at + 6);
    ipv4_header header;
    header.dscp = static_cast<std::uint8_t>(traffic >> 2);
    header.ecn = traffic & 3;
    header.total_length = read_be16(at + 2);
    header.identification = read_be16(at + 4);
    header.dont_fragment = (fragment & 0x4000) != 0;
    header.more_fragments = (fragment & 0x2000) != 0;
    header.fragment_offset = fragment & 0x1FFF;
    header.ttl = std::to_integer<std::uint8_t>(at[8]);
    header.protocol = static_cast<ip_protocol>(at[9]);
    header.source = read_ipv4_address(at + 12);
    header.destination = read_ipv4_address(at + 16);
    return header;
}

// The sum of a header's octets; nearly all are of 20.
constexpr std::uint16_t ipv4_header_sum(std::span<const std::byte> header) noexcept
{
    if (!std::is_constant_evaluated() && header.size() == ipv4_header_size) {
        return sum_header<ipv4_header_size / 4>(header.data());
    }
    checksum_accumulator sum;
    sum.add(header);
    return sum.folded();
}

// How long the header at the start of `octets` is, or why there is none.
constexpr parsed<std::size_t, ipv4_error> check_ipv4_header_length(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < ipv4_header_size) {
        return ipv4_error::truncated;
    }
    const auto first = std::to_integer<unsigned>(octets[0]);
    if (first >> 4 != 4) {
        return ipv4_error::bad_version;
    }
    const std::size_t header_length = (first & 15) * 4;
    if (header_length < ipv4_header_size) {
        return ipv4_error::bad_header_length;
    }
    if (header_length > octets.size()) {
        return ipv4_error::truncated;
    }
    return header_length;
}

}  // namespace detail

// The header's checksum is always checked: no device leaves that one to us, and it covers 20 octets.
constexpr parsed<ipv4_packet, ipv4_error> parse_ipv4(std::span<const std::byte> octets) noexcept
{
    const auto header_length = detail::check_ipv4_header_length(octets);
    if (!header_length) {
        return header_length.error;
    }
    if (detail::ipv4_header_sum(octets.first(*header_length)) != 0xFFFF) {
        return ipv4_error::bad_checksum;
    }
    const ipv4_header header = detail::read_ipv4_header(octets.data());
    if (header.total_length < *header_length) {
        return ipv4_error::bad_total_length;
    }
    if (header.total_length > octets.size()) {
        return ipv4_error::truncated;
    }
    return ipv4_packet{header, octets.subspan(ipv4_header_size, *header_length - ipv4_header_size),
                       octets.subspan(*header_length, header.total_length - *header_length)};
}

// The packet that an ICMP error quotes: cut off after a few octets of payload, and perhaps changed on its way, so
// neither its total length nor its checksum is held against it. The payload ends at total_length or with the
// quotation.
constexpr parsed<ipv4_packet, ipv4_error> parse_quoted_ipv4(std::span<const std::byte> octets) noexcept
{
    const auto header_length = detail::check_ipv4_header_length(octets);
    if (!header_length) {
        return header_length.error;
    }
    const ipv4_header header = detail::read_ipv4_header(octets.data());
    if (header.total_length < *header_length) {
        return ipv4_error::bad_total_length;
    }
    const std::size_t end = std::min<std::size_t>(header.total_length, octets.size());
    return ipv4_packet{header, octets.subspan(ipv4_header_size, *header_length - ipv4_header_size),
                       octets.subspan(*header_length, end - *header_length)};
}

// Writes the header, checksum included, at the start of `out`, which must hold it, and returns its size.
constexpr std::size_t write_ipv4(const ipv4_header& header, std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(out.size() >= ipv4_header_size);
    TCPCO_ASSERT(header.dscp < 64 && header.ecn < 4 && header.fragment_offset <= 0x1FFF);
    std::byte* at = out.data();
    at[0] = std::byte{0x45};
    at[1] = static_cast<std::byte>(header.dscp << 2 | header.ecn);
    write_be16(at + 2, header.total_length);
    write_be16(at + 4, header.identification);
    write_be16(at + 6, static_cast<std::uint16_t>((header.dont_fragment ? 0x4000 : 0) |
                                                  (header.more_fragments ? 0x2000 : 0) | header.fragment_offset));
    at[8] = std::byte{header.ttl};
    at[9] = static_cast<std::byte>(header.protocol);
    write_be16(at + 10, 0);
    write_ipv4_address(at + 12, header.source);
    write_ipv4_address(at + 16, header.destination);
    write_be16(at + 10, static_cast<std::uint16_t>(~detail::ipv4_header_sum(out.first(ipv4_header_size))));
    return ipv4_header_size;
}

}  // namespace tcpco
