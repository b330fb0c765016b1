// connect(): the active OPEN (RFC 9293 section 3.10.1) as an operation.
//
//     auto [ec, socket] = co_await with_timeout(connect(net, {"198.18.0.1"_ip, 80}), 3_s);
//
// Errors: connection_refused (nobody listens there), timed_out (no answer), host_unreachable (ARP or ICMP said so),
// network_unreachable (no route), address_in_use, address_not_available, no_buffer_space (no connection left),
// network_down; bad_file_descriptor when the stack is gone. Beside an error the socket is a closed one.
//
// With options.fast_open it completes at once: what is written next goes in the SYN (RFC 7413), and whether the server
// answers is what the first read, flush or write tells.
//
// Cancelled, timed out or destroyed, the attempt is given up: nothing is left of it in the stack, and a peer that
// answers later gets a RST.
#pragma once

#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/tcp_socket.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/stack/socket_handle.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

class connect_operation : completion {
public:
    connect_operation(stack_port& stack, const endpoint& remote, const connect_options& options) noexcept
        : completion{&told}, stack_{stack}, remote_{remote}, options_{options}
    {
    }
    connect_operation(connect_operation&& other) noexcept
        : completion{&told}, stack_{std::move(other.stack_)}, remote_{other.remote_}, options_{other.options_}
    {
    }
    ~connect_operation()
    {
        if (outcome_ == errc::would_block) {
            give_up();
        }
    }

    bool ready() const noexcept { return false; }

    bool start(completion& c, const environment& env) noexcept
    {
        if (env.stop.stop_requested()) {
            return end(errc::operation_canceled);
        }
        if (stack_.port() == nullptr) {
            return end(errc::bad_file_descriptor);
        }
        if (env.exec == nullptr) {
            return end(errc::operation_not_supported);
        }
        const auto [ec, id] = stack_.port()->connect(remote_, options_);
        if (ec != errc::ok) {
            return end(ec);
        }
        socket_ = tcp_socket{*stack_.port(), id};
        if (options_.fast_open) {
            return end(errc::ok);  // what is written before the turn ends goes in the SYN
        }
        continuation_ = &c;
        exec_ = env.exec;
        if (const errc refused = stack_.port()->wait_for(id, wait_kind::connect, *this); refused != errc::ok) {
            give_up();
            return end(refused);
        }
        return true;
    }

    void cancel() noexcept
    {
        cancelled_ = true;
        if (!linked()) {
            exec_->schedule(*this);
        }
    }

    io_result_of<tcp_socket> result() noexcept { return {make_error_code(outcome_), std::move(socket_)}; }

private:
    bool end(errc e) noexcept
    {
        outcome_ = e;
        return false;
    }

    void give_up() noexcept
    {
        if (stack_port* port = socket_.stack()) {
            port->stop_waiting(socket_.id(), wait_kind::connect, *this);
        }
        static_cast<void>(socket_.abort());
        socket_.close();
    }

    static void told(completion& c) noexcept
    {
        connect_operation& self = static_cast<connect_operation&>(c);
        stack_port* port = self.socket_.stack();
        if (port == nullptr) {
            self.outcome_ = errc::bad_file_descriptor;
        } else if (port->is_over(self.socket_.id(), wait_kind::connect)) {
            port->stop_waiting(self.socket_.id(), wait_kind::connect, self);
            self.outcome_ = port->error_of(self.socket_.id());
        } else {
            self.outcome_ = self.cancelled_ ? errc::operation_canceled : errc::bad_file_descriptor;
        }
        if (self.outcome_ != errc::ok) {
            self.give_up();
        }
        self.continuation_->invoke(*self.continuation_);
    }

    socket_handle stack_;
    endpoint remote_;
    connect_options options_;
    tcp_socket socket_;
    completion* continuation_ = nullptr;
    executor* exec_ = nullptr;
    errc outcome_ = errc::would_block;
    bool cancelled_ = false;
};
static_assert(operation<connect_operation> && coroutine_safe<connect_operation> && sizeof(connect_operation) <= 160);
static_assert(coroutine_safe<io_result_of<tcp_socket>> && coroutine_safe<connect_options>);

// -> io_result_of<tcp_socket>
inline connect_operation connect(stack_port& stack, const endpoint& remote,
                                 const connect_options& options = {}) noexcept
{
    return {stack, remote, options};
}

}  // namespace tcpco
