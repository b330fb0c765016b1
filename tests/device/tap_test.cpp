#include "tcpco/device/tap.hpp"

#include "catch.hpp"

#include <algorithm>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device/private_network.hpp"
#include "reactor/fake_stack.hpp"
#include "reactor/rungs.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/interface_setup.hpp"
#include "tcpco/device/tun.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

template <class Condition>
bool turn_until(linux_reactor& reactor, Condition condition)
{
    for (int i = 0; i < 1000 && !condition(); ++i) {
        reactor.turn(5_ms);
    }
    return condition();
}

void bring_up(const std::string& name)
{
    REQUIRE_FALSE(set_interface_address(name, *ip_prefix::parse("198.18.0.1/24")));
    REQUIRE_FALSE(set_interface_up(name));
}

std::string as_text(const bytes& b) { return {b.begin(), b.end()}; }
bytes as_bytes(const std::vector<std::byte>& v)
{
    bytes b;
    std::transform(v.begin(), v.end(), std::back_inserter(b), [](std::byte x) { return std::to_integer<std::uint8_t>(x); });
    return b;
}

// The UDP payloads for port 7777 among what arrived.
std::vector<std::string> udp_texts(const fake_stack& stack, std::size_t ip)
{
    std::vector<std::string> texts;
    for (const auto& a : stack.arrivals) {
        const bytes f = as_bytes(a.octets);
        if (f.size() > ip + 28 && f[ip] == 0x45 && f[ip + 9] == 17 && get16(f, ip + 22) == 7777) {
            texts.emplace_back(f.begin() + static_cast<std::ptrdiff_t>(ip) + 28, f.end());
        }
    }
    return texts;
}

// Sets an environment variable for a while.
struct scoped_tun_node {
    explicit scoped_tun_node(const std::string& path) : before{tcpco::detail::tun_node()}
    {
        ::setenv("TCPCO_TUN", path.c_str(), 1);
    }
    ~scoped_tun_node() { ::setenv("TCPCO_TUN", before.c_str(), 1); }
    std::string before;
};

// Without any privilege for a while, where the test has some.
struct as_nobody {
    as_nobody() : dropped{::geteuid() == 0 && ::seteuid(65534) == 0} {}
    ~as_nobody()
    {
        if (dropped) {
            static_cast<void>(!::seteuid(0));
        }
    }
    bool dropped;
};

}  // namespace

TEST_CASE("a TAP carries frames both ways, in order, on each step of the ladder", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE(from_range(std::begin(all_rungs), std::end(all_rungs)));
    const bool offload = GENERATE(false, true);
    CAPTURE(rung, offload);
    device_error error;
    tap link = tap::open({.name = "tcpco%d", .offload = offload}, error);
    TCPCO_NEEDS_DEVICE(error);
    CHECK(link.name().starts_with("tcpco"));
    CHECK(link.mtu() == 1500);
    CHECK(link.index() != 0);
    bring_up(link.name());
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};
    reactor->turn();

    const kernel_udp socket{4000};
    REQUIRE(socket.bound);
    for (int i = 0; i < 400; ++i) {
        REQUIRE(socket.send(0xC61200FF, "to us " + std::to_string(i)));  // broadcast: asks for no neighbour
        if (i % 100 == 0) {
            reactor->turn();
        }
    }
    CHECK(turn_until(*reactor, [&] { return udp_texts(stack, 14).size() == 400; }));
    const auto texts = udp_texts(stack, 14);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        REQUIRE(texts[i] == "to us " + std::to_string(i));
    }

    for (int i = 0; i < 200; ++i) {
        stack.send(as_text(in_ethernet(interface_mac(link.name()), udp_packet(4000, "from us " + std::to_string(i)))));
    }
    REQUIRE(turn_until(*reactor, [&] { return stack.output.empty() && stack.held.empty(); }));
    for (int i = 0; i < 200; ++i) {
        REQUIRE(socket.receive() == "from us " + std::to_string(i));
    }
    CHECK(drive.io_counters().sent >= 200);
    CHECK(drive.io_counters().send_errors == 0);
    CHECK(uring_workers() == 0);
}

TEST_CASE("with offload, checksums may be partial both ways", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE("", "off");
    CAPTURE(rung);
    device_error error;
    tun link = tun::open({.name = "tcpco%d", .offload = true}, error);
    TCPCO_NEEDS_DEVICE(error);
    CHECK(link.vnet_header_size() == 10);
    CHECK(link.offload().tx_checksum);
    CHECK(link.offload().tso4);
    bring_up(link.name());
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};
    CHECK(stack.config.tx_checksum_offload);
    CHECK(stack.config.tso_max == 65'535);
    CHECK_FALSE(stack.config.ethernet);

    const kernel_udp socket{4000};
    REQUIRE(socket.send(our_address, "hello"));
    CHECK(turn_until(*reactor, [&] { return udp_texts(stack, 0).size() == 1; }));
    const auto arrival = std::find_if(stack.arrivals.begin(), stack.arrivals.end(),
                                      [](const auto& a) { return as_bytes(a.octets)[9] == 17; });
    CHECK(arrival->info.checksum == checksum_state::partial);

    stack.send(as_text(udp_packet(4000, "partial", true)), {.checksum = checksum_state::partial});
    stack.send(as_text(udp_packet(4000, "damaged", true)));  // nobody completes this one: the kernel drops it
    stack.send(as_text(udp_packet(4000, "complete")));
    CHECK(turn_until(*reactor, [&] { return stack.output.empty() && stack.held.empty(); }));
    CHECK(socket.receive() == "partial");
    CHECK(socket.receive() == "complete");
    CHECK(socket.receive().empty());
}

