// A script's user calls, made on a world's sockets: names of flags and options, descriptors as the script numbers them,
// and the octets that pass, which are a pattern.
//
// A pointer is written `...` and invented: bind() takes port 8080, connect() and sendto() go to the peer, or to the one
// whose number stands there. Options are ints, [1], or {onoff=1, linger=0}; poll() knows {fd=4, events=POLLIN,
// revents=POLLIN}.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "drill/world.hpp"

namespace tcpco_test::drill {

inline const std::map<std::string, int>& constants()
{
#define TCPCO_NAMED(name) {#name, static_cast<int>(name)}
    static const std::map<std::string, int> all{
        TCPCO_NAMED(AF_INET), TCPCO_NAMED(PF_INET), TCPCO_NAMED(SOCK_STREAM), TCPCO_NAMED(SOCK_NONBLOCK),
        TCPCO_NAMED(IPPROTO_TCP), TCPCO_NAMED(SOL_SOCKET), TCPCO_NAMED(SOL_TCP), TCPCO_NAMED(SO_REUSEADDR),
        TCPCO_NAMED(SO_ERROR), TCPCO_NAMED(SO_LINGER), TCPCO_NAMED(SO_KEEPALIVE), TCPCO_NAMED(SO_RCVBUF),
        TCPCO_NAMED(SO_SNDBUF), TCPCO_NAMED(TCP_NODELAY), TCPCO_NAMED(TCP_CORK), TCPCO_NAMED(TCP_MAXSEG),
        TCPCO_NAMED(TCP_KEEPIDLE), TCPCO_NAMED(TCP_KEEPINTVL), TCPCO_NAMED(TCP_KEEPCNT),
        TCPCO_NAMED(TCP_USER_TIMEOUT), TCPCO_NAMED(TCP_LINGER2), TCPCO_NAMED(O_RDWR), TCPCO_NAMED(O_NONBLOCK),
        TCPCO_NAMED(F_GETFL), TCPCO_NAMED(F_SETFL), TCPCO_NAMED(SHUT_RD), TCPCO_NAMED(SHUT_WR),
        TCPCO_NAMED(SHUT_RDWR), TCPCO_NAMED(MSG_DONTWAIT), TCPCO_NAMED(MSG_PEEK), TCPCO_NAMED(MSG_MORE),
        TCPCO_NAMED(MSG_NOSIGNAL), TCPCO_NAMED(MSG_OOB), TCPCO_NAMED(MSG_WAITALL), TCPCO_NAMED(MSG_FASTOPEN),
        TCPCO_NAMED(TCP_FASTOPEN), TCPCO_NAMED(SO_OOBINLINE), TCPCO_NAMED(ENOPROTOOPT), TCPCO_NAMED(EOPNOTSUPP),
        TCPCO_NAMED(POLLIN), TCPCO_NAMED(POLLOUT), TCPCO_NAMED(POLLERR),
        TCPCO_NAMED(POLLHUP), TCPCO_NAMED(POLLRDHUP), TCPCO_NAMED(EAGAIN), TCPCO_NAMED(EINPROGRESS),
        TCPCO_NAMED(EALREADY), TCPCO_NAMED(EISCONN), TCPCO_NAMED(ENOTCONN), TCPCO_NAMED(EPIPE),
        TCPCO_NAMED(ECONNRESET), TCPCO_NAMED(ECONNREFUSED), TCPCO_NAMED(ECONNABORTED), TCPCO_NAMED(ETIMEDOUT),
        TCPCO_NAMED(EINVAL), TCPCO_NAMED(EBADF), TCPCO_NAMED(EHOSTUNREACH), TCPCO_NAMED(ENETUNREACH)};
#undef TCPCO_NAMED
    return all;
}

inline std::string error_name(int error)
{
    for (const auto& [name, value] : constants()) {
        if (name.front() == 'E' && value == error) {
            return name;
        }
    }
    return "errno " + std::to_string(error);
}

// A number, a name, or several joined with |.
inline int value_of(const std::string& text)
{
    int value = 0;
    std::istringstream parts{text};
    for (std::string part; std::getline(parts, part, '|');) {
        const std::string word = trimmed(part);
        const auto named = constants().find(word);
        if (named == constants().end() && !std::regex_match(word, std::regex{"-?[0-9]{1,9}"})) {
            throw std::runtime_error{"'" + word + "' is neither a number nor a known name"};
        }
        value |= named != constants().end() ? named->second : std::stoi(word);
    }
    return value;
}

class caller {
public:
    explicit caller(world& w) : world_{w} {}
    caller(const caller&) = delete;
    caller& operator=(const caller&) = delete;
    ~caller()
    {
        for (const auto& [number, fd] : descriptors_) {
            world_.calls().close(fd);
        }
    }

