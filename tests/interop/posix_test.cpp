#include "tcpco/interop/posix.hpp"

#include <algorithm>
#include <cstddef>

#include <csignal>
#include <netinet/tcp.h>

#include "interop/posix_world.hpp"

using namespace posix_test;

namespace {

// A call failed, with this errno.
#define CHECK_FAILS(call, error) \
    do { \
        errno = 0; \
        CHECK((call) == -1); \
        CHECK(errno == (error)); \
    } while (false)

struct world : facade_world {
    using facade_world::facade_world;

    posix::host& c = client_host;
    posix::host& s = server_host;

    int listening(int port, int backlog = 5)
    {
        const int fd = s.socket(AF_INET, SOCK_STREAM);
        const sockaddr_in at = address_of("198.18.0.2", port);
        REQUIRE(s.bind(fd, generic(at), sizeof at) == 0);
        REQUIRE(s.listen(fd, backlog) == 0);
        return fd;
    }
    int connect(int fd, int port, const char* ip = "198.18.0.2")
    {
        const sockaddr_in to = address_of(ip, port);
        return c.connect(fd, generic(to), sizeof to);
    }
    // Both ends of a connection.
    void join(int port = 80)
    {
        listener = listening(port);
        client = c.socket(AF_INET, SOCK_STREAM);
        REQUIRE(connect(client, port) == 0);
        server = s.accept(listener);
        REQUIRE(server >= 0);
    }
    time_point now() const { return reactor.now(); }

    int listener = -1;
    int client = -1;
    int server = -1;
};

int option(posix::host& h, int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    CHECK(h.getsockopt(fd, level, name, &value, &n) == 0);
    return value;
}

int set(posix::host& h, int fd, int level, int name, int value)
{
    return h.setsockopt(fd, level, name, &value, sizeof value);
}

int poll_one(posix::host& h, int fd, short events, int timeout)
{
    pollfd p{fd, events, 0};
    h.poll(&p, 1, timeout);
    return p.revents;
}

std::string text(std::size_t n)
{
    std::string out(n, ' ');
    for (std::size_t i = 0; i < n; ++i) {
        out[i] = static_cast<char>('a' + i * 7 % 26);
    }
    return out;
}

}  // namespace

