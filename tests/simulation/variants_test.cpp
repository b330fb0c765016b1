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

TEST_CASE("simulation: a window that is tuned grows with what the reader takes in a round trip and only so far",
          "[simulation][RFC7323-2.3c]")
{
    using sim = simulation<everything_else_bundle>;
    const auto transfer = [](std::size_t pause, octet_count maximum) {
        auto cb = sim::config_b();
        cb.receive_window = {.initial = 20'000, .maximum = maximum};
        cb.limits.small_slots = 4'096;
        sim net{sim::config_a(), cb, {.delay = duration{20'000'000}, .per_frame = duration{100'000}}};
        net.skip_arp();
        net.at_a.ends = net.at_b.ends = false;
        net.at_a.to_send = pattern(3'000'000);
        net.open();
        const time_point from = net.now;
        net.at_b.reads = pause == 0;
        octets slow(1'000);
        while (net.at_b.received.size() < 3'000'000 && net.now - from < duration{4'000'000'000}) {
            net.run_for(duration{10'000'000});
            if (pause != 0 && net.id_b) {
                static_cast<void>(net.b.read(net.id_b, slow));  // 100,000 octets a second
            }
        }
        return std::pair{net.info_b(), net.at_b.received.size()};
    };
    const auto [fast, all] = transfer(0, 1'000'000);
    CHECK(all == 3'000'000);
    CHECK(fast.receive_capacity > 300'000);
    CHECK(fast.receive_capacity <= 1'000'000);
    CHECK(fast.receive_rtt >= duration{40'000'000});
    CHECK(fast.rcv_wscale == 4);  // of what it may become
    const auto [bounded, some] = transfer(0, 60'000);
    CHECK(bounded.receive_capacity == 60'000);
    const auto [slow, few] = transfer(1, 1'000'000);
    CHECK(slow.receive_capacity == 20'000);
}
