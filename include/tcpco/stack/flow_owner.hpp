// Which of several stacks a frame is for, when they share one address: `sharded` runs one on each queue of a device.
//
// A connection belongs to the stack that a keyed hash of its addresses and ports names. So every stack knows the owner
// of any segment from the segment alone: there is no table that they would have to share, nothing to be told when a
// connection opens or ends, and a peer cannot choose ports that all fall to one of them (RFC 6056 has the same worry).
// A stack that opens a connection takes a port with which it owns it.
//
//     TCP                            the owner of its four-tuple
//     ICMP errors that quote TCP     the owner of the quoted segment
//     ARP                            everyone: each stack has a neighbour cache, and one word on the link fills all
//     anything else                  whoever got it: echo requests, fragments, what will be dropped and counted
//
// Nothing is verified here but that the octets are there: a damaged frame is dropped by the stack it comes to. Left
// out: IPv6, VLAN tags and 127.0.0.0/8, which never meets a device.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/seed.hpp"
#include "tcpco/core/siphash.hpp"
#include "tcpco/storage/flow_table.hpp"
#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"

namespace tcpco {

// The rule: which of `count` stacks has a connection.
class flow_owner {
public:
    // Alone: everything is ours.
    constexpr flow_owner() noexcept = default;
    // Stack `index` of `count`, index < count. All of them have the same seed: the key derives from it.
    constexpr flow_owner(const stack_seed& seed, std::uint32_t index, std::uint32_t count) noexcept
        : hash_{derive_key(seed, 0x6f77'6e65'7200)}, index_{index}, count_{count}
    {
    }

    constexpr std::uint32_t index() const noexcept { return index_; }
    constexpr std::uint32_t count() const noexcept { return count_; }

    // The index of the stack that has this connection. `local` is this host's side.
    constexpr std::uint32_t of(const four_tuple& flow) const noexcept
    {
        return static_cast<std::uint32_t>(((hash_(flow) >> 32) * count_) >> 32);
    }
    constexpr bool owns(const four_tuple& flow) const noexcept { return count_ == 1 || of(flow) == index_; }

private:
    four_tuple_hash hash_{};
    std::uint32_t index_ = 0;
    std::uint32_t count_ = 1;
};

// The rule applied to frames, with a memory of the last one: they come in runs of one connection.
class frame_sorter {
public:
    // What of() answers for a frame that concerns all stacks alike.
    static constexpr std::uint32_t everyone = 0xFFFF'FFFF;

    // `own`: frames to other stations are left where they arrive. Without Ethernet there are none.
    frame_sorter(const flow_owner& owner, bool ethernet, mac_address own) noexcept
        : owner_{owner}, ethernet_{ethernet}, own_{own}
    {
    }

    const flow_owner& owner() const noexcept { return owner_; }

    // The index of the stack that a frame is for, or everyone.
    std::uint32_t of(std::span<const std::byte> frame) noexcept
    {
        if (ethernet_) {
            if (frame.size() < ethernet_header_size) {
                return owner_.index();
            }
            const std::uint16_t type = read_be16(frame.data() + 12);
            if (type == static_cast<std::uint16_t>(ethertype::arp)) {
                return everyone;
            }
            const bool ours = std::memcmp(frame.data(), own_.octets.data(), own_.octets.size()) == 0;
            if (!ours || type != static_cast<std::uint16_t>(ethertype::ipv4)) {
                return owner_.index();
            }
            frame = frame.subspan(ethernet_header_size);
        }
        return of_packet(frame);
    }

    // What another stack is told of an ARP request that came here: it learns who asks, and must not answer a second
    // time. RFC 826 believes requests and replies alike, so the copy becomes a reply. `frame` has its Ethernet header.
    static void make_reply_of_request(std::span<std::byte> frame) noexcept
    {
        if (frame.size() >= ethernet_header_size + arp_packet_size) {
            write_be16(frame.data() + ethernet_header_size + 6, static_cast<std::uint16_t>(arp_operation::reply));
        }
    }

private:
    static constexpr std::size_t ports_size = 4;

    std::uint32_t of_packet(std::span<const std::byte> packet) noexcept
    {
        if (!has_transport(packet) || is_fragment(packet)) {
            return owner_.index();
        }
        const std::span<const std::byte> inner = packet.subspan(header_size(packet));
        const auto protocol = std::to_integer<std::uint8_t>(packet[9]);
        if (protocol == static_cast<std::uint8_t>(ip_protocol::tcp)) {
            return of_segment(packet.data() + 12, inner.data());
        }
        if (protocol == static_cast<std::uint8_t>(ip_protocol::icmp)) {
            return of_quoted(inner);
        }
        return owner_.index();
    }

    // Both addresses, the source's first, and both ports likewise.
    std::uint32_t of_segment(const std::byte* addresses, const std::byte* ports) noexcept
    {
        std::uint64_t both = 0;
        std::uint32_t pair = 0;
        std::memcpy(&both, addresses, sizeof both);
        std::memcpy(&pair, ports, sizeof pair);
        if (both != last_addresses_ || pair != last_ports_ || last_ == everyone) {
            last_addresses_ = both;
            last_ports_ = pair;
            last_ = owner_.of({.local = {ip_address{read_ipv4_address(addresses + 4)}, read_be16(ports + 2)},
                               .remote = {ip_address{read_ipv4_address(addresses)}, read_be16(ports)}});
        }
        return last_;
    }

    // RFC 792: an error quotes the IP header of what it is about and eight octets more. What is quoted, this host sent.
    std::uint32_t of_quoted(std::span<const std::byte> message) const noexcept
    {
        if (message.size() < icmp_header_size || !is_error(static_cast<icmp_type>(message[0]))) {
            return owner_.index();
        }
        const std::span<const std::byte> quoted = message.subspan(icmp_header_size);
        if (!has_transport(quoted) ||
            std::to_integer<std::uint8_t>(quoted[9]) != static_cast<std::uint8_t>(ip_protocol::tcp)) {
            return owner_.index();
        }
        const std::byte* const ports = quoted.data() + header_size(quoted);
        return owner_.of({.local = {ip_address{read_ipv4_address(quoted.data() + 12)}, read_be16(ports)},
                          .remote = {ip_address{read_ipv4_address(quoted.data() + 16)}, read_be16(ports + 2)}});
    }

    static constexpr bool is_error(icmp_type type) noexcept
    {
        return type == icmp_type::destination_unreachable || type == icmp_type::time_exceeded ||
               type == icmp_type::parameter_problem;
    }
    static std::size_t header_size(std::span<const std::byte> packet) noexcept
    {
        return std::to_integer<std::size_t>(packet[0] & std::byte{0x0F}) * 4;
    }
    // IPv4, with both ports behind the header.
    static bool has_transport(std::span<const std::byte> packet) noexcept
    {
        return packet.size() >= ipv4_header_size && std::to_integer<unsigned>(packet[0]) >> 4 == 4 &&
               header_size(packet) >= ipv4_header_size && packet.size() >= header_size(packet) + ports_size;
    }
    static bool is_fragment(std::span<const std::byte> packet) noexcept
    {
        return (read_be16(packet.data() + 6) & 0x3FFF) != 0;  // an offset, or more to come
    }

    flow_owner owner_;
    bool ethernet_;
    mac_address own_;
    std::uint64_t last_addresses_ = 0;
    std::uint32_t last_ports_ = 0;
    std::uint32_t last_ = everyone;  // of the last segment; everyone: there was none
};

}  // namespace tcpco
