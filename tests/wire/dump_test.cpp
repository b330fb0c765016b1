#include "tcpco/wire/dump.hpp"

#include <vector>

#include "catch.hpp"
#include "octets.hpp"

using namespace tcpco;
using tcpco::test::cut;
using tcpco::test::join;
using tcpco::test::octets;

namespace {

constexpr ipv4_address client{0xC6120001};
constexpr ipv4_address server{0xC6120002};

std::vector<std::byte> ipv4(ip_protocol protocol, const std::vector<std::byte>& payload, std::uint8_t ecn = 0)
{
    ipv4_header h;
    h.ecn = ecn;
    h.total_length = static_cast<std::uint16_t>(20 + payload.size());
    h.ttl = 64;
    h.protocol = protocol;
    h.source = client;
    h.destination = server;
    std::vector<std::byte> header(20);
    write_ipv4(h, header);
    return join(header, payload);
}

std::vector<std::byte> tcp(std::uint16_t flags, const tcp_options& options, std::size_t payload = 0)
{
    tcp_header h;
    h.source_port = 40000;
    h.destination_port = 7;
    h.seq = {1000};
    h.ack = {1};
    h.flags = flags;
    h.window = 65535;
    h.urgent_pointer = 3;
    std::vector<std::byte> segment(20 + encoded_size(options) + payload);
    write_tcp(h, options, segment);
    const std::span<const std::byte> pieces[] = {segment};
    write_tcp_checksum(transport_checksum(client, server, ip_protocol::tcp, pieces), segment);
    return segment;
}

std::vector<std::byte> icmp(const icmp_header& header)
{
    std::vector<std::byte> out(8);
    write_icmp(header, {}, out);
    return out;
}

std::vector<std::byte> ethernet(ethertype type, const std::vector<std::byte>& payload)
{
    std::vector<std::byte> header(14);
    write_ethernet({{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 1}}, type}, header);
    return join(header, payload);
}

std::string dumped_tcp(std::uint16_t flags, std::size_t payload = 0)
{
    const auto segment = tcp(flags, {}, payload);
    return dump_tcp_segment(*parse_tcp(segment));
}

tcp_options syn_options()
{
    tcp_options o;
    o.has_mss = true;
    o.mss = 1460;
    o.has_window_scale = true;
    o.window_scale = 7;
    return o;
}

}  // namespace

TEST_CASE("dump: a SYN ACK in an Ethernet frame is one line with ports, flags, numbers and options", "[wire]")
{
    const auto frame =
        ethernet(ethertype::ipv4, ipv4(ip_protocol::tcp, tcp(tcp_flag::syn | tcp_flag::ack, syn_options())));
    CHECK(dump_ethernet(frame) ==
          "198.18.0.1.40000 > 198.18.0.2.7: Flags [S.], seq 1000, ack 1, win 65535, "
          "options [mss 1460,wscale 7], length 0");
}

TEST_CASE("dump: sequence ranges stand where there is payload, numbers where they mean something", "[wire]")
{
    using namespace tcp_flag;
    CHECK(dumped_tcp(ack) == "Flags [.], ack 1, win 65535, length 0");
    CHECK(dumped_tcp(syn) == "Flags [S], seq 1000, win 65535, length 0");
    CHECK(dumped_tcp(rst) == "Flags [R], seq 1000, win 65535, length 0");
    CHECK(dumped_tcp(psh | ack, 10) == "Flags [P.], seq 1000:1010, ack 1, win 65535, length 10");
    CHECK(dumped_tcp(fin | urg | ack) == "Flags [F.U], seq 1000, ack 1, win 65535, urg 3, length 0");
    CHECK(dumped_tcp(0) == "Flags [none], win 65535, length 0");
    CHECK(dumped_tcp(ece | cwr | ae | reserved) == "Flags [EWer], win 65535, length 0");
}

TEST_CASE("dump: all options have a text, and malformed ones say so", "[wire]")
{
    tcp_options o = syn_options();
    o.sack_permitted = true;
    o.has_timestamps = true;
    o.tsval = 5;
    o.tsecr = 6;
    o.sack_count = 2;
    o.sack_blocks[0] = {{10}, {20}};
    o.sack_blocks[1] = {{30}, {40}};
    o.malformed = true;
    CHECK(dump_tcp_options(o) == "mss 1460,sackOK,TS val 5 ecr 6,wscale 7,sack 2 {10:20}{30:40},malformed");
    CHECK(dump_tcp_options({}).empty());
}

