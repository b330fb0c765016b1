#include "tcpco/stack/tcp_input.hpp"

#include <functional>
#include <memory>
#include <numeric>

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

// So that one table can provoke a refusal by the state machine, too.
struct refusing_policies : default_policies {
    using state_machine = state_machines::no_simultaneous_open;
};

using refusing_host = raw_host<refusing_policies>;
using refusing_peer = raw_tcp<refusing_host>;

octets udp_of(const ip_options& ip = {}) { return ip_packet_of(ip_protocol::udp, pattern(20), ip); }
octets echo_of(std::size_t size, const ip_options& ip = {})
{
    return ip_packet_of(ip_protocol::icmp,
                        icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(size)), ip);
}

// The stack for one row, with a listener at port 80. mark() says that what follows is the packet to be dropped.
struct provocation {
    stack_config<refusing_policies> config = refusing_host::default_config();
    std::unique_ptr<refusing_host> made;
    std::optional<refusing_peer> peer_;
    std::optional<refusing_peer> second_;
    listener_id listener{};
    connection_id id{};
    std::array<std::uint64_t, drop_reason_count> before{};

    refusing_host& host()
    {
        if (!made) {
            made = std::make_unique<refusing_host>(config);
            made->know();
            listener = made->stack.listen({stack_ip, 80}, 1).value;
            peer_.emplace(refusing_peer{*made});
            second_.emplace(refusing_peer{*made});
            second_->self.port = 5'001;
        }
        return *made;
    }
    refusing_peer& peer()
    {
        host();
        return *peer_;
    }
    refusing_peer& second()
    {
        host();
        return *second_;
    }
    refusing_peer& established()
    {
        peer().open();
        id = host().stack.accept(listener).value;
        return peer();
    }
    refusing_peer& established_with_timestamps()
    {
        peer().options.has_timestamps = true;
        peer().options.tsval = 100;
        return established();
    }
    refusing_peer& connecting()
    {
        refusing_peer& p = peer();
        id = host().stack.connect(p.self, {.local = {stack_ip, 4'000}}).value;
        p.stack.port = 4'000;
        p.take();
        return p;
    }
    refusing_peer& time_waiting()
    {
        refusing_peer& p = established();
        static_cast<void>(host().stack.shutdown(id));
        p.take();
        p.send(tcp_flag::fin | tcp_flag::ack);
        host().drain();
        return p;
    }
    void mark() { before = host().stack.counters().dropped; }
};

struct row {
    drop_reason reason;
    std::function<void(provocation&)> provoke;
};

const std::vector<row>& rows()
{
    using f = provocation&;
    static const std::vector<row> table{
        {drop_reason::frame_too_short,
         [](f p) {
             p.mark();
             p.host().receive(octets(13));
         }},
        {drop_reason::frame_too_short,
         [](f p) {
             p.mark();
             octets packet = udp_of();
             packet.pop_back();
             p.host().receive_packet(packet);
         }},
        {drop_reason::wrong_mac,
         [](f p) {
             p.mark();
             p.host().receive(
                 ethernet_frame_of(ethertype::ipv4, udp_of(), {other_mac, mac_address{{2, 9, 9, 9, 9, 9}}}));
         }},
        {drop_reason::unknown_ethertype,
         [](f p) {
             p.mark();
             p.host().receive(ethernet_frame_of(ethertype::vlan, udp_of()));
         }},
        {drop_reason::unknown_ethertype,
         [](f p) {
             p.mark();
             octets v6(40);
             v6[0] = std::byte{0x60};
             p.host().receive_packet(v6);
         }},
        {drop_reason::arp_malformed,
         [](f p) {
             p.mark();
             p.host().receive(ethernet_frame_of(ethertype::arp, octets(arp_packet_size)));
         }},
        {drop_reason::ip_malformed,
         [](f p) {
             p.mark();
             octets packet = udp_of();
             packet[0] = std::byte{0x44};
             p.host().receive_packet(packet);
         }},
        {drop_reason::ip_checksum,
         [](f p) {
             p.mark();
             octets packet = udp_of();
             packet[8] ^= std::byte{1};
             p.host().receive_packet(packet);
         }},
        {drop_reason::ip_fragment,
         [](f p) {
             p.mark();
             p.host().receive_packet(udp_of({.more_fragments = true}));
         }},
        {drop_reason::ip_not_ours,
         [](f p) {
             p.mark();
             p.host().receive_packet(udp_of({.destination = "192.0.2.77"_ip}));
         }},
        {drop_reason::ip_bad_source,
         [](f p) {
             p.mark();
             p.host().receive_packet(udp_of({.source = "255.255.255.255"_ip}));
         }},
        {drop_reason::ip_unknown_protocol,
         [](f p) {
             p.mark();
             p.host().receive_packet(udp_of());
         }},
        {drop_reason::icmp_malformed,
         [](f p) {
             p.mark();
             p.host().receive_packet(ip_packet_of(ip_protocol::icmp, octets(3)));
         }},
        {drop_reason::icmp_ignored,
         [](f p) {
             p.mark();
             p.host().receive_packet(
                 ip_packet_of(ip_protocol::icmp, icmp_message_of({icmp_type::source_quench, 0, 0}, udp_of())));
         }},
        {drop_reason::tcp_malformed,
         [](f p) {
             p.mark();
             p.host().receive_packet(ip_packet_of(ip_protocol::tcp, octets(19)));
         }},
        {drop_reason::tcp_malformed,
         [](f p) {
             p.mark();
             p.host().receive_packet(ip_packet_of(ip_protocol::tcp, octets(20)));
         }},
        {drop_reason::tcp_checksum,
         [](f p) {
             octets packet = p.peer().packet(tcp_flag::syn);
             packet.back() ^= std::byte{1};
             p.mark();
             p.host().receive_packet(packet);
         }},
        {drop_reason::tcp_to_broadcast,
         [](f p) {
             const octets packet = p.peer().packet(tcp_flag::syn);
             p.mark();
             p.host().receive(ethernet_frame_of(ethertype::ipv4, packet, {other_mac, mac_address::broadcast()}));
         }},
        {drop_reason::tcp_no_connection,
         [](f p) {
             p.peer().stack.port = 81;
             p.mark();
             p.peer().send(tcp_flag::syn);
         }},
        {drop_reason::tcp_no_connection,
         [](f p) {
             p.peer();
             p.mark();
             p.peer().send(tcp_flag::rst);
         }},
        {drop_reason::tcp_no_connection,
         [](f p) {
             p.peer();
             p.mark();
             p.peer().send(tcp_flag::ack);
         }},
        {drop_reason::tcp_no_connection,
         [](f p) {
             p.peer();
             p.mark();
             p.peer().send(0);
         }},
        {drop_reason::tcp_bad_ack_in_syn_sent,
         [](f p) {
             refusing_peer& peer = p.connecting();
             p.mark();
             p.host().receive_packet(peer.packet(tcp_flag::syn | tcp_flag::ack, peer.seq, peer.ack + 1));
         }},
        {drop_reason::tcp_out_of_window,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             peer.send_at(tcp_flag::ack, -1);
         }},
        {drop_reason::tcp_out_of_window,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             peer.send_at(tcp_flag::rst, -1);
         }},
        {drop_reason::tcp_paws,
         [](f p) {
             refusing_peer& peer = p.established_with_timestamps();
             peer.options.tsval = 99;
             p.mark();
             peer.send(tcp_flag::ack, pattern(10));
         }},
        {drop_reason::tcp_missing_timestamp,
         [](f p) {
             refusing_peer& peer = p.established_with_timestamps();
             peer.options = {};
             p.mark();
             peer.send(tcp_flag::ack, pattern(10));
         }},
        {drop_reason::tcp_bad_rst,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             peer.send_at(tcp_flag::rst, 1);
         }},
        {drop_reason::tcp_unexpected_syn,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             peer.send_at(tcp_flag::syn, 1);
         }},
        {drop_reason::tcp_no_ack_bit,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             peer.send(0, pattern(10));
         }},
        {drop_reason::tcp_ack_of_unsent,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             p.host().receive_packet(peer.packet(tcp_flag::ack, peer.seq, peer.ack + 1));
         }},
        {drop_reason::tcp_ack_too_old,
         [](f p) {
             refusing_peer& peer = p.established();
             p.mark();
             p.host().receive_packet(peer.packet(tcp_flag::ack, peer.seq, peer.ack - 70'000));
         }},
        {drop_reason::tcp_text_after_fin,
         [](f p) {
             refusing_peer& peer = p.established();
             peer.send(tcp_flag::fin | tcp_flag::ack);
             p.mark();
             peer.send(tcp_flag::ack, pattern(10));
         }},
        {drop_reason::tcp_refused_by_machine,
         [](f p) {
             refusing_peer& peer = p.connecting();
             p.mark();
             peer.send(tcp_flag::syn);
         }},
        {drop_reason::tcp_syn_in_time_wait,
         [](f p) {
             refusing_peer& peer = p.time_waiting();
             p.mark();
             p.host().receive_packet(peer.packet(tcp_flag::syn, peer.seq - 100, {0}));
         }},
        {drop_reason::tcp_rst_in_time_wait,
         [](f p) {
             refusing_peer& peer = p.time_waiting();
             p.mark();
             peer.send(tcp_flag::rst);
         }},
        {drop_reason::tcp_syn_in_time_wait,
         [](f p) {
             refusing_peer& peer = p.time_waiting();
             p.mark();
             peer.send_at(tcp_flag::syn, -1);
         }},
        {drop_reason::syn_cookie_invalid,
         [](f p) {
             p.peer().send(tcp_flag::syn);
             p.second().send(tcp_flag::syn);  // the SYN queue has one place: a cookie
             p.mark();
             p.second().send(tcp_flag::ack);
         }},
        {drop_reason::syn_backlog_full,
         [](f p) {
             p.config.syn_defence.use = syn::cookies::when::off;
             p.peer().send(tcp_flag::syn);
             p.mark();
             p.second().send(tcp_flag::syn);
         }},
        {drop_reason::accept_queue_full,
         [](f p) {
             p.peer().open();
             p.mark();
             p.second().send(tcp_flag::syn);
         }},
        {drop_reason::no_connection_slot,
         [](f p) {
             p.config.limits.connections = 1;
             p.connecting();
             p.mark();
             p.second().send(tcp_flag::syn);
         }},
        {drop_reason::no_buffer,
         [](f p) {
             p.config.limits.frame_slots = 0;
             p.host();
             p.mark();
             p.host().receive_packet(udp_of());
         }},
        {drop_reason::out_of_order_limit,
         [](f p) {
             p.config.tcp.maximum_ranges = 2;
             refusing_peer& peer = p.established();
             peer.send_at(tcp_flag::ack, 100, pattern(10));
             peer.send_at(tcp_flag::ack, 200, pattern(10));
             p.mark();
             peer.send_at(tcp_flag::ack, 300, pattern(10));
         }},
        {drop_reason::reply_queue_full,
         [](f p) {
             p.config.limits.replies = 1;
             p.host().receive_packet(echo_of(8));
             p.mark();
             p.host().receive_packet(echo_of(8));
         }},
        {drop_reason::neighbour_unresolved,
         [](f p) {
             const ip_options stranger{.source = "192.0.2.66"_ip};
             for (std::size_t i = 0; i < neighbour_cache::waiting_packets; ++i) {
                 p.host().receive_packet(echo_of(8, stranger));
             }
             p.mark();
             p.host().receive_packet(echo_of(8, stranger));
         }},
        {drop_reason::no_route,
         [](f p) {
             p.host();
             p.mark();
             p.host().receive_packet(echo_of(8, {.source = "198.18.0.1"_ip}));
         }},
        {drop_reason::quiet_time,
         [](f p) {
             p.config.tcp.quiet_time = duration{1'000'000'000'000};
             p.peer().send(tcp_flag::syn);
         }},
    };
    return table;
}

}  // namespace

