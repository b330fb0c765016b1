#include "tcpco/reactor/virtual_reactor.hpp"

#include "catch.hpp"
#include "reactor/fake_stack.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/memory_link.hpp"

using namespace tcpco;
using tcpco_test::fake_stack;

namespace {

struct two_stacks {
    explicit two_stacks(memory_link_options options = {}) : link{options} {}
    virtual_reactor world{};
    memory_link link;
    fake_stack a{};
    fake_stack b{};
    driver<fake_stack, memory_link::end, virtual_reactor> drive_a{a, link.left(), world};
    driver<fake_stack, memory_link::end, virtual_reactor> drive_b{b, link.right(), world};
};

task<int> wait_for(fake_stack& s, std::size_t frames)
{
    while (s.arrivals.size() < frames) {
        co_await s.arrival_after_now();
    }
    co_return static_cast<int>(s.arrivals.size());
}

task<int> fails()
{
    throw std::runtime_error{"on purpose"};
    co_return 1;
}

task<bool> until_stopped(fake_stack& s)
{
    for (;;) {
        const std::size_t before = s.arrivals.size();
        co_await s.arrival_after_now();
        if (s.arrivals.size() == before) {
            co_return true;  // woken by nothing but the stop
        }
    }
}

struct ticking : deadline_timer {
    explicit ticking(virtual_reactor& r, int& n) : deadline_timer{&tick}, world{r}, count{n} {}
    static void tick(completion& c) noexcept
    {
        auto& self = static_cast<ticking&>(c);
        ++self.count;
        self.world.get_executor().arm(self, self.world.now() + self.period);
    }
    virtual_reactor& world;
    int& count;
    duration period{};
};

}  // namespace

TEST_CASE("virtual time jumps to the next deadline and a task sees the answer", "[reactor]")
{
    two_stacks t{{.delay = 5_ms}};
    t.b.echo = true;
    t.a.send("hello");
    CHECK(t.world.run(wait_for(t.a, 1)) == 1);
    CHECK(t.a.text(0) == "hello");
    CHECK(t.world.now() == time_point{10_ms});
    CHECK(t.b.arrivals.at(0).at == time_point{5_ms});
    CHECK(t.b.arrivals.at(0).info.arrived_at == time_point{5_ms});
    CHECK(t.world.turns() < 20);
}

TEST_CASE("without delay everything happens at one instant", "[reactor]")
{
    two_stacks t;
    t.b.echo = true;
    for (int i = 0; i < 1000; ++i) {
        t.a.send("frame " + std::to_string(i));
    }
    CHECK(t.world.run(wait_for(t.a, 1000)) == 1000);
    CHECK(t.a.text(999) == "frame 999");
    CHECK(t.world.now() == time_point{});
}

TEST_CASE("run() reports a task that nothing can wake", "[reactor]")
{
    two_stacks t;
    CHECK_THROWS_AS(t.world.run(wait_for(t.a, 1)), deadlock_error);
    // The reactor is as good as before.
    t.b.send("late");
    CHECK(t.world.run(wait_for(t.a, 1)) == 1);
}

TEST_CASE("run() reports turns that go on without time moving", "[reactor]")
{
    virtual_reactor world{{.turns_per_instant = 100}};
    int ticks = 0;
    ticking never_ending{world, ticks};
    world.get_executor().arm(never_ending, time_point{1_ms});
    fake_stack s;
    memory_link link;
    driver drive{s, link.left(), world};
    CHECK_THROWS_AS(world.run(wait_for(s, 1)), deadlock_error);
    CHECK(ticks > 0);
}

TEST_CASE("run() passes a task's exception on", "[reactor]")
{
    virtual_reactor world;
    CHECK_THROWS_AS(world.run(fails()), std::runtime_error);
}

TEST_CASE("stop() reaches the running task, and holds for the next run when none is running", "[reactor]")
{
    two_stacks t;
    t.world.post([&] { t.world.stop(); });
    CHECK(t.world.run(until_stopped(t.a)));
    t.world.stop();
    CHECK(t.world.run(until_stopped(t.a)));
    CHECK_THROWS_AS(t.world.run(until_stopped(t.a)), deadlock_error);
}

