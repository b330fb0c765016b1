#include "tcpco/async/timeout.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#include "tcpco/async/when.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

static_assert(operation<sleep_operation> && operation<yield_operation>);
static_assert(operation<timeout_operation<manual_operation>> && operation<timeout_operation<task_operation<void>>>);
static_assert(coroutine_safe<sleep_operation> && coroutine_safe<yield_operation> &&
              coroutine_safe<timeout_operation<manual_operation>>);
static_assert(std::is_same_v<operation_result_t<timeout_operation<manual_operation>>, io_result>);
static_assert(std::is_same_v<operation_result_t<timeout_operation<sleep_operation>>, std::error_code>);
static_assert(std::is_same_v<operation_result_t<timeout_operation<yield_operation>>, std::error_code>);
static_assert(std::is_same_v<operation_result_t<timeout_operation<task_operation<int>>>, io_result_of<int>>);

namespace {

task<io_result> limited(manual& m, duration limit)
{
    co_return co_await with_timeout(manual_operation{m}, limit);
}

}  // namespace

TEST_CASE("sleep_for and sleep_until end at their moment, not before", "[async]")
{
    struct body {
        static task<std::error_code> for_(duration d) { co_return co_await sleep_for(d); }
        static task<std::error_code> until(time_point t) { co_return co_await sleep_until(t); }
    };
    loop l;
    l.exec.set_now(time_point{5_ms});
    root main{l.exec, GENERATE(true, false) ? body::for_(10_ms) : body::until(time_point{15_ms})};
    l.advance(10_ms - 1_ns);
    CHECK_FALSE(main.done());
    l.advance(1_ns);
    REQUIRE(main.done());
    CHECK_FALSE(main.result());
}

TEST_CASE("A sleep of nothing, or until a moment that has passed, does not suspend, one for ever can be stopped",
          "[async]")
{
    struct body {
        static task<std::error_code> run()
        {
            (void)co_await sleep_for(0_ns);
            (void)co_await sleep_for(-5_ms);
            co_return co_await sleep_until(time_point{1});
        }
        static task<std::error_code> for_ever() { co_return co_await sleep_for(duration::max()); }
    };
    loop l;
    l.exec.set_now(time_point{2});
    root main{l.exec, body::run()};
    l.exec.run_ready(1);
    REQUIRE(main.done());
    CHECK_FALSE(main.result());

    root for_ever{l.exec, body::for_ever()};
    l.settle();
    CHECK(l.exec.next_timer() == time_point::never());
    for_ever.request_stop();
    l.settle();
    REQUIRE(for_ever.done());
    CHECK(for_ever.result() == errc::operation_canceled);
}

TEST_CASE("A sleep that is stopped is operation_canceled, unless its moment came in the same turn", "[async]")
{
    struct body {
        static task<std::error_code> run() { co_return co_await sleep_for(10_ms); }
    };
    loop l;
    root main{l.exec, body::run()};
    l.settle();
    SECTION("before")
    {
        main.request_stop();
        CHECK(l.exec.next_timer() == time_point::never());
        l.settle();
        CHECK(main.result() == std::errc::operation_canceled);
        CHECK(l.exec.now() == time_point{});
    }
    SECTION("fired, not yet resumed")
    {
        l.exec.set_now(time_point{10_ms});
        l.exec.fire_timers(l.exec.now());
        main.request_stop();
        l.settle();
        CHECK_FALSE(main.result());
    }
}

TEST_CASE("yield lets everything that is ready run first", "[async]")
{
    struct body {
        static task<> run(std::string& log, char name)
        {
            log += name;
            co_await yield();
            log += name;
        }
    };
    loop l;
    std::string log;
    root a{l.exec, body::run(log, 'a')};
    root b{l.exec, body::run(log, 'b')};
    l.settle();
    CHECK(log == "abab");
    CHECK(a.done());
}

TEST_CASE("with_timeout: an operation that completes in time is untouched, and its timer is gone", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, limited(m, 10_ms)};
    l.settle();
    CHECK(l.exec.next_timer() == time_point{10_ms});
    CHECK(m.env.deadline == time_point{10_ms});
    m.complete({errc::connection_reset, 3});
    l.settle();
    REQUIRE(main.done());
    const auto [ec, n] = main.result();
    CHECK(ec == errc::connection_reset);
    CHECK(n == 3);
    CHECK(l.exec.next_timer() == time_point::never());
}

TEST_CASE("with_timeout: the timer is gone with the completion, though the operation lives on", "[async]")
{
    struct body {
        static task<bool> run(manual& m)
        {
            co_return (co_await with_timeout(manual_operation{m}, 10_ms)).n == 3 &&
                (co_await sleep_for(duration::max())) == errc::operation_canceled;
        }
    };
    loop l;
    manual m;
    root main{l.exec, body::run(m)};
    l.settle();
    m.complete({{}, 3});
    l.settle();
    REQUIRE_FALSE(main.done());
    CHECK(l.exec.next_timer() == time_point::never());
    main.request_stop();
    l.settle();
    CHECK(main.result());
}

