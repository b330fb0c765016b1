// The low-water mark of unsent octets (Linux: TCP_NOTSENT_LOWAT).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

bool told_writable(peer<>& p)
{
    bool told = false;
    while (const auto event = p.stack.poll_event()) {
        told = told || (event->what & readiness::writable) != 0;
    }
    return told;
}

errc write_more(peer<>& p)
{
    const std::byte one[] = {std::byte{0}};
    return p.stack.write(p.id, one).ec;
}

bool writable(peer<>& p) { return (p.stack.readiness_of(p.id) & readiness::writable) != 0; }

}  // namespace

TEST_CASE("Low water: octets beyond the mark are not queued, and half of it must be sent until a writer is told",
          "[conformance]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_low_water(p.id, 4'000) == errc::ok);
    p.send("A seq=1001 ack=5001 win=2000");
    p.write(4'000);
    CHECK(p.next() == "A seq=5001 len=1000");
    CHECK(p.next() == "A seq=6001 len=1000");
    CHECK(p.info().unsent == 2'000);
    p.write(2'000);
    CHECK(write_more(p) == errc::would_block);
    CHECK_FALSE(writable(p));
    told_writable(p);
    p.send("A seq=1001 ack=7001 win=2000");  // two thousand are sent, two thousand are not
    CHECK(p.info().unsent == 2'000);
    CHECK_FALSE(writable(p));
    told_writable(p);
    p.send("A seq=1001 ack=7001 win=3000");  // acknowledges nothing, yet more can leave
    CHECK(p.info().unsent == 1'000);
    CHECK(told_writable(p));
    CHECK(writable(p));
}

TEST_CASE("Low water: what is sent and not acknowledged does not count", "[conformance]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.set_low_water(p.id, 1'000) == errc::ok);
    for (int i = 0; i < 5; ++i) {
        p.write(1'000);
        p.forget();
    }
    CHECK(p.info().send_queued == 5'000);
    CHECK(p.info().unsent == 0);
    CHECK(writable(p));
}

TEST_CASE("Low water: none by default, one may be set for the stack, and lifting it wakes a writer", "[conformance]")
{
    peer plain;
    plain.in_established();
    plain.send("A seq=1001 ack=5001 win=0");
    plain.write(500'000);
    CHECK(writable(plain));

    peer p{with([](auto& c) { c.tcp.low_water_octets = 100; })};
    p.in_established();
    p.send("A seq=1001 ack=5001 win=0");
    const std::vector<std::byte> octets(500);
    CHECK(p.stack.write(p.id, octets).value == 100);
    told_writable(p);
    CHECK(p.stack.write(p.id, octets).ec == errc::would_block);
    CHECK_FALSE(told_writable(p));
    CHECK(p.stack.set_low_water(p.id, 0) == errc::ok);
    CHECK(told_writable(p));
    CHECK(p.stack.write(p.id, octets).value == 500);
    CHECK(p.stack.set_low_water({}, 0) == errc::bad_file_descriptor);
}
