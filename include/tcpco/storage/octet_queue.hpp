// The octets of a connection: those to be sent and acknowledged, and those received and not yet read.
//
// Both are queues of slices of pool slots. `send_queue` copies what the application writes once, and hands out
// references to it: a retransmission sends the same memory. `receive_queue` takes slots over as they came from the
// device, or copies small payloads together into one slot; the reader gets octets, or a whole slice without a copy.
//
// Left out: windows, and who is woken. Both queues only say how much they hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/ring_deque.hpp"
#include "tcpco/storage/short_copy.hpp"

namespace tcpco {

namespace detail {

// Copies octets behind `tail`, within its slot, as far as there is room; returns how many. Safe while others refer to
// earlier octets of that slot, as long as one queue alone writes to its end.
[[gnu::always_inline]] inline std::size_t extend(slice& tail, std::span<const std::byte> octets) noexcept
{
    const auto used = static_cast<std::size_t>(tail.data - tail.owner.data()) + tail.size;
    const std::size_t n = std::min(tail.owner.capacity() - used, octets.size());
    if (n > 0) {
        copy_few_or_many(tail.owner.data() + used, octets.data(), n);
        tail.size += static_cast<std::uint32_t>(n);
    }
    return n;
}

// As many of `octets` as a new slot of `pool` holds, in that slot; empty when the pool refuses.
[[gnu::always_inline]] inline slice slot_copy(std::span<const std::byte> octets, buffer_pool& pool) noexcept
{
    buffer slot = pool.acquire();
    if (!slot) {
        return {};
    }
    const std::byte* first = slot.data();
    slice copy{std::move(slot), first, 0};
    extend(copy, octets);
    return copy;
}

}  // namespace detail

// Octets [front(), end()) of the stream this side sends: from snd.una to the last octet written.
class send_queue {
public:
    // Offset 1 is the first octet of data (core/sequence.hpp). `limit` bounds the octets held.
    explicit send_queue(std::size_t limit_octets = 0, stream_offset start = stream_offset{1}) noexcept
        : end_{start}, limit_{narrowed(limit_octets)}
    {
    }
    send_queue(send_queue&&) noexcept = default;
    // A copy shares the octets, and writes what follows into slots of its own.
    send_queue(const send_queue& other)
        : chunks_{other.chunks_}, end_{other.end_}, size_{other.size_}, limit_{other.limit_}
    {
    }
    send_queue& operator=(send_queue other) noexcept
    {
        chunks_ = std::move(other.chunks_);
        end_ = other.end_;
        size_ = other.size_;
        limit_ = other.limit_;
        tail_open_ = other.tail_open_;
        return *this;
    }
    ~send_queue() = default;

    // Copies octets in, and returns how many: less than all of them at the limit, or when a pool refuses. An empty
    // queue takes a slot of `small` when all that remains fits there, so that an idle connection's short message does
    // not cost a large slot.
    std::size_t append(std::span<const std::byte> octets, buffer_pool& small, buffer_pool& large) noexcept
    {
        octets = octets.first(std::min(octets.size(), room()));
        std::size_t taken = 0;
        if (tail_open_ != 0 && !chunks_.empty()) {
            taken = detail::extend(chunks_.back().data, octets);
            add(taken);
        }
        while (taken < octets.size()) {
            const std::span<const std::byte> rest = octets.subspan(taken);
            buffer_pool& pool = chunks_.empty() && rest.size() <= small.slot_size() ? small : large;
            slice data = detail::slot_copy(rest, pool);
            const std::size_t n = data.size;
            if (n == 0 || !push(std::move(data), true)) {
                break;
            }
            taken += n;
        }
        return taken;
    }

    // append(), for octets that fit behind the last one, in its slot and the limit: all or none. Short: is_short().
    template <bool Short = false>
    bool append_behind(std::span<const std::byte> octets) noexcept
    {
        if (!tail_open_ || chunks_.empty() || size() + octets.size() > limit_) {
            return false;
        }
        slice& tail = chunks_.back().data;
        const auto used = static_cast<std::size_t>(tail.data - tail.owner.data()) + tail.size;
        if (tail.owner.capacity() - used < octets.size()) {
            return false;
        }
        detail::copy_octets<Short>(tail.owner.data() + used, octets.data(), octets.size());
        tail.size += static_cast<std::uint32_t>(octets.size());
        add(octets.size());
        return true;
    }

