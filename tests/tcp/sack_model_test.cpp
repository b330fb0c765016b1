// recovery::sack against the rules of RFC 6675 as they are written: a reference walks over all records at each step.
#include <algorithm>
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "tcpco/core/random.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/tcp/scoreboard.hpp"

using namespace tcpco;

namespace {

constexpr octet_count smss = 20;

// What the policy says in its own words, found by looking at every record. What was lost by the rules stays it.
class walking_sack {
public:
    void on_transmit(const transmission& t)
    {
        if (t.transmissions <= 1) {
            return;
        }
        force_ = false;
        if (rescue_end_.value != 0 && t.last == rescue_end_) {
            rescued_to_ = recovery_point_;
            rescue_end_ = {};
        } else {
            high_rxt_ = std::max(high_rxt_, t.last);
        }
    }

    verdict_kind on_ack(const ack_info& a, bool newly_sacked, scoreboard& board)
    {
        if (in_recovery_ && a.una >= recovery_point_) {
            in_recovery_ = force_ = false;
            duplicates_ = 0;
            return verdict_kind::exit;
        }
        duplicates_ = a.acked > 0 ? 0 : duplicates_ + (newly_sacked ? 1 : 0);
        if (in_recovery_) {
            mark(board);
            return verdict_kind::none;
        }
        const auto first = board.first_unacked();
        if (first == scoreboard::npos || a.una < recovery_point_ || (duplicates_ < 3 && !any_lost(board))) {
            return verdict_kind::none;
        }
        in_recovery_ = force_ = true;
        recovery_point_ = a.nxt;
        high_rxt_ = a.una;
        rescued_to_ = a.una + smss;
        rescue_end_ = {};
        lost_below_ = {};
        // Of a super-frame its first segment is known to be missing, no more.
        const transmission& t = board[first];
        if (t.wire_segments > 1 && t.octets() > smss) {
            board.split(t.first + smss);
        }
        board.mark_lost(board.first_unacked());
        mark(board);
        return verdict_kind::enter;
    }

    void on_timeout(scoreboard& board)
    {
        recovery_point_ = board.nxt();
        in_recovery_ = force_ = false;
        duplicates_ = 0;
        board.mark_all_lost();
    }

    void on_undo(stream_offset point)
    {
        recovery_point_ = point;
        rescue_end_ = {};
        in_recovery_ = force_ = false;
        duplicates_ = 0;
    }

    send_decision next(const scoreboard& board) const
    {
        for (auto i = board.first_unacked(); i != scoreboard::npos; i = board.next(i)) {
            if (board[i].lost) {
                const send_decision d{send_action::retransmit, {board[i].first, board[i].last}, false};
                return force_ ? recovery::forced(d, smss) : d;
            }
        }
        return {};
    }

    send_decision without_data(const scoreboard& board)
    {
        auto tail = scoreboard::npos;
        if (!in_recovery_ || board.sacked() == 0) {
            return {send_action::nothing};
        }
        for (auto i = board.first_unacked(); i != scoreboard::npos; i = board.next(i)) {
            const transmission& t = board[i];
            if (!t.sacked && t.first >= high_rxt_ && t.first < board.highest_sacked()) {
                return {send_action::retransmit, {t.first, std::min(t.last, t.first + smss)}};
            }
            tail = t.sacked ? tail : i;
        }
        if (tail == scoreboard::npos || board.una() <= rescued_to_) {
            return {send_action::nothing};
        }
        rescue_end_ = board[tail].last;
        return {send_action::retransmit, {std::max(board[tail].first, board[tail].last - smss), board[tail].last}};
    }

    // SetPipe, what it counts a second time.
    octet_count copies(const scoreboard& board) const
    {
        octet_count n = 0;
        for (auto i = board.first_unacked(); in_recovery_ && i != scoreboard::npos; i = board.next(i)) {
            const transmission& t = board[i];
            n += !t.sacked && t.first >= lost_below_ && t.first < high_rxt_ ? t.octets() : 0;
        }
        return n;
    }
    bool in_recovery() const { return in_recovery_; }

    std::uint64_t taken_back = 0;  // records which the letter of the RFC would have had in flight again

private:
    static bool is_lost(const scoreboard& board, scoreboard::index i)
    {
        octet_count octets = 0;
        int ranges = 0;
        bool inside = false;
        for (; i != scoreboard::npos; i = board.next(i)) {
            octets += board[i].sacked ? board[i].octets() : 0;
            ranges += board[i].sacked && !inside ? 1 : 0;
            inside = board[i].sacked;
        }
        return ranges >= 3 || octets > 2 * smss;
    }
    static bool any_lost(const scoreboard& board) { return is_lost(board, board.first_unacked()); }

