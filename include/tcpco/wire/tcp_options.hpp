// TCP options: end of list, no-operation and maximum segment size (RFC 9293 section 3.2), window scale and timestamps
// (RFC 7323), SACK-permitted and SACK (RFC 2018), Fast Open (RFC 7413 4.1.1), user timeout (RFC 5482 3.3), AccECN (RFC
// 9768 3.2.3).
//
// Reading. Options may start at any octet (MUST-64) and stand on any segment (MUST-5); unknown ones are skipped by
// their length (MUST-6, MUST-68). A length of 0 or 1, or one that runs past the header, ends the reading and sets
// `malformed` (MUST-7): what was read before stays valid, as in Linux and FreeBSD. A known option with a wrong length
// is ignored. Of two options of one kind the first counts. The reader does not know the segment's flags: that MSS,
// window scale and SACK-permitted mean nothing without SYN is for its caller. Values come as received: a window scale
// of 200 or an MSS of 0 is bounded where it is used.
//
// Writing. Each option is preceded by NOPs so that it starts aligned, as Linux lays them out, hence the list fills
// whole words and never needs the end-of-list octet whose padding MUST-69 rules.
//
// Left out: authentication.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/sequence.hpp"
#include "tcpco/wire/byte_order.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco {

inline constexpr std::size_t max_tcp_options_size = max_tcp_header_size - tcp_header_size;

enum class tcp_option_kind : std::uint8_t {
    end_of_list = 0,
    no_operation = 1,
    maximum_segment_size = 2,
    window_scale = 3,
    sack_permitted = 4,
    sack = 5,
    timestamps = 8,
    user_timeout = 28,
    fast_open = 34,
    accecn_0 = 172,
    accecn_1 = 174,
};

// Octets that the receiver holds: from `left` up to, not including, `right`.
struct sack_block {
    sequence_number left{};
    sequence_number right{};

    friend constexpr bool operator==(const sack_block&, const sack_block&) noexcept = default;
};

// What proves to a server that the client has its address (RFC 7413 4.1.1): 4 to 16 octets, an even number; none: the
// client asks for one.
struct fast_open_cookie {
    std::uint8_t size = 0;
    std::array<std::byte, 16> octets{};

    constexpr std::span<const std::byte> bytes() const noexcept { return {octets.data(), size}; }
    friend constexpr bool operator==(const fast_open_cookie&, const fast_open_cookie&) noexcept = default;
};

// What a receiver has counted: up to three fields of 24 bits, whose order the option's kind says. Fields that are not
// there did not change.
// RFC9768-3.2.3a
struct accecn_option {
    bool present = false;
    std::uint8_t order = 0;  // 0: octets that came with ECT(0), CE, ECT(1); 1: ECT(1), CE, ECT(0)
    std::uint8_t count = 0;  // how many of the fields are there, from the first on
    std::array<std::uint32_t, 3> fields{};

    friend constexpr bool operator==(const accecn_option&, const accecn_option&) noexcept = default;
};

struct tcp_options {
    bool has_mss = false;
    bool has_window_scale = false;
    bool sack_permitted = false;
    bool has_timestamps = false;
    bool has_fast_open = false;
    bool malformed = false;         // set by the reader only
    std::uint8_t window_scale = 0;  // the shift
    std::uint8_t sack_count = 0;    // how many of sack_blocks are there
    std::uint16_t mss = 0;          // octets of payload
    std::uint16_t user_timeout = 0;  // as on the wire: the upper bit means minutes, else seconds; 0: none
    std::uint32_t tsval = 0;
    std::uint32_t tsecr = 0;
    std::array<sack_block, 4> sack_blocks{};  // newest first (RFC 2018 section 4)
    fast_open_cookie cookie{};
    accecn_option accecn{};

    constexpr std::span<const sack_block> sacks() const noexcept { return {sack_blocks.data(), sack_count}; }
    friend constexpr bool operator==(const tcp_options&, const tcp_options&) noexcept = default;
};

