#include "tap_host.hpp"

#include <utility>

#include "programs/kernel_side.hpp"
#include "tcpco/tcpco.hpp"

namespace tcpco_bench {

using namespace tcpco;

namespace {

stack_config<default_policies> addressed(stack_config<default_policies> config)
{
    config.address = "198.18.0.2/24"_net;
    config.seed = random_seed();
    return config;
}

tap open_tap(bool offload)
{
    tap link = tap::open({.name = "tap0", .offload = offload});
    set_up_kernel_side("tap0");
    return link;
}

}  // namespace

struct tap_host::parts {
    explicit parts(const tap_host_options& o)
        : net{addressed(o.stack)}, link{open_tap(o.offload)}, reactor{{.busy_poll = o.busy_poll}},
          link_driver{net, link, reactor, o.slots}
    {
    }

    basic_stack<> net;
    tap link;
    system_reactor reactor;
    driver<basic_stack<>, tap, system_reactor> link_driver;
};

tap_host::tap_host(tap_host_options options) : parts_{std::make_unique<parts>(options)} {}
tap_host::~tap_host() = default;

stack_port& tap_host::net() noexcept
{
    return parts_->net;
}

system_reactor& tap_host::reactor() noexcept
{
    return parts_->reactor;
}

}  // namespace tcpco_bench