    void mark(scoreboard& board)
    {
        for (auto i = board.first_unacked(); i != scoreboard::npos;) {
            const auto after = board.next(i);
            const bool by_rule = is_lost(board, i);
            if (!board[i].sacked && !by_rule && board[i].first >= lost_below_) {
                return;
            }
            if (!board[i].sacked) {
                taken_back += by_rule ? 0U : 1U;
                lost_below_ = std::max(lost_below_, board[i].last);
                if (!board[i].lost && board[i].first >= high_rxt_) {
                    board.mark_lost(i);
                }
            }
            i = after;
        }
    }

    stream_offset recovery_point_{};
    stream_offset high_rxt_{};
    stream_offset rescued_to_{};
    stream_offset rescue_end_{};
    stream_offset lost_below_{};
    int duplicates_ = 0;
    bool in_recovery_ = false;
    bool force_ = false;
};

// Two senders to whom the same happens.
class history {
public:
    explicit history(std::uint64_t seed) : random_{seed}
    {
        fast_.start({1});
        slow_.start({1});
        whole_ = random_.below(3) != 0;
    }

    // Empty: they agreed in all.
    const char* run(int steps)
    {
        for (int step = 0; step < steps && fault_ == nullptr; ++step) {
            now_ += duration{random_.below(3)};
            const auto choice = random_.below(64);
            if (choice < 16) {
                send_new();
            } else if (choice < 44) {
                acknowledge();
            } else if (choice < 62) {
                send();
            } else if (choice == 62) {
                time_out();
            } else {
                undo();
            }
            fast_.check_invariants();
            compare();
        }
        return fault_;
    }

    const walking_sack& reference() const { return reference_; }
    std::uint64_t recoveries = 0;
    std::uint64_t rescues = 0;
    std::uint64_t early = 0;  // sent again before they were lost

private:
    void expect(bool condition, const char* what)
    {
        if (!condition && fault_ == nullptr) {
            fault_ = what;
        }
    }
    path_timing timing() const { return {.now = now_, .smss = smss}; }
    octet_count up_to(octet_count n) { return random_.below(static_cast<std::uint32_t>(n) + 1); }

    // Anywhere in the flight, mostly where a record begins.
    stream_offset place()
    {
        const stream_offset o = fast_.una() + up_to(fast_.flight_size() - 1);
        return whole_ || random_.below(4) != 0 ? fast_[fast_.find(o)].first : o;
    }

    void send_new()
    {
        for (std::uint32_t n = random_.below(6); n > 0 && fast_.flight_size() < 60 * smss; --n) {
            const std::uint32_t segments = random_.below(4) == 0 ? 1 + random_.below(4) : 1;
            const stream_offset first = fast_.nxt();
            const stream_offset last = first + (random_.below(4) == 0 ? 1 + up_to(smss) : smss * segments);
            fast_.on_transmit_new(first, last, now_, segments, {});
            slow_.on_transmit_new(first, last, now_, segments, {});
            policy_.on_transmit(fast_[fast_.find(first)], timing());
            reference_.on_transmit(slow_[slow_.find(first)]);
        }
    }

    void acknowledge()
    {
        if (fast_.flight_size() == 0) {
            return;
        }
        const auto delivered = [this](const transmission& t, bool was_sacked) {
            if (!was_sacked) {
                policy_.on_delivered(t, timing());
            }
        };
        const auto ignore = [](const transmission&, bool) {};
        ack_result r;
        if (random_.below(6) == 0) {
            const stream_offset una = random_.below(4) == 0 ? fast_.nxt() : place();
            r += fast_.on_cumulative_ack(una, delivered);
            slow_.on_cumulative_ack(una, ignore);
        }
        for (auto blocks = random_.below(4); blocks > 0 && fast_.flight_size() > 0; --blocks) {
            const stream_offset first = random_.below(4) == 0 ? fast_.highest_sacked() : place();
            const stream_offset last = first + (whole_ ? smss * (1 + random_.below(3)) : 1 + up_to(2 * smss));
            if (first > fast_.una() || random_.below(20) == 0) {
                r += fast_.on_sack({first, last}, delivered);
                slow_.on_sack({first, last}, ignore);
            }
        }
        const ack_info a{.now = now_, .acked = r.acked, .una = fast_.una(), .nxt = fast_.nxt(), .smss = smss};
        sack_info s;
        s.newly_sacked = r.newly_sacked;
        s.sack_permitted = true;
        const verdict_kind verdict = policy_.on_ack(a, s, timing(), fast_).kind;
        expect(verdict == reference_.on_ack(a, r.newly_sacked > 0, slow_), "verdict");
        recoveries += verdict == verdict_kind::enter ? 1U : 0U;
        expect(policy_.counted_twice() == reference_.copies(slow_), "counted_twice");
        expect(fast_.take_newly_lost() == slow_.take_newly_lost(), "newly lost");
    }

