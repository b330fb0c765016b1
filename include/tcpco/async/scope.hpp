// Scopes: children that cannot outlive the call that started them.
//
//     co_await with_scope(accept_loop, std::ref(listener));
//
//     task<> accept_loop(scope& sessions, tcp_listener& listener)
//     {
//         for (;;) {
//             auto [ec, socket] = co_await listener.accept();
//             if (ec) { co_return; }
//             sessions.spawn(session, std::move(socket));
//         }
//     }
//
// with_scope(fn, args...) runs the task fn(scope&, args...) and completes when it and all children have ended, however
// they end; its result is the task's. The first exception of any of them stops the others and is rethrown at the join;
// later ones are dropped. A stop from around reaches the task and all children.
//
// Children may refer to what lives outside of with_scope, and to its arguments; not to locals of fn, which are gone
// when fn has ended and its children have not (or fn ends with `co_await scope.join()`, where no exception comes
// before). spawn() copies or moves its function and arguments into the child, as std::thread does; std::ref passes a
// reference. What copying them throws, spawn() throws, and so it does what a plain function throws that only returns a
// task. So a lambda with captures is safe in spawn(), and with_scope() refuses a temporary one that is not trivially
// destructible (g++ 12 destroys its captures twice).
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

namespace detail {

template <class X>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

template <class Task>
struct task_value;
template <class T>
struct task_value<task<T>> {
    using type = T;
};

template <class T>
class scope_child;

}  // namespace detail

class scope {
public:
    class join_operation;

    scope() = default;
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    ~scope() { abandon(); }

    // Queues a child: the task that function(arguments...) returns. What it returns is dropped.
    template <class Function, class... Args>
        requires detail::is_task<std::invoke_result_t<std::decay_t<Function>, std::decay_t<Args>...>>
    void spawn(Function&& function, Args&&... arguments);

    // Asks the children and fn to stop.
    void request_stop() noexcept { stop_.request_stop(); }
    bool stop_requested() const noexcept { return stop_.stop_requested(); }

    // Children that have not ended yet.
    std::size_t children() const noexcept { return children_; }

    // For fn, to wait for the children: success, or operation_canceled. One at a time, and never from a child.
    join_operation join() noexcept;

private:
    class child;
    template <class T>
    friend class detail::scope_child;
    template <class T, class Function, class... Args>
    friend class scope_operation;

    void open(completion& continuation, environment env) noexcept
    {
        if (env.stop.stop_requested()) {
            stop_.request_stop();
        }
        env.stop = stop_.token();
        env_ = env;
        continuation_ = &continuation;
    }

    void fail(const std::exception_ptr& e) noexcept
    {
        if (first_exception_ == nullptr) {
            first_exception_ = e;
        }
        stop_.request_stop();
    }

    bool joined() const noexcept { return body_ended_ && children_ == 0; }
    inline void child_ended() noexcept;
    inline void abandon() noexcept;

    stop_source stop_;
    environment env_;
    completion* continuation_ = nullptr;
    join_operation* joiner_ = nullptr;
    child* first_child_ = nullptr;
    std::size_t children_ = 0;
    std::exception_ptr first_exception_;
    bool body_ended_ = false;
    bool abandoned_ = false;
};

class scope::join_operation {
public:
    explicit join_operation(scope& s) noexcept : scope_{s} {}
    join_operation(join_operation&& other) noexcept : scope_{other.scope_} {}
    ~join_operation() { leave(); }

    bool ready() const noexcept { return scope_.children_ == 0; }

    bool start(completion& c, const environment& env) noexcept
    {
        if (scope_.children_ == 0 || env.stop.stop_requested()) {
            error_ = scope_.children_ == 0 ? errc::ok : errc::operation_canceled;
            return false;
        }
        TCPCO_ASSERT(scope_.joiner_ == nullptr);
        scope_.joiner_ = this;
        continuation_ = &c;
        return true;
    }

    void cancel() noexcept { complete(errc::operation_canceled); }
    std::error_code result() const noexcept { return make_error_code(error_); }

private:
    friend scope;

