// poll(), and the small calls that ask or set one thing: fcntl(), ioctl().
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "tcpco/interop/posix/life.hpp"

namespace tcpco::posix::detail {

// What poll() says of a socket, asked for or not (Linux's tcp_poll).
inline unsigned poll_bits(descriptor& d) noexcept
{
    constexpr unsigned in = POLLIN | POLLRDNORM;
    constexpr unsigned out = POLLOUT | POLLWRNORM;
    if (d.state == phase::listening) {
        return d.stack.can_accept(d.listener) ? in : 0;
    }
    const unsigned error = d.pending_error() != 0 ? unsigned{POLLERR} : 0u;
    if (!d.has_connection()) {
        return POLLHUP | out | error | (d.shut_read ? in | POLLRDHUP : 0u);
    }
    const socket_state s = d.stack.look(d.connection);
    const tcp_state state = visible_state(d, s);
    if (is_opening(d, state)) {
        return error;
    }
    const bool over = state == tcp_state::closed;
    const bool no_more_to_read = d.shut_read || s.end_received || over;
    const bool no_more_to_write = d.shut_write || over;
    unsigned bits = error;
    bits |= no_more_to_read && no_more_to_write ? unsigned{POLLHUP} : 0u;
    bits |= no_more_to_read ? in | POLLRDHUP : 0u;
    bits |= s.readable > 0 ? in : 0u;
    bits |= no_more_to_write || d.stack.is_over(d.connection, wait_kind::write) ? out : 0u;
    return bits;
}

// Has the stack tell of whatever could change these bits.
inline void arm_for_poll(call& c, descriptor& d, unsigned events)
{
    c.stand_in(d.waiters);
    if (d.state == phase::listening) {
        d.arm_accept();
        return;
    }
    if (!d.has_connection()) {
        return;  // only another call can change it, and that wakes
    }
    if (!d.stack.is_over(d.connection, wait_kind::connect)) {
        d.arm(wait_kind::connect);
        return;
    }
    d.arm(wait_kind::close);
    if ((events & (POLLIN | POLLRDNORM | POLLRDHUP)) != 0 && !d.arm(wait_kind::read)) {
        c.look_again();  // POLLRDHUP alone, while octets wait
    }
    if ((events & (POLLOUT | POLLWRNORM)) != 0) {
        d.arm(wait_kind::write);
    }
}

inline long poll_step(engine& on, call& c, pollfd* fds, nfds_t count, duration limit)
{
    long ready = 0;
    c.forget_places();
    for (pollfd& p : std::span{fds, count}) {
        descriptor* d = p.fd < 0 ? nullptr : on.find(p.fd);
        const unsigned wanted = static_cast<unsigned short>(p.events) | unsigned{POLLERR | POLLHUP};
        const unsigned bits = d != nullptr ? poll_bits(*d) & wanted : p.fd < 0 ? 0u : unsigned{POLLNVAL};
        p.revents = static_cast<short>(bits);
        ready += bits != 0 ? 1 : 0;
    }
    if (ready > 0 || !on.may_wait(c, limit)) {
        return ready;
    }
    for (pollfd& p : std::span{fds, count}) {
        if (descriptor* d = p.fd < 0 ? nullptr : on.find(p.fd)) {
            arm_for_poll(c, *d, static_cast<unsigned short>(p.events));
        }
    }
    return pending;
}

inline long fcntl_step(engine& on, call& c, int fd, int command, long argument)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    switch (command) {
    case F_GETFL: return O_RDWR | (d->non_blocking ? O_NONBLOCK : 0);
    case F_SETFL: d->non_blocking = (argument & O_NONBLOCK) != 0; return 0;
    case F_GETFD: return FD_CLOEXEC;  // no other program can ever have it
    case F_SETFD: return (argument & FD_CLOEXEC) != 0 ? 0 : -EINVAL;
    default: return -EINVAL;
    }
}

// SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), FIONBIO.
inline long ioctl_step(engine& on, call& c, int fd, unsigned long request, int* argument)
{
    constexpr unsigned long siocoutqnsd = 0x894B;  // <linux/sockios.h>
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (request != FIONREAD && request != TIOCOUTQ && request != siocoutqnsd && request != FIONBIO) {
        return -ENOTTY;
    }
    if (d->state == phase::listening && request != FIONBIO) {
        return -EINVAL;
    }
    if (argument == nullptr) {
        return -EFAULT;
    }
    if (request == FIONBIO) {
        d->non_blocking = *argument != 0;
        return 0;
    }
    const socket_state s = d->has_connection() ? d->stack.look(d->connection) : socket_state{};
    const std::size_t octets =
        request == FIONREAD ? s.readable : request == siocoutqnsd ? s.unsent : s.unacknowledged;
    *argument = static_cast<int>(std::min<std::size_t>(octets, INT_MAX));
    return 0;
}

}  // namespace tcpco::posix::detail
