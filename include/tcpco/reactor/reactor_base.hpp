// What all reactors have in common: the executor, the participants, the turn, and the calls that a program makes.
//
//     reactor.run(task)      runs turns until the task is done and returns its result (or throws its exception)
//     reactor.turn(d)        one turn that waits for at most d; for programs with a loop of their own, which sleep
//                            until event_fd() is readable or deadline() has come
//     reactor.post(f)        from any thread: f() runs on the reactor's thread
//     reactor.stop()         requests a stop of the running task and of all that inherit its environment
//
// A reactor belongs to the thread that runs its turns. What a derived reactor adds is how to wait.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/environment.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/reactor/io_operations.hpp"

namespace tcpco {

// run() found that its task waits for something that can never come.
class deadlock_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

class reactor_base : protected io_backend {
public:
    reactor_base(const reactor_base&) = delete;
    reactor_base& operator=(const reactor_base&) = delete;

    executor& get_executor() noexcept { return executor_; }

    // The time of the last turn; within a turn it does not move.
    time_point now() const noexcept { return executor_.now(); }

    void add(turn_participant& p) { participants_.push_back(&p); }
    // Possible within a turn, too.
    void remove(turn_participant& p) noexcept
    {
        std::replace(participants_.begin(), participants_.end(), &p, static_cast<turn_participant*>(nullptr));
    }

    // Runs a task, or any operation, to its end. Throws deadlock_error where nothing can happen any more.
    template <class Work>
    auto run(Work work)
    {
        auto op = as_operation(std::move(work));
        return run_operation(op);
    }

    // One turn; waits for at most `max_wait`. False when there was nothing to do and nothing can come: only a reactor
    // of virtual time ever knows.
    bool turn(duration max_wait = duration::zero())
    {
        const bool alive = step(max_wait);
        io_finish(true);
        return alive;
    }

    // When the next turn must come at the latest if event_fd() says nothing; up to now() means at once.
    time_point deadline() const noexcept
    {
        if (executor_.has_ready()) {
            return time_point::min();
        }
        time_point at = executor_.next_timer();
        for (const turn_participant* p : participants_) {
            if (p != nullptr) {
                at = std::min(at, p->deadline());
            }
        }
        return at;
    }

    // A descriptor that is readable when a turn has something to do; it needs no reading. -1 where there is none.
    virtual int event_fd() { return -1; }

    // Graceful: the root task sees a stop request, and comes to its end. On the reactor's thread; from others post()
    // it. Outside of run() it holds for the next run.
    void stop() noexcept
    {
        stop_requested_ = true;
        if (root_stop_) {
            root_stop_->request_stop();
        }
    }

    // The second, impatient stop: every stack of this reactor resets its connections.
    void abort_all()
    {
        for (std::size_t i = 0; i < participants_.size(); ++i) {
            if (participants_[i] != nullptr) {
                participants_[i]->abort_all(now());
            }
        }
    }

    // From any thread. `f` must not throw. What is still waiting when the reactor is destroyed is destroyed unrun.
    template <class F>
    void post(F f)
    {
        bool first = false;
        {
            const std::lock_guard lock{posted_mutex_};
            first = posted_.empty();
            posted_.push_back(std::make_unique<posted_function<F>>(std::move(f)));
        }
        if (first) {
            executor_.post(run_posted_);
        }
    }

    // Completes when one of `events` (POLLIN, POLLOUT) holds for `fd`.
    wait_fd_operation wait_fd(int fd, short events) noexcept { return {*this, fd, events}; }

    // Completes with the result of any io_uring operation.
    template <class Prepare>
    submit_operation<Prepare> submit(Prepare prepare)
    {
        return {*this, std::move(prepare)};
    }

protected:
    reactor_base() = default;
    ~reactor_base() = default;

