// A sender in the small, which plays a script of events on a congestion controller and looks after each of them whether
// the laws held.
//
// It keeps what a controller is told about: una, nxt, what is lost, rounds, RTTs, recovery. Events say what happens in
// proportion to that (a third of the flight is acknowledged), so any part of a script is a script. It calls in the
// order in which tcp/acknowledgement.hpp and tcp/timeouts.hpp do.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/testing/congestion_bounds.hpp"
#include "tcpco/testing/congestion_law.hpp"
#include "tcpco/testing/congestion_trials.hpp"
#include "tcpco/testing/controller_twins.hpp"
#include "tcpco/testing/sender_books.hpp"

namespace tcpco::testing {

class congestion_player : private sender_books, private controller_twins {
public:
    congestion_player(const controller_handle& controller, law_sheet& sheet)
        : controller_twins{controller}, sheet_{sheet}
    {
    }

    void play(const std::vector<sender_event>& script)
    {
        if (script.empty() || script.front().what != sender_event::kind::establish) {
            establish({.what = sender_event::kind::establish, .a = 1'448, .b = 10, .c = 40'000});
            sheet_.note([&] { return said_; });
        }
        for (std::size_t i = 0; i < script.size(); ++i) {
            sheet_.begin(i);
            now_ += duration{100'000};
            was_ = now_is().cwnd;
            play(script[i]);
            judge_always();
            sheet_.note(
                [&] { return said_ + ": cwnd " + text(now_is().cwnd) + ", ssthresh " + text(now_is().ssthresh); });
            if (i == script.size() / 2) {
                twin_ = policy_->copy();  // from here on a copy has to keep up, not one that saw everything
            }
        }
    }

private:
    using kind = sender_event::kind;

    void play(const sender_event& e)
    {
        switch (e.what) {
        case kind::establish: establish(e); break;
        case kind::send: send(e.a); break;
        case kind::ack: acknowledge(e.a, duration{e.b * std::int64_t{1'000}}, e.flag, e.c == 1); break;
        case kind::sack: select(e.a); break;
        case kind::packet_loss: lose(e.a); break;
        case kind::loss: lose_and_react(e.a); break;
        case kind::lost_again: lose_again(); break;
        case kind::mark: acknowledge(e.a, rtt_, true, e.c == 1); break;
        case kind::probe_repaired: repair_by_probe(); break;
        case kind::timeout: time_out(); break;
        case kind::spurious: undo(); break;
        case kind::idle: idle(duration{e.a * std::int64_t{1'000'000}}); break;
        case kind::smss: change_smss(e.a); break;
        case kind::marked_rounds:
            said_ = try_marks(*policy_, smss_, e.flag ? round_marks::counted : round_marks::echoed, sheet_);
            break;
        case kind::large_window: said_ = try_large_window(*policy_, smss_, e.a, sheet_); break;
        }
    }

    // --- what happens ----------------------------------------------------------------------------------------------

    void establish(const sender_event& e)
    {
        smss_ = std::max<octet_count>(e.a, 1);
        initial_window_ = std::max<octet_count>(e.b, 1) * smss_;
        rtt_ = duration{std::max<std::int64_t>(e.c, 1) * 1'000};
        connection_established made{
            .now = now_, .initial_window = initial_window_, .smss = smss_, .handshake_rtt = rtt_};
        if (e.d > 0) {
            made.prior_cwnd = e.d;
            made.prior_ssthresh = e.flag ? std::max<octet_count>(e.d / 2, 2 * smss_) : congestion::no_threshold;
        }
        tell([&](controller_handle& c) { c.established(made); });
        said_ = "established: SMSS " + text(smss_) + ", initial window " + text(initial_window_) +
                (e.d > 0 ? ", takes over a window of " + text(e.d) : std::string{});
        const octet_count most = std::max({smss_, e.d > 0 ? made.prior_cwnd : initial_window_});
        expect(congestion_law::initial_window, now_is().cwnd <= most, "a window of at most", most);
    }

    // Losses go first, then new data, in five packets at most: huge windows are no more work than small ones.
    void send(std::uint32_t permille)
    {
        const octet_count room = std::max<octet_count>(now_is().cwnd - pipe(), 0);
        octet_count octets = mul_div(room, std::min<std::uint32_t>(permille, 1'000), 1'000);
        filled_ = permille >= 1'000;
        said_ = "sent " + text(octets) + (filled_ ? ", all that the window allows" : "");
        const duration idle = pipe() == 0 ? now_ - last_sent_ : duration{};
        const octet_count again = std::min(octets, lost_);
        if (again > 0) {
            transmit(again, true, idle);
            lost_ -= again;
            resent_ = true;
        }
        octets = std::min(octets - again, std::max<octet_count>(most_in_flight - (nxt_ - una_), 0));
        for (octet_count left = octets; left > 0;) {
            const octet_count packet = std::min(left, std::max(smss_, (octets + 3) / 4));
            transmit(packet, false, left == octets && again == 0 ? idle : duration{});
            nxt_ += packet;
            left -= packet;
        }
    }
    void transmit(octet_count octets, bool again, duration idle)
    {
        const packet_sent e{.now = now_,
                            .octets = octets,
                            .segments = static_cast<std::uint32_t>((octets + smss_ - 1) / smss_),
                            .in_flight_before = pipe(),
                            .retransmission = again,
                            .idle_for = idle};
        tell_quietly([&](controller_handle& c) { c.sent(e); }, "when it was sent");
        last_sent_ = now_;
    }

    void acknowledge(std::uint32_t permille, duration rtt, bool echo, bool counted = false)
    {
        ack_info a = next_ack(permille, rtt, now_is().cwnd, now_is().ssthresh);
        said_ = "acknowledged " + text(a.acked) + " of " + text(a.acked + (nxt_ - una_)) + ", RTT " +
                text(rtt.microseconds()) + " us" + (echo ? ", with an echo of a mark" : "") +
                (a.cwnd_limited ? ", the window was the limit" : "");
        const bool was_in_recovery = in_recovery_;
        if (una_ >= recovery_point_) {
            if (in_recovery_) {
                in_recovery_ = false;
                said_ += ", recovery ends";
                tell_quietly([](controller_handle& c) { c.recovered(); }, "when recovery ended");
            }
            after_timeout_ = false;
            lost_ = 0;
        }
        if (echo) {
            a.ecn = {.ece = true, .ce_segments = 1, .ce_octets = std::min(a.acked, smss_), .accurate = counted};
            if (una_ > reduced_until_) {
                react_to_mark(a.acked + (nxt_ - una_), counted);
            }
        }
        a.in_recovery = was_in_recovery || in_recovery_ || (echo && !(counted && policy_->grows_beside_marks()));
        const octet_count before = now_is().cwnd;
        tell([&](controller_handle& c) { c.acked(a); });
        judge_ack(a, before);
    }

    // A duplicate that brings SACK blocks and acknowledges nothing.
    void select(std::uint32_t permille)
    {
        said_ = "a duplicate, but nothing is in flight";
        if (pipe() <= 0) {
            return;
        }
        ack_info a = next_sack(permille, rtt_, now_is().cwnd, now_is().ssthresh);
        said_ = "a duplicate ACK brought SACK blocks for " + text(a.newly_sacked);
        a.in_recovery = in_recovery_;
        const octet_count before = now_is().cwnd;
        tell([&](controller_handle& c) { c.acked(a); });
        judge_ack(a, before);
    }

    void react_to_mark(octet_count flight, bool counted)
    {
        const octet_count before = now_is().cwnd;
        congest(congestion_cause::ecn_echo, flight, counted);
        expect(congestion_law::mark_never_raises, now_is().cwnd <= before, "a window of at most", before);
        if (now_is().cwnd < before) {
            const octet_count least = reduction_bounds::of(before, flight, smss_).least;
            expect(congestion_law::measured_cut, now_is().cwnd >= least, "a window of at least", least);
        }
    }

    octet_count lose(std::uint32_t permille)
    {
        const octet_count flight = pipe();
        const octet_count octets = std::min(flight, std::max(smss_, mul_div(flight, permille, 1'000)));
        said_ = text(octets) + " of " + text(nxt_ - una_) + " in flight were lost";
        if (octets <= 0) {
            return 0;
        }
        lost_ += octets;
        total_lost_ += octets;
        const packet_lost e{.octets = octets,
                            .segments = static_cast<std::uint32_t>((octets + smss_ - 1) / smss_),
                            .stamp = {.delivered = delivered_ - std::min(delivered_, flight), .in_flight = flight},
                            .in_flight_at_send = flight,
                            .total_lost = total_lost_};
        const octet_count before = now_is().cwnd;
        tell_quietly([&](controller_handle& c) { c.lost(e); }, "when a packet was lost");
        judge_round(before);
        return octets;
    }
    void lose_and_react(std::uint32_t permille)
    {
        const octet_count flight = nxt_ - una_;
        if (lose(permille) == 0 || in_recovery_ || after_timeout_) {
            return;
        }
        said_ += ", recovery begins";
        keep();
        in_recovery_ = true;
        resent_ = false;
        recovery_point_ = nxt_;
        const octet_count before = now_is().cwnd;
        congest(congestion_cause::loss, flight);
        judge_reduction(congestion_law::loss_reduces, before, flight, flight);
    }
    void lose_again()
    {
        said_ = "a retransmission was lost: not in recovery, nothing happens";
        if (!in_recovery_ || !resent_) {
            return;
        }
        said_ = "a retransmission was lost, " + text(nxt_ - una_) + " in flight";
        resent_ = false;
        const octet_count before = now_is().cwnd;
        congest(congestion_cause::lost_retransmission, nxt_ - una_);
        judge_reduction(congestion_law::lost_again, before, before, std::min(before, nxt_ - una_));
    }
    void repair_by_probe()
    {
        said_ = "a probe would have repaired a loss: nothing in flight, or in recovery";
        const octet_count flight = nxt_ - una_;
        if (in_recovery_ || after_timeout_ || flight <= 0 || una_ <= reduced_until_) {
            return;
        }
        said_ = "a tail loss probe repaired a loss, " + text(flight) + " in flight";
        const octet_count before = now_is().cwnd;
        congest(congestion_cause::tlp_repaired, flight);
        judge_reduction(congestion_law::loss_reduces, before, flight, flight);
    }
    void congest(congestion_cause cause, octet_count flight, bool counted = false)
    {
        const congestion_event e{
            .cause = cause, .in_flight = flight, .smss = smss_, .now = now_, .accurate = counted};
        tell([&](controller_handle& c) { c.congested(e); });
        reduced_until_ = nxt_;
        reduced_to_ = now_is().cwnd;
    }

    void time_out()
    {
        const octet_count flight = nxt_ - una_;
        said_ = "a timeout: nothing in flight, nothing happens";
        if (flight <= 0) {
            return;
        }
        const bool first = retries_++ == 0;
        if (first && !in_recovery_) {
            keep();
        }
        const octet_count window = now_is().cwnd;
        lose(1'000);
        said_ = std::string{first ? "a timeout, " : "the same data timed out again, "} + text(flight) + " in flight";
        const octet_count ssthresh = now_is().ssthresh;
        const retransmission_timeout e{.first = first, .in_flight = flight, .smss = smss_, .now = now_};
        tell([&](controller_handle& c) { c.timed_out(e); });
        in_recovery_ = false;
        after_timeout_ = true;
        recovery_point_ = reduced_until_ = nxt_;
        reduced_to_ = now_is().cwnd;
        expect(congestion_law::loss_window, now_is().cwnd <= smss_, "a window of at most", smss_);
        if (first) {
            const octet_count most = reduction_bounds::of(flight, flight, smss_).enough;
            const octet_count least = reduction_bounds::of(window, flight, smss_).least;
            const octet_count is = now_is().ssthresh;
            expect(congestion_law::timeout_ssthresh, is >= 2 * smss_, "an ssthresh of at least", 2 * smss_);
            expect(congestion_law::timeout_ssthresh, is <= most, "an ssthresh of at most", most);
            expect(congestion_law::measured_cut, is >= least, "an ssthresh of at least", least);
        } else {
            expect(congestion_law::repeated_timeout, now_is().ssthresh == ssthresh, "an ssthresh of still", ssthresh);
        }
    }

    void undo()
    {
        said_ = "spurious, but there is nothing to take back";
        if (!before_) {
            return;
        }
        said_ = "that was spurious: undone";
        const controller_answers was = before_->answers();
        const controller_answers is = now_is();
        undo_reduction();
        in_recovery_ = after_timeout_ = false;
        recovery_point_ = una_;
        reduced_to_ = 0;
        lost_ = 0;
        retries_ = 0;  // what times out next is a first time again, for the controller has forgotten the other
        expect(congestion_law::undo_window, now_is().cwnd >= was.cwnd, "a window of at least", was.cwnd);
        if (is.cwnd < was.cwnd) {
            expect(congestion_law::undo_ssthresh, now_is().ssthresh >= was.ssthresh, "an ssthresh of at least",
                   was.ssthresh);
        }
    }

    void idle(duration length)
    {
        acknowledge(1'000, rtt_, false);
        now_ += length;
        filled_ = false;
        said_ += ", then idle for " + text(length.milliseconds()) + " ms";
        if (length < duration{1'000'000'000} || !policy_->told_of_idle_restart()) {
            return;
        }
        const octet_count most = std::max(std::min(now_is().cwnd, initial_window_), smss_);
        tell([&](controller_handle& c) { c.idle_restart(now_, initial_window_); });
        reduced_to_ = 0;
        expect(congestion_law::idle_restart, now_is().cwnd <= most, "a window of at most", most);
    }

    void change_smss(std::uint32_t size)
    {
        const octet_count old = smss_;
        said_ = "SMSS " + text(old) + " becomes " + text(size);
        if (size == 0 || octet_count{size} == old) {
            return;
        }
        smss_ = size;
        initial_window_ = std::max(initial_window_, smss_);
        const octet_count most = std::max(now_is().cwnd, smss_);
        tell([&](controller_handle& c) { c.smss_changed(old, smss_); });
        if (before_) {
            before_->smss_changed(old, smss_);
            twin_before_->smss_changed(old, smss_);
        }
        reduced_to_ = 0;
        expect(congestion_law::smss_change, now_is().cwnd <= most, "a window of at most", most);
    }

    // --- whether the laws held -------------------------------------------------------------------------------------

    void judge_always()
    {
        const controller_answers is = now_is();
        expect(congestion_law::one_segment, is.cwnd >= smss_, "a window of at least", smss_);
        expect(congestion_law::no_overflow, is.is_sane(), "no answer below 0, and a window of at most",
               controller_answers::most);
        const controller_answers other = twin_->answers();
        sheet_.expect(congestion_law::same_state, is == other, [&] {
            return said_ + ": cwnd " + text(is.cwnd) + ", ssthresh " + text(is.ssthresh) +
                   "; a second controller that was told the same has " + text(other.cwnd) + " and " +
                   text(other.ssthresh) + ", the law wants no difference";
        });
    }

    void judge_ack(const ack_info& a, octet_count before)
    {
        const octet_count growth = now_is().cwnd - before;
        judge_round(before);
        if (a.in_recovery) {
            expect(congestion_law::no_growth_in_recovery, growth <= 0, "a window of at most", before);
        } else if (a.acked == 0) {
            expect(congestion_law::only_acks_grow, growth <= 0, "a window of at most", before);
        } else if (!a.cwnd_limited) {
            expect(congestion_law::limited_growth, growth <= 0, "a window of at most", before);
        } else {
            // What ACKs before this one earned, and did not add, counts: CUBIC looks at its curve now and then only.
            const octet_count earned = std::max(a.acked, a.delivered) + earned_;
            const octet_count most = before + earned;
            expect(congestion_law::earned_growth, now_is().cwnd <= most, "a window of at most", most);
            earned_ = earned - std::clamp<octet_count>(growth, 0, earned);
            // A delay-based controller may give way by much, but not where there is no delay.
            if (before >= octet_count{1} << 31 && srtt_ == min_rtt_ && a.latest_rtt == min_rtt_) {
                expect(congestion_law::large_stays, now_is().cwnd >= before / 2, "a window of at least", before / 2);
            }
        }
    }
    // Until what was in flight at a reduction has been acknowledged, nothing but another event lowers the window.
    void judge_round(octet_count before)
    {
        if (reduced_to_ > 0 && una_ < reduced_until_) {
            const octet_count least = std::min(before, reduced_to_) - smss_;
            expect(congestion_law::one_reduction, now_is().cwnd >= least, "a window of at least", least);
        }
    }
    // With RFC 7661 it is half of what the path carried of late, which is less than half of a window not validated.
    // `outstanding` is `flight`, but where a retransmission was lost: there the window of before is what counts.
    void judge_reduction(const law& l, octet_count before, octet_count flight, octet_count outstanding)
    {
        const octet_count carried = policy_->remembers_validation() ? before / 4 : 0;
        const reduction_bounds bounds = reduction_bounds::of(before, flight, smss_, carried);
        const controller_answers is = now_is();
        const octet_count larger = std::max(is.cwnd, is.ssthresh);
        const bool lower = is.cwnd <= before && larger <= bounds.less && is.ssthresh >= 2 * smss_;
        expect(l, lower, "both from two segments to", std::min(before, bounds.less));
        if (lower) {
            expect(congestion_law::loss_share, larger <= bounds.enough, "both to be at most", bounds.enough);
            const octet_count least = reduction_bounds::of(before, outstanding, smss_).least;
            expect(congestion_law::measured_cut, std::min(is.cwnd, is.ssthresh) >= least, "both to be at least", least);
        }
    }

    void expect(const law& l, bool held, const char* wanted, octet_count bound)
    {
        sheet_.expect(l, held, [&] {
            return said_ + ": cwnd was " + text(was_) + " and is " + text(now_is().cwnd) + ", ssthresh is " +
                   text(now_is().ssthresh) + "; the law wants " + wanted + " " + text(bound);
        });
    }

    // --- the rest --------------------------------------------------------------------------------------------------

    // Of what acknowledges nothing, so that nothing may grow.
    template <class F>
    void tell_quietly(F f, const char* when)
    {
        const octet_count before = now_is().cwnd;
        tell(f);
        if (now_is().cwnd > before) {
            said_ += std::string{", and the window grew "} + when;
        }
        expect(congestion_law::only_acks_grow, now_is().cwnd <= before, "a window of at most", before);
    }

    law_sheet& sheet_;
    std::string said_;            // what this event is, and what came of it
    octet_count was_ = 0;         // the window before this event
    octet_count reduced_to_ = 0;  // 0: no reduction that counts
    bool in_recovery_ = false;
    bool after_timeout_ = false;
    bool resent_ = false;  // something was sent again since the last reduction
};

}  // namespace tcpco::testing
