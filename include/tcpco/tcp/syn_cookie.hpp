// SYN cookies (RFC 4987 3.6): a SYN,ACK that needs no record. What the connection needs later is in the numbers that
// the peer sends back.
//
// The cookie is our initial sequence number: 5 bits of a clock with ticks of 64 s, 3 bits for the peer's MSS, 24 bits
// of a MAC over both, the peer's sequence number and the four-tuple. It is taken for 64 to 128 s: a blind guess opens
// a connection once in some eight million segments, and only while cookies are being sent. What else a SYN offers
// (window scale, SACK, ECN) comes back in the low bits of our timestamp, so a peer without timestamps goes without
// (RFC4987-3.6e).
//
// Whether a SYN gets a cookie is the syn_defence policy's decision.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tcpco/core/address.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/core/siphash.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

class syn_cookies {
public:
    // What a cookie can say of the peer's MSS: the largest that is not above it (RFC4987-3.6d). The sizes of Ethernet
    // without and with tunnels, of jumbo frames, and the defaults.
    static constexpr std::array<std::uint16_t, 8> mss_classes{88, 536, 1'200, 1'360, 1'400, 1'440, 1'460, 8'960};

    // The longest that a cookie is good for; nobody need check one when none was sent for so long.
    static constexpr duration lifetime{128'000'000'000};

    explicit syn_cookies(siphash_key key) noexcept : key_{key} {}

    // RFC4987-3.6d
    sequence_number make(const endpoint& local, const endpoint& remote, sequence_number irs, std::uint16_t mss,
                         time_point now) const noexcept
    {
        std::uint32_t mss_class = 0;
        while (mss_class + 1 < mss_classes.size() && mss_classes[mss_class + 1] <= mss) {
            ++mss_class;
        }
        return cookie(local, remote, irs, mss_class, ticks(now));
    }

    // The MSS of the SYN that `cookie` answered; nullopt: forged, or too old (RFC4987-3.6c).
    std::optional<std::uint16_t> check(const endpoint& local, const endpoint& remote, sequence_number irs,
                                       sequence_number acknowledged, time_point now) const noexcept
    {
        const std::uint32_t mss_class = acknowledged.value >> 24 & 7;
        for (std::uint64_t age = 0; age < 2 && age <= ticks(now); ++age) {
            if (cookie(local, remote, irs, mss_class, ticks(now) - age) == acknowledged) {
                return mss_classes[mss_class];
            }
        }
        return std::nullopt;
    }

private:
    static std::uint64_t ticks(time_point now) noexcept
    {
        return static_cast<std::uint64_t>(now.since_origin().ns) / 64'000'000'000U;
    }

    sequence_number cookie(const endpoint& local, const endpoint& remote, sequence_number irs, std::uint32_t mss_class,
                           std::uint64_t tick) const noexcept
    {
        std::array<std::uint64_t, 7> words{};
        for (std::size_t i = 0; i < 16; ++i) {
            words[i / 8] = words[i / 8] << 8 | local.address.octets()[i];
            words[2 + i / 8] = words[2 + i / 8] << 8 | remote.address.octets()[i];
        }
        words[4] = std::uint64_t{local.port} << 48 | std::uint64_t{remote.port} << 32 | irs.value;
        words[5] = tick;
        words[6] = mss_class;
        const auto mac = static_cast<std::uint32_t>(siphash(key_, words) & 0xFFFFFF);
        return {static_cast<std::uint32_t>(tick & 31) << 27 | mss_class << 24 | mac};
    }

    siphash_key key_;
};

namespace detail {

// The low six bits of the timestamp in a SYN,ACK with a cookie: window scale (15: none), SACK-permitted, ECN.
inline constexpr std::uint32_t cookie_bits = 63;

// `now`, or a little less, such that its low bits say what the peer's SYN offered: later timestamps must not be
// smaller.
constexpr std::uint32_t timestamp_with_options(std::uint32_t now, const tcp_options& offered, bool ecn) noexcept
{
    const std::uint32_t shift = offered.has_window_scale ? std::min<std::uint32_t>(offered.window_scale, 14) : 15;
    const std::uint32_t bits = shift | (offered.sack_permitted ? 16U : 0U) | (ecn ? 32U : 0U);
    const std::uint32_t marked = (now & ~cookie_bits) | bits;
    return bits > (now & cookie_bits) ? marked - (cookie_bits + 1) : marked;
}

// What timestamp_with_options() was told, from the timestamp that came back.
constexpr tcp_options options_of_timestamp(std::uint32_t echoed) noexcept
{
    tcp_options offered;
    offered.has_window_scale = (echoed & 15) != 15;
    offered.window_scale = static_cast<std::uint8_t>(offered.has_window_scale ? echoed & 15 : 0);
    offered.sack_permitted = (echoed & 16) != 0;
    return offered;
}
constexpr bool ecn_of_timestamp(std::uint32_t echoed) noexcept { return (echoed & 32) != 0; }

}  // namespace detail

}  // namespace tcpco
