// Time as the core knows it: a count of nanoseconds that somebody else supplies.
//
// The core reads no clock. Each call that can depend on time takes a `time_point`, and the driver of the stack decides
// what it means: nanoseconds of CLOCK_MONOTONIC in a reactor, a number in the simulator. There is no now() here.
//
// `duration` is structural, so it can be a template argument (`two_msl<5_s>`); std::chrono's cannot. Both types convert
// from and to std::chrono's without including <chrono>.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace tcpco {

namespace detail {

// std::chrono::duration and whatever looks like it.
template <class D>
concept chrono_duration = requires(const D& d) {
    typename D::rep;
    typename D::period;
    D::period::num;
    D::period::den;
    d.count();
};

}  // namespace detail

// A signed span of time in nanoseconds; about +-292 years.
struct duration {
    std::int64_t ns = 0;  // public, so that the type is structural; use the named conversions to read it

    constexpr duration() = default;
    constexpr explicit duration(std::int64_t nanoseconds) noexcept : ns{nanoseconds} {}

    template <detail::chrono_duration D>
    constexpr duration(const D& d) noexcept
        : ns{static_cast<std::int64_t>(d.count() * (1'000'000'000.0L * D::period::num / D::period::den))}
    {
    }
    template <detail::chrono_duration D>
        requires(D::period::num == 1 && 1'000'000'000 % D::period::den == 0 && requires { typename D::rep; } &&
                 static_cast<typename D::rep>(0.5) == 0)
    constexpr duration(const D& d) noexcept
        : ns{static_cast<std::int64_t>(d.count()) * (1'000'000'000 / D::period::den)}
    {
    }

    // Truncates towards zero where D is coarser.
    template <detail::chrono_duration D>
    constexpr explicit operator D() const noexcept
    {
        return D{static_cast<typename D::rep>(static_cast<long double>(ns) * D::period::den / D::period::num /
                                              1'000'000'000.0L)};
    }

    static constexpr duration zero() noexcept { return duration{}; }
    static constexpr duration max() noexcept { return duration{std::numeric_limits<std::int64_t>::max()}; }

    constexpr std::int64_t nanoseconds() const noexcept { return ns; }
    constexpr std::int64_t microseconds() const noexcept { return ns / 1'000; }
    constexpr std::int64_t milliseconds() const noexcept { return ns / 1'000'000; }
    constexpr double seconds() const noexcept { return static_cast<double>(ns) / 1e9; }

    friend constexpr auto operator<=>(const duration&, const duration&) noexcept = default;
    constexpr duration operator-() const noexcept { return duration{-ns}; }
    friend constexpr duration operator+(duration a, duration b) noexcept { return duration{a.ns + b.ns}; }
    friend constexpr duration operator-(duration a, duration b) noexcept { return duration{a.ns - b.ns}; }
    friend constexpr duration operator*(duration a, std::int64_t k) noexcept { return duration{a.ns * k}; }
    friend constexpr duration operator*(std::int64_t k, duration a) noexcept { return duration{a.ns * k}; }
    friend constexpr duration operator/(duration a, std::int64_t k) noexcept { return duration{a.ns / k}; }
    friend constexpr std::int64_t operator/(duration a, duration b) noexcept { return a.ns / b.ns; }
    friend constexpr duration operator%(duration a, duration b) noexcept { return duration{a.ns % b.ns}; }
    constexpr duration& operator+=(duration b) noexcept { ns += b.ns; return *this; }
    constexpr duration& operator-=(duration b) noexcept { ns -= b.ns; return *this; }
};

// A moment on the driver's monotonic time line, in nanoseconds since an arbitrary origin.
struct time_point {
    std::int64_t ns = 0;

    constexpr time_point() = default;
    constexpr explicit time_point(std::int64_t nanoseconds_since_origin) noexcept : ns{nanoseconds_since_origin} {}
    constexpr explicit time_point(duration since_origin) noexcept : ns{since_origin.ns} {}

    // "Never": what deadline() answers when nothing is due.
    static constexpr time_point never() noexcept { return time_point{std::numeric_limits<std::int64_t>::max()}; }
    static constexpr time_point min() noexcept { return time_point{std::numeric_limits<std::int64_t>::min()}; }

    constexpr duration since_origin() const noexcept { return duration{ns}; }

    friend constexpr auto operator<=>(const time_point&, const time_point&) noexcept = default;

    // Both saturate, at never() and min(): "now + forever" stays never.
    friend constexpr time_point operator+(time_point t, duration d) noexcept
    {
        std::int64_t sum = 0;
        if (__builtin_add_overflow(t.ns, d.ns, &sum)) {
            return d.ns > 0 ? never() : min();
        }
        return time_point{sum};
    }
    friend constexpr time_point operator-(time_point t, duration d) noexcept
    {
        std::int64_t difference = 0;
        if (__builtin_sub_overflow(t.ns, d.ns, &difference)) {
            return d.ns > 0 ? min() : never();
        }
        return time_point{difference};
    }
    friend constexpr duration operator-(time_point a, time_point b) noexcept { return duration{a.ns - b.ns}; }
    constexpr time_point& operator+=(duration d) noexcept { return *this = *this + d; }
};

// A moment in 32 bits, in steps of 2^30 ns (1.07 s): for what is asked after days, or minutes, whether it is over. A
// span is right within one step, for 146 years.
class coarse_time {
public:
    constexpr coarse_time() = default;
    constexpr coarse_time(time_point at) noexcept : steps_{steps_of(at)} {}  // NOLINT: implicit on purpose

    constexpr duration until(time_point now) const noexcept
    {
        return duration{std::int64_t{steps_of(now) - steps_} << 30};
    }
    friend constexpr bool operator==(coarse_time, coarse_time) noexcept = default;

private:
    static constexpr std::uint32_t steps_of(time_point at) noexcept { return static_cast<std::uint32_t>(at.ns >> 30); }

    std::uint32_t steps_ = 0;
};

inline namespace literals {

consteval duration operator""_ns(unsigned long long v) { return duration{static_cast<std::int64_t>(v)}; }
consteval duration operator""_us(unsigned long long v) { return duration{static_cast<std::int64_t>(v) * 1'000}; }
consteval duration operator""_ms(unsigned long long v) { return duration{static_cast<std::int64_t>(v) * 1'000'000}; }
consteval duration operator""_s(unsigned long long v) { return duration{static_cast<std::int64_t>(v) * 1'000'000'000}; }

}  // namespace literals

}  // namespace tcpco
