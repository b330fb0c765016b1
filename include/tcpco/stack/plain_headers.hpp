// Ethernet, IPv4 and TCP headers of a segment with timestamps or without options (tcp/plain_segment.hpp), written and
// summed up word by word, while the words are in registers.
//
// The codecs of wire/ write any header, one layer after the other, and the checksums read them again: several times as
// many instructions. What they write is what stands here, too: builds with TCPCO_BOTH_WAYS ask them for each frame, and
// compare. Nothing is kept from one frame to the next, so nothing of it can be out of date.
//
// Left out: IPv6, other options, marks (ECN), super-frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

struct plain_headers {
    bool ethernet = true;
    mac_address next_hop{};
    mac_address source_mac{};

    ipv4_address source{};
    ipv4_address destination{};
    std::uint16_t identification = 0;
    std::uint8_t dscp = 0;
    std::uint8_t ttl = 64;
    bool dont_fragment = true;

    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    sequence_number seq{};
    sequence_number ack{};
    std::uint16_t flags = tcp_flag::ack;
    std::uint16_t window = 0;
    bool timestamps = false;
    std::uint32_t tsval = 0;
    std::uint32_t tsecr = 0;

    constexpr std::size_t size() const noexcept
    {
        return (ethernet ? ethernet_header_size : 0) + ipv4_header_size + tcp_size();
    }

    // Writes size() octets to `out`. `text` is what follows them; `completes`: the checksum is ours to make, not the
    // device's. MUST-2
    [[gnu::always_inline]] void write(std::byte* out, std::span<const std::byte> text, bool completes) const noexcept
    {
        if (ethernet) {
            write_mac_address(out, next_hop);
            write_mac_address(out + 6, source_mac);
            write_be16(out + 12, static_cast<std::uint16_t>(ethertype::ipv4));
            out += ethernet_header_size;
        }
        const auto length = static_cast<std::uint32_t>(tcp_size() + text.size());
        const std::uint64_t addresses = std::uint64_t{source.value} + destination.value;
        write_ip(out, length, addresses);
        write_tcp(out + ipv4_header_size, length, addresses, text, completes);
    }

private:
    constexpr std::size_t tcp_size() const noexcept
    {
        return tcp_header_size + (timestamps ? detail::aligned_timestamps_size : 0);
    }

    // A sum of 32-bit words is that of their halves, as far as the checksum goes (RFC 1071).
    [[gnu::always_inline]] void write_ip(std::byte* at, std::uint32_t length, std::uint64_t addresses) const noexcept
    {
        const std::uint32_t first =
            0x4500'0000U | std::uint32_t{dscp} << 18 | (std::uint32_t{ipv4_header_size} + length);
        const std::uint32_t second = std::uint32_t{identification} << 16 | (dont_fragment ? 0x4000U : 0U);
        const std::uint32_t third =
            std::uint32_t{ttl} << 24 | static_cast<std::uint32_t>(static_cast<std::uint8_t>(ip_protocol::tcp)) << 16;
        const std::uint64_t sum = addresses + first + second + third;
        write_be32(at, first);
        write_be32(at + 4, second);
        write_be32(at + 8, third | (~std::uint32_t{fold_checksum(sum)} & 0xFFFF));
        write_be32(at + 12, source.value);
        write_be32(at + 16, destination.value);
    }

    [[gnu::always_inline]] void write_tcp(std::byte* at, std::uint32_t length, std::uint64_t addresses,
                                          std::span<const std::byte> text, bool completes) const noexcept
    {
        const std::uint32_t ports = std::uint32_t{source_port} << 16 | destination_port;
        const std::uint32_t fourth =
            static_cast<std::uint32_t>(tcp_size() / 4) << 28 | std::uint32_t{flags} << 16 | window;
        std::uint64_t sum = addresses + static_cast<std::uint8_t>(ip_protocol::tcp) + length;  // the pseudo-header
        write_be32(at, ports);
        write_be32(at + 4, seq.value);
        write_be32(at + 8, ack.value);
        write_be32(at + 12, fourth);
        if (timestamps) {
            write_be32(at + 20, detail::aligned_timestamps);
            write_be32(at + 24, tsval);
            write_be32(at + 28, tsecr);
        }
        if (completes) {
            sum += std::uint64_t{ports} + seq.value + ack.value + fourth;
            sum += timestamps ? std::uint64_t{detail::aligned_timestamps} + tsval + tsecr : 0;
            sum += detail::sum_message<false>(text.data(), text.size(), nullptr);
        }
        const std::uint16_t folded = fold_checksum(sum);
        write_be32(at + 16, std::uint32_t{completes ? static_cast<std::uint16_t>(~folded) : folded} << 16);
    }
};

}  // namespace tcpco
