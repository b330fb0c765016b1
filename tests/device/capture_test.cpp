#include "tcpco/device/capture.hpp"

#include "catch.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "device/private_network.hpp"
#include "reactor/fake_stack.hpp"
#include "skip.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/decorated.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

// A file name that vanishes with its test.
struct temporary_file {
    temporary_file()
    {
        char name[] = "/tmp/tcpco-capture-XXXXXX";
        ::close(::mkstemp(name));
        path = name;
    }
    ~temporary_file() { std::remove(path.c_str()); }
    std::string contents() const
    {
        std::ifstream in{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }
    std::string path;
};

std::string text(const bytes& b) { return {b.begin(), b.end()}; }

// A ping-pong of two frames over a link of 5 ms, seen by the left side.
void record(capture& c)
{
    virtual_reactor world;
    memory_link link{{.framing = link_framing::ip, .delay = 5_ms}};
    decorated left{link.left(), c};
    fake_stack a;
    fake_stack b;
    driver drive_a{a, left, world};
    driver drive_b{b, link.right(), world};
    b.echo = true;
    a.send(text(udp_packet(4000, "complete")));
    a.send(text(udp_packet(4001, "partial", true)), {.checksum = checksum_state::partial});
    world.run_until_idle();
    REQUIRE(a.arrivals.size() == 2);
}

std::string output_of(const std::string& command)
{
    std::string all;
    std::FILE* p = ::popen(command.c_str(), "r");
    char line[4096];
    while (p != nullptr && std::fgets(line, sizeof line, p) != nullptr) {
        all += line;
    }
    if (p != nullptr) {
        ::pclose(p);
    }
    return all;
}

}  // namespace

TEST_CASE("a capture in virtual time is the same file each time", "[device]")
{
    const temporary_file one;
    const temporary_file two;
    for (const std::string& path : {one.path, two.path}) {
        capture c{link_framing::ip};
        REQUIRE_FALSE(c.open(path));
        record(c);
        CHECK(c.packets() == 4);
        CHECK_FALSE(c.close());
    }
    CHECK(one.contents() == two.contents());
    CHECK(one.contents().size() > 200);
    CHECK(one.contents().substr(0, 4) == "\x0A\x0D\x0D\x0A");
}

TEST_CASE("tshark reads direction, nanoseconds and whole checksums from a capture", "[device]")
{
    if (std::system("command -v tshark >/dev/null 2>&1") != 0) {
        skip("tshark is not installed");
        return;
    }
    const temporary_file file;
    capture c{link_framing::ip};
    REQUIRE_FALSE(c.open(file.path, {.epoch_offset = duration{1'700'000'000'000'000'007}}));
    record(c);
    REQUIRE_FALSE(c.close());
    const std::string seen = output_of(
        "tshark -n -r " + file.path + " -o udp.check_checksum:TRUE -T fields -e frame.time_epoch -e frame.packet_flags_direction "
        "-e udp.dstport -e udp.checksum.status -e frame.interface_name 2>/dev/null");
    // The echoed copy of the partial one arrives with the pseudo-header's sum still in it: as far as the receiver
    // knows, nobody completed it, and it says so.
    CHECK(seen == "1700000000.000000007\t0x00000002\t4000\t1\ttcpco\n"
                  "1700000000.000000007\t0x00000002\t4001\t1\ttcpco\n"
                  "1700000000.010000007\t0x00000001\t4000\t1\ttcpco\n"
                  "1700000000.010000007\t0x00000001\t4001\t0\ttcpco\n");
}

TEST_CASE("a capture that cannot be opened or written says why, and lets frames pass", "[device]")
{
    capture c{link_framing::ip};
    CHECK(c.open("/nonexistent/file") == std::errc::no_such_file_or_directory);
    CHECK_FALSE(c.is_open());
    record(c);
    CHECK(c.packets() == 0);
    if (c.open("/dev/full", {.flush_each_turn = true})) {
        skip("no /dev/full here");
        return;
    }
    record(c);
    CHECK(c.error() == std::errc::no_space_on_device);
}

TEST_CASE("frames beyond the snap length are cut in the file, with their real length", "[device]")
{
    const temporary_file whole;
    const temporary_file cut;
    for (const auto* f : {&whole, &cut}) {
        capture c{link_framing::ip};
        REQUIRE_FALSE(c.open(f->path, {.snap_length = f == &cut ? 20U : 1000U}));
        record(c);
    }
    // Four packets of 28 + 8 and 28 + 7 octets, padded to 36, become 20.
    CHECK(whole.contents().size() - cut.contents().size() == 4 * 16);
}
