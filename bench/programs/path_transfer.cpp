// One transfer to the kernel's TCP through an impaired path, sent by the kernel's TCP or by tcpco. Prints one line of
// JSON; bench/versus_kernel calls it once for each sender with the same script.
//
//     sender=kernel|tcpco  congestion=reno|cubic|bbr
//     loss=p seed=n        of data segments, there; which ones is the same for both senders (impaired_path.hpp)
//     delay_us=n           each way
//     rate=bits queue=octets   of the bottleneck there; ACKs have none
//     octets=n limit=s     what is sent, and how long it may take from the accepted connection on
//
// Two network namespaces, both made here: the receiver with TAP B in one, the sender with TAP A in the other, and the
// path between the two. The kernel's sender has its address on TAP A; tcpco's own TAP hangs on a bridge with TAP A, so
// it takes the same way and one more hop. No TAP has offloads: both senders' segments reach the path as on a wire.
//
// The goodput is that of the receiver: octets read in order, and compared, from accept() to the last of them.
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "arguments.hpp"
#include "impaired_path.hpp"
#include "kernel_side.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/reno.hpp"
#include "tcpco/tcpco.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr const char* receiver_address = "198.18.0.2";

struct settings {
    std::string sender;
    std::string congestion;
    double loss = 0;
    std::uint64_t seed = 1;
    duration delay{};
    std::uint64_t rate = 0;
    std::size_t queue = 0;
    std::uint64_t octets = 0;
    double limit = 0;
};

// What is sent: octets whose place in the stream can be told.
class stream_octets {
public:
    stream_octets()
    {
        random_source random{20'26};
        for (std::byte& b : period_) {
            b = static_cast<std::byte>(random.next());
        }
    }
    // From `offset` on, at most `most` of them.
    std::span<const std::byte> at(std::uint64_t offset, std::uint64_t most) const
    {
        const std::span<const std::byte> rest = std::span{period_}.subspan(offset % period_.size());
        return rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), most)));
    }

private:
    std::vector<std::byte> period_ = std::vector<std::byte>(65'521);
};

struct receipt {
    std::uint64_t octets = 0;
    double seconds = 0;
    bool whole = false;  // all octets, and then the FIN
};

struct sending {
    bool done = false;  // all was acknowledged and the connection closed in order
    std::string problem{};
    std::uint64_t retransmitted = 0;  // segments
    std::uint64_t timeouts = 0;
    std::string more{};  // further members of the JSON
};

void enter_new_network()
{
    check(::unshare(CLONE_NEWNET) == 0, "no network namespace can be made");
    static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL));
}

// --- the receiver -----------------------------------------------------------------------------------------------------

kernel_socket listen_for_one()
{
    kernel_socket listener;
    const sockaddr_in any = ipv4(receiver_address, sink_port);
    sockaddr address{};
    std::memcpy(&address, &any, sizeof any);
    check(::bind(listener.fd(), &address, sizeof any) == 0, "bind");
    check(::listen(listener.fd(), 1) == 0, "listen");
    return listener;
}

receipt receive_all(const kernel_socket& listener, const settings& s, const stream_octets& expected)
{
    constexpr double patience_to_connect = 10;
    listener.set_patience(100'000);
    const double began = seconds_of(CLOCK_MONOTONIC);
    int fd = -1;
    while (fd < 0 && seconds_of(CLOCK_MONOTONIC) - began < patience_to_connect) {
        fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    }
    const double accepted = seconds_of(CLOCK_MONOTONIC);
    receipt r;
    if (fd < 0) {
        return r;
    }
    const kernel_socket connection{fd};
    connection.set_patience(100'000);
    std::vector<std::byte> buffer(1 << 18);
    while (seconds_of(CLOCK_MONOTONIC) - accepted < s.limit) {
        const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (n == 0) {
            r.whole = r.octets == s.octets;
            break;
        }
        check(n > 0 || errno == EAGAIN || errno == EINTR, "recv");
        for (std::span got{buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))}; !got.empty();) {
            const std::span<const std::byte> due = expected.at(r.octets, got.size());
            if (!std::equal(due.begin(), due.end(), got.begin())) {
                throw std::runtime_error{"other octets came than were sent"};
            }
            r.octets += due.size();
            r.seconds = seconds_of(CLOCK_MONOTONIC) - accepted;
            got = got.subspan(due.size());
        }
    }
    if (!r.whole) {
        r.seconds = seconds_of(CLOCK_MONOTONIC) - accepted;
    }
    return r;
}

