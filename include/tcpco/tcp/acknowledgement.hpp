// What an acknowledgement does to the sending side (RFC 9293 3.10.7.4 step 5; RFC 5681, 6298, 6582, 6675, 7323).
//
// The order matters and is always the same: the window; what was delivered (scoreboard); what that says about time
// (RTT, rate); what is presumed lost (recovery policy); what may be in flight (controller); which timer runs. Policies
// answer, this header keeps the books.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/ecn.hpp"
#include "tcpco/tcp/path_search.hpp"
#include "tcpco/tcp/retransmission_timer.hpp"
#include "tcpco/tcp/round_trip.hpp"
#include "tcpco/tcp/sorted_blocks.hpp"
#include "tcpco/tcp/send_buffer.hpp"
#include "tcpco/tcp/transition_step.hpp"
#include "tcpco/tcp/undo.hpp"

namespace tcpco {

template <class B>
[[gnu::always_inline]] inline path_timing timing_of(const connection<B>& c, const sender_active<B>& s, time_point now,
                                                    time_point echoed, duration rto)
{
    return {.now = now,
            .srtt = c.rto.srtt(),
            .min_rtt = s.min_rtts.get(),
            .rto = rto,
            .rto_at = c.timer_base + rto,
            .in_flight = s.board.in_flight(),
            .smss = c.smss,
            .echoed = echoed};
}

template <class B>
[[gnu::always_inline]] inline path_timing timing_of(const connection<B>& c, const sender_active<B>& s, time_point now,
                      time_point echoed = time_point::never())
{
    return timing_of(c, s, now, echoed, c.rto.rto());
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
// RFC2883-5a, 5b, RFC3708-2a
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
        count_rare(c.rare, &rare_state::dsacks_received, 1);
        work.sack.dsack = true;
        work.sack.dsack_range = first;
    }
}

// One record is delivered for the first time, by SACK or cumulatively.
template <class B>
void on_delivered(const connection<B>& c, sender_active<B>& s, const transmission& t, ack_work& work,
                  path_timing& timing)
{
    work.reordered = work.reordered || (c.sack_permitted && !t.ever_retransmitted && t.last <= work.highest_sacked);
    s.rate.on_delivered(t, work.info.now);
    work.ect_delivered = work.ect_delivered || t.stamp.ect;
    note_size_delivered(c, s, t);
    if constexpr (told_of_deliveries<typename B::recovery>) {
        timing.in_flight = s.board.in_flight();
        s.recovery.on_delivered(t, timing);
    }
}

// Without SACK a duplicate ACK stands for a segment; in recovery all of them for no more than was in flight.
// RFC9937-6.2b, 6.2e
template <class B>
octet_count worth_of_duplicate(const connection<B>& c, const sender_active<B>& s)
{
    if constexpr (bounds_duplicates<typename B::recovery_rate>) {
        if (s.recovery.in_recovery()) {
            return std::clamp<octet_count>(s.recovery_rate.most_duplicated() - s.board.emulated(), 0, c.smss);
        }
    }
    return c.smss;
}

