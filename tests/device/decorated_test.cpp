#include "tcpco/device/decorated.hpp"

#include "catch.hpp"
#include "reactor/fake_stack.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/frame_fd.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"

using namespace tcpco;
using tcpco_test::fake_stack;

namespace {

// Appends its mark to what passes; emits "late" upwards at its alarm.
struct marker {
    char mark;
    time_point alarm = time_point::never();

    template <class Next>
    void ingress(time_point, frame&& f, Next&& next)
    {
        f.data.owner.data()[f.data.size++] = static_cast<std::byte>(mark);
        next(std::move(f));
    }
    template <class Next>
    sink_verdict egress(time_point, const outgoing_frame& out, const buffer& keep, Next&& next)
    {
        const std::span<const std::byte> own{reinterpret_cast<const std::byte*>(&mark), 1};
        std::vector<std::span<const std::byte>> pieces{out.pieces.begin(), out.pieces.end()};
        pieces.push_back(own);
        return next(outgoing_frame{pieces, out.info, out.token}, keep);
    }
    time_point deadline() const noexcept { return alarm; }
    template <class Up, class Down>
    void advance(time_point now, buffer_pool& pool, Up&& up, Down&& down)
    {
        if (alarm <= now) {
            alarm = time_point::never();
            up(copy_frame(pool, tcpco_test::octets("late")));
            const auto text = tcpco_test::octets("late");
            const std::span<const std::byte> piece{text};
            down(outgoing_frame{{&piece, 1}, {}, no_token}, buffer{});
        }
    }
};
static_assert(frame_decorator<marker>);
static_assert(fd_device<decorated<frame_fd, marker>>);
static_assert(polled_device<decorated<memory_link::end, marker>> && !fd_device<decorated<memory_link::end, marker>>);

}  // namespace

TEST_CASE("the first decorator stands next to the device, the last next to the stack", "[device]")
{
    virtual_reactor world;
    memory_link link;
    marker first{'1'};
    marker last{'2'};
    decorated left{link.left(), first, last};
    fake_stack a;
    fake_stack b;
    driver drive_a{a, left, world};
    driver drive_b{b, link.right(), world};
    a.send("out");
    b.send("in");
    world.run_until_idle();
    CHECK(b.text(0) == "out21");
    CHECK(a.text(0) == "in12");
}

TEST_CASE("what a decorator emits late passes the ones on its way, and its deadline counts", "[device]")
{
    virtual_reactor world;
    memory_link link;
    marker first{'1'};
    marker middle{'2', time_point{7_ms}};
    marker last{'3'};
    decorated left{link.left(), first, middle, last};
    fake_stack a;
    fake_stack b;
    driver drive_a{a, left, world};
    driver drive_b{b, link.right(), world};
    world.run_until_idle();
    CHECK(world.now() == time_point{7_ms});
    REQUIRE(a.arrivals.size() == 1);
    CHECK(a.text(0) == "late3");
    CHECK(a.arrivals[0].info.arrived_at == time_point{7_ms});
    REQUIRE(b.arrivals.size() == 1);
    CHECK(b.text(0) == "late1");
}
