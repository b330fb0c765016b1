// Devices with offloads beneath tests that were written without them.
//
// TCPCO_TEST_OFFLOADS in the environment says which stacks have a device that completes checksums and cuts super-frames
// up: "on" all of them, "mixed" of two that talk to each other one, anything else none. What comes to the wire is the
// same, so that what a test expects is the same, too. tests/CMakeLists.txt runs conformance and simulations each way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "tcpco/core.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"

namespace tcpco_test {

using namespace tcpco;

enum class side : std::uint8_t { first, second };

inline bool has_offloads(side s)
{
    const char* const asked = std::getenv("TCPCO_TEST_OFFLOADS");
    const std::string_view which = asked == nullptr ? "" : asked;
    return which == "on" || (which == "mixed" && s == side::first);
}

template <class Stack>
void give_offloads(Stack& stack, std::uint16_t mtu, side s = side::first)
{
    if (has_offloads(s)) {
        stack.configure_device({.mtu = mtu, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    }
}

namespace detail {

// One of the segments that a device makes of a super-frame: headers repeated, the sequence number moved on, FIN and PSH on
// the last one only, checksums complete. All have one identification, which means nothing in packets that must not be
// fragmented (RFC 6864).
inline std::vector<std::byte> cut_out(std::span<const std::byte> frame, std::size_t ip_at, const ipv4_packet& ip,
                                      const tcp_segment& tcp, std::size_t at, std::size_t size)
{
    const std::size_t head = frame.size() - tcp.payload.size();
    std::vector<std::byte> one(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
    const auto text = tcp.payload.subspan(at, size);
    one.insert(one.end(), text.begin(), text.end());
    ipv4_header network = ip.header;
    network.total_length = static_cast<std::uint16_t>(one.size() - ip_at);
    write_ipv4(network, std::span{one}.subspan(ip_at));
    tcp_header transport = tcp.header;
    transport.seq = transport.seq + static_cast<std::uint32_t>(at);
    if (at + size < tcp.payload.size()) {
        transport.flags = static_cast<std::uint16_t>(transport.flags & ~(tcp_flag::fin | tcp_flag::psh));
    }
    const std::span<std::byte> segment = std::span{one}.subspan(ip_at + ipv4_header_size);
    write_tcp(transport, segment);
    write_tcp_checksum(0, segment);
    const std::span<const std::byte> whole[] = {segment};
    write_tcp_checksum(transport_checksum(network.source, network.destination, ip_protocol::tcp, whole), segment);
    return one;
}

}  // namespace detail

// What the device makes of a frame, in order. `ethernet`: whether the frame begins with such a header.
inline std::vector<std::vector<std::byte>> on_the_wire(std::vector<std::byte> frame, const frame_info& info, bool ethernet)
{
    std::vector<std::vector<std::byte>> wire;
    if (info.checksum == checksum_state::verify && info.gso_type == gso_kind::none) {
        wire.push_back(std::move(frame));
        return wire;
    }
    const std::size_t ip_at = ethernet ? ethernet_header_size : 0;
    const auto ip = parse_ipv4(std::span<const std::byte>{frame}.subspan(ip_at));
    const auto tcp = parse_tcp(ip ? ip->payload : std::span<const std::byte>{});
    if (!tcp) {
        wire.push_back(std::move(frame));  // who receives it will say what is wrong with it
        return wire;
    }
    const std::size_t text = tcp->payload.size();
    const std::size_t size = info.gso_type == gso_kind::none ? std::max<std::size_t>(text, 1) : info.gso_size;
    for (std::size_t at = 0; at == 0 || at < text; at += size) {
        wire.push_back(detail::cut_out(frame, ip_at, *ip, *tcp, at, std::min(size, text - at)));
    }
    return wire;
}

}  // namespace tcpco_test
