// What the reactors of Linux share: the monotonic clock, the eventfd by which other threads wake them, busy polling,
// and the stop on signals.
#pragma once

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "tcpco/async/doorbell.hpp"
#include "tcpco/reactor/reactor_base.hpp"

namespace tcpco {

namespace detail {

inline time_point monotonic_now() noexcept
{
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return time_point{std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
}

inline timespec to_timespec(duration d) noexcept
{
    timespec t{};
    t.tv_sec = static_cast<time_t>(d.ns / 1'000'000'000);
    t.tv_nsec = static_cast<long>(d.ns % 1'000'000'000);
    return t;
}

inline int checked(int result, const char* what)
{
    if (result < 0) {
        throw std::system_error{errno, std::system_category(), what};
    }
    return result;
}

// Between two looks at something that another cpu writes: leaves the core to its sibling.
inline void pause_between_looks() noexcept
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// For as long as it lives the thread that made it runs on one cpu alone. Throws std::system_error.
class cpu_pin {
public:
    explicit cpu_pin(int cpu)
    {
        cpu_set_t set;
        CPU_ZERO(&set);
        int error = cpu >= 0 && cpu < CPU_SETSIZE ? 0 : EINVAL;
        if (error == 0) {
            CPU_SET(static_cast<std::size_t>(cpu), &set);
            error = ::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
        }
        if (error == 0) {
            error = ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
        }
        if (error != 0) {
            throw std::system_error{error, std::system_category(), "pinning a thread to cpu " + std::to_string(cpu)};
        }
    }
    cpu_pin(const cpu_pin&) = delete;
    cpu_pin& operator=(const cpu_pin&) = delete;
    ~cpu_pin() { ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_); }

private:
    cpu_set_t before_{};
};

// An eventfd, readable from signal() to clear(). signal() is for any thread.
class wake_event {
public:
    wake_event() : fd_{checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")} {}
    wake_event(const wake_event&) = delete;
    wake_event& operator=(const wake_event&) = delete;
    ~wake_event() { ::close(fd_); }

    int fd() const noexcept { return fd_; }
    void signal() const noexcept
    {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(fd_, &one, sizeof one);  // full means readable, too
    }
    void clear() const noexcept
    {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto n = ::read(fd_, &count, sizeof count);
    }

private:
    int fd_;
};

// For a loop around a reactor: one epoll descriptor that is readable when one of many is ready.
class poll_embedding {
public:
    poll_embedding() : epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")} {}
    poll_embedding(const poll_embedding&) = delete;
    poll_embedding& operator=(const poll_embedding&) = delete;
    ~poll_embedding() { ::close(epoll_); }

    int fd() const noexcept { return epoll_; }

    // From now on watches these and no others; negative descriptors are left out. False when one of them cannot be
    // watched: a regular file, which is always ready, or a bad descriptor.
    bool watch(std::span<const pollfd> wanted)
    {
        for (const epoll_event& e : watched_) {
            static_cast<void>(::epoll_ctl(epoll_, EPOLL_CTL_DEL, e.data.fd, nullptr));
        }
        watched_.clear();
        bool all = true;
        for (const pollfd& p : wanted) {
            all = (p.fd < 0 || add(p.fd, static_cast<unsigned short>(p.events))) && all;
        }
        return all;
    }

private:
    // The bits of poll and epoll are the same. A descriptor may be wanted more than once.
    bool add(int fd, unsigned events)
    {
        for (epoll_event& e : watched_) {
            if (e.data.fd == fd) {
                e.events |= events;
                return ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e) == 0;
            }
        }
        epoll_event e{};
        e.events = events;
        e.data.fd = fd;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) {
            return false;
        }
        watched_.push_back(e);
        return true;
    }

    int epoll_;
    std::vector<epoll_event> watched_;
};

// Signals as a descriptor, blocked for the thread meanwhile.
class signal_descriptor {
public:
    explicit signal_descriptor(std::span<const int> signals)
    {
        sigset_t set;
        sigemptyset(&set);
        for (const int s : signals) {
            sigaddset(&set, s);
        }
        if (const int e = ::pthread_sigmask(SIG_BLOCK, &set, &before_); e != 0) {
            throw std::system_error{e, std::system_category(), "pthread_sigmask"};
        }
        fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd_ < 0) {
            const int e = errno;
            ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
            throw std::system_error{e, std::system_category(), "signalfd"};
        }
    }
    signal_descriptor(const signal_descriptor&) = delete;
    signal_descriptor& operator=(const signal_descriptor&) = delete;
    ~signal_descriptor()
    {
        ::close(fd_);
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

    int fd() const noexcept { return fd_; }
    // The number of the next signal that came; 0 when none did.
    int take() const noexcept
    {
        signalfd_siginfo info{};
        return ::read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
    }

private:
    sigset_t before_{};
    int fd_ = -1;
};

}  // namespace detail

// How often a reactor had to wait, and how the waits ended.
struct wait_counters {
    std::uint64_t slept = 0;     // by giving the cpu away
    std::uint64_t polled = 0;    // while it looked again and again: busy_poll()
    std::uint64_t gave_way = 0;  // since something came while others ran for a moment: giving_way.hpp
};

class linux_reactor : public reactor_base {
public:
    // From now on a turn with nothing to do looks again and again for as long as this before it sleeps: what comes
    // meanwhile is noticed at once, without the wake-up that costs tens of microseconds on another cpu. Zero, the
    // default: sleeps at once, since what is polled with is a whole core, which others may need; worth it where the
    // next packet is expected within the time and the core is this thread's own. duration::max(): never sleeps.
    void set_busy_poll(duration d) noexcept { busy_poll_ = d; }
    duration busy_poll() const noexcept { return busy_poll_; }
    const wait_counters& waits() const noexcept { return waits_; }

