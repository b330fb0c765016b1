#include "tcpco/wire/tcp_options.hpp"

#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::join;
using tcpco::test::octets;

namespace {

constexpr tcp_options with_mss(std::uint16_t mss)
{
    tcp_options o;
    o.has_mss = true;
    o.mss = mss;
    return o;
}

constexpr tcp_options malformed(tcp_options o = {})
{
    o.malformed = true;
    return o;
}

// A Linux SYN: MSS 1460, SACK-permitted, timestamps 1 and 2, NOP, window scale 7.
constexpr auto linux_syn = octets(2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7);
constexpr tcp_options linux_syn_options = [] {
    tcp_options o = with_mss(1460);
    o.sack_permitted = true;
    o.has_timestamps = true;
    o.tsval = 1;
    o.tsecr = 2;
    o.has_window_scale = true;
    o.window_scale = 7;
    return o;
}();
static_assert(parse_tcp_options(linux_syn) == linux_syn_options);

constexpr auto linux_syn_written = [] {
    std::array<std::byte, 20> out{};
    write_tcp_options(linux_syn_options, out);
    return out;
}();
static_assert(linux_syn_written == linux_syn);

// MUST-4: the three that everybody must know.
static_assert(parse_tcp_options({}) == tcp_options{});
static_assert(parse_tcp_options(octets(0)) == tcp_options{});
static_assert(parse_tcp_options(octets(1, 1, 1, 1)) == tcp_options{});
static_assert(parse_tcp_options(octets(2, 4, 0x05, 0xb4)) == with_mss(1460));

// RFC 9293 3.1, MUST-7: illegal lengths end the reading.
static_assert(parse_tcp_options(octets(2, 0)) == malformed());
static_assert(parse_tcp_options(octets(2, 1, 0x05, 0xb4)) == malformed());
static_assert(parse_tcp_options(octets(2, 4)) == malformed());
static_assert(parse_tcp_options(octets(2, 4, 0x05)) == malformed());
static_assert(parse_tcp_options(octets(2)) == malformed());
static_assert(parse_tcp_options(octets(8, 10)) == malformed());
static_assert(parse_tcp_options(octets(0xfe, 0)) == malformed());
static_assert(parse_tcp_options(octets(0xfe, 0xff)) == malformed());
static_assert(parse_tcp_options(octets(1, 1, 1, 8)) == malformed());
static_assert(parse_tcp_options(octets(2, 4, 0x05, 0xb4, 8, 10, 0, 0)) == malformed(with_mss(1460)));
static_assert(parse_tcp_options(octets(0xfe, 1, 2, 4, 0x05, 0xb4)) == malformed());

// Two of a kind: the first counts.
static_assert(parse_tcp_options(octets(2, 4, 0x05, 0xb4, 2, 4, 0x02, 0x18)) == with_mss(1460));
static_assert(parse_tcp_options(octets(2, 4, 0, 0, 2, 4, 0x02, 0x18)) == with_mss(0));
static_assert(parse_tcp_options(octets(3, 3, 9, 3, 3, 2)).window_scale == 9);
static_assert(parse_tcp_options(octets(8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4)).tsval == 1);

}  // namespace

TEST_CASE("TCP options: an unknown option is skipped by its length, at any alignment",
          "[wire][MUST-6][MUST-64][MUST-68]")
{
    CHECK(parse_tcp_options(octets(0x1e, 4, 0xde, 0xad, 2, 4, 0x05, 0xb4)) == with_mss(1460));
    CHECK(parse_tcp_options(octets(0xfd, 2, 2, 4, 0x05, 0xb4)) == with_mss(1460));
    const std::vector<std::byte> no_operations(GENERATE(0u, 1u, 2u, 3u, 4u, 5u), std::byte{1});
    CHECK(parse_tcp_options(join(no_operations, linux_syn)) == linux_syn_options);
}

