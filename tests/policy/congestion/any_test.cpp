#include "tcpco/policy/congestion/any.hpp"

#include <type_traits>

#include "catch.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/congestion/prague.hpp"
#include "tcpco/policy/congestion/reno.hpp"

using namespace tcpco;
using namespace tcpco::congestion;

namespace {

using any = any_congestion<reno, cubic, paced>;
using quiet = any_congestion<fixed_window, reno>;

static_assert(congestion_controller<any> && std::is_trivially_copyable_v<any>);
static_assert(paces<any> && sets_send_quantum<any> && told_of_packets_sent<any> && told_of_spurious<any>);
static_assert(wants_rate_samples_v<any> && !regulates_recovery_v<any>);
static_assert(congestion_controller<quiet> && !paces<quiet>);
static_assert(!told_of_packets_sent<quiet> && !wants_rate_samples_v<quiet>);
static_assert(sizeof(any) <= sizeof(cubic) + 8);

constexpr octet_count smss = 1000;
constexpr ack_info ack{.acked = smss, .cwnd_limited = true, .smss = smss};

}  // namespace

TEST_CASE("a controller chosen at run time does as the chosen one does", "[policy]")
{
    any c{any::config::of<cubic>({.beta_milli = 500})};
    CHECK(c.index() == 1);
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    c.on_ack(ack);
    CHECK(c.cwnd() == 11 * smss);
    CHECK(c.get<cubic>() != nullptr);
    CHECK(c.get<reno>() == nullptr);
    CHECK(c.pacing_rate() == 0);
    const any prior = c;
    c.on_congestion_event({.in_flight = 10 * smss, .smss = smss});
    CHECK(c.ssthresh() == 5 * smss);
    c.on_spurious(spurious_cause::dsack, prior);
    CHECK(c.cwnd() == 11 * smss);
    c.on_retransmission_timeout({.first = true, .in_flight = 10 * smss, .smss = smss});
    CHECK(c.cwnd() == smss);
}

TEST_CASE("what the mechanism asks of a controller's type it asks of the chosen one", "[policy]")
{
    CHECK(regulates_recovery(any{any::config::of<paced>()}));
    CHECK_FALSE(regulates_recovery(any{any::config::of<reno>()}));
    CHECK(regulates_recovery(paced{}));
    CHECK_FALSE(regulates_recovery(reno{}));
    using marked = any_congestion<reno, prague>;
    CHECK(grows_beside_marks(marked{marked::config::of<prague>()}));
    CHECK_FALSE(grows_beside_marks(marked{}));
    CHECK(grows_beside_marks(prague{}));
    CHECK_FALSE(grows_beside_marks(reno{}));
}

TEST_CASE("an index that does not exist means the first alternative", "[policy]")
{
    CHECK(any{}.index() == 0);
    CHECK(any{any::config{.index = 7}}.index() == 0);
    CHECK(any{any::config{.index = 2}}.index() == 2);
}

TEST_CASE("an alternative without an opinion on undo is restored as it was", "[policy]")
{
    any c{any::config::of<reno>()};
    c.on_connection_established({.initial_window = 10 * smss, .smss = smss});
    const any prior = c;
    c.on_congestion_event({.in_flight = 10 * smss, .smss = smss});
    REQUIRE(c.cwnd() == 5 * smss);
    c.on_spurious(spurious_cause::timestamp, prior);
    CHECK(c.cwnd() == 10 * smss);
}

TEST_CASE("an alternative without an opinion on timeouts hears of congestion", "[policy]")
{
    struct simple {
        struct config {};
        constexpr simple() = default;
        constexpr explicit simple(const config&) {}
        constexpr void on_ack(const ack_info&) {}
        constexpr void on_congestion_event(const congestion_event& e) { window = e.in_flight / 2; }
        constexpr octet_count cwnd() const { return window; }
        constexpr octet_count ssthresh() const { return window; }
        octet_count window = 10 * smss;
    };
    any_congestion<simple, reno> c;
    c.on_retransmission_timeout({.first = true, .in_flight = 8 * smss, .smss = smss});
    CHECK(c.cwnd() == 4 * smss);
}

TEST_CASE("the paced controller keeps its window and rate and remembers the best rate sample", "[policy]")
{
    any c{any::config::of<paced>({.window = 9'000, .rate = 1'000'000, .quantum = 3'000})};
    ack_info a = ack;
    a.rate = {.delivered = 20'000, .interval = 10_ms};
    c.on_ack(a);
    a.rate = {.delivered = 10'000, .interval = 10_ms};
    c.on_ack(a);
    c.on_congestion_event({.in_flight = 9'000, .smss = smss});
    CHECK(c.cwnd() == 9'000);
    CHECK(c.pacing_rate() == 1'000'000);
    CHECK(c.send_quantum() == 3'000);
    CHECK(c.get<paced>()->delivery_rate() == 2'000'000);
}
