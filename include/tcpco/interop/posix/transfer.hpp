// recv() and send() in all their forms, as steps on the stack's thread.
//
// The order of the questions is Linux's (tcp_recvmsg, tcp_sendmsg): octets that are there come before an error, an
// error is told once, and afterwards reading finds the end of the stream and writing a broken pipe.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include <sys/uio.h>

#include "tcpco/interop/posix/descriptor.hpp"

namespace tcpco::posix::detail {

// Memory of the caller as iovecs, and how far a call has come in it.
class scattered {
public:
    scattered(const iovec* vectors, std::size_t count) noexcept : vectors_{vectors, count} {}

    bool done() noexcept
    {
        skip_finished();
        return vectors_.empty();
    }
    // Of the current piece, what is still to do; done() was false.
    std::span<std::byte> piece() const noexcept
    {
        return std::span{static_cast<std::byte*>(vectors_[0].iov_base), vectors_[0].iov_len}.subspan(at_);
    }
    void advance(std::size_t n) noexcept
    {
        at_ += n;
        total_ += n;
    }
    std::size_t total() const noexcept { return total_; }

private:
    void skip_finished() noexcept
    {
        while (!vectors_.empty() && at_ == vectors_[0].iov_len) {
            vectors_ = vectors_.subspan(1);
            at_ = 0;
        }
    }

    std::span<const iovec> vectors_;
    std::size_t at_ = 0;
    std::size_t total_ = 0;
};

// What is wrong with a list of iovecs: 0, or a negated errno. `too_many` is what more than 1024 (UIO_MAXIOV) are.
inline long check_vectors(const iovec* vectors, std::size_t count, int too_many) noexcept
{
    if (count > 1'024) {
        return -too_many;
    }
    if (count > 0 && vectors == nullptr) {
        return -EFAULT;
    }
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        total += vectors[i].iov_len;
        if (vectors[i].iov_len > static_cast<std::size_t>(LONG_MAX) || total > static_cast<std::size_t>(LONG_MAX)) {
            return -EINVAL;
        }
    }
    return 0;
}

// The descriptor is asked for before the memory.
inline long check_call(engine& on, call& c, int fd, const iovec* vectors, std::size_t count, int too_many) noexcept
{
    long error = 0;
    return on.find(fd, c, error) == nullptr ? error : check_vectors(vectors, count, too_many);
}

// Copies what is there; with `peek` it stays there. False: there is something, and no memory to put it in.
inline bool copy_out(descriptor& d, scattered& to, bool peek) noexcept
{
    while (!to.done()) {
        if (to.piece().data() == nullptr && d.stack.look(d.connection).readable > 0) {
            return false;
        }
        const auto [ec, n] = peek ? d.stack.peek(d.connection, to.piece(), to.total())
                                  : d.stack.read(d.connection, to.piece());
        if (n == 0) {
            break;
        }
        to.advance(n);
    }
    return true;
}

// Nothing is there to read: why. 0 is the end of the stream; pending, that octets may still come.
inline long why_empty(descriptor& d) noexcept
{
    const socket_state s = d.stack.look(d.connection);
    const tcp_state state = visible_state(d, s);
    if (d.has_connection() && s.end_received) {
        return 0;
    }
    if (const int e = d.take_error(); e != 0) {
        return -e;
    }
    if (d.shut_read || d.error_taken) {
        return 0;
    }
    return state != tcp_state::closed ? pending : d.has_connection() ? 0 : -ENOTCONN;
}

