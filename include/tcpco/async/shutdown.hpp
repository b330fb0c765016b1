// co_await driver.shutdown(grace): the end of a whole stack, from within its own coroutines.
//
//     if (const std::error_code ec = co_await link_driver.shutdown(5_s); ec == std::errc::timed_out) { ... }
//
// Listeners are closed and every connection gets its FIN; from `grace` on the rest is reset. The operation completes
// when no connection is left (TIME-WAIT is not waited for) and the last segment has been handed to the device.
#pragma once

#include <system_error>
#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/event.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

// Success: every connection came to its end by itself. timed_out: some were reset. operation_canceled: nobody waits any
// more, but the shutdown goes on; also where the driver is destroyed first.
template <class Driver>
class shutdown_operation {
public:
    shutdown_operation(Driver& d, duration grace, async_event& over) noexcept
        : driver_{d}, grace_{grace}, wait_{over.wait()}
    {
    }

    bool ready() const noexcept { return false; }
    bool start(completion& c, const environment& env) noexcept
    {
        if (!env.stop.stop_requested()) {
            driver_.begin_shutdown(grace_);
        }
        return wait_.start(c, env);
    }
    void cancel() noexcept { wait_.cancel(); }
    std::error_code result() const noexcept
    {
        const std::error_code ec = wait_.result();
        return ec || driver_.was_graceful() ? ec : make_error_code(errc::timed_out);
    }

private:
    Driver& driver_;
    duration grace_;
    async_event::wait_operation wait_;
};

}  // namespace tcpco
