// expect: Bundle::congestion is no congestion_controller
// A controller without ssthresh() fails where the bundle is checked, with a line that names the policy.
#include "tcpco/policy/bundle.hpp"
#include "tcpco/tcp/scoreboard.hpp"

struct bad_controller {
    struct config {};
    bad_controller() = default;
    explicit bad_controller(const config&) {}
    void on_ack(const tcpco::ack_info&) {}
    void on_congestion_event(const tcpco::congestion_event&) {}
    tcpco::octet_count cwnd() const { return 1; }
#ifdef TCPCO_MEND
    tcpco::octet_count ssthresh() const { return 1; }
#endif
};

struct bundle : tcpco::default_policies {
    using congestion = bad_controller;
};

static_assert(tcpco::bundle_check<bundle, tcpco::scoreboard>::value);
