// The README's echo server.
#pragma once

#include <utility>

#include "tcpco/async/scope.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/tcp_listener.hpp"
#include "tcpco/async/tcp_socket.hpp"

namespace tcpco_test {

inline tcpco::task<> echo(tcpco::tcp_socket socket)
{
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

inline tcpco::task<> serve_echo(tcpco::scope& sessions, tcpco::tcp_listener& listener)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(echo, std::move(socket));
    }
}

}  // namespace tcpco_test
