// basic_stack: frames and segments on their way in. Included by basic_stack.hpp.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
[[gnu::hot]] void basic_stack<B>::receive(time_point now, std::span<frame> frames)
{
    enter(now);
    while (!frames.empty()) {
        frames = frames.subspan(receive_first(frames));
    }
}

// The first of `frames`, and those behind it that continue it; how many that were.
template <class B>
std::size_t basic_stack<B>::receive_first(std::span<frame> frames)
{
    frame& f = frames.front();
    ++host.counters.frames_received;
    if (f.info.arrived_at == time_point{}) {
        f.info.arrived_at = now_;
    }
    const likeness like = recent_.compare(f.data.octets(), network_.link_header());
    if (const std::size_t taken = like != likeness::none ? receive_known(frames, like) : 0; taken > 0) {
        on_neighbours();
        return taken;
    }
    if (datagram d; (like != likeness::none && receive_alike(f, d)) || network_.receive(now_, std::move(f), d)) {
        receive_segment(std::move(d));
    } else if (const auto notice = network_.take_notice()) {
        on_icmp(*notice);
    }
    on_neighbours();
    return 1;
}

template <class B>
void basic_stack<B>::receive_copy(time_point now, std::span<const std::byte> octets, frame_info info)
{
    buffer_pool& pool = octets.size() <= frames_.slot_size() ? frames_ : jumbos_;
    frame f = copy_frame(pool, octets, info);
    if (!f.data.owner) {
        host.counters.drop(drop_reason::no_buffer);
        return;
    }
    receive(now, std::move(f));
}

namespace detail {

// Whoever has a segment of such a connection need not ask whether it is for somebody else: a SYN in TIME-WAIT may be
// for a listener, and an ACK in SYN-RECEIVED may find the accept queue full.
constexpr bool takes_all_that_comes(tcp_state s) noexcept
{
    return is_synchronized(s) && s != tcp_state::time_wait;
}

}  // namespace detail

// The connection of a frame that is like the one before: all that the network layer said of that one it would say
// again. Null: it is for nobody who is synchronized, or opens a connection.
template <class B>
[[gnu::always_inline]] inline auto basic_stack<B>::find_known(const std::byte* ip, likeness like) -> connection_type*
{
    const std::byte* const tcp = ip + ipv4_header_size;
    transmission_control_block* c = nullptr;
    if (like == likeness::connection) {
        c = stack_port::find(recent_.connection());
    } else if ((std::to_integer<unsigned>(tcp[13]) & tcp_flag::syn) == 0) {
        c = find_among_hints(ip);
    }
    if (c == nullptr || !detail::takes_all_that_comes(c->state)) {
        return nullptr;
    }
    if (like == likeness::host) {
        recent_.follow(ip, c->self);
    }
    return static_cast<connection_type*>(c);
}

// Whose segment that is: most are for a connection that had one lately, and of those with one host the ports tell
// which. A guess that is checked costs less than the hash that nobody can guess.
template <class B>
transmission_control_block* basic_stack<B>::find_among_hints(const std::byte* ip) noexcept
{
    const ipv4_address source = read_ipv4_address(ip + 12);
    const ipv4_address destination = read_ipv4_address(ip + 16);
    const std::uint16_t from = read_be16(ip + ipv4_header_size);
    const std::uint16_t to = read_be16(ip + ipv4_header_size + 2);
    std::uint32_t& hint = hints_[(unsigned{from} ^ to) % hints_.size()];
    transmission_control_block* const c = hint < tcbs_.size() ? tcbs_[hint] : nullptr;
    if (c != nullptr && c->remote.port == from && c->local.port == to && detail::takes_all_that_comes(c->state) &&
        c->remote.address.is_v4() && c->remote.address.v4() == source && c->local.address.is_v4() &&
        c->local.address.v4() == destination) {
        return c;
    }
    const std::uint32_t index = find_flow({{destination, to}, {source, from}});
    if (index >= connections_.limit()) {
        return nullptr;
    }
    hint = index;
    return tcbs_[index];
}

// A segment from the host that the last one came from, for a synchronized connection. How many of `frames` were taken,
// or dropped and counted; 0: it is no such segment.
template <class B>
[[gnu::hot]] std::size_t basic_stack<B>::receive_known(std::span<frame> frames, likeness like)
{
    frame& f = frames.front();
    const std::size_t link = network_.link_header();
    connection_type* const c = find_known(f.data.data + link, like);
    if (c == nullptr) {
        return 0;
    }
    const auto ecn = static_cast<std::uint8_t>(std::to_integer<unsigned>(f.data.data[link + 1]) & 3);
    if constexpr (goes_both_ways) {
        datagram d;
        TCPCO_ASSERT(network_.receive(now_, frame{f}, d) && d.ecn == ecn && d.source == c->remote.address &&
                     d.destination == c->local.address && find_flow({c->local, c->remote}) == c->self.index);
    }
    f.data.remove_prefix(static_cast<std::uint32_t>(link + ipv4_header_size));
    step_type st = step_at(now_);
    if (prediction<B> p; ecn != ecn_codepoint::ce && is_predicted(*c, f.data.octets(), st, p)) {
        return receive_predicted(*c, frames, ecn, p, st);
    }
    receive_for(*c, f, ecn);
    return 1;
}

