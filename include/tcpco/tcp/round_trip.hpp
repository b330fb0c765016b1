// What an acknowledgement says about time: round trips, the least of them, and rounds (RFC 6298 section 3, RFC 7323
// section 4).
//
// Samples come from transmission records, in nanoseconds; timestamps only say which transmission was acknowledged where
// that is in doubt. Here also what one ACK collects on its way through acknowledgement.hpp.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

namespace detail {

// How long a minimum RTT is believed: paths change (Linux: 300 s too). RFC8985-6.2a
inline constexpr duration min_rtt_window{300'000'000'000};

// One ACK's way through the steps below.
struct ack_work {
    ack_result delivered{};
    ack_info info{};
    sack_info sack{};
    octet_count flight_size = 0;  // before this ACK
    time_point head_sent_at{};    // when the oldest outstanding octets left last
    time_point echoed = time_point::never();  // see path_timing
    bool advances = false;
    bool covers_syn = false;
    bool duplicate = false;
    bool ect_delivered = false;  // octets that were sent once, with ECT
    bool reordered = false;  // what was sent once arrived behind what was sent later
    stream_offset highest_sacked{};  // before this ACK
};

// What was sent twice has no round trip by itself (Karn), but its timestamp's echo names the transmission. In whole
// milliseconds, so for the RTO alone: else a backed-off one would stay on a path where each segment needs two tries.
// An echo of an earlier transmission than the last, as late as an answer to the last could be, is more often that
// answer: the receiver had the octets, its ACK was lost, and a duplicate does not move what it echoes (RFC7323-5.3a).
// Taken for a round trip it would raise the RTO, and so the next such "round trip".
// RFC7323-4.1a, MUST-18
template <class B>
void measure_by_echo(connection<B>& c, const sender_active<B>& s, const arriving_segment& seg, time_point sent_at,
                     time_point now)
{
    constexpr std::uint32_t believable = 1'000'000;  // a quarter of an hour
    const std::uint32_t age = timestamp_now(c, now) - seg.options.tsecr;
    if (!c.timestamps || !seg.options.has_timestamps || seg.options.tsecr == 0 || age >= believable) {
        return;
    }
    const bool earlier = static_cast<std::int32_t>(timestamp_now(c, sent_at) - seg.options.tsecr) > 0;
    if (!earlier || now - sent_at < s.min_rtts.get() / 2) {
        const duration rtt{std::max<std::int64_t>(age, 1) * 1'000'000};
        c.rto.on_rtt_sample({.rtt = rtt, .source = rtt_source::timestamp});
    }
}

// A round trip of what was sent once, at `sent_at`. `flight_size`: before the ACK.
// RFC7323-4.2a, RFC6298-3a, 3b
template <class B>
[[gnu::always_inline]] inline void take_round_trip(connection<B>& c, sender_active<B>& s, ack_info& info,
                                                   time_point sent_at, octet_count flight_size, step<B>& st)
{
    info.latest_rtt = std::max(duration{1}, info.now - sent_at);
    const octet_count pair = 2 * c.smss;
    const octet_count per_round = flight_size <= pair ? 1 : (flight_size + pair - 1) / pair;
    c.rto.on_rtt_sample({.rtt = info.latest_rtt,
                         .samples_per_round = static_cast<std::uint32_t>(per_round),
                         .source = c.snd.una <= stream_offset{1} ? rtt_source::handshake : rtt_source::transmission});
    s.min_rtts.update(info.latest_rtt, info.now, min_rtt_window);
    if (!goes_both_ways || !st.compared) {
        observe(st.host.observer, event::rtt_measured{.connection = key_of(c),
                                                      .at = info.now,
                                                      .rtt = info.latest_rtt,
                                                      .srtt = c.rto.srtt(),
                                                      .rttvar = c.rto.rttvar(),
                                                      .rto = c.rto.rto()});
    }
}

// Rounds, and what else of time an ACK has to say.
// BBR-4.2a, 5.5.7.1a
template <class B>
void tell_time(const connection<B>& c, sender_active<B>& s, ack_info& info)
{
    if (s.rate.has_newest()) {
        info.round_start = s.rounds.on_delivered(s.rate.prior_delivered(), s.rate.delivered());
    }
    info.round = s.rounds.count();
    info.min_rtt = s.min_rtts.get();
    info.srtt = c.rto.srtt();
    info.app_limited = s.rate.app_limited();
}

// RTT from transmission records, never from retransmitted ones (Karn, MUST-18); rounds and rate from the same.
// RFC7323-4.1a
template <class B>
void measure(connection<B>& c, sender_active<B>& s, const arriving_segment& seg, ack_work& work, step<B>& st)
{
    // What is reported together with a retransmission may have waited for it behind the hole, or for an ACK that was
    // not lost: that time is no round trip (MUST-18).
    const bool has_rtt = work.delivered.has_rtt && !work.delivered.any_retransmitted;
    // A cookie's timestamp is a little old; an ACK with a D-SACK answers what came twice, not what it echoes.
    if (!has_rtt && work.advances && !work.covers_syn && !work.sack.dsack) {
        measure_by_echo(c, s, seg, work.head_sent_at, work.info.now);
    }
    if (has_rtt) {
        take_round_trip(c, s, work.info, work.delivered.rtt_sent_at, work.flight_size, st);
    }
    tell_time(c, s, work.info);
}

// `info` says already what was delivered, and what of it was a duplicate.
template <class B>
inline void complete_info(const connection<B>& c, const sender_active<B>& s, ack_info& info)
{
    info.in_flight = s.board.in_flight();
    info.una = c.snd.una;
    info.nxt = c.snd.nxt;
    info.in_recovery = s.recovery.in_recovery();
    info.selective_acks = c.sack_permitted;
    info.smss = c.smss;
    // In slow start half a window in flight is proof enough: the window doubles before it is filled.
    info.cwnd_limited = s.resumption_window == 0 &&
                        (c.cwnd_limited || (s.congestion.cwnd() < s.congestion.ssthresh() &&
                                            2 * info.in_flight_before >= s.congestion.cwnd()));
}

}  // namespace detail

}  // namespace tcpco
