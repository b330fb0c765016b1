// Two stacks in memory and a wire between them, for what counts the stack's own cost: no coroutines, no device.
#pragma once

#include "tcpco/core.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace tcpco::bench {

enum class offload { none, checksum, segmentation };

// A wire that copies each frame once, as a device does, into the slots of the receiver's pool.
class pair_of_stacks {
public:
    explicit pair_of_stacks(offload o)
        : a{config("192.0.2.1/24"_net, 1)}, b{config("192.0.2.2/24"_net, 2)},
          pool_{o == offload::segmentation ? 66'560u : 2'048u, o == offload::segmentation ? 64u : 2'048u}
    {
        const device_config device{.tx_checksum_offload = o != offload::none,
                                   .tso4 = o == offload::segmentation,
                                   .tso_max = o == offload::segmentation ? 65'535u : 0u};
        a.configure_device(device);
        b.configure_device(device);
        a.set_neighbour(b.address().v4(), config("192.0.2.2/24"_net, 2).network.mac);
        b.set_neighbour(a.address().v4(), config("192.0.2.1/24"_net, 1).network.mac);
        const listener_id listener = b.listen({b.address(), 7}).value;
        at_a = a.connect({b.address(), 7}, {.no_delay = true}).value;
        exchange();
        at_b = b.accept(listener).value;
        b.set_no_delay(at_b, true);
    }

    basic_stack<> a;
    basic_stack<> b;
    connection_id at_a{};
    connection_id at_b{};
    std::uint64_t frames = 0;

    // What a driver's turn does, until nothing is left to do. Each turn takes at most `burst` frames from a stack, so
    // that ACKs come while there is still something to send.
    void exchange(std::size_t burst = 16)
    {
        now_ += 1_us;
        a.advance(now_);
        b.advance(now_);
        while (move(a, b, burst) + move(b, a, burst) > 0) {
        }
    }

private:
    static stack_config<default_policies> config(ip_prefix address, std::uint8_t number)
    {
        stack_config<default_policies> c{.address = address};
        c.network.mac.octets[5] = number;
        c.limits.connections = 16;
        c.seed = number;
        return c;
    }

    std::size_t move(basic_stack<>& from, basic_stack<>& to, std::size_t burst)
    {
        const std::size_t n = from.transmit(
            now_,
            [&](const outgoing_frame& f) {
                buffer slot = pool_.acquire();
                if (!slot) {
                    return sink_verdict::refused;
                }
                f.copy_to(slot.data());
                const std::byte* first = slot.data();
                to.receive(now_, frame{slice{std::move(slot), first, static_cast<std::uint32_t>(f.size())}, f.info});
                return sink_verdict::done;
            },
            burst);
        frames += n;
        return n;
    }

    buffer_pool pool_;
    time_point now_{1'000'000'000};
};

}  // namespace tcpco::bench