// Duplicates without blocks that are new release nothing where the peer speaks SACK.
// RFC2018-5a, 5.1a, RFC3042-2c, RFC5681-3.2f, RFC6675-5a
template <class B>
void take_sack_blocks(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, ack_work& work)
{
    work.sack.sack_permitted = c.sack_permitted;
    if (!c.sack_permitted) {
        if (work.duplicate) {
            work.delivered.newly_delivered += s.board.emulate_sack(worth_of_duplicate(c, s));
        }
        return;
    }
    if (seg.options.sack_count == 0) {
        return;
    }
    path_timing timing = timing_of(c, s, work.info.now);
    sorted_blocks blocks;
    bool first = true;
    for (const sack_block& block : seg.options.sacks()) {
        const offset_range range{from_wire(block.left, c.snd.iss, seg.ack), from_wire(block.right, c.snd.iss, seg.ack)};
        const bool usable = range.first < range.last && range.last <= c.snd.nxt;
        if (first && usable) {
            read_dsack(c, seg, range, work);
        }
        first = false;
        if (usable && range.first >= seg.ack) {
            blocks.insert(range);
        }
    }
    work.sack.has_blocks = blocks.count > 0;
    for (const offset_range& range : blocks.all()) {
        const ack_result sacked =
            s.board.on_sack(range, [&](const transmission& t, bool) { on_delivered(c, s, t, work, timing); });
        work.sack.newly_sacked += sacked.newly_sacked;
        work.delivered += sacked;
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
    path_timing timing = timing_of(c, s, work.info.now, work.echoed);
    work.delivered += s.board.on_cumulative_ack(seg.ack, [&](const transmission& t, bool was_sacked) {
        if (!was_sacked) {
            on_delivered(c, s, t, work, timing);
        }
    });
    take_answer(c, s, seg.ack, st);
    c.snd.una = seg.ack;
    if (c.path_mtu != 0) {
        follow_path_mtu(c, st);
    }
    c.send.release_until(std::min(c.snd.una, c.send.end()));  // what is SACKed only stays (RFC6675-4a)
    c.starved = c.starved && c.queued() >= reserve_share / 2;  // its share is free again
    c.retries = 0;
    c.timed_out = false;
    if (!timer_runs_on(s, seg.ack)) {
        c.timer_base = work.info.now;  // RFC6298-5.3a, RFC6928-9a: the timer starts anew
    }
    s.progress_at = work.info.now;
    c.rto.on_forward_progress();
    c.events |= readiness::writable;
    if (c.snd.una == c.sendable_end()) {
        c.events |= readiness::flushed;
    }
}

// How fast recovery sends: `ssthresh` is where it is to end.
// RFC9937-6.1a
template <class B>
void begin_recovery(const connection<B>& c, sender_active<B>& s, octet_count newly_delivered, octet_count ssthresh)
{
    s.recovery_rate.on_enter({.in_flight = s.board.flight_size(),
                              .sacked = s.board.sacked(),
                              .pipe = s.board.in_flight(),
                              .newly_delivered = newly_delivered,
                              .ssthresh = ssthresh,
                              .smss = c.smss,
                              .by_duplicates = !c.sack_permitted});
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
    begin_recovery(c, s, newly_delivered, s.congestion.ssthresh());
    observe(st.host.observer, event::cwnd_changed{.connection = key_of(c),
                                                  .at = st.now,
                                                  .cwnd = s.congestion.cwnd(),
                                                  .ssthresh = s.congestion.ssthresh(),
                                                  .in_flight = s.board.in_flight(),
                                                  .in_recovery = s.recovery.in_recovery()});
}

}  // namespace detail

// The windows as they are to be if what this verdict says is needless turns out to be so: what it undoes is given back,
// and what a recovery that begins would undo is kept. To be called before anybody hears of the losses that the verdict
// is about: a controller answers them, too (RFC4015-3.1a, RFC9438-4.9a).
template <class B>
void prepare_verdict(connection<B>& c, sender_active<B>& s, recovery_verdict verdict, octet_count newly_delivered,
                     step<B>& st)
{
    if (verdict.undoes()) {
        detail::undo_reduction(c, s, verdict.cause, newly_delivered, st);
    }
    if (verdict.kind == verdict_kind::enter) {
        s.before = s.congestion;
    }
}

// What a recovery policy's verdict means for everybody else; after prepare_verdict().
template <class B>
void apply_verdict(connection<B>& c, sender_active<B>& s, recovery_verdict verdict, octet_count flight_size,
                   octet_count newly_delivered, step<B>& st)
{
    congestion_event event{.in_flight = flight_size, .smss = c.smss, .now = st.now};
    switch (verdict.kind) {
    case verdict_kind::none:
    case verdict_kind::spurious: break;
    case verdict_kind::enter:
        note_missing(c, st);
        detail::reduce_window(c, s, event, newly_delivered, st);
        count_rare(c.rare, &rare_state::fast_recoveries, 1);
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
        note_missing(c, st);
        event.cause = congestion_cause::tlp_repaired;
        s.before.reset();  // this reduction stays, whatever is found out of an earlier one
        s.congestion.on_congestion_event(event);
        note_reduction(c, s);
        break;
    }
}

namespace detail {

// What began a recovery was the loss of a probe for the MTU alone: it is repaired, and nobody slows down (RFC4821-4a).
template <class B>
void repair_probe(const connection<B>& c, sender_active<B>& s, octet_count newly_delivered)
{
    begin_recovery(c, s, newly_delivered, s.congestion.cwnd());
    s.before.reset();
}

}  // namespace detail

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
// One who only receives gets this with each segment. Not so with ECN, whose counts come on any. Policies are not told
// (Linux does not tell its own, either).
template <class B>
bool tells_nothing(const connection<B>& c, const sender_active<B>& s, const arriving_segment& seg) noexcept
{
    return s.board.flight_size() == 0 && seg.ack <= c.snd.una && seg.options.sack_count == 0 && !c.ecn &&
           !c.accurate && !s.recovery.in_recovery();
}