    // What NextSeg says; not all of it leaves, or in smaller pieces, where the path's MTU has fallen.
    void send()
    {
        for (std::uint32_t n = random_.below(5); n > 0; --n) {
            send_decision d = policy_.next(fast_, 1'000);
            send_decision want = reference_.next(slow_);
            expect(d.action == want.action && d.range == want.range && d.ignore_window == want.ignore_window, "next");
            const bool repair = d.action == send_action::retransmit;
            if (!repair) {
                d = policy_.without_data(fast_, 1'000);
                want = reference_.without_data(slow_);
                expect(d.action == want.action && d.range == want.range, "without_data");
                rescues += d.action == send_action::retransmit ? 1U : 0U;
            }
            if (d.action != send_action::retransmit || fault_ != nullptr) {
                return;
            }
            if (random_.below(6) == 0 && repair) {
                d.range.last = d.range.first + 1 + up_to(d.range.octets() - 1);
            }
            fast_.on_retransmit(d.range.first, d.range.last, now_, {});
            slow_.on_retransmit(d.range.first, d.range.last, now_, {});
            policy_.on_transmit(fast_[fast_.find(d.range.first)], timing());
            reference_.on_transmit(slow_[slow_.find(d.range.first)]);
            early += policy_.counted_twice() > 0 ? 1U : 0U;
        }
    }

    void time_out()
    {
        const auto head = fast_.first_unacked();
        if (head == scoreboard::npos) {
            return;
        }
        if (fast_[head].sacked || random_.below(4) == 0) {
            fast_.renege();
            slow_.renege();
        }
        policy_.on_timer(retransmission_timer::rto, timing(), fast_);
        reference_.on_timeout(slow_);
    }

    void undo()
    {
        fast_.clear_marks();
        slow_.clear_marks();
        policy_.on_undo(fast_.una());
        reference_.on_undo(slow_.una());
    }

    void compare()
    {
        expect(policy_.in_recovery() == reference_.in_recovery(), "in_recovery");
        expect(policy_.counted_twice() <= reference_.copies(slow_), "counted_twice before the next ACK");
        expect(fast_.in_flight() == slow_.in_flight() && fast_.lost() == slow_.lost(), "in_flight");
        auto j = slow_.first_unacked();
        for (auto i = fast_.first_unacked(); i != scoreboard::npos; i = fast_.next(i), j = slow_.next(j)) {
            if (j == scoreboard::npos || fast_[i].first != slow_[j].first || fast_[i].lost != slow_[j].lost) {
                return expect(false, "marks");
            }
        }
    }

    random_source random_;
    scoreboard fast_;
    scoreboard slow_;
    recovery::sack policy_;
    walking_sack reference_;
    time_point now_{};
    bool whole_ = false;  // blocks end where records do
    const char* fault_ = nullptr;
};

}  // namespace

TEST_CASE("what is lost, what leaves next and what is in flight twice is as a walk over all records finds it",
          "[tcp][RFC6675-4b][RFC6675-4c][RFC6675-4d][RFC6675-4f][RFC6675-4g]")
{
    std::uint64_t recoveries = 0;
    std::uint64_t rescues = 0;
    std::uint64_t early = 0;
    std::uint64_t taken_back = 0;
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        history h{seed};
        const char* const fault = h.run(150);
        if (fault != nullptr) {
            FAIL("seed " << seed << ": " << fault);
        }
        recoveries += h.recoveries;
        rescues += h.rescues;
        early += h.early;
        taken_back += h.reference().taken_back;
    }
    CAPTURE(recoveries, rescues, early, taken_back);
    CHECK(recoveries > 2'000);
    CHECK(rescues > 2'000);
    CHECK(early > 1'000);
    CHECK(taken_back > 0);
}
