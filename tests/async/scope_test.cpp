#include "tcpco/async/scope.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tcpco/async/event.hpp"
#include "tcpco/async/timeout.hpp"

#include "catch.hpp"
#include "harness.hpp"

using namespace tcpco;
using namespace async_test;

namespace {

task<> say_after(std::string& log, std::string what, duration d)
{
    const std::error_code ec = co_await sleep_for(d);
    log += ec ? "(" + what + ")" : what;
}

task<> fail_after(duration d, const char* what)
{
    (void)co_await sleep_for(d);
    throw std::runtime_error{what};
}

task<int> two_children(scope& s, std::string& log)
{
    s.spawn(say_after, std::ref(log), "late", 20_ms);
    s.spawn(say_after, std::ref(log), "soon", 10_ms);
    log += "body,";
    co_return 5;
}

using two_children_scope = decltype(with_scope(two_children, std::declval<std::reference_wrapper<std::string>>()));
static_assert(operation<two_children_scope> && coroutine_safe<two_children_scope>);

template <class F, class... Args>
task<> in_scope(F f, Args... args)
{
    co_await with_scope(f, std::move(args)...);
}

}  // namespace

TEST_CASE("A scope joins all children before its result is given", "[async]")
{
    struct body {
        static task<int> run(std::string& log)
        {
            const int n = co_await with_scope(two_children, std::ref(log));
            log += ",joined";
            co_return n;
        }
    };
    loop l;
    std::string log;
    CHECK(l.run(body::run(log)) == 5);
    CHECK(log == "body,soonlate,joined");
    CHECK(l.exec.now() == time_point{20_ms});
}

TEST_CASE("A scope without children, whose task does not wait, completes without the queue", "[async]")
{
    struct body {
        static task<int> nothing(scope&) { co_return 3; }
        static task<int> run() { co_return co_await with_scope(nothing); }
    };
    loop l;
    root main{l.exec, body::run()};
    CHECK(l.exec.run_ready(1) == 1);
    REQUIRE(main.done());
    CHECK(main.result() == 3);
}

