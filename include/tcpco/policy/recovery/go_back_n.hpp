// No fast retransmit: loss is noticed by the retransmission timeout alone, and then everything outstanding is sent
// again, under slow start (RFC 9293 section 3.8.1, RFC 6298 section 5). The yardstick for the other recoveries.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/recovery/marking.hpp"

namespace tcpco::recovery {

class go_back_n {
public:
    struct config {};

    constexpr go_back_n() noexcept = default;
    constexpr explicit go_back_n(const config&) noexcept {}

    constexpr void on_transmit(const transmission&, const path_timing&) noexcept {}

    template <class Board>
    constexpr recovery_verdict on_ack(const ack_info&, const sack_info&, const path_timing&, Board&) noexcept
    {
        return {};
    }

    template <class Board>
    constexpr recovery_verdict on_timer(retransmission_timer kind, const path_timing&, Board& board) noexcept
    {
        if (kind == retransmission_timer::rto) {
            board.mark_all_lost();
        }
        return {};
    }

    template <class Board>
    constexpr send_decision next(const Board& board, octet_count) noexcept
    {
        return next_lost(board);
    }

    constexpr timer_request timer() const noexcept { return {}; }
    constexpr bool in_recovery() const noexcept { return false; }
};

static_assert(policy<go_back_n> && std::is_empty_v<go_back_n>);

}  // namespace tcpco::recovery
