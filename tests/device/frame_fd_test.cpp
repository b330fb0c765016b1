#include "tcpco/device/frame_fd.hpp"

#include "catch.hpp"
#include "device/private_network.hpp"
#include "reactor/fake_stack.hpp"
#include "reactor/rungs.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/interface_setup.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/device/tun.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

TEST_CASE("a TAP that somebody else made is asked what it is", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    device_error error;
    const tap plain = tap::open({.name = "tcpco%d"}, error);
    TCPCO_NEEDS_DEVICE(error);
    const tun offloaded = tun::open({.name = "tcpco%d", .offload = true});
    const frame_fd a = frame_fd::adopt(::dup(plain.fd()));
    CHECK(a.framing() == link_framing::ethernet);
    CHECK(a.vnet_header_size() == 0);
    CHECK(a.writes_inline());
    CHECK(a.max_frame() == 1518);
    const frame_fd b = frame_fd::adopt(::dup(offloaded.fd()), {.offload = {.tx_checksum = true}});
    CHECK(b.framing() == link_framing::ip);
    CHECK(b.vnet_header_size() == 10);
    CHECK(b.max_frame() == 65'535);
    CHECK(b.offload().tx_checksum);
}

TEST_CASE("a virtio_net_hdr of 12 octets is taken off and put on as well", "[device]")
{
    TCPCO_NEEDS_PRIVATE_NETWORK();
    device_error error;
    const tun link = tun::open({.name = "tcpco%d", .offload = true}, error);
    TCPCO_NEEDS_DEVICE(error);
    int size = 12;
    REQUIRE(::ioctl(link.fd(), TUNSETVNETHDRSZ, &size) == 0);
    REQUIRE_FALSE(set_interface_address(link.name(), *ip_prefix::parse("198.18.0.1/24")));
    REQUIRE_FALSE(set_interface_up(link.name()));
    const frame_fd device = frame_fd::adopt(link.fd(), {.offload = link.offload(), .close_at_end = false});
    REQUIRE(device.vnet_header_size() == 12);
    auto reactor = reactor_on("");
    fake_stack stack;
    driver drive{stack, device, *reactor};
    const kernel_udp socket{4000};
    REQUIRE(socket.send(our_address, "hello"));
    const bytes packet = udp_packet(4000, "partial", true);
    stack.send({packet.begin(), packet.end()}, {.checksum = checksum_state::partial});
    for (int i = 0; i < 200 && (stack.arrivals.empty() || stack.arrivals.back().octets.size() != 33); ++i) {
        reactor->turn(5_ms);
    }
    CHECK(stack.arrivals.back().octets.size() == 33);
    CHECK(stack.arrivals.back().info.checksum == checksum_state::partial);
    CHECK(socket.receive() == "partial");
}

TEST_CASE("a descriptor without frame boundaries is refused, and stays the caller's", "[device]")
{
    int stream[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0);
    device_error error;
    CHECK(frame_fd::adopt(stream[0], {}, error).fd() == -1);
    CHECK(error.code() == std::errc::invalid_argument);
    CHECK(error.code() == errc::invalid_argument);
    CHECK(explain(error).find("SOCK_SEQPACKET") != std::string::npos);
    CHECK(is_open(stream[0]));
    const int file = ::open("/dev/null", O_RDWR);
    CHECK_THROWS_AS(frame_fd::adopt(file), std::system_error);
    static_cast<void>(frame_fd::adopt(9999, {}, error));
    CHECK(error.code() == std::errc::bad_file_descriptor);
    ::close(file);
    ::close(stream[0]);
    ::close(stream[1]);
}

TEST_CASE("a virtio_net_hdr of another size than 10 or 12 octets is refused, whoever asked for it", "[device]")
{
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    device_error error;
    for (const std::size_t size : {1U, 8U, 11U, 20U, 65'536U}) {
        CHECK(frame_fd::adopt(ends[0], {.vnet_header_size = size}, error).fd() == -1);
        CHECK(error.code() == errc::invalid_argument);
    }
    CHECK(is_open(ends[0]));
    ::close(ends[0]);
    ::close(ends[1]);
    TCPCO_NEEDS_PRIVATE_NETWORK();
    const tun link = tun::open({.name = "tcpco%d", .offload = true}, error);
    TCPCO_NEEDS_DEVICE(error);
    int size = 20;  // of virtio_net_hdr_v1_hash
    REQUIRE(::ioctl(link.fd(), TUNSETVNETHDRSZ, &size) == 0);
    CHECK(frame_fd::adopt(link.fd(), {}, error).fd() == -1);
    CHECK(error.code() == errc::invalid_argument);
    CHECK(explain(error).find("virtio_net_hdr") != std::string::npos);
}

TEST_CASE("a device owns its descriptor unless told otherwise", "[device]")
{
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    {
        const frame_fd owner = frame_fd::adopt(ends[0]);
        const frame_fd guest = frame_fd::adopt(ends[1], {.close_at_end = false});
        CHECK(guest.fd() == ends[1]);
    }
    CHECK_FALSE(is_open(ends[0]));
    CHECK(is_open(ends[1]));
    ::close(ends[1]);
}

TEST_CASE("two stacks meet over a socket pair", "[device]")
{
    const std::string rung = GENERATE(from_range(std::begin(all_rungs), std::end(all_rungs)));
    CAPTURE(rung);
    auto reactor = reactor_on(rung);
    auto [left, right] = frame_fd::pair({.framing = link_framing::ip, .mtu = 1280});
    CHECK(left.max_frame() == 1280);
    fake_stack a;
    fake_stack b;
    driver drive_a{a, left, *reactor};
    driver drive_b{b, right, *reactor};
    b.echo = true;
    for (int i = 0; i < 500; ++i) {
        a.send("ping " + std::to_string(i));
    }
    for (int i = 0; i < 2000 && a.arrivals.size() < 500; ++i) {
        reactor->turn(5_ms);
    }
    REQUIRE(a.arrivals.size() == 500);
    for (std::size_t i = 0; i < 500; ++i) {
        REQUIRE(a.text(i) == "ping " + std::to_string(i));
    }
    CHECK(uring_workers() == 0);
}
