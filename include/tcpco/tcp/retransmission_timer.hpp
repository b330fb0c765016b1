// The one timer slot of the sending side: RTO, PTO, reordering or persist (RFC 6298, RFC 8985 section 8, RFC 9293
// 3.8.6.1), and the life timer that gives memory back.
//
// rearm_timer() derives the slot from the connection's state, so calling it once more is never wrong. What happens
// when it fires stands in timeouts.hpp.
#pragma once

#include <algorithm>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

namespace detail {

// SHLD-29, SHLD-30: the first probe after one RTO, then twice as long each time; a minute is the longest.
template <class B>
duration persist_interval(const connection<B>& c)
{
    constexpr duration longest{60'000'000'000};
    duration interval = c.rto.rto();
    for (unsigned i = 0; i < c.retries && interval < longest; ++i) {
        interval = interval * 2;
    }
    return std::min(interval, longest);
}

// Nothing is in flight, octets wait, and the window (or silly-window avoidance) keeps them: only a timer can help,
// since the peer's window update may be lost.
template <class B>
bool waits_for_window(const connection<B>& c, bool outstanding)
{
    if (!is_synchronized(c.state)) {
        return false;
    }
    if (outstanding) {
        return c.snd.wnd == 0;  // MUST-35: also a window that shrank to zero over what is in flight
    }
    return c.sendable_end() > c.snd.nxt && (c.snd.nxt >= c.send_right_edge() || c.blocked_small);
}

// RFC6582-3.2g: a recovery may let the timer run on, although `una` is acknowledged or what begins there leaves again.
template <class B>
bool timer_runs_on(const sender_active<B>& s, stream_offset una)
{
    if constexpr (holds_timer<typename B::recovery>) {
        return s.recovery.holds_timer(una);
    } else {
        return false;
    }
}

// Without a sending half there is nothing that could wait too long.
template <class B>
time_point user_timeout_at(const connection<B>& c, const sender_active<B>* s) noexcept
{
    return s == nullptr || c.user_timeout == no_user_timeout
               ? time_point::never()
               : s->progress_at + duration{std::int64_t{c.user_timeout} * 1'000'000};
}

// RFC5482-4.2a: where the ends advise each other, keep-alive is the longer. One that never ends bounds nothing.
inline duration keep_alive_idle(const transmission_control_block& c) noexcept
{
    const duration idle{c.keep_idle * std::int64_t{1'000'000'000}};
    const bool bounded = c.rare->adv_uto != 0 && c.user_timeout != no_user_timeout;
    return bounded ? std::max(idle, duration{(std::int64_t{c.user_timeout} + 1) * 1'000'000}) : idle;
}

template <class B>
[[gnu::always_inline]] inline void set_timer(connection<B>& c, sender_active<B>* s, retransmission_timer kind,
                                             time_point at, time_point now)
{
    if ((kind == retransmission_timer::persist) != (c.timer == retransmission_timer::persist)) {
        c.timer_base = now;
        c.retries = 0;
        if (s != nullptr) {
            s->progress_at = now;
        }
        at = kind == retransmission_timer::persist ? now + persist_interval(c) : at;
    }
    c.timer = kind;
    c.timer_at = at;
    if (c.user_timeout != 0 && user_timeout_at(c, s) < at) {
        c.timer = kind == retransmission_timer::persist ? kind : retransmission_timer::rto;
        c.timer_at = user_timeout_at(c, s);
    }
}

// A connection with nothing to send gives its sending half back after a while. A shorter while would make request and
// reply traffic allocate each time; a second and an RTO is where RFC 5681 4.1 forgets the window anyway. After that
// keep-alive watches, if it is on: never while octets are outstanding (MUST-26), for these have a timer of their own.
template <class B>
inline void consider_quiet(connection<B>& c, duration rto, step<B>& st)
{
    if (c.life != life_timer::none || !is_synchronized(c.state)) {
        return;
    }
    if (c.sender) {
        // One that has sent nothing but its SYN has learnt nothing yet, and who speaks first does so soon: a server
        // that opens many thousand in a second would keep them all for nothing.
        constexpr duration soon{50'000'000};
        constexpr duration a_while{1'000'000'000};
        c.life = life_timer::quiet;
        c.life_at = st.now + (c.send.end() == stream_offset{1} ? soon : std::max(rto, a_while));
    } else if (c.keep_count > 0) {
        c.life = life_timer::keep_alive;
        c.life_at = c.last_received_at + keep_alive_idle(c);
    }
}

}  // namespace detail

// One slot, one kind at a time (RFC8985-8a), and none where nothing is in flight (RFC6298-5.2a).
// RFC6298-1a, 5a
template <class B>
void rearm_timer(connection<B>& c, step<B>& st)
{
    if (c.timer == retransmission_timer::none && c.life != life_timer::none && c.snd.una == c.snd.nxt &&
        c.sendable_end() == c.snd.nxt) {
        return;  // nothing is in flight or waits, and nothing did: one who only receives is asked for each segment
    }
    sender_active<B>* const s = st.sender(c);
    const bool outstanding = s != nullptr && s->board.flight_size() > 0;
    if (detail::waits_for_window(c, outstanding)) {
        detail::set_timer(c, s, retransmission_timer::persist, c.timer_base + detail::persist_interval(c), st.now);
        return;
    }
    if (!outstanding) {
        c.timer = retransmission_timer::none;
        c.timer_at = time_point::never();
        if (c.sendable_end() == c.snd.nxt) {
            detail::consider_quiet(c, c.rto.rto(), st);
        }
        return;
    }
    const time_point rto_at = c.timer_base + c.rto.rto();
    const timer_request wanted = s->recovery.timer();
    if (wanted.kind != retransmission_timer::none && wanted.at < rto_at) {
        detail::set_timer(c, s, wanted.kind, wanted.at, st.now);
    } else {
        detail::set_timer(c, s, retransmission_timer::rto, rto_at, st.now);
    }
}

// What waited for its pace does not wait any more. Who has nothing to send after all may be quiet from now on.
template <class B>
inline void forget_pace(connection<B>& c, step<B>& st)
{
    if (c.life == life_timer::pacing) {
        c.life = life_timer::none;
        c.life_at = time_point::never();
        rearm_timer(c, st);
    }
}

}  // namespace tcpco