// --- the kernel as sender ---------------------------------------------------------------------------------------------

// A counter of TcpExt of this thread's namespace.
std::uint64_t tcp_ext(const std::string& name)
{
    std::ifstream file{"/proc/thread-self/net/netstat"};
    std::string names;
    std::string values;
    while (std::getline(file, names) && std::getline(file, values)) {
        std::istringstream n{names};
        std::istringstream v{values};
        std::string key;
        std::string value;
        while (n >> key && v >> value) {
            if (key == name) {
                return std::stoull(value);
            }
        }
    }
    return 0;
}

void send_by_kernel(const settings& s, const stream_octets& octets, const std::atomic<bool>& given_up, sending& report)
{
    set_up_kernel_side("tapA");
    const kernel_socket socket;
    socket.set_congestion(s.congestion);
    socket.connect(ipv4(receiver_address, sink_port));
    socket.set_patience(100'000);
    for (std::uint64_t sent = 0; sent < s.octets && !given_up;) {
        const std::span<const std::byte> piece = octets.at(sent, s.octets - sent);
        const ssize_t n = ::send(socket.fd(), piece.data(), piece.size(), MSG_NOSIGNAL);
        check(n > 0 || errno == EAGAIN || errno == EINTR, "send");
        sent += static_cast<std::uint64_t>(std::max<ssize_t>(n, 0));
    }
    check(::shutdown(socket.fd(), SHUT_WR) == 0, "shutdown");
    char octet = 0;
    ssize_t end = -1;
    while (end < 0 && !given_up) {
        end = ::recv(socket.fd(), &octet, 1, 0);
        check(end >= 0 || errno == EAGAIN || errno == EINTR, "recv");
    }
    report.done = end == 0;
    report.retransmitted = socket.info().tcpi_total_retrans;
    report.timeouts = tcp_ext("TCPTimeouts");
}

// --- tcpco as sender --------------------------------------------------------------------------------------------------

// tapA and tap0 on one bridge, all up: what comes from tcpco's TAP leaves by tapA.
void bridge_taps()
{
    const kernel_socket control{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    check(::ioctl(control.fd(), SIOCBRADDBR, "br0") == 0, "no bridge can be made (modprobe bridge)");
    for (const char* port : {"tapA", "tap0"}) {
        ifreq request;
        static_cast<void>(tcpco::detail::name_request(request, "br0"));
        request.ifr_ifindex = static_cast<int>(::if_nametoindex(port));
        check(::ioctl(control.fd(), SIOCBRADDIF, &request) == 0, "SIOCBRADDIF");
    }
    for (const char* interface : {"tapA", "tap0", "br0"}) {
        if (const device_error e = set_interface_up(interface)) {
            throw_device_error(e);
        }
    }
}

task<> send_all(stack_port& net, const settings& s, const stream_octets& octets, sending& report)
{
    auto [refused, socket] = co_await connect(net, {"198.18.0.2"_ip, sink_port});
    if (refused) {
        report.problem = "connect: " + refused.message();
        co_return;
    }
    for (std::uint64_t sent = 0; sent < s.octets;) {
        auto [failed, n] = co_await socket.write(octets.at(sent, s.octets - sent));
        if (failed) {
            report.problem = "write: " + failed.message();
            co_return;
        }
        sent += n;
    }
    static_cast<void>(socket.shutdown());
    const std::error_code unacknowledged = co_await socket.flush();
    const tcpco::tcp_info info = socket.info().value;
    report.retransmitted = info.retransmissions;
    report.timeouts = info.timeouts;
    report.more = ", \"undone\": " + std::to_string(info.recoveries_undone) +
                  ", \"recoveries\": " + std::to_string(info.fast_recoveries);
    const std::error_code ended = unacknowledged ? unacknowledged : co_await socket.closed();
    report.done = !ended;
    report.problem = ended ? "at its end: " + ended.message() : "";
}

struct with_reno : default_policies {
    using congestion = tcpco::congestion::reno;
};
struct with_bbr : default_policies {
    using congestion = tcpco::congestion::bbr;
};

template <class Bundle>
void send_by_tcpco(const settings& s, const stream_octets& octets, sending& report)
{
    tap link = tap::open({.name = "tap0"});
    bridge_taps();
    basic_stack<Bundle> net{{.address = "198.18.0.1/24"_net, .seed = random_seed()}};
    system_reactor reactor;
    driver link_driver{net, link, reactor};
    const duration limit{static_cast<std::int64_t>((s.limit + 10) * 1e9)};
    const std::error_code late = reactor.run(with_timeout(send_all(net, s, octets, report), limit));
    if (late) {
        report.problem = "it did not end in time";
    }
}

void send(const settings& s, const stream_octets& octets, const std::atomic<bool>& given_up, sending& report)
{
    if (s.sender == "kernel") {
        send_by_kernel(s, octets, given_up, report);
    } else if (s.congestion == "reno") {
        send_by_tcpco<with_reno>(s, octets, report);
    } else if (s.congestion == "cubic") {
        send_by_tcpco<default_policies>(s, octets, report);
    } else {
        send_by_tcpco<with_bbr>(s, octets, report);
    }
}

// --- both, and the path between ---------------------------------------------------------------------------------------

// What fails in a thread ends the program: the others wait for it.
template <class F>
std::thread start(F f)
{
    return std::thread{[f = std::move(f)]() mutable {
        try {
            f();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "path_transfer: %s\n", e.what());
            ::_exit(1);
        }
    }};
}

void print(const receipt& received, const sending& sent, const impaired_path& path)
{
    const loss_script::counters& script = path.scripted();
    std::printf("{\"octets\": %llu, \"seconds\": %.6f, \"complete\": %s, \"retransmitted\": %llu, \"timeouts\": %llu",
                static_cast<unsigned long long>(received.octets), received.seconds,
                received.whole && sent.done ? "true" : "false", static_cast<unsigned long long>(sent.retransmitted),
                static_cast<unsigned long long>(sent.timeouts));
    std::printf(", \"segments\": %u, \"again\": %u, \"lost\": %u, \"queue_full\": %llu, \"problem\": \"%s\"%s}\n",
                script.segments, script.again, script.lost, static_cast<unsigned long long>(path.overflows()),
                sent.problem.c_str(), sent.more.c_str());
    std::fflush(stdout);
}

void transfer(const settings& s)
{
    const stream_octets octets;
    receipt received;
    std::atomic<bool> given_up{false};
    std::promise<tap> made;
    std::future<tap> far = made.get_future();
    std::thread receiver = start([&] {
        enter_new_network();
        tap end = tap::open({.name = "tapB"});
        set_up_kernel_side("tapB", "198.18.0.2/24"_net);
        const kernel_socket listener = listen_for_one();
        made.set_value(std::move(end));
        received = receive_all(listener, s, octets);
        given_up = !received.whole;
    });

    enter_new_network();
    const tap near_end = tap::open({.name = "tapA"});
    const tap far_end = far.get();
    impaired_path path{near_end, far_end,
                       {.delay = s.delay, .rate_bits_per_second = s.rate, .queue_limit_octets = s.queue},
                       {.delay = s.delay}, loss_script{s.loss, s.seed}};
    std::atomic<bool> over{false};
    std::thread forwarder = start([&] { path.run(over); });
    sending sent;
    send(s, octets, given_up, sent);
    receiver.join();
    over = true;
    forwarder.join();
    print(received, sent, path);
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    settings s;
    s.sender = given.text("sender", "tcpco");
    s.congestion = given.text("congestion", "cubic");
    s.loss = given.real("loss", 0);
    s.seed = given.number("seed", 1);
    s.delay = duration{std::int64_t{given.number("delay_us", 20'000)} * 1'000};
    s.rate = given.number("rate", 20'000'000);
    s.queue = given.number("queue", 100'000);
    s.octets = given.number("octets", 1'000'000);
    s.limit = given.real("limit", 60);
    given.done();
    if ((s.sender != "kernel" && s.sender != "tcpco") ||
        (s.congestion != "reno" && s.congestion != "cubic" && s.congestion != "bbr")) {
        throw std::runtime_error{"sender is kernel or tcpco, congestion is reno, cubic or bbr"};
    }
    transfer(s);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "path_transfer: %s\n", e.what());
    ::_exit(1);  // threads may still be waiting
}