TEST_CASE("with_timeout: an operation that is ready needs no timer and no queue", "[async]")
{
    loop l;
    manual m;
    SECTION("ready") { m.is_ready = true; }
    SECTION("done in start") { m.done_in_start = true; }
    root main{l.exec, limited(m, 10_ms)};
    l.exec.run_ready(1);
    CHECK(main.done());
    CHECK(l.exec.next_timer() == time_point::never());
}

TEST_CASE("with_timeout: at the limit the operation is cancelled, and says how much went", "[async]")
{
    loop l;
    manual m;
    m.outcome.n = 11;
    root main{l.exec, limited(m, 10_ms)};
    l.advance(10_ms);
    REQUIRE(main.done());
    const auto [ec, n] = main.result();
    CHECK(ec == std::errc::timed_out);
    CHECK(n == 11);
    CHECK(m.cancels == 1);
}

TEST_CASE("with_timeout: completed wins over a limit that comes in the same turn", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, limited(m, 10_ms)};
    l.settle();
    l.exec.set_now(time_point{10_ms});
    SECTION("the timer is queued first")
    {
        l.exec.fire_timers(l.exec.now());
        m.complete({{}, 5});
    }
    SECTION("the completion is queued first")
    {
        m.complete({{}, 5});
        l.exec.fire_timers(l.exec.now());
    }
    l.settle();
    const auto [ec, n] = main.result();
    CHECK_FALSE(ec);
    CHECK(n == 5);
    CHECK(m.cancels == 0);
}

TEST_CASE("with_timeout: an operation that completes well although it was cancelled has completed", "[async]")
{
    loop l;
    manual m;
    m.answers_cancel = false;
    root main{l.exec, limited(m, 10_ms)};
    l.advance(10_ms);
    REQUIRE_FALSE(main.done());
    m.complete({{}, 5});
    l.settle();
    CHECK_FALSE(main.result().ec);
}

TEST_CASE("with_timeout: a stop from around is operation_canceled, not timed_out", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, limited(m, 10_ms)};
    l.settle();
    main.request_stop();
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result().ec == errc::operation_canceled);
}

TEST_CASE("with_timeout: of nested limits the nearest one counts, and the outer result is timed_out", "[async]")
{
    struct body {
        static task<std::error_code> run(duration inner, duration outer)
        {
            co_return co_await with_timeout(with_timeout(sleep_for(1_s), inner), outer);
        }
    };
    loop l;
    CHECK(l.run(body::run(5_ms, 10_ms)) == errc::timed_out);
    CHECK(l.exec.now() == time_point{5_ms});
    CHECK(l.run(body::run(10_ms, 5_ms)) == errc::timed_out);
    CHECK(l.exec.now() == time_point{10_ms});
}

TEST_CASE("with_timeout: a task is stopped at the limit, and a result without an error gets one beside it", "[async]")
{
    struct body {
        static task<int> counts(duration d)
        {
            const std::error_code ec = co_await sleep_for(d);
            co_return ec ? -1 : 1;
        }
        static task<> plain(duration d) { (void)co_await sleep_for(d); }
        static task<environment> looks() { co_return co_await this_environment(); }
        static task<std::string> run()
        {
            auto [late, minus] = co_await with_timeout(counts(1_s), 5_ms);
            auto [fine, one] = co_await with_timeout(counts(1_ms), 5_ms);
            const std::error_code v = co_await with_timeout(plain(1_s), 5_ms);
            const std::error_code w = co_await with_timeout(plain(1_ms), 5_ms);
            const time_point before = (co_await this_environment()).exec->now();
            auto [ok, env] = co_await with_timeout(looks(), 5_ms);
            co_return std::to_string(minus) + std::to_string(one) + (late == errc::timed_out ? "T" : "-") +
                (fine ? "T" : "-") + (v == errc::timed_out ? "T" : "-") + (w ? "T" : "-") +
                (env.deadline == before + 5_ms ? "D" : "-");
        }
    };
    loop l;
    CHECK(l.run(body::run()) == "-11T-T-D");
    CHECK(l.exec.now() == time_point{12_ms});
}

TEST_CASE("with_timeout: exceptions come through, and operation_canceled as an exception becomes timed_out", "[async]")
{
    struct body {
        static task<> throwing(duration d)
        {
            value_or_throw(co_await sleep_for(d));
            throw std::runtime_error{"own"};
        }
        static task<> run(duration d) { (void)co_await with_timeout(throwing(d), 5_ms); }
    };
    loop l;
    CHECK_THROWS_AS(l.run(body::run(1_ms)), std::runtime_error);
    try {
        l.run(body::run(1_s));
        FAIL("it did not throw");
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::timed_out);
    }
}

TEST_CASE("with_timeout: destroyed while it waits or is queued, it leaves no timer and no completion", "[async]")
{
    loop l;
    manual m;
    const bool queued = GENERATE(false, true);
    {
        root main{l.exec, limited(m, 10_ms)};
        l.settle();
        if (queued) {
            m.complete({});
        }
    }
    CHECK(l.exec.next_timer() == time_point::never());
    CHECK_FALSE(l.exec.has_ready());
}
