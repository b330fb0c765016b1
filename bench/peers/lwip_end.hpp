// One end of connections in memory: a whole lwIP, whose network interface is a function of its caller's. There is one lwIP
// in a process, so each end is a module of its own with the same code and globals of its own (lwip_end.cpp).
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace tcpco_bench {

struct lwip_end {
    using wire = bool (*)(const iovec* frame, int pieces);

    // At 198.18.0.<number>, with services on port 7, which sends back what comes, and 9, which reads. Frames leave by
    // `out`. Once.
    void (*start)(unsigned number, wire out);
    // A frame from the wire, copied into a buffer of the stack's and looked at in run(). False: there was no buffer.
    wire deliver;
    // Looks at up to `most` frames that came, and at all that the loopback interface has; says how many came.
    std::size_t (*run)(std::size_t most);
    // Time passes: the stack has no other clock.
    void (*advance)(unsigned milliseconds);

    // To 198.18.0.<number>, 0: to itself through the loopback interface. A name for write() and close(), or null.
    void* (*connect)(unsigned number, std::uint16_t port);
    // Copies, and sends what may be sent; how many octets there was room for.
    std::size_t (*write)(void* connection, const char* octets, std::size_t n);
    void (*close)(void* connection);
    // Octets that were read so far on connections that this end opened, and on those that it accepted.
    std::uint64_t (*read_by_clients)();
    std::uint64_t (*read_by_services)();
    // Connections that both have closed, of those that this end opened.
    std::uint64_t (*ended)();
    // Text of a full segment.
    std::size_t segment_octets;
};

}  // namespace tcpco_bench

extern "C" const tcpco_bench::lwip_end* lwip_end_of_module();
