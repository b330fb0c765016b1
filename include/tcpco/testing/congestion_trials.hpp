// Trials of a congestion controller that take many round trips, and which no script of single events would bring about:
// growth of windows of every size, and marks without end.
//
// A trial plays on a controller of its own, fresh from its config, which takes over a window in congestion avoidance.
// The path is 40 ms long and carries whatever the window allows; each round trip is acknowledged in eight ACKs.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/testing/congestion_law.hpp"
#include "tcpco/testing/controller_handle.hpp"

namespace tcpco::testing {

enum class round_marks : std::uint8_t { none, echoed, counted };  // echoed: by RFC 3168; counted: by RFC 9768

class controller_trial {
public:
    controller_trial(const controller_handle& controller, octet_count smss, octet_count window)
        : policy_{controller.fresh()}, smss_{smss}
    {
        policy_->established({.now = now_,
                              .initial_window = 10 * smss,
                              .smss = smss,
                              .handshake_rtt = rtt,
                              .prior_cwnd = window,
                              .prior_ssthresh = std::max(window / 2, 2 * smss)});
    }

    octet_count cwnd() const { return policy_->answers().cwnd; }

    void rounds(int count, round_marks marks = round_marks::none)
    {
        for (; count > 0; --count) {
            round(marks);
        }
    }

private:
    static constexpr duration rtt{40'000'000};
    static constexpr int acks = 8;

    void round(round_marks marks)
    {
        const octet_count flight = std::max(std::min(cwnd(), congestion::largest_cwnd) / smss_, octet_count{1}) * smss_;
        policy_->sent({.now = now_, .octets = flight, .segments = static_cast<std::uint32_t>(flight / smss_)});
        nxt_ = una_ + flight;
        ++round_;
        octet_count left = flight;
        for (int i = 0; i < acks; ++i) {
            now_ += rtt / acks;
            const octet_count acked = i + 1 == acks ? left : flight / acks / smss_ * smss_;
            acknowledge(acked, left, i == 0, marks);
            left -= acked;
        }
    }

    void acknowledge(octet_count acked, octet_count left, bool first, round_marks marks)
    {
        una_ += acked;
        ack_info a{.now = now_,
                   .acked = acked,
                   .delivered = acked,
                   .in_flight_before = left,
                   .in_flight = left - acked,
                   .una = una_,
                   .nxt = nxt_,
                   .latest_rtt = acked > 0 ? rtt : duration{},
                   .min_rtt = rtt,
                   .srtt = rtt,
                   .round = round_,
                   .round_start = first,
                   .cwnd_limited = true,
                   .smss = smss_};
        if (marks != round_marks::none) {
            const bool counted = marks == round_marks::counted;
            a.ecn = {.ece = true,
                     .ce_segments = counted ? static_cast<std::uint32_t>(acked / smss_) : 0,
                     .ce_octets = counted ? acked : 0,
                     .accurate = counted};
            a.in_recovery = !policy_->grows_beside_marks();
            if (una_ > reduced_until_) {
                reduced_until_ = nxt_;
                policy_->congested({.cause = congestion_cause::ecn_echo,
                                    .in_flight = left,
                                    .smss = smss_,
                                    .now = now_,
                                    .accurate = counted});
            }
        }
        policy_->acked(a);
    }

    std::unique_ptr<controller_handle> policy_;
    time_point now_{1'000'000'000};
    stream_offset una_{1};
    stream_offset nxt_{1};
    stream_offset reduced_until_{};
    std::uint64_t round_ = 0;
    octet_count smss_;
};

// Each trial returns what happened, in words.

// Ten rounds in peace come first: who answers by the share of marked octets has forgotten by then what it began with.
inline std::string try_marks(const controller_handle& policy, octet_count smss, round_marks marks, law_sheet& sheet)
{
    controller_trial trial{policy, smss, 200 * smss};
    trial.rounds(10);
    const octet_count most = std::max(trial.cwnd() / 2, 2 * smss);
    std::string said = "aside, a fresh controller: a window of " + std::to_string(trial.cwnd());
    trial.rounds(8, marks);
    said += ", then eight rounds in which each ACK reports marks" +
            std::string{marks == round_marks::counted ? ", counted" : ""} + ", leave " + std::to_string(trial.cwnd());
    sheet.expect(congestion_law::heeds_marks, trial.cwnd() <= most,
                 [&] { return said + "; the law wants a window of at most " + std::to_string(most); });
    return said;
}

// The larger window has to grow by a quarter of what the small one does, at the least: most grow by the same, or more.
inline std::string try_large_window(const controller_handle& policy, octet_count smss, octet_count window,
                                    law_sheet& sheet)
{
    controller_trial small{policy, smss, 64 * smss};
    controller_trial large{policy, smss, std::max(window, 64 * smss)};
    const octet_count small_before = small.cwnd();
    const octet_count large_before = large.cwnd();
    small.rounds(20);
    large.rounds(20);
    const octet_count growth = small.cwnd() - small_before;
    const octet_count other = large.cwnd() - large_before;
    const std::string said = "aside, fresh controllers: in twenty rounds a window of " + std::to_string(small_before) +
                             " grows by " + std::to_string(growth) + ", one of " + std::to_string(large_before) +
                             " by " + std::to_string(other);
    sheet.expect(congestion_law::slow_avoidance, small.cwnd() <= 2 * small_before,
                 [&] { return said + "; the law wants " + std::to_string(small_before) + " at the most"; });
    sheet.expect(congestion_law::large_growth, growth < 4 * smss || other >= growth / 4,
                 [&] { return said + "; the law wants " + std::to_string(growth / 4) + " at the least"; });
    return said;
}

}  // namespace tcpco::testing
