// How a connection begins: options of the SYN, initial window, sequence numbers (RFC 9293 3.5, 3.7.1; RFC 7323 2.2;
// RFC 6928; RFC 5681 3.1; RFC 6298 5.7).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "tcpco/tcp/ecn.hpp"
#include "tcpco/tcp/keep_alive.hpp"
#include "tcpco/tcp/receiver.hpp"
#include "tcpco/tcp/retransmission_timer.hpp"
#include "tcpco/tcp/send_buffer.hpp"
#include "tcpco/tcp/transition_step.hpp"
#include "tcpco/tcp/user_timeout.hpp"

namespace tcpco {

namespace detail {

// The smallest shift that lets the 16-bit field express the whole receive buffer (RFC 7323 2.2).
// RFC7323-2.3c
inline std::uint8_t window_shift_for(octet_count capacity) noexcept
{
    const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(capacity)));
    return static_cast<std::uint8_t>(std::clamp(bits - 16, 0, 14));
}

// What the receive buffer may become: the shift is announced once and for all.
template <class B>
octet_count largest_window(const connection<B>& c) noexcept
{
    if constexpr (tuned_window<typename B::receive_window>) {
        return std::max<octet_count>(c.window.capacity(), c.window.largest());
    } else {
        return c.window.capacity();
    }
}

// RFC 6928: ten segments, at most 14600 octets unless two segments are more. RFC 5681 3.1: one segment when the
// handshake lost more than one SYN (6928 forgives the first; with 5681's table any). Nothing of the handshake makes it
// larger: it is computed when that is over.
// RFC5681-3.1b, 3.1c, 3.1d, RFC6928-2a, 2b, 2c
template <class B>
octet_count initial_window(const connection<B>& c, const step<B>& st)
{
    const octet_count smss = c.smss;
    const octet_count segments = st.host.settings.initial_window_segments;
    if (c.syn_retransmitted && (c.rare->timeouts > 1 || segments == 0)) {
        return smss;
    }
    if (segments == 0) {
        return smss * (smss > 2190 ? 2 : smss > 1095 ? 3 : 4);
    }
    return std::min(segments * smss, std::max<octet_count>(2 * smss, segments * 1460));
}

