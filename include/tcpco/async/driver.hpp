// The one place where a stack, a device and a reactor meet.
//
// A driver is a participant of its reactor's turns. It refers to the three and owns only the pool of packet slots that
// frames arrive in. Declare it after them: destroying it takes the device's descriptor out of the reactor.
//
//     basic_stack<> net{...};  tap link = tap::open({.name = "tap0"});  system_reactor reactor;
//     driver link_driver{net, link, reactor};
//     reactor.run(serve(net));
//
// Per turn: collect() receives all frames that were harvested, gives back what was written, advances the stack, and
// hands what became ready to the executor. After the applications ran, up to `budget` frames are transmitted.
//
// A virtio_net_hdr is taken off what comes in and put before what goes out here, so neither stack nor decorators see
// one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/shutdown.hpp"
#include "tcpco/async/vnet_header.hpp"

namespace tcpco {

struct driver_options {
    std::uint32_t slots = 0;         // packet slots; 0: 64 where super-frames may come, else 512
    // About so many octets are read before the stack looks at them and acknowledges: 4 super-frames; small ones, 64.
    // They are still in the cache then, and the ACK leaves while most of a peer's window is on its way: with 16
    // super-frames, a whole window of 1 MiB, each side waited for the other.
    std::size_t batch_octets = 262'144;
    std::size_t budget = 256;        // frames transmitted per turn
    std::uint16_t interface = 0;     // frame_info::interface of what arrives
};

struct driver_counters {
    std::uint64_t received = 0;         // frames handed to the stack
    std::uint64_t runts = 0;            // shorter than the virtio_net_hdr
    std::uint64_t transmitted = 0;      // frames taken from the stack
    std::uint64_t blocked_turns = 0;    // turns that ended with output that the device refused
};

template <network_stack Stack, device Device, reactor Reactor>
class driver final : public turn_participant {
    static constexpr bool by_fd = fd_device<Device>;
    static constexpr std::size_t most_at_once = 64;
    static_assert(!by_fd || fd_reactor<Reactor>, "this reactor does no I/O: use a polled device, such as memory_link");

public:
    driver(Stack& stack, Device& dev, Reactor& reactor, driver_options options = {})
        : stack_{stack}, device_{dev}, reactor_{reactor}, options_{usable(options)},
          pool_{slot_size(dev), options.slots != 0 ? options.slots : (super_frames(dev) ? 64U : 512U)}
    {
        arrived_.reserve(most_at_once);
        configure_stack();
        if constexpr (by_fd) {
            port_ = reactor_.open_port({.fd = device_.fd(),
                                        .writes_inline = device_.writes_inline(),
                                        .batch_octets = options_.batch_octets},
                                       pool_);
        }
        reactor_.add(*this);
    }
    // Without a driver the stack has no device: whoever still waits on a socket is told network_down (a coroutine of
    // this reactor resumes when it next turns).
    ~driver() override
    {
        stack_.device_lost(errc::network_down);
        stack_.dispatch(reactor_.get_executor());
        reactor_.remove(*this);
        if constexpr (by_fd) {
            port_->close();
            give_back();
        }
    }

    void collect(time_point now) override
    {
        if constexpr (by_fd) {
            collect_from_port(now);
        } else {
            device_.advance(now);
            device_.harvest(now, pool_, [&](frame&& f) { from_device(now, std::move(f)); });
        }
        if constexpr (decorated_device<Device>) {
            device_.hooks().advance(
                now, pool_, [&](frame&& f) { to_stack(now, std::move(f)); },
                [&](const outgoing_frame& out, const buffer& keep) { return to_device(now, out, keep); });
        }
        hand_over(now);
        stack_.advance(now);
        stack_.dispatch(reactor_.get_executor());
    }

    void after_applications(time_point now) override
    {
        auto sink = [&](const outgoing_frame& out) {
            const sink_verdict verdict = from_stack(now, out);
            refused_ = refused_ || verdict == sink_verdict::refused;
            return verdict;
        };
        refused_ = false;
        if (stack_.has_output()) {
            counters_.transmitted += stack_.transmit(now, sink, options_.budget);
        }
        counters_.blocked_turns += refused_ ? 1 : 0;
        if constexpr (requires { stack_.is_shut_down(); }) {
            if (stack_.is_shut_down() && !stack_.has_output()) {
                shut_down_.set();
            }
        }
        stack_.dispatch(reactor_.get_executor());  // transmitting can free what a writer waits for
    }

