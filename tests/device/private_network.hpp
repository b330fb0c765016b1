// A network namespace of this process's own, and packets made by hand, for tests with a real TAP or TUN. Not a test
// itself.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "skip.hpp"
#include "tcpco/core/address.hpp"

namespace tcpco_test {

// Moves the process into a fresh namespace at the first call. Empty, or why that may not be.
inline const std::string& private_network()
{
    static const std::string refusal = [] {
        if (::unshare(CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
            return std::string{};
        }
        return std::string{"no network namespace may be made here: "} + std::strerror(errno);
    }();
    return refusal;
}

// `ip link del NAME`. True if the kernel did it.
inline bool delete_interface(const std::string& name)
{
    struct {
        nlmsghdr header;
        ifinfomsg info;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_DELLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.info.ifi_index = static_cast<int>(::if_nametoindex(name.c_str()));
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        nlmsghdr header;
        nlmsgerr error;
    } answer{};
    const bool done = ::send(fd, &request, sizeof request, 0) == sizeof request &&
                      ::recv(fd, &answer, sizeof answer, 0) > 0 && answer.error.error == 0;
    ::close(fd);
    return done;
}

using bytes = std::vector<std::uint8_t>;

inline void put16(bytes& to, std::size_t at, unsigned v)
{
    to[at] = static_cast<std::uint8_t>(v >> 8);
    to[at + 1] = static_cast<std::uint8_t>(v);
}
inline void put32(bytes& to, std::size_t at, std::uint32_t v)
{
    put16(to, at, v >> 16);
    put16(to, at + 2, v & 0xFFFF);
}
inline unsigned get16(const bytes& from, std::size_t at) { return from.at(at) * 256U + from.at(at + 1); }
inline std::uint32_t get32(const bytes& from, std::size_t at)
{
    return static_cast<std::uint32_t>(get16(from, at)) << 16 | get16(from, at + 2);
}

inline unsigned ones_sum(const bytes& data, std::size_t first, std::size_t last, unsigned sum = 0)
{
    for (std::size_t i = first; i + 1 < last; i += 2) {
        sum += get16(data, i);
    }
    if ((last - first) % 2 != 0) {
        sum += data[last - 1] * 256U;
    }
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

inline constexpr std::uint32_t kernel_address = 0xC6120001;  // 198.18.0.1
inline constexpr std::uint32_t our_address = 0xC6120002;     // 198.18.0.2

// An IPv4 packet from us to the kernel. The transport checksum holds the pseudo-header's sum (`partial`) or all.
inline bytes ipv4_packet(unsigned protocol, const bytes& transport, std::size_t checksum_at, bool partial)
{
    bytes p(20);
    p[0] = 0x45;
    put16(p, 2, static_cast<unsigned>(20 + transport.size()));
    p[8] = 64;
    p[9] = static_cast<std::uint8_t>(protocol);
    put32(p, 12, our_address);
    put32(p, 16, kernel_address);
    put16(p, 10, ~ones_sum(p, 0, 20) & 0xFFFF);
    p.insert(p.end(), transport.begin(), transport.end());
    bytes pseudo(p.begin() + 12, p.begin() + 20);
    pseudo.resize(12);
    put16(pseudo, 8, protocol);
    put16(pseudo, 10, static_cast<unsigned>(transport.size()));
    const unsigned sum = ones_sum(pseudo, 0, 12);
    put16(p, 20 + checksum_at, partial ? sum : ~ones_sum(p, 20, p.size(), sum) & 0xFFFF);
    return p;
}

inline bytes udp_packet(unsigned port, const std::string& text, bool partial = false)
{
    bytes udp(8);
    put16(udp, 0, 7777);
    put16(udp, 2, port);
    put16(udp, 4, static_cast<unsigned>(8 + text.size()));
    udp.insert(udp.end(), text.begin(), text.end());
    return ipv4_packet(17, udp, 6, partial);
}

inline bytes tcp_packet(unsigned port, std::uint32_t seq, std::uint32_t ack, unsigned flags, std::size_t payload,
                        bool partial = false)
{
    bytes tcp(20);
    put16(tcp, 0, 7777);
    put16(tcp, 2, port);
    put32(tcp, 4, seq);
    put32(tcp, 8, ack);
    tcp[12] = 0x50;
    tcp[13] = static_cast<std::uint8_t>(flags);
    put16(tcp, 14, 65'535);
    tcp.resize(20 + payload, 'p');
    return ipv4_packet(6, tcp, 16, partial);
}

// Behind an Ethernet header from 02:00:00:00:00:02.
inline bytes in_ethernet(const tcpco::mac_address& to, const bytes& packet)
{
    bytes f(to.octets.begin(), to.octets.end());
    const bytes rest{2, 0, 0, 0, 0, 2, 0x08, 0x00};
    f.insert(f.end(), rest.begin(), rest.end());
    f.insert(f.end(), packet.begin(), packet.end());
    return f;
}

// A UDP socket of the kernel on 198.18.0.1.
class kernel_udp {
public:
    explicit kernel_udp(std::uint16_t port) : fd_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
        sockaddr_in a = at(kernel_address, port);
        bound = ::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
    }
    ~kernel_udp() { ::close(fd_); }

    bool send(std::uint32_t to, const std::string& text) const
    {
        sockaddr_in a = at(to, 7777);
        return ::sendto(fd_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&a), sizeof a) ==
               static_cast<ssize_t>(text.size());
    }
    // Empty when nothing is there.
    std::string receive() const
    {
        std::string text(70'000, '\0');
        const ssize_t n = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }

    bool bound = false;

private:
    static sockaddr_in at(std::uint32_t address, std::uint16_t port)
    {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(address);
        a.sin_port = htons(port);
        return a;
    }
    int fd_;
};

}  // namespace tcpco_test

// Leaves the test, with the reason, where no namespace may be made.
#define TCPCO_NEEDS_PRIVATE_NETWORK()                                 \
    do {                                                              \
        if (!tcpco_test::private_network().empty()) {                 \
            tcpco_test::skip(tcpco_test::private_network());          \
            return;                                                   \
        }                                                             \
    } while (false)

// The same where /dev/net/tun is closed.
#define TCPCO_NEEDS_DEVICE(error)                        \
    do {                                                 \
        if (error) {                                     \
            tcpco_test::skip(tcpco::explain(error));     \
            return;                                      \
        }                                                \
    } while (false)
