// A script's segments as IP packets, and packets as a script would write them: sequence numbers counted from each side's
// SYN, the stack's timestamps from the first that it sent.
//
// The payload is a pattern, the octet at a place of a stream always the same, and is checked as it passes. Each peer of
// the script has a port, and one connection after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "drill/notation.hpp"
#include "support/segment_builder.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco_test::drill {

using octets = std::vector<std::byte>;

inline constexpr const char* stack_host = "198.18.0.1";
inline constexpr const char* peer_host = "198.18.0.2";
inline constexpr const char* router_host = "198.18.0.3";

inline std::string cookie_text(const std::vector<std::uint32_t>& cookie)
{
    std::string text;
    for (const std::uint32_t octet : cookie) {
        text += octet == any_cookie ? '*' : "0123456789abcdef"[octet >> 4];
        text += octet == any_cookie ? "" : std::string{"0123456789abcdef"[octet & 15]};
    }
    return text;
}

inline std::string text_of(const segment& s)
{
    static const char* const marks[] = {"[noecn] ", "[ect1] ", "[ect0] ", "[ce] "};
    std::string text = std::string{s.inbound ? "<" : ">"} + (s.peer > 1 ? std::to_string(s.peer) : "") + ' ' +
                       (s.ecn.value_or(0) > 0 ? marks[*s.ecn] : "") + (s.flags.empty() ? "-" : s.flags) + ' ' +
                       std::to_string(s.seq) + ':' + std::to_string(s.seq + s.length) + '(' + std::to_string(s.length) +
                       ')';
    text += s.ack ? " ack " + std::to_string(*s.ack) : "";
    text += s.window ? " win " + std::to_string(*s.window) : "";
    text += s.urgent != 0 ? " urg " + std::to_string(s.urgent) : "";
    std::string options;
    for (const auto& [name, numbers] : s.options) {
        options += (options.empty() ? "" : ", ") + name;
        if (name == "FO") {
            options += numbers.empty() ? "" : ' ' + cookie_text(numbers);
            continue;
        }
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            options += name == "TS" ? (i == 0 ? " val " : " ecr ") : name == "sack" && i % 2 == 1 ? ":" : " ";
            options += std::to_string(numbers[i]);
        }
    }
    return text + (s.any_options ? "" : " <" + options + ">");
}

// Whether a packet is what the script wants. The stack's timestamps may say anything, their echo may not; how far it
// shifts its window is a matter of its memory, and how the option of Fast Open is padded, of taste.
inline bool agrees(const segment& wanted, const segment& got)
{
    auto options = got.options, wanted_options = wanted.options;
    const bool padded = std::any_of(options.begin(), options.end(), [](const auto& o) { return o.first == "FO"; });
    if (padded) {
        std::erase_if(options, [](const auto& o) { return o.first == "nop"; });
        std::erase_if(wanted_options, [](const auto& o) { return o.first == "nop"; });
    }
    for (std::size_t i = 0; i < std::min(options.size(), wanted_options.size()); ++i) {
        if (options[i].first == "TS" && wanted_options[i].first == "TS") {
            options[i].second[0] = wanted_options[i].second[0];
        }
        if (options[i].first == "wscale" && wanted_options[i].first == "wscale") {
            options[i].second = wanted_options[i].second;
        }
        const std::vector<std::uint32_t>& cookie = wanted_options[i].second;
        if (options[i].first == "FO" && !cookie.empty() && cookie[0] == any_cookie && options[i].second.size() >= 4) {
            options[i].second = cookie;
        }
    }
    std::string flags = wanted.flags, got_flags = got.flags;
    std::sort(flags.begin(), flags.end());
    std::sort(got_flags.begin(), got_flags.end());
    return !got.inbound && wanted.peer == got.peer && flags == got_flags && (!wanted.ecn || wanted.ecn == got.ecn) &&
           (flags.find('U') == std::string::npos || wanted.urgent == got.urgent) && wanted.seq == got.seq &&
           wanted.length == got.length && wanted.ack == got.ack && (!wanted.window || wanted.window == got.window) &&
           (wanted.any_options || wanted_options == options);
}

// Translates between a script's numbers and the wire's, for one peer.
class translator {
public:
    static constexpr std::uint16_t first_port = 49'152;  // of the first peer; the second has the next

    // `cookie`: what all peers know of Fast Open, the latest that the stack gave; they have one address.
    translator(unsigned peer, std::vector<std::uint32_t>& cookie)
        : peer_{peer}, cookie_{cookie}, peer_port{static_cast<std::uint16_t>(first_port + peer - 1)}
    {
    }

