// How a socket refers to its stack, which may end first.
#pragma once

#include <utility>

#include "tcpco/stack/socket_types.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

// A counted reference to a stack that may end before its sockets do.
class socket_handle {
public:
    socket_handle() = default;
    explicit socket_handle(stack_port& port) noexcept : anchor_{&port.anchor()} { ++anchor_->references; }
    socket_handle(socket_handle&& other) noexcept : anchor_{std::exchange(other.anchor_, nullptr)} {}
    socket_handle(const socket_handle& other) noexcept : anchor_{other.anchor_}
    {
        if (anchor_ != nullptr) {
            ++anchor_->references;
        }
    }
    socket_handle& operator=(socket_handle other) noexcept
    {
        std::swap(anchor_, other.anchor_);
        return *this;
    }
    [[gnu::always_inline]] ~socket_handle()
    {
        if (anchor_ != nullptr) {
            release_anchor(anchor_);
        }
    }

    // Null when there is no stack, or none any more.
    stack_port* port() const noexcept { return anchor_ == nullptr ? nullptr : anchor_->port; }

private:
    port_anchor* anchor_ = nullptr;
};

}  // namespace tcpco
