// A decorator between one queue of a device and one of several stacks: what belongs to another stack goes to it.
//
// A device with several queues gives each frame to one of them, by rules of its own (a TAP remembers on which queue a
// flow was last written to, forgets it after three idle seconds, and knows 4096 flows). So a connection's frames mostly
// arrive at its owner, and now and then elsewhere: a SYN, and what follows a pause. frame_sorter tells whose a frame
// is; a handover_ring and a doorbell for each pair of stacks take it there. What stacks send goes to their own queues.
//
// ARP is told to all stacks and answered by the one it came to. Echo requests are answered where they arrive.
//
// A frame that is handed over may be overtaken by a later one of its connection that arrived at the owner directly: the
// queues of a device do not know of each other. TCP takes that for what it is, reordering.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/doorbell.hpp"
#include "tcpco/async/handover_ring.hpp"
#include "tcpco/stack/flow_owner.hpp"

namespace tcpco {

// In frames.
struct steering_counters {
    std::uint64_t kept = 0;         // arrived at the owner's own queue, or concern any stack
    std::uint64_t handed_over = 0;  // arrived here and are another's
    std::uint64_t taken_over = 0;   // arrived elsewhere and are ours, or are ARP that others were told of
    std::uint64_t told = 0;         // copies of ARP packets for the others
    std::uint64_t dropped_ring_full = 0;    // another's, and lost: it does not keep up
    std::uint64_t dropped_unreachable = 0;  // another's, and lost: the stacks are not joined yet, or not any more
    std::uint64_t waited_for_slots = 0;     // turns in which frames stayed in a ring since our pool had no slot
    std::uint64_t doorbells = 0;            // how often another stack was told to look

    // Of several stacks together.
    steering_counters& operator+=(const steering_counters& other) noexcept
    {
        kept += other.kept;
        handed_over += other.handed_over;
        taken_over += other.taken_over;
        told += other.told;
        dropped_ring_full += other.dropped_ring_full;
        dropped_unreachable += other.dropped_unreachable;
        waited_for_slots += other.waited_for_slots;
        doorbells += other.doorbells;
        return *this;
    }
};

// Belongs to its stack's thread, as any decorator; join() and leave() too.
class flow_steering {
public:
    // Frames taken over from one other stack in a turn, at most: a turn is bounded.
    static constexpr std::size_t take_limit = 256;

    // `own`: the stack's station address; frames to others are left where they arrive.
    flow_steering(const flow_owner& owner, bool ethernet, mac_address own)
        : sorter_{owner, ethernet, own}, others_(owner.count())
    {
    }

    // From now on stack `index` can be reached: by `out`, of which this is the only producer, and `bell`; what it has
    // for us comes by `in`. The rings must outlive this, or leave() comes first.
    void join(std::uint32_t index, handover_ring& out, handover_ring& in, std::unique_ptr<doorbell> bell)
    {
        others_[index].out = &out;
        others_[index].in = &in;
        others_[index].bell = std::move(bell);
    }
    // From now on nobody can be: what is another's is dropped. The doorbells stay until this is destroyed: a kernel may
    // still have to say what became of the last one.
    void leave() noexcept
    {
        for (other& o : others_) {
            o.out = nullptr;
            o.in = nullptr;
            o.unannounced = false;
        }
    }

    const steering_counters& counters() const noexcept { return counters_; }

    // --- the decorator ---------------------------------------------------------------------------------------------

    template <class Up>
    void ingress(time_point, frame&& f, Up&& up)
    {
        const std::uint32_t to = sorter_.of(f.data.octets());
        if (to == frame_sorter::everyone) {
            tell_others(f);
        } else if (to != sorter_.owner().index()) {
            hand_over(others_[to], f);
            return;
        }
        ++counters_.kept;
        up(std::move(f));
    }
    template <class Down>
    sink_verdict egress(time_point, const outgoing_frame& out, const buffer& keep, Down&& down)
    {
        return down(out, keep);
    }

    // Before the stack is advanced: it has to see all that is there.
    template <class Up, class Down>
    void advance(time_point, buffer_pool& pool, Up&& up, Down&&)
    {
        pool_ = &pool;
        for (other& o : others_) {
            if (std::exchange(o.unannounced, false) && o.out->announce()) {
                ++counters_.doorbells;
                o.bell->ring();
            }
        }
        for (other& o : others_) {
            if (o.in == nullptr) {
                continue;
            }
            counters_.taken_over += o.in->take_all(pool, take_limit, up);
            counters_.waited_for_slots += o.in->has_more() && pool.available() == 0 ? 1U : 0U;
        }
    }

    // At once where a turn has left frames in a ring, and there are slots for them again.
    time_point deadline() const noexcept
    {
        const bool more = std::any_of(others_.begin(), others_.end(),
                                      [](const other& o) { return o.in != nullptr && o.in->has_more(); });
        return more && pool_->available() != 0 ? time_point::min() : time_point::never();
    }

private:
    struct other {
        handover_ring* out = nullptr;
        handover_ring* in = nullptr;
        std::unique_ptr<doorbell> bell{};
        bool unannounced = false;  // frames were pushed since the last announce()
    };

    void hand_over(other& o, const frame& f) noexcept
    {
        if (push(o, f.data.octets(), f.info)) {
            ++counters_.handed_over;
        }
    }
    bool push(other& o, std::span<const std::byte> octets, const frame_info& info) noexcept
    {
        if (o.out == nullptr) {
            ++counters_.dropped_unreachable;
            return false;
        }
        if (!o.out->push(octets, info)) {
            ++counters_.dropped_ring_full;
            return false;
        }
        o.unannounced = true;
        return true;
    }

    // Padding behind the packet is left out.
    void tell_others(const frame& f) noexcept
    {
        std::array<std::byte, ethernet_header_size + arp_packet_size> copy{};
        const std::span<const std::byte> octets = f.data.octets();
        if (octets.size() < copy.size()) {
            return;  // malformed: our own stack counts it
        }
        std::copy_n(octets.begin(), copy.size(), copy.begin());
        frame_sorter::make_reply_of_request(copy);
        for (other& o : others_) {
            if (o.out != nullptr && push(o, copy, f.info)) {
                ++counters_.told;
            }
        }
    }

    frame_sorter sorter_;
    std::vector<other> others_;  // by index; our own place stays empty
    buffer_pool* pool_ = nullptr;
    steering_counters counters_{};
};

static_assert(frame_decorator<flow_steering>);

}  // namespace tcpco
