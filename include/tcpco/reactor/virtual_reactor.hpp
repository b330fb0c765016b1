// A reactor whose time is a number: it does no I/O, and jumps to the next moment at which anything is due.
//
// With memory_link and a seed, a run is a function of its inputs: the same seed gives the same packets, octet by octet,
// as fast as the machine can compute them. What would be a hang elsewhere is found here: when the task waits and no
// timer, frame or completion is left anywhere, run() throws deadlock_error; so it does when turns go on and on without
// time moving.
//
// There is no wait_fd and no submit (operation_not_supported), and no device with a file descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "tcpco/core/random.hpp"
#include "tcpco/reactor/reactor_base.hpp"

namespace tcpco {

struct virtual_reactor_options {
    std::uint64_t seed = 1;
    time_point start{};                           // any origin must do: a test shifts it
    std::uint64_t turns_per_instant = 1'000'000;  // more than that without time moving is a livelock
};

class virtual_reactor final : public reactor_base {
public:
    explicit virtual_reactor(virtual_reactor_options options = {})
        : options_{options}, now_{options.start}
    {
        set_now(now_);
    }

    std::uint64_t seed() const noexcept { return options_.seed; }

    // An independent seed for the use that `salt` names: one number on the command line seeds a whole world.
    std::uint64_t derive_seed(std::uint64_t salt) const noexcept
    {
        return random_source{options_.seed ^ (salt * 0xD1342543DE82EF95)}.next();
    }

    // Everything up to and including `limit`; afterwards it is `limit`.
    void run_until(time_point limit)
    {
        while (deadline_or_posted() <= limit && step(duration::max())) {
        }
        if (now_ < limit) {
            now_ = limit;
            set_now(now_);
        }
    }

    // Until nothing is due any more (true), or not before `limit` has passed (false).
    bool run_until_idle(time_point limit = time_point::never())
    {
        for (;;) {
            const time_point at = deadline_or_posted();
            if (at == time_point::never()) {
                return true;
            }
            if (at > limit || !step(duration::max())) {
                return false;
            }
        }
    }

    // How many turns there were: what a run costs, independent of the machine.
    std::uint64_t turns() const noexcept { return turns_; }

private:
    time_point clock() const noexcept override { return now_; }

    time_point deadline_or_posted() noexcept
    {
        get_executor().collect_posted();
        return deadline();
    }

    bool io_wait(time_point until) override
    {
        get_executor().collect_posted();
        if (get_executor().has_ready()) {
            until = now_;
        }
        if (until == time_point::never()) {
            return false;
        }
        ++turns_;
        if (until > now_) {
            now_ = until;
            turns_here_ = 0;
        } else if (++turns_here_ > options_.turns_per_instant) {
            livelock_ = true;
            return false;
        }
        return true;
    }
    void io_finish(bool) override {}

    std::string explain_deadlock() const override
    {
        const std::string at = " at virtual time " + std::to_string(now_.ns) + " ns";
        if (livelock_) {
            return "turns go on without time moving (something is always due)" + at;
        }
        return "the task waits, and no timer, frame or completion is left that could wake it" + at;
    }

    virtual_reactor_options options_;
    time_point now_;
    std::uint64_t turns_ = 0;
    std::uint64_t turns_here_ = 0;
    bool livelock_ = false;
};

static_assert(reactor<virtual_reactor> && !fd_reactor<virtual_reactor>);

}  // namespace tcpco
