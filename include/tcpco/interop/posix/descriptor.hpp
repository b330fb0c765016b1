// The façade's sockets as the stack's thread keeps them: a table of descriptors, and what each of them is.
//
// Everything here belongs to the stack's thread. A socket's readiness is watched with the stack's own completions, one
// of each kind, armed only while some call waits; when one is told, all calls that stand in the socket's list look
// again.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "tcpco/async/error.hpp"
#include "tcpco/interop/posix/call.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco::posix {

struct host_options {
    // The smallest descriptor. The kernel's own stay below fs.nr_open, which is 1,048,576 unless somebody raised it, so
    // neither kind of number is taken for the other: a kernel's one answers ENOTSOCK here, one of ours EBADF there.
    int first_descriptor = 1 << 20;
    int descriptors = 1'024;  // as many can be open; then EMFILE. Linux's usual RLIMIT_NOFILE

    // What SO_RCVBUF and SO_SNDBUF are cut to before they are doubled (net.core.rmem_max, wmem_max; Linux's default).
    int largest_buffer = 212'992;
    int largest_backlog = 4'096;  // net.core.somaxconn
};

namespace detail {

inline int errno_of(errc e) noexcept
{
    return e == errc::ok ? 0 : static_cast<int>(tcpco::detail::to_std_errc(e));
}

// What setsockopt() has set, kept for connections to come.
struct socket_options {
    bool reuse_address = false;
    bool no_delay = false;
    bool cork = false;
    bool linger = false;
    int linger_seconds = 0;
    int receive_buffer = 0;  // octets, doubled already as Linux does it; 0: the stack's own
    int send_buffer = 0;
    int maximum_segment = 0;
    bool keep_alive = false;
    int keep_idle = 7'200;  // seconds; what Linux and tcpco::keep_alive have
    int keep_interval = 75;
    int keep_count = 9;
    int user_timeout = 0;        // milliseconds; 0: the stack's own
    int fin_wait_2_seconds = 0;  // 0: the stack's own
    int fast_open = 0;           // TCP_FASTOPEN of a listener: so many at a time
    std::string congestion;      // empty: the stack's own
    duration receive_timeout = duration::max();
    duration send_timeout = duration::max();
};

// Linux's socket states, not TCP's: `connecting` lasts until connect() is called once more.
enum class phase : std::uint8_t { unconnected, listening, connecting, connected };

struct descriptor;

// Stands in the stack for all calls that wait for one kind of readiness of one socket.
struct watch : completion {
    watch() noexcept : completion{&told} {}
    static void told(completion& c) noexcept;

    descriptor* owner = nullptr;
    wait_kind kind{};
    bool armed = false;
};

struct descriptor {
    descriptor(stack_port& s, std::uint64_t number) noexcept : stack{s}, serial{number}
    {
        waiters.next = waiters.prev = &waiters;
        accept_watch.owner = this;
        for (std::size_t i = 0; i < watches.size(); ++i) {
            watches[i].owner = this;
            watches[i].kind = static_cast<wait_kind>(i);
        }
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    // Lets go of the stack's side: the connection goes on to its end by itself, without an owner.
    ~descriptor()
    {
        release();
        wake();
        while (waiters.next != &waiters) {
            waiters.next->unlink();
        }
        waiters.next = waiters.prev = nullptr;
    }

    // All calls that wait look again.
    void wake() noexcept
    {
        for (ready_node* n = waiters.next; n != &waiters; n = n->next) {
            static_cast<wait_node*>(n)->owner->schedule();
        }
    }

    void release() noexcept
    {
        if (state == phase::listening) {
            static_cast<void>(stack.close(listener));
        } else if (state != phase::unconnected) {
            static_cast<void>(stack.close(connection));
        }
        for (watch& w : watches) {
            w.unlink();
            w.armed = false;
        }
        accept_watch.unlink();
        accept_watch.armed = false;
        state = phase::unconnected;
        error_taken = false;
        corked_by_more = false;
    }

    // Has the stack tell when `kind` is ready. False: it is so already.
    bool arm(wait_kind kind) noexcept
    {
        watch& w = watches[static_cast<std::size_t>(kind)];
        if (w.armed) {
            return true;
        }
        if (stack.is_over(connection, kind)) {
            return false;
        }
        w.armed = stack.wait_for(connection, kind, w) == errc::ok;
        return w.armed;
    }
    void arm_accept() noexcept
    {
        if (!accept_watch.armed) {
            accept_watch.armed = stack.wait_for_accept(listener, accept_watch) == errc::ok;
        }
    }

    bool has_connection() const noexcept { return state == phase::connecting || state == phase::connected; }

    // Linux's sk_err: what ended the connection, until somebody was told.
    int pending_error() const noexcept
    {
        if (kept_error != 0) {
            return kept_error;
        }
        if (!has_connection() || error_taken) {
            return 0;
        }
        const socket_state s = stack.look(connection);
        if (s.error == errc::connection_reset && s.end_received && !shut_write) {
            return EPIPE;  // as Linux has it for a reset in CLOSE-WAIT
        }
        return s.error == errc::connection_aborted ? 0 : errno_of(s.error);
    }
    int take_error() noexcept
    {
        const int e = pending_error();
        error_taken = error_taken || (e != 0 && kept_error == 0);
        kept_error = 0;
        return e;
    }

    stack_port& stack;
    std::uint64_t serial;
    phase state = phase::unconnected;
    connection_id connection{};
    listener_id listener{};
    endpoint bound{};  // port 0: not bound
    bool non_blocking = false;
    bool shut_read = false;
    bool shut_write = false;
    bool error_taken = false;
    int kept_error = 0;           // of a connection that is released already
    bool corked_by_more = false;  // the last send() had MSG_MORE
    socket_options options;

    ready_node waiters;  // head of the list of calls that wait for this socket
    std::array<watch, std::size(wait_kinds)> watches;
    watch accept_watch;
};

inline void watch::told(completion& c) noexcept
{
    watch& w = static_cast<watch&>(c);
    descriptor& d = *w.owner;
    if (w.armed && &w != &d.accept_watch) {
        d.stack.stop_waiting(d.connection, w.kind, w);
    }
    w.armed = false;
    d.wake();
}

// TCP's state as Linux's socket shows it: TIME-WAIT belongs to nobody's socket any more.
inline tcp_state visible_state(const descriptor& d, const socket_state& s) noexcept
{
    if (d.state == phase::listening) {
        return tcp_state::listen;
    }
    return !d.has_connection() || s.state == tcp_state::time_wait || s.state == tcp_state::listen ? tcp_state::closed
                                                                                                   : s.state;
}

// Whether the handshake still has to end before octets can pass. Not once accept() gave the connection away: then a
// Fast Open cookie has opened it.
inline bool is_opening(const descriptor& d, tcp_state state) noexcept
{
    return state == tcp_state::syn_sent || (state == tcp_state::syn_received && d.state != phase::connected);
}

// What the stack's thread knows of one host.
struct engine {
    engine(stack_port& s, executor& e, const host_options& o) : stack{s}, exec{e}, options{o}
    {
        waiting_calls.next = waiting_calls.prev = &waiting_calls;
    }
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    // Calls that still wait end with EBADF.
    ~engine()
    {
        table.clear();
        lingering.clear();
        while (waiting_calls.next != &waiting_calls) {
            static_cast<wait_node*>(waiting_calls.next)->owner->finish(-EBADF);
        }
        waiting_calls.next = waiting_calls.prev = nullptr;
    }

