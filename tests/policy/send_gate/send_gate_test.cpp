#include "tcpco/policy/send_gate/minshall.hpp"

#include "catch.hpp"
#include "tcpco/policy/send_gate/nagle.hpp"
#include "tcpco/policy/send_gate/off.hpp"

using namespace tcpco;

namespace {

constexpr gate::nagle nagle;
constexpr gate::minshall minshall;
constexpr gate::off off;

constexpr small_segment small{.octets = 10, .smss = 1'460, .unacknowledged = 5'000, .last_small_unacknowledged = true};

constexpr small_segment with(void (*change)(small_segment&))
{
    small_segment s = small;
    change(s);
    return s;
}

}  // namespace

TEST_CASE("Nagle holds a small segment while anything is unacknowledged", "[policy][SHLD-7]")
{
    CHECK_FALSE(nagle.may_send(small));
    CHECK_FALSE(nagle.may_send(with([](small_segment& s) { s.last_small_unacknowledged = false; })));
    CHECK(nagle.may_send(with([](small_segment& s) { s.unacknowledged = 0; })));
    CHECK(nagle.may_send(with([](small_segment& s) { s.octets = 1'460; })));
    CHECK(nagle.may_send(with([](small_segment& s) { s.fin_follows = true; })));
}

TEST_CASE("no_delay switches it off for a connection", "[policy][MUST-17]")
{
    CHECK(nagle.may_send(with([](small_segment& s) { s.no_delay = true; })));
    CHECK(minshall.may_send(with([](small_segment& s) { s.no_delay = true; })));
}

TEST_CASE("Minshall holds a small segment only behind a small one", "[policy]")
{
    CHECK_FALSE(minshall.may_send(small));
    CHECK(minshall.may_send(with([](small_segment& s) { s.last_small_unacknowledged = false; })));
    CHECK(minshall.may_send(with([](small_segment& s) { s.unacknowledged = 0; })));
}

TEST_CASE("a cork holds small segments in every gate, even with no_delay, until the stream ends", "[policy]")
{
    constexpr auto corked = [](small_segment& s) {
        s.corked = s.no_delay = true;
        s.unacknowledged = 0;
    };
    CHECK(off.may_send(small));
    CHECK_FALSE(off.may_send(with(corked)));
    CHECK_FALSE(nagle.may_send(with(corked)));
    CHECK_FALSE(minshall.may_send(with(corked)));
    CHECK(off.may_send(with([](small_segment& s) { s.corked = s.fin_follows = true; })));
    CHECK(nagle.may_send(with([](small_segment& s) { s.corked = s.fin_follows = true; })));
}