    // How many completions, and how long, applications run before the device is looked at again.
    static constexpr std::size_t ready_batch = 64;
    static constexpr duration application_slice{100'000};  // 100 us

    // The clock of this reactor.
    virtual time_point clock() const noexcept = 0;
    // Submits what is prepared, waits until `until` (not at all when that is past) or until something happens, and
    // harvests everything. Returns false if nothing will ever happen.
    virtual bool io_wait(time_point until) = 0;
    // The end of a turn: gives slots back to the kernel and prepares writes; with `submit`, also submits.
    virtual void io_finish(bool submit) = 0;
    // Tells why nothing can happen, for deadlock_error.
    virtual std::string explain_deadlock() const { return "nothing is left that could ever happen"; }

    void set_now(time_point now) noexcept { executor_.set_now(now); }

    // A turn without its last submission.
    bool step(duration max_wait)
    {
        time_point until = deadline();
        if (max_wait != duration::max()) {
            until = std::min(until, clock() + max_wait);
        }
        if (!io_wait(until)) {
            return false;
        }
        executor_.set_now(clock());
        std::erase(participants_, nullptr);
        for_each_participant([&](turn_participant& p) { p.collect(now()); });
        executor_.collect_posted();
        executor_.fire_timers(now());
        run_applications();
        for_each_participant([&](turn_participant& p) { p.after_applications(now()); });
        return true;
    }

private:
    struct posted_base {
        virtual ~posted_base() = default;
        virtual void call() = 0;
    };
    template <class F>
    struct posted_function final : posted_base {
        explicit posted_function(F function) : f{std::move(function)} {}
        void call() override { f(); }
        F f;
    };
    struct posted_runner : completion {
        explicit posted_runner(reactor_base& r) noexcept : completion{&run}, owner{r} {}
        static void run(completion& c) noexcept { static_cast<posted_runner&>(c).owner.call_posted(); }
        reactor_base& owner;
    };
    // Starts an operation inside a turn, so that it finds itself on its executor, and passes a stop on to it.
    template <class Op>
    struct root : completion, stop_callback {
        root(Op& o, const environment& e) noexcept : completion{&begin}, stop_callback{&stopped}, op{o}, env{e} {}
        static void begin(completion& c) noexcept
        {
            root& self = static_cast<root&>(c);
            self.finished = !self.op.start(self.done, self.env);
            if (!self.finished && !self.env.stop.attach(self) && !self.done.linked()) {
                self.op.cancel();
            }
        }
        static void stopped(stop_callback& c) noexcept
        {
            root& self = static_cast<root&>(c);
            if (!self.finished && !self.done.linked()) {  // what is queued has completed, and completed wins
                self.op.cancel();
            }
        }
        struct end : completion {
            explicit end(root& r) noexcept : completion{&finish}, owner{r} {}
            static void finish(completion& c) noexcept { static_cast<end&>(c).owner.finished = true; }
            root& owner;
        };
        Op& op;
        const environment& env;
        end done{*this};
        bool finished = false;
    };

    template <class Op>
    auto run_operation(Op& op)
    {
        root_stop_.emplace();
        if (stop_requested_) {
            root_stop_->request_stop();
        }
        const environment env{.stop = root_stop_->token(), .deadline = time_point::never(), .exec = &executor_};
        root<Op> r{op, env};
        executor_.schedule(r);
        while (!r.finished) {
            if (!step(duration::max())) {
                throw deadlock_error{"run(): " + explain_deadlock()};
            }
            io_finish(false);
        }
        io_finish(true);
        stop_requested_ = false;
        return op.result();
    }

    void run_applications()
    {
        const time_point limit = now() + application_slice;
        while (executor_.run_ready(ready_batch) == ready_batch && clock() < limit) {
        }
    }

    // By index: a participant may come or go meanwhile.
    template <class F>
    void for_each_participant(F f)
    {
        for (std::size_t i = 0; i < participants_.size(); ++i) {
            if (participants_[i] != nullptr) {
                f(*participants_[i]);
            }
        }
    }

    void call_posted() noexcept
    {
        std::vector<std::unique_ptr<posted_base>> batch;
        {
            const std::lock_guard lock{posted_mutex_};
            batch.swap(posted_);
        }
        for (const auto& f : batch) {
            f->call();
        }
    }

    executor executor_;
    std::vector<turn_participant*> participants_;
    std::optional<stop_source> root_stop_;
    bool stop_requested_ = false;
    std::mutex posted_mutex_;
    std::vector<std::unique_ptr<posted_base>> posted_;
    posted_runner run_posted_{*this};
};

}  // namespace tcpco