TEST_CASE("TCP options: forty no-operations are nothing", "[wire][MUST-4]")
{
    CHECK(parse_tcp_options(std::vector<std::byte>(40, std::byte{1})) == tcp_options{});
}

TEST_CASE("TCP options: nothing after the end of the list is read", "[wire][MUST-4]")
{
    CHECK(parse_tcp_options(octets(0, 2, 4, 0x05, 0xb4)) == tcp_options{});
    CHECK(parse_tcp_options(octets(0, 0xff, 0x00, 0x02)) == tcp_options{});
    CHECK(parse_tcp_options(octets(2, 4, 0x05, 0xb4, 0, 0xfe, 0)) == with_mss(1460));
}

TEST_CASE("TCP options: every cut of a list is read up to the cut, and only there called malformed", "[wire][MUST-7]")
{
    for (std::size_t size = 0; size <= linux_syn.size(); ++size) {
        const auto options = parse_tcp_options(cut(linux_syn, size));
        const bool between = size == 0 || size == 4 || size == 6 || size == 16 || size == 17 || size == 20;
        CHECK(options.malformed == !between);
        CHECK(options.has_mss == (size >= 4));
        CHECK(options.sack_permitted == (size >= 6));
        CHECK(options.has_timestamps == (size >= 16));
        CHECK(options.has_window_scale == (size >= 20));
    }
}

TEST_CASE("TCP options: an illegal length of any kind ends the reading", "[wire][MUST-7]")
{
    for (unsigned kind = 2; kind < 256; ++kind) {
        for (unsigned length : {0u, 1u, 7u, 40u, 255u}) {
            const auto list = octets(kind, length, 0, 0, 0, 0);
            CHECK(parse_tcp_options(cut(list, list.size())) == malformed());
        }
    }
}

TEST_CASE("TCP options: a known option with a wrong length is ignored, and what follows is read", "[wire][MUST-6]")
{
    for (unsigned kind : {2u, 3u, 4u, 5u, 8u}) {
        for (unsigned length = 2; length <= 36; ++length) {
            const bool right = (kind == 2 && length == 4) || (kind == 3 && length == 3) || (kind == 4 && length == 2) ||
                               (kind == 8 && length == 10) ||
                               (kind == 5 && (length == 10 || length == 18 || length == 26 || length == 34));
            std::vector<std::byte> content(length - 2);
            const auto options = parse_tcp_options(join(octets(kind, length), content, octets(1, 3, 3, 5)));
            tcp_options nothing_but_scale;
            nothing_but_scale.has_window_scale = true;
            nothing_but_scale.window_scale = 5;
            INFO("kind " << kind << " length " << length);
            CHECK((options == nothing_but_scale) == !right);
            CHECK_FALSE(options.malformed);
        }
    }
}

TEST_CASE("TCP options: values are given as received, sensible or not", "[wire]")
{
    CHECK(parse_tcp_options(octets(2, 4, 0, 0)) == with_mss(0));
    CHECK(parse_tcp_options(octets(2, 4, 0, 1)) == with_mss(1));
    CHECK(parse_tcp_options(octets(2, 4, 0xff, 0xff)) == with_mss(65535));
    CHECK(parse_tcp_options(octets(3, 3, 15)).window_scale == 15);
    CHECK(parse_tcp_options(octets(3, 3, 255)).window_scale == 255);
}

TEST_CASE("TCP options: SACK blocks are read in their order, from the first SACK option", "[wire][RFC2018-3a]")
{
    const auto list = octets(5, 18, 0, 0, 0, 10, 0, 0, 0, 20, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 5,  //
                             5, 10, 0, 0, 0, 30, 0, 0, 0, 40);
    const auto options = parse_tcp_options(list);
    REQUIRE(options.sacks().size() == 2);
    CHECK(options.sacks()[0] == sack_block{{10}, {20}});
    CHECK(options.sacks()[1] == sack_block{{0xfffffff0}, {5}});
    CHECK(options.sack_blocks[2] == sack_block{});
}

