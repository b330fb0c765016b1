// Frames that a stack sends to itself: to its own address, or to 127.0.0.0/8. They wait here until
// transmit() hands them to the receiving side, so sending never happens inside receiving or the other way round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/frame.hpp"
#include "tcpco/storage/ring_deque.hpp"
#include "tcpco/tcp/counters.hpp"

namespace tcpco {

class loopback {
public:
    // Frames are copied to slots of `small`, or of `large` where they do not fit there, and at most `limit` wait. What
    // finds no room is lost and counted, as on any link; TCP sends it again. The references must outlive this object.
    loopback(std::uint32_t limit, buffer_pool& small, buffer_pool& large, stack_counters& counters) noexcept
        : limit_{limit}, small_{small}, large_{large}, counters_{counters}
    {
    }

    void push(const outgoing_frame& f) noexcept
    {
        const std::size_t size = f.size();
        buffer_pool& pool = size <= small_.slot_size() ? small_ : large_;
        buffer slot = frames_.size() < limit_ && size <= pool.slot_size() ? pool.acquire() : buffer{};
        if (!slot) {
            counters_.drop(drop_reason::no_buffer);
            return;
        }
        f.copy_to(slot.data());
        const std::byte* first = slot.data();
        frame_info info = f.info;
        info.checksum = checksum_state::good;  // no wire lies between
        if (!frames_.push_back(frame{slice{std::move(slot), first, static_cast<std::uint32_t>(size)}, info})) {
            counters_.drop(drop_reason::no_buffer);
        }
    }

    bool empty() const noexcept { return frames_.empty(); }
    std::size_t size() const noexcept { return frames_.size(); }
    frame pop() noexcept
    {
        frame f = std::move(frames_.front());
        frames_.pop_front();
        return f;
    }

private:
    std::uint32_t limit_;
    buffer_pool& small_;
    buffer_pool& large_;
    stack_counters& counters_;
    ring_deque<frame> frames_;
};

}  // namespace tcpco
