#include "tcpco/wire/ethernet.hpp"

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::octets;

namespace {

constexpr auto sample = octets(0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x06, 0xaa, 0xbb);
constexpr ethernet_header header{{{0x02, 0, 0, 0, 0, 0x02}}, {{0x02, 0, 0, 0, 0, 0x01}}, ethertype::arp};

static_assert(parse_ethernet(sample)->header == header);
static_assert(parse_ethernet(sample)->payload.size() == 2);
static_assert(parse_ethernet(sample)->payload[0] == std::byte{0xaa});
static_assert(parse_ethernet(std::span{sample}.first(14))->payload.empty());
static_assert(parse_ethernet(std::span{sample}.first(13)).error == ethernet_error::truncated);

constexpr auto written = [] {
    auto out = sample;
    out.fill(std::byte{0xcc});
    write_ethernet(header, out);
    return out;
}();
static_assert(std::equal(written.begin(), written.begin() + 14, sample.begin()));
static_assert(written[14] == std::byte{0xcc});

}  // namespace

TEST_CASE("Ethernet: every frame shorter than its header is refused as truncated", "[wire]")
{
    for (std::size_t size = 0; size < ethernet_header_size; ++size) {
        CHECK(parse_ethernet(cut(sample, size)).error == ethernet_error::truncated);
    }
    CHECK(parse_ethernet(cut(sample, ethernet_header_size)));
}

TEST_CASE("Ethernet: unknown types are kept as they are", "[wire]")
{
    auto frame = cut(sample, sample.size());
    frame[12] = std::byte{0x88};
    frame[13] = std::byte{0xcc};
    CHECK(static_cast<unsigned>(parse_ethernet(frame)->header.type) == 0x88cc);
}
