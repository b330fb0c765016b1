// stack_port: what is ready, and who is told of it. Included by stack_port.hpp.
#pragma once

#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

inline std::uint8_t stack_port::readiness_of(connection_id id) const noexcept
{
    const transmission_control_block* c = owned(id);
    if (c == nullptr) {
        return readiness::none;
    }
    unsigned bits = 0;
    for (const auto& [kind, bit] : wait_kinds) {
        bits |= satisfied(*c, kind) ? bit : 0u;
    }
    return static_cast<std::uint8_t>(bits);
}

inline std::optional<socket_event> stack_port::poll_event() noexcept
{
    if (const std::uint32_t i = ready_listeners_.pop_front(); i != index_list::none) {
        return socket_event{.listener = {listener_at(i)}, .what = readiness::acceptable};
    }
    if (const std::uint32_t i = ready_.pop_front(); i != index_list::none) {
        transmission_control_block& c = *tcbs_[i];
        return socket_event{.connection = c.self, .what = std::exchange(c.events, readiness::none)};
    }
    return std::nullopt;
}

inline errc stack_port::wait_for(connection_id id, wait_kind kind, completion& c) noexcept
{
    transmission_control_block* tcb = owned(id);
    if (tcb == nullptr) {
        return errc::bad_file_descriptor;
    }
    if (waiting(*tcb, kind) != nullptr) {
        return errc::operation_in_progress;
    }
    completion** const place = waiting_place(*tcb, kind);
    if (place == nullptr) {
        return errc::no_buffer_space;
    }
    *place = &c;
    if (satisfied(*tcb, kind)) {
        ready_.push_back(tcb->self.index);
    }
    return errc::ok;
}

inline errc stack_port::wait_unless_over(connection_id id, wait_kind kind, completion* c) noexcept
{
    transmission_control_block* tcb = owned(id);
    if (tcb == nullptr) {
        return errc::ok;
    }
    if (waiting(*tcb, kind) != nullptr) {
        return errc::operation_in_progress;
    }
    if (satisfied(*tcb, kind)) {
        return errc::ok;
    }
    if (c == nullptr) {
        return errc::operation_not_supported;
    }
    completion** const place = waiting_place(*tcb, kind);
    if (place == nullptr) {
        return errc::no_buffer_space;
    }
    *place = c;
    return errc::would_block;
}

inline void stack_port::stop_waiting(connection_id id, wait_kind kind, completion& c) noexcept
{
    transmission_control_block* tcb = find(id);
    if (tcb != nullptr && (waiting(*tcb, kind) == &c || waiting(*tcb, kind) == &told_)) {
        *waiting_place(*tcb, kind) = nullptr;
    }
}

inline bool stack_port::is_waiting(connection_id id, wait_kind kind) const noexcept
{
    transmission_control_block* tcb = owned(id);
    return tcb != nullptr && waiting(*tcb, kind) != nullptr;
}

inline bool stack_port::is_over(connection_id id, wait_kind kind) const noexcept
{
    const transmission_control_block* tcb = owned(id);
    return tcb == nullptr || satisfied(*tcb, kind);
}

inline errc stack_port::wait_for_accept(listener_id id, completion& c) noexcept
{
    listener* l = find(id);
    if (l == nullptr) {
        return errc::bad_file_descriptor;
    }
    c.link_before(l->waiting);
    return errc::ok;
}

inline void stack_port::pass_on_accept(listener_id id) noexcept
{
    const listener* l = find(id);
    if (l != nullptr && !l->queue.empty() && l->waiting.next != &l->waiting) {
        ready_listeners_.push_back(id.value.index);
    }
}

template <class Executor>
void stack_port::dispatch(Executor& executor)
{
    while (abandoned_.next != &abandoned_) {
        take(abandoned_, executor);
    }
    for (std::uint32_t i = ready_listeners_.pop_front(); i != index_list::none; i = ready_listeners_.pop_front()) {
        dispatch_listener(*find(listener_id{listener_at(i)}), executor);
    }
    for (std::uint32_t i = ready_.pop_front(); i != index_list::none; i = ready_.pop_front()) {
        dispatch_connection(*tcbs_[i], executor);
    }
}

template <class Executor>
void stack_port::dispatch_listener(listener& l, Executor& executor)
{
    for (std::size_t n = l.error != errc::ok ? ~std::size_t{0} : l.queue.size();
         n > 0 && l.waiting.next != &l.waiting; --n) {
        take(l.waiting, executor);
    }
}

template <class Executor>
void stack_port::dispatch_connection(transmission_control_block& c, Executor& executor)
{
    c.events = readiness::none;
    const auto tell = [&](wait_kind kind) {
        completion* const waiter = waiting(c, kind);
        if (waiter != nullptr && waiter != &told_ && satisfied(c, kind)) {
            *waiting_place(c, kind) = &told_;
            executor.schedule(*waiter);
        }
    };
    if (c.rare.present() == nullptr) {  // nobody but a reader has ever waited
        tell(wait_kind::read);
        return;
    }
    for (const auto& [kind, bit] : wait_kinds) {
        tell(kind);
    }
}

}  // namespace tcpco
