// One line of text for a frame or packet, in the manner of tcpdump: for transcripts and test failure messages.
//
//     198.18.0.1.40000 > 198.18.0.2.7: Flags [S], seq 1000, win 65535, options [mss 1460,wscale 7], length 0
//
// Sequence numbers are absolute. Whatever cannot be parsed is named with the reason. This is the one header of the
// folder that allocates; nothing on a packet's way calls it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tcpco/core/address.hpp"
#include "tcpco/core/frame_info.hpp"
#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

// "S.", "FP.", "none": tcpdump's letters and order; reserved bits are 'r'.
inline std::string dump_tcp_flags(std::uint16_t flags)
{
    constexpr char letters[] = "FSRP.UEWe";
    std::string text;
    for (unsigned bit = 0; bit < 9; ++bit) {
        if ((flags >> bit & 1) != 0) {
            text += letters[bit];
        }
    }
    if ((flags & tcp_flag::reserved) != 0) {
        text += 'r';
    }
    return text.empty() ? "none" : text;
}

// "mss 1460,sackOK,TS val 1 ecr 0,wscale 7"; empty without options.
inline std::string dump_tcp_options(const tcp_options& options)
{
    std::string text;
    const auto item = [&text](const std::string& s) { text += (text.empty() ? "" : ",") + s; };
    if (options.has_mss) {
        item("mss " + std::to_string(options.mss));
    }
    if (options.sack_permitted) {
        item("sackOK");
    }
    if (options.has_timestamps) {
        item("TS val " + std::to_string(options.tsval) + " ecr " + std::to_string(options.tsecr));
    }
    if (options.has_window_scale) {
        item("wscale " + std::to_string(options.window_scale));
    }
    if (options.user_timeout != 0) {
        item("uto " + std::to_string(options.user_timeout & 0x7FFF) + (options.user_timeout > 0x7FFF ? " min" : " s"));
    }
    if (options.accecn.present) {
        std::string counted = "accecn" + std::to_string(options.accecn.order);
        for (std::size_t i = 0; i < options.accecn.count; ++i) {
            counted += ' ' + std::to_string(options.accecn.fields[i]);
        }
        item(counted);
    }
    if (options.sack_count != 0) {
        std::string blocks = "sack " + std::to_string(options.sack_count) + ' ';
        for (const sack_block& block : options.sacks()) {
            blocks += '{' + std::to_string(block.left.value) + ':' + std::to_string(block.right.value) + '}';
        }
        item(blocks);
    }
    if (options.malformed) {
        item("malformed");
    }
    return text;
}

// "Flags [P.], seq 1:11, ack 1, win 512, length 10": a segment without its addresses.
inline std::string dump_tcp_segment(const tcp_segment& segment)
{
    const tcp_header& h = segment.header;
    std::string text = "Flags [" + dump_tcp_flags(h.flags) + ']';
    if (!segment.payload.empty() || (h.flags & (tcp_flag::syn | tcp_flag::fin | tcp_flag::rst)) != 0) {
        text += ", seq " + std::to_string(h.seq.value);
        if (!segment.payload.empty()) {
            text += ':' + std::to_string(h.seq.value + static_cast<std::uint32_t>(segment.payload.size()));
        }
    }
    if (h.has(tcp_flag::ack)) {
        text += ", ack " + std::to_string(h.ack.value);
    }
    text += ", win " + std::to_string(h.window);
    if (h.has(tcp_flag::urg)) {
        text += ", urg " + std::to_string(h.urgent_pointer);
    }
    const std::string options = dump_tcp_options(parse_tcp_options(segment.options));
    if (!options.empty()) {
        text += ", options [" + options + ']';
    }
    return text + ", length " + std::to_string(segment.payload.size());
}

// A TCP segment between two addresses. With checksum_state::verify a wrong checksum is mentioned.
inline std::string dump_tcp(const ip_address& source, const ip_address& destination, std::span<const std::byte> octets,
                            checksum_state checksum = checksum_state::verify)
{
    const auto segment = parse_tcp(octets);
    if (!segment) {
        return to_string(source) + " > " + to_string(destination) + ": TCP, " + message(segment.error);
    }
    std::string text = to_string(source) + '.' + std::to_string(segment->header.source_port) + " > " +
                       to_string(destination) + '.' + std::to_string(segment->header.destination_port) + ": " +
                       dump_tcp_segment(*segment);
    if (checksum == checksum_state::verify &&
        !transport_checksum_good(source, destination, ip_protocol::tcp, octets)) {
        text += ", bad checksum";
    }
    return text;
}

