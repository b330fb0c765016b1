#include "tcpco/tcp/accurate_ecn.hpp"

#include <cstdint>

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco::detail;

namespace {

constexpr octet_count smss = 1'460;

constexpr std::uint32_t alone(unsigned ace, std::uint32_t s_cep, std::uint32_t packets, bool thinned = false)
{
    return newly_marked(ace, s_cep, packets, {}, smss, thinned);
}
constexpr std::uint32_t told(std::uint32_t least, std::uint32_t packets, std::uint32_t octets)
{
    return newly_marked((5 + least) & 7, 5, packets, {true, octets}, smss, false);
}

// The examples of RFC 9768 A.2.1.
static_assert(alone(7, 5, 9) == 2);
static_assert(alone(7, 5, 10) == 10);

// And of A.2.2: d.cep, dSafer.cep, d.ceb.
static_assert(told(0, 8, 1'460) == 8);
static_assert(told(2, 10, 1'460) == 2);
static_assert(told(7, 15, 10'200) == 7);
static_assert(told(7, 15, 11 * 1'460) == 15);
static_assert(told(0, 40, 0) == 0);

}  // namespace

TEST_CASE("AccECN: ACE is read modulo eight, wherever the counter stands", "[tcp][RFC9768-3.2.2.2b][RFC9768-3.2.2.5.2a]")
{
    for (std::uint32_t known : {0u, 5u, 7u, 8u, 0xFFFFFFFCu, 0xFFFFFFFFu}) {
        for (std::uint32_t more = 0; more < 8; ++more) {
            CHECK(alone((known + more) & 7, known, 7) == more);
            for (std::uint32_t packets = 0; packets < 100; ++packets) {
                const std::uint32_t safe = alone((known + more) & 7, known, packets);
                CHECK((safe - more) % 8 == 0);
                CHECK(safe >= more);
                CHECK((safe <= packets || safe == more));
                CHECK((safe + 8 > packets || packets < more));  // no more would fit
                CHECK(alone((known + more) & 7, known, packets, true) == more);
            }
        }
    }
}

TEST_CASE("AccECN: each code point has its number in the handshake, and comes back", "[tcp][RFC9768-3.1.1b][RFC9768-3.2.2.1b]")
{
    for (std::uint8_t codepoint = 0; codepoint < 4; ++codepoint) {
        CHECK(codepoint_of_handshake(handshake_ace(codepoint)) == codepoint);
    }
    CHECK(handshake_ace(ecn_codepoint::not_ect) == 2);
    CHECK(handshake_ace(ecn_codepoint::ce) == 6);
    for (const unsigned other : {0u, 1u, 5u, 7u}) {
        CHECK(codepoint_of_handshake(other) == ecn_codepoint::not_ect);
    }
    for (unsigned ace = 0; ace < 8; ++ace) {
        CHECK(ace_of(flags_of_ace(ace)) == ace);
    }
}

TEST_CASE("AccECN: fields of an option are taken modulo 2^24, in either order, and those left out stand still",
          "[tcp][RFC9768-3.2.3.1a][RFC9768-3.2.3.1b][RFC9768-3.2.1a]")
{
    ecn_octets sent;
    accurate_ecn receiver;
    // Every code point alone, then all, across the wrap several times.
    std::uint64_t total = 0;
    for (int i = 0; i < 600; ++i) {
        const auto codepoint = static_cast<std::uint8_t>(1 + i / 150 % 3);
        count_octets(receiver, codepoint, 1'000'000);
        total += codepoint == ecn_codepoint::ce ? 1'000'000 : 0;
        const marked_octets marked = take_option_counts(sent, option_with(receiver.r, receiver.changed));
        CHECK(marked.known == ((receiver.changed & ecn_counter::ce) != 0 || total == 0));
        CHECK(marked.octets == (codepoint == ecn_codepoint::ce ? 1'000'000U : 0U));
        CHECK((sent.ceb & accecn_mask) == (receiver.r.ceb & accecn_mask));
    }
    CHECK(sent == receiver.r);
    CHECK(total == 150'000'000);
    // A field that is left out once marks were counted says nothing of them.
    CHECK_FALSE(take_option_counts(sent, option_with(receiver.r, ecn_counter::ect_1)).known);
    CHECK_FALSE(take_option_counts(sent, option_with(receiver.r, 0)).known);
}

TEST_CASE("AccECN: an option has the fields that it needs and no more", "[tcp][RFC9768-3.2.3.3c][RFC9768-3.2.3c]")
{
    using namespace ecn_counter;
    constexpr ecn_octets r{.ceb = 3, .e0b = 4, .e1b = 5};
    static_assert(option_with(r, 0) == accecn_option{.present = true});
    static_assert(option_with(r, ect_0) == accecn_option{.present = true, .count = 1, .fields = {4}});
    static_assert(option_with(r, ect_1) == accecn_option{.present = true, .order = 1, .count = 1, .fields = {5}});
    static_assert(option_with(r, ce) == accecn_option{.present = true, .count = 2, .fields = {4, 3}});
    static_assert(option_with(r, ce | ect_1) == accecn_option{.present = true, .order = 1, .count = 2, .fields = {5, 3}});
    static_assert(option_with(r, ect_0 | ect_1) == accecn_option{.present = true, .count = 3, .fields = {4, 3, 5}});
    CHECK(is_wiped(option_with({.ceb = 0, .e0b = 0}, ect_0)));
    CHECK(is_wiped(option_with({.e1b = 0}, ce | ect_0 | ect_1)));
    CHECK_FALSE(is_wiped(option_with({}, ce | ect_0 | ect_1)));
    CHECK_FALSE(is_wiped(option_with({}, 0)));
}
