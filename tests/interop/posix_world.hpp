// Two façades joined by memory in virtual time, and the kernel's sockets behind the same calls: what is tried on the
// one can be tried on the other.
#pragma once

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tcpco/interop/posix.hpp"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "support/stack_instance.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"

#include "catch.hpp"

namespace posix_test {

using namespace tcpco;

inline stack_config<default_policies> host_config(int number)
{
    stack_config<default_policies> c{.address = number == 1 ? "198.18.0.1/24"_net : "198.18.0.2/24"_net};
    c.network.mac.octets[5] = static_cast<std::uint8_t>(number);
    c.limits = {.connections = 256, .listeners = 16, .small_slots = 512, .large_slots = 128};
    c.tcp.send_buffer_octets = 64 * 1'024;
    c.seed = static_cast<std::uint64_t>(number);
    return c;
}

inline sockaddr_in address_of(const char* text, int port)
{
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, text, &a.sin_addr);
    return a;
}

inline const sockaddr* generic(const sockaddr_in& a) { return reinterpret_cast<const sockaddr*>(&a); }
inline sockaddr* generic(sockaddr_in& a) { return reinterpret_cast<sockaddr*>(&a); }

// The calls of one side.
class sockets {
public:
    virtual ~sockets() = default;
    virtual int socket(int domain, int type, int protocol) = 0;
    virtual int bind(int fd, const sockaddr* a, socklen_t n) = 0;
    virtual int listen(int fd, int backlog) = 0;
    virtual int accept4(int fd, sockaddr* a, socklen_t* n, int flags) = 0;
    virtual int connect(int fd, const sockaddr* a, socklen_t n) = 0;
    virtual int shutdown(int fd, int how) = 0;
    virtual int close(int fd) = 0;
    virtual long recv(int fd, void* data, std::size_t n, int flags) = 0;
    virtual long send(int fd, const void* data, std::size_t n, int flags) = 0;
    virtual long readv(int fd, const iovec* v, int n) = 0;
    virtual long writev(int fd, const iovec* v, int n) = 0;
    virtual long recvmsg(int fd, msghdr* m, int flags) = 0;
    virtual long sendmsg(int fd, const msghdr* m, int flags) = 0;
    virtual long recvfrom(int fd, void* data, std::size_t n, int flags, sockaddr* a, socklen_t* l) = 0;
    virtual int poll(pollfd* fds, nfds_t n, int timeout) = 0;
    virtual int getsockname(int fd, sockaddr* a, socklen_t* n) = 0;
    virtual int getpeername(int fd, sockaddr* a, socklen_t* n) = 0;
    virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* n) = 0;
    virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t n) = 0;
    virtual int fcntl(int fd, int command, int argument) = 0;
    virtual int ioctl(int fd, unsigned long request, int* argument) = 0;
};

class kernel_sockets final : public sockets {
public:
    int socket(int domain, int type, int protocol) override { return ::socket(domain, type, protocol); }
    int bind(int fd, const sockaddr* a, socklen_t n) override { return ::bind(fd, a, n); }
    int listen(int fd, int backlog) override { return ::listen(fd, backlog); }
    int accept4(int fd, sockaddr* a, socklen_t* n, int flags) override { return ::accept4(fd, a, n, flags); }
    int connect(int fd, const sockaddr* a, socklen_t n) override { return ::connect(fd, a, n); }
    int shutdown(int fd, int how) override { return ::shutdown(fd, how); }
    int close(int fd) override { return ::close(fd); }
    long recv(int fd, void* data, std::size_t n, int flags) override { return ::recv(fd, data, n, flags); }
    long send(int fd, const void* data, std::size_t n, int flags) override
    {
        return ::send(fd, data, n, flags | MSG_NOSIGNAL);
    }
    long readv(int fd, const iovec* v, int n) override { return ::readv(fd, v, n); }
    long writev(int fd, const iovec* v, int n) override { return ::writev(fd, v, n); }
    long recvmsg(int fd, msghdr* m, int flags) override { return ::recvmsg(fd, m, flags); }
    long sendmsg(int fd, const msghdr* m, int flags) override { return ::sendmsg(fd, m, flags | MSG_NOSIGNAL); }
    long recvfrom(int fd, void* data, std::size_t n, int flags, sockaddr* a, socklen_t* l) override
    {
        return ::recvfrom(fd, data, n, flags, a, l);
    }
    int poll(pollfd* fds, nfds_t n, int timeout) override { return ::poll(fds, n, timeout); }
    int getsockname(int fd, sockaddr* a, socklen_t* n) override { return ::getsockname(fd, a, n); }
    int getpeername(int fd, sockaddr* a, socklen_t* n) override { return ::getpeername(fd, a, n); }
    int getsockopt(int fd, int level, int name, void* value, socklen_t* n) override
    {
        return ::getsockopt(fd, level, name, value, n);
    }
    int setsockopt(int fd, int level, int name, const void* value, socklen_t n) override
    {
        return ::setsockopt(fd, level, name, value, n);
    }
    int fcntl(int fd, int command, int argument) override { return ::fcntl(fd, command, argument); }
    int ioctl(int fd, unsigned long request, int* argument) override { return ::ioctl(fd, request, argument); }
};