TEST_CASE("TCP options: aligned timestamps, the usual case, are read as any other", "[wire]")
{
    const auto aligned = octets(1, 1, 8, 10, 0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d);
    const auto shifted = octets(1, 8, 10, 0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d, 1);
    const auto options = parse_tcp_options(aligned);
    CHECK(options.has_timestamps);
    CHECK(options.tsval == 0x01020304);
    CHECK(options.tsecr == 0x0a0b0c0d);
    CHECK(parse_tcp_options(shifted) == options);
    CHECK(parse_tcp_options(cut(aligned, 11)) == malformed());
}

namespace {

// Every combination of options that the writer can be asked for: bit i of `choice` is one option, the rest the blocks.
tcp_options combination(unsigned choice, unsigned blocks)
{
    tcp_options o;
    o.has_mss = (choice & 1) != 0;
    o.mss = o.has_mss ? 1460 : 0;
    o.has_window_scale = (choice & 2) != 0;
    o.window_scale = o.has_window_scale ? 14 : 0;
    o.sack_permitted = (choice & 4) != 0;
    o.has_timestamps = (choice & 8) != 0;
    o.tsval = o.has_timestamps ? 0xfedcba98 : 0;
    o.tsecr = o.has_timestamps ? 0x01234567 : 0;
    o.user_timeout = (choice & 16) != 0 ? 0x8005 : 0;
    o.sack_count = static_cast<std::uint8_t>(blocks);
    for (unsigned i = 0; i < blocks; ++i) {
        o.sack_blocks[i] = {{1000 * i + 100}, {1000 * i + 600}};
    }
    return o;
}

}  // namespace

TEST_CASE("TCP options: every combination is read back as written, in whole words and at most 40 octets",
          "[wire][MUST-69]")
{
    for (unsigned choice = 0; choice < 32; ++choice) {
        for (unsigned blocks = 0; blocks <= 4; ++blocks) {
            const tcp_options o = combination(choice, blocks);
            std::vector<std::byte> out(encoded_size(o));
            REQUIRE(write_tcp_options(o, out) == out.size());
            CHECK(out.size() % 4 == 0);
            CHECK(out.size() <= max_tcp_options_size);
            const tcp_options read = parse_tcp_options(out);
            CHECK(read == combination(choice, read.sack_count));
            const std::size_t used = encoded_size(combination(choice, 0));
            CHECK(read.sack_count == std::min<std::size_t>(blocks, (40 - used - 4) / 8));
        }
    }
}

TEST_CASE("TCP options: a Fast Open cookie of 4 to 16 octets is read back, beside all others of a SYN",
          "[wire][RFC7413-4.1.1a]")
{
    for (std::uint8_t size = 0; size <= 16; size = static_cast<std::uint8_t>(size == 0 ? 4 : size + 2)) {
        for (unsigned choice = 0; choice < 16; ++choice) {
            tcp_options o = combination(choice, 0);
            o.has_fast_open = true;
            o.cookie.size = size;
            for (std::size_t i = 0; i < size; ++i) {
                o.cookie.octets[i] = static_cast<std::byte>(0xA0 + i);
            }
            std::vector<std::byte> out(encoded_size(o));
            REQUIRE(write_tcp_options(o, out) == out.size());
            CHECK(out.size() % 4 == 0);
            CHECK(out.size() <= max_tcp_options_size);
            CHECK(parse_tcp_options(out) == o);
        }
    }
}

TEST_CASE("TCP options: a Fast Open cookie of any other length is ignored, and so is a second one",
          "[wire][RFC7413-4.1.1b]")
{
    static_assert(parse_tcp_options(octets(34, 2)).has_fast_open);
    static_assert(!parse_tcp_options(octets(34, 4, 1, 2)).has_fast_open);           // two octets
    static_assert(!parse_tcp_options(octets(34, 7, 1, 2, 3, 4, 5)).has_fast_open);  // odd
    CHECK_FALSE(parse_tcp_options(join(octets(34, 20), std::vector<std::byte>(18))).has_fast_open);
    constexpr auto two = parse_tcp_options(octets(34, 6, 1, 2, 3, 4, 34, 6, 5, 6, 7, 8));
    static_assert(two.cookie.size == 4 && two.cookie.octets[0] == std::byte{1});
    SUCCEED("checked while compiling");
}