    // Wakes `other` from this reactor's thread. Both must outlive it. For what is done on the other thread there is
    // post(): a doorbell only ends a sleep, so that a participant of the other's turns looks at what the two share.
    virtual std::unique_ptr<doorbell> doorbell_to(linux_reactor& other)
    {
        return std::make_unique<eventfd_bell>(other.wake_);
    }

    // From now on the first of these signals requests a stop of what run() runs, and each further one resets all
    // connections. Call it on the reactor's thread, before other threads start: they inherit that the signals are
    // blocked. A failure throws std::system_error.
    void stop_on_signals(std::initializer_list<int> signals)
    {
        stop_on_signals(std::span{signals.begin(), signals.size()});
    }
    void stop_on_signals(std::span<const int> signals) { signals_ = std::make_unique<signal_watch>(*this, signals); }

    // How many of those signals came.
    int signals_seen() const noexcept { return signals_ ? signals_->seen : 0; }

    // One line: which step of the ladder this is, and why it is not a higher one.
    virtual std::string why() const = 0;

    virtual std::unique_ptr<frame_port> open_port(const port_options& options, buffer_pool& pool) = 0;
    virtual ~linux_reactor() = default;

protected:
    linux_reactor()
    {
        set_now(detail::monotonic_now());
        get_executor().set_waker([](void* self) { static_cast<linux_reactor*>(self)->wake_.signal(); }, this);
    }

    // For the derived destructor: no signal is awaited any more.
    void end_signals() noexcept { signals_.reset(); }

    time_point clock() const noexcept override { return detail::monotonic_now(); }

    class eventfd_bell final : public doorbell {
    public:
        explicit eventfd_bell(const detail::wake_event& wake) noexcept : wake_{wake} {}
        void ring() noexcept override { wake_.signal(); }

    private:
        const detail::wake_event& wake_;
    };
    static const detail::wake_event& wake_of(const linux_reactor& other) noexcept { return other.wake_; }

    void count_sleep() noexcept { ++waits_.slept; }
    void count_giving_way() noexcept { ++waits_.gave_way; }

    // Calls look(), which says whether anything has happened, until it has or busy_poll() is over; `until` is when a
    // timer is due. False: time to sleep.
    template <class Look>
    bool poll_busily(time_point now, time_point until, Look&& look)
    {
        const time_point end = std::min(until, now + busy_poll_);
        for (; now < end; now = clock()) {
            if (look()) {
                ++waits_.polled;
                return true;
            }
            detail::pause_between_looks();
        }
        ++(end == until ? waits_.polled : waits_.slept);
        return end == until;
    }

    detail::wake_event wake_{};

private:
    // Waits for the descriptor over and over, without a coroutine.
    struct signal_watch : completion {
        signal_watch(linux_reactor& r, std::span<const int> set)
            : completion{&arrived}, owner{r}, descriptor{set}
        {
            wait();
        }
        void wait()
        {
            operation.emplace(owner.wait_fd(descriptor.fd(), short{POLLIN}));
            const environment env{.stop = {}, .deadline = time_point::never(), .exec = &owner.get_executor()};
            static_cast<void>(operation->start(*this, env));
        }
        static void arrived(completion& c) noexcept
        {
            auto& self = static_cast<signal_watch&>(c);
            while (self.descriptor.take() != 0) {
                if (++self.seen == 1) {
                    self.owner.stop();
                } else {
                    self.owner.abort_all();
                }
            }
            self.wait();
        }
        linux_reactor& owner;
        detail::signal_descriptor descriptor;
        std::optional<wait_fd_operation> operation{};
        int seen = 0;
    };

    duration busy_poll_{};
    wait_counters waits_{};
    std::unique_ptr<signal_watch> signals_{};
};

}  // namespace tcpco
