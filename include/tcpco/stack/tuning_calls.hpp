// basic_stack: what is rarely set or asked for one socket. Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
errc basic_stack<B>::set_send_buffer(connection_id id, std::size_t octets)
{
    return on_connection(id, [octets](connection_type& c, step_type&) {
        c.send.set_limit(octets);
        c.events |= readiness::writable;
        return errc::ok;
    });
}

template <class B>
errc basic_stack<B>::set_receive_buffer(connection_id id, octet_count octets)
{
    return on_connection(id, [octets](connection_type& c, step_type&) {
        if constexpr (resizable_window<typename B::receive_window>) {
            c.window.set_capacity(std::max<octet_count>(octets, 1));
            c.read_since_ack = true;  // a larger window may be worth an ACK, as if the reader had made room
            return errc::ok;
        } else {
            static_cast<void>(octets);
            return errc::operation_not_supported;
        }
    });
}

template <class B>
result<octet_count> basic_stack<B>::receive_buffer_of(connection_id id)
{
    const connection_type* c = connection_of(id);
    if (c == nullptr || !c->owned) {
        return {errc::bad_file_descriptor, 0};
    }
    return {errc::ok, c->window.capacity()};
}

template <class B>
errc basic_stack<B>::set_backlog(listener_id id, std::uint32_t backlog)
{
    listener* l = find(id);
    if (l == nullptr) {
        return errc::bad_file_descriptor;
    }
    l->backlog = std::max(backlog, 1u);
    l->half_open_limit = std::max(l->half_open_limit, l->backlog);
    return errc::ok;
}

template <class B>
errc basic_stack<B>::set_maximum_segment(listener_id id, std::uint16_t octets)
{
    listener* l = find(id);
    if (l == nullptr) {
        return errc::bad_file_descriptor;
    }
    l->maximum_segment = octets;
    return errc::ok;
}

template <class B>
socket_state basic_stack<B>::look(connection_id id)
{
    const connection_type* c = connection_of(id);
    if (c == nullptr || !c->owned) {
        return {.error = errc::bad_file_descriptor};
    }
    const octet_count unsent = c->send.end() - std::max(c->snd.nxt, c->send.front());
    return {.state = c->state,
            .error = c->error,
            .end_received = c->fin_received,
            .readable = c->receive.size(),
            .unacknowledged = c->send.size(),
            .unsent = static_cast<std::size_t>(std::max<octet_count>(unsent, 0)),
            .send_limit = c->send.limit()};
}

template <class B>
bool basic_stack<B>::is_local_in_use(endpoint local)
{
    bool found = false;
    const auto compare = [&](const four_tuple& t, std::uint32_t) {
        const bool overlaps =
            t.local.address == local.address || t.local.address == ip_address{} || local.address == ip_address{};
        found = found || (t.local.port == local.port && overlaps);
    };
    flows_.for_each(compare);
    listening_.for_each(compare);
    return found;
}

template <class B>
const char* basic_stack<B>::congestion_name(connection_id id)
{
    static_cast<void>(id);
    if constexpr (requires { B::congestion::name; }) {
        return B::congestion::name;
    } else {
        return "?";
    }
}

}  // namespace tcpco
