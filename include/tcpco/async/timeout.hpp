// Time for coroutines: sleep_for, sleep_until, yield, and with_timeout over any operation or task.
//
//     if (std::error_code ec = co_await sleep_for(10_ms)) { ... operation_canceled ... }
//     auto [ec, n] = co_await with_timeout(socket.read_some(buffer), 5_s);
//
// Time is the executor's: it stands still while a turn's coroutines run, and in the simulator it is a number.
#pragma once

#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

// Completes at a moment: success, or operation_canceled when stopped before. At once if the moment has passed.
class sleep_operation : deadline_timer {
public:
    explicit sleep_operation(duration d) noexcept : deadline_timer{&fired}, for_{d} {}
    explicit sleep_operation(time_point t) noexcept : deadline_timer{&fired}, until_{t}, absolute_{true} {}
    sleep_operation(sleep_operation&& other) noexcept
        : deadline_timer{&fired}, for_{other.for_}, until_{other.until_}, absolute_{other.absolute_}
    {
    }

    bool ready() const noexcept { return false; }

    bool start(completion& c, const environment& env) noexcept
    {
        if (env.exec == nullptr || env.stop.stop_requested()) {
            error_ = env.exec == nullptr ? errc::operation_not_supported : errc::operation_canceled;
            return false;
        }
        const time_point at = absolute_ ? until_ : env.exec->now() + for_;
        if (at <= env.exec->now()) {
            return false;
        }
        continuation_ = &c;
        exec_ = env.exec;
        exec_->arm(*this, at);
        return true;
    }

    void cancel() noexcept
    {
        // Where the timer has fired and waits in the ready queue, it has completed.
        if (!linked()) {
            exec_->disarm(*this);
            error_ = errc::operation_canceled;
            exec_->schedule(*continuation_);
        }
    }

    std::error_code result() const noexcept { return make_error_code(error_); }

private:
    static void fired(completion& c) noexcept
    {
        completion& next = *static_cast<sleep_operation&>(c).continuation_;
        next.invoke(next);
    }

    duration for_;
    time_point until_;
    executor* exec_ = nullptr;
    completion* continuation_ = nullptr;
    bool absolute_ = false;
    errc error_ = errc::ok;
};

inline sleep_operation sleep_for(duration d) noexcept
{
    return sleep_operation{d};
}

inline sleep_operation sleep_until(time_point t) noexcept
{
    return sleep_operation{t};
}

// Goes to the end of the ready queue, stopped or not.
class yield_operation {
public:
    bool ready() const noexcept { return false; }
    bool start(completion& c, const environment& env) noexcept
    {
        if (env.exec != nullptr) {
            env.exec->schedule(c);
        }
        return env.exec != nullptr;
    }
    void cancel() noexcept {}
    void result() const noexcept {}
};

inline yield_operation yield() noexcept
{
    return {};
}

namespace detail {

template <class R>
concept has_error_code = requires(R& r) { { r.ec } -> std::same_as<std::error_code&>; };

// What with_timeout makes of a result: one that carries an error keeps its type, another one gets an error beside it.
template <class R>
struct timeout_result {
    using type = io_result_of<R>;
};
template <class R>
    requires(has_error_code<R> || std::is_same_v<R, std::error_code>)
struct timeout_result<R> {
    using type = R;
};
template <>
struct timeout_result<void> {
    using type = std::error_code;
};

}  // namespace detail

// An operation with a time limit. Completed wins: only where the limit cancelled the operation and it says
// operation_canceled, the error becomes timed_out, with whatever else the result says (n octets that went). A
// result without an error comes as io_result_of<R> (void: as std::error_code) with timed_out if it came too late.
// A std::system_error of operation_canceled becomes one of timed_out likewise.
template <operation Op>
class timeout_operation : completion {
public:
    using result_type = typename detail::timeout_result<operation_result_t<Op>>::type;

    timeout_operation(Op&& op, duration limit) : completion{&completed}, limit_{limit}, op_(std::move(op)) {}
    timeout_operation(timeout_operation&& other)
        : completion{&completed}, limit_{other.limit_}, op_(std::move(other.op_))
    {
    }

    bool ready() { return op_.ready(); }

    bool start(completion& c, environment env)
    {
        continuation_ = &c;
        if (env.exec == nullptr) {
            return op_.start(*this, env);  // it cannot wait either
        }
        const time_point at = env.exec->now() + limit_;
        env.deadline = at < env.deadline ? at : env.deadline;
        if (!op_.start(*this, env)) {
            return false;
        }
        env.exec->arm(timer_, at);
        return true;
    }

    void cancel() noexcept
    {
        if (!linked()) {
            op_.cancel();
        }
    }

    bool failed() const noexcept
    {
        if constexpr (requires { op_.failed(); }) {
            return op_.failed();
        } else {
            return false;
        }
    }

    result_type result()
    {
        if (!timer_.expired) {
            return take();
        }
        try {
            return take();
        } catch (const std::system_error& e) {
            if (e.code() == std::errc::operation_canceled) {
                throw std::system_error{make_error_code(errc::timed_out)};
            }
            throw;
        }
    }

private:
    struct limit_timer : deadline_timer {
        explicit limit_timer(timeout_operation& p) noexcept : deadline_timer{&limit_reached}, parent{p} {}
        timeout_operation& parent;
        bool expired = false;
    };

    static void completed(completion& c) noexcept
    {
        timeout_operation& self = static_cast<timeout_operation&>(c);
        self.timer_.disarm();
        self.continuation_->invoke(*self.continuation_);
    }

    static void limit_reached(completion& c) noexcept
    {
        limit_timer& timer = static_cast<limit_timer&>(c);
        if (!timer.parent.linked()) {
            timer.expired = true;
            timer.parent.op_.cancel();
        }
    }

    result_type take()
    {
        using result = operation_result_t<Op>;
        const std::error_code late = timer_.expired ? make_error_code(errc::timed_out) : std::error_code{};
        if constexpr (std::is_void_v<result>) {
            op_.result();
            return late;
        } else if constexpr (std::is_same_v<result, std::error_code>) {
            return in_time(op_.result());
        } else if constexpr (detail::has_error_code<result>) {
            result r = op_.result();
            r.ec = in_time(r.ec);
            return r;
        } else {
            return result_type{late, op_.result()};
        }
    }

    std::error_code in_time(std::error_code ec) const noexcept
    {
        return timer_.expired && ec == std::errc::operation_canceled ? make_error_code(errc::timed_out) : ec;
    }

    duration limit_;
    completion* continuation_ = nullptr;
    limit_timer timer_{*this};
    Op op_;
};

template <class X>
auto with_timeout(X&& x, duration limit)
{
    return timeout_operation<as_operation_t<X>>{as_operation(std::forward<X>(x)), limit};
}

}  // namespace tcpco
