// Transfers over a bad link: the recovery that works on the SACK scoreboard, PRR, and pacing.
#include "simulation/cases.hpp"

#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

using namespace tcpco_test;

namespace {

struct sack_bundle : default_policies {
    using recovery = tcpco::recovery::sack;
    using recovery_rate = reduction::prr;
};

struct rack_bundle : default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::rack_tlp;
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
