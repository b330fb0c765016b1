// A sender in the small around one loss recovery and the real scoreboard: it asks in the order in which
// tcp/acknowledgement.hpp, tcp/timeouts.hpp and tcp/segment_choice.hpp do, and looks whether the laws held.
//
// The round trip is 100 ms and known, the RTO 1 s with back-off up to 4 s; the window is the setting's, halved by a
// recovery, one segment after a timeout, and grows by a segment with each one acknowledged.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tcpco/testing/recovery_law.hpp"
#include "tcpco/testing/recovery_path.hpp"
#include "tcpco/testing/watched_board.hpp"

namespace tcpco::testing {

template <class R>
class recovery_player {
public:
    recovery_player(const typename R::config& config, law_sheet& sheet) : policy_{config}, sheet_{sheet} {}

    void play(const std::vector<path_event>& script)
    {
        plan_ = transfer_plan{script};
        segments_ = std::max(plan_.setting.a, 1u);
        largest_window_ = std::max(plan_.setting.b, 1u) * smss;
        cwnd_ = largest_window_;
        sack_ = plan_.setting.flag;
        path_.set(script, segments_, sack_);
        board_.start(at(0));
        sheet_.begin(script.size());  // a transfer is judged as a whole: the list of mishaps is not cut off
        note([&] {
            return std::to_string(segments_) + " segments, a window of " + std::to_string(plan_.setting.b) +
                   (sack_ ? ", SACK" : ", no SACK");
        });
        run();
        judge_transfer();
    }

    // What came out of it: for a comparison of two runs.
    std::string summary() const
    {
        return std::to_string(now_.since_origin().microseconds()) + " us, " + std::to_string(path_.transmissions()) +
               " segments, " + std::to_string(timers_) + " timers, " + std::to_string(timeouts_) + " timeouts, " +
               std::to_string(recoveries_) + " recoveries";
    }

private:
    static constexpr octet_count smss = 1'000;
    static constexpr duration rtt{100'000'000};

    static stream_offset at(std::uint32_t segment) { return stream_offset{1 + segment * smss}; }
    bool done() const { return board_.una() == at(segments_); }
    std::uint32_t most_sent() const
    {
        const auto window = static_cast<std::uint32_t>(largest_window_ / smss);
        return segments_ + (plan_.mishaps + 1) * (2 * window + 10);
    }

    void run()
    {
        const time_point end = now_ + duration{3'600'000'000'000};
        transmit();
        rearm();
        while (!done() && now_ < end && path_.transmissions() <= most_sent() && !stuck_) {
            now_ = std::max(now_, std::min(path_.next(), timer_at_));
            for (const path_ack& a : path_.take(now_)) {
                acknowledge(a);
                transmit();
            }
            if (timer_at_ <= now_ && board_.flight_size() > 0) {
                fire();
                transmit();
            }
            rearm();
        }
    }

    // --- what arrives ----------------------------------------------------------------------------------------------

    void acknowledge(const path_ack& a)
    {
        const stream_offset ack = at(a.next);
        ack_info info{.now = now_, .in_flight_before = board_.in_flight(), .min_rtt = rtt, .srtt = rtt, .smss = smss};
        const bool advances = ack > board_.una();
        info.duplicate = !advances && ack == board_.una() && board_.flight_size() > 0;
        note([&] { return "ACK " + std::to_string(a.next) + a.blocks(); });
        ack_result result;
        const auto delivered = [&]([[maybe_unused]] const transmission& t, [[maybe_unused]] bool was_sacked) {
            if constexpr (told_of_deliveries<R>) {
                if (!was_sacked) {
                    policy_.on_delivered(t, timing());
                }
            }
        };
        if (advances) {
            result += board_.on_cumulative_ack(ack, delivered);
            timer_base_ = now_;
            back_off_ = 0;
            cwnd_ = std::min(cwnd_ + result.acked, largest_window_);
        }
        sack_info s{.sack_permitted = sack_};
        take_blocks(a, s, result, info.duplicate, delivered);
        info.acked = result.acked;
        info.newly_sacked = result.newly_sacked;
        info.delivered = result.newly_delivered;
        info.in_flight = board_.in_flight();
        info.una = board_.una();
        info.nxt = board_.nxt();
        info.in_recovery = policy_.in_recovery();
        info.latest_rtt = result.has_rtt ? now_ - result.rtt_sent_at : duration{};
        silent_timers_ = 0;
        forced_ = 0;
        ask([&] { return policy_.on_ack(info, s, timing(), watched_); }, true);
    }

