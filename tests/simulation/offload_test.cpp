// What a device does with frames must not matter: a stack whose device cuts super-frames up puts the same octets on the
// wire as one that sends each segment itself, and a stack whose device merges segments ends where another does.
#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include "catch.hpp"
#include "support/network.hpp"
#include "support/offloads.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"

using namespace tcpco_test;

namespace {

constexpr std::size_t ip_at = 14;
constexpr std::size_t tcp_at = ip_at + ipv4_header_size;

struct view {
    ipv4_header ip{};
    tcp_header tcp{};
    std::size_t text_at = 0;
    std::size_t text = 0;
};

view view_of(const octets& frame)
{
    const auto ip = parse_ipv4(std::span{frame}.subspan(ip_at));
    REQUIRE(ip);
    const auto tcp = parse_tcp(ip->payload);
    REQUIRE(tcp);
    const std::size_t head = ip->payload.size() - tcp->payload.size();
    return {ip->header, tcp->header, tcp_at + head, tcp->payload.size()};
}

void finish(octets& frame, ipv4_header ip, const tcp_header& tcp)
{
    ip.identification = 0;  // means nothing in a packet that must not be fragmented (RFC 6864)
    ip.total_length = static_cast<std::uint16_t>(frame.size() - ip_at);
    write_ipv4(ip, std::span{frame}.subspan(ip_at));
    const std::span<std::byte> segment = std::span{frame}.subspan(tcp_at);
    write_tcp(tcp, segment);
    write_be16(segment.data() + 16, 0);
    const std::span<const std::byte> whole[] = {segment};
    write_tcp_checksum(transport_checksum(ip.source, ip.destination, ip_protocol::tcp, whole), segment);
}

// As a device with TSO does. Without identifications, which differ from one way of sending to the other.
std::vector<octets> cut_up(const octets& frame, const frame_info& info)
{
    std::vector<octets> segments = on_the_wire(frame, info, true);
    CHECK(segments.size() == info.wire_segments);
    for (octets& one : segments) {
        const view v = view_of(one);
        finish(one, v.ip, v.tcp);
    }
    return segments;
}

// As a device with GRO does: a segment that goes on where the last one ended, with the same header, becomes part of it.
bool merge(octets& into, frame_info& info, const octets& next)
{
    const view a = view_of(into);
    const view b = view_of(next);
    const auto options = [](const octets& frame, const view& v) {
        return std::span{frame}.subspan(tcp_at + tcp_header_size, v.text_at - tcp_at - tcp_header_size);
    };
    const auto of_a = options(into, a);
    const auto of_b = options(next, b);
    const bool same_options = std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end());
    const auto ends = tcp_flag::fin | tcp_flag::psh | tcp_flag::syn | tcp_flag::rst;
    if (a.text == 0 || b.text == 0 || !same_options || a.tcp.ack != b.tcp.ack || a.tcp.window != b.tcp.window ||
        a.tcp.source_port != b.tcp.source_port || b.tcp.seq - a.tcp.seq != static_cast<std::int32_t>(a.text) ||
        (a.tcp.flags & ends) != 0 || (info.gso_size != 0 && a.text % info.gso_size != 0) ||
        b.text > (info.gso_size != 0 ? info.gso_size : a.text) || into.size() + b.text > 60'000) {
        return false;
    }
    info.gso_type = gso_kind::tcp_v4;
    info.gso_size = info.gso_size != 0 ? info.gso_size : static_cast<std::uint16_t>(a.text);
    ++info.wire_segments;
    into.insert(into.end(), next.begin() + static_cast<std::ptrdiff_t>(b.text_at), next.end());
    tcp_header tcp = a.tcp;
    tcp.flags = static_cast<std::uint16_t>(tcp.flags | (b.tcp.flags & (tcp_flag::fin | tcp_flag::psh)));
    finish(into, a.ip, tcp);
    return true;
}

struct devices {
    bool tso = false;
    bool gro = false;
    std::size_t lost = ~std::size_t{0};  // the n-th segment of the sender
};

struct outcome {
    std::vector<wire_frame> wire;  // segment by segment
    octets received;
    tcp_info receiver{};
    std::uint64_t segments_received = 0;
};

