// The upper step of the ladder: io_uring waits for all that a program waits for, and writes where much is to be
// written. Devices are read by read(2); see uring_reader.hpp.
//
// One system call submits what the last turn wrote, waits, and harvests. The constructor throws std::system_error where
// io_uring is refused; system_reactor then falls back to poll(2).
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <liburing.h>
#include <sched.h>

#include "tcpco/reactor/giving_way.hpp"
#include "tcpco/reactor/poll_common.hpp"
#include "tcpco/reactor/uring_bell.hpp"
#include "tcpco/reactor/uring_port.hpp"
#include "tcpco/reactor/uring_ring.hpp"

namespace tcpco {

class uring_reactor final : public linux_reactor {
public:
    explicit uring_reactor(const uring_settings& settings = uring_settings::from_environment()) : ring_{settings} {}
    ~uring_reactor() override
    {
        end_signals();
        free_records();
    }

    std::string why() const override
    {
        return ring_.deferred() ? "io_uring" : "io_uring without DEFER_TASKRUN";
    }

    std::unique_ptr<frame_port> open_port(const port_options& options, buffer_pool& pool) override
    {
        if (event_) {
            event_->signal();  // a turn, so that its frames are waited for
        }
        return std::make_unique<uring_port>(ring_, ports_, options, pool);
    }

    // By a message from ring to ring, which leaves with this turn's submission; an eventfd where the other reactor has
    // no ring, or the kernel no such messages.
    std::unique_ptr<doorbell> doorbell_to(linux_reactor& other) override
    {
        auto* const to = dynamic_cast<uring_reactor*>(&other);
        if (to == nullptr || !ring_.msg_ring()) {
            return linux_reactor::doorbell_to(other);
        }
        return std::make_unique<uring_bell>(ring_, to->ring_.get()->ring_fd, wake_of(other));
    }

    // An epoll descriptor over an eventfd that is registered with the ring (poll and epoll on the ring's own
    // descriptor do not wake), over the wake-up, and over what wait_fd() waits for. The last two because the kernel
    // does not signal an eventfd from within the signal of another one: it defers that, by 10 to 20 ms, and kernel
    // 6.18 forgets it from the second time on. For the same reason, do not submit() a read of an eventfd where a loop
    // is around the reactor.
    int event_fd() override
    {
        if (!embedding_) {
            embedding_.emplace();
            event_.emplace();
            ring_.register_event(event_->fd());
            event_->signal();  // what is there already
            watch_for_embedding();
        }
        return embedding_->fd();
    }

private:
    // Completions of wait_fd() and submit(): a record of the reactor's, so that a wait can be forgotten by its owner
    // while the kernel still knows of it.
    struct record : kernel_completion {
        explicit record(uring_reactor& r) noexcept : kernel_completion{&completed}, owner{r} {}
        static void completed(kernel_completion& c, int result, unsigned) noexcept
        {
            auto& self = static_cast<record&>(c);
            if (self.operation != nullptr) {
                self.operation->finish(result);
            }
            self.owner.release(self);
        }
        uring_reactor& owner;
        kernel_operation* operation = nullptr;
        pollfd watched{-1, 0, 0};  // of a wait_fd
        bool cancelled = false;
    };

    struct wake_watch : kernel_completion {
        explicit wake_watch(detail::wake_event& e) noexcept : kernel_completion{&completed}, event{e} {}
        static void completed(kernel_completion& c, int, unsigned) noexcept
        {
            auto& self = static_cast<wake_watch&>(c);
            self.armed = false;
            self.event.clear();
        }
        detail::wake_event& event;
        bool armed = false;
    };

    bool io_wait(time_point until) override
    {
        ring_.enable();
        arm_wake();
        if (event_) {
            event_->clear();
        }
        if (const unsigned writes = writes_under_way(); writes != 0) {
            ring_.submit_and_wait_for(writes);
            static_cast<void>(look());  // else who writes without end would read nothing
        } else if (!look()) {
            wait_or_collect(until);
        } else {
            static_cast<void>(ring_.has_completions());  // collects them where they show
        }
        harvest();
        return true;
    }

    void wait_or_collect(time_point until)
    {
        const time_point now = clock();
        if (until > now) {
            wait(now, until);
        } else {
            ring_.submit_and_collect();
        }
    }

    // Reads what is there. What the last turn left for the ring leaves first.
    bool look()
    {
        if (ports_.empty()) {
            return false;
        }
        if (ring_.unsubmitted() != 0) {
            ring_.submit_and_collect();
            for (uring_port* port : ports_) {
                port->after_submission();
            }
        }
        bool came = false;
        for (uring_port* port : ports_) {
            came = port->look() || came;
        }
        return came;
    }

    void wait(time_point now, time_point until)
    {
        if (busy_poll() > duration::zero()) {
            ring_.submit_and_collect();
            if (poll_busily(now, until, [this] { return look() || ring_.has_completions(); })) {
                return;
            }
            now = clock();
        } else if (give_way(now)) {
            return;
        } else {
            count_sleep();
        }
        for (uring_port* port : ports_) {
            port->before_sleep();
        }
        ring_.submit_and_wait(until == time_point::never() ? duration::max() : std::max(until - now, duration{1}));
    }

