// The controllers that have tests of their own only, inside a stack: each chosen at run time, over a bad link.
#include "simulation/cases.hpp"

#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"
#include "tcpco/policy/congestion/hystart_plus_plus.hpp"
#include "tcpco/policy/congestion/vegas.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

using namespace tcpco_test;

namespace {

using hystart = congestion::hystart_plus_plus<congestion::cubic>;

struct chosen_bundle : default_policies {
    using congestion = tcpco::congestion::any_congestion<tcpco::congestion::bbr, tcpco::congestion::dctcp,
                                                         tcpco::congestion::vegas, hystart>;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = reduction::prr;
};

}  // namespace

TEST_CASE("simulation: BBR, DCTCP, Vegas and HyStart++ bring every octet over a link that loses", "[simulation]")
{
    using sim = simulation<chosen_bundle>;
    const std::size_t index = GENERATE(0u, 1u, 2u, 3u);
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