    template <class F>
    void take_blocks(const path_ack& a, sack_info& s, ack_result& result, bool duplicate, F& delivered)
    {
        if (!sack_) {
            if (duplicate) {
                result.newly_delivered += board_.emulate_sack(smss);
            }
            return;
        }
        s.dsack = a.dsack;
        for (const auto& [first, last] : a.sacks) {
            const offset_range range{at(first), at(last)};
            if (s.dsack && s.dsack_range == offset_range{}) {
                s.dsack_range = range;
            }
            if (range.first >= at(a.next)) {
                s.has_blocks = true;
                const ack_result one = board_.on_sack(range, delivered);
                s.newly_sacked += one.newly_sacked;
                result += one;
            }
        }
    }

    // --- what is due -----------------------------------------------------------------------------------------------

    void fire()
    {
        fired_at_same_time_ = timer_at_ == fired_at_ && timer_ == fired_ ? fired_at_same_time_ + 1 : 0;
        fired_at_ = timer_at_;
        fired_ = timer_;
        stuck_ = fired_at_same_time_ > 3;
        sheet_.expect(recovery_law::timer_ends, !stuck_,
                      [&] { return "the same timer fires again and again " + when(); });
        forced_ = 0;
        ++timers_;
        const bool rto = timer_ == retransmission_timer::rto;
        note([&] {
            return std::string{rto ? "RTO" : timer_ == retransmission_timer::pto ? "PTO" : "reordering timer"};
        });
        if (rto) {
            ++timeouts_;
            ++back_off_;
            silent_timers_ = 0;
            board_.clear_emulation();
        } else {
            ++silent_timers_;
            stuck_ = stuck_ || silent_timers_ > 8;
            sheet_.expect(recovery_law::timeout_comes, silent_timers_ <= 8,
                          [&] { return "eight timers since the last ACK, none of them an RTO, " + when(); });
        }
        ask([&] { return policy_.on_timer(timer_, timing(), watched_); }, false);
        if (rto) {
            cwnd_ = smss;
            timer_base_ = now_;
            recovery_point_ = board_.nxt();
            judge_resend();
        } else if (timer_ == retransmission_timer::pto) {
            timer_base_ = now_;
        }
    }

    void rearm()
    {
        timer_ = retransmission_timer::none;
        timer_at_ = time_point::never();
        if (board_.flight_size() > 0) {
            timer_ = retransmission_timer::rto;
            timer_at_ = timer_base_ + rto();
            const timer_request wanted = policy_.timer();
            if (wanted.kind != retransmission_timer::none && wanted.at < timer_at_) {
                timer_ = wanted.kind;
                timer_at_ = wanted.at;
            }
        }
    }

    // --- what leaves -----------------------------------------------------------------------------------------------

    void transmit()
    {
        while (path_.transmissions() <= most_sent()) {
            const octet_count room = cwnd_ - board_.in_flight();
            const send_decision d = policy_.next(watched_, room);
            bool sent = false;
            switch (d.action) {
            case send_action::nothing: return;
            case send_action::retransmit: sent = resend(d, room); break;
            case send_action::probe: sent = probe(d); break;
            case send_action::new_data: sent = send_new(room, d.ignore_window) || send_without_data(room); break;
            }
            if (!sent) {
                return;
            }
        }
    }

    bool send_new(octet_count room, bool ignore_window)
    {
        const octet_count segment = (board_.nxt() - at(0)) / smss;
        if (segment >= segments_ || (!ignore_window && room < smss && board_.in_flight() > 0)) {
            return false;
        }
        if (board_.flight_size() == 0) {
            timer_base_ = now_;
        }
        const stream_offset first = board_.nxt();
        board_.on_transmit_new(first, first + smss, now_, 1, {});
        leave(first);
        return true;
    }
    bool send_without_data([[maybe_unused]] octet_count room)
    {
        if constexpr (decides_without_data<R, watched_board>) {
            const send_decision d = policy_.without_data(watched_, room);
            rescues_ = true;  // RFC 6675 NextSeg rule 4 may take what was sent again before
            const bool sent = d.action == send_action::retransmit && resend(d, room);
            rescues_ = false;
            return sent;
        }
        return false;
    }
    bool probe(const send_decision& d)
    {
        judge_forced();
        return (d.range.octets() == 0 && send_new(0, true)) ||
               resend({send_action::probe, {board_.nxt() - smss, board_.nxt()}, true}, 0);
    }
    bool resend(const send_decision& d, octet_count room)
    {
        const offset_range range{d.range.first, std::min(d.range.last, d.range.first + smss)};
        if (!may_be_resent(range, d.action == send_action::probe)) {
            stuck_ = true;
            return false;
        }
        if (!d.ignore_window && room < range.octets() && board_.in_flight() > 0) {
            return false;
        }
        if (d.action == send_action::retransmit) {
            judge_reported(range.first);
            if (d.ignore_window) {
                judge_forced();
            }
        }
        board_.on_retransmit(range.first, range.last, now_, {});
        ++resent_;
        resent_after_.insert(range.first);
        leave(range.first);
        return true;
    }
    void leave(stream_offset first)
    {
        const auto segment = static_cast<std::uint32_t>((first - at(0)) / smss);
        note([&] { return "sends " + std::to_string(segment); });
        path_.send(now_, segment);
        if (const auto i = board_.find(first); i != scoreboard::npos) {
            policy_.on_transmit(board_[i], timing());
        }
    }

