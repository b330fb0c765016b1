#include "tcpco/wire/icmp.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::join;
using tcpco::test::octets;

namespace {

constexpr auto echo_request = octets(8, 0, 0x21, 0x68, 0x12, 0x34, 0x00, 0x01, 'a', 'b', 'c');
constexpr auto abc = octets('a', 'b', 'c');

static_assert(parse_icmp(echo_request)->header == icmp_header::echo(icmp_type::echo_request, 0x1234, 1));
static_assert(parse_icmp(echo_request)->header.identifier() == 0x1234);
static_assert(parse_icmp(echo_request)->header.sequence() == 1);
static_assert(parse_icmp(echo_request)->body.size() == 3);
static_assert(!parse_icmp(echo_request)->header.is_error());

constexpr auto written = [] {
    std::array<std::byte, icmp_header_size> out{};
    const std::span<const std::byte> body[] = {abc};
    write_icmp(icmp_header::echo(icmp_type::echo_request, 0x1234, 1), body, out);
    return out;
}();
static_assert(std::equal(written.begin(), written.end(), echo_request.begin()));

static_assert(icmp_header::unreachable(icmp_unreachable::fragmentation_needed, 1400).next_hop_mtu() == 1400);
static_assert(icmp_header{icmp_type::parameter_problem, 0, 0x14000000}.pointer() == 20);
static_assert(icmp_header::unreachable(icmp_unreachable::port).is_unreachable(icmp_unreachable::port));
static_assert(!icmp_header::unreachable(icmp_unreachable::host).is_unreachable(icmp_unreachable::port));
static_assert(!icmp_header{icmp_type::time_exceeded, 3, 0}.is_unreachable(icmp_unreachable::port));

}  // namespace

TEST_CASE("ICMP: a message shorter than its header is refused as truncated", "[wire]")
{
    for (std::size_t size = 0; size < icmp_header_size; ++size) {
        CHECK(parse_icmp(cut(echo_request, size)).error == icmp_error::truncated);
    }
}

TEST_CASE("ICMP: every single bit error is noticed", "[wire]")
{
    for (std::size_t bit = 0; bit < echo_request.size() * 8; ++bit) {
        auto octets = cut(echo_request, echo_request.size());
        octets[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK(parse_icmp(octets).error == icmp_error::bad_checksum);
    }
    CHECK(parse_icmp(std::vector<std::byte>(8)).error == icmp_error::bad_checksum);
    CHECK(message(icmp_error::bad_checksum) == std::string{"bad checksum"});
    CHECK(message(icmp_error::truncated) == std::string{"truncated"});
}

TEST_CASE("ICMP: header and a body in pieces, odd ones included, are read back as one message", "[wire]")
{
    const icmp_header header = GENERATE(
        icmp_header::echo(icmp_type::echo_reply, 0xffff, 0xabcd), icmp_header::unreachable(icmp_unreachable::port),
        icmp_header::unreachable(icmp_unreachable::fragmentation_needed, 1280),
        icmp_header{icmp_type::time_exceeded, 1, 0}, icmp_header{icmp_type::source_quench, 0, 0},
        icmp_header{icmp_type::parameter_problem, 0, 0x09000000}, icmp_header{icmp_type{200}, 7, 0xdeadbeef});
    const auto first = octets(1, 2, 3);
    const auto second = octets(4, 5, 6, 7);
    const std::span<const std::byte> body[] = {first, {}, second};
    std::vector<std::byte> out(icmp_header_size);
    CHECK(write_icmp(header, body, out) == icmp_header_size);
    const auto packet = join(out, first, second);
    const auto parsed = parse_icmp(packet);
    REQUIRE(parsed);
    CHECK(parsed->header == header);
    CHECK(parsed->body.size() == 7);
    CHECK(parsed->body[6] == std::byte{7});
}

TEST_CASE("ICMP: errors are those types that quote a packet (RFC 1122 3.2.2)", "[wire]")
{
    for (unsigned type = 0; type < 256; ++type) {
        const bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        CHECK(icmp_header{static_cast<icmp_type>(type), 0, 0}.is_error() == error);
    }
}
