// post() and what is built on it, between threads. Worth its name under -fsanitize=thread only.
#include "tcpco/async/executor.hpp"

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "tcpco/async/root.hpp"
#include "tcpco/async/std_stop.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/timeout.hpp"

#include "catch.hpp"

using namespace tcpco;

namespace {

// The sleep of a reactor: the waker ends it, or the next one.
class sleeper {
public:
    explicit sleeper(executor& e) { e.set_waker(&wake, this); }

    static void wake(void* self)
    {
        sleeper& s = *static_cast<sleeper*>(self);
        // Notified under the lock, since the one who sleeps may go away as soon as it is awake.
        const std::lock_guard lock{s.mutex_};
        s.awake_ = true;
        s.condition_.notify_one();
    }

    void sleep()
    {
        std::unique_lock lock{mutex_};
        condition_.wait(lock, [this] { return awake_; });
        awake_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable condition_;
    bool awake_ = false;
};

void turn(executor& e, sleeper& s)
{
    e.collect_posted();
    if (e.run_ready(256) == 0) {
        s.sleep();
    }
}

struct parcel : completion {
    parcel() : completion{&arrived} {}
    static void arrived(completion& c) noexcept
    {
        parcel& self = static_cast<parcel&>(c);
        self.ordered = self.ordered && *self.last + 1 == self.number;
        *self.last = self.number;
        ++*self.count;
        std::atomic<int>& invoked = *self.back;
        invoked.fetch_add(1);  // from here on the poster may use the parcel again
        invoked.notify_one();
    }
    int number = 0;  // not atomic: post() orders it
    int* last = nullptr;
    std::size_t* count = nullptr;
    std::atomic<int>* back = nullptr;
    bool ordered = true;
};

// Resumes whoever awaits it on a thread of its own.
class on_new_thread {
public:
    explicit on_new_thread(std::vector<std::thread>& threads) noexcept : threads_{threads} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const
    {
        threads_.emplace_back([h] { h.resume(); });
    }
    std::thread::id await_resume() const noexcept { return std::this_thread::get_id(); }

private:
    std::vector<std::thread>& threads_;
};

}  // namespace

TEST_CASE("Completions that several threads post arrive all, once, and each thread's in order", "[async]")
{
    constexpr std::size_t threads = 3;
    constexpr int parcels = 2000;
    struct poster {
        std::atomic<int> back{0};  // how many were invoked
        parcel pair[2];
        int last = 0;
        std::thread thread;
    };
    executor e;
    sleeper s{e};
    std::size_t count = 0;
    std::vector<poster> posters(threads);
    for (poster& p : posters) {
        p.thread = std::thread{[&] {
            // Two parcels in turn: each is posted again only after it was invoked.
            for (int i = 1; i <= parcels; ++i) {
                for (int seen = p.back.load(); seen < i - 2; seen = p.back.load()) {
                    p.back.wait(seen);
                }
                parcel& m = p.pair[i % 2];
                m.number = i;
                m.last = &p.last;
                m.count = &count;
                m.back = &p.back;
                e.post(m);
            }
        }};
    }
    while (count < threads * parcels) {
        turn(e, s);
    }
    for (poster& p : posters) {
        p.thread.join();
        CHECK(p.pair[0].ordered);
        CHECK(p.pair[1].ordered);
        CHECK(p.last == parcels);
    }
    CHECK(count == threads * parcels);
}

TEST_CASE("A task that awaits something that resumes on another thread goes on at home", "[async]")
{
    struct body {
        static task<int> run(std::vector<std::thread>& threads, std::thread::id home)
        {
            int away = 0;
            for (int i = 0; i < 50; ++i) {
                const std::thread::id other = co_await on_new_thread{threads};
                if (std::this_thread::get_id() != home) {
                    co_return -1;
                }
                away += other != home;
            }
            co_return away;
        }
    };
    executor e;
    sleeper s{e};
    std::vector<std::thread> threads;
    threads.reserve(50);
    root main{e, body::run(threads, std::this_thread::get_id())};
    while (!main.done()) {
        turn(e, s);
    }
    for (std::thread& t : threads) {
        t.join();
    }
    CHECK(main.result() == 50);
}

TEST_CASE("A stop that another thread requests while the bridge goes away is taken or left, never lost in between",
          "[async]")
{
    struct body {
        static task<std::error_code> run() { co_return co_await sleep_for(duration::max()); }
    };
    for (int i = 0; i < 200; ++i) {
        executor e;
        sleeper s{e};
        std::stop_source foreign;
        std::thread other{[&] { foreign.request_stop(); }};
        {
            std_stop_bridge bridge{e, foreign.get_token()};
            if (i % 2 == 0) {
                environment env;
                env.stop = bridge.token();
                root main{e, body::run(), env};
                while (!main.done()) {
                    turn(e, s);
                }
                CHECK(main.result() == errc::operation_canceled);
            }
        }
        other.join();
    }
}
