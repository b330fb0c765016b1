#include "tcpco/storage/ring_deque.hpp"

#include <deque>
#include <memory>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::ring_deque;

TEST_CASE("ring deque: what leaves it is not owned any more", "[storage]")
{
    ring_deque<std::shared_ptr<int>> ring;
    auto item = std::make_shared<int>(5);
    REQUIRE(ring.push_back(std::shared_ptr<int>{item}));
    CHECK(item.use_count() == 2);
    ring.pop_front();
    CHECK(item.use_count() == 1);
    REQUIRE(ring.push_back(std::shared_ptr<int>{item}));
    REQUIRE(ring.push_back(std::shared_ptr<int>{item}));
    ring.clear();
    CHECK(item.use_count() == 1);
    CHECK(ring.capacity() > 0);
    ring.release();
    CHECK(ring.capacity() == 0);
}

TEST_CASE("ring deque: it agrees with std::deque, and stops to allocate", "[storage]")
{
    tcpco::random_source random{5};
    ring_deque<std::uint64_t> ring;
    std::deque<std::uint64_t> model;
    for (int step = 0; step < 20'000; ++step) {
        if (model.size() < 60 && random.chance(0.55)) {
            const std::uint64_t value = random.next();
            model.push_back(value);
            REQUIRE(ring.push_back(std::uint64_t{value}));
        } else if (!model.empty()) {
            model.pop_front();
            ring.pop_front();
        }
        REQUIRE(ring.size() == model.size());
        if (!model.empty()) {
            REQUIRE(ring.front() == model.front());
            REQUIRE(ring.back() == model.back());
            const auto i = random.below(static_cast<std::uint32_t>(model.size()));
            REQUIRE(ring[i] == model[i]);
        }
    }
    CHECK(ring.capacity() == 64);
    ring_deque<std::uint64_t> copy{ring};
    ring_deque<std::uint64_t> moved{std::move(ring)};
    REQUIRE(copy.size() == moved.size());
    for (std::size_t i = 0; i < copy.size(); ++i) {
        CHECK(copy[i] == moved[i]);
    }
}
