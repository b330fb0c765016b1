// A stack beside a host that consists of nothing but frames: the test writes each frame that arrives, and reads each
// that leaves.
//
// `raw_host` holds the stack (192.0.2.1/24), the clock and what the stack sent. The other end's frames are made by the
// functions below; `raw_tcp` keeps the sequence numbers of one TCP connection of that other end.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/network.hpp"
#include "support/stack_instance.hpp"
#include "tcpco/core.hpp"

namespace tcpco_test {

inline constexpr mac_address stack_mac{{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr mac_address other_mac{{0x02, 0, 0, 0, 0, 0x99}};
inline constexpr ip_address stack_ip = "192.0.2.1"_ip;
inline constexpr ip_address other_ip = "192.0.2.9"_ip;

// --- frames as the other end writes them ---------------------------------------------------------------------------

struct link_addresses {
    mac_address source = other_mac;
    mac_address destination = stack_mac;
};

inline octets ethernet_frame_of(ethertype type, const octets& packet, link_addresses link = {})
{
    octets frame(ethernet_header_size + packet.size());
    write_ethernet({.destination = link.destination, .source = link.source, .type = type}, frame);
    std::copy(packet.begin(), packet.end(), frame.begin() + ethernet_header_size);
    return frame;
}

struct ip_options {
    ip_address source = other_ip;
    ip_address destination = stack_ip;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;
    std::uint8_t ecn = 0;
};

inline octets ip_packet_of(ip_protocol protocol, const octets& payload, const ip_options& ip = {})
{
    ipv4_header header;
    header.total_length = static_cast<std::uint16_t>(ipv4_header_size + payload.size());
    header.protocol = protocol;
    header.ttl = 64;
    header.more_fragments = ip.more_fragments;
    header.fragment_offset = ip.fragment_offset;
    header.ecn = ip.ecn;
    header.source = ip.source.v4();
    header.destination = ip.destination.v4();
    octets packet(ipv4_header_size + payload.size());
    write_ipv4(header, packet);
    std::copy(payload.begin(), payload.end(), packet.begin() + ipv4_header_size);
    return packet;
}

inline octets arp_frame_of(arp_operation operation, mac_address sender_mac, ip_address sender, ip_address target,
                           mac_address destination = mac_address::broadcast())
{
    octets packet(arp_packet_size);
    write_arp({.operation = operation,
               .sender_mac = sender_mac,
               .sender_ip = sender.v4(),
               .target_mac = operation == arp_operation::reply ? destination : mac_address{},
               .target_ip = target.v4()},
              packet);
    return ethernet_frame_of(ethertype::arp, packet, {sender_mac, destination});
}

inline octets icmp_message_of(const icmp_header& header, const octets& body)
{
    octets message(icmp_header_size + body.size());
    const std::array pieces{std::span<const std::byte>{body}};
    write_icmp(header, pieces, message);
    std::copy(body.begin(), body.end(), message.begin() + icmp_header_size);
    return message;
}

inline octets tcp_segment_of(const ip_options& ip, tcp_header header, const tcp_options& options, const octets& payload)
{
    octets segment(max_tcp_header_size);
    segment.resize(write_tcp(header, options, segment));
    segment.insert(segment.end(), payload.begin(), payload.end());
    const std::array pieces{std::span<const std::byte>{segment}};
    write_tcp_checksum(transport_checksum(ip.source, ip.destination, ip_protocol::tcp, pieces), segment);
    return segment;
}

// --- frames as the stack wrote them --------------------------------------------------------------------------------

// What a sent frame says; parsing checks every checksum.
struct sent_packet {
    time_point at{};
    octets frame;
    frame_info info{};
    bool ethernet = true;

    std::size_t link() const { return ethernet ? ethernet_header_size : 0; }
    std::span<const std::byte> ip_octets() const { return std::span<const std::byte>{frame}.subspan(link()); }
    mac_address to_mac() const { return parse_ethernet(frame)->header.destination; }
    std::optional<arp_packet> arp() const
    {
        const auto link_frame = parse_ethernet(frame);
        if (!ethernet || !link_frame || link_frame->header.type != ethertype::arp) {
            return std::nullopt;
        }
        const auto packet = parse_arp(link_frame->payload);
        return packet ? std::optional{*packet} : std::nullopt;
    }
    std::optional<ipv4_packet> ip() const
    {
        if (ethernet && parse_ethernet(frame)->header.type != ethertype::ipv4) {
            return std::nullopt;
        }
        const auto packet = parse_ipv4(ip_octets());
        return packet ? std::optional{*packet} : std::nullopt;
    }
    std::optional<icmp_message> icmp() const
    {
        const auto packet = ip();
        if (!packet || packet->header.protocol != ip_protocol::icmp) {
            return std::nullopt;
        }
        const auto message = parse_icmp(packet->payload);
        return message ? std::optional{*message} : std::nullopt;
    }
    // Null also when the checksum is wrong, unless a device was to complete it.
    std::optional<tcp_segment> tcp() const
    {
        const auto packet = ip();
        if (!packet || packet->header.protocol != ip_protocol::tcp ||
            (info.checksum == checksum_state::verify &&
             !transport_checksum_good(packet->header.source, packet->header.destination, ip_protocol::tcp,
                                      packet->payload))) {
            return std::nullopt;
        }
        const auto segment = parse_tcp(packet->payload);
        return segment ? std::optional{*segment} : std::nullopt;
    }
};

// --- the stack under test ------------------------------------------------------------------------------------------

template <class Bundle = default_policies>
struct raw_host {
    static stack_config<Bundle> default_config()
    {
        stack_config<Bundle> c{.address = "192.0.2.1/24"_net};
        c.network.mac = stack_mac;
        c.limits.connections = 256;
        c.limits.small_slots = 256;
        c.limits.large_slots = 32;
        c.seed = 7;
        return c;
    }

    explicit raw_host(const stack_config<Bundle>& c = default_config()) : stack{c}, ethernet{c.network.ethernet} {}

    basic_stack<Bundle> stack;
    time_point now{duration{1'000'000'000}};
    bool ethernet;
    std::vector<sent_packet> sent;

    void receive(const octets& frame, frame_info info = {})
    {
        stack.receive_copy(now, frame, info);
        stack.check_invariants();
    }
    void receive_packet(const octets& packet, frame_info info = {})
    {
        receive(ethernet ? ethernet_frame_of(ethertype::ipv4, packet) : packet, info);
    }

    // What the stack has to send now; it is kept in `sent`, too.
    std::vector<sent_packet> drain()
    {
        std::vector<sent_packet> out;
        while (stack.has_output()) {
            const std::size_t taken = stack.transmit(now, [&](const outgoing_frame& f) {
                out.push_back({now, octets_of(f), f.info, ethernet});
                return sink_verdict::done;
            });
            if (taken == 0) {
                break;
            }
        }
        stack.check_invariants();
        sent.insert(sent.end(), out.begin(), out.end());
        return out;
    }

    // Lets time pass, stopping at each deadline, and returns what was sent on the way.
    std::vector<sent_packet> wait(duration d)
    {
        const time_point end = now + d;
        std::vector<sent_packet> out = drain();
        while (stack.deadline() <= end) {
            now = std::max(now, stack.deadline());
            stack.advance(now);
            stack.check_invariants();
            const auto more = drain();
            out.insert(out.end(), more.begin(), more.end());
        }
        now = end;
        stack.advance(now);
        const auto more = drain();
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }

    // The stack knows where `address` is, without a word on the wire.
    void know(ip_address address = other_ip, mac_address mac = other_mac) { stack.set_neighbour(address.v4(), mac); }

    std::uint64_t dropped(drop_reason reason) const { return stack.counters().of(reason); }
    std::uint64_t dropped() const
    {
        std::uint64_t total = 0;
        for (const std::uint64_t n : stack.counters().dropped) {
            total += n;
        }
        return total;
    }
};

// --- one TCP connection of the other end ---------------------------------------------------------------------------

template <class Host>
struct raw_tcp {
    Host& host;
    endpoint self{other_ip, 5'000};
    endpoint stack{stack_ip, 80};
    sequence_number seq{1'000};  // next to send
    sequence_number ack{};       // next expected
    std::uint16_t window = 65'535;
    tcp_options options{};  // of every segment
    std::uint8_t ecn = 0;   // likewise
    frame_info info{};

    octets packet(std::uint16_t flags, const octets& payload = {}) const { return packet(flags, seq, ack, payload); }
    octets packet(std::uint16_t flags, sequence_number at, sequence_number acks, const octets& payload = {}) const
    {
        const ip_options ip{.source = self.address, .destination = stack.address, .ecn = ecn};
        tcp_header header{.source_port = self.port,
                          .destination_port = stack.port,
                          .seq = at,
                          .ack = (flags & tcp_flag::ack) != 0 ? acks : sequence_number{},
                          .flags = flags,
                          .window = window};
        return ip_packet_of(ip_protocol::tcp, tcp_segment_of(ip, header, options, payload), ip);
    }

    // Sends a segment at `seq` and moves on.
    void send(std::uint16_t flags, const octets& payload = {})
    {
        host.receive_packet(packet(flags, payload), info);
        seq = seq + static_cast<std::uint32_t>(payload.size()) + ((flags & tcp_flag::syn) != 0 ? 1U : 0U) +
              ((flags & tcp_flag::fin) != 0 ? 1U : 0U);
    }
    // Sends a segment somewhere, and forgets it.
    void send_at(std::uint16_t flags, std::int32_t offset, const octets& payload = {})
    {
        host.receive_packet(packet(flags, seq + static_cast<std::uint32_t>(offset), ack, payload), info);
    }

    // Notes what the stack sent to this end: `ack` follows its in-order octets, which are returned.
    octets take(const std::vector<sent_packet>& packets)
    {
        octets text;
        for (const sent_packet& p : packets) {
            const auto segment = p.tcp();
            if (!segment || segment->header.destination_port != self.port) {
                continue;
            }
            const bool syn = segment->header.has(tcp_flag::syn);
            if (syn) {
                ack = segment->header.seq;
            }
            if (segment->header.seq != ack) {
                continue;
            }
            text.insert(text.end(), segment->payload.begin(), segment->payload.end());
            ack = ack + static_cast<std::uint32_t>(segment->payload.size()) + (syn ? 1U : 0U) +
                  (segment->header.has(tcp_flag::fin) ? 1U : 0U);
        }
        return text;
    }
    octets take() { return take(host.drain()); }

    // The other end connects to a listener of the stack.
    void open()
    {
        send(tcp_flag::syn);
        take();
        send(tcp_flag::ack);
        host.drain();
    }
    // The other end answers the SYN of the stack's connect(), which is on its way.
    void answer_connect()
    {
        take();
        send(tcp_flag::syn | tcp_flag::ack);
        host.drain();
    }
};

}  // namespace tcpco_test
