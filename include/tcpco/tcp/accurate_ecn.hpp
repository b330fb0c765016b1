// Accurate ECN feedback (RFC 9768): what a connection keeps for it, and the arithmetic of its counters. No connection,
// no packet: those stand in accurate_feedback.hpp.
//
// A receiver counts the packets that came with CE and says the lowest three bits of that number, ACE, on each segment;
// octets by code point go into an option where the path lets it through. Both only ever count up, modulo 8 and 2^24,
// so a lost ACK costs nothing but time. Only connections that agreed on it have a record.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "tcpco/core/sequence.hpp"
#include "tcpco/policy/events.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

// Octets by the code point they came with. Not from zero: a field of zero in a first option means that somebody wiped
// it (RFC 9768 3.2.1).
// RFC9768-3.2.1a
struct ecn_octets {
    std::uint32_t ceb = 0;
    std::uint32_t e0b = 1;
    std::uint32_t e1b = 1;

    friend constexpr bool operator==(const ecn_octets&, const ecn_octets&) noexcept = default;
};

// The three counters as a set.
namespace ecn_counter {
inline constexpr std::uint8_t ce = 1;
inline constexpr std::uint8_t ect_0 = 2;
inline constexpr std::uint8_t ect_1 = 4;
}  // namespace ecn_counter

// An ACK that was due when a mark came behind it, in a turn that has not sent it yet.
struct earlier_ack {
    stream_offset ack{};
    std::uint8_t ace = 0;
};

struct accurate_ecn {
    ecn_octets r;  // received; of r.cep the TCB has what is ever said of it
    ecn_octets s;  // sent, as the peer reports
    std::uint32_t s_cep = 5;
    std::uint32_t last_tsval = 0;      // of the last ACK that was decoded
    std::uint16_t acked_average = 16;  // wire segments for each ACK, in sixteenths
    std::uint8_t marks_unsaid = 0;     // CE packets since an ACK left
    std::uint8_t changed = 0;          // counters of `r` that ever moved
    std::uint8_t unsaid = 0;           // of these, since an option with them left
    std::uint8_t handshake = 0;        // the code point on the peer's SYN or SYN,ACK, to be fed back

    bool handshake_owed : 1 = false;    // our next pure ACK says it (client)
    bool counted_syn_ack : 1 = false;   // a mark on it counts once
    bool marked_handshake : 1 = false;  // the peer saw CE on our SYN or SYN,ACK: to be answered
    bool no_ect : 1 = false;            // nothing of ours may be marked any more
    bool deaf : 1 = false;              // the peer's feedback is no feedback
    bool ace_checked : 1 = false;       // against zero, on the first packet after the handshake
    bool option_void : 1 = false;       // the peer's options are wiped on their way
    bool sends_option : 1 = true;
    bool test_ack : 1 = false;    // the next ACK shows whether an option gets through
    bool test_text : 1 = false;   // and so does our first text
    bool ack_of_acks : 1 = false;  // the ACK that is owed says nothing of data: no SACK blocks

    std::uint8_t earlier_count = 0;
    std::array<earlier_ack, 4> earlier{};  // oldest first
};

