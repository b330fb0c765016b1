// SYN cookies (RFC 4987 3.6; mechanism: tcp/syn_cookie.hpp): where the half-open connections of a listener are as many
// as it may have, a SYN gets an answer that needs no record, so a flood of forged SYNs keeps nobody out. By default
// only then (RFC4987-4a): a cookie forgets the options of peers without timestamps, and a lost SYN,ACK is not
// repeated.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::syn {

class cookies {
public:
    enum class when : std::uint8_t { off, on_overflow, always };

    struct config {
        when use = when::on_overflow;
        // true: an RST instead of silence where a SYN is not admitted. The client fails at once, where a moment later
        // it would have been served.
        bool reset_when_full = false;
    };

    constexpr cookies() noexcept = default;
    constexpr explicit cookies(const config& c) noexcept : config_{c} {}

    // With the accept queue full no SYN is worth an answer: its connection would have no place.
    constexpr syn_answer admit(const syn_info& s) const noexcept
    {
        if (s.unaccepted < s.backlog) {
            if (config_.use == when::always) {
                return syn_answer::cookie;
            }
            if (s.half_open < s.half_open_limit) {
                return syn_answer::accept;
            }
            if (config_.use == when::on_overflow) {
                return syn_answer::cookie;
            }
        }
        return config_.reset_when_full ? syn_answer::reset : syn_answer::drop;
    }

private:
    config config_{};
};

static_assert(syn_defence<cookies> && std::is_trivially_copyable_v<cookies> && sizeof(cookies) == 2);

}  // namespace tcpco::syn
