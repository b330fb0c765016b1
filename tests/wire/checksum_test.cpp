#include "tcpco/wire/checksum.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "catch.hpp"
#include "octets.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/wire/byte_order.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::octets;

namespace {

// RFC 1071 section 3: these octets sum to ddf2 with all carries added.
constexpr auto rfc1071_example = octets(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);

constexpr std::uint16_t folded_sum(std::span<const std::byte> message)
{
    checksum_accumulator sum;
    sum.add(message);
    return sum.folded();
}

static_assert(folded_sum(rfc1071_example) == 0xddf2);
static_assert(folded_sum({}) == 0);
static_assert(folded_sum(octets(0xab)) == 0xab00);
static_assert(folded_sum(octets(0xff, 0xff)) == 0xffff);
static_assert(folded_sum(octets(0xff, 0xff, 0x00, 0x01)) == 0x0001);

// The header of a real packet, with its checksum b861 and without.
constexpr auto ipv4_example = octets(0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
                                     0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7);
static_assert(folded_sum(ipv4_example) == 0xffff);

// Copying works in constant expressions too.
constexpr bool constant_copy = [] {
    std::array<std::byte, 8> copy{};
    checksum_accumulator sum;
    sum.copy_and_add(rfc1071_example, copy.data());
    return sum.folded() == 0xddf2 && copy == rfc1071_example;
}();
static_assert(constant_copy);

// The definition, as plain as possible: pad to whole words, add, carry around.
std::uint16_t naive_sum(std::vector<std::byte> message)
{
    if (message.size() % 2 != 0) {
        message.push_back(std::byte{0});
    }
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < message.size(); i += 2) {
        sum += std::to_integer<std::uint32_t>(message[i]) * 256 + std::to_integer<std::uint32_t>(message[i + 1]);
        if (sum > 0xffff) {
            sum = sum - 0x10000 + 1;
        }
    }
    return static_cast<std::uint16_t>(sum);
}

std::vector<std::byte> random_octets(random_source& random, std::size_t size)
{
    std::vector<std::byte> message(size);
    for (std::byte& b : message) {
        // Many 00 and ff: they are where carries and the two zeros of one's complement go wrong.
        const std::uint32_t kind = random.below(4);
        b = kind == 0 ? std::byte{0xff} : kind == 1 ? std::byte{0} : static_cast<std::byte>(random.below(256));
    }
    return message;
}

}  // namespace

TEST_CASE("checksum: the example of RFC 1071 section 3 gives ddf2 at run time", "[wire]")
{
    const std::vector<std::byte> message = cut(rfc1071_example, rfc1071_example.size());
    CHECK(folded_sum(message) == 0xddf2);
    checksum_accumulator sum;
    sum.add(message);
    CHECK(sum.checksum() == 0x220d);
    CHECK_FALSE(sum.good());
}

TEST_CASE("checksum: the fast sum equals the naive one for every length up to 200 and every alignment",
          "[wire][MUST-2]")
{
    random_source random{1};
    for (std::size_t size = 0; size <= 200; ++size) {
        const auto message = random_octets(random, size);
        const std::uint16_t expected = naive_sum(message);
        CHECK(folded_sum(message) == expected);
        CHECK(detail::sum_octets(message.data(), size, nullptr) == expected);
        std::vector<std::byte> shifted(size + 8);
        for (std::size_t shift = 0; shift < 8; ++shift) {
            std::copy(message.begin(), message.end(), shifted.begin() + static_cast<std::ptrdiff_t>(shift));
            CHECK(folded_sum({shifted.data() + shift, size}) == expected);
        }
    }
}

TEST_CASE("checksum: sums of nothing but ff, the largest carries, are right for long messages", "[wire]")
{
    const std::size_t size = GENERATE(1u, 2u, 31u, 32u, 33u, 1460u, 65535u);
    const std::vector<std::byte> message(size, std::byte{0xff});
    CHECK(folded_sum(message) == naive_sum(message));
}

