// Frames from one thread to one other: a bounded ring of octets in which each frame takes what it needs.
//
//     producer    ring.push(octets, info)      false: no room, nothing has happened
//                 if (ring.announce()) { ... }  tell the consumer, who may sleep; once for any number of frames
//     consumer    ring.take_all(pool, limit, emit)
//
// Frames are copied in, and copied out into slots of the consumer's pool: a slot belongs to the thread of its pool. Two
// copies are cheap beside what handing over costs anyway (another core's caches), and few frames are handed over.
// Neither side ever waits for the other, and nothing allocates.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/frame_info.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

class handover_ring {
public:
    // Holds frames of at least `octets` together, each with 32 octets around it; rounded up to a power of two, and at
    // least 4 KiB. A frame of more than half of it may never find room.
    explicit handover_ring(std::size_t octets)
        : capacity_{std::bit_ceil(std::max<std::size_t>(octets, 4'096))},
          memory_{static_cast<std::byte*>(::operator new(capacity_, std::align_val_t{alignment}))}
    {
    }
    handover_ring(const handover_ring&) = delete;
    handover_ring& operator=(const handover_ring&) = delete;
    ~handover_ring() = default;

    std::size_t capacity() const noexcept { return capacity_; }

    // --- the producer's side ---------------------------------------------------------------------------------------

    bool push(std::span<const std::byte> octets, const frame_info& info) noexcept
    {
        const std::size_t needed = rounded(sizeof(record) + octets.size());
        const std::size_t to_end = capacity_ - (tail_ & mask());
        const std::size_t skipped = to_end < needed ? to_end : 0;  // a frame is never cut at the end of the ring
        if (!has_room(skipped + needed)) {
            return false;
        }
        if (skipped != 0) {
            write({.size = skip, .info = {}}, {});
            tail_ += skipped;
        }
        write({.size = static_cast<std::uint32_t>(octets.size()), .info = info}, octets);
        tail_ += needed;
        published_.store(tail_, std::memory_order_release);
        return true;
    }

    // After one push() or several. True: the consumer has to be told, since it has not been since it last looked. The
    // order is what no wake-up is lost by: here the frames are published first, there the flag is taken back first.
    bool announce() noexcept { return !announced_.exchange(true, std::memory_order_acq_rel); }

    // --- the consumer's side ---------------------------------------------------------------------------------------

    // Copies frames into slots of `pool` and calls emit(frame&&), until none is left, `limit` were taken or no slot is
    // free. A slot must hold the largest frame. Returns how many were taken.
    template <class Emit>
    std::size_t take_all(buffer_pool& pool, std::size_t limit, Emit&& emit)
    {
        if (!more_ && !announced_.load(std::memory_order_relaxed)) {
            return 0;  // what every turn costs while nothing comes: a cache line that nobody writes
        }
        announced_.exchange(false, std::memory_order_acq_rel);
        const std::size_t end = published_.load(std::memory_order_acquire);
        std::size_t taken = 0;
        while (head_ != end && taken < limit) {
            const std::byte* const at = memory_.get() + (head_ & mask());
            std::uint32_t size = 0;
            std::memcpy(&size, at, sizeof size);
            if (size == skip) {
                head_ += capacity_ - (head_ & mask());
                continue;
            }
            record r;
            std::memcpy(&r, at, sizeof r);
            frame copy = copy_frame(pool, {at + sizeof r, r.size}, r.info);
            if (!copy.data.owner) {
                break;
            }
            head_ += rounded(sizeof r + r.size);
            ++taken;
            emit(std::move(copy));
        }
        more_ = head_ != end;
        consumed_.store(head_, std::memory_order_release);
        return taken;
    }

    // The last take_all() has left frames where they are.
    bool has_more() const noexcept { return more_; }

private:
    struct record {
        std::uint32_t size = 0;  // first: of a record that skips it is all there is
        frame_info info{};
    };
    static_assert(std::is_trivially_copyable_v<record> && sizeof(record) <= 32);

    static constexpr std::size_t alignment = 64;     // a cache line
    static constexpr std::size_t granularity = 16;   // of records, so that a size always fits where one may begin
    static constexpr std::uint32_t skip = 0xFFFF'FFFF;  // as a size: the rest up to the end of the ring is nothing

    struct release {
        void operator()(std::byte* p) const noexcept { ::operator delete(p, std::align_val_t{alignment}); }
    };

    std::size_t mask() const noexcept { return capacity_ - 1; }
    static constexpr std::size_t rounded(std::size_t n) noexcept
    {
        return (n + granularity - 1) / granularity * granularity;
    }

    bool has_room(std::size_t needed) noexcept
    {
        if (capacity_ - (tail_ - seen_) < needed) {
            seen_ = consumed_.load(std::memory_order_acquire);
        }
        return capacity_ - (tail_ - seen_) >= needed;
    }
    // Of a record that only skips, the size alone.
    void write(const record& r, std::span<const std::byte> octets) noexcept
    {
        std::byte* const at = memory_.get() + (tail_ & mask());
        std::memcpy(at, &r, r.size == skip ? sizeof r.size : sizeof r);
        if (!octets.empty()) {
            std::memcpy(at + sizeof r, octets.data(), octets.size());
        }
    }

    const std::size_t capacity_;
    const std::unique_ptr<std::byte, release> memory_;
    // The producer's line, the consumer's, and the two that both look at.
    alignas(alignment) std::size_t tail_ = 0;
    std::size_t seen_ = 0;  // of consumed_
    alignas(alignment) std::size_t head_ = 0;
    bool more_ = false;
    alignas(alignment) std::atomic<std::size_t> published_{0};
    std::atomic<bool> announced_{false};
    alignas(alignment) std::atomic<std::size_t> consumed_{0};
};

}  // namespace tcpco
