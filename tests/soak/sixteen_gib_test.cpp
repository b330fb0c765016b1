// More than 16 GiB through one connection: the sequence space goes round four times, with PAWS watching, and every octet
// is compared. Compiled with -O2 and without the library's assertions.
#include <algorithm>
#include <cstring>
#include <vector>

#include "catch.hpp"
#include "tcpco/core.hpp"

using namespace tcpco;

namespace {

using bulk = default_policies;

constexpr std::uint64_t total = (std::uint64_t{16} << 30) + (std::uint64_t{1} << 28);
constexpr std::size_t period = 1'000'003;  // prime: no shift by a power of two looks right
constexpr std::size_t chunk = 65'536;

stack_config<bulk> config(ip_prefix address, std::uint8_t number)
{
    stack_config<bulk> c{.address = address};
    c.network.mac.octets[5] = number;
    c.receive_window.capacity = 4 << 20;
    c.tcp.send_buffer_octets = 4 << 20;
    c.limits = {.connections = 4, .listeners = 2, .jumbo_slots = 512, .small_slots = 256, .large_slots = 512};
    c.seed = number;
    return c;
}

struct pair {
    pair()
    {
        for (basic_stack<bulk>* s : {&a, &b}) {
            s->configure_device({.mtu = 1'500, .tx_checksum_offload = true, .tso4 = true, .tso_max = 65'535});
        }
        a.set_neighbour(b.address().v4(), config("192.0.2.2/24"_net, 2).network.mac);
        b.set_neighbour(a.address().v4(), config("192.0.2.1/24"_net, 1).network.mac);
    }
    void carry(basic_stack<bulk>& from, basic_stack<bulk>& to)
    {
        from.transmit(now, [&](const outgoing_frame& f) {
            octets.resize(f.size());
            f.copy_to(octets.data());
            to.receive_copy(now, octets, f.info);
            ++frames;
            return sink_verdict::done;
        });
    }
    void turn()
    {
        now = now + duration{20'000};  // a round trip, so 4 MiB in 20 us at the most
        a.advance(now);
        b.advance(now);
        carry(a, b);
        carry(b, a);
    }

    basic_stack<bulk> a{config("192.0.2.1/24"_net, 1)};
    basic_stack<bulk> b{config("192.0.2.2/24"_net, 2)};
    time_point now{duration{1'000'000'000}};
    std::vector<std::byte> octets;
    std::uint64_t frames = 0;
};

}  // namespace

TEST_CASE("16 GiB through one connection: the sequence numbers go round four times, and every octet is right",
          "[soak][RFC7323-5.3a]")
{
    pair net;
    const listener_id listener = net.b.listen({net.b.address(), 7}).value;
    const connection_id sender = net.a.connect({net.b.address(), 7}).value;
    connection_id receiver{};
    std::vector<std::byte> pattern(period + chunk);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        pattern[i] = static_cast<std::byte>((i % period) * 2'654'435'761u >> 13);
    }
    std::vector<std::byte> got(chunk);
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    std::uint64_t wrong = 0;
    bool ended = false;
    for (std::uint64_t idle = 0; !ended && idle < 100'000; ++idle) {
        net.turn();
        if (!receiver) {
            receiver = net.b.accept(listener).value;
        }
        while (written < total) {
            const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, total - written));
            const std::size_t n = net.a.write(sender, std::span{pattern}.subspan(written % period, want)).value;
            written += n;
            if (n == 0) {
                break;
            }
            if (written == total) {
                REQUIRE(net.a.shutdown(sender) == errc::ok);
            }
        }
        while (receiver) {
            const auto [ec, n] = net.b.read(receiver, got);
            ended = ec == errc::end_of_stream;
            if (n == 0) {
                break;
            }
            wrong += std::memcmp(got.data(), pattern.data() + read % period, n) != 0 ? 1U : 0U;
            read += n;
            idle = 0;
        }
    }
    CHECK(ended);
    CHECK(read == total);
    CHECK(wrong == 0);
    const tcp_info info = net.a.info(sender).value;
    CHECK(info.timeouts == 0);
    CHECK(net.b.counters().of(drop_reason::tcp_paws) == 0);
    CHECK(net.b.counters().of(drop_reason::tcp_out_of_window) == 0);
    CHECK(net.frames > total / 65'536);
}
