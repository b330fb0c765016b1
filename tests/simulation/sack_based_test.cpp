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
    run_narrow_matrix<sack_bundle>(2);
}
