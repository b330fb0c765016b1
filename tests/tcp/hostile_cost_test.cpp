// What ACKs cost whose sender means us harm: the steps that a recovery takes on the scoreboard are counted, for a
// flight and for one four times as long. An ACK may cost a few, and more only for what it newly delivers or shows to be
// lost (the attacks on Linux and FreeBSD of 2018 and 2019, SegmentSmack and SACK slowness, were walks over a list for
// each ACK). What the scoreboard does itself is timed, where a step of it might cost as much as the flight is long.
#include <algorithm>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>

#include "catch.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"
#include "tcpco/tcp/scoreboard.hpp"

using namespace tcpco;

namespace {

constexpr octet_count smss = 1'000;

// Every look at the scoreboard is a step.
class counted_board {
public:
    using index = scoreboard::index;
    static constexpr index npos = scoreboard::npos;

    index first_unacked() const { return step(), board.first_unacked(); }
    index next(index i) const { return step(), board.next(i); }
    index oldest_sent() const { return step(), board.oldest_sent(); }
    index next_sent(index i) const { return step(), board.next_sent(i); }
    index first_lost() const { return step(), board.first_lost(); }
    index find(stream_offset o) const { return step(), board.find(o); }
    const transmission& operator[](index i) const { return step(), board[i]; }
    stream_offset una() const { return board.una(); }
    stream_offset nxt() const { return board.nxt(); }
    octet_count in_flight() const { return board.in_flight(); }
    octet_count sacked() const { return board.sacked(); }
    std::uint32_t segments_sacked() const { return board.segments_sacked(); }
    octet_count lost() const { return board.lost(); }
    octet_count retransmitted() const { return board.retransmitted(); }
    stream_offset highest_sacked() const { return board.highest_sacked(); }
    void mark_lost(index i)
    {
        ++marked;
        board.mark_lost(i);
    }
    void mark_all_lost() { board.mark_all_lost(); }
    void clear_marks() { board.clear_marks(); }
    index past_run(index i) { return step(), board.past_run(i); }
    index highest_unsacked() { return step(), board.highest_unsacked(); }
    std::uint32_t sacked_ranges() const { return board.sacked_ranges(); }
    stream_offset line() const { return board.line(); }
    octet_count sacked_beyond() const { return board.sacked_beyond(); }
    std::uint32_t ranges_beyond() const { return board.ranges_beyond(); }
    void reset_line() { board.reset_line(); }
    index move_line(index i) { return step(), board.move_line(i); }

