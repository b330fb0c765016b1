// The user's calls on a connection (RFC 9293 section 3.10.2 to 3.10.6): SEND, RECEIVE, CLOSE, ABORT, STATUS. OPEN
// stands in opening.hpp. None of them sends: the stack looks at the connection afterwards.
#pragma once

#include <cstddef>
#include <span>

#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/send_buffer.hpp"
#include "tcpco/tcp/sender.hpp"
#include "tcpco/tcp/tcp_info.hpp"
#include "tcpco/tcp/transition_step.hpp"

namespace tcpco {

// What reading meets when no octets are there. would_block: they may still come.
// RFC9293-3.10.3b, 3.10.3c
inline errc receive_status(const transmission_control_block& c) noexcept
{
    if (c.error != errc::ok) {
        return c.error;
    }
    if (c.fin_received) {
        return errc::end_of_stream;
    }
    return c.state == tcp_state::closed || c.state == tcp_state::listen ? errc::not_connected : errc::would_block;
}

// What writing meets. ok: octets may be queued, if there is room.
// RFC9293-3.10.2c
inline errc send_status(const transmission_control_block& c) noexcept
{
    if (c.fin_queued || c.close_deferred) {
        return errc::broken_pipe;  // after our own shutdown
    }
    if (c.error != errc::ok) {
        return c.error == errc::connection_reset ? errc::broken_pipe : c.error;
    }
    return c.state == tcp_state::closed || c.state == tcp_state::listen ? errc::not_connected : errc::ok;
}

// RECEIVE (3.10.3). Octets that arrived before an end, even before an RST, are read first.
// RFC9293-3.10.3a, 3.10.3b, 3.10.3c
inline result<std::size_t> receive_octets(transmission_control_block& c, std::span<std::byte> out) noexcept
{
    if (out.empty()) {
        return {};
    }
    const std::size_t n = c.receive.read(out);
    if (n == 0) {
        return {receive_status(c), 0};
    }
    c.read_since_ack = true;
    return {errc::ok, n};
}

// RECEIVE without a copy: the next slice as it arrived.
inline result<slice> receive_slice(transmission_control_block& c) noexcept
{
    if (c.receive.empty()) {
        return {receive_status(c), {}};
    }
    c.read_since_ack = true;
    return {errc::ok, c.receive.take_front()};
}

// SEND (3.10.2): queues what there is room for. would_block: the send buffer is full or the low-water mark reached, or
// slots run short and this connection has its share of the last quarter (reserve_share): peers that do not read cannot
// stop the others. no_buffer_space: there is no slot at all. RFC9293-3.10.2a, 3.10.2b, MUST-60
inline result<std::size_t> send_octets(transmission_control_block& c, std::span<const std::byte> octets,
                                       buffer_pool& small, buffer_pool& large) noexcept
{
    if (const errc status = send_status(c); status != errc::ok) {
        return {status, 0};
    }
    if (octets.empty()) {
        return {};
    }
    octets = octets.first(std::min(octets.size(), send_room(c)));
    if (octets.empty()) {
        return {errc::would_block, 0};
    }
    const buffer_pool& pool = c.send.empty() && octets.size() <= small.slot_size() ? small : large;
    const auto share = static_cast<std::size_t>(std::max(reserve_share - c.queued(), octet_count{0}));
    if (octets.size() > share) {
        const std::size_t allowed = std::max(share, pool.headroom() * pool.slot_size());
        if (allowed == 0) {
            return {pool.available() > 0 ? errc::would_block : errc::no_buffer_space, 0};
        }
        octets = octets.first(std::min(octets.size(), allowed));
    }
    const std::size_t n = c.send.append(octets, small, large);
    return {n > 0 ? errc::ok : errc::no_buffer_space, n};
}

// CLOSE of the sending direction (3.10.4): a FIN follows what is queued. Closing twice is no error.
// RFC9293-3.10.4a, 3.10.4b, 3.10.4c, 3.10.4d, 3.10.4e
template <class B>
errc shutdown_send(connection<B>& c, step<B>& st)
{
    if (c.fin_queued || c.close_deferred) {
        return errc::ok;
    }
    if (c.state == tcp_state::closed) {
        return c.error == errc::ok ? errc::not_connected : c.error;
    }
    c.events |= readiness::writable;  // a writer that waits has to hear that it waits in vain
    return take_transition(c, tcp_event::close, st) ? errc::ok : errc::operation_not_permitted;
}

// ABORT (3.10.5).
// RFC9293-3.10.5a, 3.10.5b
template <class B>
errc abort_connection(connection<B>& c, step<B>& st)
{
    if (c.state == tcp_state::closed) {
        return errc::not_connected;
    }
    detail::end_with(c, errc::connection_aborted);
    return take_transition(c, tcp_event::abort, st) ? errc::ok : errc::operation_not_permitted;
}

// The user lets go of the connection: nobody will read or write any more. With unread octets the peer has to learn that
// they are lost (RFC 9293 3.6.1, SHLD-3; RFC 2525 2.17): RST instead of FIN.
template <class B>
void release_connection(connection<B>& c, step<B>& st)
{
    c.owned = false;
    c.reader_gone = true;
    const bool loses = !c.receive.empty() && (may_receive(c.state) || c.state == tcp_state::close_wait);
    c.receive.release();
    if (c.state == tcp_state::closed) {
        return;
    }
    if (loses || c.linger_reset) {
        take_transition(c, tcp_event::abort, st);
    } else if (!c.fin_queued && !c.close_deferred) {
        take_transition(c, tcp_event::close, st);
    }
    limit_fin_wait_2(c, st);
}

namespace detail {

// The part of tcp_info that says how sending goes.
template <class B>
void tell_of_sending(tcp_info& info, const connection<B>& c, step<B>& st)
{
    const auto us = [](std::uint64_t n) { return duration{static_cast<std::int64_t>(n) * 1'000}; };
    info.busy = us(std::uint64_t{c.rare->busy_hours} << 32 | c.stats.busy);
    info.limited_by_receive_window = us(c.rare->window_limited);
    info.limited_by_send_buffer = us(c.rare->buffer_limited);
    info.limited_by_cwnd = us(c.rare->cwnd_limited);
    if (const sender_active<B>* s = st.sender(c)) {
        info.in_flight = s->board.in_flight();
        info.sacked = s->board.sacked();
        info.lost = s->board.lost();
        info.retransmitted = s->board.retransmitted();
        info.in_recovery = s->recovery.in_recovery();
        info.busy += s->times.spent(send_limit::none, st.now);
        info.limited_by_receive_window += s->times.spent(send_limit::receive_window, st.now);
        info.limited_by_send_buffer += s->times.spent(send_limit::send_buffer, st.now);
        info.limited_by_cwnd += s->times.spent(send_limit::congestion_window, st.now);
        if constexpr (paces<typename B::congestion>) {
            info.pacing_rate = s->congestion.pacing_rate();
        }
        info.delivery_rate = s->rate.delivery_rate();
        info.delivery_rate_app_limited = s->rate.delivery_rate_app_limited();
    }
    info.busy += info.limited_by_receive_window + info.limited_by_send_buffer + info.limited_by_cwnd;
    info.octets_acknowledged = static_cast<std::uint64_t>(
        std::max<octet_count>(std::min(c.snd.una, c.fin_at()) - stream_offset{1}, 0));
    info.octets_retransmitted = c.rare->octets_retransmitted;
    info.data_segments_sent = c.stats.data_segments_sent;
    info.data_segments_received = c.stats.data_segments_received;
    info.segments_out_of_order = c.rare->out_of_order;
    info.dsacks_received = c.rare->dsacks_received;
    info.reorderings = c.rare->reorderings;
    info.recoveries_undone = c.rare->recoveries_undone;
    info.marks_received = c.rare->marks_received;
    info.ecn = c.ecn || c.ecn_accurate;
    info.accurate_ecn = c.ecn_accurate;
    info.marks_reported = c.rare->marks_reported;
    info.retries = c.retries;
    info.unanswered = c.unanswered;
    info.delivery_doubtful = c.unanswered >= r1_timeouts;
    info.probes_window = c.timer == retransmission_timer::persist;
    info.since_sent = c.last_sent_at == time_point{} ? duration{} : st.now - c.last_sent_at;
    info.since_received = c.last_received_at == time_point{} ? duration{} : st.now - c.last_received_at;
    info.receive_capacity = c.window.capacity();
    if constexpr (tuned_window<typename B::receive_window>) {
        info.receive_rtt = c.window.round_trip();
    }
    info.path_mtu = static_cast<std::uint16_t>(path_mtu_of(c, st.host));
}

}  // namespace detail

// STATUS (3.10.6).
// RFC9293-3.10.6a
template <class B>
tcp_info info_of(const connection<B>& c, step<B>& st)
{
    const sender_active<B>* s = st.sender(c);
    const receiver_active* r = st.receiver(c);
    tcp_info info;
    info.state = c.state;
    info.local = c.local;
    info.remote = c.remote;
    info.error = c.error;
    info.soft_error = c.soft_error;
    info.smss = c.smss;
    info.largest_received = c.rmss;
    info.rmss = c.own_mss;
    info.snd_wscale = c.snd.wscale;
    info.rcv_wscale = c.rcv.wscale;
    info.window_scaling = c.rcv.scaled;
    info.sack_permitted = c.sack_permitted;
    info.timestamps = c.timestamps;
    info.snd_wnd = c.snd.wnd;
    info.rcv_wnd = c.rcv.wnd();
    info.cwnd = s != nullptr ? octet_count{s->congestion.cwnd()} : c.idle.cwnd();
    info.ssthresh = s != nullptr ? octet_count{s->congestion.ssthresh()} : c.idle.ssthresh();
    info.unacked = c.snd.nxt - c.snd.una;
    info.send_queued = c.queued();
    info.receive_queued = static_cast<octet_count>(c.receive.size());
    info.out_of_order = r != nullptr ? static_cast<octet_count>(r->queue.octets()) : 0;
    info.unsent = c.unsent();
    info.urgent_ahead = urgent_ahead(c);
    info.user_timeout = c.user_timeout == no_user_timeout
                            ? duration::max()
                            : duration{std::int64_t{c.user_timeout} * 1'000'000};
    info.remote_user_timeout = user_timeout_from_wire(c.rare->remote_uto);
    info.rto = c.rto.rto();
    info.srtt = c.rto.srtt();
    info.rttvar = c.rto.rttvar();
    info.min_rtt = s != nullptr ? s->min_rtts.get() : c.idle.min_rtt();
    if constexpr (tells_ack_delay<typename B::ack>) {
        info.ack_delay = c.stats.data_segments_received > 0 ? c.ack_policy.delay(c.rto.srtt()) : duration{};
    }
    info.segments_sent = std::uint64_t{c.rare->segments_sent_high} << 32 | c.stats.segments_sent;
    info.segments_received = std::uint64_t{c.rare->segments_received_high} << 32 | c.stats.segments_received;
    info.octets_sent = c.octets_sent();
    info.octets_received =
        static_cast<std::uint64_t>(c.rcv.nxt > stream_offset{0} ? c.rcv.nxt.value - 1 - (c.fin_received ? 1 : 0) : 0);
    info.retransmissions = c.rare->retransmissions;
    info.timeouts = c.rare->timeouts;
    info.fast_recoveries = c.rare->fast_recoveries;
    info.duplicate_acks = c.rare->duplicate_acks;
    detail::tell_of_sending(info, c, st);
    return info;
}

}  // namespace tcpco
