// The virtio_net_hdr that precedes a frame on a TAP with IFF_VNET_HDR (virtio 1.2, 5.1.6), declared by ourselves: the
// system's header is not valid C++. Fields are in the machine's order, as a TAP has them unless told otherwise.
//
// This is the one place that turns frame_info into such a header and back. Frames of TCP and UDP over IPv4 or IPv6
// without extension headers are understood; of anything else, only the checksum's state is kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tcpco/async/concepts.hpp"
#include "tcpco/core/frame_info.hpp"

namespace tcpco {

struct vnet_header {
    static constexpr std::uint8_t needs_csum = 1;  // flags
    static constexpr std::uint8_t data_valid = 2;
    static constexpr std::uint8_t gso_none = 0;  // gso_type
    static constexpr std::uint8_t gso_tcp_v4 = 1;
    static constexpr std::uint8_t gso_tcp_v6 = 4;
    static constexpr std::uint8_t gso_ecn = 0x80;  // or-ed to it: CWR belongs to the first segment alone

    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t hdr_len = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t csum_start = 0;
    std::uint16_t csum_offset = 0;
};
static_assert(sizeof(vnet_header) == 10);

// The longest form ends with num_buffers, which is 0 in what we send.
using vnet_prefix = std::array<std::byte, 12>;

namespace detail {

// Where the transport header of a frame is; 0 where it is none that we know.
struct transport_layout {
    std::size_t offset = 0;         // of the transport header, from the frame's first octet
    std::size_t header_size = 0;    // of the transport header
    std::size_t packet_end = 0;     // first octet after the IP packet, by its own length field
    std::uint16_t csum_offset = 0;  // of the checksum within the transport header
    bool tcp = false;
};

constexpr std::size_t octet_at(std::span<const std::byte> f, std::size_t at) noexcept
{
    return std::to_integer<std::size_t>(f[at]);
}

constexpr transport_layout transport_of(std::span<const std::byte> f, link_framing framing) noexcept
{
    std::size_t ip = 0;
    if (framing == link_framing::ethernet) {
        ip = 14;
        if (f.size() >= 18 && octet_at(f, 12) == 0x81 && octet_at(f, 13) == 0x00) {
            ip = 18;
        }
    }
    if (f.size() < ip + 20) {
        return {};
    }
    transport_layout at;
    std::size_t protocol = 0;
    if (octet_at(f, ip) >> 4 == 4) {
        at.offset = ip + (octet_at(f, ip) & 15) * 4;
        at.packet_end = ip + (octet_at(f, ip + 2) << 8 | octet_at(f, ip + 3));
        protocol = octet_at(f, ip + 9);
    } else if (octet_at(f, ip) >> 4 == 6 && f.size() >= ip + 40) {
        at.offset = ip + 40;
        at.packet_end = at.offset + (octet_at(f, ip + 4) << 8 | octet_at(f, ip + 5));
        protocol = octet_at(f, ip + 6);
    }
    if (protocol == 6 && f.size() >= at.offset + 20) {
        at.tcp = true;
        at.header_size = (octet_at(f, at.offset + 12) >> 4) * 4;
        at.csum_offset = 16;
        return at;
    }
    if (protocol == 17 && f.size() >= at.offset + 8) {
        at.header_size = 8;
        at.csum_offset = 6;
        return at;
    }
    return {};
}

}  // namespace detail

// The header for an outgoing frame whose first piece holds all protocol headers.
inline vnet_header make_vnet_header(const outgoing_frame& out, link_framing framing) noexcept
{
    vnet_header h;
    const bool partial = out.info.checksum == checksum_state::partial;
    if (out.pieces.empty() || (!partial && out.info.gso_type == gso_kind::none)) {
        return h;
    }
    const auto at = detail::transport_of(out.pieces[0], framing);
    if (at.offset == 0) {
        return h;
    }
    if (partial) {
        h.flags = vnet_header::needs_csum;
        h.csum_start = static_cast<std::uint16_t>(at.offset);
        h.csum_offset = at.csum_offset;
    }
    if (out.info.gso_type != gso_kind::none && at.tcp) {
        h.gso_type = out.info.gso_type == gso_kind::tcp_v4 ? vnet_header::gso_tcp_v4 : vnet_header::gso_tcp_v6;
        const bool cwr = (detail::octet_at(out.pieces[0], at.offset + 13) & 0x80) != 0;
        h.gso_type |= cwr ? vnet_header::gso_ecn : std::uint8_t{0};
        h.gso_size = out.info.gso_size;
        h.hdr_len = static_cast<std::uint16_t>(at.offset + at.header_size);
    }
    return h;
}

inline vnet_prefix encode_vnet_header(const vnet_header& h) noexcept
{
    vnet_prefix octets{};
    std::memcpy(octets.data(), &h, sizeof h);
    return octets;
}

// What a header says about the frame behind it. Never more than the header: a frame that is not what the header claims
// is left to the stack's own checks, as one segment.
inline frame_info read_vnet_header(const vnet_header& h, std::span<const std::byte> octets,
                                   link_framing framing) noexcept
{
    frame_info info;
    if ((h.flags & vnet_header::needs_csum) != 0) {
        info.checksum = checksum_state::partial;
    } else if ((h.flags & vnet_header::data_valid) != 0) {
        info.checksum = checksum_state::good;
    }
    const unsigned kind = h.gso_type & ~unsigned{vnet_header::gso_ecn};
    if ((kind != vnet_header::gso_tcp_v4 && kind != vnet_header::gso_tcp_v6) || h.gso_size == 0) {
        return info;
    }
    const auto at = detail::transport_of(octets, framing);
    const std::size_t end = at.packet_end < octets.size() ? at.packet_end : octets.size();
    if (!at.tcp || end <= at.offset + at.header_size) {
        return info;
    }
    const std::size_t payload = end - at.offset - at.header_size;
    info.gso_type = kind == vnet_header::gso_tcp_v4 ? gso_kind::tcp_v4 : gso_kind::tcp_v6;
    info.gso_size = h.gso_size;
    info.wire_segments = static_cast<std::uint16_t>((payload + h.gso_size - 1) / h.gso_size);
    return info;
}

}  // namespace tcpco
