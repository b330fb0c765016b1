// basic_stack: connections in TIME-WAIT that nobody holds, as compact records. Included by basic_stack.hpp.
//
// They stand in the same flow table as connections, with values from `connections_.limit()` on. There may be
// limits.time_wait of them. One more ends the oldest before its time, which is counted: it is the one whose duplicates
// are the most likely to be gone (Linux's tcp_max_tw_buckets gives up the newest, and so loses what needs it most).
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

// The record of a connection in TIME-WAIT, in that one's place in the flow table. None: there is no memory for it, the
// limit is none, or it has no room for such addresses.
template <class B>
slab_id basic_stack<B>::keep_time_wait(const connection_type& c)
{
    if (!fits_time_wait_record(c)) {
        return {};
    }
    if (time_waits_.size() == time_waits_.limit() && !time_waits_.empty()) {
        ++host.counters.time_wait_evicted;
        forget_time_wait(time_wait_order_.front());
    }
    const slab_id id = time_waits_.emplace(record_of(c));
    if (!id || !time_wait_order_.reserve(time_waits_.capacity()) ||
        !time_wait_timers_.reserve(time_waits_.capacity())) {
        time_waits_.erase(id);
        ++host.counters.time_wait_refused;
        return {};
    }
    replace_flow({c.local, c.remote}, connections_.limit() + id.index);
    time_wait_order_.push_back(id.index);
    time_wait_timers_.schedule(id.index, c.life_at);
    return id;
}

// A connection whose owner has gone, in TIME-WAIT with nothing left to say, becomes a record. Where none can be had,
// the connection itself goes on, which is counted.
template <class B>
void basic_stack<B>::compact(connection_type& c)
{
    if (c.state != tcp_state::time_wait || c.owned || c.in_accept_queue || c.acks_owed > 0 || !c.receive.empty() ||
        c.ack_at != time_point::never()) {
        return;
    }
    if (!keep_time_wait(c)) {
        return;
    }
    step_type st = step_at(now_);
    detail::delete_tcb(c, st);
    bury(c);  // its flow is the record's now
}

template <class B>
void basic_stack<B>::forget_time_wait(std::uint32_t index)
{
    const time_wait_record& r = time_waits_.at(index);
    erase_flow(flow_of(connections_.limit() + index));
    set_aside_ -= r.set_aside ? 1U : 0U;
    time_wait_order_.erase(index);
    time_wait_timers_.cancel(index);
    time_waits_.erase(time_waits_.id_of(index));
}

// The SYN has its connection: TIME-WAIT makes room for it, and comes back if it was an old duplicate. Of a connection
// with this host's own address it ends: there the exchanged ends may be another connection's.
template <class B>
void basic_stack<B>::set_time_wait_aside(const four_tuple& flow)
{
    std::uint32_t index = find_flow(flow);
    if (index < connections_.limit()) {  // its user holds it still: for him it is over
        connection_type& c = connections_.at(index);
        const slab_id kept = keep_time_wait(c);
        step_type st = step_at(now_);
        take_transition(c, tcp_event::two_msl_elapsed, st);
        settle(c, tcp_state::time_wait, st);
        if (!kept) {
            return;
        }
        index = connections_.limit() + kept.index;
    }
    const std::uint32_t record = index - connections_.limit();
    erase_flow(flow);
    if (network_.is_local(flow.remote.address) || !insert_flow({flow.remote, flow.local}, index)) {
        forget_time_wait(record);
        return;
    }
    time_waits_.at(record).set_aside = true;
    ++set_aside_;
}

// The connection in the place of a TIME-WAIT record is open, or it never will be: then the record has its place again.
// MAY-2
template <class B>
void basic_stack<B>::end_set_aside(const four_tuple& flow, bool opened)
{
    const std::uint32_t index = set_aside_ > 0 ? find_flow({flow.remote, flow.local}) : flows_.npos;
    if (index == flows_.npos || index < connections_.limit() || index >= first_half_open()) {
        return;
    }
    const std::uint32_t record = index - connections_.limit();
    if (!time_waits_.at(record).set_aside) {
        return;  // of a connection with this host itself: the other end's
    }
    if (opened) {
        forget_time_wait(record);
        return;
    }
    erase_flow({flow.remote, flow.local});
    time_waits_.at(record).set_aside = false;
    --set_aside_;
    if (!replace_flow(flow, index) && !insert_flow(flow, index)) {
        forget_time_wait(record);
    }
}

// Runs call(connection, step) on what the record stands for, sends what it answers, and keeps what it changed.
template <class B>
template <class Call>
void basic_stack<B>::on_time_wait(std::uint32_t index, Call&& call)
{
    step_type st = step_at(now_);
    connection_type c = view_of(time_waits_.at(index), st);
    call(c, st);
    if (st.reply) {
        answer(*st.reply);
    }
    if (c.acks_owed > 0) {
        network_.reply_segment(acknowledgement_of(c, st), now_);
    }
    if (c.state == tcp_state::closed) {
        forget_time_wait(index);
    } else {
        update(time_waits_.at(index), c, st);
    }
}

// True: the SYN is to be treated as in LISTEN. The record is as it was.
template <class B>
bool basic_stack<B>::arrive_in_time_wait(std::uint32_t index, arriving_segment& seg,
                                         std::optional<sequence_number>& not_below)
{
    const duration rto{std::int64_t{time_waits_.at(index).rto_us} * 1'000};
    time_wait_answer verdict = time_wait_answer::ack;
    on_time_wait(index, [&](connection_type& c, step_type& st) {
        verdict = seg.syn() ? ask_time_wait(c, seg, rto, not_below) : time_wait_answer::ack;
        if (verdict == time_wait_answer::ack) {
            segment_arrives(c, seg, st);
        }
    });
    return verdict == time_wait_answer::accept;
}

template <class B>
void basic_stack<B>::abort_time_waits()
{
    time_waits_.for_each([this](slab_id id, const time_wait_record&) {
        on_time_wait(id.index, [](connection_type& c, step_type& st) { take_transition(c, tcp_event::abort, st); });
    });
}

template <class B>
void basic_stack<B>::advance_time_waits()
{
    time_wait_timers_.advance(now_, [this](timer_id index) {
        if (const time_point at = time_waits_.at(index).expires; at > now_) {
            time_wait_timers_.schedule(index, at);  // a repeated FIN moved it
            return;
        }
        on_time_wait(index, [](connection_type& c, step_type& st) {
            take_transition(c, tcp_event::two_msl_elapsed, st);
        });
    });
}

}  // namespace tcpco
