// TCP segments and ICMP errors of a test's peer, made from words (support/packet_text.hpp) into IP packets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "support/packet_text.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco_test {

// The octet at a place of either stream, counted from its first octet of data.
inline std::byte stream_octet(std::uint32_t offset) { return static_cast<std::byte>((offset * 2'654'435'761u) >> 24); }

// Who speaks, to which stack, when the words say nothing else.
struct speaker {
    ip_address address{};
    ip_address stack_address{};
    std::uint16_t port = 0;
    std::uint16_t stack_port = 0;
    std::uint16_t window = 0;
    sequence_number irs{};  // its SYN's number, from which its octets are counted
};

inline ipv4_header ip_header(std::size_t size, ip_protocol protocol, const ip_address& from, const ip_address& to)
{
    ipv4_header ip;
    ip.total_length = static_cast<std::uint16_t>(size);
    ip.ttl = 64;
    ip.protocol = protocol;
    ip.source = from.v4();
    ip.destination = to.v4();
    return ip;
}

namespace detail {

inline std::vector<std::byte> from_hex(const std::string& hex)
{
    std::vector<std::byte> out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        out.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    return out;
}
inline std::vector<std::byte> options_of(const packet_words& words)
{
    if (words.has("opt")) {  // whole words of 4 octets
        return from_hex(words.text("opt"));
    }
    tcp_options o;
    o.has_mss = words.has("mss");
    o.mss = static_cast<std::uint16_t>(words.number("mss"));
    o.has_window_scale = words.has("ws");
    o.window_scale = static_cast<std::uint8_t>(words.number("ws"));
    o.sack_permitted = words.has("sackok");
    o.user_timeout = static_cast<std::uint16_t>(words.number("uto"));
    if (words.has("ts")) {
        const std::string text = words.text("ts");
        const auto slash = text.find('/');
        o.has_timestamps = true;
        o.tsval = static_cast<std::uint32_t>(std::stoul(text, nullptr, 0));
        o.tsecr =
            slash == std::string::npos ? 0 : static_cast<std::uint32_t>(std::stoul(text.substr(slash + 1), nullptr, 0));
    }
    std::istringstream blocks{words.text("sack")};
    for (std::string block; std::getline(blocks, block, ',');) {
        const auto dash = block.find('-');
        o.sack_blocks[o.sack_count++] = {{static_cast<std::uint32_t>(std::stoul(block))},
                                         {static_cast<std::uint32_t>(std::stoul(block.substr(dash + 1)))}};
    }
    if (words.has("acc")) {
        const std::string text = words.text("acc");
        o.accecn.present = true;
        o.accecn.order = text[0] == '0' ? 0 : 1;
        std::istringstream fields{text.substr(2)};
        for (std::string field; std::getline(fields, field, ',');) {
            o.accecn.fields[o.accecn.count++] = static_cast<std::uint32_t>(std::stoul(field));
        }
    }
    std::vector<std::byte> out(encoded_size(o));
    write_tcp_options(o, out);
    return out;
}

inline tcp_header header_of(const packet_words& words, std::size_t options_size, const speaker& from)
{
    tcp_header h;
    h.source_port = static_cast<std::uint16_t>(words.number("port", from.port));
    h.destination_port = static_cast<std::uint16_t>(words.number("to", from.stack_port));
    h.seq = {words.number("seq")};
    h.ack = {words.number("ack")};
    h.flags = static_cast<std::uint16_t>(words.all_flags() | (words.has("r") ? tcp_flag::reserved : 0));
    h.window = static_cast<std::uint16_t>(words.number("win", from.window));
    h.urgent_pointer = static_cast<std::uint16_t>(words.number("urg"));
    h.data_offset = static_cast<std::uint8_t>(5 + options_size / 4);
    return h;
}

}  // namespace detail

// The IP packet that the words describe.
inline std::vector<std::byte> build_segment(const packet_words& words, const speaker& from)
{
    const std::vector<std::byte> options = detail::options_of(words);
    const std::size_t length = words.number("len");
    const tcp_header h = detail::header_of(words, options.size(), from);
    std::vector<std::byte> out(ipv4_header_size + h.header_length() + length);
    const auto address = [&](const char* name, const ip_address& otherwise) {
        return words.has(name) ? *ip_address::parse(words.text(name)) : otherwise;
    };
    const ip_address source = address("src", from.address);
    const ip_address destination = address("dst", from.stack_address);
    ipv4_header ip = ip_header(out.size(), ip_protocol::tcp, source, destination);
    ip.ecn = static_cast<std::uint8_t>(words.number("ecn"));
    write_ipv4(ip, out);
    const auto segment = std::span{out}.subspan(ipv4_header_size);
    write_tcp(h, segment);
    std::copy(options.begin(), options.end(), segment.begin() + tcp_header_size);
    const std::uint32_t first = h.seq.value + (h.has(tcp_flag::syn) ? 1 : 0) - (from.irs.value + 1);
    for (std::size_t i = 0; i < length; ++i) {
        segment[h.header_length() + i] = stream_octet(first + static_cast<std::uint32_t>(i));
    }
    if (words.has("off")) {
        segment[12] = static_cast<std::byte>(words.number("off") << 4);
    }
    const std::span<const std::byte> pieces[] = {segment};
    const std::uint16_t sum = transport_checksum(source, destination, ip_protocol::tcp, pieces);
    write_tcp_checksum(words.text("sum") == "bad" ? static_cast<std::uint16_t>(sum ^ 0x5555) : sum, segment);
    if (words.text("sum") == "zero") {
        write_tcp_checksum(0, segment);
    }
    return out;
}

// An ICMP message with this body.
inline std::vector<std::byte> build_icmp(const icmp_header& header, std::span<const std::byte> body,
                                         const speaker& from)
{
    std::vector<std::byte> out(ipv4_header_size + icmp_header_size + body.size());
    write_ipv4(ip_header(out.size(), ip_protocol::icmp, from.address, from.stack_address), out);
    const std::span<const std::byte> pieces[] = {body};
    write_icmp(header, pieces, std::span{out}.subspan(ipv4_header_size));
    std::copy(body.begin(), body.end(), out.begin() + ipv4_header_size + icmp_header_size);
    return out;
}

}  // namespace tcpco_test
