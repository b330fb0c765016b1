#include "tcpco/storage/reassembly_queue.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::buffer_pool;
using tcpco::reassembly_queue;
using tcpco::slice;
using tcpco::stream_offset;
using tcpco::stream_range;
using refusal = tcpco::reassembly_queue::refusal;

namespace {

constexpr std::size_t slot_size = 128;

slice make_slice(buffer_pool& pool, std::string_view text)
{
    tcpco::buffer slot = pool.acquire();
    REQUIRE(slot);
    std::copy(text.begin(), text.end(), reinterpret_cast<char*>(slot.data()));
    const std::byte* first = slot.data();
    return {std::move(slot), first, static_cast<std::uint32_t>(text.size())};
}

std::string text_of(const slice& s) { return {reinterpret_cast<const char*>(s.data), s.size}; }

constexpr stream_range range(std::int64_t left, std::int64_t right) { return {{left}, {right}}; }

struct harness {
    buffer_pool pool{slot_size, 64};
    reassembly_queue queue{};

    harness() = default;
    explicit harness(reassembly_queue::config c) : queue{c} {}
    reassembly_queue::insert_result insert(std::int64_t at, std::string_view text, bool fin = false)
    {
        return queue.insert({at}, make_slice(pool, text), fin);
    }
    std::string pop(std::int64_t next)
    {
        std::string text;
        const stream_offset end = queue.pop_ready({next}, [&](slice&& s) { text += text_of(s); });
        CHECK(end.value == next + static_cast<std::int64_t>(text.size()));
        return text;
    }
    std::vector<stream_range> sack(std::size_t most = 64)
    {
        std::vector<stream_range> blocks(most);
        blocks.resize(queue.sack_blocks(blocks));
        return blocks;
    }
};

using ranges = std::vector<stream_range>;

}  // namespace

TEST_CASE("reassembly: octets wait until what is before them has come", "[storage][RFC9293-3.10.7.4]")
{
    harness h;
    CHECK(h.queue.empty());
    const auto r = h.insert(10, "world");
    CHECK(r.accepted);
    CHECK(r.new_octets == 5);
    CHECK_FALSE(r.duplicate);
    CHECK(r.overlap.empty());
    CHECK(h.queue.octets() == 5);
    CHECK(h.queue.memory_octets() == slot_size);
    CHECK(h.pop(9).empty());
    CHECK(h.pop(10) == "world");
    CHECK(h.queue.empty());
    CHECK(h.queue.octets() == 0);
    CHECK(h.queue.memory_octets() == 0);
    CHECK(h.pool.available() == 64);
}

TEST_CASE("reassembly: octets already delivered are left out when the rest is taken", "[storage][RFC9293-3.10.7.4]")
{
    harness h;
    h.insert(10, "abcdef");
    h.insert(20, "xyz");
    CHECK(h.pop(13) == "def");
    CHECK(h.queue.octets() == 3);
    CHECK(h.pop(40).empty());
    CHECK(h.queue.empty());
    CHECK(h.queue.octets() == 0);
    CHECK(h.pool.available() == 64);
}

TEST_CASE("reassembly: neighbours join, and one segment can fill several gaps", "[storage]")
{
    harness h;
    h.insert(10, "aa");
    h.insert(14, "bb");
    h.insert(18, "cc");
    CHECK(h.queue.range_count() == 3);
    SECTION("touching exactly")
    {
        h.insert(12, "--");
        CHECK(h.sack() == ranges{range(10, 16), range(18, 20)});
    }
    SECTION("covering all: what was there first wins, and the slot is counted once")
    {
        const auto r = h.insert(8, "0123456789ABCD");
        CHECK(r.accepted);
        CHECK(r.new_octets == 8);
        CHECK(r.overlap == range(10, 12));
        CHECK(h.queue.range_count() == 1);
        CHECK(h.queue.range_at(0) == range(8, 22));
        CHECK(h.queue.memory_octets() == 4 * slot_size);
        CHECK(h.pop(8) == "01aa45bb89ccCD");
        CHECK(h.queue.memory_octets() == 0);
        CHECK(h.pool.available() == 64);
    }
}

