// A TAP: Ethernet frames to and from the kernel. Opening one needs CAP_NET_ADMIN in its network namespace, or an
// interface that was made for the user; device_error says what to do otherwise.
//
//     tap link = tap::open({.name = "tap0"});
//     set_interface_up("tap0"); set_interface_address("tap0", ...);   // device/interface_setup.hpp: the kernel's side
#pragma once

#include <utility>

#include "tcpco/device/tun_descriptor.hpp"

namespace tcpco {

class tap : public tun_descriptor {
public:
    tap() = default;

    static tap open(const tun_options& options, device_error& error)
    {
        return tap{tun_descriptor::open(options, link_framing::ethernet, error)};
    }
    // Throws std::system_error, whose what() says what to do.
    static tap open(const tun_options& options = {})
    {
        device_error error;
        tap t = open(options, error);
        if (error) {
            throw_device_error(error);
        }
        return t;
    }

private:
    explicit tap(tun_descriptor d) noexcept : tun_descriptor{std::move(d)} {}
};

static_assert(fd_device<tap>);

}  // namespace tcpco
