#include "tcpco/storage/intrusive_list.hpp"

#include <algorithm>
#include <deque>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::index_list;

TEST_CASE("index list: first in, first out, and each index once", "[storage]")
{
    index_list list;
    REQUIRE(list.reserve(10));
    CHECK(list.empty());
    CHECK(list.pop_front() == index_list::none);
    CHECK(list.push_back(3));
    CHECK(list.push_back(1));
    CHECK_FALSE(list.push_back(3));
    CHECK(list.push_back(7));
    CHECK(list.size() == 3);
    CHECK(list.erase(1));
    CHECK_FALSE(list.erase(1));
    CHECK_FALSE(list.contains(1));
    CHECK(list.contains(7));
    CHECK_FALSE(list.contains(1'000));
    CHECK(list.pop_front() == 3);
    CHECK(list.push_back(3));
    CHECK(list.pop_front() == 7);
    CHECK(list.pop_front() == 3);
    CHECK(list.empty());
}

TEST_CASE("index list: it agrees with a deque under random calls", "[storage]")
{
    tcpco::random_source random{11};
    index_list list;
    std::deque<std::uint32_t> model;
    REQUIRE(list.reserve(4));
    for (int step = 0; step < 20'000; ++step) {
        if (step == 5'000) {
            REQUIRE(list.reserve(30));  // keeps what is linked
        }
        const std::uint32_t i = random.below(list.capacity());
        const auto known = std::find(model.begin(), model.end(), i);
        REQUIRE(list.contains(i) == (known != model.end()));
        switch (random.below(3)) {
        case 0:
            REQUIRE(list.push_back(i) == (known == model.end()));
            if (known == model.end()) {
                model.push_back(i);
            }
            break;
        case 1:
            REQUIRE(list.erase(i) == (known != model.end()));
            if (known != model.end()) {
                model.erase(known);
            }
            break;
        default:
            REQUIRE(list.pop_front() == (model.empty() ? index_list::none : model.front()));
            if (!model.empty()) {
                model.pop_front();
            }
        }
        REQUIRE(list.size() == model.size());
        std::uint32_t at = list.front();
        for (const std::uint32_t expected : model) {
            REQUIRE(at == expected);
            at = list.next(at);
        }
        REQUIRE(at == index_list::none);
    }
    list.clear();
    CHECK(list.empty());
    CHECK(list.size() == 0);
}
