// What is rarely set or asked for one socket: buffers, segment size, backlog, and what a façade over the stack has to
// know. `stack_port` derives from it and `basic_stack` implements it (tuning_calls.hpp); nothing here is on the way of
// a packet.
//
// A bad id answers bad_file_descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tcpco/stack/socket_types.hpp"

namespace tcpco {

// What a connection is about, for those who look at it between calls. A copy.
struct socket_state {
    tcp_state state = tcp_state::closed;
    errc error = errc::ok;           // why it ended
    bool end_received = false;       // the peer's FIN has come, though octets before it may be unread
    std::size_t readable = 0;        // octets received in order and not yet read
    std::size_t unacknowledged = 0;  // octets written that the peer has not acknowledged, sent or not
    std::size_t unsent = 0;          // of these, never sent
    std::size_t send_limit = 0;      // of the send buffer, octets
};

class socket_tuning {
public:
    // The send buffer's limit in octets. What it holds beyond a smaller limit stays and is sent.
    virtual errc set_send_buffer(connection_id id, std::size_t octets) = 0;

    // The receive buffer's size in octets, in place of the policy's. The right edge that was advertised never moves
    // left (SHLD-14), and the handshake's window scale bounds what can be offered. operation_not_supported: the
    // bundle's receive_window policy has no set_capacity(). invalid_argument: not from 1 to largest_receive_buffer.
    virtual errc set_receive_buffer(connection_id id, octet_count octets) = 0;
    virtual result<octet_count> receive_buffer_of(connection_id id) = 0;

    // How many connections may wait for accept(); at least 1.
    virtual errc set_backlog(listener_id id, std::uint32_t backlog) = 0;

    // The MSS that connections of this listener announce and keep to, as connect_options::maximum_segment.
    // invalid_argument: 1 to 87.
    virtual errc set_maximum_segment(listener_id id, std::uint16_t octets) = 0;

    virtual socket_state look(connection_id id) = 0;

    // A connection (TIME-WAIT included) or a listener has this local port, at this address or, where one of the two is
    // unspecified, at any. Looks at all of them.
    virtual bool is_local_in_use(endpoint local) = 0;

    // A port that no listener has at this address, by the rule for ephemeral ports (RFC 6056). 0: there is none.
    virtual std::uint16_t free_port(const ip_address& local) = 0;

    // One of the stack's own addresses.
    virtual bool has_address(const ip_address& address) const = 0;

    // The name of the connection's congestion controller, as Linux spells it ("reno", "cubic"); "?" where it has none.
    // For a bad id: of those to come.
    virtual const char* congestion_name(connection_id id) = 0;

    // Exchanges the controller, where the bundle's is any_congestion; the new one begins with the old one's windows.
    // invalid_argument, whatever the id: there is none of that name.
    virtual errc set_congestion(connection_id id, std::string_view name) = 0;

    // How long FIN-WAIT-2 lasts once nobody can read any more, in place of tcp_settings::fin_wait_2_timeout: whole
    // seconds up to 32767. 0: the stack's; negative: none at all.
    virtual errc set_fin_wait_2_timeout(connection_id id, std::int16_t seconds) = 0;

protected:
    ~socket_tuning() = default;
};

}  // namespace tcpco
