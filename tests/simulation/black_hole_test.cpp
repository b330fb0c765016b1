// Paths that swallow large packets without a word: noticed, gone round, and found to be wide again (RFC 4821, RFC 8899).
#include "simulation/any_bundles.hpp"
#include "simulation/cases.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

using namespace tcpco_test;

namespace {

constexpr link_profile path{.delay = duration{10'000'000}, .per_frame = duration{100'000}};
constexpr duration a_minute{60'000'000'000};

// a sends to b through a link that drops IP packets of more than `takes` octets.
template <class Bundle>
struct narrow : simulation<Bundle> {
    using sim = simulation<Bundle>;
    explicit narrow(std::size_t mtu, double loss = 0, std::uint64_t seed = 1,
                    stack_config<Bundle> ca = sim::config_a())
        : sim{ca, sim::config_b(), {.loss = loss, .delay = path.delay, .per_frame = path.per_frame}, seed}, takes{mtu}
    {
        this->skip_arp();
        this->at_a.ends = this->at_b.ends = false;
        this->frame_limit = 10'000'000;
        this->link.drops = [this](std::size_t, int from, const octets& f) {
            const bool large = f.size() > 14 + takes;
            largest = from == 0 && !large ? std::max(largest, f.size() - 14) : largest;
            return large;
        };
        this->open();
    }
    bool transfer(std::size_t n, duration limit)
    {
        const std::size_t all = this->at_b.received.size() + n;
        this->at_a.to_send.resize(all, std::byte{5});
        this->turn();
        return this->run([this, all] { return this->at_b.received.size() == all; }, limit);
    }

    std::size_t takes;
    std::size_t largest = 0;  // that got through
};

template <class Bundle>
void through_the_hole(std::size_t takes, double loss, std::uint64_t seed)
{
    CAPTURE(takes, loss, seed);
    narrow<Bundle> net{takes, loss, seed};
    for (int i = 0; i < (loss == 0 ? 70 : 1); ++i) {  // a minute: time for some forty probes
        REQUIRE(net.transfer(loss == 0 ? 150'000 : 1'000'000, 10 * a_minute));
        net.run_for(duration{600'000'000});
    }
    const tcp_info i = net.info_a();
    CAPTURE(i.path_mtu, i.timeouts, net.largest);
    CHECK(net.a.counters().black_holes >= 1);
    CHECK(net.a.counters().mtu_probes >= 1);
    CHECK(i.path_mtu <= takes);
    CHECK(net.violation() == "");
    if (loss == 0) {
        // Three for each step down, and two more for the proof.
        CHECK(i.timeouts <= (takes > 1'064 ? 3u : takes > 532 ? 6u : 9u) + 2 + 1);
        CHECK(i.path_mtu + 48u > takes);  // the search ends within some octets, or has to wait for its next try
    }
}

}  // namespace

TEST_CASE("black hole: every octet arrives, and the path's MTU is found from below",
          "[simulation][RFC4821-7.7a][RFC8899-5.2a][RFC4821-7.6a][RFC4821-7.6b][RFC4821-7.1b][RFC4821-7.2a][RFC8899-5.1.2a]")
{
    const std::size_t takes = GENERATE(1'400u, 1'280u, 900u, 590u, 576u);
    through_the_hole<default_policies>(takes, 0, 1);
    through_the_hole<new_reno_bundle>(takes, 0, 1);
    for (std::uint64_t seed = 1; seed <= (sanitized ? 1u : 3u); ++seed) {
        through_the_hole<default_policies>(takes, 0.02, seed);
        through_the_hole<new_reno_bundle>(takes, 0.02, seed);
    }
}

TEST_CASE("black hole: without probing the connection ends there", "[simulation]")
{
    auto c = simulation<>::config_a();
    c.network.path_probing = path_probing::off;
    narrow<default_policies> net{1'400, 0, 1, c};
    CHECK_FALSE(net.transfer(100'000, 60 * a_minute));
    CHECK(net.info_a().error == errc::timed_out);
    CHECK(net.a.counters().black_holes == 0);
}

TEST_CASE("black hole: a probe that is lost alone slows nobody down", "[simulation][RFC4821-4a][RFC8899-3c][RFC8899-3d]")
{
    narrow<rack_bundle> net{1'300};
    REQUIRE(net.transfer(20'000, a_minute));
    octet_count least = 1'000'000'000;
    octet_count last = 0;
    bool grew_by_mtu = false;
    const std::uint64_t before = net.a.counters().mtu_probes;
    const std::size_t all = net.at_b.received.size() + 600'000;
    net.at_a.to_send.resize(all, std::byte{1});
    net.turn();
    std::uint16_t mtu = net.info_a().path_mtu;
    net.run(
        [&] {
            const tcp_info i = net.info_a();
            least = last > 0 && i.cwnd < last ? std::min(least, i.cwnd) : least;
            grew_by_mtu = grew_by_mtu || (i.path_mtu > mtu && i.cwnd > last + 2 * i.smss && last > 0);
            mtu = i.path_mtu;
            last = i.cwnd;
            return net.at_b.received.size() == all;
        },
        10 * a_minute);
    REQUIRE(net.at_b.received.size() == all);
    CHECK(net.a.counters().mtu_probes > before);
    CHECK(least == 1'000'000'000);  // never smaller than it was before
    CHECK_FALSE(grew_by_mtu);
}

TEST_CASE("black hole: a probe comes no sooner than a second after a lost one, and each new search after ten minutes",
          "[simulation][RFC4821-7.3a][RFC8899-3e][RFC8899-5.1.1a][RFC4821-7.1a][RFC8899-3a][RFC8899-3b][RFC4821-7.6c]")
{
    narrow<default_policies> net{1'400};
    net.at_a.to_send.resize(500'000, std::byte{1});
    net.turn();
    REQUIRE(net.run([&] { return net.a.counters().black_holes > 0; }, a_minute));
    net.record = true;
    const std::uint64_t before = net.a.counters().mtu_probes;
    std::vector<std::pair<time_point, std::uint16_t>> mtus{{net.now, net.info_a().path_mtu}};
    for (int i = 0; i < 20; ++i) {
        const std::size_t all = net.at_b.received.size() + 500'000;
        net.at_a.to_send.resize(all, std::byte{1});
        net.turn();
        REQUIRE(net.run(
            [&] {
                if (const std::uint16_t mtu = net.info_a().path_mtu; mtu != mtus.back().second) {
                    mtus.emplace_back(net.now, mtu);
                }
                return net.at_b.received.size() == all;
            },
            10 * a_minute));
        net.run_for(duration{300'000'000});
    }
    struct probe {
        time_point at;
        bool arrives;
    };
    std::vector<probe> probes;  // what is larger than the path's MTU was known to be
    for (const wire_frame& f : net.trace) {
        if (f.from != 0) {
            continue;
        }
        CHECK((std::to_integer<unsigned>(f.data[20]) & 0x60) == 0x40);  // DF, no other fragment
        CHECK((std::to_integer<unsigned>(f.data[20]) & 0x1F) + std::to_integer<unsigned>(f.data[21]) == 0);
        const auto later = std::find_if(mtus.begin(), mtus.end(), [&](const auto& m) { return m.first > f.at; });
        if (f.data.size() > std::size_t{14} + std::prev(later)->second) {
            probes.push_back({f.at, f.data.size() <= 14 + 1'400});
        }
    }
    REQUIRE(probes.size() >= 3);
    CHECK(probes.size() == net.a.counters().mtu_probes - before);
    for (std::size_t i = 1; i < probes.size(); ++i) {
        CHECK(probes[i].at - probes[i - 1].at >= (probes[i - 1].arrives ? 2 * path.delay : duration{1'000'000'000}));
    }
}

TEST_CASE("black hole: no probe without text enough behind it that its loss is seen", "[simulation][RFC4821-7.4a]")
{
    narrow<default_policies> net{1'400};
    REQUIRE(net.transfer(20'000, a_minute));
    REQUIRE(net.a.counters().black_holes > 0);
    net.run_for(11 * a_minute);
    const std::uint64_t before = net.a.counters().mtu_probes;
    for (int i = 0; i < 20; ++i) {
        REQUIRE(net.transfer(3'000, a_minute));
        net.run_for(duration{2'000'000'000});
    }
    CHECK(net.a.counters().mtu_probes == before);
    REQUIRE(net.transfer(100'000, a_minute));
    CHECK(net.a.counters().mtu_probes > before);
}

TEST_CASE("black hole: a path that becomes wide again is used again", "[simulation][RFC4821-7.3a][RFC4821-7.6a]")
{
    narrow<default_policies> net{1'280};
    REQUIRE(net.transfer(2'000'000, 10 * a_minute));
    REQUIRE(net.info_a().path_mtu <= 1'280);
    net.takes = 9'000;
    net.run_for(11 * a_minute);
    REQUIRE(net.transfer(2'000'000, 10 * a_minute));
    CHECK(net.info_a().path_mtu == 1'500);
}

TEST_CASE("black hole: an older connection to the same place does not end the search, and needs no timeouts of its own",
          "[simulation][RFC4821-7.6a]")
{
    narrow<default_policies> net{1'500};
    REQUIRE(net.transfer(10'000, a_minute));
    const listener_id other = net.b.listen({net.b.address(), 8}).value;
    const connection_id older = net.a.connect({net.b.address(), 8}).value;
    net.run_for(duration{1'000'000'000});
    const connection_id reads = net.b.accept(other).value;
    net.takes = 1'300;
    REQUIRE(net.transfer(20'000, a_minute));
    REQUIRE(net.info_a().path_mtu < 1'300);
    REQUIRE(net.a.write(older, pattern(100)).ec == errc::ok);
    net.run_for(duration{3'000'000'000});
    for (int i = 0; i < 40; ++i) {
        REQUIRE(net.transfer(150'000, a_minute));
        net.run_for(duration{600'000'000});
    }
    CHECK(net.info_a().path_mtu > 1'250);
    REQUIRE(net.a.write(older, pattern(50'000)).ec == errc::ok);
    octets got(60'000);
    std::size_t n = 0;
    net.run(
        [&] {
            n += net.b.read(reads, got).value;
            return n == 50'100;
        },
        a_minute);
    CHECK(n == 50'100);
    CHECK(net.a.info(older).value.timeouts <= 3);
}

TEST_CASE("black hole: an outage is none, whatever its length", "[simulation][RFC8899-5.2a]")
{
    narrow<default_policies> net{1'500};
    REQUIRE(net.transfer(50'000, a_minute));
    net.run_for(duration{1'000'000'000});
    net.takes = 0;
    CHECK_FALSE(net.transfer(500'000, GENERATE(duration{2'000'000'000}, duration{20'000'000'000}, 5 * a_minute)));
    net.takes = 1'500;
    REQUIRE(net.run([&] { return net.at_b.received.size() == 550'000; }, 5 * a_minute));
    REQUIRE(net.transfer(1'000'000, a_minute));
    CHECK(net.a.counters().black_holes == 0);
    CHECK(net.info_a().path_mtu == 1'500);
}

TEST_CASE("black hole: a path that loses every fifth frame has none, and its round trips stay what they are",
          "[simulation][RFC8899-5.2a][MUST-18]")
{
    std::vector<duration> times;
    for (std::uint64_t seed = 1; seed <= (sanitized ? 8u : 24u); ++seed) {
        CAPTURE(seed);
        narrow<default_policies> net{1'500, 0.2, seed};
        REQUIRE(net.transfer(20'000, 10 * a_minute));
        const time_point from = net.now;
        duration srtt{};
        net.at_a.to_send.resize(120'000, std::byte{1});
        net.turn();
        REQUIRE(net.run(
            [&] {
                srtt = std::max(srtt, net.info_a().srtt);
                return net.at_b.received.size() == 120'000;
            },
            30 * a_minute));
        times.push_back(net.now - from);
        CHECK(srtt < duration{100'000'000});  // an ACK that came after a retransmission is no round trip of 20 ms
        CHECK(net.a.counters().black_holes == 0);
    }
    std::sort(times.begin(), times.end());
    CHECK(times[times.size() / 2] < duration{12'000'000'000});
}

TEST_CASE("black hole: a probe whose octets leave again in pieces has proved nothing", "[simulation][RFC4821-7.6a]")
{
    narrow<default_policies> net{1'200};
    REQUIRE(net.transfer(50'000, a_minute));
    REQUIRE(net.info_a().path_mtu < 1'200);
    const std::uint64_t probes = net.a.counters().mtu_probes;
    const auto send = [&](auto&& until) {
        net.at_a.to_send.resize(net.at_a.to_send.size() + 150'000, std::byte{5});
        net.turn();
        return net.run(until, duration{600'000'000});
    };
    const auto probing = [&] { return net.a.counters().mtu_probes > probes; };
    for (int i = 0; i < 100 && !send(probing); ++i) {
    }
    REQUIRE(probing());
    const std::uint16_t before = net.info_a().path_mtu;
    net.takes = before + 1u;                 // less than that probe, whatever its size
    net.a.configure_device({.mtu = 1'499});  // what is in flight leaves again
    std::uint16_t most = 0;
    send([&] {
        most = std::max(most, net.info_a().path_mtu);
        return net.a.counters().mtu_probes > probes + 1;
    });
    CHECK(most == before);
}

TEST_CASE("black hole: a path without one never sees a probe", "[simulation]")
{
    narrow<default_policies> net{1'500, 0.05, 7};
    REQUIRE(net.transfer(1'000'000, 10 * a_minute));
    CHECK(net.a.counters().mtu_probes == 0);
    CHECK(net.a.counters().black_holes == 0);
}
