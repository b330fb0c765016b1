// The Linux kernel's own TCP as a peer: a network namespace for each test, and blocking sockets that cannot block for
// ever. Not a test itself.
//
// The kernel's side runs in threads or child processes of the test, so nothing here asserts: calls return errno, and
// the test judges after it has joined them.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "device/private_network.hpp"
#include "support/child_process.hpp"
#include "tcpco/core/random.hpp"

namespace tcpco_test {

inline constexpr const char* kernel_host = "198.18.0.1";
inline constexpr const char* our_host = "198.18.0.2";

// A namespace that no test before had, so that no TIME-WAIT of theirs is in the way. Empty, or why that may not be.
inline std::string fresh_network()
{
    static bool first = true;
    const std::string& refusal = private_network();
    if (!refusal.empty() || std::exchange(first, false) || ::unshare(CLONE_NEWNET) == 0) {
        return refusal;
    }
    return std::string{"no further network namespace: "} + std::strerror(errno);
}

// Octets that differ at every place.
inline std::string pattern(std::size_t size, std::uint64_t seed)
{
    tcpco::random_source random{seed};
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; i += 8) {
        const std::uint64_t word = random.next();
        std::memcpy(text.data() + i, &word, std::min<std::size_t>(8, size - i));
    }
    return text;
}

// Empty when they are equal: a comparison whose failure does not print megabytes.
inline std::string difference(std::string_view got, std::string_view expected)
{
    const std::size_t shorter = std::min(got.size(), expected.size());
    for (std::size_t i = 0; i < shorter; ++i) {
        if (got[i] != expected[i]) {
            return "octet " + std::to_string(i) + " differs";
        }
    }
    return got.size() == expected.size()
               ? std::string{}
               : std::to_string(got.size()) + " octets instead of " + std::to_string(expected.size());
}

struct kernel_read {
    std::string octets{};
    int error = 0;       // errno; EAGAIN: nothing came for patience_seconds
    bool ended = false;  // FIN
};

inline sockaddr_in kernel_sockaddr(const char* host, std::uint16_t port)
{
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}

class kernel_socket {
public:
    kernel_socket(int type, int protocol) : fd_{::socket(AF_INET, type | SOCK_CLOEXEC, protocol)} { limit(); }
    explicit kernel_socket(int fd) : fd_{fd} { limit(); }
    kernel_socket(kernel_socket&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    kernel_socket& operator=(kernel_socket&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~kernel_socket() { close(); }

    int fd() const noexcept { return fd_; }
    void close()
    {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

    int bind(const char* host, std::uint16_t port)
    {
        const sockaddr_in a = kernel_sockaddr(host, port);
        return ::bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 ? 0 : errno;
    }
    int connect(std::uint16_t port, const char* host = our_host)
    {
        const sockaddr_in a = kernel_sockaddr(host, port);
        const int error = ::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 ? 0 : errno;
        if (error != EINTR) {
            return error;
        }
        const bool ended = wait(POLLOUT, std::chrono::seconds{patience_seconds}) != 0;  // it goes on by itself
        return ended ? pending_error() : ETIMEDOUT;
    }
    // What SO_ERROR says: the error that nobody was told of yet.
    int pending_error() const
    {
        int e = 0;
        socklen_t size = sizeof e;
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &e, &size);
        return e;
    }
    // The events of poll() that hold within `limit`.
    short wait(short events, std::chrono::milliseconds time) const
    {
        pollfd p{fd_, events, 0};
        const int n = retry_interrupted([&] { return ::poll(&p, 1, static_cast<int>(time.count())); });
        return n > 0 ? p.revents : short{0};
    }

private:
    void limit() const
    {
        const timeval t{.tv_sec = patience_seconds, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    }

    int fd_;
};

class kernel_stream : public kernel_socket {
public:
    kernel_stream() : kernel_socket{SOCK_STREAM, 0} {}
    explicit kernel_stream(int fd) : kernel_socket{fd} {}

    int send_all(std::string_view text)
    {
        while (!text.empty()) {
            const ssize_t n = retry_interrupted([&] { return ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL); });
            if (n < 0) {
                return errno;
            }
            text.remove_prefix(static_cast<std::size_t>(n));
        }
        return 0;
    }
    // Ends early at a FIN or an error.
    kernel_read receive_exactly(std::size_t size)
    {
        kernel_read r;
        while (r.octets.size() < size && receive_some(r, size - r.octets.size())) {
        }
        return r;
    }
    // Up to the FIN, or an error.
    kernel_read receive_all()
    {
        kernel_read r;
        while (receive_some(r, 256 * 1024)) {
        }
        return r;
    }
    void shutdown_sending() { ::shutdown(fd(), SHUT_WR); }
    // RST: close with SO_LINGER and a time of zero.
    void reset()
    {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }
    // Before connect(): how much the kernel holds for a reader who does not read.
    void set_receive_buffer(int octets) { ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets); }

    ::tcp_info info() const
    {
        ::tcp_info i{};
        socklen_t size = sizeof i;
        ::getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &i, &size);
        return i;
    }

private:
    bool receive_some(kernel_read& r, std::size_t most)
    {
        const std::size_t had = r.octets.size();
        r.octets.resize(had + most);
        const ssize_t n = retry_interrupted([&] { return ::recv(fd(), r.octets.data() + had, most, 0); });
        r.octets.resize(had + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        r.error = n < 0 ? errno : 0;
        r.ended = n == 0;
        return n > 0;
    }
};

// Which congestion control sockets of this namespace begin with; for the messages of failures.
inline std::string kernel_congestion_control()
{
    const kernel_stream s;
    char name[64] = "unknown";
    socklen_t size = sizeof name;
    ::getsockopt(s.fd(), IPPROTO_TCP, TCP_CONGESTION, name, &size);
    return name;
}

class kernel_listener : public kernel_socket {
public:
    explicit kernel_listener(std::uint16_t port) : kernel_socket{SOCK_STREAM, 0}
    {
        const int on = 1;
        ::setsockopt(fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        error = bind(kernel_host, port);
        if (error == 0 && ::listen(fd(), 16) != 0) {
            error = errno;
        }
    }
    kernel_stream accept()
    {
        return kernel_stream{retry_interrupted([&] { return ::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC); })};
    }

