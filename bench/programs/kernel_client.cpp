// The kernel's TCP as a client, the other side of every measurement on a TAP or veth. Prints one line of JSON.
//
//     work=send      to the sink: octets that were acknowledged
//     work=receive   from the source
//     work=ping      one octet to the echo and back, again and again; busy=1 polls instead of waiting
//     work=connect   connect, one octet each way, close; `parallel` at a time
//
// mss=octets bounds our segments. `connections` shares send and receive among several. The first `warmup` seconds do not count. server=pid adds what
// that process used of the processor, so both sides' cost is of the same interval.
//
// A connection is closed in order: our FIN, the peer's, and only then close(). With net.ipv4.tcp_max_tw_buckets=0 our
// port is free again at once.
#include <sys/epoll.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "arguments.hpp"
#include "kernel_socket.hpp"

namespace {

using namespace tcpco_bench;

struct settings {
    std::string work;
    std::string address;
    double seconds = 1;
    double warmup = 0.2;
    unsigned connections = 1;
    unsigned parallel = 1;
    unsigned mss = 0;
    bool busy = false;
    pid_t server = 0;
};

// Wall time and both sides' processor time, from begin() on.
class interval {
public:
    explicit interval(pid_t server) : has_server_{server != 0 && ::clock_getcpuclockid(server, &server_) == 0} {}

    void begin()
    {
        wall_ = seconds_of(CLOCK_MONOTONIC);
        own_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        peer_ = has_server_ ? seconds_of(server_) : 0;
    }
    double elapsed() const { return seconds_of(CLOCK_MONOTONIC) - wall_; }
    // The opening of the line; print_end() closes it.
    void print_begin() const
    {
        std::printf("{\"seconds\": %.6f, \"client_cpu\": %.6f", elapsed(),
                    seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own_);
        if (has_server_) {
            std::printf(", \"server_cpu\": %.6f", seconds_of(server_) - peer_);
        }
    }
    static void print_end() { std::puts("}"); }

private:
    clockid_t server_{};
    bool has_server_;
    double wall_ = 0;
    double own_ = 0;
    double peer_ = 0;
};

// `more` is printed as it is.
void print_octets(const interval& measured, const std::vector<std::uint64_t>& octets, const std::string& more = {})
{
    measured.print_begin();
    std::uint64_t total = 0;
    std::printf(", \"each\": [");
    for (std::size_t i = 0; i < octets.size(); ++i) {
        std::printf("%s%llu", i == 0 ? "" : ", ", static_cast<unsigned long long>(octets[i]));
        total += octets[i];
    }
    std::printf("], \"octets\": %llu%s", static_cast<unsigned long long>(total), more.c_str());
    interval::print_end();
}

std::vector<kernel_socket> connect_all(const settings& s, std::uint16_t port)
{
    std::vector<kernel_socket> sockets;
    for (unsigned i = 0; i < s.connections; ++i) {
        sockets.emplace_back();
        sockets.back().set_abortive();
        if (s.mss != 0) {
            sockets.back().set(sol_tcp, TCP_MAXSEG, static_cast<int>(s.mss), "TCP_MAXSEG");
        }
        sockets.back().connect(ipv4(s.address, port));
    }
    return sockets;
}

// One connection: blocking calls, which look at the clock ten times a second. Several: whichever is ready.
template <class Step>
void move_octets(const settings& s, const std::vector<kernel_socket>& sockets, std::uint32_t events, double until,
                 const interval& clock, Step step)
{
    if (sockets.size() == 1) {
        sockets[0].set_patience(100'000);
        while (clock.elapsed() < until) {
            step(0);
        }
        return;
    }
    const kernel_socket poll{::epoll_create1(EPOLL_CLOEXEC)};
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        sockets[i].set_waiting(false);
        epoll_event e{.events = events, .data = {.u64 = i}};
        check(::epoll_ctl(poll.fd(), EPOLL_CTL_ADD, sockets[i].fd(), &e) == 0, "epoll_ctl");
    }
    std::vector<epoll_event> ready(s.connections);
    while (clock.elapsed() < until) {
        const int n = ::epoll_wait(poll.fd(), ready.data(), static_cast<int>(ready.size()), 1'000);
        for (int i = 0; i < n; ++i) {
            step(ready[static_cast<std::size_t>(i)].data.u64);
        }
    }
}

void run_send(const settings& s)
{
    const std::vector<kernel_socket> sockets = connect_all(s, sink_port);
    const std::vector<char> chunk(sockets.size() == 1 ? 1 << 20 : 1 << 17, 'x');
    auto step = [&](std::size_t i) {
        const ssize_t n = ::send(sockets[i].fd(), chunk.data(), chunk.size(), MSG_NOSIGNAL);
        check(n > 0 || errno == EAGAIN, "send");
    };
    auto acknowledged = [&] {
        std::vector<std::uint64_t> octets;
        for (const kernel_socket& k : sockets) {
            octets.push_back(k.info().tcpi_bytes_acked);
        }
        return octets;
    };
    interval clock{s.server};
    clock.begin();
    move_octets(s, sockets, EPOLLOUT, s.warmup, clock, step);
    const std::vector<std::uint64_t> before = acknowledged();
    const tcp_info first_before = sockets[0].info();
    clock.begin();
    move_octets(s, sockets, EPOLLOUT, s.seconds, clock, step);
    std::vector<std::uint64_t> octets = acknowledged();
    for (std::size_t i = 0; i < octets.size(); ++i) {
        octets[i] -= before[i];
    }
    const tcp_info first = sockets[0].info();
    const unsigned segments = first.tcpi_data_segs_out - first_before.tcpi_data_segs_out;
    const unsigned acks = std::max(first.tcpi_segs_in - first_before.tcpi_segs_in, 1U);
    print_octets(clock, octets, ", \"segments_per_ack\": " + std::to_string(1.0 * segments / acks) +
                                    ", \"retransmitted\": " +
                                    std::to_string(first.tcpi_total_retrans - first_before.tcpi_total_retrans));
}

void run_receive(const settings& s)
{
    const std::vector<kernel_socket> sockets = connect_all(s, source_port);
    std::vector<char> buffer(1 << 18);
    std::vector<std::uint64_t> octets(sockets.size());
    auto step = [&](std::size_t i) {
        const ssize_t n = ::recv(sockets[i].fd(), buffer.data(), buffer.size(), 0);
        check(n > 0 || (n < 0 && errno == EAGAIN), "recv");
        octets[i] += n > 0 ? static_cast<std::uint64_t>(n) : 0;
    };
    interval clock{s.server};
    clock.begin();
    move_octets(s, sockets, EPOLLIN, s.warmup, clock, step);
    std::fill(octets.begin(), octets.end(), 0);
    clock.begin();
    move_octets(s, sockets, EPOLLIN, s.seconds, clock, step);
    print_octets(clock, octets);
}

double percentile(const std::vector<double>& sorted, double p)
{
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(p * static_cast<double>(sorted.size())))];
}

