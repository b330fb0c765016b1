// An owned file descriptor of /dev/net/tun with an interface attached: what tap.hpp and tun.hpp have in common.
//
// The node's path is ${TCPCO_TUN:-/dev/net/tun}. With `offload` the descriptor carries a virtio_net_hdr before each
// frame and the kernel is asked to hand over super-frames and partial checksums; what it refuses is left out, down to
// nothing.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/error.hpp"
#include "tcpco/device/device_error.hpp"

namespace tcpco {

struct tun_options {
    std::string name = "tap0";
    bool create = true;        // false: the interface has to exist
    bool offload = false;      // virtio_net_hdr, checksum offload and super-frames of up to 64 KiB
    bool multi_queue = false;  // one of several descriptors of the interface, one per stack
};

namespace detail {

// An owned descriptor, and nothing else.
class unique_fd {
public:
    unique_fd() = default;
    explicit unique_fd(int fd) noexcept : fd_{fd} {}
    unique_fd(unique_fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    unique_fd& operator=(unique_fd&& other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd()
    {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

inline std::error_code last_error() noexcept
{
    return {errno, std::system_category()};
}

inline std::string tun_node()
{
    const char* path = std::getenv("TCPCO_TUN");
    return path != nullptr && *path != '\0' ? path : "/dev/net/tun";
}

// False, without touching `request`, when the name does not fit.
inline bool name_request(ifreq& request, const std::string& name) noexcept
{
    std::memset(&request, 0, sizeof request);
    if (name.empty() || name.size() >= sizeof request.ifr_name) {
        return false;
    }
    std::memcpy(request.ifr_name, name.data(), name.size());
    return true;
}

// Asks the kernel for as much offload as it gives.
inline device_offload probe_tun_offload(int fd) noexcept
{
    constexpr unsigned checksum = TUN_F_CSUM;
    constexpr unsigned attempts[] = {checksum | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
                                     checksum | TUN_F_TSO4 | TUN_F_TSO6, checksum | TUN_F_TSO4, checksum};
    for (const unsigned flags : attempts) {
        if (::ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(flags)) == 0) {
            const bool tso4 = (flags & TUN_F_TSO4) != 0;
            return {.tx_checksum = true, .tso4 = tso4, .tso6 = (flags & TUN_F_TSO6) != 0,
                    .tso_max = tso4 ? 65'535U : 0U};
        }
    }
    return {};
}

}  // namespace detail

class tun_descriptor {
public:
    tun_descriptor() = default;

    // Of no interface (fd() is -1) when `error` says why.
    static tun_descriptor open(const tun_options& options, link_framing framing, device_error& error)
    {
        error = {};
        tun_descriptor d;
        d.name_ = options.name;
        d.framing_ = framing;
        const std::string node = detail::tun_node();
        d.fd_ = detail::unique_fd{::open(node.c_str(), O_RDWR | O_CLOEXEC)};
        if (d.fd_.get() < 0) {
            error = {detail::last_error(), device_step::open_node, options.name, node};
            return d;
        }
        error = d.attach(options, node);
        if (!error) {
            error = d.query();
        }
        if (error) {
            d.fd_ = {};
        }
        return d;
    }

    int fd() const noexcept { return fd_.get(); }
    link_framing framing() const noexcept { return framing_; }
    const std::string& name() const noexcept { return name_; }
    unsigned index() const noexcept { return index_; }
    std::uint32_t mtu() const noexcept { return mtu_; }
    std::size_t vnet_header_size() const noexcept { return vnet_header_size_; }
    device_offload offload() const noexcept { return offload_; }
    bool writes_inline() const noexcept { return true; }

    // With one VLAN tag at most.
    std::size_t max_frame() const noexcept
    {
        const std::size_t packet = vnet_header_size_ != 0 ? 65'535 : mtu_;
        return packet + (framing_ == link_framing::ethernet ? 18 : 0);
    }

private:
    device_error attach(const tun_options& options, const std::string& node)
    {
        ifreq request;
        if (!detail::name_request(request, options.name)) {
            return {make_error_code(errc::invalid_argument), device_step::attach, options.name, node};
        }
        if (!options.create && ::if_nametoindex(options.name.c_str()) == 0) {
            return {make_error_code(errc::no_such_device), device_step::find_interface, options.name, node};
        }
        int flags = IFF_NO_PI | (framing_ == link_framing::ethernet ? IFF_TAP : IFF_TUN);
        flags |= options.offload ? IFF_VNET_HDR : 0;
        flags |= options.multi_queue ? IFF_MULTI_QUEUE : 0;
        request.ifr_flags = static_cast<short>(flags);
        if (::ioctl(fd_.get(), TUNSETIFF, &request) < 0) {
            return {detail::last_error(), device_step::attach, options.name, node};
        }
        name_ = request.ifr_name;  // "tap%d" becomes tap0
        if (options.offload) {
            // The short form, with which the IP header behind an Ethernet header is aligned.
            int size = 10;
            if (::ioctl(fd_.get(), TUNSETVNETHDRSZ, &size) < 0) {
                return {detail::last_error(), device_step::attach, options.name, node};
            }
            vnet_header_size_ = 10;
            offload_ = detail::probe_tun_offload(fd_.get());
        }
        return {};
    }

    device_error query()
    {
        ifreq request;
        static_cast<void>(detail::name_request(request, name_));
        const detail::unique_fd control{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        if (control.get() < 0 || ::ioctl(control.get(), SIOCGIFMTU, &request) < 0) {
            return {detail::last_error(), device_step::query, name_};
        }
        mtu_ = static_cast<std::uint32_t>(request.ifr_mtu);
        index_ = ::if_nametoindex(name_.c_str());
        return {};
    }

    detail::unique_fd fd_{};
    std::string name_{};
    link_framing framing_ = link_framing::ethernet;
    unsigned index_ = 0;
    std::uint32_t mtu_ = 0;
    std::size_t vnet_header_size_ = 0;
    device_offload offload_{};
};

}  // namespace tcpco