TEST_CASE("checksum: only nothing but zeros sums to zero", "[wire]")
{
    CHECK(folded_sum(std::vector<std::byte>(37)) == 0);
    for (std::size_t i = 0; i < 37; ++i) {
        std::vector<std::byte> message(37);
        message[i] = std::byte{1};
        CHECK(folded_sum(message) == (i % 2 == 0 ? 0x0100 : 0x0001));
    }
    CHECK(fold_checksum(0xFFFF'FFFF'FFFF'FFFF) == 0xFFFF);
    CHECK(fold_checksum(0x1'0000'0000'0000) == 1);
}

TEST_CASE("checksum: a gather list cut at any two places sums like the whole, odd pieces included", "[wire][MUST-2]")
{
    random_source random{2};
    const auto message = random_octets(random, 75);
    const std::span<const std::byte> whole{message};
    const std::uint16_t expected = naive_sum(message);
    for (std::size_t first = 0; first <= message.size(); ++first) {
        for (std::size_t second = first; second <= message.size(); ++second) {
            checksum_accumulator sum;
            sum.add(whole.first(first));
            sum.add(whole.subspan(first, second - first));
            sum.add(whole.subspan(second));
            REQUIRE(sum.folded() == expected);
        }
    }
}

TEST_CASE("checksum: a gather list of single octets sums like the whole", "[wire][MUST-2]")
{
    random_source random{3};
    const auto message = random_octets(random, 129);
    checksum_accumulator sum;
    for (const std::byte& b : message) {
        sum.add({&b, 1});
    }
    CHECK(sum.folded() == naive_sum(message));
}

TEST_CASE("checksum: copying and adding gives the copy, the same sum, and touches nothing else", "[wire]")
{
    random_source random{4};
    for (std::size_t size = 0; size <= 100; ++size) {
        const auto message = random_octets(random, size);
        const std::size_t head = random.below(static_cast<std::uint32_t>(size + 1));
        std::vector<std::byte> copy(size + 2, std::byte{0x5a});
        checksum_accumulator sum;
        sum.copy_and_add(std::span{message}.first(head), copy.data() + 1);
        sum.copy_and_add(std::span{message}.subspan(head), copy.data() + 1 + head);
        CHECK(sum.folded() == naive_sum(message));
        CHECK(std::equal(message.begin(), message.end(), copy.begin() + 1));
        CHECK(copy.front() == std::byte{0x5a});
        CHECK(copy.back() == std::byte{0x5a});
    }
}

namespace {

// Which of the inner loops this processor can run; the others cannot be tested here.
std::vector<detail::sum_kernel> kernels_here()
{
    std::vector<detail::sum_kernel> kernels;
    for (const auto k : {detail::sum_kernel::words, detail::sum_kernel::vectors16, detail::sum_kernel::vectors32,
                         detail::sum_kernel::vectors64}) {
        if (detail::has_sum_kernel(k)) {
            kernels.push_back(k);
        }
    }
    return kernels;
}

// naive_sum() of the first 0, 1, 2, ... octets: each word is added to the sum of those before it.
std::vector<std::uint16_t> naive_sums(std::span<const std::byte> message)
{
    std::vector<std::uint16_t> sums{0};
    std::uint32_t words = 0;  // of the whole words so far
    for (std::size_t i = 0; i < message.size(); ++i) {
        const bool first = i % 2 == 0;
        const std::uint32_t before = first ? 0 : std::to_integer<std::uint32_t>(message[i - 1]) * 256;
        const std::uint32_t sum = words + before + std::to_integer<std::uint32_t>(message[i]) * (first ? 256 : 1);
        sums.push_back(static_cast<std::uint16_t>(sum > 0xffff ? sum - 0x10000 + 1 : sum));
        words = first ? words : sums.back();
    }
    return sums;
}

constexpr std::size_t alignments = 32;
constexpr std::size_t longest = 4'096;

}  // namespace

TEST_CASE("checksum: the kernel that is chosen is one that the processor has", "[wire]")
{
    CHECK(detail::has_sum_kernel(detail::best_sum_kernel()));
    CHECK(kernels_here().size() >= 1);
}

TEST_CASE("checksum: every kernel sums every length up to 4096 at every alignment like the definition",
          "[wire][MUST-2][MUST-3]")
{
    random_source random{5};
    const auto octets = random_octets(random, longest + alignments);
    const auto kernels = kernels_here();
    for (std::size_t from = 0; from < alignments; ++from) {
        const std::byte* const message = octets.data() + from;
        const auto expected = naive_sums({message, longest});
        REQUIRE(expected.back() == naive_sum({message, message + longest}));
        for (const auto kernel : kernels) {
            CAPTURE(from, static_cast<int>(kernel));
            std::size_t wrong = longest + 1;  // the first length with another sum
            for (std::size_t size = longest + 1; size-- > 0;) {
                wrong = detail::sum_message<false>(kernel, message, size, nullptr) == expected[size] ? wrong : size;
            }
            CHECK(wrong == longest + 1);
        }
    }
}

TEST_CASE("checksum: every kernel copies every length up to 4096 at every alignment, and nothing beyond", "[wire]")
{
    random_source random{6};
    const auto octets = random_octets(random, longest + alignments);
    const auto kernels = kernels_here();
    constexpr std::byte untouched{0x5a};
    std::vector<std::byte> room(3 * alignments + longest, untouched);
    for (std::size_t from = 0; from < alignments; ++from) {
        const std::byte* const message = octets.data() + from;
        const auto expected = naive_sums({message, longest});
        for (const auto kernel : kernels) {
            CAPTURE(from, static_cast<int>(kernel));
            std::size_t wrong = longest + 1;
            for (std::size_t size = longest + 1; size-- > 0;) {
                // The alignments of the two ends meet in every combination.
                const std::size_t at = alignments + (from + size) % alignments;
                const std::uint16_t sum = detail::sum_message<true>(kernel, message, size, room.data() + at);
                const bool right = sum == expected[size] && std::memcmp(room.data() + at, message, size) == 0 &&
                                   room[at - 1] == untouched && room[at + size] == untouched;
                wrong = right ? wrong : size;
                std::memset(room.data() + at, std::to_integer<int>(untouched), size + alignments);
            }
            CHECK(wrong == longest + 1);
            CHECK(std::count(room.begin(), room.end(), untouched) == static_cast<std::ptrdiff_t>(room.size()));
        }
    }
}

TEST_CASE("checksum: no kernel reads beyond the message, and all agree on long ones", "[wire]")
{
    random_source random{7};
    for (const auto kernel : kernels_here()) {
        CAPTURE(static_cast<int>(kernel));
        for (const std::size_t size : {63u, 64u, 65u, 127u, 128u, 191u, 1'480u, 65'535u, 66'560u, 1'048'577u}) {
            const auto message = random_octets(random, size);  // in a block of exactly its size
            CHECK(detail::sum_message<false>(kernel, message.data(), size, nullptr) == naive_sum(message));
            const std::vector<std::byte> ones(size, std::byte{0xff});
            CHECK(detail::sum_message<false>(kernel, ones.data(), size, nullptr) == naive_sum(ones));
            const std::vector<std::byte> zeros(size);
            CHECK(detail::sum_message<false>(kernel, zeros.data(), size, nullptr) == 0);
            std::vector<std::byte> copy(size);
            CHECK(detail::sum_message<true>(kernel, message.data(), size, copy.data()) == naive_sum(message));
            CHECK(copy == message);
        }
    }
}

namespace {

// A SYN from 198.18.0.1 to 198.18.0.2 and its pseudo-header written out by hand, for each family.
constexpr auto segment = octets(0x9c, 0x40, 0x00, 0x07, 0x00, 0x00, 0x03, 0xe8, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02,
                                0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x61);
constexpr auto pseudo_v4 = octets(198, 18, 0, 1, 198, 18, 0, 2, 0, 6, 0, 21);
constexpr auto pseudo_v6 = octets(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,  //
                                  0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x02,  //
                                  0, 0, 0, 21, 0, 0, 0, 6);
constexpr ip_address v4_source = "198.18.0.1"_ip;
constexpr ip_address v4_destination = "198.18.0.2"_ip;
constexpr ip_address v6_source = "2001:db8::1"_ip;
constexpr ip_address v6_destination = "2001:db8::102"_ip;

static_assert(partial_checksum(v4_source, v4_destination, ip_protocol::tcp, 21) == folded_sum(pseudo_v4));
static_assert(partial_checksum(v6_source, v6_destination, ip_protocol::tcp, 21) == folded_sum(pseudo_v6));
static_assert(partial_checksum(v6_source, v6_destination, ip_protocol::tcp, 0x12345) ==
              folded_sum(octets(0x40, 0x02, 0x1b, 0x70, 0x01, 0x03, 0, 1, 0x23, 0x45, 0, 6)));

template <class Pseudo>
std::uint16_t expected_checksum(const Pseudo& pseudo)
{
    return static_cast<std::uint16_t>(~naive_sum(tcpco::test::join(pseudo, segment)));
}

}  // namespace

TEST_CASE("checksum: a transport checksum covers the pseudo-header of its family and odd payload",
          "[wire][MUST-2][MUST-3]")
{
    const bool v6 = GENERATE(false, true);
    const ip_address source = v6 ? v6_source : v4_source;
    const ip_address destination = v6 ? v6_destination : v4_destination;
    const std::uint16_t expected = v6 ? expected_checksum(pseudo_v6) : expected_checksum(pseudo_v4);

    for (std::size_t split = 0; split <= segment.size(); ++split) {
        const std::span<const std::byte> whole{segment};
        const std::span<const std::byte> pieces[] = {whole.first(split), whole.subspan(split)};
        CHECK(transport_checksum(source, destination, ip_protocol::tcp, pieces) == expected);
    }

    auto sent = cut(segment, segment.size());
    sent[16] = static_cast<std::byte>(expected >> 8);
    sent[17] = static_cast<std::byte>(expected & 0xff);
    CHECK(transport_checksum_good(source, destination, ip_protocol::tcp, sent));
    CHECK_FALSE(transport_checksum_good(source, destination, ip_protocol::udp, sent));
    CHECK_FALSE(transport_checksum_good(source, source, ip_protocol::tcp, sent));
    CHECK_FALSE(transport_checksum_good(source, destination, ip_protocol::tcp, cut(sent, 20)));
    for (std::size_t bit = 0; bit < sent.size() * 8; ++bit) {
        sent[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK_FALSE(transport_checksum_good(source, destination, ip_protocol::tcp, sent));
        sent[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    }
}

TEST_CASE("checksum: a zero field, and one computed with the pad before the last octet, are wrong", "[wire][MUST-3]")
{
    auto sent = cut(segment, segment.size());
    CHECK_FALSE(transport_checksum_good(v4_source, v4_destination, ip_protocol::tcp, sent));
    auto padded = tcpco::test::join(pseudo_v4, sent);
    padded.insert(padded.end() - 1, std::byte{0});
    const auto wrong = static_cast<std::uint16_t>(~naive_sum(padded));
    sent[16] = static_cast<std::byte>(wrong >> 8);
    sent[17] = static_cast<std::byte>(wrong & 0xff);
    CHECK_FALSE(transport_checksum_good(v4_source, v4_destination, ip_protocol::tcp, sent));
}

TEST_CASE("checksum: a device that adds the segment to a partial checksum gets the complete one", "[wire]")
{
    // What a device does: it sums from the transport header on, field included, and complements.
    auto sent = cut(segment, segment.size());
    const std::uint16_t partial = partial_checksum(v4_source, v4_destination, ip_protocol::tcp, 21);
    sent[16] = static_cast<std::byte>(partial >> 8);
    sent[17] = static_cast<std::byte>(partial & 0xff);
    CHECK(static_cast<std::uint16_t>(~naive_sum(sent)) == expected_checksum(pseudo_v4));
}

TEST_CASE("checksum: an IPv4 segment longer than a packet can be is not good", "[wire]")
{
    const std::vector<std::byte> huge(0x10000);
    CHECK_FALSE(transport_checksum_good(v4_source, v4_destination, ip_protocol::tcp, huge));
}

TEST_CASE("checksum: an IPv4 segment behind its addresses is judged as by its pseudo-header, each bit of both", "[wire]")
{
    for (const std::size_t size : {std::size_t{20}, std::size_t{21}, std::size_t{97}, std::size_t{1'480}}) {
        std::vector<std::byte> packet(8 + size);
        random_source random{size};
        for (std::byte& b : packet) {
            b = static_cast<std::byte>(random.below(256));
        }
        write_be16(std::span{packet}, 8 + 16, 0);
        const auto address = [&](std::size_t at) { return ip_address{ipv4_address{read_be32(packet.data() + at)}}; };
        const std::array<std::span<const std::byte>, 1> whole{std::span{packet}.subspan(8)};
        write_be16(std::span{packet}, 8 + 16,
                   transport_checksum(address(0), address(4), ip_protocol::tcp, whole));
        REQUIRE(ipv4_transport_checksum_good(ip_protocol::tcp, packet.data() + 8, size));
        CHECK_FALSE(ipv4_transport_checksum_good(ip_protocol::udp, packet.data() + 8, size));
        CHECK_FALSE(ipv4_transport_checksum_good(ip_protocol::tcp, packet.data() + 8, std::size_t{0x1'0000}));
        for (std::size_t i = 0; i < packet.size(); ++i) {
            packet[i] ^= std::byte{4};
            CHECK_FALSE(ipv4_transport_checksum_good(ip_protocol::tcp, packet.data() + 8, size));
            packet[i] ^= std::byte{4};
        }
    }
}
