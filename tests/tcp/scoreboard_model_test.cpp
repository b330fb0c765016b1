// The scoreboard against a reference that keeps every octet on its own, under random operations.
#include "tcpco/tcp/scoreboard.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using namespace tcpco;

namespace {

struct octet_state {
    std::int64_t sent_at = 0;
    int transmissions = 1;
    bool sacked = false;
    bool lost = false;
};

// Every octet on its own; what is asked is found by looking at all of them.
struct naive_board {
    std::int64_t una = 1;
    std::vector<octet_state> octets;  // from una
    octet_count emulated = 0;
    octet_count newly_lost = 0;

    std::int64_t nxt() const { return una + static_cast<std::int64_t>(octets.size()); }
    octet_state& at(std::int64_t o) { return octets[static_cast<std::size_t>(o - una)]; }

    template <class P>
    octet_count count(P p) const
    {
        octet_count n = 0;
        for (const octet_state& o : octets) {
            n += p(o) ? 1 : 0;
        }
        return n;
    }
    octet_count raw_in_flight() const
    {
        return count([](const octet_state& o) { return !o.sacked && !o.lost; });
    }
    octet_count in_flight() const { return std::max<octet_count>(raw_in_flight() - emulated, 0); }
};

class fuzz_run {
public:
    explicit fuzz_run(std::uint64_t seed) : random_{seed} { board_.start({1}); }

    // Empty: as it should be.
    const char* run(int steps)
    {
        for (int step = 0; step < steps; ++step) {
            now_ += random_.below(3);
            operate();
            board_.check_invariants();
            if (const char* fault = fault_ != nullptr ? fault_ : compare()) {
                return fault;
            }
            if (random_.below(50) == 0) {
                scoreboard copy = board_;
                board_ = std::move(copy);
            }
        }
        return nullptr;
    }

private:
    void expect(bool condition, const char* what)
    {
        if (!condition && fault_ == nullptr) {
            fault_ = what;
        }
    }

    std::int64_t pick() { return model_.una + random_.below(static_cast<std::uint32_t>(model_.octets.size())); }

    offset_range pick_range()
    {
        const std::int64_t first = pick();
        const std::int64_t room = model_.nxt() - first;
        return {{first}, {first + 1 + random_.below(static_cast<std::uint32_t>(std::min<std::int64_t>(room, 15)))}};
    }

    void operate()
    {
        const auto choice = random_.below(16);
        if (model_.octets.empty() || choice < 4) {
            transmit();
        } else if (choice < 6) {
            acknowledge();
        } else if (choice < 9) {
            sack();
        } else if (choice < 11) {
            mark();
        } else if (choice < 13) {
            retransmit();
        } else if (choice == 13) {
            const octet_count n = random_.below(12);
            const octet_count counted = std::min(n, model_.in_flight());
            expect(board_.emulate_sack(n) == counted, "emulate_sack");
            model_.emulated += counted;
        } else {
            rare();
        }
    }

    void transmit()
    {
        const std::int64_t n = 1 + random_.below(9);
        if (model_.octets.size() + static_cast<std::size_t>(n) > 60) {
            return;
        }
        if (!model_.octets.empty() && random_.below(2) == 0) {
            const octet_state& newest = model_.octets.back();
            if (newest.sent_at == now_ && newest.transmissions == 1 && !newest.sacked && !newest.lost) {
                board_.extend_newest(n, 1 + random_.below(2));
                model_.octets.resize(model_.octets.size() + static_cast<std::size_t>(n), octet_state{now_});
                return;
            }
        }
        expect(board_.on_transmit_new({model_.nxt()}, {model_.nxt() + n}, time_point{now_}, 1 + random_.below(4), {}),
               "on_transmit_new");
        model_.octets.resize(model_.octets.size() + static_cast<std::size_t>(n), octet_state{now_});
    }

