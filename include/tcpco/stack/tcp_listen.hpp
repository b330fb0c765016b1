// basic_stack: segments that no connection knows, in LISTEN (RFC 9293 3.10.7.2) and CLOSED (3.10.7.1); SYN queue and
// accept queue (RFC 4987). Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
std::uint32_t basic_stack<B>::find_listener(const endpoint& local) const noexcept
{
    const std::uint32_t specific = find_listening(local);
    return specific != listening_.npos ? specific : find_listening({ip_address{}, local.port});
}

// LISTEN (3.10.7.2) where there is a listener, else CLOSED (3.10.7.1). `not_below`: the SYN comes to a connection in
// TIME-WAIT, which is set aside once nothing is left that could refuse the new one (MAY-2).
// RFC9293-3.10.7.2a, 3.10.7.2b, 3.10.7.2c, 3.10.7.2e, RFC4987-3.6a
template <class B>
void basic_stack<B>::arrive_at_listener(const four_tuple& flow, arriving_segment& seg, const sequence_number* not_below)
{
    if (is_quiet() && seg.syn() && !seg.acks()) {
        host.counters.drop(drop_reason::quiet_time);
        return;
    }
    const std::uint32_t index = find_listener(flow.local);
    listener* l = index == listening_.npos ? nullptr : &listeners_.at(index);
    if (l == nullptr) {
        host.counters.drop(drop_reason::tcp_no_connection);
        answer(answer_as_closed(flow.local, flow.remote, seg));
        return;
    }
    if (seg.rst()) {
        host.counters.drop(drop_reason::tcp_no_connection);
        return;
    }
    if (seg.acks() && !seg.syn() && now_ < l->cookies_until) {
        accept_cookie(*l, index, flow, seg);
        return;
    }
    if (seg.acks() || !seg.syn()) {
        host.counters.drop(drop_reason::tcp_no_connection);
        answer(seg.acks() ? answer_as_closed(flow.local, flow.remote, seg) : std::nullopt);
        return;
    }
    const auto waiting = static_cast<std::uint32_t>(l->queue.size());
    syn_answer verdict = host.syn_defence.admit({.now = now_,
                                                 .half_open = l->half_open,
                                                 .half_open_limit = l->half_open_limit,
                                                 .unaccepted = waiting,
                                                 .backlog = l->backlog,
                                                 .source = flow.remote.address});
    if (verdict == syn_answer::cookie && not_below != nullptr) {
        // A cookie is what it is: it cannot be made to lie beyond the old connection's numbers (MAY-2). Linux sends
        // none here either, but takes the SYN even where its queue is full.
        verdict = l->half_open < l->half_open_limit ? syn_answer::accept : syn_answer::drop;
    }
    step_type st = step_at(now_);
    if (verdict == syn_answer::cookie) {
        l->cookies_until = now_ + syn_cookies::lifetime;
        ++host.counters.syn_cookies_sent;
        answer(answer_with_cookie(flow.local, flow.remote, seg, l->maximum_segment, st));
        return;
    }
    if (verdict != syn_answer::accept) {
        host.counters.drop(verdict == syn_answer::limit ? drop_reason::syn_rate_limited
                           : waiting >= l->backlog      ? drop_reason::accept_queue_full
                                                        : drop_reason::syn_backlog_full);
        answer(verdict == syn_answer::reset ? answer_as_closed(flow.local, flow.remote, seg) : std::nullopt);
        return;
    }
    take_syn(*l, index, flow, seg, not_below);
}

// A SYN that nothing refuses makes a connection in SYN-RECEIVED.
template <class B>
void basic_stack<B>::take_syn(listener& l, std::uint32_t index, const four_tuple& flow, arriving_segment& seg,
                              const sequence_number* not_below)
{
    connection_type* c = make_connection();
    if (c == nullptr) {
        return;
    }
    step_type st = step_at(now_);
    c->listener = listeners_.id_of(index);
    c->own_mss = l.maximum_segment;
    const bool opened = open_passive(*c, flow.local, flow.remote, seg, not_below, st);
    if (opened && not_below != nullptr) {
        set_time_wait_aside(flow);
    }
    if (!opened || !insert_flow(flow, c->self.index)) {
        if (opened) {
            end_set_aside(flow, false);
        }
        --live_;
        detail::delete_tcb(*c, st);
        erase(*c);
        return;
    }
    // RFC7413-4.2b: a listener without Fast Open does not even look.
    if (l.fast_open_limit > 0 && seg.options.has_fast_open &&
        open_fast(*c, seg, l.fast_open_pending < l.fast_open_limit, st)) {
        ++l.fast_open_pending;
        enqueue(l, *c);
    } else {
        count_half_open(l);
    }
    settle(*c, c->state, st);
}

// The ACK of a SYN,ACK that left no record (RFC4987-3.6c).
template <class B>
void basic_stack<B>::accept_cookie(listener& l, std::uint32_t index, const four_tuple& flow, arriving_segment& seg)
{
    const auto mss = host.cookies.check(flow.local, flow.remote, seg.header.seq - 1U,
                                        seg.header.ack - 1U, now_);
    if (!mss) {
        // With text it may be the second segment of a client whose first was lost, and that comes again: an RST would
        // end a good connection (Linux sends one).
        host.counters.drop(drop_reason::syn_cookie_invalid);
        answer(seg.length() == 0 ? answer_as_closed(flow.local, flow.remote, seg) : std::nullopt);
        return;
    }
    const bool full = l.queue.size() >= l.backlog;
    if (full) {
        host.counters.drop(drop_reason::accept_queue_full);
        if (!l.abort_on_overflow) {
            return;  // its text comes again, and with it the cookie
        }
    }
    connection_type* c = full ? nullptr : make_connection();
    if (c == nullptr) {
        answer(answer_as_closed(flow.local, flow.remote, seg));
        return;
    }
    step_type st = step_at(now_);
    c->listener = listeners_.id_of(index);
    c->own_mss = l.maximum_segment;
    if (!open_from_cookie(*c, flow.local, flow.remote, seg, *mss, st) ||
        !insert_flow(flow, c->self.index)) {
        --live_;
        detail::delete_tcb(*c, st);
        erase(*c);
        return;
    }
    count_half_open(l);
    ++host.counters.syn_cookies_accepted;
    if constexpr (told_of_verified_sources<typename B::syn_defence>) {
        host.syn_defence.on_source_verified({now_, flow.remote.address});
    }
    arrive(*c, seg);
}

// A handshake that would end with the accept queue full. As in Linux the ACK is dropped, as if it had been lost: our
// SYN,ACK and the peer's text are sent again, and a moment later there may be room. With abort_on_overflow the peer is
// told at once.
template <class B>
bool basic_stack<B>::overflows_accept_queue(connection_type& c, const arriving_segment& seg)
{
    if (c.state != tcp_state::syn_received || !c.passive || !seg.acks() || seg.rst()) {
        return false;
    }
    const listener* l = listeners_.get(c.listener);
    if (l == nullptr || l->queue.size() < l->backlog) {
        return false;
    }
    host.counters.drop(drop_reason::accept_queue_full);
    if (l->abort_on_overflow) {
        step_type st = step_at(now_);
        const tcp_state was = c.state;
        abort_connection(c, st);
        settle(c, was, st);
    }
    return true;
}

}  // namespace tcpco
