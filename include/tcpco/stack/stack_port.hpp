// What a socket sees of its stack: calls by connection id, without the bundle's types.
//
// `basic_stack<Bundle>` derives from it. Reads, writes and waiting touch the TCB and its queues here, so one function
// serves stacks of every bundle; rare calls (connect, close, ...) go through the virtual table. Nothing sends: a
// touched connection stands on the dirty list until transmit() visits it, one with news on the ready list until
// dispatch() or poll_event().
//
// User calls happen at the time that the stack was last told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tcpco/core/completion.hpp"
#include "tcpco/stack/socket_tuning.hpp"
#include "tcpco/stack/socket_types.hpp"
#include "tcpco/storage/growable_array.hpp"
#include "tcpco/storage/intrusive_list.hpp"
#include "tcpco/storage/slab.hpp"
#include "tcpco/tcp/listener.hpp"
#include "tcpco/tcp/user_calls.hpp"

namespace tcpco {

class stack_port : public socket_tuning {
public:
    stack_port(const stack_port&) = delete;
    stack_port& operator=(const stack_port&) = delete;

    // --- transfer --------------------------------------------------------------------------------------------------

    // As many octets as are there. Errors: would_block, end_of_stream, connection_reset, ... (receive_status).
    result<std::size_t> read(connection_id id, std::span<std::byte> out) noexcept
    {
        transmission_control_block* c = owned(id);
        if (c == nullptr) {
            return {errc::bad_file_descriptor, 0};
        }
        const auto answer = receive_octets(*c, out);
        note_reading(*c);
        return answer;
    }

    // The next octets in the slot in which they arrived; the slice keeps it. Zero-copy.
    result<slice> take(connection_id id) noexcept
    {
        transmission_control_block* c = owned(id);
        if (c == nullptr) {
            return {errc::bad_file_descriptor, {}};
        }
        auto answer = receive_slice(*c);
        note_reading(*c);
        return answer;
    }

    // Copies octets without taking them (MSG_PEEK).
    result<std::size_t> peek(connection_id id, std::span<std::byte> out, std::size_t skip = 0) const noexcept
    {
        const transmission_control_block* c = owned(id);
        if (c == nullptr) {
            return {errc::bad_file_descriptor, 0};
        }
        const std::size_t n = c->receive.peek(out, skip);
        return {n > 0 || out.empty() ? errc::ok : receive_status(*c), n};
    }

    // Queues octets to send, as many as there is room for. Errors: would_block, broken_pipe, no_buffer_space, ...
    result<std::size_t> write(connection_id id, std::span<const std::byte> octets) noexcept
    {
        transmission_control_block* c = owned(id);
        if (c == nullptr) {
            return {errc::bad_file_descriptor, 0};
        }
        const auto answer = send_octets(*c, octets, *small_, *large_);
        if (answer.value > 0) {
            dirty_.push_back(c->self.index);
        }
        if (answer.value < octets.size() && send_room(*c) > 0 && send_status(*c) == errc::ok) {
            starve(*c);  // there was room for more
        }
        return answer;
    }

    // The short ways of read() and write(), for a coroutine that nobody waits beside (calls_at_once.hpp). Reading: as
    // many octets as are there, if these are `least` or more; 0: nothing has happened. Writing: true, and all octets
    // have gone; false: nothing has happened.
    std::size_t read_at_once(connection_id id, std::span<std::byte> out, std::size_t least = 1) noexcept;
    bool write_at_once(connection_id id, std::span<const std::byte> octets) noexcept;

    // As write(); up to what it took, the peer's reader is asked for haste (MUST-30). Not for new programs (SHLD-13).
    result<std::size_t> write_urgent(connection_id id, std::span<const std::byte> octets) noexcept;
    // Octets to read until the peer's urgent ones are passed, 0: nothing is urgent (MUST-33).
    octet_count urgent_ahead(connection_id id) const noexcept;

    // --- settings --------------------------------------------------------------------------------------------------

