// Was that recovery needless? Three ways to find out that a segment which was sent again had only been late:
//
//     timestamps   the first ACK that covers it echoes the original (Eifel detection, RFC 3522);
//     DSACK        the receiver reports every retransmission as a duplicate (RFC 2883, RFC 3708);
//     F-RTO        after a timeout, octets that were not sent again are acknowledged (RFC 5682): section 3's variant
//                  where the peer has SACK, section 2's where it has not.
//
// This is the detector alone; with_undo.hpp puts it around a recovery. An episode begins with a fast retransmit or a
// timeout and ends when what was in flight then is acknowledged; reports of duplicates count for one round trip more,
// for a retransmission arrives after all that ends its recovery. A timeout within fast recovery, or another timeout of
// the same data, is the same episode.
//
// Not here: the handshake (a needless SYN costs no window), and probes, which are no recovery (RFC 8985 section 7.4 has
// its own rule).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/resent_ranges.hpp"

namespace tcpco::recovery {

// What F-RTO wants to leave next (RFC 5682 section 2.1).
enum class f_rto_step : std::uint8_t { none, retransmit_first, send_new, wait };

class spurious_detector {
public:
    struct config {
        bool timestamps = true;
        bool dsack = true;
        bool f_rto = true;

        friend constexpr bool operator==(const config&, const config&) noexcept = default;
    };

    constexpr spurious_detector() noexcept = default;
    constexpr explicit spurious_detector(const config& c) noexcept : config_{c} {}

    // Fast recovery begins.
    template <class Board>
    constexpr void on_recovery(const Board& board) noexcept
    {
        begin(board);
        phase_ = phase::off;
    }

    // RFC 5682 2.1 step 1: the timer fired. `recovering`: within fast recovery. F-RTO is for a timeout that interrupts
    // no other recovery, its own of an earlier timeout included.
    // RFC5682-2.1a, 2.1f, 2.1g, 3.1b, RFC3522-3.2b
    template <class Board>
    constexpr void on_timeout(const Board& board, bool recovering, octet_count smss) noexcept
    {
        if (board.una() <= stream_offset{0}) {
            forget();
            return;
        }
        const bool interrupts = open_;
        if (!open_ || !(recovering || board.una() == timed_out_at_)) {
            begin(board);
        }
        smss_ = smss;
        end_ = board.nxt();
        timed_out_at_ = board.una();
        phase_ = config_.f_rto && !interrupts ? phase::first_ack : phase::off;
    }

    [[gnu::always_inline]] constexpr void on_transmit(const transmission& t, const path_timing& timing) noexcept
    {
        if (t.transmissions <= 1) {
            new_octets_ += t.octets();
        } else {
            on_retransmit(t, timing);
        }
    }

    // An ACK; at most one answer for an episode.
    template <class Board>
    constexpr std::optional<spurious_cause> on_ack(const ack_info& a, const sack_info& s, const path_timing& timing,
                                                   const Board& board) noexcept
    {
        if (!watching_) {
            return {};
        }
        std::optional<spurious_cause> cause;
        if (echoes_the_original(a, s, timing)) {
            cause = spurious_cause::timestamp;
        } else if (last_duplicate_is_reported(a, s, board)) {
            cause = spurious_cause::dsack;
        } else if (passes_f_rto(a, s, board)) {
            cause = spurious_cause::f_rto;
        }
        if (cause || (!open_ && a.una > reports_until_)) {
            forget();
        } else if (open_ && a.una >= end_) {
            open_ = false;
            phase_ = phase::off;
            reports_until_ = a.nxt;
        }
        return cause;
    }

    constexpr f_rto_step step() const noexcept
    {
        switch (phase_) {
        case phase::first_ack: return has_resent_ ? f_rto_step::wait : f_rto_step::retransmit_first;
        case phase::second_ack: return new_octets_ < 2 * smss_ ? f_rto_step::send_new : f_rto_step::wait;
        default: return f_rto_step::none;
        }
    }
    // RFC5682-2.1c: there is nothing new to send, or no window for it: then the conventional way, if none left before.
    constexpr void on_nothing_new() noexcept
    {
        if (phase_ == phase::second_ack && new_octets_ == 0) {
            phase_ = phase::off;
        }
    }

    // An ACK could tell of an episode, on or over, that it was needless; else on_ack() has no answer.
    constexpr bool is_watching() const noexcept { return watching_; }
    // The recovery that is watched has not ended.
    constexpr bool is_open() const noexcept { return open_; }
    // The timer fired in the recovery that is, or was, watched.
    constexpr bool timed_out() const noexcept { return timed_out_at_ != stream_offset{}; }
    constexpr octet_count smss() const noexcept { return smss_; }
    friend constexpr bool operator==(const spurious_detector&, const spurious_detector&) noexcept = default;

private:
    enum class phase : std::uint8_t { off, first_ack, second_ack };  // steps 2 and 3 of F-RTO wait for these

    static constexpr duration tick{1'000'000};  // of our timestamps

    constexpr void on_retransmit(const transmission& t, const path_timing& timing) noexcept
    {
        // What left outside of an episode may be more than the record of its first octet: a probe takes a segment.
        resent_to_ = std::max(resent_to_, open_ ? t.last : t.last + timing.smss);
        if (!open_) {
            resent_outside_ = true;
            return;
        }
        resent_.on_resent({t.first, t.last});
        if (t.transmissions > 2) {
            resent_.give_up();  // RFC3708-3c: two reports may be one, which the network has doubled
        }
        if (!has_resent_) {  // RFC3522-3.2b: a later one, of another timeout, is not what is compared with
            has_resent_ = true;
            first_resent_ = {t.first, t.last};
            first_resent_at_ = t.sent_at;
        }
    }

