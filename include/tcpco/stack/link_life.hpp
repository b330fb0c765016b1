// basic_stack: what becomes of connections when their link changes under them: its MTU, its carrier, its address.
// Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

// Segments fit the device from now on. In flight, what is larger than it can take leaves again in pieces, which is no
// congestion; where the MTU has grown, connections use it as far as their peers announced.
template <class B>
void basic_stack<B>::change_mtu(octet_count mtu)
{
    const octet_count before = std::exchange(host.mtu, mtu);
    if (mtu == before) {
        return;
    }
    connections_.for_each([&](slab_id, connection_type& c) {
        if (c.state == tcp_state::closed || c.state == tcp_state::listen) {
            return;
        }
        step_type st = step_at(now_);
        change_smss(c, st);
        if (mtu < before) {
            resend_flight(c, st);
        }
        settle(c, c.state, st);
    });
}

// There is a device again: listeners accept as before, since their addresses are still ours. Those that lost their
// address meanwhile have lost their place, too, and keep that reason.
template <class B>
void basic_stack<B>::revive_listeners()
{
    if (std::exchange(lost_, errc::ok) == errc::ok) {
        return;
    }
    listeners_.for_each([this](slab_id id, listener& l) {
        if (find_listening(l.local) == id.index) {
            l.error = errc::ok;
        }
    });
}

namespace detail {

// What is unacknowledged leaves at once, and R2 counts anew.
template <class B>
void try_anew(connection<B>& c, step<B>& st)
{
    c.retries = c.unanswered = 0;
    c.timed_out = false;
    c.rto.on_spurious_timeout();  // it was not the path that was slow
    c.timer_base = st.now;
    if (sender_active<B>* s = st.sender(c)) {
        s->progress_at = st.now;
    }
    resend_flight(c, st);
    rearm_timer(c, st);
}

}  // namespace detail

// Without a carrier every frame is lost, connections keep their state and back off; connect() answers network_down.
// When it is back they need not wait for a timer that had backed off meanwhile: what is unacknowledged leaves at once,
// and R2 counts anew. So with half-open records, as far as there are connections to be had for them; the others wait
// for their timers. Applications are not told.
template <class B>
void basic_stack<B>::link_changed(time_point now, bool up)
{
    enter(now);
    if (up == link_up_) {
        return;
    }
    link_up_ = up;
    if (up) {
        host.paths = path_mtu_cache{};  // what vanished meanwhile says nothing about sizes
        host.ecn_refused = {};          // nor about ECN
        syn_queue_.for_each([this](slab_id id, const syn_received_record& r) {
            if (r.retries > 0) {
                from_syn_queue(id.index);  // the loop below does the rest, and transmit() makes a record of it again
            }
        });
    }
    connections_.for_each([this, up](slab_id, connection_type& c) {
        if (!up || c.state == tcp_state::closed || c.state == tcp_state::listen) {
            return;
        }
        step_type st = step_at(now_);
        follow_path_mtu(c, st);
        if (c.retries > 0) {
            detail::try_anew(c, st);
        }
        settle(c, c.state, st);
    });
}

// Another address, or another subnet, for this stack. Connections and listeners of the old address end with
// address_not_available: nothing could reach them any more (Linux lets them time out); no RST is sent from an address
// that is not ours. Those of 127.0.0.0/8 and listeners of all addresses stay.
template <class B>
void basic_stack<B>::set_address(time_point now, const ip_prefix& address)
{
    enter(now);
    const ip_address old = network_.config().address.address;
    network_.set_address(address);
    recent_.forget();
    if (old == address.address) {
        return;
    }
    syn_queue_.for_each([&](slab_id id, const syn_received_record& r) {
        if (r.local().address == old) {
            forget_half_open(id.index);
        }
    });
    connections_.for_each([&](slab_id, connection_type& c) {
        if (c.state != tcp_state::closed && c.local.address == old) {
            end_without_reset(c, errc::address_not_available);
        }
    });
    time_waits_.for_each([&](slab_id id, const time_wait_record& r) {
        if (r.local().address == old) {
            forget_time_wait(id.index);
        }
    });
    listeners_.for_each([&](slab_id id, listener& l) {
        if (l.local.address == old) {
            l.error = errc::address_not_available;
            erase_listening(l.local);
            ready_listeners_.push_back(id.index);
        }
    });
}

template <class B>
void basic_stack<B>::end_without_reset(connection_type& c, errc why)
{
    detail::end_with(c, why);
    step_type st = step_at(now_);
    const tcp_state was = c.state;
    take_transition(c, tcp_event::abort, st);
    st.reply.reset();
    settle(c, was, st);
}

}  // namespace tcpco
