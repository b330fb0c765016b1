#include "tcpco/tcp/calm.hpp"

#include "catch.hpp"
#include "support/network.hpp"

using namespace tcpco_test;

namespace {

// Two ends between which requests and answers have gone for a while: both are calm.
struct calm_pair : two_stacks<> {
    connection_id at_a{};
    connection_id at_b{};

    calm_pair()
    {
        const listener_id l = b.listen({b.address(), 7}).value;
        at_a = a.connect({b.address(), 7}, {.no_delay = true}).value;
        settle();
        at_b = b.accept(l).value;
        b.set_no_delay(at_b, true);
        for (int i = 0; i < 40; ++i) {
            REQUIRE(echo() == 64);
        }
    }

    std::size_t echo()
    {
        octets text = pattern(64);
        now += duration{1'000'000};
        REQUIRE(a.write(at_a, text).value == 64);
        settle();
        const std::size_t n = b.read(at_b, text).value;
        REQUIRE(b.write(at_b, std::span{text}.first(n)).value == n);
        settle();
        return a.read(at_a, text).value;
    }
};

}  // namespace

// Builds with assertions ask each time whether it is still calm: what disturbs it and does not say so ends them.
TEST_CASE("what is asked of a calm connection is heeded by its next segment", "[tcp]")
{
    calm_pair advised;
    REQUIRE(advised.b.set_user_timeout_option(advised.at_b, duration{30'000'000'000}) == errc::ok);
    REQUIRE(advised.a.set_user_timeout_option(advised.at_a, duration{60'000'000'000}) == errc::ok);
    CHECK(advised.echo() == 64);
    const duration heard = advised.b.info(advised.at_b).value.remote_user_timeout;
    CHECK(heard.milliseconds() == 60'000);
    CHECK(advised.echo() == 64);

    calm_pair hurried;
    REQUIRE(hurried.a.write_urgent(hurried.at_a, pattern(1)).value == 1);
    hurried.settle();
    CHECK(hurried.b.urgent_ahead(hurried.at_b) == 1);

    calm_pair marked;
    REQUIRE(marked.a.set_low_water(marked.at_a, 64) == errc::ok);
    CHECK(marked.echo() == 64);

    calm_pair deaf;
    REQUIRE(deaf.b.refuse_text(deaf.at_b) == errc::ok);
    REQUIRE(deaf.a.write(deaf.at_a, pattern(64)).value == 64);
    deaf.settle();
    CHECK(deaf.a.error_of(deaf.at_a) == errc::connection_reset);

    calm_pair ended;
    REQUIRE(ended.a.shutdown(ended.at_a) == errc::ok);
    ended.settle();
    octets rest(64);
    CHECK(ended.b.read(ended.at_b, rest).ec == errc::end_of_stream);
    CHECK(ended.b.write(ended.at_b, rest).value == 64);
    ended.settle();
    CHECK(ended.a.read(ended.at_a, rest).value == 64);
}

TEST_CASE("a loss disturbs a calm connection, and it is calm again when that is repaired", "[tcp]")
{
    calm_pair net;
    bool lose = true;
    net.filter = [&](int from, std::size_t, const octets&) { return from == 0 && std::exchange(lose, false) ? 0 : 1; };
    octets text = pattern(64);
    REQUIRE(net.a.write(net.at_a, text).value == 64);
    net.run_for(duration{2'000'000'000});
    CHECK(net.b.read(net.at_b, text).value == 64);
    CHECK(net.a.info(net.at_a).value.retransmissions == 1);
    REQUIRE(net.b.write(net.at_b, text).value == 64);
    net.settle();
    CHECK(net.a.read(net.at_a, text).value == 64);
    CHECK(net.echo() == 64);
}

TEST_CASE("what was in flight when the MTU fell leaves again at once, of a calm connection as well", "[tcp]")
{
    calm_pair net;
    net.filter = [](int from, std::size_t, const octets&) { return from == 0 ? 0 : 1; };
    octets text = pattern(64);
    REQUIRE(net.a.write(net.at_a, text).value == 64);
    net.settle();
    net.filter = {};
    net.settle();
    REQUIRE(net.b.look(net.at_b).readable == 0);
    net.a.configure_device({.mtu = 1'000});
    net.settle();
    CHECK(net.b.look(net.at_b).readable == 64);
}
