// The laws of loss recoveries by name, with where each comes from. That the pipe is right is none of them: the board
// keeps it, and a policy can only mark.
#pragma once

#include <cstddef>
#include <iterator>

#include "tcpco/policy/events.hpp"
#include "tcpco/testing/law.hpp"

namespace tcpco::testing {

namespace recovery_law {

inline constexpr law completes{"every segment arrives, whatever was lost", "RFC 9293 3.8.1"};
inline constexpr law no_storm{"what is sent is bounded by what was lost", "RFC 5681 3.2"};
inline constexpr law only_outstanding{"only what is outstanding is sent again", "RFC 2018 5"};
inline constexpr law right_marks{"nothing that was acknowledged is marked lost", "RFC 2018 5"};
inline constexpr law no_needless{"where nothing was lost or late nothing is sent again", "RFC 9293 3.8.1"};
inline constexpr law fast_retransmit{"a loss with enough above it needs no timeout", "RFC 5681 3.2"};
inline constexpr law not_held_back{"the first segment of a recovery waits for no window", "RFC 5681 3.2"};
inline constexpr law one_passes{"one segment at a time passes the window", "RFC 5681 3.2, RFC 8985 7.3"};
inline constexpr law true_verdicts{"a verdict and in_recovery() agree", "policy/concepts.hpp"};
inline constexpr law reported{"nothing is sent again before its loss is reported", "RFC 5681 3.2, 4.3"};
inline constexpr law again_reported{"what is sent a third time was reported lost again", "RFC 5681 4.3, RFC 8985 9.3"};
inline constexpr law one_entry{"one recovery for a window of data", "RFC 6582 3.2, RFC 6675 5"};
inline constexpr law true_undo{"what was lost and is repaired is not called needless", "RFC 4015 3.1"};
inline constexpr law again_once{"lost retransmissions count once in a round trip", "RFC 5681 4.3"};
inline constexpr law timer_ends{"a timer that fired is over", "RFC 8985 8"};
inline constexpr law timeout_comes{"silence ends in a timeout", "RFC 6298 5"};
inline constexpr law timeout_resends{"after a timeout the first segment is sent again", "RFC 6298 5.4"};
inline constexpr law settles{"where all was acknowledged nothing is left of a recovery", "policy/concepts.hpp"};
inline constexpr law same_state{"the same events give the same state", "a run can be repeated"};

}  // namespace recovery_law

inline const char* name_of(verdict_kind k)
{
    constexpr const char* names[] = {"none", "enter", "exit", "lost_again", "tlp_repaired", "spurious"};
    return static_cast<std::size_t>(k) < std::size(names) ? names[static_cast<std::size_t>(k)] : "?";
}

}  // namespace tcpco::testing
