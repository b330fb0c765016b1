// Any recovery, and a way back: what turns out to have been needless is undone (RFC 3522, RFC 3708, RFC 5682, RFC
// 4015).
//
//     using recovery = tcpco::recovery::with_undo<tcpco::recovery::rack_tlp>;
//
// When the detector finds an episode spurious, the recovery is told to leave it (`on_undo`, where it has that member),
// all presumed losses are taken back, so that nothing else of the old flight is sent again (RFC4015-3.3a), and the
// verdict lets the mechanism give the controller its window back. After a timeout F-RTO holds the recovery back until
// two ACKs have shown what became of the flight.
#pragma once

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/spurious.hpp"

namespace tcpco::recovery {

template <policy Recovery>
class with_undo {
public:
    struct config {
        typename Recovery::config base{};
        spurious_detector::config undo{};
    };

    constexpr with_undo() noexcept = default;
    constexpr explicit with_undo(const config& c) noexcept : base_{c.base}, detector_{c.undo} {}

    [[gnu::always_inline]] constexpr void on_transmit(const transmission& t, const path_timing& timing) noexcept
    {
        base_.on_transmit(t, timing);
        detector_.on_transmit(t, timing);
    }

    constexpr void on_delivered(const transmission& t, const path_timing& timing) noexcept
        requires told_of_deliveries<Recovery>
    {
        base_.on_delivered(t, timing);
    }

    // The recovery sees the ACK in any case: what it says of losses after the undo is a matter of its own.
    template <class Board>
    constexpr recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& timing,
                                      Board& board) noexcept
    {
        const bool open = detector_.is_open();
        const auto cause = detector_.on_ack(a, s, timing, board);
        if (cause && open) {
            leave(board);
        }
        if constexpr (told_of_reordering<Recovery>) {
            if (cause && !detector_.timed_out()) {
                base_.on_reordering();
            }
        }
        recovery_verdict verdict = base_.on_ack(a, s, timing, board);
        if (verdict.kind == verdict_kind::enter) {
            detector_.on_recovery(board);
        }
        if (cause) {
            verdict.undo = true;
            verdict.cause = *cause;
            verdict.kind = verdict.kind == verdict_kind::none ? verdict_kind::spurious : verdict.kind;
        }
        return verdict;
    }

    template <class Board>
        requires takes_plain_acks<Recovery, Board>
    constexpr bool awaits_plain_ack(const Board& board) const noexcept
    {
        return !detector_.is_watching() && base_.awaits_plain_ack(board);
    }
    constexpr void on_plain_ack(const ack_info& a, time_point sent_at, const path_timing& timing) noexcept
    {
        base_.on_plain_ack(a, sent_at, timing);
    }

    template <class Board>
    constexpr recovery_verdict on_timer(retransmission_timer kind, const path_timing& timing, Board& board) noexcept
    {
        const bool recovering = base_.in_recovery();
        const recovery_verdict verdict = base_.on_timer(kind, timing, board);
        if (kind == retransmission_timer::rto) {
            detector_.on_timeout(board, recovering, timing.smss);
        } else if (verdict.kind == verdict_kind::enter) {
            detector_.on_recovery(board);
        }
        return verdict;
    }

    // RFC5682-2.1a, 2.1c: the first segment and no other, then up to two new ones.
    template <class Board>
    constexpr send_decision next(const Board& board, octet_count room) noexcept
    {
        switch (detector_.step()) {
        case f_rto_step::wait: return {send_action::nothing};
        case f_rto_step::send_new: return {};
        case f_rto_step::retransmit_first: {
            send_decision d = base_.next(board, room);
            d.range.last = std::min(d.range.last, d.range.first + std::max<octet_count>(detector_.smss(), 1));
            return d;
        }
        case f_rto_step::none: break;
        }
        return base_.next(board, room);
    }

    template <class Board>
    constexpr send_decision without_data(Board& board, octet_count room) noexcept
    {
        if (detector_.step() != f_rto_step::none) {
            detector_.on_nothing_new();
            return detector_.step() == f_rto_step::none ? base_.next(board, room) : send_decision{send_action::nothing};
        }
        if constexpr (decides_without_data<Recovery, Board>) {
            return base_.without_data(board, room);
        } else {
            return {send_action::nothing};
        }
    }

    constexpr timer_request timer() const noexcept { return base_.timer(); }
    constexpr bool holds_timer(stream_offset una) const noexcept
        requires tcpco::holds_timer<Recovery>
    {
        return base_.holds_timer(una);
    }
    constexpr octet_count counted_twice() const noexcept
        requires counts_copies<Recovery>
    {
        return base_.counted_twice();
    }
    constexpr bool in_recovery() const noexcept { return base_.in_recovery(); }
    [[gnu::always_inline]] constexpr bool is_steady() const noexcept
        requires knows_steady<Recovery>
    {
        return detector_.step() == f_rto_step::none && base_.is_steady();
    }

    // For tests and observers.
    constexpr const Recovery& base() const noexcept { return base_; }
    constexpr const spurious_detector& detector() const noexcept { return detector_; }
    friend constexpr bool operator==(const with_undo&, const with_undo&) noexcept
        requires std::equality_comparable<Recovery>
    = default;

private:
    // RFC5682-2.1e. A segment at the left edge that was sent again is on its way: until it arrives no other recovery
    // begins over it (the timer watches it, and RACK's clock).
    template <class Board>
    constexpr void leave(Board& board) noexcept
    {
        board.clear_marks();
        if constexpr (told_of_undo<Recovery>) {
            const auto i = board.first_unacked();
            const bool resent = i != Board::npos && board[i].transmissions > 1;
            base_.on_undo(resent ? board[i].last : board.una());
        }
    }

    Recovery base_{};
    spurious_detector detector_{};
};

}  // namespace tcpco::recovery
