// Peers that do not read must not stop the others: the last quarter of the slots is for connections with little queued.
#include "tcpco/stack/stack_port.hpp"

#include <cstddef>
#include <vector>

#include "catch.hpp"
#include "support/network.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

stack_config<default_policies> with_few_slots(stack_config<default_policies> c)
{
    c.limits.frame_slots = 128;
    c.limits.small_slots = 128;  // 256 KiB
    c.limits.large_slots = 64;   // 2 MiB
    return c;
}

}  // namespace

TEST_CASE("Beside six peers that do not read, whose senders fill every slot they may, a transfer goes on", "[stack]")
{
    two_stacks<> net{with_few_slots(two_stacks<>::config_a()), with_few_slots(two_stacks<>::config_b())};
    const endpoint server{"192.0.2.2"_ip, 7};
    const auto listening = net.b.listen(server);
    REQUIRE(listening);

    std::vector<connection_id> hogs;
    for (int i = 0; i < 6; ++i) {
        const auto hog = net.a.connect(server);
        REQUIRE(hog);
        net.settle();
        REQUIRE(net.b.accept(listening.value));  // held, never read
        hogs.push_back(hog.value);
    }
    const octets stuff(1 << 20);
    net.run_for(duration{2'000'000'000}, [&] {
        for (const connection_id hog : hogs) {
            static_cast<void>(net.a.write(hog, stuff));
        }
    });

    const auto quick = net.a.connect(server);
    REQUIRE(quick);
    net.settle();
    const auto reader = net.b.accept(listening.value);
    REQUIRE(reader);
    const octets text = pattern(300'000);
    octets got;
    std::size_t written = 0;
    const auto work = [&] {
        written += net.a.write(quick.value, std::span{text}.subspan(written)).value;
        std::byte buffer[4'096];
        for (auto r = net.b.read(reader.value, buffer); r.value > 0; r = net.b.read(reader.value, buffer)) {
            got.insert(got.end(), buffer, buffer + r.value);
        }
    };
    net.run_for(duration{30'000'000'000}, work);
    CHECK(written == text.size());
    CHECK(got == text);
    net.a.check_invariants();
    net.b.check_invariants();
}

TEST_CASE("Text that waits, for its reader or behind a hole, never keeps the last slot that frames arrive in", "[stack]")
{
    const std::uint32_t slots = GENERATE(1u, 2u, 3u, 4u, 5u, 8u);
    const bool behind_a_hole = GENERATE(true, false);
    CAPTURE(slots, behind_a_hole);
    buffer_pool arrivals{2'048, slots};
    raw_host<> host;
    host.know();
    REQUIRE(host.stack.listen({stack_ip, 80}));
    raw_tcp<raw_host<>> peer{host};
    peer.open();
    for (std::uint32_t i = 0; i < 2 * slots; ++i) {
        const sequence_number at = peer.seq + (i + (behind_a_hole ? 1 : 0)) * 1'000;
        const octets packet = peer.packet(tcp_flag::ack, at, peer.ack, pattern(1'000));
        frame f = copy_frame(arrivals, ethernet_frame_of(ethertype::ipv4, packet));
        REQUIRE(f.data.owner);  // else what fills the hole could not arrive either
        host.stack.receive(host.now, std::move(f));
        host.drain();
    }
    CHECK(arrivals.available() > 0);
}
