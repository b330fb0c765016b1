// A connection in SYN-RECEIVED that came out of LISTEN and has sent its SYN,ACK, in 64 octets (RFC 4987 3.5, the SYN
// cache): a flood of SYNs costs a tenth of what as many connections would.
//
// It answers nothing itself. Whatever happens to it, a segment, a timeout, an ICMP error, makes the connection again
// (restore), which obeys the same rules as every other one (RFC 9293 3.10.7.4); if it is still half-open when all is
// said, it becomes a record again. Rules written twice would drift apart.
//
// Left out: IPv6 addresses, for which there is no room: such connections stay as they are. Statistics but for
// retransmissions; soft errors, since nobody can ask before accept(); what loss recovery thought of a repeated SYN,ACK;
// fractions of microseconds of the limit of challenge ACKs. Fast Open and simultaneous open never become records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/tcp/ecn.hpp"
#include "tcpco/tcp/opening.hpp"
#include "tcpco/tcp/sender.hpp"

namespace tcpco {

struct syn_received_record {
    time_point timer_base{};  // the retransmission timer counts from here: first SYN,ACK, or last timeout
    slab_id listener{};
    ipv4_address local_address{};
    ipv4_address remote_address{};
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;
    sequence_number iss{};
    sequence_number irs{};
    std::uint32_t ts_recent = 0;
    std::uint32_t rcv_wnd = 0;       // octets, as last advertised
    std::uint32_t resent_us = 0;     // microseconds from there to the last SYN,ACK: a repeated SYN gets one, too
    std::uint32_t challenge_us : 28 = 0;    // microseconds from two minutes before to the next challenge ACKs' credit
    std::uint32_t accurate : 1 = 0;         // ECN as in RFC 9768, with what is said and known of the SYNs so far
    std::uint32_t handshake : 2 = 0;
    std::uint32_t no_ect : 1 = 0;
    std::uint16_t snd_wnd = 0;       // of the SYN, which is never scaled
    std::uint16_t peer_mss = 0;
    std::uint16_t own_mss = 0;
    std::uint16_t remote_uto = 0;
    std::uint8_t retries = 0;
    std::uint8_t challenge_credit = 0;
    std::uint8_t snd_wscale : 4 = 0;  // 15: the option was not agreed on
    std::uint8_t rcv_wscale : 4 = 0;
    bool timestamps : 1 = false;
    bool sack_permitted : 1 = false;
    bool retransmitted : 1 = false;
    bool ecn : 1 = false;
    std::uint8_t untimed : 2 = 0;  // segments in a row without timestamp: the SYN,ACK may have lost its option
    std::uint8_t answers : 2 = 0;  // SYN,ACKs that answered a repeated SYN, at most 3: for tcp_info