    void note_delivered(ack_result& want, std::int64_t offset, const octet_state& o)
    {
        ++want.newly_delivered;
        want.any_retransmitted = want.any_retransmitted || o.transmissions > 1;
        if (o.transmissions == 1) {
            want.rtt_sent_at = want.has_rtt ? std::max(want.rtt_sent_at, time_point{o.sent_at}) : time_point{o.sent_at};
            want.has_rtt = true;
        }
        if (!want.has_newest || time_point{o.sent_at} >= want.newest.sent_at) {
            want.newest.sent_at = time_point{o.sent_at};
            want.newest.last = {offset + 1};
            want.has_newest = true;
        }
    }

    void expect_result(const ack_result& r, const ack_result& want)
    {
        expect(r.acked == want.acked && r.newly_sacked == want.newly_sacked, "acked");
        expect(r.newly_delivered == want.newly_delivered, "newly_delivered");
        expect(r.any_retransmitted == want.any_retransmitted, "any_retransmitted");
        expect(r.has_rtt == want.has_rtt && r.rtt_sent_at == want.rtt_sent_at, "rtt_sent_at");
        expect(r.has_newest == want.has_newest && r.newest.sent_at == want.newest.sent_at, "newest");
        expect(r.newest.last == want.newest.last, "newest.last");
    }

    void acknowledge()
    {
        const std::int64_t una = pick() + 1;
        ack_result want;
        octet_count once = 0;
        for (std::int64_t o = model_.una; o < una; ++o) {
            ++want.acked;
            if (!model_.at(o).sacked) {
                note_delivered(want, o, model_.at(o));
                once += model_.at(o).transmissions == 1 ? 1 : 0;
            }
        }
        std::int64_t called = model_.una;
        const ack_result r = board_.on_cumulative_ack({una}, [&](const transmission& t, bool was_sacked) {
            expect(t.first.value == called, "on_delivered leaves a gap");
            for (; called < t.last.value; ++called) {
                expect(model_.at(called).sacked == was_sacked, "was_sacked");
            }
        });
        expect(called == una, "on_delivered");
        const octet_count told = std::min(once, model_.emulated);
        want.newly_delivered -= told;
        expect_result(r, want);
        model_.octets.erase(model_.octets.begin(), model_.octets.begin() + (una - model_.una));
        model_.una = una;
        model_.emulated = model_.octets.empty() ? 0 : model_.emulated - told;
    }

    void sack()
    {
        offset_range block = pick_range();
        if (random_.below(8) == 0) {
            block.first = block.first - 20;
        }
        if (random_.below(8) == 0) {
            block.last = block.last + 20;
        }
        ack_result want;
        for (std::int64_t o = model_.una; o < model_.nxt(); ++o) {
            if (block.first.value <= o && o < block.last.value && !model_.at(o).sacked) {
                note_delivered(want, o, model_.at(o));
                ++want.newly_sacked;
            }
        }
        octet_count called = 0;
        const ack_result r = board_.on_sack(block, [&](const transmission& t, bool was_sacked) {
            expect(!was_sacked, "was_sacked");
            called += t.octets();
            for (std::int64_t o = t.first.value; o < t.last.value; ++o) {
                expect(!model_.at(o).sacked, "on_delivered twice");
                model_.at(o).sacked = true;
                model_.at(o).lost = false;
            }
        });
        expect(called == want.newly_sacked, "on_delivered");
        expect_result(r, want);
    }

    void mark()
    {
        const auto i = board_.find({pick()});
        for (std::int64_t o = board_[i].first.value; o < board_[i].last.value; ++o) {
            mark_octet(model_.at(o));
        }
        board_.mark_lost(i);
    }

    void mark_octet(octet_state& o)
    {
        model_.newly_lost += !o.lost && !o.sacked ? 1 : 0;
        o.lost = !o.sacked;
    }

    void retransmit()
    {
        const offset_range range = pick_range();
        const bool taken = board_.on_retransmit(range.first, range.last, time_point{now_}, {}, 1 + random_.below(3));
        expect(taken, "on_retransmit");
        for (std::int64_t o = range.first.value; o < range.last.value; ++o) {
            octet_state& octet = model_.at(o);
            octet.lost = false;
            octet.sent_at = now_;
            ++octet.transmissions;
        }
    }

