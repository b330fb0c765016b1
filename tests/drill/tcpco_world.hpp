// tcpco behind its BSD sockets in virtual time; the device carries bare IP packets to and from a script.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "drill/world.hpp"

namespace tcpco_test::drill {

class tcpco_world final : public world {
public:
    explicit tcpco_world(const stack_config<default_policies>& c = usual()) : stack_{c} {}

    static stack_config<default_policies> usual()
    {
        stack_config<default_policies> c{.address = "198.18.0.1/24"_net};
        c.network.ethernet = false;
        c.network.offloads = false;
        c.limits = {.connections = 16, .listeners = 4, .small_slots = 256, .large_slots = 32};
        c.seed = 1;
        return c;
    }

    posix_test::sockets& calls() override { return calls_; }
    const char* name() const override { return "tcpco"; }
    std::int64_t longest_wait() const override { return 100'000'000'000; }
    std::int64_t now() override { return (reactor_.now() - start).microseconds(); }

    void wait_until(std::int64_t time) override { reactor_.run_until(std::max(at(time), reactor_.now())); }

    // From deadline to deadline of the stack, so as not to run past the packet.
    bool wait_for_packet(std::int64_t limit) override
    {
        const time_point end = at(limit);
        reactor_.run_until(reactor_.now());
        while (packets.empty() && reactor_.now() < end) {
            const time_point soon = reactor_.now() + duration{1'000};
            reactor_.run_until(std::min(end, std::max(soon, stack_.deadline())));
        }
        return !packets.empty();
    }

    void inject(const octets& packet) override
    {
        arriving_.push_back(packet);
        reactor_.run_until(reactor_.now());
    }

private:
    static constexpr time_point start{duration{1'000'000'000}};
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
    posix::host host_{stack_, reactor_};
    posix_test::facade_sockets calls_{host_};
};

}  // namespace tcpco_test::drill
