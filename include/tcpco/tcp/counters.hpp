// Nothing is lost without a reason: one counter per reason for which a packet was dropped, and totals.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tcpco {

enum class drop_reason : std::uint8_t {
    frame_too_short,  // no room for a link or IP header
    wrong_mac,        // unicast to somebody else
    unknown_ethertype,
    arp_malformed,
    ip_malformed,  // version, header length or total length
    ip_checksum,
    ip_fragment,    // fragments are not reassembled
    ip_not_ours,    // destination is no address of this stack
    ip_bad_source,  // multicast, broadcast or unspecified source (MUST-63)
    ip_unknown_protocol,
    icmp_malformed,
    icmp_ignored,   // a type or code that calls for no action
    tcp_malformed,  // shorter than its header, or a data offset out of range
    tcp_checksum,
    tcp_to_broadcast,   // MUST-57
    tcp_no_connection,  // answered as in CLOSED
    tcp_bad_ack_in_syn_sent,
    tcp_out_of_window,      // RFC 9293 3.10.7.4 step 1
    tcp_paws,               // RFC 7323 5.3
    tcp_missing_timestamp,  // RFC 7323 3.2
    tcp_bad_rst,            // RST that is not exactly at rcv.nxt (RFC 5961)
    tcp_unexpected_syn,     // SYN on a synchronized connection (RFC 5961)
    tcp_no_ack_bit,
    tcp_ack_of_unsent,       // acknowledges what was never sent
    tcp_ack_too_old,         // RFC 5961 section 5
    tcp_text_after_fin,      // text where none may come
    tcp_refused_by_machine,  // the state machine has no such transition
    tcp_rst_in_time_wait,    // RFC 1337
    tcp_syn_in_time_wait,    // RFC 6191: may be an old one
    syn_backlog_full,
    syn_rate_limited,    // the syn_defence policy's limit of one source
    syn_cookie_invalid,  // forged, or too old: answered with an RST if empty
    accept_queue_full,
    no_connection_slot,
    no_buffer,  // a pool refused
    out_of_order_limit,
    reply_queue_full,      // a stateless reply was not sent
    neighbour_unresolved,  // a reply waited for ARP in vain
    no_route,
    device_truncated,  // longer than a receive slot
    quiet_time,        // a SYN, before tcp_settings::quiet_time was over
    count_,
};

constexpr std::size_t drop_reason_count = static_cast<std::size_t>(drop_reason::count_);

constexpr const char* to_string(drop_reason reason) noexcept
{
    constexpr std::array<const char*, drop_reason_count> names{"frame_too_short",
                                                               "wrong_mac",
                                                               "unknown_ethertype",
                                                               "arp_malformed",
                                                               "ip_malformed",
                                                               "ip_checksum",
                                                               "ip_fragment",
                                                               "ip_not_ours",
                                                               "ip_bad_source",
                                                               "ip_unknown_protocol",
                                                               "icmp_malformed",
                                                               "icmp_ignored",
                                                               "tcp_malformed",
                                                               "tcp_checksum",
                                                               "tcp_to_broadcast",
                                                               "tcp_no_connection",
                                                               "tcp_bad_ack_in_syn_sent",
                                                               "tcp_out_of_window",
                                                               "tcp_paws",
                                                               "tcp_missing_timestamp",
                                                               "tcp_bad_rst",
                                                               "tcp_unexpected_syn",
                                                               "tcp_no_ack_bit",
                                                               "tcp_ack_of_unsent",
                                                               "tcp_ack_too_old",
                                                               "tcp_text_after_fin",
                                                               "tcp_refused_by_machine",
                                                               "tcp_rst_in_time_wait",
                                                               "tcp_syn_in_time_wait",
                                                               "syn_backlog_full",
                                                               "syn_rate_limited",
                                                               "syn_cookie_invalid",
                                                               "accept_queue_full",
                                                               "no_connection_slot",
                                                               "no_buffer",
                                                               "out_of_order_limit",
                                                               "reply_queue_full",
                                                               "neighbour_unresolved",
                                                               "no_route",
                                                               "device_truncated",
                                                               "quiet_time"};
    return names[static_cast<std::size_t>(reason)];
}

struct stack_counters {
    std::array<std::uint64_t, drop_reason_count> dropped{};
    std::uint64_t frames_received = 0;
    std::uint64_t frames_gathered = 0;  // of these, added to the one before (gathered_text.hpp)
    std::uint64_t frames_sent = 0;
    std::uint64_t segments_received = 0;  // TCP, on the wire
    std::uint64_t segments_sent = 0;
    std::uint64_t retransmissions = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t recoveries_undone = 0;  // timeouts and fast recoveries that were needless (RFC 4015)
    std::uint64_t resets_sent = 0;
    std::uint64_t challenge_acks = 0;
    std::uint64_t challenge_acks_limited = 0;
    std::uint64_t connections_opened = 0;  // reached ESTABLISHED
    std::uint64_t orphans_reset = 0;       // closed beyond stack_limits.orphans
    std::uint64_t time_wait_evicted = 0;   // ended before their time: stack_limits.time_wait
    std::uint64_t time_wait_refused = 0;   // no compact record to be had: the connection itself stayed
    std::uint64_t syn_received_refused = 0;  // no compact record to be had: the half-open connection itself stayed
    std::uint64_t syn_cookies_sent = 0;
    std::uint64_t syn_cookies_accepted = 0;
    std::uint64_t frames_without_carrier = 0;  // lost: link_changed(now, false)
    std::uint64_t close_wait_held = 0;     // reported: tcp_settings::close_wait_report
    std::uint64_t black_holes = 0;         // paths on which full segments vanished (RFC 4821)
    std::uint64_t mtu_probes = 0;          // segments larger than usual, to find out
    std::uint64_t fast_open_sent = 0;      // SYNs of ours with text (RFC 7413)
    std::uint64_t fast_open_accepted = 0;  // connections opened by a cookie
    std::uint64_t fast_open_refused = 0;   // cookies that were wrong, or met the limit

    void drop(drop_reason reason) noexcept { ++dropped[static_cast<std::size_t>(reason)]; }
    std::uint64_t of(drop_reason reason) const noexcept { return dropped[static_cast<std::size_t>(reason)]; }
};

}  // namespace tcpco
