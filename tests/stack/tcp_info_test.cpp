// What tcp_info says of a transfer: why it is slow, and what it cost.
#include "tcpco/tcp/tcp_info.hpp"

#include "catch.hpp"
#include "support/link.hpp"
#include "tcpco/tcp/limited_times.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<>;

constexpr link_profile path{.delay = duration{50'000'000}};  // there and back 100 ms
constexpr duration a_minute{60'000'000'000};

// a sends to b; nobody ends.
struct transfer : sim {
    explicit transfer(std::size_t n, const stack_config<default_policies>& ca = config_a(),
                      const stack_config<default_policies>& cb = config_b())
        : sim{ca, cb, path}
    {
        skip_arp();
        at_a.to_send = pattern(n);
        at_a.ends = at_b.ends = false;
        open();
    }
};

bool about(duration d, duration expected)
{
    return d >= expected * 9 / 10 && d <= expected * 11 / 10;
}

}  // namespace

TEST_CASE("limited_times: each moment has one cause", "[stack]")
{
    limited_times t;
    const time_point start{5_s};
    t.change(send_limit::none, start);
    t.change(send_limit::receive_window, start + 1_s);
    t.change(send_limit::receive_window, start + 2_s);
    t.change(send_limit::congestion_window, start + 4_s);
    t.change(send_limit::idle, start + 9_s);
    CHECK(t.spent(send_limit::none, start + 20_s) == 1_s);
    CHECK(t.spent(send_limit::receive_window, start + 20_s) == 3_s);
    CHECK(t.spent(send_limit::congestion_window, start + 20_s) == 5_s);
}

