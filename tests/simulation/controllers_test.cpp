// RACK-TLP with PRR over a bad link and through a bottleneck, under every controller; and what each controller makes of
// the bottleneck: how much of its rate, and how fairly two share it.
#include <map>

#include "simulation/narrow_simulation.hpp"

using namespace tcpco_test;

template class tcpco::basic_stack<tcpco_test::rack_bundle>;  // for exhaustive_loss_test.cpp, too

namespace {

using world = simulation<rack_bundle>;

// 10 Mbit/s and 20 ms there and back: 25,000 octets, 17 segments.
constexpr std::uint64_t rate = 10'000'000;
constexpr std::size_t round_trip_octets = 25'000;
constexpr bottleneck_config wide_back{.rate_bits_per_second = 100'000'000, .delay = duration{10'000'000}};

bottleneck_config narrow(std::size_t queue, bool marks)
{
    bottleneck_config c{.rate_bits_per_second = rate, .delay = duration{10'000'000}, .queue_limit_octets = queue};
    c.mark_above_octets = marks ? queue / 4 : c.mark_above_octets;
    return c;
}

stack_config<rack_bundle> roomy(stack_config<rack_bundle> c, std::size_t index)
{
    c.limits.small_slots = 4'096;
    c.limits.large_slots = 256;
    c.congestion.index = index;
    std::get<fixed_window>(c.congestion.configs).window = 40'000;
    std::get<paced>(c.congestion.configs).rate = rate / 8;
    std::get<paced>(c.congestion.configs).window = 40'000;
    c.tcp.ecn = index == dctcp ? ecn_use::request : ecn_use::accept;
    return c;
}

// Payload per octet of the wire: 1,448 of 1,514.
constexpr double payload_share = 1'448.0 / 1'514.0;

// Under the sanitizers three of them are enough: what is measured is the same.
bool worth_it(std::size_t index) { return !sanitized || index == cubic || index == dctcp || index == bbr; }

// More than the bottleneck carries in any of these tests.
const octets& much()
{
    static const octets all = pattern(12'000'000);
    return all;
}

// A second connection beside the one of simulation<>, whose programs run in its `done`.
struct second_flow {
    connection_id id_a{};
    connection_id id_b{};
    program at_a;
    program at_b;

    void open(world& net) { id_a = net.a.connect({net.b.address(), 7}).value; }
    void run(world& net)
    {
        if (id_a && !id_b) {
            id_b = net.b.accept(net.listener).value;
        }
        if (id_a) {
            at_a.run(net.a, id_a);
        }
        if (id_b) {
            at_b.run(net.b, id_b);
        }
    }
};

}  // namespace

TEST_CASE("simulation: RACK-TLP with PRR and CUBIC brings every octet over a bad link", "[simulation]")
{
    run_matrix<rack_bundle>([](auto& config) { config.congestion.index = cubic; });
}

TEST_CASE("simulation: RACK-TLP under a paced controller brings every octet over a bad link", "[simulation]")
{
    run_matrix<rack_bundle>([](auto& config) { config.congestion.index = paced; });
}

TEST_CASE("simulation: RACK-TLP brings every octet through a bottleneck in every weather under every controller",
          "[simulation]")
{
    run_narrow_matrix<rack_bundle>(2);
}