TEST_CASE("with offload, super-frames cross both ways", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE("", "off");
    CAPTURE(rung);
    device_error error;
    tun link = tun::open({.name = "tcpco%d", .offload = true}, error);
    TCPCO_NEEDS_DEVICE(error);
    bring_up(link.name());
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};

    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(kernel_address);
    a.sin_port = htons(4001);
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    auto last_tcp = [&] {
        for (auto it = stack.arrivals.rbegin(); it != stack.arrivals.rend(); ++it) {
            if (as_bytes(it->octets)[9] == 6) {
                return *it;
            }
        }
        return fake_stack::arrival{};
    };
    auto exchange = [&](const bytes& packet, frame_info info) {
        stack.arrivals.clear();
        stack.send(as_text(packet), info);
        REQUIRE(turn_until(*reactor, [&] { return !last_tcp().octets.empty(); }));
        return last_tcp();
    };
    const bytes syn_ack = as_bytes(exchange(tcp_packet(4001, 1000, 0, 0x02, 0), {}).octets);
    REQUIRE(syn_ack[33] == 0x12);
    const std::uint32_t peer = get32(syn_ack, 24) + 1;

    // Out: 20,000 octets of data in one frame, cut by the kernel where it has to, acknowledged as one.
    const frame_info super{.checksum = checksum_state::partial, .gso_type = gso_kind::tcp_v4, .gso_size = 1000, .wire_segments = 20};
    const bytes ack = as_bytes(exchange(tcp_packet(4001, 1001, peer, 0x10, 20'000, true), super).octets);
    CHECK(get32(ack, 28) == 21'001);

    // In: what the kernel writes comes in one frame, with the number of segments it stands for.
    const int accepted = ::accept(listener, nullptr, nullptr);
    REQUIRE(accepted >= 0);
    stack.arrivals.clear();
    const std::string data(4000, 'k');
    REQUIRE(::send(accepted, data.data(), data.size(), 0) == 4000);
    CHECK(turn_until(*reactor, [&] { return last_tcp().info.wire_segments > 1; }));
    const auto in = last_tcp();
    CHECK(in.info.gso_type == gso_kind::tcp_v4);
    CHECK(in.info.gso_size == 536);  // the SYN named no MSS
    CHECK(in.info.wire_segments == (in.octets.size() - 40 + 535) / 536);
    CHECK(in.info.checksum == checksum_state::partial);
    ::close(accepted);
    ::close(listener);
    CHECK(uring_workers() == 0);
}

TEST_CASE("while the link is down frames are dropped and counted, and it comes back", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE(from_range(std::begin(all_rungs), std::end(all_rungs)));
    CAPTURE(rung);
    device_error error;
    tun link = tun::open({.name = "tcpco%d"}, error);
    TCPCO_NEEDS_DEVICE(error);
    REQUIRE_FALSE(set_interface_address(link.name(), *ip_prefix::parse("198.18.0.1/24")));
    REQUIRE_FALSE(set_interface_up(link.name(), false));
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};
    for (int i = 0; i < 5; ++i) {
        stack.send(as_text(udp_packet(4000, "lost")));
    }
    CHECK(turn_until(*reactor, [&] { return drive.io_counters().link_down == 5; }));
    CHECK(drive.io_counters().sent == 0);
    CHECK(stack.lost == errc::ok);
    REQUIRE_FALSE(set_interface_up(link.name()));
    const kernel_udp socket{4000};
    stack.send(as_text(udp_packet(4000, "found")));
    REQUIRE(socket.send(our_address, "hello"));
    CHECK(turn_until(*reactor, [&] { return udp_texts(stack, 0).size() == 1; }));
    CHECK(socket.receive() == "found");
}

TEST_CASE("an interface that is deleted ends every wait with network_down", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE(from_range(std::begin(all_rungs), std::end(all_rungs)));
    CAPTURE(rung);
    device_error error;
    tap link = tap::open({.name = "tcpco%d"}, error);
    TCPCO_NEEDS_DEVICE(error);
    bring_up(link.name());
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};
    reactor->turn();
    REQUIRE(delete_interface(link.name()));
    CHECK(turn_until(*reactor, [&] { return stack.lost == errc::network_down; }));
}

TEST_CASE("a driver that ends lets go of the TAP, so that closing it takes the interface away", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE(from_range(std::begin(all_rungs), std::end(all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    std::string name;
    {
        device_error error;
        tap link = tap::open({.name = "tcpco%d"}, error);
        TCPCO_NEEDS_DEVICE(error);
        name = link.name();
        bring_up(name);
        fake_stack stack;
        driver drive{stack, link, *reactor};
        reactor->turn();
        reactor->turn();
        CHECK(::if_nametoindex(name.c_str()) != 0);
    }
    CHECK(::if_nametoindex(name.c_str()) == 0);
}

TEST_CASE("a frame longer than its slot is dropped and counted, not cut", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const std::string rung = GENERATE("", "off");
    CAPTURE(rung);
    device_error error;
    tun link = tun::open({.name = "tcpco%d"}, error);
    TCPCO_NEEDS_DEVICE(error);
    bring_up(link.name());
    auto reactor = reactor_on(rung);
    fake_stack stack;
    driver drive{stack, link, *reactor};
    REQUIRE_FALSE(set_interface_mtu(link.name(), 9000));  // behind the device's back
    const kernel_udp socket{4000};
    REQUIRE(socket.send(our_address, std::string(5000, 'x')));
    REQUIRE(socket.send(our_address, "short"));
    CHECK(turn_until(*reactor, [&] { return udp_texts(stack, 0).size() == 1; }));
    CHECK(udp_texts(stack, 0).at(0) == "short");
    CHECK(drive.io_counters().truncated == 1);
}

TEST_CASE("no device node: the error says how to make one", "[device]")
{
    const scoped_tun_node elsewhere{"/nonexistent/tun"};
    device_error error;
    CHECK(tap::open({}, error).fd() == -1);
    CHECK(error.code() == std::errc::no_such_file_or_directory);
    CHECK(explain(error).find("mknod /nonexistent/tun c 10 200") != std::string::npos);
    CHECK_THROWS_AS(tap::open(), std::system_error);
    CHECK(explain(device_error{}).empty());
}

TEST_CASE("a node without permission and a node without privilege are told apart", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    char directory[] = "/tmp/tcpco-node-XXXXXX";
    REQUIRE(::mkdtemp(directory) != nullptr);
    REQUIRE(::chmod(directory, 0755) == 0);
    const std::string node = std::string{directory} + "/tun";
    const bool made = ::mknod(node.c_str(), S_IFCHR | 0600, makedev(10, 200)) == 0;
    {
        const scoped_tun_node elsewhere{node};
        const as_nobody nobody;
        device_error error;
        if (made && nobody.dropped) {
            static_cast<void>(tap::open({.name = "tcpco%d"}, error));
            CHECK(error.code() == std::errc::permission_denied);
            CHECK(explain(error).find("chmod 0666 " + node) != std::string::npos);
        }
    }
    static_cast<void>(::chmod(node.c_str(), 0666));
    {
        const scoped_tun_node elsewhere{node};
        const as_nobody nobody;
        device_error error;
        if (made && nobody.dropped) {
            static_cast<void>(tap::open({.name = "tcpco%d"}, error));
            CHECK(error.step() == device_step::attach);
            CHECK(error.code() == std::errc::operation_not_permitted);
            CHECK(explain(error).find("unshare -Urn") != std::string::npos);
        }
    }
    ::unlink(node.c_str());
    ::rmdir(directory);
    if (!made) {
        tcpco_test::skip("only root can make device nodes");
    }
}

TEST_CASE("an interface that has to exist, one that is busy, and one of another kind", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    device_error error;
    static_cast<void>(tap::open({.name = "tcpco-none", .create = false}, error));
    if (error.step() == device_step::open_node) {
        TCPCO_NEEDS_DEVICE(error);
    }
    CHECK(error.code() == errc::no_such_device);
    CHECK(error.code() == std::errc::no_such_device);
    CHECK(explain(error).find("ip tuntap add dev tcpco-none") != std::string::npos);

    const tap first = tap::open({.name = "tcpco-busy"});
    static_cast<void>(tap::open({.name = "tcpco-busy"}, error));
    CHECK(error.code() == std::errc::device_or_resource_busy);
    CHECK(explain(error).find("in use") != std::string::npos);

    static_cast<void>(tun::open({.name = "tcpco-busy"}, error));
    CHECK(error.code() == std::errc::invalid_argument);
    static_cast<void>(tap::open({.name = "a name far too long for an interface"}, error));
    CHECK(error.code() == std::errc::invalid_argument);
}

TEST_CASE("several descriptors of one interface: one per stack", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    device_error error;
    const tap one = tap::open({.name = "tcpco-mq", .multi_queue = true}, error);
    TCPCO_NEEDS_DEVICE(error);
    const tap two = tap::open({.name = "tcpco-mq", .create = false, .multi_queue = true}, error);
    CHECK_FALSE(error);
    CHECK(one.index() == two.index());
}
