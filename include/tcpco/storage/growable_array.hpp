// An array that grows without exceptions: what the tables of storage/ are built on.
//
// std::vector throws when memory is short, or ends the program where exceptions are off. Here growing answers false and
// leaves everything as it was, so that the table above it can refuse (ENOBUFS for its caller) and count.
//
// Not a vector: elements are default-constructed at once, and nothing shrinks but release(). Only copying a whole
// array, which belongs to explorations and tests, throws std::bad_alloc. A table built on it that was moved from can
// be assigned and destroyed, nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "tcpco/core/assert.hpp"

namespace tcpco {

template <class T>
class growable_array {
public:
    growable_array() = default;
    growable_array(growable_array&& other) noexcept
        : items_{std::exchange(other.items_, nullptr)}, size_{std::exchange(other.size_, 0)}
    {
    }
    growable_array(const growable_array& other) : growable_array{}
    {
        items_ = other.size_ > 0 ? new T[other.size_]() : nullptr;
        size_ = other.size_;
        for (std::size_t i = 0; i < size_; ++i) {
            items_[i] = other.items_[i];
        }
    }
    growable_array& operator=(growable_array other) noexcept
    {
        std::swap(items_, other.items_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~growable_array() { delete[] items_; }

    // Makes it `size` elements long, the new ones default values. False when memory is short: then nothing changed.
    // Never shrinks. Moves the elements: pointers and references to them end.
    [[nodiscard]] bool grow_to(std::size_t size) noexcept
    {
        if (size <= size_) {
            return true;
        }
        T* const items = new (std::nothrow) T[size]();
        if (items == nullptr) {
            return false;
        }
        for (std::size_t i = 0; i < size_; ++i) {
            items[i] = std::move(items_[i]);
        }
        delete[] std::exchange(items_, items);
        size_ = size;
        return true;
    }

    // Makes room for `size` elements and an eighth more: for tables that follow a slab, which grows by a chunk at a
    // time. Copied at each chunk, they would cost the square of their length.
    [[nodiscard]] bool make_room(std::size_t size) noexcept
    {
        return size <= size_ || grow_to(size + size / 8);
    }

    // Doubles, from `least` on and to `most` at the utmost. False when it is that long already, or memory is short.
    [[nodiscard]] bool grow(std::size_t least, std::size_t most) noexcept
    {
        const std::size_t doubled = size_ < least ? least : size_ * 2;
        const std::size_t size = doubled < most ? doubled : most;
        return size > size_ && grow_to(size);
    }

    void release() noexcept
    {
        delete[] std::exchange(items_, nullptr);
        size_ = 0;
    }

    std::size_t size() const noexcept { return size_; }
    T* data() noexcept { return items_; }
    const T* data() const noexcept { return items_; }
    T& operator[](std::size_t i) noexcept
    {
        TCPCO_ASSERT(i < size_);
        return items_[i];
    }
    const T& operator[](std::size_t i) const noexcept
    {
        TCPCO_ASSERT(i < size_);
        return items_[i];
    }

private:
    T* items_ = nullptr;  // no std::unique_ptr: some twenty templates for each T, which every program would compile
    std::size_t size_ = 0;
};

}  // namespace tcpco
