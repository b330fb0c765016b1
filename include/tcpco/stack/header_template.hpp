// The headers of a frame that leaves again with other octets: all but the IP identification, the sequence number and
// the checksums stays. The sums of what stays are kept, so that a frame costs one copy and its own octets' sum.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tcpco/core/sequence.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco {

class header_template {
public:
    static constexpr std::size_t room = 96;  // Ethernet, IPv4, TCP with 40 octets of options

    // `headers` as they were written, with `room` octets to read; `tcp_at`: where TCP's begins. `sum`: the
    // pseudo-header's; `completes`: the checksum is ours to make, not the device's.
    void take(const std::byte* headers, std::size_t size, std::size_t tcp_at, const checksum_accumulator& sum,
              bool completes) noexcept
    {
        std::memcpy(octets_.data(), headers, room);
        size_ = static_cast<std::uint8_t>(size);
        tcp_at_ = static_cast<std::uint8_t>(tcp_at);
        completes_ = completes;
        std::byte* const ip = octets_.data() + tcp_at - ipv4_header_size;
        write_be16(ip + 4, 0);
        write_be16(ip + 10, 0);
        ip_sum_ = {};
        ip_sum_.add({ip, ipv4_header_size});
        if (completes) {
            std::byte* const tcp = octets_.data() + tcp_at;
            write_be32(tcp + 4, 0);
            write_be16(tcp + 16, 0);
            tcp_sum_ = sum;
            tcp_sum_.add({tcp, size - tcp_at});
        }
    }

    std::size_t size() const noexcept { return size_; }

    // Writes the headers to `out`, which has `room` octets. `payload`: what follows them.
    void write(std::byte* out, std::uint16_t identification, sequence_number seq,
               std::span<const std::span<const std::byte>> payload) const noexcept
    {
        std::memcpy(out, octets_.data(), room);
        std::byte* const tcp = out + tcp_at_;
        std::byte* const ip = tcp - ipv4_header_size;
        checksum_accumulator ip_sum = ip_sum_;
        ip_sum.add16(identification);
        write_be16(ip + 4, identification);
        write_be16(ip + 10, ip_sum.checksum());
        write_be32(tcp + 4, seq.value);
        if (completes_) {
            checksum_accumulator sum = tcp_sum_;
            sum.add32(seq.value);
            for (const auto& piece : payload) {
                sum.add(piece);
            }
            write_be16(tcp + 16, sum.checksum());
        }
    }

private:
    std::array<std::byte, room> octets_;
    std::uint8_t size_ = 0;
    std::uint8_t tcp_at_ = 0;
    bool completes_ = false;
    checksum_accumulator ip_sum_{};
    checksum_accumulator tcp_sum_{};
};

}  // namespace tcpco
