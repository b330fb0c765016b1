#include "lwip_device.hpp"

#include <fcntl.h>

#include <cstdio>
#include <exception>

#include "../programs/kernel_side.hpp"
#include "tcpco/device/tap.hpp"

namespace tcpco_bench {

bool set_up_tap()
{
    try {
        set_up_kernel_side("tap0");
        return true;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "lwip_server: %s\n", e.what());
        return false;
    }
}

int open_tap()
{
    tcpco::device_error error;
    static tcpco::tap device = tcpco::tap::open({.name = "tap0"}, error);
    if (error || ::fcntl(device.fd(), F_SETFL, O_NONBLOCK) != 0 || !set_up_tap()) {
        std::fprintf(stderr, "lwip_server: no TAP\n");
        return -1;
    }
    return device.fd();
}

}  // namespace tcpco_bench
