// Why is it slow? How long a connection had something to send, and what it waited for meanwhile.
//
// Busy is the time with octets queued or unacknowledged. Of it, one cause at a time: the peer's window; our send
// buffer, which was too small for what the path holds; cwnd. What is left was limited by the application or by nobody.
// Linux's tcp_info counts the first three alike (tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited); cwnd is
// ours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tcpco/core/time.hpp"

namespace tcpco {

enum class send_limit : std::uint8_t { idle, none, receive_window, send_buffer, congestion_window };

class limited_times {
public:
    // From `now` on this is the cause. Cheap where nothing changes.
    constexpr void change(send_limit cause, time_point now) noexcept
    {
        if (cause != cause_) {
            if (cause_ != send_limit::idle) {
                spent_[place_of(cause_)] += now - since_;
            }
            cause_ = cause;
            since_ = now;
        }
    }
    constexpr send_limit cause() const noexcept { return cause_; }

    // What was spent with `cause`, which is not `idle`, until `now`.
    constexpr duration spent(send_limit cause, time_point now) const noexcept
    {
        const duration before = spent_[place_of(cause)];
        return cause == cause_ ? before + (now - since_) : before;
    }
    friend constexpr bool operator==(const limited_times&, const limited_times&) noexcept = default;

private:
    static constexpr std::size_t place_of(send_limit cause) noexcept { return static_cast<std::size_t>(cause) - 1; }

    std::array<duration, 4> spent_{};  // without idle
    time_point since_{};
    send_limit cause_ = send_limit::idle;
};

}  // namespace tcpco
