#include "pair_of_stacks.hpp"

#include <utility>

namespace tcpco::bench {

namespace {

mac_address mac_of(std::uint8_t number)
{
    mac_address mac = network_config{}.mac;
    mac.octets[5] = number;
    return mac;
}

stack_config<default_policies> config(ip_prefix address, std::uint8_t number, std::uint32_t connections)
{
    stack_config<default_policies> c{.address = address};
    c.network.mac = mac_of(number);
    c.limits.connections = connections;
    c.time_wait.msl = 1_us;  // time hardly passes here: ports would run out
    c.seed = number;
    return c;
}

}  // namespace

pair_of_stacks::pair_of_stacks(offload o, std::uint32_t more)
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

pair_of_stacks::~pair_of_stacks() = default;

pair_of_stacks::pair_of_ends pair_of_stacks::connect()
{
    pair_of_ends ends{.a = a.connect({b.address(), 7}, {.no_delay = true}).value};
    exchange();
    ends.b = b.accept(listener_).value;
    b.set_no_delay(ends.b, true);
    return ends;
}

void pair_of_stacks::exchange(std::size_t burst)
{
    now_ += 1_us;
    a.advance(now_);
    b.advance(now_);
    while (move(a, b, burst) + move(b, a, burst) > 0) {
    }
}

std::size_t pair_of_stacks::move(basic_stack<>& from, basic_stack<>& to, std::size_t burst)
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
            carried_.emplace_back(slice{std::move(slot), first, static_cast<std::uint32_t>(f.size())}, f.info);
            return sink_verdict::done;
        },
        burst);
    to.receive(now_, carried_);
    carried_.clear();
    frames += n;
    return n;
}

}  // namespace tcpco::bench