// a sends `text` to b over a wire of 10 ms. Both ends have the same device.
outcome transfer(const devices& d, const octets& text)
{
    using net = two_stacks<>;
    auto ca = net::config_a();
    auto cb = net::config_b();
    basic_stack<default_policies> a{ca};
    basic_stack<default_policies> b{cb};
    if (d.tso) {
        const device_config device{.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535};
        a.configure_device(device);
        b.configure_device(device);
    }
    a.set_neighbour(ipv4_address{0xC0000202}, cb.network.mac);
    b.set_neighbour(ipv4_address{0xC0000201}, ca.network.mac);
    const listener_id listening = b.listen({"192.0.2.2"_ip, 7}).value;
    const connection_id client = a.connect({"192.0.2.2"_ip, 7}).value;
    std::optional<connection_id> server;

    outcome out;
    std::deque<wire_frame> on_wire;
    std::size_t count = 0;
    std::size_t written = 0;
    bool shut = false;
    time_point now{duration{1'000'000'000}};
    const auto send = [&](basic_stack<default_policies>& stack, int from) {
        stack.transmit(now, [&](const outgoing_frame& f) {
            for (octets& segment : cut_up(octets_of(f), f.info)) {
                out.wire.push_back({now, from, segment});
                if (from == 1 || count++ != d.lost) {
                    on_wire.push_back({now + duration{10'000'000}, from, std::move(segment)});
                }
            }
            return sink_verdict::done;
        });
    };
    const auto deliver = [&] {
        while (!on_wire.empty() && on_wire.front().at <= now) {
            wire_frame f = std::move(on_wire.front());
            on_wire.pop_front();
            frame_info info{.arrived_at = now};
            while (d.gro && !on_wire.empty() && on_wire.front().at <= now && on_wire.front().from == f.from &&
                   merge(f.data, info, on_wire.front().data)) {
                on_wire.pop_front();
            }
            (f.from == 0 ? b : a).receive_copy(now, f.data, info);
        }
    };
    const auto run = [&] {
        if (!server) {
            if (const auto accepted = b.accept(listening)) {
                server = accepted.value;
            }
        }
        written += a.write(client, std::span{text}.subspan(written)).value;
        if (written == text.size() && !shut) {
            shut = a.info(client).value.state == tcp_state::established;
            shut = shut && a.shutdown(client) == errc::ok;
        }
        std::byte buffer[16'384];
        if (server) {
            for (auto r = b.read(*server, buffer); r.value > 0; r = b.read(*server, buffer)) {
                out.received.insert(out.received.end(), buffer, buffer + r.value);
            }
        }
    };
    const time_point end = now + duration{30'000'000'000};
    while (now < end) {
        deliver();
        a.advance(now);
        b.advance(now);
        run();
        while (a.has_output() || b.has_output()) {
            send(a, 0);
            send(b, 1);
        }
        a.check_invariants();
        b.check_invariants();
        now = std::min({a.deadline(), b.deadline(), on_wire.empty() ? time_point::never() : on_wire.front().at, end});
    }
    out.receiver = b.info(*server).value;
    out.segments_received = b.counters().segments_received;
    return out;
}

void check_same_wire(const outcome& x, const outcome& y)
{
    REQUIRE(x.wire.size() == y.wire.size());
    for (std::size_t i = 0; i < x.wire.size(); ++i) {
        const bool same = x.wire[i].at == y.wire[i].at && x.wire[i].data == y.wire[i].data;
        INFO("frame " << i << "\n" << dump_ethernet(x.wire[i].data) << "\n" << dump_ethernet(y.wire[i].data));
        REQUIRE(same);
    }
}

}  // namespace

TEST_CASE("simulation: with and without segmentation offload the same octets are on the wire at the same times",
          "[simulation]")
{
    const octets text = pattern(GENERATE(as<std::size_t>{}, 1, 1'448, 1'449, 100'000, 1'000'000));
    const std::size_t lost = GENERATE(as<std::size_t>{}, 100'000, 5, 40);
    const outcome plain = transfer({.lost = lost}, text);
    const outcome offloaded = transfer({.tso = true, .lost = lost}, text);
    CHECK(plain.received == text);
    CHECK(offloaded.received == text);
    check_same_wire(plain, offloaded);
}

TEST_CASE("simulation: segments that a device merged lead to the same state as those that came one by one",
          "[simulation]")
{
    const octets text = pattern(GENERATE(as<std::size_t>{}, 10'000, 1'000'000));
    const std::size_t lost = GENERATE(as<std::size_t>{}, 100'000, 5, 40);
    const outcome one_by_one = transfer({.lost = lost}, text);
    const outcome merged = transfer({.tso = true, .gro = true, .lost = lost}, text);
    CHECK(merged.received == text);
    CHECK(merged.receiver.state == one_by_one.receiver.state);
    CHECK(merged.receiver.octets_received == one_by_one.receiver.octets_received);
    CHECK(merged.segments_received <= one_by_one.segments_received + 10);
    CHECK(merged.segments_received + 10 >= one_by_one.segments_received);
    // Fewer ACKs, since several segments came as one: that is the point of merging.
    CHECK(merged.wire.size() <= one_by_one.wire.size());
}
