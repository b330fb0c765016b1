// posix::host: the calls, spelled and answering as the C library's do.
//
// Each call carries its arguments to the stack's thread, runs as a step there, and sets errno on the caller's thread.
// See tcpco/interop/posix.hpp for how to make one and for where it differs from Linux.
#pragma once

#include <algorithm>
#include <cerrno>
#include <climits>
#include <stdexcept>
#include <string>

#include "tcpco/interop/posix/readiness.hpp"
#include "tcpco/reactor/reactor_base.hpp"

namespace tcpco::posix {

class host {
public:
    // For a stack whose reactor runs on another thread than the callers': any thread but that one may call, any number
    // of them at the same time. Made and destroyed on the stack's thread, after the stack and before it.
    host(stack_port& stack, executor& exec, const host_options& options = {}) : engine_{stack, exec, options} {}

    // For one thread and a time that is stepped: a call that has to wait runs turns of `reactor` until it is done, and
    // throws deadlock_error where nothing is left that could end its wait. Every other call begins with a turn that
    // waits for nothing, so that the stack's time is the reactor's. Not to be called from within a turn.
    template <class Reactor>
        requires requires(Reactor& r) {
            { r.turn(duration{}) } -> std::same_as<bool>;
            { r.get_executor() } -> std::same_as<executor&>;
        }
    host(stack_port& stack, Reactor& reactor, const host_options& options = {})
        : engine_{stack, reactor.get_executor(), options},
          turn_{[](void* r, duration limit) { return static_cast<Reactor*>(r)->turn(limit); }}, reactor_{&reactor}
    {
    }
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    // Closes what is open, as close() does. Calls that still wait fail with EBADF.
    ~host() = default;

    // --- life ------------------------------------------------------------------------------------------------------

    // AF_INET, SOCK_STREAM (with SOCK_NONBLOCK, SOCK_CLOEXEC). EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EINVAL,
    // EMFILE.
    int socket(int domain, int type, int protocol = 0)
    {
        return number([=](auto& on, auto&) { return detail::socket_step(on, domain, type, protocol); });
    }
    // Port 0: one is chosen, see getsockname(). EADDRINUSE, EADDRNOTAVAIL, EINVAL (bound already), EAFNOSUPPORT.
    int bind(int fd, const sockaddr* address, socklen_t length)
    {
        return number([=](auto& on, auto& c) { return detail::bind_step(on, c, fd, address, length); });
    }
    int listen(int fd, int backlog)
    {
        return number([=](auto& on, auto& c) { return detail::listen_step(on, c, fd, backlog); });
    }
    int accept(int fd, sockaddr* address = nullptr, socklen_t* length = nullptr)
    {
        return accept4(fd, address, length, 0);
    }
    // The options of the listening socket are inherited, O_NONBLOCK is not. EAGAIN, EINVAL (not listening), EMFILE.
    int accept4(int fd, sockaddr* address, socklen_t* length, int flags)
    {
        return number([=](auto& on, auto& c) { return detail::accept_step(on, c, fd, address, length, flags); });
    }
    // EINPROGRESS, then EALREADY, then 0 or the error once; EISCONN. AF_UNSPEC disconnects.
    int connect(int fd, const sockaddr* address, socklen_t length)
    {
        bool started = false;
        return number([=, &started](auto& on, auto& c) {
            return detail::connect_step(on, c, fd, address, length, started);
        });
    }
    int shutdown(int fd, int how)
    {
        return number([=](auto& on, auto& c) { return detail::shutdown_step(on, c, fd, how); });
    }
    // What is queued is still sent, and the connection comes to its end without an owner. Calls that wait for this
    // socket on other threads fail with EBADF (on Linux they would go on waiting).
    int close(int fd)
    {
        detail::descriptor* kept = nullptr;
        return number([=, &kept](auto& on, auto& c) { return detail::close_step(on, c, fd, kept); });
    }

    // --- receiving -------------------------------------------------------------------------------------------------

