// Servers of the benchmarks: a session that sends back what comes, and a listener that begins a session for each client.
#pragma once

#include <utility>

#include "tcpco/async/scope.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/tcp_listener.hpp"
#include "tcpco/async/tcp_socket.hpp"

namespace tcpco_bench {

inline tcpco::task<> echo(tcpco::tcp_socket socket)
{
    static_cast<void>(socket.set_no_delay(true));
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return;
        }
        if (auto [failed, n] = co_await socket.write(octets); failed) {
            co_return;
        }
    }
}

inline tcpco::task<> serve(tcpco::scope& sessions, tcpco::tcp_listener& listener,
                           tcpco::task<> (*session)(tcpco::tcp_socket))
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(session, std::move(socket));
    }
}

}  // namespace tcpco_bench