    // Takes a lent slice without copying; all or nothing. It is held until release_until() passes it.
    bool append(slice&& octets) noexcept
    {
        return octets.size <= room() && (octets.size == 0 || push(std::move(octets), false));
    }

    // Names up to `octets` octets from `from` on, in at most out.size() pieces, each with a reference to its slot.
    // Returns the number of pieces; less than `octets` are covered where the queue ends or `out` is full.
    std::size_t gather(stream_offset from, std::uint32_t octets, std::span<slice> out) const noexcept
    {
        TCPCO_ASSERT(from >= front());
        std::size_t count = 0;
        for (std::size_t i = find(from); i < chunks_.size() && octets > 0 && count < out.size(); ++i) {
            slice piece = chunks_[i].data;
            piece.remove_prefix(static_cast<std::uint32_t>(from - chunks_[i].first));
            piece.size = std::min(piece.size, octets);
            octets -= piece.size;
            from += piece.size;
            out[count++] = std::move(piece);
        }
        return count;
    }

    // The octets from `from` to the end, without a reference to their slot, where they are all of one piece; else none.
    std::span<const std::byte> end_piece(stream_offset from) const noexcept
    {
        const std::int64_t n = chunks_.empty() || from < chunks_.back().first ? 0 : end_ - from;
        return n == 0 ? std::span<const std::byte>{} : chunks_.back().data.octets().last(static_cast<std::size_t>(n));
    }

    // Drops what is before `una`. Slots stay where gathered slices still refer to them.
    void release_until(stream_offset una) noexcept
    {
        TCPCO_ASSERT(una <= end_);
        while (!chunks_.empty() && chunks_.front().end() <= una) {
            chunks_.pop_front();
        }
        if (!chunks_.empty() && chunks_.front().first < una) {
            chunk& c = chunks_.front();
            c.data.remove_prefix(static_cast<std::uint32_t>(una - c.first));
            c.first = una;
        }
        size_ = std::min(size_, static_cast<std::uint32_t>(end_ - una));
    }

    // Drops everything and the ring's memory; the next octet appended is the one at end().
    void release() noexcept
    {
        chunks_.release();
        size_ = 0;
    }

