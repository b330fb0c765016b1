#include "tcpco/async/tcp_listener.hpp"

#include "socket_world.hpp"

using namespace socket_test;

static_assert(!std::is_copy_constructible_v<tcp_listener> && std::is_nothrow_move_constructible_v<tcp_listener>);

namespace {

task<> ask(world& w, std::size_t number, int& answered)
{
    auto [ec, socket] = co_await connect(w.client, server_address);
    REQUIRE(!ec);
    const std::string question = "question " + std::to_string(number) + "\n";
    succeeds(co_await socket.write(question));
    std::string answer;
    succeeds(co_await socket.read_until(answer, "\n"));
    CHECK(answer == question);
    ++answered;
}

task<> ask_often(scope& all, world& w, std::size_t times, int& answered)
{
    for (std::size_t i = 0; i < times; ++i) {
        all.spawn(ask, std::ref(w), i, std::ref(answered));
    }
    co_return;
}

// Accepts nobody until `after`; then echoes `sessions` connections at a time.
task<> serve(scope& all, tcp_listener& listener, duration after, std::size_t sessions)
{
    succeeds(co_await sleep_for(after));
    for (std::size_t i = 0; i < sessions; ++i) {
        auto [ec, socket] = co_await listener.accept();
        REQUIRE(!ec);
        all.spawn(echo, std::move(socket));
    }
}

task<> many(world& w, std::size_t n, duration busy, int& answered)
{
    tcp_listener listener{*w.server, server_address, 256};
    co_await when_all(with_scope(serve, std::ref(listener), busy, n),
                      with_scope(ask_often, std::ref(w), n, std::ref(answered)));
    fails(co_await with_timeout(listener.accept(), 1_ms), std::errc::timed_out);
}

}  // namespace

TEST_CASE("200 sessions at the same time", "[async]")
{
    world w;
    int answered = 0;
    w.run(many(w, 200, duration{}, answered));
    CHECK(answered == 200);
}

TEST_CASE("A listener loses no connection while the accept loop is busy", "[async]")
{
    world w;
    int answered = 0;
    w.run(many(w, 200, 3_s, answered));
    CHECK(answered == 200);
}

TEST_CASE("Several may await accept(): first come, first served", "[async]")
{
    struct body {
        static task<> accepts(tcp_listener& listener, std::vector<int>& order, int number)
        {
            succeeds(co_await listener.accept());
            order.push_back(number);
        }
        static task<> connects(world& w)
        {
            for (int i = 0; i < 3; ++i) {
                succeeds(co_await sleep_for(10_ms));
                succeeds(co_await connect(w.client, server_address));
            }
        }
    };
    world w;
    std::vector<int> order;
    w.run([](world& v, std::vector<int>& o) -> task<> {
        tcp_listener listener{*v.server, server_address};
        co_await when_all(body::accepts(listener, o, 1), body::accepts(listener, o, 2), body::accepts(listener, o, 3),
                          body::connects(v));
    }(w, order));
    CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("accept() can be stopped, times out, and ends with the listener", "[async]")
{
    struct body {
        static task<> stopped(tcp_listener& listener, int& ended)
        {
            fails(co_await listener.accept(), std::errc::operation_canceled);
            fails(co_await listener.accept(), std::errc::operation_canceled);
            ++ended;
        }
        static task<> children(scope& all, tcp_listener& listener, int& ended)
        {
            all.spawn(stopped, std::ref(listener), std::ref(ended));
            all.spawn(stopped, std::ref(listener), std::ref(ended));
            succeeds(co_await sleep_for(10_ms));
            all.request_stop();
        }
        static task<> closed(tcp_listener& listener)
        {
            fails(co_await listener.accept(), std::errc::bad_file_descriptor);
        }
        static task<> closes(tcp_listener& listener)
        {
            succeeds(co_await sleep_for(10_ms));
            listener.close();
            listener.close();
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        tcp_listener listener{*v.server, server_address};
        const time_point start = v.now();
        fails(co_await with_timeout(listener.accept(), 50_ms), std::errc::timed_out);
        CHECK(v.now() == start + 50_ms);
        int ended = 0;
        co_await with_scope(body::children, std::ref(listener), std::ref(ended));
        CHECK(ended == 2);
        co_await when_all(body::closed(listener), body::closed(listener), body::closes(listener));
        CHECK(!listener.is_open());
        fails(co_await listener.accept(), std::errc::bad_file_descriptor);
        fails(co_await connect(v.client, server_address), std::errc::connection_refused);
    }(w));
}

TEST_CASE("Who is told of a connection and destroyed before it runs passes it on", "[async]")
{
    // Two handshakes end in one turn. Who accepts the first connection destroys the coroutine that was told of the
    // second.
    struct body {
        static task<> accepts(tcp_listener& listener)
        {
            succeeds(co_await listener.accept());
        }
        static task<> never(tcp_listener& listener)
        {
            static_cast<void>(co_await listener.accept());
            FAIL("never resumed");
        }
        static task<> connects(world& w)
        {
            auto [a, b] = co_await when_all(connect(w.client, server_address), connect(w.client, {"198.18.0.2"_ip, 8}));
            succeeds(a);
            succeeds(b);
            succeeds(co_await sleep_for(1_s));
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        tcp_listener first{*v.server, server_address};
        tcp_listener second{*v.server, {"198.18.0.2"_ip, 8}};
        executor& exec = v.reactor.get_executor();
        std::optional<root<>> doomed{std::in_place, exec, body::never(second)};
        succeeds(co_await sleep_for(1_ms));
        root<> heir{exec, body::accepts(second)};
        root<> other{exec, body::connects(v)};
        auto [ec, socket] = co_await first.accept();
        CHECK(!ec);
        const time_point told = v.now();
        doomed.reset();
        CHECK(!heir.done());
        succeeds(co_await sleep_for(1_us));
        CHECK(heir.done());
        CHECK(v.now() == told + 1_us);
    }(w));
}

TEST_CASE("A connection accepted for somebody who does not take it is closed", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        tcp_listener listener{*v.server, server_address};
        auto [to, sleep] = co_await when_all(connect(v.client, server_address), sleep_for(10_ms));
        CHECK(!to.ec);
        {
            accept_operation accepts = listener.accept();
            struct : completion {
                using completion::completion;
            } nobody{nullptr};
            CHECK(!accepts.start(nobody, environment{}));
        }
        fails(co_await to.value.receive(), errc::end_of_stream);
    }(w));
}

