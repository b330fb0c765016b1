// One of several stacks that share an address, with its queue, its driver and what has happened on it. sharded makes
// them: device/sharded.hpp.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tcpco/async/driver.hpp"
#include "tcpco/async/flow_steering.hpp"
#include "tcpco/device/decorated.hpp"
#include "tcpco/reactor/system_reactor.hpp"
#include "tcpco/stack/basic_stack.hpp"
#include "tcpco/stack/flow_owner.hpp"

namespace tcpco {

// What happened on one shard, or on all together.
struct shard_counters {
    stack_counters stack{};
    driver_counters link{};
    port_counters io{};  // of devices with a file descriptor
    steering_counters steering{};

    shard_counters& operator+=(const shard_counters& other) noexcept
    {
        using words = std::array<std::uint64_t, sizeof(shard_counters) / 8>;
        static_assert(std::has_unique_object_representations_v<shard_counters> && sizeof(words) == sizeof(*this),
                      "counters are 64-bit words and nothing else");
        auto sum = std::bit_cast<words>(*this);
        const auto more = std::bit_cast<words>(other);
        for (std::size_t i = 0; i < sum.size(); ++i) {
            sum[i] += more[i];
        }
        return *this = std::bit_cast<shard_counters>(sum);
    }
};

// As its program sees it. Everything belongs to the shard's thread, and stays until all programs and all connections
// have come to their ends.
template <class Bundle, class Device>
class shard {
public:
    using stack_type = basic_stack<Bundle>;
    using device_type = decorated<Device, flow_steering>;
    using driver_type = driver<stack_type, device_type, system_reactor>;

    shard(system_reactor& reactor, Device device, const stack_config<Bundle>& config, const driver_options& options)
        : reactor_{reactor}, owner_{config.owner}, device_{std::move(device)},
          steering_{config.owner, device_.framing() == link_framing::ethernet, config.network.mac},
          steered_{device_, steering_}, net_{config}, link_{net_, steered_, reactor, options}
    {
    }

    std::uint32_t index() const noexcept { return owner_.index(); }
    std::uint32_t count() const noexcept { return owner_.count(); }
    const flow_owner& owner() const noexcept { return owner_; }

    stack_type& net() noexcept { return net_; }
    system_reactor& reactor() noexcept { return reactor_; }
    driver_type& link() noexcept { return link_; }
    Device& device() noexcept { return device_; }
    flow_steering& steering() noexcept { return steering_; }

    shard_counters counters() const noexcept
    {
        shard_counters c{
            .stack = net_.counters(), .link = link_.counters(), .io = {}, .steering = steering_.counters()};
        if constexpr (fd_device<Device>) {
            c.io = link_.io_counters();
        }
        return c;
    }

private:
    system_reactor& reactor_;
    flow_owner owner_;
    Device device_;
    flow_steering steering_;
    device_type steered_;
    stack_type net_;
    driver_type link_;
};

}  // namespace tcpco
