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
#include <cstring>
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
        const auto length = static_cast<std::uint16_t>(tcp_size() + text.size());
        write_ip(out, length);
        write_tcp(out + ipv4_header_size, length, text, completes);
    }

private:
    constexpr std::size_t tcp_size() const noexcept
    {
        return tcp_header_size + (timestamps ? detail::aligned_timestamps_size : 0);
    }

    // Folds the sum of words as they lie in memory, and stores it.
    [[gnu::always_inline]] static void store_checksum(std::byte* at, std::uint64_t sum, bool complement) noexcept
    {
        const std::uint16_t folded = fold_checksum(sum);
        const auto field = complement ? static_cast<std::uint16_t>(~folded) : folded;
        std::memcpy(at, &field, sizeof field);
    }

    [[gnu::always_inline]] void write_ip(std::byte* at, std::uint16_t length) const noexcept
    {
        write_be32(at, 0x4500'0000U | std::uint32_t{dscp} << 18 | (std::uint32_t{ipv4_header_size} + length));
        write_be32(at + 4, std::uint32_t{identification} << 16 | (dont_fragment ? 0x4000U : 0U));
        write_be32(at + 8, std::uint32_t{ttl} << 24 |
                               static_cast<std::uint32_t>(static_cast<std::uint8_t>(ip_protocol::tcp)) << 16);
        write_be32(at + 12, source.value);
        write_be32(at + 16, destination.value);
        store_checksum(at + 10, detail::header_words<5>(at), true);
    }

    // RFC 9293 3.1. Both addresses, which belong to the pseudo-header, stand right before it.
    [[gnu::always_inline]] void write_tcp(std::byte* at, std::uint16_t length, std::span<const std::byte> text,
                                          bool completes) const noexcept
    {
        write_be32(at, std::uint32_t{source_port} << 16 | destination_port);
        write_be32(at + 4, seq.value);
        write_be32(at + 8, ack.value);
        write_be32(at + 12, static_cast<std::uint32_t>(tcp_size() / 4) << 28 | std::uint32_t{flags} << 16 | window);
        write_be32(at + 16, 0);
        if (timestamps) {
            write_be32(at + 20, detail::aligned_timestamps);
            write_be32(at + 24, tsval);
            write_be32(at + 28, tsecr);
        }
        std::uint64_t sum = detail::as_loaded(length) + detail::as_loaded(static_cast<std::uint8_t>(ip_protocol::tcp)) +
                            detail::header_words<2>(at - 8);
        if (completes) {
            sum += timestamps ? detail::header_words<8>(at) : detail::header_words<5>(at);
            sum = detail::add_with_carry(sum, detail::sum_as_loaded(text.data(), text.size()));
        }
        store_checksum(at + 16, sum, completes);
    }
};

}  // namespace tcpco