TEST_CASE("each dropped packet has one reason, and is counted once", "[stack]")
{
    for (std::size_t i = 0; i < rows().size(); ++i) {
        const row& r = rows()[i];
        INFO("row " << i << ": " << to_string(r.reason));
        provocation p;
        r.provoke(p);
        for (std::size_t k = 0; k < drop_reason_count; ++k) {
            const auto reason = static_cast<drop_reason>(k);
            INFO("counted as " << to_string(reason));
            CHECK(p.host().dropped(reason) - p.before[k] == (reason == r.reason ? 1U : 0U));
        }
    }
}

TEST_CASE("no reason is missing in the table above", "[stack]")
{
    for (std::size_t k = 0; k < drop_reason_count; ++k) {
        const auto reason = static_cast<drop_reason>(k);
        INFO(to_string(reason));
        const bool provoked =
            std::any_of(rows().begin(), rows().end(), [&](const row& r) { return r.reason == reason; });
        // The first is counted by the driver, the second needs a guard (syn_guards_test.cpp).
        CHECK(provoked != (reason == drop_reason::device_truncated || reason == drop_reason::syn_rate_limited));
    }
}

TEST_CASE("a SYN outside the window of a connection is one dropped segment", "[stack]")
{
    provocation p;
    refusing_peer& peer = p.established();
    p.mark();
    peer.send_at(tcp_flag::syn, -100);
    CHECK(p.host().dropped() - std::accumulate(p.before.begin(), p.before.end(), std::uint64_t{0}) == 1);
}

