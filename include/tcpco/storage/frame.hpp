// A frame on its way into a stack, and a frame on its way out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/frame_info.hpp"
#include "tcpco/storage/buffer.hpp"

namespace tcpco {

// One received frame: octets of a slot, with what is known about them. Starts at the Ethernet or IP header, whichever
// the device speaks; a virtio_net_hdr was taken off and lives on in `info`.
struct frame {
    slice data{};
    frame_info info{};

    frame() = default;
    frame(slice octets, frame_info i) noexcept : data{std::move(octets)}, info{i} {}
};

// Copies `octets` into a slot of `pool`. Empty (no owner) when the pool is exhausted or its slots are too small.
inline frame copy_frame(buffer_pool& pool, std::span<const std::byte> octets, frame_info info = {}) noexcept
{
    if (octets.size() > pool.slot_size()) {
        return {};
    }
    buffer slot = pool.acquire();
    if (!slot) {
        return {};
    }
    if (!octets.empty()) {
        std::memcpy(slot.data(), octets.data(), octets.size());
    }
    const std::byte* first = slot.data();
    return {slice{std::move(slot), first, static_cast<std::uint32_t>(octets.size())}, info};
}

// Names the memory behind one emitted frame until transmitted() gives it back.
struct transmit_token {
    std::uint32_t index = 0;
    friend bool operator==(transmit_token, transmit_token) noexcept = default;
};

// One frame to send, as a gather list: pieces[0] holds all headers, the rest points into send buffers. The pieces stay
// valid until stack.transmitted(token); a sink that answers `done` or `refused` must not look at them after it
// returned.
struct outgoing_frame {
    std::span<const std::span<const std::byte>> pieces{};
    frame_info info{};
    transmit_token token{};

    std::size_t size() const noexcept
    {
        std::size_t total = 0;
        for (const auto& piece : pieces) {
            total += piece.size();
        }
        return total;
    }

    // Writes the whole frame to `out`, which must hold size() octets.
    void copy_to(std::byte* out) const noexcept
    {
        for (const auto& piece : pieces) {
            if (!piece.empty()) {
                std::memcpy(out, piece.data(), piece.size());
                out += piece.size();
            }
        }
    }
};

// What a sink did with an outgoing frame.
enum class sink_verdict : std::uint8_t {
    refused,  // no room: nothing happened, offer it again later; transmit() stops here
    held,     // taken, will be written in order; the pieces stay in use until transmitted(token)
    done,     // taken, and the pieces are free again
};

}  // namespace tcpco
