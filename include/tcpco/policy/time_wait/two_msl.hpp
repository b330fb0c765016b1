// TIME-WAIT as RFC 9293 wants it: two maximum segment lifetimes (MUST-13), ended early only by a SYN that cannot be old
// (MAY-2, RFC 6191), never by an RST (RFC 1337).
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::time_wait {

// The policy is `time_wait::two_msl` (below); a class cannot have a member of its own name, and the concept asks
// two_msl().
class rfc9293 {
public:
    struct config {
        // RFC 9293 takes 2 minutes. 30 s, hence 60 s in TIME-WAIT, is what Linux and the BSDs do: longer than any path
        // of today keeps a packet.
        duration msl{30'000'000'000};
        bool accept_syn = true;   // MAY-2; false: a SYN is answered with an ACK, as in other synchronized states
        bool honour_rst = false;  // RFC 1337: an RST that answers an old duplicate would end TIME-WAIT too soon
    };

    constexpr rfc9293() noexcept = default;
    constexpr explicit rfc9293(const config& c) noexcept : config_{c} {}

    constexpr duration two_msl() const noexcept { return config_.msl * 2; }
    // RFC1337-3a
    constexpr bool honours_rst() const noexcept { return config_.honour_rst; }

    // RFC 6191 section 2. The timestamps decide where both connections have them; where they are equal, or one has
    // none, the sequence number must lie beyond the peer's FIN. (The two cases of one side without timestamps are not
    // told apart, the stricter rule serves both.)
    // RFC6191-2a, 2b, 2c, 2d, 2e, SHLD-4
    constexpr time_wait_answer accepts_syn(const time_wait_syn& s) const noexcept
    {
        if (!config_.accept_syn) {
            return time_wait_answer::ack;
        }
        if (s.has_timestamps && s.tsval != s.ts_recent) {
            const bool newer = static_cast<std::int32_t>(s.tsval - s.ts_recent) > 0;
            return newer ? time_wait_answer::accept : time_wait_answer::drop;
        }
        return precedes(s.seq, s.rcv_nxt) ? time_wait_answer::drop : time_wait_answer::accept;
    }

private:
    config config_{};
};

using two_msl = rfc9293;

static_assert(time_wait_policy<two_msl> && std::is_trivially_copyable_v<two_msl> && sizeof(two_msl) <= 16);

}  // namespace tcpco::time_wait