    // True where something came meanwhile.
    bool give_way(time_point& now)
    {
        if (ports_.empty() || !way_.worth_it(now) || ring_.has_completions()) {
            return false;
        }
        ::sched_yield();
        bool came = look();
        came = ring_.has_completions() || came;
        const time_point began = std::exchange(now, clock());
        way_.learn(began, now, came);
        if (came) {
            count_giving_way();
        }
        return came;
    }

    unsigned writes_under_way() const noexcept
    {
        unsigned total = 0;
        for (const uring_port* port : ports_) {
            total += port->writes_under_way();
        }
        return total;
    }

    void harvest()
    {
        for (uring_port* port : ports_) {
            port->after_submission();
        }
        ring_.harvest();
        for (uring_port* port : ports_) {
            port->after_harvest();
        }
    }

    void io_finish(bool submit) override
    {
        for (uring_port* port : ports_) {
            port->prepare_writes();
        }
        if (submit) {
            arm_wake();
            ring_.submit();
            for (uring_port* port : ports_) {
                port->after_submission();
            }
            if (embedding_) {
                for (uring_port* port : ports_) {
                    port->before_sleep();
                }
                ring_.submit();
                watch_for_embedding();
            }
        }
    }

    void watch_for_embedding()
    {
        std::vector<pollfd> wanted{{event_->fd(), POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
        for (const auto& r : all_) {
            if (r->operation != nullptr) {
                wanted.push_back(r->watched);
            }
        }
        static_cast<void>(embedding_->watch(wanted));  // what cannot be watched shows by its completion
    }

    void arm_wake() noexcept
    {
        if (woken_.armed) {
            return;
        }
        if (io_uring_sqe* sqe = ring_.get_sqe()) {
            io_uring_prep_poll_add(sqe, wake_.fd(), POLLIN);
            io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(&woken_));
            woken_.armed = true;
        }
    }

    record& acquire(kernel_operation& op)
    {
        if (free_.empty()) {
            all_.push_back(std::make_unique<record>(*this));
            free_.reserve(all_.size());
            free_.push_back(all_.back().get());
        }
        record& r = *free_.back();
        free_.pop_back();
        r.operation = &op;
        r.watched = {-1, 0, 0};
        r.cancelled = false;
        return r;
    }
    void release(record& r) noexcept
    {
        r.operation = nullptr;
        free_.push_back(&r);
    }

    // At the end: what the kernel still works on for records must not outlive them.
    void free_records() noexcept
    {
        if (!ring_.enabled()) {
            return;
        }
        for (const auto& r : all_) {
            if (std::find(free_.begin(), free_.end(), r.get()) == free_.end()) {
                cancel(*r);
            }
        }
        while (free_.size() != all_.size()) {
            ring_.submit_and_wait(duration::max());
            ring_.harvest();
        }
    }

    void cancel(record& r) noexcept
    {
        if (!std::exchange(r.cancelled, true)) {
            ring_.cancel(r);
        }
    }

    template <class Operation, class Fill>
    std::error_code begin(Operation& op, Fill fill)
    {
        io_uring_sqe* sqe = ring_.get_sqe();
        if (sqe == nullptr) {
            return make_error_code(errc::no_buffer_space);
        }
        record& r = acquire(op);
        op.record = &r;
        fill(sqe);
        io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(&r));
        return {};
    }

    std::error_code begin_wait(fd_wait& wait) override
    {
        const std::error_code ec = begin(wait, [&](io_uring_sqe* sqe) {
            io_uring_prep_poll_add(sqe, wait.fd, static_cast<unsigned short>(wait.events));
        });
        if (!ec) {
            static_cast<record*>(wait.record)->watched = {wait.fd, wait.events, 0};
        }
        return ec;
    }
    void cancel_wait(fd_wait& wait) noexcept override { cancel(*static_cast<record*>(wait.record)); }
    void abandon_wait(fd_wait& wait) noexcept override
    {
        record& r = *static_cast<record*>(wait.record);
        r.operation = nullptr;
        cancel(r);
    }

    std::error_code begin_submission(sqe_submission& s) override
    {
        return begin(s, [&](io_uring_sqe* sqe) { s.fill(s, sqe); });
    }
    void cancel_submission(sqe_submission& s) noexcept override { cancel(*static_cast<record*>(s.record)); }

    uring_ring ring_;
    std::vector<uring_port*> ports_;
    giving_way way_;
    std::optional<detail::wake_event> event_;
    std::optional<detail::poll_embedding> embedding_;
    wake_watch woken_{wake_};
    std::vector<std::unique_ptr<record>> all_;
    std::vector<record*> free_;
};

static_assert(fd_reactor<uring_reactor>);

}  // namespace tcpco
