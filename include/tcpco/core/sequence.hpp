// Sequence numbers and stream offsets (RFC 9293 section 3.4).
//
// On the wire a position in a TCP stream is a 32-bit number that wraps; inside the stack it is a 64-bit `stream_offset`
// that does not, because 32 Gbit/s wraps 2^32 every second. Offset 0 is the SYN, offset 1 the first octet of data. The
// two meet in exactly two functions: `to_wire` and `from_wire`.
#pragma once

#include <compare>
#include <cstdint>

namespace tcpco {

// A sequence number as it stands in a header. It has no operator<: the order of two wire numbers is defined only
// within 2^31 of each other, so name the question (`precedes`).
struct sequence_number {
    std::uint32_t value = 0;

    friend constexpr bool operator==(sequence_number, sequence_number) noexcept = default;
    friend constexpr sequence_number operator+(sequence_number s, std::uint32_t n) noexcept { return {s.value + n}; }
    friend constexpr sequence_number operator-(sequence_number s, std::uint32_t n) noexcept { return {s.value - n}; }
    // Signed distance from b to a, modulo 2^32.
    friend constexpr std::int32_t operator-(sequence_number a, sequence_number b) noexcept
    {
        return static_cast<std::int32_t>(a.value - b.value);
    }
};

// a < b modulo 2^32 (RFC 9293 section 3.4).
constexpr bool precedes(sequence_number a, sequence_number b) noexcept { return (a - b) < 0; }

// A position in one direction of a connection: octets since its SYN. Signed, since a segment can lie before the SYN.
struct stream_offset {
    std::int64_t value = 0;

    friend constexpr auto operator<=>(const stream_offset&, const stream_offset&) noexcept = default;
    friend constexpr stream_offset operator+(stream_offset o, std::int64_t n) noexcept { return {o.value + n}; }
    friend constexpr stream_offset operator-(stream_offset o, std::int64_t n) noexcept { return {o.value - n}; }
    friend constexpr std::int64_t operator-(stream_offset a, stream_offset b) noexcept { return a.value - b.value; }
    constexpr stream_offset& operator+=(std::int64_t n) noexcept { value += n; return *this; }
};

// The low 32 bits of an offset, for what lies within 2^31 of the offsets that it is compared with: half the room, where
// a connection keeps several.
class near_offset {
public:
    constexpr near_offset() = default;
    constexpr near_offset(stream_offset o) noexcept : low_{low(o)} {}  // NOLINT: implicit on purpose

    friend constexpr bool operator==(near_offset, near_offset) noexcept = default;
    friend constexpr bool operator<(near_offset a, near_offset b) noexcept { return a - b < 0; }
    friend constexpr bool operator>(near_offset a, near_offset b) noexcept { return a - b > 0; }
    friend constexpr bool operator<=(near_offset a, near_offset b) noexcept { return a - b <= 0; }
    friend constexpr bool operator>=(near_offset a, near_offset b) noexcept { return a - b >= 0; }
    friend constexpr std::int64_t operator-(near_offset a, near_offset b) noexcept
    {
        return static_cast<std::int32_t>(a.low_ - b.low_);
    }

    // All of it. `reference` lies within 2^31.
    constexpr stream_offset beside(stream_offset reference) const noexcept { return reference + (*this - reference); }

private:
    static constexpr std::uint32_t low(stream_offset o) noexcept
    {
        return static_cast<std::uint32_t>(static_cast<std::uint64_t>(o.value));
    }

    std::uint32_t low_ = 0;
};

// The number that stands on the wire for `offset`, in a direction whose SYN had the number `initial` (ISS or IRS).
constexpr sequence_number to_wire(stream_offset offset, sequence_number initial) noexcept
{
    return initial + static_cast<std::uint32_t>(static_cast<std::uint64_t>(offset.value));
}

// The offset meant by the wire number `seq`: of all that share it, the one nearest to `reference`.
// RFC9293-3.4a
constexpr stream_offset from_wire(sequence_number seq, sequence_number initial, stream_offset reference) noexcept
{
    return reference + (seq - to_wire(reference, initial));
}

}  // namespace tcpco
