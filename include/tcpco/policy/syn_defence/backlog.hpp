// SYNs are admitted up to the listener's limits, of half-open connections and of those that wait for accept(); the rest
// is dropped, so that the client tries again a second later (RFC 4987 section 3). No cookies.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::syn {

class backlog {
public:
    struct config {
        // true: an RST instead of silence. The client fails at once, where a moment later it would have been served.
        bool reset_when_full = false;
    };

    constexpr backlog() noexcept = default;
    constexpr explicit backlog(const config& c) noexcept : config_{c} {}

    constexpr syn_answer admit(const syn_info& s) const noexcept
    {
        if (s.half_open < s.half_open_limit && s.unaccepted < s.backlog) {
            return syn_answer::accept;
        }
        return config_.reset_when_full ? syn_answer::reset : syn_answer::drop;
    }

private:
    config config_{};
};

static_assert(syn_defence<backlog> && std::is_trivially_copyable_v<backlog> && sizeof(backlog) == 1);

}  // namespace tcpco::syn
