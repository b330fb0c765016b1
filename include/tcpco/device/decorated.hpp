// A device with decorators on it, itself a device: `decorated link{tap0, capture, impairments};`
//
// The first decorator stands next to the device, the last next to the stack: here the capture sees what crosses the
// TAP, impairments included. All are referred to, not owned.
#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "tcpco/async/concepts.hpp"

namespace tcpco {

// Several decorators as one.
template <frame_decorator... Ds>
class decorator_chain {
    static constexpr std::size_t length = sizeof...(Ds);

public:
    explicit decorator_chain(Ds&... ds) noexcept : chain_{ds...} {}

    template <class Next>
    void ingress(time_point now, frame&& f, Next&& next)
    {
        ingress_from<0>(now, std::move(f), next);
    }
    template <class Next>
    sink_verdict egress(time_point now, const outgoing_frame& out, const buffer& keep, Next&& next)
    {
        return egress_from<length>(now, out, keep, next);
    }
    time_point deadline() const noexcept
    {
        return std::apply(
            [](const Ds&... ds) {
                time_point at = time_point::never();
                ((at = std::min(at, ds.deadline())), ...);
                return at;
            },
            chain_);
    }
    template <class Up, class Down>
    void advance(time_point now, buffer_pool& pool, Up&& up, Down&& down)
    {
        advance_from<0>(now, pool, up, down);
    }

private:
    template <std::size_t I, class Next>
    void ingress_from(time_point now, frame&& f, Next& next)
    {
        if constexpr (I == length) {
            next(std::move(f));
        } else {
            std::get<I>(chain_).ingress(now, std::move(f),
                                        [&](frame&& g) { ingress_from<I + 1>(now, std::move(g), next); });
        }
    }
    template <std::size_t I, class Next>
    sink_verdict egress_from(time_point now, const outgoing_frame& out, const buffer& keep, Next& next)
    {
        if constexpr (I == 0) {
            return next(out, keep);
        } else {
            return std::get<I - 1>(chain_).egress(now, out, keep, [&](const outgoing_frame& o, const buffer& k) {
                return egress_from<I - 1>(now, o, k, next);
            });
        }
    }
    template <std::size_t I, class Up, class Down>
    void advance_from(time_point now, buffer_pool& pool, Up& up, Down& down)
    {
        if constexpr (I < length) {
            std::get<I>(chain_).advance(
                now, pool, [&](frame&& f) { ingress_from<I + 1>(now, std::move(f), up); },
                [&](const outgoing_frame& o, const buffer& k) { return egress_from<I>(now, o, k, down); });
            advance_from<I + 1>(now, pool, up, down);
        }
    }

    std::tuple<Ds&...> chain_;
};

template <device Device, frame_decorator... Ds>
class decorated {
public:
    explicit decorated(Device& dev, Ds&... ds) noexcept : device_{dev}, hooks_{ds...} {}

    Device& underlying() noexcept { return device_; }
    decorator_chain<Ds...>& hooks() noexcept { return hooks_; }
    const decorator_chain<Ds...>& hooks() const noexcept { return hooks_; }

    link_framing framing() const noexcept { return device_.framing(); }
    std::uint32_t mtu() const noexcept { return static_cast<std::uint32_t>(device_.mtu()); }
    std::size_t max_frame() const noexcept { return device_.max_frame(); }
    device_offload offload() const noexcept
        requires requires(const Device& d) { d.offload(); }
    {
        return device_.offload();
    }

    // Of an fd device.
    int fd() const noexcept
        requires fd_device<Device>
    {
        return device_.fd();
    }
    std::size_t vnet_header_size() const noexcept
        requires fd_device<Device>
    {
        return device_.vnet_header_size();
    }
    bool writes_inline() const noexcept
        requires fd_device<Device>
    {
        return device_.writes_inline();
    }

    // Of a polled device.
    template <class Emit>
    void harvest(time_point now, buffer_pool& pool, Emit&& emit)
        requires polled_device<Device>
    {
        device_.harvest(now, pool, emit);
    }
    sink_verdict send(time_point now, const outgoing_frame& out)
        requires polled_device<Device>
    {
        return device_.send(now, out);
    }
    time_point deadline() const noexcept
        requires polled_device<Device>
    {
        return std::as_const(device_).deadline();
    }
    void advance(time_point now)
        requires polled_device<Device>
    {
        device_.advance(now);
    }

private:
    Device& device_;
    decorator_chain<Ds...> hooks_;
};

}  // namespace tcpco
