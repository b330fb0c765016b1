// Errors of the core: one enumeration, without exceptions and without <system_error>.
//
// async/error.hpp turns it into std::error_code that compares with std::errc; the core itself stays usable where
// exceptions and RTTI are off.
#pragma once

#include <cstdint>

namespace tcpco {

enum class errc : std::uint8_t {
    ok = 0,
    would_block,              // nothing to do now; wait for readiness
    end_of_stream,            // the peer has closed its direction and all that it sent was read
    connection_refused,       // the peer answered the SYN with RST: nobody listens there
    connection_reset,         // the peer sent RST
    connection_aborted,       // this side aborted, or the connection went before it was accepted
    timed_out,                // no answer within R2 (RFC 9293 3.8.3), or the caller's own deadline passed
    host_unreachable,         // no neighbour answered ARP, or ICMP said so
    network_unreachable,      // no route to that address
    port_unreachable,         // ICMP: protocol or port unreachable
    network_down,             // the device is gone or down
    address_in_use,           // another listener or connection has this address
    address_not_available,    // not an address of this stack, or no ephemeral port is left
    operation_not_permitted,  // the state machine has no such transition
    operation_in_progress,    // another reader (or writer) already waits on this socket
    operation_not_supported,  // not by this reactor, device or stack
    operation_canceled,       // a stop request or cancel() ended the wait
    not_connected,            // no connection yet, or not any more
    already_connected,        // connect on a connection that exists
    broken_pipe,              // write after this side's shutdown, or after the peer's reset was reported
    no_buffer_space,          // a pool or a limit refused; counted
    bad_file_descriptor,      // this socket was closed, or its stack is gone
    invalid_argument,
    message_size,             // read_until: the delimiter did not come within the limit
    permission_denied,
    no_such_device,
};

// A short, constant, lower-case description of `e`.
constexpr const char* message(errc e) noexcept
{
    switch (e) {
    case errc::ok: return "success";
    case errc::would_block: return "operation would block";
    case errc::end_of_stream: return "end of stream";
    case errc::connection_refused: return "connection refused";
    case errc::connection_reset: return "connection reset by peer";
    case errc::connection_aborted: return "connection aborted";
    case errc::timed_out: return "timed out";
    case errc::host_unreachable: return "host unreachable";
    case errc::network_unreachable: return "network unreachable";
    case errc::port_unreachable: return "port or protocol unreachable";
    case errc::network_down: return "network is down";
    case errc::address_in_use: return "address in use";
    case errc::address_not_available: return "address not available";
    case errc::operation_not_permitted: return "operation not permitted in this state";
    case errc::operation_in_progress: return "operation already in progress";
    case errc::operation_not_supported: return "operation not supported";
    case errc::operation_canceled: return "operation canceled";
    case errc::not_connected: return "not connected";
    case errc::already_connected: return "already connected";
    case errc::broken_pipe: return "broken pipe";
    case errc::no_buffer_space: return "no buffer space";
    case errc::bad_file_descriptor: return "bad socket";
    case errc::invalid_argument: return "invalid argument";
    case errc::message_size: return "delimiter not found within the limit";
    case errc::permission_denied: return "permission denied";
    case errc::no_such_device: return "no such device";
    }
    return "unknown error";
}

// A value and what became of the call that made it. Both are always there: a call can fail and still say how much was
// done. `auto [ec, n] = stack.read(...)`.
template <class T>
struct [[nodiscard]] result {
    errc ec = errc::ok;
    T value{};

    constexpr explicit operator bool() const noexcept { return ec == errc::ok; }
};

}  // namespace tcpco
