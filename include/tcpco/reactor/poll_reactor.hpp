// The lowest step of the ladder: poll(2), read and writev. Works wherever io_uring is forbidden (containers), with the
// same interface; only submit() is not there.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include "tcpco/reactor/poll_common.hpp"
#include "tcpco/reactor/poll_port.hpp"

namespace tcpco {

class poll_reactor final : public linux_reactor {
public:
    explicit poll_reactor(std::string reason = "asked for") : reason_{std::move(reason)} {}
    ~poll_reactor() override { end_signals(); }

    std::string why() const override { return "poll(2): " + reason_; }

    std::unique_ptr<frame_port> open_port(const port_options& options, buffer_pool& pool) override
    {
        if (embedding_) {
            wake_.signal();  // a turn, so that its frames are waited for
        }
        return std::make_unique<poll_port>(ports_, options, pool);
    }

    // An epoll descriptor that watches what a turn would wait for.
    int event_fd() override
    {
        if (!embedding_) {
            embedding_.emplace();
            io_finish(true);
        }
        return embedding_->fd();
    }

private:
    // The wake event first, then the ports, then the waits.
    void gather_interest()
    {
        polled_.clear();
        polled_.push_back({wake_.fd(), POLLIN, 0});
        for (const poll_port* port : ports_) {
            const short interest = port->interest();
            polled_.push_back({interest != 0 ? port->fd() : -1, interest, 0});
        }
        for (const fd_wait* wait : waits_) {
            polled_.push_back({wait->fd, wait->events, 0});
        }
    }

    bool io_wait(time_point until) override
    {
        gather_interest();
        time_point now = clock();
        if (until > now && busy_poll() == duration::zero()) {
            count_sleep();
        } else if (until > now) {
            const bool busy =
                poll_busily(now, until, [this] { return ::poll(polled_.data(), polled_.size(), 0) != 0; });
            now = clock();
            until = busy ? now : until;
        }
        const timespec timeout = detail::to_timespec(until > now ? until - now : duration::zero());
        const int n =
            ::ppoll(polled_.data(), polled_.size(), until == time_point::never() ? nullptr : &timeout, nullptr);
        if (n > 0) {
            handle_events();
        } else if (n < 0 && errno != EINTR) {
            throw std::system_error{errno, std::system_category(), "ppoll"};
        }
        return true;
    }

    void handle_events()
    {
        if (polled_[0].revents != 0) {
            wake_.clear();
        }
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            if (polled_[i + 1].revents != 0) {
                ports_[i]->handle_events(polled_[i + 1].revents);
            }
        }
        const std::size_t first = 1 + ports_.size();
        for (std::size_t i = waits_.size(); i-- > 0;) {
            const short events = polled_[first + i].revents;
            if (events != 0) {
                end_wait(i, events);
            }
        }
    }

    void end_wait(std::size_t i, short events)
    {
        fd_wait& wait = *waits_[i];
        waits_.erase(waits_.begin() + static_cast<std::ptrdiff_t>(i));
        if ((events & POLLNVAL) != 0) {
            wait.finish(-EBADF);
        } else {
            wait.finish(events);
        }
    }

    void io_finish(bool) override
    {
        if (embedding_) {
            gather_interest();
            if (!embedding_->watch(polled_)) {
                wake_.signal();  // one that is always ready: the next turn finds out
            }
        }
    }

    std::error_code begin_wait(fd_wait& wait) override
    {
        waits_.push_back(&wait);
        return {};
    }
    void cancel_wait(fd_wait& wait) noexcept override
    {
        std::erase(waits_, &wait);
        wait.finish(-ECANCELED);
    }
    void abandon_wait(fd_wait& wait) noexcept override { std::erase(waits_, &wait); }

    std::string reason_;
    std::vector<poll_port*> ports_;
    std::vector<fd_wait*> waits_;
    std::vector<pollfd> polled_;
    std::optional<detail::poll_embedding> embedding_;
};

static_assert(fd_reactor<poll_reactor>);

}  // namespace tcpco
