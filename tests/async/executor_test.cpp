#include "tcpco/async/executor.hpp"

#include <memory>
#include <string>

#include "catch.hpp"

using namespace tcpco;

static_assert(!std::is_copy_constructible_v<executor> && !std::is_move_constructible_v<executor>);

namespace {

struct noter : completion {
    noter(std::string& l, char n) : completion{&note}, log{l}, name{n} {}
    static void note(completion& c) noexcept
    {
        noter& self = static_cast<noter&>(c);
        self.log += self.name;
        if (self.then != nullptr) {
            self.home->schedule(*self.then);
        }
    }
    std::string& log;
    char name;
    executor* home = nullptr;
    completion* then = nullptr;
};

struct timer_noter : deadline_timer {
    timer_noter(std::string& l, char n) : deadline_timer{&note}, log{l}, name{n} {}
    static void note(completion& c) noexcept { static_cast<timer_noter&>(c).log += static_cast<timer_noter&>(c).name; }
    std::string& log;
    char name;
};

}  // namespace

TEST_CASE("The ready queue is first in, first out, and queues a completion once", "[async]")
{
    executor e;
    std::string log;
    noter a{log, 'a'}, b{log, 'b'};
    CHECK_FALSE(e.has_ready());
    e.schedule(a);
    e.schedule(b);
    e.schedule(a);
    CHECK(e.has_ready());
    CHECK(log.empty());
    CHECK(e.run_ready(10) == 2);
    CHECK(log == "ab");
    CHECK_FALSE(e.has_ready());
}

TEST_CASE("The budget counts what is scheduled meanwhile", "[async]")
{
    executor e;
    std::string log;
    noter a{log, 'a'}, b{log, 'b'}, c{log, 'c'};
    a.home = b.home = c.home = &e;
    a.then = &c;
    e.schedule(a);
    e.schedule(b);
    CHECK(e.run_ready(2) == 2);
    CHECK(log == "ab");
    CHECK(e.run_ready(5) == 1);
    CHECK(log == "abc");
    CHECK(e.run_ready(5) == 0);
}

TEST_CASE("A completion may schedule itself again, and the budget still ends the turn", "[async]")
{
    executor e;
    std::string log;
    noter a{log, 'a'};
    a.home = &e;
    a.then = &a;
    e.schedule(a);
    CHECK(e.run_ready(3) == 3);
    CHECK(log == "aaa");
    CHECK(e.has_ready());
}

TEST_CASE("A completion that is destroyed while queued is not invoked", "[async]")
{
    executor e;
    std::string log;
    noter b{log, 'b'};
    {
        noter a{log, 'a'};
        e.schedule(a);
        e.schedule(b);
    }
    CHECK(e.run_ready(5) == 1);
    CHECK(log == "b");
}

TEST_CASE("An executor that is destroyed leaves its completions and timers unlinked", "[async]")
{
    std::string log;
    noter a{log, 'a'}, p{log, 'p'};
    timer_noter t{log, 't'};
    {
        executor e;
        e.schedule(a);
        e.post(p);
        e.arm(t, time_point{1});
    }
    CHECK_FALSE(a.linked());
    CHECK_FALSE(p.linked());
    CHECK_FALSE(t.armed());
}

TEST_CASE("current() is the executor that runs on this thread, nested ones included", "[async]")
{
    struct probe : completion {
        probe() : completion{&run} {}
        static void run(completion& c) noexcept
        {
            probe& self = static_cast<probe&>(c);
            self.before = executor::current();
            if (self.inner != nullptr) {
                self.inner->run_ready(1);
            }
            self.after = executor::current();
        }
        executor* inner = nullptr;
        executor* before = nullptr;
        executor* after = nullptr;
    };
    executor outer, inner;
    probe a, b;
    a.inner = &inner;
    outer.schedule(a);
    inner.schedule(b);
    CHECK(executor::current() == nullptr);
    outer.run_ready(1);
    CHECK(a.before == &outer);
    CHECK(b.before == &inner);
    CHECK(a.after == &outer);
    CHECK(executor::current() == nullptr);
}

TEST_CASE("Due timers are scheduled by time and then by order of arming, others stay", "[async]")
{
    executor e;
    std::string log;
    timer_noter a{log, 'a'}, b{log, 'b'}, c{log, 'c'}, d{log, 'd'};
    CHECK(e.next_timer() == time_point::never());
    e.arm(a, time_point{20});
    e.arm(b, time_point{10});
    e.arm(c, time_point{20});
    e.arm(d, time_point{21});
    CHECK(e.next_timer() == time_point{10});
    e.fire_timers(time_point{9});
    CHECK_FALSE(e.has_ready());
    e.fire_timers(time_point{20});
    CHECK(log.empty());
    e.run_ready(10);
    CHECK(log == "bac");
    CHECK(e.next_timer() == time_point{21});
}

TEST_CASE("A disarmed timer is not invoked, even if it had fired in this turn", "[async]")
{
    executor e;
    std::string log;
    timer_noter a{log, 'a'}, b{log, 'b'};
    e.arm(a, time_point{1});
    e.arm(b, time_point{1});
    e.fire_timers(time_point{1});
    e.disarm(a);
    e.disarm(a);
    e.run_ready(10);
    CHECK(log == "b");
}

TEST_CASE("A timer armed for never is not armed", "[async]")
{
    executor e;
    std::string log;
    timer_noter a{log, 'a'};
    e.arm(a, time_point{1});
    e.arm(a, time_point::never());
    CHECK(e.next_timer() == time_point::never());
    e.fire_timers(time_point::never());
    CHECK_FALSE(e.has_ready());
}

TEST_CASE("Posted completions arrive in the order of posting, and only the first of a batch wakes", "[async]")
{
    executor e;
    std::string log;
    int wakes = 0;
    e.set_waker([](void* n) { ++*static_cast<int*>(n); }, &wakes);
    noter a{log, 'a'}, b{log, 'b'}, c{log, 'c'};
    e.post(a);
    e.post(b);
    e.post(c);
    CHECK(wakes == 1);
    CHECK_FALSE(e.has_ready());
    e.collect_posted();
    CHECK(e.run_ready(10) == 3);
    CHECK(log == "abc");
    e.post(b);
    CHECK(wakes == 2);
    e.collect_posted();
    e.run_ready(10);
    CHECK(log == "abcb");
}

TEST_CASE("A post from the executor's own completions needs no wake-up and keeps the order", "[async]")
{
    struct poster : completion {
        poster(executor& e, completion& c) : completion{&run}, home{e}, other{c} {}
        static void run(completion& c) noexcept
        {
            poster& self = static_cast<poster&>(c);
            self.home.post(self.other);
        }
        executor& home;
        completion& other;
    };
    executor e;
    std::string log;
    int wakes = 0;
    e.set_waker([](void* n) { ++*static_cast<int*>(n); }, &wakes);
    noter a{log, 'a'}, b{log, 'b'};
    poster p{e, b};
    e.post(a);  // as another thread would: it waits to be collected
    e.schedule(p);
    e.run_ready(10);
    CHECK(log == "ab");
    CHECK(wakes == 1);
}

TEST_CASE("Only so many awaits of one resumption complete without queueing", "[async]")
{
    executor e;
    std::string log;
    noter a{log, 'a'};
    unsigned taken = 0;
    while (e.take_synchronous()) {
        ++taken;
    }
    CHECK(taken == executor::synchronous_limit);
    e.schedule(a);
    e.run_ready(1);
    CHECK(e.take_synchronous());
}
