// A stack of the default policies behind tap0, with reactor and driver: what the servers have in common, compiled once
// (tap_host.cpp). They see the port alone, which is all that coroutines need.
#pragma once

#include <memory>

#include "tcpco/async/driver.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/reactor/system_reactor.hpp"
#include "tcpco/stack/config.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco_bench {

struct tap_host_options {
    tcpco::stack_config<tcpco::default_policies> stack{};  // tap_host gives it address and seed
    bool offload = false;                                  // super-frames and checksum offload
    tcpco::duration busy_poll{};
    tcpco::driver_options slots{};
};

// At 198.18.0.2; the kernel's side is up, at 198.18.0.1.
class tap_host {
public:
    explicit tap_host(tap_host_options options);
    ~tap_host();

    tcpco::stack_port& net() noexcept;
    tcpco::system_reactor& reactor() noexcept;

private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace tcpco_bench
