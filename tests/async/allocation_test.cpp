// What the coroutine layer allocates in steady state: nothing. This test replaces operator new, so it is an executable
// of its own.
#include "tcpco/async/operation.hpp"

#include <cstdlib>
#include <new>

#include "tcpco/async/event.hpp"
#include "tcpco/async/scope.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/timeout.hpp"
#include "tcpco/async/when.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

namespace {

std::size_t allocations = 0;

}  // namespace

// All forms, since under AddressSanitizer the others do not come down to these.
void* operator new(std::size_t octets, const std::nothrow_t&) noexcept
{
    ++allocations;
    return std::malloc(octets);
}

void* operator new(std::size_t octets)
{
    if (void* p = operator new(octets, std::nothrow)) {
        return p;
    }
    throw std::bad_alloc{};
}

void* operator new[](std::size_t octets) { return operator new(octets); }
void* operator new[](std::size_t octets, const std::nothrow_t& t) noexcept { return operator new(octets, t); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace {

task<> operations_only(manual& m, async_event& event, int rounds)
{
    for (int i = 0; i < rounds; ++i) {
        m.is_ready = true;
        (void)co_await manual_operation{m};
        m.is_ready = false;
        (void)co_await with_timeout(manual_operation{m}, 1_ms);
        (void)co_await when_all(sleep_for(1_ms), yield());
        (void)co_await when_any(manual_operation{m}, with_timeout(sleep_for(2_ms), 1_ms), event.wait());
    }
}

}  // namespace

TEST_CASE("Awaiting operations, timeouts and combinators of them allocates nothing", "[async]")
{
    loop l;
    manual m;
    async_event event;
    root main{l.exec, operations_only(m, event, 100)};
    const std::size_t before = allocations;
    l.advance(1_s);
    const std::size_t after = allocations;
    CHECK(main.done());
    CHECK(after == before);
}

TEST_CASE("Starting tasks and children allocates nothing once the frame pool is warm", "[async]")
{
    struct body {
        static task<int> leaf(int n)
        {
            (void)co_await sleep_for(1_ms);
            co_return n;
        }
        static task<> child(int& n)
        {
            n += co_await leaf(1);
        }
        static task<> spawns(scope& s, int& n)
        {
            s.spawn(child, std::ref(n));
            s.spawn(child, std::ref(n));
            co_return;
        }
        static task<> run(int rounds, int& n)
        {
            for (int i = 0; i < rounds; ++i) {
                n += co_await leaf(1);
                auto [index, results] = co_await when_any(leaf(1), with_timeout(leaf(2), 5_ms));
                n += static_cast<int>(index);
                co_await with_scope(spawns, std::ref(n));
            }
        }
    };
    loop l;
    int n = 0;
    l.run(body::run(2, n));
    std::size_t before = allocations;
    l.run(body::run(2, n));
    const std::size_t few = allocations - before;
    before = allocations;
    l.run(body::run(200, n));
    const std::size_t many = allocations - before;
    if (frame_pool_caches) {
        CHECK(few == 0);
        CHECK(many == 0);
    } else {
        CHECK(many > few);  // under a sanitizer every frame is an allocation: the counter works
    }
    CHECK(n == 204 * 3);
}

TEST_CASE("The counter counts", "[async]")
{
    const std::size_t before = allocations;
    int* volatile p = new int;
    delete p;
    CHECK(allocations == before + 1);
}