void run_ping(const settings& s)
{
    const std::vector<kernel_socket> one = connect_all(s, echo_port);
    const int fd = one[0].fd();
    one[0].set_no_delay();
    const int flags = s.busy ? MSG_DONTWAIT : 0;
    std::vector<double> times;
    times.reserve(1 << 20);
    interval clock{s.server};
    clock.begin();
    bool warm = false;
    double now = 0;
    while (now < (warm ? s.seconds : s.warmup) || !warm) {
        if (!warm && now >= s.warmup) {
            warm = true;
            times.clear();
            clock.begin();
        }
        char octet = 'p';
        const double sent = clock.elapsed();
        check(::send(fd, &octet, 1, MSG_NOSIGNAL) == 1, "send");
        ssize_t n = 0;
        do {
            n = ::recv(fd, &octet, 1, flags);
        } while (n < 0 && errno == EAGAIN && s.busy);
        check(n == 1, "recv");
        now = clock.elapsed();
        times.push_back((now - sent) * 1e6);
    }
    clock.print_begin();
    std::sort(times.begin(), times.end());
    std::printf(", \"round_trips\": %zu, \"p50_us\": %.3f, \"p99_us\": %.3f", times.size(), percentile(times, 0.5),
                percentile(times, 0.99));
    interval::print_end();
}

// One connection after the other, with calls that wait.
std::uint64_t connect_in_turn(const sockaddr_in& to, double until, const interval& clock)
{
    std::uint64_t count = 0;
    while (clock.elapsed() < until) {
        const kernel_socket one;
        one.connect(to);
        char octet = 'c';
        check(::send(one.fd(), &octet, 1, MSG_NOSIGNAL) == 1, "send");
        check(::recv(one.fd(), &octet, 1, 0) == 1, "recv");
        check(::shutdown(one.fd(), SHUT_WR) == 0, "shutdown");
        check(::recv(one.fd(), &octet, 1, 0) == 0, "recv of the end");
        ++count;
    }
    return count;
}

