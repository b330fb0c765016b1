// Two devices joined by a path with a bottleneck in each direction: what one sends, the other receives when it is
// through. For simulations in virtual time, where goodput, queues and marks are to be looked at.
//
//     bottleneck_link path{{.forth = {.rate_bits_per_second = 10'000'000, .delay = 20_ms}, .back = {.delay = 20_ms}}};
//     driver a{stack_a, path.left(), reactor};
//     impairment weather{{.loss = 0.01}, seed};
//     decorated lossy{path.right(), weather};
//     driver b{stack_b, lossy, reactor};
//
// `forth` is from left to right. Frames that the queue has no room for are dropped and counted; those that it marks are
// (sim/ecn_mark.hpp). An impairment around an end acts between that end's stack and its bottleneck. There is no
// offload: what a stack sends is what a wire would see. Both ends belong to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/sim/bottleneck.hpp"
#include "tcpco/sim/ecn_mark.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

struct bottleneck_link_options {
    bottleneck_config forth{};  // left to right
    bottleneck_config back{};
    link_framing framing = link_framing::ethernet;
    std::uint32_t mtu = 1500;
};

class bottleneck_link {
    struct travelling {
        std::vector<std::byte> octets{};
        frame_info info{};
        time_point due{};
    };

    // Frames in order: the delay is constant, so they arrive as they left.
    struct direction {
        explicit direction(const bottleneck_config& config) : hop{config} {}

        bottleneck hop;
        std::deque<travelling> frames{};
        std::vector<std::vector<std::byte>> spare{};  // memory of frames that have arrived
    };

public:
    struct counters {
        std::uint64_t received = 0;
        std::uint64_t oversized = 0;  // dropped on sending: longer than max_frame
        std::uint64_t no_slot = 0;    // dropped on receiving: the pool of the stack's side refused
    };

    // One of the two devices.
    class end {
    public:
        link_framing framing() const noexcept { return link_->options_.framing; }
        std::uint32_t mtu() const noexcept { return link_->options_.mtu; }
        std::size_t max_frame() const noexcept { return link_->max_frame(); }
        const counters& statistics() const noexcept { return counters_; }
        // What became of the frames sent at this end: taken, marked, dropped.
        const bottleneck_counters& outgoing() const noexcept { return out_->hop.counters(); }
        // Octets that wait before this end's bottleneck.
        std::size_t queued(time_point now) noexcept { return out_->hop.queued(now); }

        // `now` never goes back.
        sink_verdict send(time_point now, const outgoing_frame& out)
        {
            const std::size_t size = out.size();
            if (size > max_frame()) {
                ++counters_.oversized;
                return sink_verdict::done;
            }
            travelling t{take_memory(size), out.info, {}};
            out.copy_to(t.octets.data());
            const bool markable = ecn_of_frame(t.octets, framing()) != ecn_codepoint::not_ect;
            const bottleneck_answer answer = out_->hop.offer(now, size, markable);
            if (!answer.taken) {
                out_->spare.push_back(std::move(t.octets));
                return sink_verdict::done;
            }
            if (answer.mark) {
                mark_frame(t.octets, framing());
            }
            t.due = answer.at;
            out_->frames.push_back(std::move(t));
            return sink_verdict::done;
        }

        template <class Emit>
        void harvest(time_point now, buffer_pool& pool, Emit&& emit)
        {
            // What arrives because of these very frames waits for the next turn.
            for (std::size_t left = in_->frames.size(); left != 0 && in_->frames.front().due <= now; --left) {
                frame copy = copy_frame(pool, in_->frames.front().octets, in_->frames.front().info);
                in_->spare.push_back(std::move(in_->frames.front().octets));
                in_->frames.pop_front();
                if (!copy.data.owner) {
                    ++counters_.no_slot;
                    continue;
                }
                ++counters_.received;
                emit(std::move(copy));
            }
        }

        time_point deadline() const noexcept
        {
            return in_->frames.empty() ? time_point::never() : in_->frames.front().due;
        }
        void advance(time_point) noexcept {}

    private:
        friend class bottleneck_link;
        end(bottleneck_link& link, direction& out, direction& in) noexcept : link_{&link}, out_{&out}, in_{&in} {}

        std::vector<std::byte> take_memory(std::size_t size)
        {
            std::vector<std::byte> memory;
            if (!out_->spare.empty()) {
                memory = std::move(out_->spare.back());
                out_->spare.pop_back();
            }
            memory.resize(size);
            return memory;
        }

        bottleneck_link* link_;
        direction* out_;
        direction* in_;
        counters counters_{};
    };

    explicit bottleneck_link(const bottleneck_link_options& options = {})
        : options_{options}, forth_{options.forth}, back_{options.back}, left_{*this, forth_, back_},
          right_{*this, back_, forth_}
    {
    }
    bottleneck_link(const bottleneck_link&) = delete;
    bottleneck_link& operator=(const bottleneck_link&) = delete;

    end& left() noexcept { return left_; }
    end& right() noexcept { return right_; }

private:
    // An Ethernet header with one VLAN tag, or none.
    std::size_t max_frame() const noexcept
    {
        return options_.mtu + (options_.framing == link_framing::ethernet ? std::size_t{18} : std::size_t{0});
    }

    bottleneck_link_options options_;
    direction forth_;
    direction back_;
    end left_;
    end right_;
};

static_assert(polled_device<bottleneck_link::end>);

}  // namespace tcpco
