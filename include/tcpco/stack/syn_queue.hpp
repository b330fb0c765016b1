// basic_stack: half-open connections as compact records (RFC 4987 3.5). Included by basic_stack.hpp.
//
// They stand in the same flow table as connections, with values behind those of TIME-WAIT. There may be
// limits.syn_received of them, and of each listener half_open_limit: what is beyond is the syn_defence policy's
// question, by default answered with a cookie, so nobody who waits is pushed out (RFC4987-3.5a). A record that
// something happens to is a connection again until the next transmit(); in events it then has another key.
//
// A few stay whole (limits.whole_half_open): what nearly every handshake meets next is its ACK, and to make a record
// of it and a connection again costs as much as the handshake. In a flood there are more, and what leaves of those few
// once more leaves a record, too.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

// A half-open connection with nothing left to say becomes a record. Where none can be had, or there are few, it stays
// as it is.
template <class B>
void basic_stack<B>::to_syn_queue(connection_type& c)
{
    if (half_open_ <= whole_half_open_ || syn_queue_.limit() == 0 || !fits_syn_received_record(c, host) ||
        dirty_.contains(c.self.index) || unresolved_.contains(c.self.index)) {
        return;
    }
    const slab_id id = syn_queue_.emplace(half_open_record_of(c, host));
    if (!id || !syn_timers_.reserve(syn_queue_.capacity())) {
        syn_queue_.erase(id);
        ++host.counters.syn_received_refused;
        return;
    }
    replace_flow({c.local, c.remote}, first_half_open() + id.index);
    syn_timers_.schedule(id.index, c.timer_at);
    step_type st = step_at(now_);
    detail::delete_tcb(c, st);
    bury(c);  // its flow is the record's now
}

// Null: there is no connection to be had, which is counted; the record stays.
template <class B>
auto basic_stack<B>::from_syn_queue(std::uint32_t index) -> connection_type*
{
    connection_type* c = make_connection();
    if (c == nullptr) {
        return nullptr;
    }
    --live_;  // the record counted as well
    const syn_received_record& r = syn_queue_.at(index);
    step_type st = step_at(now_);
    if (!restore_half_open(*c, r, st)) {
        detail::delete_tcb(*c, st);
        erase(*c);
        return nullptr;
    }
    replace_flow({c->local, c->remote}, c->self.index);
    syn_timers_.cancel(index);
    syn_queue_.erase(syn_queue_.id_of(index));
    dirty_.push_back(c->self.index);  // transmit() makes a record of it again
    arm(*c);
    return c;
}

template <class B>
void basic_stack<B>::forget_half_open(std::uint32_t index)
{
    const syn_received_record& r = syn_queue_.at(index);
    uncount_half_open(r.listener);
    const four_tuple flow{r.local(), r.remote()};
    erase_flow(flow);
    syn_timers_.cancel(index);
    syn_queue_.erase(syn_queue_.id_of(index));
    --live_;
    end_set_aside(flow, false);
}

// The peer is told, where there is a connection to be had for it.
template <class B>
void basic_stack<B>::abort_half_open(std::uint32_t index)
{
    connection_type* c = from_syn_queue(index);
    if (c == nullptr) {
        forget_half_open(index);
        return;
    }
    step_type st = step_at(now_);
    abort_connection(*c, st);
    settle(*c, tcp_state::syn_received, st);
}

// The SYN,ACK is due once more, or its last time is over (RFC4987-3.3a). Where there is no connection to be had the
// record is lost: its handshake would not find one either. But those that others of these records hold are there again
// after the next transmit(): many that came together, as in a flood, are due together.
template <class B>
void basic_stack<B>::advance_syn_queue()
{
    static constexpr duration turn{1'000'000};
    bool lent = false;
    syn_timers_.advance(now_, [this, &lent](timer_id index) {
        connection_type* c = from_syn_queue(index);
        if (c == nullptr && lent) {
            syn_timers_.schedule(index, now_ + turn);
            return;
        }
        if (c == nullptr) {
            forget_half_open(index);
            return;
        }
        lent = true;
        step_type st = step_at(now_);
        advance_connection(*c, st);
        settle(*c, tcp_state::syn_received, st);
    });
}

}  // namespace tcpco