// "ARP, Request who-has 198.18.0.2 tell 198.18.0.1", "ARP, Reply 198.18.0.2 is-at 02:00:00:00:00:02"
inline std::string dump_arp(std::span<const std::byte> octets)
{
    const auto arp = parse_arp(octets);
    if (!arp) {
        return std::string{"ARP, "} + message(arp.error);
    }
    if (arp->operation == arp_operation::request) {
        return "ARP, Request who-has " + to_string(arp->target_ip) + " tell " + to_string(arp->sender_ip);
    }
    return "ARP, Reply " + to_string(arp->sender_ip) + " is-at " + to_string(arp->sender_mac);
}

namespace detail {

inline std::string dump_icmp_unreachable(const icmp_header& header)
{
    switch (static_cast<icmp_unreachable>(header.code)) {
    case icmp_unreachable::network: return "network unreachable";
    case icmp_unreachable::host: return "host unreachable";
    case icmp_unreachable::protocol: return "protocol unreachable";
    case icmp_unreachable::port: return "port unreachable";
    case icmp_unreachable::fragmentation_needed:
        return "fragmentation needed, mtu " + std::to_string(header.next_hop_mtu());
    default: return "unreachable, code " + std::to_string(header.code);
    }
}

inline std::string dump_icmp_header(const icmp_header& header)
{
    const auto echo = [&header] {
        return ", id " + std::to_string(header.identifier()) + ", seq " + std::to_string(header.sequence());
    };
    switch (header.type) {
    case icmp_type::echo_request: return "echo request" + echo();
    case icmp_type::echo_reply: return "echo reply" + echo();
    case icmp_type::destination_unreachable: return dump_icmp_unreachable(header);
    case icmp_type::source_quench: return "source quench";
    case icmp_type::redirect: return "redirect, code " + std::to_string(header.code);
    case icmp_type::time_exceeded: return "time exceeded, code " + std::to_string(header.code);
    case icmp_type::parameter_problem: return "parameter problem, octet " + std::to_string(header.pointer());
    }
    return "type " + std::to_string(static_cast<unsigned>(header.type)) + ", code " + std::to_string(header.code);
}

inline std::string dump_ipv4_payload(const ipv4_packet& ip, checksum_state checksum)
{
    const std::string addresses = to_string(ip.header.source) + " > " + to_string(ip.header.destination) + ": ";
    const std::string length = ", length " + std::to_string(ip.payload.size());
    if (ip.header.is_fragment()) {
        return addresses + "fragment " + std::to_string(ip.header.identification) + '@' +
               std::to_string(ip.header.fragment_offset * 8) + (ip.header.more_fragments ? "+" : "") + length;
    }
    switch (ip.header.protocol) {
    case ip_protocol::tcp: return dump_tcp(ip.header.source, ip.header.destination, ip.payload, checksum);
    case ip_protocol::icmp: {
        const auto icmp = parse_icmp(ip.payload);
        return addresses + "ICMP " + (icmp ? dump_icmp_header(icmp->header) : message(icmp.error)) + length;
    }
    default: return addresses + "protocol " + std::to_string(static_cast<unsigned>(ip.header.protocol)) + length;
    }
}

}  // namespace detail

// A packet that starts at its IP header. The ECN codepoint is mentioned when there is one.
inline std::string dump_ip(std::span<const std::byte> octets, checksum_state checksum = checksum_state::verify)
{
    if (!octets.empty() && (octets[0] >> 4) == std::byte{6}) {
        return "IPv6, length " + std::to_string(octets.size());
    }
    const auto ip = parse_ipv4(octets);
    if (!ip) {
        return std::string{"IPv4, "} + message(ip.error);
    }
    constexpr const char* codepoints[] = {"", ", ECT(1)", ", ECT(0)", ", CE"};
    return detail::dump_ipv4_payload(*ip, checksum) + codepoints[ip->header.ecn & 3];
}

// A frame that starts at its Ethernet header.
inline std::string dump_ethernet(std::span<const std::byte> octets, checksum_state checksum = checksum_state::verify)
{
    const auto frame = parse_ethernet(octets);
    if (!frame) {
        return std::string{"Ethernet, "} + message(frame.error);
    }
    switch (frame->header.type) {
    case ethertype::ipv4:
    case ethertype::ipv6: return dump_ip(frame->payload, checksum);
    case ethertype::arp: return dump_arp(frame->payload);
    default: break;
    }
    return to_string(frame->header.source) + " > " + to_string(frame->header.destination) + ": ethertype " +
           std::to_string(static_cast<unsigned>(frame->header.type)) + ", length " +
           std::to_string(frame->payload.size());
}

}  // namespace tcpco
