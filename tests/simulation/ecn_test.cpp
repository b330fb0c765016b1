// ECN from end to end: a link that marks in place of dropping, and what it saves.
#include "simulation/any_bundles.hpp"
#include "tcpco/wire/ipv4.hpp"

using namespace tcpco_test;

namespace {

using sim = simulation<rack_bundle>;

stack_config<rack_bundle> with(stack_config<rack_bundle> c, controller index, ecn_use ecn)
{
    c.congestion.index = index;
    c.tcp.ecn = ecn;
    return c;
}

// Every `period`th frame that may be marked is.
struct marking_link {
    std::size_t period = 40;
    std::size_t seen = 0;
    std::size_t marked = 0;

    void operator()(octets& frame)
    {
        if ((std::to_integer<unsigned>(frame[15]) & 3) == 0 || ++seen % period != 0) {
            return;
        }
        ++marked;
        const std::span ip = std::span{frame}.subspan(14);
        ipv4_header h = parse_ipv4(ip)->header;
        h.ecn = ecn_codepoint::ce;
        write_ipv4(h, ip);
    }
};

void transfer_marked(controller index, bool strip, bool accurate)
{
    CAPTURE(controller_names[index]);
    sim net{with(sim::config_a(), index, accurate ? ecn_use::request_accurate : ecn_use::request),
            with(sim::config_b(), index, accurate ? ecn_use::accept_accurate : ecn_use::accept),
            {.delay = duration{10'000'000}, .per_frame = duration{100'000}}};
    net.skip_arp();
    marking_link link;
    net.link.rewrites = [&](int, octets& frame) {
        if (strip) {  // a middlebox that clears the field
            const std::span ip = std::span{frame}.subspan(14);
            ipv4_header h = parse_ipv4(ip)->header;
            h.ecn = 0;
            write_ipv4(h, ip);
        } else {
            link(frame);
        }
    };
    net.at_a.to_send = pattern(1'000'000);
    net.at_b.to_send = pattern(200'000, 3);
    net.open();
    REQUIRE(net.complete(duration{600'000'000'000}) == "");
    const tcp_info i = net.info_a();
    CHECK(i.retransmissions == 0);
    CHECK(i.ecn);
    CHECK(i.accurate_ecn == accurate);
    CHECK(i.marks_reported == (accurate ? net.info_b().marks_received : 0));
    CHECK(net.info_b().marks_reported == (accurate ? i.marks_received : 0));
    CHECK((link.marked > 10) == !strip);
    CHECK(net.info_a().marks_received + net.info_b().marks_received == link.marked);
    CAPTURE(i.cwnd);
    CHECK((i.cwnd < 150'000) == !strip);
}

}  // namespace

TEST_CASE("ECN: marks slow the sender down, and nothing has to be sent twice",
          "[simulation][RFC3168-6.1.2a][RFC9768-3.2.2.2b]")
{
    const bool strip = GENERATE(false, true);
    const bool accurate = GENERATE(false, true);
    CAPTURE(strip, accurate);
    for (const controller index : {hystart_cubic, cubic, dctcp}) {
        transfer_marked(index, strip, accurate);
    }
}

TEST_CASE("Prague: ECT(1) where the peer counts marks, else ECT(0), and a shallow queue is kept shallow",
          "[simulation][RFC9331-4.1a][RFC9331-4.2a][RFC9331-4.3a]")
{
    // 100 Mbit/s, 20 ms; a frame is marked when a millisecond's worth waits before it.
    const bool accurate = GENERATE(true, false);
    sim net{with(sim::config_a(), prague, accurate ? ecn_use::request_accurate : ecn_use::request),
            with(sim::config_b(), prague, ecn_use::accept_accurate),
            {.delay = duration{10'000'000}, .per_frame = duration{120'000}}};
    net.skip_arp();
    time_point link_free{};
    duration longest{};
    std::size_t marked = 0;
    std::size_t codepoints[4] = {};
    net.link.rewrites = [&](int from, octets& frame) {
        ++codepoints[std::to_integer<unsigned>(frame[15]) & 3];
        if (from != 0) {
            return;
        }
        const duration waits = std::max(link_free - net.now, duration{});
        link_free = std::max(link_free, net.now) + duration{120'000};
        longest = net.now > time_point{duration{1'500'000'000}} ? std::max(longest, waits) : longest;
        if (waits > duration{1'000'000} && (std::to_integer<unsigned>(frame[15]) & 3) != 0) {
            ++marked;
            const std::span ip = std::span{frame}.subspan(14);
            ipv4_header h = parse_ipv4(ip)->header;
            h.ecn = ecn_codepoint::ce;
            write_ipv4(h, ip);
        }
    };
    net.at_a.to_send = pattern(12'000'000);
    net.at_b.to_send = pattern(1'000);
    net.open();
    const time_point began = net.now;
    REQUIRE(net.run([&] { return net.at_b.received.size() == 12'000'000; }, duration{60'000'000'000}));
    const double seconds = (net.now - began).seconds();
    REQUIRE(net.complete(duration{600'000'000'000}) == "");
    CAPTURE(seconds, marked, longest.ns, codepoints[1], codepoints[2]);
    CHECK((codepoints[ecn_codepoint::ect_1] > 5'000) == accurate);
    CHECK((codepoints[ecn_codepoint::ect_0] > 5'000) == !accurate);
    CHECK(net.info_a().retransmissions == 0);
    CHECK(net.info_a().marks_reported == (accurate ? marked : 0));
    CHECK(longest < duration{accurate ? 3'000'000 : 40'000'000});
    if (accurate) {
        CHECK(seconds < 3.0);  // one second is the link's, and slow start ends early
    }
}

namespace {

void transfer_past_ect_drops(controller index, bool accurate, bool sack)
{
    auto ca = with(sim::config_a(), index, accurate ? ecn_use::request_accurate : ecn_use::request);
    auto cb = with(sim::config_b(), index, accurate ? ecn_use::accept_accurate : ecn_use::accept);
    ca.tcp.sack = cb.tcp.sack = sack;
    sim net{ca, cb, {.delay = duration{10'000'000}, .per_frame = duration{100'000}}};
    net.skip_arp();
    std::size_t dropped = 0;
    net.link.drops = [&](std::size_t, int, const octets& f) {
        const bool ect = (std::to_integer<unsigned>(f[15]) & 3) != 0;
        dropped += ect ? 1 : 0;
        return ect;
    };
    net.at_a.to_send = pattern(300'000);
    net.at_b.to_send = pattern(100'000, 3);
    net.open();
    CAPTURE(controller_names[index], accurate, sack);
    CHECK(net.run([&] { return net.everything_arrived(); }, duration{15'000'000'000}));
    CAPTURE(net.now.since_origin().milliseconds(), net.info_a().timeouts, net.info_a().fast_recoveries, dropped);
    CHECK(net.info_a().ecn);
    CHECK(dropped > 20);
    CHECK(dropped < 150);
    CHECK(net.complete(duration{600'000'000'000}) == "");
}

}  // namespace

TEST_CASE("ECN: a path that drops what may be marked is found out by three recoveries, and the transfer goes on without",
          "[simulation]")
{
    const bool accurate = GENERATE(false, true);
    const bool sack = GENERATE(true, false);
    for (const controller index : {hystart_cubic, cubic, prague}) {
        transfer_past_ect_drops(index, accurate, sack);
    }
}

TEST_CASE("Prague: a classic queue is noticed on the way, and no more waits there than it would for Reno",
          "[simulation][RFC9331-4.3d]")
{
    // 20 Mbit/s, 20 ms; one frame in 50 ms is marked at the most, if 20 ms wait before it.
    const auto longest_wait = [](bool fallback) {
        auto ca = with(sim::config_a(), prague, ecn_use::request_accurate);
        std::get<prague>(ca.congestion.configs).classic_fallback = fallback;
        sim net{ca, with(sim::config_b(), prague, ecn_use::accept_accurate),
                {.delay = duration{10'000'000}, .per_frame = duration{600'000}}};
        net.skip_arp();
        time_point link_free{};
        time_point next_mark{};
        duration longest{};
        net.link.rewrites = [&](int from, octets& frame) {
            if (from != 0) {
                return;
            }
            const duration waits = std::max(link_free - net.now, duration{});
            link_free = std::max(link_free, net.now) + duration{600'000};
            longest = net.now > time_point{duration{3'000'000'000}} ? std::max(longest, waits) : longest;
            if (waits > duration{20'000'000} && net.now >= next_mark && (std::to_integer<unsigned>(frame[15]) & 3) != 0) {
                next_mark = net.now + duration{50'000'000};
                const std::span ip = std::span{frame}.subspan(14);
                ipv4_header h = parse_ipv4(ip)->header;
                h.ecn = ecn_codepoint::ce;
                write_ipv4(h, ip);
            }
        };
        net.at_a.to_send = pattern(20'000'000);
        net.open();
        REQUIRE(net.run([&] { return net.now > time_point{duration{6'000'000'000}}; }, duration{60'000'000'000}));
        return longest;
    };
    const duration noticed = longest_wait(true);
    const duration blind = longest_wait(false);
    CAPTURE(noticed.ns, blind.ns);
    CHECK(noticed < duration{25'000'000});
    CHECK(noticed < blind * 3 / 4);
}

TEST_CASE("ECN: SYNs with flags that a middlebox drops cost one timeout", "[simulation][RFC3168-6.1.1.1a]")
{
    sim net{with(sim::config_a(), hystart_cubic, ecn_use::request), sim::config_b(), {.delay = duration{10'000'000}}};
    net.skip_arp();
    net.link.drops = [](std::size_t, int, const octets& f) {
        return (std::to_integer<unsigned>(f[14 + 20 + 13]) & 0xC2) == 0xC2;  // SYN, ECE and CWR
    };
    net.at_a.to_send = pattern(10'000);
    net.open();
    CHECK(net.complete(duration{600'000'000'000}) == "");
    CHECK_FALSE(net.info_a().ecn);
    CHECK(net.info_a().timeouts == 1);
}
