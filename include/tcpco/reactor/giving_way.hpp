// Whether it pays to let others run for a moment (sched_yield) where a reactor would go to sleep.
//
// Where the peer is a process on the same processor, our last write woke it, and often it only waits for us to get out
// of the way. If it runs now, its answer is there when we look again, and neither of us has to sleep and be woken.
//
// Who gives way forgoes the rest of its share: a process that computes would run for a whole slice, each time. So a
// reactor that found others running for long, or nothing to do several times in a row, leaves it for a while, which
// doubles until it has paid off many times in a row again.
#pragma once

#include <algorithm>

#include "tcpco/core/time.hpp"

namespace tcpco {

class giving_way {
public:
    static constexpr duration long_time{500'000};  // a peer's answer takes microseconds, a slice milliseconds
    static constexpr duration shortest_pause{50'000'000};
    static constexpr duration longest_pause{12'800'000'000};
    static constexpr unsigned patience = 4;        // times in a row that nothing came
    static constexpr unsigned many = 64;           // times in a row that something did

    bool worth_it(time_point now) const noexcept { return now >= next_; }

    // What came of it: whether there was something to do afterwards.
    void learn(time_point began, time_point ended, bool came) noexcept
    {
        const bool long_away = ended - began >= long_time;
        failures_ = came ? 0 : failures_ + 1;
        successes_ = came && !long_away ? successes_ + 1 : 0;
        if (successes_ >= many) {
            pause_ = shortest_pause;
        }
        if (long_away || failures_ >= patience) {
            next_ = ended + pause_;
            pause_ = std::min(pause_ + pause_, longest_pause);
            failures_ = patience - 1;  // after that one more is enough
        }
    }

private:
    time_point next_ = time_point::min();
    duration pause_ = shortest_pause;
    unsigned failures_ = 0;   // in a row
    unsigned successes_ = 0;  // in a row
};

}  // namespace tcpco
