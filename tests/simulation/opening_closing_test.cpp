// Opening and closing when frames are lost, exhaustively: every single frame and every pair of them.
#include "simulation/any_bundles.hpp"
#include "simulation/cases.hpp"

using namespace tcpco_test;

namespace {

constexpr link_profile clean{.delay = duration{10'000'000}, .per_frame = duration{100'000}};
constexpr std::size_t none = ~std::size_t{0};
constexpr duration an_hour{3'600'000'000'000};

// One life: handshake, ten full segments, close. Frames number `x` and `y` are lost. Answers what went wrong, and how
// many frames there were.
template <class Bundle>
std::pair<std::string, std::size_t> life_without(std::size_t x, std::size_t y, bool peer_answers)
{
    using sim = simulation<Bundle>;
    auto ca = sim::config_a();
    ca.congestion.index = std::is_same_v<Bundle, rack_bundle> ? cubic : reno;
    sim net{ca, sim::config_b(), clean};
    net.skip_arp();
    net.frame_limit = 100;
    net.link.drops = [x, y](std::size_t index, int, const octets&) { return index == x || index == y; };
    net.at_a.to_send = pattern(10 * 1'448);
    net.at_b.to_send = pattern(peer_answers ? 2'000 : 0, 5);
    net.open();
    return {net.complete(an_hour), net.link.count()};
}

template <class Bundle>
void lose_every_pair()
{
    const bool peer_answers = GENERATE(false, true);
    const auto [failure, frames] = life_without<Bundle>(none, none, peer_answers);
    REQUIRE(failure == "");
    REQUIRE(frames >= 10 + 3 + 3);
    REQUIRE(frames <= 40);
    // Losses make frames that the undisturbed life has not: a few more numbers than it has frames.
    for (std::size_t x = 0; x < frames + 4; ++x) {
        for (std::size_t y = x; y < frames + 4; ++y) {
            const std::string what = life_without<Bundle>(x, y, peer_answers).first;
            if (what != "") {
                CAPTURE(x, y, peer_answers);
                CHECK(what == "");
            }
        }
    }
}

}  // namespace

TEST_CASE("NewReno: handshake, ten segments and close survive the loss of any one or two frames", "[simulation]")
{
    lose_every_pair<new_reno_bundle>();
}

TEST_CASE("RACK-TLP, PRR and CUBIC: handshake, ten segments and close survive the loss of any one or two frames",
          "[simulation]")
{
    lose_every_pair<rack_bundle>();
}

TEST_CASE("go-back-N: handshake, ten segments and close survive the loss of any one or two frames", "[simulation]")
{
    lose_every_pair<go_back_n_bundle>();
}

TEST_CASE("simultaneous open: crossing SYNs make one connection, whichever frame is lost", "[simulation][MUST-10]")
{
    using sim = simulation<>;
    const int lost = GENERATE(-1, 0, 1, 2, 3, 4, 5, 6, 7);  // -1: none
    const bool crossing = GENERATE(true, false);  // else the link is faster than the two users
    CAPTURE(lost, crossing);
    sim net{sim::config_a(), sim::config_b(), crossing ? clean : link_profile{}};
    net.skip_arp();
    net.frame_limit = 100;
    net.link.drops = [lost](std::size_t index, int, const octets&) { return static_cast<int>(index) == lost; };
    net.at_a.ends = net.at_b.ends = false;
    net.open_simultaneously();
    CHECK(net.run([&] { return net.both_in(tcp_state::established); }, duration{60'000'000'000}));
    CHECK(net.a.connection_count() == 1);
    CHECK(net.b.connection_count() == 1);
    CHECK(net.a.counters().resets_sent == 0);
    CHECK(net.b.counters().resets_sent == 0);

    // The connection carries octets both ways, and nobody was left waiting for an ACK.
    net.at_a.to_send = pattern(5'000, 1);
    net.at_b.to_send = pattern(5'000, 2);
    net.at_a.ends = net.at_b.ends = true;
    net.turn();
    CHECK(net.complete(an_hour) == "");
}

TEST_CASE("simultaneous open: without a loss both ends are ESTABLISHED after at most six frames",
          "[simulation][MUST-10]")
{
    using sim = simulation<>;
    sim net{sim::config_a(), sim::config_b(), clean};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    net.open_simultaneously();
    REQUIRE(net.run([&] { return net.both_in(tcp_state::established); }, duration{10'000'000'000}));
    net.run_for(duration{5'000'000'000});
    CHECK(net.link.count() <= 6);  // SYN, SYN-ACK and at most one ACK from each: no loop of ACKs
    CHECK(net.info_a().timeouts + net.info_b().timeouts == 0);
}

TEST_CASE("simultaneous close: crossing FINs end in CLOSED at both ends, whichever frame is lost",
          "[simulation][RFC9293-3.10.7.4-5j]")
{
    using sim = simulation<>;
    const int lost = GENERATE(-1, 0, 1, 2, 3, 4, 5, 6, 7);  // -1: none
    CAPTURE(lost);
    sim net{sim::config_a(), sim::config_b(), clean};
    net.skip_arp();
    net.frame_limit = 100;
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    REQUIRE(net.run([&] { return net.both_in(tcp_state::established); }, duration{10'000'000'000}));
    net.run_for(duration{1'000'000'000});
    const std::size_t first = net.link.count();
    net.link.drops = [lost, first](std::size_t index, int, const octets&) {
        return lost >= 0 && index == first + static_cast<std::size_t>(lost);
    };

    // The same instant at both ends: both FINs are on their way when the first arrives.
    net.at_a.ends = net.at_b.ends = true;
    net.turn();
    REQUIRE(net.link.count() == first + 2);
    bool closing = false;
    net.run(
        [&] {
            closing = closing || net.info_a().state == tcp_state::closing || net.info_b().state == tcp_state::closing;
            return net.both_in(tcp_state::closed);
        },
        an_hour);
    CHECK(closing);
    CHECK(net.complete(an_hour) == "");
    CHECK(net.link.count() <= first + 8);
}

TEST_CASE("three-segment close: the FIN that answers a FIN carries its ACK", "[simulation]")
{
    using sim = simulation<>;
    sim net{sim::config_a(), sim::config_b(), clean};
    net.skip_arp();
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    REQUIRE(net.run([&] { return net.both_in(tcp_state::established); }, duration{10'000'000'000}));
    net.run_for(duration{1'000'000'000});
    const std::size_t first = net.link.count();
    net.at_a.ends = true;
    net.turn();
    net.run([&] { return net.at_b.end_of_stream; }, duration{1'000'000'000});
    net.at_b.ends = true;
    net.turn();
    CHECK(net.complete(an_hour) == "");
    CHECK(net.link.count() <= first + 4);
}
