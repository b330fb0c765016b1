#include "tcpco/storage/octet_queue.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::buffer_pool;
using tcpco::receive_queue;
using tcpco::send_queue;
using tcpco::slice;
using tcpco::stream_offset;

namespace {

std::span<const std::byte> octets(std::string_view text)
{
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string text_of(const slice& s) { return {reinterpret_cast<const char*>(s.data), s.size}; }

std::string random_text(tcpco::random_source& random, std::size_t size)
{
    std::string text(size, ' ');
    for (char& c : text) {
        c = static_cast<char>(random.below(256));
    }
    return text;
}

slice make_slice(buffer_pool& pool, std::string_view text)
{
    tcpco::buffer slot = pool.acquire();
    REQUIRE(slot);
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(slot.data()));
    const std::byte* first = slot.data();
    return {std::move(slot), first, static_cast<std::uint32_t>(text.size())};
}

struct pools {
    buffer_pool small{16, 8};
    buffer_pool large{64, 8};
};

std::string gathered(const send_queue& queue, std::int64_t from, std::uint32_t n, std::size_t pieces = 16)
{
    std::vector<slice> out(pieces);
    out.resize(queue.gather({from}, n, out));
    std::string text;
    for (const slice& s : out) {
        CHECK(s.size > 0);
        text += text_of(s);
    }
    return text;
}

std::string read(receive_queue& queue, std::size_t most)
{
    std::string text(most, ' ');
    text.resize(queue.read({reinterpret_cast<std::byte*>(text.data()), most}));
    return text;
}

}  // namespace

TEST_CASE("send queue: octets can be had by offset until they are acknowledged", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    CHECK(queue.front().value == 1);
    CHECK(queue.append(octets("hello "), p.small, p.large) == 6);
    CHECK(queue.append(octets("world"), p.small, p.large) == 5);
    CHECK(queue.end().value == 12);
    CHECK(queue.size() == 11);
    CHECK(gathered(queue, 1, 100) == "hello world");
    CHECK(gathered(queue, 5, 4) == "o wo");
    CHECK(gathered(queue, 12, 4).empty());
    CHECK(gathered(queue, 1, 0).empty());
    queue.release_until({7});
    CHECK(queue.front().value == 7);
    CHECK(gathered(queue, 7, 100) == "world");
    queue.release_until({3});
    CHECK(queue.front().value == 7);
    queue.release_until({12});
    CHECK(queue.empty());
    CHECK(p.small.available() == 8);
    CHECK(queue.end().value == 12);
}

