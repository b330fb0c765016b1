// The scoreboard as a loss recovery sees it, with an eye on what it marks.
#pragma once

#include "tcpco/tcp/scoreboard.hpp"

namespace tcpco::testing {

// Marks that could not be right are counted and not passed on, so that a transfer can go on and be looked at.
class watched_board {
public:
    using index = scoreboard::index;
    static constexpr index npos = scoreboard::npos;

    explicit watched_board(scoreboard& board) noexcept : board_{&board} {}

    index first_unacked() const noexcept { return board_->first_unacked(); }
    index next(index i) const noexcept { return board_->next(i); }
    index oldest_sent() const noexcept { return board_->oldest_sent(); }
    index next_sent(index i) const noexcept { return board_->next_sent(i); }
    index first_lost() const noexcept { return board_->first_lost(); }
    index find(stream_offset o) const noexcept { return board_->find(o); }
    const transmission& operator[](index i) const noexcept { return (*board_)[i]; }
    stream_offset una() const noexcept { return board_->una(); }
    stream_offset nxt() const noexcept { return board_->nxt(); }
    octet_count in_flight() const noexcept { return board_->in_flight(); }
    octet_count sacked() const noexcept { return board_->sacked(); }
    std::uint32_t segments_sacked() const noexcept { return board_->segments_sacked(); }
    octet_count lost() const noexcept { return board_->lost(); }
    octet_count retransmitted() const noexcept { return board_->retransmitted(); }
    stream_offset highest_sacked() const noexcept { return board_->highest_sacked(); }

    void mark_lost(index i) noexcept
    {
        if (!exists(i) || (*board_)[i].sacked) {
            ++wrong_marks_;
        } else {
            board_->mark_lost(i);
        }
    }
    void mark_all_lost() noexcept { board_->mark_all_lost(); }
    void clear_marks() noexcept { board_->clear_marks(); }
    index past_run(index i) noexcept { return board_->past_run(i); }
    index highest_unsacked() noexcept { return board_->highest_unsacked(); }
    std::uint32_t sacked_ranges() const noexcept { return board_->sacked_ranges(); }
    stream_offset line() const noexcept { return board_->line(); }
    octet_count sacked_beyond() const noexcept { return board_->sacked_beyond(); }
    std::uint32_t ranges_beyond() const noexcept { return board_->ranges_beyond(); }
    void reset_line() noexcept { board_->reset_line(); }
    index move_line(index i) noexcept { return board_->move_line(i); }

    // Marks of records that were acknowledged or SACKed, or never were.
    unsigned wrong_marks() const noexcept { return wrong_marks_; }

private:
    bool exists(index wanted) const noexcept
    {
        for (index i = board_->first_unacked(); i != npos; i = board_->next(i)) {
            if (i == wanted) {
                return true;
            }
        }
        return false;
    }

    scoreboard* board_;
    unsigned wrong_marks_ = 0;
};

static_assert(loss_board<watched_board>);

}  // namespace tcpco::testing
