// RACK-TLP (RFC 8985): a segment is lost when one sent later was delivered and a reordering window has passed; a probe
// of the tail, sent after two round trips without an ACK, turns a timeout into a recovery.
//
// RACK wants to see each delivered record (`on_delivered`, once per record when it is first acknowledged or SACKed, in
// sequence order, before on_ack); where nobody calls it, it makes do with the RTT of the ACK and sees no reordering. It
// needs SACK (section 4): against other peers NewReno does the work. Beside it nothing of RFC 6675 decides what leaves:
// no without_data(), so no hole is sent again before it is found lost (RFC8985-9.2a). Not here: undo (with_undo.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/marking.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"

namespace tcpco::recovery {

class rack_tlp {
public:
    struct config {
        bool tail_loss_probe = true;
        // Section 7.2: the longest that the peer may delay the ACK of a single segment; 200 ms is what most peers keep
        // to.
        duration max_ack_delay{200'000'000};
        // No probe sooner than this: below, what is measured is the machine's scheduling, not a loss. The RFC has no
        // floor, its drafts had 10 ms, Linux has two of its clock's ticks.
        duration minimum_pto{10'000'000};

        friend constexpr bool operator==(const config&, const config&) noexcept = default;
    };

    constexpr rack_tlp() noexcept = default;
    constexpr explicit rack_tlp(const config& c) noexcept : config_{c} {}

    [[gnu::always_inline]] constexpr void on_transmit(const transmission& t, const path_timing& timing) noexcept
    {
        without_sack_.on_transmit(t, timing);
        if (probe_due_) {  // RFC8985-7.3a: remember the episode; no second probe before its end and an RTT sample
            probe_due_ = false;
            tlp_end_ = t.last;
            tlp_is_retransmission_ = t.transmissions > 1;
            sampled_since_probe_ = false;
        } else if (t.transmissions > 1) {
            force_ = false;
        } else {
            arm_probe(timing);
        }
    }

    // Section 6.2 steps 2 and 3 (RFC8985-6.2c, 6.2d).
    constexpr void on_delivered(const transmission& t, const path_timing& timing) noexcept
    {
        heard_ = true;
        if (t.last > fack_) {
            fack_ = t.last;
        } else if (t.last < fack_ && t.transmissions == 1) {
            reordering_seen_ = true;
        }
        const duration rtt = timing.now - t.sent_at;
        if (t.transmissions > 1 && (rtt < timing.min_rtt || timing.echoes_before(t.sent_at))) {
            return;  // acknowledges the transmission before (RFC8985-6.2b)
        }
        advance(t.sent_at, t.last, rtt);
    }

    template <class Board>
    constexpr recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& timing,
                                      Board& board) noexcept
    {
        sack_ = s.sack_permitted;
        if (!sack_) {  // RFC8985-4.1a
            if (after_timeout_ && a.una >= recovery_point_) {
                on_recovery_end();
            }
            return without_sack_.on_ack(a, s, timing, board);
        }
        smss_ = a.smss;
        has_sacked_ = board.sacked() > 0;
        probe_due_ = false;
        sampled_since_probe_ = sampled_since_probe_ || a.latest_rtt > duration::zero();
        if (!heard_ && a.delivered > 0 && a.latest_rtt > duration::zero()) {
            advance(a.now - a.latest_rtt, a.una, a.latest_rtt);
        }
        heard_ = false;
        adapt_to_dsack(a, s);
        const recovery_verdict probe = judge_probe(a, s);
        const recovery_verdict loss = judge_losses(a, timing, board);
        if (a.acked > 0) {
            arm_probe(timing);
        }
        return loss.kind != verdict_kind::none ? loss : probe;
    }

    // What on_delivered() and on_ack() come to where nothing is in doubt: no episode, no probe, nothing delivered above
    // what is acknowledged, or sent later than what comes next (RFC8985-6.2c, 6.2d).
    template <class Board>
    constexpr bool awaits_plain_ack(const Board& board) const noexcept
    {
        return sack_ && !force_ && !recovering() && tlp_end_.value == 0 && fack_ <= board.una() &&
               sent_at_ <= board[board.first_unacked()].sent_at;
    }
    constexpr void on_plain_ack(const ack_info& a, time_point sent_at, const path_timing& timing) noexcept
    {
        smss_ = a.smss;
        has_sacked_ = probe_due_ = heard_ = widened_ = false;
        sampled_since_probe_ = true;
        fack_ = end_ = a.una;
        sent_at_ = sent_at;
        rtt_ = timing.now - sent_at;
        reorder_at_ = time_point::never();
        arm_probe(timing);
    }

