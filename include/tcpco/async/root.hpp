// root<T>: the task at the bottom, started on an executor by something that is not a coroutine.
//
//     root main{executor, serve(stack)};
//     while (!main.done()) { turn(); }
//     main.result();
//
// A reactor's run(task) is built on it. It queues the task at construction; destroying it destroys the task.
#pragma once

#include <utility>

#include "tcpco/async/environment.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

template <class T = void>
class root {
public:
    // Of `env`, the stop token and the deadline count; the executor is `home`.
    root(executor& home, task<T> t, environment env = {}) noexcept
        : env_{env}, operation_{std::move(t)}, queued_{*this}, stop_{*this}
    {
        env_.exec = &home;
        home.schedule(queued_);
    }
    root(const root&) = delete;
    root& operator=(const root&) = delete;

    bool done() const noexcept { return done_; }

    // Once, after done(); rethrows.
    T result() { return operation_.result(); }

    void request_stop() noexcept
    {
        if (!done_) {
            operation_.cancel();
        }
    }

private:
    struct step : completion {
        explicit step(root& r) noexcept : completion{&begin}, self{r} {}
        root& self;
    };
    struct stop_listener : stop_callback {
        explicit stop_listener(root& r) noexcept : stop_callback{&stopped}, self{r} {}
        root& self;
    };

    static void begin(completion& c) noexcept
    {
        root& self = static_cast<step&>(c).self;
        c.invoke = &end;
        if (!self.env_.stop.attach(self.stop_)) {
            self.operation_.cancel();
        }
        if (!self.operation_.start(c, self.env_)) {
            end(c);
        }
    }

    static void end(completion& c) noexcept
    {
        root& self = static_cast<step&>(c).self;
        self.stop_.detach();
        self.done_ = true;
    }

    static void stopped(stop_callback& callback) noexcept { static_cast<stop_listener&>(callback).self.request_stop(); }

    environment env_;
    bool done_ = false;
    task_operation<T> operation_;
    step queued_;
    stop_listener stop_;
};

}  // namespace tcpco
