// socket(), listen(), accept(), connect(), shutdown() and close(), as steps on the stack's thread.
#pragma once

#include "tcpco/interop/posix/names.hpp"

#include <fcntl.h>

namespace tcpco::posix::detail {

inline long socket_step(engine& on, int domain, int type, int protocol)
{
    constexpr int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    if ((type & ~0xf & ~flags) != 0) {
        return -EINVAL;
    }
    if (domain != AF_INET) {
        return -EAFNOSUPPORT;
    }
    if ((type & 0xf) > SOCK_PACKET || protocol < 0 || protocol > IPPROTO_MAX) {
        return -EINVAL;
    }
    if ((type & 0xf) != SOCK_STREAM) {
        return -ESOCKTNOSUPPORT;
    }
    if (protocol != 0 && protocol != IPPROTO_TCP) {
        return -EPROTONOSUPPORT;
    }
    const long fd = on.reserve();
    if (fd >= 0) {
        on.install(fd).non_blocking = (type & SOCK_NONBLOCK) != 0;
    }
    return fd;
}

// --- listen, accept -------------------------------------------------------------------------------------------------

inline long listen_step(engine& on, call& c, int fd, int backlog)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (d->has_connection()) {
        return -EINVAL;
    }
    // Linux: a negative one is the largest, and one more than `backlog` connections may wait.
    const int bounded = backlog < 0 ? on.options.largest_backlog : std::min(backlog, on.options.largest_backlog);
    const auto waiting = static_cast<std::uint32_t>(bounded) + 1;
    if (d->state == phase::listening) {
        return errno_result(d->stack.set_backlog(d->listener, waiting));
    }
    endpoint local = d->bound;
    if (local.port == 0) {
        local.port = choose_port(on, *d, local.address);
        if (local.port == 0) {
            return -EADDRINUSE;
        }
    }
    if (!is_free(on, *d, local, true)) {
        return -EADDRINUSE;
    }
    const auto [ec, id] = d->stack.listen(local, waiting);
    if (ec != errc::ok) {
        return -errno_of(ec);
    }
    static_cast<void>(d->stack.set_maximum_segment(id, static_cast<std::uint16_t>(d->options.maximum_segment)));
    static_cast<void>(d->stack.set_options(id, {.fast_open = static_cast<std::uint32_t>(d->options.fast_open)}));
    d->bound = local;
    d->listener = id;
    d->state = phase::listening;
    d->wake();
    return 0;
}

// What a connection has from its listener: the options, but not O_NONBLOCK.
inline void adopt(engine& on, descriptor& child, const descriptor& parent, connection_id id, bool non_blocking)
{
    child.connection = id;
    child.state = phase::connected;
    child.non_blocking = non_blocking;
    child.options = parent.options;
    child.bound = on.stack.local_of(id);
    apply_options(child);
    if (child.options.receive_buffer != 0) {
        static_cast<void>(on.stack.set_receive_buffer(id, child.options.receive_buffer));
    }
}

inline long accept_step(engine& on, call& c, int fd, sockaddr* address, socklen_t* length, int flags)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) {
        return -EINVAL;
    }
    const long place = on.reserve();
    if (place < 0) {
        return place;
    }
    if (d->state != phase::listening) {
        return -EINVAL;
    }
    const auto [ec, id] = d->stack.accept(d->listener);
    if (ec == errc::would_block) {
        if (!on.may_wait(c, engine::patience(*d, d->options.receive_timeout, 0))) {
            return -EAGAIN;
        }
        c.stand_in(d->waiters);
        d->arm_accept();
        return pending;
    }
    if (ec != errc::ok) {
        return -errno_of(ec);
    }
    descriptor& child = on.install(place);
    adopt(on, child, *d, id, (flags & SOCK_NONBLOCK) != 0);
    if (address != nullptr) {
        if (const long bad = write_address(on.stack.remote_of(id), address, length); bad != 0) {
            on.take(static_cast<int>(place)).reset();  // as on Linux, the connection is lost
            return bad;
        }
    }
    return place;
}

// --- connect --------------------------------------------------------------------------------------------------------