TEST_CASE("TCP options: a user timeout has kind 28 and 16 bits, and one of zero or another length is ignored",
          "[wire][RFC5482-3.3a][RFC5482-3.4a]")
{
    static_assert(parse_tcp_options(octets(28, 4, 0x80, 5)).user_timeout == 0x8005);
    static_assert(parse_tcp_options(octets(28, 4, 0, 100)).user_timeout == 100);
    static_assert(parse_tcp_options(octets(28, 4, 0, 0)).user_timeout == 0);
    static_assert(parse_tcp_options(octets(28, 4, 0x80, 0)).user_timeout == 0);
    static_assert(parse_tcp_options(octets(28, 3, 9)).user_timeout == 0);
    static_assert(parse_tcp_options(octets(28, 4, 0, 7, 28, 4, 0, 8)).user_timeout == 7);
    tcp_options o;
    o.user_timeout = 0x8005;
    std::vector<std::byte> out(encoded_size(o));
    write_tcp_options(o, out);
    const auto expected = octets(28, 4, 0x80, 5);
    CHECK(std::equal(out.begin(), out.end(), expected.begin(), expected.end()));
}

TEST_CASE("TCP options: where Fast Open's largest cookie leaves no room the user timeout is left out",
          "[wire][RFC5482-3a]")
{
    tcp_options o = combination(31, 0);
    o.has_fast_open = true;
    o.cookie.size = 16;
    std::vector<std::byte> out(encoded_size(o));
    REQUIRE(write_tcp_options(o, out) == out.size());
    CHECK(out.size() == max_tcp_options_size);
    CHECK(parse_tcp_options(out).user_timeout == 0);
    CHECK(parse_tcp_options(out).cookie.size == 16);
}

TEST_CASE("TCP options: four SACK blocks fit alone, three with timestamps, two with everything", "[wire][RFC2018-3a]")
{
    CHECK(encoded_size(combination(0, 4)) == 36);
    CHECK(encoded_size(combination(8, 4)) == 40);
    CHECK(encoded_size(combination(15, 4)) == 40);
    std::vector<std::byte> out(40);
    write_tcp_options(combination(8, 4), out);
    CHECK(parse_tcp_options(out) == combination(8, 3));
    write_tcp_options(combination(15, 4), out);
    CHECK(parse_tcp_options(out) == combination(15, 2));
}

TEST_CASE("TCP options: every option written but NOP has a length, and none needs an end of list",
          "[wire][MUST-68][MUST-69]")
{
    for (unsigned choice = 0; choice < 16; ++choice) {
        std::vector<std::byte> out(encoded_size(combination(choice, 1)));
        write_tcp_options(combination(choice, 1), out);
        std::size_t at = 0;
        while (at < out.size()) {
            REQUIRE(out[at] != std::byte{0});
            at += out[at] == std::byte{1} ? 1 : std::to_integer<std::size_t>(out[at + 1]);
        }
        CHECK(at == out.size());
    }
}

TEST_CASE("TCP options: a header is written with its options and a data offset that counts them", "[wire]")
{
    tcp_header header;
    header.source_port = 7;
    header.flags = tcp_flag::syn;
    header.data_offset = 0;
    std::vector<std::byte> out(max_tcp_header_size, std::byte{0xee});
    const std::size_t size = write_tcp(header, linux_syn_options, out);
    REQUIRE(size == 40);
    CHECK(out[40] == std::byte{0xee});
    const auto parsed = parse_tcp(std::span{out}.first(size));
    REQUIRE(parsed);
    CHECK(parsed->header.data_offset == 10);
    CHECK(parsed->header.source_port == 7);
    CHECK(parse_tcp_options(parsed->options) == linux_syn_options);
    CHECK(write_tcp(header, tcp_options{}, out) == 20);
}

