// How a stack is set up: its addresses, its limits, and what its device can do.
#pragma once

#include <cstdint>
#include <optional>

#include "tcpco/core/address.hpp"
#include "tcpco/core/seed.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/stack/flow_owner.hpp"
#include "tcpco/tcp/connection.hpp"
#include "tcpco/tcp/settings.hpp"

namespace tcpco {

// What the network layer needs, whatever the policies.
struct network_config {
    ip_prefix address{};   // of this stack, with its subnet: "198.18.0.2/24"_net
    ip_address gateway{};  // next hop for everything else; unspecified: none, such destinations are unreachable
    mac_address mac{{0x02, 0x74, 0x63, 0x70, 0x63, 0x6f}};  // locally administered; must be unique on its link
    bool ethernet = true;                                   // false: the device carries bare IP packets (TUN)
    std::uint16_t mtu = 1500;                               // IP packet octets; less than 576 counts as 576
    // DF on all that is sent, and ICMP's word on what a path can take believed (RFC 1191, RFC7323-5.7a). Off: routers
    // may fragment. On by default, as everywhere: PAWS needs it, and fragments get lost in firewalls.
    bool path_mtu_discovery = true;
    // And where ICMP is filtered (Linux's tcp_mtu_probing is off by default; here a black hole costs some seconds once,
    // not the connection). Means nothing where path_mtu_discovery is off.
    tcpco::path_probing path_probing = tcpco::path_probing::on_black_hole;
    // Off: what the device could do for us is not asked of it, neither checksums nor the cutting of segments.
    bool offloads = true;
    std::uint8_t ttl = 64;                                  // MUST-49
    std::uint32_t neighbours = 1024;                        // ARP entries
    duration neighbour_lifetime{
        60'000'000'000};                   // RFC 826 says nothing; RFC 1122 2.3.2.1 suggests the order of a minute
    duration arp_interval{1'000'000'000};  // at most one request a second per address (RFC 1122 2.3.2.1)
    std::uint8_t arp_tries = 3;            // then host_unreachable
};

struct stack_limits {
    std::uint32_t connections = 65'536;
    std::uint32_t listeners = 1'024;
    // Connections that their users closed and that still send or wait for the peer's FIN. Each keeps its send buffer,
    // and a peer that acknowledges nothing keeps it for minutes: this bounds what such peers can take from those who
    // are served. One more is reset on close(), and counted (Linux's tcp_max_orphans). A quarter of the connections;
    // close_all() and shutdown() are exempt.
    std::uint32_t orphans = 16'384;
    // Connections in TIME-WAIT that nobody holds any more, 64 octets each. As many as connections: a thousand closings
    // a second with 60 s each, and 4 MiB when full. Beyond it the oldest is forgotten, and counted. 0: none, each keeps
    // its connection until it is over.
    std::uint32_t time_wait = 65'536;
    // Half-open connections as compact records, 64 octets each (IPv4), over all listeners, each of which has a limit of
    // its own (listen_options::half_open_limit). One more stays a whole connection, as all do with 0.
    std::uint32_t syn_received = 65'536;
    // While so many are half-open, or fewer, they stay whole connections, which their ACK finds ready: 1,000 a second
    // at a round trip of 64 ms, and 150 KB. At most an eighth of the connections. 0: all become records.
    std::uint32_t whole_half_open = 64;
    std::uint32_t frame_slots = 1'024;  // 2 KiB each: frames that receive_copy() takes, and replies
    std::uint32_t jumbo_slots = 16;     // 65 KiB each: larger frames that receive_copy() takes
    std::uint32_t small_slots = 4'096;  // 2 KiB each: short writes, small payloads copied out
    std::uint32_t large_slots = 1'024;  // 32 KiB each: bulk writes
    std::uint32_t fast_open_servers = 64;  // whose Fast Open cookies a client keeps; 0: never tries
    std::uint32_t held_frames = 512;    // frames that a device may hold before it reports them transmitted
    std::uint32_t replies = 512;        // RST, ICMP and ARP packets waiting to be sent
};

// The configs of all policies stand beside the rest: stack_config<wan>{.address = ..., .congestion = {...}}.
template <class B>
struct stack_config {
    ip_prefix address{};  // shorthand for network.address
    typename B::congestion::config congestion{};
    typename B::recovery::config recovery{};
    typename B::recovery_rate::config recovery_rate{};
    typename B::rto::config rto{};
    typename B::ack::config ack{};
    typename B::time_wait::config time_wait{};
    typename B::receive_window::config receive_window{};
    typename B::send_gate::config send_gate{};
    typename B::isn::config isn{};
    typename B::syn_defence::config syn_defence{};
    typename B::observer::config observer{};
    tcp_settings tcp{};
    network_config network{};
    stack_limits limits{};
    // All secrets and hash keys derive from it (core/seed.hpp). Nothing here may ask the system for randomness: for
    // real use say `.seed = random_seed()` (reactor/random_seed.hpp), as posix::stack does by itself. An integer is for
    // tests and simulations: the same one gives the same packets. Left out, the secrets are everybody's.
    stack_seed seed{};
    // For one of several stacks at this address, all with the same seed: which connections are its own. connect() takes
    // a port with which the connection is, and answers address_not_available where options.local names another. Left
    // out, all are. device/sharded.hpp sets it.
    flow_owner owner{};

    constexpr policy_configs<B> policies() const
    {
        return {congestion,     recovery,  recovery_rate, rto,         ack,     time_wait,
                receive_window, send_gate, isn,           syn_defence, observer};
    }
};

// What a driver tells the stack about its device, before the first frame.
struct device_config {
    std::uint16_t mtu = 1500;
    std::optional<bool> ethernet{};    // unset: as in the stack's config
    bool tx_checksum_offload = false;  // the device completes TCP checksums
    bool tso4 = false;                 // the device cuts TCP super-frames, over IPv4
    bool tso6 = false;
    std::uint32_t tso_max = 0;  // largest IP packet handed over as one frame
};

}  // namespace tcpco
