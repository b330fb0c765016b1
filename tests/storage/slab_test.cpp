#include "tcpco/storage/slab.hpp"

#include <map>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/storage/cold_part.hpp"

using tcpco::owned_slab_id;
using tcpco::slab;
using tcpco::slab_id;

namespace {

struct counted {
    int value;
    int* alive;
    counted(int v, int* a) noexcept : value{v}, alive{a} { ++*alive; }
    counted(const counted& other) noexcept : value{other.value}, alive{other.alive} { ++*alive; }
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive; }
};

struct alignas(64) wide {
    char octets[64];
};

static_assert(std::is_trivially_copyable_v<slab_id>);
static_assert(!slab_id{});
static_assert(slab_id{1, 1} != slab_id{1, 3});
static_assert(sizeof(slab_id) == 8);
static_assert(sizeof(owned_slab_id) == 4 && !owned_slab_id{} && !owned_slab_id{slab_id{}});

}  // namespace

TEST_CASE("slab: an id answers its object until that is erased, and never again", "[storage]")
{
    int alive = 0;
    slab<counted> s{10};
    const slab_id a = s.emplace(1, &alive);
    const slab_id b = s.emplace(2, &alive);
    REQUIRE(a);
    REQUIRE(b);
    CHECK(a.index == 0);
    CHECK(s.get(a)->value == 1);
    CHECK(s.at(b.index).value == 2);
    CHECK(s.size() == 2);
    CHECK(s.erase(a));
    CHECK(alive == 1);
    CHECK(s.get(a) == nullptr);
    CHECK_FALSE(s.erase(a));
    const slab_id c = s.emplace(3, &alive);
    CHECK(c.index == a.index);
    CHECK(c.generation != a.generation);
    CHECK(s.get(a) == nullptr);
    CHECK(s.get(c)->value == 3);
    CHECK_FALSE(s.erase(a));
    CHECK(s.id_of(c.index) == c);
}

TEST_CASE("slab: ids that name nothing answer nullptr", "[storage]")
{
    slab<int> s{10};
    CHECK(s.get(slab_id{}) == nullptr);
    CHECK(s.get(slab_id{0, 1}) == nullptr);
    REQUIRE(s.emplace(5));
    CHECK(s.get(slab_id{}) == nullptr);
    CHECK(s.get(slab_id{s.capacity(), 1}) == nullptr);
    CHECK(s.get(slab_id{1, 0}) == nullptr);
    CHECK(s.get(slab_id{0xFFFFFFFF, 1}) == nullptr);
    CHECK_FALSE(s.id_of(1));
    CHECK_FALSE(s.id_of(0xFFFFFFFF));
}

TEST_CASE("slab: it refuses beyond its limit, counts that, and serves again after an erase", "[storage]")
{
    slab<int> s{3};
    std::vector<slab_id> ids;
    for (int i = 0; i < 3; ++i) {
        ids.push_back(s.emplace(i));
        REQUIRE(ids.back());
    }
    CHECK_FALSE(s.emplace(9));
    CHECK_FALSE(s.emplace(9));
    CHECK(s.refused() == 2);
    CHECK(s.size() == 3);
    s.erase(ids[1]);
    CHECK(s.emplace(7).index == ids[1].index);
    CHECK_FALSE(slab<int>{0}.emplace(1));
}