    // What the call answered, as the script writes it: "1000" or "-1 EAGAIN"; for what is elided, the script's word.
    std::string make(const call& c)
    {
        errno = 0;
        const long result = dispatch(c);
        const int error = errno;
        if (!bad_.empty()) {
            throw std::runtime_error{std::exchange(bad_, {})};
        }
        if (result < 0) {
            return "-1 " + error_name(error);
        }
        if (c.name == "socket" || c.name == "accept") {
            descriptors_[value_of(c.result)] = static_cast<int>(result);
            streams_[static_cast<int>(result)] = {};
            world_.opened(static_cast<int>(result));
            return c.result;
        }
        return std::to_string(result);
    }

    // TCP_INFO of the connection; the façade's struct has the kernel's layout.
    tcpco::posix::detail::linux_tcp_info info()
    {
        tcpco::posix::detail::linux_tcp_info i{};
        socklen_t length = sizeof i;
        if (world_.calls().getsockopt(connection_, IPPROTO_TCP, TCP_INFO, &i, &length) != 0) {
            throw std::runtime_error{"no TCP_INFO: " + error_name(errno)};
        }
        return i;
    }

private:
    long dispatch(const call& c)
    {
        static const std::map<std::string, long (caller::*)(const call&)> known{
            {"socket", &caller::socket},     {"bind", &caller::bind},         {"listen", &caller::listen},
            {"accept", &caller::accept},     {"sendto", &caller::send},
                {"connect", &caller::connect},   {"read", &caller::receive},
            {"recv", &caller::receive},      {"write", &caller::send},        {"send", &caller::send},
            {"close", &caller::close},       {"shutdown", &caller::shutdown}, {"setsockopt", &caller::setsockopt},
            {"fcntl", &caller::fcntl},       {"poll", &caller::poll},         {"getsockopt", &caller::getsockopt}};
        const auto found = known.find(c.name);
        if (found == known.end()) {
            throw std::runtime_error{"the call " + c.name + "() is not known"};
        }
        return (this->*found->second)(c);
    }

    static const std::string& argument(const call& c, std::size_t i)
    {
        if (i >= c.arguments.size()) {
            throw std::runtime_error{c.name + "() wants more arguments"};
        }
        return c.arguments[i];
    }
    int descriptor(const std::string& text) const
    {
        const auto found = descriptors_.find(value_of(text));
        return found == descriptors_.end() ? -1 : found->second;
    }
    int descriptor(const call& c) const { return descriptor(argument(c, 0)); }
    static std::string unwrapped(const std::string& text)
    {
        return text.size() > 2 && text.front() == '[' ? text.substr(1, text.size() - 2) : text;
    }

