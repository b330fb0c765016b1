// The executor: one thread's ready queue, timers and door for other threads.
//
// Its ready queue is the only thing that resumes coroutines (a task that starts its child is the one exception): the
// core, timers, cancel() and stop requests append a completion and return. Resuming inline from cancel() destroyed
// frames inside their own calls. The queue is first in, first out, so a run is a function of its inputs alone.
//
// A reactor owns an executor and drives it, once a turn:
//
//     executor.set_now(now);  executor.collect_posted();  executor.fire_timers(now);  executor.run_ready(budget);
//     sleep until executor.next_timer(), unless executor.has_ready()
//
// Everything but post() belongs to the executor's thread. Nothing here allocates.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "tcpco/async/deadline_timer.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

class executor {
public:
    // How many awaits of one resumption may complete without suspending before the coroutine has to queue behind the
    // others: a connection whose data is always ready must not starve its neighbours.
    static constexpr unsigned synchronous_limit = 64;

    // How deep tasks may start their children on the caller's stack; the queue starts those beyond.
    static constexpr unsigned inline_limit = 64;

    executor() noexcept { ready_.next = ready_.prev = &ready_; }
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    // Completions and timers that are still queued are left unlinked and never invoked. No post() may be running.
    ~executor()
    {
        collect_posted();
        while (has_ready()) {
            ready_.next->unlink();
        }
    }

    // Appends to the ready queue; a completion that is queued already keeps its place.
    void schedule(completion& c) noexcept
    {
        if (!c.linked()) {
            c.link_before(ready_);
        }
    }

    // Invokes up to `budget` completions, in order; those that are scheduled meanwhile count too. Returns how many.
    std::size_t run_ready(std::size_t budget)
    {
        const current_scope scope{*this};
        std::size_t count = 0;
        for (; count < budget && has_ready(); ++count) {
            completion& c = static_cast<completion&>(*ready_.next);
            c.unlink();
            synchronous_left_ = synchronous_limit;
            c.invoke(c);
        }
        return count;
    }

    bool has_ready() const noexcept { return ready_.next != &ready_; }

    // The time of this turn, as the reactor set it. It does not move while coroutines run.
    time_point now() const noexcept { return now_; }
    void set_now(time_point now) noexcept { now_ = now; }

    // A timer that is armed already is moved. At time_point::never() it is not armed at all.
    void arm(deadline_timer& timer, time_point at) noexcept
    {
        disarm(timer);
        if (at != time_point::never()) {
            timers_.insert(timer, at);
        }
    }

    // Afterwards the timer is neither armed nor, where it had fired in this turn, queued.
    void disarm(deadline_timer& timer) noexcept { timer.disarm(); }

    // time_point::never() if no timer is armed.
    time_point next_timer() const noexcept
    {
        return timers_.empty() ? time_point::never() : timers_.earliest()->at();
    }

    // Schedules all timers that are due, by time, and among equals in the order of arming.
    void fire_timers(time_point now) noexcept
    {
        while (next_timer() <= now && !timers_.empty()) {
            deadline_timer& timer = *timers_.earliest();
            timers_.remove(timer);
            schedule(timer);
        }
    }

    // From any thread. The completion must stay alive, and must not be posted or scheduled again, until it is invoked;
    // what the caller did before happens before that. Wakes the reactor if it may be asleep.
    void post(completion& c) noexcept
    {
        if (current() == this) {
            collect_posted();  // so that order is kept; and no wake-up is needed, for has_ready() holds now
            schedule(c);
            return;
        }
        // Copied first: once the push is done, the completion may run and end whatever owns this executor.
        const auto wake = wake_;
        void* const context = wake_context_;
        completion* top = posted_.load(std::memory_order_relaxed);
        do {
            c.prev = top;  // `next` stays null, so that the completion does not count as linked
        } while (!posted_.compare_exchange_weak(top, &c, std::memory_order_release, std::memory_order_relaxed));
        // A stack that was not empty has been announced by whoever made it so, and is not collected yet.
        if (top == nullptr && wake != nullptr) {
            wake(context);
        }
    }

    // Moves what other threads posted to the ready queue, in the order of posting.
    void collect_posted() noexcept
    {
        completion* newest = posted_.load(std::memory_order_relaxed);
        if (newest == nullptr) {
            return;
        }
        newest = posted_.exchange(nullptr, std::memory_order_acquire);
        completion* oldest = nullptr;
        while (newest != nullptr) {
            completion* older = static_cast<completion*>(newest->prev);
            newest->prev = oldest;
            oldest = std::exchange(newest, older);
        }
        while (oldest != nullptr) {
            completion* newer = static_cast<completion*>(std::exchange(oldest->prev, nullptr));
            schedule(*oldest);
            oldest = newer;
        }
    }

    // `wake(context)` is called on posting threads and must end the reactor's sleep, or the next one if it is awake.
    // Set before other threads know the executor.
    void set_waker(void (*wake)(void*), void* context) noexcept
    {
        wake_ = wake;
        wake_context_ = context;
    }

    // The executor whose run_ready() is on this thread's stack; null outside.
    static executor* current() noexcept { return current_; }

    // The same in two steps: asked before, and counted when it has completed.
    bool has_synchronous() const noexcept { return synchronous_left_ != 0; }
    void spend_synchronous() noexcept { --synchronous_left_; }

    // One await that completes without suspending; false once synchronous_limit is used up.
    bool take_synchronous() noexcept
    {
        if (synchronous_left_ == 0) {
            return false;
        }
        --synchronous_left_;
        return true;
    }

    bool may_start_inline() const noexcept { return inline_depth_ < inline_limit; }
    void enter_inline() noexcept { ++inline_depth_; }
    void leave_inline() noexcept { --inline_depth_; }

private:
    class current_scope {
    public:
        explicit current_scope(executor& e) noexcept : outer_{std::exchange(current_, &e)} {}
        current_scope(const current_scope&) = delete;
        current_scope& operator=(const current_scope&) = delete;
        ~current_scope() { current_ = outer_; }

    private:
        executor* outer_;
    };

    static constinit inline thread_local executor* current_ = nullptr;

    ready_node ready_;
    timer_heap timers_;
    time_point now_;
    unsigned synchronous_left_ = synchronous_limit;
    unsigned inline_depth_ = 0;
    void (*wake_)(void*) = nullptr;
    void* wake_context_ = nullptr;
    std::atomic<completion*> posted_{nullptr};
};

}  // namespace tcpco
