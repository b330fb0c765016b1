// tcpco behind its BSD sockets in virtual time; the device carries bare IP packets to and from a script.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "drill/waiting_call.hpp"
#include "drill/world.hpp"

namespace tcpco_test::drill {

class tcpco_world final : public world {
public:
    explicit tcpco_world(const settings& set = {}) : stack_{config(set)} {}

    // Throws where a setting is none that this stack has.
    static stack_config<default_policies> config(const settings& set)
    {
        stack_config<default_policies> c{.address = "198.18.0.1/24"_net};
        c.network.ethernet = false;
        c.network.offloads = false;
        c.network.path_probing = path_probing::off;  // the kernel does not probe by default
        c.limits = {.connections = 16, .listeners = 4, .small_slots = 256, .large_slots = 32};
        c.seed = 1;
        for (const auto& [name, value] : set) {
            if (name == "tcp_ecn" && value <= 2) {
                constexpr ecn_use uses[] = {ecn_use::off, ecn_use::request, ecn_use::accept};
                c.tcp.ecn = uses[value];
            } else if (name == "tcp_timestamps" && value <= 1) {
                c.tcp.timestamps = value != 0;
            } else if (name == "tcp_sack" && value <= 1) {
                c.tcp.sack = value != 0;
            } else if (name == "tcp_window_scaling" && value <= 1) {
                c.tcp.window_scaling = value != 0;
            } else if (name != "tcp_fastopen") {  // here a matter of the socket alone
                throw std::runtime_error{"net.ipv4." + name + " = " + std::to_string(value) + " is not known"};
            }
        }
        return c;
    }

    posix_test::sockets& calls() override { return calls_; }
    const char* name() const override { return "tcpco"; }
    std::int64_t longest_wait() const override { return 100'000'000'000; }
    std::int64_t now() override { return (reactor_.now() - start).microseconds(); }

    void wait_until(std::int64_t time) override
    {
        while (call_.waits() && reactor_.now() < at(time)) {
            step(at(time));
        }
        reactor_.run_until(std::max(at(time), reactor_.now()));
        look_at_call();
    }
    bool wait_for_packet(std::int64_t limit) override
    {
        reactor_.run_until(reactor_.now());
        while (packets.empty() && reactor_.now() < at(limit)) {
            step(at(limit));
        }
        return !packets.empty();
    }

    void inject(const octets& packet) override
    {
        arriving_.push_back(packet);
        reactor_.run_until(reactor_.now());
        look_at_call();
    }

    void begin(std::function<void()> call) override
    {
        ended_.reset();
        call_.begin(std::move(call));
        look_at_call();
    }
    std::optional<std::int64_t> ended() override { return ended_; }
    void give_up() override { call_.give_up(); }

private:
    static constexpr time_point start{duration{1'000'000'000}};
    // To what is due next, so as not to run past a packet, or past the end of a call that waits.
    void step(time_point end)
    {
        const time_point soon = reactor_.now() + duration{1'000};
        reactor_.run_until(std::min(end, std::max(soon, reactor_.deadline())));
        look_at_call();
    }
    void look_at_call()
    {
        call_.resume();
        if (!ended_ && !call_.waits()) {
            ended_ = now();
        }
    }

    // What the façade turns while a call waits: on the call's thread the script goes on meanwhile.
    struct turning {
        tcpco_world& owner;

        bool turn(duration limit)
        {
            const bool waits = owner.call_.is_here() && limit > duration::zero();
            return waits ? owner.call_.wait() : owner.reactor_.turn(limit);
        }
        executor& get_executor() { return owner.reactor_.get_executor(); }
    };

    static constexpr time_point at(std::int64_t us) { return start + duration{us * 1'000}; }

    // The device: what the stack sends is kept, what the script sends waits to be harvested.
    struct wire {
        tcpco_world& owner;

        link_framing framing() const noexcept { return link_framing::ip; }
        std::uint32_t mtu() const noexcept { return 1'500; }
        std::size_t max_frame() const noexcept { return 1'500; }
        device_offload offload() const noexcept { return {}; }
        sink_verdict send(time_point now, const outgoing_frame& out)
        {
            octets packet(out.size());
            out.copy_to(packet.data());
            owner.packets.emplace_back((now - start).microseconds(), std::move(packet));
            return sink_verdict::done;
        }
        template <class Emit>
        void harvest(time_point, buffer_pool& pool, Emit&& emit)
        {
            for (auto packets = std::exchange(owner.arriving_, {}); !packets.empty(); packets.pop_front()) {
                emit(copy_frame(pool, packets.front(), frame_info{}));
            }
        }
        time_point deadline() const noexcept { return owner.arriving_.empty() ? time_point::never() : time_point{}; }
        void advance(time_point) noexcept {}
    };

    std::deque<octets> arriving_;
    virtual_reactor reactor_{{.start = start}};
    basic_stack<> stack_;
    wire wire_{*this};
    driver<basic_stack<>, wire, virtual_reactor> driver_{stack_, wire_, reactor_};
    turning turning_{*this};
    posix::host host_{stack_, turning_};
    posix_test::facade_sockets calls_{host_};
    std::optional<std::int64_t> ended_;
    waiting_call call_;
};

}  // namespace tcpco_test::drill