// `at_least_one`: recv() of no octets waits for the first one, as on Linux; read() does not.
inline long receive_step(engine& on, call& c, int fd, scattered& to, int flags, bool at_least_one)
{
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if (d->state == phase::listening) {
        return -ENOTCONN;
    }
    if ((flags & MSG_OOB) != 0) {
        return -EINVAL;  // urgent octets are read in line, as RFC 6093 wants it
    }
    if ((flags & MSG_ERRQUEUE) != 0) {
        return -EAGAIN;  // it is always empty
    }
    if ((flags & MSG_TRUNC) != 0) {
        return -EOPNOTSUPP;
    }
    const bool empty = to.done();
    if (empty && (!at_least_one || (d->has_connection() && d->stack.look(d->connection).readable > 0))) {
        return 0;
    }
    const bool peek = (flags & MSG_PEEK) != 0;
    scattered view = to;  // what is peeked at is looked at from its beginning each time
    scattered& progress = peek ? view : to;
    if (d->has_connection() && !copy_out(*d, progress, peek) && progress.total() == 0) {
        return -EFAULT;
    }
    const auto got = static_cast<long>(progress.total());
    if ((!empty && progress.done()) || (got > 0 && (flags & MSG_WAITALL) == 0)) {
        return got;
    }
    if (got > 0) {
        const socket_state s = d->stack.look(d->connection);
        if (d->pending_error() != 0 || s.end_received || d->shut_read || s.state == tcp_state::closed) {
            return got;  // the error waits for the next call
        }
    } else if (const long why = why_empty(*d); why != pending) {
        return why;
    }
    if (!on.may_wait(c, engine::patience(*d, d->options.receive_timeout, flags))) {
        return got > 0 ? got : -EAGAIN;
    }
    return on.wait(c, *d, wait_kind::read);
}

// Whether writing is possible: 0, pending while the handshake goes on, or a negated errno.
inline long why_unwritable(descriptor& d) noexcept
{
    if (const int e = d.pending_error(); e != 0) {
        return -e;
    }
    const socket_state s = d.stack.look(d.connection);
    const tcp_state state = visible_state(d, s);
    if (is_opening(d, state)) {
        return pending;
    }
    switch (state) {
    case tcp_state::syn_received:
    case tcp_state::established:
    case tcp_state::close_wait: return d.shut_write ? -EPIPE : 0;
    default: return -EPIPE;
    }
}

inline void set_cork(descriptor& d, bool more) noexcept
{
    d.corked_by_more = more;
    if (d.has_connection()) {
        static_cast<void>(d.stack.set_cork(d.connection, more || d.options.cork));
    }
}

// `opens`: what is written goes in the SYN, or waits for the handshake.
inline long send_step(engine& on, call& c, int fd, scattered& from, int flags, bool opens)
{
    constexpr int known = MSG_OOB | MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR | MSG_CONFIRM;
    long error = 0;
    descriptor* d = on.find(fd, c, error);
    if (d == nullptr) {
        return error;
    }
    if ((flags & ~known) != 0) {
        return -EOPNOTSUPP;
    }
    const long state = opens ? 0 : why_unwritable(*d);
    const auto went = static_cast<long>(from.total());
    if (state != 0 && state != pending) {
        if (went == 0) {
            static_cast<void>(d->take_error());
        }
        return went > 0 ? went : state;  // what went counts; the error waits for the next call
    }
    if (state == 0) {
        if (const bool more = (flags & MSG_MORE) != 0; more != d->corked_by_more) {
            set_cork(*d, more);
        }
        while (!from.done()) {
            if (from.piece().data() == nullptr) {
                return from.total() > 0 ? static_cast<long>(from.total()) : -EFAULT;
            }
            const auto [ec, n] = (flags & MSG_OOB) != 0 ? on.stack.write_urgent(d->connection, from.piece())
                                                        : on.stack.write(d->connection, from.piece());
            from.advance(n);
            if (n == 0) {
                break;
            }
        }
        if (from.done()) {
            return static_cast<long>(from.total());
        }
    }
    if (!on.may_wait(c, engine::patience(*d, d->options.send_timeout, flags))) {
        return from.total() > 0 ? static_cast<long>(from.total()) : -EAGAIN;
    }
    return on.wait(c, *d, state == pending ? wait_kind::connect : wait_kind::write);
}

}  // namespace tcpco::posix::detail
