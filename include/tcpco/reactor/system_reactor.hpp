// The reactor for programs: io_uring where it can be had, else poll(2), with one interface.
//
//     system_reactor reactor;
//     driver link_driver{net, link, reactor};
//     reactor.stop_on_signals({SIGINT, SIGTERM});
//     reactor.run(serve(net));
//
// why() says in one line which step of the ladder it is and why no higher one. By default that line goes to stderr,
// once a process, when it is not the highest; `say` puts it elsewhere, or nowhere (null).
// TCPCO_URING=off|no-defer|no-msg-ring forces a lower step.
#pragma once

#include <atomic>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "tcpco/reactor/poll_reactor.hpp"
#include "tcpco/reactor/uring_reactor.hpp"

namespace tcpco {

inline void say_on_stderr(const std::string& line)
{
    static std::atomic_flag said = ATOMIC_FLAG_INIT;
    if (!said.test_and_set()) {
        std::fprintf(stderr, "tcpco: reactor: %s\n", line.c_str());
    }
}

struct system_reactor_options {
    uring_settings uring = uring_settings::from_environment();
    void (*say)(const std::string& line) = &say_on_stderr;  // called when it is not the highest step
    duration busy_poll{};  // linux_reactor::set_busy_poll()
};

// The highest step that works here.
inline std::unique_ptr<linux_reactor> make_linux_reactor(const system_reactor_options& options = {})
{
    std::unique_ptr<linux_reactor> made;
    if (options.uring.off) {
        made = std::make_unique<poll_reactor>("TCPCO_URING=off");
    } else {
        try {
            made = std::make_unique<uring_reactor>(options.uring);
        } catch (const std::system_error& refused) {
            made = std::make_unique<poll_reactor>(std::string{"io_uring is refused ("} + refused.what() + ")");
        }
    }
    made->set_busy_poll(options.busy_poll);
    const std::string why = made->why();
    const bool unknown = options.uring.unknown_word;
    if (options.say != nullptr && (why != "io_uring" || unknown)) {
        const char* const ignored = "; TCPCO_URING has a word that is none of off, no-defer, no-msg-ring: ignored";
        options.say(unknown ? why + ignored : why);
    }
    return made;
}

class system_reactor {
public:
    explicit system_reactor(const system_reactor_options& options = {}) : reactor_{make_linux_reactor(options)} {}

    template <class Work>
    auto run(Work work)
    {
        return reactor_->run(std::move(work));
    }
    bool turn(duration max_wait = duration::zero()) { return reactor_->turn(max_wait); }
    time_point deadline() const noexcept { return reactor_->deadline(); }
    int event_fd() { return reactor_->event_fd(); }
    void stop() noexcept { reactor_->stop(); }
    void abort_all() { reactor_->abort_all(); }
    void stop_on_signals(std::initializer_list<int> signals) { reactor_->stop_on_signals(signals); }
    int signals_seen() const noexcept { return reactor_->signals_seen(); }
    std::string why() const { return reactor_->why(); }
    void set_busy_poll(duration d) noexcept { reactor_->set_busy_poll(d); }
    const wait_counters& waits() const noexcept { return reactor_->waits(); }
    template <class F>
    void post(F f)
    {
        reactor_->post(std::move(f));
    }
    wait_fd_operation wait_fd(int fd, short events) noexcept { return reactor_->wait_fd(fd, events); }
    template <class Prepare>
    submit_operation<Prepare> submit(Prepare prepare)
    {
        return reactor_->submit(std::move(prepare));
    }

    // For drivers.
    executor& get_executor() noexcept { return reactor_->get_executor(); }
    time_point now() const noexcept { return reactor_->now(); }
    void add(turn_participant& p) { reactor_->add(p); }
    void remove(turn_participant& p) noexcept { reactor_->remove(p); }
    std::unique_ptr<frame_port> open_port(const port_options& options, buffer_pool& pool)
    {
        return reactor_->open_port(options, pool);
    }

    // The reactor itself, whichever it is.
    linux_reactor& underlying() noexcept { return *reactor_; }

private:
    std::unique_ptr<linux_reactor> reactor_;
};

static_assert(fd_reactor<system_reactor>);

}  // namespace tcpco
