// A first-in first-out ring that grows by doubling and can refuse to; indexable, so that it can be searched.
//
// It keeps its memory when it runs empty: a queue in steady state allocates nothing. Its books stand before its items,
// so one that has never held anything is a pointer: an idle connection has two of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "tcpco/core/assert.hpp"

namespace tcpco {

// T: default constructible and movable. What leaves the ring is replaced by a T{} at once, so nothing stays owned.
template <class T>
class ring_deque {
public:
    ring_deque() = default;
    // Only explorations and tests copy: ends the program when memory is short.
    ring_deque(const ring_deque& other) : books_{other.books_ != nullptr ? make(other.books_->capacity) : nullptr}
    {
        if (other.books_ != nullptr) {
            if (books_ == nullptr) {
                detail::assertion_failed("memory for the copy of a ring", __FILE__, __LINE__);
            }
            *books_ = *other.books_;
            for (std::uint32_t i = 0; i < books_->capacity; ++i) {
                items()[i] = other.items()[i];
            }
        }
    }
    ring_deque(ring_deque&& other) noexcept : books_{std::exchange(other.books_, nullptr)} {}
    ring_deque& operator=(ring_deque other) noexcept
    {
        std::swap(books_, other.books_);
        return *this;
    }
    ~ring_deque()
    {
        if (books_ != nullptr) {
            std::destroy_n(items(), books_->capacity);
            ::operator delete(books_);
        }
    }

    // False when memory is short: then nothing changed, and `item` still has its value.
    [[nodiscard, gnu::always_inline]] bool push_back(T&& item) noexcept
    {
        if (size() == capacity() && !grow()) {
            return false;
        }
        items()[at(books_->size)] = std::move(item);
        ++books_->size;
        return true;
    }

    void pop_front() noexcept
    {
        TCPCO_ASSERT(!empty());
        items()[books_->first] = T{};
        --books_->size;
        books_->first = books_->size == 0 ? 0 : at(1);  // begin again where the cache is warm, beside the books
    }

    // The i-th from the front.
    T& operator[](std::size_t i) noexcept
    {
        TCPCO_ASSERT(i < size());
        return items()[at(i)];
    }
    const T& operator[](std::size_t i) const noexcept
    {
        TCPCO_ASSERT(i < size());
        return items()[at(i)];
    }
    T& front() noexcept { return (*this)[0]; }
    const T& front() const noexcept { return (*this)[0]; }
    T& back() noexcept { return (*this)[size() - 1]; }
    const T& back() const noexcept { return (*this)[size() - 1]; }

    std::size_t size() const noexcept { return books_ != nullptr ? books_->size : 0; }
    std::size_t capacity() const noexcept { return books_ != nullptr ? books_->capacity : 0; }
    bool empty() const noexcept { return size() == 0; }

    void clear() noexcept
    {
        while (!empty()) {
            pop_front();
        }
    }

    // Clears it and gives its memory back.
    void release() noexcept { *this = ring_deque{}; }

private:
    struct books {
        std::uint32_t capacity = 0;  // a power of two
        std::uint32_t first = 0;
        std::uint32_t size = 0;
    };

    static constexpr std::uint32_t first_capacity = 2;  // a request, and its answer, are one item
    static constexpr std::uint32_t largest = 1U << 28;
    static constexpr std::size_t offset = (sizeof(books) + alignof(T) - 1) / alignof(T) * alignof(T);
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

    // An empty ring, its items default values. Null when memory is short.
    static books* make(std::uint32_t capacity) noexcept
    {
        void* const memory = ::operator new(offset + capacity * sizeof(T), std::nothrow);
        if (memory == nullptr) {
            return nullptr;
        }
        std::uninitialized_value_construct_n(items_behind(memory), capacity);
        return ::new (memory) books{.capacity = capacity};
    }
    static T* items_behind(void* memory) noexcept
    {
        return reinterpret_cast<T*>(static_cast<std::byte*>(memory) + offset);
    }

    T* items() noexcept { return items_behind(books_); }
    const T* items() const noexcept { return items_behind(books_); }
    std::uint32_t at(std::size_t i) const noexcept
    {
        return (books_->first + static_cast<std::uint32_t>(i)) & (books_->capacity - 1);
    }

    [[gnu::noinline]] bool grow() noexcept
    {
        const auto held = static_cast<std::uint32_t>(size());
        books* const larger = held < largest ? make(held == 0 ? first_capacity : held * 2) : nullptr;
        if (larger == nullptr) {
            return false;
        }
        for (std::uint32_t i = 0; i < held; ++i) {
            items_behind(larger)[i] = std::move((*this)[i]);
        }
        larger->size = held;
        ring_deque old;
        old.books_ = std::exchange(books_, larger);
        return true;
    }

    books* books_ = nullptr;
};

}  // namespace tcpco
