// What an observer hears of a stack's segments: the short ways and the long one say the same.
#include "tcpco/policy/observer/events.hpp"

#include <vector>

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

struct hearing_observer {
    struct config {};
    hearing_observer() = default;
    explicit hearing_observer(const config&) {}
    void on(const event::segment_received& e) { received.push_back(e); }
    void on(const event::retransmitted& e) { retransmitted.push_back(e); }

    std::vector<event::segment_received> received;
    std::vector<event::retransmitted> retransmitted;
};

struct heard_policies : default_policies {
    using observer = hearing_observer;
};

struct heard_host : raw_host<heard_policies> {
    heard_host()
    {
        know();
        listener = stack.listen({stack_ip, 80}).value;
        peer.options.has_window_scale = true;
        peer.options.window_scale = 3;
        peer.send(tcp_flag::syn);
        peer.options.has_window_scale = false;
        peer.take();
        peer.window = 2'000;
        peer.send(tcp_flag::ack);
        drain();
        id = stack.accept(listener).value;
    }
    const hearing_observer& heard() { return stack.observer(); }

    listener_id listener{};
    raw_tcp<raw_host<heard_policies>> peer{*this};
    connection_id id{};
};

}  // namespace

TEST_CASE("an observer hears where a segment that arrives begins, and the window that it offers, scaled up", "[stack]")
{
    heard_host h;
    h.peer.send(tcp_flag::ack, octets(100));
    h.peer.send(tcp_flag::ack, octets(100));                          // the short way
    h.peer.send(tcp_flag::ack | tcp_flag::urg, octets(100));          // the long one
    h.peer.send_at(tcp_flag::ack, 500, octets(10));                   // behind a hole
    const auto& all = h.heard().received;
    REQUIRE(all.size() >= 4);
    const std::size_t n = all.size() - 4;
    for (std::size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        CHECK(all[n + i].first == stream_offset{1} + static_cast<octet_count>(i) * 100);
        CHECK(all[n + i].octets == 100);
        CHECK(all[n + i].window == 16'000);
    }
    CHECK(all[n + 3].first == stream_offset{801});
}

TEST_CASE("an observer hears what leaves once more, how often it has left, and whether the timer was why", "[stack]")
{
    heard_host h;
    REQUIRE(h.stack.write(h.id, octets(500)).value == 500);
    h.drain();
    h.wait(5_s);
    const auto& all = h.heard().retransmitted;
    REQUIRE(all.size() >= 2);
    for (std::size_t i = 0; i < 2; ++i) {  // then smaller pieces ask whether the path is narrow
        CAPTURE(i);
        CHECK((all[i].range == offset_range{stream_offset{1}, stream_offset{501}}));
        CHECK(all[i].transmissions == i + 2);
        CHECK(all[i].by_timeout);
    }
    CHECK(all.size() == h.stack.info(h.id).value.retransmissions);

    heard_host quick;
    REQUIRE(quick.stack.write(quick.id, octets(4 * 536)).value == 4 * 536);
    quick.drain();
    for (int i = 0; i < 3; ++i) {
        quick.peer.send(tcp_flag::ack);
    }
    quick.drain();
    REQUIRE(quick.heard().retransmitted.size() == 1);
    const event::retransmitted& once = quick.heard().retransmitted.front();
    CHECK((once.range == offset_range{stream_offset{1}, stream_offset{537}}));
    CHECK(once.transmissions == 2);
    CHECK_FALSE(once.by_timeout);
}
