#include "tcpco/tcp/min_filter.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco;

namespace {

constexpr duration window = 10_s;
constexpr time_point at_s(std::int64_t s) { return time_point{s * 1'000'000'000}; }
constexpr duration ms(std::int64_t n) { return duration{n * 1'000'000}; }

constexpr bool forgets_the_old_minimum()
{
    min_filter<duration> f;
    bool right = f.empty();
    right = right && f.update(ms(50), at_s(0), window) == ms(50) && !f.empty();
    right = right && f.update(ms(30), at_s(1), window) == ms(30);
    right = right && f.update(ms(40), at_s(4), window) == ms(30);   // a quarter passed: second choice
    right = right && f.update(ms(45), at_s(7), window) == ms(30);   // half passed: third choice
    right = right && f.update(ms(60), at_s(11), window) == ms(30);  // 10 s old: still within
    right = right && f.update(ms(60), at_s(12), window) == ms(40) && f.taken_at() == at_s(4);
    right = right && f.update(ms(60), at_s(15), window) == ms(45);
    right = right && f.update(ms(70), at_s(40), window) == ms(70);  // nothing is left of the window
    return right;
}
static_assert(forgets_the_old_minimum());

}  // namespace

TEST_CASE("the windowed minimum forgets a sample that is older than the window", "[tcp]")
{
    REQUIRE(forgets_the_old_minimum());
}

TEST_CASE("a new minimum, or an equal one, replaces all choices and is the fresher", "[tcp]")
{
    min_filter<duration> f;
    f.update(ms(30), at_s(0), window);
    f.update(ms(40), at_s(5), window);
    f.update(ms(30), at_s(9), window);
    CHECK(f.taken_at() == at_s(9));
    CHECK(f.update(ms(90), at_s(19), window) == ms(30));
    f.reset();
    CHECK(f.empty());
    CHECK(f.get() == duration{});
    f.reset(ms(7), at_s(20));
    CHECK(f.update(ms(9), at_s(21), window) == ms(7));
}

TEST_CASE("the same filter keeps a maximum over rounds", "[tcp]")
{
    max_filter<std::uint64_t> f;
    CHECK(f.update(100, 0, 10) == 100);
    CHECK(f.update(80, 4, 10) == 100);
    CHECK(f.update(70, 8, 10) == 100);
    CHECK(f.update(10, 11, 10) == 80);
    CHECK(f.update(500, 12, 10) == 500);
}

TEST_CASE("the answer is a sample of the window and never worse than the newest", "[tcp]")
{
    random_source random{7};
    for (int run = 0; run < 200; ++run) {
        min_filter<std::int64_t, std::int64_t> f;
        std::vector<std::pair<std::int64_t, std::int64_t>> seen;  // at, value
        std::int64_t now = 0;
        bool sound = true;
        for (int step = 0; step < 200; ++step) {
            now += random.below(8);
            const std::int64_t value = 100 + random.below(100);
            seen.emplace_back(now, value);
            const std::int64_t answer = f.update(value, now, 40);
            std::int64_t exact = value;
            bool found = false;
            for (const auto& [at, v] : seen) {
                if (now - at <= 40) {
                    exact = std::min(exact, v);
                    found = found || (v == answer && at == f.taken_at());
                }
            }
            sound = sound && found && exact <= answer && answer <= value;
        }
        REQUIRE(sound);
    }
}