    template <class Board>
    constexpr recovery_verdict on_timer(retransmission_timer kind, const path_timing& timing, Board& board) noexcept
    {
        switch (kind) {
        case retransmission_timer::reorder:
            return react(detect(timing, board), timing, board);
        case retransmission_timer::pto:
            pto_at_ = time_point::never();
            probe_due_ = tlp_end_.value == 0 && !recovering();
            return {};
        case retransmission_timer::rto:
            on_timeout(timing, board);
            return {};
        default:
            return {};
        }
    }

    // What was taken for the delivery of a retransmission may have been that of the original, much older one: it is
    // forgotten, or all that left in between would be found lost again.
    constexpr void on_undo(stream_offset point) noexcept
    {
        without_sack_.on_undo(point);
        in_recovery_ = after_timeout_ = force_ = false;
        sent_at_ = time_point::min();
        reorder_at_ = time_point::never();
    }

    // A segment that was taken for lost had been overtaken. Section 6.2 step 3 learns of reordering by segments that
    // were never sent again; where each late one is, before it arrives, it never would. Linux does likewise.
    // It also widens the window as a D-SACK does: else a peer whose echoes call each recovery needless has most of the
    // flight marked, and taken back, for each ACK.
    constexpr void on_reordering() noexcept
    {
        reordering_seen_ = widened_ = true;
        widen();
    }

    template <class Board>
    constexpr send_decision next(const Board& board, octet_count room) noexcept
    {
        if (!sack_ && !probe_due_ && !force_) {
            return without_sack_.next(board, room);
        }
        if (probe_due_) {
            return {send_action::probe, {}, true};
        }
        const send_decision d = next_lost(board);
        return force_ ? forced(d, smss_) : d;
    }

    constexpr timer_request timer() const noexcept
    {
        if (reorder_at_ != time_point::never()) {
            return {retransmission_timer::reorder, reorder_at_};
        }
        if (pto_at_ != time_point::never()) {
            return {retransmission_timer::pto, pto_at_};
        }
        return {};
    }
    constexpr bool in_recovery() const noexcept { return in_recovery_ || without_sack_.in_recovery(); }
    [[gnu::always_inline]] constexpr bool is_steady() const noexcept
    {
        return !probe_due_ && !force_ && !after_timeout_ && !in_recovery();
    }
    constexpr bool reordering_seen() const noexcept { return reordering_seen_; }
    constexpr std::uint32_t reordering_multiplier() const noexcept { return reo_wnd_mult_; }
    friend constexpr bool operator==(const rack_tlp&, const rack_tlp&) noexcept = default;

private:
    struct detection {
        bool lost = false;
        bool retransmission_lost = false;  // of this episode
    };

    static constexpr int looks_ahead = 16;  // records
    static constexpr std::uint8_t persistence = 16;  // recoveries for which a widened window lasts (RFC8985-6.2g)

    constexpr bool recovering() const noexcept { return in_recovery_ || after_timeout_; }

    // RACK.xmit_ts and RACK.end_seq: the most recently sent of all that was delivered.
    constexpr void advance(time_point sent_at, stream_offset end, duration rtt) noexcept
    {
        rtt_ = rtt;
        if (sent_later(sent_at, end, sent_at_, end_)) {
            sent_at_ = sent_at;
            end_ = end;
        }
    }

    static constexpr bool sent_later(time_point a, stream_offset a_end, time_point b, stream_offset b_end) noexcept
    {
        return a > b || (a == b && a_end > b_end);
    }

