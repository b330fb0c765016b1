// ICMP errors about a connection's segments (RFC 9293 3.9.2.2, RFC 5927).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

struct error_code {
    icmp_type type;
    int code;
};

constexpr auto unreachable = icmp_type::destination_unreachable;

// A connection with one segment of 100 octets in flight, which an error can quote.
packet with_data_in_flight(peer<>& p)
{
    p.in_established();
    p.write(100);
    return p.next();
}

void send_error(peer<>& p, const error_code& e, const packet& about)
{
    p.send_icmp(e.type, static_cast<std::uint8_t>(e.code), about);
}

}  // namespace

TEST_CASE("Soft ICMP errors do not end an established connection, and can be asked for",
          "[conformance][MUST-56][SHLD-25][MUST-47]")
{
    const error_code e = GENERATE(error_code{unreachable, 0}, error_code{unreachable, 1}, error_code{unreachable, 5},
                                  error_code{icmp_type::time_exceeded, 0}, error_code{icmp_type::time_exceeded, 1},
                                  error_code{icmp_type::parameter_problem, 0});
    INFO(static_cast<int>(e.type) << '/' << e.code);
    peer p;
    const packet data = with_data_in_flight(p);
    send_error(p, e, data);
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.info().soft_error != errc::ok);
    p.send("A seq=1001 ack=5101 len=10");
    CHECK(p.read() == 10);
}

TEST_CASE("Soft ICMP errors do not end an opening", "[conformance][MUST-56]")
{
    const error_code e = GENERATE(error_code{unreachable, 0}, error_code{unreachable, 1}, error_code{unreachable, 5},
                                  error_code{icmp_type::time_exceeded, 0}, error_code{icmp_type::parameter_problem, 0});
    INFO(static_cast<int>(e.type) << '/' << e.code);
    peer p;
    const packet syn = p.in_syn_sent();
    send_error(p, e, syn);
    CHECK(p.state() == "SYN-SENT");
    p.send("SA seq=1000 ack=5001");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("Hard ICMP errors end an opening", "[conformance][SHLD-26][RFC5927-5.2a][MUST-54]")
{
    const int code = GENERATE(2, 3);
    peer p;
    const packet syn = p.in_syn_sent();
    send_error(p, {unreachable, code}, syn);
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"port or protocol unreachable"});
}

TEST_CASE("Hard ICMP errors do not end an established connection (RFC 5927)", "[conformance][RFC5927-5.2a]")
{
    const int code = GENERATE(2, 3);
    peer p;
    const packet data = with_data_in_flight(p);
    send_error(p, {unreachable, code}, data);
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.info().soft_error != errc::ok);
    p.send("A seq=1001 ack=5101");
    CHECK(p.info().unacked == 0);
}

