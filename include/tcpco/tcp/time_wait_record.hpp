// What remains of a connection in TIME-WAIT that nobody holds any more, in 64 octets: a tenth of a connection.
//
// RFC 9293 3.6.1 (MUST-13) keeps a connection for 2 MSL after its end, and a busy server has thousands of them. The
// record holds what SEGMENT ARRIVES looks at in that state: numbers, window, timestamps, the limit of challenge ACKs.
// A segment is answered by the same functions as everywhere: the record becomes a connection on the stack's own stack
// for the length of a call (view_of) and takes back what changed (update). Rules written twice would drift apart; the
// few hundred octets that are filled in cost less than the ACK that is built afterwards.
//
// Left out: IPv6 addresses, for which there is no room: such connections stay as they are. Statistics, round trip times
// but for the RTO, and the reason of errors, since nobody can ask any more; fractions of microseconds of the limit of
// challenge ACKs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/tcp/receiver.hpp"

namespace tcpco {

struct time_wait_record {
    time_point expires{};
    slab_id self{};  // the connection it was, for the observer
    sequence_number snd_nxt{};
    sequence_number rcv_nxt{};
    std::uint32_t snd_max_wnd = 0;  // octets; for RFC 5961 section 5
    std::uint32_t rcv_wnd = 0;      // octets, as last advertised
    std::uint32_t ts_recent = 0;
    std::uint32_t ts_offset = 0;
    std::uint32_t rto_us = 0;  // microseconds, at most 71 minutes: the policy is asked again when a FIN is repeated
    std::uint32_t challenge_us = 0;  // from the next credit for challenge ACKs to 10 s after `expires`; 0: it is due
    ipv4_address local_address{};
    ipv4_address remote_address{};
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;
    std::uint8_t challenge_credit = 0;
    std::uint8_t rcv_wscale : 4 = 0;
    bool timestamps : 1 = false;
    bool sack_permitted : 1 = false;
    bool set_aside : 1 = false;  // a half-open connection has its place (stack/time_waits.hpp)
    std::uint8_t ace = 0;  // of each ACK, where marks are counted (RFC 9768)

    endpoint local() const noexcept { return {local_address, local_port}; }
    endpoint remote() const noexcept { return {remote_address, remote_port}; }

    // When challenge ACKs have credit again, rounded up to the microsecond. A time more than 71 minutes before
    // `expires` counts as past, as it is unless 2 MSL is as long.
    time_point challenge_window() const noexcept
    {
        return challenge_us == 0 ? time_point{} : challenge_origin() - duration{std::int64_t{challenge_us} * 1'000};
    }
    void set_challenge_window(time_point at) noexcept
    {
        const std::int64_t us = std::max<std::int64_t>((challenge_origin() - at).microseconds(), 1);
        challenge_us = us > std::int64_t{0xFFFFFFFF} ? 0 : static_cast<std::uint32_t>(us);
    }

private:
    // A credit lasts six seconds at most, so the next one is before this even where 2 MSL is nothing.
    time_point challenge_origin() const noexcept { return expires + duration{10'000'000'000}; }
};

static_assert(std::is_trivially_copyable_v<time_wait_record>);
static_assert(sizeof(time_wait_record) <= 64, "a busy server has thousands of them");

// Whether there is a record for such a connection.
inline bool fits_time_wait_record(const transmission_control_block& c) noexcept
{
    return c.local.address.is_v4() && c.remote.address.is_v4();
}

// Positions in both streams begin here in a view: whatever may be compared with them lies within 2^31.
inline constexpr stream_offset time_wait_origin{std::int64_t{1} << 32};

template <class B>
time_wait_record record_of(const connection<B>& c)
{
    constexpr std::int64_t most = 0xFFFFFFFF;
    time_wait_record r;
    r.expires = c.life_at;
    r.self = c.self;
    r.snd_nxt = to_wire(c.snd.nxt, c.snd.iss);
    r.rcv_nxt = to_wire(c.rcv.nxt, c.rcv.irs);
    r.snd_max_wnd = c.snd.max_wnd;
    r.rcv_wnd = static_cast<std::uint32_t>(std::clamp<octet_count>(c.rcv.wnd(), 0, most));
    r.ts_recent = c.ts_recent;
    r.ts_offset = c.ts_offset;
    r.rto_us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(c.rto.rto().microseconds(), 0, most));
    r.set_challenge_window(c.rare->challenge_window);
    r.local_address = c.local.address.v4();
    r.remote_address = c.remote.address.v4();
    r.local_port = c.local.port;
    r.remote_port = c.remote.port;
    r.challenge_credit = c.rare->challenge_credit;
    r.rcv_wscale = c.rcv.wscale & 15;
    r.timestamps = c.timestamps;
    r.sack_permitted = c.sack_permitted;
    r.ace = c.accurate ? std::uint8_t{c.ace} : std::uint8_t{0};
    return r;
}

// A connection that answers as the one did that the record was made of.
template <class B>
connection<B> view_of(const time_wait_record& r, const step<B>& st)
{
    connection<B> c;
    c.state = tcp_state::time_wait;
    c.self = r.self;
    c.local = r.local();
    c.remote = r.remote();
    c.snd.iss = r.snd_nxt;  // the origin is a multiple of 2^32
    c.snd.una = c.snd.nxt = time_wait_origin;
    c.snd.wnd = c.snd.max_wnd = r.snd_max_wnd;
    c.rcv.irs = r.rcv_nxt;
    c.rcv.last_ack_sent = c.rcv.nxt = time_wait_origin;
    c.rcv.right_edge = time_wait_origin + octet_count{r.rcv_wnd};
    c.rcv.wscale = r.rcv_wscale;
    c.fin_queued = c.fin_received = c.reader_gone = true;
    c.timestamps = r.timestamps;
    c.sack_permitted = r.sack_permitted;
    c.ace = r.ace & 7;
    c.ts_recent = r.ts_recent;
    c.ts_recent_at = st.now;  // 24 days are longer than any TIME-WAIT
    c.ts_offset = r.ts_offset;
    if (rare_state* rare = r.challenge_window() > st.now ? c.rare.make() : nullptr) {
        rare->challenge_window = r.challenge_window();
        rare->challenge_credit = r.challenge_credit;
    }
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
    r.set_challenge_window(c.rare->challenge_window);
    r.challenge_credit = c.rare->challenge_credit;
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
