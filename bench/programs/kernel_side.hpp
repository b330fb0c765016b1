// The kernel's side of a TAP: up, with an address; 198.18.0.1/24 where nothing else is said.
#pragma once

#include <initializer_list>
#include <string>

#include "tcpco/device/interface_setup.hpp"

namespace tcpco_bench {

inline void set_up_kernel_side(const std::string& name, const tcpco::ip_prefix& address)
{
    using namespace tcpco;
    for (const device_error& e : {set_interface_address(name, address), set_interface_up(name)}) {
        if (e) {
            throw_device_error(e);
        }
    }
}
inline void set_up_kernel_side(const std::string& name)
{
    using namespace tcpco::literals;
    set_up_kernel_side(name, "198.18.0.1/24"_net);
}

}  // namespace tcpco_bench
