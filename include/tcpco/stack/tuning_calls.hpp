// basic_stack: what is rarely set or asked for one socket. Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
errc basic_stack<B>::set_send_buffer(connection_id id, std::size_t octets)
{
    return on_connection(id, [octets](connection_type& c, step_type&) {
        c.send.set_limit(octets);
        c.send_tuned = false;
        c.events |= readiness::writable;
        return errc::ok;
    });
}

template <class B>
errc basic_stack<B>::set_receive_buffer(connection_id id, octet_count octets)
{
    return on_connection(id, [octets](connection_type& c, step_type&) {
        if constexpr (resizable_window<typename B::receive_window>) {
            if (octets < 1 || octets > largest_receive_buffer) {
                return errc::invalid_argument;
            }
            c.window.set_capacity(octets);
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
    if (!is_maximum_segment(octets)) {
        return errc::invalid_argument;
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
    const auto compare = [&](const endpoint& taken) {
        const bool overlaps =
            taken.address == local.address || taken.address == ip_address{} || local.address == ip_address{};
        found = found || (taken.port == local.port && overlaps);
    };
    flows_.for_each([&](std::uint32_t value) { compare(flow_of(value).local); });
    listening_.for_each([&](std::uint32_t index) { compare(listeners_.at(index).local); });
    return found;
}

template <class B>
const char* basic_stack<B>::congestion_name(connection_id id)
{
    using controller = typename B::congestion;
    const connection_type* c = connection_of(id);
    if constexpr (chosen_by_name<controller>) {
        const bool chosen = c != nullptr && c->congestion_choice != 0;
        return controller::name_of(chosen ? c->congestion_choice - std::size_t{1} : host.policies.congestion.index);
    } else if constexpr (requires { controller::name; }) {
        return controller::name;
    } else {
        static_cast<void>(c);
        return "?";
    }
}

template <class B>
errc basic_stack<B>::set_congestion(connection_id id, std::string_view name)
{
    using controller = typename B::congestion;
    if constexpr (chosen_by_name<controller>) {
        static_assert(controller::count < 16, "a connection keeps its choice in four bits");
        const std::size_t index = controller::index_of(name);
        if (index >= controller::count) {
            return errc::invalid_argument;
        }
        return on_connection(id, [&](connection_type& c, step_type& st) {
            c.congestion_choice = static_cast<std::uint8_t>((index + 1) & 15);
            if (sender_active<B>* s = st.sender(c); s != nullptr && s->congestion.index() != index) {
                detail::keep_windows(c, st);
                s->congestion = typename B::congestion{congestion_config(c, host.policies)};
                s->before.reset();  // what the old one knew is nothing to go back to
                if (is_synchronized(c.state)) {
                    establish_congestion(c, st);
                }
            }
            return errc::ok;
        });
    } else {
        if (name != congestion_name(id)) {
            return errc::invalid_argument;
        }
        return on_connection(id, [](connection_type&, step_type&) { return errc::ok; });
    }
}

template <class B>
errc basic_stack<B>::set_fin_wait_2_timeout(connection_id id, std::int16_t seconds)
{
    return on_connection(id, [seconds](connection_type& c, step_type&) {
        rare_state* const r = c.rare.make();
        if (r == nullptr) {
            return errc::no_buffer_space;
        }
        r->fin_wait_2_seconds = seconds;
        return errc::ok;
    });
}

}  // namespace tcpco
