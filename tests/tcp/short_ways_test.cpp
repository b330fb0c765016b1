// The ways around SEGMENT ARRIVES and around the choice of a segment: what they take, and what they leave to the long
// way. That both ways end alike is compared for each segment by every test of a build with assertions.
#include "tcpco/tcp/both_ways.hpp"
#include "tcpco/tcp/header_prediction.hpp"
#include "tcpco/tcp/plain_segment.hpp"
#include "tcpco/tcp/segment_run.hpp"
#include "tcpco/tcp/timeouts.hpp"

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"

using namespace tcpco;

namespace {

using bundle = default_policies;

static_assert(goes_both_ways == (TCPCO_CHECKED != 0), "tests compare the short ways with the long ones");

constexpr std::size_t head = 32;
constexpr octet_count size = 1'000;  // of a segment's text

template <class Bundle>
struct in_established_with {
    tcp_host<Bundle> host{tcp_settings{}, policy_configs<Bundle>{}, stack_seed{7},
                          {.connections = 4, .small_slots = 64, .large_slots = 16}};
    step<Bundle> st{host, time_point{1'000'000'000}};
    connection<Bundle> c;

    in_established_with()
    {
        c.state = tcp_state::established;
        c.local = {"192.0.2.1"_ip, 80};
        c.remote = {"192.0.2.2"_ip, 5'000};
        c.timestamps = c.sack_permitted = true;
        c.snd.iss = sequence_number{0xFFFF'FFF0};
        c.snd.una = c.snd.nxt = stream_offset{1};
        c.snd.wnd = c.snd.max_wnd = 50'000;
        c.rcv.irs = sequence_number{77};
        c.rcv.last_ack_sent = c.rcv.nxt = stream_offset{5'000};
        c.rcv.right_edge = c.rcv.nxt + 20'000;
        c.ts_recent = 100;
        c.life = life_timer::quiet;
        c.send = send_queue{1'000'000};
        c.peer_mss = 1'460;
        c.smss = size;
    }

    // The next text, with the timestamp after the last one. It acknowledges `acked` octets more.
    std::vector<std::byte> next_text(std::size_t octets = 10, octet_count acked = 0) const
    {
        std::vector<std::byte> segment(head + octets, std::byte{0x55});
        const tcp_options options{.has_timestamps = true, .tsval = 101, .tsecr = 9};
        write_tcp(tcp_header{.source_port = 5'000,
                             .destination_port = 80,
                             .seq = to_wire(c.rcv.nxt, c.rcv.irs),
                             .ack = to_wire(c.snd.una + acked, c.snd.iss),
                             .flags = tcp_flag::ack,
                             .window = 60'000},
                  options, segment);
        return segment;
    }

    // Three segments are in flight, of which the last has just left, and there is text for a hundred, or for fewer.
    sender_active<Bundle>& sends(std::size_t segments = 100)
    {
        c.sender = host.senders.emplace();
        sender_active<Bundle>& s = *st.sender(c);
        s.congestion.on_connection_established({.initial_window = 20 * size, .smss = size, .prior_cwnd = 20 * size});
        s.board.start(c.snd.una);
        const std::vector<std::byte> text(segments * static_cast<std::size_t>(size));
        REQUIRE(c.send.append(text, host.small, host.large) == text.size());
        for (int i = 0; i < 3; ++i) {
            REQUIRE(s.board.on_transmit_new(c.snd.nxt, c.snd.nxt + size, st.now - duration{2 - i}, 1, {}));
            c.snd.nxt += size;
        }
        const ack_info told{.smss = size};
        s.recovery.on_ack(told, {.sack_permitted = true}, timing_of(c, s, st.now), s.board);
        c.life = life_timer::none;
        c.timer_base = st.now;
        rearm_timer(c, st);
        return s;
    }
    // Everything before is acknowledged, and `octets` wait.
    sender_active<Bundle>& answers(std::size_t octets)
    {
        c.sender = host.senders.emplace();
        sender_active<Bundle>& s = *st.sender(c);
        s.congestion.on_connection_established({.initial_window = 20 * size, .smss = size, .prior_cwnd = 20 * size});
        s.board.start(c.snd.una);
        const ack_info told{.smss = size};
        s.recovery.on_ack(told, {.sack_permitted = true}, timing_of(c, s, st.now), s.board);
        c.last_sent_at = st.now - duration{1'000'000};
        REQUIRE(c.send.append(std::vector<std::byte>(octets, std::byte{0x55}), host.small, host.large) == octets);
        return s;
    }
    leaving_segment last() const
    {
        leaving_segment out;
        out.kind = segment_kind::new_data;
        out.seq = c.snd.nxt - size;
        out.octets = size;
        out.fresh = true;
        return out;
    }
};

using in_established = in_established_with<bundle>;

}  // namespace

TEST_CASE("header prediction takes the next text in order, and no segment that says anything else", "[tcp]")
{
    in_established e;
    const std::vector<std::byte> expected = e.next_text();
    REQUIRE(is_predicted(e.c, expected, e.st));
    for (std::size_t i = 0; i < head; ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::vector<std::byte> other = expected;
            other[i] ^= static_cast<std::byte>(1U << bit);
            // Ports are the caller's matter; window, checksum, urgent pointer without URG and echo may be anything, PSH
            // changes nothing, and a timestamp may be later.
            const bool later = i >= 24 && i < 28 && static_cast<std::int32_t>(read_be32(other.data() + 24) - 100) >= 0;
            const bool free = i < 4 || (i >= 14 && i < 20) || i >= 28 || later || (i == 13 && bit == 3);
            CAPTURE(i, bit);
            CHECK(is_predicted(e.c, other, e.st) == free);
        }
    }
    CHECK_FALSE(is_predicted(e.c, e.next_text(0), e.st));
    CHECK(is_predicted(e.c, e.next_text(20'000), e.st));
    CHECK_FALSE(is_predicted(e.c, e.next_text(20'001), e.st));  // beyond the window
    for (std::size_t n = 0; n <= head; ++n) {
        CHECK_FALSE(is_predicted(e.c, std::span{expected}.first(n), e.st));
    }
}

TEST_CASE("header prediction is for who only receives, in ESTABLISHED, with nothing to be remembered", "[tcp]")
{
    using change = std::function<void(in_established&)>;
    const std::array changes{
        change{[](in_established& e) { e.c.state = tcp_state::fin_wait_1; }},
        change{[](in_established& e) { e.c.state = tcp_state::close_wait; }},
        change{[](in_established& e) { e.c.timestamps = false; }},
        change{[](in_established& e) {  // all is sent, and not all acknowledged
            e.c.send.append(std::vector<std::byte>(1), e.host.small, e.host.large);
            e.c.snd.nxt += 1;
        }},
        change{[](in_established& e) { e.c.send.append(std::vector<std::byte>(1), e.host.small, e.host.large); }},
        change{[](in_established& e) { e.c.timer = retransmission_timer::persist; }},
        change{[](in_established& e) {  // keep-alive is to be armed
            e.c.life = life_timer::none;
            e.c.keep_count = 9;
        }},
        change{[](in_established& e) {  // the sending half's end is to be armed
            e.answers(0);
            e.c.life = life_timer::none;
        }},
        change{[](in_established& e) { e.c.snd.wnd = 0; }},
        change{[](in_established& e) { e.c.snd.wl1 = e.c.rcv.nxt + 1; }},
        change{[](in_established& e) { e.c.receiver = slab_id{0, 1}; }},
        change{[](in_established& e) { e.c.accurate = slab_id{0, 1}; }},
        change{[](in_established& e) { e.c.ecn = true; }},
        change{[](in_established& e) { e.c.ce_last = true; }},
        change{[](in_established& e) { e.c.reader_gone = true; }},
        change{[](in_established& e) { e.c.refuses_text = true; }},
        change{[](in_established& e) { e.c.rare.make()->adv_uto = 1; }},
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        in_established e;
        const std::vector<std::byte> expected = e.next_text();
        REQUIRE(is_predicted(e.c, expected, e.st));
        changes[i](e);
        e.c.disturb();
        CAPTURE(i);
        CHECK_FALSE(is_predicted(e.c, expected, e.st));
    }
    in_established long_since;  // has no sending half any more
    long_since.c.life = life_timer::none;
    CHECK(is_predicted(long_since.c, long_since.next_text(), long_since.st));
}

TEST_CASE("the text of a super-frame's segments is what the device said, or an equal part", "[tcp]")
{
    CHECK(detail::text_of_each({}, 700) == 700);
    CHECK(detail::text_of_each({.wire_segments = 3}, 2'500) == 833);
    CHECK(detail::text_of_each({.gso_size = 1'000, .wire_segments = 3}, 2'500) == 1'000);
    CHECK(detail::text_of_each({.gso_size = 4'000, .wire_segments = 3}, 2'500) == 2'500);
    CHECK(detail::text_of_each({.gso_size = 1'000, .wire_segments = 1}, 700) == 700);
}

TEST_CASE("a connection is found calm once, and again only where it was disturbed", "[tcp]")
{
    in_established e;
    CHECK_FALSE(e.c.calm);
    CHECK(is_calm(e.c, e.st));
    CHECK(e.c.calm);
    e.c.disturb();
    CHECK_FALSE(e.c.calm);
    sender_active<bundle>& s = e.sends();
    CHECK(is_calm(e.c, e.st));
    e.c.disturb();
    s.board.mark_lost(s.board.first_unacked());
    CHECK_FALSE(is_calm(e.c, e.st));
    CHECK_FALSE(e.c.calm);
    s.board.clear_marks();
    CHECK(is_calm(e.c, e.st));  // nothing has to be disturbed for that
}

namespace {

// Takes the oldest octets for lost with any acknowledgement.
struct wary_recovery : default_policies::recovery {
    using base = default_policies::recovery;
    using base::base;

    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& timing, Board& board) noexcept
    {
        const recovery_verdict verdict = base::on_ack(a, s, timing, board);
        if (!is_wary) {
            return verdict;
        }
        board.mark_lost(board.first_unacked());
        return {.kind = verdict_kind::enter};
    }
    template <class Board>
    bool awaits_plain_ack(const Board&) const noexcept
    {
        return false;
    }

    bool is_wary = false;
};

struct wary_policies : default_policies {
    using recovery = wary_recovery;
};

}  // namespace

TEST_CASE("an acknowledgement that the recovery policy takes for the sign of a loss disturbs a calm connection", "[tcp]")
{
    in_established_with<wary_policies> e;
    sender_active<wary_policies>& s = e.sends();
    REQUIRE(is_calm(e.c, e.st));
    s.recovery.is_wary = true;
    acknowledge_in_peace(e.c, s, e.c.snd.una + size, e.st.now, 0, e.st);
    CHECK(s.board.lost() == size);
    CHECK_FALSE(e.c.calm);
}

TEST_CASE("header prediction takes an acknowledgement of what is in flight, with text or without", "[tcp]")
{
    in_established e;
    e.sends();
    for (const std::size_t text : {std::size_t{0}, std::size_t{10}}) {
        for (const octet_count acked : {octet_count{1}, size, 2 * size + 7, 3 * size}) {
            CAPTURE(text, acked);
            CHECK(is_predicted(e.c, e.next_text(text, acked), e.st));
        }
        CHECK_FALSE(is_predicted(e.c, e.next_text(text, 3 * size + 1), e.st));  // what was never sent
        CHECK_FALSE(is_predicted(e.c, e.next_text(text, -1), e.st));
        CHECK_FALSE(is_predicted(e.c, e.next_text(text, 0), e.st));  // perhaps a duplicate
    }
    const std::vector<std::byte> expected = e.next_text(0, size);
    for (std::size_t i = 0; i < head; ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::vector<std::byte> other = expected;
            other[i] ^= static_cast<std::byte>(1U << bit);
            const std::uint32_t acked = read_be32(other.data() + 8) - to_wire(e.c.snd.una, e.c.snd.iss).value;
            const bool in_flight = i >= 8 && i < 12 && acked > 0 && acked <= 3 * size;
            const bool later = i >= 24 && i < 28 && static_cast<std::int32_t>(read_be32(other.data() + 24) - 100) >= 0;
            const bool free = i < 4 || (i >= 14 && i < 20) || i >= 28 || later || in_flight || (i == 13 && bit == 3);
            CAPTURE(i, bit);
            CHECK(is_predicted(e.c, other, e.st) == free);
        }
    }
}

TEST_CASE("an acknowledgement goes the long way where anything is lost, SACKed, sent again, probed or marked", "[tcp]")
{
    using change = std::function<void(in_established&, sender_active<bundle>&)>;
    const std::array changes{
        change{[](in_established& e, auto&) { e.c.state = tcp_state::fin_wait_1; }},
        change{[](in_established& e, auto&) { e.c.state = tcp_state::close_wait; }},
        change{[](in_established& e, auto&) { e.c.fin_queued = true; }},
        change{[](in_established& e, auto&) { e.c.timestamps = false; }},
        change{[](in_established& e, auto&) { e.c.snd.wnd = 0; }},
        change{[](in_established& e, auto&) { e.c.snd.wl1 = e.c.rcv.nxt + 1; }},
        change{[](in_established& e, auto&) { e.c.receiver = slab_id{0, 1}; }},
        change{[](in_established& e, auto&) { e.c.accurate = slab_id{0, 1}; }},
        change{[](in_established& e, auto&) { e.c.ecn_accurate = true; }},
        change{[](in_established& e, auto&) { e.c.ecn = true; }},
        change{[](in_established& e, auto&) { e.c.ce_last = true; }},
        change{[](in_established& e, auto&) { e.c.reader_gone = true; }},
        change{[](in_established& e, auto&) { e.c.refuses_text = true; }},
        change{[](in_established& e, auto&) { e.c.rare.make()->adv_uto = 1; }},
        change{[](in_established& e, auto&) { e.c.path_mtu = 1'000; }},
        change{[](in_established& e, auto&) { e.c.timer = retransmission_timer::persist; }},
        change{[](in_established& e, auto&) { e.c.timer = retransmission_timer::reorder; }},
        change{[](in_established& e, auto&) { e.c.sender = {}; }},
        change{[](in_established&, auto& s) { s.board.mark_lost(s.board.first_unacked()); }},
        change{[](in_established& e, auto& s) {
            s.board.on_sack({e.c.snd.una + size, e.c.snd.una + 2 * size}, [](const transmission&, bool) {});
        }},
        change{[](in_established& e, auto& s) {  // SACKed once, and reneged since
            s.board.on_sack({e.c.snd.una + size, e.c.snd.una + 2 * size}, [](const transmission&, bool) {});
            s.board.renege();
            s.board.on_retransmit(e.c.snd.una, e.c.snd.una + size, e.st.now, {});
        }},
        change{[](in_established& e, auto& s) {
            s.board.on_retransmit(e.c.snd.una, e.c.snd.una + size, e.st.now, {});
        }},
        change{[](in_established&, auto& s) { s.board.emulate_sack(size); }},
        change{[](in_established&, auto& s) { s.search.size = 1'400; }},
        change{[](in_established&, auto& s) { s.search.asked = 1'064; }},
        change{[](in_established& e, auto& s) {  // fast recovery, though all marks are taken back
            const transmission late{.first = e.c.snd.nxt - size, .last = e.c.snd.nxt, .sent_at = e.st.now};
            path_timing timing = timing_of(e.c, s, e.st.now + duration{1'000'000'000});
            s.recovery.on_delivered(late, timing);
            s.recovery.on_ack({.now = timing.now, .delivered = size, .smss = size},
                              {.newly_sacked = size, .sack_permitted = true}, timing, s.board);
            REQUIRE(s.recovery.in_recovery());
            s.board.clear_marks();
        }},
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        in_established e;
        sender_active<bundle>& s = e.sends();
        const std::vector<std::byte> expected = e.next_text(10, size);
        REQUIRE(is_predicted(e.c, expected, e.st));
        changes[i](e, s);
        e.c.disturb();
        CAPTURE(i);
        CHECK_FALSE(is_predicted(e.c, expected, e.st));
    }
}

#if TCPCO_CHECKED
namespace {

// The segment in `octets` arrives the short way, and the long way at a copy.
bool both_ways_agree(in_established& e, std::vector<std::byte> octets)
{
    const frame_info info{.arrived_at = e.st.now};
    buffer slot = e.host.small.acquire();
    std::copy(octets.begin(), octets.end(), slot.data());
    const slice whole{slot, slot.data(), static_cast<std::uint32_t>(octets.size())};
    const auto tcp = parse_tcp(octets);
    REQUIRE(tcp);
    arriving_segment seg;
    seg.header = tcp->header;
    read_tcp_options(tcp->options, seg.options);
    seg.payload = whole;
    seg.payload.remove_prefix(static_cast<std::uint32_t>(octets.size() - tcp->payload.size()));
    seg.info = info;
    make_room_to_compare(e.c, e.st);
    prediction<bundle> p;
    REQUIRE(is_predicted(e.c, octets, e.st, p));
    REQUIRE(lend_sending_half(e.c, e.st));
    const connection<bundle> expected = arrive_the_long_way(e.c, std::move(seg), e.st);
    take_predicted(e.c, slice{whole}, info, p, e.st);
    return agree(expected, e.c) && sending_halves_agree(e.c, e.st);
}

}  // namespace

TEST_CASE("an acknowledgement in peace covers records, parts of them and all, as on the long way", "[tcp]")
{
    for (const octet_count acked : {octet_count{1}, size - 1, size, size + 1, 2 * size + 7, 3 * size}) {
        for (const std::size_t text : {std::size_t{0}, std::size_t{10}}) {
            CAPTURE(acked, text);
            in_established e;
            sender_active<bundle>& s = e.sends(7);
            s.board.extend_newest(4 * size, 4);
            e.c.snd.nxt += 4 * size;
            e.st.now += duration{30'000'000};
            // What an acknowledgement ends, or moves on.
            s.flight_before_disorder = 5 * size;
            s.resumption_window = size;
            e.c.starved = e.c.timed_out = e.c.send_tuned = true;
            e.c.retries = e.c.unanswered = e.c.keep_probes = e.c.untimed = 2;
            e.c.send.set_limit(1);
            CHECK(both_ways_agree(e, e.next_text(text, acked)));
            s.board.check_invariants();
            CHECK(e.c.snd.una == stream_offset{1} + acked);
            CHECK(s.board.in_flight() == 7 * size - acked);
            CHECK(e.c.send.front() == e.c.snd.una);
            CHECK(e.c.send.limit() > 1);
            CHECK(s.flight_before_disorder == 0);
            CHECK(s.resumption_window > size);
            CHECK(e.c.retries + e.c.unanswered + e.c.keep_probes + e.c.untimed == 0);
            CHECK_FALSE(e.c.timed_out);
            CHECK(e.c.rto.srtt().milliseconds() == 30);
            CHECK(e.c.rcv.nxt == stream_offset{5'000} + static_cast<octet_count>(text));
            CHECK((e.c.events & readiness::writable) != 0);
            CHECK(((e.c.events & readiness::readable) != 0) == (text > 0));
            CHECK(e.c.ts_recent == 101);
            // And the rest of it, at another time.
            e.st.now += duration{10'000'000};
            CHECK(both_ways_agree(e, e.next_text(text, 7 * size - acked)));
            s.board.check_invariants();
            CHECK(s.board.records() == 0);
            CHECK(e.c.timer == retransmission_timer::none);
        }
    }
}

TEST_CASE("the comparison of both ways sees what one of them did not do", "[tcp]")
{
    using change = std::function<void(in_established&, sender_active<bundle>&)>;
    const std::array changes{
        change{[](in_established& e, auto&) { e.c.timer_base += duration{1}; }},
        change{[](in_established&, auto& s) { s.progress_at += duration{1}; }},
        change{[](in_established& e, auto&) { e.c.rto.on_rtt_sample({.rtt = duration{77'000'000}}); }},
        change{[](in_established& e, auto&) { e.c.send.set_limit(5); }},
        change{[](in_established& e, auto& s) {
            s.board.on_plain_ack(e.c.snd.una + 1, [](const transmission&) {});
        }},
        change{[](in_established&, auto& s) { s.board.mark_lost(s.board.first_unacked()); }},
        change{[](in_established&, auto& s) { s.flight_before_disorder = 1; }},
        change{[](in_established&, auto& s) { s.resumption_window = 1; }},
        change{[](in_established&, auto& s) {
            s.congestion.on_congestion_event({.in_flight = 3 * size, .smss = size});
        }},
        change{[](in_established&, auto& s) { s.rate.mark_app_limited(9); }},
        change{[](in_established& e, auto& s) {
            s.recovery.on_timer(retransmission_timer::rto, timing_of(e.c, s, e.st.now), s.board);
        }},
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        in_established e;
        sender_active<bundle>& s = e.sends();
        make_room_to_compare(e.c, e.st);
        REQUIRE(lend_sending_half(e.c, e.st));
        const connection<bundle> before = e.c;
        REQUIRE((agree(before, e.c) && sending_halves_agree(e.c, e.st)));
        changes[i](e, s);
        CHECK_FALSE((agree(before, e.c) && sending_halves_agree(e.c, e.st)));
    }
}
#endif

TEST_CASE("RACK wants to hear of each record where one above, or one that left later, has been delivered", "[tcp]")
{
    using change = std::function<void(in_established&, sender_active<bundle>&)>;
    const auto delivered = [](in_established& e, sender_active<bundle>& s, stream_offset last, duration later) {
        s.recovery.on_delivered({.first = last - 1, .last = last, .sent_at = e.st.now + later},
                                timing_of(e.c, s, e.st.now));
    };
    const std::array changes{
        change{[&](in_established& e, auto& s) { delivered(e, s, e.c.snd.una + 1, duration{-20}); }},
        change{[&](in_established& e, auto& s) { delivered(e, s, e.c.snd.una, duration{1}); }},
        change{[](in_established&, auto& s) { s.recovery = {}; }},  // a peer without SACK
        change{[](in_established& e, auto& s) {  // a probe is on its way
            s.recovery.on_timer(retransmission_timer::pto, timing_of(e.c, s, e.st.now), s.board);
            s.recovery.on_transmit({.first = e.c.snd.nxt, .last = e.c.snd.nxt + 1}, timing_of(e.c, s, e.st.now));
        }},
        change{[](in_established& e, auto& s) {  // after a timeout, whatever has become of the records
            s.recovery.on_timer(retransmission_timer::rto, timing_of(e.c, s, e.st.now), s.board);
            s.board.clear_marks();
        }},
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        in_established e;
        sender_active<bundle>& s = e.sends();
        delivered(e, s, e.c.snd.una, duration{-9});
        REQUIRE(s.recovery.awaits_plain_ack(s.board));
        changes[i](e, s);
        CAPTURE(i);
        CHECK_FALSE(s.recovery.awaits_plain_ack(s.board));
    }
}

TEST_CASE("a run is as long as text, windows and the bound of packets allow, and none while anything is lost", "[tcp]")
{
    in_established e;
    sender_active<bundle>& s = e.sends();
    const auto run = [&](std::size_t most) { return run_length(e.last(), e.c, e.st, most); };
    CHECK(run(100) == 17);  // cwnd has room for twenty
    CHECK(run(5) == 5);
    CHECK(run(0) == 0);
    leaving_segment small = e.last();
    small.octets = scoreboard::fragment_octets - 1;  // SACK could not tell so many pieces of one record apart
    CHECK(run_length(small, e.c, e.st, 100) == 0);
    small.octets = scoreboard::fragment_octets;
    CHECK(run_length(small, e.c, e.st, 100) > 0);
    e.c.snd.wnd = 7 * size + 999;
    CHECK(run(100) == 4);
    e.c.snd.wnd = 3 * size;
    CHECK(run(100) == 0);
    e.c.snd.wnd = 2 * size;  // it shrank
    CHECK(run(100) == 0);
    e.c.snd.wnd = 50'000;
    const std::vector<std::byte> few(8 * size);
    e.c.send = send_queue{100'000};
    REQUIRE(e.c.send.append(few, e.host.small, e.host.large) == few.size());
    CHECK(run(100) == 4);  // the last one has PSH
    s.board.mark_lost(s.board.first_unacked());
    CHECK(run(100) == 0);
    s.board.clear_marks();
    CHECK(run(100) == 4);
    e.c.sack_permitted = false;  // duplicate ACKs stand for segments, and these for records
    CHECK(run(100) == 0);
}

TEST_CASE("a run that is committed at once is in one record, and counts as its segments one by one", "[tcp]")
{
    in_established one;
    in_established all;
    sender_active<bundle>& s = one.sends();
    sender_active<bundle>& t = all.sends();
    const leaving_segment out = one.last();
    for (int i = 0; i < 6; ++i) {
        commit_run(one.c, out, 1, one.st);
    }
    REQUIRE(t.recovery.timer().kind == retransmission_timer::none);
    commit_run(all.c, out, 6, all.st);
    CHECK(t.recovery.timer().kind == retransmission_timer::pto);  // the policy was told
    CHECK(all.c.snd.nxt == stream_offset{1} + 9 * size);
    CHECK(t.board.records() == 3);
    CHECK(t.board.segments_in_flight() == 9);
    CHECK(t.board.in_flight() == 9 * size);
    const transmission& last = t.board[t.board.find(all.c.snd.nxt - 1)];
    CHECK(last.octets() == 7 * size);
    CHECK(last.wire_segments == 7);
    CHECK(last.sent_at == all.st.now);
    t.board.check_invariants();

    CHECK(s.board.records() == 3);
    CHECK(s.board.in_flight() == t.board.in_flight());
    CHECK(s.board.segments_in_flight() == t.board.segments_in_flight());
    CHECK(s.recovery.timer().at == t.recovery.timer().at);
    CHECK(one.c.snd.nxt == all.c.snd.nxt);
    CHECK(one.c.octets_sent() == all.c.octets_sent());
    CHECK(one.c.stats.segments_sent == all.c.stats.segments_sent);
    CHECK(one.c.stats.data_segments_sent == 6);
    CHECK(all.c.stats.data_segments_sent == 6);
    CHECK(one.host.counters.segments_sent == all.host.counters.segments_sent);
}

TEST_CASE("nothing is sent by who is at rest, and what is owed, waits or is lost ends that", "[tcp]")
{
    in_established e;
    sender_active<bundle>& s = e.sends();
    CHECK_FALSE(is_at_rest(e.c, e.st));  // there is more text
    const auto text = static_cast<octet_count>(e.c.send.size());
    s.board.extend_newest(text - 3 * size, 97);
    e.c.snd.nxt += text - 3 * size;
    REQUIRE(is_at_rest(e.c, e.st));
    CHECK(s.rate.app_limited());
    CHECK_FALSE(e.c.cwnd_limited);
    const auto ends_it = [&](auto& member) {
        member = 1;
        const bool rests = is_at_rest(e.c, e.st);
        member = 0;
        return !rests;
    };
    CHECK(ends_it(e.c.acks_owed));
    e.c.read_since_ack = true;
    CHECK_FALSE(is_at_rest(e.c, e.st));
    e.c.read_since_ack = false;
    e.c.probe_owed = true;
    CHECK_FALSE(is_at_rest(e.c, e.st));
    e.c.probe_owed = false;
    e.c.fin_queued = true;
    CHECK_FALSE(is_at_rest(e.c, e.st));
    e.c.fin_queued = false;
    REQUIRE(is_at_rest(e.c, e.st));
    s.recovery.on_timer(retransmission_timer::pto, timing_of(e.c, s, e.st.now), s.board);
    CHECK_FALSE(is_at_rest(e.c, e.st));  // a probe is due
    s.recovery.on_timer(retransmission_timer::rto, timing_of(e.c, s, e.st.now), s.board);
    CHECK_FALSE(is_at_rest(e.c, e.st));
}

TEST_CASE("who waited for its pace, and has nothing to send after all, becomes quiet", "[tcp]")
{
    for (const bool by_timer : {true, false}) {
        in_established e;
        e.c.sender = e.host.senders.emplace();
        e.st.sender(e.c)->board.start(e.c.snd.una);
        e.c.snd.nxt += 1;  // in flight, and acknowledged before its time
        e.c.wait_for_pace(e.st.now);
        e.c.snd.nxt = e.c.snd.una;
        REQUIRE((e.c.life == life_timer::pacing && e.c.deadline() == e.st.now));
        if (by_timer) {
            advance_connection(e.c, e.st);
        } else {
            forget_pace(e.c, e.st);
        }
        CHECK(e.c.life == life_timer::quiet);
        CHECK(e.c.deadline() > e.st.now);
        CHECK(e.c.deadline() != time_point::never());
    }
    in_established idle;  // who has nothing to send and nothing in flight waits for nothing, and stays as quiet
    idle.c.life = life_timer::quiet;
    idle.c.life_at = idle.st.now + duration{7};
    idle.c.wait_for_pace(idle.st.now);
    CHECK((idle.c.life == life_timer::quiet && idle.c.life_at == idle.st.now + duration{7}));
    in_established ends;  // what ends at its time does not wait
    ends.c.snd.nxt += 1;
    ends.c.life = life_timer::fin_wait_2;
    ends.c.life_at = ends.st.now + duration{5};
    ends.c.wait_for_pace(ends.st.now);
    CHECK((ends.c.life == life_timer::fin_wait_2 && ends.c.life_at == ends.st.now + duration{5}));
}

TEST_CASE("all the text that waits is a plain segment, and so is an ACK that is owed alone", "[tcp][MUST-61]")
{
    for (const bool timestamps : {true, false}) {
        in_established e;
        e.c.timestamps = timestamps;
        e.answers(64);
        plain_segment out;
        REQUIRE(choose_plain(out, e.c, e.st));
        CHECK(out.text.size() == 64);
        CHECK(out.text.front() == std::byte{0x55});
        leaving_segment asked;
        REQUIRE(next_segment(asked, e.c, e.st));
        CHECK(asked == detail::spelled_out(out, e.c, e.st));
        CHECK(asked.psh);

        in_established quiet;
        quiet.c.timestamps = timestamps;
        CHECK_FALSE(choose_plain(out, quiet.c, quiet.st));
        quiet.c.acks_owed = 1;
        out = {};
        REQUIRE(choose_plain(out, quiet.c, quiet.st));  // without a sending half, and below with one
        CHECK(out.text.empty());
        quiet.answers(0);
        REQUIRE(choose_plain(out, quiet.c, quiet.st));
        asked = {};
        REQUIRE(next_segment(asked, quiet.c, quiet.st));
        CHECK(asked == detail::spelled_out(out, quiet.c, quiet.st));
        CHECK(asked.kind == segment_kind::pure_ack);
    }
}

TEST_CASE("a segment that may not leave, or has more to say, is no plain one", "[tcp]")
{
    struct change {
        std::function<void(in_established&, sender_active<bundle>&)> apply;
        bool of_acks = true;  // an ACK alone is not plain then either
    };
    const std::array changes{
        change{[](in_established& e, auto&) { e.c.state = tcp_state::syn_received; }},
        change{[](in_established& e, auto&) { e.c.accurate = slab_id{0, 1}; }},
        change{[](in_established& e, auto&) { e.c.ecn = true; }},
        change{[](in_established& e, auto&) { e.c.receiver = slab_id{0, 1}; }},  // there are SACK blocks to send
        change{[](in_established& e, auto&) { e.c.fin_queued = true; }},
        change{[](in_established& e, auto&) { e.c.probe_owed = true; }},
        change{[](in_established& e, auto&) { e.c.keep_probe_owed = true; }},
        change{[](in_established& e, auto&) { e.c.held_by_mark = true; }},
        change{[](in_established& e, auto&) { e.c.uto_owed = true; }},
        change{[](in_established& e, auto&) { e.c.path_mtu = 1'000; }},
        change{[](in_established& e, auto&) { e.c.low_water = 1; }},
        change{[](in_established& e, auto&) { e.c.acks_owed = 2; }},
        change{[](in_established& e, auto&) { e.c.rare.make()->dsack = {stream_offset{1}, stream_offset{2}}; }},
        change{[](in_established& e, auto&) { e.c.rare.make()->snd_up = e.c.snd.nxt + 1; }},
        change{[](in_established& e, auto&) { e.c.snd.wnd = 0; }, false},
        change{[](in_established& e, auto&) { e.c.snd.wnd = 63; }, false},
        change{[](in_established& e, auto&) { e.c.corked = true; }, false},
        change{[](in_established& e, auto&) { e.c.peer_mss = 75; }, false},  // with timestamps 63 octets
        change{[](in_established& e, auto&) { e.c.last_sent_at = e.st.now - e.c.rto.rto() - duration{1}; }, false},
        change{[](in_established& e, auto&) { e.c.sender = {}; }, false},
        change{[](in_established& e, sender_active<bundle>& s) {
            s.recovery.on_timer(retransmission_timer::pto, timing_of(e.c, s, e.st.now), s.board);
        }},
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        plain_segment out;
        in_established e;
        sender_active<bundle>& s = e.answers(64);
        REQUIRE(choose_plain(out, e.c, e.st));
        changes[i].apply(e, s);
        e.c.disturb();
        CHECK_FALSE(choose_plain(out, e.c, e.st));

        in_established a;
        sender_active<bundle>& t = a.answers(0);
        a.c.acks_owed = 1;
        out = {};
        REQUIRE(choose_plain(out, a.c, a.st));
        changes[i].apply(a, t);
        a.c.disturb();
        CHECK(choose_plain(out, a.c, a.st) != changes[i].of_acks);
    }
}

TEST_CASE("while a connection closes, segments are plain but for the FIN", "[tcp]")
{
    in_established half_closed;
    half_closed.answers(64);
    half_closed.c.state = tcp_state::close_wait;
    plain_segment out;
    CHECK(choose_plain(out, half_closed.c, half_closed.st));
    for (const tcp_state state : {tcp_state::close_wait, tcp_state::fin_wait_1, tcp_state::fin_wait_2,
                                  tcp_state::closing, tcp_state::last_ack, tcp_state::time_wait}) {
        CAPTURE(to_string(state));
        in_established e;
        e.c.state = state;
        e.c.acks_owed = 1;
        e.c.fin_received = true;
        e.c.ack_at = e.st.now + duration{300'000'000'000};  // when CLOSE-WAIT has been held too long
        if (state != tcp_state::close_wait) {
            e.c.fin_queued = true;
            CHECK_FALSE(choose_plain(out, e.c, e.st));
            e.c.snd.una = e.c.snd.nxt = e.c.send.end() + 1;  // the FIN has left
        }
        out = {};
        REQUIRE(choose_plain(out, e.c, e.st));
        leaving_segment asked;
        REQUIRE(next_segment(asked, e.c, e.st));
        CHECK(asked == detail::spelled_out(out, e.c, e.st));
        commit_plain(e.c, out, e.st);
        CHECK(e.c.acks_owed == 0);
        CHECK(e.c.ack_at == e.st.now + duration{300'000'000'000});
    }
}

TEST_CASE("text is plain as far as segment, windows and the gate allow, and no farther", "[tcp][SHLD-7]")
{
    const auto is_plain = [](in_established& e) {
        plain_segment out;
        return choose_plain(out, e.c, e.st);
    };
    in_established e;
    sender_active<bundle>& s = e.answers(size);
    CHECK(is_plain(e));
    e.c.snd.wnd = static_cast<std::uint32_t>(size);
    CHECK(is_plain(e));
    e.c.snd.wnd = static_cast<std::uint32_t>(size - 1);
    CHECK_FALSE(is_plain(e));
    e.c.snd.wnd = 50'000;
    CHECK(e.c.send.append(std::vector<std::byte>(1), e.host.small, e.host.large) == 1);
    CHECK_FALSE(is_plain(e));  // two segments

    // Nagle, and cwnd of 20 segments: while something is in flight.
    in_established f;
    sender_active<bundle>& t = f.answers(64);
    REQUIRE(t.board.on_transmit_new(f.c.snd.nxt, f.c.snd.nxt + 10, f.st.now, 1, {}));
    f.c.snd.nxt += 10;
    CHECK_FALSE(is_plain(f));
    f.c.no_delay = true;
    CHECK(is_plain(f));
    t.board.extend_newest(20 * size - 10 - 54, 1);
    f.c.send = send_queue{1'000'000};
    REQUIRE(f.c.send.append(std::vector<std::byte>(20 * size), f.host.small, f.host.large) == 20 * size);
    f.c.snd.nxt = t.board.nxt();
    CHECK(is_plain(f));  // 54 octets, and just so many fit
    REQUIRE(f.c.send.append(std::vector<std::byte>(1), f.host.small, f.host.large) == 1);
    CHECK_FALSE(is_plain(f));
    f.c.send = send_queue{1'000'000};
    REQUIRE(f.c.send.append(std::vector<std::byte>(20 * size), f.host.small, f.host.large) == 20 * size);
    CHECK(is_plain(f));
    t.board.mark_lost(t.board.first_unacked());
    f.c.disturb();
    CHECK_FALSE(is_plain(f));
    static_cast<void>(s);

    // Twice as many packets as cwnd has full segments are too many.
    in_established g;
    sender_active<bundle>& u = g.answers(104);
    g.c.no_delay = true;
    REQUIRE(u.board.on_transmit_new(g.c.snd.nxt, g.c.snd.nxt + 1, g.st.now, 1, {}));
    u.board.extend_newest(37, 37);
    g.c.snd.nxt = u.board.nxt();
    CHECK(is_plain(g));
    u.board.extend_newest(2, 2);
    g.c.snd.nxt = u.board.nxt();
    CHECK_FALSE(is_plain(g));

    // An ACK alone stands at snd.nxt, unless that is beyond the window.
    in_established h;
    REQUIRE(h.answers(10).board.on_transmit_new(h.c.snd.nxt, h.c.snd.nxt + 10, h.st.now, 1, {}));
    h.c.snd.nxt += 10;
    h.c.acks_owed = 1;
    h.c.snd.wnd = 10;
    CHECK(is_plain(h));
    h.c.snd.wnd = 9;
    CHECK_FALSE(is_plain(h));
}

TEST_CASE("text in two slots is no plain segment", "[tcp]")
{
    in_established e;
    e.answers(10);
    REQUIRE(e.c.send.append(slice{e.host.small.acquire(), nullptr, 0}));
    buffer lent = e.host.small.acquire();
    const std::byte* const first = lent.data();
    REQUIRE(e.c.send.append(slice{std::move(lent), first, 10}));
    plain_segment out;
    CHECK_FALSE(choose_plain(out, e.c, e.st));
    e.c.snd.nxt += 10;
    e.st.sender(e.c)->board.on_transmit_new(stream_offset{1}, stream_offset{11}, e.st.now, 1, {});
    e.c.no_delay = true;
    REQUIRE(choose_plain(out, e.c, e.st));  // what is left is in one
    CHECK(out.text.data() == first);
}

TEST_CASE("a plain segment that is committed leaves what the long way leaves at rest", "[tcp][RFC6298-5.1a]")
{
    for (const std::size_t octets : {64U, 1'000U, 0U}) {
        for (const bool outstanding : {false, true}) {
            CAPTURE(octets, outstanding);
            in_established one;
            in_established two;
            for (in_established* e : {&one, &two}) {
                sender_active<bundle>& s = e->answers(octets + (outstanding ? 10 : 0));
                e->c.no_delay = true;
                e->c.acks_owed = 1;
                e->c.ack_at = e->st.now + duration{5};
                e->c.rcv.nxt += 40;
                e->c.pushed = true;
                e->c.unanswered = 2;
                if (outstanding) {
                    REQUIRE(s.board.on_transmit_new(e->c.snd.nxt, e->c.snd.nxt + 10, e->st.now - duration{7}, 1, {}));
                    e->c.snd.nxt += 10;
                }
            }
            plain_segment plain;
            REQUIRE(choose_plain(plain, one.c, one.st));
            commit_plain(one.c, plain, one.st);
            leaving_segment out;
            REQUIRE(next_segment(out, two.c, two.st));
            commit_segment(two.c, out, two.st);
            rearm_timer(two.c, two.st);
            CHECK(is_at_rest(two.c, two.st));
            CHECK(agree(one.c, two.c));
            CHECK(one.c.timer_base == two.c.timer_base);
            CHECK(one.st.sender(one.c)->progress_at == two.st.sender(two.c)->progress_at);
            CHECK(one.c.last_sent_at == two.c.last_sent_at);
            CHECK(one.c.pushed == two.c.pushed);
            CHECK(one.c.stats.segments_sent == two.c.stats.segments_sent);
            CHECK(one.c.stats.data_segments_sent == two.c.stats.data_segments_sent);
            CHECK(one.c.octets_sent() == two.c.octets_sent());
            CHECK(one.host.counters.segments_sent == two.host.counters.segments_sent);
            const sender_active<bundle>& s = *one.st.sender(one.c);
            const sender_active<bundle>& t = *two.st.sender(two.c);
            CHECK(s.limited_until == t.limited_until);
            CHECK(s.board.in_flight() == t.board.in_flight());
            CHECK(s.recovery.timer().kind == t.recovery.timer().kind);
            CHECK(s.recovery.timer().at == t.recovery.timer().at);
            CHECK(s.times.cause() == t.times.cause());
            CHECK(s.rate.app_limited() == t.rate.app_limited());
            if (octets > 0) {
                const transmission& a = s.board.newest();
                const transmission& b = t.board.newest();
                CHECK(a.first == b.first);
                CHECK(a.last == b.last);
                CHECK(a.sent_at == b.sent_at);
                CHECK(a.stamp.delivered_at == b.stamp.delivered_at);
                CHECK(a.stamp.first_sent_at == b.stamp.first_sent_at);
                CHECK(a.stamp.in_flight == b.stamp.in_flight);
                CHECK(a.stamp.app_limited == b.stamp.app_limited);
            }
        }
    }
}
