#include "tcpco/async/operation.hpp"

#include <memory>
#include <optional>
#include <vector>

#include "tcpco/async/task.hpp"
#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

static_assert(coroutine_safe<awaiter<manual_operation>>);
static_assert(!std::is_move_constructible_v<awaiter<manual_operation>>);
static_assert(sizeof(awaiter<manual_operation>) <= 72, "each await of a session holds one of these");
static_assert(coroutine_safe<shield_operation<manual_operation>>);

namespace {

// One that may complete at once, and counts in its result how often it was asked to.
class eager_operation : public manual_operation {
public:
    eager_operation(manual& m, bool completes) noexcept : manual_operation{m}, of_{m}, completes_{completes} {}

    bool complete_at_once() noexcept
    {
        of_.outcome.n += completes_ ? 1 : 0;
        return completes_;
    }

private:
    manual& of_;
    bool completes_;
};
static_assert(completes_at_once<eager_operation> && !completes_at_once<manual_operation>);

task<io_result> await(manual& m)
{
    co_return co_await manual_operation{m};
}

task<int> await_many(manual& m, int count)
{
    int done = 0;
    for (int i = 0; i < count; ++i) {
        (void)co_await manual_operation{m};
        ++done;
    }
    co_return done;
}

}  // namespace

TEST_CASE("An operation that is ready is not started, and its coroutine does not suspend", "[async]")
{
    loop l;
    manual m;
    m.is_ready = true;
    m.outcome.n = 5;
    root main{l.exec, await(m)};
    CHECK(l.exec.run_ready(1) == 1);
    REQUIRE(main.done());
    CHECK(main.result().n == 5);
    CHECK(m.starts == 0);
}

TEST_CASE("An operation that completes at once is asked nothing else, and its coroutine does not suspend", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, [](manual& of, bool completes) -> task<io_result> {
        eager_operation eager{of, completes};
        co_return co_await eager;
    }(m, true)};
    CHECK(l.exec.run_ready(1) == 1);
    REQUIRE(main.done());
    CHECK(main.result().n == 1);  // asked once
    CHECK(m.starts == 0);
}

TEST_CASE("An operation that cannot complete at once is started", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, [](manual& of, bool completes) -> task<io_result> {
        eager_operation eager{of, completes};
        co_return co_await eager;
    }(m, false)};
    l.settle();
    REQUIRE(m.waiting != nullptr);
    m.complete({{}, 7});
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result().n == 7);
}

TEST_CASE("What completes at once is not asked to once a stop is requested", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, [](manual& of) -> task<io_result> {
        eager_operation eager{of, true};
        co_return co_await eager;
    }(m)};
    main.request_stop();
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result().ec == std::errc::operation_canceled);
    CHECK(m.starts == 1);
}

TEST_CASE("What completes at once lets the others run after a while", "[async]")
{
    loop l;
    manual m;
    manual other;
    other.is_ready = true;
    root greedy{l.exec, [](manual& of) -> task<int> {
        for (int i = 0; i < 1'000; ++i) {
            eager_operation eager{of, true};
            static_cast<void>(co_await eager);
        }
        co_return 1'000;
    }(m)};
    root modest{l.exec, await(other)};
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(m.results == static_cast<int>(executor::synchronous_limit));
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(modest.done());
    m.is_ready = true;
    l.settle();
    CHECK(greedy.result() == 1'000);
}

TEST_CASE("An operation that is done in start() does not suspend its coroutine", "[async]")
{
    loop l;
    manual m;
    m.done_in_start = true;
    root main{l.exec, await(m)};
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(main.done());
    CHECK(m.starts == 1);
}

TEST_CASE("A completion resumes its coroutine from the ready queue, never inline", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, await(m)};
    l.settle();
    REQUIRE(m.waiting != nullptr);
    m.complete({{}, 9});
    CHECK(m.results == 0);
    CHECK_FALSE(main.done());
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result().n == 9);
}