    stream_offset front() const noexcept { return end_ - std::int64_t{size_}; }
    stream_offset end() const noexcept { return end_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t limit() const noexcept { return limit_; }
    void set_limit(std::size_t octets) noexcept { limit_ = narrowed(octets); }
    std::size_t room() const noexcept { return size() < limit_ ? limit_ - size() : 0; }

    // Octets of all slots that the queue refers to.
    std::size_t pinned_octets() const noexcept
    {
        std::size_t total = 0;
        for (std::size_t i = 0; i < chunks_.size(); ++i) {
            total += chunks_[i].data.owner ? chunks_[i].data.owner.capacity() : 0;
        }
        return total;
    }

private:
    // No window is larger than 1 GiB, and nothing is gained by a queue of more than 4.
    static std::uint32_t narrowed(std::size_t octets) noexcept
    {
        return static_cast<std::uint32_t>(std::min(octets, std::size_t{0xFFFFFFFF}));
    }

    struct chunk {
        stream_offset first{};
        slice data{};
        stream_offset end() const noexcept { return first + data.size; }
    };

    bool push(slice&& data, bool open) noexcept
    {
        const std::size_t octets = data.size;
        if (!chunks_.push_back(chunk{end_, std::move(data)})) {
            return false;
        }
        add(octets);
        tail_open_ = open ? 1 : 0;
        return true;
    }
    void add(std::size_t octets) noexcept
    {
        end_ += static_cast<std::int64_t>(octets);
        size_ += static_cast<std::uint32_t>(octets);  // bounded by limit_
    }

    // The chunk that holds `at`, or how many chunks there are. Segments follow one another, so the chunk found last is
    // looked at first, and the one behind it; then the end, where new data is, and the front: what is sent again.
    std::size_t find(stream_offset at) const noexcept
    {
        if (at >= end_ || chunks_.empty()) {
            return chunks_.size();
        }
        for (std::size_t i = recent_; i < chunks_.size() && i < recent_ + std::size_t{2}; ++i) {
            if (chunks_[i].first <= at && at < chunks_[i].end()) {
                return remember(i);
            }
        }
        if (at >= chunks_.back().first) {
            return remember(chunks_.size() - 1);
        }
        std::size_t low = 0;
        for (std::size_t high = at < chunks_.front().end() ? 0 : chunks_.size() - 1; low < high;) {
            const std::size_t middle = (low + high) / 2;
            if (chunks_[middle].end() <= at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return remember(low);
    }
    std::size_t remember(std::size_t i) const noexcept
    {
        recent_ = static_cast<std::uint32_t>(i) & 0x7FFF'FFFFU;
        return i;
    }

    ring_deque<chunk> chunks_{};
    stream_offset end_;
    std::uint32_t size_ = 0;
    std::uint32_t limit_;
    mutable std::uint32_t recent_ : 31 = 0;  // where find() ended last
    std::uint32_t tail_open_ : 1 = 0;        // the room behind the last octet is this queue's to fill
};

// Octets received in order, waiting for the reader.
class receive_queue {
public:
    receive_queue() = default;
    receive_queue(receive_queue&&) noexcept = default;
    // A copy shares the octets, and writes what follows into slots of its own.
    receive_queue(const receive_queue& other) : slices_{other.slices_}, size_{other.size_} {}
    receive_queue& operator=(receive_queue other) noexcept
    {
        slices_ = std::move(other.slices_);
        size_ = other.size_;
        tail_open_ = other.tail_open_;
        return *this;
    }
    ~receive_queue() = default;

    // Takes a slice over. False when memory is short: then `octets` is untouched.
    [[nodiscard]] bool push(slice&& octets) noexcept
    {
        if (octets.size == 0) {
            return true;
        }
        const std::size_t n = octets.size;
        if (!slices_.push_back(std::move(octets))) {
            return false;
        }
        add(n);
        tail_open_ = 0;
        return true;
    }

    // Copies octets in, behind those copied before where there is room; returns how many: less where the pool refuses.
    std::size_t push_copy(std::span<const std::byte> octets, buffer_pool& pool) noexcept
    {
        std::size_t taken = tail_open_ != 0 && !slices_.empty() ? detail::extend(slices_.back(), octets) : 0;
        add(taken);
        while (taken < octets.size()) {
            const std::size_t n = append_slot(octets.subspan(taken), pool);
            if (n == 0) {
                break;
            }
            add(n);
            tail_open_ = 1;
            taken += n;
        }
        return taken;
    }

    // Moves octets out, as many as there are and `out` holds; returns how many.
    std::size_t read(std::span<std::byte> out) noexcept
    {
        if (slices_.size() == 1 && size_ <= out.size() && detail::is_short(size_)) {  // a request, or its answer
            const std::size_t whole = size_;
            detail::copy_short(out.data(), slices_.front().data, whole);
            slices_.pop_front();
            size_ = 0;
            return whole;
        }
        const std::size_t n = peek(out);
        discard(n);
        return n;
    }

    // read(), where the first slice holds more than `out` does. False: nothing has happened. Short: `out` is_short().
    template <bool Short = false>
    bool read_first(std::span<std::byte> out) noexcept
    {
        if (slices_.empty() || slices_.front().size <= out.size()) {
            return false;
        }
        slice& first = slices_.front();
        detail::copy_octets<Short>(out.data(), first.data, out.size());
        first.remove_prefix(static_cast<std::uint32_t>(out.size()));
        subtract(out.size());
        return true;
    }

    // Like read(), but they stay. `skip` leaves out so many at the front.
    std::size_t peek(std::span<std::byte> out, std::size_t skip = 0) const noexcept
    {
        std::size_t n = 0;
        for (std::size_t i = 0; i < slices_.size() && n < out.size(); ++i) {
            const slice& s = slices_[i];
            if (skip >= s.size) {
                skip -= s.size;
                continue;
            }
            const std::size_t part = std::min(s.size - skip, out.size() - n);
            std::memcpy(out.data() + n, s.data + skip, part);
            n += part;
            skip = 0;
        }
        return n;
    }

    // Drops the first `octets` octets; there must be so many.
    void discard(std::size_t octets) noexcept
    {
        TCPCO_ASSERT(octets <= size());
        while (octets > 0) {
            slice& s = slices_.front();
            if (octets < s.size) {
                s.remove_prefix(static_cast<std::uint32_t>(octets));
                subtract(octets);
                return;
            }
            octets -= s.size;
            take_front();
        }
    }

    // The first slice; the queue must not be empty. take_front() hands it out for good, without a copy.
    const slice& front() const noexcept { return slices_.front(); }
    slice take_front() noexcept
    {
        slice first = std::move(slices_.front());
        slices_.pop_front();
        subtract(first.size);
        return first;
    }

    std::size_t slice_count() const noexcept { return slices_.size(); }
    const slice& slice_at(std::size_t i) const noexcept { return slices_[i]; }  // 0 is the front

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    // What these octets cost: the slots they keep from their pools. A slot that neighbours share counts once. O(n).
    std::size_t pinned_octets() const noexcept
    {
        std::size_t total = 0;
        for (std::size_t i = 0; i < slices_.size(); ++i) {
            total += i > 0 && same_slot(slices_[i - 1], slices_[i]) ? 0 : slot_octets(slices_[i]);
        }
        return total;
    }

    // Copies the octets into as few slots of `pool` as hold them, while it has some. What came in is never dropped.
    void compact(buffer_pool& pool) noexcept
    {
        // The packed slices gather behind the others, which all go out at the front: in the end, the order is right.
        std::size_t unpacked = slices_.size();
        bool packed = false;
        while (unpacked > 0) {
            std::size_t n = packed ? detail::extend(slices_.back(), slices_.front().octets()) : 0;
            if (n == 0) {
                n = append_slot(slices_.front().octets(), pool);
            }
            if (n == 0) {
                break;
            }
            packed = true;
            slices_.front().remove_prefix(static_cast<std::uint32_t>(n));
            if (slices_.front().size == 0) {
                slices_.pop_front();
                --unpacked;
            }
        }
        tail_open_ = unpacked == 0 ? (packed ? 1U : 0U) : tail_open_;
        for (; unpacked > 0; --unpacked) {
            slice s = std::move(slices_.front());
            slices_.pop_front();
            static_cast<void>(slices_.push_back(std::move(s)));  // has room: one has just left
        }
    }

    // Drops everything, and the ring's memory.
    void release() noexcept { *this = receive_queue{}; }

private:
    static std::size_t slot_octets(const slice& s) noexcept { return s.owner ? s.owner.capacity() : 0; }
    static bool same_slot(const slice& a, const slice& b) noexcept { return a.owner && a.owner == b.owner; }

    // Copies as many octets as a new slot holds into it, and appends it; 0 when the pool or the ring refuses.
    [[gnu::always_inline]] std::size_t append_slot(std::span<const std::byte> octets, buffer_pool& pool) noexcept
    {
        slice data{detail::slot_copy(octets, pool)};
        const std::size_t n = data.size;
        return n > 0 && slices_.push_back(std::move(data)) ? n : 0;
    }

    void add(std::size_t octets) noexcept { set_size(size_ + octets); }
    void subtract(std::size_t octets) noexcept { set_size(size_ - octets); }
    void set_size(std::size_t octets) noexcept { size_ = static_cast<std::uint32_t>(octets) & 0x7FFF'FFFFU; }

    ring_deque<slice> slices_{};
    std::uint32_t size_ : 31 = 0;      // a window says 1 GiB at most
    std::uint32_t tail_open_ : 1 = 0;  // the room behind the last octet is this queue's to fill
};

}  // namespace tcpco