// Several at a time: each is a small state machine.
class crowd {
public:
    crowd(unsigned size, const sockaddr_in& to) : to_{to}, poll_{::epoll_create1(EPOLL_CLOEXEC)}
    {
        for (unsigned i = 0; i < size; ++i) {
            members_.push_back({kernel_socket{-1}});
        }
        for (std::size_t i = 0; i < members_.size(); ++i) {
            begin(i);
        }
    }

    std::uint64_t run(double until, const interval& clock)
    {
        std::uint64_t count = 0;
        std::vector<epoll_event> ready(members_.size());
        while (clock.elapsed() < until) {
            const int n = ::epoll_wait(poll_.fd(), ready.data(), static_cast<int>(ready.size()), 1'000);
            check(n > 0, "epoll_wait: nothing came for a second");
            for (int i = 0; i < n; ++i) {
                count += step(ready[static_cast<std::size_t>(i)].data.u64) ? 1U : 0U;
            }
        }
        return count;
    }

private:
    enum class phase { connecting, asking, ending };
    struct member {
        kernel_socket socket;
        phase at = phase::connecting;
    };

    void begin(std::size_t i)
    {
        members_[i] = {kernel_socket{false}, phase::connecting};
        members_[i].socket.connect(to_);
        watch(i, EPOLL_CTL_ADD, EPOLLOUT);
    }
    void watch(std::size_t i, int call, std::uint32_t events)
    {
        epoll_event e{.events = events, .data = {.u64 = i}};
        check(::epoll_ctl(poll_.fd(), call, members_[i].socket.fd(), &e) == 0, "epoll_ctl");
    }

    // True when a connection has come to its end.
    bool step(std::size_t i)
    {
        const int fd = members_[i].socket.fd();
        char octet = 'c';
        switch (members_[i].at) {
        case phase::connecting:
            check(::send(fd, &octet, 1, MSG_NOSIGNAL) == 1, "connect or send");
            members_[i].at = phase::asking;
            watch(i, EPOLL_CTL_MOD, EPOLLIN);
            return false;
        case phase::asking:
            check(::recv(fd, &octet, 1, 0) == 1, "recv");
            check(::shutdown(fd, SHUT_WR) == 0, "shutdown");
            members_[i].at = phase::ending;
            return false;
        case phase::ending: break;
        }
        check(::recv(fd, &octet, 1, 0) == 0, "recv of the end");
        begin(i);
        return true;
    }

    sockaddr_in to_;
    kernel_socket poll_;
    std::vector<member> members_{};
};

void run_connect(const settings& s)
{
    const sockaddr_in to = ipv4(s.address, echo_port);
    interval clock{s.server};
    clock.begin();
    std::uint64_t count = 0;
    if (s.parallel <= 1) {
        connect_in_turn(to, s.warmup, clock);
        clock.begin();
        count = connect_in_turn(to, s.seconds, clock);
    } else {
        crowd all{s.parallel, to};
        all.run(s.warmup, clock);
        clock.begin();
        count = all.run(s.seconds, clock);
    }
    clock.print_begin();
    std::printf(", \"connections\": %llu", static_cast<unsigned long long>(count));
    interval::print_end();
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    settings s;
    s.work = given.text("work");
    s.address = given.text("to", "198.18.0.2");
    s.seconds = given.real("seconds", s.seconds);
    s.warmup = given.real("warmup", s.warmup);
    s.connections = given.number("connections", s.connections);
    s.parallel = given.number("parallel", s.parallel);
    s.mss = given.number("mss", s.mss);
    s.busy = given.flag("busy");
    s.server = static_cast<pid_t>(given.number("server", 0));
    given.done();
    if (s.work == "send") {
        run_send(s);
    } else if (s.work == "receive") {
        run_receive(s);
    } else if (s.work == "ping") {
        run_ping(s);
    } else if (s.work == "connect") {
        run_connect(s);
    } else {
        throw std::runtime_error{"work is send, receive, ping or connect"};
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "kernel_client: %s\n", e.what());
    return 1;
}
