// basic_stack: the user's calls on connections and listeners (RFC 9293 section 3.9.1). Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

// RFC 6056 algorithm 3: a keyed offset per destination, and a counter; then the first port that is free.
// RFC6056-3.2b, 3.3a, 3.3.3a, 5a
template <class B>
std::uint16_t basic_stack<B>::ephemeral_port(const endpoint& remote, const ip_address& local)
{
    constexpr std::uint32_t first = 1'024;  // RFC6056-3.2a: the largest range, less what is listened on
    constexpr std::uint32_t count = 65'536 - first;
    const std::uint64_t hashed = four_tuple_hash{port_key_}({{local, 0}, remote});
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto offset = static_cast<std::uint32_t>((hashed + port_counter_++) % count);
        const auto port = static_cast<std::uint16_t>(first + offset);
        if (is_ours({{local, port}, remote}) && find_flow({{local, port}, remote}) == flows_.npos &&
            find_listener({local, port}) == listening_.npos) {
            return port;
        }
    }
    return 0;
}

// RFC9293-3.10.1b, 3.10.1c, MUST-43, MUST-44
template <class B>
result<connection_id> basic_stack<B>::connect(endpoint remote, const connect_options& options)
{
    if (lost_ != errc::ok) {
        return {lost_, {}};
    }
    if (shut_down_) {
        return {errc::operation_not_permitted, {}};
    }
    if (is_quiet()) {
        return {errc::would_block, {}};
    }
    if (!link_up_ && !network_.is_local(remote.address)) {
        return {errc::network_down, {}};
    }
    if (remote.port == 0 || !is_maximum_segment(options.maximum_segment) || options.receive_buffer < 0 ||
        options.receive_buffer > largest_receive_buffer) {
        return {errc::invalid_argument, {}};
    }
    if (options.receive_buffer > 0 && !resizable_window<typename B::receive_window>) {
        return {errc::operation_not_supported, {}};
    }
    if (const errc route = network_.reachable(remote.address); route != errc::ok) {
        return {route, {}};
    }
    endpoint local = options.local;
    if (local.address.is_unspecified()) {
        local.address = network_.source_for(remote.address);  // MUST-44
    } else if (!network_.is_local(local.address)) {
        return {errc::address_not_available, {}};
    }
    if (local.port == 0) {
        local.port = ephemeral_port(remote, local.address);
        if (local.port == 0) {
            return {errc::address_not_available, {}};
        }
    }
    if (!is_ours({local, remote})) {
        return {errc::address_not_available, {}};  // answers would go to another stack
    }
    if (find_flow({local, remote}) != flows_.npos) {
        return {errc::address_in_use, {}};
    }
    connection_type* c = make_connection();
    if (c == nullptr) {
        return {errc::no_buffer_space, {}};
    }
    step_type st = step_at(now_);
    c->owned = true;
    c->no_delay = options.no_delay;
    c->fast_open = options.fast_open && host.fast_open_client.may_try(remote.address, now_);
    c->own_mss = options.maximum_segment;
    const bool machine_allows =
        find_transition<typename B::state_machine>(tcp_state::closed, tcp_event::active_open, {}) != nullptr;
    if (!open_active(*c, local, remote, st) ||
        !insert_flow({local, remote}, c->self.index)) {
        --live_;
        detail::delete_tcb(*c, st);
        erase(*c);
        return {machine_allows ? errc::no_buffer_space : errc::operation_not_permitted, {}};
    }
    if constexpr (resizable_window<typename B::receive_window>) {
        if (options.receive_buffer > 0) {
            c->window.set_capacity(options.receive_buffer);
            const std::uint8_t shift = detail::window_shift_for(options.receive_buffer);
            c->rcv.wscale = host.settings.window_scaling ? shift : std::uint8_t{0};
        }
    }
    settle(*c, c->state, st);
    return {errc::ok, c->self};
}