TEST_CASE("what is taken is not counted as dropped", "[stack]")
{
    provocation p;
    refusing_peer& peer = p.established();
    peer.send(tcp_flag::ack | tcp_flag::psh, pattern(1'000));
    p.host().drain();
    peer.send(tcp_flag::ack | tcp_flag::fin);
    p.host().drain();
    p.host().receive_packet(echo_of(10));
    p.host().drain();
    CHECK(p.host().dropped() == 0);
}

// --- who gets a segment --------------------------------------------------------------------------------------------

TEST_CASE("segments for nobody: the reset that RFC 9293 asks for, and none for a reset", "[stack][RFC9293-3.10.7.1]")
{
    raw_host<> host;
    host.know();
    raw_tcp<raw_host<>> peer{host};
    SECTION("with ACK: its number is the reset's sequence number")
    {
        peer.ack = {77'777};
        peer.send(tcp_flag::ack, pattern(5));
        const auto out = host.drain();
        REQUIRE(out.size() == 1);
        CHECK(out[0].tcp()->header.flags == tcp_flag::rst);
        CHECK(out[0].tcp()->header.seq == sequence_number{77'777});
    }
    SECTION("without: sequence number 0, and all is acknowledged")
    {
        host.receive_packet(peer.packet(tcp_flag::syn | tcp_flag::fin, pattern(5)));
        const auto out = host.drain();
        REQUIRE(out.size() == 1);
        CHECK(out[0].tcp()->header.flags == (tcp_flag::rst | tcp_flag::ack));
        CHECK(out[0].tcp()->header.seq == sequence_number{0});
        CHECK(out[0].tcp()->header.ack == peer.seq + 7);
    }
    SECTION("a reset")
    {
        peer.send(tcp_flag::rst | tcp_flag::ack);
        CHECK(host.drain().empty());
    }
}

TEST_CASE("a listener for the exact address goes before one for any address", "[stack]")
{
    raw_host<> host;
    host.know();
    const listener_id any = host.stack.listen({ip_address{}, 80}).value;
    const listener_id exact = host.stack.listen({stack_ip, 80}).value;
    raw_tcp<raw_host<>> peer{host};
    peer.open();
    CHECK(host.stack.accept(any).ec == errc::would_block);
    CHECK(host.stack.accept(exact).ec == errc::ok);
    REQUIRE(host.stack.close(exact) == errc::ok);
    raw_tcp<raw_host<>> second{host};
    second.self.port = 5'001;
    second.open();
    CHECK(host.stack.accept(any).ec == errc::ok);
}

TEST_CASE("TIME-WAIT: a new SYN beyond the old connection opens one with a later sequence number",
          "[stack][MAY-2][RFC6191]")
{
    provocation p;
    refusing_peer& peer = p.time_waiting();
    const sequence_number old = peer.ack;
    REQUIRE(p.host().stack.info(p.id).value.state == tcp_state::time_wait);
    peer.seq = peer.seq + 1'000;
    peer.send(tcp_flag::syn);
    const auto out = p.host().drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.has(tcp_flag::syn | tcp_flag::ack));
    CHECK(out[0].tcp()->header.seq - old > 0);
    CHECK(p.host().stack.info(p.id).value.state == tcp_state::closed);  // its owner still may look
}

TEST_CASE("TIME-WAIT: an old SYN, or one for a port that nobody listens to any more, reopens nothing",
          "[stack][RFC6191]")
{
    provocation p;
    refusing_peer& peer = p.time_waiting();
    if (GENERATE(true, false)) {
        peer.seq = peer.seq - 1'000;
    } else {
        static_cast<void>(p.host().stack.close(p.listener));
        peer.seq = peer.seq + 1'000;
    }
    peer.send(tcp_flag::syn);
    CHECK(p.host().stack.info(p.id).value.state == tcp_state::time_wait);
    for (const sent_packet& out : p.host().drain()) {
        CHECK(out.tcp()->header.flags == tcp_flag::ack);
    }
}

// --- frames that a device merged or checked ------------------------------------------------------------------------

TEST_CASE("a super-frame counts as the segments that it was on the wire", "[stack]")
{
    provocation p;
    refusing_peer& peer = p.established();
    const std::uint64_t before = p.host().stack.counters().segments_received;
    peer.info.gso_type = gso_kind::tcp_v4;
    peer.info.gso_size = 1'000;
    peer.info.wire_segments = 10;
    peer.send(tcp_flag::ack, pattern(10'000));
    CHECK(p.host().stack.counters().segments_received == before + 10);
    octets got(20'000);
    CHECK(p.host().stack.read(p.id, got).value == 10'000);
    got.resize(10'000);
    CHECK(got == pattern(10'000));
    const auto out = p.host().drain();
    REQUIRE(out.size() == 1);  // ten segments are more than two: acknowledged at once
    CHECK(out[0].tcp()->header.ack == peer.seq);
}

TEST_CASE("a checksum that the device checked or left out is not checked again, one that it left to us is",
          "[stack][MUST-3]")
{
    provocation p;
    refusing_peer& peer = p.established();
    octets packet = peer.packet(tcp_flag::ack | tcp_flag::psh, pattern(100));
    write_be16(packet, ipv4_header_size + 16, 0x1234);
    frame_info info;
    info.checksum = GENERATE(checksum_state::verify, checksum_state::partial, checksum_state::good);
    p.host().receive_packet(packet, info);
    const bool taken = info.checksum != checksum_state::verify;
    CHECK(p.host().stack.info(p.id).value.receive_queued == (taken ? 100 : 0));
    CHECK(p.host().dropped(drop_reason::tcp_checksum) == (taken ? 0U : 1U));
}

TEST_CASE("damaged text is dropped, also where all before it was as expected", "[stack][MUST-3]")
{
    provocation p;
    refusing_peer& peer = p.established();
    for (int i = 0; i < 3; ++i) {
        peer.send(tcp_flag::ack, pattern(100));
    }
    octets damaged = peer.packet(tcp_flag::ack, pattern(100));
    damaged.back() ^= std::byte{1};
    p.host().receive_packet(damaged);
    CHECK(p.host().dropped(drop_reason::tcp_checksum) == 1);
    octets got(1'000);
    CHECK(p.host().stack.read(p.id, got).value == 300);
    peer.send(tcp_flag::ack, pattern(100));
    CHECK(p.host().stack.read(p.id, got).value == 100);
}

TEST_CASE("in a run of segments each is verified and counted, and a damaged one leaves no trace", "[stack][MUST-3]")
{
    provocation p;
    refusing_peer& peer = p.established();
    const auto& counters = p.host().stack.counters();
    const std::uint64_t before = counters.segments_received;
    for (unsigned i = 1; i <= 10; ++i) {
        octets damaged = peer.packet(tcp_flag::ack, pattern(100));
        damaged[damaged.size() - i] ^= std::byte{1};
        p.host().receive_packet(damaged);
        CHECK(counters.segments_received == before + i - 1);
        CHECK(p.host().dropped(drop_reason::tcp_checksum) == i);
        peer.send(i % 3 == 0 ? tcp_flag::ack | tcp_flag::psh : tcp_flag::ack, pattern(100));
        const tcp_info info = p.host().stack.info(p.id).value;
        CHECK(info.receive_queued == 100 * i);
        CHECK(info.data_segments_received == i);
        CHECK(info.since_received == duration{});
        CHECK(counters.segments_received == before + i);
        std::uint8_t news = 0;
        while (const auto event = p.host().stack.poll_event()) {
            news = event->connection == p.id ? static_cast<std::uint8_t>(news | event->what) : news;
        }
        CHECK((news & readiness::readable) != 0);
        const auto out = p.host().drain();
        REQUIRE(out.size() == 1);  // the first ones are acknowledged at once
        CHECK(out[0].tcp()->header.ack == peer.seq);
        p.host().now += 1_ms;
    }
}

TEST_CASE("padding behind the IP packet is no payload", "[stack]")
{
    provocation p;
    refusing_peer& peer = p.established();
    octets packet = peer.packet(tcp_flag::ack, pattern(1));
    packet.resize(packet.size() + 5);
    p.host().receive_packet(packet);
    CHECK(p.host().stack.info(p.id).value.receive_queued == 1);
}
