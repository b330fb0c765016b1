// Two stacks joined by memory, in virtual time: for tests of sockets.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tcpco/async/connect.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/async/root.hpp"
#include "tcpco/async/scope.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/tcp_listener.hpp"
#include "tcpco/async/tcp_socket.hpp"
#include "tcpco/async/timeout.hpp"
#include "tcpco/async/when.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"
#include "tcpco/stack/basic_stack.hpp"

#include "catch.hpp"
#include "support/stack_instance.hpp"

namespace socket_test {

using namespace tcpco;

using octets = std::vector<std::byte>;

inline octets pattern(std::size_t n, std::uint64_t seed = 1)
{
    octets out(n);
    random_source random{seed};
    for (std::byte& b : out) {
        b = static_cast<std::byte>(random.next());
    }
    return out;
}

inline std::string text_of(std::span<const std::byte> o)
{
    return {reinterpret_cast<const char*>(o.data()), o.size()};
}

// Of what was awaited. No co_await stands within CHECK(): the macro names its expression three times, and g++ 12
// awaits it as often.
struct outcome {
    std::error_code ec;
    outcome(std::error_code e) : ec{e} {}
    outcome(const io_result& r) : ec{r.ec} {}
    template <class T>
    outcome(const io_result_of<T>& r) : ec{r.ec}
    {
    }
};

inline void succeeds(const outcome& o, std::source_location at = std::source_location::current())
{
    INFO(at.file_name() << ":" << at.line());
    CHECK(o.ec == std::error_code{});
}

template <class Errc>
void fails(const outcome& o, Errc why, std::source_location at = std::source_location::current())
{
    INFO(at.file_name() << ":" << at.line() << " " << o.ec.message());
    CHECK(o.ec == why);
}

// Without printing octets that nobody can read.
inline void equal(const std::string& a, const std::string& b, std::source_location at = std::source_location::current())
{
    INFO(at.file_name() << ":" << at.line() << " " << a.size() << " octets, " << b.size() << " expected");
    CHECK((a == b));
}

inline constexpr endpoint server_address{"198.18.0.2"_ip, 7};
inline constexpr ip_address client_ip = "198.18.0.1"_ip;

template <class Bundle>
stack_config<Bundle> small_config(ip_prefix address, std::uint8_t host, std::uint64_t seed)
{
    stack_config<Bundle> c{.address = address};
    c.network.mac.octets[5] = host;
    c.limits = {.connections = 1'024, .listeners = 8, .small_slots = 1'024, .large_slots = 128};
    c.tcp.send_buffer_octets = 64 * 1'024;
    c.seed = seed;
    return c;
}

template <class Client = default_policies, class Server = Client>
struct basic_world {
    explicit basic_world(std::uint64_t seed = 1)
        : reactor{{.seed = seed}}, client(small_config<Client>("198.18.0.1/24"_net, 1, reactor.derive_seed(1))),
          server(std::in_place, small_config<Server>("198.18.0.2/24"_net, 2, reactor.derive_seed(2)))
    {
    }

    template <class T>
    T run(task<T> t)
    {
        return reactor.run(std::move(t));
    }
    time_point now() const noexcept { return reactor.now(); }

    // A listening server, and a connection from the client: {client's socket, server's socket}.
    task<std::pair<tcp_socket, tcp_socket>> connected()
    {
        tcp_listener listener{*server, server_address};
        auto [to, from] = co_await when_all(connect(client, server_address), listener.accept());
        REQUIRE(!to.ec);
        REQUIRE(!from.ec);
        co_return std::pair{std::move(to.value), std::move(from.value)};
    }

    virtual_reactor reactor;
    memory_link link{{.delay = duration{1'000'000}}};
    basic_stack<Client> client;
    std::optional<basic_stack<Server>> server;
    driver<basic_stack<Client>, memory_link::end, virtual_reactor> client_driver{client, link.left(), reactor};
    std::optional<driver<basic_stack<Server>, memory_link::end, virtual_reactor>> server_driver{
        std::in_place, *server, link.right(), reactor};
};
using world = basic_world<>;

// Sends back what comes until the end of the stream; returns how it ended.
inline task<std::error_code> echo(tcp_socket socket)
{
    for (;;) {
        auto [ec, data] = co_await socket.receive();
        if (ec) {
            co_return ec;
        }
        auto [failed, n] = co_await socket.write(data);
        if (failed) {
            co_return failed;
        }
    }
}

// Reads until the end of the stream.
inline task<std::string> read_all(tcp_socket& socket)
{
    std::string all;
    for (;;) {
        auto [ec, data] = co_await socket.receive();
        if (ec) {
            CHECK(ec == errc::end_of_stream);
            co_return all;
        }
        all += data.text();
    }
}

inline task<std::string> read_text(tcp_socket& socket, std::size_t n)
{
    std::string text(n, '\0');
    auto [ec, got] = co_await socket.read_exactly(text);
    CHECK(!ec);
    text.resize(got);
    co_return text;
}

}  // namespace socket_test
