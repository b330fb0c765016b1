// tcp_socket: one connection, read from and written to by coroutines (the user's calls of RFC 9293 section 3.9.1).
//
//     task<> session(tcp_socket socket)
//     {
//         for (;;) {
//             auto [ec, octets] = co_await socket.receive();
//             if (ec) { co_return; }                     // end_of_stream, connection_reset, operation_canceled, ...
//             if (auto [failed, n] = co_await socket.write(octets); failed) { co_return; }
//         }
//     }                                                  // ~tcp_socket closes
//
// A socket is a reference to a connection of a stack of whatever policies; it is no template. It comes from connect()
// or tcp_listener::accept(), it can be moved, also while operations wait on it, and its destructor closes. It may
// outlive its stack: then everything answers bad_file_descriptor.
//
// Waits are operations (async/operation.hpp): with_timeout, when_all, when_any and stop tokens work on them. What can
// be done at once is done without suspending. Buffers must live until the await is over. One reader and one writer at
// a time: the second of a kind gets operation_in_progress; so does a second flush(), and a second closed().
//
// Cancelled or timed out: operation_canceled (timed_out), and what was done until then counts: read_exactly and
// read_until say how much they took, write how much it queued. Nothing is undone and nothing is lost. Completed wins.
//
// Errors besides: end_of_stream (reading, after all octets), connection_reset, connection_aborted, timed_out (the
// peer does not answer), host_unreachable, network_down; broken_pipe (a write that begins after shutdown() or after
// the peer's reset; one that waited when the reset came gets connection_reset); bad_file_descriptor (closed,
// moved from, or closed by another coroutine while the operation waited). A write waits for slots, too, where the
// stack's pools are exhausted.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/socket_octets.hpp"
#include "tcpco/async/socket_operations.hpp"
#include "tcpco/stack/socket_handle.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

// What close() does to octets that the peer has not acknowledged.
enum class on_close : std::uint8_t {
    finish,  // the stack goes on to deliver them, then a FIN; close() does not wait for it
    reset,   // they are dropped and the peer gets a RST (SO_LINGER with a time of zero)
};

class tcp_socket {
public:
    // Of no connection.
    tcp_socket() = default;
    // Takes over a connection that the stack's own accept() or connect() gave.
    tcp_socket(stack_port& stack, connection_id id) noexcept : stack_{stack}, id_{id} {}
    tcp_socket(tcp_socket&& other) noexcept : stack_{std::move(other.stack_)}, id_{std::exchange(other.id_, {})} {}
    tcp_socket& operator=(tcp_socket&& other) noexcept
    {
        if (this != &other) {
            close();
            stack_ = std::move(other.stack_);
            id_ = std::exchange(other.id_, {});
        }
        return *this;
    }
    ~tcp_socket() { close(); }

    // --- reading -----------------------------------------------------------------------------------------------------

    // What is there, at least an octet; several buffers are filled in turn. Into no room at all: success at once,
    // n = 0. -> io_result
    template <class... Buffers>
        requires(sizeof...(Buffers) > 0 && (std::convertible_to<Buffers, mutable_octets> && ...))
    read_some_operation<sizeof...(Buffers)> read_some(Buffers&&... buffers) noexcept
    {
        return {stack_, id_, {std::span<std::byte>{mutable_octets{std::forward<Buffers>(buffers)}}...}};
    }

    // Until the buffer is full. On any error n says how much arrived before. -> io_result
    read_exactly_operation read_exactly(mutable_octets buffer) noexcept { return {stack_, id_, buffer}; }