TEST_CASE("reassembly: what follows a copied piece is written behind it, in its slot", "[storage]")
{
    harness h;
    const auto append = [&h](std::int64_t at, std::string_view text) {
        return h.queue.append({at}, std::as_bytes(std::span{text}));
    };
    CHECK_FALSE(append(10, "a"));  // nothing ends there
    h.insert(10, "a");
    CHECK_FALSE(append(11, "b"));  // a frame's slot is not the queue's own
    CHECK(h.queue.insert({20}, make_slice(h.pool, "v"), false, true).accepted);
    h.insert(30, "z");
    CHECK(append(21, "w"));
    CHECK(append(22, "xy"));
    CHECK(h.queue.run_before({24}) == 4);
    CHECK(h.queue.run_before({23}) == 0);
    CHECK(h.sack() == ranges{range(20, 24), range(30, 31), range(10, 11)});
    CHECK(h.queue.octets() == 6);
    CHECK(h.queue.copied_memory_octets() == slot_size);
    CHECK_FALSE(append(23, "y"));       // held already
    CHECK_FALSE(append(24, "******"));  // would touch what follows
    CHECK_FALSE(append(31, std::string(slot_size, '-')));
    {
        const reassembly_queue copy{h.queue};  // whose slots are shared
        CHECK_FALSE(append(24, "*"));
    }
    CHECK(append(24, "*"));
    h.insert(25, "-----");
    CHECK(h.pop(20) == "vwxy*-----z");
    CHECK(h.queue.copied_memory_octets() == 0);
    CHECK(h.queue.insert({40}, make_slice(h.pool, "12"), false, true).accepted);
    CHECK(h.queue.insert({44}, {}, true).accepted);
    CHECK_FALSE(append(42, "345"));  // beyond the FIN
    CHECK_FALSE(append(42, std::string(slot_size, '-')));
    CHECK(append(42, "34"));
    CHECK(h.pop(40) == "1234");
    CHECK(h.pool.available() == 64);
}

TEST_CASE("reassembly: a duplicate is told as such, with the octets for a D-SACK block", "[storage][RFC2883-4]")
{
    harness h;
    h.insert(10, "abcdef");
    h.insert(20, "ghi");
    auto r = h.insert(12, "XX");
    CHECK(r.accepted);
    CHECK(r.duplicate);
    CHECK(r.new_octets == 0);
    CHECK(r.overlap == range(12, 14));
    r = h.insert(14, "XXXXXXXX");
    CHECK(r.accepted);
    CHECK_FALSE(r.duplicate);
    CHECK(r.new_octets == 4);
    CHECK(r.overlap == range(14, 16));
    CHECK(h.pop(10) == "abcdefXXXXghi");
}

TEST_CASE("reassembly: SACK blocks come latest first", "[storage][RFC2018-4]")
{
    harness h;
    h.insert(10, "a");
    h.insert(20, "b");
    h.insert(30, "c");
    h.insert(40, "d");
    CHECK(h.queue.most_recent_range() == range(40, 41));
    h.insert(21, "e");
    CHECK(h.queue.most_recent_range() == range(20, 22));
    CHECK(h.sack(3) == ranges{range(20, 22), range(40, 41), range(30, 31)});
    h.insert(10, "a");  // a duplicate triggers an acknowledgement, too
    CHECK(h.sack(3) == ranges{range(10, 11), range(20, 22), range(40, 41)});
    CHECK(h.sack(0).empty());
    CHECK(h.sack().size() == 4);
}

