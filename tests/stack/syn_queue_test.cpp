// SYN queue, accept queue and SYN cookies (RFC 4987): two stacks, and a scripted peer that floods.
#include "tcpco/stack/syn_queue.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/peer.hpp"
// after it: its `octets` is a name of locals there
#include "support/network.hpp"

using namespace tcpco_test;

namespace {

using when = syn::cookies::when;

constexpr duration seconds(std::int64_t n) { return duration{n * 1'000'000'000}; }

stack_config<default_policies> server_with(when use)
{
    auto c = two_stacks<>::config_b();
    c.syn_defence.use = use;
    return c;
}

struct cookie_network : two_stacks<> {
    explicit cookie_network(when use = when::always, stack_config<default_policies> client = config_a())
        : two_stacks<>{client, server_with(use)}
    {
        delay = duration{10'000'000};
        listening = b.listen(here).value;
    }
    endpoint here{"192.0.2.2"_ip, 7};
    listener_id listening{};
};

std::size_t count_connections(basic_stack<default_policies>& stack)
{
    std::size_t n = 0;
    stack.for_each_connection([&](connection_id, const tcp_info&) { ++n; });
    return n;
}

// Both ways, and what each end got.
template <class Net>
void check_transfer(Net& net, connection_id client, std::optional<connection_id>& server, std::size_t n)
{
    const octets there = pattern(n, 1);
    const octets back = pattern(n, 2);
    std::size_t sent_there = 0;
    std::size_t sent_back = 0;
    octets at_server;
    octets at_client;
    const auto drain = [](auto& stack, connection_id id, octets& into) {
        std::byte buffer[8'192];
        for (auto r = stack.read(id, buffer); r.value > 0; r = stack.read(id, buffer)) {
            into.insert(into.end(), buffer, buffer + r.value);
        }
    };
    net.run_for(seconds(60), [&] {
        if (!server) {
            if (const auto accepted = net.b.accept(net.listening)) {
                server = accepted.value;
            }
        }
        sent_there += net.a.write(client, std::span{there}.subspan(sent_there)).value;
        drain(net.a, client, at_client);
        if (server) {
            sent_back += net.b.write(*server, std::span{back}.subspan(sent_back)).value;
            drain(net.b, *server, at_server);
        }
    });
    REQUIRE(server);
    CHECK(at_server == there);
    CHECK(at_client == back);
}

}  // namespace

TEST_CASE("A SYN cookie leaves no state, and its connection has all that the SYN offered",
          "[stack][RFC4987-3.6b][RFC4987-3.6d][RFC4987-3.6e]")
{
    cookie_network net;
    const connection_id client = net.a.connect(net.here).value;
    net.run_for(duration{45'000'000});  // ARP, SYN there, SYN,ACK on its way
    CHECK(net.b.counters().syn_cookies_sent == 1);
    CHECK(count_connections(net.b) == 0);
    std::optional<connection_id> server;
    check_transfer(net, client, server, 1'000'000);
    const tcp_info at_server = net.b.info(*server).value;
    const tcp_info at_client = net.a.info(client).value;
    CHECK(at_server.timestamps);
    CHECK(at_server.sack_permitted);
    CHECK(at_client.sack_permitted);
    CHECK(at_server.snd_wscale == at_client.rcv_wscale);
    CHECK(at_server.rcv_wscale == at_client.snd_wscale);
    CHECK(at_server.smss == at_client.smss);
    CHECK(at_server.smss == 1'448);
    CHECK(at_server.retransmissions == 0);
    CHECK(at_client.retransmissions == 0);
    CHECK(net.b.counters().syn_cookies_accepted == 1);
    CHECK(at_server.srtt < duration{30'000'000});
    net.b.check_invariants();
}

TEST_CASE("A SYN cookie for a peer without timestamps: no window scale and no SACK at either end",
          "[stack][RFC4987-3.6e]")
{
    auto plain = two_stacks<>::config_a();
    plain.tcp.timestamps = false;
    cookie_network net{when::always, plain};
    const connection_id client = net.a.connect(net.here).value;
    std::optional<connection_id> server;
    check_transfer(net, client, server, 300'000);
    const tcp_info at_server = net.b.info(*server).value;
    const tcp_info at_client = net.a.info(client).value;
    CHECK_FALSE(at_server.sack_permitted);
    CHECK_FALSE(at_client.sack_permitted);
    CHECK(at_server.snd_wscale == 0);
    CHECK(at_client.snd_wscale == 0);
    CHECK(at_server.smss == 1'460);
}

TEST_CASE("SYN cookies survive the loss of any of the first frames", "[stack][RFC4987-4b][RFC4987-3.6b]")
{
    for (std::size_t lost = 0; lost < 8; ++lost) {
        INFO("lost: " << lost);
        cookie_network net;
        std::size_t count = 0;
        net.filter = [&](int, std::size_t, const octets&) { return count++ == lost ? 0 : 1; };
        const connection_id client = net.a.connect(net.here).value;
        std::optional<connection_id> server;
        check_transfer(net, client, server, 20'000);
        net.b.check_invariants();
    }
}

TEST_CASE("A SYN queue full of forged SYNs keeps no real client out", "[stack][RFC4987-3.6a][RFC4987-3.5a]")
{
    peer p;
    p.check_payload = false;
    p.listen(4);
    for (int i = 0; i < 2'000; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        p.forget();
    }
    CHECK(p.connections().size() == 4);
    CHECK(p.stack.counters().syn_cookies_sent == 1'996);
    p.send("S seq=1000 port=9999 mss=1300 ts=7/0 ws=3 sackok");
    const packet answer = p.next();
    CHECK(answer == "SA ack=1001 port=9999 tsecr=7");
    CHECK(answer.header.window > 0);
    p.send("A seq=1001 port=9999 len=10 ack=" + std::to_string(answer.seq() + 1) + " ts=8/" +
           std::to_string(answer.options.tsval));
    CHECK(p.accept());
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.info().receive_queued == 10);  // it rode on the ACK
    CHECK(p.info().smss == 1'200 - 12);
    CHECK(p.info().snd_wscale == 3);
}

TEST_CASE("A forged cookie gets an RST and opens nothing, and where none was sent it is not even looked at",
          "[stack][RFC4987-3.6c]")
{
    peer p{with([](auto& c) { c.syn_defence.use = when::always; })};
    p.check_payload = false;
    p.listen();
    p.send("A seq=1001 ack=777");
    CHECK(p.next() == "R seq=777");
    CHECK(p.dropped(drop_reason::syn_cookie_invalid) == 0);
    p.send("S seq=1000");
    const packet answer = p.next();
    CHECK(answer == "SA ack=1001");
    p.send("A seq=1001 ack=" + std::to_string(answer.seq()));
    CHECK(p.next() == "R");
    p.send("A seq=1002 ack=" + std::to_string(answer.seq() + 1));
    CHECK(p.next() == "R");
    CHECK(p.dropped(drop_reason::syn_cookie_invalid) == 2);
    CHECK_FALSE(p.accept());
    p.wait(200_s);
    p.send("A seq=1001 ack=" + std::to_string(answer.seq() + 1));  // too old
    CHECK(p.next() == "R");
    CHECK_FALSE(p.accept());
    CHECK(p.connections().empty());
}

TEST_CASE("A FIN or an RST on the ACK of a cookie is treated as on any connection", "[stack][RFC4987-3.6c]")
{
    peer p{with([](auto& c) { c.syn_defence.use = when::always; })};
    p.check_payload = false;
    p.listen();
    p.send("S seq=1000");
    const std::string ack = std::to_string(p.next().seq() + 1);
    p.send("RA seq=1001 ack=" + ack);
    CHECK(p.next() == "-");
    CHECK_FALSE(p.accept());
    p.send("FA seq=1001 len=3 ack=" + ack);
    CHECK(p.next() == "A ack=1005");
    CHECK(p.accept());
    CHECK(p.state() == "CLOSE-WAIT");
}

TEST_CASE("The SYN queue and the accept queue have limits of their own", "[stack][RFC4987-3.3a]")
{
    peer p{with([](auto& c) { c.syn_defence.use = when::off; })};
    p.check_payload = false;
    p.listen(1);
    CHECK(p.stack.set_options(p.listener, {.half_open_limit = 3}) == errc::ok);
    for (int i = 0; i < 5; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        CHECK((p.next() != "-") == (i < 3));
    }
    CHECK(p.dropped(drop_reason::syn_backlog_full) == 2);
    CHECK(p.stack.set_options({}, {}) == errc::bad_file_descriptor);
}

TEST_CASE("A handshake that ends while the accept queue is full is silent, and ends when there is room",
          "[stack][RFC4987-3.3a]")
{
    peer p;
    p.check_payload = false;
    p.listen(1);
    CHECK(p.stack.set_options(p.listener, {.half_open_limit = 8}) == errc::ok);
    std::vector<std::string> ack;
    for (int i = 0; i < 2; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        ack.push_back(std::to_string(p.next().seq() + 1));
    }
    p.send("A seq=1001 port=10000 ack=" + ack[0]);
    p.send("A seq=1001 port=10001 ack=" + ack[1]);
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::accept_queue_full) == 1);
    CHECK(p.accept());
    CHECK_FALSE(p.accept());
    p.wait(2_s);
    CHECK(p.next() == "SA ack=1001 port=10001");  // the SYN,ACK once more
    p.send("A seq=1001 port=10001 ack=" + ack[1]);
    CHECK(p.accept());
}

TEST_CASE("With abort_on_overflow a handshake that ends while the accept queue is full gets an RST", "[stack]")
{
    const when use = GENERATE(when::on_overflow, when::always);
    peer p{with([&](auto& c) { c.syn_defence.use = use; })};
    p.check_payload = false;
    p.listen(1);
    CHECK(p.stack.set_options(p.listener, {.half_open_limit = 8, .abort_on_overflow = true}) == errc::ok);
    std::vector<std::string> ack;
    for (int i = 0; i < 2; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        ack.push_back(std::to_string(p.next().seq() + 1));
    }
    p.send("A seq=1001 port=10000 ack=" + ack[0]);
    CHECK(p.next() == "-");
    p.send("A seq=1001 port=10001 ack=" + ack[1]);
    CHECK(p.next() == "R port=10001 | RA port=10001");
    CHECK(p.dropped(drop_reason::accept_queue_full) == 1);
    CHECK(p.accept());
    CHECK_FALSE(p.accept());
    CHECK(p.connections().size() == 1);
}

TEST_CASE("A listener of one address comes before one of all addresses, which serves when that is gone", "[stack]")
{
    peer p;
    p.check_payload = false;
    const listener_id any = p.stack.listen({ip_address{}, 7}).value;
    p.listen();
    const auto connects = [&](int port) {
        p.send("S seq=1000 port=" + std::to_string(port));
        const packet answer = p.next();
        p.send("A seq=1001 port=" + std::to_string(port) + " ack=" + std::to_string(answer.seq() + 1));
    };
    connects(10'000);
    CHECK_FALSE(p.stack.can_accept(any));
    CHECK(p.accept());
    CHECK(p.stack.close(p.listener) == errc::ok);
    connects(10'001);
    CHECK(p.stack.can_accept(any));
}