    int error = 0;
};

// One client of an echo server: sends `to_send` and its FIN, and reads at the same time what comes back.
struct exchange {
    kernel_stream socket{};
    std::string_view to_send{};
    std::string back{};
    std::size_t sent = 0;
    bool done = false;
    std::string problem{};  // empty: all came back, and then the end of the stream

    void send_more()
    {
        const ssize_t n =
            ::send(socket.fd(), to_send.data() + sent, to_send.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            end(std::string{"send: "} + std::strerror(errno));
        } else if (n > 0 && (sent += static_cast<std::size_t>(n)) == to_send.size()) {
            socket.shutdown_sending();
        }
    }
    void receive_more()
    {
        char buffer[65'536];
        const ssize_t n = ::recv(socket.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0) {
            back.append(buffer, static_cast<std::size_t>(n));
        } else if (n == 0) {
            end(difference(back, to_send));
        } else if (errno != EAGAIN) {
            end(std::string{"receive: "} + std::strerror(errno));
        }
    }
    void end(std::string why)
    {
        done = true;
        problem = std::move(why);
    }
};

// Runs them all at the same time. Whoever is not done when nothing has moved for patience_seconds says so in `problem`.
inline void run_exchanges(std::span<exchange> all, std::uint16_t port, const char* host = our_host)
{
    for (exchange& e : all) {
        if (const int error = e.socket.connect(port, host); error != 0) {
            e.end(std::string{"connect: "} + std::strerror(error));
        }
    }
    for (;;) {
        std::vector<pollfd> waiting;
        for (const exchange& e : all) {
            const int events = POLLIN | (e.sent < e.to_send.size() ? POLLOUT : 0);
            waiting.push_back({e.done ? -1 : e.socket.fd(), static_cast<short>(events), 0});
        }
        if (std::all_of(all.begin(), all.end(), [](const exchange& e) { return e.done; })) {
            return;
        }
        const auto poll_all = [&] { return ::poll(waiting.data(), waiting.size(), patience_seconds * 1000); };
        if (retry_interrupted(poll_all) <= 0) {
            break;
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!all[i].done && (waiting[i].revents & POLLOUT) != 0) {
                all[i].send_more();
            }
            if (!all[i].done && (waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
                all[i].receive_more();
            }
        }
    }
    for (exchange& e : all) {
        if (!e.done) {
            e.end("stuck: " + std::to_string(e.sent) + " octets sent, " + std::to_string(e.back.size()) + " came back");
        }
    }
}

// Empty, or what went wrong with one echo of `text`.
inline std::string exchange_with(std::uint16_t port, std::string_view text, const char* host = our_host)
{
    exchange one{.to_send = text};
    run_exchanges({&one, 1}, port, host);
    return one.problem;
}

// ICMP echo by the kernel's hand; what came back, headers taken off, empty if nothing did in 2 s.
inline std::string ping(const char* host, std::string_view text)
{
    kernel_socket raw{SOCK_RAW, IPPROTO_ICMP};
    if (raw.fd() < 0 || raw.connect(0, host) != 0) {
        return std::string{"no raw socket: "} + std::strerror(errno);
    }
    bytes packet{ICMP_ECHO, 0, 0, 0, 0x12, 0x34, 0, 7};
    packet.insert(packet.end(), text.begin(), text.end());
    put16(packet, 2, ~ones_sum(packet, 0, packet.size()) & 0xFFFF);
    ::send(raw.fd(), packet.data(), packet.size(), 0);
    while ((raw.wait(POLLIN, std::chrono::seconds{2}) & POLLIN) != 0) {
        bytes answer(70'000);
        const ssize_t n = ::recv(raw.fd(), answer.data(), answer.size(), MSG_DONTWAIT);
        answer.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        if (answer.size() >= 28 && answer[20] == ICMP_ECHOREPLY && get32(answer, 24) == 0x12340007) {
            return ones_sum(answer, 20, answer.size()) == 0xFFFF ? std::string{answer.begin() + 28, answer.end()}
                                                                 : "a wrong checksum came back";
        }
    }
    return {};
}

}  // namespace tcpco_test
