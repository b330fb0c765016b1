#include "tcpco/tcp/send_room.hpp"

#include "catch.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/policy/recovery/sack.hpp"

using namespace tcpco;

namespace {

struct rfc6675 : default_policies {
    using recovery = tcpco::recovery::with_undo<tcpco::recovery::sack>;
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