// MUST-20 counts transmissions of the same octets: only progress ends the count, else a peer that repeats its last ACK
// would be waited for without end. Behind a closed window any answer does (MUST-37), but to an orphan none: that must
// end some day.
template <class B>
bool ends_the_count(const connection<B>& c, const arriving_segment& seg) noexcept
{
    const bool progress = seg.ack > c.snd.una || c.snd.una == c.snd.nxt;
    return c.timer == retransmission_timer::persist ? !c.reader_gone : progress;
}

// What an ACK showed to be lost is reported, and the policy's verdict carried out. `flight_size`: before the ACK.
template <class B>
void follow_verdict(connection<B>& c, sender_active<B>& s, recovery_verdict verdict, ack_info& info,
                    octet_count flight_size, step<B>& st)
{
    if (verdict.kind != verdict_kind::none) {
        prepare_verdict(c, s, verdict, info.delivered, st);
    }
    info.newly_lost = report_losses(c, s);
    info.in_flight = s.board.in_flight();
    if (lost_only_a_probe(c, s, info.newly_lost, st) && verdict.kind == verdict_kind::enter) {
        repair_probe(c, s, info.delivered);
    } else {
        apply_verdict(c, s, verdict, flight_size, info.delivered, st);
    }
}

template <class B>
recovery_progress progress_of(const connection<B>& c, const ack_work& work) noexcept
{
    return {.delivered = work.info.delivered,
            .newly_lost = work.info.newly_lost,
            .una_advanced = work.advances,
            .in_flight = work.info.in_flight,
            .smss = c.smss,
            .by_duplicates = !c.sack_permitted};
}

}  // namespace detail

// RFC 9293 3.10.7.4 step 5, from ESTABLISHED on; seg.ack is at most snd.nxt.
template <class B>
void process_ack(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    const bool window_changed = detail::update_send_window(c, seg, st);
    if (detail::ends_the_count(c, seg)) {
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
    work.echoed = detail::echoed_at(c, seg, work.info.now);
    count_rare(c.rare, &rare_state::duplicate_acks, work.duplicate ? 1 : 0);

    if (work.advances || s->recovery.in_recovery()) {
        s->flight_before_disorder = 0;
    } else if ((work.duplicate || seg.options.sack_count > 0) && s->flight_before_disorder == 0) {
        s->flight_before_disorder = work.flight_size;
    }
    work.highest_sacked = s->board.highest_sacked();
    s->rate.begin_ack();
    detail::take_cumulative_ack(c, *s, seg, work, st);
    detail::take_sack_blocks(c, *s, seg, work);
    count_rare(c.rare, &rare_state::reorderings, work.reordered ? 1 : 0);
    note_delivered(c, work.ect_delivered);
    work.info.acked = work.delivered.acked;
    work.info.newly_sacked = work.delivered.newly_sacked;
    work.info.delivered = work.delivered.newly_delivered;
    work.info.duplicate = work.duplicate;
    detail::measure(c, *s, seg, work, st);
    detail::complete_info(c, *s, work.info);
    const bool was_in_recovery = s->recovery.in_recovery();
    const recovery_verdict verdict =
        s->recovery.on_ack(work.info, work.sack, timing_of(c, *s, work.info.now, work.echoed), s->board);
    detail::keep_reduction_if_marked(c, *s, seg);
    detail::follow_verdict(c, *s, verdict, work.info, work.flight_size, st);
    detail::take_probe_result(c, *s, st);
    answer_echo(c, *s, seg, work.delivered, work.flight_size, work.info, st);
    // The ACK that ends a recovery earns no growth, nor does one that undoes it, nor one with an echo (RFC3168-6.1.2c),
    // unless the controller tells marked octets from others itself.
    work.info.in_recovery = was_in_recovery || s->recovery.in_recovery() || verdict.undoes() ||
                            (work.info.ecn.ece && !grows_beside_marks(s->congestion));
    const rate_sample rate = s->rate.sample(work.info.min_rtt);
    if constexpr (wants_rate_samples_v<typename B::congestion>) {
        work.info.rate = rate;
    }
    s->congestion.on_ack(work.info);
    detail::widen_resumption(*s, verdict.undoes() ? 0 : work.info.delivered);
    if (c.send_tuned) {
        tune_send_buffer(c, s->congestion.cwnd(), st.host);
    }
    const bool began = verdict.kind == verdict_kind::enter || verdict.kind == verdict_kind::lost_again;
    if (s->recovery.in_recovery() && !began) {  // the ACK that began it was answered with it
        s->recovery_rate.on_ack(detail::progress_of(c, work));
    }
    rearm_timer(c, st);
}

}  // namespace tcpco
