#include "tcpco/storage/intrusive_list.hpp"

#include <algorithm>
#include <deque>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::index_list;
using tcpco::index_lists;

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

TEST_CASE("index lists: an index is in one of those that share a table, and each is first in, first out", "[storage]")
{
    tcpco::random_source random{12};
    index_lists<2> lists;
    std::deque<std::uint32_t> models[2];
    REQUIRE(lists.reserve(30));
    for (int step = 0; step < 20'000; ++step) {
        const std::uint32_t i = random.below(30);
        const std::size_t which = random.below(2);
        const auto in = [i](const std::deque<std::uint32_t>& model) {
            return std::find(model.begin(), model.end(), i) != model.end();
        };
        const bool known = in(models[0]) || in(models[1]);
        REQUIRE(lists.contains(i) == known);
        switch (random.below(3)) {
        case 0:
            REQUIRE(lists.push_back(i, which) == !known);
            if (!known) {
                models[which].push_back(i);
            }
            break;
        case 1:
            REQUIRE(lists.erase(i) == known);
            for (auto& model : models) {
                model.erase(std::remove(model.begin(), model.end(), i), model.end());
            }
            break;
        default:
            REQUIRE(lists.pop_front(which) == (models[which].empty() ? lists.none : models[which].front()));
            if (!models[which].empty()) {
                models[which].pop_front();
            }
        }
        REQUIRE(lists.size() == models[0].size() + models[1].size());
        for (std::size_t l = 0; l < 2; ++l) {
            REQUIRE(lists.empty(l) == models[l].empty());
            REQUIRE(lists.front(l) == (models[l].empty() ? lists.none : models[l].front()));
        }
    }
    lists.clear();
    CHECK(lists.empty(0));
    CHECK(lists.empty(1));
}