    // Appends to `storage` (std::string, std::vector<std::byte>) until it holds `delimiter`; n octets lead up to the
    // delimiter's end, and what follows is left for the next read. Octets that are in `storage` before are searched
    // too and count for the limit: so a cancelled call goes on where it stopped, and a loop over lines clears its
    // string. message_size: no delimiter within `limit` octets. `delimiter` is referred to. -> io_result
    template <octet_storage Storage>
    read_until_operation<Storage> read_until(Storage& storage, std::string_view delimiter,
                                             std::size_t limit = 64 * 1'024) noexcept
    {
        return {stack_, id_, storage, delimiter, limit};
    }

    // Octets without a copy, in the slot in which they arrived. -> io_result_of<received>
    receive_operation receive() noexcept { return {stack_, id_}; }

    // Waits until a read would not have to: octets, the end of the stream, or an error. Holds no buffer. ->
    // std::error_code
    readable_operation readable() noexcept { return {stack_, id_}; }

    // What is there now, at least an octet; waits for nothing. would_block: nothing, and readable() waits for more;
    // operation_in_progress: another operation waits for it. For libraries that call for octets (a BIO of OpenSSL).
    io_result try_read_some(mutable_octets buffer) noexcept
    {
        return attempt(wait_kind::read, [&](stack_port& stack) { return stack.read(id_, buffer); });
    }

    // Waits until the peer marks octets as urgent, or for the end (end_of_stream, or why it failed). At once while
    // octets up to the mark are unread: read as many as urgent_ahead() says before waiting again. -> std::error_code
    urgent_operation urgent() noexcept { return {stack_, id_}; }

    // Octets to read until the urgent ones are passed; they are part of the stream (RFC6093-6a). 0: nothing is urgent.
    octet_count urgent_ahead() const noexcept { return is_open() ? port()->urgent_ahead(id_) : 0; }

    // --- writing -----------------------------------------------------------------------------------------------------

    // Queues all octets of all buffers, waiting for room in the send buffer; n is how many were queued, on any error
    // too. That they were acknowledged, flush() says. -> io_result
    template <class... Buffers>
        requires(sizeof...(Buffers) > 0 && (std::convertible_to<Buffers, const_octets> && ...))
    write_operation<sizeof...(Buffers), false> write(Buffers&&... buffers) noexcept
    {
        return {stack_, id_, {std::span<const std::byte>{const_octets{std::forward<Buffers>(buffers)}}...}};
    }

    // Queues what there is room for, at least an octet. -> io_result
    template <class... Buffers>
        requires(sizeof...(Buffers) > 0 && (std::convertible_to<Buffers, const_octets> && ...))
    write_operation<sizeof...(Buffers), true> write_some(Buffers&&... buffers) noexcept
    {
        return {stack_, id_, {std::span<const std::byte>{const_octets{std::forward<Buffers>(buffers)}}...}};
    }

    // Queues what there is room for now, at least an octet; waits for nothing. would_block: no room, and writable()
    // waits for some; operation_in_progress: another operation waits for it.
    io_result try_write_some(const_octets octets) noexcept
    {
        io_result done = attempt(wait_kind::write, [&](stack_port& stack) { return stack.write(id_, octets); });
        if (done.ec == errc::no_buffer_space) {
            done.ec = make_error_code(errc::would_block);  // the stack tells when slots are back
        }
        return done;
    }

    // Waits until a write would not have to: room, or an error that it would meet. -> std::error_code
    writable_operation writable() noexcept { return {stack_, id_}; }

    // Queues what there is room for and asks the peer's reader for haste up to there. Does not wait. Not for new
    // protocols (SHLD-13). would_block: no room.
    io_result write_urgent(const_octets octets) noexcept
    {
        stack_port* stack = port();
        const auto [ec, n] = stack != nullptr ? stack->write_urgent(id_, octets)
                                              : tcpco::result<std::size_t>{errc::bad_file_descriptor, 0};
        return {make_error_code(ec), n};
    }

    // Waits until the peer has acknowledged all that was written. An error where the connection failed, even if
    // everything had been acknowledged before. -> std::error_code
    flush_operation flush() noexcept { return {stack_, id_}; }

    // --- ending ------------------------------------------------------------------------------------------------------

    // Ends the sending direction: a FIN follows what is queued. Reading goes on. Does not wait; twice is no error.
    std::error_code shutdown() noexcept
    {
        return call([this](stack_port& stack) { return stack.shutdown(id_); });
    }

    // Waits for the end of the connection: both directions have ended (TIME-WAIT counts), or it failed. Success, or the
    // reason. Call shutdown() before; after close() the connection is nobody's, and this says bad_file_descriptor.
    // -> std::error_code
    closed_operation closed() noexcept { return {stack_, id_}; }

    // Lets go of the connection; the stack brings it to its end. Octets that arrived and were not read, or arrive
    // yet, make that a reset: the peer has to know. Waits for nothing; twice is no error.
    void close() noexcept
    {
        if (stack_port* stack = port()) {
            static_cast<void>(stack->close(id_));
        }
        id_ = {};
        stack_ = {};
    }

    // Resets the connection (RFC 9293 3.10.5). What waits ends with connection_aborted; octets that arrived can be
    // read.
    std::error_code abort() noexcept
    {
        return call([this](stack_port& stack) { return stack.abort(id_); });
    }

    // --- settings ----------------------------------------------------------------------------------------------------

    // Small segments go out while others are unacknowledged: Nagle's algorithm off (MUST-17).
    std::error_code set_no_delay(bool on) noexcept
    {
        return call([this, on](stack_port& stack) { return stack.set_no_delay(id_, on); });
    }
    // Holds back what fills no segment, until it is switched off.
    std::error_code set_cork(bool on) noexcept
    {
        return call([this, on](stack_port& stack) { return stack.set_cork(id_, on); });
    }
    // The Diffserv code point of what leaves from now on, 0 to 63 (MUST-48); 0 unless set. Errors: invalid_argument.
    std::error_code set_dscp(std::uint8_t dscp) noexcept
    {
        return call([this, dscp](stack_port& stack) { return stack.set_dscp(id_, dscp); });
    }
    // Probes while nothing comes from the peer (MUST-24, MUST-25); nullopt: off. invalid_argument: outside 1 to 65535
    // s.
    std::error_code set_keep_alive(const std::optional<keep_alive>& wanted) noexcept
    {
        return call([&](stack_port& stack) { return stack.set_keep_alive(id_, wanted); });
    }
    // How long octets may stay unacknowledged before the connection ends with timed_out; zero: the stack's default.
    std::error_code set_user_timeout(duration limit) noexcept
    {
        return call([this, limit](stack_port& stack) { return stack.set_user_timeout(id_, limit); });
    }
    // Advises the peer of our user timeout and takes its advice (RFC 5482); nullopt: off.
    std::error_code set_user_timeout_option(const std::optional<duration>& advice) noexcept
    {
        return call([&](stack_port& stack) { return stack.set_user_timeout_option(id_, advice); });
    }
    // Writes wait while so many octets are not even sent, so that what is written last leaves soon; 0: off.
    std::error_code set_low_water(std::uint32_t octets) noexcept
    {
        return call([this, octets](stack_port& stack) { return stack.set_low_water(id_, octets); });
    }
    // What close() does, the destructor's included; on_close::finish unless set.
    std::error_code linger(on_close how) noexcept
    {
        return call([this, how](stack_port& stack) { return stack.set_reset_on_close(id_, how == on_close::reset); });
    }

    // --- looking -----------------------------------------------------------------------------------------------------

    // False once closed or moved from, or when the stack is gone. A connection that failed is still open: it tells why.
    bool is_open() const noexcept { return port() != nullptr; }

    io_result_of<tcp_info> info() const noexcept
    {
        stack_port* stack = port();
        const auto answer = stack != nullptr ? stack->info(id_) : result<tcp_info>{errc::bad_file_descriptor, {}};
        return {make_error_code(answer.ec), answer.value};
    }

    // Unspecified where the socket is not open.
    endpoint local_endpoint() const noexcept { return is_open() ? port()->local_of(id_) : endpoint{}; }
    endpoint remote_endpoint() const noexcept { return is_open() ? port()->remote_of(id_) : endpoint{}; }

    // The connection as its stack names it, and the stack (null: none).
    connection_id id() const noexcept { return id_; }
    stack_port* stack() const noexcept { return port(); }

private:
    template <class Attempt>
    io_result attempt(wait_kind kind, Attempt&& now) noexcept
    {
        stack_port* stack = port();
        if (stack == nullptr || stack->is_waiting(id_, kind)) {
            return {make_error_code(stack == nullptr ? errc::bad_file_descriptor : errc::operation_in_progress), 0};
        }
        const auto [ec, n] = now(*stack);
        return {make_error_code(ec), n};
    }

    stack_port* port() const noexcept { return id_ ? stack_.port() : nullptr; }

    template <class Call>
    std::error_code call(Call&& c) noexcept
    {
        stack_port* stack = port();
        return make_error_code(stack != nullptr ? c(*stack) : errc::bad_file_descriptor);
    }

    socket_handle stack_;
    connection_id id_;
};
static_assert(sizeof(tcp_socket) == sizeof(void*) + sizeof(connection_id));

}  // namespace tcpco
