#include "tcpco/stack/neighbour_cache.hpp"

#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr mac_address mac_a{{2, 0, 0, 0, 0, 1}};
constexpr mac_address mac_b{{2, 0, 0, 0, 0, 2}};
constexpr ipv4_address one{0xC0000201};
constexpr ipv4_address two{0xC0000202};
constexpr ipv4_address three{0xC0000203};

struct fixture {
    neighbour_cache cache;
    buffer_pool pool{64, 8};
    time_point now{duration{1'000'000'000}};
    std::vector<neighbour_cache::request> requests{};
    std::vector<neighbour_cache::index> gone{};
    std::size_t dropped = 0;
    std::vector<slice> released{};

    explicit fixture(std::uint32_t limit = 8) : cache{{.limit = limit}, siphash_key{1, 2}} {}

    void advance()
    {
        cache.advance(
            now, [&](const neighbour_cache::request& r) { requests.push_back(r); },
            [&](neighbour_cache::index i, std::size_t n) {
                gone.push_back(i);
                dropped += n;
            });
    }
    void advance_to_deadline()
    {
        now = std::max(now, cache.deadline());
        advance();
    }
    bool learn(ipv4_address address, mac_address mac, bool create = false)
    {
        return cache.learn(address, mac, create, now,
                           [&](slice&& s, mac_address) { released.push_back(std::move(s)); });
    }
    slice packet()
    {
        buffer b = pool.acquire();
        const std::byte* at = b.data();
        return slice{std::move(b), at, 10};
    }
};

}  // namespace

TEST_CASE("a new address is asked for at once, then once an interval, as often as configured, and is gone then",
          "[stack][RFC1122-2.3.2.1]")
{
    fixture f;
    const auto i = f.cache.entry_of(one);
    CHECK(f.cache.deadline() == time_point::never());  // nobody wants it yet
    CHECK_FALSE(f.cache.mac_of(i, f.now));
    CHECK(f.cache.deadline() <= f.now);
    for (int n = 1; n <= 3; ++n) {
        f.advance_to_deadline();
        CHECK(f.requests.size() == static_cast<std::size_t>(n));
        CHECK(f.gone.empty());
        CHECK(f.cache.deadline() == f.now + duration{1'000'000'000});
    }
    f.advance_to_deadline();
    CHECK(f.requests.size() == 3);
    REQUIRE(f.gone.size() == 1);
    CHECK(f.gone[0] == i);
    CHECK(f.cache.failed(i));
    for (const auto& r : f.requests) {
        CHECK(r.target == one);
        CHECK(r.mac.is_broadcast());
    }
}

TEST_CASE("learning ends the questions, hands over all that waited in order, and says that it was waited for",
          "[stack]")
{
    fixture f;
    const auto i = f.cache.entry_of(one);
    CHECK_FALSE(f.cache.mac_of(i, f.now));
    std::vector<const std::byte*> held;
    for (std::size_t n = 0; n < neighbour_cache::waiting_packets; ++n) {
        slice p = f.packet();
        held.push_back(p.data);
        CHECK(f.cache.hold(i, std::move(p)));
    }
    slice refused = f.packet();
    CHECK_FALSE(f.cache.hold(i, std::move(refused)));
    CHECK(refused.owner);  // still the caller's
    CHECK(f.learn(one, mac_a));
    REQUIRE(f.released.size() == held.size());
    for (std::size_t n = 0; n < held.size(); ++n) {
        CHECK(f.released[n].data == held[n]);
    }
    f.released.clear();
    refused = {};
    CHECK(f.pool.available() == f.pool.slot_count());  // the cache keeps none of them
    CHECK(f.cache.mac_of(i, f.now) == mac_a);
    f.advance();
    CHECK(f.requests.empty());
    CHECK_FALSE(f.learn(one, mac_b));  // nobody waits now
    CHECK(f.cache.mac_of(i, f.now) == mac_b);
}

TEST_CASE("what waits for an address that does not answer is dropped, its slots are free, its number is told",
          "[stack]")
{
    fixture f;
    const auto i = f.cache.entry_of(one);
    CHECK_FALSE(f.cache.mac_of(i, f.now));
    CHECK(f.cache.hold(i, f.packet()));
    CHECK(f.cache.hold(i, f.packet()));
    while (f.gone.empty()) {
        f.advance_to_deadline();
    }
    CHECK(f.dropped == 2);
    CHECK(f.pool.available() == f.pool.slot_count());
}

TEST_CASE("a failed address is asked for again after a rest, if somebody wants it, and only then", "[stack]")
{
    fixture f;
    const auto i = f.cache.entry_of(one);
    CHECK_FALSE(f.cache.mac_of(i, f.now));
    while (f.gone.empty()) {
        f.advance_to_deadline();
    }
    f.requests.clear();
    CHECK(f.cache.deadline() == time_point::never());
    CHECK_FALSE(f.cache.mac_of(i, f.now));  // too soon
    f.advance();
    CHECK(f.requests.empty());
    CHECK(f.cache.deadline() == f.now + duration{1'000'000'000});
    f.advance_to_deadline();
    CHECK(f.requests.size() == 1);
}

TEST_CASE("an old entry serves on while it is confirmed by unicast, and goes when nobody confirms it", "[stack]")
{
    fixture f;
    REQUIRE(f.learn(one, mac_a, true));
    const auto i = f.cache.entry_of(one);
    f.now += duration{59'000'000'000};
    CHECK(f.cache.mac_of(i, f.now) == mac_a);
    CHECK(f.cache.deadline() == time_point::never());
    f.now += duration{1'000'000'000};
    CHECK(f.cache.mac_of(i, f.now) == mac_a);
    f.advance_to_deadline();
    REQUIRE(f.requests.size() == 1);
    CHECK(f.requests[0].mac == mac_a);
    SECTION("confirmed")
    {
        CHECK_FALSE(f.learn(one, mac_a));
        CHECK(f.cache.mac_of(i, f.now) == mac_a);
        CHECK(f.gone.empty());
    }
    SECTION("not confirmed")
    {
        while (f.gone.empty()) {
            CHECK(f.cache.mac_of(i, f.now) == mac_a);
            f.advance_to_deadline();
        }
        CHECK_FALSE(f.cache.mac_of(i, f.now));
    }
}

TEST_CASE("only a known address is updated, unless a new one is asked for", "[stack][RFC826]")
{
    fixture f;
    CHECK_FALSE(f.learn(one, mac_a, false));
    CHECK(f.cache.size() == 0);
    f.learn(one, mac_a, true);
    CHECK(f.cache.size() == 1);
    CHECK(f.cache.mac_of(f.cache.entry_of(one), f.now) == mac_a);
}

TEST_CASE("a permanent entry neither ages nor changes nor leaves", "[stack]")
{
    fixture f{1};
    REQUIRE(f.cache.set_permanent(one, mac_a));
    const auto i = f.cache.entry_of(one);
    CHECK_FALSE(f.learn(one, mac_b, true));
    f.now += duration{3'600'000'000'000};
    CHECK(f.cache.mac_of(i, f.now) == mac_a);
    CHECK(f.cache.entry_of(two) == neighbour_cache::npos);
    CHECK_FALSE(f.cache.set_permanent(two, mac_b));
}

TEST_CASE("a full cache gives up entries without a question, never those that are being asked for", "[stack]")
{
    fixture f{2};
    const auto asked = f.cache.entry_of(one);
    CHECK_FALSE(f.cache.mac_of(asked, f.now));
    f.learn(two, mac_b, true);
    const auto replaced = f.cache.entry_of(two);
    const auto fresh = f.cache.entry_of(three);
    REQUIRE(fresh != neighbour_cache::npos);
    CHECK(fresh == replaced);
    CHECK_FALSE(f.cache.holds(replaced, two));  // who kept the index sees that it serves another address
    CHECK(f.cache.holds(fresh, three));
    CHECK(f.cache.holds(asked, one));
    CHECK_FALSE(f.cache.mac_of(fresh, f.now));
    CHECK(f.cache.entry_of(two) == neighbour_cache::npos);  // both are being asked for
}

TEST_CASE("spurious advances are no-ops", "[stack]")
{
    fixture f;
    const auto i = f.cache.entry_of(one);
    CHECK_FALSE(f.cache.mac_of(i, f.now));
    for (int n = 0; n < 10; ++n) {
        f.advance();
        CHECK_FALSE(f.cache.mac_of(i, f.now));
    }
    CHECK(f.requests.size() == 1);
}
