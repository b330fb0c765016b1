// tcp_listener: accepts connections (RFC 9293 section 3.10.1, the passive OPEN).
//
//     tcp_listener listener{net, {"198.18.0.2"_ip, 7}};            // throws std::system_error
//     auto [ec, listener] = listen(net, {"198.18.0.2"_ip, 7});     // or says why not
//     for (;;) {
//         auto [ec, socket] = co_await listener.accept();
//         ...
//     }
//
// An established connection waits in the listener until somebody accepts it: a busy accept loop loses none. Several may
// await accept(): each connection goes to one of them, first come, first served.
#pragma once

#include <cstdint>
#include <system_error>
#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/tcp_socket.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/stack/socket_handle.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

// tcp_listener::accept()
class accept_operation : completion {
public:
    accept_operation(const socket_handle& stack, listener_id id) noexcept : completion{&told}, stack_{stack}, id_{id} {}
    accept_operation(accept_operation&& other) noexcept
        : completion{&told}, stack_{std::move(other.stack_)}, id_{other.id_}
    {
    }
    ~accept_operation()
    {
        if (continuation_ == nullptr || outcome_ != errc::would_block) {
            return;
        }
        unlink();
        if (stack_port* port = stack_.port()) {
            port->pass_on_accept(id_);  // it may have been told of a connection
        }
    }

    bool ready() const noexcept { return false; }  // start() finds out

    bool start(completion& c, const environment& env) noexcept
    {
        outcome_ = env.stop.stop_requested() ? errc::operation_canceled : accept();
        if (outcome_ != errc::would_block) {
            return false;
        }
        if (env.exec == nullptr) {
            outcome_ = errc::operation_not_supported;
            return false;
        }
        continuation_ = &c;
        exec_ = env.exec;
        return wait();
    }

    void cancel() noexcept
    {
        cancelled_ = true;
        unlink();  // from the listener; or from the ready queue, only to be put there again
        exec_->schedule(*this);
    }

    io_result_of<tcp_socket> result() noexcept { return {make_error_code(outcome_), std::move(socket_)}; }

private:
    errc accept() noexcept
    {
        stack_port* port = stack_.port();
        if (port == nullptr) {
            return errc::bad_file_descriptor;
        }
        const auto [ec, id] = port->accept(id_);
        if (ec == errc::ok) {
            socket_ = tcp_socket{*port, id};
        }
        return ec;
    }

    bool wait() noexcept
    {
        const errc e = stack_.port()->wait_for_accept(id_, *this);
        outcome_ = e == errc::ok ? outcome_ : e;
        return e == errc::ok;
    }

    static void told(completion& c) noexcept
    {
        accept_operation& self = static_cast<accept_operation&>(c);
        self.outcome_ = self.accept();
        if (self.outcome_ == errc::would_block) {
            if (self.cancelled_) {
                self.outcome_ = errc::operation_canceled;
            } else if (self.wait()) {
                return;
            }
        }
        self.continuation_->invoke(*self.continuation_);
    }

    socket_handle stack_;
    listener_id id_;
    tcp_socket socket_;  // accepted; closed again where nobody takes the result
    completion* continuation_ = nullptr;
    executor* exec_ = nullptr;
    errc outcome_ = errc::would_block;
    bool cancelled_ = false;
};
static_assert(operation<accept_operation> && coroutine_safe<accept_operation> && sizeof(accept_operation) <= 80);

class tcp_listener {
public:
    // Of no address.
    tcp_listener() = default;

    // An unspecified address: all of the stack's. Port 0: one is chosen. `backlog` bounds the connections that nobody
    // has accepted yet. Throws std::system_error: address_in_use, address_not_available, no_buffer_space; see also
    // listen().
    tcp_listener(stack_port& stack, const endpoint& local, std::uint32_t backlog = 128) : stack_{stack}
    {
        const auto [ec, id] = stack.listen(local, backlog);
        if (ec != errc::ok) {
            throw std::system_error{make_error_code(ec), "listen"};
        }
        id_ = id;
    }
    // Takes over a listener that the stack's own listen() gave.
    tcp_listener(stack_port& stack, listener_id id) noexcept : stack_{stack}, id_{id} {}
    tcp_listener(tcp_listener&& other) noexcept : stack_{std::move(other.stack_)}, id_{std::exchange(other.id_, {})} {}
    tcp_listener& operator=(tcp_listener&& other) noexcept
    {
        if (this != &other) {
            close();
            stack_ = std::move(other.stack_);
            id_ = std::exchange(other.id_, {});
        }
        return *this;
    }
    ~tcp_listener() { close(); }

    // The next connection. Errors: operation_canceled, network_down (while the stack has no driver; with a new one
    // accept() works again), bad_file_descriptor (closed, also by another coroutine while this one waits).
    // -> io_result_of<tcp_socket>
    accept_operation accept() noexcept { return {stack_, id_}; }

    // SYN queue, overflow, Fast Open. Errors: bad_file_descriptor.
    std::error_code set_options(const listen_options& options) noexcept
    {
        return make_error_code(is_open() ? port()->set_options(id_, options) : errc::bad_file_descriptor);
    }

    // No more connections; those that nobody accepted are reset, those accepted go on. Twice is no error.
    void close() noexcept
    {
        if (stack_port* stack = port()) {
            static_cast<void>(stack->close(id_));
        }
        id_ = {};
        stack_ = {};
    }

    bool is_open() const noexcept { return port() != nullptr; }

    // With the port that was chosen; unspecified where the listener is not open.
    endpoint local_endpoint() const noexcept { return is_open() ? port()->local_of(id_) : endpoint{}; }

    listener_id id() const noexcept { return id_; }

private:
    stack_port* port() const noexcept { return id_.value ? stack_.port() : nullptr; }

    socket_handle stack_;
    listener_id id_;
};

// The form that does not throw; beside an error the listener is a closed one.
inline io_result_of<tcp_listener> listen(stack_port& stack, const endpoint& local, std::uint32_t backlog = 128) noexcept
{
    const auto [ec, id] = stack.listen(local, backlog);
    return {make_error_code(ec), ec == errc::ok ? tcp_listener{stack, id} : tcp_listener{}};
}

}  // namespace tcpco
