// The writing half of a uring port: a bounded queue of gather lists, written in batches.
//
// On a TAP (`inline`) the first few frames of a turn are written at once, by writev(2): most turns have one or two, and
// a submission of its own costs more than they do. Each further frame becomes a WRITEV at once. These complete while
// they are submitted, in order, so once the kernel has taken the entries their memory is free, and only failures make a
// completion.
//
// On any other descriptor a batch would reorder once the kernel's queue is full: a later write finds room where an
// earlier one did not. So writes are linked, and carry RWF_NOWAIT: at the first EAGAIN the rest of the batch is
// cancelled, stays in the queue, and goes on from there after POLLOUT. What was taken will be written, in order.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <liburing.h>
#include <sys/uio.h>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/vnet_header.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/reactor/uring_ring.hpp"

namespace tcpco {

class uring_writer {
public:
    static constexpr unsigned capacity = 64;  // frames; no batch is longer, so one always fits an empty ring
    static constexpr unsigned few = 4;        // frames of a turn that are written by writev(2)

    uring_writer(uring_ring& ring, const port_options& options, std::vector<transmit_token>& written,
                 port_counters& counters)
        : ring_{ring}, fd_{options.fd}, inline_{options.writes_inline}, written_{written}, counters_{counters},
          entries_{std::make_unique<entry[]>(capacity)}
    {
        for (unsigned i = 0; i < capacity; ++i) {
            entries_[i].owner = this;
        }
    }

    // The descriptor is O_NONBLOCK.
    sink_verdict send(std::span<const std::byte> prefix, const outgoing_frame& out, const buffer& keep)
    {
        if (lost_) {
            return sink_verdict::refused;
        }
        if (inline_ && count_ == 0 && at_once_ < few && write_at_once(prefix, out)) {
            ++at_once_;
            return lost_ ? sink_verdict::refused : sink_verdict::done;
        }
        if (count_ == capacity && inline_) {
            ring_.submit();
            reclaim_inline();
        }
        if (count_ == capacity) {
            return sink_verdict::refused;
        }
        entry& e = at(count_);
        e.fill(prefix, out, keep);
        if (inline_ && !prepare(e, IOSQE_CQE_SKIP_SUCCESS)) {
            e.keep.reset();
            return sink_verdict::refused;
        }
        ++count_;
        return sink_verdict::held;
    }

    // An inline port has room again as soon as it was submitted.
    bool writable() const noexcept { return !lost_ && (inline_ || count_ < capacity); }
    bool lost() const noexcept { return lost_; }
    // Writes whose completions are about to come: none of them waits.
    unsigned under_way() const noexcept { return in_flight_; }
    bool busy() const noexcept { return in_flight_ != 0 || room_.armed; }

    // Prepares the next batch, where none is under way.
    void prepare_batch() noexcept
    {
        at_once_ = 0;
        if (inline_ || in_flight_ != 0 || room_.armed || lost_ || closing_ || count_ == 0) {
            return;
        }
        if (waits_for_room_) {
            wait_for_room();
            return;
        }
        if (ring_.space() < count_) {
            ring_.submit();  // a chain must not be cut by a submission
        }
        for (unsigned i = 0; i < count_; ++i) {
            if (!prepare(at(i), i + 1 < count_ ? IOSQE_IO_LINK : 0)) {
                break;
            }
            ++in_flight_;
        }
        batch_ = in_flight_;
    }

    // Gives back what the kernel has taken; after each submission.
    void reclaim_inline() noexcept
    {
        if (!inline_ || count_ == 0 || ring_.unsubmitted() != 0) {
            return;
        }
        while (count_ != 0) {
            ++counters_.sent;
            counters_.sent_octets += at(0).size;
            pop();
        }
    }

    // Nothing more is prepared; what is under way is still to be awaited.
    void cancel() noexcept
    {
        closing_ = true;
        if (room_.armed) {
            ring_.cancel(room_);
        }
    }

    // The device is gone, or we are: what was taken gives its memory back. Not while anything is under way.
    void drop_all() noexcept
    {
        while (count_ != 0) {
            ++counters_.send_errors;
            pop();
        }
    }

private:
    struct entry : kernel_completion {
        entry() noexcept : kernel_completion{&completed} {}

        static void completed(kernel_completion& c, int result, unsigned) noexcept
        {
            auto& self = static_cast<entry&>(c);
            self.owner->handle(self, result);
        }

