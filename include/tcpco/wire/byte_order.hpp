// Network byte order: how integers and addresses stand in a header.
//
// The pointer forms are for code that has checked the length of the whole header once; the span forms name an offset
// and assert it. Both are constexpr, so every codec above them can be checked by the compiler; both become one load or
// store and a byte swap when optimised.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"

namespace tcpco {

constexpr std::uint16_t read_be16(const std::byte* at) noexcept
{
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 | std::to_integer<unsigned>(at[1]));
}

constexpr std::uint32_t read_be32(const std::byte* at) noexcept
{
    return std::to_integer<std::uint32_t>(at[0]) << 24 | std::to_integer<std::uint32_t>(at[1]) << 16 |
           std::to_integer<std::uint32_t>(at[2]) << 8 | std::to_integer<std::uint32_t>(at[3]);
}

constexpr void write_be16(std::byte* at, std::uint16_t value) noexcept
{
    at[0] = static_cast<std::byte>(value >> 8);
    at[1] = static_cast<std::byte>(value & 0xff);
}

constexpr void write_be32(std::byte* at, std::uint32_t value) noexcept
{
    at[0] = static_cast<std::byte>(value >> 24);
    at[1] = static_cast<std::byte>(value >> 16 & 0xff);
    at[2] = static_cast<std::byte>(value >> 8 & 0xff);
    at[3] = static_cast<std::byte>(value & 0xff);
}

constexpr std::uint16_t read_be16(std::span<const std::byte> octets, std::size_t offset) noexcept
{
    TCPCO_ASSERT(offset <= octets.size() && octets.size() - offset >= 2);
    return read_be16(octets.data() + offset);
}

constexpr std::uint32_t read_be32(std::span<const std::byte> octets, std::size_t offset) noexcept
{
    TCPCO_ASSERT(offset <= octets.size() && octets.size() - offset >= 4);
    return read_be32(octets.data() + offset);
}

constexpr void write_be16(std::span<std::byte> octets, std::size_t offset, std::uint16_t value) noexcept
{
    TCPCO_ASSERT(offset <= octets.size() && octets.size() - offset >= 2);
    write_be16(octets.data() + offset, value);
}

constexpr void write_be32(std::span<std::byte> octets, std::size_t offset, std::uint32_t value) noexcept
{
    TCPCO_ASSERT(offset <= octets.size() && octets.size() - offset >= 4);
    write_be32(octets.data() + offset, value);
}

constexpr ipv4_address read_ipv4_address(const std::byte* at) noexcept { return {read_be32(at)}; }

constexpr void write_ipv4_address(std::byte* at, ipv4_address address) noexcept { write_be32(at, address.value); }

constexpr mac_address read_mac_address(const std::byte* at) noexcept
{
    mac_address mac;
    std::transform(at, at + 6, mac.octets.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return mac;
}

constexpr void write_mac_address(std::byte* at, mac_address mac) noexcept
{
    std::transform(mac.octets.begin(), mac.octets.end(), at, [](std::uint8_t o) { return std::byte{o}; });
}

}  // namespace tcpco
