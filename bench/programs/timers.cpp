// Timers armed and moved: the wheel, as a stack uses it, beside std::priority_queue.
//
//     n=timers      how many are armed at any time
//     moves=count   each arms a random timer anew, at a random time within a second: half of them later than before
//     warm=count    moves before anything is timed; 8 n unless given: a second passes, and what was pushed comes up
//     only=wheel|queue|none   for counting cache misses: one of them, without a clock
//     earlier=percent         of the moves; 50 unless given: 0 are lazy moves alone
//
// Eight times n moves take a second, so a timer is moved four times before it would fire; one that fires is armed anew.
// Each timer is a connection's, which says when it is due and has been looked at before its timer moves, as it is by
// whoever has a segment for it; and the next one is not looked at before that. The wheel has four octets there, which
// say for when its node is armed, and a move to a later time ends there. The queue, too: it cannot move an entry, so
// each move pushes another, and the old one is skipped when it comes up, as programs with such queues do it.
#include <algorithm>
#include <cstdint>
#include <queue>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "arguments.hpp"
#include "figures.hpp"
#include "tcpco/storage/armed_time.hpp"
#include "tcpco/storage/timer_wheel.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr std::int64_t second = 1'000'000'000;

// What a connection says of its timer.
struct owner {
    std::int64_t at = 0;
    armed_time armed{};         // the wheel's
    std::uint32_t version = 0;  // the queue's: entries with another one are old
};

class wheel {
public:
    explicit wheel(std::vector<owner>& owners) : owners_{owners}
    {
        if (!timers_.reserve(static_cast<std::uint32_t>(owners.size()))) {
            throw std::runtime_error{"memory is short"};
        }
    }
    void arm(std::uint32_t id, std::int64_t now)
    {
        owner& o = owners_[id];
        if (!o.armed.covers(time_point{o.at}, time_point{now})) {
            if (time_point{o.at} < timers_.when(id)) {
                timers_.schedule(id, time_point{o.at});
            }
            o.armed.note(timers_.when(id), time_point{now});
        }
    }
    template <class F>
    void advance(std::int64_t now, F&& fired)
    {
        const auto fire = [&](std::uint32_t id) {
            owners_[id].armed.forget();
            fired(id);
        };
        timers_.advance(time_point{now}, fire, [&](std::uint32_t id) {
            owner& o = owners_[id];
            o.armed.note(time_point{o.at}, time_point{now});
            return time_point{o.at};
        });
    }

private:
    std::vector<owner>& owners_;
    timer_wheel timers_;
};

class queue {
public:
    explicit queue(std::vector<owner>& owners) : owners_{owners} {}
    void arm(std::uint32_t id, std::int64_t) { entries_.push({owners_[id].at, id, ++owners_[id].version}); }
    template <class F>
    void advance(std::int64_t now, F&& fired)
    {
        while (!entries_.empty() && entries_.top().at <= now) {
            const entry first = entries_.top();
            entries_.pop();
            if (first.version == owners_[first.id].version) {
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
    std::vector<owner>& owners_;
};

struct nothing {
    explicit nothing(std::vector<owner>&) {}
    void arm(std::uint32_t id, std::int64_t) { keep(id); }
    template <class F>
    void advance(std::int64_t, F&&)
    {
    }
};

struct work {
    std::uint32_t n = 0;
    std::uint64_t warm = 0;
    std::uint64_t moves = 0;
    unsigned earlier = 50;
};

// Nanoseconds of a move.
template <class Timers>
double run(const work& w)
{
    std::vector<owner> owners(w.n);
    Timers timers{owners};
    quick_random random;
    std::int64_t now = second;
    const auto soon = [&] { return now + 1 + static_cast<std::int64_t>(random.below(second)); };
    std::uint32_t none = 0;  // it is: but who asks for the next timer has to wait for what the last one says
    const auto arm = [&](std::uint32_t id, std::int64_t at) {
        none = static_cast<std::uint32_t>(static_cast<std::uint64_t>(owners[id].at) >> 63);
        owners[id].at = at;
        timers.arm(id, now);
    };
    for (std::uint32_t id = 0; id < w.n; ++id) {
        arm(id, soon());
    }
    const std::uint64_t warm = std::is_same_v<Timers, nothing> ? 0 : w.warm;
    double began = processor_seconds();
    for (std::uint64_t i = 0; i < warm + w.moves; ++i) {
        if (i == warm) {
            began = processor_seconds();
        }
        now += second / 8 / w.n;
        const std::uint32_t id = random.below(w.n) + none;
        const std::int64_t at = soon();
        const bool lazy = w.earlier != 50 && random.below(100) >= w.earlier;
        arm(id, lazy ? std::max(at, owners[id].at + 1) : at);
        if (i % 16 == 15) {
            timers.advance(now, [&](std::uint32_t due) { arm(due, soon()); });
        }
    }
    return (processor_seconds() - began) / static_cast<double>(w.moves) * 1e9;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const unsigned n = given.number("n", 1'000'000);
    const work w{.n = n,
                 .warm = given.number("warm", 8 * n),
                 .moves = given.number("moves", 4'000'000),
                 .earlier = given.number("earlier", 50)};
    const std::string row = given.text("row", "timers");
    const std::string only = given.text("only");
    given.done();
    if (only.empty()) {
        figures found;
        const double none = run<nothing>(w);
        found.add(row, "tcpco", run<wheel>(w) - none);
        found.add(row, "priority_queue", run<queue>(w) - none);
        found.print();
    } else if (only == "wheel") {
        run<wheel>(w);
    } else if (only == "queue") {
        run<queue>(w);
    } else {
        run<nothing>(w);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "timers: %s\n", e.what());
    return 1;
}
