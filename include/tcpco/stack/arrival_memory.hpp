// Whose the last segment was. Frames come in runs of one connection: one whose headers say the same as those of the
// frame before, but for lengths, numbers and checksums, belongs to the same connection, and neither the addresses nor
// the connection have to be looked up again. The IP header's checksum is verified in any case; what TCP says is not
// looked at here.
//
// One frame is remembered. IPv4 without options, as nearly all of it is.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tcpco/storage/slab.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"

namespace tcpco {

class arrival_memory {
public:
    // A segment was accepted for an established connection. `ip`: its IP header, of 20 octets, with TCP's behind it and
    // `link` octets of Ethernet header, or none, before it.
    void keep(const std::byte* ip, std::size_t link, slab_id connection) noexcept
    {
        words_ = words_of(ip, link);
        connection_ = connection;
    }

    void forget() noexcept { connection_ = {}; }

    // How a frame is like the one that is remembered. Of the same host, for the same address of ours, and as plain:
    // then only the connection is another, and the network layer would say what it said.
    enum class likeness : std::uint8_t { none, host, connection };

    likeness compare(std::span<const std::byte> frame, std::size_t link) const noexcept
    {
        if (!connection_ || frame.size() < link + ipv4_header_size + 20) {
            return likeness::none;
        }
        const std::byte* const ip = frame.data() + link;
        const words now = words_of(ip, link);
        const words differs{now[0] ^ words_[0], now[1] ^ words_[1], now[2] ^ words_[2], now[3] ^ words_[3],
                            now[4] ^ words_[4]};
        constexpr auto address = std::bit_cast<std::uint64_t>(octets{255, 255, 255, 255, 0, 0, 0, 0});
        // A frame that is longer than its packet is padded: that is rare, and for the long way.
        if ((differs[0] | differs[1] | differs[2] | differs[3] | (differs[4] & address)) != 0 ||
            read_be16(ip + 2) != frame.size() - link || detail::sum_header<ipv4_header_size / 4>(ip) != 0xFFFF) {
            return likeness::none;
        }
        return differs[4] == 0 ? likeness::connection : likeness::host;
    }

    // The connection that the frame remembered was for; it may be gone.
    slab_id connection() const noexcept { return connection_; }

    // A segment of that host, to the same address, was for `connection`.
    void follow(const std::byte* ip, slab_id connection) noexcept
    {
        words_[4] = load(ip + 16);
        connection_ = connection;
    }

private:
    using words = std::array<std::uint64_t, 5>;
    using octets = std::array<std::uint8_t, 8>;

    static std::uint64_t load(const std::byte* at) noexcept
    {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        return word;
    }

    // What must be equal: both MAC addresses and the type; version, DSCP and ECN, fragment offset and flags; the
    // protocol; both addresses and both ports.
    static words words_of(const std::byte* ip, std::size_t link) noexcept
    {
        constexpr auto first = std::bit_cast<std::uint64_t>(octets{255, 255, 0, 0, 0, 0, 255, 255});
        constexpr auto second = std::bit_cast<std::uint64_t>(octets{0, 255, 0, 0, 255, 255, 255, 255});
        const bool ethernet = link == ethernet_header_size;
        return {ethernet ? load(ip - ethernet_header_size) : 0, ethernet ? load(ip - 8) : 0, load(ip) & first,
                load(ip + 8) & second, load(ip + 16)};
    }

    words words_{};
    slab_id connection_{};
};

}  // namespace tcpco
