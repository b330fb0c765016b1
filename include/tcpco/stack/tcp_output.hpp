// basic_stack: segments on their way out. Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
template <class Sink>
std::size_t basic_stack<B>::transmit(time_point now, Sink&& sink, std::size_t budget)
{
    enter(now);
    const std::size_t taken =
        dirty_.empty() && loopback_.empty() && !network_.has_output() ? 0 : transmit_some(sink, budget);
    on_neighbours();
    feed_starved();
    return taken;
}

template <class B>
template <class Sink>
std::size_t basic_stack<B>::transmit_some(Sink& sink, std::size_t budget)
{
    std::size_t taken = network_.has_output() ? transmit_replies(sink, budget) : 0;
    bool refused = network_.has_output();
    while (!refused && taken < budget && !(dirty_.empty() && loopback_.empty())) {
        deliver_looped();
        if (!dirty_.empty()) {
            taken += transmit_connection(dirty_.front(), sink, budget - taken, refused);
        }
    }
    if (network_.has_output() && !refused) {
        taken += transmit_replies(sink, budget - taken);  // an ARP request for one of them
    }
    host.counters.frames_sent += taken;
    return taken;
}

template <class B>
template <class Sink>
std::size_t basic_stack<B>::transmit_replies(Sink& sink, std::size_t budget)
{
    return network_.transmit(
        [&](const slice& whole) {
            outbox::entry* e = outbox_.acquire();
            if (e == nullptr) {
                return sink_verdict::refused;
            }
            e->payload[0] = whole;
            e->pieces[0] = whole.octets();
            e->piece_count = 2;  // one reference; the gather list below shows the first piece only
            const transmit_token token = outbox_.token_of(*e);
            const outgoing_frame f{e->gather().first(1), frame_info{}, token};
            const sink_verdict verdict = emit(f, network_.loops(whole.octets()), sink);
            if (verdict != sink_verdict::held) {
                outbox_.release(token);
            }
            return verdict;
        },
        budget);
}

// What this stack sent to itself since the last call arrives: no more than that, so that two ends of one connection
// take turns with the rest.
template <class B>
void basic_stack<B>::deliver_looped()
{
    for (std::size_t n = loopback_.size(); n > 0; --n) {
        frame f = loopback_.pop();
        f.info.arrived_at = now_;
        ++host.counters.frames_received;
        if (datagram d; network_.receive(now_, std::move(f), d, true)) {
            receive_segment(std::move(d));
        }
    }
}

// The frames of one turn of a connection (tcp/segment_run.hpp).
template <class B>
struct basic_stack<B>::segment_run {
    leaving_segment segment{};
    mac_address next_hop{};
    bool local = false;
    bool blank = true;     // `segment` is as it was made
    bool goes_on = false;  // `segment` and `headers` may be those of the next frame, too
    header_template headers;
};

// A turn of one connection: a few frames, then the next one's turn (deficit round robin with a quantum in frames).
template <class B>
template <class Sink>
std::size_t basic_stack<B>::transmit_connection(std::uint32_t index, Sink& sink, std::size_t budget, bool& refused)
{
    connection_type& c = connections_.at(index);
    step_type st = step_at(now_);
    if (const send_outcome plain = send_plain(c, st, sink); plain != send_outcome::idle) {
        refused = plain == send_outcome::refused;
        compact(c);
        return refused ? 0 : 1;
    }
    return transmit_turn(c, st, sink, budget, refused);
}

// The same, for whatever leaves.
template <class B>
template <class Sink>
[[gnu::noinline]] std::size_t basic_stack<B>::transmit_turn(connection_type& c, step_type& st, Sink& sink,
                                                            std::size_t budget, bool& refused)
{
    constexpr std::size_t quantum = 16;
    const std::uint32_t index = c.self.index;
    std::size_t taken = 0;
    segment_run run;
    send_outcome outcome = send_outcome::sent;
    while (taken < std::min(budget, quantum) && outcome == send_outcome::sent) {
        if (!run.goes_on && is_at_rest(c, st)) {
            outcome = send_outcome::idle;
            break;
        }
        outcome = send_one(c, st, run, sink);
        taken += outcome == send_outcome::sent ? 1 : 0;
        if constexpr (sends_runs_v<B>) {
            if (outcome == send_outcome::sent && run.goes_on) {
                taken += send_run(c, st, run, sink, std::min(budget, quantum) - taken, outcome);
            }
        }
    }
    switch (outcome) {
    case send_outcome::sent:
        dirty_.erase(index);
        dirty_.push_back(index);
        break;
    case send_outcome::idle: dirty_.erase(index); break;
    case send_outcome::unresolved:
        if (!unresolved_.reserve(dirty_.capacity())) {
            refused = true;  // nowhere to wait: it is tried again
            break;
        }
        dirty_.erase(index);
        unresolved_.push_back(index);
        if (taken > 0) {
            rearm_timer(c, st);
        }
        arm(c);
        note_unresolved(c);  // may end the connection
        return taken;
    case send_outcome::refused: refused = true; break;
    }
    make_room_to_compare(c, st);
    rearm_timer(c, st);
    arm(c);
    check_connection(c);
    if (c.state == tcp_state::syn_received) {
        to_syn_queue(c);
    } else {
        compact(c);
    }
    return taken;
}

