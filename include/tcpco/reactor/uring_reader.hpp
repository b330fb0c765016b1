// The reading half of a uring port: one multishot READ, or where the kernel has none exactly one READ at a time.
// Several READs outstanding on one TAP would wake worker threads and complete out of order.
//
// A multishot read ends when no slot is lent (ENOBUFS) or when the completion queue overflows, and is armed again at
// the end of a turn, once slots came back.
//
// The kernel fills all slots that it has before we look at any. So few are lent where frames are large: a batch that
// leaves the cache before it is read costs more than a restart.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <liburing.h>

#include "tcpco/async/concepts.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/reactor/uring_buffers.hpp"
#include "tcpco/reactor/uring_ring.hpp"

namespace tcpco {

class uring_reader : kernel_completion {
public:
    uring_reader(uring_ring& ring, const port_options& options, buffer_pool& pool, std::uint16_t group,
                 std::vector<frame>& received, port_counters& counters)
        : kernel_completion{&completed}, ring_{ring}, fd_{options.fd}, slot_size_{pool.slot_size()},
          batch_octets_{options.batch_octets}, buffers_{ring, pool, group, options.lent_slots},
          wanted_{buffers_.lent_limit()}, received_{received}, counters_{counters}
    {
    }

    bool armed() const noexcept { return armed_; }
    bool lost() const noexcept { return lost_; }
    // As much was read as the stack should look at before there is more.
    bool has_batch() const noexcept { return read_octets_ >= batch_octets_; }

    // The end of a turn: another batch begins.
    void end_batch() noexcept
    {
        if (read_frames_ != 0) {
            const std::size_t usual = std::max<std::size_t>(read_octets_ / read_frames_, 1);
            const std::size_t fit = batch_octets_ / usual + (batch_octets_ % usual >= usual / 2 ? 1 : 0);
            wanted_ = static_cast<std::uint32_t>(std::clamp<std::size_t>(fit, 1, buffers_.lent_limit()));
        }
        read_frames_ = 0;
        read_octets_ = 0;
    }

    // Lends slots and arms the read, unless nothing is lent or the device is lost.
    void refill_and_arm() noexcept
    {
        if (paused_) {
            return;
        }
        buffers_.refill(wanted_);
        if (armed_ || lost_ || closing_) {
            return;
        }
        if (buffers_.lent() == 0) {
            starve();
            return;
        }
        starving_ = false;
        io_uring_sqe* sqe = ring_.get_sqe();
        if (sqe == nullptr) {
            return;
        }
        const bool multishot = ring_.multishot_read();
        // A multishot read takes the length from the buffer.
        const auto length = multishot ? 0U : static_cast<unsigned>(slot_size_);
        io_uring_prep_rw(multishot ? int{uring_op_read_multishot} : int{IORING_OP_READ}, sqe, fd_, nullptr, length, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = buffers_.group();
        io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(this));
        armed_ = true;
        ++counters_.read_restarts;
    }

    // Reads nothing once armed() is false, until resume().
    void pause() noexcept
    {
        if (!std::exchange(paused_, true) && armed_) {
            ring_.cancel(*this);
        }
    }
    void resume() noexcept { paused_ = false; }
    bool paused() const noexcept { return paused_; }
    bool holds_slots() const noexcept { return buffers_.lent() != 0; }

    // Its completion is still to be awaited.
    void cancel() noexcept
    {
        closing_ = true;
        if (armed_) {
            ring_.cancel(*this);
        }
    }

private:
    static void completed(kernel_completion& c, int result, unsigned flags) noexcept
    {
        static_cast<uring_reader&>(c).handle(result, flags);
    }

    void handle(int result, unsigned flags) noexcept
    {
        if ((flags & IORING_CQE_F_MORE) == 0) {
            armed_ = false;
        }
        buffer slot;
        if ((flags & IORING_CQE_F_BUFFER) != 0) {
            slot = buffers_.take(flags >> IORING_CQE_BUFFER_SHIFT);
        }
        if (result < 0) {
            failed(-result);
        } else if (result == 0) {
            lost_ = true;  // the other end of a socket was closed; a TAP has no such thing
        } else if (slot) {
            failures_ = 0;
            take(std::move(slot), static_cast<std::uint32_t>(result));
        }
    }

    void take(buffer slot, std::uint32_t size)
    {
        if (size >= slot_size_) {
            ++counters_.truncated;  // the kernel cuts silently: it may have been longer
            return;
        }
        ++counters_.received;
        counters_.received_octets += size;
        ++read_frames_;
        read_octets_ += size;
        const std::byte* first = slot.data();
        received_.emplace_back(slice{std::move(slot), first, size}, frame_info{});
    }

    void failed(int error) noexcept
    {
        if (error == ENOBUFS) {
            starve();
            return;
        }
        if (error == ECANCELED || error == EAGAIN || error == EINTR) {
            return;
        }
        ++counters_.read_errors;
        // An error that stays would be a busy loop.
        lost_ = detail::device_is_gone(error) || ++failures_ >= 100;
    }

    void starve() noexcept
    {
        if (!std::exchange(starving_, true)) {
            ++counters_.no_slot;
        }
    }

    uring_ring& ring_;
    int fd_;
    std::size_t slot_size_;
    std::size_t batch_octets_;
    uring_buffers buffers_;
    std::uint32_t wanted_;         // slots to be lent
    std::size_t read_frames_ = 0;  // in this batch
    std::size_t read_octets_ = 0;
    std::vector<frame>& received_;
    port_counters& counters_;
    unsigned failures_ = 0;  // in a row
    bool starving_ = false;
    bool armed_ = false;
    bool lost_ = false;
    bool closing_ = false;
    bool paused_ = false;
};

}  // namespace tcpco
