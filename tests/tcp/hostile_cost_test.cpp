// What ACKs cost whose sender means us harm: the steps that a recovery takes on the scoreboard are counted, for a
// flight and for one four times as long. An ACK may cost a few, and more only for what it newly delivers or shows to be
// lost (the attacks on Linux and FreeBSD of 2018 and 2019, SegmentSmack and SACK slowness, were walks over a list for
// each ACK). What the scoreboard does itself is bounded by its own tests.
#include <algorithm>
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
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

    scoreboard board;
    std::uint64_t marked = 0;
    mutable std::uint64_t steps = 0;

private:
    void step() const { ++steps; }
};
static_assert(loss_board<counted_board>);

template <class Recovery>
struct victim {
    explicit victim(std::int64_t records)
    {
        books.board.start({1});
        for (std::int64_t i = 0; i < records; ++i) {
            now += duration{1'000};
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
                .smss = smss};
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
        static_cast<void>(recovery.next(books, smss));
        books.board.take_newly_lost();
        ++acks;
    }
    stream_offset octet(std::int64_t record, std::int64_t plus = 0) const { return {1 + record * smss + plus}; }

    counted_board books;
    Recovery recovery;
    time_point now{1'000'000'000};
    std::uint64_t acks = 0;
    std::uint64_t delivered = 0;
};

// Steps that nothing pays for, for an ACK; `n` records in flight, half as many ACKs. Reordering has been seen, so that
// what lies below a block is not lost at once.
template <class Recovery>
double steps_for_an_ack(const std::string& attack, std::int64_t n)
{
    victim<Recovery> v{n};
    v.ack(v.octet(0), {v.octet(1), v.octet(2)});
    v.ack(v.octet(2));
    v.books.steps = v.books.marked = v.acks = v.delivered = 0;
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
        } else if (attack == "ACKs of an octet") {
            v.ack(una + i);
        } else {
            v.ack(una);
        }
    }
    v.books.board.check_invariants();
    const double paid = 8.0 * static_cast<double>(v.delivered + v.books.marked);
    return std::max(0.0, static_cast<double>(v.books.steps) - paid) / static_cast<double>(v.acks);
}

}  // namespace

TEMPLATE_TEST_CASE("an ACK costs a few steps and what it newly shows, however long the flight and whatever it says",
                   "[tcp][RFC8985-6.2e]", recovery::with_undo<recovery::rack_tlp>,
                   recovery::with_undo<recovery::new_reno>, recovery::with_undo<recovery::go_back_n>)
{
    for (const char* attack : {"SACKs from the end", "SACKs with holes", "one SACK again and again",
                               "a SACK of one octet", "D-SACKs", "ACKs of an octet", "duplicates"}) {
        const double few = steps_for_an_ack<TestType>(attack, 500);
        const double many = steps_for_an_ack<TestType>(attack, 2'000);
        CAPTURE(attack, few, many);
        CHECK(few <= 80);
        CHECK(many <= few + 5);
    }
}