    // A device that has refused is asked again when it says that it is writable, not before.
    time_point deadline() const noexcept override
    {
        time_point at = stack_.deadline();
        if constexpr (!by_fd) {
            at = std::min(at, device_.deadline());
        }
        if constexpr (decorated_device<Device>) {
            at = std::min(at, std::as_const(device_).hooks().deadline());
        }
        if constexpr (requires { stack_.has_news(); }) {
            if (stack_.has_news()) {
                return time_point::min();  // a call outside of a turn ended somebody's wait
            }
        }
        if (stack_.has_output() && (!refused_ || can_send())) {
            at = time_point::min();
        }
        return at;
    }

    void abort_all([[maybe_unused]] time_point now) override
    {
        aborted_ = true;
        if constexpr (requires { stack_.abort_all(now); }) {
            stack_.abort_all(now);
        }
    }

    // The graceful end: FIN to all, then turns until the last connection is gone or `grace` has passed, then RST to the
    // rest and one more turn. Returns true when nothing had to be reset. Call it outside of coroutines.
    bool close_all(duration grace)
        requires requires(Stack& s, time_point now) {
            s.close_all(now);
            s.abort_all(now);
            s.connection_count();
        }
    {
        const time_point limit = reactor_.now() + grace;
        aborted_ = false;
        stack_.close_all(reactor_.now());
        while (stack_.connection_count() != 0 && reactor_.now() < limit) {
            if (!reactor_.turn(limit - reactor_.now())) {
                break;  // nothing more can happen
            }
        }
        const bool graceful = stack_.connection_count() == 0 && !aborted_;
        if (!graceful) {
            stack_.abort_all(reactor_.now());
        }
        static_cast<void>(reactor_.turn(duration::zero()));
        return graceful;
    }

    // The same, awaited by a coroutine of this reactor: see async/shutdown.hpp. Called twice, the later time counts.
    shutdown_operation<driver> shutdown(duration grace) noexcept
        requires requires(Stack& s, time_point now) {
            s.shutdown(now, now);
            s.is_shut_down();
        }
    {
        return {*this, grace, shut_down_};
    }
    void begin_shutdown(duration grace) noexcept { stack_.shutdown(reactor_.now(), reactor_.now() + grace); }
    bool was_graceful() const noexcept { return stack_.cut_off() == 0 && !aborted_; }

    buffer_pool& pool() noexcept { return pool_; }
    const driver_counters& counters() const noexcept { return counters_; }
    // Of the file descriptor's port.
    const port_counters& io_counters() const noexcept
        requires by_fd
    {
        return port_->counters();
    }

private:
    // None at all in a turn would be turns without end: one frame is the least.
    static driver_options usable(driver_options options) noexcept
    {
        options.batch_octets = std::max<std::size_t>(options.batch_octets, 1);
        options.budget = std::max<std::size_t>(options.budget, 1);
        return options;
    }

