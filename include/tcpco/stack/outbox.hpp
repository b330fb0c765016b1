// The memory of frames on their way out: header room and references, named by tokens.
//
// A frame is a gather list. Its headers are written into an entry here, its payload stays in the send buffer; the
// entry holds a reference to each slot it points into, so an ACK, RST or abort frees nothing that a device still
// reads. The entry comes back with transmitted(token), or at once when the sink is done with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tcpco/core/assert.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

class outbox {
public:
    static constexpr std::size_t header_room = 128;  // Ethernet 14, IPv6 40, TCP 60
    static constexpr std::size_t max_pieces = 20;    // headers, then payload; a longer gather list is sent in part

    struct entry {
        alignas(16) std::array<std::byte, header_room> header;
        std::array<std::span<const std::byte>, max_pieces> pieces;
        std::array<slice, max_pieces - 1> payload;
        std::uint32_t piece_count = 0;
        std::uint32_t index = 0;
        std::uint32_t next_free = 0;
        bool in_use = false;

        // Pieces are the headers and the first `slices` of `payload`.
        void set_pieces(std::size_t header_octets, std::size_t slices) noexcept
        {
            pieces[0] = std::span{header}.first(header_octets);
            for (std::size_t i = 0; i < slices; ++i) {
                pieces[i + 1] = payload[i].octets();
            }
            piece_count = static_cast<std::uint32_t>(slices + 1);
        }
        std::span<const std::span<const std::byte>> gather() const noexcept { return {pieces.data(), piece_count}; }
    };

    explicit outbox(std::uint32_t entries) : entries_{std::make_unique<entry[]>(entries)}, count_{entries}
    {
        for (std::uint32_t i = 0; i < entries; ++i) {
            entries_[i].index = i;
            entries_[i].next_free = i + 1;
        }
    }

    // Null when the device holds all entries: wait for transmitted().
    entry* acquire() noexcept
    {
        if (free_ == count_) {
            return nullptr;
        }
        entry& e = entries_[free_];
        free_ = e.next_free;
        e.in_use = true;
        ++held_;
        return &e;
    }

    transmit_token token_of(const entry& e) const noexcept { return {e.index}; }

    // Ignores tokens that name nothing in use.
    void release(transmit_token token) noexcept
    {
        if (token.index >= count_ || !entries_[token.index].in_use) {
            return;
        }
        entry& e = entries_[token.index];
        for (std::uint32_t i = 1; i < e.piece_count; ++i) {
            e.payload[i - 1] = {};
        }
        e.piece_count = 0;
        e.in_use = false;
        e.next_free = free_;
        free_ = token.index;
        --held_;
    }

    // The short way of release(), for an entry whose pieces have no reference.
    void put_back(entry& e) noexcept
    {
        if (!e.in_use) {
            return;
        }
        e.piece_count = 0;
        e.in_use = false;
        e.next_free = free_;
        free_ = e.index;
        --held_;
    }

    bool exhausted() const noexcept { return free_ == count_; }
    std::uint32_t held() const noexcept { return held_; }

private:
    std::unique_ptr<entry[]> entries_;
    std::uint32_t count_;
    std::uint32_t free_ = 0;
    std::uint32_t held_ = 0;
};

}  // namespace tcpco
