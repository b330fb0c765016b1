// Network byte order: how integers and addresses stand in a header.
//
// The pointer forms are for code that has checked the length of the whole header once; the span forms name an offset
// and assert it. Both are constexpr, so every codec above them can be checked by the compiler; at run time both are one
// load or store and a byte swap.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "tcpco/core/address.hpp"
#include "tcpco/core/assert.hpp"

namespace tcpco {

namespace detail {

// From the machine's order to that of the network, or back.
constexpr std::uint16_t in_network_order(std::uint16_t v) noexcept
{
    return std::endian::native == std::endian::big ? v : static_cast<std::uint16_t>(v << 8 | v >> 8);
}
constexpr std::uint32_t in_network_order(std::uint32_t v) noexcept
{
    return std::endian::native == std::endian::big
               ? v
               : v << 24 | (v << 8 & 0xFF0000) | (v >> 8 & 0xFF00) | v >> 24;
}

}  // namespace detail

[[gnu::always_inline]] constexpr std::uint16_t read_be16(const std::byte* at) noexcept
{
    if (!std::is_constant_evaluated()) {
        std::uint16_t word = 0;
        std::memcpy(&word, at, sizeof word);
        return detail::in_network_order(word);
    }
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 | std::to_integer<unsigned>(at[1]));
}

[[gnu::always_inline]] constexpr std::uint32_t read_be32(const std::byte* at) noexcept
{
    if (!std::is_constant_evaluated()) {
        std::uint32_t word = 0;
        std::memcpy(&word, at, sizeof word);
        return detail::in_network_order(word);
    }
    return std::to_integer<std::uint32_t>(at[0]) << 24 | std::to_integer<std::uint32_t>(at[1]) << 16 |
           std::to_integer<std::uint32_t>(at[2]) << 8 | std::to_integer<std::uint32_t>(at[3]);
}

[[gnu::always_inline]] constexpr void write_be16(std::byte* at, std::uint16_t value) noexcept
{
    if (!std::is_constant_evaluated()) {
        const std::uint16_t word = detail::in_network_order(value);
        std::memcpy(at, &word, sizeof word);
        return;
    }
    at[0] = static_cast<std::byte>(value >> 8);
    at[1] = static_cast<std::byte>(value & 0xff);
}

[[gnu::always_inline]] constexpr void write_be32(std::byte* at, std::uint32_t value) noexcept
{
    if (!std::is_constant_evaluated()) {
        const std::uint32_t word = detail::in_network_order(value);
        std::memcpy(at, &word, sizeof word);
        return;
    }
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
    if (!std::is_constant_evaluated()) {
        std::memcpy(mac.octets.data(), at, mac.octets.size());
        return mac;
    }
    std::transform(at, at + 6, mac.octets.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return mac;
}

constexpr void write_mac_address(std::byte* at, mac_address mac) noexcept
{
    if (!std::is_constant_evaluated()) {
        std::memcpy(at, mac.octets.data(), mac.octets.size());
        return;
    }
    std::transform(mac.octets.begin(), mac.octets.end(), at, [](std::uint8_t o) { return std::byte{o}; });
}

}  // namespace tcpco
