#include "tcpco/stack/tcp_output.hpp"

#include <map>

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

// A stack with one or more accepted connections, whose peers announce a large window.
struct senders {
    raw_host<> host;
    std::vector<raw_tcp<raw_host<>>> peers;
    std::vector<connection_id> ids;

    // `ace`: the three flags of RFC 9768 on the peers' SYNs, and then on their ACKs. With SACK, segments leave in runs.
    explicit senders(std::size_t n, const stack_config<default_policies>& c = raw_host<>::default_config(),
                     std::uint16_t ace = 0, std::uint16_t then = 0, bool sack = false)
        : host{c}
    {
        host.know();
        const listener_id l = host.stack.listen({stack_ip, 80}).value;
        for (std::size_t i = 0; i < n; ++i) {
            raw_tcp<raw_host<>> peer{host};
            peer.self.port = static_cast<std::uint16_t>(5'000 + i);
            peer.options.has_mss = true;
            peer.options.mss = 1'460;
            peer.options.has_window_scale = true;
            peer.options.window_scale = 7;
            peer.options.sack_permitted = sack;
            peer.send(tcp_flag::syn | ace);
            peer.options = {};
            peer.take();
            peer.send(tcp_flag::ack | then);
            host.drain();
            peers.push_back(peer);
            ids.push_back(host.stack.accept(l).value);
            static_cast<void>(host.stack.set_no_delay(ids.back(), true));
            host.drain();
        }
    }
    senders(const senders&) = delete;

    // A config whose connections may send `segments` at once.
    static stack_config<default_policies> bursting(std::uint8_t segments)
    {
        auto c = raw_host<>::default_config();
        c.tcp.initial_window_segments = segments;
        return c;
    }
};

// A device that keeps what it was given until the test says that it was written.
struct slow_device {
    struct taken {
        transmit_token token{};
        std::vector<std::span<const std::byte>> pieces;
        octets copy;
    };
    std::vector<taken> frames;
    std::size_t room = ~std::size_t{0};

    sink_verdict operator()(const outgoing_frame& f)
    {
        if (frames.size() == room) {
            return sink_verdict::refused;
        }
        frames.push_back({f.token, {f.pieces.begin(), f.pieces.end()}, octets_of(f)});
        return sink_verdict::held;
    }
    // Reads the memory that it still points to.
    bool unchanged() const
    {
        return std::all_of(frames.begin(), frames.end(), [](const taken& t) {
            octets now;
            for (const auto& piece : t.pieces) {
                now.insert(now.end(), piece.begin(), piece.end());
            }
            return now == t.copy;
        });
    }
    template <class Stack>
    void write_all(Stack& stack)
    {
        for (const taken& t : frames) {
            stack.transmitted(t.token);
        }
        frames.clear();
    }
};

// What a device with TSO makes of a frame: segments of gso_size, each with headers and checksum of its own.
std::vector<octets> cut(const octets& frame, const frame_info& info)
{
    if (info.gso_type == gso_kind::none && info.checksum == checksum_state::verify) {
        return {frame};
    }
    const std::size_t link = ethernet_header_size;
    const auto ip = parse_ipv4(std::span<const std::byte>{frame}.subspan(link));
    const auto tcp = parse_tcp(ip->payload);
    const std::size_t tcp_at = link + ipv4_header_size;
    const std::size_t text_at = tcp_at + tcp->header.header_length();
    const std::size_t size = info.gso_size != 0 ? info.gso_size : std::max<std::size_t>(1, tcp->payload.size());
    std::vector<octets> out;
    std::size_t done = 0;
    do {
        const std::size_t n = std::min(size, tcp->payload.size() - done);
        octets piece{frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(text_at)};
        piece.insert(piece.end(), tcp->payload.begin() + static_cast<std::ptrdiff_t>(done),
                     tcp->payload.begin() + static_cast<std::ptrdiff_t>(done + n));
        const std::span<std::byte> all{piece};
        ipv4_header header = ip->header;
        header.total_length = static_cast<std::uint16_t>(piece.size() - link);
        write_ipv4(header, all.subspan(link));
        tcp_header segment = tcp->header;
        segment.seq = segment.seq + static_cast<std::uint32_t>(done);
        segment.checksum = 0;
        if (done + n < tcp->payload.size()) {
            segment.flags = static_cast<std::uint16_t>(segment.flags & ~(tcp_flag::psh | tcp_flag::fin));
        }
        write_tcp(segment, all.subspan(tcp_at));
        const std::array pieces{std::span<const std::byte>{all.subspan(tcp_at)}};
        write_tcp_checksum(transport_checksum(header.source, header.destination, ip_protocol::tcp, pieces),
                           all.subspan(tcp_at));
        out.push_back(std::move(piece));
        done += n;
    } while (done < tcp->payload.size());
    return out;
}

}  // namespace

