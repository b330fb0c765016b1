#include "tcpco/stack/network_layer.hpp"

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

const ip_address elsewhere = "198.18.7.7"_ip;  // not on the link

octets echo_of(std::uint16_t sequence, std::size_t size = 32, const ip_options& ip = {})
{
    return ip_packet_of(ip_protocol::icmp,
                        icmp_message_of(icmp_header::echo(icmp_type::echo_request, 0x1234, sequence), pattern(size)),
                        ip);
}

octets udp_of(std::size_t size = 20, const ip_options& ip = {})
{
    return ip_packet_of(ip_protocol::udp, pattern(size), ip);
}

octets arp_request(ip_address target = stack_ip, ip_address sender = other_ip, mac_address mac = other_mac)
{
    return arp_frame_of(arp_operation::request, mac, sender, target);
}
octets arp_reply(ip_address sender = other_ip, mac_address mac = other_mac)
{
    return arp_frame_of(arp_operation::reply, mac, sender, stack_ip, stack_mac);
}

std::size_t count_arp_requests(const std::vector<sent_packet>& packets, ip_address target = other_ip)
{
    std::size_t n = 0;
    for (const sent_packet& p : packets) {
        const auto arp = p.arp();
        n += arp && arp->operation == arp_operation::request && arp->target_ip == target.v4() ? 1U : 0U;
    }
    return n;
}

std::size_t count_icmp(const std::vector<sent_packet>& packets, icmp_type type)
{
    std::size_t n = 0;
    for (const sent_packet& p : packets) {
        const auto icmp = p.icmp();
        n += icmp && icmp->header.type == type ? 1U : 0U;
    }
    return n;
}

// A connection of the other end to port 80, accepted, its neighbour learnt by ARP.
struct established {
    raw_host<> host;
    raw_tcp<raw_host<>> peer{host};
    connection_id id{};

    explicit established(const stack_config<default_policies>& c = raw_host<>::default_config()) : host{c}
    {
        const listener_id l = host.stack.listen({stack_ip, 80}).value;
        host.receive(arp_request());
        host.drain();
        peer.open();
        id = host.stack.accept(l).value;
    }
};

}  // namespace

// --- ARP -----------------------------------------------------------------------------------------------------------

TEST_CASE("ARP: a request for our address is answered to the asker, and the asker is learnt (RFC 826)",
          "[stack][RFC826]")
{
    raw_host<> host;
    host.receive(arp_request());
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    const auto reply = out[0].arp();
    REQUIRE(reply);
    CHECK(*reply == arp_packet{arp_operation::reply, stack_mac, stack_ip.v4(), other_mac, other_ip.v4()});
    CHECK(out[0].to_mac() == other_mac);

    host.receive_packet(echo_of(1));
    const auto echo = host.drain();
    REQUIRE(echo.size() == 1);  // no ARP in between
    CHECK(echo[0].icmp());
    CHECK(echo[0].to_mac() == other_mac);
}

TEST_CASE("ARP: a probe from 0.0.0.0 for our address is answered, and nothing is learnt from it", "[stack][RFC826]")
{
    raw_host<> host;
    host.receive(arp_request(stack_ip, ip_address{}));
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].arp()->operation == arp_operation::reply);
    CHECK(host.dropped() == 0);
}

TEST_CASE("ARP: requests for others are not answered and leave no entry behind", "[stack][RFC826]")
{
    raw_host<> host;
    host.receive(arp_request("192.0.2.44"_ip));
    CHECK(host.drain().empty());
    host.receive_packet(echo_of(1));
    CHECK(count_arp_requests(host.drain()) == 1);
}

TEST_CASE("ARP: the SYN of a connect waits for the answer and goes to the address it names", "[stack][RFC826]")
{
    raw_host<> host;
    REQUIRE(host.stack.connect({other_ip, 80}).ec == errc::ok);
    const auto asked = host.drain();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].to_mac() == mac_address::broadcast());
    CHECK(*asked[0].arp() ==
          arp_packet{arp_operation::request, stack_mac, stack_ip.v4(), mac_address{}, other_ip.v4()});
    host.receive(arp_reply());
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    REQUIRE(out[0].tcp());
    CHECK(out[0].tcp()->header.has(tcp_flag::syn));
    CHECK(out[0].to_mac() == other_mac);
}

