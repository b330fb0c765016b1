// The base of every promise of this library: its coroutine frames come from the frame pool.
#pragma once

#include <cstddef>

#include "tcpco/storage/frame_pool.hpp"

namespace tcpco::detail {

struct pooled_frame {
    static void* operator new(std::size_t octets) { return frame_allocate(octets); }
    static void operator delete(void* frame, std::size_t octets) noexcept { frame_deallocate(frame, octets); }
};

}  // namespace tcpco::detail
