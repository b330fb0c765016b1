#include "tcpco/sim/ecn_mark.hpp"

#include "catch.hpp"

#include <vector>

using namespace tcpco;

namespace {

std::vector<std::byte> ipv4_packet_with(std::uint8_t ecn)
{
    std::vector<std::byte> p(40);
    write_ipv4({.dscp = 46,
                .ecn = ecn,
                .total_length = 40,
                .identification = 0xBEEF,
                .ttl = 64,
                .protocol = ip_protocol::tcp,
                .source = {0xC0000201},
                .destination = {0xC0000202}},
               p);
    return p;
}

std::vector<std::byte> in_ethernet(const std::vector<std::byte>& packet, std::uint16_t type, bool tagged)
{
    std::vector<std::byte> f(12);
    const auto put = [&f](unsigned v) {
        f.push_back(static_cast<std::byte>(v >> 8));
        f.push_back(static_cast<std::byte>(v & 255));
    };
    if (tagged) {
        put(0x8100);
        put(7);
    }
    put(type);
    f.insert(f.end(), packet.begin(), packet.end());
    return f;
}

}  // namespace

TEST_CASE("ECN mark: ECT of either kind becomes CE under a good checksum, Not-ECT stays what it is", "[sim]")
{
    const std::uint8_t ecn = GENERATE(ecn_codepoint::not_ect, ecn_codepoint::ect_1, ecn_codepoint::ect_0,
                                      ecn_codepoint::ce);
    const int kind = GENERATE(0, 1, 2);  // bare, Ethernet, with a tag
    const link_framing framing = kind == 0 ? link_framing::ip : link_framing::ethernet;
    const std::vector<std::byte> packet = ipv4_packet_with(ecn);
    std::vector<std::byte> frame = kind == 0 ? packet : in_ethernet(packet, 0x0800, kind == 2);
    const std::vector<std::byte> before = frame;
    CHECK(ecn_of_frame(frame, framing) == ecn);
    CHECK(mark_frame(frame, framing) == (ecn != ecn_codepoint::not_ect));
    if (ecn == ecn_codepoint::not_ect) {
        CHECK(frame == before);
        return;
    }
    const auto parsed = parse_ipv4(std::span{frame}.subspan(frame.size() - packet.size()));
    REQUIRE(parsed);
    CHECK(parsed->header.ecn == ecn_codepoint::ce);
    CHECK(parsed->header.dscp == 46);
    CHECK(parsed->header.identification == 0xBEEF);
}

TEST_CASE("ECN mark: the checksum comes out right whatever it was, and a wrong one stays wrong", "[sim]")
{
    for (unsigned id = 0; id <= 0xFFFF; id += 3) {
        std::vector<std::byte> p = ipv4_packet_with(ecn_codepoint::ect_0);
        auto header = parse_ipv4(p)->header;
        header.identification = static_cast<std::uint16_t>(id);
        write_ipv4(header, p);
        REQUIRE(mark_frame(p, link_framing::ip));
        REQUIRE(parse_ipv4(p));
    }
    std::vector<std::byte> damaged = ipv4_packet_with(ecn_codepoint::ect_0);
    damaged[8] ^= std::byte{1};
    mark_frame(damaged, link_framing::ip);
    CHECK_FALSE(parse_ipv4(damaged));
}

TEST_CASE("ECN mark: IPv6 has the field in its traffic class, and other frames have none", "[sim]")
{
    std::vector<std::byte> six(40);
    six[0] = std::byte{0x6B};  // traffic class 0xB9: DSCP 46, ECT(1)
    six[1] = std::byte{0x90};
    std::vector<std::byte> frame = in_ethernet(six, 0x86DD, false);
    CHECK(ecn_of_frame(frame, link_framing::ethernet) == ecn_codepoint::ect_1);
    CHECK(mark_frame(frame, link_framing::ethernet));
    CHECK(frame[14] == std::byte{0x6B});
    CHECK(frame[15] == std::byte{0xB0});

    std::vector<std::byte> arp = in_ethernet(std::vector<std::byte>(28, std::byte{0x47}), 0x0806, false);
    CHECK_FALSE(mark_frame(arp, link_framing::ethernet));
    for (std::size_t n = 0; n < 34; ++n) {  // cut off before the header's end
        std::vector<std::byte> cut = in_ethernet(ipv4_packet_with(ecn_codepoint::ect_0), 0x0800, false);
        cut.resize(n);
        CHECK_FALSE(mark_frame(cut, link_framing::ethernet));
    }
}
