// Finding a path's MTU without ICMP (RFC 4821; RFC 8899 where it says more): a black hole is noticed by timeouts of
// full segments, and segments larger than usual then find out how much gets through after all.
//
// What is known of a path stands in path_mtu_cache, for all connections to the same place; a probe on its way belongs
// to the connection that sent it. A probe is ordinary new data in one large segment: when it is lost alone that is no
// sign of congestion, and its octets leave again in segments of the usual size.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

namespace detail {

// Timeouts in a row of a full segment that mean a black hole (RFC8899-5.2a: MAX_PROBES).
inline constexpr unsigned black_hole_timeouts = 3;

// Small pieces that must get through where full segments did not, before the path is taken for narrow.
inline constexpr unsigned pieces_that_tell = 2;

// Segments that must follow a probe, so that duplicate ACKs tell of its loss without a timeout.
inline constexpr octet_count segments_behind_a_probe = 4;

template <class B>
bool searches(const step<B>& st) noexcept
{
    return st.host.probing != path_probing::off;
}

// What to fall to when `mtu` does not get through: 1024 octets of payload at first (RFC4821-7.2a; Linux's
// tcp_base_mss), then half (RFC4821-7.7a). Not below what the cache takes for the narrowest path; that is more than
// RFC 8899's 68.
constexpr std::uint16_t mtu_below(octet_count mtu, octet_count headers) noexcept
{
    const octet_count base = 1'024 + headers;
    const octet_count less = mtu > base ? base : mtu / 2;
    return static_cast<std::uint16_t>(std::max<octet_count>(less, path_mtu_cache::narrowest));
}

// Packets of `less` octets from now on, and a search for what lies above.
template <class B>
void fall_to(connection<B>& c, sender_active<B>& s, std::uint16_t less, step<B>& st)
{
    const auto failed = static_cast<std::uint16_t>(path_mtu_of(c, st.host));
    st.host.paths.suspect(c.remote.address, less, failed, st.now);
    ++st.host.counters.black_holes;
    c.path_mtu = less;
    change_smss(c, st);
    s.search.forget_question();
}

// A retransmission timeout, `c.retries` counted already. Chance takes three full segments in a row on a path that loses
// every fifth; and an outage all of them. So the head is sent in a small piece then, which asks whether it was the
// size. The size asked is smaller after three more timeouts.
// RFC4821-7.7a, RFC8899-5.2a
template <class B>
void ask_for_black_hole(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    const unsigned enough = s.search.passed > 0 ? black_hole_timeouts - 1 : black_hole_timeouts;
    if (!searches(st) || !is_synchronized(c.state) || c.retries < enough || c.snd.wnd == 0) {
        return;
    }
    const octet_count headers = fixed_headers(c.remote.address);
    const octet_count mtu = path_mtu_of(c, st.host);
    if (const std::uint16_t known = st.host.paths.find(c.remote.address, st.now); known != 0 && known < mtu) {
        c.path_mtu = known;  // another connection to the same place has found out already
        change_smss(c, st);
        s.search.forget_question();
        return;
    }
    const auto head = s.board.first_unacked();
    if (head == scoreboard::npos || mtu <= path_mtu_cache::narrowest) {
        return;
    }
    if (s.search.asking && (c.retries - enough) % black_hole_timeouts != 0) {
        return;  // the same once more
    }
    const octet_count segment = s.board[head].octets() / std::max<octet_count>(1, s.board[head].wire_segments);
    const octet_count size = std::min(segment + headers, mtu);
    if (s.search.asking || s.search.asked == 0) {
        s.search.asked = mtu_below(s.search.asking ? s.search.asked : mtu, headers);
    }
    while (s.search.asked >= size && s.search.asked > path_mtu_cache::narrowest) {
        s.search.asked = mtu_below(s.search.asked, headers);  // a short head may be too large, too
    }
    s.search.asking = size > s.search.asked;  // else the smallest segments are lost, too
    s.search.failed = static_cast<std::uint16_t>(size);
}

// Payload of the piece in which the head has to leave; 0: as much as fits.
template <class B>
octet_count asked_payload(const connection<B>& c, const sender_active<B>& s, octet_count options)
{
    return s.search.asking ? octet_count{s.search.asked} - fixed_headers(c.remote.address) - options : 0;
}

// A record has arrived: one as large as what failed answers the question, too. Not what is left of the head behind a
// piece: that may be larger than the piece, and still fit.
template <class B>
void note_size_delivered(const connection<B>& c, sender_active<B>& s, const transmission& t)
{
    if (s.search.asked == 0) {
        return;
    }
    const octet_count segment = t.octets() / std::max<octet_count>(1, t.wire_segments);
    if (segment + fixed_headers(c.remote.address) >= s.search.failed) {
        s.search.forget_question();
    }
}

// Everything below `una` has arrived, and c.snd.una is still what it was. One piece that got through may be chance; the
// second one, with nothing larger between them, is none.
template <class B>
void take_answer(connection<B>& c, sender_active<B>& s, stream_offset una, step<B>& st)
{
    if (!s.search.asking) {
        return;
    }
    if (una - c.snd.una + fixed_headers(c.remote.address) > s.search.asked) {
        s.search.forget_question();  // more than the piece: the larger one had arrived
        return;
    }
    s.search.asking = false;
    if (++s.search.passed >= pieces_that_tell) {
        fall_to(c, s, s.search.asked, st);
    }
}

// Payload of the probe that is due; 0: none. `available`: unsent octets; `window`: what of them the peer would take.
// cwnd must be able to hold what follows the probe, so that its loss is seen.
// RFC4821-7.1a, 7.1b, 7.3a, 7.4a, RFC8899-3a, 3b, 3e, 5.1.1a
template <class B>
octet_count probe_payload(const connection<B>& c, const sender_active<B>& s, octet_count available, octet_count window,
                          octet_count options, step<B>& st)
{
    if (!searches(st) || s.search.is_probing() || s.recovery.in_recovery() || s.board.lost() > 0 ||
        s.board.sacked() > 0 || !is_synchronized(c.state)) {
        return 0;
    }
    const octet_count fixed = fixed_headers(c.remote.address);
    const octet_count most = std::min<octet_count>(st.host.mtu, c.peer_mss + fixed);
    const octet_count current = path_mtu_of(c, st.host);
    if (c.path_mtu == 0 || most <= current) {
        return 0;  // this connection is on no search
    }
    const std::uint16_t next = st.host.paths.next_probe(c.remote.address, static_cast<std::uint16_t>(current),
                                                        static_cast<std::uint16_t>(most), st.now);
    const octet_count payload = next - fixed - options;
    const octet_count wanted = payload + segments_behind_a_probe * c.smss;
    return next > current && std::min({available, window, octet_count{s.congestion.cwnd()}}) >= wanted ? payload : 0;
}

// A probe has left.
template <class B>
void note_probe(const connection<B>& c, sender_active<B>& s, const leaving_segment& out, step<B>& st)
{
    const auto options = static_cast<octet_count>(encoded_size(out.options));
    const octet_count size = out.octets + options + fixed_headers(c.remote.address);
    s.search.first = out.seq;
    s.search.last = out.end();
    s.search.size = static_cast<std::uint16_t>(size);
    st.host.paths.probe_sent(c.remote.address, st.now + std::max(c.rto.rto(), duration{1'000'000'000}));
    ++st.host.counters.mtu_probes;
}

// Everything up to snd.una has arrived. cwnd stays as many octets as it is (RFC8899-3d, RFC4821-4b).
// RFC4821-7.6a
template <class B>
void take_probe_result(connection<B>& c, sender_active<B>& s, step<B>& st)
{
    if (!s.search.is_probing() || c.snd.una < s.search.last) {
        return;
    }
    const std::uint16_t size = s.search.size;
    s.search.forget_probe();
    st.host.paths.probe_arrived(c.remote.address, size, st.now);
    c.path_mtu = size < st.host.mtu ? size : std::uint16_t{0};
    change_smss(c, st);
}

// `t` was marked lost.
template <class B>
void note_probe_loss(sender_active<B>& s, const transmission& t)
{
    s.search.lost = s.search.lost || (s.search.is_probing() && t.first == s.search.first && t.last == s.search.last);
}

// All losses of this ACK are reported. True: it was the probe alone, so nobody has to slow down.
// RFC4821-4a, 7.6b, 7.6c, RFC8899-3c
template <class B>
bool lost_only_a_probe(const connection<B>& c, sender_active<B>& s, octet_count newly_lost, step<B>& st)
{
    if (!s.search.lost) {
        return false;
    }
    const bool alone = newly_lost == s.search.last - s.search.first;
    if (alone) {
        st.host.paths.probe_lost(c.remote.address, s.search.size, st.now);
    }
    s.search.forget_probe();
    return alone;
}

}  // namespace detail

}  // namespace tcpco
