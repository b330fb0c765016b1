// getsockopt() and setsockopt(), as functions on the stack's thread. What the stack cannot do answers ENOPROTOOPT.
//
// Values are Linux's: SO_RCVBUF and SO_SNDBUF are cut to a maximum, doubled, and read back doubled (Linux keeps its
// bookkeeping in the other half; here all of it holds octets). TCP_MAXSEG reads 536 before a connection exists.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include <netinet/tcp.h>
#include <sys/time.h>

#include "tcpco/interop/posix/linux_tcp_info.hpp"
#include "tcpco/interop/posix/transfer.hpp"

namespace tcpco::posix::detail {

// An option's value as the caller hands it over. `length` is what there is, or what there is room for.
struct option_value {
    void* data = nullptr;
    socklen_t length = 0;

    // 0 or a negated errno.
    template <class T>
    long get(T& out) const noexcept
    {
        if (length < sizeof out) {
            return -EINVAL;
        }
        std::memcpy(&out, data, sizeof out);
        return 0;
    }
    // As much as there is room for, as Linux does.
    template <class T>
    long put(const T& in) noexcept
    {
        length = std::min<socklen_t>(length, sizeof in);
        if (length > 0) {
            std::memcpy(data, &in, length);
        }
        return 0;
    }
};

inline long errno_result(errc e) noexcept
{
    return e == errc::ok ? 0 : e == errc::operation_not_supported ? -ENOPROTOOPT : -long{errno_of(e)};
}

// --- what a connection gets of the options --------------------------------------------------------------------------

inline long apply_keep_alive(descriptor& d)
{
    const socket_options& o = d.options;
    if (!d.has_connection()) {
        return 0;
    }
    constexpr std::int64_t second = 1'000'000'000;
    const keep_alive wanted{.idle = duration{o.keep_idle * second},
                            .interval = duration{o.keep_interval * second},
                            .count = static_cast<std::uint8_t>(o.keep_count)};
    return errno_result(d.stack.set_keep_alive(d.connection, o.keep_alive ? std::optional{wanted} : std::nullopt));
}

inline long apply_user_timeout(descriptor& d)
{
    const duration limit{d.options.user_timeout * std::int64_t{1'000'000}};
    return d.has_connection() ? errno_result(d.stack.set_user_timeout(d.connection, limit)) : 0;
}

inline long apply_fin_wait_2(descriptor& d)
{
    const auto seconds = static_cast<std::int16_t>(d.options.fin_wait_2_seconds);
    return d.has_connection() ? errno_result(d.stack.set_fin_wait_2_timeout(d.connection, seconds)) : 0;
}

// After connect(): what connect_options has no word for.
inline void apply_options(descriptor& d)
{
    const socket_options& o = d.options;
    if (o.keep_alive) {
        static_cast<void>(apply_keep_alive(d));
    }
    if (o.user_timeout != 0) {
        static_cast<void>(apply_user_timeout(d));
    }
    if (o.fin_wait_2_seconds != 0) {
        static_cast<void>(apply_fin_wait_2(d));
    }
    if (!o.congestion.empty()) {
        static_cast<void>(d.stack.set_congestion(d.connection, o.congestion));
    }
    static_cast<void>(d.stack.set_no_delay(d.connection, o.no_delay));
    static_cast<void>(d.stack.set_cork(d.connection, o.cork));
    if (o.send_buffer != 0) {
        static_cast<void>(d.stack.set_send_buffer(d.connection, static_cast<std::size_t>(o.send_buffer)));
    }
}

// --- SOL_SOCKET -----------------------------------------------------------------------------------------------------

inline timeval to_timeval(duration d) noexcept
{
    if (d == duration::max()) {
        return {};  // no limit
    }
    return {d.nanoseconds() / 1'000'000'000, d.nanoseconds() / 1'000 % 1'000'000};
}

inline long set_timeout(duration& where, const option_value& value) noexcept
{
    timeval t{};
    if (const long bad = value.get(t); bad != 0) {
        return bad;
    }
    if (t.tv_usec < 0 || t.tv_usec >= 1'000'000) {
        return -EDOM;
    }
    constexpr long longest = 1'000'000'000;  // some thirty years
    if (t.tv_sec < 0) {
        where = duration{1};  // Linux: as if it had passed
    } else if ((t.tv_sec == 0 && t.tv_usec == 0) || t.tv_sec > longest) {
        where = duration::max();
    } else {
        where = duration{t.tv_sec * 1'000'000'000 + t.tv_usec * 1'000};
    }
    return 0;
}

inline long set_linger(descriptor& d, const option_value& value) noexcept
{
    ::linger l{};
    if (const long bad = value.get(l); bad != 0) {
        return bad;
    }
    d.options.linger = l.l_onoff != 0;
    const int seconds = l.l_linger < 0 ? std::numeric_limits<int>::max() : l.l_linger;  // -1 is no reset: as Linux
    d.options.linger_seconds = d.options.linger ? seconds : d.options.linger_seconds;
    return 0;
}

// Linux's bounds: SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF below, the sysctl above, and the double of what was asked for.
inline int doubled_buffer(const engine& on, int wanted, int least) noexcept
{
    const int bounded = wanted < 0 ? on.options.largest_buffer : std::min(wanted, on.options.largest_buffer);
    return std::max(bounded * 2, least);
}

inline long set_receive_buffer(const engine& on, descriptor& d, int wanted) noexcept
{
    const int octets = doubled_buffer(on, wanted, 2'304);
    if (d.has_connection()) {
        if (const errc e = d.stack.set_receive_buffer(d.connection, octets); e != errc::ok) {
            return errno_result(e);
        }
    }
    d.options.receive_buffer = octets;
    return 0;
}

inline long set_send_buffer(const engine& on, descriptor& d, int wanted) noexcept
{
    d.options.send_buffer = doubled_buffer(on, wanted, 4'608);
    if (!d.has_connection()) {
        return 0;
    }
    const errc e = d.stack.set_send_buffer(d.connection, static_cast<std::size_t>(d.options.send_buffer));
    d.wake();
    return errno_result(e);
}

inline long set_socket_option(const engine& on, descriptor& d, int name, const option_value& value)
{
    int number = 0;
    const long bad = value.get(number);  // Linux asks this first, whatever the option
    if (bad != 0) {
        return bad;
    }
    switch (name) {
    case SO_REUSEADDR: d.options.reuse_address = number != 0; return 0;
    case SO_LINGER: return set_linger(d, value);
    case SO_KEEPALIVE: d.options.keep_alive = number != 0; return apply_keep_alive(d);
    case SO_OOBINLINE: return number != 0 ? 0 : -ENOPROTOOPT;  // it always is (RFC6093-6a)
    case SO_RCVTIMEO: return set_timeout(d.options.receive_timeout, value);
    case SO_SNDTIMEO: return set_timeout(d.options.send_timeout, value);
    case SO_RCVBUF: return set_receive_buffer(on, d, number);
    case SO_SNDBUF: return set_send_buffer(on, d, number);
    default: return -ENOPROTOOPT;  // SO_ERROR, SO_TYPE and the like can only be read
    }
}

inline int receive_buffer_of(const descriptor& d) noexcept
{
    if (d.options.receive_buffer != 0 || !d.has_connection()) {
        return d.options.receive_buffer;
    }
    return static_cast<int>(std::min<octet_count>(d.stack.receive_buffer_of(d.connection).value, INT_MAX));
}

inline int send_buffer_of(const descriptor& d) noexcept
{
    if (d.options.send_buffer != 0 || !d.has_connection()) {
        return d.options.send_buffer;
    }
    return static_cast<int>(std::min<std::size_t>(d.stack.look(d.connection).send_limit, INT_MAX));
}

inline long get_socket_option(descriptor& d, int name, option_value& value)
{
    switch (name) {
    case SO_TYPE: return value.put(int{SOCK_STREAM});
    case SO_DOMAIN: return value.put(AF_INET);
    case SO_PROTOCOL: return value.put(int{IPPROTO_TCP});
    case SO_ACCEPTCONN: return value.put(int{d.state == phase::listening});
    case SO_ERROR: return value.put(d.take_error());
    case SO_REUSEADDR: return value.put(int{d.options.reuse_address});
    case SO_KEEPALIVE: return value.put(int{d.options.keep_alive});
    case SO_OOBINLINE: return value.put(1);
    case SO_RCVBUF: return value.put(receive_buffer_of(d));
    case SO_SNDBUF: return value.put(send_buffer_of(d));
    case SO_LINGER: return value.put(::linger{d.options.linger ? 1 : 0, d.options.linger_seconds});
    case SO_RCVTIMEO: return value.put(to_timeval(d.options.receive_timeout));
    case SO_SNDTIMEO: return value.put(to_timeval(d.options.send_timeout));
    default: return -ENOPROTOOPT;
    }
}

// --- IPPROTO_TCP ----------------------------------------------------------------------------------------------------

// Before the connection only: then the SYN announces it. Linux takes it later too, and does nothing with it.
inline long set_maximum_segment(descriptor& d, int octets) noexcept
{
    if (octets != 0 && (octets < 88 || octets > 32'767)) {
        return -EINVAL;
    }
    if (d.has_connection()) {
        return -EISCONN;
    }
    d.options.maximum_segment = octets;
    if (d.state == phase::listening) {
        return errno_result(d.stack.set_maximum_segment(d.listener, static_cast<std::uint16_t>(octets)));
    }
    return 0;
}

inline long set_congestion(descriptor& d, const option_value& value)
{
    const auto* text = static_cast<const char*>(value.data);
    const std::string name{text, strnlen(text, std::min<std::size_t>(value.length, 15))};  // TCP_CA_NAME_MAX
    const errc e = name.empty() ? errc::invalid_argument
                                : d.stack.set_congestion(d.has_connection() ? d.connection : connection_id{}, name);
    if (e == errc::invalid_argument) {
        return -ENOENT;
    }
    d.options.congestion = name;
    return 0;
}

// How many connections may be open by a cookie alone; 0: none. A listener's, or of one to be.
inline long set_fast_open(descriptor& d, int limit)
{
    if (limit < 0 || d.has_connection()) {
        return -EINVAL;
    }
    d.options.fast_open = limit;
    const listen_options wanted{.fast_open = static_cast<std::uint32_t>(limit)};
    return d.state == phase::listening ? errno_result(d.stack.set_options(d.listener, wanted)) : 0;
}

// A number of seconds or probes, within Linux's bounds.
inline long set_bounded(int& where, int number, int largest) noexcept
{
    if (number < 1 || number > largest) {
        return -EINVAL;
    }
    where = number;
    return 0;
}

// Seconds; more than two minutes are two minutes, as on Linux.
inline long set_fin_wait_2(descriptor& d, int seconds)
{
    d.options.fin_wait_2_seconds = std::clamp(seconds, -1, 120);
    return apply_fin_wait_2(d);
}

inline long set_user_timeout(descriptor& d, int milliseconds)
{
    if (milliseconds < 0) {
        return -EINVAL;
    }
    d.options.user_timeout = milliseconds;
    return apply_user_timeout(d);
}

inline long set_keep_option(descriptor& d, int name, int number)
{
    socket_options& o = d.options;
    long bad = -ENOPROTOOPT;
    switch (name) {
    case TCP_KEEPIDLE: bad = set_bounded(o.keep_idle, number, 32'767); break;
    case TCP_KEEPINTVL: bad = set_bounded(o.keep_interval, number, 32'767); break;
    case TCP_KEEPCNT: bad = set_bounded(o.keep_count, number, 127); break;
    default: break;
    }
    return bad != 0 ? bad : apply_keep_alive(d);
}

inline long set_tcp_option(descriptor& d, int name, const option_value& value)
{
    if (name == TCP_CONGESTION) {
        return value.length < 1 ? -EINVAL : set_congestion(d, value);
    }
    int number = 0;
    if (const long bad = value.get(number); bad != 0) {
        return bad;
    }
    switch (name) {
    case TCP_NODELAY:
        d.options.no_delay = number != 0;
        if (d.options.no_delay && d.has_connection()) {
            static_cast<void>(d.stack.push(d.connection));  // the cork stays (tcp(7))
        }
        return d.has_connection() ? errno_result(d.stack.set_no_delay(d.connection, number != 0)) : 0;
    case TCP_CORK:
        d.options.cork = number != 0;
        set_cork(d, false);
        return 0;
    case TCP_MAXSEG: return set_maximum_segment(d, number);
    case TCP_USER_TIMEOUT: return set_user_timeout(d, number);
    case TCP_LINGER2: return set_fin_wait_2(d, number);
    case TCP_FASTOPEN: return set_fast_open(d, number);
    default: return set_keep_option(d, name, number);
    }
}

inline int maximum_segment_of(const descriptor& d)
{
    const auto [ec, info] = d.has_connection() ? d.stack.info(d.connection) : result<tcpco::tcp_info>{};
    if (d.has_connection() && ec == errc::ok && is_synchronized(info.state)) {
        return info.smss;
    }
    return d.options.maximum_segment != 0 ? d.options.maximum_segment : 536;
}

inline long get_tcp_info(const descriptor& d, option_value& value)
{
    if (d.has_connection()) {
        const auto [ec, info] = d.stack.info(d.connection);
        const socket_state s = d.stack.look(d.connection);
        return value.put(to_linux(info, visible_state(d, s), s.unsent));
    }
    return value.put(to_linux({}, d.state == phase::listening ? tcp_state::listen : tcp_state::closed, 0));
}

inline long get_tcp_option(descriptor& d, int name, option_value& value)
{
    switch (name) {
    case TCP_NODELAY: return value.put(int{d.options.no_delay});
    case TCP_CORK: return value.put(int{d.options.cork});
    case TCP_MAXSEG: return value.put(maximum_segment_of(d));
    case TCP_KEEPIDLE: return value.put(d.options.keep_idle);
    case TCP_KEEPINTVL: return value.put(d.options.keep_interval);
    case TCP_KEEPCNT: return value.put(d.options.keep_count);
    case TCP_USER_TIMEOUT: return value.put(d.options.user_timeout);
    case TCP_FASTOPEN: return value.put(d.options.fast_open);
    case TCP_LINGER2: return value.put(d.options.fin_wait_2_seconds != 0 ? d.options.fin_wait_2_seconds : 60);
    case TCP_INFO: return get_tcp_info(d, value);
    case TCP_CONGESTION: {
        char text[16] = {};  // TCP_CA_NAME_MAX
        const std::string& own = d.options.congestion;
        std::strncpy(text, own.empty() ? d.stack.congestion_name({}) : own.c_str(), sizeof text - 1);
        return value.put(text);
    }
    default: return -ENOPROTOOPT;
    }
}

// --- both levels ----------------------------------------------------------------------------------------------------

// Linux asks for the socket, then for the length, then for the memory, and only then which option it is.
inline long set_option(engine& on, call& c, int fd, int level, int name, const option_value& value)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (value.length > INT_MAX) {
        return -EINVAL;
    }
    if (level != SOL_SOCKET && level != IPPROTO_TCP) {
        return -ENOPROTOOPT;
    }
    if (value.data == nullptr && value.length >= (name == TCP_CONGESTION && level == IPPROTO_TCP ? 1 : sizeof(int))) {
        return -EFAULT;
    }
    return level == SOL_SOCKET ? set_socket_option(on, *d, name, value) : set_tcp_option(*d, name, value);
}

inline long get_option(engine& on, call& c, int fd, int level, int name, void* data, socklen_t* length)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (level != SOL_SOCKET && level != IPPROTO_TCP) {
        return -EOPNOTSUPP;  // as Linux; its setsockopt() says ENOPROTOOPT
    }
    if (length == nullptr || (data == nullptr && *length > 0)) {
        return -EFAULT;
    }
    if (*length > INT_MAX) {
        return -EINVAL;
    }
    option_value value{data, *length};
    const long answer =
        level == SOL_SOCKET ? get_socket_option(*d, name, value) : get_tcp_option(*d, name, value);
    if (answer == 0) {
        *length = value.length;
    }
    return answer;
}

}  // namespace tcpco::posix::detail
