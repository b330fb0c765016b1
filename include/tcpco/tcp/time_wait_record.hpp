// What remains of a connection in TIME-WAIT that nobody holds any more: 96 octets instead of a connection's 608.
//
// RFC 9293 3.6.1 (MUST-13) keeps a connection for 2 MSL after its end, and a busy server has thousands of them. The
// record holds what SEGMENT ARRIVES looks at in that state: numbers, window, timestamps, the limit of challenge ACKs.
// A segment is answered by the same functions as everywhere: the record becomes a connection on the stack's own stack
// for the length of a call (view_of) and takes back what changed (update). Rules written twice would drift apart; the
// few hundred octets that are filled in cost less than the ACK that is built afterwards.
//
// Left out: statistics, round trip times but for the RTO, and the reason of errors, since nobody can ask any more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/tcp/receiver.hpp"

namespace tcpco {

struct time_wait_record {
    time_point expires{};
    time_point challenge_window{};
    slab_id self{};  // the connection it was, for the observer
    sequence_number snd_nxt{};
    sequence_number rcv_nxt{};
    std::uint32_t snd_max_wnd = 0;  // octets; for RFC 5961 section 5
    std::uint32_t rcv_wnd = 0;      // octets, as last advertised
    std::uint32_t ts_recent = 0;
    std::uint32_t ts_offset = 0;
    std::uint32_t rto_us = 0;  // microseconds, at most 71 minutes: the policy is asked again when a FIN is repeated
    endpoint local{};
    endpoint remote{};
    std::uint8_t rcv_wscale = 0;
    std::uint8_t challenge_credit = 0;
    bool timestamps : 1 = false;
    bool sack_permitted : 1 = false;
    bool set_aside : 1 = false;  // a half-open connection has its place (stack/time_waits.hpp)
    std::uint8_t ace : 3 = 0;  // of each ACK, where marks are counted (RFC 9768)
};

static_assert(std::is_trivially_copyable_v<time_wait_record>);
static_assert(sizeof(time_wait_record) <= 96, "a busy server has thousands of them");

// Positions in both streams begin here in a view: whatever may be compared with them lies within 2^31.
inline constexpr stream_offset time_wait_origin{std::int64_t{1} << 32};

template <class B>
time_wait_record record_of(const connection<B>& c)
{
    constexpr std::int64_t most = 0xFFFFFFFF;
    return {.expires = c.life_at,
            .challenge_window = c.challenge_window,
            .self = c.self,
            .snd_nxt = to_wire(c.snd.nxt, c.snd.iss),
            .rcv_nxt = to_wire(c.rcv.nxt, c.rcv.irs),
            .snd_max_wnd = c.snd.max_wnd,
            .rcv_wnd = static_cast<std::uint32_t>(std::clamp<octet_count>(c.rcv.wnd(), 0, most)),
            .ts_recent = c.ts_recent,
            .ts_offset = c.ts_offset,
            .rto_us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(c.rto.rto().microseconds(), 0, most)),
            .local = c.local,
            .remote = c.remote,
            .rcv_wscale = c.rcv.wscale,
            .challenge_credit = c.challenge_credit,
            .timestamps = c.timestamps,
            .sack_permitted = c.sack_permitted,
            .ace = c.accurate ? std::uint8_t{c.ace} : std::uint8_t{0}};
}

// A connection that answers as the one did that the record was made of.
template <class B>
connection<B> view_of(const time_wait_record& r, const step<B>& st)
{
    connection<B> c;
    c.state = tcp_state::time_wait;
    c.self = r.self;
    c.local = r.local;
    c.remote = r.remote;
    c.snd.iss = r.snd_nxt;  // the origin is a multiple of 2^32
    c.snd.una = c.snd.nxt = time_wait_origin;
    c.snd.wnd = c.snd.max_wnd = r.snd_max_wnd;
    c.rcv.irs = r.rcv_nxt;
    c.rcv.nxt = c.rcv.last_ack_sent = time_wait_origin;
    c.rcv.right_edge = time_wait_origin + octet_count{r.rcv_wnd};
    c.rcv.wscale = r.rcv_wscale;
    c.fin_queued = c.fin_received = c.reader_gone = true;
    c.timestamps = r.timestamps;
    c.sack_permitted = r.sack_permitted;
    c.ace = r.ace;
    c.ts_recent = r.ts_recent;
    c.ts_recent_at = st.now;  // 24 days are longer than any TIME-WAIT
    c.ts_offset = r.ts_offset;
    c.challenge_window = r.challenge_window;
    c.challenge_credit = r.challenge_credit;
    c.life = life_timer::two_msl;
    c.life_at = r.expires;
    return c;
}

// Takes back what a segment changed.
template <class B>
void update(time_wait_record& r, const connection<B>& c, const step<B>& st)
{
    if (c.life_at != r.expires) {  // 2 MSL began anew; the view does not know the RTO
        r.expires = st.now + st.host.time_wait.two_msl(duration{std::int64_t{r.rto_us} * 1'000});
    }
    r.challenge_window = c.challenge_window;
    r.challenge_credit = c.challenge_credit;
    r.ts_recent = c.ts_recent;
}

// The ACK that a view owes.
template <class B>
stateless_segment acknowledgement_of(connection<B>& c, step<B>& st)
{
    leaving_segment out;
    fill_options(out, c, st);
    const octet_count units = std::min<octet_count>(c.rcv.wnd() >> c.rcv.wscale, 65'535);
    return {.local = c.local,
            .remote = c.remote,
            .seq = to_wire(c.acceptable_seq(), c.snd.iss),
            .ack = to_wire(c.rcv.nxt, c.rcv.irs),
            .flags = static_cast<std::uint16_t>(tcp_flag::ack | detail::flags_of_ace(c.ace)),
            .window = static_cast<std::uint16_t>(units),
            .options = out.options};
}

}  // namespace tcpco
