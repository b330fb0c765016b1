// The laws of congestion controllers by name, with where each comes from; and the events that scripts are made of.
#pragma once

#include <cstdint>

#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace congestion_law {

inline constexpr law one_segment{"the window is never below one segment", "RFC 5681 3.1"};
inline constexpr law initial_window{"a connection begins with the window it is given", "RFC 6928 2"};
inline constexpr law limited_growth{"no growth while the window is not the limit", "RFC 7661 4.3, RFC 9438 4.2"};
inline constexpr law earned_growth{"ACKs add what they delivered, however many they are", "RFC 3465 2, RFC 5681 3.1"};
inline constexpr law only_acks_grow{"nothing but an ACK of new data makes the window grow", "RFC 5681 3.1"};
inline constexpr law no_growth_in_recovery{"no growth in recovery", "RFC 5681 3.2"};
inline constexpr law loss_reduces{"loss lowers the window and ssthresh", "RFC 5681 3.1, RFC 9743"};
inline constexpr law loss_share{"a loss takes 15 % of the window or more", "RFC 5681 3.1, RFC 9438 4.6, RFC 8511 3"};
inline constexpr law measured_cut{"a reduction leaves a quarter, else a product has wrapped", "RFC 5681 3.1"};
inline constexpr law lost_again{"a lost retransmission lowers the window again", "RFC 5681 4.3"};
inline constexpr law one_reduction{"one reduction in a round trip", "RFC 5681 3.2, RFC 3168 6.1.2"};
inline constexpr law mark_never_raises{"a mark never raises the window", "RFC 3168 6.1.2"};
inline constexpr law heeds_marks{"eight rounds of nothing but marks leave half of the window", "RFC 3168 6.1.2"};
inline constexpr law loss_window{"a timeout leaves one segment", "RFC 5681 3.1"};
inline constexpr law timeout_ssthresh{"a timeout sets ssthresh by what was in flight", "RFC 5681 3.1"};
inline constexpr law repeated_timeout{"a repeated timeout leaves ssthresh alone", "RFC 5681 3.1"};
inline constexpr law undo_window{"what was spurious gives the window back", "RFC 4015 3.2"};
inline constexpr law undo_ssthresh{"what was spurious gives ssthresh back", "RFC 4015 3.2"};
inline constexpr law idle_restart{"after idle time the restart window is the most", "RFC 5681 4.1"};
inline constexpr law smss_change{"another segment size does not raise the window", "RFC 5681 3.1"};
inline constexpr law no_overflow{"nothing overflows at 2^32-1 octets", "policy/congestion/limits.hpp"};
inline constexpr law large_stays{"no ACK halves a window of 2^31 octets where nothing queues", "RFC 5681 3.1"};
inline constexpr law large_growth{"a large window grows as a small one does", "policy/congestion/limits.hpp"};
inline constexpr law slow_avoidance{"above ssthresh twenty rounds do not double the window",
                                    "RFC 5681 3.1, RFC 9438 4.2"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated, a copy undoes"};

}  // namespace congestion_law

struct sender_event {
    enum class kind : std::uint8_t {
        establish,
        send,
        ack,
        sack,
        packet_loss,
        loss,
        lost_again,
        mark,
        probe_repaired,
        timeout,
        spurious,
        idle,
        smss,
        marked_rounds,
        large_window
    };
    kind what = kind::ack;
    std::uint32_t a = 0;  // what they mean: see detail::congestion_suite
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    std::uint32_t d = 0;
    bool flag = false;
};

}  // namespace tcpco::testing
