// What a parser answers: a view of the packet, or the one reason why it is none.
//
// Every parser of this folder has the same shape: `parse_x(octets)` never reads beyond the span, never throws and never
// allocates; spans in the value point into the octets it was given. Each error enumeration starts with `none` and names
// one reason per counter, since a malformed frame is dropped and counted by reason.
#pragma once

#include "tcpco/core/assert.hpp"

namespace tcpco {

// const auto ip = parse_ipv4(octets);
// if (!ip) { count(ip.error); return; }
// use(ip->header.ttl);
template <class T, class Error>
struct [[nodiscard]] parsed {
    Error error = Error::none;
    T value{};

    constexpr parsed() = default;
    constexpr parsed(Error e) noexcept : error{e} {}
    constexpr parsed(const T& v) noexcept : value{v} {}

    constexpr explicit operator bool() const noexcept { return error == Error::none; }
    constexpr const T& operator*() const noexcept
    {
        TCPCO_ASSERT(error == Error::none);
        return value;
    }
    constexpr const T* operator->() const noexcept
    {
        TCPCO_ASSERT(error == Error::none);
        return &value;
    }
};

}  // namespace tcpco
