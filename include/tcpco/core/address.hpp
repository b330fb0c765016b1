// Addresses: MAC, IPv4, IPv6, "one of the two", prefixes and endpoints.
//
// Every interface of the library takes `ip_address`, so that IPv6 is a case and not a second API. Text forms: dotted
// quads, RFC 4291 section 2.2 for reading IPv6, RFC 5952 for writing it.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tcpco/core/assert.hpp"

namespace tcpco {

struct mac_address {
    std::array<std::uint8_t, 6> octets{};

    static constexpr mac_address broadcast() noexcept { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
    constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
    constexpr bool is_multicast() const noexcept { return (octets[0] & 1) != 0; }  // broadcast included
    friend constexpr auto operator<=>(const mac_address&, const mac_address&) noexcept = default;
};

struct ipv4_address {
    std::uint32_t value = 0;  // host order: 192.0.2.1 is 0xC0000201

    constexpr bool is_unspecified() const noexcept { return value == 0; }
    constexpr bool is_limited_broadcast() const noexcept { return value == 0xFFFFFFFF; }
    constexpr bool is_multicast() const noexcept { return (value >> 28) == 0xE; }
    constexpr bool is_loopback() const noexcept { return (value >> 24) == 127; }
    friend constexpr auto operator<=>(const ipv4_address&, const ipv4_address&) noexcept = default;
};

struct ipv6_address {
    std::array<std::uint8_t, 16> octets{};

    constexpr bool is_unspecified() const noexcept { return octets == std::array<std::uint8_t, 16>{}; }
    constexpr bool is_multicast() const noexcept { return octets[0] == 0xff; }
    friend constexpr auto operator<=>(const ipv6_address&, const ipv6_address&) noexcept = default;
};

enum class ip_family : std::uint8_t { v4 = 4, v6 = 6 };

namespace detail {

constexpr std::optional<ipv4_address> parse_ipv4_text(std::string_view text) noexcept
{
    std::uint32_t value = 0;
    for (int part = 0; part < 4; ++part) {
        if (part > 0) {
            if (text.empty() || text.front() != '.') {
                return std::nullopt;
            }
            text.remove_prefix(1);
        }
        std::uint32_t octet = 0;
        std::size_t digits = 0;
        while (digits < text.size() && digits < 4 && text[digits] >= '0' && text[digits] <= '9') {
            octet = octet * 10 + static_cast<std::uint32_t>(text[digits] - '0');
            ++digits;
        }
        if (digits == 0 || digits > 3 || octet > 255 || (digits > 1 && text[0] == '0')) {
            return std::nullopt;
        }
        value = value << 8 | octet;
        text.remove_prefix(digits);
    }
    return text.empty() ? std::optional{ipv4_address{value}} : std::nullopt;
}

constexpr int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// RFC 4291 section 2.2: eight groups, one "::", optionally a dotted quad at the end. No zone.
constexpr std::optional<ipv6_address> parse_ipv6_text(std::string_view text) noexcept
{
    std::array<std::uint16_t, 8> groups{};
    int count = 0;
    int gap = -1;
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        if (count == 8) {
            return std::nullopt;
        }
        const std::size_t end = text.find(':');
        const std::string_view part = text.substr(0, end);
        if (part.find('.') != std::string_view::npos) {
            const auto quad = parse_ipv4_text(part);
            if (!quad || end != std::string_view::npos || count > 6) {
                return std::nullopt;
            }
            groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(quad->value >> 16);
            groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(quad->value);
            break;
        }
        if (part.empty() || part.size() > 4) {
            return std::nullopt;
        }
        unsigned group = 0;
        for (char c : part) {
            const int digit = hex_digit(c);
            if (digit < 0) {
                return std::nullopt;
            }
            group = group << 4 | static_cast<unsigned>(digit);
        }
        groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(group);
        if (end == std::string_view::npos) {
            break;
        }
        text.remove_prefix(end + 1);
        if (text.starts_with(':')) {
            if (gap >= 0) {
                return std::nullopt;
            }
            gap = count;
            text.remove_prefix(1);
        } else if (text.empty()) {
            return std::nullopt;
        }
    }
    if (gap < 0 ? count != 8 : count > 7) {
        return std::nullopt;
    }
    ipv6_address address;
    for (int i = 0; i < count; ++i) {
        const int at = gap >= 0 && i >= gap ? 8 - count + i : i;
        address.octets[static_cast<std::size_t>(2 * at)] =
            static_cast<std::uint8_t>(groups[static_cast<std::size_t>(i)] >> 8);
        address.octets[static_cast<std::size_t>(2 * at + 1)] =
            static_cast<std::uint8_t>(groups[static_cast<std::size_t>(i)]);
    }
    return address;
}

}  // namespace detail

// An IPv4 or IPv6 address; a default-constructed one is 0.0.0.0, which as a local address means "any of the stack's".
class ip_address {
public:
    constexpr ip_address() = default;
    constexpr ip_address(ipv4_address a) noexcept
        : octets_{std::bit_cast<std::array<std::uint8_t, 16>>(quads{in_network_order(a.value)})}
    {
    }
    constexpr ip_address(ipv6_address a) noexcept : octets_{a.octets}, family_{ip_family::v6} {}

