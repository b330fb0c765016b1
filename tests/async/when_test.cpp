#include "tcpco/async/when.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

using any_of_two = decltype(when_any(std::declval<manual_operation>(), std::declval<task<int>>()));
static_assert(operation<any_of_two> && coroutine_safe<any_of_two>);
static_assert(coroutine_safe<when_any_result<io_result, int>> && coroutine_safe<decltype(when_all())>);
static_assert(std::is_same_v<operation_result_t<any_of_two>, when_any_result<io_result, int>>);

namespace {

task<int> later(int n, duration d)
{
    (void)co_await sleep_for(d);
    co_return n;
}

task<> fails_after(duration d)
{
    (void)co_await sleep_for(d);
    throw std::runtime_error{"no"};
}

task<when_any_result<io_result, io_result>> any(manual& a, manual& b)
{
    co_return co_await when_any(manual_operation{a}, manual_operation{b});
}

task<std::tuple<io_result, io_result>> all(manual& a, manual& b)
{
    co_return co_await when_all(manual_operation{a}, manual_operation{b});
}

}  // namespace

TEST_CASE("when_all: gives all results, in the order of its arguments, when the last part completes", "[async]")
{
    struct body {
        static task<std::string> run()
        {
            auto [a, b, nothing, ec] = co_await when_all(later(1, 30_ms), later(2, 10_ms), yield(), sleep_for(20_ms));
            static_assert(std::is_same_v<decltype(nothing), std::monostate>);
            co_return std::to_string(a) + std::to_string(b) + (ec ? "bad" : "ok");
        }
    };
    loop l;
    CHECK(l.run(body::run()) == "12ok");
    CHECK(l.exec.now() == time_point{30_ms});
}

TEST_CASE("when_all: of nothing, or of parts that do not wait, completes without the queue", "[async]")
{
    struct body {
        static task<int> run()
        {
            std::tuple<> none = co_await when_all();
            (void)none;
            auto [a, b] = co_await when_all(later(1, 0_ms), later(2, 0_ms));
            co_return a + b;
        }
    };
    loop l;
    root main{l.exec, body::run()};
    CHECK(l.exec.run_ready(1) == 1);
    REQUIRE(main.done());
    CHECK(main.result() == 3);
}

TEST_CASE("when_all: cancels nobody because of an error code", "[async]")
{
    loop l;
    manual a, b;
    root main{l.exec, all(a, b)};
    l.settle();
    a.complete({errc::connection_reset, 1});
    l.settle();
    CHECK(b.cancels == 0);
    CHECK_FALSE(main.done());
    b.complete({{}, 2});
    l.settle();
    const auto [ra, rb] = main.result();
    CHECK(ra.ec == errc::connection_reset);
    CHECK(rb.n == 2);
}

TEST_CASE("when_all: an exception cancels the other parts and is rethrown when all have ended", "[async]")
{
    struct body {
        static task<> run(duration first)
        {
            if (first > duration::zero()) {
                (void)co_await when_all(sleep_for(1_s), fails_after(first), later(1, 1_s));
            } else {
                (void)co_await when_all(fails_after(first), sleep_for(1_s));
            }
        }
    };
    loop l;
    CHECK_THROWS_AS(l.run(body::run(5_ms)), std::runtime_error);
    CHECK(l.exec.now() == time_point{5_ms});
    CHECK_THROWS_AS(l.run(body::run(0_ms)), std::runtime_error);
    CHECK(l.exec.now() == time_point{5_ms});
    CHECK(l.exec.next_timer() == time_point::never());
}

TEST_CASE("when_all: a stop from around reaches every part", "[async]")
{
    loop l;
    manual a, b;
    root main{l.exec, all(a, b)};
    l.settle();
    main.request_stop();
    CHECK(a.cancels == 1);
    CHECK(b.cancels == 1);
    l.settle();
    const auto [ra, rb] = main.result();
    CHECK(ra.ec == errc::operation_canceled);
    CHECK(rb.ec == errc::operation_canceled);
}

