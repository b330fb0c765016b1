// From a std::stop_token, whose stop may be requested on any thread, to a stop_token of an executor's thread.
//
//     std_stop_bridge stop{executor, jthread_token};
//     root main{executor, serve(stack), environment{.stop = stop.token()}};
#pragma once

#include <optional>
#include <stop_token>
#include <utility>

#include "tcpco/async/executor.hpp"
#include "tcpco/async/stop.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

// Lives on the executor's thread, around whatever uses its token. The stop arrives with the executor's next turn.
class std_stop_bridge : completion {
public:
    std_stop_bridge(executor& home, std::stop_token foreign)
        : completion{&arrived}, home_{home}, callback_{std::in_place, std::move(foreign), *this}
    {
    }
    std_stop_bridge(const std_stop_bridge&) = delete;
    std_stop_bridge& operator=(const std_stop_bridge&) = delete;

    ~std_stop_bridge()
    {
        callback_.reset();        // waits for a callback that is running on another thread
        home_.collect_posted();   // what it posted can be unlinked now
    }

    stop_token token() noexcept { return source_.token(); }

private:
    struct poster {
        std_stop_bridge& self;
        void operator()() const noexcept { self.home_.post(self); }
    };

    static void arrived(completion& c) noexcept { static_cast<std_stop_bridge&>(c).source_.request_stop(); }

    executor& home_;
    stop_source source_;
    std::optional<std::stop_callback<poster>> callback_;
};

}  // namespace tcpco
