// Transfers over a bad link: the recovery that needs nothing from the peer.
#include "simulation/cases.hpp"

#include "tcpco/policy/ack/immediate.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"

using namespace tcpco_test;

namespace {

struct cubic_bundle : default_policies {
    using congestion = tcpco::congestion::cubic;
};

struct go_back_n_bundle : default_policies {
    using recovery = tcpco::recovery::go_back_n;
    using ack = tcpco::ack::immediate;
};

}  // namespace

TEST_CASE("simulation: the default policies (NewReno) bring every octet over a bad link", "[simulation]")
{
    run_matrix<default_policies>();
}

TEST_CASE("simulation: CUBIC brings every octet over a bad link", "[simulation]")
{
    run_matrix<cubic_bundle>();
}

TEST_CASE("simulation: go-back-N with immediate ACKs brings every octet over a bad link", "[simulation]")
{
    run_matrix<go_back_n_bundle>();
}

TEST_CASE("simulation: a receive window of 8 KiB brings every octet over a bad link", "[simulation]")
{
    run_matrix<default_policies>([](auto& config) { config.receive_window.capacity = 8'192; });
}
