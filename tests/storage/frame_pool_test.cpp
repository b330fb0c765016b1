#include "tcpco/storage/frame_pool.hpp"

#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "tcpco/core/random.hpp"

using tcpco::frame_allocate;
using tcpco::frame_deallocate;
using tcpco::frame_pool_caches;

static_assert(tcpco::detail::frame_class_of(0) == 0);
static_assert(tcpco::detail::frame_class_of(1) == 0);
static_assert(tcpco::detail::frame_class_of(8) == 0);
static_assert(tcpco::detail::frame_class_of(9) == 1 && tcpco::detail::frame_class_of(24) == 1);
static_assert(tcpco::detail::frame_class_of(25) == 2);
static_assert(tcpco::detail::frame_class_of(tcpco::largest_pooled_frame) == 128);
static_assert(tcpco::detail::octets_of_frame_class(128) == tcpco::largest_pooled_frame);

namespace {

std::uint32_t cached(std::size_t size)
{
    return tcpco::detail::this_thread_frames.classes[tcpco::detail::frame_class_of(size)].count;
}

}  // namespace

TEST_CASE("frame pool: a frame given back serves the next one of its size class", "[storage]")
{
    void* first = frame_allocate(300);
    std::memset(first, 1, 300);
    frame_deallocate(first, 300);
    if (frame_pool_caches) {
        CHECK(cached(300) == 1);
        void* second = frame_allocate(297);
        CHECK(second == first);
        CHECK(cached(300) == 0);
        std::memset(second, 2, 312);  // the whole class is there
        frame_deallocate(second, 297);
    } else {
        CHECK(cached(300) == 0);
    }
}

TEST_CASE("frame pool: frames are large enough, aligned, and do not overlap", "[storage]")
{
    tcpco::random_source random{3};
    std::vector<std::pair<unsigned char*, std::size_t>> live;
    for (int step = 0; step < 5'000; ++step) {
        if (live.size() < 100 && random.chance(0.55)) {
            const std::size_t size = random.below(3'000);
            void* frame = frame_allocate(size);
            REQUIRE(reinterpret_cast<std::uintptr_t>(frame) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
            std::memset(frame, static_cast<int>(size % 251), size);
            live.emplace_back(static_cast<unsigned char*>(frame), size);
        } else if (!live.empty()) {
            std::swap(live[random.below(static_cast<std::uint32_t>(live.size()))], live.back());
            const auto [frame, size] = live.back();
            for (std::size_t i = 0; i < size; ++i) {
                if (frame[i] != size % 251) {
                    FAIL("a frame was written over");
                }
            }
            frame_deallocate(frame, size);
            live.pop_back();
        }
    }
    for (const auto& [frame, size] : live) {
        frame_deallocate(frame, size);
    }
}

TEST_CASE("frame pool: what it keeps of a size class is bounded", "[storage]")
{
    std::vector<void*> frames;
    for (int i = 0; i < 300; ++i) {
        frames.push_back(frame_allocate(tcpco::largest_pooled_frame));
    }
    for (void* frame : frames) {
        frame_deallocate(frame, tcpco::largest_pooled_frame);
    }
    CHECK(cached(tcpco::largest_pooled_frame) ==
          (frame_pool_caches ? tcpco::cached_octets_per_class / tcpco::largest_pooled_frame : 0));
}

TEST_CASE("frame pool: a large frame is not cached", "[storage]")
{
    void* frame = frame_allocate(tcpco::largest_pooled_frame + 1);
    std::memset(frame, 1, tcpco::largest_pooled_frame + 1);
    frame_deallocate(frame, tcpco::largest_pooled_frame + 1);
    SUCCEED();
}

TEST_CASE("frame pool: a frame may go back on another thread, also while that thread ends", "[storage]")
{
    // Destroyed after the cache of its thread, since it was made before.
    struct late {
        void* frame = nullptr;
        ~late() { frame_deallocate(frame, 100); }
    };
    const std::uint32_t before = cached(100);
    void* a = frame_allocate(100);
    void* b = frame_allocate(100);
    void* c = nullptr;
    std::uint32_t there = 0;
    std::thread{[&] {
        static thread_local late holder;
        holder.frame = a;
        frame_deallocate(b, 100);
        there = cached(100);
        c = frame_allocate(1'000);
    }}.join();
    CHECK(there == (frame_pool_caches ? 1u : 0u));
    frame_deallocate(c, 1'000);
    CHECK(cached(100) <= before);
}
