// Bringing a foreign awaitable back home.
//
// A task lives on its executor's thread, but an awaitable of another library may resume whoever awaits it on any thread
// and from inside any call. So it never gets the task's own handle: a small bridge coroutine awaits it, and when the
// bridge ends it posts the task's completion to the executor. No stop token reaches the awaitable.
//
// A task may be destroyed while it waits if the foreign awaitable's destructor ends the wait for good, as ours do.
#pragma once

#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

#include "tcpco/async/executor.hpp"
#include "tcpco/async/frame_memory.hpp"
#include "tcpco/async/result_slot.hpp"

namespace tcpco::detail {

template <class Awaitable>
decltype(auto) get_awaiter(Awaitable&& awaitable)
{
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
        return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}

template <class Awaitable>
using await_result_t = decltype(get_awaiter(std::declval<Awaitable>()).await_resume());

template <class T>
concept awaitable = requires { typename await_result_t<T>; };

class bridge {
public:
    class promise_type : public pooled_frame {
    public:
        bridge get_return_object() noexcept
        {
            return bridge{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        class final_awaiter {
        public:
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) const noexcept
            {
                // Once it is posted, the task may run and destroy this frame: nothing of it is touched after that.
                executor& home = *self.promise().home_;
                home.post(*self.promise().done_);
            }
            void await_resume() const noexcept {}
        };
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // the bridge's body catches all

    private:
        friend bridge;
        executor* home_ = nullptr;
        completion* done_ = nullptr;
    };

    bridge() = default;
    bridge(bridge&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
    bridge& operator=(bridge&& other) noexcept
    {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~bridge()
    {
        if (coroutine_) {
            coroutine_.destroy();
        }
    }

    void start(executor& home, completion& done)
    {
        coroutine_.promise().home_ = &home;
        coroutine_.promise().done_ = &done;
        coroutine_.resume();
    }

private:
    explicit bridge(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}
    std::coroutine_handle<promise_type> coroutine_;
};

template <class Awaitable, class Result>
bridge make_bridge(std::remove_reference_t<Awaitable>& awaitable, result_slot<Result>& out)
{
    try {
        if constexpr (std::is_void_v<Result>) {
            co_await static_cast<Awaitable&&>(awaitable);
            out.emplace(true);
        } else {
            out.emplace(co_await static_cast<Awaitable&&>(awaitable));
        }
    } catch (...) {
        out.fail(std::current_exception());
    }
}

template <class Awaitable>
class foreign_awaiter : completion {
public:
    using result_type = await_result_t<Awaitable>;

    foreign_awaiter(Awaitable&& awaitable, executor& home) noexcept
        : completion{&resume_task}, awaitable_{awaitable}, home_{home}
    {
    }
    ~foreign_awaiter()
    {
        home_.collect_posted();  // if this is posted but not collected: now the base class can unlink it
    }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> task)
    {
        task_ = task;
        bridge_ = make_bridge<Awaitable>(awaitable_, result_);
        bridge_.start(home_, *this);
    }
    result_type await_resume() { return result_.take(); }

private:
    static void resume_task(completion& c) noexcept { static_cast<foreign_awaiter&>(c).task_.resume(); }

    std::remove_reference_t<Awaitable>& awaitable_;
    executor& home_;
    std::coroutine_handle<> task_;
    result_slot<result_type> result_;
    bridge bridge_;
};

}  // namespace tcpco::detail
