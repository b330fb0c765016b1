// TCP_INFO: what a connection tells about itself, in the layout and the units of Linux's struct tcp_info.
//
// Which of <netinet/tcp.h> and <linux/tcp.h> a program includes decides how long its own struct tcp_info is; both begin
// alike, and getsockopt() fills as much as there is room for. This is the long form under a name of its own, since the
// two headers exclude each other.
//
// Units are Linux's: microseconds, the last_* times milliseconds, windows of the sender in segments. Zero is what the
// stack does not measure: fackets (as in Linux since 4.15), last_ack_sent (likewise always), delivered_ce. rcv_rtt
// is not zero only where the receive buffer is tuned by it.
// rcv_mss is the largest segment that came, reordering always Linux's initial 3 and reord_seen counts without moving
// it; delivered counts octets in full segments; last_data_recv and last_ack_recv are both the last acceptable segment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/tcp/tcp_info.hpp"

namespace tcpco::posix::detail {

struct linux_tcp_info {
    std::uint8_t tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes, tcpi_backoff, tcpi_options;
    std::uint8_t tcpi_window_scales;  // Linux's two bit fields: the lower half is the peer's shift
    std::uint8_t tcpi_flags;  // bit 0: delivery_rate_app_limited
    std::uint32_t tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
    std::uint32_t tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
    std::uint32_t tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
    std::uint32_t tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_advmss,
        tcpi_reordering;
    std::uint32_t tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
    std::uint64_t tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
    std::uint32_t tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt, tcpi_data_segs_in, tcpi_data_segs_out;
    std::uint64_t tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
    std::uint32_t tcpi_delivered, tcpi_delivered_ce;
    std::uint64_t tcpi_bytes_sent, tcpi_bytes_retrans;
    std::uint32_t tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd;
};
static_assert(std::is_trivial_v<linux_tcp_info> && sizeof(linux_tcp_info) == 232);

// TCP_ESTABLISHED = 1, ... of Linux's include/net/tcp_states.h.
inline std::uint8_t to_linux(tcp_state s) noexcept
{
    switch (s) {
    case tcp_state::established: return 1;
    case tcp_state::syn_sent: return 2;
    case tcp_state::syn_received: return 3;
    case tcp_state::fin_wait_1: return 4;
    case tcp_state::fin_wait_2: return 5;
    case tcp_state::time_wait: return 6;
    case tcp_state::close_wait: return 8;
    case tcp_state::last_ack: return 9;
    case tcp_state::listen: return 10;
    case tcp_state::closing: return 11;
    case tcp_state::closed: break;
    }
    return 7;
}

inline std::uint32_t clamp_32(std::int64_t n) noexcept
{
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(n, 0, 0xFFFFFFFF));
}

// TCP_CA_Open, Disorder, Recovery, Loss of Linux's <linux/tcp.h>.
inline std::uint8_t ca_state_of(const tcpco::tcp_info& t) noexcept
{
    return t.in_recovery ? 3 : t.retries > 0 && !t.probes_window && t.unacked > 0 ? 4 : t.sacked > 0 ? 1 : 0;
}