TEST_CASE("simulation: BBR, DCTCP, Vegas, HyStart++ and CWV bring every octet over a link that loses", "[simulation]")
{
    using sim = simulation<rack_bundle>;
    const std::size_t index = GENERATE(+bbr, +dctcp, +vegas, +hystart_cubic, +cwv);
    const double loss = GENERATE(0.0, 0.01, 0.05);
    CAPTURE(index, loss);
    auto ca = sim::config_a();
    ca.congestion.index = index;
    sim net{ca, sim::config_b(), {.loss = loss, .delay = duration{10'000'000}, .per_frame = duration{100'000}}, 3};
    net.skip_arp();
    net.at_a.to_send = pattern(400'000);
    net.open();
    CHECK(net.complete(duration{1'200'000'000'000}) == "");
}

TEST_CASE("simulation: each controller fills a bottleneck whose queue holds a round trip's worth", "[simulation]")
{
    const std::size_t index =
        GENERATE(+reno, +fixed_window, +cubic, +hystart_cubic, +dctcp, +vegas, +bbr, +paced, +cwv);
    if (!worth_it(index)) {
        return;
    }
    narrow_simulation<rack_bundle> path{roomy(world::config_a(), index), roomy(world::config_b(), index),
                                  narrow(round_trip_octets, index == dctcp), wide_back};
    world& net = path.net;
    net.at_a.to_send = much();
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    std::string stall;
    const auto watched = [&] {
        stall = stall.empty() ? path.stall() : stall;
        return !stall.empty();
    };
    net.run(watched, duration{2'000'000'000});
    const std::size_t before = net.at_b.received.size();
    const std::uint64_t taken = path.hops[0].counters().taken_octets;
    net.run(watched, duration{4'000'000'000});
    CHECK(stall == "");
    CHECK(net.violation() == "");
    const double possible = 4.0 * static_cast<double>(rate) / 8;
    const double goodput = static_cast<double>(net.at_b.received.size() - before) / payload_share / possible;
    const double load = static_cast<double>(path.hops[0].counters().taken_octets - taken) / possible;
    CAPTURE(controller_names[index], goodput, load, path.hops[0].counters().queue_full,
            path.hops[0].counters().marked, path.hops[0].counters().longest_queue_octets, net.info_a().timeouts,
            net.info_a().retransmissions);
    CHECK(goodput >= 0.9);
    CHECK(goodput <= 1.001);
    CHECK(net.info_a().timeouts == 0);
    // Marks and delays are heard before the queue is full; who hears losses alone, or probes by them, fills it.
    const bool hears_early = index == dctcp || index == vegas || index == paced;
    CHECK((path.hops[0].counters().queue_full == 0) == hears_early);
    CHECK((path.hops[0].counters().marked > 0) == (index == dctcp));
    CHECK(path.hops[0].counters().longest_queue_octets <= round_trip_octets);
}

TEST_CASE("simulation: two flows of one controller share a bottleneck fairly", "[simulation]")
{
    const std::size_t index = GENERATE(+reno, +cubic, +hystart_cubic, +dctcp, +vegas, +bbr);
    if (!worth_it(index)) {
        return;
    }
    narrow_simulation<rack_bundle> path{roomy(world::config_a(), index), roomy(world::config_b(), index),
                                  narrow(round_trip_octets, index == dctcp), wide_back};
    world& net = path.net;
    second_flow second;
    net.at_a.to_send = second.at_a.to_send = much();
    net.at_a.ends = net.at_b.ends = second.at_a.ends = second.at_b.ends = false;
    net.frame_limit = 1'000'000;
    net.open();
    const auto both = [&] {
        second.run(net);
        return false;
    };
    net.run(both, duration{500'000'000});
    second.open(net);
    net.run(both, duration{3'000'000'000});
    const std::size_t first_before = net.at_b.received.size();
    const std::size_t second_before = second.at_b.received.size();
    net.run(both, duration{5'000'000'000});
    CHECK(net.violation() == "");
    const auto x = static_cast<double>(net.at_b.received.size() - first_before);
    const auto y = static_cast<double>(second.at_b.received.size() - second_before);
    const double jain = (x + y) * (x + y) / (2 * (x * x + y * y));
    const double goodput = (x + y) / payload_share / (5.0 * static_cast<double>(rate) / 8);
    CAPTURE(controller_names[index], x, y, jain, goodput);
    CHECK(jain >= 0.9);
    CHECK(goodput >= 0.9);
}

namespace {

// What a sender whose window is far larger than the initial one does after a pause, with 60 segments to send.
struct resumption {
    octet_count segments_before = 0;  // of its window
    octet_count segments_after = 0;   // likewise, before anything is acknowledged
    int first_round = 0;              // segments that leave in the first round trip
    int at_once = 0;                  // of these, the most that leave at one moment
};

resumption resume_after(duration pause, std::size_t index)
{
    constexpr duration round_trip{100'000'000};
    world net{roomy(world::config_a(), index), roomy(world::config_b(), index), {.delay = round_trip / 2}};
    net.skip_arp();
    net.at_a.to_send = pattern(600'000);
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    net.run([&] { return net.at_b.received.size() == 600'000; }, duration{20'000'000'000});
    net.run_for(round_trip);
    resumption seen;
    seen.segments_before = net.info_a().cwnd / 1'448;
    net.run_for(pause);
    net.record = true;
    const octets more = pattern(60 * 1'448, 5);
    net.at_a.to_send.insert(net.at_a.to_send.end(), more.begin(), more.end());
    net.run_for(round_trip - duration{1});
    seen.segments_after = net.info_a().cwnd / 1'448;
    std::map<time_point, int> leaving;
    for (const wire_frame& f : net.trace) {
        seen.first_round += f.from == 0 ? 1 : 0;
        seen.at_once = std::max(seen.at_once, leaving[f.at] += f.from == 0 ? 1 : 0);
    }
    CHECK(net.violation() == "");
    return seen;
}

}  // namespace

TEST_CASE("simulation: CWV keeps the window over a pause of minutes and lets it leave as no burst",
          "[simulation][RFC7661-4.4.2a][RFC7661-4.4.3a][RFC7661-4.4c]")
{
    const resumption plain = resume_after(duration{20'000'000'000}, hystart_cubic);
    CHECK(plain.segments_before >= 60);
    CHECK(plain.segments_after == 10);
    CHECK(plain.first_round == 10);
    CHECK(plain.at_once == 10);
    const resumption soon = resume_after(duration{20'000'000'000}, cwv);
    CHECK(soon.segments_before >= 60);
    CHECK(soon.segments_after == soon.segments_before);
    CHECK(soon.first_round == 60);
    CHECK(soon.at_once <= 4);
    const resumption late = resume_after(duration{301'000'000'000}, cwv);
    CHECK(late.segments_after == late.segments_before / 2);
    const resumption very_late = resume_after(duration{3'600'000'000'000}, cwv);
    CHECK(very_late.segments_after == 10);
}
