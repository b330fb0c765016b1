#include "tcpco/async/connect.hpp"

#include "socket_world.hpp"

using namespace socket_test;

namespace {

task<> connect_fails(world& w, endpoint remote, errc why, connect_options options = {})
{
    auto [ec, socket] = co_await connect(w.client, remote, options);
    CHECK(ec == why);
    CHECK(!socket.is_open());
}

}  // namespace

TEST_CASE("connect() to a port that nobody listens on: connection_refused, after a round trip", "[async]")
{
    world w;
    const time_point start = w.now();
    w.run(connect_fails(w, server_address, errc::connection_refused));
    CHECK(w.now() - start == 4_ms);  // ARP, then SYN and RST
    CHECK(w.client.connection_count() == 0);
}

TEST_CASE("connect(): host_unreachable without an ARP answer, network_unreachable without a route", "[async]")
{
    world w;
    w.run(connect_fails(w, {"198.18.0.77"_ip, 7}, errc::host_unreachable));
    const time_point before = w.now();
    w.run(connect_fails(w, {"192.0.2.1"_ip, 7}, errc::network_unreachable));
    w.run(connect_fails(w, {"198.18.0.2"_ip, 0}, errc::invalid_argument));
    w.run(connect_fails(w, server_address, errc::address_not_available, {.local = {"192.0.2.9"_ip, 0}}));
    CHECK(w.now() == before);
    CHECK(w.client.connection_count() == 0);
}

TEST_CASE("connect(): a SYN that nobody answers ends with timed_out", "[async][MUST-23]")
{
    world w;
    w.client.set_neighbour("198.18.0.66"_ip.v4(), mac_address{{2, 0, 0, 0, 0, 66}});
    const time_point start = w.now();
    w.run(connect_fails(w, {"198.18.0.66"_ip, 7}, errc::timed_out));
    CHECK(w.now() - start >= 180_s);
    CHECK(w.client.connection_count() == 0);
}

TEST_CASE("A connect() that times out or is stopped is given up, and nothing is left of it", "[async]")
{
    struct body {
        static task<> stopped(world& w, int& ended)
        {
            fails(co_await connect(w.client, {"198.18.0.66"_ip, 7}), std::errc::operation_canceled);
            fails(co_await connect(w.client, {"198.18.0.66"_ip, 7}), std::errc::operation_canceled);
            ++ended;
        }
        static task<> children(scope& all, world& w, int& ended)
        {
            all.spawn(stopped, std::ref(w), std::ref(ended));
            succeeds(co_await sleep_for(10_ms));
            CHECK(w.client.connection_count() == 1);
            all.request_stop();
        }
    };
    world w;
    w.client.set_neighbour("198.18.0.66"_ip.v4(), mac_address{{2, 0, 0, 0, 0, 66}});
    w.run([](world& v) -> task<> {
        const time_point start = v.now();
        auto [ec, socket] = co_await with_timeout(connect(v.client, {"198.18.0.66"_ip, 7}), 2_s);
        CHECK(ec == std::errc::timed_out);
        CHECK(!socket.is_open());
        CHECK(v.now() == start + 2_s);
        CHECK(v.client.connection_count() == 0);
        int ended = 0;
        co_await with_scope(body::children, std::ref(v), std::ref(ended));
        CHECK(ended == 1);
        CHECK(v.client.connection_count() == 0);
        // A server whose answer comes too late gets a RST: it accepts nobody.
        tcp_listener listener{*v.server, server_address};
        fails(co_await with_timeout(connect(v.client, server_address), duration{3'500'000}), std::errc::timed_out);
        fails(co_await with_timeout(listener.accept(), 1_s), std::errc::timed_out);
        CHECK(v.server->connection_count() == 0);
    }(w));
}

TEST_CASE("A coroutine destroyed while it connects takes the attempt with it", "[async]")
{
    struct body {
        static task<> connects(world& w)
        {
            static_cast<void>(co_await connect(w.client, {"198.18.0.66"_ip, 7}));
            FAIL("never resumed");
        }
    };
    world w;
    w.client.set_neighbour("198.18.0.66"_ip.v4(), mac_address{{2, 0, 0, 0, 0, 66}});
    w.run([](world& v) -> task<> {
        {
            root doomed{v.reactor.get_executor(), body::connects(v)};
            succeeds(co_await sleep_for(10_ms));
            CHECK(v.client.connection_count() == 1);
        }
        CHECK(v.client.connection_count() == 0);
        succeeds(co_await sleep_for(10_s));
    }(w));
}

