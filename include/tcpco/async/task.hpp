// task<T>: a lazy coroutine with one owner, which runs on one executor.
//
//     task<std::size_t> copy(tcp_socket& from, tcp_socket& to) { ... co_return n; }
//     std::size_t n = co_await copy(a, b);
//
// Awaiting a task starts it then and there, on the caller's stack. If it ends without waiting, the caller just goes on:
// no stack is used up, where symmetric transfer costs 128 to 655 octets per await without optimisation or with a
// sanitizer. A task that had to wait hands its end to the executor's ready queue, which resumes the caller. Where tasks
// start each other deeper than executor::inline_limit, the queue starts the next one, so recursion does not use up the
// stack either. (Destroying a deep chain that is suspended does recurse.)
//
// What a task awaits: operations and tasks, which get its environment; and any foreign awaitable, which is brought back
// to the task's executor (async/foreign.hpp). Its frame, value and exception belong to whoever awaits it. Destroying a
// task destroys its coroutine, wherever it waits; its parameters are the coroutine's own copies where they are values.
// A lambda's captures are not: they must outlive the task.
#pragma once

#include <coroutine>
#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tcpco/async/environment.hpp"
#include "tcpco/async/error.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/async/foreign.hpp"
#include "tcpco/async/frame_memory.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/result_slot.hpp"
#include "tcpco/core/assert.hpp"

namespace tcpco {

template <class T>
class task;

// `const environment env = co_await this_environment();` in a task: to look at its stop token, deadline or executor.
struct this_environment {};

namespace detail {

class environment_awaiter {
public:
    explicit environment_awaiter(const environment& env) noexcept : env_{env} {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    environment await_resume() const noexcept { return env_; }

private:
    const environment& env_;
};

template <class T>
class task_awaiter;
template <class T>
class task_starter;
template <class T>
class scope_child;
template <class T, class Function, class... Args>
class scope_call;

class task_promise_base : public pooled_frame {
public:
    std::suspend_always initial_suspend() const noexcept { return {}; }

    class final_awaiter {
    public:
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept
        {
            task_promise_base& self = coroutine.promise();
            if (!self.starting_) {
                self.env_.exec->schedule(*self.continuation_);
            }
        }
        void await_resume() const noexcept {}
    };
    final_awaiter final_suspend() const noexcept { return {}; }

    const environment& get_environment() const noexcept { return env_; }

    template <class Op>
        requires operation<std::remove_reference_t<Op>>
    awaiter<std::remove_reference_t<Op>> await_transform(Op&& op) noexcept
    {
        static_assert(coroutine_safe<std::remove_reference_t<Op>>,
                      "an operation is a class with constructors, or trivially destructible");
        return {op, &env_};
    }

    template <class T>
    task_awaiter<T> await_transform(task<T>&& child) noexcept
    {
        return {std::move(child), &env_};
    }

    template <class T>
    void await_transform(task<T>& child) = delete;  // co_await std::move(child)

    environment_awaiter await_transform(this_environment) noexcept { return environment_awaiter{env_}; }

    template <awaitable Awaitable>
        requires(!operation<std::remove_reference_t<Awaitable>>)
    foreign_awaiter<Awaitable> await_transform(Awaitable&& awaitable) noexcept
    {
        static_assert(std::is_lvalue_reference_v<Awaitable> || coroutine_safe<Awaitable>,
                      "g++ 12 destroys a temporary aggregate twice: give this awaitable a name first");
        return {std::forward<Awaitable>(awaitable), *env_.exec};
    }

    // Runs the task until it ends (false) or has to wait (true); then `continuation` is scheduled at its end.
    bool start(std::coroutine_handle<> self, completion& continuation, const environment& env)
    {
        prepare(continuation, env);
        starting_ = true;
        env.exec->enter_inline();
        self.resume();
        env.exec->leave_inline();
        starting_ = false;
        return !self.done();
    }

    void prepare(completion& continuation, const environment& env) noexcept
    {
        env_ = env;
        continuation_ = &continuation;
    }

private:
    environment env_;
    completion* continuation_ = nullptr;
    bool starting_ = false;
};

template <class T>
class task_promise final : public task_promise_base {
public:
    task<T> get_return_object() noexcept;
    template <class U = T>
        requires std::is_constructible_v<T, U>
    void return_value(U&& value)
    {
        result_.emplace(std::forward<U>(value));
    }
    void unhandled_exception() noexcept { result_.fail(std::current_exception()); }
    result_slot<T>& result() noexcept { return result_; }

private:
    result_slot<T> result_;
};

template <>
class task_promise<void> final : public task_promise_base {
public:
    task<void> get_return_object() noexcept;
    void return_void() noexcept { result_.emplace(true); }
    void unhandled_exception() noexcept { result_.fail(std::current_exception()); }
    result_slot<void>& result() noexcept { return result_; }

private:
    result_slot<void> result_;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::task_promise<T>;

