// Two devices joined by memory: what one sends, the other receives, in order. For tests, simulations and programs that
// run two stacks in one process, on one reactor.
//
// Each direction is a bounded queue: what does not fit is dropped and counted, as a cable's interface would. A constant
// one-way delay can be set; loss, jitter and the rest come from device/impairment.hpp. frame_info travels along, so a
// link with `offload` carries super-frames and partial checksums uncut, which is how offload is tested without a TAP.
// Both ends belong to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

struct memory_link_options {
    link_framing framing = link_framing::ethernet;
    std::uint32_t mtu = 1500;
    std::uint32_t queue_frames = 1000;  // per direction, as many as a TAP's queue holds
    duration delay{};                   // one way
    device_offload offload{};
};

class memory_link {
    struct travelling {
        slice data{};
        frame_info info{};
        time_point due{};
    };

    // One direction: a ring of frames in slots of its own pool.
    struct direction {
        direction(std::size_t slot_size, std::uint32_t frames) : pool{slot_size, frames}, ring(frames) {}

        travelling& front() noexcept { return ring[first]; }

        buffer_pool pool;
        std::vector<travelling> ring;
        std::size_t first = 0;
        std::size_t count = 0;
    };

public:
    struct counters {
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        std::uint64_t queue_full = 0;  // dropped on sending
        std::uint64_t oversized = 0;   // dropped on sending: longer than max_frame
        std::uint64_t no_slot = 0;     // dropped on receiving: the pool of the stack's side refused
    };

    // One of the two devices.
    class end {
    public:
        link_framing framing() const noexcept { return link_->options_.framing; }
        std::uint32_t mtu() const noexcept { return link_->options_.mtu; }
        std::size_t max_frame() const noexcept { return link_->max_frame(); }
        device_offload offload() const noexcept { return link_->options_.offload; }
        const counters& statistics() const noexcept { return counters_; }

        sink_verdict send(time_point now, const outgoing_frame& out) noexcept
        {
            const std::size_t size = out.size();
            if (size > max_frame()) {
                ++counters_.oversized;
                return sink_verdict::done;
            }
            buffer slot = out_->count < out_->ring.size() ? out_->pool.acquire() : buffer{};
            if (!slot) {
                ++counters_.queue_full;
                return sink_verdict::done;
            }
            out.copy_to(slot.data());
            travelling& t = out_->ring[(out_->first + out_->count++) % out_->ring.size()];
            const std::byte* first = slot.data();
            t.data = slice{std::move(slot), first, static_cast<std::uint32_t>(size)};
            t.info = out.info;
            t.due = now + link_->options_.delay;
            ++counters_.sent;
            return sink_verdict::done;
        }

        template <class Emit>
        void harvest(time_point now, buffer_pool& pool, Emit&& emit)
        {
            // What arrives because of these very frames waits for the next turn.
            for (std::size_t left = in_->count; left != 0 && in_->front().due <= now; --left) {
                travelling& t = in_->front();
                frame copy = copy_frame(pool, t.data.octets(), t.info);
                t.data = slice{};
                in_->first = (in_->first + 1) % in_->ring.size();
                --in_->count;
                if (!copy.data.owner) {
                    ++counters_.no_slot;
                    continue;
                }
                ++counters_.received;
                emit(std::move(copy));
            }
        }

        time_point deadline() const noexcept { return in_->count == 0 ? time_point::never() : in_->front().due; }
        void advance(time_point) noexcept {}

    private:
        friend class memory_link;
        end(memory_link& link, direction& out, direction& in) noexcept : link_{&link}, out_{&out}, in_{&in} {}

        memory_link* link_;
        direction* out_;
        direction* in_;
        counters counters_{};
    };

    explicit memory_link(memory_link_options options = {})
        : options_{options}, forth_{max_frame(), options.queue_frames}, back_{max_frame(), options.queue_frames},
          left_{*this, forth_, back_}, right_{*this, back_, forth_}
    {
    }
    memory_link(const memory_link&) = delete;
    memory_link& operator=(const memory_link&) = delete;

    end& left() noexcept { return left_; }
    end& right() noexcept { return right_; }

private:
    // An Ethernet header with one VLAN tag, or none.
    std::size_t max_frame() const noexcept
    {
        const std::size_t packet = options_.offload.tso_max > options_.mtu ? options_.offload.tso_max : options_.mtu;
        return packet + (options_.framing == link_framing::ethernet ? 18 : 0);
    }

    memory_link_options options_;
    direction forth_;
    direction back_;
    end left_;
    end right_;
};

static_assert(polled_device<memory_link::end>);

}  // namespace tcpco
