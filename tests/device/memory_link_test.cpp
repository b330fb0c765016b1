#include "tcpco/device/memory_link.hpp"

#include "catch.hpp"
#include "reactor/fake_stack.hpp"

using namespace tcpco;

namespace {

sink_verdict send(memory_link::end& e, time_point now, const std::string& text, frame_info info = {})
{
    const auto message = tcpco_test::octets(text);
    const std::size_t half = message.size() / 2;
    const std::span<const std::byte> all{message};
    const std::span<const std::byte> pieces[] = {all.first(half), all.subspan(half)};
    return e.send(now, outgoing_frame{pieces, info, {}});
}

std::vector<std::string> receive(memory_link::end& e, time_point now, buffer_pool& pool)
{
    std::vector<std::string> all;
    e.harvest(now, pool, [&](frame&& f) { all.push_back(tcpco_test::text_of(f.data.octets())); });
    return all;
}

using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("what one end sends the other receives, in order, and not the sender", "[device]")
{
    memory_link link;
    buffer_pool pool{2048, 8};
    CHECK(send(link.left(), time_point{}, "one") == sink_verdict::done);
    CHECK(send(link.left(), time_point{}, "two") == sink_verdict::done);
    CHECK(link.right().deadline() == time_point{});
    CHECK(link.left().deadline() == time_point::never());
    CHECK(receive(link.left(), time_point{}, pool).empty());
    CHECK(receive(link.right(), time_point{}, pool) == strings{"one", "two"});
    CHECK(link.right().deadline() == time_point::never());
}

TEST_CASE("a frame arrives after the link's delay, not before", "[device]")
{
    memory_link link{{.delay = 5_ms}};
    buffer_pool pool{2048, 8};
    send(link.right(), time_point{1_ms}, "late");
    CHECK(link.left().deadline() == time_point{6_ms});
    CHECK(receive(link.left(), time_point{5_ms}, pool).empty());
    CHECK(receive(link.left(), time_point{6_ms}, pool) == strings{"late"});
}

TEST_CASE("a full queue, a frame too long, and a pool without slots drop and count", "[device]")
{
    memory_link link{{.queue_frames = 3}};
    for (int i = 0; i < 5; ++i) {
        CHECK(send(link.left(), time_point{}, std::to_string(i)) == sink_verdict::done);
    }
    CHECK(send(link.left(), time_point{}, std::string(1519, 'x')) == sink_verdict::done);
    CHECK(link.left().statistics().queue_full == 2);
    CHECK(link.left().statistics().oversized == 1);
    buffer_pool pool{2048, 1};
    std::vector<frame> kept;
    link.right().harvest(time_point{}, pool, [&](frame&& f) { kept.push_back(std::move(f)); });
    CHECK(kept.size() == 1);
    CHECK(link.right().statistics().no_slot == 2);
    CHECK(link.right().statistics().received == 1);
}

TEST_CASE("a link with offload carries super-frames and what is known about them", "[device]")
{
    memory_link link{{.offload = {.tx_checksum = true, .tso4 = true, .tso_max = 65'535}}};
    buffer_pool pool{66'560, 2};
    send(link.left(), time_point{}, std::string(60'000, 'x'),
         {.checksum = checksum_state::partial, .gso_type = gso_kind::tcp_v4, .gso_size = 1460, .wire_segments = 42});
    frame_info seen;
    link.right().harvest(time_point{}, pool, [&](frame&& f) { seen = f.info; });
    CHECK(seen.wire_segments == 42);
    CHECK(seen.gso_size == 1460);
    CHECK(seen.checksum == checksum_state::partial);
}
