#include "tcpco/policy/observer/counting.hpp"

#include <concepts>
#include <type_traits>

#include "catch.hpp"
#include "tcpco/policy/observer/null.hpp"

using namespace tcpco;

namespace {

template <class O, class E>
concept takes = requires(O& o, const E& e) { o.on(e); };

static_assert(!takes<observers::null, event::segment_sent> && takes<observers::counting, event::segment_sent>);
static_assert(std::is_trivially_copyable_v<event::segment_received>);
static_assert(std::is_trivially_copyable_v<event::state_changed>);

// An observer of the user's own takes what it likes.
struct last_rtt {
    struct config {};
    last_rtt() = default;
    explicit last_rtt(const config&) {}
    void on(const event::rtt_measured& e) { rtt = e.rtt; }
    duration rtt{};
};
static_assert(observer<last_rtt>);

}  // namespace

TEST_CASE("an observer hears the events that it has overloads for, and only those", "[policy]")
{
    last_rtt o;
    observe(o, event::timer_fired{});
    observe(o, event::rtt_measured{.rtt = 5_ms});
    CHECK(o.rtt == 5_ms);
    observers::null none;
    observe(none, event::rtt_measured{});
}

TEST_CASE("counting counts each kind of event, segments as on the wire", "[policy]")
{
    observers::counting o;
    observe(o, event::state_changed{.from = tcp_state::listen, .to = tcp_state::syn_received});
    observe(o, event::state_changed{.to = tcp_state::established});
    observe(o, event::segment_sent{.octets = 64'240, .wire_segments = 44});
    observe(o, event::segment_sent{});
    observe(o, event::segment_received{.octets = 10});
    observe(o, event::retransmitted{.range = {{1}, {1'461}}});
    observe(o, event::frame_dropped{.reason = 3});
    observe(o, event::rtt_measured{});
    observe(o, event::cwnd_changed{});
    observe(o, event::recovery_undone{.cause = spurious_cause::timestamp});
    observe(o, event::timer_fired{.kind = event::timer_kind::persist});
    const auto& n = o.count();
    CHECK(n.state_changes == 2);
    CHECK(n.entered[static_cast<std::size_t>(tcp_state::established)] == 1);
    CHECK(n.segments_sent == 45);
    CHECK(n.octets_sent == 64'240);
    CHECK(n.segments_received == 1);
    CHECK(n.octets_received == 10);
    CHECK(n.retransmissions == 1);
    CHECK(n.octets_retransmitted == 1'460);
    CHECK(n.frames_dropped == 1);
    CHECK(n.rtt_samples == 1);
    CHECK(n.cwnd_changes == 1);
    CHECK(n.recoveries_undone[static_cast<std::size_t>(spurious_cause::timestamp)] == 1);
    CHECK(n.recoveries_undone[static_cast<std::size_t>(spurious_cause::dsack)] == 0);
    CHECK(n.timers[static_cast<std::size_t>(event::timer_kind::persist)] == 1);
    CHECK(n.timers[static_cast<std::size_t>(event::timer_kind::rto)] == 0);
}
