#include "tcpco/tcp/syn_cookie.hpp"

#include "catch.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/core/seed.hpp"

using namespace tcpco;

namespace {

constexpr endpoint server{"192.0.2.1"_ip, 7};
constexpr endpoint client{"192.0.2.2"_ip, 40'000};

constexpr time_point at(std::int64_t seconds) { return time_point{duration{seconds * 1'000'000'000}}; }

}  // namespace

TEST_CASE("SYN cookies: what comes back gives the largest MSS class that is not above the peer's",
          "[tcp][RFC4987-3.6c][RFC4987-3.6d]")
{
    const syn_cookies jar{derive_key(1, 9)};
    for (std::uint32_t mss = 88; mss <= 65'535; mss += 7) {
        const sequence_number irs{mss * 2'654'435'761U};
        const auto made = jar.make(server, client, irs, static_cast<std::uint16_t>(mss), at(1'000));
        const auto restored = jar.check(server, client, irs, made, at(1'000));
        REQUIRE(restored);
        REQUIRE(*restored <= mss);
        for (const std::uint16_t better : syn_cookies::mss_classes) {
            REQUIRE((better <= *restored || better > mss));
        }
    }
}

TEST_CASE("SYN cookies: good for one to two ticks of 64 s, whatever the time", "[tcp][RFC4987-3.6c]")
{
    const syn_cookies jar{derive_key(1, 9)};
    for (const std::int64_t begin : {0, 63, 64, 10'000'000, 64 * 32 - 1}) {
        const auto made = jar.make(server, client, {5}, 1'460, at(begin));
        CHECK(jar.check(server, client, {5}, made, at(begin + 63)));
        CHECK_FALSE(jar.check(server, client, {5}, made, at(begin + 128)));
        CHECK_FALSE(jar.check(server, client, {5}, made, at(begin + 64 * 32)));  // the clock's five bits came round
    }
}

TEST_CASE("SYN cookies: of another connection, another key or another number they are forged", "[tcp][RFC4987-3.6c]")
{
    const syn_cookies jar{derive_key(1, 9)};
    const auto made = jar.make(server, client, {5}, 1'460, at(100));
    CHECK(jar.check(server, client, {5}, made, at(100)));
    CHECK_FALSE(jar.check(server, client, {6}, made, at(100)));
    CHECK_FALSE(jar.check(server, {client.address, 40'001}, {5}, made, at(100)));
    CHECK_FALSE(jar.check(server, {"192.0.2.3"_ip, 40'000}, {5}, made, at(100)));
    CHECK_FALSE(jar.check({server.address, 8}, client, {5}, made, at(100)));
    CHECK_FALSE(syn_cookies{derive_key(2, 9)}.check(server, client, {5}, made, at(100)));
    for (unsigned bit = 0; bit < 32; ++bit) {
        CHECK_FALSE(jar.check(server, client, {5}, {made.value ^ 1U << bit}, at(100)));
    }
}

TEST_CASE("SYN cookies: a million guesses open fewer than three connections", "[tcp][RFC4987-3.6c]")
{
    const syn_cookies jar{derive_key(1, 9)};
    random_source random{7};
    int good = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        const auto guess = static_cast<std::uint32_t>(random.next());
        good += jar.check(server, client, {5}, {guess}, at(100'000)) ? 1 : 0;
    }
    CHECK(good < 3);  // expected: 2^20 * 2^-24 * 2 / 32
}

TEST_CASE("SYN cookies: window scale and SACK come back from the timestamp, which is never later than the clock",
          "[tcp][RFC4987-3.6e]")
{
    for (const std::uint32_t now : {0U, 1U, 62U, 63U, 64U, 1'000'000U, 0xFFFFFFFFU}) {
        for (unsigned shift = 0; shift <= 15; ++shift) {
            for (const bool sack : {false, true}) {
                tcp_options offered;
                offered.has_window_scale = shift < 15;
                offered.window_scale = static_cast<std::uint8_t>(shift < 15 ? shift : 0);
                offered.sack_permitted = sack;
                const bool ecn = shift % 2 == 1;
                const std::uint32_t marked = detail::timestamp_with_options(now, offered, ecn);
                CHECK(now - marked < 64);
                CHECK(detail::ecn_of_timestamp(marked) == ecn);
                CHECK(detail::options_of_timestamp(marked) == offered);
            }
        }
    }
    tcp_options large;
    large.has_window_scale = true;
    large.window_scale = 200;
    CHECK(detail::options_of_timestamp(detail::timestamp_with_options(0, large, true)).window_scale == 14);
}