TEST_CASE("when_any: the first to complete cancels the others, and all results are given", "[async]")
{
    loop l;
    manual a, b;
    root main{l.exec, any(a, b)};
    l.settle();
    b.complete({{}, 7});
    l.settle();
    REQUIRE(main.done());
    const auto [index, results] = main.result();
    CHECK(index == 1);
    CHECK(std::get<1>(results).n == 7);
    CHECK(std::get<0>(results).ec == errc::operation_canceled);
    CHECK(a.cancels == 1);
    CHECK(b.cancels == 0);
}

TEST_CASE("when_any: a loser that completed in the same turn keeps its octets", "[async]")
{
    loop l;
    manual a, b;
    root main{l.exec, any(a, b)};
    l.settle();
    b.complete({{}, 7});
    a.complete({{}, 9});
    l.settle();
    REQUIRE(main.done());
    const auto [index, results] = main.result();
    CHECK(index == 1);
    CHECK(std::get<1>(results).n == 7);
    CHECK(std::get<0>(results).n == 9);
    CHECK_FALSE(std::get<0>(results).ec);
    CHECK(a.cancels == 0);
}

TEST_CASE("when_any: waits for a loser that takes its time to be cancelled", "[async]")
{
    loop l;
    manual a, b;
    b.answers_cancel = false;
    root main{l.exec, any(a, b)};
    l.settle();
    a.complete({{}, 1});
    l.settle();
    CHECK_FALSE(main.done());
    CHECK(b.cancels == 1);
    b.complete({errc::operation_canceled, 3});
    l.settle();
    REQUIRE(main.done());
    CHECK(std::get<1>(main.result().results).n == 3);
}

TEST_CASE("when_any: once a part has completed without waiting, later parts do nothing and earlier ones are cancelled",
          "[async]")
{
    loop l;
    manual a, b;
    SECTION("the first part")
    {
        a.done_in_start = true;
        b.is_ready = true;
        root main{l.exec, any(a, b)};
        l.exec.run_ready(1);
        REQUIRE(main.done());
        CHECK(b.env.stop.stop_requested());
        CHECK(b.cancels == 0);
        CHECK(main.result().index == 0);
    }
    SECTION("the second part")
    {
        b.done_in_start = true;
        root main{l.exec, any(a, b)};
        l.settle();
        REQUIRE(main.done());
        CHECK(a.cancels == 1);
        CHECK(main.result().index == 1);
    }
}

TEST_CASE("when_any: a mix of tasks, operations and combinators, losing tasks are stopped and awaited", "[async]")
{
    struct body {
        static task<std::string> note(std::string& log)
        {
            const std::error_code ec = co_await sleep_for(1_s);
            log += ec ? "stopped" : "slept";
            co_return "x";
        }
        static task<std::size_t> run(std::string& log)
        {
            auto [index, results] =
                co_await when_any(note(log), when_all(sleep_for(2_s), note(log)), sleep_for(3_ms), later(1, 5_ms));
            co_return index;
        }
    };
    loop l;
    std::string log;
    CHECK(l.run(body::run(log)) == 2);
    CHECK(log == "stoppedstopped");
    CHECK(l.exec.now() == time_point{3_ms});
}

TEST_CASE("when_any: an exception is rethrown when all have ended", "[async]")
{
    struct body {
        static task<> run() { (void)co_await when_any(sleep_for(1_s), fails_after(1_ms)); }
    };
    loop l;
    CHECK_THROWS_AS(l.run(body::run()), std::runtime_error);
    CHECK(l.exec.now() == time_point{1_ms});
}

TEST_CASE("when_any: destroyed while one part is queued and another waits, it leaves no trace", "[async]")
{
    loop l;
    manual a, b;
    {
        root main{l.exec, any(a, b)};
        l.settle();
        a.complete({});
    }
    CHECK_FALSE(l.exec.has_ready());
    CHECK(b.waiting == nullptr);
}

TEST_CASE("when_any: results that only move come through", "[async]")
{
    struct body {
        static task<io_result_of<std::unique_ptr<int>>> make(duration d)
        {
            const std::error_code ec = co_await sleep_for(d);
            co_return io_result_of<std::unique_ptr<int>>{ec, std::make_unique<int>(4)};
        }
        static task<int> run()
        {
            auto [index, results] = co_await when_any(make(2_ms), make(1_ms));
            auto& [ec, value] = std::get<1>(results);
            co_return index == 1 && !ec ? *value : -1;
        }
    };
    loop l;
    CHECK(l.run(body::run()) == 4);
}
