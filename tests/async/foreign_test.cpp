#include "tcpco/async/foreign.hpp"

#include <stdexcept>
#include <thread>

#include "tcpco/async/task.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

namespace {

// An awaitable of another library: the test resumes whoever awaits it, from wherever it likes.
class foreign_gate {
public:
    explicit foreign_gate(std::coroutine_handle<>& h) noexcept : waiting_{h} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { waiting_ = h; }
    int await_resume() const noexcept { return 42; }

private:
    std::coroutine_handle<>& waiting_;
};

// Through a member operator co_await, ready, and void.
class ready_gate {
public:
    std::suspend_never operator co_await() const noexcept { return {}; }
};

class failing_gate {
public:
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const { throw std::runtime_error{"foreign"}; }
};

task<int> await_gate(std::coroutine_handle<>& h)
{
    co_return co_await foreign_gate{h};
}

}  // namespace

TEST_CASE("A foreign awaitable that resumes inline only queues the task", "[async]")
{
    loop l;
    std::coroutine_handle<> waiting;
    root main{l.exec, await_gate(waiting)};
    l.settle();
    REQUIRE(waiting);
    waiting.resume();
    CHECK_FALSE(main.done());
    l.exec.collect_posted();
    l.settle();
    REQUIRE(main.done());
    CHECK(main.result() == 42);
}

TEST_CASE("A foreign awaitable that is ready, or void, or throws, is awaited as well", "[async]")
{
    struct body {
        static task<int> run()
        {
            co_await ready_gate{};
            ready_gate named;
            co_await named;
            try {
                co_await failing_gate{};
            } catch (const std::runtime_error&) {
                co_return 1;
            }
            co_return 0;
        }
    };
    loop l;
    CHECK(l.run(body::run()) == 1);
}

TEST_CASE("A task that awaits something foreign may be destroyed before and after it was posted", "[async]")
{
    const bool posted = GENERATE(false, true);
    loop l;
    std::coroutine_handle<> waiting;
    {
        root main{l.exec, await_gate(waiting)};
        l.settle();
        if (posted) {
            waiting.resume();
        }
    }
    l.exec.collect_posted();
    CHECK_FALSE(l.exec.has_ready());
}
