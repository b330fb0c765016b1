// What a script is played against: sockets, a wire on which the script is the peer, and a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drill/packets.hpp"
#include "interop/posix_world.hpp"

namespace tcpco_test::drill {

// What an administrator has set before: {"tcp_ecn", 1} for net.ipv4.tcp_ecn.
using settings = std::vector<std::pair<std::string, std::uint32_t>>;

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
    virtual std::int64_t lag(std::int64_t) const { return 0; }  // how late a timer of so many microseconds may be
    virtual void opened(int) {}                            // a descriptor of the script's

    // Makes a call that may wait: it goes on while the world goes on.
    virtual void begin(std::function<void()> call) = 0;
    virtual std::optional<std::int64_t> ended() = 0;  // when that call was over; nothing: it still waits
    virtual void give_up() = 0;                       // ends it, whether or not it is over

    virtual std::int64_t longest_wait() const = 0;         // for a packet that may come whenever it likes

    std::deque<std::pair<std::int64_t, octets>> packets;  // that the stack sent, with their times
};

}  // namespace tcpco_test::drill
