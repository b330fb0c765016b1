// A device made of an existing file descriptor that keeps frame boundaries: a TAP or TUN that somebody else made and
// handed over, or a socket of AF_UNIX SOCK_SEQPACKET, with which stacks in different processes meet without any
// privilege. The end of such a socket's peer is the loss of the device.
//
// The reactor sets or clears O_NONBLOCK as it needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <sys/stat.h>

#include "tcpco/device/tun_descriptor.hpp"

namespace tcpco {

struct frame_fd_options {
    link_framing framing = link_framing::ethernet;  // of a TAP or TUN: asked from it instead
    std::uint32_t mtu = 1500;
    std::size_t max_frame = 0;                      // 0: follows from mtu, or is 64 KiB with a virtio_net_hdr
    std::size_t vnet_header_size = 0;               // 0, 10 or 12; of a TAP or TUN: asked from it instead
    device_offload offload{};                       // what the other side accepts; without a virtio_net_hdr, nothing
    bool close_at_end = true;                       // the device owns the descriptor
};

class frame_fd {
public:
    frame_fd() = default;
    frame_fd(frame_fd&&) = default;
    frame_fd& operator=(frame_fd&&) = default;
    ~frame_fd()
    {
        if (!options_.close_at_end) {
            static_cast<void>(fd_.release());
        }
    }

    // On an error the descriptor stays the caller's.
    static frame_fd adopt(int fd, const frame_fd_options& options, device_error& error)
    {
        error = {};
        frame_fd d;
        d.options_ = options;
        if ((!d.is_tun(fd) && !is_packet_socket(fd)) || !d.has_known_header()) {
            const std::error_code ec =
                ::fcntl(fd, F_GETFD) < 0 ? detail::last_error() : make_error_code(errc::invalid_argument);
            error = {ec, device_step::adopt, std::to_string(fd)};
            return d;
        }
        d.fd_ = detail::unique_fd{fd};
        return d;
    }
    // Throws std::system_error, whose what() says what to do.
    static frame_fd adopt(int fd, const frame_fd_options& options = {})
    {
        device_error error;
        frame_fd d = adopt(fd, options, error);
        if (error) {
            throw_device_error(error);
        }
        return d;
    }

    // Two devices joined by a socket pair. Throws std::system_error.
    static std::pair<frame_fd, frame_fd> pair(const frame_fd_options& options = {})
    {
        int fds[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
            throw std::system_error{detail::last_error(), "socketpair"};
        }
        return {adopt(fds[0], options), adopt(fds[1], options)};
    }

    int fd() const noexcept { return fd_.get(); }
    link_framing framing() const noexcept { return options_.framing; }
    std::uint32_t mtu() const noexcept { return options_.mtu; }
    std::size_t vnet_header_size() const noexcept { return options_.vnet_header_size; }
    bool writes_inline() const noexcept { return tun_; }
    device_offload offload() const noexcept
    {
        return options_.vnet_header_size != 0 ? options_.offload : device_offload{};
    }
    std::size_t max_frame() const noexcept
    {
        if (options_.max_frame != 0) {
            return options_.max_frame;
        }
        const std::size_t packet = options_.vnet_header_size != 0 ? 65'535 : options_.mtu;
        return packet + (options_.framing == link_framing::ethernet ? 18 : 0);
    }

private:
    // A TAP or TUN knows its own framing and virtio_net_hdr.
    bool is_tun(int fd) noexcept
    {
        ifreq request;
        std::memset(&request, 0, sizeof request);
        if (::ioctl(fd, TUNGETIFF, &request) < 0) {
            return false;
        }
        const auto flags = static_cast<unsigned short>(request.ifr_flags);
        if ((flags & IFF_NO_PI) == 0) {
            return false;  // four octets before each frame that nobody here wants
        }
        tun_ = true;
        options_.framing = (flags & IFF_TAP) != 0 ? link_framing::ethernet : link_framing::ip;
        options_.vnet_header_size = 0;
        int size = 0;
        if ((flags & IFF_VNET_HDR) != 0 && ::ioctl(fd, TUNGETVNETHDRSZ, &size) == 0) {
            options_.vnet_header_size = static_cast<std::size_t>(size);
        }
        return true;
    }
    // A TAP may have been told to have a longer one, of which nobody here knows what it says.
    bool has_known_header() const noexcept
    {
        const std::size_t size = options_.vnet_header_size;
        return size == 0 || size == 10 || size == 12;
    }
    static bool is_packet_socket(int fd) noexcept
    {
        int type = 0;
        socklen_t size = sizeof type;
        return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
               (type == SOCK_SEQPACKET || type == SOCK_DGRAM);
    }

    detail::unique_fd fd_{};
    frame_fd_options options_{};
    bool tun_ = false;
};

static_assert(fd_device<frame_fd>);

}  // namespace tcpco
