#include "tcpco/storage/flow_table.hpp"

#include <unordered_map>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco::literals;
using tcpco::endpoint;
using tcpco::flow_table;
using tcpco::four_tuple;
using tcpco::four_tuple_hash;

namespace {

// The worst a peer could achieve is chosen by `Bits`: that many bits of the hash differ from key to key.
template <int Bits>
struct poor_hash {
    std::uint64_t operator()(std::uint32_t key) const noexcept
    {
        return tcpco::random_source{key}.next() & ((std::uint64_t{1} << Bits) - 1);
    }
};

using connections = flow_table<four_tuple, four_tuple_hash>;

constexpr four_tuple echo{{"198.18.0.2"_ip, 7}, {"198.18.0.1"_ip, 40'000}};

template <class Hash>
void agree_with_unordered_map(std::uint64_t seed, std::uint32_t keys, int steps)
{
    tcpco::random_source random{seed};
    flow_table<std::uint32_t, Hash> table{keys - keys / 4};
    std::unordered_map<std::uint32_t, std::uint32_t> model;
    using outcome = typename flow_table<std::uint32_t, Hash>::outcome;
    for (int step = 0; step < steps; ++step) {
        const std::uint32_t key = random.below(keys);
        const std::uint32_t value = random.below(1'000'000);
        switch (random.below(4)) {
        case 0:
        case 1: {
            const bool known = model.count(key) > 0;
            const bool full = model.size() == table.limit();
            const outcome expected = known ? outcome::exists : full ? outcome::refused : outcome::inserted;
            REQUIRE(table.insert(key, value) == expected);
            if (expected == outcome::inserted) {
                model[key] = value;
            }
            break;
        }
        case 2:
            REQUIRE(table.erase(key) == (model.erase(key) > 0));
            break;
        default:
            REQUIRE(table.replace(key, value) == (model.count(key) > 0));
            if (model.count(key) > 0) {
                model[key] = value;
            }
        }
        REQUIRE(table.size() == model.size());
        const std::uint32_t probe = random.below(keys);
        const auto known = model.find(probe);
        REQUIRE(table.find(probe) == (known == model.end() ? table.npos : known->second));
    }
    for (std::uint32_t key = 0; key < keys; ++key) {
        const auto known = model.find(key);
        REQUIRE(table.find(key) == (known == model.end() ? table.npos : known->second));
    }
    std::size_t seen = 0;
    table.for_each([&](std::uint32_t key, std::uint32_t value) {
        ++seen;
        REQUIRE(model.at(key) == value);
    });
    REQUIRE(seen == model.size());
}

}  // namespace

TEST_CASE("flow table: it finds what was inserted, until it is erased", "[storage]")
{
    connections table{100, {{1, 2}}};
    CHECK(table.find(echo) == table.npos);
    CHECK_FALSE(table.erase(echo));
    CHECK(table.insert(echo, 5) == connections::outcome::inserted);
    CHECK(table.insert(echo, 6) == connections::outcome::exists);
    CHECK(table.find(echo) == 5);
    CHECK(table.find(echo, table.hash(echo)) == 5);
    CHECK(table.replace(echo, 6));
    CHECK(table.find(echo) == 6);
    CHECK(table.erase(echo));
    CHECK(table.find(echo) == table.npos);
    CHECK_FALSE(table.replace(echo, 7));
    CHECK(table.empty());
}

TEST_CASE("flow table: connections that differ in one part only are different", "[storage]")
{
    connections table{100, {{1, 2}}};
    const std::vector<four_tuple> keys{
        echo,
        {{"198.18.0.2"_ip, 7}, {"198.18.0.1"_ip, 40'001}},
        {{"198.18.0.2"_ip, 7}, {"198.18.0.3"_ip, 40'000}},
        {{"198.18.0.2"_ip, 9}, {"198.18.0.1"_ip, 40'000}},
        {{"198.18.0.4"_ip, 7}, {"198.18.0.1"_ip, 40'000}},
        {{"198.18.0.1"_ip, 40'000}, {"198.18.0.2"_ip, 7}},
        {{"2001:db8::1"_ip, 7}, {"2001:db8::2"_ip, 40'000}},
        {{"2001:db8::2"_ip, 7}, {"2001:db8::1"_ip, 40'000}},
        {{"2001:db8::1"_ip, 7}, {"2001:db8::1:2"_ip, 40'000}},
        {{"::"_ip, 7}, {"::"_ip, 40'000}},
        {{"0.0.0.0"_ip, 7}, {"0.0.0.0"_ip, 40'000}},
        {{"0.0.0.0"_ip, 7}, {"::"_ip, 40'000}},
        {{"::"_ip, 7}, {"0.0.0.0"_ip, 40'000}},
        {{"::"_ip, 0x8007}, {"::"_ip, 40'000}},
        {{"0.0.0.0"_ip, 0x8007}, {"::"_ip, 40'000}},
    };
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
        REQUIRE(table.insert(keys[i], i) == connections::outcome::inserted);
        for (std::uint32_t j = 0; j < i; ++j) {
            REQUIRE(table.hash(keys[i]) != table.hash(keys[j]));
        }
    }
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
        CHECK(table.find(keys[i]) == i);
    }
}

TEST_CASE("flow table: the hash of a connection depends on the key", "[storage]")
{
    constexpr four_tuple six{{"2001:db8::1"_ip, 7}, {"2001:db8::2"_ip, 40'000}};
    static_assert(four_tuple_hash{{1, 2}}(echo) != four_tuple_hash{{1, 3}}(echo));
    static_assert(four_tuple_hash{{1, 2}}(echo) != four_tuple_hash{{2, 2}}(echo));
    static_assert(four_tuple_hash{{1, 2}}(six) != four_tuple_hash{{1, 3}}(six));
    static_assert(four_tuple_hash{{1, 2}}(six) == four_tuple_hash{{1, 2}}(six));
    SUCCEED();
}

TEST_CASE("flow table: beyond its limit it refuses and counts, and serves again after an erase", "[storage]")
{
    flow_table<std::uint32_t, poor_hash<63>> table{20};
    using outcome = decltype(table)::outcome;
    for (std::uint32_t i = 0; i < 20; ++i) {
        REQUIRE(table.insert(i, i) == outcome::inserted);
    }
    CHECK(table.insert(20, 20) == outcome::refused);
    CHECK(table.insert(3, 20) == outcome::exists);
    CHECK(table.refused() == 1);
    CHECK(table.erase(7));
    CHECK(table.insert(20, 20) == outcome::inserted);
    CHECK(table.capacity() == 32);
}

TEST_CASE("flow table: it agrees with std::unordered_map under random calls", "[storage]")
{
    const auto seed = GENERATE(range(1u, 6u));
    CAPTURE(seed);
    SECTION("good hash") { agree_with_unordered_map<poor_hash<63>>(seed, 400, 10'000); }
    SECTION("three bits of hash") { agree_with_unordered_map<poor_hash<3>>(seed, 200, 5'000); }
    SECTION("all keys hash alike") { agree_with_unordered_map<poor_hash<0>>(seed, 100, 5'000); }
}

TEST_CASE("flow table: copies are independent", "[storage]")
{
    connections table{100, {{1, 2}}};
    table.insert(echo, 5);
    connections copy{table};
    table.erase(echo);
    CHECK(copy.find(echo) == 5);
}
