// What a coroutine passes on to what it awaits: whether to stop, until when, and where it lives.
//
// A task inherits its parent's environment at co_await; scopes, timeouts and combinators narrow it. A foreign promise
// may offer one through `promise.get_environment()`; from any other promise an operation gets an environment without a
// stop token, and with the executor that runs on this thread.
#pragma once

#include <coroutine>
#include <type_traits>

#include "tcpco/async/executor.hpp"
#include "tcpco/async/stop.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

struct environment {
    stop_token stop;

    // The earliest deadline of the timeouts around; advice for an operation that chooses how long to try. Whoever sets
    // it also enforces it.
    time_point deadline = time_point::never();

    // Where completions are queued. Null only outside any executor: nothing that has to wait can start there.
    executor* exec = nullptr;
};
static_assert(std::is_trivially_copyable_v<environment> && std::is_trivially_destructible_v<environment>);

namespace detail {

template <class Promise>
environment environment_of(std::coroutine_handle<Promise> coroutine) noexcept
{
    environment env;
    if constexpr (requires { environment{coroutine.promise().get_environment()}; }) {
        env = coroutine.promise().get_environment();
    }
    if (env.exec == nullptr) {
        env.exec = executor::current();
    }
    return env;
}

}  // namespace detail

}  // namespace tcpco