class facade_sockets final : public sockets {
public:
    explicit facade_sockets(posix::host& h) : host_{h} {}
    int socket(int domain, int type, int protocol) override { return host_.socket(domain, type, protocol); }
    int bind(int fd, const sockaddr* a, socklen_t n) override { return host_.bind(fd, a, n); }
    int listen(int fd, int backlog) override { return host_.listen(fd, backlog); }
    int accept4(int fd, sockaddr* a, socklen_t* n, int flags) override { return host_.accept4(fd, a, n, flags); }
    int connect(int fd, const sockaddr* a, socklen_t n) override { return host_.connect(fd, a, n); }
    int shutdown(int fd, int how) override { return host_.shutdown(fd, how); }
    int close(int fd) override { return host_.close(fd); }
    long recv(int fd, void* data, std::size_t n, int flags) override { return host_.recv(fd, data, n, flags); }
    long send(int fd, const void* data, std::size_t n, int flags) override { return host_.send(fd, data, n, flags); }
    long readv(int fd, const iovec* v, int n) override { return host_.readv(fd, v, n); }
    long writev(int fd, const iovec* v, int n) override { return host_.writev(fd, v, n); }
    long recvmsg(int fd, msghdr* m, int flags) override { return host_.recvmsg(fd, m, flags); }
    long sendmsg(int fd, const msghdr* m, int flags) override { return host_.sendmsg(fd, m, flags); }
    long recvfrom(int fd, void* data, std::size_t n, int flags, sockaddr* a, socklen_t* l) override
    {
        return host_.recvfrom(fd, data, n, flags, a, l);
    }
    int poll(pollfd* fds, nfds_t n, int timeout) override { return host_.poll(fds, n, timeout); }
    int getsockname(int fd, sockaddr* a, socklen_t* n) override { return host_.getsockname(fd, a, n); }
    int getpeername(int fd, sockaddr* a, socklen_t* n) override { return host_.getpeername(fd, a, n); }
    int getsockopt(int fd, int level, int name, void* value, socklen_t* n) override
    {
        return host_.getsockopt(fd, level, name, value, n);
    }
    int setsockopt(int fd, int level, int name, const void* value, socklen_t n) override
    {
        return host_.setsockopt(fd, level, name, value, n);
    }
    int fcntl(int fd, int command, int argument) override { return host_.fcntl(fd, command, argument); }
    int ioctl(int fd, unsigned long request, int* argument) override { return host_.ioctl(fd, request, argument); }

private:
    posix::host& host_;
};

// Client and server, and where the server is. settle(): packets under way arrive.
struct two_sides {
    sockets& client;
    sockets& server;
    const char* server_ip;
    void (*settle)(void*);
    void* context;
    int port = 0;

    void pause() const { settle(context); }
    sockaddr_in at(int p) const { return address_of(server_ip, p); }

    // A listening server on a port of its own.
    int listening(int flags = 0)
    {
        const int fd = server.socket(AF_INET, SOCK_STREAM | flags, 0);
        const sockaddr_in any = at(0);
        REQUIRE(server.bind(fd, generic(any), sizeof any) == 0);
        REQUIRE(server.listen(fd, 5) == 0);
        sockaddr_in name{};
        socklen_t length = sizeof name;
        REQUIRE(server.getsockname(fd, generic(name), &length) == 0);
        port = ntohs(name.sin_port);
        return fd;
    }
    struct joined {
        int client = -1;
        int server = -1;
        int listener = -1;
    };
    joined connected()
    {
        joined j;
        j.listener = listening();
        j.client = client.socket(AF_INET, SOCK_STREAM, 0);
        const sockaddr_in to = at(port);
        REQUIRE(client.connect(j.client, generic(to), sizeof to) == 0);
        j.server = server.accept4(j.listener, nullptr, nullptr, 0);
        REQUIRE(j.server >= 0);
        return j;
    }
    void close(const joined& j)
    {
        client.close(j.client);
        server.close(j.server);
        server.close(j.listener);
    }
};

struct facade_world {
    explicit facade_world(const stack_config<default_policies>& client_side = host_config(1)) : a{client_side} {}

    virtual_reactor reactor;
    memory_link link{{.delay = duration{1'000'000}}};
    basic_stack<> a;
    basic_stack<> b{host_config(2)};
    driver<basic_stack<>, memory_link::end, virtual_reactor> a_driver{a, link.left(), reactor};
    std::optional<driver<basic_stack<>, memory_link::end, virtual_reactor>> b_driver{std::in_place, b, link.right(),
                                                                                     reactor};
    posix::host client_host{a, reactor};
    posix::host server_host{b, reactor};
    facade_sockets client{client_host};
    facade_sockets server{server_host};
    two_sides sides{client, server, "198.18.0.2", [](void* w) { static_cast<facade_world*>(w)->run_for(50_ms); }, this};

    void run_for(duration d) { reactor.run_until(reactor.now() + d); }
};

struct kernel_world {
    kernel_sockets calls;
    two_sides sides{calls, calls, "127.0.0.1", [](void*) { ::usleep(3'000); }, nullptr};
};

}  // namespace posix_test