    void leave() noexcept
    {
        if (scope_.joiner_ == this) {
            scope_.joiner_ = nullptr;
        }
    }

    void complete(errc e) noexcept
    {
        leave();
        error_ = e;
        scope_.env_.exec->schedule(*continuation_);
    }

    scope& scope_;
    completion* continuation_ = nullptr;
    errc error_ = errc::ok;
};

inline scope::join_operation scope::join() noexcept
{
    return join_operation{*this};
}

inline void scope::child_ended() noexcept
{
    if (children_ == 0 && joiner_ != nullptr) {
        joiner_->complete(errc::ok);
    }
    if (joined()) {
        continuation_->invoke(*continuation_);  // last: it may destroy the scope
    }
}

// co_await with_scope(...). It completes when everything in the scope has ended; destroying it destroys the children.
template <class T, class Function, class... Args>
class scope_operation : completion {
public:
    template <class F, class... A>
    explicit scope_operation(std::in_place_t, F&& f, A&&... arguments)
        : completion{&body_completed}, function_(std::forward<F>(f)), arguments_{std::forward<A>(arguments)...}
    {
    }
    scope_operation(scope_operation&& other)
        : completion{&body_completed}, function_(std::move(other.function_)), arguments_(std::move(other.arguments_))
    {
    }
    ~scope_operation() { scope_.abandon(); }  // before the body, which they may refer to

    bool ready() const noexcept { return false; }

    bool start(completion& c, const environment& env)
    {
        scope_.open(c, env);
        if (env.exec == nullptr) {
            scope_.fail(std::make_exception_ptr(std::system_error{make_error_code(errc::operation_not_supported),
                                                                  "a scope outside any executor"}));
            return false;
        }
        if (start_body()) {
            return true;
        }
        end_body();
        return !scope_.joined();
    }

    void cancel() noexcept { scope_.request_stop(); }
    bool failed() const noexcept { return scope_.first_exception_ != nullptr; }

    T result()
    {
        if (failed()) {
            std::rethrow_exception(std::move(scope_.first_exception_));
        }
        return body_->result().take();
    }

private:
    bool start_body()
    {
        try {
            body_.emplace(std::apply(
                [this](Args&... arguments) {
                    return std::invoke(std::move(function_), scope_, std::move(arguments)...);
                },
                arguments_));
        } catch (...) {
            scope_.fail(std::current_exception());
            return false;
        }
        return body_->start(*this, scope_.env_);
    }

    void end_body() noexcept
    {
        if (body_ && body_->result().failed()) {
            scope_.fail(body_->result().exception());
        }
        scope_.body_ended_ = true;
    }

    static void body_completed(completion& c) noexcept
    {
        scope_operation& self = static_cast<scope_operation&>(c);
        self.end_body();
        if (self.scope_.joined()) {
            self.scope_.continuation_->invoke(*self.scope_.continuation_);
        }
    }

    Function function_;
    std::tuple<Args...> arguments_;
    scope scope_;
    std::optional<detail::task_starter<T>> body_;
};

namespace detail {

template <class Function, class... Args>
using scope_operation_for =
    scope_operation<typename task_value<std::invoke_result_t<Function, scope&, Args...>>::type, Function, Args...>;

}  // namespace detail

template <class Function, class... Args>
    requires detail::is_task<std::invoke_result_t<std::decay_t<Function>, scope&, std::decay_t<Args>...>>
auto with_scope(Function&& function, Args&&... arguments)
{
    static_assert(std::is_lvalue_reference_v<Function> || std::is_trivially_destructible_v<Function>,
                  "g++ 12 destroys the captures of a temporary lambda twice: give it a name, or capture by reference");
    return detail::scope_operation_for<std::decay_t<Function>, std::decay_t<Args>...>{
        std::in_place, std::forward<Function>(function), std::forward<Args>(arguments)...};
}

}  // namespace tcpco

#include "tcpco/async/scope_child.hpp"