        void fill(std::span<const std::byte> header, const outgoing_frame& out, const buffer& memory)
        {
            token = memory ? no_token : out.token;
            keep = memory;
            size = header.size() + out.size();
            std::copy(header.begin(), header.end(), prefix.begin());
            const std::span<const std::byte> own_header{prefix.data(), header.size()};
            if (out.pieces.size() + 1 <= detail::gather_limit) {
                pieces = static_cast<unsigned>(detail::fill_gather_list(list, own_header, out));
                return;
            }
            whole.resize(size);
            std::copy(header.begin(), header.end(), whole.begin());
            out.copy_to(whole.data() + header.size());
            list[0] = {whole.data(), size};
            pieces = 1;
        }

        uring_writer* owner = nullptr;
        std::array<iovec, detail::gather_limit> list{};
        vnet_prefix prefix{};
        unsigned pieces = 0;
        int result = 0;
        std::size_t size = 0;
        transmit_token token{};
        buffer keep{};
        std::vector<std::byte> whole{};  // a copy, where there are too many pieces
    };

    struct room_watch : kernel_completion {
        explicit room_watch(uring_writer& w) noexcept : kernel_completion{&completed}, owner{w} {}
        static void completed(kernel_completion& c, int, unsigned) noexcept
        {
            auto& self = static_cast<room_watch&>(c);
            self.armed = false;
            self.owner.waits_for_room_ = false;
        }
        uring_writer& owner;
        bool armed = false;
    };

    // False where it would wait, or has too many pieces: then it goes through the ring.
    bool write_at_once(std::span<const std::byte> prefix, const outgoing_frame& out) noexcept
    {
        if (out.pieces.size() + 1 > detail::gather_limit) {
            return false;
        }
        std::array<iovec, detail::gather_limit> list;
        const std::size_t n = detail::fill_gather_list(list, prefix, out);
        const ssize_t written = ::writev(fd_, list.data(), static_cast<int>(n));
        if (written < 0) {
            if (detail::queue_is_full(errno)) {
                return false;
            }
            count_failure(errno);  // dropped, as a network would
            return true;
        }
        ++counters_.sent;
        counters_.sent_octets += static_cast<std::uint64_t>(written);
        return true;
    }

    entry& at(unsigned i) noexcept { return entries_[(first_ + i) % capacity]; }

    bool prepare(entry& e, unsigned flags) noexcept
    {
        io_uring_sqe* sqe = ring_.get_sqe();
        if (sqe == nullptr) {
            return false;
        }
        io_uring_prep_writev2(sqe, fd_, e.list.data(), e.pieces, 0, RWF_NOWAIT);
        sqe->flags |= static_cast<std::uint8_t>(flags);
        io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(&e));
        return true;
    }

    void pop() noexcept
    {
        entry& e = at(0);
        if (!(e.token == no_token)) {
            written_.push_back(e.token);
        }
        e.keep.reset();
        first_ = (first_ + 1) % capacity;
        --count_;
    }

    void handle(entry& e, int result) noexcept
    {
        if (inline_) {
            // Reclaimed already: counted as sent, though it was dropped.
            if (result < 0) {
                --counters_.sent;
                count_failure(-result);
            }
            return;
        }
        e.result = result;
        if (--in_flight_ == 0) {
            finish_batch();
        }
    }

    // All of a batch has completed: forget what was written, and see where to go on.
    void finish_batch() noexcept
    {
        for (unsigned left = std::exchange(batch_, 0U); left != 0; --left) {
            const entry& e = at(0);
            if (e.result >= 0) {
                ++counters_.sent;
                counters_.sent_octets += e.size;
                pop();
                continue;
            }
            if (e.result == -ECANCELED) {
                return;  // an earlier one failed
            }
            if (detail::queue_is_full(-e.result)) {
                ++counters_.would_block;
                waits_for_room_ = true;
                return;
            }
            count_failure(-e.result);
            pop();  // dropped, as a network would; the rest was cancelled
            if (lost_) {
                drop_all();
            }
            return;
        }
    }

    void count_failure(int error) noexcept
    {
        if (detail::device_is_gone(error)) {
            lost_ = true;
        } else {
            ++(error == EIO ? counters_.link_down : counters_.send_errors);
        }
    }

    void wait_for_room() noexcept
    {
        if (io_uring_sqe* sqe = ring_.get_sqe()) {
            io_uring_prep_poll_add(sqe, fd_, POLLOUT);
            io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(&room_));
            room_.armed = true;
        }
    }

    uring_ring& ring_;
    int fd_;
    bool inline_;
    std::vector<transmit_token>& written_;
    port_counters& counters_;
    std::unique_ptr<entry[]> entries_;
    unsigned first_ = 0;
    unsigned count_ = 0;
    unsigned batch_ = 0;      // length of the batch under way
    unsigned in_flight_ = 0;  // of it, not completed yet
    unsigned at_once_ = 0;    // frames of this turn that writev(2) took
    bool waits_for_room_ = false;
    bool lost_ = false;
    bool closing_ = false;
    room_watch room_{*this};
};

}  // namespace tcpco