    ssize_t read(int fd, void* data, std::size_t size)
    {
        const iovec whole{data, size};
        return readv(fd, &whole, 1);
    }
    ssize_t recv(int fd, void* data, std::size_t size, int flags)
    {
        const iovec whole{data, size};
        return receive(fd, &whole, 1, flags, EMSGSIZE);
    }
    ssize_t readv(int fd, const iovec* vectors, int count)
    {
        return count < 0 ? refuse(fd, EINVAL) : receive(fd, vectors, static_cast<std::size_t>(count), 0, EINVAL);
    }
    // The address stays unwritten and its length becomes 0, as for every connected stream on Linux.
    ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* address, socklen_t* length)
    {
        const ssize_t n = recv(fd, data, size, flags);
        if (n >= 0 && address != nullptr) {
            if (length == nullptr) {
                return fail(EFAULT);
            }
            *length = 0;
        }
        return n;
    }
    ssize_t recvmsg(int fd, msghdr* message, int flags)
    {
        if (message == nullptr) {
            return refuse(fd, EFAULT);
        }
        if (message->msg_name != nullptr && message->msg_namelen > INT_MAX) {
            return refuse(fd, EINVAL);
        }
        const ssize_t n = receive(fd, message->msg_iov, message->msg_iovlen, flags, EMSGSIZE);
        if (n >= 0) {
            message->msg_namelen = 0;
            message->msg_controllen = 0;
            message->msg_flags = 0;
        }
        return n;
    }

    // --- sending: there never is a SIGPIPE, with MSG_NOSIGNAL or without ---------------------------------------------