// RFC9293-3.10.1a, MUST-41, MUST-42, MUST-43
template <class B>
result<listener_id> basic_stack<B>::listen(endpoint local, std::uint32_t backlog)
{
    if (lost_ != errc::ok) {
        return {lost_, {}};
    }
    if (shut_down_) {
        return {errc::operation_not_permitted, {}};
    }
    if (local.address != ip_address{} && !network_.is_local(local.address)) {
        return {errc::address_not_available, {}};
    }
    if (find_transition<typename B::state_machine>(tcp_state::closed, tcp_event::passive_open, {}) == nullptr) {
        return {errc::operation_not_permitted, {}};
    }
    if (local.port == 0) {
        local.port = ephemeral_port({}, local.address);
        if (local.port == 0) {
            return {errc::address_not_available, {}};
        }
    }
    if (find_listening(local) != listening_.npos) {
        return {errc::address_in_use, {}};
    }
    const slab_id id = listeners_.emplace(local, std::max(backlog, 1u));
    if (!id || !reserve(connections_.capacity(), listeners_.capacity()) ||
        listening_.insert(local, id.index, is_listening(local)) != decltype(listening_)::outcome::inserted) {
        listeners_.erase(id);
        return {errc::no_buffer_space, {}};
    }
    return {errc::ok, {id}};
}

// Connections that nobody has accepted yet are reset: their peers have to know.
template <class B>
errc basic_stack<B>::close(listener_id id)
{
    listener* l = listeners_.get(id.value);
    if (l == nullptr) {
        return errc::bad_file_descriptor;
    }
    l->error = errc::bad_file_descriptor;
    abandon_waiters(*l);
    if (find_listening(l->local) == id.value.index) {  // else it has lost its place: set_address()
        erase_listening(l->local);
    }
    l->queue.clear();
    syn_queue_.for_each([&](slab_id record, const syn_received_record& r) {
        if (r.listener == id.value) {
            abort_half_open(record.index);
        }
    });
    connections_.for_each([&](slab_id, connection_type& c) {
        if (c.listener == id.value && !c.owned && (c.in_accept_queue || c.state == tcp_state::syn_received)) {
            step_type st = step_at(now_);
            const tcp_state was = c.state;
            c.in_accept_queue = false;
            abort_connection(c, st);
            settle(c, was, st);
        }
    });
    ready_listeners_.erase(id.value.index);
    listeners_.erase(id.value);
    return errc::ok;
}

template <class B>
template <class Call>
errc basic_stack<B>::on_connection(connection_id id, Call&& call)
{
    connection_type* c = connection_of(id);
    if (c == nullptr || !c->owned) {
        return errc::bad_file_descriptor;
    }
    step_type st = step_at(now_);
    const tcp_state was = c->state;
    const errc answer = call(*c, st);
    settle(*c, was, st);
    return answer;
}

template <class B>
errc basic_stack<B>::shutdown(connection_id id)
{
    return on_connection(id, [](connection_type& c, step_type& st) { return shutdown_send(c, st); });
}

template <class B>
errc basic_stack<B>::close(connection_id id)
{
    return on_connection(id, [this](connection_type& c, step_type& st) {
        abandon_waiters(c);
        const bool over = satisfied(c, wait_kind::close);
        release_connection(c, st);
        if (!over) {
            orphan(c, st);
        }
        ready_.erase(c.self.index);
        return errc::ok;
    });
}

template <class B>
errc basic_stack<B>::abort(connection_id id)
{
    return on_connection(id, [](connection_type& c, step_type& st) { return abort_connection(c, st); });
}

template <class B>
result<tcp_info> basic_stack<B>::info(connection_id id)
{
    step_type st = step_at(now_);
    if (connection_type* c = connection_of(id)) {
        return {errc::ok, info_of(*c, st)};
    }
    if (id.index >= first_half_open()) {
        const syn_received_record* r = syn_queue_.get({id.index - first_half_open(), id.generation});
        connection_type c;
        if (r != nullptr) {
            view_half_open(c, *r, st);
            return {errc::ok, info_of(c, st)};
        }
    }
    result<tcp_info> found{errc::bad_file_descriptor, {}};
    time_waits_.for_each([&](slab_id, const time_wait_record& r) {  // a search, for whoever looks after the end
        if (r.self == id) {
            found = {errc::ok, info_of(view_of(r, st), st)};
        }
    });
    return found;
}

}  // namespace tcpco
