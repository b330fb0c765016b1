#include "tcpco/wire/tcp.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::octets;

namespace {

// 40000 > 7, SYN ACK, window 65535, MSS 1460, two octets of payload.
constexpr auto sample = octets(0x9c, 0x40, 0x00, 0x07, 0xff, 0xff, 0xff, 0xfe, 0x00, 0x00, 0x00, 0x05, 0x60, 0x12, 0xff,
                               0xff, 0xab, 0xcd, 0x00, 0x09, 0x02, 0x04, 0x05, 0xb4, 0x61, 0x62);
constexpr tcp_header header = [] {
    tcp_header h;
    h.source_port = 40000;
    h.destination_port = 7;
    h.seq = {0xfffffffe};
    h.ack = {5};
    h.flags = tcp_flag::syn | tcp_flag::ack;
    h.window = 65535;
    h.checksum = 0xabcd;
    h.urgent_pointer = 9;
    h.data_offset = 6;
    return h;
}();

static_assert(parse_tcp(sample)->header == header);
static_assert(parse_tcp(sample)->header.window > 0);  // MUST-1: 65535 is not -1
static_assert(parse_tcp(sample)->options.data() == sample.data() + 20);
static_assert(parse_tcp(sample)->options.size() == 4);
static_assert(parse_tcp(sample)->payload.size() == 2);
static_assert(header.header_length() == 24);
static_assert(header.has(tcp_flag::syn) && header.has(tcp_flag::syn | tcp_flag::ack));
static_assert(!header.has(tcp_flag::syn | tcp_flag::fin));

constexpr auto written = [] {
    std::array<std::byte, 20> out{};
    write_tcp(header, out);
    return out;
}();
static_assert(std::equal(written.begin(), written.end(), sample.begin()));

// The twelve bits, each with its own name.
static_assert((tcp_flag::fin | tcp_flag::syn | tcp_flag::rst | tcp_flag::psh | tcp_flag::ack | tcp_flag::urg |
               tcp_flag::ece | tcp_flag::cwr | tcp_flag::ae | tcp_flag::reserved) == 0xFFF);

static_assert(*parse_quoted_tcp(std::span{sample}.first(8)) == quoted_tcp{40000, 7, {0xfffffffe}});
static_assert(parse_quoted_tcp(std::span{sample}.first(7)).error == tcp_error::truncated);

}  // namespace

TEST_CASE("TCP: a segment shorter than 20 octets is refused as truncated", "[wire]")
{
    for (std::size_t size = 0; size < tcp_header_size; ++size) {
        CHECK(parse_tcp(cut(sample, size)).error == tcp_error::truncated);
    }
    for (std::size_t size = 20; size < 24; ++size) {
        CHECK(parse_tcp(cut(sample, size)).error == tcp_error::bad_data_offset);
    }
    CHECK(parse_tcp(cut(sample, 24))->payload.empty());
}

TEST_CASE("TCP: a data offset of 0 to 4 or beyond the segment is refused", "[wire]")
{
    for (unsigned offset = 0; offset < 16; ++offset) {
        auto segment = cut(sample, sample.size());
        segment[12] = static_cast<std::byte>(offset << 4);
        const auto parsed = parse_tcp(segment);
        CHECK(static_cast<bool>(parsed) == (offset == 5 || offset == 6));
        if (!parsed) {
            CHECK(parsed.error == tcp_error::bad_data_offset);
        } else {
            CHECK(parsed->options.size() + parsed->payload.size() == 6);
        }
    }
    CHECK(message(tcp_error::truncated) == std::string{"truncated"});
    CHECK(message(tcp_error::bad_data_offset) == std::string{"bad data offset"});
}

TEST_CASE("TCP: each of the twelve flag bits survives writing and reading alone", "[wire][MUST-1]")
{
    for (unsigned bit = 0; bit < 12; ++bit) {
        tcp_header h = header;
        h.data_offset = 5;
        h.flags = static_cast<std::uint16_t>(1u << bit);
        h.window = 0x8000;
        std::vector<std::byte> out(20);
        CHECK(write_tcp(h, out) == 20);
        CHECK(parse_tcp(out)->header == h);
    }
    auto segment = cut(sample, sample.size());
    segment[12] = std::byte{0x61};
    segment[13] = std::byte{0xc0};
    CHECK(parse_tcp(segment)->header.flags == (tcp_flag::ae | tcp_flag::cwr | tcp_flag::ece));
}

TEST_CASE("TCP: the checksum can be filled in after the header was written", "[wire]")
{
    auto segment = cut(sample, sample.size());
    write_tcp_checksum(0x1234, segment);
    tcp_header expected = header;
    expected.checksum = 0x1234;
    CHECK(parse_tcp(segment)->header == expected);
}
