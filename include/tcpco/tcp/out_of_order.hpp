// What text behind a hole may cost. A peer decides how its octets are cut, so a segment of one octet must not take a
// slot of its own for good: what follows a copied piece is copied behind it (reassembly_queue::append), a small piece
// takes a small slot, and slots stay in proportion to octets.
//
// What the peer has SACKed here is never thrown away again, though RFC 2018 section 8 would allow it: such text never
// gets the last quarter of the slots, and in bulk only half of them, so there is always some for in-order text, whose
// sender makes progress. Linux gives a socket its memory as a whole and therefore has to (tcp_prune_ofo_queue).
#pragma once

#include <cstddef>

#include "tcpco/core/sequence.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/reassembly_queue.hpp"
#include "tcpco/tcp/settings.hpp"

namespace tcpco::detail {

// A run of copies this long goes on in large slots: it is a flow of segments, not a few odd ones.
inline constexpr octet_count long_run = 16'384;

// Whether one more slot is in proportion: copies of `queue` may take twice the octets that it holds, and beyond that an
// eighth of the small slots. RFC2018-4a: what is refused was not SACKed, the peer sends it again.
inline bool is_in_proportion(const reassembly_queue& queue, std::size_t size, const buffer_pool& small) noexcept
{
    const std::size_t slack = small.slot_size() * small.slot_count() / 8 + small.slot_size();
    return queue.copied_memory_octets() < 2 * (queue.octets() + size) + slack;
}

// Where `size` octets behind a hole are copied to. Null: none. The last quarter of the slots is for in-order text (and
// for sending); what a connection has beyond reserve_share may take a slot only while half of them are free.
inline buffer_pool* out_of_order_pool(const reassembly_queue& queue, stream_offset at, std::size_t size,
                                      buffer_pool& small, buffer_pool& large) noexcept
{
    const bool fits = size <= small.slot_size();
    const bool has_little =
        queue.copied_memory_octets() + small.slot_size() <= static_cast<std::uint64_t>(reserve_share);
    const auto may_take = [has_little](const buffer_pool& p) {
        return has_little ? !p.is_short() : p.available() > p.slot_count() / 2;
    };
    if (fits && queue.run_before(at) < long_run) {
        return may_take(small) ? &small : has_little && may_take(large) ? &large : nullptr;
    }
    return may_take(large) ? &large : fits && may_take(small) ? &small : nullptr;
}

}  // namespace tcpco::detail