template <class B>
template <class Sink>
auto basic_stack<B>::send_one(connection_type& c, step_type& st, segment_run& run, Sink& sink) -> send_outcome
{
    leaving_segment& out = run.segment;
    run.goes_on = run.goes_on && repeat_segment(out, c, st);
    if (!run.goes_on) {
        if (!std::exchange(run.blank, false)) {
            out = {};
        }
        if (!next_segment(out, c, st)) {
            return send_outcome::idle;
        }
        const auto next_hop = network_.next_hop(c.remote.address, c.neighbour, now_);
        if (!next_hop) {
            return send_outcome::unresolved;
        }
        if (c.snd.una == c.snd.nxt) {
            c.unanswered = 0;  // a wait for the next hop, if there was one, ended well
        }
        run.next_hop = *next_hop;
        run.local = network_.is_local(c.remote.address);
    }
    outbox::entry* e = outbox_.acquire();
    if (e == nullptr) {
        return send_outcome::refused;
    }
    frame_info info;
    info.checksum = checksum_offload_ || run.local ? checksum_state::partial : checksum_state::verify;
    run.goes_on = run.goes_on && build_again(*e, c, run);
    if (!run.goes_on) {
        build_frame(*e, c, out, run.next_hop, info);
    }
    const transmit_token token = outbox_.token_of(*e);
    const outgoing_frame f{e->gather(), info, token};
    const sink_verdict verdict = emit(f, run.local, sink);
    if (verdict == sink_verdict::refused) {
        outbox_.release(token);
        return send_outcome::refused;
    }
    network_.packet_left();
    const bool writer_waits = c.low_water != 0 && !has_writing_room(c);
    commit_segment(c, out, st);
    if (writer_waits && has_writing_room(c) && c.owned) {
        c.events |= readiness::writable;
        ready_.push_back(c.self.index);
    }
    if (!run.goes_on && may_repeat(out, c, st)) {
        run.goes_on = true;
        const std::size_t size = e->pieces[0].size();
        const std::size_t tcp_size = tcp_header_size + encoded_size(out.options);
        const auto length = static_cast<std::uint32_t>(tcp_size + static_cast<std::size_t>(out.octets));
        run.headers.take(e->header.data(), size, size - tcp_size,
                         pseudo_header(c.local.address, c.remote.address, ip_protocol::tcp, length),
                         info.checksum == checksum_state::verify);
    }
    if (verdict == sink_verdict::done) {
        outbox_.release(token);
    }
    return send_outcome::sent;
}