TEST_CASE("An ICMP error about a sequence number that is not in flight is ignored", "[conformance][RFC5927-4.1a]")
{
    peer p;
    SECTION("SYN-SENT")
    {
        packet syn = p.in_syn_sent();
        write_be32(syn.octets.data() + 24, 4'000);
        send_error(p, {unreachable, 3}, syn);
        CHECK(p.state() == "SYN-SENT");
    }
    SECTION("ESTABLISHED")
    {
        packet data = with_data_in_flight(p);
        write_be32(data.octets.data() + 24, 90'000);
        send_error(p, {unreachable, 1}, data);
        CHECK(p.info().soft_error == errc::ok);
    }
}

TEST_CASE("An ICMP error reaches the connection that it quotes, and no other", "[conformance][MUST-54]")
{
    peer p;
    const packet syn = p.in_syn_sent();
    p.check_payload = false;
    const auto other = p.stack.connect({p.peer_address, 9'999}, {.local = {p.sut_address, 31'000}, .no_delay = false});
    CHECK(p.forget() == 1);
    send_error(p, {unreachable, 3}, syn);
    CHECK(p.state() == "CLOSED");
    CHECK(p.stack.info(other.value).value.state == tcp_state::syn_sent);
}

TEST_CASE("An ICMP error about a connection that does not exist is ignored", "[conformance][MUST-54]")
{
    peer p;
    packet syn = p.in_syn_sent();
    SECTION("another local port") { write_be16(syn.octets.data() + 20, 1'234); }
    SECTION("another remote port") { write_be16(syn.octets.data() + 22, 1'234); }
    SECTION("another remote address") { write_be32(syn.octets.data() + 16, 0xC0000263); }
    SECTION("another protocol") { syn.octets[9] = std::byte{17}; }
    send_error(p, {unreachable, 3}, syn);
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

TEST_CASE("An ICMP error with a quotation that is too short is ignored", "[conformance]")
{
    peer p;
    const packet syn = p.in_syn_sent();
    for (std::size_t n = 0; n < 28; ++n) {
        p.send_icmp_quoting(icmp_header::unreachable(icmp_unreachable::port), std::span{syn.octets}.first(n));
    }
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

TEST_CASE("Source quench is ignored", "[conformance][MUST-55][RFC5927-6.2a]")
{
    peer p;
    const packet data = with_data_in_flight(p);
    const tcp_info before = p.info();
    send_error(p, {icmp_type::source_quench, 0}, data);
    CHECK(p.next() == "-");
    CHECK(p.info().cwnd == before.cwnd);
    CHECK(p.info().rto == before.rto);
    CHECK(p.info().soft_error == errc::ok);
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A soft error is the reason given when the connection then times out", "[conformance][SHLD-25]")
{
    peer p{with([](auto& c) { c.tcp.syn_retries = 2; })};
    const packet syn = p.in_syn_sent();
    send_error(p, {unreachable, 1}, syn);
    p.wait(60_s);
    CHECK(p.state() == "CLOSED");
    CHECK((p.error() == std::string{"host unreachable"} || p.error() == std::string{"timed out"}));
}

TEST_CASE("Fragmentation needed does not end a connection", "[conformance][RFC5927-7.2a]")
{
    const auto mtu = GENERATE(0, 68, 1'400, 65'535);
    INFO(mtu);
    peer p;
    const packet data = with_data_in_flight(p);
    p.send_icmp(unreachable, 4, data, static_cast<std::uint16_t>(mtu));
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=5101");
    CHECK(p.info().unacked == 0);
    p.write(100);
    CHECK(p.next() != "-");
}

TEST_CASE("The TTL of what the stack sends is a setting", "[conformance][MUST-49]")
{
    peer p{with([](auto& c) { c.network.ttl = 77; })};
    const packet syn = p.in_syn_sent();
    CHECK(parse_ipv4(syn.octets)->header.ttl == 77);
    p.send("S seq=1 to=9 port=50000");
    CHECK(parse_ipv4(p.next().octets)->header.ttl == 77);
}

TEST_CASE("An echo request is answered, and so is a packet of a protocol that is not spoken", "[conformance]")
{
    peer p;
    SECTION("echo")
    {
        const auto data = as_bytes(std::span{"ping", 4});
        p.send_icmp_quoting(icmp_header::echo(icmp_type::echo_request, 1, 2), data);
        CHECK(p.next() == "icmp type=0 code=0");
    }
    SECTION("protocol unreachable")
    {
        auto octets = p.build("S seq=1000");
        ipv4_header ip = parse_ipv4(octets)->header;
        ip.protocol = static_cast<ip_protocol>(132);
        write_ipv4(ip, octets);
        p.send_ip(octets);
        CHECK(p.next() == "icmp type=3 code=2");
    }
    SECTION("UDP where nobody listens: port unreachable")
    {
        auto octets = p.build("S seq=1000");
        ipv4_header ip = parse_ipv4(octets)->header;
        ip.protocol = static_cast<ip_protocol>(17);
        write_ipv4(ip, octets);
        p.send_ip(octets);
        CHECK(p.next() == "icmp type=3 code=3 | icmp type=3 code=2 | -");
    }
}
