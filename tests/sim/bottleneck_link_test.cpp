#include "tcpco/sim/bottleneck_link.hpp"

#include "async/socket_world.hpp"
#include "catch.hpp"
#include "tcpco/device/decorated.hpp"
#include "tcpco/device/impairment.hpp"

using namespace tcpco;
using namespace socket_test;

namespace {

using end = bottleneck_link::end;
using messages = std::vector<octets>;

sink_verdict send(end& e, time_point now, std::span<const std::byte> message)
{
    const std::size_t half = message.size() / 2;
    const std::span<const std::byte> pieces[] = {message.first(half), message.subspan(half)};
    return e.send(now, outgoing_frame{pieces, {}, {}});
}

std::vector<octets> receive(end& e, time_point now, buffer_pool& pool)
{
    std::vector<octets> all;
    e.harvest(now, pool, [&](frame&& f) {
        const auto o = f.data.octets();
        all.emplace_back(o.begin(), o.end());
    });
    return all;
}

octets packet(std::uint8_t ecn, std::size_t size, std::uint16_t id)
{
    octets p(size);
    write_ipv4({.ecn = ecn,
                .total_length = static_cast<std::uint16_t>(size),
                .identification = id,
                .ttl = 64,
                .protocol = ip_protocol::tcp},
               p);
    return p;
}

// Two stacks of the default policies, the server's end behind an impairment.
struct narrow_world {
    narrow_world(const bottleneck_link_options& options, const impairment_config& weather_config)
        : path{options}, weather{weather_config, 7}
    {
    }

    virtual_reactor reactor{};
    bottleneck_link path;
    impairment weather;
    decorated<end, impairment> far{path.right(), weather};
    basic_stack<> client{with_ecn("198.18.0.1/24"_net, 1)};
    basic_stack<> server{with_ecn("198.18.0.2/24"_net, 2)};
    driver<basic_stack<>, end, virtual_reactor> client_driver{client, path.left(), reactor};
    driver<basic_stack<>, decltype(far), virtual_reactor> server_driver{server, far, reactor};
    std::string got{};
    duration took{};

    static stack_config<default_policies> with_ecn(ip_prefix address, std::uint8_t host)
    {
        auto c = small_config<default_policies>(address, host, host);
        c.tcp.ecn = ecn_use::request;
        c.tcp.send_buffer_initial = c.tcp.send_buffer_octets;
        return c;
    }

    static task<> upload(narrow_world& w, const octets& what)
    {
        tcp_listener listener{w.server, server_address};
        auto [to, from] = co_await when_all(connect(w.client, server_address), listener.accept());
        REQUIRE(!to.ec);
        REQUIRE(!from.ec);
        const time_point begin = w.reactor.now();
        auto [all, written] = co_await when_all(read_all(from.value), send_all(to.value, what));
        w.got = std::move(all);
        w.took = w.reactor.now() - begin;
    }
    static task<bool> send_all(tcp_socket& socket, const octets& what)
    {
        const auto [ec, n] = co_await socket.write(what);
        socket.shutdown();
        co_return !ec && n == what.size();
    }
};

}  // namespace