TEST_CASE("A stop request cancels the operation once, and resumes from the queue only", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, await(m)};
    l.settle();
    main.request_stop();
    CHECK(m.cancels == 1);
    CHECK(m.results == 0);
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result().ec == errc::operation_canceled);
}

TEST_CASE("An operation that has completed is not cancelled: completed wins", "[async]")
{
    loop l;
    manual m;
    root main{l.exec, await(m)};
    l.settle();
    m.complete({{}, 3});
    main.request_stop();
    CHECK(m.cancels == 0);
    l.settle();
    CHECK_FALSE(main.result().ec);
}

TEST_CASE("A stop that was requested before the await starts the operation stopped, even where it is ready", "[async]")
{
    loop l;
    manual m;
    m.is_ready = GENERATE(false, true);
    root main{l.exec, await(m)};
    main.request_stop();
    l.settle();
    REQUIRE(main.done());
    CHECK(m.starts == 1);
    CHECK(m.env.stop.stop_requested());
    CHECK(main.result().ec == errc::operation_canceled);
}

TEST_CASE("A stop that is requested while start() runs is not missed", "[async]")
{
    struct stops_in_start : manual_operation {
        stops_in_start(manual& m, stop_source& s) : manual_operation{m}, source{s} {}
        bool start(completion& c, const environment& env)
        {
            const bool waits = manual_operation::start(c, env);
            source.request_stop();
            return waits;
        }
        stop_source& source;
    };
    struct body {
        static task<io_result> run(manual& m, stop_source& s) { co_return co_await stops_in_start{m, s}; }
    };
    loop l;
    manual m;
    stop_source source;
    // Not through root's own source: this token is the one that the awaiter listens to.
    environment env;
    env.exec = &l.exec;
    env.stop = source.token();
    detail::task_starter<io_result> starter{body::run(m, source)};
    struct flag : completion {
        flag() : completion{[](completion& c) noexcept { static_cast<flag&>(c).set = true; }} {}
        bool set = false;
    } done;
    REQUIRE(starter.start(done, env));
    CHECK(m.cancels == 1);
    CHECK_FALSE(done.set);
    l.settle();
    CHECK(done.set);
    CHECK(starter.result().take().ec == errc::operation_canceled);
}

TEST_CASE("A coroutine that is destroyed while its awaiter is queued leaves no trace", "[async]")
{
    loop l;
    manual m;
    {
        root main{l.exec, await(m)};
        l.settle();
        m.complete({{}, 3});
        CHECK(l.exec.has_ready());
    }
    CHECK_FALSE(l.exec.has_ready());
    CHECK(m.results == 0);
}

TEST_CASE("A coroutine that is destroyed while it waits abandons its operation and listens no more", "[async]")
{
    loop l;
    manual m;
    stop_source source;
    {
        environment env;
        env.stop = source.token();
        root main{l.exec, await(m), env};
        l.settle();
        REQUIRE(m.waiting != nullptr);
    }
    CHECK(m.waiting == nullptr);
    source.request_stop();
    CHECK(m.cancels == 0);
}

TEST_CASE("An awaiter that has resumed no longer listens to a stop within the same expression", "[async]")
{
    struct body {
        static task<std::size_t> run(manual& a, manual& b)
        {
            const io_result& first = co_await manual_operation{a};
            co_return first.n + (co_await manual_operation{b}).n;
        }
        static task<std::size_t> sum(manual& a, manual& b)
        {
            co_return (co_await manual_operation{a}).n + (co_await manual_operation{b}).n;
        }
    };
    loop l;
    manual a, b;
    root main{l.exec, GENERATE(true, false) ? body::run(a, b) : body::sum(a, b)};
    l.settle();
    manual& first = a.waiting != nullptr ? a : b;
    manual& second = a.waiting != nullptr ? b : a;
    first.complete({{}, 1});
    l.settle();
    REQUIRE(second.waiting != nullptr);
    main.request_stop();
    CHECK(first.cancels == 0);
    CHECK(second.cancels == 1);
    l.settle();
    CHECK(main.result() == 1);
}

