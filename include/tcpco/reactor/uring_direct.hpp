// How a uring port reads while little comes: by read(2), one frame at a time, and the ring only waits.
//
// For a request and its answer a multishot read is the long way: the arrival wakes a poll, whose task work reads, reads
// again, finds nothing and waits anew, and a completion is made of it. Here nothing is armed while there is something
// to do. The frame is read by a system call, its answer is written by another, and the next one may be there already,
// since the write runs the kernel's receiver and lets who was woken run. Only where nothing is left is a poll armed,
// with the call that sleeps. That is what the bare device does, and a tenth faster than with the ring.
//
// Where much comes, a system call for each frame is the long way. So it ends after `many` frames at a time, and the
// port goes over to the multishot read (uring_port.hpp).
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <liburing.h>
#include <unistd.h>

#include "tcpco/async/concepts.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/reactor/uring_ring.hpp"

namespace tcpco {

class uring_direct : kernel_completion {
public:
    static constexpr unsigned many = 16;               // frames in one look
    static constexpr unsigned patience = 4;            // looks in a row that found all that they looked for

    uring_direct(uring_ring& ring, const port_options& options, buffer_pool& pool, std::vector<frame>& received,
                 port_counters& counters)
        : kernel_completion{&completed}, ring_{ring}, fd_{options.fd}, batch_octets_{options.batch_octets}, pool_{pool},
          received_{received}, counters_{counters}
    {
    }

    bool on() const noexcept { return on_; }
    bool armed() const noexcept { return armed_; }
    bool lost() const noexcept { return lost_; }
    // So much comes that the ring would bring it with fewer system calls.
    bool too_much() const noexcept { return allowed_ > many; }
    // The poll has completed since this was asked last.
    bool told() noexcept { return std::exchange(told_, false); }

    void begin() noexcept
    {
        on_ = true;
        allowed_ = 1;
        in_a_row_ = 0;
        detail::set_nonblocking(fd_, true);
    }
    // io_uring waits by itself, but answers EAGAIN where the descriptor says that nobody may wait.
    void end() noexcept
    {
        on_ = false;
        detail::set_nonblocking(fd_, false);
    }

    // True where a frame came, or the device was lost now. As many are read as came the last time: to be told that
    // there is no other costs a system call that can wait until there is nothing else to do.
    bool look()
    {
        if (lost_) {
            return false;
        }
        unsigned came = 0;
        for (std::size_t octets = 0; came < allowed_ && octets < batch_octets_; ++came) {
            const std::size_t size = read_one();
            if (size == 0) {
                allowed_ = std::max(came, 1U);
                in_a_row_ = 0;
                return came != 0 || lost_;
            }
            octets += size;
        }
        if (++in_a_row_ >= patience && came == allowed_) {
            allowed_ = std::min(allowed_ * 2, static_cast<unsigned>(poll_port::harvest_limit));
        }
        return true;
    }

    // Before a sleep. Without a slot there is no use in knowing of frames.
    void arm() noexcept
    {
        if (!on_ || armed_ || lost_ || pool_.available() == 0) {
            return;
        }
        if (io_uring_sqe* sqe = ring_.get_sqe()) {
            io_uring_prep_poll_add(sqe, fd_, POLLIN);
            io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(this));
            armed_ = true;
        }
    }

    // Its completion is still to be awaited.
    void cancel() noexcept
    {
        if (on_) {
            end();
        }
        if (armed_) {
            ring_.cancel(*this);
        }
    }

private:
    static void completed(kernel_completion& c, int, unsigned) noexcept
    {
        auto& self = static_cast<uring_direct&>(c);
        self.armed_ = false;
        self.told_ = true;
    }

    // The size of the frame, also of one that was dropped; 0: none.
    std::size_t read_one()
    {
        if (lost_) {
            return 0;
        }
        if (pool_.available() == 0) {
            counters_.no_slot += std::exchange(starving_, true) ? 0U : 1U;
            return 0;
        }
        starving_ = false;
        buffer slot = pool_.acquire();
        const ssize_t n = ::read(fd_, slot.data(), slot.capacity());
        if (n <= 0) {
            failed(n == 0 ? EPIPE : errno);  // 0: the other end of a socket was closed
            return 0;
        }
        const auto size = static_cast<std::uint32_t>(n);
        if (size == slot.capacity()) {
            ++counters_.truncated;  // the kernel cuts silently: it may have been longer
            return size;
        }
        failures_ = 0;
        ++counters_.received;
        counters_.received_octets += size;
        const std::byte* first = slot.data();
        received_.emplace_back(slice{std::move(slot), first, size}, frame_info{});
        return size;
    }

    void failed(int error) noexcept
    {
        if (detail::queue_is_full(error) || error == EINTR) {
            return;
        }
        counters_.read_errors += error != EPIPE ? 1U : 0U;
        // An error that stays would be a busy loop.
        lost_ = detail::device_is_gone(error) || ++failures_ >= 100;
    }

    uring_ring& ring_;
    int fd_;
    std::size_t batch_octets_;
    buffer_pool& pool_;
    std::vector<frame>& received_;
    port_counters& counters_;
    unsigned allowed_ = 1;   // frames that one look reads
    unsigned in_a_row_ = 0;  // looks that found them all
    unsigned failures_ = 0;  // in a row
    bool on_ = false;
    bool armed_ = false;
    bool told_ = false;
    bool starving_ = false;
    bool lost_ = false;
};

}  // namespace tcpco