namespace detail {

inline constexpr std::uint32_t accecn_mask = 0xFFFFFF;

// How a SYN,ACK, and a client's ACK of it, say the code point of what they answer (RFC 9768 tables 2 to 4). AE is the
// highest of the three bits.
// RFC9768-3.1.1b, 3.2.2.1a
constexpr std::uint8_t handshake_ace(std::uint8_t codepoint) noexcept
{
    constexpr std::array<std::uint8_t, 4> says{2, 3, 4, 6};  // Not-ECT, ECT(1), ECT(0), CE
    return says[codepoint & 3];
}

// The same read; Not-ECT where it says nothing that is defined (RFC 9768 3.1.3, table 4).
constexpr std::uint8_t codepoint_of_handshake(unsigned ace) noexcept
{
    return ace == 3   ? ecn_codepoint::ect_1
           : ace == 4 ? ecn_codepoint::ect_0
           : ace == 6 ? ecn_codepoint::ce
                      : ecn_codepoint::not_ect;
}

// The three flags as a number, and back.
constexpr unsigned ace_of(std::uint16_t flags) noexcept
{
    return ((flags & tcp_flag::ae) != 0 ? 4U : 0U) | ((flags & tcp_flag::cwr) != 0 ? 2U : 0U) |
           ((flags & tcp_flag::ece) != 0 ? 1U : 0U);
}
constexpr std::uint16_t flags_of_ace(unsigned ace) noexcept
{
    return static_cast<std::uint16_t>(((ace & 4U) != 0 ? tcp_flag::ae : 0) | ((ace & 2U) != 0 ? tcp_flag::cwr : 0) |
                                      ((ace & 1U) != 0 ? tcp_flag::ece : 0));
}

// RFC9768-3.2b
constexpr void count_octets(accurate_ecn& e, std::uint8_t codepoint, std::uint32_t octets) noexcept
{
    if (octets == 0 || codepoint == ecn_codepoint::not_ect) {
        return;
    }
    const bool ce = codepoint == ecn_codepoint::ce;
    const bool ect_0 = codepoint == ecn_codepoint::ect_0;
    (ce ? e.r.ceb : ect_0 ? e.r.e0b : e.r.e1b) += octets;
    const std::uint8_t counter = ce ? ecn_counter::ce : ect_0 ? ecn_counter::ect_0 : ecn_counter::ect_1;
    e.changed |= counter;
    e.unsaid |= counter;
}

// The shortest option that has all of `counters`; with none of them an empty one.
// RFC9768-3.2.3.1a, 3.2.3c, 3.2.3.3c
constexpr accecn_option option_with(const ecn_octets& r, std::uint8_t counters) noexcept
{
    const bool first_1 = (counters & ecn_counter::ect_1) != 0 && (counters & ecn_counter::ect_0) == 0;
    const bool both = (counters & ecn_counter::ect_1) != 0 && (counters & ecn_counter::ect_0) != 0;
    accecn_option option{.present = true,
                         .order = first_1 ? std::uint8_t{1} : std::uint8_t{0},
                         .count = both                                  ? std::uint8_t{3}
                                  : (counters & ecn_counter::ce) != 0 ? std::uint8_t{2}
                                  : counters != 0                       ? std::uint8_t{1}
                                                                        : std::uint8_t{0}};
    option.fields = {(first_1 ? r.e1b : r.e0b) & accecn_mask, r.ceb & accecn_mask,
                     (first_1 ? r.e0b : r.e1b) & accecn_mask};
    for (std::size_t i = option.count; i < option.fields.size(); ++i) {
        option.fields[i] = 0;
    }
    return option;
}

// A first option with a field of zero in place of what counts from one (RFC 9768 3.2.3.2.4).
constexpr bool is_wiped(const accecn_option& option) noexcept
{
    return (option.count >= 1 && option.fields[0] == 0) || (option.count >= 3 && option.fields[2] == 0);
}

// What an option says of marked octets: how many more since the last one. `known`: it says so at all. A field that is
// left out has not changed, and one that never counted need not be there.
struct marked_octets {
    bool known = false;
    std::uint32_t octets = 0;
};

// RFC9768-3.2.3.1b
constexpr marked_octets take_option_counts(ecn_octets& s, const accecn_option& option) noexcept
{
    const auto advance = [](std::uint32_t& counter, std::uint32_t field) {
        const std::uint32_t more = (field - counter) & accecn_mask;
        counter += more;
        return more;
    };
    if (option.count >= 1) {
        advance(option.order == 0 ? s.e0b : s.e1b, option.fields[0]);
    }
    if (option.count >= 3) {
        advance(option.order == 0 ? s.e1b : s.e0b, option.fields[2]);
    }
    if (option.count >= 2) {
        return {true, advance(s.ceb, option.fields[1])};
    }
    return {option.count == 1 && s.ceb == 0, 0};
}

// How many packets more were marked, from the three bits that an ACK says. Where it acknowledges so many that the bits
// may have gone round unseen, ACKs having been lost, the safest likely case counts; the octets that were marked tell,
// where they are known (RFC 9768 A.2). `thinned`: ACKs on this path usually stand for many packets, so that a large
// one is no sign of a loss.
// RFC9768-3.2.2.2b, 3.2.2.2c, 3.2.2.5.2a, 3.2.2.5.2b
constexpr std::uint32_t newly_marked(unsigned ace, std::uint32_t s_cep, std::uint32_t acked_packets,
                                     const marked_octets& marked, octet_count smss, bool thinned) noexcept
{
    const std::uint32_t least = (ace - s_cep) & 7;
    if (acked_packets < least + 8) {
        return least;
    }
    const std::uint32_t most = acked_packets - ((acked_packets - least) & 7);
    if (marked.known) {
        const octet_count octets = marked.octets;
        return octets <= smss * least && 2 * octets < smss * most ? least : most;
    }
    return thinned ? least : most;
}

}  // namespace detail

}  // namespace tcpco
