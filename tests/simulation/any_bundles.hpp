// The four loss recoveries, each with whatever controller its config names: few instances, many combinations. They are
// compiled once (*_instance.cpp).
#pragma once

#include <cstddef>
#include <iterator>

#include "support/link.hpp"
#include "tcpco/policy/ack/immediate.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/dctcp.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"
#include "tcpco/policy/congestion/hystart_plus_plus.hpp"
#include "tcpco/policy/congestion/paced.hpp"
#include "tcpco/policy/congestion/prague.hpp"
#include "tcpco/policy/congestion/reno.hpp"
#include "tcpco/policy/congestion/validated.hpp"
#include "tcpco/policy/congestion/vegas.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"
#include "tcpco/policy/recovery_rate/prr.hpp"

namespace tcpco_test {

using namespace tcpco;

using hystart = congestion::hystart_plus_plus<congestion::cubic>;
using any_controller = congestion::any_congestion<congestion::reno, congestion::fixed_window, congestion::cubic, hystart,
                                                  congestion::dctcp, congestion::vegas, congestion::bbr,
                                                  congestion::paced, congestion::validated<hystart>,
                                                  congestion::prague>;

// In the order of any_controller.
enum controller : std::size_t { reno, fixed_window, cubic, hystart_cubic, dctcp, vegas, bbr, paced, cwv, prague };
inline constexpr const char* controller_names[] = {"reno",  "fixed", "cubic", "hystart", "dctcp",
                                                   "vegas", "bbr",   "paced", "cwv",     "prague"};
static_assert(std::size(controller_names) == any_controller::count);

struct go_back_n_bundle : default_policies {
    using congestion = any_controller;
    using recovery = tcpco::recovery::go_back_n;
    using recovery_rate = reduction::pass_through;
    using ack = tcpco::ack::immediate;
};

struct new_reno_bundle : default_policies {
    using congestion = any_controller;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::new_reno>;
    using recovery_rate = reduction::pass_through;
};

struct sack_bundle : default_policies {
    using congestion = any_controller;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::sack>;
    using recovery_rate = reduction::prr;
};

struct rack_bundle : default_policies {
    using congestion = any_controller;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::rack_tlp>;
    using recovery_rate = reduction::prr;
};

extern template class simulation<go_back_n_bundle>;
extern template class simulation<new_reno_bundle>;
extern template class simulation<sack_bundle>;
extern template class simulation<rack_bundle>;

}  // namespace tcpco_test

extern template class tcpco::basic_stack<tcpco_test::go_back_n_bundle>;
extern template class tcpco::basic_stack<tcpco_test::new_reno_bundle>;
extern template class tcpco::basic_stack<tcpco_test::sack_bundle>;
extern template class tcpco::basic_stack<tcpco_test::rack_bundle>;
