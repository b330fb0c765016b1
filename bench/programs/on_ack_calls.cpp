// A congestion controller's on_ack, `acks` times, as in congestion avoidance: 100 ACKs of two segments a round trip of 20
// ms, samples of packets that left a round trip before, and no more in flight than the window lets. Run under callgrind by bench/run, which takes the difference of two counts and of the controller `none`: what is
// left is the instructions of one call.
#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "arguments.hpp"
#include "tcpco/policy/congestion/bbr.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/congestion/reno.hpp"

namespace {

using namespace tcpco;

constexpr octet_count smss = 1'460;
constexpr octet_count per_ack = 2 * smss;
constexpr octet_count window = 100 * per_ack;
constexpr duration round_trip = 20_ms;

struct none {
    struct config {};
    explicit none(const config&) {}
    void on_ack(const ack_info&) {}
    octet_count cwnd() const { return full; }
    octet_count full = window;  // to be read, as others read theirs
};

template <class T>
void keep(T& value)
{
    asm volatile("" : : "r"(&value) : "memory");
}

template <class Controller>
octet_count run(unsigned acks)
{
    Controller controller{typename Controller::config{}};
    if constexpr (requires { controller.on_connection_established(connection_established{}); }) {
        controller.on_connection_established({.now = {},
                                              .initial_window = window,
                                              .smss = smss,
                                              .handshake_rtt = round_trip,
                                              .prior_cwnd = window,
                                              .prior_ssthresh = window});
    }
    ack_info a{.acked = per_ack,
               .delivered = per_ack,
               .in_flight_before = window,
               .in_flight = window - per_ack,
               .latest_rtt = round_trip,
               .min_rtt = round_trip,
               .srtt = round_trip,
               .cwnd_limited = true,
               .smss = smss};
    a.rate = {.delivered = window, .interval = round_trip, .prior_in_flight = window};
    for (unsigned i = 0; i < acks; ++i) {
        a.now += round_trip / 100;
        a.una.value += per_ack;
        a.nxt.value = a.una.value + window;
        a.round_start = i % 100 == 0;
        a.round += a.round_start ? 1 : 0;
        a.in_flight = std::min(window, controller.cwnd()) - per_ack;
        a.rate.prior_delivered = std::max(a.rate.total_delivered - window, octet_count{});
        a.rate.total_delivered += per_ack;
        keep(a);
        controller.on_ack(a);
        keep(controller);
    }
    return controller.cwnd();
}

}  // namespace

int main(int argc, char** argv)
try {
    tcpco_bench::arguments given{argc, argv};
    const std::string name = given.text("controller");
    const unsigned acks = given.number("acks", 0);
    given.done();
    octet_count cwnd = 0;
    if (name == "reno") {
        cwnd = run<congestion::reno>(acks);
    } else if (name == "cubic") {
        cwnd = run<congestion::cubic>(acks);
    } else if (name == "bbr") {
        cwnd = run<congestion::bbr>(acks);
    } else if (name == "none") {
        cwnd = run<none>(acks);
    } else {
        throw std::runtime_error{"controller is reno, cubic, bbr or none"};
    }
    std::printf("%lld\n", static_cast<long long>(cwnd));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "on_ack_calls: %s\n", e.what());
    return 1;
}
