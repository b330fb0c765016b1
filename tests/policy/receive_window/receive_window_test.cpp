#include "tcpco/policy/receive_window/auto_tuned.hpp"

#include "catch.hpp"
#include "tcpco/policy/receive_window/fixed.hpp"

using namespace tcpco;

namespace {

constexpr receive_window_state at(duration t, octet_count unread = 0)
{
    return {.unread = unread, .srtt = 10_ms, .now = time_point{t}};
}

}  // namespace

TEST_CASE("a fixed window is what the reader has left free, whatever waits behind a hole", "[policy]")
{
    constexpr window::fixed w{window::fixed::config{.capacity = 10'000}};
    static_assert(w.capacity() == 10'000);
    CHECK(w.window({.unread = 4'000, .out_of_order = 3'000}) == 6'000);
    CHECK(w.window({.unread = 12'000}) == 0);
    CHECK(window::fixed{}.capacity() < 1'000 * 1'460);  // what the queue of a TAP holds
}

TEST_CASE("the tuned window becomes twice what was read in a round trip, within its budget", "[policy]")
{
    window::auto_tuned w{window::auto_tuned::config{.initial = 10'000, .maximum = 35'000}};
    CHECK(w.capacity() == 10'000);
    w.on_delivered(5'000, at(0_ms));
    w.on_delivered(5'000, at(5_ms));
    CHECK(w.capacity() == 10'000);
    w.on_delivered(0, at(10_ms));
    CHECK(w.capacity() == 20'000);
    w.on_delivered(20'000, at(20_ms));
    CHECK(w.capacity() == 35'000);
    CHECK(w.window(at(20_ms, 5'000)) == 30'000);
}

TEST_CASE("a slow reader keeps a small buffer, and no buffer shrinks", "[policy][SHLD-14]")
{
    window::auto_tuned w{window::auto_tuned::config{.initial = 10'000}};
    for (int i = 0; i < 50; ++i) {
        w.on_delivered(1'000, at(duration{i * 5'000'000}));
    }
    CHECK(w.capacity() == 10'000);
    w.on_delivered(1'000'000, {.srtt = 0_s, .now = time_point{1_s}});  // the RTT is not known
    CHECK(w.capacity() == 10'000);
}

TEST_CASE("the first octets start the measurement, however late they come", "[policy]")
{
    window::auto_tuned w{window::auto_tuned::config{.initial = 10'000}};
    w.on_delivered(9'000, at(100_s));
    CHECK(w.capacity() == 10'000);
}
