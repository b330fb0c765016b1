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

// A retransmission timeout, `c.retries` counted already. True: the segments were too large for the path, as far as one
// can know, and are smaller from now on.
// RFC4821-7.7a, RFC8899-5.2a
template <class B>
bool leave_black_hole(connection<B>& c, const sender_active<B>& s, step<B>& st)
{
    if (!searches(st) || !is_synchronized(c.state) || c.retries == 0 || c.retries % black_hole_timeouts != 0) {
        return false;
    }
    const auto head = s.board.first_unacked();
    const octet_count mtu = path_mtu_of(c, st.host);
    if (const std::uint16_t known = st.host.paths.find(c.remote.address, st.now); known != 0 && known < mtu) {
        c.path_mtu = known;  // another connection to the same place has found out already
        change_smss(c, st);
        return true;
    }
    if (head == scoreboard::npos || mtu <= path_mtu_cache::narrowest || c.snd.wnd == 0 ||
        s.board[head].octets() + fixed_headers(c.remote.address) <= mtu_below(mtu, fixed_headers(c.remote.address))) {
        return false;  // small segments are lost, too: it is not their size
    }
    const std::uint16_t less = mtu_below(mtu, fixed_headers(c.remote.address));
    st.host.paths.suspect(c.remote.address, less, static_cast<std::uint16_t>(mtu), st.now);
    ++st.host.counters.black_holes;
    c.path_mtu = less;
    change_smss(c, st);
    return true;
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
    s.search = {.first = out.seq, .last = out.end(), .size = static_cast<std::uint16_t>(size)};
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
    s.search = {};
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
    s.search = {};
    return alone;
}

}  // namespace detail

}  // namespace tcpco