TEST_CASE("slab: addresses stay while it grows, and respect alignment", "[storage]")
{
    slab<wide> s{5'000};
    std::vector<std::pair<slab_id, wide*>> all;
    for (int i = 0; i < 5'000; ++i) {
        const slab_id id = s.emplace();
        all.emplace_back(id, s.get(id));
    }
    CHECK(s.size() == 5'000);
    for (const auto& [id, address] : all) {
        REQUIRE(s.get(id) == address);
        REQUIRE(reinterpret_cast<std::uintptr_t>(address) % 64 == 0);
    }
}

TEST_CASE("slab: every object is destroyed with it, and when another is assigned", "[storage]")
{
    int alive = 0;
    {
        slab<counted> s{100};
        for (int i = 0; i < 50; ++i) {
            s.emplace(i, &alive);
        }
        slab<counted> moved{std::move(s)};
        CHECK(alive == 50);
        CHECK(moved.size() == 50);
        moved = slab<counted>{1};
        CHECK(alive == 0);
        moved.emplace(1, &alive);
    }
    CHECK(alive == 0);
}

TEST_CASE("slab: a copy holds its own objects under the same ids", "[storage]")
{
    int alive = 0;
    slab<counted> s{100};
    std::vector<slab_id> ids;
    for (int i = 0; i < 20; ++i) {
        ids.push_back(s.emplace(i, &alive));
    }
    s.erase(ids[3]);
    s.erase(ids[7]);
    slab<counted> copy{s};
    CHECK(alive == 36);
    CHECK(copy.size() == 18);
    CHECK(copy.get(ids[3]) == nullptr);
    CHECK(copy.get(ids[4])->value == 4);
    CHECK(copy.get(ids[4]) != s.get(ids[4]));
    s.erase(ids[4]);
    CHECK(copy.get(ids[4])->value == 4);
    copy.erase(ids[5]);
    // Both hand out the same cells next, so that a forked run goes the same way.
    slab<counted> again{copy};
    CHECK(again.emplace(90, &alive) == copy.emplace(90, &alive));
    CHECK(again.emplace(91, &alive) == copy.emplace(91, &alive));
}

TEST_CASE("slab: for_each may erase what it visits", "[storage]")
{
    slab<int> s{1'000};
    for (int i = 0; i < 1'000; ++i) {
        s.emplace(i);
    }
    int visited = 0;
    s.for_each([&](slab_id id, int& value) {
        CHECK(value == visited++);
        if (value % 2 == 0) {
            s.erase(id);
        }
    });
    CHECK(visited == 1'000);
    CHECK(s.size() == 500);
    s.for_each([&](slab_id, int& value) { CHECK(value % 2 == 1); });
    s.clear();
    CHECK(s.empty());
}

TEST_CASE("slab: it agrees with a map under random calls", "[storage]")
{
    const auto seed = GENERATE(1u, 2u, 3u);
    CAPTURE(seed);
    tcpco::random_source random{seed};
    slab<std::uint64_t> s{300};
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> model;
    std::vector<slab_id> ids;
    for (int step = 0; step < 20'000; ++step) {
        if (random.chance(0.5)) {
            const std::uint64_t value = random.next();
            const slab_id id = s.emplace(value);
            REQUIRE(static_cast<bool>(id) == (model.size() < 300));
            if (id) {
                REQUIRE(model.emplace(std::pair{id.index, id.generation}, value).second);
                ids.push_back(id);
            }
        } else if (!ids.empty()) {
            const slab_id id = ids[random.below(static_cast<std::uint32_t>(ids.size()))];
            const auto known = model.find({id.index, id.generation});
            REQUIRE((s.get(id) != nullptr) == (known != model.end()));
            if (known != model.end()) {
                REQUIRE(*s.get(id) == known->second);
            }
            REQUIRE(s.erase(id) == (known != model.end()));
            model.erase({id.index, id.generation});
        }
        REQUIRE(s.size() == model.size());
    }
}

TEST_CASE("slab: its owner finds an object by its index alone", "[storage]")
{
    int alive = 0;
    slab<counted> s{10};
    s.emplace(1, &alive);
    owned_slab_id own = s.emplace(2, &alive);
    REQUIRE(own);
    REQUIRE(s.get(own) != nullptr);
    CHECK(s.get(own)->value == 2);
    CHECK(s.erase(own));
    own = {};
    CHECK(s.get(own) == nullptr);
    CHECK_FALSE(s.erase(own));
    CHECK(alive == 1);
}

TEST_CASE("slab: objects whose cells are whole cache lines begin with one", "[storage]")
{
    struct lines {
        char octets[120];
    };
    slab<lines> s{1'000};
    for (int i = 0; i < 1'000; ++i) {
        const slab_id id = s.emplace();
        REQUIRE(reinterpret_cast<std::uintptr_t>(s.get(id)) % 64 == 0);
    }
}

TEST_CASE("cold part: it reads as in the beginning until somebody changes it", "[storage]")
{
    struct limits {
        int most = 7;
        bool operator==(const limits&) const = default;
    };
    tcpco::cold_part<limits> part;
    static_assert(sizeof part == sizeof(void*));
    CHECK(part->most == 7);
    CHECK(part.present() == nullptr);
    limits* l = part.make();
    REQUIRE(l != nullptr);
    CHECK(part.make() == l);
    CHECK(part.present() == l);
    part.drop_if_default();
    CHECK(part.present() == nullptr);
    part.make()->most = 8;
    part.drop_if_default();
    CHECK(part->most == 8);
    tcpco::cold_part<limits> copy{part};
    part.make()->most = 9;
    CHECK(copy->most == 8);
    part = std::move(copy);
    CHECK(part->most == 8);
}