    scoreboard board;
    std::uint64_t marked = 0;
    mutable std::uint64_t steps = 0;

private:
    void step() const { ++steps; }
};
static_assert(loss_board<counted_board>);

template <class Recovery>
struct victim {
    explicit victim(std::int64_t records, duration apart = duration{1'000})
    {
        books.board.start({1});
        for (std::int64_t i = 0; i < records; ++i) {
            now += apart;
            const stream_offset first = books.nxt();
            REQUIRE(books.board.on_transmit_new(first, first + smss, now, 1, {}));
            recovery.on_transmit(books.board[books.board.find(first)], timing());
        }
        now += 100_ms;
    }

    path_timing timing() const
    {
        return {.now = now,
                .srtt = 100_ms,
                .min_rtt = 100_ms,
                .rto = 1_s,
                .in_flight = books.in_flight(),
                .smss = smss,
                .echoed = echoed};
    }

    // One ACK with at most one block; `dsack` stands beside it.
    void ack(stream_offset una, offset_range block = {}, bool dsack = false)
    {
        now += duration{100};
        const auto deliver = [&](const transmission& t, bool was_sacked) {
            if constexpr (told_of_deliveries<Recovery>) {
                if (!was_sacked) {
                    recovery.on_delivered(t, timing());
                }
            }
        };
        ack_result r;
        if (una > books.una()) {
            r += books.board.on_cumulative_ack(una, deliver);
        }
        r += books.board.on_sack(block, deliver);
        delivered += r.segments;
        const ack_info a{.now = now,
                         .acked = r.acked,
                         .newly_sacked = r.newly_sacked,
                         .delivered = r.newly_delivered,
                         .in_flight = books.in_flight(),
                         .una = books.una(),
                         .nxt = books.nxt(),
                         .latest_rtt = r.has_rtt ? now - r.rtt_sent_at : duration{},
                         .min_rtt = 100_ms,
                         .srtt = 100_ms,
                         .duplicate = r.acked == 0,
                         .smss = smss};
        sack_info s;
        s.newly_sacked = r.newly_sacked;
        s.has_blocks = block.octets() > 0;
        s.sack_permitted = true;
        s.dsack = dsack;
        s.dsack_range = {books.una() - smss, books.una()};
        recovery.on_ack(a, s, timing(), books);
        send();
        books.board.take_newly_lost();
        ++acks;
    }

    // What an ACK lets out: two segments at the most, so that something is always lost and not sent again.
    void send()
    {
        for (int segments = 0; segments < 2; ++segments) {
            send_decision d = recovery.next(books, smss);
            if constexpr (decides_without_data<Recovery, counted_board>) {
                d = d.action == send_action::new_data ? recovery.without_data(books, smss) : d;
            }
            if (d.action != send_action::retransmit) {
                return;
            }
            ++resent;
            last_resent = {d.range.first, d.range.last};
            resent_at = now;
            books.board.on_retransmit(d.range.first, d.range.last, now, {});
            recovery.on_transmit(books.board[books.board.find(d.range.first)], timing());
        }
    }
    stream_offset octet(std::int64_t record, std::int64_t plus = 0) const { return {1 + record * smss + plus}; }

    counted_board books;
    Recovery recovery;
    time_point now{1'000'000'000};
    std::uint64_t acks = 0;
    std::uint64_t delivered = 0;
    std::uint64_t resent = 0;
    offset_range last_resent{};
    time_point resent_at{};
    time_point echoed = time_point::never();
};

// Steps that nothing pays for, for an ACK; `n` records in flight, half as many ACKs. Reordering has been seen, so that
// what lies below a block is not lost at once.
template <class Recovery>
double steps_for_an_ack(const std::string& attack, std::int64_t n)
{
    victim<Recovery> v{n};
    v.ack(v.octet(0), {v.octet(1), v.octet(2)});
    v.ack(v.octet(2));
    v.books.steps = v.books.marked = v.acks = v.delivered = v.resent = 0;
    const stream_offset una = v.octet(2);
    for (std::int64_t i = 0; i < n / 2; ++i) {
        if (attack == "SACKs from the end") {
            v.ack(una, {v.octet(n - 1 - i), v.octet(n - i)});
        } else if (attack == "SACKs with holes") {
            v.ack(una, {v.octet(n - 1 - 2 * (i % (n / 2 - 2))), v.octet(n - 2 * (i % (n / 2 - 2)))});
        } else if (attack == "one SACK again and again") {
            v.ack(una, {v.octet(n - 1), v.octet(n)});
        } else if (attack == "a SACK of one octet") {
            v.ack(una, {v.octet(n - 1, i % 1'000), v.octet(n - 1, i % 1'000 + 1)});
        } else if (attack == "D-SACKs") {
            v.ack(una, {v.octet(n - 1), v.octet(n)}, true);
        } else if (attack == "ranges that become one") {
            const std::int64_t at = n - 1 - i / 2;
            v.ack(una, i % 2 == 0 ? offset_range{v.octet(at, 500), v.octet(at, 501)}
                                  : offset_range{v.octet(at), v.octet(at + 1)});
        } else if (attack == "all but the first, and again") {
            v.ack(i % 4 == 3 ? una + i : una, {v.octet(4), v.octet(n / 2 + i)});
        } else if (attack == "ACKs of an octet") {
            v.ack(una + i);
        } else {
            v.ack(una);
        }
    }
    v.books.board.check_invariants();
    const double paid = 8.0 * static_cast<double>(v.delivered + v.books.marked + v.resent);
    return std::max(0.0, static_cast<double>(v.books.steps) - paid) / static_cast<double>(v.acks);
}

scoreboard flight_of(std::int64_t records)
{
    scoreboard board;
    board.start({1});
    for (std::int64_t i = 0; i < records; ++i) {
        board.on_transmit_new(board.nxt(), board.nxt() + smss, time_point{i}, 1, {});
    }
    return board;
}

// Seconds of this thread that f(0) to f(times - 1) take, each; the quickest of some rounds.
template <class Make, class F>
double seconds_each(Make make, int times, F f)
{
    double best = std::numeric_limits<double>::max();
    for (int round = 0; round < 5; ++round) {
        scoreboard board = make();
        const std::clock_t begin = std::clock();
        for (int i = 0; i < times; ++i) {
            f(board, i);
        }
        best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / times);
    }
    return std::max(best, 1e-9);
}

}  // namespace

TEST_CASE("a block that cuts records costs no more where the flight is long", "[tcp][RFC2018-5a]")
{
    const auto cost = [](std::int64_t records) {
        return seconds_each([records] { return flight_of(records); }, 500, [records](scoreboard& board, int i) {
            const stream_offset o{1 + (records / 2 - 250 + i) * smss + 300};
            board.on_sack({o, o + 1}, [](const transmission&, bool) {});
        });
    };
    const double few = cost(1'000);
    const double many = cost(200'000);
    CAPTURE(few, many);
    CHECK(many <= 5 * few);
}

TEST_CASE("taking losses back costs what was lost, not what is in flight", "[tcp][RFC4015-3.3a]")
{
    const auto cost = [](std::int64_t records) {
        return seconds_each([records] { return flight_of(records); }, 500, [](scoreboard& board, int) {
            board.mark_lost(board.oldest_sent());
            board.clear_marks();
        });
    };
    const double few = cost(500);
    const double many = cost(20'000);
    CAPTURE(few, many);
    CHECK(many <= 10 * few);
}

TEST_CASE("a block that covers what is SACKed costs no more where that is long", "[tcp][RFC2018-5a]")
{
    const auto cost = [](std::int64_t records) {
        const auto make = [records] {
            scoreboard board = flight_of(records);
            for (std::int64_t i = 1; i < records; ++i) {
                board.on_sack({{1 + i * smss}, {1 + (i + 1) * smss}}, [](const transmission&, bool) {});
            }
            return board;
        };
        return seconds_each(make, 500, [records](scoreboard& board, int) {
            board.on_sack({{1 + smss}, {1 + records * smss}}, [](const transmission&, bool) {});
        });
    };
    const double few = cost(500);
    const double many = cost(20'000);
    CAPTURE(few, many);
    CHECK(many <= 10 * few);
}

// The order of transmission alternates between what was sent again and what is new, around a middle that is lost, too.
TEST_CASE("a loss finds its place among the others in a few steps, however many there are", "[tcp][RFC8985-6.2e]")
{
    const auto cost = [](std::int64_t third) {
        const auto make = [third] {
            scoreboard board = flight_of(2 * third);
            for (std::int64_t i = 0; i < third; ++i) {
                const stream_offset hole{1 + i * smss};
                board.mark_lost(board.find(hole));
                board.take_newly_lost();
                board.on_retransmit(hole, hole + smss, time_point{2 * third + 2 * i}, {});
                board.on_transmit_new(board.nxt(), board.nxt() + smss, time_point{2 * third + 2 * i + 1}, 1, {});
            }
            return board;
        };
        return seconds_each(make, 1, [](scoreboard& board, int) {
                   for (auto i = board.oldest_sent(); i != scoreboard::npos;) {
                       const auto following = board.next_sent(i);
                       board.mark_lost(i);
                       i = following;
                   }
               }) / static_cast<double>(3 * third);
    };
    const double few = cost(300);
    const double many = cost(6'000);
    CAPTURE(few, many);
    CHECK(many <= 5 * few);
}

TEST_CASE("what left as one segment, or as one super-frame, is cut into so many pieces and no more", "[tcp]")
{
    constexpr octet_count large = 64'000;
    scoreboard board;
    board.start({1});
    for (int i = 0; i < 40; ++i) {
        board.on_transmit_new(board.nxt(), board.nxt() + smss, time_point{i}, 1, {});
    }
    board.on_transmit_new(board.nxt(), board.nxt() + large, time_point{40}, 64, {});
    const auto cut = [&board](stream_offset from, octet_count octets) {
        const auto before = board.records();
        for (octet_count o = 1; o < octets; o += 2) {
            board.on_sack({from + o, from + o + 1}, [](const transmission&, bool) {});
        }
        return board.records() - before;
    };
    CHECK(cut({1}, smss) + 1 == scoreboard::free_pieces + smss / scoreboard::fragment_octets);
    const auto pieces = cut({1 + 40 * smss}, large);
    CHECK(pieces > 64);  // each segment of it may be SACKed on its own
    CHECK(pieces <= scoreboard::free_pieces + large / scoreboard::fragment_octets);
    board.check_invariants();
}

// Each ACK covers what was just sent again, with the echo of what left before that: an undo each time.
TEMPLATE_TEST_CASE("a peer that calls each recovery needless does not have the flight marked for each ACK",
                   "[tcp][RFC3522-3.2e]", recovery::with_undo<recovery::rack_tlp>,
                   recovery::with_undo<recovery::sack>)
{
    constexpr std::int64_t n = 2'000;
    victim<TestType> v{n, duration{100'000'000 / n}};
    v.ack(v.octet(0), {v.octet(n - 4), v.octet(n)});
    v.books.marked = v.acks = 0;
    for (std::int64_t i = 0; i < n / 4; ++i) {
        v.echoed = v.resent_at - 2_ms;
        v.ack(std::max(v.last_resent.last, v.books.una() + smss), {v.octet(n - 5 - i), v.octet(n)});
    }
    CHECK(static_cast<double>(v.books.marked) / static_cast<double>(v.acks) <= 100);
}

TEMPLATE_TEST_CASE("an ACK costs a few steps and what it newly shows, however long the flight and whatever it says",
                   "[tcp][RFC8985-6.2e][RFC6675-5a]", recovery::with_undo<recovery::rack_tlp>,
                   recovery::with_undo<recovery::sack>, recovery::with_undo<recovery::new_reno>,
                   recovery::with_undo<recovery::go_back_n>, recovery::sack)
{
    for (const char* attack :
         {"SACKs from the end", "SACKs with holes", "one SACK again and again", "a SACK of one octet", "D-SACKs",
          "ranges that become one", "all but the first, and again", "ACKs of an octet", "duplicates"}) {
        const double few = steps_for_an_ack<TestType>(attack, 500);
        const double many = steps_for_an_ack<TestType>(attack, 2'000);
        CAPTURE(attack, few, many);
        CHECK(few <= 80);
        CHECK(many <= few + 5);
    }
}
