#include "tcpco/tcp/scoreboard.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

constexpr auto ignore = [](const transmission&, bool) {};

constexpr time_point at(std::int64_t ns) { return time_point{ns}; }

// A board with data from offset 1, `records` of `octets` each, sent at 10, 20, 30, ...
scoreboard with_records(int records, octet_count octets, std::uint32_t wire_segments = 1)
{
    scoreboard b;
    b.start({1});
    for (int i = 0; i < records; ++i) {
        const bool taken = b.on_transmit_new(b.nxt(), b.nxt() + octets, at(10 * (i + 1)), wire_segments, {});
        REQUIRE(taken);
    }
    b.check_invariants();
    return b;
}

std::vector<stream_offset> in_time_order(const scoreboard& b)
{
    std::vector<stream_offset> order;
    for (auto i = b.oldest_sent(); i != scoreboard::npos; i = b.next_sent(i)) {
        order.push_back(b[i].first);
    }
    return order;
}

std::vector<stream_offset> lost_records(const scoreboard& b)
{
    std::vector<stream_offset> order;
    for (auto i = b.first_lost(); i != scoreboard::npos; i = b.next_lost(i)) {
        order.push_back(b[i].first);
    }
    return order;
}

using offsets = std::vector<stream_offset>;

}  // namespace

TEST_CASE("an empty scoreboard has nothing in flight, finds nothing and owns no memory", "[tcp]")
{
    scoreboard b;
    b.start({7});
    CHECK(b.una() == stream_offset{7});
    CHECK(b.nxt() == stream_offset{7});
    CHECK(b.flight_size() == 0);
    CHECK(b.in_flight() == 0);
    CHECK(b.first_unacked() == scoreboard::npos);
    CHECK(b.oldest_sent() == scoreboard::npos);
    CHECK(b.first_lost() == scoreboard::npos);
    CHECK(b.find({7}) == scoreboard::npos);
    CHECK(b.highest_sacked() == stream_offset{7});
    CHECK(b.on_sack({{0}, {100}}, ignore).newly_sacked == 0);
    CHECK_FALSE(b.renege());
    b.mark_all_lost();
    b.clear_marks();
    b.release();
    b.check_invariants();
}

TEST_CASE("transmitted octets are in flight until they are acknowledged", "[tcp]")
{
    scoreboard b = with_records(3, 100);
    CHECK(b.in_flight() == 300);
    CHECK(b.segments_in_flight() == 3);
    CHECK(b[b.find({100})].first == stream_offset{1});
    CHECK(b[b.find({101})].first == stream_offset{101});
    CHECK(b.find({301}) == scoreboard::npos);
    CHECK(in_time_order(b) == offsets{{1}, {101}, {201}});

    int calls = 0;
    const ack_result r = b.on_cumulative_ack({201}, [&](const transmission& t, bool was_sacked) {
        CHECK_FALSE(was_sacked);
        CHECK(t.octets() == 100);
        ++calls;
    });
    CHECK(calls == 2);
    CHECK(r.acked == 200);
    CHECK(r.newly_delivered == 200);
    CHECK(r.segments == 2);
    CHECK(r.has_rtt);
    CHECK(r.rtt_sent_at == at(20));
    CHECK(r.newest.last == stream_offset{201});
    CHECK_FALSE(r.any_retransmitted);
    CHECK(b.in_flight() == 100);
    CHECK(b.una() == stream_offset{201});
    CHECK(b.on_cumulative_ack({201}, ignore).acked == 0);
    CHECK(b.on_cumulative_ack({150}, ignore).acked == 0);  // an old ACK
    b.check_invariants();
}

TEST_CASE("a partial acknowledgement trims a super-frame, wire segments in proportion and at least one", "[tcp]")
{
    scoreboard b = with_records(1, 1000, 10);
    ack_result r = b.on_cumulative_ack({1 + 250}, ignore);
    CHECK(r.acked == 250);
    CHECK(r.segments == 3);  // 2.5, rounded up
    CHECK(b.segments_in_flight() == 7);
    CHECK(b.records() == 1);
    CHECK(b.in_flight() == 750);
    r = b.on_cumulative_ack({1000}, ignore);
    CHECK(r.segments == 6);
    CHECK(b.segments_in_flight() == 1);
    CHECK(b.on_cumulative_ack({1001}, ignore).segments == 1);
    CHECK(b.segments_in_flight() == 0);
    b.check_invariants();
}

