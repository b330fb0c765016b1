// A TCP socket of the kernel, and the clocks, as the kernel's programs of bench/run need them.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace tcpco_bench {

inline constexpr int sol_tcp = 6;

inline void check(bool good, const char* what)
{
    if (!good) {
        throw std::system_error{errno, std::system_category(), what};
    }
}

inline double seconds_of(clockid_t clock)
{
    timespec t{};
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

inline sockaddr_in ipv4(const std::string& address, std::uint16_t port)
{
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &a.sin_addr) != 1) {
        throw std::runtime_error{"no IPv4 address: " + address};
    }
    return a;
}

class kernel_socket {
public:
    // Reno, not the machine's default: bulk rows are about the path, and BBR paces.
    explicit kernel_socket(bool waits = true)
        : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0)}
    {
        check(fd_ >= 0, "socket");
        set_congestion("reno");
    }
    explicit kernel_socket(int fd) noexcept : fd_{fd} {}
    kernel_socket(kernel_socket&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    kernel_socket& operator=(kernel_socket&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~kernel_socket()
    {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    int fd() const noexcept { return fd_; }
    void set_congestion(const std::string& name) const
    {
        set(sol_tcp, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size()), ("TCP_CONGESTION " + name).c_str());
    }
    void set_no_delay() const { set(sol_tcp, TCP_NODELAY, 1, "TCP_NODELAY"); }
    // What is on its way when it closes is dropped. Without it the kernel keeps up to 4 MiB a connection that nobody will
    // acknowledge any more, for minutes and beyond the namespace: 64 of them a few times, and all that is measured next
    // finds the kernel's TCP short of memory (tcp_mem), a tenth as fast.
    void set_abortive() const
    {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        set(SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once, "SO_LINGER");
    }
    void set(int level, int option, int value, const char* what) const
    {
        set(level, option, &value, sizeof value, what);
    }
    void set_waiting(bool on) const
    {
        const int flags = ::fcntl(fd_, F_GETFL);
        check(::fcntl(fd_, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0, "fcntl");
    }
    // A blocking call that got nothing done for so long ends with EAGAIN.
    void set_patience(suseconds_t microseconds) const
    {
        const timeval t{.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
        set(SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t, "SO_RCVTIMEO");
        set(SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t, "SO_SNDTIMEO");
    }
    // True once connected, false while that is under way.
    bool connect(const sockaddr_in& to) const
    {
        sockaddr address{};
        std::memcpy(&address, &to, sizeof to);
        if (::connect(fd_, &address, sizeof to) == 0) {
            return true;
        }
        check(errno == EINPROGRESS, "connect");
        return false;
    }
    tcp_info info() const
    {
        tcp_info value{};
        socklen_t size = sizeof value;
        check(::getsockopt(fd_, sol_tcp, TCP_INFO, &value, &size) == 0, "TCP_INFO");
        return value;
    }

private:
    void set(int level, int option, const void* value, socklen_t size, const char* what) const
    {
        check(::setsockopt(fd_, level, option, value, size) == 0, what);
    }

    int fd_ = -1;
};

}  // namespace tcpco_bench