// The same for one that is not as expected.
template <class B>
[[gnu::noinline]] void basic_stack<B>::receive_for(connection_type& c, frame& f, std::uint8_t ecn)
{
    arriving_segment seg;
    if (read_segment(c.remote.address, c.local.address, std::move(f.data), f.info, ecn, seg)) {
        arrive(c, seg);
    }
}

// A segment of no such connection, with the host that the last one came from: what the network layer would say of it.
template <class B>
bool basic_stack<B>::receive_alike(frame& f, datagram& d)
{
    const std::size_t link = network_.link_header();
    const std::byte* const ip = f.data.data + link;
    d.source = read_ipv4_address(ip + 12);
    d.destination = read_ipv4_address(ip + 16);
    d.ecn = static_cast<std::uint8_t>(std::to_integer<unsigned>(ip[1]) & 3);
    d.plain = true;
    if constexpr (goes_both_ways) {
        datagram asked;
        TCPCO_ASSERT(network_.receive(now_, frame{f}, asked) && asked.source == d.source && asked.plain &&
                     asked.destination == d.destination && asked.ecn == d.ecn &&
                     asked.payload.data == ip + ipv4_header_size);
    }
    d.info = f.info;
    d.payload = std::move(f.data);
    d.payload.remove_prefix(static_cast<std::uint32_t>(link + ipv4_header_size));
    return true;
}

// A segment that is as expected, and those that continue it; how many that were. Builds with TCPCO_BOTH_WAYS have them
// arrive the long way as well.
template <class B>
[[gnu::always_inline]] inline std::size_t basic_stack<B>::receive_predicted(connection_type& c,
                                                                            std::span<frame> frames,
                                                                            [[maybe_unused]] std::uint8_t ecn,
                                                                            prediction<B>& p, step_type& st)
{
    frame& f = frames.front();
    if (f.info.checksum == checksum_state::verify &&
        !ipv4_transport_checksum_good(ip_protocol::tcp, f.data.data, f.data.size)) {
        host.counters.drop(drop_reason::tcp_checksum);  // MUST-3
        return 1;
    }
    if (frames.size() > 1) {
        gather(c, f, frames.subspan(1), p);
    }
    const std::size_t taken = 1 + p.more.frames.size();
    host.counters.segments_received += f.info.wire_segments;
    observe(host.observer,
            event::segment_received{.connection = key_of(c),
                                    .at = f.info.arrived_at,
                                    .first = c.rcv.nxt,
                                    .octets = f.data.size - p.head + p.more.octets,
                                    .wire_segments = f.info.wire_segments,
                                    .window = std::uint32_t{read_be16(f.data.data + 14)} << c.snd.wscale,
                                    .flags = static_cast<std::uint16_t>((read_be16(f.data.data + 12) & 0xFFF) |
                                                                        (p.psh ? unsigned{tcp_flag::psh} : 0U))});
    if constexpr (goes_both_ways) {
        const auto is_short = [](const frame& g) { return g.data.owner.pool_is_short(); };
        [[maybe_unused]] const bool room = !is_short(f) && std::ranges::none_of(p.more.frames, is_short) &&
                                           !host.small.is_short() && !host.large.is_short();
        arriving_segment seg;
        frame_info info = f.info;
        info.checksum = checksum_state::good;
        slice whole = put_together(f, p);
        const bool comparable = whole.size > 0;
        if (comparable) {
            TCPCO_ASSERT(read_segment(c.remote.address, c.local.address, std::move(whole), info, ecn, seg));
            host.counters.segments_received -= f.info.wire_segments;
        }
        if (comparable && lend_sending_half(c, st)) {
            [[maybe_unused]] const connection_type expected = arrive_the_long_way(c, std::move(seg), st);
            take_predicted(c, std::move(f.data), f.info, p, st);
            TCPCO_ASSERT(!room || agree(expected, c));  // what pools refuse is another matter
            TCPCO_ASSERT(sending_halves_agree(c, st));
        } else {
            take_predicted(c, std::move(f.data), f.info, p, st);
        }
    } else {
        take_predicted(c, std::move(f.data), f.info, p, st);
    }
    settle_predicted(c, p.sender, st);
    return taken;
}

