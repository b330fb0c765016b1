#include "tcpco/wire/ipv4.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::join;
using tcpco::test::octets;

namespace {

// 198.18.0.1 > 198.18.0.2, TCP, DF, ECT(0), 3 octets of payload, 2 octets of padding.
constexpr auto sample = octets(0x45, 0x02, 0x00, 0x17, 0x12, 0x34, 0x40, 0x00, 0x40, 0x06, 0x9c, 0x83, 198, 18, 0, 1,
                               198, 18, 0, 2, 0xaa, 0xbb, 0xcc, 0x00, 0x00);

constexpr ipv4_header header = [] {
    ipv4_header h;
    h.ecn = 2;
    h.total_length = 23;
    h.identification = 0x1234;
    h.dont_fragment = true;
    h.ttl = 64;
    h.protocol = ip_protocol::tcp;
    h.source = {0xC6120001};
    h.destination = {0xC6120002};
    return h;
}();

static_assert(parse_ipv4(sample)->header == header);
static_assert(!header.is_fragment());
static_assert(parse_ipv4(sample)->options.empty());
static_assert(parse_ipv4(sample)->payload.size() == 3);
static_assert(parse_ipv4(sample)->payload.data() == sample.data() + 20);

constexpr auto written = [] {
    std::array<std::byte, 20> out{};
    write_ipv4(header, out);
    return out;
}();
static_assert(std::equal(written.begin(), written.end(), sample.begin()));

// The sample with the given octets replaced and the header's checksum made right again.
struct change {
    std::size_t at;
    int value;
};
std::vector<std::byte> with(std::vector<std::byte> packet, std::initializer_list<change> changes)
{
    for (change c : changes) {
        packet[c.at] = static_cast<std::byte>(c.value);
    }
    const std::size_t length = std::min(packet.size(), std::to_integer<std::size_t>(packet[0] & std::byte{15}) * 4);
    write_be16(packet, 10, 0);
    checksum_accumulator sum;
    sum.add(std::span{packet}.first(length));
    write_be16(packet, 10, sum.checksum());
    return packet;
}

const std::vector<std::byte> base = cut(sample, sample.size());

}  // namespace

TEST_CASE("IPv4: a packet cut before its total length is refused as truncated", "[wire]")
{
    for (std::size_t size = 0; size < 23; ++size) {
        CHECK(parse_ipv4(cut(sample, size)).error == ipv4_error::truncated);
    }
    CHECK(parse_ipv4(cut(sample, 23)));
}

TEST_CASE("IPv4: each wrong field is refused with its own reason", "[wire]")
{
    CHECK(parse_ipv4(with(base, {{0, 0x65}})).error == ipv4_error::bad_version);
    CHECK(parse_ipv4(with(base, {{0, 0x05}})).error == ipv4_error::bad_version);
    CHECK(parse_ipv4(with(base, {{0, 0x40}})).error == ipv4_error::bad_header_length);
    CHECK(parse_ipv4(with(base, {{0, 0x44}})).error == ipv4_error::bad_header_length);
    CHECK(parse_ipv4(with(base, {{0, 0x4f}})).error == ipv4_error::truncated);
    CHECK(parse_ipv4(with(base, {{3, 19}})).error == ipv4_error::bad_total_length);
    CHECK(parse_ipv4(with(base, {{3, 0}})).error == ipv4_error::bad_total_length);
    CHECK(parse_ipv4(with(base, {{3, 26}})).error == ipv4_error::truncated);
    CHECK(parse_ipv4(with(base, {{2, 0xff}})).error == ipv4_error::truncated);
    for (ipv4_error e : {ipv4_error::truncated, ipv4_error::bad_version, ipv4_error::bad_header_length,
                         ipv4_error::bad_total_length, ipv4_error::bad_checksum}) {
        CHECK(message(e) != std::string{"unknown error"});
    }
}

