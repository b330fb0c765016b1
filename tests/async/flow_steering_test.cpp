#include "tcpco/async/flow_steering.hpp"

#include "catch.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "tcpco/async/handover_ring.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/tcp.hpp"

using namespace tcpco;

namespace {

using octets = std::vector<std::byte>;

constexpr mac_address station{{2, 0, 0, 0, 0, 2}};
constexpr mac_address peer{{2, 0, 0, 0, 0, 1}};
constexpr ipv4_address here{0xC6120002};
constexpr ipv4_address there{0xC6120001};
constexpr stack_seed seed{7};

octets in_ethernet(octets packet, ethertype type = ethertype::ipv4, mac_address to = station)
{
    octets f(ethernet_header_size);
    write_ethernet({.destination = to, .source = peer, .type = type}, f);
    f.insert(f.end(), packet.begin(), packet.end());
    return f;
}

octets ip_packet(ip_protocol protocol, const octets& payload, bool outbound = false)
{
    octets p(ipv4_header_size);
    ipv4_header h;
    h.total_length = static_cast<std::uint16_t>(p.size() + payload.size());
    h.ttl = 64;
    h.protocol = protocol;
    h.source = outbound ? here : there;
    h.destination = outbound ? there : here;
    write_ipv4(h, p);
    p.insert(p.end(), payload.begin(), payload.end());
    return p;
}

octets segment(std::uint16_t from, std::uint16_t to)
{
    octets s(20);
    write_tcp(tcp_header{.source_port = from, .destination_port = to}, s);
    return s;
}

constexpr four_tuple flow_from(std::uint16_t port)
{
    return {.local = {ip_address{here}, 7}, .remote = {ip_address{there}, port}};
}

// A port of the peer's whose connection to port 7 is that stack's.
std::uint16_t port_of(std::uint32_t index, std::uint32_t count)
{
    std::uint16_t port = 1'024;
    while (flow_owner{seed, 0, count}.of(flow_from(port)) != index) {
        ++port;
    }
    return port;
}

struct counted_bell final : doorbell {
    explicit counted_bell(unsigned& n) : rung{n} {}
    void ring() noexcept override { ++rung; }
    unsigned& rung;
};

// Two stacks' queues, joined.
struct two_queues {
    explicit two_queues(std::size_t ring_octets = 65'536) : to_a{ring_octets}, to_b{ring_octets}
    {
        a.join(1, to_b, to_a, std::make_unique<counted_bell>(bells_of_b));
        b.join(0, to_a, to_b, std::make_unique<counted_bell>(bells_of_a));
    }
    // At a's queue; what a's stack gets.
    std::vector<octets> arrives(const octets& f)
    {
        std::vector<octets> up;
        frame arrived = copy_frame(pool, f, {.gso_size = 17});
        a.ingress(time_point{}, std::move(arrived), [&](frame&& g) { up.emplace_back(to_octets(g)); });
        a.advance(time_point{}, pool, [](frame&&) {}, [](const outgoing_frame&, const buffer&) {
            return sink_verdict::done;
        });
        return up;
    }
    std::vector<octets> b_takes()
    {
        std::vector<octets> up;
        b.advance(
            time_point{}, pool,
            [&](frame&& g) {
                info_kept = info_kept && g.info.gso_size == 17;
                up.emplace_back(to_octets(g));
            },
            [](const outgoing_frame&, const buffer&) { return sink_verdict::done; });
        return up;
    }
    static octets to_octets(const frame& f)
    {
        const auto s = f.data.octets();
        return {s.begin(), s.end()};
    }

    buffer_pool pool{2'048, 8};
    handover_ring to_a, to_b;
    unsigned bells_of_a = 0;
    unsigned bells_of_b = 0;
    bool info_kept = true;
    flow_steering a{flow_owner{seed, 0, 2}, true, station};
    flow_steering b{flow_owner{seed, 1, 2}, true, station};
};

}  // namespace

TEST_CASE("a connection has one owner, and owners have equal shares", "[async][sharded]")
{
    for (const std::uint32_t count : {1U, 2U, 3U, 8U}) {
        std::vector<unsigned> share(count);
        for (std::uint32_t port = 1'024; port < 1'024 + 8'000; ++port) {
            const four_tuple flow = flow_from(static_cast<std::uint16_t>(port));
            const std::uint32_t owner = flow_owner{seed, 0, count}.of(flow);
            REQUIRE(owner < count);
            ++share[owner];
            for (std::uint32_t i = 0; i < count; ++i) {
                REQUIRE(flow_owner{seed, i, count}.owns(flow) == (i == owner));
            }
        }
        for (const unsigned n : share) {
            CHECK(n > 8'000 / count * 9 / 10);
        }
    }
    CHECK(flow_owner{}.owns(flow_from(1)));
    // Which ports fall to whom is the seed's secret.
    unsigned alike = 0;
    for (std::uint16_t port = 0; port < 1'000; ++port) {
        alike += flow_owner{seed, 0, 2}.of(flow_from(port)) == flow_owner{8, 0, 2}.of(flow_from(port)) ? 1U : 0U;
    }
    CHECK(alike > 400);
    CHECK(alike < 600);
}

TEST_CASE("a frame is for the owner of its segment, or of the segment that it quotes", "[async][sharded]")
{
    for (const bool ethernet : {true, false}) {
        CAPTURE(ethernet);
        const auto framed = [&](octets p) { return ethernet ? in_ethernet(std::move(p)) : p; };
        frame_sorter sorter{flow_owner{seed, 0, 2}, ethernet, station};
        const std::uint16_t mine = port_of(0, 2);
        const std::uint16_t others = port_of(1, 2);
        for (int again = 0; again < 2; ++again) {
            CHECK(sorter.of(framed(ip_packet(ip_protocol::tcp, segment(mine, 7)))) == 0);
            CHECK(sorter.of(framed(ip_packet(ip_protocol::tcp, segment(others, 7)))) == 1);
        }
        octets head(icmp_header_size);
        octets quoted = ip_packet(ip_protocol::tcp, segment(7, others), true);
        write_icmp(icmp_header::unreachable(icmp_unreachable::port), std::array{std::span<const std::byte>{quoted}}, head);
        octets error = head;
        error.insert(error.end(), quoted.begin(), quoted.end());
        CHECK(sorter.of(framed(ip_packet(ip_protocol::icmp, error))) == 1);
        error[0] = std::byte{8};  // an echo request that looks like it
        CHECK(sorter.of(framed(ip_packet(ip_protocol::icmp, error))) == 0);
        // What has no owner stays: other protocols, fragments, what is cut or is no IPv4.
        const octets foreign = framed(ip_packet(ip_protocol::tcp, segment(others, 7)));
        const std::size_t ip = ethernet ? ethernet_header_size : 0;
        for (std::size_t cut = 0; cut < ip + 24; ++cut) {
            CHECK(sorter.of(std::span{foreign}.first(cut)) == 0);
        }
        CHECK(sorter.of(std::span{foreign}.first(ip + 24)) == 1);
        for (const auto& [at, value] : {std::pair{ip + 9, 17}, {ip + 6, 0x20}, {ip + 7, 1}, {ip, 0x65}, {ip, 0x44}}) {
            octets changed = foreign;
            changed[at] = static_cast<std::byte>(value);
            CHECK(sorter.of(changed) == 0);
        }
    }
    frame_sorter sorter{flow_owner{seed, 0, 2}, true, station};
    const octets packet = ip_packet(ip_protocol::tcp, segment(port_of(1, 2), 7));
    CHECK(sorter.of(in_ethernet(packet, ethertype::ipv4, peer)) == 0);                 // to somebody else
    CHECK(sorter.of(in_ethernet(packet, ethertype::ipv6)) == 0);
    CHECK(sorter.of(in_ethernet(octets(28), ethertype::arp)) == frame_sorter::everyone);
}

TEST_CASE("what arrives at another's queue is handed over whole, with what is known about it", "[async][sharded]")
{
    two_queues q;
    const octets mine = in_ethernet(ip_packet(ip_protocol::tcp, segment(port_of(0, 2), 7)));
    const octets others = in_ethernet(ip_packet(ip_protocol::tcp, segment(port_of(1, 2), 7)));
    CHECK(q.arrives(mine) == std::vector<octets>{mine});
    CHECK(q.bells_of_b == 0);
    CHECK(q.arrives(others).empty());
    CHECK(q.arrives(others).empty());
    CHECK(q.bells_of_b == 1);  // once for all that b has not looked at
    CHECK(q.b_takes() == std::vector<octets>{others, others});
    CHECK(q.info_kept);
    CHECK(q.b_takes().empty());
    CHECK(q.arrives(others).empty());
    CHECK(q.bells_of_b == 2);
    CHECK(q.a.counters().handed_over == 3);
    CHECK(q.a.counters().kept == 1);
    CHECK(q.b.counters().taken_over == 2);
    q.a.leave();
    CHECK(q.arrives(others).empty());
    CHECK(q.a.counters().dropped_unreachable == 1);
}

TEST_CASE("of an ARP request the others are told as of a reply, so that one answers and all have learnt",
          "[async][sharded]")
{
    two_queues q;
    octets packet(arp_packet_size);
    write_arp({.operation = arp_operation::request, .sender_mac = peer, .sender_ip = there, .target_mac = {},
               .target_ip = here},
              packet);
    octets request = in_ethernet(packet, ethertype::arp, mac_address::broadcast());
    request.resize(60);  // padded, as on a wire
    CHECK(q.arrives(request) == std::vector<octets>{request});
    const auto told = q.b_takes();
    REQUIRE(told.size() == 1);
    const auto arp = parse_arp(std::span{told[0]}.subspan(ethernet_header_size));
    REQUIRE(arp);
    CHECK(arp->operation == arp_operation::reply);
    CHECK(arp->sender_mac == peer);
    CHECK(arp->sender_ip == there);
    CHECK(arp->target_ip == here);
    CHECK(q.a.counters().told == 1);
}

TEST_CASE("a stack that does not keep up loses what its ring cannot hold, and it is counted", "[async][sharded]")
{
    two_queues q{4'096};
    const octets others = in_ethernet(ip_packet(ip_protocol::tcp, segment(port_of(1, 2), 7)));
    for (int i = 0; i < 100; ++i) {
        CHECK(q.arrives(others).empty());
    }
    const steering_counters& c = q.a.counters();
    CHECK(c.handed_over > 20);
    CHECK(c.dropped_ring_full == 100 - c.handed_over);
    CHECK(q.bells_of_b == 1);

    // Without slots the rest waits where it is, and is asked for again when there are some.
    std::vector<buffer> held;
    for (int i = 0; i < 6; ++i) {
        held.push_back(q.pool.acquire());
    }
    std::vector<frame> taken;
    const auto take = [&] {
        q.b.advance(time_point{}, q.pool, [&](frame&& f) { taken.push_back(std::move(f)); },
                    [](const outgoing_frame&, const buffer&) { return sink_verdict::done; });
    };
    take();
    CHECK(taken.size() == 2);
    CHECK(q.b.counters().waited_for_slots == 1);
    CHECK(q.b.deadline() == time_point::never());
    taken.clear();
    CHECK(q.b.deadline() == time_point::min());
    std::size_t total = 2;
    while (q.b.deadline() == time_point::min()) {
        take();
        total += taken.size();
        taken.clear();
    }
    CHECK(total == c.handed_over);
    CHECK(q.b.counters().taken_over == c.handed_over);
}

TEST_CASE("frames of any size cross a ring between two threads in order, and no announcement is lost",
          "[async][sharded]")
{
    constexpr std::uint32_t frames = 30'000;
    handover_ring ring{16'384};
    std::atomic<unsigned> bell{0};
    std::atomic<std::uint32_t> seen{0};
    std::thread producer{[&] {
        random_source sizes{1};
        octets data(3'000);
        for (std::uint32_t i = 0; i < frames; ++i) {
            const std::size_t size = 5 + sizes.below(i % 16 == 0 ? 2'990 : 200);
            std::memcpy(data.data(), &i, sizeof i);
            data[size - 1] = std::byte{0x5A};
            while (!ring.push({data.data(), size}, {.wire_segments = static_cast<std::uint16_t>(size)})) {
                std::this_thread::yield();
            }
            if (ring.announce()) {
                ++bell;
                bell.notify_one();
            }
            while (i % 4 == 3 && seen != i + 1) {  // nobody but the bell says that this frame is there
                std::this_thread::yield();
            }
        }
    }};
    buffer_pool pool{4'096, 4};
    std::uint32_t expected = 0;
    bool good = true;
    unsigned heard = 0;
    while (expected < frames) {
        if (!ring.has_more()) {
            bell.wait(heard);  // a lost announcement would be the end of the test
            heard = bell.load();
        }
        ring.take_all(pool, 50, [&](frame&& f) {
            std::uint32_t number = 0;
            std::memcpy(&number, f.data.data, sizeof number);
            good = good && number == expected && f.info.wire_segments == f.data.size &&
                   f.data.data[f.data.size - 1] == std::byte{0x5A};
            ++expected;
        });
        seen = expected;
    }
    producer.join();
    CHECK(good);
    CHECK(expected == frames);
}
