// Path MTU discovery (RFC 1191) with RFC 5927's checks: a scripted peer with a router beside it, and a link with a
// narrow place.
#include "tcpco/tcp/path_mtu.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

constexpr auto unreachable = icmp_type::destination_unreachable;
constexpr std::uint8_t too_big = 4;

// Three full segments in flight, 5001 to 9380; the first of them.
packet in_flight(peer<>& p)
{
    p.in_established("mss=1460");
    p.write(4'380);
    const packet first = p.next();
    CHECK(first == "A seq=5001 len=1460");
    p.forget();
    return first;
}

std::size_t largest_waiting(peer<>& p)
{
    std::size_t largest = 0;
    for (packet seen = p.next(); seen != "-"; seen = p.next()) {
        largest = std::max<std::size_t>(largest, seen.length);
    }
    return largest;
}

}  // namespace

TEST_CASE("Path MTU: what is in flight leaves again at the size that fits, and cwnd has as many segments as before",
          "[stack][RFC1191-3a][RFC1191-3b][RFC1191-6.4b][RFC4821-4b]")
{
    peer p;
    const packet first = in_flight(p);
    const octet_count cwnd = p.info().cwnd;
    p.send_icmp(unreachable, too_big, first, 1'000);
    CHECK(p.next() == "A seq=5001 len=960");
    CHECK(p.next() == "A seq=5961 len=500");  // what was one segment, cut
    CHECK(p.next() == "A seq=6461 len=960");
    CHECK(largest_waiting(p) <= 960);
    CHECK(p.info().cwnd == cwnd / 1'460 * 960);
    CHECK(p.info().smss == 960);
    CHECK(p.info().timeouts == 0);
    p.send("A seq=1001 ack=9381");
    CHECK(p.info().unacked == 0);
    p.write(3'000);
    CHECK(largest_waiting(p) == 960);
}

TEST_CASE("Path MTU: a message that was heard already, or names more than what was sent, changes nothing",
          "[stack][RFC1191-3e][RFC1191-6.4c][RFC5927-7.2a]")
{
    peer p;
    const packet first = in_flight(p);
    for (const std::uint16_t mtu : std::vector<std::uint16_t>{1'500, 9'000, 65'535, 67, 1}) {
        p.send_icmp(unreachable, too_big, first, mtu);
        CHECK(p.next() == "-");
    }
    p.send_icmp(unreachable, too_big, first, 1'000);
    CHECK(p.forget() > 0);
    p.send_icmp(unreachable, too_big, first, 1'000);
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::icmp_ignored) == 6);
    CHECK(p.info().smss == 960);
}

TEST_CASE("Path MTU: a message about octets that are not in flight is ignored", "[stack][RFC5927-4.1a][RFC8899-4.6.1a]")
{
    peer p;
    packet first = in_flight(p);
    p.send("A seq=1001 ack=9381");
    p.send_icmp(unreachable, too_big, first, 1'000);
    CHECK(p.info().smss == 1'460);
    CHECK(p.dropped(drop_reason::icmp_ignored) == 1);
}

TEST_CASE("Path MTU: a router that names no size is answered with the next plateau", "[stack][RFC1191-3c]")
{
    peer p;
    const packet first = in_flight(p);
    p.send_icmp(unreachable, too_big, first, 0);
    CHECK(p.info().smss == 1'452);
    p.send_icmp(unreachable, too_big, first, 0);
    CHECK(p.info().smss == 966);
    CHECK(path_mtu_cache::plateau_below(508) == path_mtu_cache::narrowest);
    CHECK(path_mtu_cache::plateau_below(65'535) == 32'000);
}

TEST_CASE("Path MTU: nothing below the smallest plateau is believed", "[stack][RFC1191-3d]")
{
    peer p;
    const packet first = in_flight(p);
    p.send_icmp(unreachable, too_big, first, 68);
    CHECK(p.info().smss == path_mtu_cache::narrowest - 40);
    CHECK(largest_waiting(p) == path_mtu_cache::narrowest - 40U);
    p.send_icmp(unreachable, too_big, first, 68);
    CHECK(p.next() == "-");
}

TEST_CASE("Path MTU: the next connection begins with it, its own MSS option does not, and the peer's MSS still holds",
          "[stack][RFC1191-3.1a][RFC1191-6.4a][MUST-16]")
{
    peer p;
    const packet first = in_flight(p);
    p.send_icmp(unreachable, too_big, first, 1'000);
    p.forget();
    p.check_payload = false;
    p.send("S seq=1000 port=41000 mss=1460");
    const packet second = p.next();
    CHECK(second == "SA mss=1460 port=41000");
    p.send("A seq=1001 port=41000 ack=" + std::to_string(second.seq() + 1));
    CHECK(p.accept());
    CHECK(p.info().smss == 960);
    p.send("S seq=1000 port=41001 mss=600");
    p.send("A seq=1001 port=41001 ack=" + std::to_string(p.next().seq() + 1));
    CHECK(p.accept());
    CHECK(p.info().smss == 600);
}

TEST_CASE("Path MTU: after ten minutes larger segments are tried, without a retransmission",
          "[stack][RFC1191-3f][RFC1191-6.3a][RFC1191-6.3b]")
{
    peer p;
    const packet first = in_flight(p);
    p.send_icmp(unreachable, too_big, first, 1'000);
    p.forget();
    p.send("A seq=1001 ack=9381");
    p.wait(599_s);
    p.write(1'920);
    CHECK(largest_waiting(p) == 960);
    p.send("A seq=1001 ack=11301");
    p.wait(2_s);
    p.write(10);
    p.forget();
    p.send("A seq=1001 ack=11311");
    CHECK(p.next() == "-");
    p.write(2'000);
    CHECK(p.next() == "A seq=11311 len=1460");
}

TEST_CASE("Path MTU discovery: DF on everything, switched off there is no DF, and ICMP's word is not heard",
          "[stack][RFC1191-2a][RFC7323-5.7a]")
{
    const bool on = GENERATE(true, false);
    peer p{with([on](auto& c) { c.network.path_mtu_discovery = on; })};
    const packet first = in_flight(p);
    CHECK(((std::to_integer<unsigned>(first.octets.at(6)) & 0x40) != 0) == on);
    p.send_icmp(unreachable, too_big, first, 1'000);
    CHECK(p.info().smss == (on ? 960 : 1'460));
    CHECK(p.dropped(drop_reason::icmp_ignored) == (on ? 0U : 1U));
}

TEST_CASE("Path MTU: so many destinations are known, the one learnt longest ago gives way", "[stack][RFC1191-3a]")
{
    path_mtu_cache paths{2};
    const auto at = [](std::int64_t s) { return time_point{duration{s * 1'000'000'000}}; };
    paths.learn("192.0.2.1"_ip, 1'000, at(1));
    paths.learn("192.0.2.2"_ip, 1'100, at(2));
    paths.learn("192.0.2.3"_ip, 1'200, at(3));
    CHECK(paths.find("192.0.2.1"_ip, at(4)) == 0);
    CHECK(paths.find("192.0.2.2"_ip, at(4)) == 1'100);
    CHECK(paths.find("192.0.2.3"_ip, at(602)) == 1'200);
    CHECK(paths.find("192.0.2.3"_ip, at(603)) == 0);
    paths.learn("192.0.2.2"_ip, 700, at(5));
    CHECK(paths.find("192.0.2.2"_ip, at(604)) == 700);
}

TEST_CASE("Path MTU: what one connection hears of a narrower place holds for the others to the same address",
          "[stack][RFC1191-3b][RFC1191-3f]")
{
    peer p;
    const packet first = in_flight(p);
    p.send_icmp(unreachable, too_big, first, 1'400);
    p.forget();
    REQUIRE(p.info().path_mtu == 1'400);
    const connection_id older = p.id;
    p.peer_port = 40'001;
    p.check_payload = false;
    p.send("S seq=1000 mss=1460");
    const packet answer = p.next();
    p.send("A seq=1001 ack=" + std::to_string(answer.seq() + 1));
    REQUIRE(p.accept());
    p.write(4'000);
    const packet second = p.next();
    p.send_icmp(unreachable, too_big, second, 1'300);
    p.forget();
    REQUIRE(p.info().path_mtu == 1'300);
    p.peer_port = 40'000;
    p.send("A seq=1001 ack=5500");
    p.forget();
    CHECK(p.stack.info(older).value.path_mtu == 1'300);
}

TEST_CASE("Path MTU: a router's word about a probe between the known size and the probed one is the next probe's size",
          "[stack][RFC8899-4.6.2a][RFC8899-4.6.1a]")
{
    const bool names_size = GENERATE(true, false);
    const std::size_t takes = names_size ? 1'300u : 1'492u;  // without a size: the plateau below what was sent
    CAPTURE(takes);
    peer p;
    p.in_established("mss=1460");
    p.write(10'000);
    std::vector<std::size_t> probes;
    std::map<std::uint32_t, std::uint32_t> arrived;
    std::uint32_t ack = 5'001;
    for (int i = 0; i < 1'000 && p.info().path_mtu != takes; ++i) {
        const packet seen = p.next();
        if (seen == "-") {
            if (p.info().unacked == 0) {
                p.write(10'000);
            }
            p.wait(200_ms);
            continue;
        }
        const bool probe = p.stack.counters().mtu_probes > probes.size() && seen.length > 1'024;
        if (probe) {
            probes.push_back(seen.length + 40);
        }
        if (seen.length + 40 > takes) {
            if (probe) {
                p.send_icmp(unreachable, too_big, seen, names_size ? std::uint16_t{1'300} : std::uint16_t{0});
            }
            continue;
        }
        arrived[seen.header.seq.value] = seen.header.seq.value + static_cast<std::uint32_t>(seen.length);
        for (auto at = arrived.begin(); at != arrived.end() && at->first <= ack; at = arrived.erase(at)) {
            ack = std::max(ack, at->second);
        }
        p.send("A seq=1001 ack=" + std::to_string(ack));
    }
    CHECK(probes == std::vector<std::size_t>{1'500, takes});
    CHECK(p.info().path_mtu == takes);
    CHECK(p.info().timeouts <= 6);
    CHECK(p.dropped(drop_reason::icmp_ignored) == 0);
}
