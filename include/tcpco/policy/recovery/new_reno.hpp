// NewReno: three duplicate ACKs start fast recovery, each partial ACK shows the next hole (RFC 5681 section 3.2, RFC
// 6582).
//
// The RFC inflates cwnd by a segment per duplicate ACK and deflates it afterwards; here the scoreboard's in_flight()
// falls by a segment per duplicate ACK, which comes to the same and lets all recoveries share one rule for sending.
// Where the peer sends SACK blocks their octets count as delivered, but the holes between them are still found one per
// round trip.
//
// Not here: the heuristic of RFC 6582 section 4.2, by timestamps: with_undo.hpp knows by them more than that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/marking.hpp"

namespace tcpco::recovery {

class new_reno {
public:
    struct config {
        std::uint32_t duplicate_threshold = dup_thresh;
        // RFC6582-4.1a: duplicates of what was in flight at the last timeout or recovery start a fast retransmit after
        // all where the last progress was of four segments or less. Who is wrong reduces once too often, hence off.
        bool ack_heuristic = false;
        // RFC6582-3.2g: of the partial ACKs of a recovery only the first starts the timer anew, so that many losses end
        // in a timeout. Off, since what was sent again just now may then be sent again within an RTO, which RFC6298-5a
        // forbids; RFC 6582 section 4 knows the other way, too ("slow but steady"), and Linux and FreeBSD go it.
        bool impatient = false;

        friend constexpr bool operator==(const config&, const config&) noexcept = default;
    };

    constexpr new_reno() noexcept = default;
    constexpr explicit new_reno(const config& c) noexcept : config_{c} {}

    constexpr void on_transmit(const transmission& t, const path_timing&) noexcept
    {
        if (t.transmissions > 1) {
            force_ = false;
            resent_to_ = std::max(resent_to_, t.last);
        }
    }

    template <class Board>
    constexpr recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing&, Board& board) noexcept
    {
        smss_ = a.smss;
        if (a.acked > 0) {
            duplicates_ = 0;
            near_ = a.acked <= 4 * a.smss;
            return in_recovery_ ? on_progress(a, board) : recovery_verdict{};
        }
        // RFC 5681 section 2 defines a duplicate; with SACK, news above the hole counts as well, whatever the window
        // says (RFC5681-2b, 3.2c).
        if (!a.duplicate && s.newly_sacked <= 0) {
            return {};
        }
        ++duplicates_;
        if (in_recovery_ || duplicates_ < config_.duplicate_threshold || !beyond_recover(a, s)) {
            return {};
        }
        return enter(a, board);
    }

    // RFC 6582 section 3.2 step 4: remember how far was sent, leave fast recovery. Duplicates below that point come
    // from our own retransmissions and must not start another fast retransmit. RFC6582-3.2h, 4a
    template <class Board>
    constexpr recovery_verdict on_timer(retransmission_timer kind, const path_timing& timing, Board& board) noexcept
    {
        if (kind == retransmission_timer::rto) {
            leave_by_timeout(board.nxt(), timing);
            board.mark_all_lost();
        }
        return {};
    }

    // The same without the marks: for a recovery that builds on this one and marks by rules of its own.
    constexpr void leave_by_timeout(stream_offset nxt, const path_timing& timing) noexcept
    {
        smss_ = timing.smss;
        recover_ = nxt;
        in_recovery_ = false;
        force_ = false;
        near_ = false;
        duplicates_ = 0;
    }

    // RFC 5682 section 2.1 step 3: `recover` is SND.UNA again.
    constexpr void on_undo(stream_offset point) noexcept
    {
        recover_ = point;
        in_recovery_ = force_ = false;
        duplicates_ = 0;
    }

    template <class Board>
    constexpr send_decision next(const Board& board, octet_count) noexcept
    {
        const send_decision d = next_lost(board);
        return force_ ? forced(d, smss_) : d;
    }

    constexpr timer_request timer() const noexcept { return {}; }
    // An ACK of `una`, or a retransmission after it, leaves the timer as it is (RFC6582-3.2g).
    constexpr bool holds_timer(stream_offset una) const noexcept
    {
        return config_.impatient && in_recovery_ && partial_ && una < recover_;
    }
    constexpr bool in_recovery() const noexcept { return in_recovery_; }
    // RFC 6582's `recover`: one past the highest octet sent when recovery began, or at the last timeout.
    constexpr stream_offset recovery_point() const noexcept { return recover_; }
    friend constexpr bool operator==(const new_reno&, const new_reno&) noexcept = default;

private:
    // RFC6582-3.2b: the ACK must cover more than `recover`. With new SACK blocks the duplicate cannot be
    // the echo of a needless retransmission, so covering just that much will do. RFC6582-4.1a also wants cwnd above a
    // segment: it is, as soon as there was progress after the timeout.
    constexpr bool beyond_recover(const ack_info& a, const sack_info& s) const noexcept
    {
        return (s.newly_sacked > 0 ? a.una >= recover_ : a.una > recover_) || (config_.ack_heuristic && near_);
    }

    template <class Board>
    constexpr recovery_verdict enter(const ack_info& a, Board& board) noexcept
    {
        const auto i = board.first_unacked();
        if (i == Board::npos) {
            return {};
        }
        in_recovery_ = true;
        recover_ = a.nxt;
        resent_to_ = a.una;
        force_ = true;
        partial_ = false;
        mark_segment_lost(board, i, a.smss);
        return {verdict_kind::enter};
    }

    // RFC6582-3.2c, 3.2d, 3.2f: a full ACK ends recovery; a partial one shows that the segment after it is missing
    // too, unless it was sent again in this very episode (a retransmitted super-frame is acknowledged piece by piece).
    template <class Board>
    constexpr recovery_verdict on_progress(const ack_info& a, Board& board) noexcept
    {
        if (a.una >= recover_) {
            in_recovery_ = false;
            force_ = false;
            return {verdict_kind::exit};
        }
        partial_ = true;
        const auto i = board.first_unacked();
        if (i != Board::npos && board[i].first >= resent_to_ && !board[i].sacked) {
            mark_segment_lost(board, i, a.smss);
            force_ = true;
        }
        return {};
    }

    stream_offset recover_{};    // RFC6582-3.2a: the ISS, below all data, so that the first loss counts
    stream_offset resent_to_{};  // end of what was retransmitted in this episode
    octet_count smss_ = 0;
    std::uint32_t duplicates_ = 0;
    config config_{};
    bool in_recovery_ = false;
    bool force_ = false;    // the next retransmission waits for no window
    bool near_ = false;     // the last progress, if there was one since the last timeout, was of a few segments
    bool partial_ = false;  // a partial ACK has come in this recovery
};

static_assert(policy<new_reno> && std::is_trivially_copyable_v<new_reno> && sizeof(new_reno) <= 40);

}  // namespace tcpco::recovery
