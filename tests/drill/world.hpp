// What a script is played against: sockets, a wire on which the script is the peer, and a time.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "drill/packets.hpp"
#include "interop/posix_world.hpp"

namespace tcpco_test::drill {

class world {
public:
    world() = default;
    world(const world&) = delete;
    world& operator=(const world&) = delete;
    virtual ~world() = default;

    virtual posix_test::sockets& calls() = 0;
    virtual std::int64_t now() = 0;                        // microseconds since the start
    virtual void wait_until(std::int64_t time) = 0;        // whatever comes meanwhile is kept
    virtual bool wait_for_packet(std::int64_t limit) = 0;  // until one is there (true) or `limit` has passed
    virtual void inject(const octets& packet) = 0;
    virtual const char* name() const = 0;                  // as scripts call it: "tcpco" or "kernel"
    virtual std::int64_t tolerance() const { return 0; }   // beyond the script's, microseconds
    virtual void opened(int) {}                            // a descriptor of the script's
    virtual std::int64_t longest_wait() const = 0;         // for a packet that may come whenever it likes

    std::deque<std::pair<std::int64_t, octets>> packets;  // that the stack sent, with their times
};

}  // namespace tcpco_test::drill
