// A bundle: the set of policy types that a stack is made of.
//
// Derive from `default_policies` and override what differs; `basic_stack<Bundle>` checks each member against its
// concept with one readable line, and takes all their configs together.
//
//     struct lan : tcpco::default_policies {
//         using congestion = tcpco::congestion::cubic;
//     };
#pragma once

#include "tcpco/policy/ack/delayed.hpp"
#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/hystart_plus_plus.hpp"
#include "tcpco/policy/isn/rfc6528.hpp"
#include "tcpco/policy/observer/null.hpp"
#include "tcpco/policy/receive_window/fixed.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"
#include "tcpco/policy/rto/rfc6298.hpp"
#include "tcpco/policy/send_gate/nagle.hpp"
#include "tcpco/policy/state_machine/rfc9293.hpp"
#include "tcpco/policy/syn_defence/cookies.hpp"
#include "tcpco/policy/time_wait/two_msl.hpp"

namespace tcpco {

// RFC9937-5a
// What the RFCs recommend today, and what Linux, FreeBSD and Windows do: RACK-TLP (RFC 8985) needs no timeout for most
// losses, however many there are in a window (RFC5681-4.3e), PRR (RFC 9937) no silence after one, CUBIC (RFC 9438)
// fills long paths, and HyStart++ (RFC 9406) leaves slow start before its queue overflows; what turns out to have been
// needless is undone. Reno, NewReno and pass_through are smaller: a connection's sending half has 688 octets with them,
// 1,400 with these.
struct default_policies {
    using state_machine = state_machines::rfc9293;
    using congestion = tcpco::congestion::hystart_plus_plus<tcpco::congestion::cubic>;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::rack_tlp>;
    using recovery_rate = reduction::prr;
    using rto = tcpco::rto::rfc6298;
    using ack = tcpco::ack::delayed;
    using time_wait = tcpco::time_wait::two_msl;
    using receive_window = window::fixed;
    using send_gate = gate::nagle;
    using isn = tcpco::isn::rfc6528;
    using syn_defence = syn::cookies;
    using observer = observers::null;
};

// The configs of all policies of a bundle; each has defaults.
template <class B>
struct policy_configs {
    typename B::congestion::config congestion{};
    typename B::recovery::config recovery{};
    typename B::recovery_rate::config recovery_rate{};
    typename B::rto::config rto{};
    typename B::ack::config ack{};
    typename B::time_wait::config time_wait{};
    typename B::receive_window::config receive_window{};
    typename B::send_gate::config send_gate{};
    typename B::isn::config isn{};
    typename B::syn_defence::config syn_defence{};
    typename B::observer::config observer{};
};

// Instantiating it checks the bundle. `Board` is what the loss recovery works on (tcp/scoreboard.hpp).
template <class B, class Board>
struct bundle_check {
    static_assert(tcpco::state_machine<typename B::state_machine>,
                  "Bundle::state_machine: its rows are no well-formed transition table");
    static_assert(congestion_controller<typename B::congestion>,
                  "Bundle::congestion is no congestion_controller: it needs config, on_ack, on_congestion_event, cwnd, "
                  "ssthresh");
    static_assert(loss_recovery_over<typename B::recovery, Board>, "Bundle::recovery is no loss_recovery");
    static_assert(tcpco::recovery_rate<typename B::recovery_rate>, "Bundle::recovery_rate is no recovery_rate");
    static_assert(rto_estimator<typename B::rto>, "Bundle::rto is no rto_estimator");
    static_assert(ack_policy<typename B::ack>, "Bundle::ack is no ack_policy");
    static_assert(time_wait_policy<typename B::time_wait>, "Bundle::time_wait is no time_wait_policy");
    static_assert(receive_window_policy<typename B::receive_window>,
                  "Bundle::receive_window is no receive_window_policy");
    static_assert(tcpco::send_gate<typename B::send_gate>, "Bundle::send_gate is no send_gate");
    static_assert(isn_generator<typename B::isn>, "Bundle::isn is no isn_generator");
    static_assert(tcpco::syn_defence<typename B::syn_defence>, "Bundle::syn_defence is no syn_defence");
    static_assert(tcpco::observer<typename B::observer>, "Bundle::observer is no observer: it needs a config");
    static constexpr bool value = true;
};

}  // namespace tcpco
