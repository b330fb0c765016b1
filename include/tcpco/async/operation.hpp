// Operations: the shape of every asynchronous call, and the one adaptor that awaits them.
//
// An operation is an object with five calls, in this order:
//
//     ready()          true: done, and result() may be called without start(). Has no effect that can be seen.
//     start(c, env)    false: done, result() may be called. true: `c` will be scheduled on env.exec, once. If env.stop
//                      is stopped already it does nothing and is done with operation_canceled. If it has to wait and
//                      env.exec is null, it is done with operation_not_supported.
//     cancel()         asks a started operation to end soon: it still completes, by `c`, and says in its result how
//                      far it came. Called only after start() returned true and until `c` is queued; perhaps more
//                      than once. It schedules `c`; it never invokes it.
//     result()         what became of it; once.
//     destruction      before its completion abandons the operation: it forgets `c` and touches it no more.
//
// It may have a sixth call, which an awaiter asks before ready(), where nothing asks it to stop or to let others run:
//
//     complete_at_once()   true: all is done, result() may be called without start(). False: nothing has happened.
//
// An operation is movable until start(), then it stays where it is. It does not listen to env.stop while it waits: who
// started it does, and calls cancel(). Nothing here allocates, so when_all, when_any and with_timeout, which are
// operations over operations, do not either.
#pragma once

#include <concepts>
#include <coroutine>
#include <memory>
#include <type_traits>
#include <utility>

#include "tcpco/async/environment.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

template <class Op>
concept operation = requires(Op& op, completion& c, const environment& env) {
    { op.ready() } -> std::same_as<bool>;
    { op.start(c, env) } -> std::same_as<bool>;
    op.cancel();
    op.result();
};

template <class Op>
concept completes_at_once = requires(Op& op) {
    { op.complete_at_once() } -> std::same_as<bool>;
};

template <operation Op>
using operation_result_t = decltype(std::declval<Op&>().result());

// g++ 12 destroys a temporary aggregate that is an operand of co_await twice, unless that does nothing.
template <class T>
concept coroutine_safe = !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

// Awaits an operation from any promise type. It refers to the operation: an operand of co_await lives until the end of
// the full expression, so a temporary operation needs no move. Where nothing has to wait it is two pointers: what a
// suspension needs is made when there is one.
template <operation Op>
class awaiter {
public:
    // `env` is the environment of the awaiting promise, or null to ask the promise itself.
    awaiter(Op& op, const environment* env) noexcept : op_{&op}, env_{env} {}
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;
    [[gnu::always_inline]] ~awaiter()
    {
        if (has_suspended()) {
            std::destroy_at(&wait_);
        }
    }

    bool await_ready()
    {
        if (env_ != nullptr && env_->stop.stop_requested()) {
            return false;  // start() knows what to do then: nothing
        }
        executor* here = env_ != nullptr ? env_->exec : executor::current();
        if constexpr (completes_at_once<Op>) {
            // Without `env_` only await_suspend() sees the promise, whose environment may ask to stop.
            if (env_ != nullptr && here != nullptr && here->has_synchronous()) {
                if (op_->complete_at_once()) {
                    here->spend_synchronous();
                    return true;
                }
                return false;  // start() finds out whether it is done otherwise
            }
        }
        return op_->ready() && (here == nullptr || here->take_synchronous());
    }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> coroutine)
    {
        const environment env = env_ != nullptr ? *env_ : detail::environment_of(coroutine);
        std::construct_at(&wait_, *op_, coroutine);
        op_ = nullptr;
        if (env.exec != nullptr && !env.exec->take_synchronous()) {
            wait_.invoke = &wait::template queued<Promise>;  // the others first; only then is it looked at again
            env.exec->schedule(wait_);
            return true;
        }
        return wait_.start(env);
    }

    decltype(auto) await_resume() { return (has_suspended() ? wait_.op : *op_).result(); }

private:
    struct wait : completion, stop_callback {
        wait(Op& o, std::coroutine_handle<> c) noexcept
            : completion{&completed}, stop_callback{&stopped}, op{o}, coroutine{c}
        {
        }

        // True if the coroutine has to wait.
        bool start(const environment& env)
        {
            if (!op.start(*this, env)) {
                return false;
            }
            if (!env.stop.attach(*this)) {
                stopped(*this);  // requested while start() ran
            }
            return true;
        }

        template <class Promise>
        static void queued(completion& c) noexcept
        {
            wait& self = static_cast<wait&>(c);
            self.invoke = &completed;
            const auto coroutine = std::coroutine_handle<Promise>::from_address(self.coroutine.address());
            if (!self.start(detail::environment_of(coroutine))) {
                self.coroutine.resume();
            }
        }

        static void completed(completion& c) noexcept
        {
            wait& self = static_cast<wait&>(c);
            self.detach();
            self.coroutine.resume();
        }

        static void stopped(stop_callback& callback) noexcept
        {
            wait& self = static_cast<wait&>(callback);
            if (!self.linked()) {  // what is queued has completed, and completed wins
                self.op.cancel();
            }
        }

        Op& op;
        std::coroutine_handle<> coroutine;
    };

    bool has_suspended() const noexcept { return op_ == nullptr; }

    Op* op_;  // null: `wait_` knows it
    union {
        const environment* env_;
        wait wait_;
    };
};

// For coroutines of other libraries; a task does the same in its await_transform.
template <class Op>
    requires operation<std::remove_reference_t<Op>>
awaiter<std::remove_reference_t<Op>> operator co_await(Op&& op) noexcept
{
    static_assert(coroutine_safe<std::remove_reference_t<Op>>,
                  "an operation is a class with constructors, or trivially destructible");
    return {op, nullptr};
}

// An operation that no ambient stop reaches: the last word of a session that is being stopped.
template <operation Op>
class shield_operation {
public:
    explicit shield_operation(Op op) : op_(std::move(op)) {}

    bool ready() { return op_.ready(); }
    bool start(completion& c, environment env)
    {
        env.stop = stop_token{};
        return op_.start(c, env);
    }
    void cancel() noexcept {}
    decltype(auto) result() { return op_.result(); }

private:
    Op op_;
};

}  // namespace tcpco
