#include "tcpco/wire/arp.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::octets;

namespace {

constexpr auto request = octets(0, 1, 0x08, 0, 6, 4, 0, 1, 0x02, 0, 0, 0, 0, 0x01, 198, 18, 0, 1, 0, 0, 0, 0, 0, 0, 198,
                                18, 0, 2);
constexpr arp_packet packet{arp_operation::request,
                            {{0x02, 0, 0, 0, 0, 0x01}},
                            {0xC6120001},
                            {},
                            {0xC6120002}};

static_assert(request.size() == arp_packet_size);
static_assert(*parse_arp(request) == packet);

constexpr auto written = [] {
    std::array<std::byte, arp_packet_size> out{};
    write_arp(packet, out);
    return out;
}();
static_assert(written == request);

struct damage {
    std::size_t at;
    int value;
    arp_error expected;
};

}  // namespace

TEST_CASE("ARP: a reply is read with all four addresses, and padding after it is ignored", "[wire]")
{
    arp_packet reply{arp_operation::reply, {{1, 2, 3, 4, 5, 6}}, {0x01020304}, {{7, 8, 9, 10, 11, 12}}, {0x05060708}};
    std::vector<std::byte> frame(46, std::byte{0xee});
    CHECK(write_arp(reply, frame) == arp_packet_size);
    CHECK(frame[28] == std::byte{0xee});
    const auto parsed = parse_arp(frame);
    REQUIRE(parsed);
    CHECK(*parsed == reply);
}

TEST_CASE("ARP: a packet that ends early is refused as truncated", "[wire]")
{
    for (std::size_t size = 0; size < arp_packet_size; ++size) {
        CHECK(parse_arp(cut(request, size)).error == arp_error::truncated);
    }
}

TEST_CASE("ARP: each wrong field is refused with its own reason", "[wire]")
{
    const damage d = GENERATE(damage{1, 6, arp_error::bad_hardware_type}, damage{0, 1, arp_error::bad_hardware_type},
                              damage{2, 0x86, arp_error::bad_protocol_type}, damage{3, 6, arp_error::bad_protocol_type},
                              damage{4, 8, arp_error::bad_length}, damage{5, 16, arp_error::bad_length},
                              damage{7, 0, arp_error::bad_operation}, damage{7, 3, arp_error::bad_operation},
                              damage{6, 1, arp_error::bad_operation});
    auto octets = cut(request, request.size());
    octets[d.at] = static_cast<std::byte>(d.value);
    INFO("octet " << d.at);
    CHECK(parse_arp(octets).error == d.expected);
    CHECK(message(d.expected) != std::string{"unknown error"});
}
