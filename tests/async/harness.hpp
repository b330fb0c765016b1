// A reactor for tests of the coroutine layer: time is a number, and nothing but the executor runs.
#pragma once

#include "tcpco/async/error.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/root.hpp"

#include <cstddef>
#include <utility>

#include "catch.hpp"

namespace async_test {

using namespace tcpco::literals;

class loop {
public:
    tcpco::executor exec;

    // Until nothing is ready; time stands still.
    void settle()
    {
        while (exec.run_ready(1000) != 0) {
        }
    }

    void advance(tcpco::duration d)
    {
        const tcpco::time_point target = exec.now() + d;
        settle();
        while (exec.next_timer() <= target) {
            exec.set_now(exec.next_timer());
            exec.fire_timers(exec.now());
            settle();
        }
        exec.set_now(target);
    }

    // Runs a task to its end, in virtual time. Throws what it throws; a task that never ends is a failed test.
    template <class T>
    T run(tcpco::task<T> t)
    {
        tcpco::root<T> main{exec, std::move(t)};
        settle();
        while (!main.done()) {
            REQUIRE(exec.next_timer() != tcpco::time_point::never());
            advance(exec.next_timer() - exec.now());
        }
        return main.result();
    }
};

// An operation that the test completes. It completes once with `outcome`, or with operation_canceled.
struct manual {
    bool is_ready = false;
    bool done_in_start = false;
    bool answers_cancel = true;
    tcpco::io_result outcome{};
    int starts = 0;
    int cancels = 0;
    int results = 0;
    tcpco::executor* exec = nullptr;
    tcpco::completion* waiting = nullptr;
    tcpco::environment env;

    void complete(tcpco::io_result r)
    {
        outcome = r;
        exec->schedule(*std::exchange(waiting, nullptr));
    }
};

class manual_operation {
public:
    explicit manual_operation(manual& m) noexcept : m_{&m} {}
    manual_operation(manual_operation&& other) noexcept : m_{other.m_} {}
    ~manual_operation()
    {
        if (started_) {
            m_->waiting = nullptr;
        }
    }

    bool ready() const noexcept { return m_->is_ready; }
    bool start(tcpco::completion& c, const tcpco::environment& env)
    {
        ++m_->starts;
        m_->env = env;
        if (env.stop.stop_requested()) {
            m_->outcome = {tcpco::make_error_code(tcpco::errc::operation_canceled), 0};
            return false;
        }
        if (m_->is_ready || m_->done_in_start) {
            return false;
        }
        m_->exec = env.exec;
        m_->waiting = &c;
        started_ = true;
        return true;
    }
    void cancel()
    {
        ++m_->cancels;
        if (m_->answers_cancel && m_->waiting != nullptr) {
            m_->complete({tcpco::make_error_code(tcpco::errc::operation_canceled), m_->outcome.n});
        }
    }
    tcpco::io_result result()
    {
        ++m_->results;
        return m_->outcome;
    }

private:
    manual* m_;
    bool started_ = false;
};
static_assert(tcpco::operation<manual_operation>);

// A coroutine of "another library": eager, with a promise that knows nothing of us.
struct foreign_coroutine {
    struct promise_type {
        foreign_coroutine get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };
};

}  // namespace async_test