TEST_CASE("a super-frame is cut where somebody knows of a part of it, one segment is not", "[tcp]")
{
    scoreboard b = with_records(1, 4'000, 4);
    CHECK_FALSE(b.split({1}));  // it begins there
    CHECK(b.split({1'001}));
    CHECK_FALSE(b.split({1'001}));
    b.check_invariants();
    CHECK(b.records() == 2);
    CHECK(b.in_flight() == 4'000);
    const auto front = b.find({1});
    CHECK(b[front].octets() == 1'000);
    CHECK(b[front].wire_segments == 1);
    CHECK(b[b.next(front)].wire_segments == 3);
    CHECK_FALSE(b.split({501}));  // one segment is lost as a whole
    CHECK_FALSE(b.split({5'000}));  // never sent
    b.mark_lost(front);
    CHECK(b.lost() == 1'000);
}

TEST_CASE("SACK blocks cut records at any octet and count each octet once (RFC 2018)", "[tcp]")
{
    scoreboard b = with_records(2, 100, 4);
    ack_result r = b.on_sack({{51}, {76}}, ignore);
    CHECK(r.newly_sacked == 25);
    CHECK(r.newly_delivered == 25);
    CHECK(r.acked == 0);
    CHECK(b.records() == 4);
    CHECK(b.sacked() == 25);
    CHECK(b.in_flight() == 175);
    CHECK(b.highest_sacked() == stream_offset{76});
    CHECK(b.segments_in_flight() == 7);

    r = b.on_sack({{41}, {121}}, ignore);
    CHECK(r.newly_sacked == 55);
    CHECK(b.sacked() == 80);
    CHECK(b.highest_sacked() == stream_offset{121});
    CHECK(b.on_sack({{41}, {121}}, ignore).newly_sacked == 0);

    octet_count sacked_before = 0;
    r = b.on_cumulative_ack({201}, [&](const transmission& t, bool was_sacked) {
        sacked_before += was_sacked ? t.octets() : 0;
    });
    CHECK(r.acked == 200);
    CHECK(r.newly_delivered == 120);
    CHECK(sacked_before == 80);
    CHECK(b.sacked() == 0);
    b.check_invariants();
}

TEST_CASE("SACK blocks outside una and nxt, or turned round, are ignored", "[tcp]")
{
    scoreboard b = with_records(3, 100);
    b.on_cumulative_ack({101}, ignore);
    CHECK(b.on_sack({{1}, {101}}, ignore).newly_sacked == 0);
    CHECK(b.on_sack({{301}, {401}}, ignore).newly_sacked == 0);
    CHECK(b.on_sack({{250}, {150}}, ignore).newly_sacked == 0);
    CHECK(b.on_sack({{-1000}, {-900}}, ignore).newly_sacked == 0);
    CHECK(b.on_sack({{251}, {9999}}, ignore).newly_sacked == 50);
    b.check_invariants();
}

TEST_CASE("a lost record leaves the flight, and sending it again puts it back at the end of time order",
          "[tcp][RFC8985-6.1a][RFC9937-6.2c]")
{
    scoreboard b = with_records(3, 100);
    b.mark_lost(b.find({1}));
    b.mark_lost(b.find({1}));
    CHECK(b.in_flight() == 200);
    CHECK(b.lost() == 100);
    CHECK(b[b.first_lost()].first == stream_offset{1});
    CHECK(in_time_order(b) == offsets{{101}, {201}});

    delivery_stamp stamp;
    stamp.delivered = 42;
    REQUIRE(b.on_retransmit({1}, {101}, at(99), stamp));
    CHECK(b.lost() == 0);
    CHECK(b.retransmitted() == 100);
    CHECK(b.in_flight() == 300);
    CHECK(in_time_order(b) == offsets{{101}, {201}, {1}});
    const transmission& t = b[b.find({1})];
    CHECK(t.transmissions == 2);
    CHECK(t.ever_retransmitted);
    CHECK(t.sent_at == at(99));
    CHECK(t.stamp.delivered == 42);

    b.mark_lost(b.find({1}));
    CHECK(b.retransmitted() == 0);
    CHECK(b.lost() == 100);
    REQUIRE(b.on_retransmit({1}, {101}, at(120), {}));
    const ack_result r = b.on_cumulative_ack({201}, ignore);
    CHECK(r.any_retransmitted);
    CHECK(r.rtt_sent_at == at(20));  // Karn: not from the retransmitted one
    CHECK(r.newest.sent_at == at(120));
    CHECK(r.newest.transmissions == 3);
    b.check_invariants();
}

TEST_CASE("an ACK of retransmitted data alone gives no RTT sample (Karn, RFC 6298 section 3)", "[tcp]")
{
    scoreboard b = with_records(2, 100);
    REQUIRE(b.on_retransmit({1}, {101}, at(99), {}));
    const ack_result r = b.on_cumulative_ack({101}, ignore);
    CHECK(r.acked == 100);
    CHECK_FALSE(r.has_rtt);
}

TEST_CASE("a retransmission may cover a piece of a super-frame, or several records", "[tcp]")
{
    scoreboard b = with_records(2, 1000, 10);
    b.mark_all_lost();
    REQUIRE(b.on_retransmit({1}, {101}, at(50), {}));
    CHECK(b.in_flight() == 100);
    CHECK(b.segments_in_flight() == 1);
    CHECK(b.lost() == 1900);
    CHECK(lost_records(b) == offsets{{101}, {1001}});
    REQUIRE(b.on_retransmit({501}, {1501}, at(60), {}, 10));
    CHECK(b.segments_in_flight() == 11);
    CHECK(b.in_flight() == 1100);
    CHECK(lost_records(b) == offsets{{101}, {1501}});
    CHECK(in_time_order(b) == offsets{{1}, {501}, {1001}});
    CHECK(b[b.find({501})].wire_segments == 5);
    b.check_invariants();
}

TEST_CASE("a SACKed record can be sent again without entering the flight", "[tcp]")
{
    scoreboard b = with_records(2, 100);
    b.on_sack({{101}, {201}}, ignore);
    REQUIRE(b.on_retransmit({101}, {151}, at(70), {}));
    CHECK(b.sacked() == 100);
    CHECK(b.in_flight() == 100);
    CHECK(b[b.find({101})].transmissions == 2);
    CHECK(b[b.find({151})].transmissions == 1);
    CHECK(b.retransmitted() == 0);
    b.check_invariants();
}

TEST_CASE("marking the record a loop stands on does not end the loop", "[tcp]")
{
    scoreboard b = with_records(5, 10);
    int seen = 0;
    for (auto i = b.oldest_sent(); i != scoreboard::npos; i = b.next_sent(i)) {
        b.mark_lost(i);
        ++seen;
    }
    CHECK(seen == 5);
    CHECK(b.lost() == 50);
    CHECK(b.oldest_sent() == scoreboard::npos);
    b.check_invariants();
}

TEST_CASE("losses are kept in sequence order whatever the order of marking", "[tcp]")
{
    scoreboard b = with_records(6, 10);
    for (const std::int64_t first : {31, 11, 51, 21, 1, 41}) {
        b.mark_lost(b.find({first}));
        b.check_invariants();
    }
    CHECK(lost_records(b) == offsets{{1}, {11}, {21}, {31}, {41}, {51}});
}

TEST_CASE("newly lost octets are reported once, in the order of marking, and not when they proved delivered", "[tcp]")
{
    scoreboard b = with_records(4, 100);
    offsets reported;
    const auto note = [&](const transmission& t) { reported.push_back(t.first); };
    b.mark_lost(b.find({201}));
    b.mark_lost(b.find({1}));
    CHECK(b.take_newly_lost(note) == 200);
    CHECK(reported == offsets{{201}, {1}});
    CHECK(b.take_newly_lost(note) == 0);

    reported.clear();
    b.mark_lost(b.find({101}));
    b.mark_lost(b.find({301}));
    b.on_sack({{101}, {201}}, ignore);
    CHECK(b.take_newly_lost(note) == 200);  // it was marked, and counts as such
    CHECK(reported == offsets{{301}});

    reported.clear();
    REQUIRE(b.on_retransmit({1}, {101}, at(60), {}));
    b.mark_lost(b.find({1}));
    b.clear_marks();
    CHECK(b.take_newly_lost(note) == 0);
    CHECK(reported.empty());
    b.check_invariants();
}

TEST_CASE("taking losses back restores flight and time order", "[tcp]")
{
    scoreboard b = with_records(4, 100);
    REQUIRE(b.on_retransmit({101}, {201}, at(90), {}));
    const offsets order = in_time_order(b);
    CHECK(order == offsets{{1}, {201}, {301}, {101}});
    b.mark_all_lost();
    CHECK(b.in_flight() == 0);
    CHECK(b.retransmitted() == 0);
    b.clear_marks();
    CHECK(b.in_flight() == 400);
    CHECK(b.lost() == 0);
    CHECK(b.retransmitted() == 100);
    CHECK(in_time_order(b) == order);
    b.check_invariants();
}

TEST_CASE("reneging forgets all SACK marks (RFC 2018 section 8)", "[tcp]")
{
    scoreboard b = with_records(4, 100);
    b.on_sack({{101}, {301}}, ignore);
    b.mark_lost(b.find({1}));
    CHECK(b.renege());
    CHECK(b.sacked() == 0);
    CHECK(b.lost() == 100);
    CHECK(b.in_flight() == 300);
    CHECK(b.highest_sacked() == stream_offset{1});
    CHECK(in_time_order(b) == offsets{{101}, {201}, {301}});
    CHECK_FALSE(b.renege());
    CHECK(b.on_sack({{101}, {301}}, ignore).newly_sacked == 200);
    b.check_invariants();
}

TEST_CASE("without SACK each duplicate ACK takes octets out of the flight (RFC 5681 section 3.2)",
          "[tcp][RFC5681-3.2j][RFC9937-6.2b][RFC9937-6.2e]")
{
    // Segments 1 and 4 of five are lost; 2, 3 and 5 cause duplicate ACKs.
    scoreboard b = with_records(5, 100);
    for (int duplicate = 0; duplicate < 3; ++duplicate) {
        CHECK(b.emulate_sack(100) == 100);
    }
    CHECK(b.in_flight() == 200);
    CHECK(b.segments_in_flight() == 2);
    b.mark_lost(b.find({1}));
    CHECK(b.in_flight() == 100);
    REQUIRE(b.on_retransmit({1}, {101}, at(60), {}));
    CHECK(b.in_flight() == 200);

    // RFC 6582: a partial ACK. Of the 300 octets two duplicates had told already.
    ack_result r = b.on_cumulative_ack({301}, ignore);
    CHECK(r.acked == 300);
    CHECK(r.newly_delivered == 100);
    CHECK(b.in_flight() == 100);  // segment 4; the third duplicate stands for segment 5
    CHECK(b.emulate_sack(1000) == 100);
    CHECK(b.in_flight() == 0);
    CHECK(b.emulate_sack(1000) == 0);

    r = b.on_cumulative_ack({501}, ignore);
    CHECK(r.newly_delivered == 0);
    CHECK(b.in_flight() == 0);
    REQUIRE(b.on_transmit_new({501}, {601}, at(80), 1, {}));
    CHECK(b.in_flight() == 100);

    CHECK(b.emulate_sack(40) == 40);
    b.clear_emulation();
    CHECK(b.in_flight() == 100);
}

TEST_CASE("a timeout forgets what duplicate ACKs stood for", "[tcp]")
{
    scoreboard b = with_records(3, 100);
    b.emulate_sack(100);
    b.mark_all_lost();
    CHECK(b.in_flight() == 0);
    REQUIRE(b.on_retransmit({1}, {101}, at(60), {}));
    CHECK(b.in_flight() == 100);
}

TEST_CASE("a receiver that SACKs every other octet does not cost a record an octet", "[tcp]")
{
    scoreboard b = with_records(40, 512);
    for (std::int64_t o = 2; o < 40 * 512; o += 2) {
        b.on_sack({{o}, {o + 1}}, ignore);
    }
    b.check_invariants();
    CHECK(b.records() <= scoreboard::free_fragments + 40 + 1);
    CHECK(b.sacked() > 0);
    // A block over whole records counts all the same.
    b.on_sack({{1}, {1 + 40 * 512}}, ignore);
    CHECK(b.in_flight() == 0);
    CHECK(b.sacked() == 40 * 512);
}

TEST_CASE("what needs more records than the limit is refused, and nothing changed", "[tcp]")
{
    scoreboard b;
    b.start({1});
    b.limit_records(6);
    while (b.may_transmit_new()) {
        REQUIRE(b.on_transmit_new(b.nxt(), b.nxt() + 100, at(5), 10, {}));
    }
    CHECK(b.records() == 4);  // two stay free for retransmissions
    CHECK_FALSE(b.on_transmit_new({401}, {501}, at(6), 1, {}));
    CHECK(b.nxt() == stream_offset{401});

    // SACK: only records covered whole.
    CHECK(b.on_sack({{150}, {350}}, ignore).newly_sacked == 100);
    CHECK(b.sacked() == 100);
    CHECK(b[b.find({201})].sacked);

    REQUIRE(b.on_retransmit({11}, {21}, at(9), {}));
    CHECK(b.records() == 6);
    CHECK_FALSE(b.on_retransmit({31}, {41}, at(9), {}));
    CHECK(b.records() == 6);
    CHECK(b.retransmitted() == 10);
    CHECK(b.on_retransmit({21}, {401}, at(9), {}, 3));  // ends where records end
    CHECK(b.retransmitted() == 10 + 380 - 100);
    b.check_invariants();
    CHECK(b.on_cumulative_ack({401}, ignore).acked == 400);
}

TEST_CASE("a copy is deep, a moved-from board is empty, release keeps what is in flight", "[tcp]")
{
    scoreboard a = with_records(20, 100);
    a.on_sack({{150}, {250}}, ignore);
    a.mark_lost(a.find({1}));
    scoreboard b = a;
    b.on_cumulative_ack({1001}, ignore);
    b.check_invariants();
    a.check_invariants();
    CHECK(a.in_flight() == 2000 - 100 - 100);
    CHECK(a.una() == stream_offset{1});
    scoreboard c = std::move(a);
    c.check_invariants();
    CHECK(c.sacked() == 100);
    CHECK(a.records() == 0);  // NOLINT: its state is specified
    CHECK(a.in_flight() == 0);
    a.check_invariants();
    c.release();
    CHECK(c.records() == 22);
    a = c;
    c.start({5});
    c.release();
    a.check_invariants();
    CHECK(a.sacked() == 100);
    scoreboard& alias = a;
    a = alias;
    a.check_invariants();
    CHECK(a.records() == 22);
}

TEST_CASE("results of the blocks of one ACK add up", "[tcp]")
{
    scoreboard b = with_records(5, 100);
    REQUIRE(b.on_retransmit({101}, {201}, at(77), {}));
    ack_result r = b.on_cumulative_ack({101}, ignore);
    r += b.on_sack({{201}, {301}}, ignore);
    r += b.on_sack({{401}, {501}}, ignore);
    CHECK(r.acked == 100);
    CHECK(r.newly_sacked == 200);
    CHECK(r.newly_delivered == 300);
    CHECK(r.segments == 3);
    CHECK(r.rtt_sent_at == at(50));
    CHECK(r.newest.first == stream_offset{401});
    CHECK_FALSE(r.any_retransmitted);
    r += b.on_sack({{101}, {201}}, ignore);
    CHECK(r.any_retransmitted);
    CHECK(r.newest.first == stream_offset{101});
    CHECK(r.rtt_sent_at == at(50));
}

TEST_CASE("a lost record of which a piece left again before the loss was told is told of but for that piece", "[tcp]")
{
    scoreboard b = with_records(2, 1'000, 10);
    b.mark_lost(b.find({1}));
    b.mark_lost(b.find({1'001}));
    REQUIRE(b.on_retransmit({101}, {201}, at(50), {}));
    offsets told;
    CHECK(b.take_newly_lost([&](const transmission& t) { told.push_back(t.first); }) == 2'000);
    CHECK(told == offsets{{1}, {201}, {1'001}});
    b.check_invariants();
}

TEST_CASE("what leaves again in more segments than before is in flight as so many", "[tcp]")
{
    scoreboard b = with_records(1, 6'000, 4);
    b.mark_all_lost();
    REQUIRE(b.on_retransmit({1}, {6'001}, at(50), {}, 7));  // the path has become narrow
    CHECK(b.segments_in_flight() == 7);
    b.on_sack({{3'001}, {6'001}}, ignore);
    CHECK(b.segments_in_flight() == 4);
    CHECK(b.segments_sacked() == 3);
    b.check_invariants();
}

TEST_CASE("the halves of a record that left again in part keep what is known of each", "[tcp][RFC8985-6.1a]")
{
    scoreboard b = with_records(3, 1'000);
    b.on_sack({{1'001}, {2'001}}, ignore);
    b.mark_lost(b.find({1}));
    b.take_newly_lost();
    REQUIRE(b.on_retransmit({1}, {601}, at(70), {}));
    CHECK(b[b.find({1})].sent_at == at(70));
    CHECK(b[b.find({1})].transmissions == 2);
    const transmission& rest = b[b.find({601})];
    CHECK(rest.first == stream_offset{601});
    CHECK(rest.lost);
    CHECK(rest.sent_at == at(10));
    CHECK(rest.transmissions == 1);
    REQUIRE(b.on_retransmit({601}, {1'001}, at(80), {}));
    CHECK(b[b.find({601})].sent_at == at(80));
    CHECK(b[b.find({1})].sent_at == at(70));
    CHECK(b[b.find({1'001})].sent_at == at(20));
    CHECK(in_time_order(b) == offsets{{2'001}, {1}, {601}});
    CHECK(b.sacked() == 1'000);
    b.check_invariants();
}

TEST_CASE("what left in one turn comes back in the order of its octets when losses are taken back", "[tcp]")
{
    scoreboard b;
    b.start({1});
    for (int i = 0; i < 7; ++i) {
        REQUIRE(b.on_transmit_new(b.nxt(), b.nxt() + 10, at(5), 1, {}));
    }
    b.mark_all_lost();
    b.clear_marks();
    CHECK(in_time_order(b) == offsets{{1}, {11}, {21}, {31}, {41}, {51}, {61}});
}
