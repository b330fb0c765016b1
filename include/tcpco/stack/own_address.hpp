// The address of a stack and what follows from it: which destinations are its own, which are everybody's.
#pragma once

#include <optional>

#include "tcpco/core/address.hpp"

namespace tcpco {

class own_address {
public:
    explicit own_address(const ip_prefix& prefix) noexcept : prefix_{prefix}
    {
        if (prefix.address.is_v4()) {
            v4_ = prefix.address.v4();
        }
        if (prefix.address.is_v4() && prefix.length < 31) {
            broadcast_ = prefix.broadcast();  // none on a /31 or /32 (RFC 3021)
        }
    }

    const ip_prefix& prefix() const noexcept { return prefix_; }
    bool is_ours(const ip_address& a) const noexcept { return a == prefix_.address; }
    bool is_ours(ipv4_address a) const noexcept { return v4_ && a == *v4_; }
    // What never leaves this stack.
    bool is_local(const ip_address& a) const noexcept { return is_ours(a) || (a.is_v4() && a.v4().is_loopback()); }
    bool is_local(ipv4_address a) const noexcept { return is_ours(a) || a.is_loopback(); }
    bool is_broadcast(ipv4_address a) const noexcept
    {
        return a.is_limited_broadcast() || (broadcast_ && a == *broadcast_);
    }
    // The subnet's own number: RFC 1122 3.3.6 knew it as an old form of broadcast.
    bool is_network(ipv4_address a) const noexcept
    {
        return prefix_.address.is_v4() && prefix_.length < 31 && prefix_.contains(ip_address{a}) &&
               (a.value & (0xFFFFFFFFu >> prefix_.length)) == 0;
    }

private:
    ip_prefix prefix_;
    std::optional<ipv4_address> v4_;  // the address, where it is one: each packet is compared with it
    std::optional<ipv4_address> broadcast_;
};

}  // namespace tcpco
