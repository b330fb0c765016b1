// Loss recovery by selective acknowledgements (RFC 6675): what has three ranges, or more than two segments, of SACKed
// data above it is lost; every hole is repaired in one round trip, as far as the window allows.
//
// The rules in the board's terms: `HighRxt` is resent_to(), `pipe` is in_flight() and counted_twice(), NextSeg rules 1
// and 2 are next(), rules 3 and 4 are without_data(), which is asked when there is no new data to send. Against a peer
// without SACK it does as NewReno. One ACK costs a walk over the records below the highest SACKed octet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/marking.hpp"

namespace tcpco::recovery {

class sack {
public:
    struct config {
        std::uint32_t duplicate_threshold = dup_thresh;  // DupThresh
    };

    constexpr sack() noexcept = default;
    constexpr explicit sack(const config& c) noexcept : config_{c} {}

    constexpr void on_transmit(const transmission& t, const path_timing&) noexcept
    {
        if (t.transmissions <= 1) {
            return;
        }
        force_ = false;
        if (rescue_end_.value != 0 && t.last == rescue_end_) {  // rule 4 leaves HighRxt alone, once (RFC6675-5i)
            rescued_to_ = recovery_point_;
            rescue_end_ = {};
        } else {
            resent_to_ = std::max(resent_to_, t.last);
            copies_ += t.first >= lost_below_ ? t.octets() : 0;
        }
    }

    template <class Board>
    constexpr recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing&, Board& board) noexcept
    {
        smss_ = a.smss;
        if (in_recovery_ && a.una >= recovery_point_) {  // RFC6675-5f
            in_recovery_ = force_ = false;
            duplicates_ = 0;
            return {verdict_kind::exit};
        }
        if (a.acked > 0) {
            duplicates_ = 0;  // RFC6675-5b
        } else if (s.sack_permitted ? s.newly_sacked > 0 : a.duplicate) {
            ++duplicates_;
        }
        if (!in_recovery_) {
            return may_enter(a, s) && loss_is_seen(board) ? enter(a, s, board) : recovery_verdict{};
        }
        if (s.sack_permitted) {
            mark_losses(board);
        } else if (a.acked > 0) {
            mark_next_hole(board);
        }
        return {};
    }

    // Section 5.1: no new recovery before all that was outstanding now is acknowledged. What was SACKed is kept.
    // RFC6675-5.1a, 5.1b
    template <class Board>
    constexpr recovery_verdict on_timer(retransmission_timer kind, const path_timing& timing, Board& board) noexcept
    {
        if (kind == retransmission_timer::rto) {
            smss_ = timing.smss;
            recovery_point_ = board.nxt();
            in_recovery_ = force_ = false;
            duplicates_ = 0;
            board.mark_all_lost();
        }
        return {};
    }

    constexpr void on_undo(stream_offset point) noexcept
    {
        recovery_point_ = point;
        rescue_end_ = {};
        in_recovery_ = force_ = false;
        duplicates_ = 0;
    }

    template <class Board>
    constexpr send_decision next(const Board& board, octet_count) noexcept
    {
        const send_decision d = next_lost(board);
        return force_ ? forced(d, smss_) : d;
    }

    // Nothing new to send, but the window has room: rule 3, a hole that is not yet lost by the rules; rule 4, once per
    // recovery, the tail, even one that was sent again before, so that a lost last segment does not need a timeout;
    // else nothing.
    // RFC6675-4f, 4g, 4h
    template <class Board>
    constexpr send_decision without_data(const Board& board, octet_count) noexcept
    {
        if (!in_recovery_ || board.sacked() == 0) {
            return {send_action::nothing};
        }
        auto tail = Board::npos;
        for (auto i = board.first_unacked(); i != Board::npos; i = board.next(i)) {
            const transmission& t = board[i];
            if (t.sacked) {
                continue;
            }
            if (t.first >= resent_to_ && t.first < board.highest_sacked()) {
                return {send_action::retransmit, {t.first, std::min(t.last, t.first + smss_)}};
            }
            tail = i;
        }
        if (tail == Board::npos || board.una() <= rescued_to_) {
            return {send_action::nothing};
        }
        const transmission& t = board[tail];
        rescue_end_ = t.last;
        return {send_action::retransmit, {std::max(t.first, t.last - smss_), t.last}};
    }

    // What was sent again although it is not lost by the rules: both copies may be on their way (SetPipe, RFC6675-4c).
    constexpr octet_count counted_twice() const noexcept { return in_recovery_ ? copies_ : 0; }