    long socket(const call& c)
    {
        const int domain = argument(c, 0) == "..." ? AF_INET : value_of(argument(c, 0));
        return world_.calls().socket(domain, value_of(argument(c, 1)), value_of(argument(c, 2)));
    }
    long bind(const call& c)
    {
        const sockaddr_in a = posix_test::address_of(stack_host, 8'080);
        return world_.calls().bind(descriptor(c), posix_test::generic(a), sizeof a);
    }
    long listen(const call& c) { return world_.calls().listen(descriptor(c), value_of(argument(c, 1))); }
    long accept(const call& c)
    {
        const int fd = world_.calls().accept4(descriptor(c), nullptr, nullptr, 0);
        connection_ = fd >= 0 ? fd : connection_;
        return fd;
    }
    static sockaddr_in peer_of(const std::string& text)
    {
        const int peer = text == "..." ? 1 : value_of(text);
        return posix_test::address_of(peer_host, translator::first_port + peer - 1);
    }
    long connect(const call& c)
    {
        connection_ = descriptor(c);
        const sockaddr_in a = peer_of(argument(c, 1));
        return world_.calls().connect(connection_, posix_test::generic(a), sizeof a);
    }
    static std::vector<std::byte> memory(const call& c)
    {
        const int size = value_of(argument(c, 2));
        if (size < 0 || size > 1 << 24) {
            throw std::runtime_error{c.name + "() wants a size of up to 16 MiB"};
        }
        return std::vector<std::byte>(static_cast<std::size_t>(size));
    }
    long receive(const call& c)
    {
        std::vector<std::byte> data = memory(c);
        const int flags = c.name == "recv" ? value_of(argument(c, 3)) : 0;
        const int fd = descriptor(c);
        const long n = world_.calls().recv(fd, data.data(), data.size(), flags);
        std::uint32_t& received = streams_[fd].received;
        for (std::uint32_t i = 0; static_cast<long>(i) < n; ++i) {
            if (data[i] != stream_octet(received + i)) {
                bad_ = "a wrong octet was read at " + std::to_string(received + i);
                return n;
            }
        }
        received += n > 0 && (flags & MSG_PEEK) == 0 ? static_cast<std::uint32_t>(n) : 0;
        return n;
    }
    // write(), send(), and sendto() for what opens a connection itself.
    long send(const call& c)
    {
        std::vector<std::byte> data = memory(c);
        const int fd = descriptor(c);
        std::uint32_t& sent = streams_[fd].sent;
        for (std::uint32_t i = 0; i < data.size(); ++i) {
            data[i] = stream_octet(sent + i);
        }
        const int flags = c.name != "write" ? value_of(argument(c, 3)) : 0;
        long n = 0;
        if (c.name == "sendto") {
            connection_ = fd;
            sockaddr_in to = peer_of(argument(c, 4));
            iovec whole{data.data(), data.size()};
            msghdr m{};
            m.msg_name = &to;
            m.msg_namelen = sizeof to;
            m.msg_iov = &whole;
            m.msg_iovlen = 1;
            n = world_.calls().sendmsg(fd, &m, flags);
        } else {
            n = world_.calls().send(fd, data.data(), data.size(), flags);
        }
        sent += n > 0 ? static_cast<std::uint32_t>(n) : 0;
        return n;
    }
    long close(const call& c)
    {
        const int fd = descriptor(c);
        descriptors_.erase(value_of(argument(c, 0)));
        return world_.calls().close(fd);
    }
    long shutdown(const call& c) { return world_.calls().shutdown(descriptor(c), value_of(argument(c, 1))); }
    long setsockopt(const call& c)
    {
        const int level = value_of(argument(c, 1)), name = value_of(argument(c, 2));
        static const std::regex lingering{R"(^\{\s*onoff\s*=\s*(\d)\s*,\s*linger\s*=\s*(\d{1,5})\s*\}$)"};
        std::smatch m;
        if (std::regex_match(argument(c, 3), m, lingering)) {
            const ::linger value{std::stoi(m[1]), std::stoi(m[2])};
            return world_.calls().setsockopt(descriptor(c), level, name, &value, sizeof value);
        }
        const int value = value_of(unwrapped(argument(c, 3)));
        return world_.calls().setsockopt(descriptor(c), level, name, &value, sizeof value);
    }
    long getsockopt(const call& c)
    {
        const std::string wanted = unwrapped(argument(c, 3));
        int value = 0;
        socklen_t length = sizeof value;
        const long result = world_.calls().getsockopt(descriptor(c), value_of(argument(c, 1)),
                                                      value_of(argument(c, 2)), &value, &length);
        if (result == 0 && wanted != "..." && value != value_of(wanted)) {
            bad_ = "getsockopt() said " + std::to_string(value) + " (" + error_name(value) + ')';
        }
        return result;
    }
    long fcntl(const call& c)
    {
        const int argument_value = c.arguments.size() > 2 ? value_of(c.arguments[2]) : 0;
        return world_.calls().fcntl(descriptor(c), value_of(argument(c, 1)), argument_value);
    }
    long poll(const call& c)
    {
        static const std::regex shape{
            R"(\{\s*fd\s*=\s*(\d+)\s*,\s*events\s*=\s*([A-Z0-9|]+)\s*(?:,\s*revents\s*=\s*([A-Z0-9|]+)\s*)?\})"};
        const std::string& list = argument(c, 0);
        std::vector<pollfd> fds;
        std::vector<int> wanted;
        for (std::sregex_iterator m{list.begin(), list.end(), shape}, end; m != end; ++m) {
            fds.push_back({descriptor((*m)[1]), static_cast<short>(value_of((*m)[2])), 0});
            wanted.push_back((*m)[3].matched ? value_of((*m)[3]) : 0);
        }
        const long result = world_.calls().poll(fds.data(), fds.size(), value_of(argument(c, 2)));
        for (std::size_t i = 0; i < fds.size() && result >= 0; ++i) {
            if (fds[i].revents != wanted[i]) {
                bad_ = "poll() said revents " + std::to_string(fds[i].revents) + " of descriptor " + std::to_string(i);
            }
        }
        return result;
    }

    world& world_;
    std::map<int, int> descriptors_;
    int connection_ = -1;
    struct stream {
        std::uint32_t sent = 0;
        std::uint32_t received = 0;
    };
    std::map<int, stream> streams_;
    std::string bad_;
};

}  // namespace tcpco_test::drill
