// A call of the façade: made on one thread, carried out on the stack's.
//
// A call is a step function, run on the stack's thread again and again until it has an answer: a value, or a negated
// errno, as between a kernel and its C library. In between it stands in the lists of the sockets that it waits for.
// Whoever made the call sleeps meanwhile on a condition variable; or, where time is stepped, runs turns of the reactor.
#pragma once

#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>

#include "tcpco/async/deadline_timer.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco::posix::detail {

// A step's answer: not done, run me again when something changed.
inline constexpr long pending = LONG_MIN;

class call;

// A call's place in the list of a socket's waiters.
struct wait_node : ready_node {
    call* owner = nullptr;
};

class call : completion {
public:
    // `step(call&) -> long` must outlive the call.
    template <class Step>
    call(executor& exec, Step& step)
        : completion{&resumed}, exec_{exec}, step_{[](void* s, call& c) { return (*static_cast<Step*>(s))(c); }},
          context_{&step}
    {
    }

    // --- for whoever makes the call --------------------------------------------------------------------------------

    void post() noexcept { exec_.post(*this); }
    long sleep_until_done()
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return done_; });
        return result_;
    }
    bool done() const noexcept { return done_; }  // on the stack's thread only
    long result() const noexcept { return result_; }

    // --- on the stack's thread -------------------------------------------------------------------------------------

    void run() noexcept
    {
        long answer = 0;
        try {
            answer = step_(context_, *this);
        } catch (const std::bad_alloc&) {
            answer = -ENOMEM;
        }
        if (answer != pending) {
            finish(answer);
        }
    }
    void finish(long answer) noexcept
    {
        unlink();
        timer_.disarm();
        again_.disarm();
        active_.unlink();
        single_.unlink();
        many_.reset();
        const std::lock_guard lock{mutex_};  // held while notifying: the caller may go away as soon as it is awake
        result_ = answer;
        done_ = true;
        changed_.notify_one();
    }
    void schedule() noexcept { exec_.schedule(*this); }
    // For the few waits that no event of the stack ends.
    void look_again() noexcept
    {
        constexpr duration pause{1'000'000};  // 1 ms
        exec_.arm(again_, exec_.now() + pause);
    }

    // Whether the step may wait: not after `limit` has passed since it was first asked, which zero is at once.
    bool may_wait(duration limit, ready_node& active_calls) noexcept
    {
        if (expired_ || limit <= duration::zero()) {
            return false;
        }
        if (!active_.linked()) {
            active_.owner = this;
            active_.link_before(active_calls);
            exec_.arm(timer_, limit == duration::max() ? time_point::never() : exec_.now() + limit);
        }
        return true;
    }

    // A call that waits for several sockets needs a place for each.
    void reserve(std::size_t places)
    {
        many_ = std::make_unique<wait_node[]>(places);
        places_ = places;
        used_ = 0;
    }
    void forget_places() noexcept
    {
        for (std::size_t i = 0; i < used_; ++i) {
            many_[i].unlink();
        }
        used_ = 0;
    }
    void stand_in(ready_node& waiters) noexcept
    {
        wait_node& place = many_ == nullptr ? single_ : many_[used_ < places_ ? used_++ : places_ - 1];
        place.owner = this;
        if (!place.linked()) {
            place.link_before(waiters);
        }
    }

    // Which socket a number meant when the call began: the number may come to mean another one while it waits.
    std::uint64_t serial = 0;

private:
    struct expiry : deadline_timer {
        explicit expiry(call& c) noexcept : deadline_timer{&fired}, owner{c} {}
        static void fired(completion& c) noexcept
        {
            call& owner = static_cast<expiry&>(c).owner;
            owner.expired_ = true;
            owner.run();
        }
        call& owner;
    };

    struct repetition : deadline_timer {
        explicit repetition(call& c) noexcept : deadline_timer{&fired}, owner{c} {}
        static void fired(completion& c) noexcept { static_cast<repetition&>(c).owner.run(); }
        call& owner;
    };

    static void resumed(completion& c) noexcept { static_cast<call&>(c).run(); }

    executor& exec_;
    long (*step_)(void*, call&);
    void* context_;
    expiry timer_{*this};
    repetition again_{*this};
    wait_node active_;  // in the list of all calls that wait
    wait_node single_;
    std::unique_ptr<wait_node[]> many_;
    std::size_t places_ = 0;
    std::size_t used_ = 0;
    bool expired_ = false;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    long result_ = 0;
};

}  // namespace tcpco::posix::detail