TEST_CASE("Children start in the order of spawning, after the one who spawns lets go", "[async]")
{
    struct body {
        static task<> name(std::string& log, char c)
        {
            log += c;
            co_return;
        }
        static task<> run(scope& s, std::string& log)
        {
            s.spawn(name, std::ref(log), 'a');
            s.spawn(name, std::ref(log), 'b');
            CHECK(s.children() == 2);
            CHECK(log.empty());
            co_await yield();
            CHECK(log == "ab");
            CHECK(s.children() == 2);  // ended; their frames go in the next round of the queue
            co_await yield();
            CHECK(s.children() == 0);
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
}

TEST_CASE("The first exception of a child stops the others and is rethrown at the join", "[async]")
{
    struct body {
        static task<> run(scope& s, std::string& log)
        {
            s.spawn(say_after, std::ref(log), "sibling", 1_s);
            s.spawn(fail_after, 5_ms, "first");
            s.spawn(fail_after, 1_s, "second");
            const std::error_code ec = co_await sleep_for(1_s);
            log += ec ? "(body)" : "body";
        }
    };
    loop l;
    std::string log;
    try {
        l.run(in_scope(body::run, std::ref(log)));
        FAIL("it did not throw");
    } catch (const std::runtime_error& e) {
        CHECK(std::string{e.what()} == "first");
    }
    CHECK(log == "(body)(sibling)");
    CHECK(l.exec.now() == time_point{5_ms});
}

TEST_CASE("An exception of the scope's own task stops the children and is rethrown after they have ended", "[async]")
{
    struct body {
        static task<> throws(scope& s, std::string& log, bool waits)
        {
            s.spawn(say_after, std::ref(log), "child", 1_s);
            if (waits) {
                (void)co_await sleep_for(1_ms);
            }
            throw std::runtime_error{"body"};
        }
        static task<> no_coroutine(scope& s, std::string& log, bool)
        {
            s.spawn(say_after, std::ref(log), "child", 1_s);
            throw std::runtime_error{"body"};
        }
    };
    loop l;
    std::string log;
    SECTION("at once") { CHECK_THROWS_AS(l.run(in_scope(body::throws, std::ref(log), false)), std::runtime_error); }
    SECTION("later") { CHECK_THROWS_AS(l.run(in_scope(body::throws, std::ref(log), true)), std::runtime_error); }
    SECTION("before there is a task")
    {
        CHECK_THROWS_AS(l.run(in_scope(body::no_coroutine, std::ref(log), true)), std::runtime_error);
    }
    CHECK(log == "(child)");
}

TEST_CASE("request_stop() of a scope stops its task and its children", "[async]")
{
    struct body {
        static task<> run(scope& s, std::string& log)
        {
            s.spawn(say_after, std::ref(log), "child", 1_s);
            (void)co_await sleep_for(1_ms);
            s.request_stop();
            CHECK(co_await sleep_for(1_s) == errc::operation_canceled);
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "(child)");
    CHECK(l.exec.now() == time_point{1_ms});
}

TEST_CASE("A stop from around reaches the children of nested scopes", "[async]")
{
    struct body {
        static task<> inner(scope& s, std::string& log)
        {
            s.spawn(say_after, std::ref(log), "inner", 1_s);
            co_return;
        }
        static task<> outer(scope& s, std::string& log)
        {
            s.spawn(say_after, std::ref(log), "outer", 1_s);
            co_await with_scope(inner, std::ref(log));
        }
    };
    loop l;
    std::string log;
    root main{l.exec, in_scope(body::outer, std::ref(log))};
    l.settle();
    main.request_stop();
    l.settle();
    CHECK(main.done());
    CHECK(log == "(inner)(outer)");
}

TEST_CASE("A scope in a timeout is stopped at the limit, and joins", "[async]")
{
    struct body {
        static task<std::error_code> run(std::string& log)
        {
            auto [ec, n] = co_await with_timeout(with_scope(two_children, std::ref(log)), 15_ms);
            CHECK(n == 5);
            co_return ec;
        }
    };
    loop l;
    std::string log;
    CHECK(l.run(body::run(log)) == errc::timed_out);
    CHECK(log == "body,soon(late)");
}

TEST_CASE("Arguments are copied or moved into the child, where reference parameters find them too", "[async]")
{
    struct body {
        static task<> reads(const std::string& text, std::unique_ptr<int> n, std::string& log)
        {
            (void)co_await sleep_for(1_ms);
            log += text + std::to_string(*n);
        }
        static task<> looks(std::string_view text, std::string& log)
        {
            (void)co_await sleep_for(2_ms);
            log += text.substr(0, 6);
        }
        static task<> run(scope& s, std::string& log)
        {
            std::string gone = "a text that is too long for the small string's buffer ";
            s.spawn(reads, gone, std::make_unique<int>(7), std::ref(log));
            s.spawn(looks, gone, std::ref(log));  // what a parameter by value refers to is kept, too
            gone = "overwritten, likewise too long for the small string's buffer";
            co_return;
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "a text that is too long for the small string's buffer 7a text");
}

TEST_CASE("A lambda with captures is safe in spawn(): it lives as long as the child", "[async]")
{
    struct body {
        static task<> run(scope& s, std::string& log)
        {
            const std::string text = "captured, and too long for the small string's buffer";
            s.spawn([text, &log]() -> task<> {
                (void)co_await sleep_for(1_ms);
                log += text;
            });
            co_return;
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "captured, and too long for the small string's buffer");
}

TEST_CASE("join() waits for the children inside the scope's task, and can be stopped", "[async]")
{
    struct body {
        static task<> run(scope& s, std::string& log)
        {
            CHECK_FALSE(co_await s.join());
            std::string local = "local";
            s.spawn(say_after, std::ref(log), "child,", 5_ms);
            CHECK_FALSE(co_await s.join());
            log += local;
            s.spawn([](std::string& text) -> task<> {
                const stop_token none;
                co_await shield(say_after(text, ",shielded", 5_ms));
                (void)none;
            }, std::ref(log));
            CHECK(co_await with_timeout(s.join(), 1_ms) == errc::timed_out);
            log += ",stopped";
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "child,local,stopped,shielded");
}

TEST_CASE("A child may spawn siblings, also when the scope's task has ended", "[async]")
{
    struct body {
        static task<> chain(scope& s, std::string& log, int left)
        {
            (void)co_await sleep_for(1_ms);
            log += std::to_string(left);
            if (left > 0) {
                s.spawn(chain, std::ref(s), std::ref(log), left - 1);
            }
        }
        static task<> run(scope& s, std::string& log)
        {
            s.spawn(chain, std::ref(s), std::ref(log), 3);
            co_return;
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "3210");
}

TEST_CASE("A child that is spawned into a stopped scope runs, stopped, to its end", "[async]")
{
    struct body {
        static task<> run(scope& s, std::string& log)
        {
            s.request_stop();
            s.spawn(say_after, std::ref(log), "child", 1_s);
            co_return;
        }
    };
    loop l;
    std::string log;
    l.run(in_scope(body::run, std::ref(log)));
    CHECK(log == "(child)");
}

TEST_CASE("A scope that is destroyed while it runs destroys its children, queued and waiting ones", "[async]")
{
    struct alive {
        explicit alive(int& c) : n{&c} { ++*n; }
        alive(alive&& o) noexcept : n{std::exchange(o.n, nullptr)} {}
        ~alive() { n != nullptr ? --*n : 0; }
        int* n;
    };
    struct body {
        static task<> child(alive, int& begun)
        {
            ++begun;
            (void)co_await sleep_for(1_s);
        }
        static task<> run(scope& s, int& n, int& begun)
        {
            for (int i = 0; i < 3; ++i) {
                s.spawn(child, alive{n}, std::ref(begun));
            }
            (void)co_await sleep_for(1_ms);
            s.spawn(child, alive{n}, std::ref(begun));
            s.spawn([a = alive{n}, &begun]() -> task<> {
                ++begun;
                (void)co_await sleep_for(1_s);
            });
            co_await async_forever();
        }
        static task<> async_forever() { (void)co_await sleep_for(duration::max()); }
    };
    loop l;
    int n = 0;
    int begun = 0;
    {
        root main{l.exec, in_scope(body::run, std::ref(n), std::ref(begun))};
        l.settle();
        CHECK(n == 3);
        l.exec.set_now(time_point{1_ms});
        l.exec.fire_timers(l.exec.now());
        l.exec.run_ready(1);
        CHECK(n == 5);
        CHECK(l.exec.has_ready());
    }
    CHECK(n == 0);
    CHECK(begun == 3);  // those that were still queued never began
    CHECK_FALSE(l.exec.has_ready());
    CHECK(l.exec.next_timer() == time_point::never());
}

TEST_CASE("Destroyed while it runs, a scope destroys the children before the task whose locals they may use", "[async]")
{
    struct guard {
        std::string& log;
        const std::string& text;
        ~guard() { log += text; }
    };
    struct body {
        static task<> child(std::string& log, const std::string& text)
        {
            const guard g{log, text};
            (void)co_await sleep_for(1_s);
        }
        static task<> run(scope& s, std::string& log)
        {
            const std::string text = "a local that is too long for the small string's buffer";
            s.spawn(child, std::ref(log), std::cref(text));
            (void)co_await s.join();
        }
    };
    loop l;
    std::string log;
    {
        root main{l.exec, in_scope(body::run, std::ref(log))};
        l.settle();
    }
    CHECK(log == "a local that is too long for the small string's buffer");
}

TEST_CASE("A thousand children end in one turn", "[async]")
{
    struct body {
        static task<> child(async_event& go, int& ended)
        {
            (void)co_await go.wait();
            ++ended;
        }
        static task<> run(scope& s, async_event& go, int& ended)
        {
            for (int i = 0; i < 1000; ++i) {
                s.spawn(child, std::ref(go), std::ref(ended));
            }
            (void)co_await sleep_for(1_ms);
            go.set();
        }
    };
    loop l;
    async_event go;
    int ended = 0;
    l.run(in_scope(body::run, std::ref(go), std::ref(ended)));
    CHECK(ended == 1000);
}
