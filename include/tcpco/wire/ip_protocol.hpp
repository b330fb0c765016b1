// The number that says what an IP packet carries: the Protocol field of IPv4, the Next Header field of IPv6, and one
// word of the pseudo-header of both.
#pragma once

#include <cstdint>

namespace tcpco {

// Any value may stand in a header; those without a name are unknown protocols.
enum class ip_protocol : std::uint8_t { icmp = 1, tcp = 6, udp = 17, icmp_v6 = 58 };

}  // namespace tcpco
