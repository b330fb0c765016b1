// What meets in a driver: a stack without I/O, a device, and a reactor; and the turn in which they meet.
//
// One turn of a reactor is
//
//     wait, and harvest all completions   (the reactor)
//     receive everything, then advance    (each participant's collect())
//     run what became ready, bounded      (the executor)
//     transmit                            (each participant's after_applications())
//     submit once                         (the reactor)
//
// A stack is never advanced before the frames that already wait were received: after a stall the acknowledgement is
// there, and a retransmission timeout would be spurious.
//
// A device is one of two kinds. An fd device names a file descriptor that keeps frame boundaries and leaves I/O to the
// reactor. A polled device moves frames itself. Decorators (capture, impairment) stand between device and stack.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tcpco/async/executor.hpp"
#include "tcpco/core/error.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/frame.hpp"

namespace tcpco {

// What a frame of a device begins with.
enum class link_framing : std::uint8_t { ethernet, ip };

// What a device does for the stack's output, and may hand over on input. Nothing without a virtio_net_hdr.
struct device_offload {
    bool tx_checksum = false;   // completes a TCP or UDP checksum that holds the pseudo-header's sum
    bool tso4 = false;          // cuts TCP super-frames over IPv4
    bool tso6 = false;          // the same over IPv6
    std::uint32_t tso_max = 0;  // largest IP packet handed over as one frame, octets; 0 without TSO

    friend constexpr bool operator==(const device_offload&, const device_offload&) noexcept = default;
};

// Marks frames that no stack waits for (a decorator's copies): never given to transmitted().
inline constexpr transmit_token no_token{0xFFFFFFFF};

// How a reactor drives a stack without knowing its type, so that one reactor drives several.
class turn_participant {
public:
    turn_participant() = default;
    turn_participant(const turn_participant&) = delete;
    turn_participant& operator=(const turn_participant&) = delete;
    virtual ~turn_participant() = default;

    // After the harvest: receive, advance, hand what became ready to the executor.
    virtual void collect(time_point now) = 0;
    // After the applications: transmit.
    virtual void after_applications(time_point now) = 0;
    // When the next turn must come at the latest; anything up to now means at once.
    virtual time_point deadline() const noexcept = 0;
    // The impatient stop: reset what is still open. Transmitting it is left to the following after_applications().
    virtual void abort_all(time_point now) = 0;
};

struct port_options {
    int fd = -1;
    bool writes_inline = false;      // a write never waits and never reorders: a TAP or TUN
    // About so many octets are read before the stack looks at them. See driver_options::batch_octets.
    std::size_t batch_octets = 262'144;
};

// What happened on a port, in frames unless said. Where a decorator or a virtio_net_hdr is in use the figures are of
// what crossed the file descriptor.
struct port_counters {
    std::uint64_t received = 0;
    std::uint64_t received_octets = 0;
    std::uint64_t truncated = 0;        // dropped: the read filled its slot, so the frame may have been longer
    std::uint64_t no_slot = 0;          // times the port had to stop reading until slots came back
    std::uint64_t read_errors = 0;
    std::uint64_t sent = 0;
    std::uint64_t sent_octets = 0;
    std::uint64_t link_down = 0;        // dropped: EIO, the interface is not up
    std::uint64_t send_errors = 0;      // dropped for any other error
    std::uint64_t would_block = 0;      // times the kernel's queue was full; nothing is lost by that
};

// A reactor's way to one file descriptor that keeps frame boundaries. Slots of the pool it was made with hold what is
// read; each such frame begins with a virtio_net_hdr where the descriptor has one.
class frame_port {
public:
    frame_port() = default;
    frame_port(const frame_port&) = delete;
    frame_port& operator=(const frame_port&) = delete;
    virtual ~frame_port() = default;

    // Frames of the last harvest, for the driver to take and clear.
    std::vector<frame>& received() noexcept { return received_; }
    // Tokens of held frames that were written since the driver last cleared this.
    std::vector<transmit_token>& written() noexcept { return written_; }

    // Sends `prefix` (copied) and the frame as one. A buffer in `keep` holds the pieces' memory; then the token is not
    // reported.
    virtual sink_verdict send(std::span<const std::byte> prefix, const outgoing_frame& out, const buffer& keep) = 0;

    // False while a send() is bound to be refused until the kernel says otherwise.
    virtual bool writable() const noexcept = 0;

    // Ends all I/O, and returns when the kernel has let go; what was taken is written or, where that would wait,
    // dropped. Afterwards written() has all tokens that were still out. The destructor does the same.
    virtual void close() noexcept = 0;