    errc set_no_delay(connection_id id, bool on) noexcept  // MUST-17
    {
        return change(id, [on](transmission_control_block& c) { c.no_delay = on; });
    }
    // The Differentiated Services code point of all segments from now on, pure ACKs too (MUST-48, SHLD-21): 0 to 63.
    errc set_dscp(connection_id id, std::uint8_t dscp) noexcept;
    errc set_cork(connection_id id, bool on) noexcept
    {
        return change(id, [on](transmission_control_block& c) { c.corked = on; });
    }
    // Lets through what is queued now, even if corked.
    errc push(connection_id id) noexcept
    {
        return change(id, [](transmission_control_block& c) { c.pushed = c.corked && c.snd.nxt < c.send.end(); });
    }
    // Closing resets the connection instead of finishing it (SO_LINGER with zero time).
    errc set_reset_on_close(connection_id id, bool on) noexcept
    {
        return change(id, [on](transmission_control_block& c) { c.linger_reset = on; });
    }
    // From now on text is answered with an RST, and the connection ends with connection_reset; what arrived before can
    // be read. For shutdown(SHUT_RDWR) of BSD sockets, after which Linux does so, too.
    errc refuse_text(connection_id id) noexcept
    {
        return change(id, [](transmission_control_block& c) { c.refuses_text = true; });
    }

    // nullopt: off, the default (MUST-24, MUST-25). invalid_argument: outside 1 to 65535 s, or no probe.
    errc set_keep_alive(connection_id id, const std::optional<keep_alive>& wanted) noexcept;
    // How long octets may stay unacknowledged until timed_out ends the connection (MUST-21); zero: the stack's numbers
    // of retransmissions decide; from 49 days on: never. invalid_argument: negative.
    errc set_user_timeout(connection_id id, duration limit) noexcept;
    // Advises the peer of our user timeout, and takes its advice unless set_user_timeout() said one (RFC 5482).
    // nullopt: off, what was adopted stays in force. invalid_argument: below 1 ns, or more than 32767 minutes.
    // no_buffer_space: memory is short.
    errc set_user_timeout_option(connection_id id, const std::optional<duration>& advice) noexcept;

    // See tcp_settings::low_water_octets; 0: off.
    errc set_low_water(connection_id id, std::uint32_t octets) noexcept;

    // --- looking ---------------------------------------------------------------------------------------------------

    // What could be done now without waiting: bits of namespace readiness; 0 for a bad id.
    std::uint8_t readiness_of(connection_id id) const noexcept;

    // The next socket with news, for those who poll instead of waiting.
    std::optional<socket_event> poll_event() noexcept;

    // --- waiting ---------------------------------------------------------------------------------------------------

    // `c` is scheduled by dispatch() when the wait is over, by success or failure. operation_in_progress: another
    // operation of this kind waits already. The place stays taken until stop_waiting(), so that nobody comes between
    // the news and whoever waited for it. no_buffer_space: memory is short.
    errc wait_for(connection_id id, wait_kind kind, completion& c) noexcept;
    void stop_waiting(connection_id id, wait_kind kind, completion& c) noexcept;
    // The same in one for an operation that begins: ok where the wait is over, and would_block where `c` waits now. A
    // null `c` cannot wait: operation_not_supported.
    errc wait_unless_over(connection_id id, wait_kind kind, completion* c) noexcept;
    bool is_waiting(connection_id id, wait_kind kind) const noexcept;
    bool is_over(connection_id id, wait_kind kind) const noexcept;

    // Several may wait for a listener; each new connection schedules one.
    errc wait_for_accept(listener_id id, completion& c) noexcept;

    // Whoever was told of a connection goes without accepting it: the next one is told.
    void pass_on_accept(listener_id id) noexcept;

    // Whether dispatch() has something to hand out.
    bool has_news() const noexcept
    {
        return !ready_.empty() || !ready_listeners_.empty() || abandoned_.next != &abandoned_;
    }

    // Hands the completions of what became ready to the executor: ready.schedule(completion&).
    template <class Executor>
    void dispatch(Executor& executor);

    // --- rare calls ------------------------------------------------------------------------------------------------

