// A listener: a local address that accepts connections (RFC 9293 3.10.1, passive OPEN).
//
// The SYN queue (half_open) and the accept queue are bounded separately; what exceeds a bound is the syn_defence
// policy's question. An established connection waits in the accept queue until accept() takes it: it is never lost
// because the accept loop is busy.
#pragma once

#include <cstdint>

#include "tcpco/core/address.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/ring_deque.hpp"
#include "tcpco/storage/slab.hpp"

namespace tcpco {

struct listener {
    endpoint local{};
    std::uint32_t backlog = 128;  // of the accept queue
    std::uint32_t half_open = 0;  // children in SYN-RECEIVED
    std::uint32_t half_open_limit = 128;  // of the SYN queue
    bool abort_on_overflow = false;       // a handshake that ends while the accept queue is full: RST, not silence
    time_point cookies_until{};           // when the last SYN cookie is void
    std::uint32_t fast_open_limit = 0;    // opened by a Fast Open cookie (RFC7413-4.2a); 0: cookies are ignored
    std::uint32_t fast_open_pending = 0;  // how many there are
    errc error = errc::ok;                // why it accepts no more
    std::uint16_t maximum_segment = 0;    // of its connections: connect_options::maximum_segment
    ring_deque<slab_id> queue{};  // established, not yet accepted
    ready_node waiting{};         // head of the list of suspended accept() calls

    listener(endpoint l, std::uint32_t b) : local{l}, backlog{b}, half_open_limit{b}
    {
        waiting.next = waiting.prev = &waiting;
    }
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    // The waiting completions belong to their coroutines; they must not point into a listener that is gone.
    ~listener()
    {
        while (waiting.next != &waiting) {
            waiting.next->unlink();
        }
        waiting.next = waiting.prev = nullptr;
    }
};

}  // namespace tcpco
