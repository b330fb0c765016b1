#include "tcpco/stack/arrival_memory.hpp"

#include <array>
#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr slab_id owner{3, 5};

// An IPv4 packet with 20 octets of TCP header and some text, behind an Ethernet header or none.
std::vector<std::byte> frame_of(std::size_t link, std::size_t text = 10)
{
    std::vector<std::byte> f(link + 40 + text, std::byte{0x11});
    write_ipv4({.dscp = 8,
                .ecn = 1,
                .total_length = static_cast<std::uint16_t>(40 + text),
                .identification = 9,
                .dont_fragment = true,
                .ttl = 64,
                .protocol = ip_protocol::tcp,
                .source = {0xC0000202},
                .destination = {0xC0000201}},
               std::span{f}.subspan(link));
    return f;
}

// The IP header's checksum as it should be.
void mend(std::vector<std::byte>& f, std::size_t link)
{
    write_be16(std::span{f}, link + 10, 0);
    const auto sum = detail::sum_header<5>(f.data() + link);
    write_be16(std::span{f}, link + 10, static_cast<std::uint16_t>(~sum));
}

}  // namespace

TEST_CASE("a frame is known by its addresses, ports, code points and fragment field, each octet of them", "[stack]")
{
    for (const std::size_t link : {std::size_t{14}, std::size_t{0}}) {
        const std::vector<std::byte> first = frame_of(link);
        arrival_memory memory;
        CHECK_FALSE(memory.match(first, link));
        memory.keep(first.data() + link, link, owner);
        CHECK(memory.match(first, link) == owner);
        for (std::size_t i = 0; i < link + 40; ++i) {
            std::vector<std::byte> other = first;
            other[i] ^= std::byte{0x10};
            const std::size_t ip = i - link;
            const bool length = i >= link && (ip == 2 || ip == 3);
            const bool sum = i >= link && (ip == 10 || ip == 11);
            if (i >= link && ip < 20 && !sum) {
                mend(other, link);
            }
            // Identification, hop limit, and what TCP says behind its ports may differ.
            const bool free = i >= link && (ip == 4 || ip == 5 || ip == 8 || ip >= 24);
            CAPTURE(link, i, length);
            CHECK((memory.match(other, link) == owner) == free);
            const bool port = i >= link && ip >= 20 && ip < 24;
            CHECK(memory.is_from_same_host(other, link) == (free || port));
        }
        memory.forget();
        CHECK_FALSE(memory.match(first, link));
        CHECK_FALSE(memory.is_from_same_host(first, link));
    }
}

TEST_CASE("a frame that is shorter or longer than its packet says is left to the long way", "[stack]")
{
    const std::vector<std::byte> first = frame_of(14);
    arrival_memory memory;
    memory.keep(first.data() + 14, 14, owner);
    for (std::size_t size = 0; size < first.size(); ++size) {
        CHECK_FALSE(memory.match(std::span{first}.first(size), 14));
        CHECK_FALSE(memory.is_from_same_host(std::span{first}.first(size), 14));
    }
    std::vector<std::byte> padded = first;
    padded.push_back(std::byte{0});
    CHECK_FALSE(memory.match(padded, 14));
    CHECK_FALSE(memory.is_from_same_host(padded, 14));
    CHECK(memory.match(frame_of(14, 0), 14) == owner);  // another length that is right
    CHECK(memory.match(frame_of(14, 1'448), 14) == owner);
}