// As many segments like the one that has just left as may follow it now, up to `most`. Builds with TCPCO_BOTH_WAYS
// choose each of them anew, and compare.
template <class B>
template <class Sink>
std::size_t basic_stack<B>::send_run(connection_type& c, step_type& st, segment_run& run, Sink& sink, std::size_t most,
                                     send_outcome& outcome)
{
    leaving_segment& out = run.segment;
    const std::size_t n = run_length(out, c, st, most);
    const bool writer_waits = n > 0 && c.low_water != 0 && !has_writing_room(c);
    frame_info info;
    info.checksum = checksum_offload_ || run.local ? checksum_state::partial : checksum_state::verify;
    std::size_t sent = 0;
    slice piece;  // of the send buffer: one reference for all segments in it, and one for each that a device holds
    for (; sent < n; ++sent) {
        out.seq += out.octets;
        if constexpr (goes_both_ways) {
            [[maybe_unused]] leaving_segment asked;
            TCPCO_ASSERT(next_segment(asked, c, st) && asked == out);
        }
        outbox::entry* e = outbox_.acquire();
        if (e == nullptr) {
            outcome = send_outcome::refused;
            break;
        }
        const transmit_token token = outbox_.token_of(*e);
        const auto size = static_cast<std::size_t>(out.octets);
        if (piece.size < size) {
            c.send.gather(out.seq, 0xFFFF'FFFF, {&piece, 1});
        }
        const bool whole = piece.size >= size;
        if (whole) {
            e->pieces[1] = piece.octets().first(size);
            build_around(*e, c, run);
            piece.remove_prefix(static_cast<std::uint32_t>(size));
        }
        run.goes_on = whole || build_again(*e, c, run);
        const sink_verdict verdict =
            run.goes_on ? emit(outgoing_frame{e->gather(), info, token}, run.local, sink) : sink_verdict::refused;
        if (verdict != sink_verdict::held) {
            outbox_.release(token);
        } else if (whole && e->in_use) {
            e->payload[0] = slice{piece.owner, e->pieces[1].data(), static_cast<std::uint32_t>(size)};
        }
        if (verdict == sink_verdict::refused) {
            outcome = run.goes_on ? send_outcome::refused : outcome;
            break;
        }
        network_.packet_left();
        if constexpr (goes_both_ways) {
            commit_run(c, out, 1, st);
        }
    }
    if (!goes_both_ways && sent > 0) {
        commit_run(c, out, static_cast<std::uint32_t>(sent), st);
    }
    if (sent > 0 && writer_waits && has_writing_room(c) && c.owned) {
        c.events |= readiness::writable;
        ready_.push_back(c.self.index);
    }
    return sent;
}

// The frame of a segment that is the one before but for its octets, which are e.pieces[1].
template <class B>
[[gnu::always_inline]] inline void basic_stack<B>::build_around(outbox::entry& e, const connection_type& c,
                                                                const segment_run& run)
{
    e.pieces[0] = std::span{e.header}.first(run.headers.size());
    e.piece_count = 2;
    run.headers.write(e.header.data(), network_.identification(), to_wire(run.segment.seq, c.snd.iss),
                      e.gather().subspan(1));
}

// The frame of a segment that is the one before but for its octets. False: these lie in too many pieces.
template <class B>
bool basic_stack<B>::build_again(outbox::entry& e, const connection_type& c, const segment_run& run)
{
    const leaving_segment& out = run.segment;
    const std::size_t slices = c.send.gather(out.seq, static_cast<std::uint32_t>(out.octets), e.payload);
    octet_count covered = 0;
    for (std::size_t i = 0; i < slices; ++i) {
        covered += e.payload[i].size;
    }
    if (covered < out.octets) {
        return false;
    }
    e.set_pieces(run.headers.size(), slices);
    run.headers.write(e.header.data(), network_.identification(), to_wire(out.seq, c.snd.iss), e.gather().subspan(1));
    return true;
}

// MUST-45. Headers into the entry, references to the payload beside them. A payload in too many pieces is cut short.
// info.checksum says who completes the checksum; the rest of `info` is filled in.
template <class B>
void basic_stack<B>::build_frame(outbox::entry& e, const connection_type& c, leaving_segment& out, mac_address next_hop,
                                 frame_info& info)
{
    std::size_t slices = 0;
    if (out.octets > 0) {
        slices = c.send.gather(out.seq + (out.syn ? 1 : 0), static_cast<std::uint32_t>(out.octets), e.payload);
        octet_count covered = 0;
        for (std::size_t i = 0; i < slices; ++i) {
            covered += e.payload[i].size;
        }
        if (covered < out.octets) {
            out.octets = covered;
            out.fin = out.psh = false;
            const octet_count segment = out.gso_size != 0 ? out.gso_size : covered;
            out.wire_segments = static_cast<std::uint16_t>((covered + segment - 1) / segment);
            out.gso_size = out.wire_segments > 1 ? out.gso_size : std::uint16_t{0};
        }
    }
    tcp_header header;
    header.source_port = c.local.port;
    header.destination_port = c.remote.port;
    header.seq = to_wire(out.seq, c.snd.iss);
    header.ack = out.ack ? to_wire(c.rcv.nxt - out.ack_behind, c.rcv.irs) : sequence_number{};
    header.flags = flags_of(out);
    header.window = out.window;
    header.urgent_pointer = out.urgent;
    const std::size_t tcp_size = tcp_header_size + encoded_size(out.options) + static_cast<std::size_t>(out.octets);
    const std::span<std::byte> room{e.header};
    const std::size_t ip_end =
        network_.write_headers(room, c.local.address, c.remote.address, next_hop, ip_protocol::tcp, tcp_size, c.dscp,
                               !out.ect    ? ecn_codepoint::not_ect
                               : out.ect_1 ? ecn_codepoint::ect_1
                                           : ecn_codepoint::ect_0);
    const std::span<std::byte> tcp = room.subspan(ip_end);
    const std::size_t head = write_tcp(header, out.options, tcp);
    e.set_pieces(ip_end + head, slices);
    if (info.checksum == checksum_state::partial) {
        write_tcp_checksum(
            partial_checksum(c.local.address, c.remote.address, ip_protocol::tcp, static_cast<std::uint32_t>(tcp_size)),
            tcp);
    } else {
        const auto headers = e.pieces[0];
        e.pieces[0] = tcp.first(head);  // for the sum, without the headers below
        write_tcp_checksum(transport_checksum(c.local.address, c.remote.address, ip_protocol::tcp, e.gather()), tcp);
        e.pieces[0] = headers;
    }
    info.wire_segments = out.wire_segments;
    info.gso_size = out.gso_size;
    info.gso_type =
        out.gso_size != 0 ? (c.remote.address.is_v4() ? gso_kind::tcp_v4 : gso_kind::tcp_v6) : gso_kind::none;
}

}  // namespace tcpco
