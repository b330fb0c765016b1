// What a program can await of the reactor itself, next to its stacks: readiness of any file descriptor, and any
// io_uring operation.
//
//     auto [ec, events] = co_await reactor.wait_fd(fd, POLLIN);
//     auto [ec, n] = co_await reactor.submit([&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fd, buf, len, 0); });
//
// wait_fd works on reactors that do I/O; submit on uring_reactor alone. Elsewhere they are done at once with
// operation_not_supported. Cancellation: operation_canceled, unless the kernel was faster.
//
// A wait may be destroyed at any time. A submitted operation may not: the kernel still writes to the caller's memory.
// To destroy one in flight ends the program with a message.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tcpco/async/environment.hpp"
#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/core/completion.hpp"

struct io_uring_sqe;  // liburing's; this header does not need it

namespace tcpco {

// Whoever a completion of the kernel is for. Its address is the user_data of an io_uring entry.
struct kernel_completion {
    using function = void (*)(kernel_completion&, int result, unsigned flags) noexcept;

    explicit kernel_completion(function f) noexcept : on_completed{f} {}
    kernel_completion(const kernel_completion&) = delete;
    kernel_completion& operator=(const kernel_completion&) = delete;

    function on_completed;
};

// The part of an awaited kernel operation that a reactor works with.
struct kernel_operation {
    bool pending = false;        // with the reactor; finish() ends it
    std::error_code ec{};
    std::size_t n = 0;
    completion* done = nullptr;  // who is told
    executor* exec = nullptr;

    void finish(std::error_code error, std::size_t value) noexcept
    {
        pending = false;
        ec = error;
        n = value;
        exec->schedule(*done);
    }
    // As the kernel says it: a negative errno, or a value.
    void finish(int result) noexcept
    {
        if (result == -ECANCELED) {
            finish(make_error_code(errc::operation_canceled), 0);  // as every other wait says it
        } else if (result < 0) {
            finish(std::error_code{-result, std::system_category()}, 0);
        } else {
            finish({}, static_cast<std::size_t>(result));
        }
    }
};

struct fd_wait : kernel_operation {
    int fd = -1;
    short events = 0;
    void* record = nullptr;  // the reactor's
};

struct sqe_submission : kernel_operation {
    using fill_function = void (*)(sqe_submission&, io_uring_sqe*);
    fill_function fill = nullptr;
    void* record = nullptr;  // the reactor's
};

// What a reactor does for these operations. A begin_ that returns an error has not begun.
class io_backend {
public:
    virtual std::error_code begin_wait(fd_wait&) { return make_error_code(errc::operation_not_supported); }
    virtual void cancel_wait(fd_wait&) noexcept {}
    virtual void abandon_wait(fd_wait&) noexcept {}
    virtual std::error_code begin_submission(sqe_submission&) { return make_error_code(errc::operation_not_supported); }
    virtual void cancel_submission(sqe_submission&) noexcept {}

protected:
    ~io_backend() = default;
};

namespace detail {

// True if `op` has begun; else its result stands.
template <class Begin>
bool begin_kernel_operation(kernel_operation& op, completion& c, const environment& env, Begin begin)
{
    op.n = 0;
    if (env.stop.stop_requested()) {
        op.ec = make_error_code(errc::operation_canceled);
        return false;
    }
    if (env.exec == nullptr) {
        op.ec = make_error_code(errc::operation_not_supported);
        return false;
    }
    op.done = &c;
    op.exec = env.exec;
    op.ec = begin();
    op.pending = !op.ec;
    return op.pending;
}

}  // namespace detail

// Completes when one of `events` (POLLIN, POLLOUT, ...) holds for `fd`; n is the set of events that do.
class wait_fd_operation {
public:
    wait_fd_operation(io_backend& backend, int fd, short events) noexcept : backend_{&backend}
    {
        wait_.fd = fd;
        wait_.events = events;
    }
    wait_fd_operation(wait_fd_operation&& other) noexcept : backend_{other.backend_}, wait_{other.wait_} {}
    wait_fd_operation& operator=(wait_fd_operation&&) = delete;
    ~wait_fd_operation()
    {
        if (wait_.pending) {
            backend_->abandon_wait(wait_);
        }
    }

    bool ready() const noexcept { return false; }
    bool start(completion& c, const environment& env)
    {
        return detail::begin_kernel_operation(wait_, c, env, [&] {
            // poll(2) would ignore it for ever
            return wait_.fd < 0 ? make_error_code(errc::bad_file_descriptor) : backend_->begin_wait(wait_);
        });
    }
    void cancel() noexcept
    {
        if (wait_.pending) {
            backend_->cancel_wait(wait_);
        }
    }
    io_result result() const noexcept { return {wait_.ec, wait_.n}; }

private:
    io_backend* backend_;
    fd_wait wait_{};
};

// Any other io_uring operation. `prepare` fills the entry but for its user_data, which is the reactor's; links and
// multishot are not for this door. It is called by start(), which is where memory must be ready; n is the result.
template <class Prepare>
class submit_operation {
    static_assert(std::is_trivially_destructible_v<Prepare>,
                  "name the lambda first, or capture by reference: g++ 12 destroys such temporaries twice in co_await");

public:
    submit_operation(io_backend& backend, Prepare prepare) noexcept : backend_{&backend}, work_{std::move(prepare)} {}
    submit_operation(submit_operation&& other) noexcept
        : backend_{other.backend_}, work_{std::move(other.work_.prepare)}
    {
    }
    submit_operation& operator=(submit_operation&&) = delete;
    ~submit_operation()
    {
        if (work_.pending) {
            std::fputs("tcpco: a coroutine was destroyed while the kernel still works on its submit()\n", stderr);
            std::abort();
        }
    }

    bool ready() const noexcept { return false; }
    bool start(completion& c, const environment& env)
    {
        return detail::begin_kernel_operation(work_, c, env, [&] { return backend_->begin_submission(work_); });
    }
    void cancel() noexcept
    {
        if (work_.pending) {
            backend_->cancel_submission(work_);
        }
    }
    io_result result() const noexcept { return {work_.ec, work_.n}; }

private:
    struct work : sqe_submission {
        explicit work(Prepare p) : prepare{std::move(p)}
        {
            fill = [](sqe_submission& self, io_uring_sqe* sqe) { static_cast<work&>(self).prepare(sqe); };
        }
        Prepare prepare;
    };

    io_backend* backend_;
    work work_;
};

}  // namespace tcpco
