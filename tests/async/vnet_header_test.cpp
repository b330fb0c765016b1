#include "tcpco/async/vnet_header.hpp"

#include "catch.hpp"

#include <array>
#include <vector>

using namespace tcpco;

namespace {

using octets = std::vector<std::byte>;

octets from(std::initializer_list<int> values)
{
    octets v;
    for (const int x : values) {
        v.push_back(static_cast<std::byte>(x));
    }
    return v;
}

// IPv4 or IPv6 with TCP, `payload` octets of data; flags in octet 13 of the TCP header.
octets tcp_frame(bool v6, std::size_t payload, link_framing framing, int tcp_flags = 0x10)
{
    octets f(framing == link_framing::ethernet ? 14 : 0);
    const std::size_t tcp_length = 20 + payload;
    if (v6) {
        octets ip = from({0x60, 0, 0, 0, static_cast<int>(tcp_length >> 8), static_cast<int>(tcp_length & 255), 6, 64});
        ip.resize(40);
        f.insert(f.end(), ip.begin(), ip.end());
    } else {
        octets ip = from({0x45, 0, static_cast<int>((tcp_length + 20) >> 8), static_cast<int>((tcp_length + 20) & 255), 0, 0, 0, 0, 64, 6});
        ip.resize(20);
        f.insert(f.end(), ip.begin(), ip.end());
    }
    octets tcp(20);
    tcp[12] = std::byte{0x50};
    tcp[13] = static_cast<std::byte>(tcp_flags);
    f.insert(f.end(), tcp.begin(), tcp.end());
    f.resize(f.size() + payload);
    return f;
}

vnet_header header_for(const octets& frame, frame_info info, link_framing framing)
{
    const std::span<const std::byte> piece{frame};
    return make_vnet_header(outgoing_frame{{&piece, 1}, info, {}}, framing);
}

}  // namespace

TEST_CASE("a complete frame has an empty virtio_net_hdr", "[async]")
{
    const auto h = header_for(tcp_frame(false, 100, link_framing::ethernet), {}, link_framing::ethernet);
    CHECK(encode_vnet_header(h) == vnet_prefix{});
}

TEST_CASE("a partial checksum names where it starts and where it goes", "[async]")
{
    const frame_info partial{.checksum = checksum_state::partial};
    auto h = header_for(tcp_frame(false, 100, link_framing::ethernet), partial, link_framing::ethernet);
    CHECK(h.flags == vnet_header::needs_csum);
    CHECK(h.csum_start == 34);
    CHECK(h.csum_offset == 16);
    CHECK(h.gso_type == vnet_header::gso_none);
    h = header_for(tcp_frame(true, 100, link_framing::ip), partial, link_framing::ip);
    CHECK(h.csum_start == 40);
    octets udp = tcp_frame(false, 0, link_framing::ip);
    udp[9] = std::byte{17};
    CHECK(header_for(udp, partial, link_framing::ip).csum_offset == 6);
}

TEST_CASE("a super-frame names its segments' size and its headers' length", "[async]")
{
    const frame_info super{.checksum = checksum_state::partial, .gso_type = gso_kind::tcp_v4, .gso_size = 1460, .wire_segments = 7};
    auto h = header_for(tcp_frame(false, 10'000, link_framing::ethernet), super, link_framing::ethernet);
    CHECK(h.gso_type == vnet_header::gso_tcp_v4);
    CHECK(h.gso_size == 1460);
    CHECK(h.hdr_len == 54);
    frame_info v6 = super;
    v6.gso_type = gso_kind::tcp_v6;
    CHECK(header_for(tcp_frame(true, 10'000, link_framing::ip), v6, link_framing::ip).gso_type == vnet_header::gso_tcp_v6);
    // CWR belongs to the first segment alone: the device has to know.
    h = header_for(tcp_frame(false, 10'000, link_framing::ip, 0x90), super, link_framing::ip);
    CHECK(h.gso_type == (vnet_header::gso_tcp_v4 | vnet_header::gso_ecn));
}

TEST_CASE("what comes in says how many segments it stands for", "[async]")
{
    vnet_header h;
    h.flags = vnet_header::needs_csum;
    h.gso_type = vnet_header::gso_tcp_v4 | vnet_header::gso_ecn;
    h.gso_size = 1000;
    auto info = read_vnet_header(h, tcp_frame(false, 2001, link_framing::ethernet), link_framing::ethernet);
    CHECK(info.checksum == checksum_state::partial);
    CHECK(info.gso_type == gso_kind::tcp_v4);
    CHECK(info.gso_size == 1000);
    CHECK(info.wire_segments == 3);
    // Octets behind the IP packet are padding and count for nothing.
    octets padded = tcp_frame(false, 2000, link_framing::ethernet);
    padded.resize(padded.size() + 500);
    CHECK(read_vnet_header(h, padded, link_framing::ethernet).wire_segments == 2);
    h.gso_type = vnet_header::gso_tcp_v6;
    CHECK(read_vnet_header(h, tcp_frame(true, 5000, link_framing::ip), link_framing::ip).wire_segments == 5);
}

TEST_CASE("a header that claims what the frame is not leaves one segment to be checked", "[async]")
{
    vnet_header h;
    h.gso_type = vnet_header::gso_tcp_v4;
    h.gso_size = 0;
    CHECK(read_vnet_header(h, tcp_frame(false, 2001, link_framing::ip), link_framing::ip).wire_segments == 1);
    h.gso_size = 1;
    CHECK(read_vnet_header(h, from({0x45}), link_framing::ip).wire_segments == 1);
    CHECK(read_vnet_header(h, {}, link_framing::ethernet).gso_type == gso_kind::none);
    octets lying = tcp_frame(false, 10, link_framing::ip);
    lying[32] = std::byte{0xF0};  // TCP header of 60 octets, beyond the packet's end
    CHECK(read_vnet_header(h, lying, link_framing::ip).wire_segments == 1);
    h.flags = vnet_header::data_valid;
    h.gso_type = vnet_header::gso_none;
    CHECK(read_vnet_header(h, {}, link_framing::ip).checksum == checksum_state::good);
    CHECK(read_vnet_header({}, {}, link_framing::ip).checksum == checksum_state::verify);
}
