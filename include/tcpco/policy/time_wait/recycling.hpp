// A short TIME-WAIT of 3.5 RTO, for those who open and close more connections between the same two addresses than there
// are ports in a minute.
//
// RISKY, and against MUST-13: the RTO says how long an answer takes, not how long a packet may live. A duplicate that a
// path holds back longer (a queue, a route that flaps) reaches the next connection of the same four-tuple; its numbers
// then lie in the new window with a probability of window / 2^32, and its text is delivered. Timestamps (PAWS) protect
// what SEQ does not, so this wants them on, and one peer behind each address: behind a NAT the timestamps of several
// hosts are compared with each other. Linux had this as tcp_tw_recycle and took it out in 4.12 for that reason; unlike
// Linux's, ours never compares timestamps across connections of different ports.
#pragma once

#include <algorithm>
#include <type_traits>

#include "tcpco/policy/time_wait/two_msl.hpp"

namespace tcpco::time_wait {

class recycling {
public:
    struct config {
        duration minimum{0};               // never shorter than this; 0: the RTO's own minimum bounds it
        duration maximum{60'000'000'000};  // never longer: a backed-off RTO must not make it longer than two_msl
        bool accept_syn = true;            // as in two_msl
        bool honour_rst = false;           // as in two_msl
    };

    constexpr recycling() noexcept = default;
    constexpr explicit recycling(const config& c) noexcept : config_{c} {}

    // 3.5 RTO: time for the peer to send its FIN three times (1 + 2 RTO), should our last ACK be lost.
    constexpr duration two_msl(duration rto) const noexcept
    {
        return std::min(std::max(duration{rto.ns / 2 * 7}, config_.minimum), config_.maximum);
    }
    constexpr bool honours_rst() const noexcept { return config_.honour_rst; }
    constexpr time_wait_answer accepts_syn(const time_wait_syn& s) const noexcept
    {
        return config_.accept_syn ? detail::rfc6191(s) : time_wait_answer::ack;
    }

private:
    config config_{};
};

static_assert(time_wait_policy<recycling> && std::is_trivially_copyable_v<recycling> && sizeof(recycling) <= 24);

}  // namespace tcpco::time_wait