    static std::size_t header_size(const Device& dev) noexcept
    {
        if constexpr (by_fd) {
            return dev.vnet_header_size();
        } else {
            return 0;
        }
    }
    static bool super_frames(const Device& dev) noexcept { return dev.max_frame() > 16'384; }

    // At least an octet more than the largest frame: a read that fills its slot may have been cut.
    static std::size_t slot_size(const Device& dev) noexcept
    {
        const std::size_t needed = header_size(dev) + dev.max_frame() + 1;
        if (super_frames(dev)) {
            return std::max<std::size_t>((needed + 511) / 512 * 512, 66'560);
        }
        return std::max<std::size_t>((needed + 63) / 64 * 64, 2'048);
    }

    // A stack that can be told about its device has a `device_config` with any of these members.
    void configure_stack()
    {
        if constexpr (requires(typename Stack::device_config c) { stack_.configure_device(c); }) {
            typename Stack::device_config c{};
            if constexpr (requires { c.mtu; }) {
                c.mtu = static_cast<decltype(c.mtu)>(device_.mtu());
            }
            if constexpr (requires { c.ethernet; }) {
                c.ethernet = device_.framing() == link_framing::ethernet;
            }
            if constexpr (requires { device_.offload(); }) {
                configure_offload(c);
            }
            stack_.configure_device(c);
        }
    }
    template <class Config>
    void configure_offload(Config& c) const
    {
        const device_offload offload = device_.offload();
        if constexpr (requires { c.tx_checksum_offload; }) {
            c.tx_checksum_offload = offload.tx_checksum;
        }
        if constexpr (requires { c.tso4; }) {
            c.tso4 = offload.tso4;
        }
        if constexpr (requires { c.tso6; }) {
            c.tso6 = offload.tso6;
        }
        if constexpr (requires { c.tso_max; }) {
            c.tso_max = static_cast<decltype(c.tso_max)>(offload.tso_max);
        }
    }

    void collect_from_port(time_point now)
    {
        give_back();
        for (frame& f : port_->received()) {
            if (strip(f)) {
                from_device(now, std::move(f));
            } else {
                ++counters_.runts;
            }
        }
        port_->received().clear();
        hand_over(now);
        if (port_->failure() != errc::ok && !lost_) {
            lost_ = true;
            stack_.device_lost(port_->failure());
        }
    }

    // Tells the stack of the frames that were written.
    void give_back()
    {
        for (const transmit_token token : port_->written()) {
            stack_.transmitted(token);
        }
        port_->written().clear();
    }

    // Takes the virtio_net_hdr off a frame and keeps what it said.
    bool strip(frame& f) const noexcept
    {
        const std::size_t header = header_size(device_);
        if (header == 0) {
            return true;
        }
        if (f.data.size < header) {
            return false;
        }
        vnet_header h;
        std::memcpy(&h, f.data.data, sizeof h);
        f.data.remove_prefix(static_cast<std::uint32_t>(header));
        f.info = read_vnet_header(h, f.data.octets(), device_.framing());
        return true;
    }

    void from_device(time_point now, frame&& f)
    {
        f.info.arrived_at = now;
        f.info.interface = options_.interface;
        if constexpr (decorated_device<Device>) {
            device_.hooks().ingress(now, std::move(f), [&](frame&& g) { to_stack(now, std::move(g)); });
        } else {
            to_stack(now, std::move(f));
        }
    }

    void to_stack(time_point now, frame&& f)
    {
        ++counters_.received;
        f.info.arrived_at = now;
        f.info.interface = options_.interface;
        arrived_.push_back(std::move(f));
        if (arrived_.size() == most_at_once || pool_.available() == 0) {  // the next one may need a slot of these
            hand_over(now);
        }
    }

    // A stack that takes many frames at once can put together what continues one another.
    void hand_over(time_point now)
    {
        if constexpr (requires { stack_.receive(now, std::span{arrived_}); }) {
            stack_.receive(now, std::span{arrived_});
        } else {
            for (frame& f : arrived_) {
                stack_.receive(now, std::move(f));
            }
        }
        arrived_.clear();
    }

    sink_verdict from_stack(time_point now, const outgoing_frame& out)
    {
        if constexpr (decorated_device<Device>) {
            return device_.hooks().egress(
                now, out, buffer{},
                [&](const outgoing_frame& next, const buffer& keep) { return to_device(now, next, keep); });
        } else {
            return to_device(now, out, buffer{});
        }
    }

    sink_verdict to_device([[maybe_unused]] time_point now, const outgoing_frame& out, const buffer& keep)
    {
        if constexpr (by_fd) {
            const std::size_t header = header_size(device_);
            if (header == 0) {
                return port_->send({}, out, keep);
            }
            const vnet_prefix prefix = encode_vnet_header(make_vnet_header(out, device_.framing()));
            return port_->send(std::span{prefix}.first(header), out, keep);
        } else {
            return device_.send(now, out);
        }
    }

    bool can_send() const noexcept
    {
        if constexpr (by_fd) {
            return port_->writable();
        } else {
            return false;  // a polled device's own deadline says when it has room again
        }
    }

    Stack& stack_;
    Device& device_;
    Reactor& reactor_;
    driver_options options_;
    buffer_pool pool_;
    std::unique_ptr<frame_port> port_{};
    std::vector<frame> arrived_{};  // for the stack, in this turn
    driver_counters counters_{};
    async_event shut_down_;
    bool refused_ = false;
    bool lost_ = false;
    bool aborted_ = false;  // the impatient stop came during close_all()
};

}  // namespace tcpco
