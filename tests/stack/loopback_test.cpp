// Connections of a stack to itself: to its own address, to 127.0.0.0/8, and of a socket to itself.
#include "tcpco/stack/loopback.hpp"

#include "catch.hpp"
#include "support/network.hpp"

using namespace tcpco_test;

namespace {

struct lone {
    explicit lone(const stack_config<default_policies>& c = config()) : stack{c} {}
    static stack_config<default_policies> config()
    {
        stack_config<default_policies> c{.address = "192.0.2.1/24"_net};
        c.seed = 3;
        return c;
    }

    // Time goes by; what leaves the stack is counted, nothing comes back.
    void run(duration length = {})
    {
        const time_point end = now + length;
        for (;;) {
            while (stack.has_output()) {
                stack.transmit(now, [this](const outgoing_frame&) {
                    ++left;
                    return sink_verdict::done;
                });
                REQUIRE(++turns < 1'000'000);  // two ends in one stack must not answer each other for ever
            }
            stack.check_invariants();
            const time_point next = stack.deadline();
            if (next > end) {
                now = end;
                stack.advance(now);
                break;
            }
            now = std::max(now, next);
            stack.advance(now);
        }
        while (stack.has_output()) {
            stack.transmit(now, [this](const outgoing_frame&) {
                ++left;
                return sink_verdict::done;
            });
        }
    }
    octets read_all(connection_id id)
    {
        octets all;
        octets some(8'192);
        for (;;) {
            const auto [ec, n] = stack.read(id, some);
            if (ec != errc::ok || n == 0) {
                return all;
            }
            all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
        }
    }
    // Writes all of it, reads at the other end what comes; what was read there.
    octets carry(connection_id from, connection_id to, const octets& text)
    {
        octets got;
        std::size_t at = 0;
        for (int i = 0; i < 10'000 && got.size() < text.size(); ++i) {
            if (at < text.size()) {
                at += stack.write(from, std::span{text}.subspan(at)).value;
            }
            run(1_ms);
            const octets some = read_all(to);
            got.insert(got.end(), some.begin(), some.end());
        }
        return got;
    }
    std::uint64_t dropped() const
    {
        std::uint64_t all = 0;
        for (const std::uint64_t n : stack.counters().dropped) {
            all += n;
        }
        return all;
    }
    tcp_state state_of(connection_id id) { return stack.look(id).state; }

    basic_stack<> stack;
    time_point now{1_s};
    int left = 0;
    int turns = 0;
};

}  // namespace

TEST_CASE("loopback: a stack talks to itself, by its own address and by 127.0.0.1", "[stack]")
{
    const endpoint server{GENERATE(as<ip_address>{}, "192.0.2.1"_ip, "127.0.0.1"_ip, "127.3.2.1"_ip), 80};
    const bool wildcard = GENERATE(true, false);
    lone l;
    const listener_id listener = l.stack.listen({wildcard ? ip_address{} : server.address, 80}).value;
    const auto [ec, client] = l.stack.connect(server);
    REQUIRE(ec == errc::ok);
    l.run();
    const auto accepted = l.stack.accept(listener);
    REQUIRE(accepted.ec == errc::ok);
    CHECK(l.state_of(client) == tcp_state::established);
    CHECK(l.stack.local_of(accepted.value) == server);
    CHECK(l.stack.remote_of(accepted.value) == l.stack.local_of(client));
    CHECK(l.stack.local_of(client).address == server.address);

    const octets text = pattern(300'000);
    CHECK(l.carry(client, accepted.value, text) == text);
    CHECK(l.carry(accepted.value, client, text) == text);

    CHECK(l.stack.close(client) == errc::ok);
    l.run();
    CHECK(l.state_of(accepted.value) == tcp_state::close_wait);
    CHECK(l.stack.close(accepted.value) == errc::ok);
    l.run();
    CHECK(l.stack.connection_count() == 0);
    l.run(120_s);
    CHECK(l.stack.time_wait_count() == 0);
    CHECK(l.left == 0);
    CHECK(l.dropped() == 0);
    CHECK(l.stack.counters().frames_received == l.stack.counters().frames_sent);
}

TEST_CASE("loopback: without Ethernet, and where the device computes checksums and cuts segments", "[stack]")
{
    auto c = lone::config();
    c.network.ethernet = false;
    lone l{c};
    if (GENERATE(false, true)) {
        l.stack.configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    }
    const listener_id listener = l.stack.listen({ip_address{}, 80}).value;
    const connection_id client = l.stack.connect({"192.0.2.1"_ip, 80}).value;
    l.run();
    const connection_id server = l.stack.accept(listener).value;
    const octets text = pattern(500'000);
    CHECK(l.carry(client, server, text) == text);
    CHECK(l.left == 0);
    CHECK(l.dropped() == 0);
}

TEST_CASE("loopback: a port on which nobody listens refuses at once", "[stack]")
{
    lone l;
    const connection_id client = l.stack.connect({"127.0.0.1"_ip, 9}).value;
    l.run();
    CHECK(l.state_of(client) == tcp_state::closed);
    CHECK(l.stack.error_of(client) == errc::connection_refused);
    CHECK(l.left == 0);
}

TEST_CASE("loopback: a socket that connects to its own address and port talks to itself", "[stack][MUST-10]")
{
    // The simultaneous open that needs one end only: its SYN is the peer's, too.
    lone l;
    const endpoint self{"192.0.2.1"_ip, 4'000};
    const auto [ec, id] = l.stack.connect(self, {.local = self});
    REQUIRE(ec == errc::ok);
    l.run();
    REQUIRE(l.state_of(id) == tcp_state::established);
    CHECK(l.stack.connection_count() == 1);
    const octets text = pattern(200'000);
    CHECK(l.carry(id, id, text) == text);

    CHECK(l.stack.close(id) == errc::ok);  // the simultaneous close likewise
    l.run(10_s);
    CHECK(l.stack.connection_count() == 0);
    l.run(120_s);
    CHECK(l.stack.time_wait_count() == 0);
    CHECK(l.left == 0);
    CHECK(l.stack.connect(self, {.local = self}).ec == errc::ok);
}

TEST_CASE("loopback: what slots cannot hold is lost, counted, and sent again", "[stack]")
{
    auto c = lone::config();
    c.limits.frame_slots = 4;
    lone l{c};
    const listener_id listener = l.stack.listen({ip_address{}, 80}).value;
    const connection_id client = l.stack.connect({"127.0.0.1"_ip, 80}).value;
    l.run(5_s);
    const connection_id server = l.stack.accept(listener).value;
    const octets text = pattern(50'000);
    CHECK(l.carry(client, server, text) == text);
    CHECK(l.stack.counters().of(drop_reason::no_buffer) > 0);
}

TEST_CASE("loopback: from outside, neither the own address nor 127.0.0.0/8 is believed", "[stack][MUST-63][RFC1122-3.2.1.3c]")
{
    lone l;
    REQUIRE(l.stack.listen({ip_address{}, 80}).ec == errc::ok);
    const auto send = [&](const ip_address& source, const ip_address& destination) {
        octets f(ethernet_header_size + ipv4_header_size + tcp_header_size);
        const std::size_t at = write_ethernet(
            {.destination = lone::config().network.mac, .source = {{2, 0, 0, 0, 0, 9}}, .type = ethertype::ipv4}, f);
        ipv4_header ip;
        ip.total_length = ipv4_header_size + tcp_header_size;
        ip.protocol = ip_protocol::tcp;
        ip.source = source.v4();
        ip.destination = destination.v4();
        const std::size_t tcp = at + write_ipv4(ip, std::span{f}.subspan(at));
        write_tcp({.source_port = 9, .destination_port = 80, .flags = tcp_flag::syn}, {}, std::span{f}.subspan(tcp));
        frame_info info;
        info.checksum = checksum_state::good;
        l.stack.receive_copy(l.now, f, info);
        l.run();
    };
    send("192.0.2.1"_ip, "192.0.2.1"_ip);
    send("127.0.0.1"_ip, "192.0.2.1"_ip);
    CHECK(l.stack.counters().of(drop_reason::ip_bad_source) == 2);
    send("192.0.2.7"_ip, "127.0.0.1"_ip);
    CHECK(l.stack.counters().of(drop_reason::ip_not_ours) == 1);
    CHECK(l.stack.connection_count() == 0);
}

TEST_CASE("loopback: another address of the stack leaves a half-open connection of 127.0.0.1 alone", "[stack]")
{
    auto config = lone::config();
    config.limits.whole_half_open = 0;
    lone l{config};
    const listener_id listener = l.stack.listen({ip_address{}, 80}).value;
    const connection_id client = l.stack.connect({"127.0.0.1"_ip, 80}).value;
    for (int i = 0; i < 10 && l.stack.syn_received_count() == 0; ++i) {
        l.stack.transmit(l.now, [](const outgoing_frame&) { return sink_verdict::done; }, 1);
    }
    REQUIRE(l.stack.syn_received_count() == 1);
    l.stack.set_address(l.now, "192.0.2.9/24"_net);
    l.run();
    CHECK(l.state_of(client) == tcp_state::established);
    CHECK(l.stack.accept(listener).ec == errc::ok);
    CHECK(l.dropped() == 0);
}