    template <class Board>
    constexpr void begin(const Board& board) noexcept
    {
        watching_ = open_ = true;
        has_resent_ = false;
        end_ = board.nxt();
        timed_out_at_ = {};
        resent_.start(board.una());
        if (resent_to_ > board.una()) {
            resent_.give_up();  // a copy from before is on its way: its report could not be told from ours
        } else {
            resent_outside_ = false;
        }
        const auto i = board.first_unacked();
        first_sent_at_ = i != Board::npos && board[i].transmissions == 1 ? board[i].sent_at : time_point::min();
    }

    constexpr void forget() noexcept
    {
        watching_ = open_ = false;
        phase_ = phase::off;
    }

    // RFC 3522 section 3.2 steps 3 to 6. The ACK has to cover the retransmission, which has to be at the left edge: the
    // echo is of the segment that moved that edge, so there is one such ACK and no other. One with a DSACK proves
    // nothing: after the loss of all ACKs the retransmission itself is answered with the echo of an older segment. An
    // echo from before the segment was sent at all is a lie. In whole milliseconds: a retransmission within the tick of
    // the original stays unjudged.
    //
    // An ACK of everything gives a verdict, too: step 5 forbids that unless the peer has sent a DSACK before, for else
    // nobody knows that it would. Today's peers with SACK do (Linux, FreeBSD, Windows), and at the end of an outage one
    // ACK of everything is all that comes; without SACK the time since the retransmission tells (`answers`).
    // RFC3522-3.2a, 3.2c, 3.2d, 3.2e, 3.2f, 3.2g, 3.2h
    constexpr bool echoes_the_original(const ack_info& a, const sack_info& s, const path_timing& timing) noexcept
    {
        const bool covers = a.acked > 0 && a.una - a.acked == first_resent_.first;
        if (!config_.timestamps || !has_resent_ || !covers) {
            return false;
        }
        // A peer that cannot report it may have been answering the retransmission.
        const bool answers = timed_out() && !s.sack_permitted && timing.now - first_resent_at_ >= timing.min_rtt / 2;
        if (s.dsack || answers || timing.echoed == time_point::never()) {
            return false;
        }
        if (timing.echoes_before(first_resent_at_)) {
            return timing.echoed > first_sent_at_ - tick || first_sent_at_ == time_point::min();
        }
        phase_ = phase::off;  // the retransmission was needed
        return false;
    }

    // RFC3708-3a, 3b, 3d, 3e
    template <class Board>
    constexpr bool last_duplicate_is_reported(const ack_info& a, const sack_info& s, const Board& board) noexcept
    {
        if (!config_.dsack || !s.dsack || !has_resent_) {
            return false;
        }
        const bool nothing_sacked = board.sacked() == 0 && s.newly_sacked == 0 && a.delivered >= a.acked;
        if (nothing_sacked && a.acked > 0 && s.dsack_range.first == a.una - a.acked) {
            resent_.give_up();  // the ACKs were lost, all of them
        } else if (resent_.is_sound() && !resent_.on_reported(s.dsack_range) &&
                   s.dsack_range.last > resent_.origin()) {
            // The network makes copies, or the peer lies: no report is proof any more. Unless it is of a probe that was
            // sent outside of the episode.
            resent_.give_up();
            config_.dsack = resent_outside_;
        }
        return resent_.all_reported();
    }

    // RFC5682-2.1b, 2.1d, 2.1e, 2.1h, 3.1a
    template <class Board>
    constexpr bool passes_f_rto(const ack_info& a, const sack_info& s, const Board& board) noexcept
    {
        const bool advances = a.acked > 0;
        if (phase_ == phase::first_ack && has_resent_) {
            if (advances) {
                // What acknowledges all that was sent ends the episode, see on_ack().
                phase_ = a.una < first_resent_.last ? phase::off : phase::second_ack;
                new_octets_ = 0;
            } else if (a.duplicate && !s.sack_permitted) {
                phase_ = phase::off;
            }
        } else if (phase_ == phase::second_ack) {
            const bool genuine = s.sack_permitted ? a.una > end_ || board.highest_sacked() > end_
                                                  : a.duplicate && !advances;
            if (!genuine) {
                return advances || s.newly_sacked > 0;
            }
            phase_ = phase::off;
        }
        return false;
    }

    // First what is asked for where there is no episode: beside the recovery that it watches.
    config config_{};
    phase phase_ = phase::off;
    bool watching_ = false;
    bool open_ = false;
    bool has_resent_ = false;
    bool resent_outside_ = false;  // something was sent again that is not of the episode
    resent_ranges resent_{};
    stream_offset end_{};            // snd.nxt when it began, or at its last timeout (`recover`, RecoveryPoint)
    stream_offset timed_out_at_{};   // snd.una then
    stream_offset reports_until_{};  // duplicates are waited for until more than this is acknowledged
    stream_offset resent_to_{};      // end of all that was ever sent again
    offset_range first_resent_{};
    time_point first_resent_at_{};                  // RetransmitTS
    time_point first_sent_at_ = time_point::min();  // the original of the first segment; min(): unknown
    octet_count new_octets_ = 0;                    // sent since F-RTO's first ACK
    octet_count smss_ = 0;
};

static_assert(std::is_trivially_copyable_v<spurious_detector> && sizeof(spurious_detector) <= 208);

}  // namespace tcpco::recovery