TEST_CASE("IPv4: every single bit error in the header is noticed", "[wire]")
{
    for (std::size_t bit = 0; bit < 160; ++bit) {
        auto packet = base;
        packet[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK_FALSE(parse_ipv4(packet));
        if (bit >= 8) {  // the first octet is judged before the checksum
            CHECK(parse_ipv4(packet).error == ipv4_error::bad_checksum);
        }
    }
}

TEST_CASE("IPv4: padding of short Ethernet frames is cut off the payload", "[wire]")
{
    const auto packet = with(base, {{3, 20}});
    const auto parsed = parse_ipv4(packet);
    REQUIRE(parsed);
    CHECK(parsed->payload.empty());
}

TEST_CASE("IPv4: unknown and senseless options are ignored and the payload is found behind them", "[wire][MUST-50]")
{
    const auto options = GENERATE(octets(0x9e, 0x04, 0xde, 0xad), octets(0x9e, 0x00, 0x00, 0x00),
                                  octets(0x9e, 0xff, 0xff, 0xff), octets(0x00, 0x12, 0x34, 0x56));
    auto packet = join(cut(sample, 20), options, octets(0xaa, 0xbb, 0xcc));
    packet = with(packet, {{0, 0x46}, {3, 27}});
    const auto parsed = parse_ipv4(packet);
    REQUIRE(parsed);
    CHECK(std::equal(parsed->options.begin(), parsed->options.end(), options.begin(), options.end()));
    REQUIRE(parsed->payload.size() == 3);
    CHECK(parsed->payload[0] == std::byte{0xaa});
    CHECK(parse_ipv4(with(packet, {{3, 23}})).error == ipv4_error::bad_total_length);
}

TEST_CASE("IPv4: every field survives writing and reading", "[wire]")
{
    ipv4_header h = header;
    h.dscp = 46;
    h.ecn = static_cast<std::uint8_t>(GENERATE(0, 1, 2, 3));
    h.total_length = 20;
    h.identification = 0xfedc;
    h.dont_fragment = GENERATE(false, true);
    h.more_fragments = GENERATE(false, true);
    h.fragment_offset = static_cast<std::uint16_t>(GENERATE(0, 1, 0x1fff));
    h.ttl = 255;
    h.protocol = ip_protocol::udp;
    std::vector<std::byte> out(20);
    CHECK(write_ipv4(h, out) == 20);
    const auto parsed = parse_ipv4(out);
    REQUIRE(parsed);
    CHECK(parsed->header == h);
    CHECK(parsed->header.is_fragment() == (h.more_fragments || h.fragment_offset != 0));
}

TEST_CASE("IPv4: the reserved flag bit is ignored", "[wire]")
{
    const auto parsed = parse_ipv4(with(base, {{6, 0xc0}}));
    REQUIRE(parsed);
    CHECK(parsed->header == header);
}

TEST_CASE("IPv4: a packet quoted by an ICMP error may be cut off and have a stale checksum", "[wire]")
{
    auto quoted = with(base, {{2, 0x05}, {3, 0xdc}});
    CHECK(parse_ipv4(quoted).error == ipv4_error::truncated);
    quoted[8] = std::byte{1};
    const auto parsed = parse_quoted_ipv4(quoted);
    REQUIRE(parsed);
    CHECK(parsed->header.total_length == 1500);
    CHECK(parsed->header.ttl == 1);
    CHECK(parsed->payload.size() == 5);

    CHECK(parse_quoted_ipv4(base)->payload.size() == 3);
    CHECK(parse_quoted_ipv4(cut(sample, 19)).error == ipv4_error::truncated);
    CHECK(parse_quoted_ipv4(with(base, {{0, 0x65}})).error == ipv4_error::bad_version);
    CHECK(parse_quoted_ipv4(with(base, {{0, 0x44}})).error == ipv4_error::bad_header_length);
    CHECK(parse_quoted_ipv4(with(base, {{0, 0x47}})).error == ipv4_error::truncated);
    CHECK(parse_quoted_ipv4(with(base, {{3, 19}})).error == ipv4_error::bad_total_length);
}