    // --- whether the laws held -------------------------------------------------------------------------------------

    // Asks the policy, and looks at its verdict and its marks.
    template <class F>
    void ask(F f, bool on_ack)
    {
        const bool before = policy_.in_recovery();
        const recovery_verdict v = f();
        const bool is = policy_.in_recovery();
        board_.take_newly_lost();
        bool agrees = true;
        switch (v.kind) {
        case verdict_kind::enter:
            agrees = !before && is;
            enter();
            break;
        case verdict_kind::exit: agrees = before && !is; break;
        case verdict_kind::none: agrees = on_ack || timer_ != retransmission_timer::rto ? before == is : !is; break;
        case verdict_kind::lost_again:
            agrees = before && is;
            lose_again();
            break;
        case verdict_kind::tlp_repaired: break;
        case verdict_kind::spurious:
            recovery_point_ = board_.una();
            cwnd_ = largest_window_;
            break;
        }
        if (v.kind != verdict_kind::none) {
            note([&] { return std::string{"verdict "} + name_of(v.kind); });
            sheet_.expect(recovery_law::true_undo, !v.undoes() || plan_.mishaps != 1 || !plan_.only_data,
                          [&] { return "the loss of " + std::to_string(plan_.first_loss) + " is undone, " + when(); });
        }
        sheet_.expect(recovery_law::true_verdicts, agrees, [&] {
            return std::string{"verdict "} + name_of(v.kind) + ", in_recovery() " + (before ? "true" : "false") +
                   " before, " + (is ? "true" : "false") + " after, " + when();
        });
        sheet_.expect(recovery_law::right_marks, watched_.wrong_marks() == 0,
                      [&] { return "a mark on a record that is acknowledged or SACKed, or is none, " + when(); });
    }

