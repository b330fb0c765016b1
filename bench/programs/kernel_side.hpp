// The kernel's side of a TAP, as every measurement has it: 198.18.0.1/24, up.
#pragma once

#include <initializer_list>
#include <string>

#include "tcpco/device/interface_setup.hpp"

namespace tcpco_bench {

inline void set_up_kernel_side(const std::string& name)
{
    using namespace tcpco;
    for (const device_error& e : {set_interface_address(name, "198.18.0.1/24"_net), set_interface_up(name)}) {
        if (e) {
            throw_device_error(e);
        }
    }
}

}  // namespace tcpco_bench