// After idle time. Where a window of that size was too much for the network, at the beginning or after another pause,
// that of RFC 3390 is the most from then on.
// RFC6928-2e, 2f
template <class B>
octet_count restart_window(const connection<B>& c, const step<B>& st)
{
    const octet_count window = initial_window(c, st);
    const octet_count smss = c.smss;
    return c.burst_failed ? std::min({window, 4 * smss, std::max<octet_count>(2 * smss, 4'380)}) : window;
}

}  // namespace detail

// Tells the controller of the connection: once it is established, and when it comes back after quiet time.
template <class B>
void establish_congestion(connection<B>& c, step<B>& st)
{
    if constexpr (told_of_establishment<typename B::congestion>) {
        connection_established e{.now = st.now,
                                 .initial_window = detail::initial_window(c, st),
                                 .smss = c.smss,
                                 .handshake_rtt = c.rto.srtt(),
                                 .prior_cwnd = c.idle.cwnd(),
                                 .prior_ssthresh = c.idle.ssthresh()};
        if constexpr (remembers_validation<typename B::congestion>) {
            e.validated_at = c.validated_at;
        }
        sender_active<B>& s = *st.sender(c);
        s.burst_end = c.idle.cwnd() == 0 ? stream_offset{1} + e.initial_window : s.burst_end;
        s.congestion.on_connection_established(e);
    }
}

// The connection's own choice among several controllers, where there are several and it has made one.
template <class B>
typename B::congestion::config congestion_config(const connection<B>& c, const policy_configs<B>& p)
{
    auto config = p.congestion;
    if constexpr (chosen_by_name<typename B::congestion>) {
        config.index = c.congestion_choice != 0 ? c.congestion_choice - std::size_t{1} : config.index;
    }
    return config;
}

// The sending half, made when there is something to send. Null: no memory, counted.
template <class B>
sender_active<B>* open_sender(connection<B>& c, step<B>& st)
{
    if (sender_active<B>* s = st.sender(c)) {
        return s;
    }
    const policy_configs<B>& p = st.host.policies;
    c.sender = st.host.senders.emplace(p, congestion_config(c, p));
    sender_active<B>* s = st.sender(c);
    if (s == nullptr) {
        st.drop(drop_reason::no_buffer);
        return nullptr;
    }
    s->board.start(c.snd.una);
    s->progress_at = st.now;
    if (c.idle.min_rtt() > duration{}) {
        s->min_rtts.reset(c.idle.min_rtt(), c.idle.min_rtt_at(st.now));
    }
    if (is_synchronized(c.state)) {
        s->rate.mark_app_limited(0);  // there was nothing to send until now
        establish_congestion(c, st);
    }
    return s;
}

// Everything a new connection has in either role.
// RFC7323-7a, RFC6528-3d, RFC6691-2a, RFC1191-3.1a
template <class B>
void begin(connection<B>& c, endpoint local, endpoint remote, const sequence_number* not_below, step<B>& st)
{
    const policy_configs<B>& p = st.host.policies;
    c.local = local;
    c.remote = remote;
    c.rto = typename B::rto{p.rto};
    c.ack_policy = typename B::ack{p.ack};
    c.window = typename B::receive_window{p.receive_window};
    c.snd.iss = st.host.isn.generate(local, remote, st.now, not_below);
    c.user_timeout = to_user_timeout(st.host.settings.user_timeout);
    begin_user_timeout_option(c, st);
    c.dscp = st.host.settings.dscp & 63U;
    if (st.host.settings.keep_alive) {
        static_cast<void>(use_keep_alive(c, *st.host.settings.keep_alive));
    }
    c.low_water = st.host.settings.low_water_octets;
    c.send = send_queue{initial_send_buffer(st.host.settings), stream_offset{1}};
    c.send_tuned = c.send.limit() < st.host.settings.send_buffer_octets;
    const octet_count wanted_mss = c.own_mss != 0 ? c.own_mss : 65'535;  // the user's own limit, where there is one
    c.own_mss = static_cast<std::uint16_t>(
        std::clamp<octet_count>(st.host.mtu - fixed_headers(remote.address), 1, wanted_mss));  // MUST-67
    c.path_mtu = st.host.paths.find(remote.address, st.now);
    c.peer_mss = remote.address.is_v4() ? 536 : 1220;                                      // MUST-15
    c.rmss = std::min<std::uint16_t>(c.own_mss, 536);
    const std::uint8_t shift = detail::window_shift_for(detail::largest_window(c));
    c.rcv.wscale = st.host.settings.window_scaling ? shift : std::uint8_t{0};
    c.ts_offset = static_cast<std::uint32_t>(four_tuple_hash{st.host.timestamp_key}({local, remote}));
}

// What the peer's SYN says (its options count in no other segment: MUST-65, RFC 7323 2.2).
// MUST-14, RFC7323-2.2a, 2.2d, 2.3c, 3.2a, RFC2018-4a
template <class B>
void accept_peer_syn(connection<B>& c, arriving_segment& seg, step<B>& st)
{
    const tcp_settings& settings = st.host.settings;
    c.rcv.irs = seg.header.seq;
    c.rcv.right_edge = stream_offset{1} + c.rcv.wnd();
    c.rcv.nxt = stream_offset{1};
    c.rcv.last_ack_sent = stream_offset{1};
    seg.seq = stream_offset{0};
    seg.wnd = seg.header.window;
    if (seg.options.has_mss) {
        c.peer_mss = std::max(seg.options.mss, settings.minimum_mss);
    }
    c.rcv.scaled = settings.window_scaling && seg.options.has_window_scale;
    if (c.rcv.scaled) {
        c.snd.wscale = std::min<std::uint8_t>(seg.options.window_scale, 14);
    } else {
        c.rcv.wscale = 0;
    }
    negotiate_ecn(c, seg, st);
    c.sack_permitted = settings.sack && seg.options.sack_permitted;
    c.timestamps = settings.timestamps && seg.options.has_timestamps;
    if (c.timestamps) {
        c.ts_recent = seg.options.tsval;
        c.ts_recent_at = st.now;
    }
    // What this side announced bounds both directions: by itself only where the user asked for less than the MTU.
    c.peer_mss = std::min(c.peer_mss, c.own_mss);
    note_user_timeout_option(c, seg);
    update_smss(c, st);
    c.snd.wnd = static_cast<std::uint32_t>(seg.wnd);
    c.snd.max_wnd = c.snd.wnd;
    c.snd.wl1 = seg.seq;
    c.snd.wl2 = seg.acks() ? seg.ack : c.snd.una;
}

// OPEN, active (3.10.1). False: the machine refuses, or no memory.
// RFC9293-3.10.1b
template <class B>
bool open_active(connection<B>& c, endpoint local, endpoint remote, step<B>& st)
{
    begin(c, local, remote, nullptr, st);
    return take_transition(c, tcp_event::active_open, st) && open_sender(c, st) != nullptr;
}

// A SYN for a listener (3.10.7.2). `not_below`: see isn_generator. Text and FIN of the SYN are left for the peer to
// send again: nothing is stored for an address that has not proved itself.
// RFC9293-3.10.7.2c, 3.10.7.2d
template <class B>
bool open_passive(connection<B>& c, endpoint local, endpoint remote, arriving_segment& seg,
                  const sequence_number* not_below, step<B>& st)
{
    begin(c, local, remote, not_below, st);
    c.state = tcp_state::listen;  // the state it is born in: the listener's
    c.passive = true;
    accept_peer_syn(c, seg, st);
    return take_transition(c, tcp_event::syn_acceptable, st) && open_sender(c, st) != nullptr;
}

// The SYN,ACK of a SYN that gets no record (RFC4987-3.6b): what cannot come back in the numbers is not offered.
template <class B>
stateless_segment answer_with_cookie(endpoint local, endpoint remote, const arriving_segment& syn,
                                     std::uint16_t maximum_segment, step<B>& st)
{
    const tcp_settings& settings = st.host.settings;
    connection<B> c;  // of no table: what begin() would make of it
    c.own_mss = maximum_segment;
    begin(c, local, remote, nullptr, st);
    const std::uint16_t mss = syn.options.has_mss ? std::max(syn.options.mss, settings.minimum_mss) : c.peer_mss;
    stateless_segment reply{.local = local, .remote = remote};
    reply.seq = st.host.cookies.make(local, remote, syn.header.seq, mss, st.now);
    reply.ack = syn.header.seq + 1;
    reply.flags = tcp_flag::syn | tcp_flag::ack;
    reply.window = static_cast<std::uint16_t>(std::min<octet_count>(c.window.capacity(), 65'535));
    reply.options.has_mss = true;
    reply.options.mss = c.own_mss;
    const detail::ecn_mode mode = detail::mode_of_syn(syn.header.flags, settings.ecn);
    if (settings.timestamps && syn.options.has_timestamps) {
        reply.options.has_window_scale = settings.window_scaling && syn.options.has_window_scale;
        reply.options.window_scale = c.rcv.wscale;
        reply.options.sack_permitted = settings.sack && syn.options.sack_permitted;
        reply.options.has_timestamps = true;
        const bool ecn = mode == detail::ecn_mode::classic;
        reply.flags = static_cast<std::uint16_t>(reply.flags | (ecn ? tcp_flag::ece : 0));
        reply.options.tsval = detail::timestamp_with_options(timestamp_now(c, st.now), syn.options, ecn);
        reply.options.tsecr = syn.options.tsval;
    }
    if (mode == detail::ecn_mode::accurate) {  // its ACK will say so (RFC9768-5.1a)
        reply.flags = static_cast<std::uint16_t>(reply.flags | detail::flags_of_ace(detail::handshake_ace(syn.ecn)));
        reply.options.accecn = detail::option_with({}, ecn_counter::ce | ecn_counter::ect_0 | ecn_counter::ect_1);
    }
    return reply;
}

// The connection of a cookie that came back in `ack`, in SYN-RECEIVED, as if its SYN,ACK had been sent by it: the
// segment itself is then processed like any other. `mss`: what the cookie says. When the SYN,ACK left is not known, so
// it gives no RTT sample.
template <class B>
bool open_from_cookie(connection<B>& c, endpoint local, endpoint remote, const arriving_segment& ack,
                      std::uint16_t mss, step<B>& st)
{
    arriving_segment syn;
    syn.header.seq = ack.header.seq - 1U;
    syn.header.flags = tcp_flag::syn;
    syn.header.window = ack.header.window;
    if (ack.options.has_timestamps) {
        syn.options = detail::options_of_timestamp(ack.options.tsecr);
        syn.header.flags = static_cast<std::uint16_t>(
            tcp_flag::syn | (detail::ecn_of_timestamp(ack.options.tsecr) ? detail::ecn_flags : 0));
        syn.options.has_timestamps = true;
        syn.options.tsval = ack.options.tsval;
    }
    if (is_accurate(st.host.settings.ecn) && !syn.has(detail::ecn_flags) && detail::ace_of(ack.header.flags) >= 2) {
        syn.header.flags = tcp_flag::syn | detail::accurate_flags;  // RFC9768-5.1a
    }
    syn.options.has_mss = true;
    syn.options.mss = mss;
    if (!open_passive(c, local, remote, syn, nullptr, st)) {
        return false;
    }
    c.snd.iss = ack.header.ack - 1U;
    c.rcv.right_edge = c.rcv.nxt + std::min<octet_count>(c.window.capacity(), 65'535);
    c.acks_owed = 0;
    sender_active<B>& s = *st.sender(c);
    const delivery_stamp stamp = s.rate.on_send(st.now, 1, 0, true);
    s.board.on_transmit_new(stream_offset{0}, stream_offset{1}, st.now, 1, stamp);
    s.board.on_retransmit(stream_offset{0}, stream_offset{1}, st.now, stamp, 1);
    c.snd.nxt = stream_offset{1};
    c.timer_base = c.last_sent_at = s.progress_at = st.now;
    return true;
}

// RFC7413-4.2.2c: what a listener with Fast Open does with the option of a SYN (RFC 7413 4.1.2, 4.2.2). True: the
// cookie is good and there is room, so the text is delivered and acknowledged at once; such a connection does not go
// back to LISTEN. False: an ordinary handshake, which gives a cookie to whoever has none or a wrong one. A FIN is left
// to be sent again.
template <class B>
bool open_fast(connection<B>& c, arriving_segment& seg, bool room, step<B>& st)
{
    const auto verdict = st.host.fast_open_server.check(seg.options.cookie, c.remote.address);
    c.fast_open = verdict != fast_open_keys::verdict::valid;
    if (verdict == fast_open_keys::verdict::invalid || !room) {
        st.host.counters.fast_open_refused += seg.options.cookie.size > 0 ? 1U : 0U;
        return false;
    }
    c.fast_opened = true;
    c.passive = false;
    ++st.host.counters.fast_open_accepted;
    establish_congestion(c, st);  // RFC7413-4.2.2e: the server's answer obeys the initial window
    c.rcv.right_edge = c.rcv.nxt + std::min<octet_count>(seg.payload.size, c.window.capacity());
    trim_to_window(c, seg);
    if (seg.payload.size > 0) {
        process_segment_text(c, seg, st);
    }
    return true;
}

// What the answer to a SYN with the option says about its sender (RFC 7413 4.1.3, 4.2.2).
template <class B>
void learn_fast_open(connection<B>& c, const arriving_segment& seg, step<B>& st)
{
    const bool refused_text = c.snd.nxt > stream_offset{1} && seg.ack == stream_offset{1};
    if (c.syn_retransmitted || (refused_text && seg.options.cookie.size == 0)) {
        refuse_fast_open(c, st);  // the SYN with the option was lost, or the server would not take the text
    } else if (seg.options.cookie.size > 0) {
        const std::uint16_t mss = seg.options.has_mss ? c.peer_mss : std::uint16_t{536};
        st.host.fast_open_client.learn(c.remote.address, seg.options.cookie, mss, st.now);
    }
}

namespace detail {

// RFC 7413 4.1: a server gives a cookie; a client shows the one it has, or asks for one (RFC7413-4.2.1a). On the first
// SYN or SYN,ACK alone: a repeated one is plain (RFC7413-4.2.2b, 4.2.2f).
template <class B>
void add_fast_open(leaving_segment& out, const connection<B>& c, const step<B>& st)
{
    out.options.has_fast_open = true;
    if (c.state != tcp_state::syn_sent) {
        out.options.cookie = st.host.fast_open_server.make(c.remote.address);
    } else if (const fast_open_cache::entry* known = st.host.fast_open_client.find(c.remote.address)) {
        out.options.cookie = known->cookie;
    }
}

// The options of our SYN or SYN,ACK: what is offered, or of the peer's offers what is taken.
// MUST-14, MAY-3, RFC7323-2.2b, 2.2c, 3.2a, RFC2018-2a, RFC6691-2a
template <class B>
void fill_syn_options(leaving_segment& out, const connection<B>& c, const step<B>& st)
{
    const tcp_settings& settings = st.host.settings;
    const bool answering = out.ack;  // RFC 7323 2.2, 3.2; RFC 2018 2: only what the peer's SYN offered
    out.options.has_mss = true;      // SHLD-5
    out.options.mss = c.own_mss;
    out.options.has_window_scale = answering ? c.rcv.scaled : settings.window_scaling;
    out.options.window_scale = c.rcv.wscale;
    out.options.sack_permitted = answering ? c.sack_permitted : settings.sack;
    if (!answering && settings.timestamps) {
        out.options.has_timestamps = true;
        out.options.tsval = timestamp_now(c, st.now);
    }
    out.options.user_timeout = c.rare->adv_uto;  // RFC5482-3a
    offer_ecn(out, c, st);
    if (c.fast_open && c.snd.nxt == stream_offset{0}) {
        add_fast_open(out, c, st);
    }
}

// RFC7413-4.2.2a: how much text may ride on our first SYN: only with a cookie of that server, and no more than the MSS
// it announced with it.
template <class B>
octet_count syn_text(const leaving_segment& out, const connection<B>& c, const step<B>& st)
{
    const fast_open_cache::entry* known = st.host.fast_open_client.find(c.remote.address);
    if (c.state != tcp_state::syn_sent || out.options.cookie.size == 0 || known == nullptr) {
        return 0;
    }
    const octet_count path = path_mtu_of(c, st.host) - fixed_headers(c.remote.address);
    const auto options = static_cast<octet_count>(encoded_size(out.options));
    const octet_count room = std::min<octet_count>(known->mss, path) - options;
    return std::clamp<octet_count>(room, 0, static_cast<octet_count>(c.send.size()));
}

}  // namespace detail

// All that is in flight leaves once more, with no word of loss to the controller.
template <class B>
void resend_flight(connection<B>& c, step<B>& st)
{
    if (sender_active<B>* s = st.sender(c)) {
        s->board.mark_all_lost();
        s->board.take_newly_lost();
        s->search.forget_probe();  // its octets leave in pieces like the rest
    }
}

// A router cannot pass on packets as large as those in flight: they leave again, smaller. No congestion, though: the
// window has as many segments as before (RFC1191-3a, 3b, 6.4b, RFC4821-4b).
template <class B>
void narrow_path(connection<B>& c, std::uint16_t mtu, step<B>& st)
{
    st.host.paths.learn(c.remote.address, mtu, st.now);
    c.path_mtu = mtu;
    change_smss(c, st);
    resend_flight(c, st);
}

// The SYN (as SYN,ACK where the peer's has come) leaves once more, without waiting for a timeout.
// RFC4987-4b
template <class B>
void resend_syn(connection<B>& c, step<B>& st)
{
    if (c.snd.una < stream_offset{1} && c.snd.nxt > c.snd.una) {
        resend_flight(c, st);
    }
}

}  // namespace tcpco
