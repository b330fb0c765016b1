#include "tcpco/tcp/round_counter.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

// Windows of 3000 octets in segments of 1000: a round begins with the first delivery of a segment sent in it.
constexpr bool counts_windows()
{
    round_counter rounds;
    const bool first = rounds.on_delivered(0, 1000);     // the first flight: sent with nothing delivered
    const bool second = rounds.on_delivered(0, 2000);
    const bool third = rounds.on_delivered(0, 3000);
    const bool fourth = rounds.on_delivered(1000, 4000);  // sent when the first of the round before had arrived
    const bool fifth = rounds.on_delivered(2000, 5000);
    const bool sixth = rounds.on_delivered(4000, 6000);
    return first && !second && !third && fourth && !fifth && sixth && rounds.count() == 3;
}
static_assert(counts_windows());

}  // namespace

TEST_CASE("a round begins when a segment is delivered that was sent after the round before began", "[tcp]")
{
    REQUIRE(counts_windows());
}

TEST_CASE("after a restart the round begins with what is sent from then on", "[tcp]")
{
    round_counter rounds;
    rounds.on_delivered(0, 1000);
    rounds.restart(5000);
    CHECK_FALSE(rounds.on_delivered(4999, 6000));
    CHECK(rounds.on_delivered(5000, 7000));
    CHECK(rounds.count() == 2);
}
