// Transfers over a bad link: the policies that have nothing to do with loss, each replaced.
#include "simulation/cases.hpp"

#include "tcpco/policy/isn/sequential.hpp"
#include "tcpco/policy/receive_window/auto_tuned.hpp"
#include "tcpco/policy/recovery_rate/packet_conservation.hpp"
#include "tcpco/policy/rto/fixed.hpp"
#include "tcpco/policy/send_gate/minshall.hpp"
#include "tcpco/policy/send_gate/off.hpp"
#include "tcpco/policy/syn_defence/backlog.hpp"
#include "tcpco/policy/time_wait/none.hpp"

using namespace tcpco_test;

namespace {

struct no_simultaneous_open_bundle : default_policies {
    using state_machine = state_machines::no_simultaneous_open;
};

struct no_gate_bundle : default_policies {
    using send_gate = gate::off;
    using isn = tcpco::isn::sequential;
    using time_wait = tcpco::time_wait::none;
};

struct everything_else_bundle : default_policies {
    using send_gate = gate::minshall;
    using receive_window = window::auto_tuned;
    using syn_defence = syn::backlog;
    using recovery_rate = reduction::packet_conservation;
    using rto = tcpco::rto::fixed;
};

}  // namespace

TEST_CASE("simulation: without the edge for simultaneous open every octet still arrives", "[simulation]")
{
    run_matrix<no_simultaneous_open_bundle>();
}

TEST_CASE("simulation: without Nagle and TIME-WAIT and with sequence numbers that wrap every octet arrives",
          "[simulation]")
{
    run_matrix<no_gate_bundle>([](auto& config) { config.isn.first = 0xFFFF'F000; });
}

TEST_CASE("simulation: Minshall with an auto-tuned window and a fixed RTO brings every octet over a bad link",
          "[simulation]")
{
    run_matrix<everything_else_bundle>();
}
