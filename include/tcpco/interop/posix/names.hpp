// bind(), getsockname(), getpeername(): sockets' addresses, and which of them exclude each other.
//
// A port that bind() took and that nobody listens on yet is known to the façade alone; a bind() is checked against the
// façade's sockets and against every connection of the stack, those in TIME-WAIT included. SO_REUSEADDR lifts the first
// check between two sockets that both have it and do not listen, and on the new socket alone it lifts the second (on
// Linux the old connection's socket must have had it, too).
#pragma once

#include <cstring>

#include "tcpco/interop/posix/options.hpp"

namespace tcpco::posix::detail {

inline endpoint endpoint_of(const sockaddr_in& a) noexcept
{
    const ipv4_address address{ntohl(a.sin_addr.s_addr)};
    return {address, ntohs(a.sin_port)};
}

inline sockaddr_in sockaddr_of(const endpoint& e) noexcept
{
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(e.port);
    a.sin_addr.s_addr = htonl(e.address.is_v4() ? e.address.v4().value : 0);
    return a;
}

// A sockaddr as a caller hands it in. 0 or a negated errno.
inline long read_address(const sockaddr* address, socklen_t length, sockaddr_in& out) noexcept
{
    if (length > sizeof(sockaddr_storage)) {
        return -EINVAL;  // a negative one, too
    }
    if (address == nullptr && length > 0) {
        return -EFAULT;
    }
    if (length > 0) {
        std::memcpy(&out, address, std::min<std::size_t>(length, sizeof out));
    }
    return 0;
}

// A sockaddr as a caller wants it back: cut to the room that there is, with its true length.
inline long write_address(const endpoint& e, sockaddr* address, socklen_t* length) noexcept
{
    if (length == nullptr || (address == nullptr && *length > 0)) {
        return -EFAULT;
    }
    if (static_cast<int>(*length) < 0) {
        return -EINVAL;
    }
    const sockaddr_in a = sockaddr_of(e);
    if (*length > 0) {
        std::memcpy(address, &a, std::min<std::size_t>(*length, sizeof a));
    }
    *length = sizeof a;
    return 0;
}

inline bool addresses_overlap(const endpoint& a, const endpoint& b) noexcept
{
    return a.address == b.address || a.address == ip_address{} || b.address == ip_address{};
}

// May `d` have this address? `listens`: it has it and is about to listen, which connections do not hinder.
inline bool is_free(const engine& on, const descriptor& d, const endpoint& wanted, bool listens)
{
    for (const auto& other : on.table) {
        if (other == nullptr || other.get() == &d || other->bound.port != wanted.port ||
            !addresses_overlap(other->bound, wanted)) {
            continue;
        }
        const bool shared =
            d.options.reuse_address && other->options.reuse_address && other->state != phase::listening;
        if (!shared && !(listens && other->has_connection())) {
            return false;
        }
    }
    return d.options.reuse_address || listens || !on.stack.is_local_in_use(wanted);
}

// An ephemeral port for `address`. 0: none is free.
inline std::uint16_t choose_port(engine& on, const descriptor& d, const ip_address& address)
{
    for (int tries = 0; tries < 16'384; ++tries) {
        const std::uint16_t port = on.stack.free_port(address);
        if (port == 0 || is_free(on, d, {address, port}, false)) {
            return port;
        }
    }
    return 0;
}

inline long bind_step(engine& on, call& c, int fd, const sockaddr* address, socklen_t length)
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
    if (length < sizeof a) {
        return -EINVAL;
    }
    if (a.sin_family != AF_INET && (a.sin_family != AF_UNSPEC || a.sin_addr.s_addr != 0)) {
        return -EAFNOSUPPORT;
    }
    endpoint wanted = endpoint_of(a);
    if (!wanted.address.is_unspecified() && !on.stack.has_address(wanted.address)) {
        return -EADDRNOTAVAIL;
    }
    if (d->bound.port != 0 || d->state != phase::unconnected) {
        return -EINVAL;
    }
    if (wanted.port == 0) {
        wanted.port = choose_port(on, *d, wanted.address);
        if (wanted.port == 0) {
            return -EADDRINUSE;
        }
    } else if (!is_free(on, *d, wanted, false)) {
        return -EADDRINUSE;
    }
    d->bound = wanted;
    return 0;
}

inline endpoint local_name(const descriptor& d) noexcept
{
    if (!d.has_connection()) {
        return d.bound;
    }
    const endpoint e = d.stack.local_of(d.connection);
    return e.port != 0 ? e : d.bound;
}

inline long name_step(engine& on, call& c, int fd, sockaddr* address, socklen_t* length, bool peer)
{
    long error = 0;
    const descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (!peer) {
        return write_address(local_name(*d), address, length);
    }
    const tcp_state state = d->has_connection() ? visible_state(*d, d->stack.look(d->connection)) : tcp_state::closed;
    if (state == tcp_state::closed || state == tcp_state::syn_sent) {
        return -ENOTCONN;
    }
    return write_address(d->stack.remote_of(d->connection), address, length);
}

}  // namespace tcpco::posix::detail
