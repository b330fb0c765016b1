#include "tcpco/wire/byte_order.hpp"

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::octets;

namespace {

constexpr auto sample = octets(0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde);

static_assert(read_be16(sample.data()) == 0x1234);
static_assert(read_be16(sample, 5) == 0xbcde);
static_assert(read_be32(sample.data()) == 0x12345678);
static_assert(read_be32(sample, 3) == 0x789abcde);
static_assert(read_ipv4_address(sample.data()) == ipv4_address{0x12345678});
static_assert(read_mac_address(sample.data() + 1) == mac_address{{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}});

constexpr auto written = [] {
    std::array<std::byte, 20> out{};
    write_be16(out, 0, 0xfedc);
    write_be32(out, 3, 0x89abcdef);
    write_mac_address(out.data() + 8, {{1, 2, 3, 4, 5, 6}});
    write_ipv4_address(out.data() + 15, {0xc0000201});
    return out;
}();
static_assert(written == octets(0xfe, 0xdc, 0, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 0, 192, 0, 2, 1, 0));

}  // namespace

TEST_CASE("byte order: reading and writing are inverse at every offset and do not touch their neighbours", "[wire]")
{
    const std::size_t offset = GENERATE(0u, 1u, 2u, 3u, 4u);
    std::array<std::byte, 8> out{};
    write_be32(out, offset, 0xa1b2c3d4);
    CHECK(read_be32(out, offset) == 0xa1b2c3d4);
    CHECK(read_be16(out, offset) == 0xa1b2);
    CHECK(read_be16(out, offset + 2) == 0xc3d4);
    for (std::size_t i = 0; i < out.size(); ++i) {
        CHECK((out[i] != std::byte{0}) == (i >= offset && i < offset + 4));
    }
}