inline long start_connecting(descriptor& d, endpoint to, bool fast_open = false)
{
    if (to.port == 0) {
        return -ECONNREFUSED;  // nobody can listen there; Linux asks, and is told so by the peer's RST
    }
    if (to.address.is_unspecified()) {
        to.address = ipv4_address{0x7f00'0001};  // Linux: this host
    }
    const socket_options& o = d.options;
    const auto [ec, id] =
        d.stack.connect(to, {.local = d.bound,
                             .no_delay = o.no_delay,
                             .fast_open = fast_open,
                             .maximum_segment = static_cast<std::uint16_t>(o.maximum_segment),
                             .receive_buffer = o.receive_buffer});
    if (ec == errc::address_in_use) {
        return -EADDRNOTAVAIL;
    }
    if (ec == errc::address_not_available) {
        return -ENETUNREACH;
    }
    if (ec != errc::ok) {
        return -errno_of(ec);
    }
    d.connection = id;
    d.state = phase::connecting;
    d.error_taken = false;
    d.kept_error = 0;
    d.shut_read = d.shut_write = false;
    apply_options(d);
    d.wake();  // who polls has something else to wait for now
    return 0;
}

// The handshake is over, one way or the other.
inline long end_connecting(descriptor& d)
{
    const socket_state s = d.stack.look(d.connection);
    if (visible_state(d, s) != tcp_state::closed) {
        d.state = phase::connected;
        return 0;
    }
    const int why = d.take_error();
    d.release();
    return why != 0 ? -why : -ECONNABORTED;
}

inline long connect_step(engine& on, call& c, int fd, const sockaddr* address, socklen_t length, bool& started)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    sockaddr_in a{};
    if (const long bad = read_address(address, length, a); bad != 0) {
        return bad;
    }
    if (length < sizeof a.sin_family) {
        return -EINVAL;
    }
    if (a.sin_family == AF_UNSPEC) {  // back to an unconnected socket
        const bool alive =
            d->has_connection() && visible_state(*d, d->stack.look(d->connection)) != tcp_state::closed;
        if (alive) {
            static_cast<void>(d->stack.abort(d->connection));
        }
        d->release();
        d->kept_error = alive ? ECONNRESET : 0;
        d->shut_read = d->shut_write = false;
        d->wake();
        return 0;
    }
    if (d->state == phase::connected || d->state == phase::listening) {
        return -EISCONN;
    }
    if (d->state == phase::unconnected) {
        if (started) {
            return -ECONNABORTED;  // another thread shut it down meanwhile
        }
        if (length < sizeof a) {
            return -EINVAL;
        }
        if (a.sin_family != AF_INET) {
            return -EAFNOSUPPORT;
        }
        if (const long bad = start_connecting(*d, endpoint_of(a)); bad != 0) {
            return bad;
        }
        started = true;
    }
    if (d->stack.is_over(d->connection, wait_kind::connect)) {
        return end_connecting(*d);
    }
    if (!on.may_wait(c, engine::patience(*d, d->options.send_timeout, 0))) {
        return started ? -EINPROGRESS : -EALREADY;
    }
    return on.wait(c, *d, wait_kind::connect);
}

// sendto() with MSG_FASTOPEN: what is written before the SYN leaves goes in it, once the server has given a cookie.
inline long fast_open_step(engine& on, call& c, int fd, const sockaddr* address, socklen_t length)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    sockaddr_in a{};
    if (const long bad = read_address(address, length, a); bad != 0) {
        return bad;
    }
    if (d->state != phase::unconnected) {
        return d->state == phase::connecting ? -EALREADY : -EISCONN;
    }
    if (length < sizeof a) {
        return -EINVAL;
    }
    return a.sin_family != AF_INET ? -EAFNOSUPPORT : start_connecting(*d, endpoint_of(a), true);
}

// --- shutdown, close ------------------------------------------------------------------------------------------------

inline long shutdown_step(engine& on, call& c, int fd, int how)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return -EINVAL;
    }
    if (d->state == phase::listening) {
        if (how != SHUT_WR) {
            d->release();
            d->wake();
        }
        return 0;
    }
    const tcp_state state =
        d->has_connection() ? visible_state(*d, d->stack.look(d->connection)) : tcp_state::closed;
    if (state == tcp_state::syn_sent) {  // Linux gives the attempt up, whatever the direction
        static_cast<void>(d->stack.abort(d->connection));
        d->release();
        d->kept_error = ECONNRESET;
        d->wake();
        return 0;
    }
    d->shut_read = d->shut_read || how != SHUT_WR;
    d->shut_write = d->shut_write || how != SHUT_RD;
    if (state != tcp_state::closed && how != SHUT_RD) {
        static_cast<void>(d->stack.shutdown(d->connection));
    }
    if (state != tcp_state::closed && d->shut_read && d->shut_write) {
        static_cast<void>(d->stack.refuse_text(d->connection));
    }
    d->wake();
    return state == tcp_state::closed ? -ENOTCONN : 0;
}

// Lets go at once, or with SO_LINGER and a time waits until the peer has acknowledged what was sent. `kept` is where
// the socket stays meanwhile: its descriptor is free already.
inline long close_step(engine& on, call& c, int fd, descriptor*& kept)
{
    if (kept == nullptr) {
        long error = 0;
        descriptor* d = on.find(fd, c, error);
        if (d == nullptr) {
            return error;
        }
        std::unique_ptr<descriptor> owner = on.take(fd);
        const bool lingers = d->options.linger && d->has_connection();
        if (lingers && d->options.linger_seconds == 0) {
            static_cast<void>(d->stack.set_reset_on_close(d->connection, true));
        }
        if (!lingers || d->options.linger_seconds == 0 || d->stack.look(d->connection).readable > 0) {
            return 0;
        }
        static_cast<void>(d->stack.shutdown(d->connection));
        d->wake();
        kept = d;
        on.lingering.push_back(std::move(owner));
    }
    const duration limit{kept->options.linger_seconds * std::int64_t{1'000'000'000}};
    if (!kept->stack.is_over(kept->connection, wait_kind::flush) && on.may_wait(c, limit)) {
        return on.wait(c, *kept, wait_kind::flush);
    }
    std::erase_if(on.lingering, [&](const auto& d) { return d.get() == kept; });
    return 0;
}

}  // namespace tcpco::posix::detail
