// The kernel's TCP as a server: echo, sink and source with epoll, one thread. Behind a veth it is the peer that every
// other stack on this machine is compared with. busy=1 asks epoll again and again instead of waiting.
#include <sys/epoll.h>

#include <vector>

#include "arguments.hpp"
#include "kernel_socket.hpp"

namespace {

using namespace tcpco_bench;

class server {
public:
    explicit server(bool busy) : poll_{::epoll_create1(EPOLL_CLOEXEC)}, busy_{busy}
    {
        check(poll_.fd() >= 0, "epoll_create1");
        for (const std::uint16_t port : {echo_port, sink_port, source_port}) {
            listen(port);
        }
    }

    [[noreturn]] void run()
    {
        std::vector<epoll_event> ready(256);
        for (;;) {
            const int n = ::epoll_wait(poll_.fd(), ready.data(), static_cast<int>(ready.size()), busy_ ? 0 : -1);
            check(n >= 0 || errno == EINTR, "epoll_wait");
            for (int i = 0; i < n; ++i) {
                handle(ready[static_cast<std::size_t>(i)].data.fd);
            }
        }
    }

private:
    struct connection {
        kernel_socket socket{-1};
        std::uint16_t port = 0;
        bool listens = false;
    };

    void listen(std::uint16_t port)
    {
        kernel_socket s{false};
        s.set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
        const sockaddr_in any = ipv4("0.0.0.0", port);
        sockaddr address{};
        std::memcpy(&address, &any, sizeof any);
        check(::bind(s.fd(), &address, sizeof any) == 0, "bind");
        check(::listen(s.fd(), 1'024) == 0, "listen");
        watch(std::move(s), port, true);
    }

    void watch(kernel_socket s, std::uint16_t port, bool listens)
    {
        const int fd = s.fd();
        epoll_event e{.events = port == source_port && !listens ? EPOLLOUT : EPOLLIN, .data = {.fd = fd}};
        check(::epoll_ctl(poll_.fd(), EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
        if (all_.size() <= static_cast<std::size_t>(fd)) {
            all_.resize(static_cast<std::size_t>(fd) + 64);
        }
        all_[static_cast<std::size_t>(fd)] = connection{std::move(s), port, listens};
    }

    void handle(int fd)
    {
        connection& c = all_[static_cast<std::size_t>(fd)];
        if (c.listens) {
            accept(fd, c.port);
        } else if (!(c.port == source_port ? send(fd) : receive(fd, c.port == echo_port))) {
            c = {};
        }
    }

    void accept(int listener, std::uint16_t port)
    {
        for (;;) {
            kernel_socket s{::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
            if (s.fd() < 0) {
                return;
            }
            s.set_no_delay();
            watch(std::move(s), port, false);
        }
    }

    // False when the connection is over.
    bool send(int fd)
    {
        const ssize_t n = ::send(fd, buffer_.data(), buffer_.size(), MSG_NOSIGNAL);
        return n > 0 || (n < 0 && errno == EAGAIN);
    }
    bool receive(int fd, bool echoes)
    {
        const ssize_t n = ::recv(fd, buffer_.data(), buffer_.size(), 0);
        if (n > 0 && echoes) {
            return ::send(fd, buffer_.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
        }
        return n > 0 || (n < 0 && errno == EAGAIN);
    }

    kernel_socket poll_;
    bool busy_;
    std::vector<connection> all_{};
    std::vector<char> buffer_ = std::vector<char>(1 << 18, 'x');
};

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    server s{given.flag("busy")};
    given.done();
    say_ready();
    s.run();
} catch (const std::exception& e) {
    std::fprintf(stderr, "kernel_server: %s\n", e.what());
    return 1;
}
