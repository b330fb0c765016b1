// Minimum (or maximum) over a sliding window in constant memory (Kathleen Nichols' algorithm).
//
// Three samples are kept: the best of the window, the best of what came after it, and the best after that, taken from
// later and later parts of the window. When the best falls out, the second takes its place: so the answer is exact
// while the best is fresh, and never older than the window. Used for the minimum RTT over time, and by controllers for
// the maximum of the delivery rate over rounds.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "tcpco/core/time.hpp"

namespace tcpco {

// `Better(a, b)`: a is to be preferred. Time: a time_point with durations, or a number of rounds.
template <class Value, class Time, class Better>
class windowed_filter {
public:
    using window_type = decltype(Time{} - Time{});

    constexpr windowed_filter() = default;

    constexpr bool empty() const noexcept { return !filled_; }
    // The best of the window; Value{} when empty. Not aged by asking: only update() moves the window.
    constexpr Value get() const noexcept { return best_[0].value; }
    constexpr Time taken_at() const noexcept { return best_[0].at; }

    constexpr void reset() noexcept { *this = windowed_filter{}; }
    constexpr void reset(Value value, Time at) noexcept
    {
        best_.fill({value, at});
        filled_ = true;
    }

    // `at` must not decrease. Answers the best of (at - window, at], this sample included.
    constexpr Value update(Value value, Time at, window_type window) noexcept
    {
        const sample now{value, at};
        if (!filled_ || !better(best_[0], now) || at - best_[2].at > window) {
            reset(value, at);
            return value;
        }
        if (!better(best_[1], now)) {
            best_[2] = best_[1] = now;
        } else if (!better(best_[2], now)) {
            best_[2] = now;
        }
        age(now, window);
        return get();
    }
    friend constexpr bool operator==(const windowed_filter&, const windowed_filter&) noexcept = default;

private:
    struct sample {
        Value value{};
        Time at{};

        friend constexpr bool operator==(const sample&, const sample&) noexcept = default;
    };

    static constexpr bool better(const sample& a, const sample& b) noexcept { return Better{}(a.value, b.value); }

    constexpr void age(const sample& now, window_type window) noexcept
    {
        const window_type age = now.at - best_[0].at;
        if (age > window) {
            drop_best(now);
            if (now.at - best_[0].at > window) {  // the second choice may be as old
                drop_best(now);
            }
        } else if (best_[1].at == best_[0].at && age > window / 4) {
            best_[2] = best_[1] = now;  // a quarter passed without a second choice
        } else if (best_[2].at == best_[1].at && age > window / 2) {
            best_[2] = now;  // half of it passed without a third
        }
    }

    constexpr void drop_best(const sample& now) noexcept { best_ = {best_[1], best_[2], now}; }

    std::array<sample, 3> best_{};
    bool filled_ = false;
};

template <class Value, class Time = time_point>
using min_filter = windowed_filter<Value, Time, std::less<>>;
template <class Value, class Time = std::uint64_t>
using max_filter = windowed_filter<Value, Time, std::greater<>>;

}  // namespace tcpco
