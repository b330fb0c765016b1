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
    // With one connection from a to b, at_a and at_b; there is room for `more` besides.
    explicit pair_of_stacks(offload o = offload::none, std::uint32_t more = 15)
        : a{config("192.0.2.1/24"_net, 1, more + 1)}, b{config("192.0.2.2/24"_net, 2, more + 1)},
          pool_{o == offload::segmentation ? 66'560u : 2'048u, o == offload::segmentation ? 64u : 4'096u}
    {
        const device_config device{.tx_checksum_offload = o != offload::none,
                                   .tso4 = o == offload::segmentation,
                                   .tso_max = o == offload::segmentation ? 65'535u : 0u};
        a.configure_device(device);
        b.configure_device(device);
        a.set_neighbour(b.address().v4(), mac_of(2));
        b.set_neighbour(a.address().v4(), mac_of(1));
        listener_ = b.listen({b.address(), 7}, 1'024).value;
        const pair_of_ends first = connect();
        at_a = first.a;
        at_b = first.b;
    }

    struct pair_of_ends {
        connection_id a{};
        connection_id b{};
    };

    // One more connection, Nagle off at both ends.
    pair_of_ends connect()
    {
        pair_of_ends ends{.a = a.connect({b.address(), 7}, {.no_delay = true}).value};
        exchange();
        ends.b = b.accept(listener_).value;
        b.set_no_delay(ends.b, true);
        return ends;
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
    static mac_address mac_of(std::uint8_t number)
    {
        mac_address mac = network_config{}.mac;
        mac.octets[5] = number;
        return mac;
    }
    static stack_config<default_policies> config(ip_prefix address, std::uint8_t number, std::uint32_t connections)
    {
        stack_config<default_policies> c{.address = address};
        c.network.mac = mac_of(number);
        c.limits.connections = connections;
        c.time_wait.msl = 1_us;  // time hardly passes here: ports would run out
        c.seed = number;
        return c;
    }

    std::size_t move(basic_stack<>& from, basic_stack<>& to, std::size_t burst)
    {
        if (!from.has_output()) {
            return 0;
        }
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
    listener_id listener_{};
    time_point now_{1'000'000'000};
};

}  // namespace tcpco::bench
