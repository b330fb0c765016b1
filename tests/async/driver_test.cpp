#include "tcpco/async/driver.hpp"

#include "catch.hpp"
#include "reactor/fake_stack.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"

using namespace tcpco;
using tcpco_test::fake_stack;

namespace {

// Writes down in which order it is called.
struct ordered_stack : fake_stack {
    std::string calls;
    void receive(time_point now, frame&& f)
    {
        calls += 'r';
        fake_stack::receive(now, std::move(f));
    }
    void advance(time_point now)
    {
        calls += 'a';
        fake_stack::advance(now);
    }
    void dispatch(executor& e)
    {
        calls += 'd';
        fake_stack::dispatch(e);
    }
    template <class Sink>
    std::size_t transmit(time_point now, Sink& sink, std::size_t budget)
    {
        calls += 't';
        return fake_stack::transmit(now, sink, budget);
    }
};

// Takes what a turn brings at once.
struct batch_stack : fake_stack {
    std::vector<std::size_t> batches;
    void receive(time_point now, frame&& f) { fake_stack::receive(now, std::move(f)); }
    void receive(time_point now, std::span<frame> frames)
    {
        if (!frames.empty()) {
            batches.push_back(frames.size());
        }
        for (frame& f : frames) {
            fake_stack::receive(now, std::move(f));
        }
    }
};

// A device that takes `room` frames a turn, and has room again at `opens`.
struct narrow_device {
    std::size_t room = 0;
    time_point opens = time_point::never();
    std::vector<std::size_t> per_turn{};
    link_framing framing() const noexcept { return link_framing::ip; }
    std::size_t max_frame() const noexcept { return 1500; }
    std::uint32_t mtu() const noexcept { return 1500; }
    template <class Emit>
    void harvest(time_point, buffer_pool&, Emit&&)
    {
    }
    sink_verdict send(time_point, const outgoing_frame&)
    {
        if (room == 0) {
            return sink_verdict::refused;
        }
        --room;
        ++taken;
        return sink_verdict::done;
    }
    time_point deadline() const noexcept { return opens; }
    void advance(time_point now)
    {
        if (opens <= now) {
            opens = time_point::never();
            room = 5;
        }
    }
    std::size_t taken = 0;
};

}  // namespace

TEST_CASE("a turn receives everything before it advances, then runs applications, then transmits", "[async]")
{
    virtual_reactor world;
    memory_link link;
    ordered_stack a;
    fake_stack b;
    driver drive_b{b, link.right(), world};
    driver drive_a{a, link.left(), world};
    a.timer = time_point{5_ms};
    b.send("1");
    b.send("2");
    world.turn();
    world.run_until(time_point{1_ms});
    // The frames waited while the timer came due.
    a.calls.clear();
    b.send("3");
    b.send("4");
    a.send("answer");
    world.run_until(time_point{4_ms});
    CHECK(a.calls.find("rrad") != std::string::npos);
    CHECK(a.calls.find("ar") == std::string::npos);
    CHECK(a.calls.find("tr") == std::string::npos);
}

TEST_CASE("a stack that takes many frames gets those of a turn at once, 64 at most", "[async]")
{
    virtual_reactor world;
    memory_link link;
    batch_stack a;
    fake_stack b;
    driver drive_a{a, link.left(), world};
    driver drive_b{b, link.right(), world};
    for (int i = 0; i < 70; ++i) {
        b.send(std::to_string(i));
    }
    world.run_until_idle();
    CHECK(a.batches == std::vector<std::size_t>{64, 6});
    REQUIRE(a.arrivals.size() == 70);
    for (int i = 0; i < 70; ++i) {
        CHECK(a.arrivals[static_cast<std::size_t>(i)].octets == tcpco_test::octets(std::to_string(i)));
    }
    CHECK(drive_a.counters().received == 70);
    b.send("alone");
    world.run_until_idle();
    CHECK(a.batches.back() == 1);
}

