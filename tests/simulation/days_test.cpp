// Connections that live for weeks, and policies whose worth shows with time: the clock of the timestamps passes 2^31
// milliseconds in 24.8 days.
#include "simulation/cases.hpp"

#include "tcpco/policy/ack/adaptive.hpp"
#include "tcpco/policy/receive_window/auto_tuned.hpp"
#include "tcpco/policy/time_wait/none.hpp"
#include "tcpco/policy/time_wait/recycling.hpp"

using namespace tcpco_test;

namespace {

struct adaptive_bundle : default_policies {
    using ack = tcpco::ack::adaptive;
    using time_wait = tcpco::time_wait::recycling;
    using receive_window = window::auto_tuned;
};

struct no_wait_bundle : default_policies {
    using time_wait = tcpco::time_wait::none;
};

// A table in which no edge leads to TIME-WAIT: what did ends at once.
struct no_wait_edges {
    static constexpr auto rows = [] {
        auto changed = state_machines::rfc9293::rows;
        for (transition& row : changed) {
            if (row.to == tcp_state::time_wait) {
                row.to = tcp_state::closed;
                row.act = row.from == tcp_state::fin_wait_2
                              ? actions::send_ack | actions::signal_end_of_stream | actions::delete_tcb
                              : actions::delete_tcb;
            }
        }
        return changed;
    }();
};

struct no_wait_edges_bundle : default_policies {
    using state_machine = no_wait_edges;
};

constexpr duration a_day{86'400'000'000'000};
constexpr duration an_hour{3'600'000'000'000};
constexpr link_profile path{.delay = duration{20'000'000}, .per_frame = duration{100'000}};

template <class Sim>
void speak(Sim& net, std::size_t more)
{
    const std::size_t to_b = net.at_b.received.size() + more;
    const std::size_t to_a = net.at_a.received.size() + more;
    net.at_a.to_send.resize(to_b, std::byte{7});
    net.at_b.to_send.resize(to_a, std::byte{9});
    net.turn();
    REQUIRE(net.run([&] { return net.at_b.received.size() == to_b && net.at_a.received.size() == to_a; },
                    duration{60'000'000'000}));
}

}  // namespace

TEST_CASE("simulation: fifty days of silence, with keep-alive and without, then both speak and close",
          "[simulation][MUST-24][MUST-25][RFC7323-5.5a]")
{
    using sim = simulation<>;
    const bool keeps_alive = GENERATE(true, false);
    const std::uint64_t seed = GENERATE(1u, 2u, 3u, 4u);  // where the timestamps begin
    sim net{sim::config_a(seed), sim::config_b(seed), path};
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    REQUIRE(net.run([&] { return net.both_in(tcp_state::established); }, duration{10'000'000'000}));
    speak(net, 10'000);
    if (keeps_alive) {
        REQUIRE(net.a.set_keep_alive(net.id_a, keep_alive{}) == errc::ok);
    }
    const std::size_t before = net.link.count();
    net.run_for(50 * a_day);
    REQUIRE(net.violation() == "");
    REQUIRE(net.both_in(tcp_state::established));
    const std::size_t frames = net.link.count() - before;
    // A probe and its answer every two hours, and each end asks for the other's address again; else nothing at all.
    CHECK(frames >= (keeps_alive ? 2u * 590 : 0u));
    CHECK(frames <= (keeps_alive ? 6u * 605 : 0u));
    speak(net, 100'000);
    CHECK(net.info_a().timeouts + net.info_b().timeouts == 0);
    CHECK(net.a.counters().of(drop_reason::tcp_paws) + net.b.counters().of(drop_reason::tcp_paws) == 0);
    net.at_a.ends = net.at_b.ends = true;
    net.turn();
    CHECK(net.complete(an_hour) == "");
}

TEST_CASE("simulation: fifty days of a closed window are probed once a minute, and a reader of one octet a day is served",
          "[simulation][MUST-36][MUST-37]")
{
    using sim = simulation<>;
    auto cb = sim::config_b();
    cb.receive_window.capacity = 4'096;
    sim net{sim::config_a(), cb, path};
    net.skip_arp();
    net.at_a.to_send = pattern(20'000);
    net.at_a.ends = net.at_b.ends = false;
    net.at_b.reads = false;
    net.frame_limit = 1'000'000;
    net.open();
    net.run_for(a_day);
    const std::size_t before = net.link.count();
    octets got;
    for (int day = 0; day < 50; ++day) {
        net.run_for(a_day);
        std::byte one{};
        REQUIRE(net.b.read(net.id_b, std::span{&one, 1}).value == 1);
        got.push_back(one);
        net.turn();
        REQUIRE(net.violation() == "");
    }
    CHECK(std::equal(got.begin(), got.end(), net.at_a.to_send.begin()));
    CHECK(net.both_in(tcp_state::established));
    const std::size_t frames = net.link.count() - before;
    CHECK(frames >= 2u * 50 * 1'440 * 9 / 10);
    CHECK(frames <= 2u * 50 * 1'440 * 11 / 10);
    net.at_b.received = got;
    net.at_b.reads = true;
    net.at_a.ends = net.at_b.ends = true;
    net.turn();
    CHECK(net.complete(an_hour) == "");
}

TEST_CASE("simulation: adaptive ACKs, short TIME-WAIT and a tuned window bring every octet over a bad link", "[simulation]")
{
    run_matrix<adaptive_bundle>();
}

TEST_CASE("simulation: adaptive ACKs acknowledge each segment at first, every second one later", "[simulation][SHLD-19]")
{
    using sim = simulation<adaptive_bundle>;
    sim net{sim::config_a(), sim::config_b(), path};
    net.skip_arp();
    net.at_a.to_send = pattern(16 * 1'448);
    net.at_a.ends = net.at_b.ends = false;
    net.open();
    net.run_for(duration{2'000'000'000});
    REQUIRE(net.at_b.received.size() == 16 * 1'448);
    const auto acks = [&] { return net.b.counters().segments_sent; };
    const auto quick = acks();
    CHECK(quick >= 16);
    net.at_a.to_send = pattern(216 * 1'448);
    net.turn();
    net.run_for(duration{2'000'000'000});
    REQUIRE(net.at_b.received.size() == 216 * 1'448);
    CHECK(acks() - quick <= 16 + (200 - 16) / 2 + 20);
    CHECK(acks() - quick >= 16 + (200 - 16) / 2 - 2);
}

TEST_CASE("simulation: TIME-WAIT lasts as long as its policy says", "[simulation][MUST-13]")
{
    const auto lasts = []<class Bundle>(Bundle) {
        using sim = simulation<Bundle>;
        sim net{sim::config_a(), sim::config_b(), path};
        net.skip_arp();
        net.open();
        net.run([&] { return net.everything_arrived(); }, an_hour);
        REQUIRE(net.everything_arrived());
        net.a.close(net.id_a);
        net.b.close(net.id_b);
        const time_point over = net.now;
        net.run([&] { return net.a.time_wait_count() + net.b.time_wait_count() == 0 &&
                             net.a.connection_count() + net.b.connection_count() == 0 &&
                             net.a.deadline() == time_point::never() && net.b.deadline() == time_point::never(); },
                an_hour);
        return net.now - over;
    };
    const duration usual = lasts(default_policies{});
    CHECK(usual >= duration{59'000'000'000});
    CHECK(usual <= duration{61'000'000'000});
    const duration recycled = lasts(adaptive_bundle{});  // 3.5 RTO: no measured path brings it below 200 ms
    CHECK(recycled >= duration{650'000'000});
    CHECK(recycled <= duration{5'000'000'000});
    CHECK(lasts(no_wait_bundle{}) <= duration{1'000'000'000});
    CHECK(lasts(no_wait_edges_bundle{}) <= duration{1'000'000'000});
}
