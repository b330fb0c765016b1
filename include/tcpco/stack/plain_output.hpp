// basic_stack: plain segments on their way out (tcp/plain_segment.hpp). Included by basic_stack.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include "tcpco/stack/basic_stack.hpp"
#include "tcpco/stack/plain_headers.hpp"

namespace tcpco {

// Where to send what is for another host, when that is known and nobody has to be asked. Null: network_layer knows.
template <class B>
[[gnu::always_inline]] inline const mac_address* basic_stack<B>::plain_next_hop(const connection_type& c) const noexcept
{
    static constexpr mac_address any{};
    const network_config& network = network_.config();
    if (!c.remote.address.is_v4() || network_.is_local(c.remote.address.v4())) {
        return nullptr;
    }
    if (!network.ethernet) {
        return &any;
    }
    const ipv4_address remote = c.remote.address.v4();
    const bool direct = network.address.contains(remote);
    return network_.neighbours().known(c.neighbour, direct ? remote : network.gateway.v4(), now_);
}

// The turn of a connection whose next segment is a plain one, after which it has nothing to send. idle: it is not, and
// nothing has happened.
template <class B>
template <class Sink>
[[gnu::hot, gnu::noinline]] auto basic_stack<B>::send_plain(connection_type& c, step_type& st, Sink& sink)
    -> send_outcome
{
    plain_segment out;
    if (!choose_plain(out, c, st)) {
        return send_outcome::idle;
    }
    const mac_address* const next_hop = plain_next_hop(c);
    if (next_hop == nullptr) {
        return send_outcome::idle;
    }
    TCPCO_ASSERT(network_.next_hop(c.remote.address, c.neighbour, now_) == *next_hop);
    outbox::entry* e = outbox_.acquire();
    if (e == nullptr) {
        return send_outcome::refused;
    }
    if (c.snd.una == c.snd.nxt) {
        c.unanswered = 0;
    }
    frame_info info;
    info.checksum = checksum_offload_ ? checksum_state::partial : checksum_state::verify;
    build_plain(*e, c, out, *next_hop, info);
    const transmit_token token = outbox_.token_of(*e);
    const sink_verdict verdict = emit(outgoing_frame{e->gather(), info, token}, false, sink);
    if (verdict == sink_verdict::held && e->in_use) {
        c.send.gather(c.snd.nxt, static_cast<std::uint32_t>(out.text.size()), e->payload);
    } else {
        outbox_.put_back(*e);
    }
    if (verdict == sink_verdict::refused) {
        return send_outcome::refused;
    }
    network_.packet_left();
    commit_plain(c, out, st);
    if constexpr (goes_both_ways && !paces<typename B::congestion>) {
        [[maybe_unused]] const auto timer = std::pair{c.timer, c.timer_at};
        rearm_timer(c, st);
        TCPCO_ASSERT(timer == std::pair(c.timer, c.timer_at) && (!c.sender || is_at_rest(c, st)));
    }
    dirty_.erase(c.self.index);
    if constexpr (paces<typename B::congestion>) {
        dirty_.push_back(c.self.index);  // when it may go on is noted in its next turn
    }
    arm(c);
    return send_outcome::sent;
}

// MUST-45, MUST-48. The frame of a plain segment, without a reference to its text: a sink that holds the frame needs
// one, others do not.
template <class B>
[[gnu::always_inline]] inline void basic_stack<B>::build_plain(outbox::entry& e, const connection_type& c,
                                                               const plain_segment& out, mac_address next_hop,
                                                               const frame_info& info)
{
    const network_config& network = network_.config();
    const plain_headers headers{
        .ethernet = network.ethernet,
        .next_hop = next_hop,
        .source_mac = network.mac,
        .source = c.local.address.v4(),
        .destination = c.remote.address.v4(),
        .identification = network_.identification(),
        .dscp = c.dscp,
        .ttl = network.ttl,
        .dont_fragment = network.path_mtu_discovery,  // RFC1191-2a
        .source_port = c.local.port,
        .destination_port = c.remote.port,
        .seq = to_wire(c.snd.nxt, c.snd.iss),
        .ack = to_wire(c.rcv.nxt, c.rcv.irs),
        .flags = static_cast<std::uint16_t>(tcp_flag::ack | (out.text.empty() ? 0 : tcp_flag::psh)),  // MUST-61
        .window = out.window,
        .timestamps = c.timestamps,
        .tsval = timestamp_now(c, now_),
        .tsecr = c.ts_recent,
    };
    headers.write(e.header.data(), out.text, info.checksum == checksum_state::verify);
    e.pieces[0] = std::span{e.header}.first(headers.size());
    e.pieces[1] = out.text;
    e.piece_count = out.text.empty() ? 1 : 2;
    if constexpr (goes_both_ways) {
        step_type st = step_at(now_);
        outbox::entry asked;
        leaving_segment segment = detail::spelled_out(out, c, st);
        frame_info asked_info = info;
        build_frame(asked, c, segment, next_hop, asked_info);
        TCPCO_ASSERT(std::ranges::equal(asked.pieces[0], e.pieces[0]) && asked.piece_count == e.piece_count);
        TCPCO_ASSERT(out.text.empty() || (asked.pieces[1].data() == out.text.data() &&
                                          asked.pieces[1].size() == out.text.size()));
        TCPCO_ASSERT(asked_info.wire_segments == info.wire_segments && asked_info.gso_type == info.gso_type);
    }
}

}  // namespace tcpco