TEST_CASE("tcp_info: a reader that does not read is the time limited by the window", "[stack]")
{
    auto cb = sim::config_b();
    cb.receive_window.capacity = 8'192;
    transfer net{100'000, sim::config_a(), cb};
    net.at_b.reads = false;
    net.run_for(duration{20'000'000'000});
    net.a.advance(net.now);
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(about(i.limited_by_receive_window, duration{19'800'000'000}));
    CHECK(i.limited_by_send_buffer == duration{});
    CHECK(about(i.busy, duration{19'900'000'000}));
    CHECK(i.probes_window);
    CHECK(i.retries > 0);
}

TEST_CASE("tcp_info: a send buffer below what the path holds is the time limited by it", "[stack]")
{
    auto ca = sim::config_a();
    ca.tcp.send_buffer_octets = 10'000;
    transfer net{500'000, ca};
    REQUIRE(net.run([&] { return net.at_b.received.size() == 500'000; }, a_minute));
    net.a.advance(net.now);
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(about(i.busy, duration{6'000'000'000}));  // 50 round trips
    CHECK(i.limited_by_send_buffer > i.busy * 8 / 10);
    CHECK(i.limited_by_receive_window == duration{});
    CHECK(i.limited_by_cwnd < i.busy / 10);
}

TEST_CASE("tcp_info: a window of congestion that is still small is the time limited by it", "[stack]")
{
    transfer net{600'000};
    REQUIRE(net.run([&] { return net.at_b.received.size() == 600'000; }, a_minute));
    net.a.advance(net.now);
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(i.limited_by_cwnd > i.busy * 6 / 10);
    CHECK(i.limited_by_receive_window == duration{});
    CHECK(i.limited_by_send_buffer == duration{});
}

TEST_CASE("tcp_info: an application that writes now and then is nobody's limit, and idle time is not busy", "[stack]")
{
    transfer net{0};
    net.run_for(duration{1'000'000'000});
    for (std::size_t n = 1; n <= 10; ++n) {
        net.at_a.to_send = pattern(n);
        net.turn();
        net.run_for(duration{5'000'000'000});  // longer than the sending half is kept
    }
    net.a.advance(net.now);
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(i.busy >= duration{10 * 100'000'000});
    CHECK(i.busy <= duration{10 * 145'000'000});  // with the delay of b's ACK
    CHECK(i.limited_by_receive_window + i.limited_by_send_buffer + i.limited_by_cwnd == duration{});
    CHECK(i.since_sent >= duration{4'800'000'000});
    CHECK(i.since_sent <= duration{5'000'000'000});
    CHECK(i.data_segments_sent == 10);
    CHECK(net.info_b().data_segments_received == 10);
    CHECK(i.octets_acknowledged == 10);
}

TEST_CASE("tcp_info: what a loss costs is counted at both ends", "[stack]")
{
    transfer net{100'000};
    bool dropped = false;
    net.link.drops = [&](std::size_t, int from, const octets& f) {
        const bool first_large = from == 0 && f.size() > 1'000 && !dropped && net.at_b.received.size() > 10'000;
        dropped = dropped || first_large;
        return first_large;
    };
    std::uint64_t most_sacked = 0;
    REQUIRE(net.run(
        [&] {
            most_sacked = std::max<std::uint64_t>(most_sacked, static_cast<std::uint64_t>(net.info_a().sacked));
            return net.at_b.received.size() == 100'000;
        },
        a_minute));
    net.run_for(duration{1'000'000'000});
    net.a.advance(net.now);
    const tcp_info i = net.info_a();
    CAPTURE(i.busy.ns, i.limited_by_send_buffer.ns, i.limited_by_receive_window.ns, i.limited_by_cwnd.ns);
    CHECK(dropped);
    CHECK(i.octets_retransmitted == i.smss);
    CHECK(i.octets_sent == 100'000u + i.smss);
    CHECK(i.octets_acknowledged == 100'000);
    CHECK(i.retransmissions == 1);
    CHECK(most_sacked > 0);
    CHECK(i.sacked == 0);
    CHECK(i.lost == 0);
    CHECK(i.retransmitted == 0);
    CHECK_FALSE(i.in_recovery);
    CHECK(net.info_b().segments_out_of_order > 0);
    CHECK(i.path_mtu == 1'500);
    CHECK(net.info_b().receive_capacity == 1'048'576);
}

TEST_CASE("tcp_info: a copy that arrives twice is a DSACK at the sender", "[stack][RFC2883-5a]")
{
    transfer net{20'000};
    bool doubled = false;
    net.link.disturbs = [&](std::size_t, int from, const octets& f) {
        const bool now = from == 0 && f.size() > 1'000 && !std::exchange(doubled, doubled || f.size() > 1'000);
        return now ? mishap{.copy = duration{1'000'000}} : mishap{};
    };
    REQUIRE(net.run([&] { return net.at_b.received.size() == 20'000; }, a_minute));
    net.run_for(duration{1'000'000'000});
    CHECK(net.info_a().dsacks_received == 1);
}

TEST_CASE("tcp_info: the delivery rate is the path's once the window fills it, the application's until then", "[stack]")
{
    constexpr link_profile megabyte{.delay = duration{10'000'000}, .per_frame = duration{1'514'000}};  // 1 MB/s
    sim net{sim::config_a(), sim::config_b(), megabyte};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    net.run_for(duration{1'000'000'000});
    CHECK(net.info_a().ack_delay == duration{});
    CHECK(net.info_b().ack_delay == duration{});
    net.at_a.to_send = pattern(1'448);
    net.turn();
    net.run_for(duration{1'000'000'000});
    const tcp_info one = net.info_a();
    CHECK(one.delivery_rate > 0);
    CHECK(one.delivery_rate <= 1'448 * 50);
    CHECK(one.delivery_rate_app_limited);
    CHECK(net.info_b().ack_delay == duration{40'000'000});
    CHECK(net.info_a().ack_delay == duration{});  // it has not received anything
    net.at_a.to_send.resize(400'000);
    net.turn();
    REQUIRE(net.run([&] { return net.at_b.received.size() > 300'000; }, a_minute));
    const tcp_info many = net.info_a();
    CAPTURE(many.delivery_rate);
    CHECK(many.delivery_rate >= 900'000);
    CHECK(many.delivery_rate <= 1'000'000);
    CHECK_FALSE(many.delivery_rate_app_limited);
    REQUIRE(net.run([&] { return net.at_b.received.size() == 400'000; }, a_minute));
    net.run_for(duration{1'000'000'000});
    const std::uint64_t rate = net.info_a().delivery_rate;
    net.at_a.to_send.resize(400'100);
    net.turn();
    net.run_for(duration{1'000'000'000});
    CHECK(net.info_a().delivery_rate == rate);  // a sample of a hundred octets says nothing about it
}

TEST_CASE("tcp_info: what comes late is a reordering, what was lost or had to be sent again is none", "[stack]")
{
    for (const bool late : {true, false}) {
        CAPTURE(late);
        transfer net{50'000};
        std::size_t full = 0;
        net.link.disturbs = [&](std::size_t, int from, const octets& f) {
            full += from == 0 && f.size() > 1'000 ? 1U : 0U;
            const bool chosen = from == 0 && f.size() > 1'000 && full == 8;
            return mishap{.lost = chosen && !late, .late = chosen ? duration{1'000'000} : duration{}};
        };
        REQUIRE(net.run([&] { return net.at_b.received.size() == 50'000; }, a_minute));
        net.run_for(duration{1'000'000'000});
        CHECK(net.info_a().reorderings == (late ? 1 : 0));
        CHECK(net.info_b().reorderings == 0);
    }
}

TEST_CASE("tcp_info: window scale is what both have sent, though no window needs a shift", "[stack][RFC7323-2.2b]")
{
    for (const bool offered : {true, false}) {
        CAPTURE(offered);
        auto small = sim::config_a();
        auto other = sim::config_b();
        small.receive_window.capacity = other.receive_window.capacity = 20'000;
        small.tcp.window_scaling = offered;
        transfer net{100, small, other};
        net.run_for(duration{1'000'000'000});
        REQUIRE(net.info_b().state == tcp_state::established);
        for (const tcp_info& i : {net.info_a(), net.info_b()}) {
            CHECK(i.window_scaling == offered);
            CHECK(i.snd_wscale == 0);
            CHECK(i.rcv_wscale == 0);
        }
    }
}
