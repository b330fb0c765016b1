// Transfers over a bad link: the recovery that needs nothing from the peer.
#include "simulation/narrow_simulation.hpp"

using namespace tcpco_test;

TEST_CASE("simulation: the default policies bring every octet over a bad link", "[simulation]")
{
    run_matrix<default_policies>();
}

TEST_CASE("simulation: NewReno under CUBIC brings every octet over a bad link", "[simulation]")
{
    run_matrix<new_reno_bundle>([](auto& config) { config.congestion.index = cubic; });
}

TEST_CASE("simulation: go-back-N with immediate ACKs brings every octet over a bad link", "[simulation]")
{
    run_matrix<go_back_n_bundle>([](auto&) {});
}

TEST_CASE("simulation: a receive window of 8 KiB brings every octet over a bad link", "[simulation]")
{
    run_matrix<default_policies>([](auto& config) { config.receive_window.capacity = 8'192; });
}

TEST_CASE("simulation: go-back-N brings every octet through a bottleneck in every weather under every controller",
          "[simulation]")
{
    run_narrow_matrix<go_back_n_bundle>(1, 30);
}

TEST_CASE("simulation: NewReno brings every octet through a bottleneck in every weather under every controller",
          "[simulation]")
{
    run_narrow_matrix<new_reno_bundle>(10'001, 30);
}
