// What can be set for a whole stack, and what the wire shows of it.
#include "tcpco/tcp/settings.hpp"

#include "catch.hpp"
#include "support/link.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<>;

constexpr link_profile path{.delay = duration{50'000'000}, .per_frame = duration{100'000}};  // no batches of frames

// a, as set, sends to b; nobody ends.
struct transfer : sim {
    explicit transfer(const stack_config<default_policies>& ca, std::size_t n = 0,
                      const stack_config<default_policies>& cb = config_b())
        : sim{ca, cb, path}
    {
        skip_arp();
        at_a.to_send = pattern(n);
        at_a.ends = at_b.ends = false;
        record = true;
        open();
    }
    void run_seconds(std::int64_t n) { run_for(duration{n * 1'000'000'000}); }
    // Full-sized frames that left a between two times.
    std::size_t full_frames(duration from, duration to) const
    {
        std::size_t n = 0;
        for (const wire_frame& f : trace) {
            const duration at = f.at - time_point{1_s};
            n += f.from == 0 && f.data.size() > 500 && at >= from && at < to ? 1U : 0U;
        }
        return n;
    }
};

template <class Change>
stack_config<default_policies> set_to(Change change)
{
    auto c = sim::config_a();
    change(c.tcp);
    return c;
}

}  // namespace

TEST_CASE("settings: the initial window is ten segments, another number, or RFC 5681's table",
          "[stack][RFC6928-2a][RFC5681-3.1a][RFC5681-3.1b]")
{
    const auto first_flight = [](std::uint8_t segments, std::uint16_t mtu) {
        auto c = set_to([&](tcp_settings& s) { s.initial_window_segments = segments; });
        c.network.mtu = mtu;
        transfer net{c, 100'000};
        net.run_seconds(1);
        return net.full_frames(duration{100'000'000}, duration{200'000'000});
    };
    CHECK(first_flight(10, 1'500) == 10);
    CHECK(first_flight(2, 1'500) == 2);
    CHECK(first_flight(0, 1'500) == 3);
    CHECK(first_flight(0, 1'000) == 4);
}

TEST_CASE("settings: the first flight after an idle RTO is the initial window, unless it need not be",
          "[stack][RFC5681-4.1a]")
{
    const bool restarts = GENERATE(true, false);
    transfer net{set_to([&](tcp_settings& s) { s.restart_after_idle = restarts; }), 200'000};
    net.run_seconds(3);
    REQUIRE(net.at_b.received.size() == 200'000);
    net.at_a.to_send = pattern(300'000);
    net.turn();
    net.run_for(duration{90'000'000});
    const std::size_t flight = net.full_frames(duration{3'000'000'000}, duration{3'090'000'000});
    CHECK((restarts ? flight == 10 : flight > 40));
}

TEST_CASE("settings: keep-alive for every new connection of a stack", "[stack][MUST-24][MUST-25][MUST-27]")
{
    transfer net{set_to([](tcp_settings& s) {
        s.keep_alive = keep_alive{.idle = duration{10'000'000'000}, .interval = duration{1'000'000'000}, .count = 3};
    })};
    net.run_seconds(1);
    const std::size_t before = net.link.count();
    net.run_seconds(35);
    CHECK(net.link.count() - before == 2 * 3);  // probe and answer, every ten seconds
    net.link.drops = [](std::size_t, int, const octets&) { return true; };
    net.run_seconds(20);
    CHECK(net.info_a().state == tcp_state::closed);
    CHECK(net.info_a().error == errc::timed_out);

    transfer off{set_to([](tcp_settings& s) { s.keep_alive = keep_alive{.count = 0}; })};  // no valid number
    off.run_seconds(1);
    const std::size_t frames = off.link.count();
    off.run_seconds(100'000);
    CHECK(off.link.count() == frames);
}

TEST_CASE("settings: a code point for every connection of a stack", "[stack][MUST-48]")
{
    transfer net{set_to([](tcp_settings& s) { s.dscp = 46; }), 1'000};
    net.run_seconds(1);
    int seen = 0;
    for (const wire_frame& f : net.trace) {
        if (f.from == 0) {
            CHECK(std::to_integer<int>(f.data[15]) >> 2 == 46);
            ++seen;
        }
    }
    CHECK(seen >= 2);
}

TEST_CASE("settings: quiet time holds back connections in both directions, then they are as always",
          "[stack][RFC9293-3.4.3a]")
{
    auto quiet = sim::config_b();
    quiet.tcp.quiet_time = duration{120'000'000'000};
    sim net{sim::config_a(), quiet, path};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    const endpoint elsewhere{net.a.address(), 9};
    CHECK(net.b.connect(elsewhere).ec == errc::would_block);  // before the first moment, too
    net.open();
    CHECK(net.b.connect(elsewhere).ec == errc::would_block);
    net.run_for(duration{119'000'000'000});
    CHECK(net.info_a().state == tcp_state::syn_sent);
    CHECK(net.b.counters().of(drop_reason::quiet_time) >= 6);
    CHECK(net.b.counters().resets_sent == 0);
    net.run_for(duration{70'000'000'000});
    CHECK(net.b.connect(elsewhere).ec == errc::ok);
    CHECK(net.both_in(tcp_state::established));
}

TEST_CASE("settings: offloads that the device has are not used when they are off", "[stack]")
{
    auto c = sim::config_a();
    c.network.offloads = false;
    transfer net{c, 50'000};
    net.a.configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
    net.run_seconds(3);
    CHECK(net.at_b.received.size() == 50'000);
    CHECK(net.b.counters().of(drop_reason::tcp_checksum) == 0);
    for (const wire_frame& f : net.trace) {
        CHECK(f.data.size() <= 1'514);
    }
}

TEST_CASE("settings: the send buffer grows with cwnd to its limit, and not once it was set", "[stack]")
{
    const bool fixed = GENERATE(false, true);
    const bool small = GENERATE(false, true);  // limit below the beginning
    auto c = set_to([&](tcp_settings& s) {
        s.send_buffer_initial = 32'768;
        s.send_buffer_octets = small ? 16'384 : 400'000;
    });
    transfer net{c, 2'000'000};
    if (fixed) {
        REQUIRE(net.a.set_send_buffer(net.id_a, 20'000) == errc::ok);
    }
    const std::size_t begins = net.a.look(net.id_a).send_limit;
    CHECK(begins == (fixed ? 20'000u : small ? 16'384u : 32'768u));
    std::size_t last = begins;
    bool shrank = false;
    net.run(
        [&] {
            const std::size_t now = net.a.look(net.id_a).send_limit;
            shrank = shrank || now < last;
            last = now;
            return net.at_b.received.size() == 2'000'000;
        },
        duration{60'000'000'000});
    CHECK(net.at_b.received.size() == 2'000'000);
    CHECK_FALSE(shrank);
    CHECK(last == (fixed ? 20'000u : small ? 16'384u : 400'000u));
}

TEST_CASE("settings: the send buffer does not grow where the peer's window is the limit", "[stack]")
{
    auto c = set_to([](tcp_settings& s) {
        s.send_buffer_initial = 65'536;
        s.send_buffer_octets = 1'000'000;
    });
    auto narrow = sim::config_b();
    narrow.receive_window.capacity = 20'000;
    transfer net{c, 1'000'000, narrow};
    net.run_seconds(120);
    CHECK(net.at_b.received.size() == 1'000'000);
    CHECK(net.a.look(net.id_a).send_limit == 65'536);
}

TEST_CASE("settings: with fewer slots than the send buffer could use a transfer is slower, not stuck", "[stack]")
{
    auto c = set_to([](tcp_settings& s) { s.send_buffer_initial = 32'768; });
    c.limits.large_slots = 2;
    transfer net{c, 500'000};
    net.run_seconds(30);
    CHECK(net.at_b.received.size() == 500'000);
}
