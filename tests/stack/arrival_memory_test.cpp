#include "tcpco/stack/arrival_memory.hpp"

#include <array>
#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

using likeness = arrival_memory::likeness;

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
        CHECK(memory.compare(first, link) == likeness::none);
        memory.keep(first.data() + link, link, owner);
        CHECK(memory.compare(first, link) == likeness::connection);
        CHECK(memory.connection() == owner);
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
            const bool port = i >= link && ip >= 20 && ip < 24;
            CHECK(memory.compare(other, link) == (free   ? likeness::connection
                                                  : port ? likeness::host
                                                         : likeness::none));
        }
        std::vector<std::byte> other = first;
        other[link + 21] ^= std::byte{1};  // another port of that host
        memory.follow(other.data() + link, slab_id{4, 7});
        CHECK(memory.compare(other, link) == likeness::connection);
        CHECK(memory.compare(first, link) == likeness::host);
        CHECK(memory.connection() == slab_id{4, 7});
        memory.forget();
        CHECK(memory.compare(first, link) == likeness::none);
    }
}

TEST_CASE("a frame that is shorter or longer than its packet says is left to the long way", "[stack]")
{
    const std::vector<std::byte> first = frame_of(14);
    arrival_memory memory;
    memory.keep(first.data() + 14, 14, owner);
    for (std::size_t size = 0; size < first.size(); ++size) {
        CHECK(memory.compare(std::span{first}.first(size), 14) == likeness::none);
    }
    std::vector<std::byte> padded = first;
    padded.push_back(std::byte{0});
    CHECK(memory.compare(padded, 14) == likeness::none);
    CHECK(memory.compare(frame_of(14, 0), 14) == likeness::connection);  // another length that is right
    CHECK(memory.compare(frame_of(14, 1'448), 14) == likeness::connection);
}