    virtual result<connection_id> connect(endpoint remote, const connect_options& options = {}) = 0;
    virtual result<listener_id> listen(endpoint local, std::uint32_t backlog = 128) = 0;
    virtual errc close(listener_id id) = 0;
    virtual errc shutdown(connection_id id) = 0;  // the sending direction
    virtual errc close(connection_id id) = 0;     // lets go; the id is no longer the user's
    virtual errc abort(connection_id id) = 0;
    virtual result<tcp_info> info(connection_id id) = 0;  // also after close(), while the connection lives

    // What listen_options says, from now on. bad_file_descriptor: no such listener.
    errc set_options(listener_id id, const listen_options& options) noexcept
    {
        listener* l = find(id);
        if (l != nullptr) {
            l->half_open_limit = options.half_open_limit != 0 ? options.half_open_limit : l->backlog;
            l->abort_on_overflow = options.abort_on_overflow;
            l->fast_open_limit = options.fast_open;
        }
        return l == nullptr ? errc::bad_file_descriptor : errc::ok;
    }

    // The oldest established connection of a listener. would_block: none.
    result<connection_id> accept(listener_id id) noexcept
    {
        listener* l = find(id);
        if (l == nullptr) {
            return {errc::bad_file_descriptor, {}};
        }
        if (l->queue.empty()) {
            return {l->error == errc::ok ? errc::would_block : l->error, {}};
        }
        const slab_id connection = l->queue.front();
        l->queue.pop_front();
        transmission_control_block& c = *find(connection);
        c.in_accept_queue = false;
        c.owned = true;
        c.events |= static_cast<std::uint8_t>(readiness_of(connection));
        ready_.push_back(connection.index);
        return {errc::ok, connection};
    }
    bool can_accept(listener_id id) noexcept
    {
        const listener* l = find(id);
        return l == nullptr || !l->queue.empty() || l->error != errc::ok;
    }
    endpoint local_of(listener_id id) noexcept
    {
        const listener* l = find(id);
        return l == nullptr ? endpoint{} : l->local;
    }
    endpoint local_of(connection_id id) const noexcept
    {
        const transmission_control_block* c = find(id);
        return c == nullptr ? endpoint{} : c->local;
    }
    endpoint remote_of(connection_id id) const noexcept
    {
        const transmission_control_block* c = find(id);
        return c == nullptr ? endpoint{} : c->remote;
    }
    // Why the connection ended; ok while it lives, and after a normal close (MUST-12).
    errc error_of(connection_id id) const noexcept
    {
        const transmission_control_block* c = owned(id);
        return c == nullptr ? errc::bad_file_descriptor : c->error;
    }

    // The latest time that the stack was told: when user calls happen.
    time_point last_time() const noexcept { return now_; }
    port_anchor& anchor() noexcept { return *anchor_; }

protected:
    stack_port(buffer_pool& small, buffer_pool& large) : small_{&small}, large_{&large}, anchor_{new port_anchor{this}}
    {
        abandoned_.next = abandoned_.prev = &abandoned_;
    }
    ~stack_port()
    {
        anchor_->port = nullptr;
        release_anchor(anchor_);
        while (abandoned_.next != &abandoned_) {
            abandoned_.next->unlink();
        }
        abandoned_.next = abandoned_.prev = nullptr;
    }

    // Makes room for connections and listeners with indices below these.
    bool reserve(std::uint32_t connections, std::uint32_t listeners) noexcept
    {
        return tcbs_.make_room(connections) && ready_.reserve(connections) && dirty_.reserve(connections) &&
               ready_listeners_.reserve(listeners);
    }

    transmission_control_block* find(connection_id id) const noexcept
    {
        transmission_control_block* c = id.index < tcbs_.size() ? tcbs_[id.index] : nullptr;
        return c != nullptr && c->self.generation == id.generation ? c : nullptr;  // its index is its place
    }
    transmission_control_block* owned(connection_id id) const noexcept
    {
        transmission_control_block* c = find(id);
        return c != nullptr && c->owned ? c : nullptr;
    }
    virtual listener* find(listener_id id) noexcept = 0;
    virtual slab_id listener_at(std::uint32_t index) noexcept = 0;