// The TCP segment in `octets`. False: it is none, or was damaged; counted.
template <class B>
bool basic_stack<B>::read_segment(const ip_address& source, const ip_address& destination, slice&& octets,
                                  const frame_info& info, std::uint8_t ecn, arriving_segment& seg)
{
    const auto tcp = parse_tcp(octets.octets());
    if (!tcp) {
        host.counters.drop(drop_reason::tcp_malformed);
        return false;
    }
    if (info.checksum == checksum_state::verify &&
        !transport_checksum_good(source, destination, ip_protocol::tcp, octets.octets())) {
        host.counters.drop(drop_reason::tcp_checksum);  // MUST-3
        return false;
    }
    host.counters.segments_received += info.wire_segments;
    seg.header = tcp->header;
    read_tcp_options(tcp->options, seg.options);
    seg.payload =
        slice{std::move(octets.owner), tcp->payload.data(), static_cast<std::uint32_t>(tcp->payload.size())};
    seg.info = info;
    seg.ce = ecn == ecn_codepoint::ce;
    seg.ecn = ecn;
    return true;
}

// Which connection, which listener, or nobody (RFC 9293 3.10.7).
template <class B>
void basic_stack<B>::receive_segment(datagram&& d)
{
    const std::byte* const at = d.payload.data;
    arriving_segment seg;
    if (!read_segment(d.source, d.destination, std::move(d.payload), d.info, d.ecn, seg)) {
        return;
    }
    const four_tuple flow{{d.destination, seg.header.destination_port}, {d.source, seg.header.source_port}};
    std::optional<sequence_number> not_below;
    if (std::uint32_t index = find_flow(flow); index != flows_.npos) {
        if (index >= first_half_open()) {
            const connection_type* half_open = from_syn_queue(index - first_half_open());
            if (half_open == nullptr) {
                return;
            }
            index = half_open->self.index;
        }
        if (index >= connections_.limit()) {
            if (!arrive_in_time_wait(index - connections_.limit(), seg, not_below)) {
                return;
            }
        } else {
            connection_type& c = connections_.at(index);
            if (d.plain && c.state == tcp_state::established) {
                recent_.keep(at - ipv4_header_size, network_.link_header(), c.self);
            }
            const bool asks = c.state == tcp_state::time_wait && seg.syn();
            const time_wait_answer verdict =
                asks ? ask_time_wait(c, seg, c.rto.rto(), not_below) : time_wait_answer::ack;
            if (verdict == time_wait_answer::ack && !overflows_accept_queue(c, seg)) {
                arrive(c, seg);
            }
            if (verdict != time_wait_answer::accept) {
                return;
            }
        }
    }
    arrive_at_listener(flow, seg, not_below ? &*not_below : nullptr);
}

template <class B>
void basic_stack<B>::arrive(connection_type& c, arriving_segment& seg)
{
    step_type st = step_at(now_);
    const tcp_state was = c.state;
    const bool opens = c.state == tcp_state::syn_sent;  // there is no number yet to count from
    observe(host.observer,
            event::segment_received{
                .connection = key_of(c),
                .at = seg.info.arrived_at,
                .first = opens ? stream_offset{0} : from_wire(seg.header.seq, c.rcv.irs, c.rcv.nxt),
                .octets = seg.payload.size,
                .wire_segments = seg.info.wire_segments,
                .window = std::uint32_t{seg.header.window} << (seg.syn() ? 0 : c.snd.wscale),
                .flags = seg.header.flags});
    segment_arrives(c, seg, st);
    settle(c, was, st);
}

// A SYN meets TIME-WAIT (RFC 6191, RFC 9293 MAY-2). accept: the SYN is to be treated as in LISTEN, with an ISS beyond
// `not_below`; the old connection keeps its place until LISTEN has taken the SYN. Timestamps count where the new
// connection would have them: without them (tcp_settings::timestamps) nothing would protect it from old segments.
// SHLD-4, RFC6191-2a
template <class B>
time_wait_answer basic_stack<B>::ask_time_wait(const connection_type& c, const arriving_segment& seg, duration rto,
                                               std::optional<sequence_number>& not_below)
{
    if (seg.rst() || seg.acks() || find_listener(c.local) == listening_.npos) {
        return time_wait_answer::ack;
    }
    const time_wait_syn syn{.seq = seg.header.seq,
                            .rcv_nxt = to_wire(c.rcv.nxt, c.rcv.irs),
                            .had_timestamps = c.timestamps,
                            .has_timestamps = seg.options.has_timestamps && host.settings.timestamps,
                            .tsval = seg.options.tsval,
                            .ts_recent = c.ts_recent,
                            .age = now_ - (c.life_at - host.time_wait.two_msl(rto))};
    const time_wait_answer verdict = host.time_wait.accepts_syn(syn);
    if (verdict == time_wait_answer::accept) {
        not_below = to_wire(c.snd.nxt, c.snd.iss);
    } else if (verdict == time_wait_answer::drop) {
        host.counters.drop(drop_reason::tcp_syn_in_time_wait);  // RFC6191-2e: silently
    }
    return verdict;
}

