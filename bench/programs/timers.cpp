// Timers armed and moved: the wheel beside std::priority_queue.
//
//     n=timers      how many are armed at any time
//     moves=count   each arms a random timer anew, at a random time within a second: half of them later than before
//     warm=count    moves before anything is timed; 8 n unless given: a second passes, and what was pushed comes up
//     only=wheel|queue|none   for counting cache misses: one of them, without a clock
//
// Eight times n moves take a second, so a timer is moved four times before it would fire; one that fires is armed anew. The queue
// cannot move an entry: each move pushes another, and the old one is skipped when it comes up, as programs with such
// queues do it.
#include <cstdint>
#include <queue>
#include <stdexcept>
#include <vector>

#include "arguments.hpp"
#include "figures.hpp"
#include "tcpco/storage/timer_wheel.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr std::int64_t second = 1'000'000'000;

class wheel {
public:
    explicit wheel(std::uint32_t n)
    {
        if (!timers_.reserve(n)) {
            throw std::runtime_error{"memory is short"};
        }
    }
    void arm(std::uint32_t id, std::int64_t at) { timers_.schedule(id, time_point{at}); }
    template <class F>
    void advance(std::int64_t now, F&& fired)
    {
        timers_.advance(time_point{now}, fired);
    }

private:
    timer_wheel timers_;
};

class queue {
public:
    explicit queue(std::uint32_t n) : current_(n) {}
    void arm(std::uint32_t id, std::int64_t at) { entries_.push({at, id, ++current_[id]}); }
    template <class F>
    void advance(std::int64_t now, F&& fired)
    {
        while (!entries_.empty() && entries_.top().at <= now) {
            const entry first = entries_.top();
            entries_.pop();
            if (first.version == current_[first.id]) {
                fired(first.id);
            }
        }
    }

private:
    struct entry {
        std::int64_t at;
        std::uint32_t id;
        std::uint32_t version;
        bool operator<(const entry& other) const noexcept { return at > other.at; }  // the earliest on top
    };
    std::priority_queue<entry> entries_{};
    std::vector<std::uint32_t> current_;
};

struct nothing {
    explicit nothing(std::uint32_t) {}
    void arm(std::uint32_t id, std::int64_t at)
    {
        keep(id);
        keep(at);
    }
    template <class F>
    void advance(std::int64_t, F&&)
    {
    }
};

// Nanoseconds of a move.
template <class Timers>
double run(std::uint32_t n, std::uint64_t warm, std::uint64_t moves)
{
    Timers timers{n};
    quick_random random;
    std::int64_t now = second;
    const auto soon = [&] { return now + 1 + static_cast<std::int64_t>(random.below(second)); };
    for (std::uint32_t id = 0; id < n; ++id) {
        timers.arm(id, soon());
    }
    double began = processor_seconds();
    for (std::uint64_t i = 0; i < warm + moves; ++i) {
        if (i == warm) {
            began = processor_seconds();
        }
        now += second / 8 / n;
        timers.arm(random.below(n), soon());
        if (i % 16 == 15) {
            timers.advance(now, [&](std::uint32_t id) { timers.arm(id, soon()); });
        }
    }
    return (processor_seconds() - began) / static_cast<double>(moves) * 1e9;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const unsigned n = given.number("n", 1'000'000);
    const unsigned moves = given.number("moves", 4'000'000);
    const unsigned warm = given.number("warm", 8 * n);
    const std::string row = given.text("row", "timers");
    const std::string only = given.text("only");
    given.done();
    if (only.empty()) {
        figures found;
        const double none = run<nothing>(n, warm, moves);
        found.add(row, "tcpco", run<wheel>(n, warm, moves) - none);
        found.add(row, "priority_queue", run<queue>(n, warm, moves) - none);
        found.print();
    } else if (only == "wheel") {
        run<wheel>(n, warm, moves);
    } else if (only == "queue") {
        run<queue>(n, warm, moves);
    } else {
        run<nothing>(n, warm, moves);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "timers: %s\n", e.what());
    return 1;
}