TEST_CASE("reassembly: the FIN is remembered where it stands", "[storage][RFC9293-3.10.7.4]")
{
    harness h;
    CHECK_FALSE(h.queue.fin_at());
    SECTION("with octets")
    {
        CHECK(h.insert(10, "ab", true).accepted);
        CHECK(h.queue.fin_at() == stream_offset{12});
    }
    SECTION("alone")
    {
        CHECK(h.insert(12, "", true).accepted);
        CHECK(h.queue.fin_at() == stream_offset{12});
        CHECK(h.queue.empty());
    }
    CHECK(h.insert(12, "", true).accepted);
    CHECK(h.insert(11, "b").accepted);
    CHECK(h.insert(11, "bc").reason == refusal::beyond_fin);
    CHECK(h.insert(11, "b", true).accepted);
    CHECK(h.insert(10, "a", true).reason == refusal::beyond_fin);
    h.pop(10);
    CHECK(h.queue.fin_at() == stream_offset{12});
    h.queue.release();
    CHECK(h.queue.fin_at() == stream_offset{12});
}

TEST_CASE("reassembly: a FIN before octets that are held is refused", "[storage]")
{
    harness h;
    h.insert(20, "xy");
    CHECK(h.insert(15, "ab", true).reason == refusal::beyond_fin);
    CHECK_FALSE(h.queue.fin_at());
    CHECK(h.queue.octets() == 2);
    CHECK(h.insert(15, "1234567", true).accepted);
}

TEST_CASE("reassembly: ranges and slices are bounded", "[storage]")
{
    SECTION("ranges")
    {
        harness h{reassembly_queue::config{.max_ranges = 3, .max_slices = 100}};
        for (std::int64_t at : {10, 20, 30}) {
            REQUIRE(h.insert(at, "a").accepted);
        }
        CHECK(h.insert(40, "a", true).reason == refusal::too_many_ranges);
        CHECK_FALSE(h.queue.fin_at());
        CHECK(h.insert(25, "a").reason == refusal::too_many_ranges);
        CHECK(h.queue.octets() == 3);
        CHECK(h.insert(21, "a").accepted);
        CHECK(h.insert(20, "aaaaaaaaaaaa").accepted);
        CHECK(h.insert(40, "a").accepted);
        CHECK(h.sack() == ranges{range(40, 41), range(20, 32), range(10, 11)});
    }
    SECTION("slices")
    {
        harness h{reassembly_queue::config{.max_ranges = 8, .max_slices = 3}};
        h.insert(10, "a");
        h.insert(11, "a");
        CHECK(h.insert(8, "aaaaaaa").reason == refusal::too_many_slices);
        CHECK(h.queue.octets() == 2);
        CHECK(h.insert(12, "a").accepted);
        CHECK(h.insert(13, "a").reason == refusal::too_many_slices);
        CHECK(h.insert(10, "aaa").duplicate);
        CHECK(h.pool.available() == 61);
        CHECK(h.pop(10) == "aaa");
        CHECK(h.insert(20, "b").accepted);
    }
}

TEST_CASE("reassembly: a consumer that is full stops the hand-over and loses nothing", "[storage]")
{
    harness h;
    h.insert(10, "abc");
    h.insert(13, "def");
    h.insert(16, "ghi");
    std::string text;
    const stream_offset next = h.queue.pop_ready({11}, [&](slice&& s) {
        if (text.size() >= 2) {
            return false;
        }
        text += text_of(s);
        return true;
    });
    CHECK(next.value == 13);
    CHECK(text == "bc");
    CHECK(h.queue.octets() == 6);
    CHECK(h.sack() == ranges{range(13, 19)});
    CHECK(h.pop(14) == "efghi");
}

TEST_CASE("reassembly: release gives every slot back", "[storage]")
{
    harness h;
    h.insert(10, "abc");
    h.insert(20, "abc");
    h.queue.release();
    CHECK(h.queue.empty());
    CHECK(h.queue.octets() == 0);
    CHECK(h.pool.available() == 64);
    CHECK(h.insert(10, "abc").accepted);
}

namespace {

// What the queue must do, octet by octet; and every segment taken, for the order of SACK blocks.
struct naive {
    std::map<std::int64_t, char> octets{};
    ranges segments{};  // the latest last

