#include "tcpco/async/std_stop.hpp"

#include <thread>

#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

namespace {

task<std::error_code> sleeps()
{
    co_return co_await sleep_for(duration::max());
}

}  // namespace

TEST_CASE("A stop that another thread requests arrives on the executor's thread, with its next turn", "[async]")
{
    loop l;
    std::stop_source foreign;
    std_stop_bridge bridge{l.exec, foreign.get_token()};
    environment env;
    env.stop = bridge.token();
    root main{l.exec, sleeps(), env};
    l.settle();
    std::thread{[&] { foreign.request_stop(); }}.join();
    CHECK_FALSE(env.stop.stop_requested());
    l.exec.collect_posted();
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result() == errc::operation_canceled);
}

TEST_CASE("A bridge may be made of a token that is stopped already, and destroyed before its stop arrives", "[async]")
{
    loop l;
    std::stop_source foreign;
    foreign.request_stop();
    {
        std_stop_bridge bridge{l.exec, foreign.get_token()};
        l.exec.collect_posted();
        l.settle();
        CHECK(bridge.token().stop_requested());
    }
    {
        std_stop_bridge bridge{l.exec, foreign.get_token()};
    }
    l.exec.collect_posted();
    CHECK_FALSE(l.exec.has_ready());
}
