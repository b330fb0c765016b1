// A path that drops what may be marked (ECT) and lets the rest through: to such a connection every new segment is a
// loss, and as retransmissions leave without ECT (RFC3168-6.1.5a) they get through, it crawls from timeout to timeout.
// RFC 3168 6.1.1.1 has the way back for SYNs only; Linux and FreeBSD know none for data.
//
// Here: recoveries are counted as long as none of the octets that left with ECT, and were not sent again, is delivered.
// After three of them in a row new data goes without ECT, for the rest of the connection; marks are still echoed. An
// outage counts once, however long, and any segment that gets through with ECT begins the count anew: on a path that
// loses a tenth of everything at random, three lone segments in a row are lost once in a thousand, and nothing is lost
// then but the marks.
//
// The next connection to that address does not ask for ECN (ecn_refusals.hpp). SYNs that get lost for their flags:
// ecn.hpp.
#pragma once

#include "tcpco/tcp/connection.hpp"

namespace tcpco {

inline constexpr unsigned ect_trials = 3;  // recoveries without any sign of ECT, as many as ect_failures can count

// A recovery begins, or a probe has repaired a loss.
template <class B>
void note_missing(connection<B>& c, step<B>& st) noexcept
{
    if ((c.ecn || c.ecn_accurate) && is_synchronized(c.state) && c.ect_failures < ect_trials) {
        c.ect_failures = (c.ect_failures + 1U) & ect_trials;
        if (c.ect_failures == ect_trials) {
            st.host.ecn_refused.learn(c.remote.address, st.now);
        }
    }
}

// An ACK. `ect`: of octets that left with ECT, and were not sent again.
template <class B>
void note_delivered(connection<B>& c, bool ect) noexcept
{
    if (ect && c.ect_failures < ect_trials) {
        c.ect_failures = 0;
    }
}

// The path lets ECT through, as far as is known.
constexpr bool ect_passes(const transmission_control_block& c) noexcept { return c.ect_failures < ect_trials; }

}  // namespace tcpco