TEST_CASE("send queue: a short message takes a small slot, later and longer ones large slots", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    queue.append(octets("0123456789abcdef"), p.small, p.large);
    CHECK(p.small.available() == 7);
    CHECK(p.large.available() == 8);
    queue.append(octets("x"), p.small, p.large);
    CHECK(p.large.available() == 7);
    CHECK(queue.pinned_octets() == 16 + 64);
    send_queue other{1'000};
    other.append(octets("0123456789abcdefg"), p.small, p.large);
    CHECK(p.small.available() == 7);
    CHECK(p.large.available() == 6);
}

TEST_CASE("send queue: it takes what its limit and the pools allow", "[storage]")
{
    pools p;
    SECTION("limit")
    {
        send_queue queue{10};
        CHECK(queue.append(octets("0123456789abc"), p.small, p.large) == 10);
        CHECK(queue.room() == 0);
        CHECK(queue.append(octets("x"), p.small, p.large) == 0);
        queue.release_until({4});
        CHECK(queue.append(octets("xyzzy"), p.small, p.large) == 3);
        CHECK(gathered(queue, 4, 100) == "3456789xyz");
        queue.set_limit(4);
        CHECK(queue.room() == 0);
    }
    SECTION("pool")
    {
        send_queue queue{100'000};
        const std::string text(1'000, 'x');
        CHECK(queue.append(octets(text), p.small, p.large) == 8 * 64);
        CHECK(p.large.refused() == 1);
        CHECK(queue.size() == 512);
        queue.release_until({65});
        CHECK(queue.append(octets(text), p.small, p.large) == 64);
    }
}

TEST_CASE("send queue: gathered pieces stay valid when the octets are acknowledged", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    queue.append(octets("precious"), p.small, p.large);
    std::array<slice, 1> piece;
    REQUIRE(queue.gather({1}, 8, piece) == 1);
    queue.release_until({9});
    CHECK(p.small.available() == 7);
    CHECK(text_of(piece[0]) == "precious");
    piece[0] = {};
    CHECK(p.small.available() == 8);
}

TEST_CASE("send queue: appending to a slot leaves gathered pieces as they were", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    queue.append(octets("one"), p.small, p.large);
    std::array<slice, 1> piece;
    REQUIRE(queue.gather({1}, 8, piece) == 1);
    queue.append(octets("two"), p.small, p.large);
    CHECK(text_of(piece[0]) == "one");
    CHECK(p.small.available() == 7);
    CHECK(p.large.available() == 8);
    CHECK(gathered(queue, 1, 8) == "onetwo");
}

TEST_CASE("send queue: a gather list is no longer than the caller's", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    std::string text(200, 'x');
    std::generate(text.begin(), text.end(), [c = 'A']() mutable { return c = static_cast<char>(c + 1); });
    queue.append(octets(text), p.small, p.large);
    CHECK(gathered(queue, 11, 190, 2) == text.substr(10, 54 + 64));
    CHECK(gathered(queue, 1, 190, 0).empty());
}

TEST_CASE("send queue: a lent slice is sent in its place, and nothing is written behind it", "[storage]")
{
    pools p;
    send_queue queue{20};
    queue.append(octets("ab"), p.small, p.large);
    slice lent = make_slice(p.large, "LENT+");
    const slice other = lent;
    lent.remove_suffix(1);
    REQUIRE(queue.append(std::move(lent)));
    queue.append(octets("cd"), p.small, p.large);
    CHECK(text_of(other) == "LENT+");
    CHECK(gathered(queue, 1, 20) == "abLENTcd");
    CHECK_FALSE(queue.append(make_slice(p.large, "longer than the room")));
    CHECK(queue.size() == 8);
}

TEST_CASE("send queue: a copy shares the octets and goes on by itself", "[storage]")
{
    pools p;
    send_queue queue{1'000};
    queue.append(octets("ab"), p.small, p.large);
    send_queue copy{queue};
    copy.append(octets("xy"), p.small, p.large);
    queue.append(octets("cd"), p.small, p.large);
    CHECK(gathered(queue, 1, 9) == "abcd");
    CHECK(gathered(copy, 1, 9) == "abxy");
    queue.release();
    CHECK(queue.empty());
    CHECK(queue.front().value == 5);
    CHECK(gathered(copy, 1, 9) == "abxy");
}

TEST_CASE("send queue: it agrees with a string under random calls", "[storage]")
{
    const auto seed = GENERATE(range(1u, 11u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    buffer_pool small{16, 4};
    buffer_pool large{64, 20};
    send_queue queue{1'000};
    std::string model;
    std::int64_t front = 1;
    for (int step = 0; step < 3'000; ++step) {
        const std::string text = random_text(random, random.below(150));
        const bool at_once = random.chance(0.5) && queue.append_behind(octets(text));
        const std::size_t n = at_once ? text.size() : queue.append(octets(text), small, large);
        REQUIRE(n <= text.size());
        model += text.substr(0, n);
        if (n < text.size()) {
            REQUIRE((model.size() == 1'000 || large.available() == 0 || small.available() == 0));
        }
        const auto from = random.below(static_cast<std::uint32_t>(model.size()) + 1);
        const auto size = random.below(300);
        REQUIRE(gathered(queue, front + from, size, 40) == model.substr(from, size));
        if (random.chance(0.7)) {
            const auto acked = random.below(static_cast<std::uint32_t>(model.size()) + 1);
            model.erase(0, acked);
            front += acked;
            queue.release_until({front});
        }
        REQUIRE(queue.size() == model.size());
        REQUIRE(queue.front().value == front);
        REQUIRE(queue.pinned_octets() == (4 - small.available()) * 16 + (20 - large.available()) * 64);
    }
}

TEST_CASE("send queue: the short way takes all octets into the last slot, or none", "[storage]")
{
    pools p;
    send_queue queue{60};
    CHECK_FALSE(queue.append_behind(octets("a")));  // no slot yet
    REQUIRE(queue.append(octets("ab"), p.small, p.large) == 2);
    CHECK(queue.append_behind(octets("cdefghijklmnop")));
    CHECK(gathered(queue, 1, 16, 1) == "abcdefghijklmnop");
    CHECK_FALSE(queue.append_behind(octets("q")));  // the slot is full
    REQUIRE(queue.append(octets("qr"), p.small, p.large) == 2);
    CHECK_FALSE(queue.append_behind(octets(std::string(43, 'x'))));  // one more than the limit
    CHECK(queue.size() == 18);
    CHECK(queue.append_behind(octets(std::string(42, 'x'))));
    CHECK(queue.size() == 60);
    queue.release_until({queue.end()});
    CHECK_FALSE(queue.append_behind(octets("y")));  // no slot any more
}

TEST_CASE("send queue: the short way does not write behind what was lent", "[storage]")
{
    pools p;
    send_queue queue{100};
    REQUIRE(queue.append(make_slice(p.large, "lent")));
    CHECK_FALSE(queue.append_behind(octets("a")));
    REQUIRE(queue.append(octets("b"), p.small, p.large) == 1);
    send_queue copy{queue};
    CHECK_FALSE(copy.append_behind(octets("c")));
    CHECK(queue.append_behind(octets("c")));
    CHECK(gathered(queue, 1, 9) == "lentbc");
}

TEST_CASE("receive queue: the short way reads where the first slice holds more than is wanted", "[storage]")
{
    pools p;
    receive_queue queue;
    std::array<std::byte, 3> out{};
    CHECK_FALSE(queue.read_first(out));
    REQUIRE(queue.push(make_slice(p.large, "abcdef")));
    REQUIRE(queue.push(make_slice(p.large, "ghi")));
    CHECK(queue.read_first(out));
    CHECK((out == std::array{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}}));
    CHECK(queue.size() == 6);
    CHECK_FALSE(queue.read_first(out));  // the slot would be empty, and has to be given back
    CHECK(queue.size() == 6);
    CHECK(queue.pinned_octets() == 128);
    CHECK(read(queue, 4) == "defg");
    CHECK(queue.pinned_octets() == 64);
}

TEST_CASE("receive queue: all of one slice is read at any size, and its slot goes back", "[storage]")
{
    pools p;
    receive_queue queue;
    for (const std::size_t n : {1U, 15U, 16U, 17U, 33U, 63U, 64U}) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) {
            text += static_cast<char>('a' + i % 26);
        }
        for (const std::size_t most : {n, n + 1, n + 100}) {
            const std::uint32_t free = p.large.available();
            REQUIRE(queue.push_copy(octets(text), p.large) == n);
            CHECK(read(queue, most) == text);
            CHECK((queue.empty() && queue.slice_count() == 0 && p.large.available() == free));
        }
        REQUIRE(queue.push_copy(octets(text), p.large) == n);
        REQUIRE(queue.push(make_slice(p.large, "more")));
        CHECK(read(queue, n + 2) == text + "mo");  // two slices
        CHECK(read(queue, 9) == "re");
    }
}

TEST_CASE("receive queue: octets come out as they went in", "[storage]")
{
    pools p;
    receive_queue queue;
    REQUIRE(queue.push(make_slice(p.large, "hello ")));
    REQUIRE(queue.push(make_slice(p.large, "")));
    REQUIRE(queue.push(make_slice(p.large, "world")));
    CHECK(queue.size() == 11);
    CHECK(queue.slice_count() == 2);
    CHECK(queue.pinned_octets() == 128);
    std::array<std::byte, 4> few{};
    CHECK(queue.peek(few, 5) == 4);
    CHECK(few[0] == std::byte{' '});
    CHECK(few[3] == std::byte{'r'});
    CHECK(queue.peek(few, 11) == 0);
    CHECK(read(queue, 8) == "hello wo");
    CHECK(queue.pinned_octets() == 64);
    CHECK(text_of(queue.front()) == "rld");
    queue.discard(1);
    CHECK(text_of(queue.take_front()) == "ld");
    CHECK(queue.empty());
    CHECK(queue.pinned_octets() == 0);
    CHECK(p.large.available() == 8);
    CHECK(read(queue, 8).empty());
}

TEST_CASE("receive queue: small payloads are copied into one slot", "[storage]")
{
    pools p;
    receive_queue queue;
    for (int i = 0; i < 16; ++i) {
        CHECK(queue.push_copy(octets("x"), p.small) == 1);
    }
    CHECK(queue.pinned_octets() == 16);
    CHECK(queue.push_copy(octets("0123456789abcdefg"), p.small) == 17);
    CHECK(queue.pinned_octets() == 48);
    CHECK(queue.push_copy(octets(std::string(100, 'y')), p.small) == 15 + 5 * 16);
    CHECK(queue.size() == 128);
    CHECK(read(queue, 17) == "xxxxxxxxxxxxxxxx0");
    CHECK(p.small.available() == 1);
}

TEST_CASE("receive queue: it writes only behind what it copied itself", "[storage]")
{
    pools p;
    receive_queue queue;
    queue.push_copy(octets("a "), p.small);
    slice frame = make_slice(p.large, "payload and trailer");
    const slice capture = frame;
    frame.remove_suffix(12);
    REQUIRE(queue.push(std::move(frame)));
    CHECK(queue.push_copy(octets("more"), p.small) == 4);
    CHECK(text_of(capture) == "payload and trailer");
    receive_queue copy{queue};
    copy.push_copy(octets("x"), p.small);
    queue.push_copy(octets("y"), p.small);
    CHECK(read(copy, 20) == "a payloadmorex");
    CHECK(read(queue, 20) == "a payloadmorey");
}

TEST_CASE("receive queue: a slot whose slices are neighbours counts once", "[storage]")
{
    pools p;
    receive_queue queue;
    slice a = make_slice(p.large, "abcdef");
    slice b = a;
    a.remove_suffix(3);
    b.remove_prefix(3);
    REQUIRE(queue.push(std::move(a)));
    REQUIRE(queue.push(std::move(b)));
    CHECK(queue.pinned_octets() == 64);
    CHECK(read(queue, 4) == "abcd");
    CHECK(queue.pinned_octets() == 64);
    CHECK(read(queue, 4) == "ef");
    CHECK(queue.pinned_octets() == 0);
}

TEST_CASE("receive queue: compacting frees slots, keeps order, and drops nothing when the pool runs dry", "[storage]")
{
    const auto slots = GENERATE(0u, 1u, 2u, 4u, 40u);
    CAPTURE(slots);
    buffer_pool large{1'000, 32};
    buffer_pool small{16, slots};
    receive_queue queue;
    std::string all;
    for (int i = 0; i < 9; ++i) {
        const std::string text = "segment " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '.');
        all += text;
        REQUIRE(queue.push(make_slice(large, text)));
    }
    queue.compact(small);
    CHECK(queue.size() == all.size());
    CHECK(queue.pinned_octets() == (32 - large.available()) * 1'000 + (slots - small.available()) * 16);
    if (slots == 40) {
        CHECK(large.available() == 32);
        CHECK(queue.pinned_octets() == (all.size() + 15) / 16 * 16);
    }
    REQUIRE(queue.push(make_slice(large, "more")));
    CHECK(queue.push_copy(octets("end"), large) == 3);
    CHECK(read(queue, 1'000) == all + "moreend");
    CHECK(queue.pinned_octets() == 0);
    CHECK(small.available() == slots);
}

TEST_CASE("receive queue: after compacting, it still writes only behind what it copied itself", "[storage]")
{
    pools p;
    receive_queue queue;
    REQUIRE(queue.push(make_slice(p.large, "0123456789")));
    slice frame = make_slice(p.large, "payload and trailer");
    const slice capture = frame;
    frame.remove_suffix(12);
    SECTION("where the pool sufficed, that is the last slot")
    {
        REQUIRE(queue.push(std::move(frame)));
        queue.compact(p.small);
        CHECK(queue.pinned_octets() == 32);
        CHECK(queue.push_copy(octets("more"), p.small) == 4);
        CHECK(queue.pinned_octets() == 32);
    }
    SECTION("where it did not, the last slot is another's")
    {
        buffer_pool one{16, 1};
        REQUIRE(queue.push(std::move(frame)));
        queue.compact(one);
        CHECK(queue.pinned_octets() == 16 + 64);
        CHECK(queue.push_copy(octets("more"), p.small) == 4);
        CHECK(queue.pinned_octets() == 16 + 64 + 16);
    }
    CHECK(text_of(capture) == "payload and trailer");
    CHECK(read(queue, 30) == "0123456789payloadmore");
}

TEST_CASE("receive queue: it agrees with a string under random calls", "[storage]")
{
    const auto seed = GENERATE(range(1u, 11u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    buffer_pool small{32, 40};
    buffer_pool large{256, 40};
    receive_queue queue;
    std::string model;
    for (int step = 0; step < 3'000; ++step) {
        const std::string text = random_text(random, 1 + random.below(100));
        switch (random.below(7)) {
        case 0:
        case 1:
            if (large.available() > 0) {
                REQUIRE(queue.push(make_slice(large, text)));
                model += text;
            }
            break;
        case 2:
        case 3: {
            const std::size_t n = queue.push_copy(octets(text), small);
            REQUIRE((n == text.size() || small.available() == 0));
            model += text.substr(0, n);
            break;
        }
        case 4:
            if (!queue.empty()) {
                const std::string first = text_of(queue.take_front());
                REQUIRE(first == model.substr(0, first.size()));
                model.erase(0, first.size());
            }
            break;
        case 5:
            if (random.chance(0.2)) {
                queue.compact(small);
            }
            break;
        default: {
            const auto most = random.below(400);
            std::string text_at_once(most, ' ');
            const bool at_once = random.chance(0.5) && queue.read_first(std::as_writable_bytes(std::span{text_at_once}));
            REQUIRE((at_once ? text_at_once : read(queue, most)) == model.substr(0, most));
            model.erase(0, most);
        }
        }
        REQUIRE(queue.size() == model.size());
        REQUIRE(queue.pinned_octets() == (40 - small.available()) * 32 + (40 - large.available()) * 256);
    }
    queue.release();
    REQUIRE(queue.pinned_octets() == 0);
    REQUIRE(small.available() + large.available() == 80);
}
