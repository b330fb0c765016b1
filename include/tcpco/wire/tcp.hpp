// The TCP header (RFC 9293 section 3.1) without its options (wire/tcp_options.hpp).
//
// All twelve flag bits are kept as they came, and written as given: the reserved ones must be ignored when received
// and sent as zero, which is for the code that decides what a segment says. The checksum needs the addresses and may
// have been checked below, so it is a separate question (transport_checksum_good); it is not one of the parser's
// errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/parsed.hpp"

namespace tcpco {

inline constexpr std::size_t tcp_header_size = 20;      // without options
inline constexpr std::size_t max_tcp_header_size = 60;  // data offset is 4 bits

// The flag bits, in the value of the last 12 bits of the header's 13th and 14th octet. AE is RFC 9768's name for the
// bit that RFC 3540 called NS.
namespace tcp_flag {

inline constexpr std::uint16_t fin = 0x001;
inline constexpr std::uint16_t syn = 0x002;
inline constexpr std::uint16_t rst = 0x004;
inline constexpr std::uint16_t psh = 0x008;
inline constexpr std::uint16_t ack = 0x010;
inline constexpr std::uint16_t urg = 0x020;
inline constexpr std::uint16_t ece = 0x040;
inline constexpr std::uint16_t cwr = 0x080;
inline constexpr std::uint16_t ae = 0x100;
inline constexpr std::uint16_t reserved = 0xE00;  // the three without a meaning

}  // namespace tcp_flag

struct tcp_header {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    sequence_number seq{};
    sequence_number ack{};        // means something only with tcp_flag::ack
    std::uint16_t flags = 0;      // 12 bits of tcp_flag
    std::uint16_t window = 0;     // unsigned (MUST-1), not scaled
    std::uint16_t checksum = 0;
    std::uint16_t urgent_pointer = 0;
    std::uint8_t data_offset = 5;  // header length in units of 4 octets, 5 to 15

    // Whether all of `bits` are set.
    constexpr bool has(std::uint16_t bits) const noexcept { return (flags & bits) == bits; }
    constexpr std::size_t header_length() const noexcept { return std::size_t{data_offset} * 4; }
    friend constexpr bool operator==(const tcp_header&, const tcp_header&) noexcept = default;
};

struct tcp_segment {
    tcp_header header{};
    std::span<const std::byte> options{};
    std::span<const std::byte> payload{};
};

enum class tcp_error : std::uint8_t {
    none,
    truncated,        // shorter than 20 octets
    bad_data_offset,  // below 5, or beyond the segment
};

constexpr const char* message(tcp_error e) noexcept
{
    switch (e) {
    case tcp_error::none: return "none";
    case tcp_error::truncated: return "truncated";
    case tcp_error::bad_data_offset: return "bad data offset";
    }
    return "unknown error";
}

// `octets` is the whole payload of the IP packet. Options are allowed on every segment (MUST-5).
constexpr parsed<tcp_segment, tcp_error> parse_tcp(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < tcp_header_size) {
        return tcp_error::truncated;
    }
    const std::byte* at = octets.data();
    const std::uint16_t offset_and_flags = read_be16(at + 12);
    tcp_header header;
    header.source_port = read_be16(at);
    header.destination_port = read_be16(at + 2);
    header.seq = {read_be32(at + 4)};
    header.ack = {read_be32(at + 8)};
    header.flags = offset_and_flags & 0xFFF;
    header.window = read_be16(at + 14);
    header.checksum = read_be16(at + 16);
    header.urgent_pointer = read_be16(at + 18);
    header.data_offset = static_cast<std::uint8_t>(offset_and_flags >> 12);
    const std::size_t length = header.header_length();
    if (length < tcp_header_size || length > octets.size()) {
        return tcp_error::bad_data_offset;
    }
    return tcp_segment{header, octets.subspan(tcp_header_size, length - tcp_header_size), octets.subspan(length)};
}

// Writes the 20 fixed octets at the start of `out`, which must hold them, and returns their number. The checksum goes
// out as it stands in `header`; data_offset must already count the options.
constexpr std::size_t write_tcp(const tcp_header& header, std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(out.size() >= tcp_header_size);
    TCPCO_ASSERT(header.data_offset >= 5 && header.data_offset <= 15 && header.flags <= 0xFFF);
    std::byte* at = out.data();
    write_be16(at, header.source_port);
    write_be16(at + 2, header.destination_port);
    write_be32(at + 4, header.seq.value);
    write_be32(at + 8, header.ack.value);
    write_be16(at + 12, static_cast<std::uint16_t>(header.data_offset << 12 | header.flags));
    write_be16(at + 14, header.window);
    write_be16(at + 16, header.checksum);
    write_be16(at + 18, header.urgent_pointer);
    return tcp_header_size;
}

// Fills in the checksum field of a header that was already written at the start of `out`.
constexpr void write_tcp_checksum(std::uint16_t checksum, std::span<std::byte> out) noexcept
{
    write_be16(out, 16, checksum);
}

// The 8 octets of a TCP header that every ICMP error quotes: enough to find the connection and to check that the
// segment was in flight (RFC 5927 section 4.1).
struct quoted_tcp {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    sequence_number seq{};

    friend constexpr bool operator==(const quoted_tcp&, const quoted_tcp&) noexcept = default;
};

constexpr parsed<quoted_tcp, tcp_error> parse_quoted_tcp(std::span<const std::byte> octets) noexcept
{
    if (octets.size() < 8) {
        return tcp_error::truncated;
    }
    const std::byte* at = octets.data();
    return quoted_tcp{read_be16(at), read_be16(at + 2), {read_be32(at + 4)}};
}

}  // namespace tcpco
