// basic_stack: the life of connections. Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
basic_stack<B>::basic_stack(const config& c)
    : detail::stack_storage<B>{{c.tcp,
                                c.policies(),
                                c.seed,
                                {c.limits.connections, c.limits.small_slots, c.limits.large_slots,
                                 c.limits.fast_open_servers}}},
      stack_port{host.small, host.large}, frames_{2'048, c.limits.frame_slots}, jumbos_{66'560, c.limits.jumbo_slots},
      network_{[&c] {
                   network_config network = c.network;
                   network.address = c.address == ip_prefix{} ? network.address : c.address;
                   return network;
               }(),
               c.limits.replies,
               derive_key(c.seed, 4),
               frames_,
               host.large,
               host.counters},
      outbox_{c.limits.held_frames}, loopback_{c.limits.replies, frames_, jumbos_, host.counters},
      connections_{c.limits.connections},
      listeners_{c.limits.listeners},
      flows_{c.limits.connections + c.limits.time_wait + c.limits.syn_received,
             flow_hash{derive_key(c.seed, 5)}},
      listening_{c.limits.listeners, endpoint_hash{derive_key(c.seed, 6)}},
      time_waits_{c.limits.time_wait}, syn_queue_{c.limits.syn_received},
      whole_half_open_{std::min(c.limits.whole_half_open, c.limits.connections / 8)}, port_key_{derive_key(c.seed, 7)},
      owner_{c.owner}, orphan_limit_{c.limits.orphans}
{
    network_.set_device(network_.config().mtu, network_.config().ethernet);
    host.mtu = network_.config().mtu;
    host.probing = network_.config().path_mtu_discovery ? network_.config().path_probing : path_probing::off;
}

