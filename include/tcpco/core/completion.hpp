// A completion: who is told that an asynchronous operation is finished.
//
// One function pointer and an intrusive link, no allocation, no virtual table, no coroutine: the core can hold one
// without knowing what stands behind it. Whoever completes an operation hands the completion to the executor's ready
// queue (async/executor.hpp); it is never invoked from inside the core.
#pragma once

#include <cstdint>

namespace tcpco {

// A link of the doubly linked ready queue. Linked nodes must not move; a node that is destroyed unlinks itself, so a
// coroutine frame destroyed while it is queued leaves no trace.
struct ready_node {
    ready_node* next = nullptr;
    ready_node* prev = nullptr;

    ready_node() = default;
    ready_node(const ready_node&) = delete;
    ready_node& operator=(const ready_node&) = delete;
    ~ready_node() { unlink(); }

    bool linked() const noexcept { return next != nullptr; }

    void unlink() noexcept
    {
        if (linked()) {
            next->prev = prev;
            prev->next = next;
            next = prev = nullptr;
        }
    }

    // Inserts this node before `position` (with a list's head as position: at its end).
    void link_before(ready_node& position) noexcept
    {
        next = &position;
        prev = position.prev;
        prev->next = this;
        position.prev = this;
    }
};

struct completion : ready_node {
    using function = void (*)(completion&) noexcept;

    explicit completion(function f) noexcept : invoke{f} {}

    function invoke;
};

}  // namespace tcpco