    ssize_t write(int fd, const void* data, std::size_t size) { return send(fd, data, size, 0); }
    ssize_t send(int fd, const void* data, std::size_t size, int flags)
    {
        const iovec whole{const_cast<void*>(data), size};
        return transmit(fd, &whole, 1, flags, EMSGSIZE);
    }
    // A connected stream does not look at the address, as on Linux. With MSG_FASTOPEN it connects there, and what is
    // sent goes in the SYN if that server has given a cookie (RFC 7413: it may arrive twice); else it waits for the
    // handshake, where Linux refuses it with EINPROGRESS. EALREADY, EISCONN, and what connect() answers.
    ssize_t sendto(int fd, const void* data, std::size_t size, int flags, const sockaddr* address, socklen_t length)
    {
        const iovec whole{const_cast<void*>(data), size};
        return transmit(fd, &whole, 1, flags, EMSGSIZE, address, length);
    }
    ssize_t writev(int fd, const iovec* vectors, int count)
    {
        const auto is_empty = [](const iovec& v) { return v.iov_len == 0; };
        const bool nothing = count >= 0 && count <= IOV_MAX && (vectors != nullptr || count == 0) &&
                             std::all_of(vectors, vectors + count, is_empty);
        if (nothing || count < 0) {  // of nothing the socket is not asked, as on Linux
            return refuse(fd, nothing ? 0 : EINVAL);
        }
        return transmit(fd, vectors, static_cast<std::size_t>(count), 0, EINVAL);
    }
    // Control messages: EINVAL.
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    {
        if (message == nullptr) {
            return refuse(fd, EFAULT);
        }
        if (message->msg_name != nullptr && message->msg_namelen > INT_MAX) {
            return refuse(fd, EINVAL);
        }
        if (message->msg_controllen != 0) {
            return refuse(fd, EINVAL);
        }
        return transmit(fd, message->msg_iov, message->msg_iovlen, flags, EMSGSIZE,
                        static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
    }

    // --- asking and setting ----------------------------------------------------------------------------------------

    // Descriptors of this host only; any other number that is not negative answers POLLNVAL. A negative timeout (ms)
    // waits without limit.
    int poll(pollfd* fds, nfds_t count, int timeout)
    {
        if (count > static_cast<nfds_t>(engine_.options.descriptors)) {
            return static_cast<int>(fail(EINVAL));
        }
        if (fds == nullptr && count > 0) {
            return static_cast<int>(fail(EFAULT));
        }
        const duration limit = timeout < 0 ? duration::max() : duration{timeout * std::int64_t{1'000'000}};
        bool began = false;
        return number([=, &began](auto& on, auto& c) {
            if (!std::exchange(began, true)) {
                c.reserve(count);
            }
            return detail::poll_step(on, c, fds, count, limit);
        });
    }
    int getsockname(int fd, sockaddr* address, socklen_t* length)
    {
        return number([=](auto& on, auto& c) { return detail::name_step(on, c, fd, address, length, false); });
    }
    int getpeername(int fd, sockaddr* address, socklen_t* length)
    {
        return number([=](auto& on, auto& c) { return detail::name_step(on, c, fd, address, length, true); });
    }
    int getsockopt(int fd, int level, int name, void* value, socklen_t* length)
    {
        return number([=](auto& on, auto& c) { return detail::get_option(on, c, fd, level, name, value, length); });
    }
    // SOL_SOCKET: SO_REUSEADDR, SO_RCVBUF, SO_SNDBUF, SO_LINGER, SO_KEEPALIVE, SO_RCVTIMEO, SO_SNDTIMEO, SO_OOBINLINE
    // (to be on); to be read, also SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN. IPPROTO_TCP: TCP_NODELAY,
    // TCP_CORK, TCP_MAXSEG, TCP_USER_TIMEOUT, TCP_LINGER2, TCP_FASTOPEN (of a listener: how many may be open by a
    // cookie alone), TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_CONGESTION; to be read, also TCP_INFO. Everything
    // else, and what the stack's bundle cannot do: ENOPROTOOPT.
    int setsockopt(int fd, int level, int name, const void* value, socklen_t length)
    {
        const detail::option_value v{const_cast<void*>(value), length};
        return number([=](auto& on, auto& c) { return detail::set_option(on, c, fd, level, name, v); });
    }
    // F_GETFL, F_SETFL (O_NONBLOCK; other flags are ignored, as Linux ignores most), F_GETFD, F_SETFD (FD_CLOEXEC holds
    // always). Else EINVAL.
    int fcntl(int fd, int command, long argument = 0)
    {
        return number([=](auto& on, auto& c) { return detail::fcntl_step(on, c, fd, command, argument); });
    }
    // SIOCINQ (FIONREAD): octets to read. SIOCOUTQ (TIOCOUTQ): octets written and not yet acknowledged; SIOCOUTQNSD:
    // not yet sent. FIONBIO. Else ENOTTY.
    int ioctl(int fd, unsigned long request, int* argument)
    {
        return number([=](auto& on, auto& c) { return detail::ioctl_step(on, c, fd, request, argument); });
    }

private:
    static long fail(int error) noexcept
    {
        errno = error;
        return -1;
    }

    template <class Step>
    long perform(Step&& step)
    {
        auto body = [&](detail::call& c) -> long { return step(engine_, c); };
        detail::call c{engine_.exec, body};
        if (executor::current() == &engine_.exec) {
            c.run();
            if (!c.done()) {
                c.finish(-EDEADLK);  // the stack's thread cannot wait for itself
            }
        } else if (turn_ != nullptr) {
            turn_(reactor_, duration::zero());
            c.run();
            while (!c.done()) {
                if (!turn_(reactor_, duration::max()) && !c.done()) {
                    c.finish(-EDEADLK);
                    throw deadlock_error{"a call waits, and nothing is left that could ever end its wait"};
                }
            }
        } else {
            c.post();
            c.sleep_until_done();
        }
        return c.result();
    }
    template <class Step>
    long answer(Step&& step)
    {
        const long r = perform(step);
        return r < 0 ? fail(static_cast<int>(-r)) : r;
    }
    template <class Step>
    int number(Step&& step)
    {
        return static_cast<int>(answer(step));
    }

    // Arguments are wrong; a descriptor that is none comes first.
    long refuse(int fd, int error)
    {
        return answer([=](detail::engine& on, detail::call& c) {
            long bad = 0;
            return on.find(fd, c, bad) == nullptr ? bad : -long{error};
        });
    }
    // `too_many`: which error more than 1024 vectors are, EMSGSIZE for the calls named after messages.
    ssize_t receive(int fd, const iovec* vectors, std::size_t count, int flags, int too_many)
    {
        detail::scattered to{vectors, count};
        return answer([&](detail::engine& on, detail::call& c) {
            const long bad = detail::check_call(on, c, fd, vectors, count, too_many);
            return bad != 0 ? bad : detail::receive_step(on, c, fd, to, flags, too_many == EMSGSIZE);
        });
    }
    ssize_t transmit(int fd, const iovec* vectors, std::size_t count, int flags, int too_many,
                     const sockaddr* address = nullptr, socklen_t length = 0)
    {
        detail::scattered from{vectors, count};
        bool opened = false;
        return answer([&](detail::engine& on, detail::call& c) {
            long bad = detail::check_call(on, c, fd, vectors, count, too_many);
            const bool opens = bad == 0 && (flags & MSG_FASTOPEN) != 0 && !std::exchange(opened, true);
            bad = opens ? detail::fast_open_step(on, c, fd, address, length) : bad;
            return bad != 0 ? bad : detail::send_step(on, c, fd, from, flags & ~MSG_FASTOPEN, opens);
        });
    }

    detail::engine engine_;
    bool (*turn_)(void*, duration) = nullptr;
    void* reactor_ = nullptr;
};

}  // namespace tcpco::posix
