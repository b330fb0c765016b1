#include "tcpco/tcp/send_room.hpp"

#include <array>
#include <cstddef>

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/congestion/fixed_window.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery_rate/pass_through.hpp"
#include "tcpco/tcp/segment_run.hpp"

using namespace tcpco;

namespace {

struct rfc6675 : default_policies {
    using congestion = tcpco::congestion::fixed_window;
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::sack>;
    using recovery_rate = reduction::pass_through;
};

constexpr octet_count smss = 1'000;

constexpr stream_offset at(std::int64_t segment) { return stream_offset{1 + segment * smss}; }

}  // namespace

TEST_CASE("the pipe counts what was sent again before it was lost twice (RFC 6675 SetPipe)",
          "[tcp][RFC6675-4c][RFC9937-6.2d]")
{
    sender_active<rfc6675> s;
    s.board.start({1});
    const path_timing timing{.smss = smss};
    for (std::int64_t i = 0; i < 8; ++i) {
        REQUIRE(s.board.on_transmit_new(at(i), at(i + 1), {}, 1, {}));
    }
    const auto sack = [&](std::int64_t first, std::int64_t last) {
        const ack_result r = s.board.on_sack({at(first), at(last)}, [](const transmission&, bool) {});
        const ack_info a{.newly_sacked = r.newly_sacked, .una = at(0), .nxt = at(8), .smss = smss};
        s.recovery.on_ack(a, {.newly_sacked = r.newly_sacked, .has_blocks = true, .sack_permitted = true}, timing,
                          s.board);
    };
    const auto send_again = [&](const send_decision& d) {
        REQUIRE(d.action == send_action::retransmit);
        REQUIRE(s.board.on_retransmit(d.range.first, d.range.last, {}, {}));
        s.recovery.on_transmit(s.board[s.board.find(d.range.first)], timing);
    };
    CHECK(detail::pipe_of(s) == 8 * smss);
    sack(1, 4);
    CHECK(detail::pipe_of(s) == 4 * smss);  // 0 is lost
    send_again(s.recovery.next(s.board, smss));
    sack(5, 6);
    CHECK(detail::pipe_of(s) == 4 * smss);  // 0 again, and 4, 6, 7
    send_again(s.recovery.without_data(s.board, smss));
    CHECK(s.board.in_flight() == 4 * smss);
    CHECK(detail::pipe_of(s) == 5 * smss);  // 4 twice
    sack(6, 8);
    CHECK(detail::pipe_of(s) == 2 * smss);  // 4 is lost by now, and one of its copies was
}

TEST_CASE("of segments that repeat one another no more leave than the pipe has room for, which counts copies twice",
          "[tcp][RFC6675-4c][RFC6675-5h]")
{
    tcp_host<rfc6675> host{{}, {}, {}, {}};
    step<rfc6675> st{host, time_point{1'000'000'000}};
    connection<rfc6675> c;
    tcpco::begin(c, {"192.0.2.1"_ip, 7}, {"192.0.2.2"_ip, 8}, nullptr, st);
    c.state = tcp_state::established;
    c.snd.una = c.snd.nxt = at(0);
    c.snd.wnd = c.snd.max_wnd = 60'000;
    c.peer_mss = c.smss = smss;
    c.sack_permitted = true;
    const std::array<std::byte, 8 * smss> text{};
    leaving_segment out;
    const auto leaves = [&] {
        out = {};
        const bool any = next_segment(out, c, st) && out.length() > 0;
        if (any) {
            commit_segment(c, out, st);
        }
        return any;
    };
    REQUIRE(c.send.append(text, host.small, host.large) == text.size());
    while (leaves()) {
    }
    REQUIRE(c.snd.nxt == at(8));
    sender_active<rfc6675>& s = *st.sender(c);
    const auto sack = [&](std::int64_t first, std::int64_t last) {
        const ack_result r = s.board.on_sack({at(first), at(last)}, [](const transmission&, bool) {});
        const ack_info a{.newly_sacked = r.newly_sacked, .una = at(0), .nxt = at(8), .smss = smss};
        s.recovery.on_ack(a, {.newly_sacked = r.newly_sacked, .has_blocks = true, .sack_permitted = true},
                          {.smss = smss}, s.board);
    };
    sack(1, 4);
    sack(5, 6);
    s.recovery_rate.on_enter({.ssthresh = 8 * smss});
    REQUIRE(leaves());  // 0, which is lost
    REQUIRE(leaves());  // 4, which is not: in flight are 0, 4 twice, 6 and 7
    REQUIRE(out.seq == at(4));
    REQUIRE(detail::pipe_of(s) == 5 * smss);
    REQUIRE(c.send.append(text, host.small, host.large) == text.size());
    REQUIRE(leaves());
    int repeated = 0;
    while (may_repeat(out, c, st) && repeat_segment(out, c, st)) {
        commit_segment(c, out, st);
        ++repeated;
    }
    CHECK(repeated == 2);
    CHECK(detail::pipe_of(s) == 8 * smss);
    CHECK_FALSE(leaves());
}
