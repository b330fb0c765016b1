// Counts every kind of event, and sums what is worth summing: for tests and for a first look at a run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/observer/events.hpp"

namespace tcpco::observers {

class counting {
public:
    struct config {};

    struct counters {
        std::uint64_t state_changes = 0;
        std::array<std::uint64_t, tcp_state_count> entered{};  // by the state that was entered
        std::uint64_t segments_sent = 0;                       // on the wire: a super-frame counts as many
        std::uint64_t octets_sent = 0;
        std::uint64_t segments_received = 0;
        std::uint64_t octets_received = 0;
        std::uint64_t retransmissions = 0;
        std::uint64_t octets_retransmitted = 0;
        std::uint64_t frames_dropped = 0;
        std::uint64_t rtt_samples = 0;
        std::uint64_t cwnd_changes = 0;
        std::array<std::uint64_t, 3> recoveries_undone{};  // by spurious_cause
        std::array<std::uint64_t, event::timer_kind_count> timers{};  // by timer_kind
    };

    constexpr counting() noexcept = default;
    constexpr explicit counting(const config&) noexcept {}

    constexpr void on(const event::state_changed& e) noexcept
    {
        ++count_.state_changes;
        ++count_.entered[static_cast<std::size_t>(e.to)];
    }
    constexpr void on(const event::segment_sent& e) noexcept
    {
        count_.segments_sent += e.wire_segments;
        count_.octets_sent += static_cast<std::uint64_t>(e.octets);
    }
    constexpr void on(const event::segment_received& e) noexcept
    {
        count_.segments_received += e.wire_segments;
        count_.octets_received += static_cast<std::uint64_t>(e.octets);
    }
    constexpr void on(const event::retransmitted& e) noexcept
    {
        ++count_.retransmissions;
        count_.octets_retransmitted += static_cast<std::uint64_t>(e.range.octets());
    }
    constexpr void on(const event::frame_dropped&) noexcept { ++count_.frames_dropped; }
    constexpr void on(const event::rtt_measured&) noexcept { ++count_.rtt_samples; }
    constexpr void on(const event::cwnd_changed&) noexcept { ++count_.cwnd_changes; }
    constexpr void on(const event::recovery_undone& e) noexcept
    {
        ++count_.recoveries_undone[static_cast<std::size_t>(e.cause)];
    }
    constexpr void on(const event::timer_fired& e) noexcept { ++count_.timers[static_cast<std::size_t>(e.kind)]; }

    constexpr const counters& count() const noexcept { return count_; }

private:
    counters count_{};
};

static_assert(observer<counting> && std::is_trivially_copyable_v<counting>);

}  // namespace tcpco::observers
