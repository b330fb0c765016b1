// A first-in first-out ring that grows by doubling and can refuse to; indexable, so that it can be searched.
//
// It keeps its memory when it runs empty: a queue in steady state allocates nothing.
#pragma once

#include <cstddef>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// T: default constructible and movable. What leaves the ring is replaced by a T{} at once, so nothing stays owned.
template <class T>
class ring_deque {
public:
    ring_deque() = default;
    ring_deque(const ring_deque&) = default;
    ring_deque(ring_deque&& other) noexcept { swap(other); }
    ring_deque& operator=(ring_deque other) noexcept
    {
        swap(other);
        return *this;
    }
    ~ring_deque() = default;

    // False when memory is short: then nothing changed, and `item` still has its value.
    [[nodiscard]] bool push_back(T&& item) noexcept
    {
        if (size_ == items_.size() && !grow()) {
            return false;
        }
        items_[(first_ + size_) & mask()] = std::move(item);
        ++size_;
        return true;
    }

    void pop_front() noexcept
    {
        TCPCO_ASSERT(size_ > 0);
        items_[first_] = T{};
        first_ = (first_ + 1) & mask();
        --size_;
    }

    // The i-th from the front.
    T& operator[](std::size_t i) noexcept
    {
        TCPCO_ASSERT(i < size_);
        return items_[(first_ + i) & mask()];
    }
    const T& operator[](std::size_t i) const noexcept
    {
        TCPCO_ASSERT(i < size_);
        return items_[(first_ + i) & mask()];
    }
    T& front() noexcept { return (*this)[0]; }
    const T& front() const noexcept { return (*this)[0]; }
    T& back() noexcept { return (*this)[size_ - 1]; }
    const T& back() const noexcept { return (*this)[size_ - 1]; }

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return items_.size(); }
    bool empty() const noexcept { return size_ == 0; }

    void clear() noexcept
    {
        while (size_ > 0) {
            pop_front();
        }
    }

    // Clears it and gives its memory back.
    void release() noexcept { *this = ring_deque{}; }

private:
    static constexpr std::size_t first_capacity = 8;

    std::size_t mask() const noexcept { return items_.size() - 1; }

    void swap(ring_deque& other) noexcept
    {
        std::swap(items_, other.items_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

    bool grow() noexcept
    {
        growable_array<T> larger;
        if (!larger.grow_to(items_.size() == 0 ? first_capacity : items_.size() * 2)) {
            return false;
        }
        for (std::size_t i = 0; i < size_; ++i) {
            larger[i] = std::move((*this)[i]);
        }
        items_ = std::move(larger);
        first_ = 0;
        return true;
    }

    growable_array<T> items_{};
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace tcpco