template <class B>
void basic_stack<B>::answer(const std::optional<stateless_segment>& reply)
{
    if (reply) {
        host.counters.resets_sent += (reply->flags & tcp_flag::rst) != 0 ? 1U : 0U;
        network_.reply_segment(*reply, now_);
    }
}

// An ICMP error about one of our segments (RFC 9293 3.9.2.2). It is believed only for octets in flight (RFC 5927 4.1),
// and it ends only an attempt to connect: in synchronized states a forged one would be too cheap a weapon (RFC 5927
// 5.2), so there it is kept as soft error (MUST-56, SHLD-25). Linux and FreeBSD do the same.
// RFC5927-4.1a, 5.2a, 6.2a, MUST-47, SHLD-26
template <class B>
void basic_stack<B>::on_icmp(const icmp_notice& notice)
{
    std::uint32_t index = find_flow({notice.local, notice.remote});
    if (index != flows_.npos && index >= first_half_open()) {
        const connection_type* half_open = from_syn_queue(index - first_half_open());
        index = half_open != nullptr ? half_open->self.index : flows_.npos;
    }
    if (index >= connections_.limit()) {  // nobody, or TIME-WAIT, which has nothing in flight
        host.counters.drop(drop_reason::icmp_ignored);
        return;
    }
    connection_type& c = connections_.at(index);
    const stream_offset at = from_wire(notice.seq, c.snd.iss, c.snd.una);
    if (at < c.snd.una || at >= c.snd.nxt) {
        host.counters.drop(drop_reason::icmp_ignored);
        return;
    }
    if (notice.too_big) {
        on_packet_too_big(c, notice);
        return;
    }
    c.soft_error = notice.error;
    c.events |= readiness::advised;  // RFC9293-3.9.1.8a
    if (c.owned) {
        ready_.push_back(c.self.index);
    }
    if (c.state == tcp_state::syn_sent && notice.error == errc::port_unreachable) {
        give_up(c);
    }
}

// Path MTU discovery (RFC 1191; RFC8899-4.6.1a). What would not make the packets smaller is ignored: an MTU can only
// fall this way (RFC1191-3e), and a message that came twice causes no second retransmission (RFC1191-6.4c,
// RFC5927-7.2a).
template <class B>
void basic_stack<B>::on_packet_too_big(connection_type& c, const icmp_notice& notice)
{
    step_type st = step_at(now_);
    const sender_active<B>* s = st.sender(c);
    const octet_count current = path_mtu_of(c, host);
    const bool of_probe = s != nullptr && s->search.is_probing() && notice.quoted_length == s->search.size;
    const octet_count largest = of_probe ? octet_count{notice.quoted_length} : current;
    const auto sent = static_cast<std::uint16_t>(std::min<octet_count>(largest, notice.quoted_length));
    const std::uint16_t mtu =
        notice.next_hop_mtu != 0 ? notice.next_hop_mtu : path_mtu_cache::plateau_below(sent);
    if (network_.config().path_mtu_discovery && of_probe && mtu > current && mtu < sent) {
        host.paths.probe_refused(c.remote.address, mtu);  // RFC8899-4.6.2a: its octets come back as lost by themselves
        return;
    }
    if (!network_.config().path_mtu_discovery || mtu < 68 || mtu >= current ||
        current <= path_mtu_cache::narrowest) {
        host.counters.drop(drop_reason::icmp_ignored);
        return;
    }
    const tcp_state was = c.state;
    narrow_path(c, std::max(mtu, path_mtu_cache::narrowest), st);
    settle(c, was, st);
}

// Addresses were resolved, or gave no answer: those who wait for them are looked at again.
template <class B>
void basic_stack<B>::wake_unresolved(bool failed)
{
    for (std::uint32_t i = unresolved_.pop_front(); i != index_list::none; i = unresolved_.pop_front()) {
        connection_type& c = connections_.at(i);
        dirty_.push_back(i);
        if (!failed || !network_.is_unreachable(c.neighbour)) {
            continue;
        }
        c.soft_error = errc::host_unreachable;
        if (c.state == tcp_state::syn_sent || c.state == tcp_state::syn_received) {
            give_up(c);  // a half-open record must not outlive an address that does not answer
        }
    }
}

}  // namespace tcpco
