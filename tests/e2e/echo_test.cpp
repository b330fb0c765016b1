// The echo server against the kernel's clients: every octet comes back, whatever the link and however many they are.
#include "e2e/world.hpp"

#include <deque>
#include <vector>

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

// With modern loss recovery, so that a bad link does not take for ever.
struct recovering : default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = tcpco::reduction::prr;
};

constexpr impairment_config bad_weather{.loss = 0.02, .delay = 3_ms, .reorder = 0.02};

// A slice that its reader holds on to, and where in the stream it belongs.
struct held {
    std::size_t offset;
    received octets;
};

// Echoes one connection, but keeps `most` of the slots in which octets arrived: the first ones until the end.
task<> echo_and_hold(tcp_listener& listener, std::deque<held>& slots, std::size_t most)
{
    auto [ec, socket] = co_await listener.accept();
    std::size_t offset = 0;
    while (!ec) {
        auto [failed, octets] = co_await socket.receive();
        if (failed) {
            co_return;
        }
        const std::size_t here = offset;
        offset += octets.size();
        ec = (co_await socket.write(octets)).ec;
        slots.push_back({here, std::move(octets)});
        if (slots.size() > most) {
            slots.erase(slots.begin() + static_cast<std::ptrdiff_t>(most / 2));
        }
    }
}

template <class World>
std::string echo_once(World& w, const std::string& text)
{
    tcp_listener listener{w.net, our_service};
    std::string problem;
    const auto late =
        w.until_end_of([&] { problem = exchange_with(7, text); }, with_scope(serve_echo, std::ref(listener)));
    return late ? "late; " + problem : problem;
}

}  // namespace

TEST_CASE("a kernel client gets its text back, then the end of the stream, on each step of the ladder", "[e2e][echo]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    CHECK(echo_once(w, "Hello from the other side of the wire.\n") == "");
    CHECK(w.close());
    CHECK(w.net.connection_count() == 0);
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("megabytes come back octet by octet, with and without offload", "[e2e][echo]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const bool offload = GENERATE(false, true);
    CAPTURE(offload);
    tap_world<> w{{.rung = rung, .offload = offload}};
    CHECK(echo_once(w, pattern(4 << 20, 1)) == "");
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
    CHECK(uring_workers() == 0);
    // Super-frames crossed both ways, or none did.
    const auto& counters = w.net.counters();
    const bool super_in = counters.segments_received > 2 * w.link_driver.counters().received;
    const bool super_out = counters.segments_sent > 2 * counters.frames_sent;
    CHECK(super_in == offload);
    CHECK(super_out == offload);
}

TEST_CASE("received slots that the reader holds stay as they are while the transfer goes on", "[e2e][echo][zero-copy]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const bool offload = GENERATE(false, true);
    CAPTURE(offload);
    tap_world<> w{{.rung = rung, .offload = offload}};
    const std::string text = pattern(4 << 20, 2);
    tcp_listener listener{w.net, our_service};
    std::deque<held> slots;
    std::string problem;
    const auto late = w.beside([&] { problem = exchange_with(7, text); },
                               echo_and_hold(listener, slots, w.link_driver.pool().slot_count()));
    CHECK(!late);
    CHECK(problem == "");
    CHECK(w.link_driver.io_counters().received > 0);

    std::size_t in_place = 0;
    std::size_t wrong = 0;
    const buffer_pool& pool = w.link_driver.pool();
    for (const held& h : slots) {
        wrong += h.octets.text() == std::string_view{text}.substr(h.offset, h.octets.size()) ? 0U : 1U;
        const std::size_t at = static_cast<std::size_t>(h.octets.data() - pool.memory());
        in_place += at < pool.slot_size() * pool.slot_count() ? 1U : 0U;
    }
    CHECK(wrong == 0);
    CHECK(in_place > pool.slot_count() / 4);       // the very slots that the kernel wrote to
    CHECK(in_place <= pool.slot_count() * 3 / 4);  // a quarter was left to receive with: the rest are copies
    slots.clear();
    CHECK(w.close());
}

TEST_CASE("a hundred kernel clients at the same time all get theirs back", "[e2e][echo]")
{
    TCPCO_ON_EACH_RUNG(rung);
    // Tail loss probes of a machine with a hundred threads are answered when the connection has gone.
    tap_world<> w{{.rung = rung, .offload = true}, {.recovery = {.base = {.tail_loss_probe = false}}}};
    std::vector<std::string> texts;
    std::vector<exchange> clients(100);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        texts.push_back(pattern(20'000 + i, 100 + i));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].to_send = texts[i];
    }
    tcp_listener listener{w.net, our_service};
    const auto late = w.until_end_of([&] { run_exchanges(clients, 7); }, with_scope(serve_echo, std::ref(listener)));
    CHECK(!late);
    std::string problems;
    for (const exchange& e : clients) {
        problems += e.problem;
    }
    CHECK(problems == "");
    CHECK(w.net.counters().connections_opened == 100);
    clients.clear();
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("a link with an MTU of 9000 carries segments of 8960 octets less the options", "[e2e][echo]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .mtu = 9000}};
    CHECK(echo_once(w, pattern(2 << 20, 3)) == "");
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
    // 2 MiB are 234 segments of 8,948 octets; with 1,448 they would be 1,448.
    CHECK(w.link_driver.io_counters().received < 1'200);
    CHECK(w.net.counters().segments_sent < 1'200);
    CHECK(w.link_driver.io_counters().truncated == 0);
}

TEST_CASE("a link that loses, reorders and delays returns every octet", "[e2e][echo][impaired]")
{
    TCPCO_ON_EACH_RUNG(rung);
    impairment weather{bad_weather, 7};
    tap_world<recovering, impairment> w{{.rung = rung}, {}, weather};
    CHECK(echo_once(w, pattern(1 << 20, 4)) == "");
    CHECK(w.close());
    CHECK(weather.out_model().lost > 0);
    CHECK(weather.in_model().lost > 0);
    CHECK(weather.out_model().reordered > 0);
    CHECK(w.net.counters().retransmissions > 0);
}

TEST_CASE("the same with the default policies", "[e2e][echo][impaired]")
{
    TCPCO_ON_EACH_RUNG(rung);
    impairment weather{bad_weather, 8};
    tap_world<default_policies, impairment> w{{.rung = rung}, {}, weather};
    CHECK(echo_once(w, pattern(256 << 10, 5)) == "");
    CHECK(w.close());
    CHECK(w.net.counters().retransmissions > 0);
}