    void rare()
    {
        switch (random_.below(6)) {
        case 0:
            for (octet_state& o : model_.octets) {
                mark_octet(o);
            }
            model_.emulated = 0;
            board_.mark_all_lost();
            break;
        case 1:
            for (octet_state& o : model_.octets) {
                o.lost = false;
            }
            model_.newly_lost = 0;
            board_.clear_marks();
            break;
        case 2: {
            const bool any = model_.count([](const octet_state& o) { return o.sacked; }) > 0;
            for (octet_state& o : model_.octets) {
                o.sacked = false;
            }
            expect(board_.renege() == any, "renege");
            break;
        }
        case 3:
            board_.clear_emulation();
            model_.emulated = 0;
            break;
        default: {
            octet_count told = 0;
            const octet_count taken = board_.take_newly_lost([&](const transmission& t) {
                expect(t.lost, "reported as lost");
                told += t.octets();
            });
            expect(told <= taken && taken == model_.newly_lost, "take_newly_lost");
            model_.newly_lost = 0;
        }
        }
    }

    const char* compare()
    {
        if (board_.una().value != model_.una || board_.nxt().value != model_.nxt()) {
            return "una, nxt";
        }
        if (board_.in_flight() != model_.in_flight()) {
            return "in_flight";
        }
        if (board_.sacked() != model_.count([](const octet_state& o) { return o.sacked; })) {
            return "sacked";
        }
        if (board_.lost() != model_.count([](const octet_state& o) { return o.lost; })) {
            return "lost";
        }
        if (board_.retransmitted() !=
            model_.count([](const octet_state& o) { return !o.sacked && !o.lost && o.transmissions > 1; })) {
            return "retransmitted";
        }
        std::int64_t highest = model_.una;
        std::int64_t first_lost = -1;
        std::int64_t oldest = -1;
        for (std::int64_t o = model_.una; o < model_.nxt(); ++o) {
            const octet_state& octet = model_.at(o);
            highest = octet.sacked ? o + 1 : highest;
            first_lost = octet.lost && first_lost < 0 ? o : first_lost;
            if (!octet.sacked && !octet.lost && (oldest < 0 || octet.sent_at < oldest)) {
                oldest = octet.sent_at;
            }
            const auto i = board_.find({o});
            if (i == scoreboard::npos || o < board_[i].first.value || o >= board_[i].last.value) {
                return "find";
            }
            const transmission& t = board_[i];
            if (t.sacked != octet.sacked || t.lost != octet.lost || t.transmissions != octet.transmissions ||
                t.ever_retransmitted != (octet.transmissions > 1) || t.sent_at.ns != octet.sent_at) {
                return "record";
            }
        }
        if (board_.highest_sacked().value != highest) {
            return "highest_sacked";
        }
        if (first_lost < 0 ? board_.first_lost() != scoreboard::npos
                           : board_[board_.first_lost()].first.value != first_lost) {
            return "first_lost";
        }
        if (oldest < 0 ? board_.oldest_sent() != scoreboard::npos : board_[board_.oldest_sent()].sent_at.ns != oldest) {
            return "oldest_sent";
        }
        return compare_time_order();
    }

    const char* compare_time_order()
    {
        octet_count octets = 0;
        time_point before = time_point::min();
        for (auto i = board_.oldest_sent(); i != scoreboard::npos; i = board_.next_sent(i)) {
            if (board_[i].sent_at < before) {
                return "time order";
            }
            before = board_[i].sent_at;
            octets += board_[i].octets();
        }
        return octets == model_.raw_in_flight() ? nullptr : "next_sent";
    }

    random_source random_;
    scoreboard board_;
    naive_board model_;
    std::int64_t now_ = 0;
    const char* fault_ = nullptr;
};

}  // namespace

TEST_CASE("the scoreboard agrees with a model that keeps every octet on its own", "[tcp]")
{
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        const char* const fault = fuzz_run{seed}.run(120);
        if (fault != nullptr) {
            FAIL("seed " << seed << ": " << fault);
        }
    }
    SUCCEED();
}
