// A blocking echo server and its client, written as for BSD sockets: two stacks on a thread of their own.
//
// ctest:
#include <cstdio>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <tcpco/device/memory_link.hpp>
#include <tcpco/interop/posix.hpp>

using namespace tcpco;

// Two hosts joined by memory. With a TAP instead: posix::stack<> net{config, tap::open({.name = "tap0"})};
struct two_hosts {
    explicit two_hosts(system_reactor& reactor)
        : left{a, wire.left(), reactor}, right{b, wire.right(), reactor}, client{a, reactor.get_executor()},
          server{b, reactor.get_executor()}
    {
    }
    memory_link wire;
    basic_stack<> a{{.address = "198.18.0.1/24"_net, .network = {.mac = {{2, 0, 0, 0, 0, 1}}}, .seed = 1}};
    basic_stack<> b{{.address = "198.18.0.2/24"_net, .network = {.mac = {{2, 0, 0, 0, 0, 2}}}, .seed = 2}};
    driver<basic_stack<>, memory_link::end, system_reactor> left, right;
    posix::host client, server;
};

sockaddr_in echo_address()
{
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(7);
    inet_pton(AF_INET, "198.18.0.2", &a.sin_addr);
    return a;
}

void serve(posix::host& net, int listener)
{
    const int fd = net.accept(listener);
    char buffer[4096];
    for (ssize_t n = 0; (n = net.read(fd, buffer, sizeof buffer)) > 0;) {
        net.write(fd, buffer, static_cast<std::size_t>(n));
    }
    net.close(fd);
}

int main()
{
    posix::on_thread<two_hosts> hosts;
    posix::host& server = hosts.world().server;
    posix::host& client = hosts.world().client;
    const sockaddr_in address = echo_address();
    const auto* to = reinterpret_cast<const sockaddr*>(&address);

    const int listener = server.socket(AF_INET, SOCK_STREAM);
    if (server.bind(listener, to, sizeof address) != 0 || server.listen(listener, 5) != 0) {
        std::perror("bind");
        return 1;
    }
    std::thread echo{[&] { serve(server, listener); }};

    const int fd = client.socket(AF_INET, SOCK_STREAM);
    if (client.connect(fd, to, sizeof address) != 0) {
        std::perror("connect");
    }
    const std::string sent(100'000, 'x');
    client.send(fd, sent.data(), sent.size(), 0);
    client.shutdown(fd, SHUT_WR);
    std::string back(sent.size(), ' ');
    const ssize_t n = client.recv(fd, back.data(), back.size(), MSG_WAITALL);
    std::printf("%zd octets came back %s\n", n, back == sent ? "equal" : "DIFFERENT");
    client.close(fd);
    server.shutdown(listener, SHUT_RD);  // should nobody have come, accept() ends now
    echo.join();
    return back == sent ? 0 : 1;
}
