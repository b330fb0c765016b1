// What the operations on a connection have in common: whom they refer to, how they wait, and how they are cancelled.
//
// They refer to the connection by its id and to the stack by a counted handle, not to the socket object. So a socket
// may be moved while an operation waits. Where it is closed or destroyed, by another coroutine, the operation
// completes with bad_file_descriptor. Where the stack loses its device, or its driver is destroyed, every wait ends
// with network_down (for a listener too): only a stack that is destroyed before its driver leaves operations without
// an end.
//
// There are two kinds. A `single_wait` waits once and does its work when its result is taken. A `stepwise_wait` does
// what it can each time that it is told, and waits again until all is done.
#pragma once

#include <utility>

#include "tcpco/async/environment.hpp"
#include "tcpco/async/error.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/stack/socket_handle.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco::detail {

// A connection, and the place that an operation may have taken there.
template <wait_kind Kind>
class waiting_place {
public:
    waiting_place(const socket_handle& stack, connection_id id) noexcept : stack_{stack}, id_{id} {}
    waiting_place(waiting_place&& other) noexcept : stack_{std::move(other.stack_)}, id_{other.id_} {}
    waiting_place& operator=(waiting_place&&) = delete;

    stack_port* port() const noexcept { return stack_.port(); }
    connection_id id() const noexcept { return id_; }

    // Another operation of this kind waits.
    bool taken() const noexcept { return port() != nullptr && port()->is_waiting(id_, Kind); }
    bool is_over() const noexcept { return port() == nullptr || port()->is_over(id_, Kind); }

    // As stack_port::wait_unless_over().
    errc take_unless_over(completion* c) noexcept
    {
        return port() == nullptr ? errc::ok : port()->wait_unless_over(id_, Kind, c);
    }
    errc take(completion& c) noexcept
    {
        return port() == nullptr ? errc::bad_file_descriptor : port()->wait_for(id_, Kind, c);
    }
    void leave(completion& c) noexcept
    {
        if (stack_port* p = port()) {
            p->stop_waiting(id_, Kind, c);
        }
    }

private:
    socket_handle stack_;
    connection_id id_;
};

// The caller's own completion stands in the connection; this is what makes an idle reader small.
template <wait_kind Kind>
class single_wait {
public:
    single_wait(const socket_handle& stack, connection_id id) noexcept : place_{stack, id} {}
    single_wait(single_wait&& other) noexcept : place_{std::move(other.place_)} {}
    ~single_wait() { leave(); }

    bool ready() const noexcept { return place_.is_over() && !place_.taken(); }

    bool start(completion& c, const environment& env) noexcept
    {
        outcome_ = env.stop.stop_requested() ? errc::operation_canceled
                                             : place_.take_unless_over(env.exec != nullptr ? &c : nullptr);
        if (outcome_ != errc::would_block) {
            return false;
        }
        outcome_ = errc::ok;
        continuation_ = &c;
        exec_ = env.exec;
        holds_place_ = has_waited_ = true;
        return true;
    }

    void cancel() noexcept
    {
        if (!continuation_->linked()) {
            outcome_ = errc::operation_canceled;
            leave();
            exec_->schedule(*continuation_);
        }
    }

protected:
    stack_port* port() const noexcept { return place_.port(); }
    connection_id id() const noexcept { return place_.id(); }

    // Does the work: attempt(stack_port&, connection_id) -> result<T>. Completed wins over cancelled.
    template <class T, class Attempt>
    result<T> finish(Attempt&& attempt)
    {
        leave();
        if (outcome_ != errc::ok && (!has_waited_ || place_.taken())) {
            return {outcome_, {}};
        }
        if (place_.port() == nullptr) {
            return {errc::bad_file_descriptor, {}};
        }
        result<T> answer = attempt(*place_.port(), place_.id());
        if (answer.ec == errc::would_block) {
            answer.ec = outcome_ != errc::ok ? outcome_ : errc::operation_in_progress;  // somebody came between
        }
        return answer;
    }

private:
    void leave() noexcept
    {
        if (holds_place_) {
            holds_place_ = false;
            place_.leave(*continuation_);
        }
    }

    waiting_place<Kind> place_;
    completion* continuation_;  // these two where it has waited: what completes at once stores little
    executor* exec_;
    errc outcome_ = errc::ok;
    bool holds_place_ = false;
    bool has_waited_ = false;
};

// Derived has step(stack_port&, connection_id) -> errc: does what can be done now; would_block: there is more to do.
template <class Derived, wait_kind Kind>
class stepwise_wait : completion {
public:
    stepwise_wait(const socket_handle& stack, connection_id id) noexcept : completion{&told}, place_{stack, id} {}
    stepwise_wait(stepwise_wait&& other) noexcept : completion{&told}, place_{std::move(other.place_)} {}
    ~stepwise_wait() { leave(); }

    bool ready() const noexcept { return false; }  // start() finds out

    bool complete_at_once() noexcept
        requires requires(Derived& d, stack_port& port, connection_id id) { d.step_at_once(port, id); }
    {
        stack_port* p = place_.port();
        if (p == nullptr || !static_cast<Derived&>(*this).step_at_once(*p, place_.id())) {
            return false;
        }
        outcome_ = errc::ok;
        return true;
    }

    bool start(completion& c, const environment& env) noexcept
    {
        if (env.stop.stop_requested()) {
            outcome_ = errc::operation_canceled;
            return false;
        }
        advance();
        if (outcome_ != errc::would_block) {
            return false;
        }
        if (env.exec == nullptr) {
            outcome_ = errc::operation_not_supported;
            return false;
        }
        continuation_ = &c;
        exec_ = env.exec;
        has_waited_ = true;
        return wait();
    }

    void cancel() noexcept
    {
        cancelled_ = true;
        if (!linked()) {
            leave();
            exec_->schedule(*this);
        }
    }

protected:
    errc outcome() const noexcept { return outcome_; }
    bool has_waited() const noexcept { return has_waited_; }

private:
    void advance() noexcept
    {
        stack_port* p = place_.port();
        if (p == nullptr) {
            outcome_ = errc::bad_file_descriptor;
        } else if (place_.taken()) {
            outcome_ = cancelled_ ? errc::operation_canceled : errc::operation_in_progress;
        } else {
            outcome_ = static_cast<Derived&>(*this).step(*p, place_.id());
        }
    }

    bool wait() noexcept
    {
        const errc e = place_.take(*this);
        holds_place_ = e == errc::ok;
        outcome_ = holds_place_ ? outcome_ : e;
        return holds_place_;
    }

    void leave() noexcept
    {
        if (holds_place_) {
            holds_place_ = false;
            place_.leave(*this);
        }
    }

    static void told(completion& c) noexcept
    {
        stepwise_wait& self = static_cast<stepwise_wait&>(c);
        self.leave();
        self.advance();
        if (self.outcome_ == errc::would_block) {
            if (self.cancelled_) {
                self.outcome_ = errc::operation_canceled;
            } else if (self.wait()) {
                return;
            }
        }
        self.continuation_->invoke(*self.continuation_);
    }

    waiting_place<Kind> place_;
    completion* continuation_;  // these two where it has waited
    executor* exec_;
    errc outcome_ = errc::would_block;
    bool holds_place_ = false;
    bool has_waited_ = false;
    bool cancelled_ = false;
};

}  // namespace tcpco::detail
