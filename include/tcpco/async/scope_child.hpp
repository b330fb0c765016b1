// The children of a scope: a task with its place in the list. Included by scope.hpp.
//
// A server with a session for each connection has as many of these as sessions, all of them waiting. So a child is no
// coroutine around the session's, but a record beside it.
#pragma once

#include "tcpco/async/scope.hpp"

namespace tcpco {

// A child: its task, and its place in the scope. As a completion it is first queued to begin, then, by the end of the
// task, to be destroyed; between these it only waits, and is no coroutine itself: 56 octets beside the task's frame.
class scope::child : public completion, public detail::pooled_frame {
public:
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    void join(scope& s) noexcept
    {
        scope_ = &s;
        next_ = s.first_child_;
        link_ = &s.first_child_;
        if (next_ != nullptr) {
            next_->link_ = &next_;
        }
        s.first_child_ = this;
        ++s.children_;
        s.env_.exec->schedule(*this);
    }

protected:
    explicit child(function f) noexcept : completion{f} {}
    ~child() { leave(); }
    scope& scope_of() const noexcept { return *scope_; }
    static void fail(scope& s, const std::exception_ptr& e) noexcept { s.fail(e); }

    // What is left to do is to go: true where nothing may run any more.
    static bool is_abandoned(const scope& s) noexcept { return s.abandoned_; }
    static environment environment_of(const scope& s) noexcept { return s.env_; }
    static void ended(scope& s) noexcept { s.child_ended(); }

private:
    void leave() noexcept
    {
        if (link_ != nullptr) {
            *link_ = next_;
            if (next_ != nullptr) {
                next_->link_ = link_;
            }
            --scope_->children_;
        }
    }

    scope* scope_ = nullptr;
    child* next_ = nullptr;
    child** link_ = nullptr;  // what points here: first_child_ or the next_ of the child before
};

inline void scope::abandon() noexcept
{
    abandoned_ = true;
    while (first_child_ != nullptr) {
        first_child_->invoke(*first_child_);
    }
}

namespace detail {

// A child whose task is there from the beginning. Derived: nothing, or what makes the task when the child begins.
template <class T>
class scope_child : public scope::child {
public:
    explicit scope_child(task<T> t) noexcept : child{&begin}, task_{std::move(t)} {}
    void fail_now(scope& s) noexcept { fail(s, std::current_exception()); }

protected:
    explicit scope_child(function f) noexcept : child{f}, task_{nullptr} {}

    // Runs the task. One that there is none of, since it could not be made, has ended.
    void run(task<T> t) noexcept
    {
        task_ = std::move(t);
        environment env = environment_of(scope_of());
        if (!task_.valid()) {
            env.exec->schedule(*this);
            return;
        }
        task_.coroutine_.promise().prepare(*this, env);
        task_.coroutine_.resume();
    }

    // invoke(), when the task has ended or the scope is abandoned. Child: the whole of it.
    template <class Child>
    static void end(completion& c) noexcept
    {
        Child& self = static_cast<Child&>(c);
        scope& s = self.scope_of();
        const bool abandoned = is_abandoned(s);
        if (!abandoned && self.task_.valid() && self.task_.coroutine_.promise().result().failed()) {
            fail(s, self.task_.coroutine_.promise().result().exception());
        }
        delete &self;
        if (!abandoned) {
            ended(s);
        }
    }

private:
    static void begin(completion& c) noexcept
    {
        c.invoke = &end<scope_child>;
        scope_child& self = static_cast<scope_child&>(c);
        if (is_abandoned(self.scope_of())) {
            c.invoke(c);
        } else {
            self.run(std::move(self.task_));
        }
    }

    task<T> task_;
};

// A child that keeps its function and arguments, and makes the task when it begins: they may be referred to.
template <class T, class Function, class... Args>
class scope_call final : public scope_child<T> {
public:
    template <class F, class... A>
    explicit scope_call(std::in_place_t, F&& f, A&&... arguments)
        : scope_child<T>{&begin_call}, function_(std::forward<F>(f)), arguments_{std::forward<A>(arguments)...}
    {
    }

private:
    static void begin_call(completion& c) noexcept
    {
        c.invoke = &scope_child<T>::template end<scope_call>;
        scope_call& self = static_cast<scope_call&>(c);
        if (scope_call::is_abandoned(self.scope_of())) {
            c.invoke(c);
            return;
        }
        self.run(self.make());
    }

    task<T> make() noexcept
    {
        try {
            return std::apply(
                [this](Args&... arguments) { return std::invoke(std::move(function_), std::move(arguments)...); },
                arguments_);
        } catch (...) {
            this->fail_now(this->scope_of());
            return task<T>{nullptr};
        }
    }

    Function function_;
    std::tuple<Args...> arguments_;
};

// Whether an argument of (decayed) type Arg becomes the parameter P of a coroutine without anything left to refer to.
template <class P, class Arg>
inline constexpr bool passes_whole = std::is_same_v<P, Arg>;
template <class P, class U>
inline constexpr bool passes_whole<P&, std::reference_wrapper<U>> = std::is_convertible_v<U*, P*>;

template <class Function, class... Args>
inline constexpr bool needs_no_call = false;
template <class T, class... Ps, class... Args>
    requires(sizeof...(Ps) == sizeof...(Args))
inline constexpr bool needs_no_call<task<T> (*)(Ps...), Args...> = (passes_whole<Ps, Args> && ...);

}  // namespace detail

// A coroutine that takes its parameters whole has copies of them in its frame as soon as it is there: then the child is
// no more than that. Otherwise the child keeps what the parameters may refer to.
template <class Function, class... Args>
    requires detail::is_task<std::invoke_result_t<std::decay_t<Function>, std::decay_t<Args>...>>
void scope::spawn(Function&& function, Args&&... arguments)
{
    TCPCO_ASSERT(env_.exec != nullptr && !joined());
    using made = std::invoke_result_t<std::decay_t<Function>, std::decay_t<Args>...>;
    using value = typename detail::task_value<made>::type;
    if constexpr (detail::needs_no_call<std::decay_t<Function>, std::decay_t<Args>...>) {
        (new detail::scope_child<value>{function(std::forward<Args>(arguments)...)})->join(*this);
    } else {
        using call = detail::scope_call<value, std::decay_t<Function>, std::decay_t<Args>...>;
        (new call{std::in_place, std::forward<Function>(function), std::forward<Args>(arguments)...})->join(*this);
    }
}

}  // namespace tcpco