    octets encode(const segment& s)
    {
        if (s.flags.find('S') != std::string::npos) {
            their_syn_ = s.seq;
            their_start_ = opening_ ? s.seq : their_start_;
        }
        const octets options = encoded_options(s);
        tcp_header h;
        h.source_port = peer_port;
        h.destination_port = stack_port;
        h.seq = {theirs_ + s.seq};
        h.ack = {s.ack ? ours_ + *s.ack : 0};
        h.flags = flags_of(s.flags);
        h.window = static_cast<std::uint16_t>(s.window.value_or(65'535));
        h.urgent_pointer = static_cast<std::uint16_t>(s.urgent);
        h.data_offset = static_cast<std::uint8_t>(5 + options.size() / 4);
        octets out(ipv4_header_size + h.header_length() + s.length);
        const ip_address source = *ip_address::parse(peer_host), destination = *ip_address::parse(stack_host);
        ipv4_header ip = ip_header(out.size(), ip_protocol::tcp, source, destination);
        ip.ecn = static_cast<std::uint8_t>(s.ecn.value_or(0));
        write_ipv4(ip, out);
        const auto tcp = std::span{out}.subspan(ipv4_header_size);
        write_tcp(h, tcp);
        std::copy(options.begin(), options.end(), tcp.begin() + tcp_header_size);
        const std::uint32_t first = h.has(tcp_flag::syn) ? 0 : s.seq - their_start_ - 1;
        for (std::uint32_t i = 0; i < s.length; ++i) {
            tcp[h.header_length() + i] = stream_octet(first + i);
        }
        const std::span<const std::byte> pieces[] = {tcp};
        write_tcp_checksum(transport_checksum(source, destination, ip_protocol::tcp, pieces), tcp);
        return out;
    }

    // What a router says about a segment of this connection that it could not pass on.
    octets encode(const icmp_error& e) const
    {
        tcp_header h;
        h.source_port = stack_port;
        h.destination_port = peer_port;
        h.seq = {ours_ + e.seq};
        h.flags = tcp_flag::ack;
        h.data_offset = 5;
        octets quoted(ipv4_header_size + tcp_header_size);
        const ip_address source = *ip_address::parse(stack_host), destination = *ip_address::parse(peer_host);
        write_ipv4(ip_header(quoted.size() + e.length, ip_protocol::tcp, source, destination), quoted);
        write_tcp(h, std::span{quoted}.subspan(ipv4_header_size));
        const speaker router{.address = *ip_address::parse(router_host), .stack_address = source};
        return build_icmp(icmp_header::unreachable(static_cast<icmp_unreachable>(e.code), e.mtu), quoted, router);
    }

    // Nothing for what is no TCP segment of the script's connection. Throws at what no stack may send.
    std::optional<segment> decode(const octets& packet)
    {
        const auto ip = parse_ipv4(packet);
        if (!ip || ip->header.protocol != ip_protocol::tcp) {
            return {};
        }
        const auto tcp = parse_tcp(ip->payload);
        if (!tcp || !transport_checksum_good(ip->header.source, ip->header.destination, ip_protocol::tcp, ip->payload)) {
            throw std::runtime_error{"a broken TCP segment came"};
        }
        const tcp_header& h = tcp->header;
        if (h.destination_port != peer_port) {
            return {};
        }
        const bool syn = h.has(tcp_flag::syn);
        if (syn) {
            clock_ = h.seq.value == ours_ ? clock_ : std::nullopt;  // another connection, another clock
            ours_ = h.seq.value;
            stack_port = h.source_port;
            their_start_ = h.has(tcp_flag::ack) ? their_syn_ : their_start_;
        }
        opening_ = syn && !h.has(tcp_flag::ack);
        segment s;
        s.peer = peer_;
        s.ecn = ip->header.ecn;
        s.urgent = h.has(tcp_flag::urg) ? h.urgent_pointer : 0U;
        s.flags = flags_of(h.flags);
        s.seq = h.seq.value - ours_;
        s.length = static_cast<std::uint32_t>(tcp->payload.size());
        if (h.has(tcp_flag::ack)) {
            s.ack = h.ack.value - theirs_;
        }
        s.window = h.window;
        decode_options(tcp->options, s);
        for (std::uint32_t i = 0; i < s.length; ++i) {
            if (tcp->payload[i] != stream_octet(s.seq - (syn ? 0 : 1) + i)) {
                throw std::runtime_error{"a wrong octet of payload in " + text_of(s)};
            }
        }
        return s;
    }

private:
    const unsigned peer_;
    std::vector<std::uint32_t>& cookie_;

public:
    const std::uint16_t peer_port;
    std::uint16_t stack_port = 8'080;

private:
    static constexpr std::pair<char, std::uint16_t> letters[] = {
        {'F', tcp_flag::fin}, {'S', tcp_flag::syn}, {'R', tcp_flag::rst}, {'P', tcp_flag::psh},
        {'.', tcp_flag::ack}, {'U', tcp_flag::urg}, {'E', tcp_flag::ece}, {'W', tcp_flag::cwr}, {'A', tcp_flag::ae}};

    static std::uint16_t flags_of(const std::string& text)
    {
        std::uint16_t flags = 0;
        for (const auto& [letter, bit] : letters) {
            flags = static_cast<std::uint16_t>(flags | (text.find(letter) == std::string::npos ? 0 : bit));
        }
        return flags;
    }
    static std::string flags_of(std::uint16_t flags)
    {
        std::string text;
        for (const auto& [letter, bit] : letters) {
            text += (flags & bit) != 0 ? std::string{letter} : "";
        }
        return text;
    }

    octets encoded_options(const segment& s) const
    {
        octets out;
        const auto put = [&out](std::uint32_t value, int size) {
            for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
                out.push_back(static_cast<std::byte>(value >> shift));
            }
        };
        for (const auto& [name, n] : s.options) {
            if (name == "nop" || name == "eol") {
                put(name == "nop" ? 1 : 0, 1);
            } else if (name == "mss") {
                put(0x0204, 2);
                put(n[0], 2);
            } else if (name == "wscale") {
                put(0x0303, 2);
                put(n[0], 1);
            } else if (name == "sackOK") {
                put(0x0402, 2);
            } else if (name == "TS") {
                put(0x080A, 2);
                put(n[0], 4);
                put(n[1] == 0 ? 0 : n[1] + clock_.value_or(0), 4);
            } else if (name == "FO") {
                const auto& cookie = !n.empty() && n[0] == any_cookie ? cookie_ : n;
                put(0x2200 + 2 + static_cast<std::uint32_t>(cookie.size()), 2);
                for (const std::uint32_t octet : cookie) {
                    put(octet, 1);
                }
            } else {
                put(0x0500 + 2 + 4 * static_cast<std::uint32_t>(n.size()), 2);
                for (const std::uint32_t edge : n) {
                    put(ours_ + edge, 4);
                }
            }
        }
        if (out.size() % 4 != 0 || out.size() > 40) {
            throw std::runtime_error{"options of " + std::to_string(out.size()) + " octets in " + text_of(s)};
        }
        return out;
    }

    void decode_options(std::span<const std::byte> raw, segment& into)
    {
        const auto get = [raw](std::size_t at, std::size_t size) {
            std::uint32_t value = 0;
            for (std::size_t i = 0; i < size; ++i) {
                value = value << 8 | std::to_integer<std::uint32_t>(raw[at + i]);
            }
            return value;
        };
        for (std::size_t at = 0; at < raw.size();) {
            const std::uint32_t kind = get(at, 1);
            if (kind < 2) {
                into.options.emplace_back(kind == 0 ? "eol" : "nop", std::vector<std::uint32_t>{});
                ++at;
                continue;
            }
            const std::size_t size = at + 1 < raw.size() ? get(at + 1, 1) : 0;
            if (size < 2 || at + size > raw.size()) {
                throw std::runtime_error{"malformed options came"};
            }
            into.options.push_back(decoded(kind, size, [&](std::size_t i, std::size_t n) { return get(at + i, n); }));
            at += size;
        }
    }

    template <class Get>
    std::pair<std::string, std::vector<std::uint32_t>> decoded(std::uint32_t kind, std::size_t size, Get&& get)
    {
        if (kind == 2 && size == 4) {
            return {"mss", {get(2, 2)}};
        }
        if (kind == 3 && size == 3) {
            return {"wscale", {get(2, 1)}};
        }
        if (kind == 4 && size == 2) {
            return {"sackOK", {}};
        }
        if (kind == 8 && size == 10) {
            clock_ = clock_.value_or(get(2, 4) - 100); // scripts call the first 100
            return {"TS", {get(2, 4) - *clock_, get(6, 4)}};
        }
        std::vector<std::uint32_t> numbers;
        if (kind == 34) {
            for (std::size_t i = 2; i < size; ++i) {
                numbers.push_back(get(i, 1));
            }
            cookie_ = numbers.empty() ? cookie_ : numbers;
            return {"FO", numbers};
        }
        if (kind == 5 && size % 8 == 2) {
            for (std::size_t i = 2; i < size; i += 4) {
                numbers.push_back(get(i, 4) - theirs_);
            }
            return {"sack", numbers};
        }
        return {"kind " + std::to_string(kind), numbers};
    }

    std::uint32_t ours_ = 0;                // the stack's first sequence number, once its SYN has shown it
    std::uint32_t theirs_ = 4'294'966'000;  // the peer's: numbers wrap after 1,296 octets
    std::uint32_t their_syn_ = 0;           // as the script numbers it, of the latest SYN ...
    std::uint32_t their_start_ = 0;         // ... and of the one that opened the connection
    bool opening_ = false;                  // the stack's latest segment was a SYN without an ACK
    std::optional<std::uint32_t> clock_;
};

}  // namespace tcpco_test::drill