    task(task&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
    task& operator=(task&& other) noexcept
    {
        task old{std::exchange(coroutine_, std::exchange(other.coroutine_, nullptr))};
        return *this;
    }
    ~task()
    {
        if (coroutine_) {
            coroutine_.destroy();
        }
    }

    bool valid() const noexcept { return coroutine_ != nullptr; }

    // For coroutines of other libraries.
    friend detail::task_awaiter<T> operator co_await(task&& child) noexcept { return {std::move(child), nullptr}; }

private:
    friend promise_type;
    template <class U>
    friend class detail::task_awaiter;
    template <class U>
    friend class detail::task_starter;
    template <class U>
    friend class detail::scope_child;
    template <class U, class Function, class... Args>
    friend class detail::scope_call;

    explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_{coroutine} {}

    std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept
{
    return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

inline task<void> task_promise<void>::get_return_object() noexcept
{
    return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

// Starts a child and resumes its parent. It refers to the task, which lives until the end of the full expression.
template <class T>
class task_awaiter : completion {
public:
    task_awaiter(task<T>&& child, const environment* env) noexcept
        : completion{&resume_parent}, child_{child.coroutine_}, env_{env}
    {
        TCPCO_ASSERT(child_);  // a task is awaited once
    }

    bool await_ready() const noexcept { return false; }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent)
    {
        parent_ = parent;
        const environment env = env_ != nullptr ? *env_ : environment_of(parent);
        if (env.exec == nullptr) {
            throw std::system_error{make_error_code(errc::operation_not_supported), "a task outside any executor"};
        }
        if (env.exec->may_start_inline()) {
            return child_.promise().start(child_, *this, env);
        }
        child_.promise().prepare(*this, env);
        invoke = &start_child;
        env.exec->schedule(*this);
        return true;
    }

    T await_resume() { return child_.promise().result().take(); }

private:
    static void start_child(completion& c) noexcept
    {
        task_awaiter& self = static_cast<task_awaiter&>(c);
        self.invoke = &resume_parent;
        self.child_.resume();
    }

    static void resume_parent(completion& c) noexcept { static_cast<task_awaiter&>(c).parent_.resume(); }

    std::coroutine_handle<task_promise<T>> child_;
    const environment* env_;
    std::coroutine_handle<> parent_;
};

}  // namespace detail

namespace detail {

// Starts a task for something that is not a coroutine. Movable until then.
template <class T>
class task_starter : completion {
public:
    explicit task_starter(task<T> t) noexcept : completion{&start_queued}, task_{std::move(t)} {}
    task_starter(task_starter&& other) noexcept : completion{&start_queued}, task_{std::move(other.task_)} {}

    bool start(completion& c, const environment& env)
    {
        if (env.exec->may_start_inline()) {
            return promise().start(task_.coroutine_, c, env);
        }
        promise().prepare(c, env);
        env.exec->schedule(*this);
        return true;
    }

    result_slot<T>& result() const noexcept { return promise().result(); }

private:
    static void start_queued(completion& c) noexcept { static_cast<task_starter&>(c).task_.coroutine_.resume(); }
    task_promise<T>& promise() const noexcept { return task_.coroutine_.promise(); }

    task<T> task_;
};

}  // namespace detail

// A task as an operation, for when_all, when_any, with_timeout and root. cancel() requests a stop of the task, which
// ends as it sees fit; a task that is started stopped runs until it has seen that.
template <class T>
class task_operation {
public:
    explicit task_operation(task<T> t) noexcept : task_{std::move(t)} {}
    task_operation(task_operation&& other) noexcept : task_{std::move(other.task_)} {}

    bool ready() const noexcept { return false; }

    bool start(completion& c, environment env)
    {
        if (env.exec == nullptr) {
            task_.result().fail(std::make_exception_ptr(std::system_error{
                make_error_code(errc::operation_not_supported), "a task outside any executor"}));
            return false;
        }
        if (env.stop.stop_requested()) {
            stop_.request_stop();
        }
        env.stop = stop_.token();
        return task_.start(c, env);
    }

    void cancel() noexcept { stop_.request_stop(); }
    bool failed() const noexcept { return task_.result().failed(); }
    T result() { return task_.result().take(); }

private:
    stop_source stop_;
    detail::task_starter<T> task_;  // after stop_, to be destroyed before it
};

// What a combinator makes of its arguments: an operation stays one, a task becomes one.
template <operation Op>
Op as_operation(Op op)
{
    return op;
}

template <class T>
task_operation<T> as_operation(task<T> t) noexcept
{
    return task_operation<T>{std::move(t)};
}

template <class X>
using as_operation_t = decltype(as_operation(std::declval<X>()));

// Lets no stop from around reach an operation or task: for the last word of a session that is being stopped.
template <class X>
auto shield(X&& x)
{
    return shield_operation<as_operation_t<X>>{as_operation(std::forward<X>(x))};
}

}  // namespace tcpco
