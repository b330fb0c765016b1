// Names for sockets of a stack, and what one can wait for on them.
#pragma once

#include <cstdint>
#include <utility>

#include "tcpco/core/address.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/storage/slab.hpp"
#include "tcpco/tcp/tcb.hpp"
#include "tcpco/tcp/user_calls.hpp"

namespace tcpco {

using connection_id = slab_id;

struct listener_id {
    slab_id value{};
    friend constexpr bool operator==(const listener_id&, const listener_id&) noexcept = default;
};

// What a suspended operation waits for; one operation of each kind on a connection.
enum class wait_kind : std::uint8_t { connect, read, write, flush, urgent, close };

// With what each is announced.
inline constexpr std::pair<wait_kind, std::uint8_t> wait_kinds[] = {
    {wait_kind::connect, readiness::connected}, {wait_kind::read, readiness::readable},
    {wait_kind::write, readiness::writable},    {wait_kind::flush, readiness::flushed},
    {wait_kind::urgent, readiness::urgent},     {wait_kind::close, readiness::closed}};

// What a user may set an MSS to, in octets, besides 0: Linux's TCP_MAXSEG takes no less either, since segments would be
// mostly header.
inline constexpr std::uint16_t smallest_maximum_segment = 88;
constexpr bool is_maximum_segment(std::uint16_t octets) noexcept
{
    return octets == 0 || octets >= smallest_maximum_segment;
}

// The largest receive buffer, in octets: more than a window can say (RFC 7323 2.3), so nothing could fill it.
inline constexpr octet_count largest_receive_buffer = octet_count{65'535} << 14;

struct connect_options {
    endpoint local{};       // unspecified address: the stack's own; port 0: an ephemeral one (RFC 6056)
    bool no_delay = false;  // MUST-17: Nagle off
    // What is written before the SYN leaves goes in it, as soon as the server has given a cookie (RFC 7413). The server
    // may get those octets twice: only for requests that bear it (RFC7413-6.1a). Off by default (RFC7413-2a).
    bool fast_open = false;

    // Payload octets of the largest segment in either direction: announced in the SYN, and the bound of what is sent
    // (RFC 9293 3.7.1). 0, or more than the device's MTU leaves: what that leaves. 1 to 87: invalid_argument.
    std::uint16_t maximum_segment = 0;
    // Receive buffer in octets, in place of the policy's; the window scale follows from it. 0: the policy's own.
    // operation_not_supported where the policy has no set_capacity(); invalid_argument below 0 and beyond
    // largest_receive_buffer.
    octet_count receive_buffer = 0;
};

struct listen_options {
    // How many handshakes may be under way at a time: the SYN queue. 0: as many as the backlog, which bounds the accept
    // queue. What happens beyond it is the syn_defence policy's answer: by default a SYN cookie.
    std::uint32_t half_open_limit = 0;
    // A handshake that ends while the accept queue is full gets an RST. By default it gets no answer, as in Linux: the
    // peer sends again, and a moment later there may be room.
    bool abort_on_overflow = false;
    // Takes text in SYNs whose Fast Open cookie is good, for so many connections at a time whose handshake is not
    // complete (RFC 7413 4.2: bounds what spoofed clients can cost), and gives cookies to clients that ask. 0: off. A
    // text may arrive twice: only for protocols that bear it (RFC7413-6.1a).
    std::uint32_t fast_open = 0;
};

struct socket_event {
    connection_id connection{};
    listener_id listener{};  // set instead of `connection` when a listener has something to accept
    std::uint8_t what = 0;   // bits of namespace readiness
};

class stack_port;

// Lets sockets outlive their stack: they hold a reference to this, and it forgets the stack when that goes. One thread
// only.
struct port_anchor {
    stack_port* port = nullptr;
    std::uint32_t references = 1;
};

[[gnu::noinline]] inline void delete_anchor(port_anchor* a) noexcept { delete a; }

inline void release_anchor(port_anchor* a) noexcept
{
    if (--a->references == 0) {
        delete_anchor(a);  // out of line: it happens once, and the question stands everywhere
    }
}

// Where in rare_state the completion of a suspended operation stands, but for the reader's.
constexpr completion* rare_state::*rare_place(wait_kind kind) noexcept
{
    switch (kind) {
    case wait_kind::connect: return &rare_state::connector;
    case wait_kind::write: return &rare_state::writer;
    case wait_kind::flush: return &rare_state::flusher;
    case wait_kind::urgent: return &rare_state::urgent;
    case wait_kind::read:
    case wait_kind::close: break;
    }
    return &rare_state::closer;
}

// Who waits: the completion of a suspended operation, or null.
inline completion* waiting(const transmission_control_block& c, wait_kind kind) noexcept
{
    return kind == wait_kind::read ? c.reader : (*c.rare).*rare_place(kind);
}

// Where its completion goes. Null: memory is short, which it never is where something has waited.
inline completion** waiting_place(transmission_control_block& c, wait_kind kind) noexcept
{
    if (kind == wait_kind::read) {
        return &c.reader;
    }
    rare_state* const r = c.rare.make();
    return r != nullptr ? &(r->*rare_place(kind)) : nullptr;
}

// The wait is over, by success or failure.
inline bool satisfied(const transmission_control_block& c, wait_kind kind) noexcept
{
    switch (kind) {
    case wait_kind::connect: return c.state != tcp_state::syn_sent && c.state != tcp_state::syn_received;
    case wait_kind::read: return !c.receive.empty() || receive_status(c) != errc::would_block;
    case wait_kind::write: return send_status(c) != errc::ok || (!c.starved && has_writing_room(c));
    case wait_kind::flush: return c.send.empty() || c.state == tcp_state::closed;
    case wait_kind::urgent: return urgent_ahead(c) > 0 || c.fin_received || c.state == tcp_state::closed;
    case wait_kind::close: break;
    }
    return c.state == tcp_state::closed || c.state == tcp_state::time_wait;
}

}  // namespace tcpco
