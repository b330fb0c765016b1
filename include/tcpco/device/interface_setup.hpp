// The kernel's side of a TAP or TUN: state, MTU, queue and addresses, as `ip link` and `ip address` would set them. For
// examples and tests, which make an interface in a network namespace of their own; a stack needs none of it.
//
// Each call returns an error of step set_up; they need CAP_NET_ADMIN.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tcpco/core/address.hpp"
#include "tcpco/device/device_error.hpp"
#include "tcpco/device/tun_descriptor.hpp"

namespace tcpco {

namespace detail {

// linux/ipv6.h clashes with netinet/in.h, so the one structure that is needed stands here.
struct in6_interface_request {
    in6_addr address;
    std::uint32_t prefix_length;
    int index;
};

template <class Request>
device_error interface_call(const std::string& name, int family, unsigned long call, Request& request)
{
    const unique_fd control{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (control.get() < 0 || ::ioctl(control.get(), call, &request) < 0) {
        return {last_error(), device_step::set_up, name};
    }
    return {};
}

inline sockaddr ipv4_sockaddr(std::uint32_t value) noexcept
{
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(value);
    sockaddr out{};
    std::memcpy(&out, &in, sizeof in);
    return out;
}

}  // namespace detail

inline device_error set_interface_up(const std::string& name, bool up = true)
{
    ifreq request;
    if (!detail::name_request(request, name)) {
        return {make_error_code(errc::invalid_argument), device_step::set_up, name};
    }
    if (device_error e = detail::interface_call(name, AF_INET, SIOCGIFFLAGS, request)) {
        return e;
    }
    const int flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
    request.ifr_flags = static_cast<short>(flags);
    return detail::interface_call(name, AF_INET, SIOCSIFFLAGS, request);
}

inline device_error set_interface_mtu(const std::string& name, std::uint32_t mtu)
{
    ifreq request;
    if (!detail::name_request(request, name)) {
        return {make_error_code(errc::invalid_argument), device_step::set_up, name};
    }
    request.ifr_mtu = static_cast<int>(mtu);
    return detail::interface_call(name, AF_INET, SIOCSIFMTU, request);
}

// How many frames wait for us in the kernel; beyond that they are dropped (1000 by default).
inline device_error set_interface_queue(const std::string& name, std::uint32_t frames)
{
    ifreq request;
    if (!detail::name_request(request, name)) {
        return {make_error_code(errc::invalid_argument), device_step::set_up, name};
    }
    request.ifr_qlen = static_cast<int>(frames);
    return detail::interface_call(name, AF_INET, SIOCSIFTXQLEN, request);
}

// Also makes the route to the prefix. An IPv6 address takes part in duplicate address detection, as any other.
inline device_error set_interface_address(const std::string& name, const ip_prefix& prefix)
{
    ifreq request;
    if (!detail::name_request(request, name)) {
        return {make_error_code(errc::invalid_argument), device_step::set_up, name};
    }
    if (prefix.address.is_v6()) {
        detail::in6_interface_request v6{};
        std::memcpy(&v6.address, prefix.address.octets().data(), 16);
        v6.prefix_length = prefix.length;
        v6.index = static_cast<int>(::if_nametoindex(name.c_str()));
        return detail::interface_call(name, AF_INET6, SIOCSIFADDR, v6);
    }
    request.ifr_addr = detail::ipv4_sockaddr(prefix.address.v4().value);
    if (device_error e = detail::interface_call(name, AF_INET, SIOCSIFADDR, request)) {
        return e;
    }
    const std::uint32_t mask = prefix.length == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix.length);
    request.ifr_netmask = detail::ipv4_sockaddr(mask);
    return detail::interface_call(name, AF_INET, SIOCSIFNETMASK, request);
}

// The kernel's own station address on a TAP. All zeros when it cannot be had.
inline mac_address interface_mac(const std::string& name)
{
    mac_address mac{};
    ifreq request;
    if (detail::name_request(request, name) && !detail::interface_call(name, AF_INET, SIOCGIFHWADDR, request)) {
        std::memcpy(mac.octets.data(), request.ifr_hwaddr.sa_data, mac.octets.size());
    }
    return mac;
}

}  // namespace tcpco