TEST_CASE("frames of a turn need no slot each: what the pool holds is handed over when it is empty", "[async]")
{
    virtual_reactor world;
    memory_link link;
    batch_stack a;
    fake_stack b;
    driver drive_a{a, link.left(), world, {.slots = 8}};
    driver drive_b{b, link.right(), world};
    for (int i = 0; i < 70; ++i) {
        b.send(std::to_string(i));
    }
    world.run_until_idle();
    CHECK(a.arrivals.size() == 70);
    CHECK(a.batches == std::vector<std::size_t>{8, 8, 8, 8, 8, 8, 8, 8, 6});
    CHECK(link.left().statistics().no_slot == 0);
    CHECK(drive_a.pool().available() == 8);
}

TEST_CASE("after a stall the frames that wait come before the timer that is due", "[async]")
{
    virtual_reactor world;
    memory_link link;
    ordered_stack a;
    driver drive_a{a, link.left(), world};
    a.timer = time_point{1_ms};
    const auto text = tcpco_test::octets("ack");
    const std::span<const std::byte> piece{text};
    link.right().send(time_point{1_ms}, outgoing_frame{{&piece, 1}, {}, {}});
    world.run_until(time_point{2_ms});
    CHECK(a.fired.size() == 1);
    CHECK(a.calls.find('r') < a.calls.rfind('a'));
    CHECK(a.arrivals.at(0).at <= a.fired.at(0));
}

TEST_CASE("a turn transmits no more than its budget, and the next one follows at once", "[async]")
{
    virtual_reactor world;
    memory_link link;
    fake_stack a;
    driver drive_a{a, link.left(), world, {.budget = 10}};
    for (int i = 0; i < 25; ++i) {
        a.send("x");
    }
    world.turn();
    CHECK(drive_a.counters().transmitted == 10);
    CHECK(world.deadline() <= world.now());
    world.turn();
    world.turn();
    CHECK(drive_a.counters().transmitted == 25);
    CHECK(world.deadline() == time_point::never());
}

TEST_CASE("output that the device refuses waits for the device, without a busy loop", "[async]")
{
    virtual_reactor world;
    narrow_device narrow{.room = 3};
    fake_stack a;
    driver drive_a{a, narrow, world};
    for (int i = 0; i < 10; ++i) {
        a.send("x");
    }
    world.turn();
    CHECK(narrow.taken == 3);
    CHECK(drive_a.counters().blocked_turns == 1);
    CHECK(drive_a.deadline() == time_point::never());
    narrow.opens = time_point{1_s};
    CHECK(world.run_until_idle());
    CHECK(world.now() == time_point{1_s});
    CHECK(narrow.taken == 8);
    CHECK(a.output.size() == 2);
    CHECK(world.turns() < 10);
}

TEST_CASE("frames carry the time of their harvest and the index of their device", "[async]")
{
    virtual_reactor world;
    memory_link link{{.delay = 3_ms}};
    fake_stack a;
    fake_stack b;
    driver drive_a{a, link.left(), world, {.interface = 4}};
    driver drive_b{b, link.right(), world};
    b.send("x");
    world.run_until_idle();
    CHECK(a.arrivals.at(0).info.interface == 4);
    CHECK(a.arrivals.at(0).info.arrived_at == time_point{3_ms});
    CHECK(drive_a.counters().received == 1);
}

TEST_CASE("slots are larger than the largest frame by an octet at least", "[async]")
{
    virtual_reactor world;
    fake_stack a;
    memory_link plain;
    driver small{a, plain.left(), world};
    CHECK(small.pool().slot_size() == 2048);
    CHECK(small.pool().slot_count() == 512);
    memory_link jumbo{{.mtu = 9000}};
    driver medium{a, jumbo.left(), world, {.slots = 7}};
    CHECK(medium.pool().slot_size() >= 9019);
    CHECK(medium.pool().slot_count() == 7);
    memory_link offload{{.offload = {.tso4 = true, .tso_max = 65'535}}};
    driver large{a, offload.left(), world};
    CHECK(large.pool().slot_size() == 66'560);
}
