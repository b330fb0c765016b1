// The reading half of a uring port: read(2), one frame at a time, and the ring only waits.
//
// Nothing is armed while there is something to do. A frame is read by a system call, its answer is written, and the
// next one may be there already, since the write runs the kernel's receiver and lets who was woken run. Only where
// nothing is left is a poll armed, with the call that sleeps.
//
// No multishot read into provided buffers: who reads so is woken for each frame, from within the sender's write, and a
// frame costs more that way than by a system call of its own; see docs/adr/0010.
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

class uring_reader : kernel_completion {
public:
    static constexpr unsigned patience = 4;  // looks in a row that found all that they looked for

    // The descriptor is O_NONBLOCK until cancel().
    uring_reader(uring_ring& ring, const port_options& options, buffer_pool& pool, std::vector<frame>& received,
                 port_counters& counters)
        : kernel_completion{&completed}, ring_{ring}, fd_{options.fd}, batch_octets_{options.batch_octets}, pool_{pool},
          received_{received}, counters_{counters}, use_{options.fd}
    {
    }

    bool armed() const noexcept { return armed_; }
    bool lost() const noexcept { return lost_; }
    // The poll has completed since this was asked last.
    bool told() noexcept { return std::exchange(told_, false); }

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
        if (armed_ || lost_ || pool_.available() == 0) {
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
        use_.end();
        if (armed_) {
            ring_.cancel(*this);
        }
    }

private:
    static void completed(kernel_completion& c, int, unsigned) noexcept
    {
        auto& self = static_cast<uring_reader&>(c);
        self.armed_ = false;
        self.told_ = true;
    }

    // The size of the frame, also of one that was dropped; 0: none.
    std::size_t read_one()
    {
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
        lost_ = detail::device_is_gone(error) || ++failures_ >= detail::read_failures_limit;
    }

    uring_ring& ring_;
    int fd_;
    std::size_t batch_octets_;
    buffer_pool& pool_;
    std::vector<frame>& received_;
    port_counters& counters_;
    detail::nonblocking_use use_;
    unsigned allowed_ = 1;   // frames that one look reads
    unsigned in_a_row_ = 0;  // looks that found them all
    unsigned failures_ = 0;  // in a row
    bool armed_ = false;
    bool told_ = false;
    bool starving_ = false;
    bool lost_ = false;
};

}  // namespace tcpco