TEST_CASE("dump: a wrong TCP checksum is mentioned only where it is to be verified", "[wire]")
{
    auto packet = ipv4(ip_protocol::tcp, tcp(tcp_flag::ack, {}));
    packet[36] ^= std::byte{1};
    const std::string text = "198.18.0.1.40000 > 198.18.0.2.7: Flags [.], ack 1, win 65535, length 0";
    CHECK(dump_ip(packet) == text + ", bad checksum");
    CHECK(dump_ip(packet, checksum_state::partial) == text);
    CHECK(dump_ip(packet, checksum_state::good) == text);
}

TEST_CASE("dump: the ECN codepoint is mentioned when there is one", "[wire]")
{
    const auto packet = [](std::uint8_t ecn) { return dump_ip(ipv4(ip_protocol::udp, {}, ecn)); };
    CHECK(packet(0) == "198.18.0.1 > 198.18.0.2: protocol 17, length 0");
    CHECK(packet(1) == "198.18.0.1 > 198.18.0.2: protocol 17, length 0, ECT(1)");
    CHECK(packet(2) == "198.18.0.1 > 198.18.0.2: protocol 17, length 0, ECT(0)");
    CHECK(packet(3) == "198.18.0.1 > 198.18.0.2: protocol 17, length 0, CE");
}

TEST_CASE("dump: ARP requests and replies", "[wire]")
{
    std::vector<std::byte> arp(28);
    write_arp({arp_operation::request, {{2, 0, 0, 0, 0, 1}}, client, {}, server}, arp);
    CHECK(dump_ethernet(ethernet(ethertype::arp, arp)) == "ARP, Request who-has 198.18.0.2 tell 198.18.0.1");
    write_arp({arp_operation::reply, {{2, 0, 0, 0, 0, 2}}, server, {{2, 0, 0, 0, 0, 1}}, client}, arp);
    CHECK(dump_arp(arp) == "ARP, Reply 198.18.0.2 is-at 02:00:00:00:00:02");
}

TEST_CASE("dump: ICMP messages are named", "[wire]")
{
    const auto text = [](const icmp_header& h) { return dump_ip(ipv4(ip_protocol::icmp, icmp(h))).substr(25); };
    CHECK(text(icmp_header::echo(icmp_type::echo_request, 1, 2)) == "ICMP echo request, id 1, seq 2, length 8");
    CHECK(text(icmp_header::echo(icmp_type::echo_reply, 1, 2)) == "ICMP echo reply, id 1, seq 2, length 8");
    CHECK(text(icmp_header::unreachable(icmp_unreachable::port)) == "ICMP port unreachable, length 8");
    CHECK(text(icmp_header::unreachable(icmp_unreachable::fragmentation_needed, 1400)) ==
          "ICMP fragmentation needed, mtu 1400, length 8");
    CHECK(text(icmp_header::unreachable(icmp_unreachable::host_prohibited)) ==
          "ICMP unreachable, code 10, length 8");
    CHECK(text({icmp_type::time_exceeded, 1, 0}) == "ICMP time exceeded, code 1, length 8");
    CHECK(text({icmp_type::parameter_problem, 0, 0x14000000}) == "ICMP parameter problem, octet 20, length 8");
    CHECK(text({icmp_type{99}, 5, 0}) == "ICMP type 99, code 5, length 8");
}

TEST_CASE("dump: fragments, other protocols and what cannot be read are named with the reason", "[wire]")
{
    auto packet = ipv4(ip_protocol::tcp, tcp(tcp_flag::ack, {}));
    CHECK(dump_ip(cut(packet, 19)) == "IPv4, truncated");
    CHECK(dump_ip({}) == "IPv4, truncated");
    CHECK(dump_ip(octets(0x60, 0, 0)) == "IPv6, length 3");
    CHECK(dump_ethernet(octets(1, 2)) == "Ethernet, truncated");
    CHECK(dump_ethernet(ethernet(ethertype{0x88cc}, {})) ==
          "02:00:00:00:00:01 > 02:00:00:00:00:02: ethertype 35020, length 0");
    CHECK(dump_arp({}) == "ARP, truncated");
    CHECK(dump_ip(ipv4(ip_protocol::tcp, cut(packet, 5))) == "198.18.0.1 > 198.18.0.2: TCP, truncated");
    CHECK(dump_ip(ipv4(ip_protocol::icmp, cut(packet, 8))) ==
          "198.18.0.1 > 198.18.0.2: ICMP bad checksum, length 8");

    ipv4_header h = parse_ipv4(packet)->header;
    h.identification = 77;
    h.more_fragments = true;
    h.fragment_offset = 185;
    write_ipv4(h, packet);
    CHECK(dump_ip(packet) == "198.18.0.1 > 198.18.0.2: fragment 77@1480+, length 20");
}
