// The inner loops of the Internet checksum (RFC 1071): the one's-complement sum of a message, alone or in one pass with
// copying it, in the ways that a processor offers. checksum.hpp is what others include.
//
// Every kernel gives the same value for every message; best_sum_kernel() names the fastest one that this processor
// has. The vectors are the compiler's own (no header of intrinsics, which would cost each user half a second of
// compiling): 16 octets are SSE2 on x86-64 and NEON on aarch64, where both belong to the architecture, 32 octets are
// AVX2 and 64 are AVX-512, which are asked for at run time. There is no table of functions to be set up first: the
// question is one bit of what the compiler's runtime finds out before any constructor, and where it is asked even
// earlier, the answer is the kernel that every processor has.
//
// Left out: AVX-512 on processors that run slower for it, those before Ice Lake.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
#define TCPCO_SUM_VECTORS 1
#else
#define TCPCO_SUM_VECTORS 0
#endif
#if TCPCO_SUM_VECTORS && defined(__x86_64__)
#define TCPCO_SUM_AVX 1
#else
#define TCPCO_SUM_AVX 0
#endif

namespace tcpco {

// Adds the carries of a one's-complement sum back in until 16 bits are left. Only a sum of nothing but zeros gives 0;
// every other multiple of 0xFFFF gives 0xFFFF.
constexpr std::uint16_t fold_checksum(std::uint64_t sum) noexcept
{
    const auto upper = static_cast<std::uint32_t>(sum >> 32);
    std::uint32_t folded = static_cast<std::uint32_t>(sum) + upper;
    folded += folded < upper ? 1 : 0;
    folded += folded << 16 | folded >> 16;  // in the upper half: both halves, and what they carried
    return static_cast<std::uint16_t>(folded >> 16);
}

namespace detail {

enum class sum_kernel : std::uint8_t {
    words,      // 8 octets at a time, on every machine
    vectors16,  // SSE2, NEON
    vectors32,  // AVX2
    vectors64,  // AVX-512
};

inline bool has_sum_kernel(sum_kernel kernel) noexcept
{
    switch (kernel) {
    case sum_kernel::words: return true;
    case sum_kernel::vectors16: return TCPCO_SUM_VECTORS != 0;
#if defined(__AVX2__)
    case sum_kernel::vectors32: return true;
#elif TCPCO_SUM_AVX
    case sum_kernel::vectors32: return __builtin_cpu_supports("avx2") != 0;
#else
    case sum_kernel::vectors32: return false;
#endif
#if defined(__AVX512VBMI2__)
    case sum_kernel::vectors64: return true;
#elif TCPCO_SUM_AVX
    case sum_kernel::vectors64: return __builtin_cpu_supports("avx512vbmi2") != 0;  // Ice Lake, Zen 4 and later
#else
    case sum_kernel::vectors64: return false;
#endif
    }
    return false;
}

inline sum_kernel best_sum_kernel() noexcept
{
    return has_sum_kernel(sum_kernel::vectors64)   ? sum_kernel::vectors64
           : has_sum_kernel(sum_kernel::vectors32) ? sum_kernel::vectors32
           : has_sum_kernel(sum_kernel::vectors16) ? sum_kernel::vectors16
                                                   : sum_kernel::words;
}

constexpr std::uint16_t swap_octets(std::uint16_t word) noexcept
{
    return static_cast<std::uint16_t>(word << 8 | word >> 8);
}

constexpr std::uint64_t add_with_carry(std::uint64_t a, std::uint64_t b) noexcept
{
    const std::uint64_t sum = a + b;
    return sum + (sum < b ? 1 : 0);
}

// Reads a Word at `from`, writes it at `to` when copying, and moves both on.
template <class Word, bool copy>
inline std::uint64_t take_word(const std::byte*& from, std::byte*& to) noexcept
{
    Word word;
    std::memcpy(&word, from, sizeof word);
    from += sizeof word;
    if constexpr (copy) {
        std::memcpy(to, &word, sizeof word);
        to += sizeof word;
    }
    return word;
}

// The sum of 64-bit words as the machine loads them, not folded yet. Four sums run side by side, or each addition would
// wait for the carry of the one before.
template <bool copy>
inline std::uint64_t sum_words(const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    std::uint64_t d = 0;
    for (; size >= 32; size -= 32) {
        a = add_with_carry(a, take_word<std::uint64_t, copy>(from, to));
        b = add_with_carry(b, take_word<std::uint64_t, copy>(from, to));
        c = add_with_carry(c, take_word<std::uint64_t, copy>(from, to));
        d = add_with_carry(d, take_word<std::uint64_t, copy>(from, to));
    }
    for (; size >= 8; size -= 8) {
        a = add_with_carry(a, take_word<std::uint64_t, copy>(from, to));
    }
    if (size >= 4) {
        b = add_with_carry(b, take_word<std::uint32_t, copy>(from, to));
        size -= 4;
    }
    if (size >= 2) {
        c = add_with_carry(c, take_word<std::uint16_t, copy>(from, to));
        size -= 2;
    }
    if (size != 0) {  // the last octet stands first in a word whose other octet is zero
        const auto last = take_word<std::uint8_t, copy>(from, to);
        d = add_with_carry(d, std::endian::native == std::endian::little ? last : last << 8);
    }
    return add_with_carry(add_with_carry(a, b), add_with_carry(c, d));
}

// Shorter than this, calling a kernel costs more than it saves.
inline constexpr std::size_t vectors_from = 128;
// What a vector kernel takes at a time; the rest is left to sum_words().
inline constexpr std::size_t vector_block = 64;

#if TCPCO_SUM_VECTORS

using vector16 [[gnu::vector_size(16)]] = std::uint64_t;
using vector32 [[gnu::vector_size(32)]] = std::uint64_t;
using vector64 [[gnu::vector_size(64)]] = std::uint64_t;

// Of each lane there are two sums: of its words modulo 2^64, and of their upper halves. Both together give the sum of
// the lower halves, too, so that a carry is never lost, with three instructions a vector. `size` is a multiple of
// vector_block and below 2^34, so that the sum of all halves fits into 64 bits. No vector is passed or returned: how
// that is done depends on the options of compiling.
template <class Vector, bool copy>
[[gnu::always_inline]] inline std::uint64_t sum_vectors(const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    constexpr std::size_t width = sizeof(Vector);
    Vector whole_a{};
    Vector whole_b{};
    Vector upper_a{};
    Vector upper_b{};
    for (; size >= 2 * width; size -= 2 * width) {
        Vector a;
        Vector b;
        std::memcpy(&a, from, width);
        std::memcpy(&b, from + width, width);
        from += 2 * width;
        if constexpr (copy) {
            std::memcpy(to, &a, width);
            std::memcpy(to + width, &b, width);
            to += 2 * width;
        }
        whole_a += a;
        whole_b += b;
        upper_a += a >> 32;
        upper_b += b >> 32;
    }
    if (2 * width > vector_block && size > 0) {
        Vector a;
        std::memcpy(&a, from, width);
        if constexpr (copy) {
            std::memcpy(to, &a, width);
        }
        whole_a += a;
        upper_a += a >> 32;
    }
    whole_a += whole_b;
    upper_a += upper_b;
    const Vector halves = whole_a - (upper_a << 32) + upper_a;  // all lower ones, and all upper ones
    std::uint64_t sum = 0;
    for (std::size_t lane = 0; lane < width / 8; ++lane) {
        sum += halves[lane];
    }
    return sum;
}

template <bool copy>
[[gnu::noinline]] inline std::uint64_t sum_vectors16(const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    return sum_vectors<vector16, copy>(from, size, to);
}

#endif
#if TCPCO_SUM_AVX

template <bool copy>
[[gnu::noinline, gnu::target("avx2")]] inline std::uint64_t sum_vectors32(const std::byte* from, std::size_t size,
                                                                         std::byte* to) noexcept
{
    return sum_vectors<vector32, copy>(from, size, to);
}

template <bool copy>
[[gnu::noinline, gnu::target("avx512f")]] inline std::uint64_t sum_vectors64(const std::byte* from, std::size_t size,
                                                                            std::byte* to) noexcept
{
    return sum_vectors<vector64, copy>(from, size, to);
}

#endif

// The sum of whole blocks by a kernel, which this processor must have.
template <bool copy>
inline std::uint64_t sum_blocks(sum_kernel kernel, const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    switch (kernel) {
#if TCPCO_SUM_AVX
    case sum_kernel::vectors64: return sum_vectors64<copy>(from, size, to);
    case sum_kernel::vectors32: return sum_vectors32<copy>(from, size, to);
#endif
#if TCPCO_SUM_VECTORS
    case sum_kernel::vectors16: return sum_vectors16<copy>(from, size, to);
#endif
    default: return sum_words<copy>(from, size, to);
    }
}

// The folded sum of a message, in network order. With `copy` it is written to `to` in the same pass: there must be room
// for it, and the two must not overlap.
template <bool copy>
inline std::uint16_t sum_message(sum_kernel kernel, const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    const std::size_t blocks = size / vector_block * vector_block;
    std::uint64_t sum = blocks == 0 ? 0 : sum_blocks<copy>(kernel, from, blocks, to);
    sum = add_with_carry(sum, sum_words<copy>(from + blocks, size - blocks, copy ? to + blocks : to));
    const std::uint16_t folded = fold_checksum(sum);
    return std::endian::native == std::endian::little ? swap_octets(folded) : folded;
}

template <bool copy>
inline std::uint16_t sum_message(const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    if (size < vectors_from) {
        const std::uint16_t folded = fold_checksum(sum_words<copy>(from, size, to));
        return std::endian::native == std::endian::little ? swap_octets(folded) : folded;
    }
    return sum_message<copy>(best_sum_kernel(), from, size, to);
}

// The sum of so many 32-bit words as the machine loads them, not folded: for headers, whose length is known.
template <std::size_t words>
inline std::uint64_t header_words(const std::byte* at) noexcept
{
    const auto word = [at](std::size_t i) {
        std::uint32_t value = 0;
        std::memcpy(&value, at + 4 * i, sizeof value);
        return std::uint64_t{value};
    };
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
        return (word(i) + ...);  // without a loop
    }(std::make_index_sequence<words>{});
}

// The same, folded and in network order.
template <std::size_t words>
inline std::uint16_t sum_header(const std::byte* at) noexcept
{
    const std::uint16_t folded = fold_checksum(header_words<words>(at));
    return std::endian::native == std::endian::little ? swap_octets(folded) : folded;
}

// What has its place beside words as the machine loads them: a number of 16 bits, and the sum of any octets. Folded,
// the sum of such is stored as it is (RFC 1071 section 2: octets may be swapped before or after).
inline std::uint64_t as_loaded(std::uint16_t number) noexcept
{
    return std::endian::native == std::endian::little ? swap_octets(number) : number;
}
inline std::uint64_t sum_as_loaded(const std::byte* at, std::size_t size) noexcept
{
    return size < vectors_from ? sum_words<false>(at, size, nullptr)
                               : as_loaded(sum_message<false>(best_sum_kernel(), at, size, nullptr));
}

// The same octet by octet, after RFC 1071 section 4.1, for constant expressions; copies to `to` unless it is null.
constexpr std::uint16_t sum_octets(const std::byte* from, std::size_t size, std::byte* to) noexcept
{
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
        sum += std::to_integer<std::uint64_t>(from[i]) << (i % 2 == 0 ? 8 : 0);
        if (to != nullptr) {
            to[i] = from[i];
        }
    }
    return fold_checksum(sum);
}

}  // namespace detail
}  // namespace tcpco

#undef TCPCO_SUM_AVX
#undef TCPCO_SUM_VECTORS
