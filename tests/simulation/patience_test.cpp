// Long waits: a reader that stops for minutes, and a host that sleeps for an hour.
#include "simulation/cases.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<>;

std::vector<time_point> probes_of(const sim& net, time_point from, time_point until)
{
    std::vector<time_point> at;
    for (const wire_frame& f : net.trace) {
        if (f.from == 0 && f.at > from && f.at <= until) {
            at.push_back(f.at);
        }
    }
    return at;
}

}  // namespace

TEST_CASE("simulation: a reader that stops for 10 minutes loses nothing, and the probes of its window back off",
          "[simulation][MUST-36][MUST-37][SHLD-29][SHLD-30]")
{
    auto ca = sim::config_a();
    auto cb = sim::config_b();
    cb.receive_window.capacity = 8'192;
    sim net{ca, cb, {.delay = duration{5'000'000}}};
    net.skip_arp();
    net.record = true;
    net.at_a.to_send = pattern(64'000);
    net.at_b.reads = false;
    net.open();
    net.run_for(duration{5'000'000'000});
    REQUIRE(net.violation() == "");
    REQUIRE(net.info_a().snd_wnd == 0);
    REQUIRE(net.info_b().receive_queued == 8'192);
    const time_point stopped = net.now;

    net.run_for(duration{600'000'000'000});
    REQUIRE(net.violation() == "");
    CHECK(net.info_a().state == tcp_state::closing);  // b's FIN has come, a's waits behind the octets: both live
    const std::vector<time_point> probes = probes_of(net, stopped, net.now);
    // Doubling from a second and less up to a minute: at least one a minute, and far from one a second.
    CHECK(probes.size() >= 10);
    CHECK(probes.size() <= 20);
    for (std::size_t i = 2; i < probes.size(); ++i) {
        const duration before = probes[i - 1] - probes[i - 2];
        const duration after = probes[i] - probes[i - 1];
        CHECK(after >= before);
        CHECK(after <= duration{60'000'000'000} + duration{1'000'000});
    }

    net.at_b.reads = true;
    net.turn();
    CHECK(net.complete(duration{600'000'000'000}) == "");
}

TEST_CASE("simulation: the update of a closed window is lost, the next probe finds the window open",
          "[simulation][MUST-36]")
{
    auto ca = sim::config_a();
    auto cb = sim::config_b();
    cb.receive_window.capacity = 8'192;
    sim net{ca, cb, {.delay = duration{5'000'000}}};
    net.skip_arp();
    net.at_a.to_send = pattern(64'000);
    net.at_b.reads = false;
    net.open();
    net.run_for(duration{20'000'000'000});
    REQUIRE(net.violation() == "");
    REQUIRE(net.info_a().snd_wnd == 0);
    const std::size_t update = net.link.count();
    std::size_t lost = 0;
    net.link.drops = [&](std::size_t index, int from, const octets&) {
        const bool drop = index >= update && lost == 0 && from == 1;
        lost += drop ? 1 : 0;
        return drop;
    };
    net.at_b.reads = true;
    net.turn();
    CHECK(net.complete(duration{600'000'000'000}) == "");
    CHECK(lost == 1);
}

TEST_CASE("simulation: the clock jumps by an hour in mid-transfer with every timer due at once", "[simulation]")
{
    // What was on the wire is there after the sleep, or is lost with it.
    const bool frames_survive = GENERATE(true, false);
    // At which millisecond of the transfer the host falls asleep: in the handshake, in mid-transfer, near its end.
    const int asleep_at = GENERATE(5, 15, 25, 45, 65, 85, 105);
    CAPTURE(frames_survive, asleep_at);
    sim net{sim::config_a(), sim::config_b(), {.delay = duration{10'000'000}}};
    net.at_a.to_send = pattern(200'000, 1);
    net.at_b.to_send = pattern(100'000, 2);
    net.open();
    net.run_for(duration{std::int64_t{asleep_at} * 1'000'000});
    const tcp_info before = net.info_a();
    if (!frames_survive) {
        net.link.clear();
    }
    net.now += duration{3'600'000'000'000};
    net.turn();
    // One timeout at most for the whole hour, and none for data whose ACK was there all the time.
    CHECK(net.info_a().timeouts <= before.timeouts + 1);
    CHECK(net.complete(duration{600'000'000'000}) == "");
    CHECK(net.link.count() < 700);
}

TEST_CASE("simulation: a clock that jumps by an hour ends TIME-WAIT at once", "[simulation][MUST-13]")
{
    sim net{sim::config_a(), sim::config_b(), {.delay = duration{10'000'000}}};
    net.at_a.to_send = pattern(1'000);
    net.open();
    REQUIRE(net.run([&] { return net.id_b && net.info_a().state == tcp_state::time_wait; }, duration{10'000'000'000}));
    net.now += duration{3'600'000'000'000};
    net.turn();
    CHECK(net.info_a().state == tcp_state::closed);
    CHECK(net.everything_arrived());
}