TEST_CASE("TCP options: AccECN has kind 172 or 174 and up to three fields of 24 bits, in network order",
          "[wire][RFC9768-3.2.3a][RFC9768-3.2.3c]")
{
    static_assert(!parse_tcp_options({}).accecn.present);
    static_assert(parse_tcp_options(octets(172, 2)).accecn == accecn_option{.present = true});
    constexpr auto whole = octets(174, 11, 0x01, 0x02, 0x03, 0xFF, 0xFE, 0xFD, 0, 0, 1);
    constexpr accecn_option read{
        .present = true, .order = 1, .count = 3, .fields = {0x010203, 0xFFFEFD, 0x000001}};
    static_assert(parse_tcp_options(whole).accecn == read);
    for (std::uint8_t count = 0; count <= 3; ++count) {
        tcp_options o;
        o.accecn = {.present = true, .count = count};
        for (std::uint8_t i = 0; i < count; ++i) {
            o.accecn.fields[i] = 0xABCDEFu - i;
        }
        std::vector<std::byte> out(encoded_size(o));
        REQUIRE(write_tcp_options(o, out) == out.size());
        CHECK(out.size() == (2U + 3U * count + 3U) / 4 * 4);
        const std::size_t at = out.size() - (2U + 3U * count);
        CHECK(out[at] == std::byte{172});
        CHECK(out[at + 1] == static_cast<std::byte>(2 + 3 * count));
        CHECK(parse_tcp_options(out) == o);
    }
}

TEST_CASE("TCP options: of an AccECN option of any length the whole fields are read, and the first one counts",
          "[wire][RFC9768-3.2.3b]")
{
    for (std::size_t length = 2; length <= 40; ++length) {
        std::vector<std::byte> content(length - 2, std::byte{0x11});
        const tcp_options o = parse_tcp_options(join(octets(172, static_cast<unsigned>(length)), content));
        CHECK_FALSE(o.malformed);
        CHECK(o.accecn.present);
        CHECK(o.accecn.count == std::min<std::size_t>(3, (length - 2) / 3));
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(o.accecn.fields[i] == (i < o.accecn.count ? 0x111111U : 0U));
        }
    }
    const auto two = parse_tcp_options(octets(172, 5, 0, 0, 9, 174, 5, 0, 0, 8)).accecn;
    CHECK((two.order == 0 && two.fields[0] == 9));
    CHECK(parse_tcp_options(octets(172, 11, 0, 0, 1)).malformed);
}

TEST_CASE("TCP options: AccECN stands beside all others, gives way where there is no room, and takes some from SACK",
          "[wire][RFC9768-3.2.3c]")
{
    for (unsigned choice = 0; choice < 32; ++choice) {
        for (std::uint8_t count = 0; count <= 3; ++count) {
            for (unsigned blocks = 0; blocks <= 4; ++blocks) {
                tcp_options o = combination(choice, blocks);
                const std::size_t others = encoded_size(combination(choice, 0));
                o.accecn = {.present = true, .order = 1, .count = count};
                std::vector<std::byte> out(encoded_size(o));
                REQUIRE(write_tcp_options(o, out) == out.size());
                CHECK(out.size() <= max_tcp_options_size);
                const tcp_options read = parse_tcp_options(out);
                const std::size_t size = (2U + 3U * count + 3U) / 4 * 4;
                CHECK(read.accecn.present == (others + size <= 40));
                const std::size_t used = others + (read.accecn.present ? size : 0);
                CHECK(read.sack_count == (used + 12 > 40 ? 0 : std::min<std::size_t>(blocks, (40 - used - 4) / 8)));
            }
        }
    }
}
