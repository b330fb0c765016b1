#include "tcpco/async/root.hpp"

#include <stdexcept>

#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

namespace {

task<std::error_code> sleeps(bool& started)
{
    started = true;
    co_return co_await sleep_for(10_ms);
}

task<> fails()
{
    throw std::runtime_error{"no"};
    co_return;
}

}  // namespace

TEST_CASE("root: queues its task and is done when the task has ended", "[async]")
{
    loop l;
    bool started = false;
    root main{l.exec, sleeps(started)};
    CHECK_FALSE(started);
    l.settle();
    CHECK(started);
    CHECK_FALSE(main.done());
    l.advance(10_ms);
    REQUIRE(main.done());
    CHECK_FALSE(main.result());
}

TEST_CASE("root: an exception comes out of result()", "[async]")
{
    loop l;
    root main{l.exec, fails()};
    l.settle();
    REQUIRE(main.done());
    CHECK_THROWS_AS(main.result(), std::runtime_error);
}

TEST_CASE("root: stops by request_stop() or by its environment's token, before and after the start", "[async]")
{
    loop l;
    bool started = false;
    stop_source source;
    environment env;
    env.stop = source.token();
    root main{l.exec, sleeps(started), env};
    const bool own = GENERATE(false, true);
    const bool before = GENERATE(false, true);
    if (!before) {
        l.settle();
    }
    if (own) {
        main.request_stop();
    } else {
        source.request_stop();
    }
    l.settle();
    REQUIRE(main.done());
    CHECK(started);
    CHECK(main.result() == errc::operation_canceled);
    main.request_stop();
}

TEST_CASE("root: destroyed before its start it never runs", "[async]")
{
    loop l;
    bool started = false;
    {
        root main{l.exec, sleeps(started)};
    }
    l.settle();
    CHECK_FALSE(started);
}

TEST_CASE("root: after its end the environment's token is of no concern to it", "[async]")
{
    loop l;
    bool started = false;
    stop_source source;
    environment env;
    env.stop = source.token();
    {
        root main{l.exec, sleeps(started), env};
        l.advance(10_ms);
        REQUIRE(main.done());
        source.request_stop();
        CHECK_FALSE(main.result());
    }
}
