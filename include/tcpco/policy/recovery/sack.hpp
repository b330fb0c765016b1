// Loss recovery by selective acknowledgements (RFC 6675): what has three ranges, or more than two segments, of SACKed
// data above it is lost; every hole is repaired in one round trip, as far as the window allows.
//
// The rules in the board's terms: `HighRxt` is resent_to(), `pipe` is in_flight() and counted_twice(), NextSeg rules 1
// and 2 are next(), rules 3 and 4 are without_data(), which is asked when there is no new data to send. Against a peer
// without SACK it does as NewReno.
//
// IsLost is a frontier, the board's line: it holds of what lies below, and the frontier moves upwards by what is SACKed
// beyond it. So each record is judged once in a recovery, and an ACK costs a look-up and what it newly shows. The
// RFC asks anew for each ACK, and by that letter what was lost would be in flight again where two small ranges become
// one: fewer than DupThresh of them are left, of fewer octets than that many segments. Here it stays lost until the
// recovery ends: more has arrived above it, not less.
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
    constexpr explicit sack(const config& c) noexcept : config_{c}, threshold_{c.duplicate_threshold} {}

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
            const stream_offset first = std::max({t.first, resent_to_, lost_below_});
            fresh_copies_ += t.sacked ? 0 : std::max<octet_count>(t.last - first, 0);
            resent_to_ = std::max(resent_to_, t.last);
        }
    }

    // One copy has arrived: nothing of it is in flight.
    constexpr void on_delivered(const transmission& t, const path_timing&) noexcept
    {
        const octet_count resent = std::min(t.last, counted_to_) - std::max(t.first, lost_below_);
        copies_ -= std::max<octet_count>(resent, 0);
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
            threshold_ = config_.duplicate_threshold;
            board.mark_all_lost();
        }
        return {};
    }

    // What was taken for lost had been overtaken: more has to be seen above a hole from now on, until a timeout (RFC
    // 4653 has the same aim). Else a peer who calls each recovery needless has the whole flight marked for each ACK.
    constexpr void on_reordering() noexcept { threshold_ = std::min(2 * threshold_, 1U << 24); }

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
    constexpr send_decision without_data(Board& board, octet_count) noexcept
    {
        if (!in_recovery_ || board.sacked() == 0) {
            return {send_action::nothing};
        }
        const auto hole = first_not_resent(board);
        if (hole != Board::npos && board[hole].first < board.highest_sacked()) {
            const transmission& t = board[hole];
            return {send_action::retransmit, {t.first, std::min(t.last, t.first + smss_)}};
        }
        const auto tail = board.una() <= rescued_to_ ? Board::npos : board.highest_unsacked();
        if (tail == Board::npos) {
            return {send_action::nothing};
        }
        const transmission& t = board[tail];
        rescue_end_ = t.last;
        return {send_action::retransmit, {std::max(t.first, t.last - smss_), t.last}};
    }

    // What was sent again although it is not lost by the rules: both copies may be on their way (SetPipe, RFC6675-4c).
    constexpr octet_count counted_twice() const noexcept { return in_recovery_ ? copies_ + fresh_copies_ : 0; }

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
               (duplicates_ >= threshold_ || is_lost(board.sacked_ranges(), board.sacked()));
    }

    // RFC6675-4b
    constexpr bool is_lost(std::uint32_t ranges_above, octet_count octets_above) const noexcept
    {
        return ranges_above >= threshold_ ||
               octets_above > (octet_count{threshold_} - 1) * std::max<octet_count>(smss_, 1);
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
        copies_ = fresh_copies_ = 0;
        counted_to_ = a.una;
        lost_below_ = recovery_point_;
        board.reset_line();
        mark_segment_lost(board, board.first_unacked(), smss_);
        if (s.sack_permitted) {
            mark_losses(board);
        }
        return {verdict_kind::enter};
    }

    // Upwards, as long as IsLost holds: the less lies above, the less is lost. What was sent again in this episode is
    // left to the timeout; where it is lost by the rules its first copy is in flight no more. RFC6675-4c, 4d, 5g
    template <class Board>
    constexpr void mark_losses(Board& board) noexcept
    {
        count_copies(board);
        if (is_lost(board.ranges_beyond(), board.sacked_beyond())) {
            auto i = board.find(board.line());
            while (i != Board::npos && is_lost(board.ranges_beyond(), board.sacked_beyond())) {
                const transmission& t = board[i];
                if (!t.sacked && t.first < resent_to_) {
                    copies_ -= t.octets();
                } else if (!t.sacked && !t.lost) {
                    board.mark_lost(i);
                }
                i = board.move_line(i);
            }
        }
        lost_below_ = board.line();
    }

    // HighRxt has moved: over what was sent again since the last ACK, and over what an earlier recovery had sent.
    template <class Board>
    constexpr void count_copies(Board& board) noexcept
    {
        fresh_copies_ = 0;
        if (counted_to_ >= resent_to_) {
            return;
        }
        auto i = board.find(std::max(counted_to_, board.line()));
        while (i != Board::npos && board[i].first < resent_to_) {
            const transmission& t = board[i];
            copies_ += t.sacked ? 0 : t.octets();
            i = t.sacked ? board.past_run(i) : board.next(i);
        }
        counted_to_ = resent_to_;
    }

    // The lowest record that may be sent again by rule 3.
    template <class Board>
    constexpr typename Board::index first_not_resent(Board& board) const noexcept
    {
        auto i = board.find(std::max(resent_to_, board.una()));
        if (i != Board::npos && board[i].first < resent_to_) {
            i = board.next(i);
        }
        return i != Board::npos && board[i].sacked ? board.past_run(i) : i;
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
    stream_offset counted_to_{};  // resent_to_ at the last ACK
    octet_count copies_ = 0;      // of what lies above lost_below_ and below counted_to_
    octet_count fresh_copies_ = 0;  // of what was sent again since the last ACK
    octet_count smss_ = 0;
    std::uint32_t duplicates_ = 0;
    config config_{};
    std::uint32_t threshold_ = config{}.duplicate_threshold;  // more, after reordering
    bool in_recovery_ = false;
    bool force_ = false;
};

static_assert(policy<sack> && std::is_trivially_copyable_v<sack> && sizeof(sack) <= 88);

}  // namespace tcpco::recovery