    // Section 6.2 step 4: one step per round trip that saw a DSACK; the echo of a tail loss probe is none.
    // RFC8985-3.3b, 4.3a
    constexpr void adapt_to_dsack(const ack_info& a, const sack_info& s) noexcept
    {
        const bool of_probe = tlp_end_.value != 0 && s.dsack_range.last == tlp_end_;
        const bool widened = std::exchange(widened_, false);
        if (s.dsack && !of_probe && a.una >= dsack_round_) {
            dsack_round_ = a.nxt;
            if (!widened) {
                widen();
            }
        }
    }
    constexpr void widen() noexcept
    {
        reo_wnd_mult_ = std::min(reo_wnd_mult_ + 1, 255U);
        persist_ = persistence;
    }

    constexpr void on_recovery_end() noexcept
    {
        in_recovery_ = after_timeout_ = force_ = false;
        persist_ = static_cast<std::uint8_t>(persist_ > 0 ? persist_ - 1 : 0);
        if (persist_ == 0) {
            reo_wnd_mult_ = 1;
        }
    }

    // No waiting where the order was always kept and three segments are SACKed, or recovery is on: then RACK is as
    // quick as three duplicate ACKs. Else a part of the shortest RTT, and SRTT at most. RFC8985-3.3a, 3.3c
    template <class Board>
    constexpr duration reordering_window(const path_timing& timing, const Board& board) const noexcept
    {
        if (!reordering_seen_ && (recovering() || enough_sacked(board))) {
            return duration::zero();
        }
        return std::min(timing.min_rtt * static_cast<std::int64_t>(reo_wnd_mult_) / 4, timing.srtt);
    }

    template <class Board>
    constexpr bool enough_sacked(const Board& board) const noexcept
    {
        return board.segments_sacked() >= dup_thresh ||
               board.sacked() > (dup_thresh - 1) * std::max<octet_count>(smss_, 1);
    }

    // Section 6.2 step 5, in the order of transmission; ends at the first record that was sent after the newest
    // delivered. The RFC waits for the last that is not due yet. Of a long flight that is looked for among the next few
    // only, and when that is due among the next few again: an ACK must not cost a walk over all that is in flight, else
    // a peer that SACKs from the end makes us work in proportion to the square of it.
    // RFC8985-6.2e, 6.2f, 6.2h
    template <class Board>
    constexpr detection detect(const path_timing& timing, Board& board) noexcept
    {
        detection found;
        const duration allowed = rtt_ + reordering_window(timing, board);
        reorder_at_ = time_point::never();
        int ahead = 0;
        for (auto i = board.oldest_sent(); i != Board::npos && ahead < looks_ahead;) {
            const auto following = board.next_sent(i);
            const transmission& t = board[i];
            if (!sent_later(sent_at_, end_, t.sent_at, t.last)) {
                break;
            }
            const time_point due = t.sent_at + allowed;
            if (due <= timing.now) {
                found.lost = true;
                found.retransmission_lost =
                    found.retransmission_lost || (in_recovery_ && t.transmissions > 1 && t.sent_at >= entered_at_);
                board.mark_lost(i);
            } else {
                reorder_at_ = due;
                ++ahead;
            }
            i = following;
        }
        return found;
    }

    template <class Board>
    constexpr recovery_verdict judge_losses(const ack_info& a, const path_timing& timing, Board& board) noexcept
    {
        if (recovering() && a.una >= recovery_point_) {
            const bool fast = in_recovery_;
            on_recovery_end();
            if (fast) {
                // One verdict per call: losses of the next window are looked for at once, but by the timer.
                reorder_at_ = board.first_unacked() != Board::npos ? timing.now : time_point::never();
                return {verdict_kind::exit};
            }
        }
        return react(detect(timing, board), timing, board);
    }

    template <class Board>
    constexpr recovery_verdict react(detection found, const path_timing& timing, const Board& board) noexcept
    {
        if (!found.lost || after_timeout_) {
            return {};  // after a timeout the window is the loss window already
        }
        if (in_recovery_) {
            if (!found.retransmission_lost) {
                return {};
            }
            // Others that left before now were lost in the same round trip (RFC5681-4.3d, RFC8985-9.3b).
            entered_at_ = timing.now;
            return {verdict_kind::lost_again};
        }
        in_recovery_ = force_ = true;
        recovery_point_ = board.nxt();
        entered_at_ = timing.now;
        end_probing();
        return {verdict_kind::enter};
    }

