// Memory for coroutine frames: a cache for each thread, so that starting a task costs a few instructions.
//
// Sizes are rounded up to a multiple of 16 octets and 8 more, up to 2 KiB, and kept in one free list each; what is
// larger goes to operator new. So much is what malloc() of the C library hands out without a gap, since it keeps 8
// octets before each piece: an idle session costs its frame, not the next power of anything.
// A frame may be given back on another thread than it came from: it goes to that thread's cache, since all come from
// operator new alike. What a thread has cached is freed when it ends.
//
// Under a sanitizer nothing is cached: a pool hides a use after free.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TCPCO_FRAME_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TCPCO_FRAME_POOL 0
#endif
#endif
#if !defined(TCPCO_FRAME_POOL)
#define TCPCO_FRAME_POOL 1
#endif

namespace tcpco {

inline constexpr bool frame_pool_caches = TCPCO_FRAME_POOL != 0;
inline constexpr std::size_t frame_class_octets = 16;  // from class to class
inline constexpr std::size_t first_frame_class = 8;    // octets of the smallest
inline constexpr std::size_t largest_pooled_frame = 2'056;
inline constexpr std::size_t cached_octets_per_class = 256 * 1'024;  // for each thread

namespace detail {

struct free_frame {
    free_frame* next;
};

struct frame_class {
    free_frame* first = nullptr;
    std::uint32_t count = 0;
};

// Trivially destructible, so that frames can still come back while a thread's other objects are being destroyed.
struct frame_cache {
    std::array<frame_class, largest_pooled_frame / frame_class_octets + 1> classes{};
    bool guarded = false;  // the guard below stands, and will empty the cache
    bool closed = false;   // the thread is ending: nothing is cached any more
};

inline thread_local constinit frame_cache this_thread_frames{};

struct frame_cache_guard {
    frame_cache_guard() noexcept { this_thread_frames.guarded = true; }
    frame_cache_guard(const frame_cache_guard&) = delete;
    frame_cache_guard& operator=(const frame_cache_guard&) = delete;
    ~frame_cache_guard()
    {
        this_thread_frames.closed = true;
        for (frame_class& c : this_thread_frames.classes) {
            while (c.first != nullptr) {
                free_frame* frame = c.first;
                c.first = frame->next;
                ::operator delete(frame);
            }
            c.count = 0;
        }
    }
};

inline void guard_frame_cache() noexcept
{
    if (!this_thread_frames.guarded) {
        static thread_local frame_cache_guard guard;
        static_cast<void>(guard);
    }
}

constexpr std::size_t frame_class_of(std::size_t size) noexcept
{
    return (size + frame_class_octets - first_frame_class - 1) / frame_class_octets;
}
constexpr std::size_t octets_of_frame_class(std::size_t n) noexcept
{
    return n * frame_class_octets + first_frame_class;
}

}  // namespace detail

// Throws std::bad_alloc when memory is short.
[[nodiscard]] inline void* frame_allocate(std::size_t size)
{
    if (!frame_pool_caches || size > largest_pooled_frame) {
        return ::operator new(size);
    }
    const std::size_t n = detail::frame_class_of(size);
    detail::frame_class& c = detail::this_thread_frames.classes[n];
    if (c.first == nullptr) {
        return ::operator new(detail::octets_of_frame_class(n));
    }
    detail::free_frame* frame = c.first;
    c.first = frame->next;
    --c.count;
    return frame;
}

// `size` is what frame_allocate() was asked for.
inline void frame_deallocate(void* frame, std::size_t size) noexcept
{
    if (!frame_pool_caches || size > largest_pooled_frame || detail::this_thread_frames.closed) {
        ::operator delete(frame);
        return;
    }
    const std::size_t n = detail::frame_class_of(size);
    detail::frame_class& c = detail::this_thread_frames.classes[n];
    if (c.count >= cached_octets_per_class / detail::octets_of_frame_class(n)) {
        ::operator delete(frame);
        return;
    }
    detail::guard_frame_cache();
    c.first = ::new (frame) detail::free_frame{c.first};
    ++c.count;
}

}  // namespace tcpco
