// A link that changes under its connections: MTU, carrier, address; and what is reported of a path that fails.
#include "tcpco/stack/link_life.hpp"

#include "catch.hpp"
#include "support/peer.hpp"
// After it, for the names of both:
#include "support/link.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<>;
constexpr link_profile path{.delay = duration{10'000'000}, .per_frame = duration{100'000}};
constexpr duration a_minute{60'000'000'000};

// a sends to b; nobody ends.
struct transfer : sim {
    explicit transfer(std::size_t n) : sim{config_a(), config_b(), path}
    {
        skip_arp();
        at_a.to_send = pattern(n);
        at_a.ends = at_b.ends = false;
        open();
    }
    bool finish(std::size_t n, duration limit)
    {
        at_a.to_send = pattern(n);
        turn();
        return run([&] { return at_b.received.size() == n; }, limit) && at_b.received == at_a.to_send;
    }
};

std::vector<socket_event> events(basic_stack<>& stack)
{
    std::vector<socket_event> all;
    while (const auto e = stack.poll_event()) {
        all.push_back(*e);
    }
    return all;
}

std::uint8_t news(basic_stack<>& stack)
{
    unsigned bits = 0;
    for (const socket_event& e : events(stack)) {
        bits |= e.what;
    }
    return static_cast<std::uint8_t>(bits);
}

}  // namespace

TEST_CASE("device: a smaller MTU in mid-life cuts what is in flight, a larger one is used as far as was announced",
          "[stack][MUST-16][MUST-67]")
{
    transfer net{300'000};
    net.run([&] { return net.at_b.received.size() > 50'000; }, a_minute);
    std::size_t largest = 0;
    net.a.configure_device({.mtu = 1'000});
    const std::size_t from = net.link.count();
    net.link.drops = [&](std::size_t index, int side, const octets& f) {
        largest = side == 0 && index >= from ? std::max(largest, f.size()) : largest;
        return false;
    };
    CHECK(net.finish(300'000, a_minute));
    CHECK(largest == 1'014);
    CHECK(net.info_a().timeouts == 0);
    net.a.configure_device({.mtu = 9'000});
    largest = 0;
    CHECK(net.finish(400'000, a_minute));
    CHECK(largest == 1'514);  // what both announced at the beginning
}

TEST_CASE("device: without a carrier frames are lost, and everything goes on at once when it is back", "[stack]")
{
    transfer net{300'000};
    net.run([&] { return net.at_b.received.size() > 50'000; }, a_minute);
    net.a.link_changed(net.now, false);
    const std::size_t before = net.link.count();
    net.run_for(3 * a_minute);
    CHECK(net.a.counters().frames_without_carrier > 3);
    CHECK(net.a.counters().frames_without_carrier < 100);  // backed off, no hammering
    CHECK(net.a.connect({net.b.address(), 9}).ec == errc::network_down);
    CHECK(net.a.connect({"127.0.0.1"_ip, 9}).ec == errc::ok);
    CHECK(net.info_a().state == tcp_state::established);
    CHECK(net.link.count() - before <= 40);
    const time_point up = net.now;
    net.a.link_changed(net.now, true);
    CHECK(net.finish(300'000, duration{5'000'000'000}));
    CHECK(net.now - up < duration{5'000'000'000});
    CHECK(net.info_a().path_mtu == 1'500);  // that nothing got through was not for its size
}

TEST_CASE("device: another address ends what was bound to the old one, and nothing else", "[stack]")
{
    transfer net{1'000};
    net.run_for(duration{1'000'000'000});
    const listener_id bound = net.a.listen({net.a.address(), 80}).value;
    const listener_id any = net.a.listen({ip_address{}, 81}).value;
    const std::size_t before = net.link.count();
    net.a.set_address(net.now, "192.0.2.9/24"_net);
    CHECK(net.a.error_of(net.id_a) == errc::address_not_available);
    CHECK(net.a.accept(bound).ec == errc::address_not_available);
    CHECK(net.a.accept(any).ec == errc::would_block);
    net.turn();
    net.run_for(a_minute);
    CHECK(net.a.connection_count() == 0);
    CHECK(net.link.count() == before);  // not a word from an address that is not ours
    CHECK(net.a.address() == "192.0.2.9"_ip);

    // From the new one it works as always.
    net.b.set_neighbour("192.0.2.9"_ip.v4(), sim::config_a().network.mac);
    const connection_id again = net.a.connect({net.b.address(), 7}).value;
    net.run_for(duration{1'000'000'000});
    CHECK(net.a.info(again).value.state == tcp_state::established);
    CHECK(net.a.local_of(again).address == "192.0.2.9"_ip);
}

TEST_CASE("reports: three timeouts in a row are told, and the next hop is asked for again",
          "[stack][MUST-20][SHLD-9][SHLD-10][RFC9293-3.9.1.8a]")
{
    sim net{sim::config_a(), sim::config_b(), path};
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    net.run_for(duration{1'000'000'000});
    REQUIRE(net.both_in(tcp_state::established));
    news(net.a);
    std::size_t asked = 0;
    net.link.drops = [&](std::size_t, int from, const octets& f) {
        asked += from == 0 && f[12] == std::byte{8} && f[13] == std::byte{6} ? 1U : 0U;
        return true;
    };
    net.at_a.to_send = pattern(100);
    net.turn();
    net.run([&] { return net.info_a().timeouts == 2; }, a_minute);
    CHECK((news(net.a) & readiness::advised) == 0);
    CHECK_FALSE(net.info_a().delivery_doubtful);
    CHECK(asked == 0);
    net.run([&] { return net.info_a().timeouts == 3; }, a_minute);
    CHECK((news(net.a) & readiness::advised) != 0);
    CHECK(net.info_a().delivery_doubtful);
    net.run_for(duration{100'000'000});
    CHECK(asked >= 1);
    net.link.drops = nullptr;
    net.run_for(a_minute);
    CHECK_FALSE(net.info_a().delivery_doubtful);
    CHECK(net.at_b.received.size() == 100);
}

TEST_CASE("reports: an ICMP error is told", "[stack][RFC9293-3.9.1.8a]")
{
    peer p;
    p.in_established();
    while (p.stack.poll_event()) {
    }
    p.write(100);
    const packet sent = p.next();
    p.send_icmp(icmp_type::destination_unreachable, 1, sent);
    unsigned bits = 0;
    while (const auto e = p.stack.poll_event()) {
        bits |= e->what;
    }
    CHECK((bits & readiness::advised) != 0);
    CHECK(p.info().soft_error == errc::host_unreachable);
}

TEST_CASE("reports: a CLOSE-WAIT that is held too long is told once, and nothing is done about it", "[stack]")
{
    peer p{with([](auto& c) { c.tcp.close_wait_report = duration{10'000'000'000}; })};
    p.in_established();
    while (p.stack.poll_event()) {
    }
    p.send("FA seq=1001 ack=5001");
    p.forget();
    p.wait(5_s);
    p.send("FA seq=1001 ack=5001");  // once more: the ACK that it gets changes nothing
    p.forget();
    p.wait(4_s);
    CHECK(p.stack.counters().close_wait_held == 0);
    p.wait(2_s);
    CHECK(p.stack.counters().close_wait_held == 1);
    unsigned bits = 0;
    while (const auto e = p.stack.poll_event()) {
        bits |= e->what;
    }
    CHECK((bits & readiness::advised) != 0);
    p.wait(100_s);
    CHECK(p.stack.counters().close_wait_held == 1);
    CHECK(p.state() == "CLOSE-WAIT");

    peer in_time{with([](auto& c) { c.tcp.close_wait_report = duration{10'000'000'000}; })};
    in_time.in_close_wait();
    in_time.close();
    in_time.forget();
    in_time.wait(60_s);
    CHECK(in_time.stack.counters().close_wait_held == 0);
}

TEST_CASE("device: a listener that lost its address does not take another's place with it", "[stack][MUST-42]")
{
    transfer net{0};
    const ip_prefix old = "192.0.2.1/24"_net;
    const listener_id first = net.a.listen({old.address, 80}).value;
    net.a.set_address(net.now, "192.0.2.9/24"_net);
    net.a.set_address(net.now, old);
    const auto second = net.a.listen({old.address, 80});
    REQUIRE(second.ec == errc::ok);
    CHECK(net.a.close(first) == errc::ok);
    CHECK(net.a.listen({old.address, 80}).ec == errc::address_in_use);
}

TEST_CASE("device: when there is one again, listeners accept again, only one that lost its address does not", "[stack]")
{
    peer p;
    p.listen();
    const listener_id any = p.stack.listen({ip_address{}, 81}).value;
    const listener_id stale = p.stack.listen({p.sut_address, 82}).value;
    p.stack.device_lost(errc::network_down);
    CHECK(p.stack.accept(p.listener).ec == errc::network_down);
    CHECK(p.stack.accept(any).ec == errc::network_down);
    SECTION("the address is the same")
    {
        p.stack.configure_device({.mtu = 1'500});
        CHECK(p.stack.accept(p.listener).ec == errc::would_block);
        CHECK(p.stack.accept(any).ec == errc::would_block);
        CHECK_FALSE(p.stack.can_accept(p.listener));
        p.send("S seq=1000 mss=1000");
        CHECK(p.next() == "SA seq=5000 ack=1001");
        p.send("A seq=1001 ack=5001");
        CHECK(p.accept());
        CHECK(p.state() == "ESTABLISHED");
    }
    SECTION("the address is another one")
    {
        p.stack.set_address(p.now, "192.0.2.9/24"_net);
        p.stack.device_lost(errc::connection_aborted);  // again, for another reason
        p.stack.configure_device({.mtu = 1'500});
        CHECK(p.stack.accept(any).ec == errc::would_block);
        CHECK(p.stack.accept(stale).ec == errc::address_not_available);
        CHECK(p.stack.accept(p.listener).ec == errc::address_not_available);
    }
}
