// The acknowledgement that nearly always comes: of the oldest octets in flight, on a calm connection (calm.hpp).
//
// process_ack() asks of each ACK what it says of losses, marks, probes and paths. Where nothing is lost, SACKed, sent
// again or asked, and the segment has nothing but its number and a timestamp, these questions have one answer, and what
// remains is what each ACK does: the records that it covers, the round trip, the policies' turn, the timer. Policies
// are told the same, in the same order, and their verdicts are followed as on the long way. Builds with TCPCO_BOTH_WAYS
// go that way as well, and compare (both_ways.hpp).
//
// Left out: an ACK that acknowledges nothing, which may be a duplicate, and any on a connection with ECN.
#pragma once

#include <algorithm>

#include "tcpco/storage/cleared.hpp"
#include "tcpco/tcp/acknowledgement.hpp"
#include "tcpco/tcp/calm.hpp"

namespace tcpco {

namespace detail {

// The records up to `ack` are delivered, and the recovery policy hears of each. Returns when the last of them left.
template <class B>
time_point deliver_each(const connection<B>& c, sender_active<B>& s, stream_offset ack, path_timing timing)
{
    time_point sent_at = time_point::min();
    s.board.on_plain_ack(ack, [&](const transmission& t) {
        sent_at = std::max(sent_at, t.sent_at);
        s.rate.on_delivered(t, timing.now);
        if constexpr (told_of_deliveries<typename B::recovery>) {
            timing.in_flight = s.board.in_flight();
            s.recovery.on_delivered(t, timing);
        }
    });
    static_cast<void>(c);
    return sent_at;
}

// Likewise where the policy hears of them together.
template <class B>
time_point deliver_all(sender_active<B>& s, stream_offset ack, time_point now)
{
    time_point sent_at = time_point::min();
    s.board.on_plain_ack(ack, [&](const transmission& t) {
        sent_at = std::max(sent_at, t.sent_at);
        s.rate.on_delivered(t, now);
    });
    return sent_at;
}

template <class B>
bool is_awaited(const sender_active<B>& s) noexcept
{
    if constexpr (takes_plain_acks<typename B::recovery, scoreboard>) {
        return s.recovery.awaits_plain_ack(s.board);
    } else {
        return false;
    }
}

// The recovery policy's turn. Whether a recovery was found needless.
template <class B>
bool ask_recovery(connection<B>& c, sender_active<B>& s, ack_info& info, const path_timing& timing,
                  octet_count flight_size, step<B>& st)
{
    const recovery_verdict verdict =
        s.recovery.on_ack(info, sack_info{.sack_permitted = c.sack_permitted}, timing, s.board);
    c.disturb();
    if (verdict.kind != verdict_kind::none || s.board.lost() > 0) {
        follow_verdict(c, s, verdict, info, flight_size, st);
    }
    info.in_recovery = s.recovery.in_recovery() || verdict.undoes();
    return verdict.undoes();
}

// All below snd.una was acknowledged, by the segment that came at `now`.
// RFC9293-3.10.7.4-5d, RFC6298-5.3a
template <class B>
void note_progress(connection<B>& c, sender_active<B>& s, time_point now)
{
    c.send.release_until(c.snd.una);
    if (c.starved) {
        c.starved = c.queued() >= reserve_share / 2;
    }
    c.retries = 0;
    c.timed_out = false;
    c.unanswered = 0;
    if (!timer_runs_on(s, c.snd.una)) {
        c.timer_base = now;
    }
    s.progress_at = now;
    c.rto.on_forward_progress();
}

}  // namespace detail

// The segment, of a connection that is_calm(), which came at `arrived_at`, acknowledges all below `ack`, in (snd.una,
// snd.nxt]. Its window is taken already. `echo`: the timestamp that it echoes; 0: none.
// MUST-18, RFC6298-5.2a, RFC7323-4.1a
template <class B>
[[gnu::hot]] void acknowledge_in_peace(connection<B>& c, sender_active<B>& s, stream_offset ack, time_point arrived_at,
                          std::uint32_t echo, step<B>& st)
{
    const octet_count flight_size = s.board.flight_size();
    const bool awaited = detail::is_awaited(s);
    const time_point echoed = awaited ? time_point::never() : detail::echoed_at(c, echo, arrived_at);
    detail::cleared<ack_info> room;
    ack_info& info = *room;  // selective_acks and smss: complete_info()
    info.now = arrived_at;
    info.in_flight_before = s.board.in_flight();
    info.acked = info.delivered = ack - c.snd.una;
    s.flight_before_disorder = 0;
    s.rate.begin_ack();
    const time_point sent_at = awaited ? detail::deliver_all(s, ack, arrived_at)
                                       : detail::deliver_each(c, s, ack, timing_of(c, s, arrived_at, echoed));
    c.snd.una = ack;
    detail::note_progress(c, s, arrived_at);
    detail::take_round_trip(c, s, info, sent_at, flight_size, st);
    detail::tell_time(c, s, info);
    detail::complete_info(c, s, info);
    const duration rto = c.rto.rto();
    bool undone = false;
    if (awaited) {
        if constexpr (takes_plain_acks<typename B::recovery, scoreboard>) {
            s.recovery.on_plain_ack(info, sent_at, timing_of(c, s, arrived_at, echoed, rto));
        }
    } else {
        undone = detail::ask_recovery(c, s, info, timing_of(c, s, arrived_at, echoed, rto), flight_size, st);
    }
    const rate_sample rate = s.rate.sample(info.min_rtt);
    if constexpr (wants_rate_samples_v<typename B::congestion>) {
        info.rate = rate;
    }
    s.congestion.on_ack(info);
    detail::widen_resumption(s, undone ? 0 : info.delivered);
    c.events |= readiness::writable;
    if (ack == c.sendable_end()) {
        c.events |= readiness::flushed;
        c.timer = retransmission_timer::none;
        c.timer_at = time_point::never();
        detail::consider_quiet(c, rto, st);
    } else {
        if (c.send_tuned) {
            tune_send_buffer(c, s.congestion.cwnd(), st.host);
        }
        rearm_timer(c, st);
    }
}

}  // namespace tcpco