    // Of what was sent again after the last reduction nothing can be known before a round trip has passed.
    void lose_again()
    {
        sheet_.expect(recovery_law::again_once, now_ >= reduced_at_ + rtt,
                      [&] { return "a second reduction within a round trip, " + when(); });
        reduced_at_ = now_;
        resent_after_.clear();
    }
    void enter()
    {
        ++recoveries_;
        reduced_at_ = now_;
        resent_after_.clear();
        sheet_.expect(recovery_law::one_entry, board_.una() >= recovery_point_, [&] {
            return "a recovery begins before what was in flight at the last one is acknowledged, " + when();
        });
        recovery_point_ = board_.nxt();
        cwnd_ = std::max(cwnd_ / 2, smss);
        const send_decision d = policy_.next(watched_, cwnd_ - board_.in_flight());
        sheet_.expect(recovery_law::not_held_back, d.action == send_action::retransmit && d.ignore_window,
                      [&] { return "recovery begins, and next() waits for the window, " + when(); });
    }
    void judge_resend()
    {
        const send_decision d = policy_.next(watched_, cwnd_ - board_.in_flight());
        sheet_.expect(recovery_law::timeout_resends,
                      d.action == send_action::retransmit && d.range.first == board_.una(),
                      [&] { return "an RTO, and next() does not begin at una, " + when(); });
    }
    void judge_forced()
    {
        ++forced_;
        stuck_ = stuck_ || forced_ > 3;
        sheet_.expect(recovery_law::one_passes, forced_ <= 1,
                      [&] { return "a second segment passes the window without an ACK, " + when(); });
    }
    // By a verdict, or by a timeout. What was sent again since then, in fast recovery, was lost a second time.
    void judge_reported(stream_offset first)
    {
        const std::string segment = "segment " + std::to_string((first - at(0)) / smss);
        sheet_.expect(recovery_law::reported, board_.una() < recovery_point_, [&] {
            return segment + " is sent again, and neither a verdict nor a timeout told the controller of a loss, " +
                   when();
        });
        const bool again = policy_.in_recovery() && !rescues_ && resent_after_.contains(first);
        sheet_.expect(recovery_law::again_reported, !again, [&] {
            return segment + " was sent again after the last verdict and now leaves once more, without one, " + when();
        });
    }
    bool may_be_resent(offset_range range, bool probe)
    {
        const auto i = board_.find(range.first);
        const bool sane = range.first < range.last && range.first >= board_.una() && range.last <= board_.nxt() &&
                          i != scoreboard::npos && (probe || !board_[i].sacked);
        sheet_.expect(recovery_law::only_outstanding, sane, [&] {
            return "asked for " + std::to_string(range.first.value) + " to " + std::to_string(range.last.value) +
                   ", outstanding are " + std::to_string(board_.una().value) + " to " +
                   std::to_string(board_.nxt().value) + ", " + when();
        });
        return sane;
    }
    void judge_transfer()
    {
        const bool storm = path_.transmissions() > most_sent();
        sheet_.expect(recovery_law::no_storm, !storm,
                      [&] { return std::to_string(path_.transmissions()) + " transmissions, " + when(); });
        sheet_.expect(recovery_law::completes, done() || storm || stuck_, [&] {
            return std::to_string((board_.una() - at(0)) / smss) + " of " + std::to_string(segments_) +
                   " segments were acknowledged, " + when();
        });
        if constexpr (knows_steady<R>) {
            sheet_.expect(recovery_law::settles, !done() || (policy_.is_steady() && !policy_.in_recovery()),
                          [&] { return "all is acknowledged, and the recovery is not steady, " + when(); });
        }
        if (plan_.mishaps == 0) {
            sheet_.expect(recovery_law::no_needless, resent_ == 0 && timeouts_ == 0,
                          [&] { return std::to_string(resent_) + " segments were sent again"; });
        }
        if (plan_.mishaps == 1 && plan_.only_data && plan_.first_loss + 4 < segments_ &&
            largest_window_ >= 5 * smss) {
            sheet_.expect(recovery_law::fast_retransmit, timeouts_ == 0,
                          [&] { return "the loss of " + std::to_string(plan_.first_loss) + " cost a timeout"; });
        }
    }

    // --- the rest --------------------------------------------------------------------------------------------------

    duration rto() const { return duration{1'000'000'000} * (1 << std::min(back_off_, 2)); }
    path_timing timing() const
    {
        return {.now = now_, .srtt = rtt, .min_rtt = rtt, .rto = rto(), .in_flight = board_.in_flight(), .smss = smss};
    }
    std::string when() const { return "at " + std::to_string(now_.since_origin().milliseconds()) + " ms"; }
    template <class Text>
    void note(Text text)
    {
        sheet_.note([&] { return std::to_string(now_.since_origin().milliseconds()) + " ms: " + text(); });
    }
    R policy_;
    law_sheet& sheet_;
    transfer_plan plan_{};
    scoreboard board_{};
    watched_board watched_{board_};
    recovery_path path_{};
    time_point now_{};
    time_point timer_base_{};
    time_point reduced_at_{};
    time_point timer_at_ = time_point::never();
    time_point fired_at_ = time_point::never();
    retransmission_timer timer_ = retransmission_timer::none;
    retransmission_timer fired_ = retransmission_timer::none;
    stream_offset recovery_point_{};
    std::set<stream_offset> resent_after_;  // the last verdict of a loss
    octet_count cwnd_ = 0;
    octet_count largest_window_ = 0;
    std::uint32_t segments_ = 0;
    std::uint32_t timers_ = 0;
    std::uint32_t timeouts_ = 0;
    std::uint32_t recoveries_ = 0;
    std::uint32_t resent_ = 0;
    std::uint32_t forced_ = 0;
    std::uint32_t silent_timers_ = 0;
    int fired_at_same_time_ = 0;
    int back_off_ = 0;
    bool sack_ = false;
    bool rescues_ = false;  // what leaves was chosen because there is nothing new
    bool stuck_ = false;  // it would not end
};

}  // namespace tcpco::testing
