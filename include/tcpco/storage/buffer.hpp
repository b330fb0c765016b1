// Packet buffers: fixed-size slots with reference counts, in pools that can refuse.
//
// A pool is one region of memory cut into equal slots. A slot has one owner count; a `buffer` is one reference to it.
// Frames, the payload waiting for the reader, and the octets waiting for acknowledgement are all slices of such slots,
// so nothing is copied on its way and nothing is freed while a device still reads it.
//
// Pools belong to one thread: counts are plain integers. A pool's memory outlives the `buffer_pool` object until its
// last slot came back, so a buffer may outlive the stack and the reactor that made it, not its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "tcpco/core/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define TCPCO_POISON_SLOTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TCPCO_POISON_SLOTS 1
#endif
#endif
#if defined(TCPCO_POISON_SLOTS)
#include <sanitizer/asan_interface.h>
#endif

namespace tcpco {

namespace detail {

// A free slot is poisoned under AddressSanitizer: a pool must not hide a use after free.
inline void poison([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t size) noexcept
{
#if defined(TCPCO_POISON_SLOTS)
    __asan_poison_memory_region(at, size);
#endif
}
inline void unpoison([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t size) noexcept
{
#if defined(TCPCO_POISON_SLOTS)
    __asan_unpoison_memory_region(at, size);
#endif
}

struct pool_block;

struct slot {
    pool_block* pool = nullptr;
    std::byte* data = nullptr;
    std::uint32_t references = 0;
    std::uint32_t index = 0;
    slot* next_free = nullptr;
};

struct pool_block {
    std::byte* memory = nullptr;
    slot* slots = nullptr;
    slot* free = nullptr;
    std::size_t slot_size = 0;
    std::uint32_t slot_count = 0;
    std::uint32_t available = 0;
    std::uint64_t refused = 0;
    bool abandoned = false;  // the buffer_pool object is gone; the last slot frees the block

    // Of three slots and fewer, too, who has the last one must not keep it.
    bool is_short() const noexcept { return available < slot_count / 4 || (available == 0 && slot_count != 0); }

    static constexpr std::align_val_t alignment{4096};  // a page: io_uring and vnet_hdr are indifferent, caches are not

    [[gnu::noinline, gnu::cold]] void destroy() noexcept
    {
        unpoison(memory, slot_size * slot_count);
        ::operator delete(memory, alignment);
        delete[] slots;
        delete this;
    }

    // Out of line: what is inlined everywhere is the question whether it must be called.
    [[gnu::noinline, gnu::hot]] void give_back(slot& s) noexcept
    {
        poison(s.data, slot_size);
        s.next_free = free;
        free = &s;
        if (++available == slot_count && abandoned) {
            destroy();
        }
    }
};

}  // namespace detail

// One reference to a slot, or none. Copying shares the slot.
class buffer {
public:
    buffer() = default;
    buffer(const buffer& other) noexcept : slot_{other.slot_}
    {
        if (slot_ != nullptr) {
            ++slot_->references;
        }
    }
    buffer(buffer&& other) noexcept : slot_{std::exchange(other.slot_, nullptr)} {}
    buffer& operator=(buffer other) noexcept
    {
        std::swap(slot_, other.slot_);
        return *this;
    }
    ~buffer() { release(); }

    explicit operator bool() const noexcept { return slot_ != nullptr; }
    std::byte* data() const noexcept { return slot_->data; }
    std::size_t capacity() const noexcept { return slot_->pool->slot_size; }
    std::uint32_t index() const noexcept { return slot_->index; }  // within its pool
    // Less than a quarter of its pool's slots is free: who keeps this slot for long should copy instead.
    bool pool_is_short() const noexcept { return slot_->pool->is_short(); }
    bool unique() const noexcept { return slot_ != nullptr && slot_->references == 1; }
    friend bool operator==(const buffer&, const buffer&) noexcept = default;  // the same slot

    void reset() noexcept
    {
        release();
        slot_ = nullptr;
    }

private:
    friend class buffer_pool;
    void release() noexcept
    {
        if (slot_ != nullptr && --slot_->references == 0) {
            slot_->pool->give_back(*slot_);
        }
    }
    explicit buffer(detail::slot* s) noexcept : slot_{s} {}
    detail::slot* slot_ = nullptr;
};

// Some octets of a slot, and the reference that keeps them.
struct slice {
    buffer owner{};
    const std::byte* data = nullptr;
    std::uint32_t size = 0;

    slice() = default;
    slice(buffer b, const std::byte* first, std::uint32_t octets) noexcept
        : owner{std::move(b)}, data{first}, size{octets}
    {
    }
    std::span<const std::byte> octets() const noexcept { return {data, size}; }
    void remove_prefix(std::uint32_t n) noexcept
    {
        data += n;
        size -= n;
    }
    void remove_suffix(std::uint32_t n) noexcept { size -= n; }
};

class buffer_pool {
public:
    // Allocates everything at once; throws std::bad_alloc, and nothing ever after.
    buffer_pool(std::size_t slot_size, std::uint32_t slot_count) : block_{new detail::pool_block}
    {
        block_->slot_size = slot_size;
        block_->slot_count = slot_count;
        block_->slots = new detail::slot[slot_count];
        block_->memory = static_cast<std::byte*>(::operator new(slot_size* slot_count, detail::pool_block::alignment));
        for (std::uint32_t i = slot_count; i-- > 0;) {
            detail::slot& s = block_->slots[i];
            s.pool = block_;
            s.data = block_->memory + i * slot_size;
            s.index = i;
            s.next_free = block_->free;
            block_->free = &s;
        }
        block_->available = slot_count;
        detail::poison(block_->memory, slot_size * slot_count);
    }
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;
    ~buffer_pool()
    {
        block_->abandoned = true;
        if (block_->available == block_->slot_count) {
            block_->destroy();
        }
    }

    // A slot that nobody else holds, most recently returned first (it is the hot one); an empty buffer when none is
    // free, which is counted. Contents are indeterminate.
    buffer acquire() noexcept
    {
        detail::slot* s = block_->free;
        if (s == nullptr) {
            ++block_->refused;
            return {};
        }
        block_->free = s->next_free;
        --block_->available;
        s->references = 1;
        detail::unpoison(s->data, block_->slot_size);
        return buffer{s};
    }

    std::size_t slot_size() const noexcept { return block_->slot_size; }
    std::uint32_t slot_count() const noexcept { return block_->slot_count; }
    std::uint32_t available() const noexcept { return block_->available; }
    // Fewer than a quarter of the slots are left: what is left is not for everybody.
    bool is_short() const noexcept { return block_->is_short(); }
    // How many slots there are beyond that quarter.
    std::uint32_t headroom() const noexcept { return is_short() ? 0 : block_->available - block_->slot_count / 4; }
    std::uint64_t refused() const noexcept { return block_->refused; }
    std::byte* memory() const noexcept { return block_->memory; }  // slot i starts at memory() + i * slot_size()

private:
    detail::pool_block* block_;
};

}  // namespace tcpco
