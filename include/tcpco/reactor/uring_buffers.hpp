// A provided-buffer ring whose buffers are slots of a stack's packet pool: the kernel writes frames where the stack
// will read them.
//
// A slot that the kernel holds is one `buffer` here; the completion that fills it takes it out. When the ring is empty
// the kernel answers ENOBUFS at once, frame or no frame, so a read is only armed while something is lent.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include <liburing.h>
#include <sys/mman.h>

#include "tcpco/core/assert.hpp"
#include "tcpco/reactor/uring_ring.hpp"
#include "tcpco/storage/buffer.hpp"

namespace tcpco {

class uring_buffers {
public:
    // Throws std::system_error: EINVAL where the kernel (before 5.19) has no such rings.
    uring_buffers(uring_ring& ring, buffer_pool& pool, std::uint16_t group, std::uint32_t lent_limit)
        : ring_{ring}, pool_{pool}, group_{group}, lent_limit_{lent_limit < 32'768 ? lent_limit : 32'768},
          entries_{std::bit_ceil(lent_limit_)}, slots_(pool.slot_count())
    {
        TCPCO_ASSERT(pool.slot_count() <= 65'536);  // a buffer's number has 16 bits
        void* memory = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        if (memory == MAP_FAILED) {
            throw std::system_error{errno, std::system_category(), "mmap"};
        }
        shared_ = static_cast<io_uring_buf_ring*>(memory);
        io_uring_buf_ring_init(shared_);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
        registration.ring_entries = entries_;
        registration.bgid = group_;
        const int error = io_uring_register_buf_ring(ring_.get(), &registration, 0);
        if (error < 0) {
            ::munmap(memory, size());
            throw std::system_error{-error, std::system_category(), "io_uring_register_buf_ring"};
        }
    }
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;
    // No read of this group may be armed any more.
    ~uring_buffers()
    {
        io_uring_unregister_buf_ring(ring_.get(), group_);
        ::munmap(shared_, size());
    }

    std::uint16_t group() const noexcept { return group_; }
    std::uint32_t lent() const noexcept { return lent_; }

    std::uint32_t lent_limit() const noexcept { return lent_limit_; }

    // Lends what is free, until `wanted` slots are lent, or the limit is reached.
    void refill(std::uint32_t wanted) noexcept
    {
        int added = 0;
        while (lent_ < std::min(wanted, lent_limit_) && pool_.available() != 0) {
            buffer slot = pool_.acquire();
            const std::uint32_t index = slot.index();
            io_uring_buf_ring_add(shared_, slot.data(), static_cast<unsigned>(pool_.slot_size()),
                                  static_cast<unsigned short>(index), io_uring_buf_ring_mask(entries_), added);
            slots_[index] = std::move(slot);
            ++lent_;
            ++added;
        }
        if (added != 0) {
            io_uring_buf_ring_advance(shared_, added);
        }
    }

    // The slot that a completion names.
    buffer take(std::uint32_t index) noexcept
    {
        TCPCO_ASSERT(index < slots_.size() && slots_[index]);
        --lent_;
        return std::move(slots_[index]);
    }

private:
    std::size_t size() const noexcept { return entries_ * sizeof(io_uring_buf); }

    uring_ring& ring_;
    buffer_pool& pool_;
    std::uint16_t group_;
    std::uint32_t lent_limit_;
    std::uint32_t entries_;
    std::vector<buffer> slots_;  // by slot index; those that the kernel holds
    io_uring_buf_ring* shared_ = nullptr;
    std::uint32_t lent_ = 0;
};

}  // namespace tcpco
