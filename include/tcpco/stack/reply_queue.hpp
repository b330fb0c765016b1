// What the network layer has to say itself, waiting to be sent: RST, ICMP and ARP packets as whole frames. Bounded and
// counted, since every one of them answers something that a stranger sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/frame.hpp"
#include "tcpco/storage/ring_deque.hpp"
#include "tcpco/tcp/counters.hpp"

namespace tcpco {

class reply_queue {
public:
    // Slots come from `small`, or from `large` where a reply does not fit there. The references must outlive this
    // object.
    reply_queue(std::uint32_t limit, buffer_pool& small, buffer_pool& large, stack_counters& counters) noexcept
        : limit_{limit}, small_{small}, large_{large}, counters_{counters}
    {
    }

    // A slot for a frame of `octets`. Empty when too many replies wait, or no slot is free: counted, not answered.
    buffer slot_for(std::size_t octets) noexcept
    {
        buffer_pool& pool = octets <= small_.slot_size() ? small_ : large_;
        buffer slot = frames_.size() < limit_ && octets <= pool.slot_size() ? pool.acquire() : buffer{};
        if (!slot) {
            counters_.drop(drop_reason::reply_queue_full);
        }
        return slot;
    }

    void push(slice&& whole) noexcept
    {
        if (frames_.size() >= limit_ || !frames_.push_back(std::move(whole))) {
            counters_.drop(drop_reason::reply_queue_full);
        }
    }

    bool empty() const noexcept { return frames_.empty(); }

    // Offers them to sink(const slice&) -> sink_verdict, at most `budget`; returns how many it took.
    template <class Sink>
    std::size_t transmit(Sink&& sink, std::size_t budget)
    {
        std::size_t taken = 0;
        while (taken < budget && !frames_.empty() && sink(frames_.front()) != sink_verdict::refused) {
            frames_.pop_front();
            ++taken;
        }
        return taken;
    }

private:
    std::uint32_t limit_;
    buffer_pool& small_;
    buffer_pool& large_;
    stack_counters& counters_;
    ring_deque<slice> frames_;
};

}  // namespace tcpco