TEST_CASE("run_until stops at its limit, with everything done that is due by then", "[reactor]")
{
    two_stacks t{{.delay = 3_ms}};
    t.a.timer = time_point{7_ms};
    t.a.send("x");
    t.world.run_until(time_point{2_ms});
    CHECK(t.b.arrivals.empty());
    CHECK(t.world.now() == time_point{2_ms});
    t.world.run_until(time_point{7_ms});
    CHECK(t.b.arrivals.size() == 1);
    CHECK(t.a.fired == std::vector<time_point>{time_point{7_ms}});
    CHECK(t.world.run_until_idle());
    CHECK(t.world.now() == time_point{7_ms});
}

TEST_CASE("run_until_idle ends at its limit where something always comes", "[reactor]")
{
    virtual_reactor world;
    int ticks = 0;
    ticking clock{world, ticks};
    clock.period = 1_ms;
    world.get_executor().arm(clock, time_point{1_ms});
    CHECK_FALSE(world.run_until_idle(time_point{10_ms}));
    CHECK(ticks == 10);
}

TEST_CASE("wait_fd and submit answer operation_not_supported in virtual time", "[reactor]")
{
    virtual_reactor world;
    auto attempt = [](virtual_reactor& r) -> task<int> {
        auto [ec, n] = co_await r.wait_fd(0, 1);
        CHECK(ec == std::errc::operation_not_supported);
        auto [ec2, n2] = co_await r.submit([](io_uring_sqe*) {});
        CHECK(ec2 == std::errc::operation_not_supported);
        co_return static_cast<int>(n + n2);
    };
    CHECK(world.run(attempt(world)) == 0);
}

TEST_CASE("seeds for different uses differ, and follow from the one seed", "[reactor]")
{
    virtual_reactor one{{.seed = 7}};
    virtual_reactor same{{.seed = 7}};
    virtual_reactor other{{.seed = 8}};
    CHECK(one.derive_seed(1) == same.derive_seed(1));
    CHECK(one.derive_seed(1) != one.derive_seed(2));
    CHECK(one.derive_seed(1) != other.derive_seed(1));
}

TEST_CASE("a driver configures its stack with what the device can", "[reactor]")
{
    two_stacks t{{.framing = link_framing::ip, .mtu = 1400, .offload = {.tx_checksum = true, .tso4 = true, .tso_max = 60000}}};
    CHECK(t.a.config.mtu == 1400);
    CHECK_FALSE(t.a.config.ethernet);
    CHECK(t.a.config.tx_checksum_offload);
    CHECK(t.a.config.tso4);
    CHECK(t.a.config.tso_max == 60000);
    t.a.send(std::string(50'000, 'x'), {.checksum = checksum_state::partial, .gso_type = gso_kind::tcp_v4, .gso_size = 1000, .wire_segments = 50});
    t.world.run_until_idle();
    REQUIRE(t.b.arrivals.size() == 1);
    CHECK(t.b.arrivals[0].octets.size() == 50'000);
    CHECK(t.b.arrivals[0].info.wire_segments == 50);
    CHECK(t.b.arrivals[0].info.checksum == checksum_state::partial);
}

TEST_CASE("close_all ends with a reset where the peer does not answer in time", "[reactor]")
{
    two_stacks t;
    t.a.timer = time_point{1_s};
    CHECK(t.drive_a.close_all(1_ms));  // no connections
    t.a.connections = 1;
    CHECK_FALSE(t.drive_a.close_all(50_ms));
    CHECK(t.a.connections == 0);
    CHECK(t.world.now() == time_point{50_ms});
}

TEST_CASE("a driver that is destroyed takes part in no further turn", "[reactor]")
{
    virtual_reactor world;
    memory_link link;
    fake_stack a;
    fake_stack b;
    driver keep{b, link.right(), world};
    {
        driver gone{a, link.left(), world};
        b.send("1");
        world.run_until_idle();
        CHECK(a.arrivals.size() == 1);
    }
    b.send("2");
    world.run_until_idle();
    CHECK(a.arrivals.size() == 1);
}