    // Slots are back: writers that met exhausted pools may try again.
    void feed_starved() noexcept
    {
        if (starving_.size() == 0) {
            return;
        }
        while (!starving_.empty(hungry) && small_->available() > 0 && large_->available() > 0) {
            feed(starving_.pop_front(hungry));
        }
        while (!starving_.empty(starved) && !small_->is_short() && !large_->is_short()) {
            feed(starving_.pop_front(starved));
        }
    }
    void starve(transmission_control_block& c) noexcept
    {
        if (!starving_.reserve(dirty_.capacity())) {  // it is told at once, to try again
            c.events |= readiness::writable;
            ready_.push_back(c.self.index);
            return;
        }
        const bool has_less = c.queued() < reserve_share;
        if (has_less && !c.hungry) {
            starving_.erase(c.self.index);  // it had more when it came, and may go before those who have
        }
        starving_.push_back(c.self.index, has_less ? hungry : starved);
        c.starved = true;
        c.hungry = c.hungry || has_less;
    }
    void feed(std::uint32_t index) noexcept
    {
        transmission_control_block& c = *tcbs_[index];
        c.starved = c.hungry = false;
        c.events |= readiness::writable;
        if (c.owned) {
            ready_.push_back(index);
        }
    }

    // Whoever waits on this connection is told, though nothing became ready: its socket was closed.
    void abandon_waiters(transmission_control_block& c) noexcept
    {
        for (const auto& [kind, bit] : wait_kinds) {
            completion* const waiter = waiting(c, kind);
            if (waiter != nullptr) {
                *waiting_place(c, kind) = nullptr;
            }
            if (waiter != nullptr && waiter != &told_) {
                waiter->link_before(abandoned_);
            }
        }
    }
    void abandon_waiters(listener& l) noexcept
    {
        while (l.waiting.next != &l.waiting) {
            ready_node& waiter = *l.waiting.next;
            waiter.unlink();
            waiter.link_before(abandoned_);
        }
    }

    growable_array<transmission_control_block*> tcbs_;
    index_list ready_;  // connections with events
    index_list ready_listeners_;
    index_list dirty_;       // connections that may have something to send
    // These two have room when they are first needed: most stacks never do. Connections whose write met pools that run
    // short, though they have their share; and those whose write met pools without any slot, and that have less than
    // their share.
    static constexpr std::size_t starved = 0;
    static constexpr std::size_t hungry = 1;
    index_lists<2> starving_;
    index_list unresolved_;  // connections whose next hop is being asked for
    time_point now_{};

private:
    template <bool Short>
    bool write_behind(connection_id id, std::span<const std::byte> octets) noexcept;
    bool write_much_at_once(connection_id id, std::span<const std::byte> octets) noexcept;
    std::size_t read_what_is_there(transmission_control_block& c, std::span<std::byte> out) noexcept;

    template <class Change>
    errc change(connection_id id, Change&& apply) noexcept
    {
        transmission_control_block* c = owned(id);
        if (c == nullptr) {
            return errc::bad_file_descriptor;
        }
        apply(*c);
        c->disturb();
        dirty_.push_back(id.index);
        return errc::ok;
    }

    void note_reading(const transmission_control_block& c) noexcept
    {
        if (c.read_since_ack) {
            dirty_.push_back(c.self.index);
        }
    }

    template <class Executor>
    static void take(ready_node& head, Executor& executor)
    {
        auto& waiter = static_cast<completion&>(*head.next);
        waiter.unlink();
        executor.schedule(waiter);
    }

    template <class Executor>
    void dispatch_listener(listener& l, Executor& executor);

    template <class Executor>
    void dispatch_connection(transmission_control_block& c, Executor& executor);

    buffer_pool* small_;
    buffer_pool* large_;
    port_anchor* anchor_;
    ready_node abandoned_;      // head of the list of completions whose socket was closed under them
    completion told_{nullptr};  // stands in the place of an operation that was scheduled and has not run yet
};

}  // namespace tcpco

#include "tcpco/stack/calls_at_once.hpp"
#include "tcpco/stack/socket_settings.hpp"
#include "tcpco/stack/socket_waits.hpp"
