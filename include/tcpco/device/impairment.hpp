// A decorator that makes a link imperfect: impairment_model, applied to the frames of a device, each direction by
// itself.
//
//     impairment bad_weather{{.loss = 0.02, .delay = 10_ms}, {.loss = 0.02, .delay = 10_ms}, seed};
//     decorated link{tap0, bad_weather};
//
// What it holds are copies in memory of its own, so that a delayed frame pins none of the stack's slots; a direction
// that is switched off passes frames on untouched. The queue is bounded: what does not fit is dropped and counted.
//
// A frame whose checksum is partial carries none that damage could break, so a damaged one is dropped at once, which is
// what its receiver would do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/device/impairment_model.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

class impairment {
public:
    struct counters {
        std::uint64_t overflow = 0;         // dropped: more than queue_frames were held
        std::uint64_t no_slot = 0;          // dropped on delivery: the pool of the stack's side refused
        std::uint64_t corrupt_dropped = 0;  // damaged frames that had no checksum to break
    };

    // `out` is towards the device, `in` towards the stack.
    impairment(const impairment_config& out, const impairment_config& in, std::uint64_t seed,
               std::size_t queue_frames = 10'000)
        : out_{out, seed, queue_frames}, in_{in, seed ^ 0x9E3779B97F4A7C15, queue_frames}
    {
    }
    // The same for both directions.
    impairment(const impairment_config& both, std::uint64_t seed) : impairment{both, both, seed} {}

    const impairment_counters& out_model() const noexcept { return out_.model.counters(); }
    const impairment_counters& in_model() const noexcept { return in_.model.counters(); }
    const counters& out_counters() const noexcept { return out_.count; }
    const counters& in_counters() const noexcept { return in_.count; }
    // Frames on their way.
    std::size_t held() const noexcept { return out_.queue.size() + in_.queue.size(); }

    template <class Next>
    void ingress(time_point now, frame&& f, Next&& next)
    {
        if (!in_.model.active()) {
            next(std::move(f));
            return;
        }
        in_.offer(now, f.data.size, f.info, [&](std::byte* to) { std::memcpy(to, f.data.data, f.data.size); });
    }

    template <class Next>
    sink_verdict egress(time_point now, const outgoing_frame& out, const buffer& keep, Next&& next)
    {
        if (!out_.model.active()) {
            return next(out, keep);
        }
        out_.offer(now, out.size(), out.info, [&](std::byte* to) { out.copy_to(to); });
        return sink_verdict::done;
    }

    // A frame that the device refused is asked for again at the next turn, which the device causes when it has room.
    time_point deadline() const noexcept
    {
        return std::min(in_.due(), blocked_ ? time_point::never() : out_.due());
    }

    template <class Up, class Down>
    void advance(time_point now, buffer_pool& pool, Up&& up, Down&& down)
    {
        in_.release(now, [&](const held_frame& h) {
            frame f = copy_frame(pool, h.octets, h.info);
            if (!f.data.owner) {
                ++in_.count.no_slot;
                return true;
            }
            up(std::move(f));
            return true;
        });
        blocked_ = false;
        out_.release(now, [&](const held_frame& h) {
            frame f = copy_frame(outgoing_pool(h.octets.size()), h.octets, h.info);
            if (!f.data.owner) {
                blocked_ = true;  // the device still holds them all, and causes a turn when it lets go
                return false;
            }
            const std::span<const std::byte> piece = f.data.octets();
            blocked_ = down(outgoing_frame{{&piece, 1}, h.info, no_token}, f.data.owner) == sink_verdict::refused;
            return !blocked_;
        });
    }

private:
    struct held_frame {
        time_point at{};
        std::uint64_t order = 0;
        std::vector<std::byte> octets{};
        frame_info info{};

        // For a heap whose top is the earliest.
        friend bool operator<(const held_frame& a, const held_frame& b) noexcept
        {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };

    struct direction {
        direction(const impairment_config& config, std::uint64_t seed, std::size_t frames)
            : model{config, seed}, limit{frames}
        {
        }

        time_point due() const noexcept { return queue.empty() ? time_point::never() : queue.front().at; }

        template <class Copy>
        void offer(time_point now, std::size_t size, frame_info info, Copy copy)
        {
            const impairment_decision d = model.offer(now, size);
            if (d.what != impairment_decision::fate::deliver) {
                return;
            }
            if (d.corrupt && info.checksum == checksum_state::partial) {
                ++count.corrupt_dropped;
                return;
            }
            for (int copies = d.duplicate ? 2 : 1; copies != 0; --copies) {
                if (queue.size() >= limit) {
                    ++count.overflow;
                    return;
                }
                held_frame h{d.at, next_order++, take_memory(size), info};
                copy(h.octets.data());
                if (d.corrupt && size != 0) {
                    const std::uint64_t bit = d.corrupt_bit % (size * 8);
                    h.octets[static_cast<std::size_t>(bit / 8)] ^= static_cast<std::byte>(1U << (bit % 8));
                    h.info.checksum = checksum_state::verify;
                }
                queue.push_back(std::move(h));
                std::push_heap(queue.begin(), queue.end());
            }
        }

        // Emits what is due, until `emit` answers false.
        template <class Emit>
        void release(time_point now, Emit emit)
        {
            while (!queue.empty() && queue.front().at <= now && emit(queue.front())) {
                std::pop_heap(queue.begin(), queue.end());
                spare.push_back(std::move(queue.back().octets));
                queue.pop_back();
            }
        }

        // Memory of frames that went on is used again.
        std::vector<std::byte> take_memory(std::size_t size)
        {
            std::vector<std::byte> memory;
            if (!spare.empty()) {
                memory = std::move(spare.back());
                spare.pop_back();
            }
            memory.resize(size);
            return memory;
        }

        impairment_model model;
        std::size_t limit;
        std::vector<held_frame> queue{};
        std::vector<std::vector<std::byte>> spare{};
        std::uint64_t next_order = 0;
        counters count{};
    };

    // Slots for what the device writes later than we hand it over. A pool that is too small is replaced; it lives on
    // until its last slot came back.
    buffer_pool& outgoing_pool(std::size_t octets)
    {
        if (!outgoing_ || outgoing_->slot_size() < octets) {
            outgoing_.emplace(octets <= 2'048 ? std::size_t{2'048} : (octets + 65'535) / 65'536 * 65'536, 128U);
        }
        return *outgoing_;
    }

    direction out_;
    direction in_;
    std::optional<buffer_pool> outgoing_{};
    bool blocked_ = false;
};

static_assert(frame_decorator<impairment>);

}  // namespace tcpco