namespace detail {

// Takes the content of a SACK option: 1 to 4 blocks of 8 octets. Whether a block makes sense is the scoreboard's
// question.
// RFC2018-3a
constexpr void take_sack(tcp_options& options, std::span<const std::byte> content) noexcept
{
    const std::size_t count = content.size() / 8;
    if (options.sack_count != 0 || count == 0 || count > options.sack_blocks.size() || content.size() % 8 != 0) {
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        options.sack_blocks[i] = {{read_be32(content, 8 * i)}, {read_be32(content, 8 * i + 4)}};
    }
    options.sack_count = static_cast<std::uint8_t>(count);
}

constexpr void take_timestamps(tcp_options& options, const std::byte* content) noexcept
{
    options.has_timestamps = true;
    options.tsval = read_be32(content);
    options.tsecr = read_be32(content + 4);
}

// RFC7413-4.1.1a, 4.1.1b: a cookie of any other length is ignored, with its option.
constexpr void take_fast_open(tcp_options& options, std::span<const std::byte> content) noexcept
{
    const bool valid = content.empty() || (content.size() >= 4 && content.size() <= 16 && content.size() % 2 == 0);
    if (!valid || options.has_fast_open) {
        return;
    }
    options.has_fast_open = true;
    options.cookie.size = static_cast<std::uint8_t>(content.size());
    std::copy(content.begin(), content.end(), options.cookie.octets.begin());
}

// As many whole fields as there are; what is left over is padding.
// RFC9768-3.2.3b
constexpr void take_accecn(accecn_option& option, std::uint8_t order, std::span<const std::byte> content) noexcept
{
    if (option.present) {
        return;
    }
    option = {.present = true,
              .order = order,
              .count = static_cast<std::uint8_t>(std::min<std::size_t>(content.size() / 3, 3))};
    for (std::size_t i = 0; i < option.count; ++i) {
        const auto low = std::to_integer<std::uint32_t>(content[3 * i + 2]);
        option.fields[i] = std::uint32_t{read_be16(content, 3 * i)} << 8 | low;
    }
}

// Takes one option with its content, which is without kind and length.
// MUST-4, RFC5482-3d
constexpr void take_option(tcp_options& options, tcp_option_kind kind, std::span<const std::byte> content) noexcept
{
    switch (kind) {
    case tcp_option_kind::maximum_segment_size:
        if (content.size() == 2 && !options.has_mss) {
            options.has_mss = true;
            options.mss = read_be16(content, 0);
        }
        break;
    case tcp_option_kind::window_scale:
        if (content.size() == 1 && !options.has_window_scale) {
            options.has_window_scale = true;
            options.window_scale = std::to_integer<std::uint8_t>(content[0]);
        }
        break;
    case tcp_option_kind::sack_permitted:
        options.sack_permitted = options.sack_permitted || content.empty();
        break;
    case tcp_option_kind::sack:
        take_sack(options, content);
        break;
    case tcp_option_kind::timestamps:
        if (content.size() == 8 && !options.has_timestamps) {
            take_timestamps(options, content.data());
        }
        break;
    case tcp_option_kind::user_timeout:
        if (content.size() == 2 && options.user_timeout == 0 && (read_be16(content, 0) & 0x7FFF) != 0) {
            options.user_timeout = read_be16(content, 0);  // RFC5482-3.4a: one of zero says nothing
        }
        break;
    case tcp_option_kind::fast_open:
        take_fast_open(options, content);
        break;
    case tcp_option_kind::accecn_0: take_accecn(options.accecn, 0, content); break;
    case tcp_option_kind::accecn_1: take_accecn(options.accecn, 1, content); break;
    default:
        break;  // MUST-6
    }
}

// NOP, NOP, timestamps: the options of nearly every data segment and ACK (RFC 7323 appendix A).
inline constexpr std::uint32_t aligned_timestamps = 0x0101080A;
inline constexpr std::size_t aligned_timestamps_size = 12;

// How many of the SACK blocks fit behind `used` octets of other options.
constexpr std::size_t fitting_sacks(const tcp_options& options, std::size_t used) noexcept
{
    return options.sack_count == 0 || used + 12 > max_tcp_options_size
               ? 0
               : std::min<std::size_t>(options.sack_count, (max_tcp_options_size - used - 4) / 8);
}

// Kind, length and cookie, and the NOPs that fill the last word: at most 20.
constexpr std::size_t fast_open_size(const tcp_options& options) noexcept
{
    return options.has_fast_open ? (2U + options.cookie.size + 3U) / 4 * 4 : 0U;
}

// RFC 5482 3.3. It gives way to what can only be said in a SYN: Fast Open may leave it no room there, and the first
// segment without SYN repeats it anyway.
constexpr std::size_t user_timeout_size(const tcp_options& options, std::size_t used) noexcept
{
    return options.user_timeout != 0 && used + 4 <= max_tcp_options_size ? 4U : 0U;
}

// With the NOPs that fill the last word: 4, 8, 8 or 12. It gives way to what stands before it.
constexpr std::size_t accecn_size(const accecn_option& option, std::size_t used) noexcept
{
    const std::size_t size = option.present ? (2U + 3U * option.count + 3U) / 4 * 4 : 0U;
    return used + size <= max_tcp_options_size ? size : 0U;
}

// The size of all options but SACK: at most 40.
constexpr std::size_t encoded_size_without_sacks(const tcp_options& options) noexcept
{
    std::size_t size = options.has_mss ? 4 : 0;
    if (options.has_timestamps) {
        size += aligned_timestamps_size;  // SACK-permitted takes the place of the two NOPs
    } else if (options.sack_permitted) {
        size += 4;
    }
    size += (options.has_window_scale ? 4 : 0) + fast_open_size(options);
    size += user_timeout_size(options, size);
    return size + accecn_size(options.accecn, size);
}

// NOPs first, so that the list goes on aligned; returns where it does.
constexpr std::byte* write_fast_open(const fast_open_cookie& cookie, std::byte* at) noexcept
{
    if (cookie.size % 4 == 0) {
        *at++ = std::byte{1};
        *at++ = std::byte{1};
    }
    *at++ = std::byte{static_cast<std::uint8_t>(tcp_option_kind::fast_open)};
    *at++ = std::byte{static_cast<std::uint8_t>(2 + cookie.size)};
    return std::copy_n(cookie.octets.data(), cookie.size, at);
}

constexpr std::byte* write_accecn(const accecn_option& option, std::byte* at) noexcept
{
    const std::size_t length = 2U + 3U * option.count;
    for (std::size_t i = length; i % 4 != 0; ++i) {
        *at++ = std::byte{1};
    }
    *at++ = static_cast<std::byte>(option.order == 0 ? tcp_option_kind::accecn_0 : tcp_option_kind::accecn_1);
    *at++ = static_cast<std::byte>(length);
    for (std::size_t i = 0; i < option.count; ++i) {
        *at++ = static_cast<std::byte>(option.fields[i] >> 16 & 0xFF);
        *at++ = static_cast<std::byte>(option.fields[i] >> 8 & 0xFF);
        *at++ = static_cast<std::byte>(option.fields[i] & 0xFF);
    }
    return at;
}

}  // namespace detail