    endpoint local() const noexcept { return {local_address, local_port}; }
    endpoint remote() const noexcept { return {remote_address, remote_port}; }
};

inline constexpr std::int64_t two_minutes_us = 120'000'000;  // what lies further apart than that is cut to it

static_assert(std::is_trivially_copyable_v<syn_received_record>);
static_assert(sizeof(syn_received_record) <= 64, "a flood makes thousands of them");

// Nothing is to be sent, and nothing is known that the record could not say.
template <class B>
bool fits_syn_received_record(const connection<B>& c, const tcp_host<B>& host)
{
    const sender_active<B>* s = host.senders.get(c.sender);
    return c.state == tcp_state::syn_received && c.passive && s != nullptr && s->board.flight_size() == 1 &&
           s->board.lost() == 0 && c.acks_owed == 0 && c.timer == retransmission_timer::rto &&
           c.ack_at == time_point::never() && !c.ecn_echo && !c.ecn_unacked && c.local.address.is_v4() &&
           c.remote.address.is_v4();
}

template <class B>
syn_received_record half_open_record_of(const connection<B>& c, const tcp_host<B>& host)
{
    const accurate_ecn* e = host.accurate.get(c.accurate);
    constexpr std::uint32_t mask = (1U << 28) - 1;
    const std::int64_t challenge_us =
        (c.rare->challenge_window - c.timer_base).microseconds() + 1 + two_minutes_us;
    const auto narrow = [](std::int64_t n, std::int64_t least, std::int64_t most) {
        return std::clamp(n, least, most);
    };
    return {.timer_base = c.timer_base,
            .listener = c.listener,
            .local_address = c.local.address.v4(),
            .remote_address = c.remote.address.v4(),
            .local_port = c.local.port,
            .remote_port = c.remote.port,
            .iss = c.snd.iss,
            .irs = c.rcv.irs,
            .ts_recent = c.ts_recent,
            .rcv_wnd = static_cast<std::uint32_t>(narrow(c.rcv.right_edge - c.rcv.nxt, 0, UINT32_MAX)),
            .resent_us =
                static_cast<std::uint32_t>(narrow((c.last_sent_at - c.timer_base).microseconds(), 0, UINT32_MAX)),
            .challenge_us = static_cast<std::uint32_t>(narrow(challenge_us, 0, mask)) & mask,
            .accurate = e != nullptr ? 1U : 0U,
            .handshake = e != nullptr ? e->handshake & 3U : 0U,
            .no_ect = e != nullptr && e->no_ect ? 1U : 0U,
            .snd_wnd = static_cast<std::uint16_t>(c.snd.wnd),
            .peer_mss = c.peer_mss,
            .own_mss = c.own_mss,
            .remote_uto = c.rare->remote_uto,
            .retries = c.retries,
            .challenge_credit = c.rare->challenge_credit,
            .snd_wscale = static_cast<std::uint8_t>(c.rcv.scaled ? c.snd.wscale & 15 : 15),
            .rcv_wscale = static_cast<std::uint8_t>(c.rcv.wscale & 15),
            .timestamps = c.timestamps,
            .sack_permitted = c.sack_permitted,
            .retransmitted = c.syn_retransmitted,
            .ecn = c.ecn,
            .untimed = static_cast<std::uint8_t>(c.untimed & 3),
            .answers = static_cast<std::uint8_t>(narrow(std::int64_t{c.rare->retransmissions} - c.retries, 0, 3) & 3)};
}

// The record as a connection, but for its sending half: enough to look at.
template <class B>
void view_half_open(connection<B>& c, const syn_received_record& r, step<B>& st)
{
    const auto isn = st.host.isn;  // this is no new connection: the next one's number stays what it was
    c.own_mss = r.own_mss;
    begin(c, r.local(), r.remote(), nullptr, st);
    st.host.isn = isn;
    c.state = tcp_state::syn_received;
    c.passive = true;
    c.listener = r.listener;
    c.snd.iss = r.iss;
    c.snd.nxt = stream_offset{1};
    c.snd.wnd = c.snd.max_wnd = r.snd_wnd;
    c.snd.wl1 = stream_offset{0};
    c.snd.wl2 = c.snd.una;
    c.rcv.scaled = r.snd_wscale != 15;
    c.snd.wscale = c.rcv.scaled ? r.snd_wscale : std::uint8_t{0};
    c.rcv.irs = r.irs;
    c.rcv.last_ack_sent = c.rcv.nxt = stream_offset{1};
    c.rcv.right_edge = c.rcv.nxt + octet_count{r.rcv_wnd};
    c.rcv.wscale = r.rcv_wscale;
    c.timestamps = r.timestamps;
    c.sack_permitted = r.sack_permitted;
    c.ecn = r.ecn;
    c.untimed = r.untimed;
    c.ts_recent = r.ts_recent;
    c.ts_recent_at = st.now;  // 24 days are longer than any handshake
    c.peer_mss = r.peer_mss;
    if (rare_state* rare = r.remote_uto != 0 ? c.rare.make() : nullptr) {
        rare->remote_uto = r.remote_uto;
    }
    update_smss(c, st);
    c.retries = c.unanswered = r.retries;
    c.timed_out = r.retries > 0;
    const std::uint32_t retransmissions = std::uint32_t{r.retries} + r.answers;
    count_rare(c.rare, &rare_state::timeouts, r.retries);
    count_rare(c.rare, &rare_state::retransmissions, retransmissions);
    c.stats.segments_sent = 1U + retransmissions;
    c.stats.segments_received = 1;
    c.syn_retransmitted = r.retransmitted;
    const time_point challenge_window =
        r.timer_base + duration{(static_cast<std::int64_t>(r.challenge_us) - two_minutes_us) * 1'000};
    if (rare_state* rare = challenge_window > st.now ? c.rare.make() : nullptr) {
        rare->challenge_window = challenge_window;
        rare->challenge_credit = r.challenge_credit;
    }
    c.timer_base = r.timer_base;
    c.last_sent_at = r.timer_base + duration{std::int64_t{r.resent_us} * 1'000};
    c.ack_policy.on_ack_sent();
    for (unsigned i = 0; i < r.retries; ++i) {
        c.rto.on_retransmission_timeout();
    }
}

// When the first SYN,ACK left: for the user timeout.
template <class B>
time_point began_half_open(const syn_received_record& r, const step<B>& st)
{
    time_point began = r.timer_base;
    typename B::rto rto{st.host.policies.rto};
    for (unsigned i = 0; i < r.retries; ++i) {
        began = began - rto.rto();
        rto.on_retransmission_timeout();
    }
    return began;
}

// RFC 9768's part: nothing has been counted yet, and a SYN,ACK that was repeated is why no option is sent any more.
template <class B>
bool restore_accurate(connection<B>& c, const syn_received_record& r, step<B>& st)
{
    c.accurate = st.host.accurate.emplace();
    accurate_ecn* e = st.accurate(c);
    if (e == nullptr) {
        st.drop(drop_reason::no_buffer);
        return false;
    }
    c.ecn_accurate = true;
    e->handshake = r.handshake;
    e->no_ect = r.no_ect != 0;
    e->last_tsval = r.ts_recent;
    e->sends_option = c.rare->retransmissions == 0;
    c.ce_last = r.handshake == ecn_codepoint::ce;
    return true;
}

// The connection that the record was made of, its SYN,ACK in flight and its timer running. False: no memory.
template <class B>
bool restore_half_open(connection<B>& c, const syn_received_record& r, step<B>& st)
{
    view_half_open(c, r, st);
    if (r.accurate != 0 && !restore_accurate(c, r, st)) {
        return false;
    }
    sender_active<B>* s = open_sender(c, st);
    if (s == nullptr) {
        return false;
    }
    constexpr stream_offset first{0};
    constexpr stream_offset last{1};
    s->progress_at = began_half_open(r, st);
    const delivery_stamp stamp = s->rate.on_send(s->progress_at, 1, 0, true);
    s->board.on_transmit_new(first, last, s->progress_at, 1, stamp);
    if (r.retransmitted) {
        s->board.on_retransmit(first, last, c.last_sent_at, s->rate.on_send(c.last_sent_at, 1, 0, false), 1);
    }
    if (r.retries > 0) {
        note_reduction(c, *s);  // each timeout is one
    }
    leaving_segment syn_ack;
    syn_ack.syn = true;
    syn_ack.fresh = !r.retransmitted;
    step<B> then{st.host, c.last_sent_at, {}};
    detail::tell_policies_of_transmission(c, *s, syn_ack, 0, duration{}, then);
    rearm_timer(c, st);
    return true;
}

}  // namespace tcpco
