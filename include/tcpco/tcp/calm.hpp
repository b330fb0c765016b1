// A calm connection: ESTABLISHED, and nothing to be said, heard or remembered but text, acknowledgements and
// timestamps. Nothing is lost, SACKed, sent again, marked, urgent, probed or closing, at either end.
//
// The short ways of a segment (header_prediction.hpp, plain_segment.hpp) are for calm connections. That is some thirty
// questions, whose answers change rarely and only by what goes the long way. So they are asked once, and the answer is
// kept until something else than a short way happens to the connection: that disturbs it (tcb.hpp). It is said in three
// places, through which all goes that changes a connection: settle(), for what arrives, is due or is called;
// stack_port::change(), for settings that need no bundle; and where a recovery policy is asked on a short way. What
// leaves does not disturb: of a calm connection that is text and ACKs. Builds with assertions ask all questions again
// after each call. What changes from segment to segment is not asked here: numbers, windows, text that waits, ACKs that
// are owed, timers.
#pragma once

#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/urgent.hpp"

namespace tcpco {

namespace detail {

// Nothing is to be said but text, acknowledgements and timestamps.
template <class B>
bool says_nothing_else(const connection<B>& c) noexcept
{
    return !c.receiver && !c.accurate && !c.ecn && !c.probe_owed && !c.keep_probe_owed && !c.held_by_mark &&
           !c.uto_owed && c.path_mtu == 0 && c.rare->dsack.empty() && !sends_urgent(c);
}

// Nothing is lost, SACKed or sent again. Null: there is no sending half.
template <class B>
bool sends_calmly(const sender_active<B>* s) noexcept
{
    if (s == nullptr) {
        return true;
    }
    if constexpr (knows_steady<typename B::recovery>) {
        if (!s->recovery.is_steady()) {
            return false;
        }
    }
    return s->board.is_plain() && !s->recovery.in_recovery() && s->search.is_idle();
}

template <class B>
bool finds_calm(const connection<B>& c, const sender_active<B>* s) noexcept
{
    return c.state == tcp_state::established && says_nothing_else(c) && !c.ecn_accurate && !c.ce_last &&
           !c.reader_gone && !c.refuses_text && !c.fin_queued && c.rare->adv_uto == 0 && sends_calmly(s);
}

}  // namespace detail

template <class B>
inline bool is_calm(connection<B>& c, step<B>& st) noexcept
{
    if (!c.calm) {
        c.calm = detail::finds_calm(c, st.sender(c));
    } else {
        TCPCO_ASSERT(detail::finds_calm(c, st.sender(c)));
    }
    return c.calm;
}

// What leaves while a connection closes may be as plain: ACKs, and text in CLOSE-WAIT; unless a FIN is to leave. Asked
// each time: such a time is short.
template <class B>
bool ends_calmly(const connection<B>& c, const sender_active<B>* s) noexcept
{
    return is_synchronized(c.state) && (!c.fin_queued || c.snd.nxt > c.fin_at()) && detail::says_nothing_else(c) &&
           detail::sends_calmly(s);
}

}  // namespace tcpco
