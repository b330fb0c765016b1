// Transfers over a bad link: the recovery that works on the SACK scoreboard, PRR, and pacing.
#include "simulation/cases.hpp"

#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

using namespace tcpco_test;

namespace {

struct sack_bundle : default_policies {
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::sack>;
    using recovery_rate = reduction::prr;
};

struct rack_bundle : default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::rack_tlp>;
    using recovery_rate = reduction::prr;
};

struct paced_bundle : default_policies {
    using congestion = tcpco::congestion::paced;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = reduction::prr;
};

}  // namespace

TEST_CASE("simulation: RFC 6675 recovery with PRR brings every octet over a bad link", "[simulation]")
{
    run_matrix<sack_bundle>();
}

TEST_CASE("simulation: RACK-TLP with PRR and CUBIC brings every octet over a bad link", "[simulation]")
{
    run_matrix<rack_bundle>();
}

TEST_CASE("simulation: RACK-TLP under a paced controller brings every octet over a bad link", "[simulation]")
{
    run_matrix<paced_bundle>();
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
    CHECK(late.retransmissions <= early.retransmissions + (timestamps ? 0U : 2U));  // it waits long enough by now
    CHECK(late.retransmissions * 8 < late_frames);
    CHECK(late.timeouts == 0);
    CHECK(late.fast_recoveries > 0);
    CHECK(late.recoveries_undone == late.fast_recoveries);
}