TEST_CASE("ARP: every reply that waits for an address is sent when it is resolved", "[stack][RFC1122-2.3.2.2]")
{
    raw_host<> host;
    for (std::uint16_t i = 0; i < neighbour_cache::waiting_packets; ++i) {
        host.receive_packet(echo_of(i));
    }
    CHECK(count_arp_requests(host.drain()) == 1);
    host.receive(arp_reply());
    const auto out = host.drain();
    REQUIRE(out.size() == neighbour_cache::waiting_packets);
    for (std::uint16_t i = 0; i < out.size(); ++i) {
        REQUIRE(out[i].icmp());
        CHECK(out[i].icmp()->header.sequence() == i);  // in their order
        CHECK(out[i].to_mac() == other_mac);
    }
    CHECK(host.dropped() == 0);
}

TEST_CASE("ARP: what waits beyond the limit is dropped and counted, each once", "[stack]")
{
    raw_host<> host;
    for (std::uint16_t i = 0; i < neighbour_cache::waiting_packets + 3; ++i) {
        host.receive_packet(echo_of(i));
    }
    CHECK(host.dropped(drop_reason::neighbour_unresolved) == 3);
    CHECK(host.dropped() == 3);
    SECTION("and so is what waited in vain")
    {
        host.wait(10_s);
        CHECK(host.dropped(drop_reason::neighbour_unresolved) == 3 + neighbour_cache::waiting_packets);
    }
}

TEST_CASE("ARP: one request a second, three tries, then connect ends with host_unreachable", "[stack][RFC1122-2.3.2.1]")
{
    raw_host<> host;
    const connection_id id = host.stack.connect({other_ip, 80}).value;
    const time_point began = host.now;
    const auto out = host.wait(20_s);
    REQUIRE(out.size() == 3);
    CHECK(count_arp_requests(out) == 3);
    CHECK(out[0].at == began);
    CHECK(out[1].at == began + 1_s);
    CHECK(out[2].at == began + 2_s);
    CHECK(host.stack.info(id).value.state == tcp_state::closed);
    CHECK(host.stack.error_of(id) == errc::host_unreachable);
    std::byte one{};
    CHECK(host.stack.read(id, {&one, 1}).ec == errc::host_unreachable);
    CHECK(host.stack.deadline() == time_point::never());
}

