#include "tcpco/async/shutdown.hpp"

#include "socket_world.hpp"

using namespace socket_test;

namespace {

// What waits on the server when its world ends: a listener, a reader, a writer.
struct endings {
    std::error_code accepted, read, written, connected;
};

task<> wait_to_accept(tcp_listener& listener, endings& e)
{
    const auto [ec, socket] = co_await listener.accept();
    e.accepted = ec;
}

task<> wait_to_read(tcp_socket& socket, endings& e)
{
    const auto [ec, data] = co_await socket.receive();
    e.read = ec;
}

task<> wait_to_write(tcp_socket& socket, endings& e)
{
    const octets much(4'000'000);
    const auto [ec, n] = co_await socket.write(much);
    e.written = ec;
}

task<> wait_to_connect(basic_stack<>& stack, endings& e)
{
    const auto [ec, socket] = co_await connect(stack, {"198.18.0.99"_ip, 9});
    e.connected = ec;
}

task<> end_the_driver(world& w)
{
    succeeds(co_await sleep_for(100_ms));
    w.server_driver.reset();
}

task<> all_wait(world& w, endings& e)
{
    auto [client, server] = co_await w.connected();
    tcp_listener listener{*w.server, server_address};
    co_await when_all(wait_to_accept(listener, e), wait_to_read(server, e), wait_to_write(server, e),
                      wait_to_connect(*w.server, e), end_the_driver(w));
}

task<std::error_code> shut_down(world& w, duration grace)
{
    co_return co_await w.server_driver->shutdown(grace);
}

task<std::size_t> read_then_close(tcp_socket socket)
{
    std::size_t all = 0;
    for (;;) {
        const auto [ec, data] = co_await socket.receive();
        all += data.size();
        if (ec) {
            socket.close();
            co_return all;
        }
    }
}

// The server writes, and its stack is shut down at once; the client reads, or does not.
task<std::pair<std::error_code, std::size_t>> after_writing(world& w, duration grace, bool client_reads)
{
    auto [client, server] = co_await w.connected();
    const octets text = pattern(50'000);
    succeeds(co_await server.write(text));
    if (!client_reads) {
        co_return std::pair{co_await shut_down(w, grace), std::size_t{0}};
    }
    auto [ec, n] = co_await when_all(shut_down(w, grace), read_then_close(std::move(client)));
    co_return std::pair{ec, n};
}

task<std::error_code> given_up(world& w)
{
    auto [client, server] = co_await w.connected();
    co_return co_await with_timeout(w.server_driver->shutdown(60_s), 1_s);
}

task<std::error_code> nothing_open(world& w)
{
    co_return co_await w.server_driver->shutdown(60_s);
}

}  // namespace

TEST_CASE("Destroying a driver ends every wait on its stack with network_down", "[async]")
{
    world w;
    endings e;
    w.run(all_wait(w, e));
    CHECK(e.accepted == std::errc::network_down);
    CHECK(e.read == std::errc::network_down);
    CHECK(e.written == std::errc::network_down);
    CHECK(e.connected == std::errc::network_down);
    w.server.reset();
}

TEST_CASE("shutdown: what was written is read to its end, and nothing had to be reset", "[async]")
{
    world w;
    const auto [ec, n] = w.run(after_writing(w, 10_s, true));
    CHECK(ec == std::error_code{});
    CHECK(n == 50'000);
    CHECK(w.server->connection_count() == 0);
    CHECK(w.server->is_shut_down());
    CHECK(w.server->counters().resets_sent == 0);
    CHECK(w.now() < time_point{5_s});
}

TEST_CASE("shutdown: at its deadline the rest is reset, the reset has left, and the result says so", "[async]")
{
    world w;
    const time_point before = w.now();
    const auto [ec, n] = w.run(after_writing(w, 3_s, false));
    CHECK(ec == std::errc::timed_out);
    CHECK(w.now() - before >= 3_s);
    CHECK(w.now() - before <= 4_s);
    CHECK(w.server->cut_off() == 1);
    CHECK(w.server->counters().resets_sent == 1);
    CHECK_FALSE(w.server->has_output());
    CHECK(w.server->connect({"198.18.0.1"_ip, 9}).ec == errc::operation_not_permitted);
}

TEST_CASE("shutdown: who waits for it may give up, it goes on, and with nothing open it is over at once", "[async]")
{
    world w;
    fails(w.run(given_up(w)), std::errc::timed_out);
    CHECK(w.server->connect({"198.18.0.1"_ip, 9}).ec == errc::operation_not_permitted);

    world idle;
    const time_point before = idle.now();
    succeeds(idle.run(nothing_open(idle)));
    CHECK(idle.now() == before);
}
