#include "tcpco/async/event.hpp"

#include <optional>
#include <string>

#include "tcpco/async/task.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

static_assert(operation<async_event::wait_operation> && coroutine_safe<async_event::wait_operation>);

namespace {

task<std::error_code> waits(async_event& e, std::string& log, char name)
{
    const std::error_code ec = co_await e.wait();
    log += name;
    co_return ec;
}

}  // namespace

TEST_CASE("An event lets all waiters go in order, from the queue, once set it holds nobody", "[async]")
{
    loop l;
    async_event event;
    std::string log;
    root a{l.exec, waits(event, log, 'a')};
    root b{l.exec, waits(event, log, 'b')};
    l.settle();
    CHECK(log.empty());
    event.set();
    CHECK(log.empty());
    event.reset();  // those that were let go have completed
    l.settle();
    CHECK(log == "ab");
    CHECK_FALSE(a.result());

    root c{l.exec, waits(event, log, 'c')};
    l.settle();
    CHECK(log == "ab");
    event.set();
    l.settle();
    CHECK(log == "abc");
    root d{l.exec, waits(event, log, 'd')};
    CHECK(l.exec.run_ready(1) == 1);
    CHECK(d.done());
}

TEST_CASE("A stop ends the wait for an event, if it was set in the same turn, that wins", "[async]")
{
    loop l;
    async_event event;
    std::string log;
    root a{l.exec, waits(event, log, 'a')};
    l.settle();
    const bool set = GENERATE(false, true);
    if (set) {
        event.set();
    }
    a.request_stop();
    l.settle();
    REQUIRE(a.done());
    CHECK(a.result() == (set ? std::error_code{} : make_error_code(errc::operation_canceled)));
}

TEST_CASE("A waiter that is destroyed leaves the event, and an event that is destroyed cancels its waiters", "[async]")
{
    loop l;
    std::optional<async_event> event{std::in_place};
    std::string log;
    root a{l.exec, waits(*event, log, 'a')};
    {
        root b{l.exec, waits(*event, log, 'b')};
        l.settle();
    }
    event.reset();
    l.settle();
    CHECK(log == "a");
    CHECK(a.result() == errc::operation_canceled);
}
