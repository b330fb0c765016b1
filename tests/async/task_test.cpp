#include "tcpco/async/task.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

static_assert(!std::is_copy_constructible_v<task<int>> && std::is_nothrow_move_constructible_v<task<int>>);
static_assert(coroutine_safe<task<int>> && coroutine_safe<task_operation<int>>);
static_assert(operation<task_operation<int>> && operation<task_operation<void>> && !operation<task<int>>);
static_assert(coroutine_safe<detail::task_awaiter<int>>);
static_assert(sizeof(detail::task_awaiter<int>) <= 48);

namespace {

// The stack as deep as it is here: an address in this function's frame.
__attribute__((noinline)) std::uintptr_t stack_position()
{
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

task<int> immediately(int n)
{
    co_return n;
}

task<int> later(int n, duration d)
{
    (void)co_await sleep_for(d);
    co_return n;
}

task<int> recurse(int depth, duration at_the_end)
{
    if (depth == 0) {
        co_return co_await later(0, at_the_end);
    }
    co_return 1 + co_await recurse(depth - 1, at_the_end);
}

struct counted {
    explicit counted(int& n) noexcept : count{&n} { ++*count; }
    counted(counted&& o) noexcept : count{std::exchange(o.count, nullptr)} {}
    ~counted()
    {
        if (count != nullptr) {
            --*count;
        }
    }
    int* count;
};

}  // namespace

TEST_CASE("A task is lazy: nothing runs until it is awaited", "[async]")
{
    struct body {
        static task<> run(bool& ran)
        {
            ran = true;
            co_return;
        }
    };
    bool ran = false;
    {
        const task<> t = body::run(ran);
        CHECK(t.valid());
    }
    CHECK_FALSE(ran);
}

TEST_CASE("A task gives its value, or nothing, or a reference, or something that only moves", "[async]")
{
    struct body {
        static task<int&> reference(int& n) { co_return n; }
        static task<std::unique_ptr<int>> moves() { co_return std::make_unique<int>(3); }
        static task<std::string> braces() { co_return {"ab", 1}; }
        static task<int> all(int& n)
        {
            int& r = co_await reference(n);
            r = 7;
            co_return *co_await moves() + static_cast<int>((co_await braces()).size()) + co_await later(1, 5_ms);
        }
    };
    loop l;
    int n = 0;
    CHECK(l.run(body::all(n)) == 5);
    CHECK(n == 7);
}

TEST_CASE("A task that completes without waiting does not go through the queue", "[async]")
{
    struct body {
        static task<int> run()
        {
            int sum = 0;
            for (int i = 0; i < 10; ++i) {
                sum += co_await immediately(i);
            }
            co_return sum;
        }
    };
    loop l;
    root main{l.exec, body::run()};
    CHECK(l.exec.run_ready(1) == 1);
    REQUIRE(main.done());
    CHECK(main.result() == 45);
}

TEST_CASE("A hundred thousand tasks that complete without waiting use no stack", "[async]")
{
    struct body {
        static task<std::uintptr_t> here() { co_return stack_position(); }
        static task<bool> run()
        {
            const std::uintptr_t first = co_await here();
            for (int i = 0; i < 100'000; ++i) {
                if (co_await here() != first) {
                    co_return false;
                }
            }
            co_return true;
        }
    };
    loop l;
    CHECK(l.run(body::run()));
}

TEST_CASE("Recursion a hundred thousand tasks deep does not use up the stack", "[async]")
{
    loop l;
    SECTION("completing without waiting") { CHECK(l.run(recurse(100'000, 0_ns)) == 100'000); }
    SECTION("waiting at the bottom") { CHECK(l.run(recurse(100'000, 1_ms)) == 100'000); }
}

TEST_CASE("An exception reaches whoever awaits, from before and after a wait", "[async]")
{
    struct body {
        static task<int> fails(duration d)
        {
            if (d > duration::zero()) {
                (void)co_await sleep_for(d);
            }
            throw std::runtime_error{"no"};
        }
        static task<int> catches(duration d)
        {
            try {
                co_return co_await fails(d);
            } catch (const std::runtime_error&) {
                co_return 1;
            }
        }
    };
    loop l;
    CHECK(l.run(body::catches(0_ns)) == 1);
    CHECK(l.run(body::catches(1_ms)) == 1);
    CHECK_THROWS_AS(l.run(body::fails(1_ms)), std::runtime_error);
}

TEST_CASE("A child inherits its parent's environment", "[async]")
{
    struct body {
        static task<environment> child() { co_return co_await this_environment(); }
        static task<environment> run() { co_return co_await child(); }
    };
    loop l;
    environment env;
    env.deadline = time_point{77};
    root main{l.exec, body::run(), env};
    main.request_stop();
    l.settle();
    const environment inherited = main.result();
    CHECK(inherited.exec == &l.exec);
    CHECK(inherited.deadline == time_point{77});
    CHECK(inherited.stop.stop_requested());
}

TEST_CASE("A stop reaches the innermost operation, and the tasks around see its result", "[async]")
{
    struct body {
        static task<std::error_code> inner() { co_return co_await sleep_for(1_s); }
        static task<std::error_code> outer() { co_return co_await inner(); }
    };
    loop l;
    root main{l.exec, body::outer()};
    l.settle();
    main.request_stop();
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result() == std::errc::operation_canceled);
}

TEST_CASE("A task that is destroyed while it waits destroys its children and their variables", "[async]")
{
    struct body {
        static task<> inner(counted) { (void)co_await sleep_for(1_s); }
        static task<> outer(counted, int& n)
        {
            const counted local{n};
            co_await inner(counted{n});
        }
    };
    loop l;
    int alive = 0;
    {
        root main{l.exec, body::outer(counted{alive}, alive)};
        l.settle();
        CHECK(alive == 3);
    }
    CHECK(alive == 0);
    CHECK(l.exec.next_timer() == time_point::never());
    l.advance(2_s);
}

TEST_CASE("A task that has ended and whose parent is queued may be destroyed with it", "[async]")
{
    struct body {
        static task<int> outer() { co_return co_await later(1, 1_ms); }
    };
    loop l;
    {
        root main{l.exec, body::outer()};
        l.settle();
        l.exec.set_now(time_point{1_ms});
        l.exec.fire_timers(l.exec.now());
        CHECK(l.exec.run_ready(1) == 1);  // the child ends and queues its parent
        REQUIRE_FALSE(main.done());
        CHECK(l.exec.has_ready());
    }
    CHECK_FALSE(l.exec.has_ready());
}

TEST_CASE("A foreign coroutine awaits a task, which resumes it from the queue", "[async]")
{
    struct body {
        static foreign_coroutine run(int& n) { n = co_await later(3, 1_ms); }
    };
    struct starter : completion {
        explicit starter(int& nn) : completion{&go}, n{nn} {}
        static void go(completion& c) noexcept { body::run(static_cast<starter&>(c).n); }
        int& n;
    };
    loop l;
    int n = 0;
    starter start{n};
    l.exec.schedule(start);
    l.advance(1_ms);
    CHECK(n == 3);
}

TEST_CASE("A task that is awaited outside any executor says so", "[async]")
{
    struct body {
        static foreign_coroutine run() { (void)co_await immediately(1); }
    };
    CHECK_THROWS_AS(body::run(), std::system_error);
}

TEST_CASE("A task may be moved into another before it starts, the one replaced is destroyed", "[async]")
{
    struct body {
        static task<int> holds(counted c, int n)
        {
            (void)c;
            co_return n;
        }
    };
    loop l;
    int alive = 0;
    task<int> a = body::holds(counted{alive}, 1);
    task<int> b = body::holds(counted{alive}, 2);
    CHECK(alive == 2);
    a = std::move(b);
    CHECK(alive == 1);
    CHECK_FALSE(b.valid());
    CHECK(l.run(std::move(a)) == 2);
    CHECK(alive == 0);
}