    // RFC8985-6.3a: the first is lost; others may just have left.
    template <class Board>
    constexpr void on_timeout(const path_timing& timing, Board& board) noexcept
    {
        without_sack_.leave_by_timeout(board.nxt(), timing);
        smss_ = timing.smss;
        const duration allowed = rtt_ + reordering_window(timing, board);
        if (board.first_unacked() != Board::npos) {
            board.mark_lost(board.first_unacked());
        }
        for (auto i = board.oldest_sent(); i != Board::npos;) {
            const auto following = board.next_sent(i);
            if (!sack_ || board[i].sent_at + allowed <= timing.now) {
                board.mark_lost(i);
            }
            i = following;
        }
        in_recovery_ = false;
        after_timeout_ = force_ = true;
        recovery_point_ = board.nxt();
        reorder_at_ = time_point::never();
        end_probing();
    }

    // RFC8985-7.1a
    constexpr void end_probing() noexcept
    {
        tlp_end_ = {};
        tlp_is_retransmission_ = probe_due_ = false;
        pto_at_ = time_point::never();
    }

    // RFC8985-7.2a, 7.2b. Where the RTO would come first the probe takes its place, hence a nanosecond before it.
    [[gnu::always_inline]] constexpr void arm_probe(const path_timing& timing) noexcept
    {
        pto_at_ = time_point::never();
        if (!config_.tail_loss_probe || !sack_ || recovering() || has_sacked_ || tlp_end_.value != 0 ||
            !sampled_since_probe_ || timing.in_flight <= 0) {
            return;
        }
        duration pto{1'000'000'000};
        if (timing.srtt > duration::zero()) {
            pto = std::max(timing.srtt * 2, config_.minimum_pto);
            pto += timing.in_flight <= timing.smss ? config_.max_ack_delay : duration::zero();
        }
        const time_point rto_at = std::min(timing.rto_at, timing.now + timing.rto);  // for what was sent before
        pto_at_ = std::min(timing.now + pto, rto_at - duration{1});
    }

    // Section 7.4.2: did the probe repair a loss, or arrive as well as the original?
    // RFC8985-7.4a, 7.4b
    constexpr recovery_verdict judge_probe(const ack_info& a, const sack_info& s) noexcept
    {
        if (tlp_end_.value == 0 || a.una < tlp_end_) {
            return {};
        }
        const bool both_arrived = (s.dsack && s.dsack_range.last == tlp_end_) ||
                                  (a.una == tlp_end_ && a.duplicate && !s.has_blocks);
        if (!tlp_is_retransmission_ || both_arrived) {
            tlp_end_ = {};
        } else if (a.una > tlp_end_) {
            tlp_end_ = {};
            return {verdict_kind::tlp_repaired};
        }
        return {};
    }

    new_reno without_sack_{};
    time_point sent_at_ = time_point::min();  // RACK.xmit_ts
    stream_offset end_{};                     // RACK.end_seq
    stream_offset fack_{};                    // RACK.fack: end of the highest delivered
    duration rtt_{};                          // RACK.rtt
    stream_offset dsack_round_{};
    stream_offset recovery_point_{};
    stream_offset tlp_end_{};                 // TLP.end_seq; 0: no probe outstanding
    time_point entered_at_{};  // the last reduction: only what was sent again since then can cause another
    time_point reorder_at_ = time_point::never();
    time_point pto_at_ = time_point::never();
    octet_count smss_ = 0;
    config config_{};
    std::uint32_t reo_wnd_mult_ = 1;
    std::uint8_t persist_ = 0;
    bool reordering_seen_ = false;
    bool widened_ = false;  // by on_reordering(), for this ACK
    bool in_recovery_ = false;
    bool after_timeout_ = false;
    bool force_ = false;
    bool sack_ = false;
    bool has_sacked_ = false;
    bool heard_ = false;
    bool probe_due_ = false;
    bool tlp_is_retransmission_ = false;
    bool sampled_since_probe_ = true;
};

static_assert(policy<rack_tlp> && std::is_trivially_copyable_v<rack_tlp> && sizeof(rack_tlp) <= 176);

}  // namespace tcpco::recovery