TEST_CASE("ARP: after a failure the address rests for an interval, and is then asked for again", "[stack]")
{
    raw_host<> host;
    static_cast<void>(host.stack.connect({other_ip, 80}));
    host.wait(duration{3'000'000'000});  // failed just now
    const connection_id again = host.stack.connect({other_ip, 80}).value;
    CHECK(count_arp_requests(host.drain()) == 0);
    CHECK(count_arp_requests(host.wait(1_s)) == 1);
    host.receive(arp_reply());
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.has(tcp_flag::syn));
    CHECK(host.stack.info(again).value.state == tcp_state::syn_sent);
}

TEST_CASE("ARP: an old entry is confirmed by unicast while it is used, and traffic does not wait",
          "[stack][RFC1122-2.3.2.1]")
{
    established e;
    e.host.wait(61_s);
    REQUIRE(e.host.stack.write(e.id, as_octets("hello")).value == 5);
    const auto out = e.host.drain();
    CHECK(count_arp_requests(e.host.wait(duration{1'000'000})) + count_arp_requests(out) == 1);
    CHECK(e.peer.take(e.host.sent).size() == 5);
    for (const sent_packet& p : e.host.sent) {
        if (p.at == out[0].at && p.arp()) {
            CHECK(p.to_mac() == other_mac);
        }
    }
    e.host.receive(arp_reply());
    e.peer.send(tcp_flag::ack);  // else the neighbour is doubted again
    CHECK(count_arp_requests(e.host.wait(30_s)) == 0);
}

TEST_CASE("ARP: an entry that is not used is not asked for again", "[stack]")
{
    established e;
    CHECK(e.host.wait(600_s).empty());
}

TEST_CASE("ARP: an established connection survives the neighbour's absence and goes on when it is back", "[stack]")
{
    established e;
    e.host.wait(61_s);
    const octets text = pattern(4'000);
    REQUIRE(e.host.stack.write(e.id, text).value == text.size());
    e.host.wait(10_s);  // confirmation fails, retransmissions wait
    CHECK(e.host.stack.info(e.id).value.state == tcp_state::established);
    CHECK(e.host.stack.info(e.id).value.soft_error == errc::host_unreachable);
    e.host.receive(arp_reply(other_ip, mac_address{{2, 2, 2, 2, 2, 2}}));
    octets got;
    for (int i = 0; i < 60 && got.size() < text.size(); ++i) {
        const auto out = e.host.wait(1_s);
        for (const sent_packet& p : out) {
            CHECK(p.to_mac() == mac_address{{2, 2, 2, 2, 2, 2}});
        }
        const octets more = e.peer.take(out);
        got.insert(got.end(), more.begin(), more.end());
        e.peer.send(tcp_flag::ack);
    }
    CHECK(got == text);
}

TEST_CASE("ARP: octets written after the neighbour went away end the connection in the end (R2)",
          "[stack][RFC9293-3.8.3]")
{
    established e;
    e.host.wait(61_s);
    REQUIRE(e.host.stack.write(e.id, as_octets("hello")).value == 5);
    e.peer.take(e.host.wait(1_ms));
    e.peer.send(tcp_flag::ack);
    e.host.wait(10_s);  // the confirmation failed, nothing is in flight
    REQUIRE(e.host.stack.write(e.id, as_octets("again")).value == 5);
    e.host.wait(3'600_s);
    CHECK(e.host.stack.error_of(e.id) == errc::host_unreachable);
}

TEST_CASE("ARP: a wait for the neighbour that ended well is forgotten at the next one", "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.neighbours = 1;
    c.receive_window.capacity = 5'000;
    established e{c};
    const auto forget_neighbour = [&] {
        e.host.receive(arp_request(stack_ip, "192.0.2.50"_ip));
    };  // takes the only place
    e.host.drain();
    forget_neighbour();
    e.host.drain();
    for (int i = 0; i < 5; ++i) {
        e.peer.send(tcp_flag::ack, pattern(1'000));
    }
    REQUIRE(count_arp_requests(e.host.drain()) == 1);  // the ACK waits
    e.host.now += 500_ms;
    e.host.receive(arp_reply());
    REQUIRE_FALSE(e.host.drain().empty());
    forget_neighbour();
    e.host.wait(200_s);
    octets got(5'000);
    REQUIRE(e.host.stack.read(e.id, got).value == 5'000);  // owes a window update
    REQUIRE(count_arp_requests(e.host.drain()) == 1);
    CHECK(e.host.stack.info(e.id).value.state == tcp_state::established);
    e.host.receive(arp_reply());
    const auto out = e.host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].tcp()->header.window == 5'000);
}

TEST_CASE("ARP: a half-open connection whose peer does not answer gives its place in the backlog back", "[stack]")
{
    raw_host<> host;
    REQUIRE(host.stack.listen({stack_ip, 80}, 1).ec == errc::ok);
    raw_tcp<raw_host<>> nobody{host};
    nobody.self.address = "192.0.2.200"_ip;
    nobody.send(tcp_flag::syn);
    host.wait(300_s);
    CHECK(host.stack.connection_count() == 0);
    host.know();
    raw_tcp<raw_host<>> peer{host};
    peer.open();
    CHECK(host.stack.connection_count() == 1);
}

TEST_CASE("ARP: a gratuitous announcement updates an entry that exists and makes none", "[stack][RFC826]")
{
    const mac_address moved{{2, 0, 0, 0, 0, 0x77}};
    raw_host<> host;
    SECTION("it exists")
    {
        host.receive(arp_request());
        host.drain();
        host.receive(arp_frame_of(arp_operation::request, moved, other_ip, other_ip));
        CHECK(host.drain().empty());
        host.receive_packet(echo_of(1));
        const auto out = host.drain();
        REQUIRE(out.size() == 1);
        CHECK(out[0].to_mac() == moved);
    }
    SECTION("it does not exist")
    {
        host.receive(arp_frame_of(arp_operation::request, moved, other_ip, other_ip));
        host.receive_packet(echo_of(1));
        CHECK(count_arp_requests(host.drain()) == 1);
    }
}

TEST_CASE("ARP: a sender outside of the subnet is not believed, and may not stand in for the gateway", "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.gateway = other_ip;
    raw_host<> host{c};
    host.receive(arp_request(stack_ip, elsewhere));
    host.drain();
    host.receive_packet(echo_of(1, 8, {.source = elsewhere}));
    CHECK(count_arp_requests(host.drain(), other_ip) == 1);  // the gateway is asked for, not `elsewhere`
}

TEST_CASE("ARP: a multicast sender address is refused and counted", "[stack]")
{
    raw_host<> host;
    const mac_address multicast{{0x01, 0, 0x5e, 1, 2, 3}};
    host.receive(arp_request(stack_ip, other_ip, multicast));
    CHECK(host.drain().empty());
    CHECK(host.dropped(drop_reason::arp_malformed) == 1);
    host.receive_packet(echo_of(1));
    CHECK(count_arp_requests(host.drain()) == 1);
}

TEST_CASE("ARP: an entry set by hand is not changed by what the link says, and does not age", "[stack]")
{
    raw_host<> host;
    host.know();
    host.receive(arp_request(stack_ip, other_ip, mac_address{{2, 6, 6, 6, 6, 6}}));
    host.wait(3'600_s);
    host.receive_packet(echo_of(1));
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].to_mac() == other_mac);
}

TEST_CASE("ARP: a full cache gives up idle entries for new addresses", "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.neighbours = 4;
    raw_host<> host{c};
    for (std::uint32_t i = 0; i < 40; ++i) {
        const ip_address sender{ipv4_address{0xC0000214u + i}};
        host.receive(arp_request(stack_ip, sender));
        host.receive_packet(echo_of(static_cast<std::uint16_t>(i), 8, {.source = sender}));
        const auto out = host.drain();
        CHECK(count_icmp(out, icmp_type::echo_reply) == 1);
    }
    CHECK(host.dropped() == 0);
}

TEST_CASE("ARP: a cache full of entries in use refuses new addresses, counted once, and nobody waits for ever",
          "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.neighbours = 1;
    raw_host<> host{c};
    host.know("192.0.2.50"_ip);
    SECTION("a reply")
    {
        host.receive_packet(echo_of(1));
        CHECK(host.dropped(drop_reason::neighbour_unresolved) == 1);
        CHECK(host.dropped() == 1);
    }
    SECTION("a connect")
    {
        const auto answer = host.stack.connect({other_ip, 80});
        host.wait(600_s);
        CHECK((answer.ec != errc::ok || host.stack.error_of(answer.value) != errc::ok));
    }
}

// --- ICMP ----------------------------------------------------------------------------------------------------------

TEST_CASE("ICMP echo: every size is answered with the same identifier, sequence and octets", "[stack][RFC1122-3.2.2.6]")
{
    raw_host<> host;
    host.know();
    for (const std::size_t size : {0U, 1U, 2U, 3U, 7U, 31U, 56U, 511U, 512U, 1'001U, 1'471U, 1'472U}) {
        host.receive_packet(echo_of(static_cast<std::uint16_t>(size), size));
        const auto out = host.drain();
        REQUIRE(out.size() == 1);
        const auto reply = out[0].icmp();
        REQUIRE(reply);
        CHECK(reply->header == icmp_header::echo(icmp_type::echo_reply, 0x1234, static_cast<std::uint16_t>(size)));
        CHECK(octets(reply->body.begin(), reply->body.end()) == pattern(size));
        CHECK(out[0].ip()->header.source == stack_ip.v4());
        CHECK(out[0].ip()->header.destination == other_ip.v4());
    }
}

TEST_CASE("ICMP echo: what a large MTU lets in is answered, too", "[stack][RFC1122-3.2.2.6]")
{
    auto c = raw_host<>::default_config();
    c.network.mtu = 9'000;
    raw_host<> host{c};
    host.know();
    host.receive_packet(echo_of(1, 8'000));
    CHECK(count_icmp(host.drain(), icmp_type::echo_reply) == 1);
}

TEST_CASE("ICMP echo: requests to a broadcast or multicast address are ignored and counted", "[stack][RFC1122-3.2.2.6]")
{
    raw_host<> host;
    host.know();
    for (const ip_address to : {"192.0.2.255"_ip, "255.255.255.255"_ip, "224.0.0.1"_ip}) {
        host.receive(ethernet_frame_of(ethertype::ipv4, echo_of(1, 8, {.destination = to}),
                                       {other_mac, mac_address::broadcast()}));
    }
    // Also to our own address, when the link carried it as broadcast.
    host.receive(ethernet_frame_of(ethertype::ipv4, echo_of(1), {other_mac, mac_address::broadcast()}));
    CHECK(host.drain().empty());
    CHECK(host.dropped(drop_reason::icmp_ignored) == 4);
}

TEST_CASE("ICMP: messages with a bad checksum or without a whole header are dropped and counted", "[stack]")
{
    raw_host<> host;
    host.know();
    octets bad = echo_of(1);
    bad.back() ^= std::byte{1};
    host.receive_packet(bad);
    host.receive_packet(ip_packet_of(ip_protocol::icmp, octets(7)));
    CHECK(host.drain().empty());
    CHECK(host.dropped(drop_reason::icmp_malformed) == 2);
    CHECK(host.dropped() == 2);
}

TEST_CASE("ICMP: an unknown protocol is answered with protocol unreachable, UDP with port unreachable",
          "[stack][RFC1122-3.2.2.1]")
{
    raw_host<> host;
    host.know();
    const bool udp = GENERATE(false, true);
    const octets packet = ip_packet_of(udp ? ip_protocol::udp : static_cast<ip_protocol>(132), pattern(40));
    host.receive_packet(packet);
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    const auto error = out[0].icmp();
    REQUIRE(error);
    CHECK(error->header.is_unreachable(udp ? icmp_unreachable::port : icmp_unreachable::protocol));
    REQUIRE(error->body.size() >= ipv4_header_size + 8);
    CHECK(std::equal(error->body.begin(), error->body.end(), packet.begin()));  // the header and 8 octets, as they came
    CHECK(host.dropped(drop_reason::ip_unknown_protocol) == 1);
}

TEST_CASE("ICMP: a packet with less than 8 octets behind its header is quoted as it is", "[stack]")
{
    raw_host<> host;
    host.know();
    host.receive_packet(udp_of(3));
    const auto out = host.drain();
    REQUIRE(out.size() == 1);
    CHECK(out[0].icmp()->body.size() == ipv4_header_size + 3);
}

TEST_CASE("ICMP: at most 100 unreachables a second, and the next second has its own", "[stack][RFC1812-4.3.2.8]")
{
    raw_host<> host;
    host.know();
    std::size_t answers = 0;
    for (int i = 0; i < 300; ++i) {
        host.receive_packet(udp_of());
        answers += host.drain().size();
    }
    CHECK(answers == 100);
    host.now += 1_s;
    host.receive_packet(udp_of());
    CHECK(host.drain().size() == 1);
}

TEST_CASE("ICMP: no error answers an error, a broadcast, a fragment or a bad source", "[stack][RFC1122-3.2.2]")
{
    raw_host<> host;
    host.know();
    const octets quoted = udp_of(8, {.source = stack_ip, .destination = other_ip});
    SECTION("errors")
    {
        for (int type = 0; type < 256; ++type) {
            if (static_cast<icmp_type>(type) != icmp_type::echo_request) {
                host.receive_packet(
                    ip_packet_of(ip_protocol::icmp, icmp_message_of({static_cast<icmp_type>(type), 0, 0}, quoted)));
            }
        }
        CHECK(host.dropped(drop_reason::icmp_ignored) == 255);
    }
    SECTION("IP broadcast") { host.receive_packet(udp_of(8, {.destination = "192.0.2.255"_ip})); }
    SECTION("IP multicast") { host.receive_packet(udp_of(8, {.destination = "224.0.0.251"_ip})); }
    SECTION("link broadcast")
    {
        host.receive(ethernet_frame_of(ethertype::ipv4, udp_of(), {other_mac, mac_address::broadcast()}));
    }
    SECTION("a first fragment") { host.receive_packet(udp_of(8, {.more_fragments = true})); }
    SECTION("a later fragment") { host.receive_packet(udp_of(8, {.fragment_offset = 1})); }
    SECTION("sources that name no single host")
    {
        for (const ip_address from :
             {"0.0.0.0"_ip, "255.255.255.255"_ip, "192.0.2.255"_ip, "224.1.1.1"_ip, "127.0.0.1"_ip, stack_ip}) {
            host.receive_packet(udp_of(8, {.source = from}));
        }
        CHECK(host.dropped(drop_reason::ip_bad_source) == 6);
    }
    CHECK(host.drain().empty());
    CHECK(host.dropped() > 0);
}

TEST_CASE("ICMP: port unreachable ends a connect, unreachable host or net only explains its time-out",
          "[stack][MUST-54][SHLD-25]")
{
    raw_host<> host;
    host.know();
    const connection_id id = host.stack.connect({other_ip, 80}).value;
    const auto syn = host.drain();
    REQUIRE(syn.size() == 1);
    const auto ip = syn[0].ip_octets();
    const octets quoted{ip.begin(), ip.begin() + ipv4_header_size + 8};
    const auto tell = [&](icmp_unreachable code) {
        host.receive_packet(ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::unreachable(code), quoted)));
    };
    SECTION("port")
    {
        tell(icmp_unreachable::port);
        CHECK(host.stack.error_of(id) == errc::port_unreachable);
        CHECK(host.stack.info(id).value.state == tcp_state::closed);
    }
    SECTION("host")
    {
        tell(icmp_unreachable::host);
        CHECK(host.stack.info(id).value.state == tcp_state::syn_sent);
        CHECK(host.stack.info(id).value.soft_error == errc::host_unreachable);
        host.wait(600_s);
        CHECK(host.stack.error_of(id) == errc::host_unreachable);
    }
    SECTION("network")
    {
        tell(icmp_unreachable::network);
        host.wait(600_s);
        CHECK(host.stack.error_of(id) == errc::network_unreachable);
    }
    SECTION("nothing at all")
    {
        host.wait(600_s);
        CHECK(host.stack.error_of(id) == errc::timed_out);
    }
}

TEST_CASE("ICMP: in synchronized states an error is soft, and believed for octets in flight alone",
          "[stack][MUST-56][RFC5927]")
{
    established e;
    REQUIRE(e.host.stack.write(e.id, as_octets("hello")).value == 5);
    const auto out = e.host.drain();
    REQUIRE(out.size() == 1);
    octets quoted{out[0].ip_octets().begin(), out[0].ip_octets().begin() + ipv4_header_size + 8};
    const auto tell = [&] {
        e.host.receive_packet(
            ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::unreachable(icmp_unreachable::port), quoted)));
    };
    SECTION("in flight")
    {
        tell();
        CHECK(e.host.stack.info(e.id).value.state == tcp_state::established);
        CHECK(e.host.stack.info(e.id).value.soft_error == errc::port_unreachable);
    }
    SECTION("not in flight")
    {
        write_be32(quoted, ipv4_header_size + 4, read_be32(quoted, ipv4_header_size + 4) + 5);
        tell();
        CHECK(e.host.stack.info(e.id).value.soft_error == errc::ok);
        CHECK(e.host.dropped(drop_reason::icmp_ignored) == 1);
    }
}

// --- routes and devices --------------------------------------------------------------------------------------------

TEST_CASE("routes: another subnet is reached through the gateway, without one, connect says network_unreachable",
          "[stack]")
{
    auto c = raw_host<>::default_config();
    SECTION("with a gateway")
    {
        c.network.gateway = "192.0.2.254"_ip;
        raw_host<> host{c};
        REQUIRE(host.stack.connect({elsewhere, 80}).ec == errc::ok);
        CHECK(count_arp_requests(host.drain(), c.network.gateway) == 1);
        host.receive(arp_reply(c.network.gateway, mac_address{{2, 1, 1, 1, 1, 1}}));
        const auto out = host.drain();
        REQUIRE(out.size() == 1);
        CHECK(out[0].to_mac() == mac_address{{2, 1, 1, 1, 1, 1}});
        CHECK(out[0].ip()->header.destination == elsewhere.v4());
    }
    SECTION("without one")
    {
        raw_host<> host{c};
        CHECK(host.stack.connect({elsewhere, 80}).ec == errc::network_unreachable);
        host.receive_packet(echo_of(1, 8, {.source = elsewhere}));
        CHECK(host.drain().empty());
        CHECK(host.dropped(drop_reason::no_route) == 1);
        CHECK(host.dropped() == 1);
    }
}

TEST_CASE("bare IP: no ARP, no link header, every destination is direct", "[stack]")
{
    auto c = raw_host<>::default_config();
    c.network.ethernet = false;
    raw_host<> host{c};
    host.receive_packet(echo_of(1, 9, {.source = elsewhere}));
    const auto echo = host.drain();
    REQUIRE(echo.size() == 1);
    CHECK(echo[0].icmp()->header.type == icmp_type::echo_reply);

    const listener_id l = host.stack.listen({stack_ip, 80}).value;
    raw_tcp<raw_host<>> peer{host};
    peer.self.address = elsewhere;
    peer.open();
    const connection_id id = host.stack.accept(l).value;
    peer.send(tcp_flag::ack | tcp_flag::psh, pattern(100));
    octets got(200);
    CHECK(host.stack.read(id, got).value == 100);
    REQUIRE(host.stack.write(id, pattern(50)).value == 50);
    CHECK(peer.take() == pattern(50));
    CHECK(host.stack.connect({"198.18.99.1"_ip, 80}).ec == errc::ok);
    CHECK(host.dropped() == 0);
}
