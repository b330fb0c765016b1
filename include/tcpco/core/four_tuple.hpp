// The two ends that name a connection, and keyed hashes of them: peers choose most of what is hashed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/siphash.hpp"

namespace tcpco {

// The two ends that name a connection (RFC 9293 section 3.4.1: "socket pair").
struct four_tuple {
    endpoint local{};
    endpoint remote{};
    friend constexpr bool operator==(const four_tuple&, const four_tuple&) noexcept = default;
};

// SipHash of a four_tuple.
template <unsigned Compress, unsigned Finish>
struct basic_four_tuple_hash {
    siphash_key key{};

    constexpr std::uint64_t operator()(const four_tuple& t) const noexcept
    {
        const std::uint64_t ports = std::uint64_t{t.local.port} << 16 | t.remote.port;
        if (t.local.address.is_v4() && t.remote.address.is_v4()) {
            const std::uint64_t words[] = {
                std::uint64_t{t.local.address.v4().value} << 32 | t.remote.address.v4().value, ports};
            return siphash<Compress, Finish>(key, words);
        }
        const std::uint64_t families = (t.local.address.is_v4() ? 1u : 0u) | (t.remote.address.is_v4() ? 2u : 0u);
        const std::uint64_t words[] = {word(t.local.address, 0), word(t.local.address, 8), word(t.remote.address, 0),
                                       word(t.remote.address, 8), families << 32 | ports};
        return siphash<Compress, Finish>(key, words);
    }

private:
    static constexpr std::uint64_t word(const ip_address& address, std::size_t from) noexcept
    {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            value = value << 8 | address.octets()[from + i];
        }
        return value;
    }
};

using four_tuple_hash = basic_four_tuple_hash<2, 4>;
// For tables: of what it says nothing can be seen from without.
using flow_hash = basic_four_tuple_hash<1, 3>;

// SipHash of one end alone: what listens there.
struct endpoint_hash {
    siphash_key key{};

    constexpr std::uint64_t operator()(const endpoint& e) const noexcept { return flow_hash{key}({e, {}}); }
};

}  // namespace tcpco