    ranges held() const
    {
        ranges result;
        for (const auto& entry : octets) {
            if (result.empty() || result.back().right.value != entry.first) {
                result.push_back(range(entry.first, entry.first));
            }
            result.back().right += 1;
        }
        return result;
    }
    ranges sack() const
    {
        const ranges all = held();
        ranges result;
        for (auto segment = segments.rbegin(); segment != segments.rend() && result.size() < all.size(); ++segment) {
            for (const stream_range& r : all) {
                // A segment lies in one range, of which the left part may be delivered by now.
                if (r.left < segment->right && segment->left < r.right &&
                    std::find(result.begin(), result.end(), r) == result.end()) {
                    result.push_back(r);
                }
            }
        }
        return result;
    }
};

}  // namespace

TEST_CASE("reassembly: it agrees with a naive model under random overlaps", "[storage][RFC2018-4]")
{
    const auto seed = GENERATE(Catch::Generators::range(1u, 31u));
    CAPTURE(seed);
    tcpco::random_source random{seed};
    buffer_pool pool{slot_size, 1'024};
    constexpr std::uint32_t max_ranges = 12;
    reassembly_queue queue{{.max_ranges = max_ranges, .max_slices = 2'000}};
    naive model;
    std::int64_t next = static_cast<std::int64_t>(random.next() >> 24);
    const std::uint32_t longest = 1 + random.below(60);
    for (int step = 0; step < 1'500; ++step) {
        const std::int64_t at = next + random.below(400);
        std::string text(1 + random.below(longest), ' ');
        for (char& c : text) {
            c = static_cast<char>(random.below(256));
        }
        const auto size = static_cast<std::int64_t>(text.size());
        naive expected = model;
        std::uint32_t fresh = 0;
        for (std::int64_t i = 0; i < size; ++i) {
            fresh += expected.octets.emplace(at + i, text[static_cast<std::size_t>(i)]).second ? 1u : 0u;
        }
        stream_range overlap{};
        for (const stream_range& r : model.held()) {
            const stream_range common{std::max(r.left, stream_offset{at}), std::min(r.right, stream_offset{at + size})};
            if (overlap.empty() && !common.empty()) {
                overlap = common;
            }
        }
        const auto result = queue.insert({at}, make_slice(pool, text), false);
        REQUIRE(result.accepted == (expected.held().size() <= max_ranges));
        REQUIRE(result.overlap.empty() == overlap.empty());
        REQUIRE((overlap.empty() || result.overlap == overlap));
        if (result.accepted) {
            REQUIRE(result.new_octets == fresh);
            REQUIRE(result.duplicate == (fresh == 0));
            model = expected;
            model.segments.push_back(range(at, at + size));
        }
        if (random.chance(0.1)) {
            next += random.below(120);
            std::string text_ready;
            const stream_offset end = queue.pop_ready({next}, [&](slice&& s) { text_ready += text_of(s); });
            model.octets.erase(model.octets.begin(), model.octets.lower_bound(next));
            std::string wanted;
            for (; model.octets.count(next) > 0; ++next) {
                wanted += model.octets[next];
                model.octets.erase(next);
            }
            REQUIRE(text_ready == wanted);
            REQUIRE(end.value == next);
        }
        REQUIRE(queue.octets() == model.octets.size());
        const ranges held = model.held();
        REQUIRE(queue.range_count() == held.size());
        for (std::uint32_t i = 0; i < held.size(); ++i) {
            REQUIRE(queue.range_at(i) == held[i]);
        }
        ranges blocks(64);
        blocks.resize(queue.sack_blocks(blocks));
        REQUIRE(blocks == model.sack());
        REQUIRE(queue.memory_octets() <= (1'024 - pool.available()) * slot_size);
    }
    queue.pop_ready({next + 10'000}, [](slice&&) {});
    REQUIRE(queue.empty());
    REQUIRE(queue.memory_octets() == 0);
    REQUIRE(pool.available() == 1'024);
}
