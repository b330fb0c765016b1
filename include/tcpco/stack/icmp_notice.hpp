// ICMP errors about our own segments (RFC 792, RFC 9293 section 3.9.2.2, RFC 5927): whose they are, and what they mean.
//
// What is made of one is the stack's decision (tcp_input.hpp).
#pragma once

#include <optional>

#include "tcpco/core/address.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco {

// Which connection, which octet, what happened.
struct icmp_notice {
    endpoint local{};
    endpoint remote{};
    sequence_number seq{};
    errc error = errc::ok;
    bool too_big = false;              // RFC 1191: a packet of ours did not fit, and DF was set
    std::uint16_t next_hop_mtu = 0;    // what would; 0: the router does not say
    std::uint16_t quoted_length = 0;   // of the packet that did not
};

// ok: a message that calls for no action. Source quench is one (MUST-55).
constexpr errc error_of(const icmp_header& header) noexcept
{
    if (header.type == icmp_type::time_exceeded) {
        return errc::host_unreachable;
    }
    if (header.type == icmp_type::parameter_problem) {
        return errc::operation_not_supported;
    }
    if (header.type != icmp_type::destination_unreachable) {
        return errc::ok;
    }
    switch (static_cast<icmp_unreachable>(header.code)) {
    case icmp_unreachable::port:
    case icmp_unreachable::protocol: return errc::port_unreachable;
    case icmp_unreachable::network:
    case icmp_unreachable::network_unknown:
    case icmp_unreachable::network_prohibited:
    case icmp_unreachable::network_type_of_service: return errc::network_unreachable;
    case icmp_unreachable::fragmentation_needed: return errc::ok;  // no error: see icmp_notice::too_big
    default: return errc::host_unreachable;
    }
}

// nullopt: not an error, or not about a TCP segment that `own` sent (MUST-54).
constexpr std::optional<icmp_notice> notice_of(const icmp_message& message, const ip_address& own) noexcept
{
    const errc error = error_of(message.header);
    const bool too_big =
        message.header.type == icmp_type::destination_unreachable &&
        static_cast<icmp_unreachable>(message.header.code) == icmp_unreachable::fragmentation_needed;
    if (error == errc::ok && !too_big) {
        return std::nullopt;
    }
    const auto quoted = parse_quoted_ipv4(message.body);
    if (!quoted || quoted->header.protocol != ip_protocol::tcp || ip_address{quoted->header.source} != own) {
        return std::nullopt;
    }
    const auto tcp = parse_quoted_tcp(quoted->payload);
    if (!tcp) {
        return std::nullopt;
    }
    return icmp_notice{{quoted->header.source, tcp->source_port},
                       {quoted->header.destination, tcp->destination_port},
                       tcp->seq,
                       error,
                       too_big,
                       too_big ? message.header.next_hop_mtu() : std::uint16_t{0},
                       quoted->header.total_length};
}

}  // namespace tcpco