    // errc::ok, or why the device is lost for good (network_down).
    errc failure() const noexcept { return failure_; }
    const port_counters& counters() const noexcept { return counters_; }

protected:
    std::vector<frame> received_;
    std::vector<transmit_token> written_;
    port_counters counters_;
    errc failure_ = errc::ok;
};

// Archetypes: the least that a template argument may be called with.
namespace archetype {

struct sink {
    sink_verdict operator()(const outgoing_frame&) const noexcept { return sink_verdict::refused; }
};
struct ingress_next {
    void operator()(frame&&) const noexcept {}
};
struct egress_next {
    sink_verdict operator()(const outgoing_frame&, const buffer&) const noexcept { return sink_verdict::refused; }
};

}  // namespace archetype

// A TCP/IP stack as the driver sees it: DESIGN's contract of the core. Where it has them, the driver also calls
//   configure_device(const typename S::device_config&)   once, before the first turn: see driver.hpp
//   receive(now, std::span<frame>)                       in place of receive(now, frame&&), for all frames of a turn
//   abort_all(now), close_all(now), connection_count()   for the graceful stop
template <class S>
concept network_stack = requires(S& s, const S& cs, time_point now, frame& f, std::size_t budget, executor& ready,
                                 transmit_token token, archetype::sink& sink) {
    s.receive(now, std::move(f));
    s.advance(now);
    { cs.deadline() } -> std::same_as<time_point>;
    { cs.has_output() } -> std::same_as<bool>;
    { s.transmit(now, sink, budget) } -> std::same_as<std::size_t>;  // frames that the sink took
    s.transmitted(token);
    s.dispatch(ready);             // schedules the completions of what became ready
    s.device_lost(errc::network_down);  // ends every wait
};

// Common to all devices. max_frame() counts from the Ethernet or IP header; mtu() is the IP packet's limit on the wire.
template <class D>
concept basic_device = requires(const D& d) {
    { d.framing() } -> std::same_as<link_framing>;
    { d.max_frame() } -> std::convertible_to<std::size_t>;
    { d.mtu() } -> std::convertible_to<std::uint32_t>;
};

template <class D>
concept fd_device = basic_device<D> && requires(const D& d) {
    { d.fd() } -> std::same_as<int>;
    { d.vnet_header_size() } -> std::convertible_to<std::size_t>;  // 0, 10 or 12
    { d.offload() } -> std::same_as<device_offload>;
    { d.writes_inline() } -> std::same_as<bool>;
};

// harvest() copies each frame that has arrived by `now` into a slot of `pool` and emits it; when the pool refuses, the
// frame is dropped and counted. send() copies: it answers done or refused.
template <class D>
concept polled_device = basic_device<D> && requires(D& d, const D& cd, time_point now, buffer_pool& pool,
                                                    const outgoing_frame& out, archetype::ingress_next& next) {
    d.harvest(now, pool, next);
    { d.send(now, out) } -> std::same_as<sink_verdict>;
    { cd.deadline() } -> std::same_as<time_point>;
    d.advance(now);
};

// Stands between device and stack. ingress() and egress() pass a frame on, now or later, any number of times, changed
// or not. What a decorator keeps longer than the call is a copy in memory of its own: it must not pin the stack's
// slots. advance() is called each turn and emits what is due, with slots of the driver's pool.
template <class D>
concept frame_decorator = requires(D& d, const D& cd, time_point now, frame& in, const outgoing_frame& out,
                                   const buffer& keep, buffer_pool& pool, archetype::ingress_next& up,
                                   archetype::egress_next& down) {
    d.ingress(now, std::move(in), up);
    { d.egress(now, out, keep, down) } -> std::same_as<sink_verdict>;
    { cd.deadline() } -> std::same_as<time_point>;
    d.advance(now, pool, up, down);
};

// A device with decorators on it: device/decorated.hpp.
template <class D>
concept decorated_device = requires(D& d) {
    d.underlying();
    { d.hooks() } -> frame_decorator;
};

template <class D>
concept device = fd_device<D> || polled_device<D>;

// Anything that runs turns: reactor_base and what derives from it.
template <class R>
concept reactor = requires(R& r, const R& cr, turn_participant& p) {
    { r.get_executor() } -> std::same_as<executor&>;
    { cr.now() } -> std::same_as<time_point>;
    r.add(p);
    r.remove(p);
    { r.turn(duration{}) } -> std::same_as<bool>;
};

// A reactor that can also do I/O on a device's file descriptor.
template <class R>
concept fd_reactor = reactor<R> && requires(R& r, const port_options& options, buffer_pool& pool) {
    { r.open_port(options, pool) } -> std::same_as<std::unique_ptr<frame_port>>;
};

}  // namespace tcpco
