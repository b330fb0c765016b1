// A port that reads and writes with system calls of its own, on a descriptor set to O_NONBLOCK.
//
// Frames are written at once and in order; when the kernel's queue is full the frame is refused, and the port waits for
// POLLOUT.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tcpco/async/concepts.hpp"

namespace tcpco {

namespace detail {

// How many pieces a frame may have, its virtio_net_hdr included. A frame of more is copied together first.
inline constexpr std::size_t gather_limit = 16;

// A port that could not be read so often in a row is lost: an error that stays would be a busy loop.
inline constexpr unsigned read_failures_limit = 100;

// True for the errors that mean that the other side is gone for good.
constexpr bool device_is_gone(int error) noexcept
{
    return error == EBADFD || error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ECONNREFUSED ||
           error == ENODEV;
}

constexpr bool queue_is_full(int error) noexcept
{
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

inline std::size_t fill_gather_list(std::span<iovec> to, std::span<const std::byte> prefix,
                                    const outgoing_frame& out) noexcept
{
    std::size_t n = 0;
    auto add = [&](std::span<const std::byte> piece) {
        if (!piece.empty()) {
            to[n++] = {const_cast<std::byte*>(piece.data()), piece.size()};  // iovec serves reading, too
        }
    };
    add(prefix);
    for (const auto& piece : out.pieces) {
        add(piece);
    }
    return n;
}

inline void set_nonblocking(int fd, bool on) noexcept
{
    const int flags = ::fcntl(fd, F_GETFL);
    const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (flags >= 0 && wanted != flags) {
        static_cast<void>(::fcntl(fd, F_SETFL, wanted));
    }
}

// A descriptor that is O_NONBLOCK until end(), at the latest for as long as this lives, and then as it was before.
class nonblocking_use {
public:
    explicit nonblocking_use(int fd) noexcept : fd_{fd}, was_{(::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0}
    {
        set_nonblocking(fd_, true);
    }
    nonblocking_use(const nonblocking_use&) = delete;
    nonblocking_use& operator=(const nonblocking_use&) = delete;
    ~nonblocking_use() { end(); }

    // Once: the number may be another descriptor's later.
    void end() noexcept
    {
        if (fd_ >= 0) {
            set_nonblocking(std::exchange(fd_, -1), was_);
        }
    }

private:
    int fd_;
    bool was_;
};

}  // namespace detail

class poll_port final : public frame_port {
public:
    // How many frames one harvest takes: a turn is bounded. As many as one ACK may well answer, and as a driver hands
    // to its stack at once: with 173 of MTU 1500 the sender slept more often (0.76 of the bare TAP; 0.93 with 64).
    static constexpr std::size_t harvest_limit = 64;

    // Enters itself into the reactor's `ports` for as long as it lives.
    poll_port(std::vector<poll_port*>& ports, const port_options& options, buffer_pool& pool)
        : ports_{ports}, options_{options}, pool_{pool}, use_{options.fd}
    {
        ports_.push_back(this);
    }
    ~poll_port() override { std::erase(ports_, this); }

    sink_verdict send(std::span<const std::byte> prefix, const outgoing_frame& out, const buffer&) override
    {
        if (failure_ != errc::ok || waits_for_room_) {
            return sink_verdict::refused;
        }
        const ssize_t n = write_frame(prefix, out);
        if (n >= 0) {
            ++counters_.sent;
            counters_.sent_octets += static_cast<std::uint64_t>(n);
            return sink_verdict::done;
        }
        return failed_write(errno);
    }

    void close() noexcept override
    {
        failure_ = errc::network_down;
        use_.end();
    }

    bool writable() const noexcept override { return failure_ == errc::ok && !waits_for_room_; }

    int fd() const noexcept { return options_.fd; }

    // What to wait for; 0 when the port is lost. Without a free slot there is no use in knowing of frames.
    short interest() const noexcept
    {
        if (failure_ != errc::ok) {
            return 0;
        }
        const int in = pool_.available() != 0 ? POLLIN : 0;
        return static_cast<short>(in | (waits_for_room_ ? POLLOUT : 0));
    }

    void handle_events(short events)
    {
        if ((events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
            waits_for_room_ = false;
        }
        if ((events & POLLNVAL) != 0) {
            lose();
        } else if ((events & (POLLIN | POLLERR | POLLHUP)) != 0) {
            harvest();
        }
    }

private:
    ssize_t write_frame(std::span<const std::byte> prefix, const outgoing_frame& out) noexcept
    {
        if (out.pieces.size() + 1 <= detail::gather_limit) {
            std::array<iovec, detail::gather_limit> list;
            const std::size_t n = detail::fill_gather_list(list, prefix, out);
            return ::writev(options_.fd, list.data(), static_cast<int>(n));
        }
        std::vector<std::byte> whole(prefix.size() + out.size());
        std::copy(prefix.begin(), prefix.end(), whole.begin());
        out.copy_to(whole.data() + prefix.size());
        return ::write(options_.fd, whole.data(), whole.size());
    }

    sink_verdict failed_write(int error) noexcept
    {
        if (detail::queue_is_full(error)) {
            ++counters_.would_block;
            waits_for_room_ = true;
            return sink_verdict::refused;
        }
        if (detail::device_is_gone(error)) {
            lose();
            return sink_verdict::refused;
        }
        ++(error == EIO ? counters_.link_down : counters_.send_errors);
        return sink_verdict::done;  // dropped, as a network would
    }

    void harvest()
    {
        for (std::size_t octets = 0; received_.size() < harvest_limit && octets < options_.batch_octets;) {
            if (pool_.available() == 0) {
                ++counters_.no_slot;
                return;
            }
            buffer slot = pool_.acquire();
            const ssize_t n = ::read(options_.fd, slot.data(), slot.capacity());
            if (n < 0) {
                failed_read(errno);
                return;
            }
            if (n == 0) {
                lose();  // the other end of a socket was closed; a TAP has no such thing
                return;
            }
            take(std::move(slot), static_cast<std::uint32_t>(n));
            octets += static_cast<std::size_t>(n);
        }
    }

    void take(buffer slot, std::uint32_t size)
    {
        if (size == slot.capacity()) {
            ++counters_.truncated;
            return;
        }
        failures_ = 0;
        ++counters_.received;
        counters_.received_octets += size;
        const std::byte* first = slot.data();
        received_.emplace_back(slice{std::move(slot), first, size}, frame_info{});
    }

    void failed_read(int error) noexcept
    {
        if (detail::queue_is_full(error) || error == EINTR) {
            return;
        }
        ++counters_.read_errors;
        if (detail::device_is_gone(error) || ++failures_ >= detail::read_failures_limit) {
            lose();
        }
    }

    void lose() noexcept { failure_ = errc::network_down; }

    std::vector<poll_port*>& ports_;
    port_options options_;
    buffer_pool& pool_;
    detail::nonblocking_use use_;
    unsigned failures_ = 0;  // to read, in a row
    bool waits_for_room_ = false;
};

}  // namespace tcpco