template <class B>
void basic_stack<B>::configure_device(const device_config& d)
{
    network_.set_device(d.mtu, d.ethernet.value_or(network_.config().ethernet));
    recent_.forget();
    change_mtu(network_.config().mtu);
    revive_listeners();
    checksum_offload_ = d.tx_checksum_offload && network_.config().offloads;
    // What remains of the largest frame for TCP payload, whatever the headers; 65535 is IPv4's own limit.
    host.tso_max = d.tso4 && checksum_offload_ ? octet_count{std::min(d.tso_max, 65'535u)} - 120 : 0;
    host.tso_max = std::max<octet_count>(host.tso_max, 0);
}

// A connection with an id, known to nobody yet. Null: no slot, counted.
template <class B>
auto basic_stack<B>::make_connection() -> connection_type*
{
    const slab_id id = connections_.emplace();
    if (!id || !reserve(connections_.capacity(), listeners_.capacity()) || !timers_.reserve(connections_.capacity())) {
        connections_.erase(id);
        host.counters.drop(drop_reason::no_connection_slot);
        return nullptr;
    }
    connection_type& c = *connections_.get(id);
    c.self = id;
    tcbs_[id.index] = &c;
    ++live_;
    return &c;
}

// After anything happened to a connection: replies, listener, timers, lists; and its end.
template <class B>
void basic_stack<B>::settle(connection_type& c, tcp_state was, step_type& st)
{
    c.disturb();
    if (st.reply) {
        answer(*st.reply);
        st.reply.reset();
    }
    if (std::exchange(st.doubtful, false)) {
        network_.doubt(c.neighbour, now_);
    }
    account(c, was);
    if (c.state == tcp_state::closed || c.state == tcp_state::listen) {
        if (c.events != readiness::none && c.owned) {
            ready_.push_back(c.self.index);
        }
        bury(c);
        return;
    }
    note_readiness(c, st.sender(c), st);
    arm(c);
    check_connection(c);
    compact(c);
}

// After a segment that was expected: the state is the same, and nobody is answered.
template <class B>
[[gnu::always_inline]] inline void basic_stack<B>::settle_predicted(connection_type& c, sender_active<B>* s,
                                                                    step_type& st)
{
    note_readiness(c, s, st);
    arm(c);
    check_connection(c);
}

// The lists of those that have news, and of those that may have something to send.
template <class B>
[[gnu::always_inline]] inline void basic_stack<B>::note_readiness(connection_type& c, sender_active<B>* s,
                                                                  step_type& st)
{
    if (c.events != readiness::none && c.owned) {
        ready_.push_back(c.self.index);
    }
    if (c.acks_owed > 0 || c.read_since_ack || c.probe_owed || c.sendable_end() > c.snd.nxt ||
        (s != nullptr && !is_at_rest(c, *s, st))) {
        dirty_.push_back(c.self.index);
    }
}

// A passive connection's way from the SYN queue to the accept queue, and who still counts as alive.
template <class B>
void basic_stack<B>::account(connection_type& c, tcp_state was)
{
    const auto over = [](tcp_state s) {
        return s == tcp_state::closed || s == tcp_state::listen || s == tcp_state::time_wait;
    };
    if (!over(was) && over(c.state)) {
        --live_;
        orphans_ -= c.reader_gone ? 1U : 0U;
    }
    if (was != tcp_state::syn_received || c.state == tcp_state::syn_received) {
        return;
    }
    end_set_aside({c.local, c.remote}, is_synchronized(c.state));
    if (c.passive) {
        uncount_half_open(c.listener);
    }
    listener* l = listeners_.get(c.listener);
    if (l == nullptr) {
        return;
    }
    if (c.fast_opened) {
        --l->fast_open_pending;
    } else if (c.passive && is_synchronized(c.state)) {
        enqueue(*l, c);
    }
}

template <class B>
void basic_stack<B>::enqueue(listener& l, connection_type& c)
{
    if (l.queue.push_back(slab_id{c.self})) {
        c.in_accept_queue = true;
        ready_listeners_.push_back(c.listener.index);
    } else {
        host.counters.drop(drop_reason::no_buffer);
        c.linger_reset = true;
    }
}

// The connection is CLOSED: nothing arrives for it any more. Its record stays while somebody may still look at it.
template <class B>
void basic_stack<B>::bury(connection_type& c)
{
    erase_flow_of({c.local, c.remote}, c.self.index);
    timers_.cancel(c.self.index);
    c.armed.forget();
    dirty_.erase(c.self.index);
    starving_.erase(c.self.index);
    unresolved_.erase(c.self.index);
    if (!c.owned && !c.in_accept_queue) {
        erase(c);
    }
}

template <class B>
void basic_stack<B>::erase(connection_type& c)
{
    abandon_waiters(c);
    const slab_id id = c.self;
    ready_.erase(id.index);
    tcbs_[id.index] = nullptr;
    connections_.erase(id);
}

// One timer node a connection. A timer that moved to a later time is left where it is, as the connection alone knows:
// the wheel asks when it comes to the node.
template <class B>
inline void basic_stack<B>::arm(connection_type& c)
{
    const time_point at = c.deadline();
    if (!c.armed.covers(at, now_)) {
        arm_node(c, at);
    }
}

template <class B>
[[gnu::noinline]] void basic_stack<B>::arm_node(connection_type& c, time_point at)
{
    if (at < timers_.when(c.self.index)) {
        timers_.catch_up(now_);
        timers_.schedule(c.self.index, at);
    }
    c.armed.note(timers_.when(c.self.index), now_);
}

// The next hop is not known, and nothing is in flight whose timer would end the wait: it ends after R2 (SHLD-11: 100
// s).
template <class B>
void basic_stack<B>::note_unresolved(connection_type& c)
{
    constexpr duration r2{100'000'000'000};
    if (c.snd.una != c.snd.nxt) {
        return;
    }
    if (c.unanswered == 0) {
        c.unanswered = 1;
        c.timer_base = now_;
    } else if (now_ - c.timer_base > r2) {
        c.soft_error = c.soft_error == errc::ok ? errc::host_unreachable : c.soft_error;
        give_up(c);
    }
}

template <class B>
void basic_stack<B>::give_up(connection_type& c)
{
    step_type st = step_at(now_);
    const tcp_state was = c.state;
    take_transition(c, tcp_event::gave_up, st);
    settle(c, was, st);
}

template <class B>
void basic_stack<B>::advance(time_point now)
{
    enter(now);
    if (timers_.quiet_until() <= now_ || time_wait_timers_.quiet_until() <= now_ ||
        syn_timers_.quiet_until() <= now_ || network_.deadline() <= now_ || shutdown_at_ <= now_) {
        fire_due();
    }
    on_neighbours();
    feed_starved();
}

template <class B>
[[gnu::noinline]] void basic_stack<B>::fire_due()
{
    const auto fire = [this](timer_id index) {
        connection_type& c = connections_.at(index);
        c.armed.forget();
        step_type st = step_at(now_);
        const tcp_state was = c.state;
        advance_connection(c, st);
        settle(c, was, st);
    };
    timers_.advance(now_, fire, [this](timer_id index) {
        connection_type& c = connections_.at(index);
        const time_point at = c.deadline();
        c.armed.note(at, now_);
        return at;
    });
    advance_syn_queue();
    advance_time_waits();
    if (shutdown_at_ <= now_) {
        shutdown_at_ = time_point::never();
        cut_off_ += live_;
        abort_all(now_);
    }
    if (network_.deadline() <= now_) {
        network_.advance(now_);
    }
}

template <class B>
template <class F>
void basic_stack<B>::for_each_connection(F&& fn)
{
    step_type st = step_at(now_);
    connections_.for_each([&](slab_id id, connection_type& c) { fn(id, info_of(c, st)); });
    syn_queue_.for_each([&](slab_id id, const syn_received_record& r) {
        connection_type c;
        view_half_open(c, r, st);
        fn(slab_id{first_half_open() + id.index, id.generation}, info_of(c, st));
    });
    time_waits_.for_each([&](slab_id, const time_wait_record& r) {
        if (!r.set_aside) {
            fn(r.self, info_of(view_of(r, st), st));
        }
    });
}

template <class B>
void basic_stack<B>::close_all(time_point now)
{
    enter(now);
    for (std::uint32_t i = 0; i < listeners_.capacity(); ++i) {
        if (listeners_.occupied(i)) {
            close(listener_id{listeners_.id_of(i)});
        }
    }
    closing_all_ = true;  // a graceful end is not what the limit of orphans is for
    connections_.for_each([this](slab_id id, connection_type& c) {
        if (c.owned) {
            close(id);
        }
    });
    closing_all_ = false;
}

template <class B>
void basic_stack<B>::shutdown(time_point now, time_point deadline)
{
    shutdown_at_ = deadline;
    if (!std::exchange(shut_down_, true)) {
        close_all(now);
    }
}

// The user has let go of a connection that was not over before; account() takes it off when it is.
template <class B>
void basic_stack<B>::orphan(connection_type& c, step_type& st)
{
    ++orphans_;
    if (c.state != tcp_state::closed && orphans_ > orphan_limit_ && !closing_all_ &&
        take_transition(c, tcp_event::abort, st)) {
        ++host.counters.orphans_reset;
    }
}

template <class B>
void basic_stack<B>::abort_all(time_point now)
{
    enter(now);
    syn_queue_.for_each([this](slab_id id, const syn_received_record&) { abort_half_open(id.index); });
    connections_.for_each([this](slab_id, connection_type& c) {
        if (c.state != tcp_state::closed) {
            step_type st = step_at(now_);
            const tcp_state was = c.state;
            abort_connection(c, st);
            settle(c, was, st);
        }
    });
    abort_time_waits();
}

template <class B>
void basic_stack<B>::device_lost(errc why)
{
    lost_ = why;
    syn_queue_.for_each([this](slab_id id, const syn_received_record&) { forget_half_open(id.index); });
    connections_.for_each([this, why](slab_id, connection_type& c) {
        if (c.state == tcp_state::closed) {
            return;
        }
        end_without_reset(c, why);  // there is nothing to send it with
    });
    abort_time_waits();
    listeners_.for_each([this, why](slab_id id, listener& l) {
        l.error = l.error == errc::ok ? why : l.error;
        ready_listeners_.push_back(id.index);
    });
}

// What must hold for one connection after each call.
template <class B>
void basic_stack<B>::check_connection([[maybe_unused]] const connection_type& c) const
{
    if constexpr (TCPCO_CHECKED != 0) {
        [[maybe_unused]] const std::uint32_t i = c.self.index;
        [[maybe_unused]] const bool closed = c.state == tcp_state::closed || c.state == tcp_state::listen;
        TCPCO_ASSERT(tcbs_[i] == &c);
        TCPCO_ASSERT(closed == (find_flow({c.local, c.remote}) != i));
        // What is due already fires in the next advance(), whichever of two past times its node says.
        TCPCO_ASSERT(closed || c.deadline() == time_point::never() || timers_.when(i) <= std::max(c.deadline(), now_));
        TCPCO_ASSERT(closed || (c.snd.una <= c.snd.nxt && c.snd.nxt <= c.sendable_end()));
        TCPCO_ASSERT(closed || c.rcv.nxt <= c.rcv.right_edge || c.rcv.nxt == stream_offset{0});
        const sender_active<B>* const s = host.senders.get(c.sender);
        TCPCO_ASSERT(!c.calm || detail::finds_calm(c, s));  // whatever ended that has said so: disturb()
        if (s != nullptr) {
            TCPCO_ASSERT(s->board.una() == c.snd.una && s->board.nxt() == c.snd.nxt);
            // Liveness: what is unacknowledged has a timer.
            TCPCO_ASSERT(closed || c.snd.una == c.snd.nxt || c.timer_at != time_point::never());
        }
    }
}

template <class B>
void basic_stack<B>::check_invariants() const
{
    if constexpr (TCPCO_CHECKED != 0) {
        [[maybe_unused]] std::size_t live = 0;
        [[maybe_unused]] std::size_t orphans = 0;
        [[maybe_unused]] std::size_t accurate = 0;
        [[maybe_unused]] std::size_t half_open = syn_queue_.size();
        for (std::uint32_t i = 0; i < connections_.capacity(); ++i) {
            if (!connections_.occupied(i)) {
                TCPCO_ASSERT(i >= tcbs_.size() || tcbs_[i] == nullptr);
                continue;
            }
            const connection_type& c = connections_.at(i);
            const bool over =
                c.state == tcp_state::closed || c.state == tcp_state::listen || c.state == tcp_state::time_wait;
            live += over ? 0U : 1U;
            accurate += c.accurate ? 1U : 0U;
            half_open += c.state == tcp_state::syn_received && c.passive ? 1U : 0U;
            orphans += !over && c.reader_gone ? 1U : 0U;
            check_connection(c);
        }
        for (std::uint32_t i = 0; i < syn_queue_.capacity(); ++i) {
            if (syn_queue_.occupied(i)) {
                [[maybe_unused]] const syn_received_record& r = syn_queue_.at(i);
                TCPCO_ASSERT(find_flow({r.local(), r.remote()}) == first_half_open() + i);
                TCPCO_ASSERT(syn_timers_.when(i) != time_point::never());
                ++live;
            }
        }
        TCPCO_ASSERT(live == live_ && orphans == orphans_ && accurate == host.accurate.size());
        TCPCO_ASSERT(half_open == half_open_);
        TCPCO_ASSERT(time_waits_.size() == time_wait_order_.size());
        [[maybe_unused]] std::uint32_t aside = 0;
        for (std::uint32_t i = 0; i < time_waits_.capacity(); ++i) {
            if (time_waits_.occupied(i)) {
                [[maybe_unused]] const time_wait_record& r = time_waits_.at(i);
                aside += r.set_aside ? 1U : 0U;
                TCPCO_ASSERT(find_flow(flow_of(connections_.limit() + i)) == connections_.limit() + i);
                TCPCO_ASSERT(time_wait_order_.contains(i));
            }
        }
        TCPCO_ASSERT(aside == set_aside_);
    }
}

}  // namespace tcpco
