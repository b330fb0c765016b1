// Taking a reduction back: the recovery policy found that its episode was not caused by loss (RFC 4015; RFC 9438
// section 4.9 for CUBIC). Detection is the policy's (policy/recovery/with_undo.hpp); the echo that it asks for is here.
//
// The controller as it was before the episode's first reduction is kept beside it. It is given back whole, cwnd and
// ssthresh, but not as a burst: the old window may be far larger than what is still in flight, for instance after an
// outage at whose end one ACK covers everything. So a second limit, what is in flight and what this ACK released,
// opens as in slow start until it meets cwnd (RFC 4015 sets cwnd itself to that, and ssthresh to the old window; Linux
// restores cwnd and trusts its pacing). A mark on the way is congestion, whatever became of the loss: then nothing is
// undone.
//
// Left out: RFC 4015's more conservative RTO after a spurious timeout. The ACK that shows it is late by the spike and
// is a sample of it, by its timestamp or by a segment that was not sent again; SRTT and RTTVAR follow that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/tcp/connection.hpp"

namespace tcpco::detail {

// When what left that is echoed by `tsecr`, in ticks of our clock; never(): nobody knows.
template <class B>
time_point echoed_at(const connection<B>& c, std::uint32_t tsecr, time_point now)
{
    constexpr std::uint32_t believable = 1'000'000;
    const std::uint32_t age = timestamp_now(c, now) - tsecr;
    if (tsecr == 0 || age >= believable) {
        return time_point::never();
    }
    return time_point{duration{(now.since_origin().milliseconds() - age) * 1'000'000}};
}

// When what this ACK echoes left. Of what SACK blocks report it says nothing: the echo is of the segment that last
// moved the left edge (RFC 7323 4.3).
// RFC3522-3.2c
template <class B>
time_point echoed_at(const connection<B>& c, const arriving_segment& seg, time_point now)
{
    return c.timestamps && seg.options.has_timestamps ? echoed_at(c, seg.options.tsecr, now) : time_point::never();
}

// The window that a paced controller does not need, and others have as long as it is the smaller one. 0: none.
template <class B>
void bound_resumption(const connection<B>& c, sender_active<B>& s, octet_count allowed_before, octet_count delivered)
{
    if constexpr (paces<typename B::congestion>) {
        if (s.congestion.pacing_rate() != 0) {
            return;
        }
    }
    const octet_count initial = octet_count{10} * c.smss;  // RFC 6928's
    const octet_count released = std::clamp<octet_count>(delivered, c.smss, initial);
    const octet_count bound = std::max(s.board.in_flight() + released, allowed_before);
    s.resumption_window = bound < s.congestion.cwnd() ? bound : 0;
}

// `delivered`: by this ACK.
// RFC4015-3.1a, 3.2a, 3.4b, 3.4c, 4a, RFC5682-4a
template <class B>
void undo_reduction(connection<B>& c, sender_active<B>& s, spurious_cause cause, octet_count delivered, step<B>& st)
{
    c.rto.on_spurious_timeout();
    if (!s.before) {
        return;
    }
    const octet_count reduced = s.congestion.cwnd();
    const typename B::congestion prior = *s.before;
    if constexpr (told_of_spurious<typename B::congestion>) {
        s.congestion.on_spurious(cause, prior);
    } else {
        s.congestion = prior;
    }
    s.before.reset();
    s.reduced_until = c.snd.una;  // a mark from now on asks for a reduction of its own
    bound_resumption(c, s, reduced, delivered);
    count_rare(c.rare, &rare_state::recoveries_undone, 1);
    ++st.host.counters.recoveries_undone;
    observe(st.host.observer, event::recovery_undone{.connection = key_of(c),
                                                     .at = st.now,
                                                     .cause = cause,
                                                     .cwnd = s.congestion.cwnd(),
                                                     .ssthresh = s.congestion.ssthresh()});
}

// As much more as was delivered, until cwnd is the smaller one.
template <class B>
void widen_resumption(sender_active<B>& s, octet_count delivered)
{
    if (s.resumption_window != 0) {
        s.resumption_window += delivered;
        s.resumption_window = s.resumption_window < s.congestion.cwnd() ? s.resumption_window : 0;
    }
}

// An echo of a mark: the reduction is due in any case. Accurate feedback: answer_echo().
// RFC4015-3.4a
template <class B>
void keep_reduction_if_marked(const connection<B>& c, sender_active<B>& s, const arriving_segment& seg)
{
    if (c.ecn && seg.has(tcp_flag::ece) && !seg.syn()) {
        s.before.reset();
    }
}

}  // namespace tcpco::detail