    // nullopt unless the whole text is one address.
    static constexpr std::optional<ip_address> parse(std::string_view text) noexcept
    {
        if (const auto v4 = detail::parse_ipv4_text(text)) return ip_address{*v4};
        if (const auto v6 = detail::parse_ipv6_text(text)) return ip_address{*v6};
        return std::nullopt;
    }

    constexpr ip_family family() const noexcept { return family_; }
    constexpr bool is_v4() const noexcept { return family_ == ip_family::v4; }
    constexpr bool is_v6() const noexcept { return family_ == ip_family::v6; }
    [[gnu::always_inline]] constexpr ipv4_address v4() const noexcept
    {
        TCPCO_ASSERT(is_v4());
        return {in_network_order(std::bit_cast<quads>(octets_)[0])};
    }
    constexpr ipv6_address v6() const noexcept
    {
        TCPCO_ASSERT(is_v6());
        return {octets_};
    }
    // Network order; the first 4 octets for IPv4, the rest is zero.
    constexpr const std::array<std::uint8_t, 16>& octets() const noexcept { return octets_; }
    constexpr bool is_unspecified() const noexcept { return octets_ == std::array<std::uint8_t, 16>{}; }
    constexpr bool is_multicast() const noexcept { return is_v4() ? v4().is_multicast() : v6().is_multicast(); }

    friend constexpr auto operator<=>(const ip_address&, const ip_address&) noexcept = default;
    // The same as the default, by words: each segment is compared with several addresses.
    friend constexpr bool operator==(const ip_address& a, const ip_address& b) noexcept
    {
        const words x = std::bit_cast<words>(a.octets_);
        const words y = std::bit_cast<words>(b.octets_);
        return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.family_ == b.family_;
    }

private:
    using words = std::array<std::uint64_t, 2>;
    using quads = std::array<std::uint32_t, 4>;

    // To it, or back.
    static constexpr std::uint32_t in_network_order(std::uint32_t v) noexcept
    {
        return std::endian::native == std::endian::big
                   ? v
                   : v << 24 | (v << 8 & 0xFF0000) | (v >> 8 & 0xFF00) | v >> 24;
    }

    std::array<std::uint8_t, 16> octets_{};
    ip_family family_ = ip_family::v4;
};

// An address and the length of its network prefix: "198.18.0.2/24".
struct ip_prefix {
    ip_address address{};
    std::uint8_t length = 0;  // 0 to 32, or to 128

    constexpr ip_prefix() = default;
    constexpr ip_prefix(ip_address a, std::uint8_t bits) noexcept : address{a}, length{bits} {}

    // Accepts "a.b.c.d/n"; without "/n" the prefix is the address alone.
    static constexpr std::optional<ip_prefix> parse(std::string_view text) noexcept
    {
        const std::size_t slash = text.find('/');
        const auto address = ip_address::parse(text.substr(0, slash));
        if (!address) {
            return std::nullopt;
        }
        const unsigned longest = address->is_v4() ? 32 : 128;
        unsigned bits = longest;
        if (slash != std::string_view::npos) {
            const std::string_view digits = text.substr(slash + 1);
            if (digits.empty() || digits.size() > 3) {
                return std::nullopt;
            }
            bits = 0;
            for (char c : digits) {
                if (c < '0' || c > '9') {
                    return std::nullopt;
                }
                bits = bits * 10 + static_cast<unsigned>(c - '0');
            }
            if (bits > longest) {
                return std::nullopt;
            }
        }
        return ip_prefix{*address, static_cast<std::uint8_t>(bits)};
    }

