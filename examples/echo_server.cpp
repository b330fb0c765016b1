// The README's first program: a TCP echo server at 198.18.0.2 port 7, on a TAP (made if it is not there).
//
//     ip tuntap add tap0 mode tap && ip address add 198.18.0.1/24 dev tap0 && ip link set tap0 up
//     tcpco_echo_server tap0 &     then     nc 198.18.0.2 7
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>

#include <tcpco/tcpco.hpp>

using namespace tcpco;

task<> echo(tcp_socket socket)
{
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return;  // end of stream, reset, or we are asked to stop
        }
        if (auto [failed, n] = co_await socket.write(octets); failed) {
            co_return;
        }
    }
}

task<> serve(scope& sessions, tcp_listener& listener)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(echo, std::move(socket));
    }
}

int main(int argc, char** argv)
try {
    basic_stack<> net{{.address = "198.18.0.2/24"_net, .seed = random_seed()}};
    tap link = tap::open({.name = argc > 1 ? argv[1] : "tap0"});
    system_reactor reactor;
    driver link_driver{net, link, reactor};
    tcp_listener listener{net, {"198.18.0.2"_ip, 7}};
    reactor.stop_on_signals({SIGINT, SIGTERM});
    reactor.run(with_scope(serve, std::ref(listener)));
    link_driver.close_all(2_s);
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