    // The socket that `fd` is; null, with the reason in `error` as a negated errno. A call that waits keeps to the
    // socket it began with.
    descriptor* find(int fd, call& c, long& error) noexcept
    {
        descriptor* d = find(fd);
        if (d == nullptr || (c.serial != 0 && c.serial != d->serial)) {
            error = fd >= 0 && fd < options.first_descriptor ? -ENOTSOCK : -EBADF;
            return nullptr;
        }
        c.serial = d->serial;
        return d;
    }
    descriptor* find(int fd) noexcept
    {
        if (fd < options.first_descriptor) {
            return nullptr;
        }
        const auto index = static_cast<std::size_t>(fd - options.first_descriptor);
        return index < table.size() ? table[index].get() : nullptr;
    }

    // The lowest free place, as POSIX wants it. -EMFILE: there is none.
    long reserve()
    {
        const auto free = std::find(table.begin(), table.end(), nullptr);
        if (free == table.end()) {
            if (table.size() >= static_cast<std::size_t>(std::max(options.descriptors, 0))) {
                return -EMFILE;
            }
            table.emplace_back();
        }
        const auto lowest = std::find(table.begin(), table.end(), nullptr) - table.begin();
        return options.first_descriptor + static_cast<long>(lowest);
    }
    descriptor& install(long fd)
    {
        auto& place = table[static_cast<std::size_t>(fd - options.first_descriptor)];
        place = std::make_unique<descriptor>(stack, ++serials);
        return *place;
    }
    std::unique_ptr<descriptor> take(int fd) noexcept
    {
        return std::move(table[static_cast<std::size_t>(fd - options.first_descriptor)]);
    }

    // How long a call on this socket may wait.
    static duration patience(const descriptor& d, duration timeout, int flags) noexcept
    {
        return d.non_blocking || (flags & MSG_DONTWAIT) != 0 ? duration::zero() : timeout;
    }
    bool may_wait(call& c, duration limit) noexcept { return c.may_wait(limit, waiting_calls); }

    // Waits until `kind` is ready, or for what else happens to the socket. The step looks again then.
    long wait(call& c, descriptor& d, wait_kind kind) noexcept
    {
        c.stand_in(d.waiters);
        if (!d.arm(kind)) {
            c.look_again();  // it is ready, and still not what the call wants (MSG_PEEK with MSG_WAITALL)
        }
        return pending;
    }

    stack_port& stack;
    executor& exec;
    host_options options;
    std::vector<std::unique_ptr<descriptor>> table;
    std::vector<std::unique_ptr<descriptor>> lingering;  // closed, but close() has not returned yet (SO_LINGER)
    ready_node waiting_calls;
    std::uint64_t serials = 0;
};

}  // namespace detail

}  // namespace tcpco::posix
