// The Internet checksum (RFC 1071) over gather lists, and the pseudo-headers of IPv4 (RFC 9293 section 3.1) and IPv6
// (RFC 8200 section 8.1).
//
// One's-complement addition does not care about byte order (RFC 1071 section 2 B): checksum_kernels.hpp adds 8 octets
// and more at a time as the machine loads them and swaps the folded result once. A piece that starts at an odd position
// of the message contributes its sum with the octets swapped, so a gather list may be cut anywhere. In constant
// expressions, where there is no memcpy, a plain loop gives the same value.
//
// Left out: incremental update of a changed header (RFC 1624); nothing here forwards packets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/wire/checksum_kernels.hpp"
#include "tcpco/wire/ip_protocol.hpp"

namespace tcpco {

// The running sum of one message, given piece by piece.
class checksum_accumulator {
public:
    constexpr checksum_accumulator() = default;

    constexpr void add(std::span<const std::byte> piece) noexcept
    {
        if (std::is_constant_evaluated()) {
            append(detail::sum_octets(piece.data(), piece.size(), nullptr), piece.size());
        } else {
            append(detail::sum_message<false>(piece.data(), piece.size(), nullptr), piece.size());
        }
    }

    // Adds `piece` and copies it to `to`, in one pass; `to` must have room for it and must not overlap it.
    constexpr void copy_and_add(std::span<const std::byte> piece, std::byte* to) noexcept
    {
        if (std::is_constant_evaluated()) {
            append(detail::sum_octets(piece.data(), piece.size(), to), piece.size());
        } else {
            append(detail::sum_message<true>(piece.data(), piece.size(), to), piece.size());
        }
    }

    // Integers as they would stand in the message, at an even position.
    constexpr void add16(std::uint16_t value) noexcept
    {
        TCPCO_ASSERT(!odd_);
        sum_ += value;
    }
    constexpr void add32(std::uint32_t value) noexcept
    {
        add16(static_cast<std::uint16_t>(value >> 16));
        add16(static_cast<std::uint16_t>(value & 0xFFFF));
    }

    // The sum itself, not complemented: what the field holds under checksum_state::partial.
    constexpr std::uint16_t folded() const noexcept { return fold_checksum(sum_); }
    // What the field of a complete message holds, when the field was zero in what was added.
    constexpr std::uint16_t checksum() const noexcept { return static_cast<std::uint16_t>(~folded()); }
    // Whether a message, added with its field, is intact (RFC 1071 section 1, (3)).
    constexpr bool good() const noexcept { return folded() == 0xFFFF; }

private:
    constexpr void append(std::uint16_t sum, std::size_t size) noexcept
    {
        sum_ += odd_ ? detail::swap_octets(sum) : sum;
        odd_ ^= size % 2 != 0;
    }

    std::uint64_t sum_ = 0;  // of 16-bit words; 2^48 pieces would fit
    bool odd_ = false;       // an odd number of octets was added
};

// A sum that starts with the pseudo-header. `length` counts transport header and payload; both addresses are of one
// family, and for IPv4 the length is at most 65535.
constexpr checksum_accumulator pseudo_header(const ip_address& source, const ip_address& destination,
                                             ip_protocol protocol, std::uint32_t length) noexcept
{
    TCPCO_ASSERT(source.family() == destination.family());
    TCPCO_ASSERT(source.is_v6() || length <= 0xFFFF);
    checksum_accumulator sum;
    if (source.is_v4()) {
        sum.add32(source.v4().value);
        sum.add32(destination.v4().value);
    } else {
        for (std::size_t i = 0; i < 16; i += 2) {
            sum.add16(static_cast<std::uint16_t>(source.octets()[i] << 8 | source.octets()[i + 1]));
            sum.add16(static_cast<std::uint16_t>(destination.octets()[i] << 8 | destination.octets()[i + 1]));
        }
    }
    sum.add32(length);
    sum.add16(static_cast<std::uint16_t>(protocol));
    return sum;
}

// What the checksum field holds when the device completes it (checksum_state::partial). For a super-frame `length` is
// that of the whole, as Linux expects it with virtio_net_hdr; the device corrects it for each segment.
constexpr std::uint16_t partial_checksum(const ip_address& source, const ip_address& destination, ip_protocol protocol,
                                         std::uint32_t length) noexcept
{
    return pseudo_header(source, destination, protocol, length).folded();
}

// The complete checksum of a transport segment given as a gather list, its checksum field being zero (MUST-2).
constexpr std::uint16_t transport_checksum(const ip_address& source, const ip_address& destination,
                                           ip_protocol protocol,
                                           std::span<const std::span<const std::byte>> pieces) noexcept
{
    std::size_t length = 0;
    for (const auto& piece : pieces) {
        length += piece.size();
    }
    auto sum = pseudo_header(source, destination, protocol, static_cast<std::uint32_t>(length));
    for (const auto& piece : pieces) {
        sum.add(piece);
    }
    return sum.checksum();
}

// Whether a received segment, header and payload, carries the right checksum (MUST-3). Longer than its protocol allows
// is not right either.
constexpr bool transport_checksum_good(const ip_address& source, const ip_address& destination, ip_protocol protocol,
                                       std::span<const std::byte> segment) noexcept
{
    if (source.is_v4() && segment.size() > 0xFFFF) {
        return false;
    }
    auto sum = pseudo_header(source, destination, protocol, static_cast<std::uint32_t>(segment.size()));
    sum.add(segment);
    return sum.good();
}

// The same of the segment at `at` in an IPv4 packet whose header has no options: both addresses stand right before it,
// so they are added with it.
inline bool ipv4_transport_checksum_good(ip_protocol protocol, const std::byte* at, std::size_t size) noexcept
{
    constexpr std::size_t addresses = 8;
    if (size > 0xFFFF) {
        return false;
    }
    const std::uint64_t rest = detail::as_loaded(static_cast<std::uint16_t>(size)) +
                               detail::as_loaded(static_cast<std::uint8_t>(protocol));
    const std::uint64_t sum = detail::sum_as_loaded(at - addresses, addresses + size);
    return fold_checksum(detail::add_with_carry(sum, rest)) == 0xFFFF;
}

}  // namespace tcpco