inline void tell_of_sending(linux_tcp_info& i, const tcpco::tcp_info& t, octet_count smss) noexcept
{
    const auto segments = [smss](octet_count octets) { return clamp_32((octets + smss - 1) / smss); };
    const auto us = [](duration d) { return static_cast<std::uint64_t>(d.microseconds()); };
    i.tcpi_ca_state = ca_state_of(t);
    i.tcpi_retransmits = t.probes_window ? std::uint8_t{0} : t.retries;
    i.tcpi_probes = t.probes_window ? t.unanswered : std::uint8_t{0};
    i.tcpi_backoff = t.retries;
    i.tcpi_sacked = segments(t.sacked);
    i.tcpi_lost = segments(t.lost);
    i.tcpi_retrans = segments(t.retransmitted);
    i.tcpi_last_data_sent = clamp_32(t.since_sent.milliseconds());
    i.tcpi_last_data_recv = i.tcpi_last_ack_recv = clamp_32(t.since_received.milliseconds());
    i.tcpi_rcv_rtt = clamp_32(t.receive_rtt.microseconds());
    i.tcpi_rcv_space = clamp_32(t.receive_capacity);
    i.tcpi_pacing_rate = t.pacing_rate;
    i.tcpi_max_pacing_rate = ~std::uint64_t{0};
    i.tcpi_bytes_acked = t.octets_acknowledged;
    i.tcpi_bytes_retrans = t.octets_retransmitted;
    i.tcpi_data_segs_out = t.data_segments_sent;
    i.tcpi_data_segs_in = t.data_segments_received;
    i.tcpi_busy_time = us(t.busy);
    i.tcpi_rwnd_limited = us(t.limited_by_receive_window);
    i.tcpi_sndbuf_limited = us(t.limited_by_send_buffer);
    i.tcpi_delivered = segments(static_cast<octet_count>(t.octets_acknowledged) + t.sacked);
    i.tcpi_dsack_dups = t.dsacks_received;
    i.tcpi_reord_seen = t.reorderings;
    i.tcpi_delivery_rate = t.delivery_rate;
    i.tcpi_flags = t.delivery_rate_app_limited ? std::uint8_t{1} : std::uint8_t{0};
    i.tcpi_rcv_ooopack = t.segments_out_of_order;
}

inline linux_tcp_info to_linux(const tcpco::tcp_info& t, tcp_state visible, std::size_t unsent) noexcept
{
    const octet_count smss = std::max<octet_count>(t.smss, 1);
    linux_tcp_info i{};
    i.tcpi_state = to_linux(visible);
    i.tcpi_options = static_cast<std::uint8_t>((t.timestamps ? 1u : 0u) | (t.sack_permitted ? 2u : 0u) |
                                               (t.window_scaling ? 4u : 0u) |
                                               (t.ecn ? 8u : 0u) | (t.marks_received > 0 ? 16u : 0u));
    i.tcpi_window_scales = static_cast<std::uint8_t>((t.snd_wscale & 15u) | (t.rcv_wscale & 15u) << 4);
    i.tcpi_rto = clamp_32(t.rto.microseconds());
    i.tcpi_ato = clamp_32(t.ack_delay.microseconds());
    i.tcpi_snd_mss = t.smss;
    i.tcpi_rcv_mss = t.largest_received;
    i.tcpi_unacked = clamp_32((t.unacked + smss - 1) / smss);
    i.tcpi_pmtu = t.path_mtu;
    i.tcpi_rtt = clamp_32(t.srtt.microseconds());
    i.tcpi_rttvar = clamp_32(t.rttvar.microseconds());
    i.tcpi_min_rtt = clamp_32(t.min_rtt.microseconds());
    i.tcpi_snd_ssthresh = t.ssthresh >= 0x7FFFFFFF ? 0x7FFFFFFF : clamp_32(t.ssthresh / smss);
    i.tcpi_snd_cwnd = clamp_32(t.cwnd / smss);
    i.tcpi_advmss = t.rmss;
    i.tcpi_rcv_ssthresh = clamp_32(t.rcv_wnd);
    i.tcpi_reordering = 3;
    i.tcpi_total_retrans = clamp_32(static_cast<std::int64_t>(t.retransmissions));
    i.tcpi_bytes_received = t.octets_received;
    i.tcpi_bytes_sent = t.octets_sent;
    i.tcpi_segs_out = clamp_32(static_cast<std::int64_t>(t.segments_sent));
    i.tcpi_segs_in = clamp_32(static_cast<std::int64_t>(t.segments_received));
    i.tcpi_notsent_bytes = clamp_32(static_cast<std::int64_t>(unsent));
    i.tcpi_snd_wnd = clamp_32(t.snd_wnd);
    tell_of_sending(i, t, smss);
    return i;
}

}  // namespace tcpco::posix::detail