TEST_CASE("posix: descriptors are the lowest free numbers above the kernel's, and run out with EMFILE", "[interop]")
{
    facade_world w;
    posix::host few{w.a, w.reactor, {.first_descriptor = 5'000, .descriptors = 3}};
    CHECK(few.socket(AF_INET, SOCK_STREAM) == 5'000);
    CHECK(few.socket(AF_INET, SOCK_STREAM) == 5'001);
    CHECK(few.socket(AF_INET, SOCK_STREAM) == 5'002);
    CHECK_FAILS(few.socket(AF_INET, SOCK_STREAM), EMFILE);
    CHECK(few.close(5'001) == 0);
    CHECK(few.socket(AF_INET, SOCK_STREAM) == 5'001);
    CHECK_FAILS(few.close(5'003), EBADF);
    CHECK_FAILS(few.listen(5'003, 1), EBADF);
    // Numbers below are the kernel's: descriptors perhaps, but no sockets of this stack.
    CHECK_FAILS(few.listen(0, 1), ENOTSOCK);
    CHECK_FAILS(few.close(4'999), ENOTSOCK);
    CHECK(poll_one(few, 4'999, POLLIN, 0) == POLLNVAL);
    CHECK(w.client_host.socket(AF_INET, SOCK_STREAM) == 1 << 20);

    // accept() finds no place for the connection; it stays where it is until there is one.
    const int l = few.socket(AF_INET, SOCK_STREAM);
    CHECK(l == -1);
    const sockaddr_in any = address_of("0.0.0.0", 9);
    CHECK(few.bind(5'000, generic(any), sizeof any) == 0);
    CHECK(few.listen(5'000, 1) == 0);
    const int c = w.server_host.socket(AF_INET, SOCK_STREAM);
    const sockaddr_in to = address_of("198.18.0.1", 9);
    CHECK(w.server_host.connect(c, generic(to), sizeof to) == 0);
    CHECK_FAILS(few.accept(5'000), EMFILE);
    CHECK(few.close(5'002) == 0);
    CHECK(few.accept(5'000) == 5'002);
}

TEST_CASE("posix: what only Linux has answers as if it were unknown, and nothing succeeds in silence", "[interop]")
{
    world w;
    CHECK_FAILS(w.c.socket(AF_INET6, SOCK_STREAM), EAFNOSUPPORT);
    CHECK_FAILS(w.c.socket(AF_UNIX, SOCK_STREAM), EAFNOSUPPORT);
    CHECK_FAILS(w.c.socket(AF_INET, SOCK_DGRAM), ESOCKTNOSUPPORT);
    w.join();
    for (const int name : {SO_BROADCAST, SO_PRIORITY, SO_RCVLOWAT, SO_REUSEPORT, SO_TIMESTAMP}) {
        CHECK_FAILS(set(w.c, w.client, SOL_SOCKET, name, 1), ENOPROTOOPT);
    }
    for (const int name : {TCP_DEFER_ACCEPT, TCP_QUICKACK, TCP_FASTOPEN_CONNECT, TCP_WINDOW_CLAMP, TCP_MD5SIG}) {
        CHECK_FAILS(set(w.c, w.client, IPPROTO_TCP, name, 1), ENOPROTOOPT);
    }
    CHECK_FAILS(set(w.c, w.client, IPPROTO_IP, IP_TTL, 1), ENOPROTOOPT);
    CHECK_FAILS(w.c.send(w.client, "x", 1, MSG_DONTROUTE), EOPNOTSUPP);
    char c = 0;
    CHECK_FAILS(w.c.recv(w.client, &c, 1, MSG_TRUNC), EOPNOTSUPP);
    CHECK_FAILS(set(w.c, w.client, IPPROTO_TCP, TCP_MAXSEG, 1'000), EISCONN);
    CHECK_FAILS(w.c.fcntl(w.client, F_DUPFD, 0), EINVAL);
    CHECK_FAILS(w.c.fcntl(w.client, F_SETFD, 0), EINVAL);
    CHECK(w.c.fcntl(w.client, F_GETFD) == FD_CLOEXEC);
    char control[64]{};
    iovec v{control, 1};
    msghdr m{};
    m.msg_iov = &v;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    CHECK_FAILS(w.c.sendmsg(w.client, &m, 0), EINVAL);
}

TEST_CASE("posix: urgent octets are in line, and Fast Open is for new connections and listeners", "[interop]")
{
    world w;
    const int listener = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK_FAILS(set(w.c, listener, IPPROTO_TCP, TCP_FASTOPEN, -1), EINVAL);
    CHECK(set(w.c, listener, IPPROTO_TCP, TCP_FASTOPEN, 5) == 0);
    CHECK(option(w.c, listener, IPPROTO_TCP, TCP_FASTOPEN) == 5);
    w.join();
    CHECK(set(w.c, w.client, SOL_SOCKET, SO_OOBINLINE, 1) == 0);
    CHECK(option(w.c, w.client, SOL_SOCKET, SO_OOBINLINE) == 1);
    CHECK_FAILS(set(w.c, w.client, SOL_SOCKET, SO_OOBINLINE, 0), ENOPROTOOPT);
    CHECK_FAILS(set(w.c, w.client, IPPROTO_TCP, TCP_FASTOPEN, 5), EINVAL);
    const sockaddr_in to = address_of("198.18.0.2", 9);
    CHECK_FAILS(w.c.sendto(w.client, "x", 1, MSG_FASTOPEN, generic(to), sizeof to), EISCONN);
    CHECK_FAILS(w.c.sendto(listener, "x", 1, MSG_FASTOPEN, nullptr, 0), EINVAL);
    CHECK_FAILS(w.c.sendto(listener, "x", 1, MSG_FASTOPEN, generic(to), 4), EINVAL);
}

TEST_CASE("posix: connect waits for the answer, EALREADY while another try goes on, ETIMEDOUT in the end", "[interop]")
{
    world w;
    const int fd = w.c.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    const int l = w.listening(80);
    CHECK_FAILS(w.connect(fd, 80), EINPROGRESS);
    CHECK_FAILS(w.connect(fd, 80), EALREADY);
    CHECK(poll_one(w.c, fd, POLLOUT, -1) == POLLOUT);
    CHECK(w.connect(fd, 80) == 0);
    CHECK_FAILS(w.connect(fd, 80), EISCONN);
    w.s.close(l);

    // Nobody answers ARP there.
    const int other = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK_FAILS(w.connect(other, 80, "198.18.0.77"), EHOSTUNREACH);
    CHECK_FAILS(w.connect(other, 80, "203.0.113.1"), ENETUNREACH);
    CHECK_FAILS(w.connect(other, 80, "224.0.0.1"), ENETUNREACH);
    CHECK_FAILS(w.connect(other, 0), ECONNREFUSED);
    CHECK_FAILS(w.connect(other, 81), ECONNREFUSED);

    // Somebody is there and says nothing.
    REQUIRE(w.a.set_neighbour("198.18.0.88"_ip.v4(), mac_address{{2, 2, 2, 2, 2, 2}}));
    const time_point before = w.now();
    CHECK_FAILS(w.connect(other, 80, "198.18.0.88"), ETIMEDOUT);
    CHECK(w.now() - before > 180_s);  // MUST-23

    // SO_SNDTIMEO bounds the wait, not the attempt.
    const timeval second{1, 0};
    CHECK(w.c.setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) == 0);
    const time_point then = w.now();
    CHECK_FAILS(w.connect(other, 80, "198.18.0.88"), EINPROGRESS);
    CHECK(w.now() - then == 1_s);
    CHECK_FAILS(w.connect(other, 80, "198.18.0.88"), EALREADY);
}

TEST_CASE("posix: 127.0.0.1, 0.0.0.0 and the own address are this host, as on Linux", "[interop]")
{
    world w;
    const sockaddr_in any = address_of("0.0.0.0", 90);
    const int l = w.c.socket(AF_INET, SOCK_STREAM);
    REQUIRE(w.c.bind(l, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
    REQUIRE(w.c.listen(l, 5) == 0);
    for (const char* address : {"127.0.0.1", "0.0.0.0"}) {
        const int client = w.c.socket(AF_INET, SOCK_STREAM);
        REQUIRE(w.connect(client, 90, address) == 0);
        const int served = w.c.accept(l);
        REQUIRE(served >= 0);
        sockaddr_in peer{};
        socklen_t n = sizeof peer;
        REQUIRE(w.c.getpeername(client, reinterpret_cast<sockaddr*>(&peer), &n) == 0);
        CHECK(peer.sin_addr.s_addr == htonl(0x7f00'0001));
        CHECK(w.c.send(client, "hello", 5, 0) == 5);
        char got[8]{};
        CHECK(w.c.recv(served, got, sizeof got, 0) == 5);
        CHECK(w.c.close(client) == 0);
        CHECK(w.c.recv(served, got, sizeof got, 0) == 0);
        CHECK(w.c.close(served) == 0);
    }
    const int nobody = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK_FAILS(w.connect(nobody, 91, "127.0.0.1"), ECONNREFUSED);
}

TEST_CASE("posix: a bound client's port is its own, the same pair again is EADDRNOTAVAIL", "[interop]")
{
    world w;
    w.join();
    const int fd = w.c.socket(AF_INET, SOCK_STREAM);
    sockaddr_in name{};
    socklen_t n = sizeof name;
    CHECK(w.c.getsockname(w.client, generic(name), &n) == 0);
    CHECK_FAILS(w.c.bind(fd, generic(name), sizeof name), EADDRINUSE);
    CHECK(set(w.c, fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
    CHECK(w.c.bind(fd, generic(name), sizeof name) == 0);
    CHECK_FAILS(w.connect(fd, 80), EADDRNOTAVAIL);
    w.listening(81);
    CHECK(w.connect(fd, 81) == 0);
}

TEST_CASE("posix: TIME-WAIT keeps a port from bind, SO_REUSEADDR does not mind", "[interop]")
{
    world w;
    w.join();
    w.s.close(w.listener);
    w.s.close(w.server);
    w.c.close(w.client);
    w.run_for(1_s);
    const int fd = w.s.socket(AF_INET, SOCK_STREAM);
    const sockaddr_in a = address_of("198.18.0.2", 80);
    CHECK_FAILS(w.s.bind(fd, generic(a), sizeof a), EADDRINUSE);
    CHECK(set(w.s, fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
    CHECK(w.s.bind(fd, generic(a), sizeof a) == 0);
    CHECK(w.s.listen(fd, 1) == 0);
}

TEST_CASE("posix: recv and accept wait no longer than SO_RCVTIMEO, poll no longer than it was told", "[interop]")
{
    world w;
    w.join();
    const timeval half{0, 500'000};
    CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof half) == 0);
    char octets[16];
    time_point before = w.now();
    CHECK_FAILS(w.c.recv(w.client, octets, 16, 0), EAGAIN);
    CHECK(w.now() - before == 500_ms);
    CHECK(w.s.send(w.server, "four", 4, 0) == 4);
    before = w.now();
    CHECK(w.c.recv(w.client, octets, 16, MSG_WAITALL) == 4);
    CHECK(w.now() - before == 500_ms);
    CHECK(w.s.setsockopt(w.listener, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof half) == 0);
    before = w.now();
    CHECK_FAILS(w.s.accept(w.listener), EAGAIN);
    CHECK(w.now() - before == 500_ms);
    before = w.now();
    CHECK(poll_one(w.c, w.client, POLLIN, 250) == 0);
    CHECK(w.now() - before == 250_ms);
    CHECK(w.c.poll(nullptr, 0, 30) == 0);
    CHECK(w.now() - before == 280_ms);
    pollfd unknown{-5, POLLIN, 77};
    CHECK(w.c.poll(&unknown, 1, 10) == 0);
    CHECK(unknown.revents == 0);
}

TEST_CASE("posix: who waits is told, and looks at nothing in between", "[interop]")
{
    world w;
    w.join();
    const timeval minute{60, 0};
    char octets[16];
    for (int i = 0; i < 3; ++i) {
        CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute) == 0);
        const std::uint64_t before = w.reactor.turns();
        CHECK_FAILS(w.c.recv(w.client, octets, 16, 0), EAGAIN);
        CHECK(poll_one(w.c, w.client, POLLIN | POLLRDHUP, 60'000) == 0);
        CHECK(w.s.send(w.server, "x", 1, 0) == 1);
        CHECK(w.c.recv(w.client, octets, 16, 0) == 1);
        CHECK(w.reactor.turns() - before < 60);
    }
}

TEST_CASE("posix: a wait that nothing can end is a deadlock in virtual time", "[interop]")
{
    world w;
    const int l = w.listening(80);
    CHECK_THROWS_AS(w.s.accept(l), deadlock_error);
    CHECK(w.s.close(l) == 0);
}

TEST_CASE("posix: MSG_WAITALL waits for all or the end, also with MSG_PEEK", "[interop]")
{
    world w;
    w.join();
    const std::string all = text(5'000);
    CHECK(w.s.send(w.server, all.data(), 3'000, 0) == 3'000);
    std::string in(5'000, ' ');
    const timeval second{1, 0};
    CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) == 0);
    CHECK(w.c.recv(w.client, in.data(), 5'000, MSG_WAITALL | MSG_PEEK) == 3'000);
    CHECK(w.s.send(w.server, all.data() + 3'000, 2'000, 0) == 2'000);
    CHECK(w.c.recv(w.client, in.data(), 5'000, MSG_WAITALL | MSG_PEEK) == 5'000);
    CHECK((in == all));
    in.assign(5'000, ' ');
    CHECK(w.c.recv(w.client, in.data(), 4'000, MSG_WAITALL) == 4'000);
    CHECK(w.s.shutdown(w.server, SHUT_WR) == 0);
    CHECK(w.c.recv(w.client, in.data() + 4'000, 4'000, MSG_WAITALL) == 1'000);
    CHECK((in == all));
}

TEST_CASE("posix: send waits for room, SO_SNDTIMEO, O_NONBLOCK and MSG_DONTWAIT say how long", "[interop]")
{
    world w;
    w.join();
    const std::string much = text(3'000'000);  // more than the send buffer and the peer's window hold
    const ssize_t first = w.c.send(w.client, much.data(), much.size(), MSG_DONTWAIT);
    CHECK(first == 64 * 1'024);
    CHECK_FAILS(w.c.send(w.client, much.data(), 1, MSG_DONTWAIT), EAGAIN);
    CHECK(poll_one(w.c, w.client, POLLOUT, 0) == 0);
    CHECK(poll_one(w.c, w.client, POLLOUT, 1'000) == POLLOUT);
    const timeval second{1, 0};
    CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) == 0);
    const time_point before = w.now();
    const ssize_t more = w.c.send(w.client, much.data() + first, much.size(), 0);
    CHECK(w.now() - before == 1_s);
    // The window and the send buffer; the window's field counts in steps, so it may be a little more.
    CHECK(more + first >= (1 << 20) + 64 * 1'024);
    CHECK(more + first < (1 << 20) + 66 * 1'024);
    int queued = 0;
    CHECK(w.c.ioctl(w.client, TIOCOUTQ, &queued) == 0);
    CHECK(queued == 64 * 1'024);
    CHECK(w.s.ioctl(w.server, FIONREAD, &queued) == 0);
    CHECK(queued == more + first - 64 * 1'024);
    const time_point then = w.now();
    CHECK_FAILS(w.c.send(w.client, much.data(), 1, 0), EAGAIN);
    CHECK(w.now() - then == 1_s);
    CHECK(w.c.fcntl(w.client, F_SETFL, O_NONBLOCK) == 0);
    CHECK_FAILS(w.c.send(w.client, much.data(), 1, 0), EAGAIN);
    std::string in(static_cast<std::size_t>(first + more), ' ');
    CHECK(w.s.recv(w.server, in.data(), in.size(), MSG_WAITALL) == first + more);
    CHECK(in.compare(0, in.size(), much, 0, in.size()) == 0);
}

TEST_CASE("posix: a writer that waits when the peer resets has sent what it says, and hears of it next", "[interop]")
{
    world w;
    w.join();
    const linger at_once{1, 0};
    CHECK(w.s.setsockopt(w.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    const std::string much = text(100'000);
    const ssize_t first = w.c.send(w.client, much.data(), much.size(), MSG_DONTWAIT);
    CHECK(first == 64 * 1'024);
    CHECK(w.s.close(w.server) == 0);
    CHECK_FAILS(w.c.send(w.client, much.data(), much.size(), 0), ECONNRESET);
    CHECK_FAILS(w.c.send(w.client, much.data(), much.size(), 0), EPIPE);
}

TEST_CASE("posix: close goes on without an owner, the peer reads to the end and both connections end", "[interop]")
{
    world w;
    w.join();
    const std::string out = text(50'000);
    CHECK(w.c.send(w.client, out.data(), out.size(), 0) == 50'000);
    CHECK(w.c.close(w.client) == 0);
    CHECK_FAILS(w.c.close(w.client), EBADF);
    std::string in(60'000, ' ');
    CHECK(w.s.recv(w.server, in.data(), in.size(), MSG_WAITALL) == 50'000);
    in.resize(50'000);
    CHECK((in == out));
    CHECK(w.s.close(w.server) == 0);
    w.run_for(10_s);
    CHECK(w.a.connection_count() == 0);
    CHECK(w.b.connection_count() == 0);
}

TEST_CASE("posix: SO_LINGER: close waits for the acknowledgement, or not longer than it was told", "[interop]")
{
    world w;
    w.join();
    const linger ten{1, 10};
    CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_LINGER, &ten, sizeof ten) == 0);
    const std::string out = text(20'000);
    CHECK(w.c.send(w.client, out.data(), out.size(), 0) == 20'000);
    time_point before = w.now();
    CHECK(w.c.close(w.client) == 0);
    CHECK(w.now() - before >= 2_ms);  // a round trip, not ten seconds
    CHECK(w.now() - before < 1_s);

    const int fd = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK(w.connect(fd, 80) == 0);
    CHECK(w.c.setsockopt(fd, SOL_SOCKET, SO_LINGER, &ten, sizeof ten) == 0);
    std::string much = text(1 << 21);
    CHECK(w.c.send(fd, much.data(), much.size(), MSG_DONTWAIT) > 0);
    const timeval second{1, 0};
    CHECK(w.c.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) == 0);
    CHECK(w.c.send(fd, much.data(), much.size(), 0) > 0);  // until the peer's window is full
    before = w.now();
    CHECK(w.c.close(fd) == 0);
    CHECK(w.now() - before == 10_s);
}

TEST_CASE("posix: SO_LINGER with a negative time is no reset: close waits as long as it takes", "[interop]")
{
    world w;
    w.join();
    const linger endless{1, -1};
    CHECK(w.c.setsockopt(w.client, SOL_SOCKET, SO_LINGER, &endless, sizeof endless) == 0);
    const std::string out = text(20'000);
    CHECK(w.c.send(w.client, out.data(), out.size(), 0) == 20'000);
    const time_point before = w.now();
    CHECK(w.c.close(w.client) == 0);
    CHECK(w.now() - before >= 2_ms);
    std::string in(20'000, '-');
    CHECK(w.s.recv(w.server, in.data(), in.size(), MSG_WAITALL) == 20'000);
    CHECK((in == out));
    CHECK(w.s.recv(w.server, in.data(), in.size(), 0) == 0);  // a FIN, no ECONNRESET
}

TEST_CASE("posix: listen's backlog bounds what waits, one more than it says as on Linux", "[interop]")
{
    world w;
    const int l = w.listening(80, 1);
    int fds[3];
    for (int& fd : fds) {
        fd = w.c.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        CHECK_FAILS(w.connect(fd, 80), EINPROGRESS);
        w.run_for(10_ms);
    }
    CHECK(poll_one(w.c, fds[1], POLLOUT, 0) == POLLOUT);
    CHECK(poll_one(w.c, fds[2], POLLOUT, 0) == 0);
    CHECK(w.s.listen(l, 5) == 0);
    w.run_for(5_s);
    CHECK(poll_one(w.c, fds[2], POLLOUT, 0) == POLLOUT);
}

TEST_CASE("posix: options set before are the connection's: buffers, segment size, names", "[interop]")
{
    world w;
    w.listener = w.s.socket(AF_INET, SOCK_STREAM);
    const sockaddr_in a = address_of("198.18.0.2", 80);
    CHECK(w.s.bind(w.listener, generic(a), sizeof a) == 0);
    CHECK(set(w.s, w.listener, IPPROTO_TCP, TCP_MAXSEG, 700) == 0);
    CHECK(set(w.s, w.listener, SOL_SOCKET, SO_SNDBUF, 5'000) == 0);
    CHECK(w.s.listen(w.listener, 1) == 0);
    w.client = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK(set(w.c, w.client, SOL_SOCKET, SO_RCVBUF, 4'000) == 0);
    CHECK(option(w.c, w.client, SOL_SOCKET, SO_RCVBUF) == 8'000);
    CHECK(w.connect(w.client, 80) == 0);
    w.server = w.s.accept(w.listener);
    CHECK(option(w.s, w.server, IPPROTO_TCP, TCP_MAXSEG) == 688);
    CHECK(option(w.c, w.client, IPPROTO_TCP, TCP_MAXSEG) == 688);
    CHECK(option(w.s, w.server, SOL_SOCKET, SO_SNDBUF) == 10'000);
    const std::string out = text(100'000);
    CHECK(w.s.send(w.server, out.data(), out.size(), MSG_DONTWAIT) == 10'000);
    w.run_for(1_s);
    CHECK(w.s.send(w.server, out.data(), out.size(), MSG_DONTWAIT) == 8'000);
    CHECK(set(w.c, w.client, SOL_SOCKET, SO_RCVBUF, 1 << 30) == 0);
    CHECK(option(w.c, w.client, SOL_SOCKET, SO_RCVBUF) == 2 * 212'992);
    w.run_for(1_s);
    int queued = 0;
    CHECK(w.c.ioctl(w.client, FIONREAD, &queued) == 0);
    CHECK(queued == 18'000);
    char name[16]{};
    socklen_t n = sizeof name;
    CHECK(w.c.getsockopt(w.client, IPPROTO_TCP, TCP_CONGESTION, name, &n) == 0);
    CHECK(std::string_view{name} == "cubic");
    CHECK(w.c.setsockopt(w.client, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) == 0);
    CHECK_FAILS(w.c.setsockopt(w.client, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), ENOENT);
}

TEST_CASE("posix: SO_KEEPALIVE, TCP_USER_TIMEOUT: a peer that is gone is ETIMEDOUT when it was to be", "[interop]")
{
    world w;
    w.join();
    CHECK(set(w.c, w.client, IPPROTO_TCP, TCP_KEEPIDLE, 10) == 0);
    CHECK(set(w.c, w.client, IPPROTO_TCP, TCP_KEEPINTVL, 2) == 0);
    CHECK(set(w.c, w.client, IPPROTO_TCP, TCP_KEEPCNT, 3) == 0);
    CHECK(set(w.c, w.client, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
    const int writer = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK(set(w.c, writer, IPPROTO_TCP, TCP_USER_TIMEOUT, 4'000) == 0);
    CHECK(w.connect(writer, 80) == 0);
    w.run_for(1_s);
    // Nobody is there any more, but the next hop still is, as behind a router: else it is EHOSTUNREACH, as on Linux.
    REQUIRE(w.a.set_neighbour(w.b.address().v4(), mac_address{{2, 2, 2, 2, 2, 2}}));
    w.b_driver.reset();
    char c = 0;
    const time_point before = w.now();
    CHECK(w.c.send(writer, "x", 1, 0) == 1);
    CHECK_FAILS(w.c.recv(writer, &c, 1, 0), ETIMEDOUT);
    CHECK(w.now() - before >= 4_s);
    CHECK(w.now() - before < 8_s);
    CHECK_FAILS(w.c.recv(w.client, &c, 1, 0), ETIMEDOUT);
    CHECK(w.now() - before >= 14_s);  // 10 s and three probes, less the second that passed already
    CHECK(w.now() - before < 18_s);
}

TEST_CASE("posix: TCP_LINGER2 is how long FIN-WAIT-2 lasts after close", "[interop]")
{
    world w;
    w.join();
    CHECK(set(w.c, w.client, IPPROTO_TCP, TCP_LINGER2, 5) == 0);
    CHECK(w.c.close(w.client) == 0);
    w.run_for(4_s);
    CHECK(w.a.connection_count() == 1);
    w.run_for(2_s);
    CHECK(w.a.connection_count() == 0);
}

// The names and places of Linux's struct, as far as the C library's header has it.
#define CHECK_FIELD(field) \
    static_assert(offsetof(posix::detail::linux_tcp_info, field) == offsetof(::tcp_info, field) && \
                  sizeof(posix::detail::linux_tcp_info::field) == sizeof(::tcp_info::field))

TEST_CASE("posix: TCP_INFO is laid out as Linux's and has its units", "[interop]")
{
    CHECK_FIELD(tcpi_state);
    CHECK_FIELD(tcpi_options);
    CHECK_FIELD(tcpi_rto);
    CHECK_FIELD(tcpi_snd_mss);
    CHECK_FIELD(tcpi_unacked);
    CHECK_FIELD(tcpi_last_ack_recv);
    CHECK_FIELD(tcpi_pmtu);
    CHECK_FIELD(tcpi_rtt);
    CHECK_FIELD(tcpi_snd_cwnd);
    CHECK_FIELD(tcpi_reordering);
    CHECK_FIELD(tcpi_rcv_space);
    CHECK_FIELD(tcpi_total_retrans);
    world w;
    w.join();
    const std::string out = text(14'480);
    CHECK(w.c.send(w.client, out.data(), out.size(), 0) == 14'480);
    w.run_for(1_s);
    ::tcp_info i{};
    socklen_t n = sizeof i;
    CHECK(w.c.getsockopt(w.client, IPPROTO_TCP, TCP_INFO, &i, &n) == 0);
    CHECK(n == sizeof i);
    CHECK(i.tcpi_state == TCP_ESTABLISHED);
    CHECK((i.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE)) == 7);
    CHECK(i.tcpi_snd_wscale == i.tcpi_rcv_wscale);
    CHECK(i.tcpi_snd_wscale > 0);
    CHECK(i.tcpi_snd_mss == 1'448);
    CHECK(i.tcpi_pmtu == 1'500);
    CHECK(i.tcpi_rtt >= 2'000);  // microseconds, of a link of 1 ms each way
    CHECK(i.tcpi_rtt < 50'000);
    CHECK(i.tcpi_snd_cwnd >= 10);  // segments, of the initial window and later
    CHECK(i.tcpi_snd_cwnd <= 20);
    CHECK(i.tcpi_unacked == 0);
    w.s.shutdown(w.server, SHUT_WR);
    w.run_for(1_s);
    CHECK(w.c.getsockopt(w.client, IPPROTO_TCP, TCP_INFO, &i, &n) == 0);
    CHECK(i.tcpi_state == TCP_CLOSE_WAIT);
}

TEST_CASE("posix: TCP_INFO knows delays, rates and reordering beyond what the C library's struct has", "[interop]")
{
    tcpco::tcp_info t;
    CHECK((posix::detail::to_linux(t, tcp_state::established, 0).tcpi_options & TCPI_OPT_WSCALE) == 0);
    t.window_scaling = true;  // both shifts are 0
    t.receive_rtt = 7_ms;
    t.reorderings = 3;
    t.delivery_rate_app_limited = true;
    const posix::detail::linux_tcp_info told = posix::detail::to_linux(t, tcp_state::established, 0);
    CHECK((told.tcpi_options & TCPI_OPT_WSCALE) != 0);
    CHECK(told.tcpi_window_scales == 0);
    CHECK(told.tcpi_rcv_rtt == 7'000);
    CHECK(told.tcpi_reord_seen == 3);
    CHECK(told.tcpi_flags == 1);

    world w;
    w.join();
    const std::string out = text(50'000);
    CHECK(w.c.send(w.client, out.data(), out.size(), 0) == 50'000);
    w.run_for(1_s);
    posix::detail::linux_tcp_info sent{};
    posix::detail::linux_tcp_info got{};
    socklen_t n = sizeof sent;
    CHECK(w.c.getsockopt(w.client, IPPROTO_TCP, TCP_INFO, &sent, &n) == 0);
    CHECK(n == sizeof sent);
    CHECK(w.s.getsockopt(w.server, IPPROTO_TCP, TCP_INFO, &got, &n) == 0);
    CHECK(sent.tcpi_delivery_rate > 10'000);  // octets per second; the last ACK may have been delayed
    CHECK(sent.tcpi_delivery_rate < 50'000'000);
    CHECK(sent.tcpi_ato == 0);
    CHECK(got.tcpi_ato == 40'000);
    CHECK(got.tcpi_delivery_rate < sent.tcpi_delivery_rate);  // of its SYN,ACK
}

TEST_CASE("posix: poll sees many sockets, and each kind of news", "[interop]")
{
    world w;
    w.join();
    const int idle = w.c.socket(AF_INET, SOCK_STREAM);
    CHECK(w.connect(idle, 80) == 0);
    CHECK(w.s.send(w.server, "x", 1, 0) == 1);
    pollfd fds[4] = {{w.client, POLLIN, 0}, {idle, POLLIN, 0}, {-1, POLLIN, 9}, {w.client, POLLOUT, 0}};
    CHECK(w.c.poll(fds, 4, 0) == 1);
    CHECK(fds[3].revents == POLLOUT);
    w.run_for(10_ms);
    CHECK(w.c.poll(fds, 3, -1) == 1);
    CHECK(fds[0].revents == POLLIN);
    CHECK(fds[1].revents == 0);
    CHECK(fds[2].revents == 0);
    // An end behind octets that nobody has read.
    CHECK(w.s.shutdown(w.server, SHUT_WR) == 0);
    CHECK(poll_one(w.c, w.client, POLLRDHUP, 100) == POLLRDHUP);
    // A reset is told without being asked for.
    const linger at_once{1, 0};
    const int other = w.s.accept(w.listener);
    CHECK(w.s.setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    CHECK(w.s.close(other) == 0);
    CHECK(poll_one(w.c, idle, 0, -1) == (POLLERR | POLLHUP));
    CHECK_FAILS(w.c.poll(fds, 1'000'000, 0), EINVAL);
    CHECK(poll_one(w.s, w.listener, POLLIN, 10) == 0);
}

TEST_CASE("posix: a call from the stack's own thread that would have to wait fails with EDEADLK", "[interop]")
{
    world w;
    const int l = w.listening(80);
    int answer = 0;
    int error = 0;
    w.reactor.post([&] {
        answer = w.s.accept(l);
        error = errno;
    });
    w.run_for(1_ms);
    CHECK(answer == -1);
    CHECK(error == EDEADLK);
}

TEST_CASE("posix: a write to a connection that was reset is EPIPE and no signal, with MSG_NOSIGNAL or without",
          "[interop]")
{
    static volatile std::sig_atomic_t signals = 0;
    struct sigaction counts{};
    counts.sa_handler = [](int) { signals = signals + 1; };
    struct sigaction before{};
    REQUIRE(::sigaction(SIGPIPE, &counts, &before) == 0);
    world w;
    w.join();
    CHECK(w.s.close(w.server) == 0);
    w.run_for(10_ms);
    CHECK(w.c.send(w.client, "x", 1, 0) == 1);  // it meets an RST
    w.run_for(10_ms);
    iovec v{const_cast<char*>("x"), 1};
    CHECK_FAILS(w.c.send(w.client, "x", 1, 0), EPIPE);
    CHECK_FAILS(w.c.send(w.client, "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_FAILS(w.c.writev(w.client, &v, 1), EPIPE);
    CHECK(w.c.shutdown(w.client, SHUT_WR) == -1);
    CHECK(::sigaction(SIGPIPE, &before, nullptr) == 0);
    CHECK(signals == 0);
}

TEST_CASE("posix: sockets closed beyond the limit of orphans are reset, and so is one with octets nobody has read",
          "[interop][SHLD-3]")
{
    auto few = host_config(1);
    few.limits.orphans = 1;
    world w{few};
    w.join();
    const int second = w.c.socket(AF_INET, SOCK_STREAM);
    REQUIRE(w.connect(second, 80) == 0);
    const int accepted = w.s.accept(w.listener);
    REQUIRE(accepted >= 0);
    char octets[8];
    CHECK(w.c.close(w.client) == 0);
    w.run_for(10_ms);
    CHECK(w.s.recv(w.server, octets, sizeof octets, MSG_DONTWAIT) == 0);  // the first orphan: an orderly end
    SECTION("the second orphan is one too many")
    {
        CHECK(w.c.close(second) == 0);
        w.run_for(10_ms);
        CHECK_FAILS(w.s.recv(accepted, octets, sizeof octets, MSG_DONTWAIT), ECONNRESET);
        CHECK(w.a.counters().orphans_reset == 1);
    }
    SECTION("octets that nobody has read")
    {
        CHECK(w.s.close(w.server) == 0);  // no orphan any more
        w.run_for(10_ms);
        CHECK(w.s.send(accepted, "unread", 6, 0) == 6);
        w.run_for(10_ms);
        CHECK(w.c.close(second) == 0);
        w.run_for(10_ms);
        CHECK_FAILS(w.s.recv(accepted, octets, sizeof octets, MSG_DONTWAIT), ECONNRESET);
        CHECK(w.a.counters().orphans_reset == 0);
    }
}