    constexpr timer_request timer() const noexcept { return {}; }
    constexpr bool in_recovery() const noexcept { return in_recovery_; }
    constexpr stream_offset recovery_point() const noexcept { return recovery_point_; }
    constexpr stream_offset resent_to() const noexcept { return resent_to_; }

private:
    // Without SACK, RFC 6582 section 3.2 step 2 is stricter: an ACK of just that much may echo our own retransmission.
    constexpr bool may_enter(const ack_info& a, const sack_info& s) const noexcept
    {
        return s.sack_permitted ? a.una >= recovery_point_ : a.una > recovery_point_;
    }

    // Section 5: DupThresh duplicates, or IsLost(HighACK + 1) even before them (RFC6675-5c).
    template <class Board>
    constexpr bool loss_is_seen(const Board& board) const noexcept
    {
        return board.first_unacked() != Board::npos &&
               (duplicates_ >= config_.duplicate_threshold || is_lost(sacked_ranges(board), board.sacked()));
    }

    // RFC6675-4b
    constexpr bool is_lost(std::uint32_t ranges_above, octet_count octets_above) const noexcept
    {
        return ranges_above >= config_.duplicate_threshold ||
               octets_above > (config_.duplicate_threshold - 1) * std::max<octet_count>(smss_, 1);
    }

    template <class Board>
    static constexpr std::uint32_t sacked_ranges(const Board& board) noexcept
    {
        std::uint32_t ranges = 0;
        bool inside = false;
        if (board.sacked() > 0) {
            for (auto i = board.first_unacked(); i != Board::npos && board[i].first < board.highest_sacked();
                 i = board.next(i)) {
                ranges += board[i].sacked && !inside ? 1U : 0U;
                inside = board[i].sacked;
            }
        }
        return ranges;
    }

    // RFC6675-5e; ssthresh is the controller's.
    template <class Board>
    constexpr recovery_verdict enter(const ack_info& a, const sack_info& s, Board& board) noexcept
    {
        in_recovery_ = force_ = true;
        recovery_point_ = a.nxt;
        resent_to_ = a.una;
        rescued_to_ = a.una + smss_;
        rescue_end_ = {};
        copies_ = 0;
        lost_below_ = recovery_point_;
        mark_segment_lost(board, board.first_unacked(), smss_);
        if (s.sack_permitted) {
            mark_losses(board);
        }
        return {verdict_kind::enter};
    }

    // Upwards, as long as IsLost holds: the less lies above, the less is lost. What was sent again in this episode is
    // left to the timeout. RFC6675-4c, 4d, 5g
    template <class Board>
    constexpr void mark_losses(Board& board) noexcept
    {
        std::uint32_t ranges = sacked_ranges(board);
        octet_count above = board.sacked();
        bool inside = false;
        auto i = board.first_unacked();
        while (i != Board::npos && is_lost(ranges, above)) {
            const auto following = board.next(i);
            const transmission& t = board[i];
            if (t.sacked) {
                above -= t.octets();
                ranges -= inside ? 0U : 1U;
            }
            inside = t.sacked;
            if (!t.sacked && !t.lost && t.first >= resent_to_) {
                board.mark_lost(i);
            }
            i = following;
        }
        lost_below_ = i != Board::npos ? board[i].first : recovery_point_;
        copies_ = 0;
        for (; i != Board::npos && board[i].first < resent_to_; i = board.next(i)) {
            copies_ += board[i].sacked ? 0 : board[i].octets();
        }
    }

    // As NewReno: a partial ACK shows that the segment after it is missing.
    template <class Board>
    constexpr void mark_next_hole(Board& board) noexcept
    {
        const auto i = board.first_unacked();
        if (i != Board::npos && board[i].first >= resent_to_) {
            mark_segment_lost(board, i, smss_);
            force_ = true;
        }
    }

    stream_offset recovery_point_{};
    stream_offset resent_to_{};   // end of what was retransmitted in this episode
    stream_offset rescued_to_{};  // RescueRxt
    stream_offset rescue_end_{};  // end of the range that rule 4 chose and that has not left yet
    stream_offset lost_below_{};  // where IsLost ends
    octet_count copies_ = 0;      // of what lies above that and was sent again
    octet_count smss_ = 0;
    std::uint32_t duplicates_ = 0;
    config config_{};
    bool in_recovery_ = false;
    bool force_ = false;
};

static_assert(policy<sack> && std::is_trivially_copyable_v<sack> && sizeof(sack) <= 72);

}  // namespace tcpco::recovery
