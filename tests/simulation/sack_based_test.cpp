// Transfers over a bad link, and through a bottleneck: the recovery of RFC 6675, with PRR.
#include "simulation/narrow_simulation.hpp"

using namespace tcpco_test;

TEST_CASE("simulation: RFC 6675 recovery with PRR brings every octet over a bad link", "[simulation]")
{
    run_matrix<sack_bundle>([](auto&) {});
}

TEST_CASE("simulation: RFC 6675 brings every octet through a bottleneck in every weather under every controller",
          "[simulation]")
{
    run_narrow_matrix<sack_bundle>(20'001, 30);
}

TEST_CASE("simulation: a loss that a probe has repaired is a reduction and CWR says so", "[simulation][RFC3168-6.1.1d]")
{
    using sim = simulation<rack_bundle>;
    auto ca = sim::config_a();
    ca.tcp.ecn = ecn_use::request;
    sim net{ca, sim::config_b(), {.delay = duration{10'000'000}}};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    std::size_t full = 0;
    bool reduced = false;
    net.link.drops = [&](std::size_t, int from, const octets& f) {
        reduced = reduced || (from == 0 && f.size() > 1'000 && (std::to_integer<unsigned>(f[47]) & 0x80) != 0);
        full += from == 0 && f.size() > 1'000 ? 1U : 0U;
        return from == 0 && f.size() > 1'000 && full == 5;  // the last of five
    };
    net.at_a.to_send = pattern(5 * 1'448);
    net.run_for(duration{1'000'000'000});
    REQUIRE(net.at_b.received.size() == 5 * 1'448);
    REQUIRE(net.info_a().ecn);
    CHECK(net.info_a().timeouts == 0);
    CHECK(net.info_a().retransmissions == 1);
    const auto send_more = [&](std::size_t all) {
        net.at_a.to_send = pattern(all * 1'448);
        net.turn();
        net.run_for(duration{1'000'000'000});
        REQUIRE(net.at_b.received.size() == all * 1'448);
    };
    send_more(6);  // only its ACK says that it was a loss (RFC 8985 7.4.2)
    CHECK(net.info_a().ssthresh < 20 * 1'448);
    CHECK_FALSE(reduced);
    send_more(7);
    CHECK(reduced);
}

TEST_CASE("simulation: what pacing holds back is held back by the window of congestion", "[simulation]")
{
    using sim = simulation<rack_bundle>;
    auto ca = sim::config_a();
    ca.congestion.index = paced;
    std::get<paced>(ca.congestion.configs).rate = 200'000;
    sim net{ca, sim::config_b(), {.delay = duration{10'000'000}}};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    net.at_a.to_send = pattern(200'000);  // a second, in a window that never fills
    REQUIRE(net.run([&] { return net.at_b.received.size() == 200'000; }, duration{5'000'000'000}));
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(i.limited_by_cwnd > i.busy * 8 / 10);
    CHECK(i.limited_by_send_buffer + i.limited_by_receive_window < i.busy / 10);
}

// Data is up to 30 ms late on a path of 40 ms, and nothing is lost. Without timestamps D-SACK has to find out, which
// needs a round trip for each recovery: there, fewer segments are late.
TEST_CASE("simulation: with reordering within a round trip RACK-TLP learns to wait and what was needless is undone",
          "[simulation][RFC8985-3.3b][RFC8985-4.3a][RFC3522-3.2e][RFC3708-3a]")
{
    using sim = simulation<rack_bundle>;
    const bool timestamps = GENERATE(true, false);
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, sanitized ? 3 : 6));
    CAPTURE(timestamps, seed);
    auto ca = sim::config_a(seed);
    ca.tcp.timestamps = timestamps;
    ca.congestion.index = cubic;
    sim net{ca, sim::config_b(seed), {.delay = 20_ms, .per_frame = duration{120'000}}, seed};
    random_source random{seed};
    std::uint32_t late_frames = 0;
    net.link.disturbs = [&](std::size_t, int from, const octets&) {
        const bool late = from == 0 && random.chance(timestamps ? 0.05 : 0.02);
        late_frames += late ? 1U : 0U;
        return mishap{.late = duration{late ? static_cast<std::int64_t>(random.next() % 30'000'000) : 0}};
    };
    net.at_a.to_send = pattern(4'000'000, static_cast<std::uint32_t>(seed));
    net.open();
    net.run([&net] { return net.at_b.received.size() >= 2'000'000; }, 600_s);
    const tcp_info early = net.info_a();
    net.run([&net] { return net.at_b.received.size() == net.at_a.to_send.size(); }, 600_s);
    net.run_for(200_ms);  // what is reported of the last segments counts as well
    const tcp_info late = net.info_a();
    CHECK(net.violation() == "");
    CHECK(net.at_b.received == net.at_a.to_send);
    // It waits long enough by now, but that the window shrinks again after sixteen recoveries without news.
    CHECK(late.retransmissions <= early.retransmissions + (timestamps ? 1U : 2U));
    CHECK(late.retransmissions * 8 < late_frames);
    CHECK(late.timeouts == 0);
    CHECK(late.fast_recoveries > 0);
    CHECK(late.recoveries_undone == late.fast_recoveries);
}
