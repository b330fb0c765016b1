#include "tcpco/device/impairment.hpp"

#include "catch.hpp"

#include <bit>

#include "reactor/fake_stack.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/decorated.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"

using namespace tcpco;
using tcpco_test::fake_stack;

namespace {

// a - impairment - link - b
struct impaired {
    explicit impaired(const impairment_config& out, const impairment_config& in = {}, std::uint64_t seed = 1)
        : weather{out, in, seed}
    {
    }
    virtual_reactor world{};
    memory_link link{};
    impairment weather;
    decorated<memory_link::end, impairment> left{link.left(), weather};
    fake_stack a{};
    fake_stack b{};
    driver<fake_stack, decltype(left), virtual_reactor> drive_a{a, left, world};
    driver<fake_stack, memory_link::end, virtual_reactor> drive_b{b, link.right(), world};
};

std::vector<std::string> texts(const fake_stack& s)
{
    std::vector<std::string> all;
    for (std::size_t i = 0; i < s.arrivals.size(); ++i) {
        all.push_back(s.text(i));
    }
    return all;
}

}  // namespace

TEST_CASE("delay works in each direction by itself", "[device]")
{
    impaired t{{.delay = 10_ms}, {.delay = 3_ms}};
    t.b.echo = true;
    t.a.send("ping");
    CHECK(t.world.run_until_idle());
    REQUIRE(t.b.arrivals.size() == 1);
    REQUIRE(t.a.arrivals.size() == 1);
    CHECK(t.b.arrivals[0].at == time_point{10_ms});
    CHECK(t.a.arrivals[0].at == time_point{13_ms});
    CHECK(t.a.arrivals[0].info.arrived_at == time_point{13_ms});
    CHECK(t.weather.held() == 0);
}

TEST_CASE("with nothing switched on frames pass without a copy", "[device]")
{
    impairment weather{{}, 1};
    buffer_pool pool{2048, 2};
    frame f = copy_frame(pool, tcpco_test::octets("x"));
    const std::byte* before = f.data.data;
    const std::byte* after = nullptr;
    weather.ingress(time_point{}, std::move(f), [&](frame&& g) { after = g.data.data; });
    CHECK(before == after);
    CHECK(weather.deadline() == time_point::never());
}

TEST_CASE("what a link holds back pins no slot of the stack", "[device]")
{
    impaired t{{}, {.delay = 1_s}};
    for (int i = 0; i < 1000; ++i) {
        t.b.send(std::to_string(i));
    }
    t.world.run_until(time_point{500_ms});
    CHECK(t.weather.held() == 1000);
    CHECK(t.drive_a.pool().available() == t.drive_a.pool().slot_count());
    t.world.run_until_idle();
    CHECK(t.a.arrivals.size() == 1000);
    CHECK(t.a.text(999) == "999");
}

TEST_CASE("the same seed loses, doubles and damages the same frames", "[device]")
{
    const impairment_config c{.loss = 0.1, .delay = 1_ms, .jitter = 1_ms, .reorder = 0.1, .duplicate = 0.1, .corrupt = 0.1};
    auto run = [&](std::uint64_t seed) {
        impaired t{c, {}, seed};
        for (int i = 0; i < 500; ++i) {
            t.a.send("frame " + std::to_string(i));
        }
        t.world.run_until_idle();
        return texts(t.b);
    };
    CHECK(run(4) == run(4));
    CHECK(run(4) != run(5));
}

TEST_CASE("duplicates arrive right behind their originals", "[device]")
{
    impaired t{{.duplicate = 1}};
    t.a.send("1");
    t.a.send("2");
    t.world.run_until_idle();
    CHECK(texts(t.b) == std::vector<std::string>{"1", "1", "2", "2"});
}

TEST_CASE("damage inverts one bit, and is dropped where no checksum could tell", "[device]")
{
    impaired t{{.corrupt = 1}};
    t.a.send(std::string(100, '\0'));
    t.a.send(std::string(100, '\0'), {.checksum = checksum_state::partial});
    t.world.run_until_idle();
    REQUIRE(t.b.arrivals.size() == 1);
    int bits = 0;
    for (const std::byte o : t.b.arrivals[0].octets) {
        bits += std::popcount(std::to_integer<unsigned>(o));
    }
    CHECK(bits == 1);
    CHECK(t.weather.out_counters().corrupt_dropped == 1);
}

TEST_CASE("the queue of an impaired link is bounded, and what it drops is counted", "[device]")
{
    impairment weather{{.delay = 1_s}, {}, 1, 10};
    const auto message = tcpco_test::octets("x");
    const std::span<const std::byte> piece{message};
    for (int i = 0; i < 15; ++i) {
        const auto verdict = weather.egress(time_point{}, outgoing_frame{{&piece, 1}, {}, {}}, {},
                                            [](const outgoing_frame&, const buffer&) { return sink_verdict::refused; });
        CHECK(verdict == sink_verdict::done);
    }
    CHECK(weather.held() == 10);
    CHECK(weather.out_counters().overflow == 5);
}

TEST_CASE("a frame that the device refuses is kept, in order, and causes no busy loop", "[device]")
{
    impairment weather{{.delay = 1_ms}, {}, 1};
    for (const char* text : {"1", "2"}) {
        const auto message = tcpco_test::octets(text);
        const std::span<const std::byte> piece{message};
        static_cast<void>(weather.egress(time_point{}, outgoing_frame{{&piece, 1}, {}, {}}, {},
                                         [](const outgoing_frame&, const buffer&) { return sink_verdict::done; }));
    }
    CHECK(weather.deadline() == time_point{1_ms});
    buffer_pool pool{2048, 2};
    auto up = [](frame&&) {};
    bool open = false;
    std::string sent;
    auto down = [&](const outgoing_frame& out, const buffer& keep) {
        CHECK(out.token == no_token);
        CHECK(keep);
        if (open) {
            sent += tcpco_test::text_of(out.pieces[0]);
        }
        return open ? sink_verdict::held : sink_verdict::refused;
    };
    weather.advance(time_point{1_ms}, pool, up, down);
    CHECK(weather.held() == 2);
    CHECK(weather.deadline() == time_point::never());
    open = true;
    weather.advance(time_point{2_ms}, pool, up, down);
    CHECK(sent == "12");
    CHECK(weather.held() == 0);
}