TEST_CASE("bottleneck link: frames arrive whole and in order, each direction at its own rate and delay", "[sim]")
{
    bottleneck_link path{{.forth = {.rate_bits_per_second = 8'000'000, .delay = 10_ms},
                          .back = {.rate_bits_per_second = 0, .delay = 1_ms},
                          .framing = link_framing::ip}};
    buffer_pool pool{2048, 8};
    const octets one = pattern(1'000, 1);
    const octets two = pattern(500, 2);
    CHECK(send(path.left(), time_point{}, one) == sink_verdict::done);
    CHECK(send(path.left(), time_point{}, two) == sink_verdict::done);
    CHECK(send(path.right(), time_point{}, two) == sink_verdict::done);
    CHECK(path.left().queued(time_point{}) == 500);
    CHECK(path.left().deadline() == time_point{1_ms});
    CHECK(path.right().deadline() == time_point{11_ms});
    CHECK(receive(path.left(), time_point{1_ms}, pool) == messages{two});
    CHECK(receive(path.right(), time_point{11_ms - 1_ns}, pool).empty());
    CHECK(receive(path.right(), time_point{11_ms}, pool) == messages{one});
    CHECK(path.right().deadline() == time_point{11'500_us});
    CHECK(receive(path.right(), time_point{11'500_us}, pool) == messages{two});
    CHECK(path.right().deadline() == time_point::never());
    CHECK(path.right().statistics().received == 2);
    CHECK(path.left().outgoing().taken_octets == 1'500);
}

TEST_CASE("bottleneck link: a full queue, a frame too long, and a pool without slots drop and count", "[sim]")
{
    bottleneck_link path{{.forth = {.rate_bits_per_second = 8'000'000, .queue_limit_octets = 2'000}}};
    buffer_pool pool{2048, 1};
    for (std::uint32_t i = 0; i < 4; ++i) {
        CHECK(send(path.left(), time_point{}, pattern(1'000, i)) == sink_verdict::done);
    }
    CHECK(send(path.left(), time_point{}, pattern(1'519)) == sink_verdict::done);
    CHECK(path.left().outgoing().queue_full == 1);
    CHECK(path.left().outgoing().taken == 3);
    CHECK(path.left().statistics().oversized == 1);
    std::vector<frame> kept;
    path.right().harvest(time_point{1_s}, pool, [&](frame&& f) { kept.push_back(std::move(f)); });
    CHECK(kept.size() == 1);
    CHECK(path.right().statistics().no_slot == 2);
    CHECK(path.right().statistics().received == 1);
}

TEST_CASE("bottleneck link: a queue that is too long marks packets of senders that understand it, and no others", "[sim]")
{
    bottleneck_link path{{.forth = {.rate_bits_per_second = 8'000'000, .mark_above_octets = 1'500},
                          .framing = link_framing::ip}};
    buffer_pool pool{2048, 8};
    const std::uint8_t sent[] = {ecn_codepoint::ect_0, ecn_codepoint::ect_0, ecn_codepoint::ect_0,
                                 ecn_codepoint::ect_0, ecn_codepoint::not_ect, ecn_codepoint::ect_1};
    std::uint16_t id = 0;
    for (const std::uint8_t ecn : sent) {
        send(path.left(), time_point{}, packet(ecn, 1'000, id++));
    }
    const auto seen = receive(path.right(), time_point{1_s}, pool);
    REQUIRE(seen.size() == 6);
    const std::uint8_t expected[] = {ecn_codepoint::ect_0, ecn_codepoint::ect_0, ecn_codepoint::ect_0,
                                     ecn_codepoint::ce, ecn_codepoint::not_ect, ecn_codepoint::ce};
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto p = parse_ipv4(seen[i]);
        REQUIRE(p);
        CHECK(p->header.ecn == expected[i]);
        CHECK(p->header.identification == i);
    }
    CHECK(path.left().outgoing().marked == 2);
}

TEST_CASE("bottleneck link: under a driver in virtual time a transfer takes what its rate says, and marks replace drops",
          "[sim]")
{
    // 8 Mbit/s: a millisecond for 1,000 octets. 20 ms there and back are 20,000 octets.
    const bool marks = GENERATE(false, true);
    bottleneck_link_options options;
    options.forth = {.rate_bits_per_second = 8'000'000, .delay = 10_ms, .queue_limit_octets = 20'000};
    options.back = {.rate_bits_per_second = 8'000'000, .delay = 10_ms, .queue_limit_octets = 20'000};
    options.forth.mark_above_octets = marks ? 10'000 : options.forth.mark_above_octets;
    narrow_world w{options, {}};
    const octets what = pattern(1'000'000);
    w.reactor.run(narrow_world::upload(w, what));
    CHECK((w.got == text_of(what)));
    // 691 segments of 1,448 octets under 66 of headers: 1,045,606 octets, and what slow start leaves unused.
    CAPTURE(w.took.milliseconds());
    CHECK(w.took >= 1'045_ms);
    CHECK(w.took <= 1'400_ms);
    CHECK((w.path.left().outgoing().marked > 0) == marks);
    CHECK((!marks || w.path.left().outgoing().queue_full == 0));
    CHECK(w.path.left().outgoing().longest_queue_octets <= 20'000);
}

TEST_CASE("bottleneck link: with an impairment around one end a transfer still brings every octet", "[sim]")
{
    bottleneck_link_options options;
    options.forth = {.rate_bits_per_second = 8'000'000, .delay = 10_ms, .queue_limit_octets = 20'000};
    options.back = {.rate_bits_per_second = 1'000'000, .delay = 10_ms, .queue_limit_octets = 5'000};
    narrow_world w{options, {.loss = 0.02, .reorder = 0.02, .duplicate = 0.02}};
    const octets what = pattern(300'000);
    w.reactor.run(narrow_world::upload(w, what));
    CHECK((w.got == text_of(what)));
    CHECK(w.weather.in_model().lost > 0);
    CHECK(w.weather.out_model().lost > 0);
    CHECK(w.weather.in_model().reordered > 0);
}
