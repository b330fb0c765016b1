// What the loss recoveries share: how to mark one segment, and what follows from the marks.
#pragma once

#include <algorithm>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::recovery {

// Duplicate ACKs that mean loss and no longer reordering (RFC 5681 section 3.2, RFC 6675 section 2).
inline constexpr std::uint32_t dup_thresh = 3;

// Retransmit the lowest range that is presumed lost, else new data (RFC6675-4d, 4e).
template <class Board>
constexpr send_decision next_lost(const Board& board) noexcept
{
    const auto i = board.first_lost();
    if (i == Board::npos) {
        return {};
    }
    const transmission& t = board[i];
    return {send_action::retransmit, {t.first, t.last}, false};
}

// Marks the first segment of record i. A record may be a super-frame of which only the front is known to be missing:
// where the board can split records (`split(offset)`), only that much is marked.
template <class Board>
constexpr void mark_segment_lost(Board& board, typename Board::index i, octet_count smss) noexcept
{
    if constexpr (requires(stream_offset o) { board.split(o); }) {
        const stream_offset first = board[i].first;
        if (smss > 0 && board[i].octets() > smss) {
            board.split(first + smss);
            i = board.find(first);
        }
    }
    board.mark_lost(i);
}

// The first retransmission of an episode waits for no window (RFC5681-3.2h); but one segment only.
constexpr send_decision forced(send_decision d, octet_count smss) noexcept
{
    if (d.action == send_action::retransmit) {
        d.ignore_window = true;
        d.range.last = smss > 0 ? std::min(d.range.last, d.range.first + smss) : d.range.last;
    }
    return d;
}

}  // namespace tcpco::recovery