// Reads the options of a header, what parse_tcp gives as `options`, into a record that has none.
// MUST-4
constexpr void read_tcp_options(std::span<const std::byte> octets, tcp_options& options) noexcept
{
    if (octets.size() == detail::aligned_timestamps_size && read_be32(octets, 0) == detail::aligned_timestamps) {
        detail::take_timestamps(options, octets.data() + 4);
        return;
    }
    while (!octets.empty()) {
        const auto kind = static_cast<tcp_option_kind>(octets[0]);
        if (kind == tcp_option_kind::end_of_list) {
            break;
        }
        if (kind == tcp_option_kind::no_operation) {
            octets = octets.subspan(1);
            continue;
        }
        const std::size_t length = octets.size() < 2 ? 0 : std::to_integer<std::size_t>(octets[1]);
        if (length < 2 || length > octets.size()) {
            options.malformed = true;
            break;
        }
        detail::take_option(options, kind, octets.subspan(2, length - 2));
        octets = octets.subspan(length);
    }
}
constexpr tcp_options parse_tcp_options(std::span<const std::byte> octets) noexcept
{
    tcp_options options;
    read_tcp_options(octets, options);
    return options;
}

namespace detail {

constexpr std::size_t encoded_size_of_many(const tcp_options& options) noexcept
{
    const std::size_t others = encoded_size_without_sacks(options);
    const std::size_t sacks = fitting_sacks(options, others);
    return others + (sacks == 0 ? 0 : 4 + 8 * sacks);
}

}  // namespace detail

