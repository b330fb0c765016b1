#include "tcpco/tcp/transmission_slab.hpp"

#include <utility>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco;
using detail::no_record;
using detail::transmission_slab;

namespace {

transmission octets(std::int64_t first, std::int64_t last)
{
    transmission t;
    t.first = {first};
    t.last = {last};
    return t;
}

// The first octets of the records, by link and by look-up; empty when the two disagree.
std::vector<std::int64_t> firsts(const transmission_slab& slab)
{
    std::vector<std::int64_t> found;
    auto before = no_record;
    for (auto i = slab.front(); i != no_record; before = i, i = slab[i].next) {
        const transmission& t = slab[i].record;
        if (slab.find(t.first) != i || slab.find(t.last - 1) != i || slab.before(i) != before) {
            return {};
        }
        found.push_back(t.first.value);
    }
    return before == slab.back() && found.size() == slab.size() ? found : std::vector<std::int64_t>{};
}

}  // namespace

TEST_CASE("an empty slab owns no memory and gives it back when released", "[tcp]")
{
    transmission_slab slab;
    CHECK(slab.capacity() == 0);
    CHECK(slab.front() == no_record);
    REQUIRE(slab.reserve(9));
    CHECK(slab.capacity() == 16);
    slab.push_back(octets(0, 10));
    slab.release();
    CHECK(slab.capacity() == 0);
    CHECK(slab.size() == 0);
}

TEST_CASE("a slab refuses records beyond its limit and keeps what it has", "[tcp]")
{
    transmission_slab slab;
    slab.set_limit(3);
    REQUIRE(slab.reserve(3));
    slab.push_back(octets(0, 10));
    CHECK(slab.reserve(2));
    CHECK_FALSE(slab.reserve(3));
    CHECK(firsts(slab) == std::vector<std::int64_t>{0});
    slab.set_limit(~detail::record_index{0});
    CHECK(slab.limit() == transmission_slab::max_capacity);
}

TEST_CASE("records stay in sequence order, and are found, through splits anywhere, pops, growth and wrapping", "[tcp]")
{
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        random_source random{seed};
        transmission_slab slab;
        std::vector<std::int64_t> want;
        std::int64_t end = 0;
        for (int step = 0; step < 200; ++step) {
            REQUIRE(slab.reserve(1));
            const auto choice = random.below(8);
            if (want.empty() || choice < 3) {
                slab.push_back(octets(end, end + 100));
                want.push_back(end);
                end += 100;
            } else if (choice < 6) {
                const auto position = random.below(slab.size());
                const auto left = slab.find({want[position]});
                if (slab[left].record.octets() < 2) {
                    continue;
                }
                const stream_offset cut = slab[left].record.first + slab[left].record.octets() / 2;
                const auto right = slab.duplicate(left);
                slab[left].record.last = cut;
                slab[right].record.first = cut;
                want.insert(want.begin() + position + 1, cut.value);
            } else {
                slab.pop_front();
                want.erase(want.begin());
            }
            REQUIRE(firsts(slab) == want);
        }
        const transmission_slab copy = slab;
        slab.clear();
        CHECK(firsts(copy) == want);
    }
}