TEST_CASE("A connection whose data is always ready lets the others run after a while", "[async]")
{
    loop l;
    manual always, other;
    SECTION("ready without start()") { always.is_ready = true; }
    SECTION("done in start()") { always.done_in_start = true; }
    other.is_ready = true;
    root greedy{l.exec, await_many(always, 1000)};
    root modest{l.exec, await(other)};
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(always.results >= static_cast<int>(executor::synchronous_limit) / 2);
    CHECK(always.results <= static_cast<int>(executor::synchronous_limit));
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(modest.done());
    l.settle();
    CHECK(greedy.result() == 1000);
}

TEST_CASE("An operation that was passed over for fairness and is not ready any more waits", "[async]")
{
    loop l;
    manual m;
    m.is_ready = true;
    root main{l.exec, await_many(m, static_cast<int>(executor::synchronous_limit) + 1)};
    l.exec.run_ready(1);
    REQUIRE_FALSE(main.done());
    m.is_ready = false;  // somebody else took it
    l.settle();
    REQUIRE_FALSE(main.done());
    REQUIRE(m.waiting != nullptr);
    m.complete({});
    l.settle();
    CHECK(main.done());
}

TEST_CASE("A foreign coroutine awaits an operation, without an ambient stop", "[async]")
{
    struct body {
        static foreign_coroutine run(manual& m, std::size_t& n) { n = (co_await manual_operation{m}).n; }
    };
    loop l;
    manual m;
    std::size_t n = 0;
    struct starter : completion {
        starter(manual& mm, std::size_t& nn) : completion{&go}, m{mm}, n{nn} {}
        static void go(completion& c) noexcept { body::run(static_cast<starter&>(c).m, static_cast<starter&>(c).n); }
        manual& m;
        std::size_t& n;
    } start{m, n};
    l.exec.schedule(start);
    l.settle();
    REQUIRE(m.waiting != nullptr);
    CHECK(m.env.exec == &l.exec);
    CHECK_FALSE(m.env.stop.stop_possible());
    m.complete({{}, 4});
    CHECK(n == 0);
    l.settle();
    CHECK(n == 4);
}

namespace {

// A foreign promise that has an environment.
struct with_environment {
    struct promise_type : foreign_coroutine::promise_type {
        explicit promise_type(const environment& e, manual&) noexcept : env{e} {}
        with_environment get_return_object() const noexcept { return {}; }
        const environment& get_environment() const noexcept { return env; }
        environment env;
    };
};

with_environment await_with(environment, manual& m)
{
    (void)co_await manual_operation{m};
}

}  // namespace

TEST_CASE("A foreign promise that has an environment passes it on, stop token included", "[async]")
{
    loop l;
    manual m;
    stop_source source;
    environment env;
    env.exec = &l.exec;
    env.stop = source.token();
    await_with(env, m);
    REQUIRE(m.waiting != nullptr);
    source.request_stop();
    CHECK(m.cancels == 1);
    l.settle();
    CHECK(m.results == 1);
}

TEST_CASE("shield: no stop from around reaches the operation", "[async]")
{
    struct body {
        static task<io_result> run(manual& m) { co_return co_await shield(manual_operation{m}); }
    };
    loop l;
    manual m;
    root main{l.exec, body::run(m)};
    SECTION("requested before")
    {
        main.request_stop();
        l.settle();
    }
    SECTION("requested while it waits")
    {
        l.settle();
        main.request_stop();
    }
    l.settle();
    CHECK(m.cancels == 0);
    REQUIRE(m.waiting != nullptr);
    m.complete({{}, 1});
    l.settle();
    CHECK_FALSE(main.result().ec);
}