// How many octets write_tcp_options will write: a multiple of 4, at most 40. SACK blocks that do not fit are not
// counted: with timestamps three fit (RFC 2018 section 3).
constexpr std::size_t encoded_size(const tcp_options& options) noexcept
{
    const bool common = !options.has_mss && !options.has_window_scale && !options.sack_permitted &&
                        !options.has_fast_open && !options.accecn.present;
    if (common && options.sack_count == 0 && options.user_timeout == 0) {
        return options.has_timestamps ? detail::aligned_timestamps_size : 0;  // nearly every segment
    }
    return detail::encoded_size_of_many(options);
}

// Writes the options at the start of `out`, which must hold encoded_size(options), and returns that size.
constexpr std::size_t write_tcp_options(const tcp_options& options, std::span<std::byte> out) noexcept
{
    TCPCO_ASSERT(options.sack_count <= options.sack_blocks.size());
    TCPCO_ASSERT(options.accecn.count <= options.accecn.fields.size());
    TCPCO_ASSERT(out.size() >= encoded_size(options));
    std::byte* at = out.data();
    const auto put = [&at](std::uint32_t word) {
        write_be32(at, word);
        at += 4;
    };
    if (options.has_mss) {
        put(0x02040000u | options.mss);
    }
    if (options.has_timestamps) {
        put(options.sack_permitted ? 0x0402080Au : detail::aligned_timestamps);
        put(options.tsval);
        put(options.tsecr);
    } else if (options.sack_permitted) {
        put(0x01010402u);
    }
    if (options.has_window_scale) {
        put(0x01030300u | options.window_scale);
    }
    if (options.has_fast_open) {
        at = detail::write_fast_open(options.cookie, at);
    }
    if (detail::user_timeout_size(options, static_cast<std::size_t>(at - out.data())) != 0) {
        put(0x1C040000u | options.user_timeout);
    }
    if (detail::accecn_size(options.accecn, static_cast<std::size_t>(at - out.data())) != 0) {
        at = detail::write_accecn(options.accecn, at);
    }
    if (options.sack_count == 0) {
        return static_cast<std::size_t>(at - out.data());
    }
    const std::size_t sacks = detail::fitting_sacks(options, detail::encoded_size_without_sacks(options));
    if (sacks != 0) {
        put(0x01010500u | static_cast<std::uint32_t>(2 + 8 * sacks));
        for (const sack_block& block : options.sacks().first(sacks)) {
            put(block.left.value);
            put(block.right.value);
        }
    }
    return static_cast<std::size_t>(at - out.data());
}

// Writes header and options at the start of `out` and returns the size of both; data_offset is computed, whatever
// stands in `header`. `out` must hold them: max_tcp_header_size always does.
constexpr std::size_t write_tcp(tcp_header header, const tcp_options& options, std::span<std::byte> out) noexcept
{
    const std::size_t size = tcp_header_size + encoded_size(options);
    header.data_offset = static_cast<std::uint8_t>(size / 4);
    write_tcp(header, out);
    write_tcp_options(options, out.subspan(tcp_header_size));
    return size;
}

}  // namespace tcpco