// --- what a sink refuses has not happened --------------------------------------------------------------------------

TEST_CASE("a refused segment changes no number and no timer, and is offered again", "[stack]")
{
    senders s{1};
    REQUIRE(s.host.stack.write(s.ids[0], pattern(5'000)).value == 5'000);
    const tcp_info before = s.host.stack.info(s.ids[0]).value;
    const auto sent = s.host.stack.counters().segments_sent;
    for (int i = 0; i < 3; ++i) {
        int offers = 0;
        const time_point deadline = s.host.stack.deadline();
        CHECK(s.host.stack.transmit(s.host.now, [&](const outgoing_frame&) {
            ++offers;
            return sink_verdict::refused;
        }) == 0);
        CHECK(offers == 1);  // transmit stops at the first refusal
        s.host.stack.check_invariants();
        const tcp_info after = s.host.stack.info(s.ids[0]).value;
        CHECK(after.unacked == before.unacked);
        CHECK(after.segments_sent == before.segments_sent);
        CHECK(after.octets_sent == before.octets_sent);
        CHECK(after.in_flight == 0);
        CHECK(s.host.stack.counters().segments_sent == sent);
        CHECK(s.host.stack.deadline() == deadline);
        CHECK(s.host.stack.has_output());
        s.host.now += 10_s;  // no timer may run for what was not sent
        s.host.stack.advance(s.host.now);
    }
    CHECK(s.host.stack.info(s.ids[0]).value.timeouts == 0);
    CHECK(s.peers[0].take().size() == 5'000);
}

TEST_CASE("a refused frame is offered again octet by octet as it was", "[stack]")
{
    senders s{1};
    const bool reply = GENERATE(false, true);
    if (reply) {
        s.host.receive_packet(ip_packet_of(
            ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(8))));
    } else {
        REQUIRE(s.host.stack.write(s.ids[0], pattern(100)).value == 100);
    }
    octets offered[3];
    for (octets& o : offered) {
        s.host.stack.transmit(s.host.now, [&](const outgoing_frame& f) {
            o = octets_of(f);
            return &o == &offered[2] ? sink_verdict::done : sink_verdict::refused;
        });
    }
    CHECK(offered[0] == offered[1]);
    CHECK(offered[1] == offered[2]);
}

TEST_CASE("a packet that was taken is followed by one with another IP identification", "[stack]")
{
    senders s{1};
    REQUIRE(s.host.stack.write(s.ids[0], pattern(6'000)).value == 6'000);
    const auto out = s.host.drain();
    REQUIRE(out.size() > 3);
    for (std::size_t i = 1; i < out.size(); ++i) {
        CHECK(out[i].ip()->header.identification != out[i - 1].ip()->header.identification);
    }
}

TEST_CASE("a connection with a refused frame keeps its turn", "[stack]")
{
    senders s{2};
    for (const connection_id id : s.ids) {
        REQUIRE(s.host.stack.write(id, pattern(3'000)).value == 3'000);
    }
    std::uint16_t refused = 0;
    s.host.stack.transmit(s.host.now, [&](const outgoing_frame& f) {
        refused = sent_packet{{}, octets_of(f)}.tcp()->header.destination_port;
        return sink_verdict::refused;
    });
    const auto out = s.host.drain();
    REQUIRE_FALSE(out.empty());
    CHECK(out[0].tcp()->header.destination_port == refused);
}

// --- what a sink holds stays ---------------------------------------------------------------------------------------

TEST_CASE("the memory of a held frame stays as it is until transmitted(token), whatever happens", "[stack]")
{
    senders s{1};
    slow_device device;
    REQUIRE(s.host.stack.write(s.ids[0], pattern(12'000)).value == 12'000);
    s.host.receive_packet(ip_packet_of(
        ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(300))));
    s.host.stack.transmit(s.host.now, device);
    REQUIRE(device.frames.size() > 5);
    raw_tcp<raw_host<>>& peer = s.peers[0];
    SECTION("it is acknowledged")
    {
        peer.ack = peer.ack + 12'000;
        peer.send(tcp_flag::ack);
        REQUIRE(s.host.stack.info(s.ids[0]).value.send_queued == 0);
    }
    SECTION("the peer resets") { peer.send(tcp_flag::rst); }
    SECTION("the user aborts") { CHECK(s.host.stack.abort(s.ids[0]) == errc::ok); }
    SECTION("the user aborts and closes")
    {
        CHECK(s.host.stack.abort(s.ids[0]) == errc::ok);
        CHECK(s.host.stack.close(s.ids[0]) == errc::ok);
    }
    SECTION("the user closes") { CHECK(s.host.stack.close(s.ids[0]) == errc::ok); }
    SECTION("the whole stack ends its connections") { s.host.stack.abort_all(s.host.now); }
    SECTION("the device is lost, as the stack thinks") { s.host.stack.device_lost(errc::network_down); }
    SECTION("it is sent again while it is held")
    {
        s.host.now += 5_s;
        s.host.stack.advance(s.host.now);
        s.host.stack.transmit(s.host.now, device);
    }
    s.host.stack.check_invariants();
    // The slots are used anew, if they can be.
    for (int i = 0; i < 40; ++i) {
        s.host.receive_packet(ip_packet_of(
            ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), octets(1'000))));
        s.host.drain();
        static_cast<void>(s.host.stack.write(s.ids[0], octets(1'000)));
    }
    CHECK(device.unchanged());
    device.write_all(s.host.stack);
    s.host.wait(3_s);
}

TEST_CASE("each held frame of a run keeps its octets by itself", "[stack]")
{
    senders s{1, raw_host<>::default_config(), 0, 0, true};
    slow_device device;
    REQUIRE(s.host.stack.write(s.ids[0], pattern(12'000)).value == 12'000);
    s.host.stack.transmit(s.host.now, device);
    REQUIRE(device.frames.size() > 5);
    raw_tcp<raw_host<>>& peer = s.peers[0];
    peer.ack = peer.ack + 12'000;
    peer.send(tcp_flag::ack);
    const slow_device::taken last = device.frames[device.frames.size() - 2];  // the one behind it is the end: PSH
    device.frames.erase(device.frames.end() - 2);
    device.write_all(s.host.stack);
    REQUIRE(s.host.stack.write(s.ids[0], octets(12'000)).value == 12'000);  // other octets, in the slot if it is free
    device.frames = {last};
    CHECK(device.unchanged());
    device.write_all(s.host.stack);
    s.host.drain();
    s.host.stack.check_invariants();
}

TEST_CASE("tokens of frames that a device holds differ, and a token that names nothing is ignored", "[stack]")
{
    senders s{1};
    slow_device device;
    REQUIRE(s.host.stack.write(s.ids[0], pattern(12'000)).value == 12'000);
    s.host.stack.transmit(s.host.now, device);
    for (std::size_t i = 0; i < device.frames.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            CHECK_FALSE(device.frames[i].token == device.frames[k].token);
        }
    }
    s.host.stack.transmitted({0xFFFF'FFFF});
    device.write_all(s.host.stack);
    s.host.stack.transmitted({0});
    CHECK(device.unchanged());
}

TEST_CASE("no more frames are held than the outbox has entries: has_output() stops, and goes on after transmitted()",
          "[stack]")
{
    auto c = senders::bursting(60);
    c.limits.held_frames = 5;
    senders s{1, c};
    slow_device device;
    REQUIRE(s.host.stack.write(s.ids[0], pattern(30'000)).value == 30'000);
    CHECK(s.host.stack.transmit(s.host.now, device) == 5);
    CHECK_FALSE(s.host.stack.has_output());
    CHECK(s.host.stack.transmit(s.host.now, device) == 0);
    s.host.receive_packet(
        ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(8))));
    CHECK_FALSE(s.host.stack.has_output());
    CHECK(device.unchanged());
    s.host.stack.transmitted(device.frames.back().token);
    device.frames.pop_back();
    CHECK(s.host.stack.has_output());
    std::size_t total = 5;
    while (s.host.stack.has_output()) {
        const std::size_t more = s.host.stack.transmit(s.host.now, device);
        REQUIRE(more > 0);
        total += more;
        device.write_all(s.host.stack);
    }
    CHECK(total == 21 + 1);  // 30,000 octets and the echo
}

// --- budget, order, turns ------------------------------------------------------------------------------------------

TEST_CASE("transmit() offers no more than its budget and returns what was taken", "[stack]")
{
    senders s{3, senders::bursting(60)};
    for (const connection_id id : s.ids) {
        REQUIRE(s.host.stack.write(id, pattern(40'000)).value == 40'000);
    }
    for (const std::size_t budget : {0U, 1U, 2U, 7U, 16U, 17U}) {
        std::size_t offers = 0;
        CHECK(s.host.stack.transmit(
                  s.host.now,
                  [&](const outgoing_frame&) {
                      ++offers;
                      return sink_verdict::done;
                  },
                  budget) == budget);
        CHECK(offers == budget);
    }
}

TEST_CASE("a turn's budget is no congestion: who could send more than it sends keeps its cwnd", "[stack][RFC9438-4.6c]")
{
    // The first turn stops at cwnd; each later one at its budget, long before.
    constexpr std::size_t budget = 4;
    const bool is_cut = GENERATE(true, false);
    senders s{1, senders::bursting(10)};
    raw_tcp<raw_host<>>& peer = s.peers[0];
    octet_count most_in_flight = 0;
    for (int turn = 0; turn < (is_cut ? 60 : 12); ++turn) {
        static_cast<void>(s.host.stack.write(s.ids[0], pattern(500'000)));
        s.host.stack.transmit(
            s.host.now,
            [&](const outgoing_frame& f) {
                const std::size_t octets_sent = sent_packet{{}, octets_of(f)}.tcp()->payload.size();
                peer.ack = peer.ack + static_cast<std::uint32_t>(octets_sent);
                return sink_verdict::done;
            },
            is_cut && turn > 0 ? budget : 1'000);
        const tcp_info before = s.host.stack.info(s.ids[0]).value;
        REQUIRE(before.unsent > 10 * before.smss);
        most_in_flight = std::max(most_in_flight, before.in_flight);
        s.host.now += 10_ms;
        peer.send(tcp_flag::ack);
    }
    const octet_count cwnd = s.host.stack.info(s.ids[0]).value.cwnd;
    CAPTURE(cwnd, most_in_flight);
    CHECK(most_in_flight >= 10 * 1'460);
    CHECK((is_cut ? cwnd <= 2 * most_in_flight : cwnd > 60 * 1'460));
}

TEST_CASE("replies go before the octets of connections", "[stack]")
{
    senders s{1};
    REQUIRE(s.host.stack.write(s.ids[0], pattern(5'000)).value == 5'000);
    s.host.receive_packet(
        ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(8))));
    const auto out = s.host.drain();
    REQUIRE(out.size() > 2);
    CHECK(out[0].icmp());
}

TEST_CASE("connections take turns: none is ahead of another by more than a quantum", "[stack]")
{
    senders s{4, senders::bursting(100)};
    for (const connection_id id : s.ids) {
        REQUIRE(s.host.stack.write(id, pattern(140'000)).value == 140'000);
    }
    const std::size_t budget = GENERATE(1U, 5U, 16U, 1'000U);
    std::map<std::uint16_t, std::size_t> frames;
    std::size_t total = 0;
    bool fair = true;
    while (total < 4 * 80) {
        const std::size_t taken = s.host.stack.transmit(
            s.host.now,
            [&](const outgoing_frame& f) {
                ++frames[sent_packet{{}, octets_of(f)}.tcp()->header.destination_port];
                std::size_t least = ~std::size_t{0};
                std::size_t most = 0;
                for (const raw_tcp<raw_host<>>& peer : s.peers) {
                    least = std::min(least, frames[peer.self.port]);
                    most = std::max(most, frames[peer.self.port]);
                }
                fair = fair && most - least <= 16;
                return sink_verdict::done;
            },
            std::min<std::size_t>(budget, 4 * 80 - total));
        REQUIRE(taken > 0);
        total += taken;
    }
    CHECK(fair);
}

// --- sizes and offload ---------------------------------------------------------------------------------------------

TEST_CASE("without offload no frame is larger than the MTU, and its checksum is complete", "[stack][MUST-2]")
{
    auto c = senders::bursting(30);
    c.network.mtu = GENERATE(as<std::uint16_t>{}, 576, 1'280, 1'500);
    c.tcp.timestamps = true;
    senders s{1, c};
    REQUIRE(s.host.stack.write(s.ids[0], pattern(20'000)).value == 20'000);
    const auto out = s.host.drain();
    REQUIRE(out.size() > 10);
    for (const sent_packet& p : out) {
        CHECK(p.ip_octets().size() <= c.network.mtu);
        CHECK(p.tcp());
        CHECK(p.info.wire_segments == 1);
        CHECK(p.info.gso_type == gso_kind::none);
    }
    CHECK(out[0].ip_octets().size() == c.network.mtu);  // full, where there is enough to send
}

TEST_CASE("with checksum offload the field holds the sum of the pseudo-header", "[stack]")
{
    senders s{1};
    s.host.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = true});
    REQUIRE(s.host.stack.write(s.ids[0], pattern(100)).value == 100);
    const auto out = s.host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].info.checksum == checksum_state::partial);
    const auto ip = out[0].ip();
    CHECK(out[0].tcp()->header.checksum ==
          partial_checksum(stack_ip, other_ip, ip_protocol::tcp, static_cast<std::uint32_t>(ip->payload.size())));
    const auto pieces = cut(out[0].frame, out[0].info);
    REQUIRE(pieces.size() == 1);
    CHECK(sent_packet{{}, pieces[0]}.tcp());
}

// Requests and answers, each of which leaves by the short way (tcp/plain_segment.hpp): nothing of one frame stays in the
// next that is not true any more.
TEST_CASE("answers follow the neighbour, the code point and the device from one frame to the next",
          "[stack][MUST-2][MUST-48][RFC7323-3.2b]")
{
    raw_host<> host;
    host.receive(arp_frame_of(arp_operation::request, other_mac, other_ip, stack_ip));
    const listener_id l = host.stack.listen({stack_ip, 80}).value;
    raw_tcp<raw_host<>> peer{host};
    const bool timestamps = GENERATE(true, false);
    peer.options = {.has_mss = true, .sack_permitted = true, .has_timestamps = timestamps, .mss = 1'460, .tsval = 1};
    peer.open();
    const connection_id id = host.stack.accept(l).value;
    peer.options = {.has_timestamps = timestamps, .tsval = 2};
    mac_address at = other_mac;
    std::uint8_t dscp = 0;
    bool partial = false;
    std::uint16_t identification = 0;
    for (std::uint32_t i = 0; i < 24; ++i) {
        CAPTURE(i, timestamps);
        host.now += 1_ms;
        peer.options.tsval += 7;
        peer.send(tcp_flag::ack | tcp_flag::psh, pattern(10));
        switch (i) {
        case 4: REQUIRE(host.stack.set_dscp(id, 46) == errc::ok); dscp = 46; break;
        case 6:
        case 15:
            at.octets[5] = static_cast<std::uint8_t>(i);  // the host has another card
            host.receive(arp_frame_of(arp_operation::request, at, other_ip, stack_ip));
            break;
        case 8:
        case 12:
            partial = i == 8;
            host.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = partial, .tso4 = partial});
            break;
        case 17: REQUIRE(host.stack.set_dscp(id, 0) == errc::ok); dscp = 0; break;
        default: break;
        }
        const octets answer = pattern(60 + i);
        octets request(100);
        REQUIRE(host.stack.read(id, request).value == 10);
        const bool answers = i % 5 != 3;  // else the ACK leaves alone, when it is due
        if (answers) {
            REQUIRE(host.stack.write(id, answer).value == answer.size());
        }
        const auto out = host.wait(answers ? duration{} : 100_ms);
        REQUIRE_FALSE(out.empty());
        const sent_packet* p = &out.back();
        REQUIRE(p->tcp());
        CHECK(p->to_mac() == at);
        CHECK(p->ip()->header.dscp == dscp);
        CHECK(p->ip()->header.identification != identification);
        identification = p->ip()->header.identification;
        CHECK(p->info.checksum == (partial ? checksum_state::partial : checksum_state::verify));
        if (partial) {
            CHECK(p->tcp()->header.checksum ==
                  partial_checksum(stack_ip, other_ip, ip_protocol::tcp,
                                   static_cast<std::uint32_t>(p->ip()->payload.size())));
        }
        CHECK(p->tcp()->header.ack == peer.seq);
        CHECK(p->tcp()->header.has(tcp_flag::psh) == answers);
        const tcp_options said = parse_tcp_options(p->tcp()->options);
        CHECK(said.has_timestamps == timestamps);
        CHECK(said.tsecr == (timestamps ? peer.options.tsval : 0));
        CHECK(peer.take(out) == (answers ? answer : octets{}));
        peer.options.tsecr = said.tsval;
    }
}

TEST_CASE("an answer waits for a neighbour that is asked anew, and is in memory until the device has written it",
          "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.neighbour_lifetime = 5_s;
    raw_host<> host{c};
    host.receive(arp_frame_of(arp_operation::request, other_mac, other_ip, stack_ip));
    const listener_id l = host.stack.listen({stack_ip, 80}).value;
    raw_tcp<raw_host<>> peer{host};
    peer.options = {.has_mss = true, .sack_permitted = true, .mss = 1'460};
    peer.open();
    const connection_id id = host.stack.accept(l).value;
    peer.options = {};
    slow_device device;
    const auto answer = [&](std::size_t n, auto&& to) {
        peer.send(tcp_flag::ack | tcp_flag::psh, pattern(10));
        octets request(10);
        REQUIRE(host.stack.read(id, request).value == 10);
        REQUIRE(host.stack.write(id, pattern(n)).value == n);
        const std::size_t taken = host.stack.transmit(host.now, to);
        peer.ack = peer.ack + static_cast<std::uint32_t>(n);
        return taken;
    };
    for (const std::size_t n : {20U, 30U, 40U}) {
        CHECK(answer(n, device) == 1);
    }
    peer.send(tcp_flag::ack);
    REQUIRE(host.stack.info(id).value.send_queued == 0);
    for (int i = 0; i < 40; ++i) {  // slots that were free would be used anew
        host.receive_packet(ip_packet_of(
            ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), octets(1'000))));
        host.drain();
    }
    CHECK(device.unchanged());
    CHECK(device.frames.size() == 3);
    device.write_all(host.stack);

    // The neighbour is asked whether it is still there, and gives no answer: until it does, nothing leaves but requests.
    host.wait(200_s);
    CHECK(answer(50, [](const outgoing_frame&) { return sink_verdict::done; }) > 0);
    host.wait(10_s);
    host.sent.clear();
    CHECK(answer(60, [](const outgoing_frame& f) {
        CHECK_FALSE(sent_packet{{}, octets_of(f)}.tcp());
        return sink_verdict::done;
    }) <= 1);
    host.drain();
    CHECK(std::none_of(host.sent.begin(), host.sent.end(), [](const sent_packet& p) { return p.tcp().has_value(); }));
    host.receive(arp_frame_of(arp_operation::reply, other_mac, other_ip, stack_ip, stack_mac));
    const auto out = host.drain();
    REQUIRE_FALSE(out.empty());
    CHECK(out.back().tcp()->payload.size() == 60);
}

namespace {

struct transfer {
    octets text;
    std::vector<octets> segments;  // TCP header and payload, as on the wire
    std::size_t frames = 0;
};

// Sends 300,000 octets to a peer that acknowledges each flight, through a device that cuts what is larger than a
// segment.
transfer transfer_with(std::uint32_t tso_max, std::size_t urgent = 0)
{
    senders s{1, senders::bursting(60)};
    s.host.stack.configure_device(
        {.mtu = 1'500, .tx_checksum_offload = tso_max != 0, .tso4 = tso_max != 0, .tso_max = tso_max});
    raw_tcp<raw_host<>>& peer = s.peers[0];
    const octets text = pattern(300'000);
    const sequence_number first = peer.ack;
    REQUIRE(s.host.stack.write_urgent(s.ids[0], std::span{text}.first(urgent)).value == urgent);
    REQUIRE(s.host.stack.write(s.ids[0], std::span{text}.subspan(urgent)).value == text.size() - urgent);
    const std::uint64_t before = s.host.stack.counters().segments_sent;
    transfer t;
    while (t.text.size() < text.size()) {
        const auto out = s.host.drain();
        REQUIRE_FALSE(out.empty());
        for (const sent_packet& p : out) {
            ++t.frames;
            const auto pieces = cut(p.frame, p.info);
            CHECK(p.info.wire_segments == pieces.size());
            CHECK(p.ip_octets().size() <= std::max<std::size_t>(1'500, tso_max));
            for (const octets& piece : pieces) {
                const sent_packet one{p.at, piece};
                REQUIRE(one.tcp());
                CHECK(one.ip_octets().size() <= 1'500);
                t.text.insert(t.text.end(), one.tcp()->payload.begin(), one.tcp()->payload.end());
                const auto segment = one.ip()->payload;
                t.segments.emplace_back(segment.begin(), segment.end());
            }
        }
        peer.ack = first + static_cast<std::uint32_t>(t.text.size());
        peer.send(tcp_flag::ack);
    }
    CHECK(t.text == text);
    CHECK(s.host.stack.counters().segments_sent - before == t.segments.size());
    return t;
}

}  // namespace

TEST_CASE("super-frames: a device that cuts them sends what a stack without offload sends", "[stack]")
{
    const transfer plain = transfer_with(0);
    const transfer offloaded = transfer_with(GENERATE(4'000U, 20'000U, 65'535U));
    CHECK(plain.frames == plain.segments.size());
    CHECK(offloaded.frames < plain.frames);
    CHECK(offloaded.segments == plain.segments);
}

TEST_CASE("super-frames: what is urgent leaves in plain segments, each with a pointer of its own", "[stack][MUST-62]")
{
    const transfer plain = transfer_with(0, 100'000);
    const transfer offloaded = transfer_with(65'535, 100'000);
    CHECK(offloaded.frames < plain.frames);
    CHECK(offloaded.segments == plain.segments);
}

TEST_CASE("super-frames: octets written in many small pieces fill a frame as far as its gather list goes", "[stack]")
{
    senders s{1, senders::bursting(60)};
    s.host.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    const octets text = pattern(60'000);
    for (std::size_t at = 0; at < text.size(); at += 100) {
        REQUIRE(s.host.stack.write(s.ids[0], std::span{text}.subspan(at, 100)).value == 100);
    }
    octets got;
    for (const sent_packet& p : s.host.drain()) {
        for (const octets& piece : cut(p.frame, p.info)) {
            const sent_packet one{p.at, piece};
            const auto tcp = one.tcp();
            REQUIRE(tcp);
            got.insert(got.end(), tcp->payload.begin(), tcp->payload.end());
        }
    }
    CHECK(got == text);
}

TEST_CASE("super-frames: a count of marks that has CWR's bit leaves in plain segments, all with the same flags",
          "[stack][RFC9768-3.3.4a]")
{
    auto config = senders::bursting(60);
    config.tcp.ecn = ecn_use::accept_accurate;
    senders s{1, config, tcp_flag::ae | tcp_flag::cwr | tcp_flag::ece, tcp_flag::cwr};
    s.host.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    raw_tcp<raw_host<>>& peer = s.peers[0];
    constexpr std::uint16_t counter = tcp_flag::ae | tcp_flag::ece;  // 5: none yet
    for (unsigned ace : {5u, 6u, 7u, 0u, 1u, 2u, 3u, 4u, 5u}) {
        REQUIRE(s.host.stack.write(s.ids[0], pattern(10'000)).value == 10'000);
        std::size_t frames = 0;
        for (const sent_packet& p : s.host.drain()) {
            ++frames;
            CHECK(tcpco::detail::ace_of(p.tcp()->header.flags) == ace);
            peer.ack = peer.ack + static_cast<std::uint32_t>(p.tcp()->payload.size());
        }
        CHECK(frames == ((ace & 2) != 0 ? 7 : 1));
        peer.ecn = ecn_codepoint::ce;
        peer.send(tcp_flag::ack | counter, pattern(1));  // one more mark
        peer.ecn = 0;
        s.host.drain();
    }
}

TEST_CASE("super-frames: a head whose size is asked about leaves in a piece of its own", "[stack][RFC8899-5.2a]")
{
    senders s{1, senders::bursting(60)};
    s.host.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    REQUIRE(s.host.stack.write(s.ids[0], pattern(10'000)).value == 10'000);
    REQUIRE(s.host.drain().size() == 1);
    const auto sent_again = s.host.wait(duration{8'000'000'000});  // after 1, 3 and 7 s
    REQUIRE(sent_again.size() >= 3);
    CHECK(sent_again.back().tcp()->payload.size() == 1'024);
    CHECK(sent_again.back().info.wire_segments == 1);
}