TEST_CASE("Listening: address_in_use, address_not_available, a port of the stack's choice", "[async]")
{
    world w;
    tcp_listener listener{*w.server, server_address};
    CHECK(listener.local_endpoint() == server_address);
    CHECK(listen(*w.server, server_address).ec == std::errc::address_in_use);
    CHECK(!listen(*w.server, server_address).value.is_open());
    CHECK_THROWS_AS((tcp_listener{*w.server, server_address}), std::system_error);
    CHECK(listen(*w.server, {client_ip, 7}).ec == std::errc::address_not_available);
    auto [ec, chosen] = listen(*w.server, {});
    CHECK(!ec);
    CHECK(chosen.local_endpoint().port != 0);
    listener = std::move(chosen);
    CHECK(!chosen.is_open());
    CHECK(!listen(*w.server, server_address).ec);  // the first one was closed
    w.server_driver.reset();
    w.server.reset();
    CHECK(!listener.is_open());
    CHECK(listener.local_endpoint() == endpoint{});
}

TEST_CASE("Connections that nobody accepted are reset when the listener closes", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        tcp_listener listener{*v.server, server_address};
        auto [ec, socket] = co_await connect(v.client, server_address);
        CHECK(!ec);
        succeeds(co_await sleep_for(10_ms));
        listener.close();
        fails(co_await socket.receive(), std::errc::connection_reset);
    }(w));
}

TEST_CASE("accept() answers network_down when the driver goes, and accepts again with the next one", "[async]")
{
    struct body {
        static task<> two_lives(world& w, tcp_listener& listener)
        {
            fails(co_await listener.accept(), errc::network_down);
            w.server_driver.emplace(*w.server, w.link.right(), w.reactor);
            auto [to, from] = co_await when_all(connect(w.client, server_address), listener.accept());
            succeeds(to);
            succeeds(from);
        }
        static task<> the_first_goes(world& w)
        {
            w.server_driver.reset();
            co_return;
        }
        static task<> both(world& w, tcp_listener& listener)
        {
            co_await when_all(two_lives(w, listener), the_first_goes(w));
        }
    };
    world w;
    tcp_listener listener{*w.server, server_address};
    w.run(body::both(w, listener));
}