TEST_CASE("connect() uses the local port that is asked for, once: address_in_use", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        tcp_listener listener{*v.server, server_address};
        const connect_options from_port{.local = {ip_address{}, 5'555}, .no_delay = true};
        auto [ec, socket] = co_await connect(v.client, server_address, from_port);
        CHECK(!ec);
        CHECK(socket.local_endpoint() == endpoint{client_ip, 5'555});
        CHECK(socket.remote_endpoint() == server_address);
        fails(co_await connect(v.client, server_address, from_port), std::errc::address_in_use);
        auto [accepted, peer] = co_await listener.accept();
        CHECK(peer.remote_endpoint() == socket.local_endpoint());
    }(w));
}

TEST_CASE("connect() with Fast Open completes at once, and from the second time on its first write goes in the SYN",
          "[async][RFC7413-4.2.2c]")
{
    struct body {
        static task<> answer(tcp_listener& listener)
        {
            for (int i = 0; i < 2; ++i) {
                auto [ec, socket] = co_await listener.accept();
                CHECK(!ec);
                co_await echo(std::move(socket));
            }
        }
        static task<duration> request(world& w)
        {
            const time_point begun = w.now();
            auto [ec, socket] = co_await connect(w.client, server_address, {.fast_open = true});
            CHECK(!ec);
            CHECK(w.now() == begun);
            const auto [write_ec, written] = co_await socket.write("ping");
            CHECK(!write_ec);
            CHECK(written == 4);
            const std::string answer = co_await read_text(socket, 4);
            CHECK(answer == "ping");
            co_return w.now() - begun;
        }
        static task<> requests(world& w)
        {
            const duration first = co_await request(w);
            const duration second = co_await request(w);
            CHECK(first == 6_ms);   // ARP, then the handshake, then the text
            CHECK(second == 2_ms);  // the text in the SYN
        }
        static task<> both(world& w, tcp_listener& listener)
        {
            co_await when_all(answer(listener), requests(w));
        }
    };
    world w;
    tcp_listener listener{*w.server, server_address};
    succeeds(listener.set_options({.fast_open = 8}));
    w.run(body::both(w, listener));
    CHECK(w.server->counters().fast_open_accepted == 1);
    fails(tcp_listener{}.set_options({.fast_open = 8}), std::errc::bad_file_descriptor);
}

TEST_CASE("connect() by a stack that is gone, or outside of any executor, is refused", "[async]")
{
    world w;
    struct : completion {
        using completion::completion;
    } nobody{nullptr};
    connect_operation outside = connect(w.client, server_address);
    CHECK(!outside.start(nobody, environment{}));
    CHECK(outside.result().ec == std::errc::operation_not_supported);
    connect_operation late = connect(*w.server, {client_ip, 7});
    w.server_driver.reset();
    w.server.reset();
    CHECK(!late.start(nobody, environment{}));
    CHECK(late.result().ec == std::errc::bad_file_descriptor);
}

TEST_CASE("connect() to the very endpoint that it comes from: the socket talks to itself", "[async][MUST-10]")
{
    struct body {
        static task<> talks_to_itself(world& w, int& ended)
        {
            const endpoint self{"198.18.0.1"_ip, 4'000};
            const connect_options from{.local = self};
            auto [ec, socket] = co_await connect(w.client, self, from);
            CHECK(ec == std::error_code{});
            CHECK(socket.local_endpoint() == socket.remote_endpoint());
            succeeds(co_await socket.write("to myself"));
            std::array<std::byte, 64> room{};
            auto [read, n] = co_await socket.read_some(room);
            succeeds(read);
            equal(text_of(std::span{room}.first(n)), "to myself");
            succeeds(socket.shutdown());
            auto [end, none] = co_await socket.read_some(room);
            CHECK(end == errc::end_of_stream);
            CHECK(none == 0);
            ++ended;
        }
    };
    world w;
    int ended = 0;
    w.run(body::talks_to_itself(w, ended));
    CHECK(ended == 1);
    w.reactor.run_until(w.now() + 120_s);
    CHECK(w.client.connection_count() == 0);
}
