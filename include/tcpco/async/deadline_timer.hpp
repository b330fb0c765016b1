// A completion with a time, and the heap that keeps such completions in order.
//
// The heap is an intrusive pairing heap: arming is O(1), disarming and firing are O(log n) amortised, nothing is
// allocated, and nothing recurses. It orders by time and among equals by the order of arming, so that two runs with the
// same calls fire in the same order. The connections of a stack have a timer wheel of their own (storage/): this heap
// is for what coroutines wait for (sleeps and deadlines), where a timer's exact moment matters.
#pragma once

#include <cstdint>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/core/completion.hpp"
#include "tcpco/core/time.hpp"

namespace tcpco {

class timer_heap;

// Armed with executor::arm(). Must not move; a timer that is destroyed disarms and unlinks itself.
struct deadline_timer : completion {
    using completion::completion;

    ~deadline_timer() { disarm(); }

    // Afterwards it is neither armed nor, where it had fired already, queued.
    inline void disarm() noexcept;

    bool armed() const noexcept { return heap_ != nullptr; }

    // The moment it was last armed for.
    time_point at() const noexcept { return at_; }

private:
    friend class timer_heap;

    bool before(const deadline_timer& other) const noexcept
    {
        return at_ != other.at_ ? at_ < other.at_ : order_ < other.order_;
    }

    time_point at_;
    std::uint64_t order_ = 0;
    timer_heap* heap_ = nullptr;
    deadline_timer* child_ = nullptr;     // the first child
    deadline_timer* sibling_ = nullptr;   // the next child of the same parent
    deadline_timer* previous_ = nullptr;  // the sibling before, or for a first child its parent; null for the root
};

class timer_heap {
public:
    timer_heap() = default;
    timer_heap(const timer_heap&) = delete;
    timer_heap& operator=(const timer_heap&) = delete;

    // Timers may outlive the heap: they are left disarmed.
    ~timer_heap()
    {
        while (root_ != nullptr) {
            remove(*root_);
        }
    }

    bool empty() const noexcept { return root_ == nullptr; }

    // The earliest timer; null if there is none.
    deadline_timer* earliest() const noexcept { return root_; }

    // A timer that is armed already is moved, and then counts as armed last.
    void insert(deadline_timer& timer, time_point at) noexcept
    {
        if (timer.heap_ != nullptr) {
            timer.heap_->remove(timer);
        }
        timer.at_ = at;
        timer.order_ = next_order_++;
        timer.heap_ = this;
        root_ = meld(root_, &timer);
    }

    void remove(deadline_timer& timer) noexcept
    {
        TCPCO_ASSERT(timer.heap_ == this);
        deadline_timer* children = merge_pairs(std::exchange(timer.child_, nullptr));
        if (&timer == root_) {
            root_ = children;
        } else {
            cut(timer);
            root_ = meld(root_, children);
        }
        timer.heap_ = nullptr;
    }

private:
    // Takes a node that is not the root out of its parent's list of children.
    static void cut(deadline_timer& timer) noexcept
    {
        if (timer.previous_->child_ == &timer) {
            timer.previous_->child_ = timer.sibling_;
        } else {
            timer.previous_->sibling_ = timer.sibling_;
        }
        if (timer.sibling_ != nullptr) {
            timer.sibling_->previous_ = timer.previous_;
        }
        timer.sibling_ = timer.previous_ = nullptr;
    }

    // Both are roots without siblings, or null.
    static deadline_timer* meld(deadline_timer* a, deadline_timer* b) noexcept
    {
        if (a == nullptr || b == nullptr) {
            return a != nullptr ? a : b;
        }
        if (b->before(*a)) {
            std::swap(a, b);
        }
        b->sibling_ = a->child_;
        b->previous_ = a;
        if (a->child_ != nullptr) {
            a->child_->previous_ = b;
        }
        a->child_ = b;
        return a;
    }

    static deadline_timer* detach_first(deadline_timer*& list) noexcept
    {
        deadline_timer* first = list;
        if (first != nullptr) {
            list = first->sibling_;
            first->sibling_ = first->previous_ = nullptr;
        }
        return first;
    }

    // The two passes of a pairing heap: meld neighbours from left to right, then the results from right to left.
    static deadline_timer* merge_pairs(deadline_timer* list) noexcept
    {
        deadline_timer* pairs = nullptr;
        while (list != nullptr) {
            deadline_timer* a = detach_first(list);
            deadline_timer* b = detach_first(list);
            deadline_timer* pair = meld(a, b);
            pair->sibling_ = pairs;
            pairs = pair;
        }
        deadline_timer* root = nullptr;
        while (pairs != nullptr) {
            deadline_timer* pair = detach_first(pairs);
            root = meld(root, pair);
        }
        return root;
    }

    deadline_timer* root_ = nullptr;
    std::uint64_t next_order_ = 0;
};

inline void deadline_timer::disarm() noexcept
{
    if (heap_ != nullptr) {
        heap_->remove(*this);
    }
    unlink();
}

}  // namespace tcpco
