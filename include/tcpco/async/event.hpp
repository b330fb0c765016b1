// async_event: a flag that coroutines of one executor wait for.
#pragma once

#include <system_error>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

// Once set, it stays set until reset(). set() lets all waiters go, in the order in which they came; a waiter that was
// let go has completed even if the event is reset before it runs. Not for several threads: post() to the executor.
class async_event {
public:
    class wait_operation;

    async_event() noexcept { waiters_.next = waiters_.prev = &waiters_; }
    async_event(const async_event&) = delete;
    async_event& operator=(const async_event&) = delete;
    inline ~async_event();  // waiters that are left complete with operation_canceled

    bool is_set() const noexcept { return set_; }
    inline void set() noexcept;
    void reset() noexcept { set_ = false; }

    // co_await event.wait() -> std::error_code: success, or operation_canceled when stopped before.
    inline wait_operation wait() noexcept;

private:
    inline void release(errc e) noexcept;

    ready_node waiters_;
    bool set_ = false;
};

class async_event::wait_operation : ready_node {
public:
    explicit wait_operation(async_event& event) noexcept : event_{event} {}
    wait_operation(wait_operation&& other) noexcept : event_{other.event_} {}

    bool ready() const noexcept { return event_.is_set(); }

    bool start(completion& c, const environment& env) noexcept
    {
        if (env.stop.stop_requested() || (env.exec == nullptr && !event_.is_set())) {
            error_ = env.stop.stop_requested() ? errc::operation_canceled : errc::operation_not_supported;
            return false;
        }
        if (event_.is_set()) {
            return false;
        }
        continuation_ = &c;
        exec_ = env.exec;
        link_before(event_.waiters_);
        return true;
    }

    void cancel() noexcept
    {
        if (linked()) {
            complete(errc::operation_canceled);
        }
    }

    std::error_code result() const noexcept { return make_error_code(error_); }

private:
    friend class async_event;

    void complete(errc e) noexcept
    {
        unlink();
        error_ = e;
        exec_->schedule(*continuation_);
    }

    async_event& event_;
    executor* exec_ = nullptr;
    completion* continuation_ = nullptr;
    errc error_ = errc::ok;
};

inline void async_event::release(errc e) noexcept
{
    while (waiters_.next != &waiters_) {
        static_cast<wait_operation&>(*waiters_.next).complete(e);
    }
}

inline async_event::~async_event()
{
    release(errc::operation_canceled);
}

inline void async_event::set() noexcept
{
    set_ = true;
    release(errc::ok);
}

inline async_event::wait_operation async_event::wait() noexcept
{
    return wait_operation{*this};
}

}  // namespace tcpco