    constexpr bool contains(ipv4_address other) const noexcept
    {
        const std::uint32_t hosts = length >= 32 ? 0 : 0xFFFFFFFFu >> length;
        return address.is_v4() && ((address.v4().value ^ other.value) & ~hosts) == 0;
    }
    constexpr bool contains(ip_address other) const noexcept
    {
        if (other.family() != address.family()) {
            return false;
        }
        if (address.is_v4()) {
            return contains(other.v4());
        }
        for (unsigned bit = 0; bit < length; bit += 8) {
            const unsigned rest = length - bit;
            const auto mask = static_cast<std::uint8_t>(rest >= 8 ? 0xff : 0xff << (8 - rest));
            if (((address.octets()[bit / 8] ^ other.octets()[bit / 8]) & mask) != 0) {
                return false;
            }
        }
        return true;
    }

    // The IPv4 subnet's directed broadcast address (all host bits set); meaningless for /31 and /32 (RFC 3021).
    constexpr ipv4_address broadcast() const noexcept
    {
        const std::uint32_t host = length >= 32 ? 0 : 0xFFFFFFFFu >> length;
        return {address.v4().value | host};
    }

    friend constexpr auto operator<=>(const ip_prefix&, const ip_prefix&) noexcept = default;
};

// One end of a connection.
struct endpoint {
    ip_address address{};
    std::uint16_t port = 0;

    constexpr endpoint() = default;
    constexpr endpoint(ip_address a, std::uint16_t p) noexcept : address{a}, port{p} {}
    constexpr endpoint(ipv4_address a, std::uint16_t p) noexcept : address{a}, port{p} {}

    friend constexpr auto operator<=>(const endpoint&, const endpoint&) noexcept = default;
};

namespace detail {

// Text that is no address fails to compile: this function is not constexpr.
inline void not_an_address() {}

}  // namespace detail

inline namespace literals {

// "198.18.0.2"_ip; checked by the compiler.
consteval ip_address operator""_ip(const char* text, std::size_t size)
{
    const auto address = ip_address::parse({text, size});
    if (!address) {
        detail::not_an_address();
    }
    return *address;
}

// "198.18.0.2/24"_net
consteval ip_prefix operator""_net(const char* text, std::size_t size)
{
    const auto prefix = ip_prefix::parse({text, size});
    if (!prefix) {
        detail::not_an_address();
    }
    return *prefix;
}

}  // namespace literals

inline std::string to_string(mac_address mac)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (std::uint8_t octet : mac.octets) {
        if (!text.empty()) {
            text += ':';
        }
        text += digits[octet >> 4];
        text += digits[octet & 15];
    }
    return text;
}

inline std::string to_string(ipv4_address address)
{
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) {
        text += std::to_string(address.value >> shift & 255);
        if (shift > 0) {
            text += '.';
        }
    }
    return text;
}

// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as "::".
inline std::string to_string(const ipv6_address& address)
{
    const auto group = [&](int i) {
        return static_cast<unsigned>(address.octets[static_cast<std::size_t>(2 * i)]) << 8 |
               address.octets[static_cast<std::size_t>(2 * i + 1)];
    };
    int gap = -1;
    int gap_length = 1;
    for (int i = 0; i < 8; ++i) {
        int run = 0;
        while (i + run < 8 && group(i + run) == 0) {
            ++run;
        }
        if (run > gap_length) {
            gap = i;
            gap_length = run;
        }
        i += run;
    }
    std::string text;
    for (int i = 0; i < 8; ++i) {
        if (i == gap) {
            text += "::";
            i += gap_length - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') {
            text += ':';
        }
        bool leading = true;
        for (int shift = 12; shift >= 0; shift -= 4) {
            const unsigned digit = group(i) >> shift & 15;
            leading = leading && digit == 0 && shift > 0;
            if (!leading) {
                text += "0123456789abcdef"[digit];
            }
        }
    }
    return text;
}

inline std::string to_string(const ip_address& address)
{
    return address.is_v4() ? to_string(address.v4()) : to_string(address.v6());
}

inline std::string to_string(const ip_prefix& prefix)
{
    return to_string(prefix.address) + '/' + std::to_string(prefix.length);
}

// "198.18.0.2:7", "[2001:db8::1]:7"
inline std::string to_string(const endpoint& e)
{
    return (e.address.is_v4() ? to_string(e.address) : '[' + to_string(e.address) + ']') + ':' + std::to_string(e.port);
}

}  // namespace tcpco
