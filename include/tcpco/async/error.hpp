// The core's errors as std::error_code, and the results of asynchronous calls.
//
// Where std::errc has a word for an error, a std::error_code of tcpco compares equal with it:
// `ec == std::errc::connection_reset`. The end of a stream is no error of POSIX: `ec == tcpco::errc::end_of_stream`.
//
//     auto [ec, n] = co_await socket.read_some(buffer);                      // errors as values
//     std::size_t n = value_or_throw(co_await socket.read_some(buffer));     // errors as std::system_error
#pragma once

#include <cstddef>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tcpco/core/error.hpp"

namespace tcpco {

namespace detail {

constexpr bool has_std_errc(errc e) noexcept
{
    return e != errc::ok && e != errc::end_of_stream && e <= errc::no_such_device;
}

// Only for what has_std_errc().
constexpr std::errc to_std_errc(errc e) noexcept
{
    switch (e) {
    case errc::would_block: return std::errc::operation_would_block;
    case errc::connection_refused: return std::errc::connection_refused;
    case errc::connection_reset: return std::errc::connection_reset;
    case errc::connection_aborted: return std::errc::connection_aborted;
    case errc::timed_out: return std::errc::timed_out;
    case errc::host_unreachable: return std::errc::host_unreachable;
    case errc::network_unreachable: return std::errc::network_unreachable;
    case errc::port_unreachable: return std::errc::connection_refused;  // what a kernel's socket answers to it
    case errc::network_down: return std::errc::network_down;
    case errc::address_in_use: return std::errc::address_in_use;
    case errc::address_not_available: return std::errc::address_not_available;
    case errc::operation_not_permitted: return std::errc::operation_not_permitted;
    case errc::operation_in_progress: return std::errc::operation_in_progress;
    case errc::operation_not_supported: return std::errc::operation_not_supported;
    case errc::operation_canceled: return std::errc::operation_canceled;
    case errc::not_connected: return std::errc::not_connected;
    case errc::already_connected: return std::errc::already_connected;
    case errc::broken_pipe: return std::errc::broken_pipe;
    case errc::no_buffer_space: return std::errc::no_buffer_space;
    case errc::bad_file_descriptor: return std::errc::bad_file_descriptor;
    case errc::message_size: return std::errc::message_size;
    case errc::permission_denied: return std::errc::permission_denied;
    case errc::no_such_device: return std::errc::no_such_device;
    case errc::invalid_argument:
    case errc::ok:
    case errc::end_of_stream: break;
    }
    return std::errc::invalid_argument;
}

class error_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "tcpco"; }
    std::string message(int value) const override { return tcpco::message(static_cast<errc>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override
    {
        const errc e = static_cast<errc>(value);
        return has_std_errc(e) ? std::make_error_condition(to_std_errc(e)) : std::error_condition{value, *this};
    }
};

}  // namespace detail

inline const std::error_category& error_category() noexcept
{
    static const detail::error_category category;
    return category;
}

namespace detail {

// Out of line: what stands everywhere is the question whether there is an error.
[[gnu::noinline]] inline std::error_code error_code_of(errc e) noexcept
{
    return {static_cast<int>(e), tcpco::error_category()};
}

// A default one asks the library for its category each time.
inline const std::error_category& category_of_none = std::system_category();
[[gnu::always_inline]] inline std::error_code no_error() noexcept
{
    return {0, category_of_none};
}

}  // namespace detail

// errc::ok is the std::error_code of no category's error, so that it equals a default one.
[[gnu::always_inline]] inline std::error_code make_error_code(errc e) noexcept
{
    return e == errc::ok ? detail::no_error() : detail::error_code_of(e);
}

}  // namespace tcpco

template <>
struct std::is_error_code_enum<tcpco::errc> : std::true_type {};

namespace tcpco {

// What became of a transfer: n octets went even where ec says why no more did.
struct [[nodiscard]] io_result {
    std::error_code ec;
    std::size_t n = 0;
};
static_assert(std::is_trivially_destructible_v<io_result>);

// An error and a value that is always there (a closed socket beside an error). It has constructors on purpose: g++ 12
// destroys temporaries of aggregates with non-trivial members twice in a coroutine. `auto [ec, socket] = ...` works.
template <class T>
struct [[nodiscard]] io_result_of {
    std::error_code ec;
    T value;

    io_result_of(std::error_code e, T v) noexcept(std::is_nothrow_move_constructible_v<T>)
        : ec{e}, value(std::move(v))
    {
    }
    explicit(false) io_result_of(T v) noexcept(std::is_nothrow_move_constructible_v<T>) : value(std::move(v)) {}
};

// The throwing form: the value, or std::system_error with the result's code (end_of_stream included).
inline void value_or_throw(std::error_code ec)
{
    if (ec) {
        throw std::system_error{ec};
    }
}

inline std::size_t value_or_throw(const io_result& r)
{
    value_or_throw(r.ec);
    return r.n;
}

template <class T>
T value_or_throw(io_result_of<T>&& r)
{
    value_or_throw(r.ec);
    return std::move(r.value);
}

}  // namespace tcpco
