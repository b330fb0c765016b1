// A TUN: bare IP packets to and from the kernel. Permissions are those of a TAP (device/tap.hpp).
#pragma once

#include <utility>

#include "tcpco/device/tun_descriptor.hpp"

namespace tcpco {

class tun : public tun_descriptor {
public:
    tun() = default;

    static tun open(const tun_options& options, device_error& error)
    {
        return tun{tun_descriptor::open(options, link_framing::ip, error)};
    }
    // Throws std::system_error, whose what() says what to do.
    static tun open(const tun_options& options = {.name = "tun0"})
    {
        device_error error;
        tun t = open(options, error);
        if (error) {
            throw_device_error(error);
        }
        return t;
    }

private:
    explicit tun(tun_descriptor d) noexcept : tun_descriptor{std::move(d)} {}
};

static_assert(fd_device<tun>);

}  // namespace tcpco
