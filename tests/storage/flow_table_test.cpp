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

// The table with what its values name beside it, as the stack has its connections.
template <class Key, class Hash>
class named_table {
public:
    using table_type = flow_table<Key, Hash>;
    using outcome = typename table_type::outcome;

    explicit named_table(std::uint32_t limit, Hash hash = Hash{}) : table{limit, hash} {}

    auto is(const Key& key) const
    {
        return [this, &key](std::uint32_t value) {
            ++asked;
            return keys.at(value) == key;
        };
    }
    outcome insert(const Key& key, std::uint32_t value)
    {
        const outcome answer = table.insert(key, value, is(key));
        if (answer == outcome::inserted) {
            keys[value] = key;
        }
        return answer;
    }
    std::uint32_t find(const Key& key) const { return table.find(key, is(key)); }
    bool erase(const Key& key) { return table.erase(key, is(key)); }
    bool replace(const Key& key, std::uint32_t value)
    {
        const bool answer = table.replace(key, value, is(key));
        if (answer) {
            keys[value] = key;
        }
        return answer;
    }

    static constexpr std::uint32_t npos = table_type::npos;
    table_type table;
    std::unordered_map<std::uint32_t, Key> keys;
    mutable std::size_t asked = 0;
};

using connections = named_table<four_tuple, four_tuple_hash>;

constexpr four_tuple echo{{"198.18.0.2"_ip, 7}, {"198.18.0.1"_ip, 40'000}};

template <class Hash>
void agree_with_unordered_map(std::uint64_t seed, std::uint32_t keys, int steps)
{
    tcpco::random_source random{seed};
    named_table<std::uint32_t, Hash> table{keys - keys / 4};
    std::unordered_map<std::uint32_t, std::uint32_t> model;
    using outcome = typename named_table<std::uint32_t, Hash>::outcome;
    std::uint32_t value = 0;  // each names one key
    for (int step = 0; step < steps; ++step) {
        const std::uint32_t key = random.below(keys);
        ++value;
        switch (random.below(4)) {
        case 0:
        case 1: {
            const bool known = model.count(key) > 0;
            const bool full = model.size() == table.table.limit();
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
        REQUIRE(table.table.size() == model.size());
        const std::uint32_t probe = random.below(keys);
        const auto known = model.find(probe);
        REQUIRE(table.find(probe) == (known == model.end() ? table.npos : known->second));
    }
    for (std::uint32_t key = 0; key < keys; ++key) {
        const auto known = model.find(key);
        REQUIRE(table.find(key) == (known == model.end() ? table.npos : known->second));
    }
    std::size_t seen = 0;
    table.table.for_each([&](std::uint32_t v) {
        ++seen;
        REQUIRE(model.at(table.keys.at(v)) == v);
    });
    REQUIRE(seen == model.size());
}

}  // namespace

TEST_CASE("flow table: it finds what was inserted, until it is erased", "[storage]")
{
    connections t{100, {{1, 2}}};
    CHECK(t.find(echo) == t.npos);
    CHECK_FALSE(t.erase(echo));
    CHECK(t.insert(echo, 5) == connections::outcome::inserted);
    CHECK(t.insert(echo, 6) == connections::outcome::exists);
    CHECK(t.find(echo) == 5);
    CHECK(t.table.guess(echo) == 5);
    CHECK(t.replace(echo, 6));
    CHECK(t.find(echo) == 6);
    CHECK(t.erase(echo));
    CHECK(t.find(echo) == t.npos);
    CHECK(t.table.guess(echo) == t.npos);
    CHECK_FALSE(t.replace(echo, 7));
    CHECK(t.table.empty());
}

TEST_CASE("flow table: a lookup asks one of those that are named, whoever it is", "[storage]")
{
    constexpr std::uint32_t n = 3'000;
    named_table<std::uint32_t, poor_hash<63>> t{n};
    for (std::uint32_t i = 0; i < n; ++i) {
        REQUIRE(t.insert(i, n + i) == decltype(t)::outcome::inserted);
    }
    t.asked = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
        REQUIRE(t.find(i) == n + i);
    }
    CHECK(t.asked <= 2 * n);  // the one that was found last, and the right one: the hash keeps all others apart
    t.asked = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
        REQUIRE(t.find(7) == n + 7);
    }
    CHECK(t.asked == n + 1);
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
            REQUIRE(four_tuple_hash{{1, 2}}(keys[i]) != four_tuple_hash{{1, 2}}(keys[j]));
        }
    }
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
        CHECK(table.find(keys[i]) == i);
    }
}

// Of the octets 0, 1, 2, ...: as in the authors' vectors, and as CPython 3.11 hashes them with PYTHONHASHSEED=0.
constexpr std::uint64_t counted[] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static_assert(tcpco::siphash({counted[0], counted[1]}, std::span{counted}.first(1)) == 0x93f5f5799a932462);
static_assert(tcpco::siphash<1, 3>({0, 0}, counted) == 0x8972188433a5c5b7);
static_assert(tcpco::siphash<1, 3>({0, 0}, std::span{counted}.first(1)) == 0xead411e67ebe2eea);

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
    named_table<std::uint32_t, poor_hash<63>> table{20};
    using outcome = decltype(table)::outcome;
    for (std::uint32_t i = 0; i < 20; ++i) {
        REQUIRE(table.insert(i, i) == outcome::inserted);
    }
    CHECK(table.insert(20, 20) == outcome::refused);
    CHECK(table.insert(3, 20) == outcome::exists);
    CHECK(table.table.refused() == 1);
    CHECK(table.erase(7));
    CHECK(table.insert(20, 20) == outcome::inserted);
    CHECK(table.table.capacity() == 32);
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
    connections t{100, {{1, 2}}};
    t.insert(echo, 5);
    connections copy{t};
    t.erase(echo);
    CHECK(copy.find(echo) == 5);
}
