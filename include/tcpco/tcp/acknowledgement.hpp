// What an acknowledgement does to the sending side (RFC 9293 3.10.7.4 step 5; RFC 5681, 6298, 6582, 6675, 7323).
//
// The order matters and is always the same: the window; what was delivered (scoreboard); what that says about time
// (RTT, rate); what is presumed lost (recovery policy); what may be in flight (controller); which timer runs. Policies
// answer, this header keeps the books.
#pragma once

#include <algorithm>

#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/ecn.hpp"
#include "tcpco/tcp/path_search.hpp"
#include "tcpco/tcp/retransmission_timer.hpp"
#include "tcpco/tcp/send_buffer.hpp"
#include "tcpco/tcp/transition_step.hpp"

namespace tcpco {

namespace detail {

// How long a minimum RTT is believed: paths change (Linux: 300 s too).
inline constexpr duration min_rtt_window{300'000'000'000};

// One ACK's way through the steps below.
struct ack_work {
    ack_result delivered{};
    ack_info info{};
    sack_info sack{};
    octet_count flight_size = 0;  // before this ACK
    time_point head_sent_at{};    // when the oldest outstanding octets left last
    bool advances = false;
    bool covers_syn = false;
    bool duplicate = false;
};

}  // namespace detail

template <class B>
path_timing timing_of(const connection<B>& c, const sender_active<B>& s, time_point now)
{
    return {.now = now,
            .srtt = c.rto.srtt(),
            .min_rtt = c.min_rtt.get(),
            .rto = c.rto.rto(),
            .in_flight = s.board.in_flight(),
            .smss = c.smss};
}

template <class B>
void set_send_window(connection<B>& c, const arriving_segment& seg) noexcept
{
    c.snd.wnd = static_cast<std::uint32_t>(std::min<octet_count>(seg.wnd, octet_count{1} << 30));
    c.snd.max_wnd = std::max(c.snd.max_wnd, c.snd.wnd);
    c.snd.wl1 = seg.seq;
    c.snd.wl2 = seg.ack;
}

namespace detail {

// RFC 9293 3.10.7.4 step 5: an older segment must not bring back an older window. Returns whether the window changed.
// RFC9293-3.10.7.4-5g, MUST-34
template <class B>
bool update_send_window(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    if (seg.ack < c.snd.una || !(c.snd.wl1 < seg.seq || (c.snd.wl1 == seg.seq && c.snd.wl2 <= seg.ack))) {
        return false;
    }
    const bool was_closed = c.snd.wnd == 0;
    const std::uint32_t before = c.snd.wnd;
    set_send_window(c, seg);
    if (was_closed && c.snd.wnd > 0 && c.retries > 0) {
        // The window opens after probes: what they carried was refused, so it goes again at once. No congestion,
        // though.
        if (sender_active<B>* s = st.sender(c)) {
            s->board.mark_all_lost();
            s->board.take_newly_lost();
            s->search.forget_probe();
        }
        c.probe_owed = false;
    }
    return c.snd.wnd != before;
}

// A D-SACK is the first block, when it lies below the ACK or inside the second block (RFC 2883 section 4).
// RFC2883-5a, 5b
template <class B>
void read_dsack(connection<B>& c, const arriving_segment& seg, offset_range first, ack_work& work)
{
    const bool below = first.last <= seg.ack;
    bool inside = false;
    if (!below && seg.options.sack_count > 1) {
        const sack_block& second = seg.options.sack_blocks[1];
        inside = from_wire(second.left, c.snd.iss, seg.ack) <= first.first &&
                 first.last <= from_wire(second.right, c.snd.iss, seg.ack);
    }
    if (below || inside) {
        ++c.stats.dsacks_received;
        work.sack.dsack = true;
        work.sack.dsack_range = first;
    }
}

// One record is delivered for the first time, by SACK or cumulatively.
template <class B>
void on_delivered(const connection<B>& c, sender_active<B>& s, const transmission& t, time_point now)
{
    s.rate.on_delivered(t, now);
    note_size_delivered(c, s, t);
    if constexpr (told_of_deliveries<typename B::recovery>) {
        s.recovery.on_delivered(t, timing_of(c, s, now));
    }
}

// RFC2018-5a, 5.1a
template <class B>
void take_sack_blocks(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, ack_work& work)
{
    work.sack.sack_permitted = c.sack_permitted;
    if (!c.sack_permitted) {
        if (work.duplicate) {
            work.delivered.newly_delivered += s.board.emulate_sack(c.smss);
        }
        return;
    }
    bool first = true;
    for (const sack_block& block : seg.options.sacks()) {
        const offset_range range{from_wire(block.left, c.snd.iss, seg.ack), from_wire(block.right, c.snd.iss, seg.ack)};
        const bool usable = range.first < range.last && range.last <= c.snd.nxt;
        if (first && usable) {
            read_dsack(c, seg, range, work);
        }
        first = false;
        if (usable && range.first >= seg.ack) {
            work.sack.has_blocks = true;
            const ack_result sacked =
                s.board.on_sack(range, [&](const transmission& t, bool) { on_delivered(c, s, t, work.info.now); });
            work.sack.newly_sacked += sacked.newly_sacked;
            work.delivered += sacked;
        }
    }
}

// RFC9293-3.10.7.4-5d, RFC2018-5d, 8c
template <class B>
void take_cumulative_ack(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, ack_work& work,
                         step<B>& st)
{
    if (!work.advances) {
        return;
    }
    if (const auto head = s.board.first_unacked(); head != scoreboard::npos) {
        work.head_sent_at = s.board[head].sent_at;
    }
    work.delivered += s.board.on_cumulative_ack(seg.ack, [&](const transmission& t, bool was_sacked) {
        if (!was_sacked) {
            on_delivered(c, s, t, work.info.now);
        }
    });
    take_answer(c, s, seg.ack, st);
    c.snd.una = seg.ack;
    if (c.path_mtu != 0) {
        follow_path_mtu(c, st);
    }
    c.send.release_until(std::min(c.snd.una, c.send.end()));
    c.starved = c.starved && c.queued() >= reserve_share / 2;  // its share is free again
    c.retries = 0;
    c.timer_base = work.info.now;  // RFC6298-5.3a, RFC6928-9a: the timer starts anew
    c.progress_at = work.info.now;
    c.rto.on_forward_progress();
    c.events |= readiness::writable;
    if (c.snd.una == c.sendable_end()) {
        c.events |= readiness::flushed;
    }
}

// What was sent twice has no round trip by itself (Karn), but its timestamp's echo names the transmission. In whole
// milliseconds, so for the RTO alone: else a backed-off one would stay on a path where each segment needs two tries.
// An echo of an earlier transmission than the last, as late as an answer to the last could be, is more often that
// answer: the receiver had the octets, its ACK was lost, and a duplicate does not move what it echoes (RFC7323-5.3a).
// Taken for a round trip it would raise the RTO, and so the next such "round trip".
// RFC7323-4.1a, MUST-18
template <class B>
void measure_by_echo(connection<B>& c, const arriving_segment& seg, time_point sent_at, time_point now)
{
    constexpr std::uint32_t believable = 1'000'000;  // a quarter of an hour
    const std::uint32_t age = timestamp_now(c, now) - seg.options.tsecr;
    if (!c.timestamps || !seg.options.has_timestamps || seg.options.tsecr == 0 || age >= believable) {
        return;
    }
    const bool earlier = static_cast<std::int32_t>(timestamp_now(c, sent_at) - seg.options.tsecr) > 0;
    if (!earlier || now - sent_at < c.min_rtt.get() / 2) {
        const duration rtt{std::max<std::int64_t>(age, 1) * 1'000'000};
        c.rto.on_rtt_sample({.rtt = rtt, .source = rtt_source::timestamp});
    }
}

// RTT from transmission records, never from retransmitted ones (Karn, MUST-18); rounds and rate from the same.
// RFC7323-4.1a, 4.2a, RFC6298-3a, 3b
template <class B>
void measure(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, ack_work& work, step<B>& st)
{
    ack_info& info = work.info;
    // What is reported together with a retransmission may have waited for it behind the hole, or for an ACK that was
    // not lost: that time is no round trip (MUST-18).
    const bool has_rtt = work.delivered.has_rtt && !work.delivered.any_retransmitted;
    if (!has_rtt && work.advances && !work.covers_syn) {  // a cookie's timestamp is a little old
        measure_by_echo(c, seg, work.head_sent_at, info.now);
    }
    if (has_rtt) {
        info.latest_rtt = std::max(duration{1}, info.now - work.delivered.rtt_sent_at);
        const octet_count per_round = (work.flight_size + 2 * c.smss - 1) / (2 * c.smss);
        c.rto.on_rtt_sample(
            {.rtt = info.latest_rtt,
             .samples_per_round = static_cast<std::uint32_t>(std::max<octet_count>(1, per_round)),
             .source = c.snd.una <= stream_offset{1} ? rtt_source::handshake : rtt_source::transmission});
        c.min_rtt.update(info.latest_rtt, info.now, min_rtt_window);
        observe(st.host.observer, event::rtt_measured{.connection = key_of(c),
                                                      .at = info.now,
                                                      .rtt = info.latest_rtt,
                                                      .srtt = c.rto.srtt(),
                                                      .rttvar = c.rto.rttvar(),
                                                      .rto = c.rto.rto()});
    }
    if (work.delivered.has_newest) {
        info.round_start = s.rounds.on_delivered(work.delivered.newest.stamp.delivered, s.rate.delivered());
    }
    info.round = s.rounds.count();
    info.min_rtt = c.min_rtt.get();
    info.srtt = c.rto.srtt();
    info.app_limited = s.rate.app_limited();
}

template <class B>
void complete_info(connection<B>& c, sender_active<B>& s, ack_work& work)
{
    ack_info& info = work.info;
    info.acked = work.delivered.acked;
    info.newly_sacked = work.delivered.newly_sacked;
    info.delivered = work.delivered.newly_delivered;
    info.in_flight = s.board.in_flight();
    info.una = c.snd.una;
    info.nxt = c.snd.nxt;
    info.in_recovery = s.recovery.in_recovery();
    info.duplicate = work.duplicate;
    info.smss = c.smss;
    // In slow start half a window in flight is proof enough: the window doubles before it is filled.
    info.cwnd_limited = c.cwnd_limited || (s.congestion.cwnd() < s.congestion.ssthresh() &&
                                           2 * info.in_flight_before >= s.congestion.cwnd());
}

}  // namespace detail

namespace detail {

// How fast recovery sends: `ssthresh` is where it is to end.
template <class B>
void begin_recovery(const connection<B>& c, sender_active<B>& s, octet_count in_flight, octet_count newly_delivered,
                    octet_count ssthresh)
{
    s.recovery_rate.on_enter({.in_flight = in_flight,
                              .sacked = s.board.sacked(),
                              .newly_delivered = newly_delivered,
                              .ssthresh = ssthresh,
                              .smss = c.smss});
}

// A congestion event, and the pace of the recovery that follows it.
template <class B>
void reduce_window(connection<B>& c, sender_active<B>& s, const congestion_event& why, octet_count newly_delivered,
                   step<B>& st)
{
    congestion_event event = why;
    if (s.flight_before_disorder > 0) {
        event.in_flight = std::min(event.in_flight, s.flight_before_disorder);  // RFC5681-3.2g
    }
    s.congestion.on_congestion_event(event);
    note_reduction(c, s);
    begin_recovery(c, s, why.in_flight, newly_delivered, s.congestion.ssthresh());
    observe(st.host.observer, event::cwnd_changed{.connection = key_of(c),
                                                  .at = st.now,
                                                  .cwnd = s.congestion.cwnd(),
                                                  .ssthresh = s.congestion.ssthresh(),
                                                  .in_flight = s.board.in_flight(),
                                                  .in_recovery = s.recovery.in_recovery()});
}

}  // namespace detail

// What a recovery policy's verdict means for everybody else.
template <class B>
void apply_verdict(connection<B>& c, sender_active<B>& s, recovery_verdict verdict, octet_count flight_size,
                   octet_count newly_delivered, step<B>& st)
{
    congestion_event event{.in_flight = flight_size, .smss = c.smss, .now = st.now};
    switch (verdict.kind) {
    case verdict_kind::none: break;
    case verdict_kind::enter:
        s.before = s.congestion;
        detail::reduce_window(c, s, event, newly_delivered, st);
        ++c.stats.fast_recoveries;
        break;
    case verdict_kind::exit:
        if constexpr (told_of_recovery_exit<typename B::congestion>) {
            s.congestion.on_recovery_exit();
        }
        break;
    case verdict_kind::lost_again:
        event.cause = congestion_cause::lost_retransmission;
        detail::reduce_window(c, s, event, newly_delivered, st);
        break;
    case verdict_kind::tlp_repaired:
        event.cause = congestion_cause::tlp_repaired;
        s.congestion.on_congestion_event(event);
        note_reduction(c, s);
        break;
    case verdict_kind::spurious:
        c.rto.on_spurious_timeout();
        if (s.before) {
            const typename B::congestion prior = *s.before;
            if constexpr (told_of_spurious<typename B::congestion>) {
                s.congestion.on_spurious(verdict.cause, prior);
            } else {
                s.congestion = prior;
            }
            s.before.reset();
        }
        break;
    }
}

// Records that a policy marked lost since the last call are reported to the controller. Returns their octets.
template <class B>
octet_count report_losses(connection<B>& c, sender_active<B>& s)
{
    return s.board.take_newly_lost([&c, &s](const transmission& t) {
        s.rate.on_lost(t.octets());
        detail::note_probe_loss(s, t);
        if constexpr (told_of_packets_lost<typename B::congestion>) {
            s.congestion.on_packet_lost({.octets = t.octets(),
                                         .segments = t.wire_segments,
                                         .stamp = t.stamp,
                                         .in_flight_at_send = t.stamp.in_flight,
                                         .total_lost = s.rate.lost()});
        }
        static_cast<void>(c);
    });
}

namespace detail {

// Nothing is in flight, and the segment says nothing of what was: there is nothing to be learnt from it but the window.
// One who only receives gets this with each segment. Policies are not told (Linux does not tell its own, either).
template <class B>
bool tells_nothing(const connection<B>& c, const sender_active<B>& s, const arriving_segment& seg) noexcept
{
    return s.board.flight_size() == 0 && seg.ack <= c.snd.una && seg.options.sack_count == 0 && !c.ecn &&
           !s.recovery.in_recovery();
}

}  // namespace detail

// RFC 9293 3.10.7.4 step 5, from ESTABLISHED on; seg.ack is at most snd.nxt.
template <class B>
void process_ack(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    const bool window_changed = detail::update_send_window(c, seg, st);
    // An orphan behind a closed window must end some day, even if its peer goes on acknowledging probes (MUST-37
    // protects connections that somebody holds).
    if (!c.reader_gone || c.timer != retransmission_timer::persist) {
        c.unanswered = 0;
    }
    sender_active<B>* s = st.sender(c);
    if (s == nullptr || detail::tells_nothing(c, *s, seg)) {
        rearm_timer(c, st);
        return;
    }
    detail::ack_work work;
    work.flight_size = s->board.flight_size();
    work.advances = seg.ack > c.snd.una;
    work.covers_syn = c.snd.una == stream_offset{0};
    // RFC5681-2a; with a closed window it is the answer to a probe.
    work.duplicate = !work.advances && seg.ack == c.snd.una && work.flight_size > 0 && seg.length() == 0 &&
                     !window_changed && c.snd.wnd > 0;
    work.info.now = seg.info.arrived_at;
    work.info.in_flight_before = s->board.in_flight();
    c.stats.duplicate_acks += work.duplicate ? 1 : 0;

    if (work.advances || s->recovery.in_recovery()) {
        s->flight_before_disorder = 0;
    } else if ((work.duplicate || seg.options.sack_count > 0) && s->flight_before_disorder == 0) {
        s->flight_before_disorder = work.flight_size;
    }
    s->rate.begin_ack();
    detail::take_cumulative_ack(c, *s, seg, work, st);
    detail::take_sack_blocks(c, *s, seg, work);
    detail::measure(c, *s, seg, work, st);
    detail::complete_info(c, *s, work);

    const bool was_in_recovery = s->recovery.in_recovery();
    const recovery_verdict verdict =
        s->recovery.on_ack(work.info, work.sack, timing_of(c, *s, work.info.now), s->board);
    work.info.newly_lost = report_losses(c, *s);
    work.info.in_flight = s->board.in_flight();
    if (detail::lost_only_a_probe(c, *s, work.info.newly_lost, st) && verdict.kind == verdict_kind::enter) {
        detail::begin_recovery(c, *s, work.flight_size, work.info.delivered, s->congestion.cwnd());
        s->before.reset();
    } else {
        apply_verdict(c, *s, verdict, work.flight_size, work.info.delivered, st);
    }
    detail::take_probe_result(c, *s, st);
    answer_echo(c, *s, seg, work.delivered, work.flight_size, work.info, st);
    // The ACK that ends a recovery earns no growth, nor does one with an echo (RFC3168-6.1.2c), unless the controller
    // tells marked octets from others itself.
    work.info.in_recovery = was_in_recovery || s->recovery.in_recovery() ||
                            (work.info.ecn.ece && !grows_beside_marks_v<typename B::congestion>);
    if constexpr (wants_rate_samples_v<typename B::congestion>) {
        work.info.rate = s->rate.sample(work.info.min_rtt);
    }
    s->congestion.on_ack(work.info);
    if (c.send_tuned) {
        tune_send_buffer(c, s->congestion.cwnd(), st.host);
    }
    if (s->recovery.in_recovery() && verdict.kind != verdict_kind::enter) {
        s->recovery_rate.on_ack({.delivered = work.info.delivered,
                                 .newly_lost = work.info.newly_lost,
                                 .una_advanced = work.advances,
                                 .in_flight = work.info.in_flight,
                                 .smss = c.smss});
    }
    rearm_timer(c, st);
}

}  // namespace tcpco
