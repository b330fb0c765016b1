// Several stacks on the queues of one TAP, against the kernel's clients: whichever queue the kernel chooses, and when it
// has forgotten what it chose before.
#include "tcpco/device/sharded.hpp"

#include "e2e/world.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <sys/ioctl.h>

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

constexpr unsigned shard_count = 2;

// tap0 with room for queues, up and with its address; it goes with its namespace.
void make_queued_tap(bool offload)
{
    device_error error;
    const tap made = tap::open({.name = "tap0", .offload = offload, .multi_queue = true}, error);
    if (!error && ::ioctl(made.fd(), TUNSETPERSIST, 1UL) != 0) {
        error = {tcpco::detail::last_error(), device_step::set_up, "tap0"};
    }
    for (const device_error& e : {error, set_interface_address("tap0", {ipv4_address{kernel_address}, 24}),
                                  set_interface_up("tap0"), set_interface_up("lo")}) {
        if (e) {
            throw_device_error(e);
        }
    }
}

auto shards_on_tap(const std::string& rung, bool offload)
{
    make_queued_tap(offload);
    return sharded{sharded_options{.count = shard_count,
                                   .reactor = {.uring = uring_settings::parse(rung), .say = nullptr}},
                   stack_config<default_policies>{.address = {ipv4_address{our_address}, 24}, .seed = 2026},
                   tap_queues({.name = "tap0", .offload = offload})};
}

void await(const std::atomic<unsigned>& value, unsigned wanted)
{
    for (unsigned seen = value.load(); seen < wanted; seen = value.load()) {
        value.wait(seen);
    }
}

void announce(std::atomic<unsigned>& value)
{
    ++value;
    value.notify_all();
}

// Writes down what has been handed over so far, each time that the script says so.
struct sample {
    std::atomic<unsigned> asked{0};
    std::atomic<unsigned> taken{0};
    std::array<std::uint64_t, shard_count> handed_over{};
};

template <class Shard>
task<> take_sample(Shard& shard, sample& s)
{
    while (s.asked == 0) {
        if (const std::error_code ec = co_await sleep_for(10_ms); ec) {
            co_return;
        }
    }
    s.handed_over[shard.index()] = shard.steering().counters().handed_over;
    announce(s.taken);
}

template <class Shard>
task<> serve_and_sample(scope& sessions, tcp_listener& listener, Shard& shard, sample& s)
{
    sessions.spawn(&take_sample<Shard>, std::ref(shard), std::ref(s));
    co_await serve_echo(sessions, listener);
}

// `rounds` lines there and back on each of the connections in turn. Empty, or what went wrong.
std::string talk_on_all(std::vector<kernel_stream>& connections, int rounds)
{
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < connections.size(); ++i) {
            const std::string line = "connection " + std::to_string(i) + ", round " + std::to_string(round) + "\n";
            if (const int error = connections[i].send_all(line); error != 0) {
                return std::string{"send: "} + std::strerror(error);
            }
            const kernel_read back = connections[i].receive_exactly(line.size());
            if (back.octets != line) {
                return "connection " + std::to_string(i) + ": " + (back.ended ? "ended" : std::strerror(back.error));
            }
        }
    }
    return {};
}

}  // namespace

TEST_CASE("kernel clients of a TAP with two queues are served by two stacks at one address", "[e2e][sharded]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const bool offload = GENERATE(false, true);
    CAPTURE(offload);
    auto shards = shards_on_tap(rung, offload);
    std::vector<std::string> texts;
    std::vector<exchange> clients(32);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        texts.push_back(tcpco_test::pattern(50'000 + i, 100 + i));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].to_send = texts[i];
    }
    std::atomic<unsigned> ready{0};
    std::string pinged;
    std::jthread kernel{[&] {
        await(ready, shard_count);
        run_exchanges(clients, 7);
        pinged = ping(our_host, "is somebody there?");
        shards.stop();
    }};
    const bool graceful = shards.run([&](auto& shard) -> task<> {
        tcp_listener listener{shard.net(), our_service};
        announce(ready);
        co_await with_scope(serve_echo, std::ref(listener));
    });
    kernel.join();
    CHECK(graceful);
    std::string problems;
    for (const exchange& e : clients) {
        problems += e.problem;
    }
    CHECK(problems == "");
    CHECK(pinged == "is somebody there?");
    const shard_counters total = shards.total();
    CHECK(total.stack.connections_opened == clients.size());
    // What is handed over may be overtaken: an ACK that comes behind the last one finds no connection. Its reset meets
    // nobody who waits for anything.
    CHECK(total.stack.resets_sent <= clients.size() / 4);
    CHECK(total.steering.handed_over > 0);
    CHECK(total.steering.taken_over == total.steering.handed_over + total.steering.told);
    CHECK(total.steering.dropped_ring_full + total.steering.dropped_unreachable == 0);
    // An old segment may come behind newer ones (tcp_paws): what is handed over can be overtaken.
    CHECK(total.stack.of(drop_reason::tcp_checksum) == 0);
    for (const shard_counters& each : shards.counters()) {
        CHECK(each.stack.connections_opened > 4);
        CHECK(each.io.received > 0);
    }
}

TEST_CASE("connections go on after five seconds of silence, in which the TAP has forgotten their queues",
          "[e2e][sharded]")
{
    const time_limit limit_of_test{40};
    if (const std::string why = why_no_world(""); !why.empty()) {
        tcpco_test::skip(why);
        return;
    }
    auto shards = shards_on_tap("", true);
    std::atomic<unsigned> ready{0};
    sample before;
    std::string problem;
    std::jthread kernel{[&] {
        await(ready, shard_count);
        std::vector<kernel_stream> connections(16);
        for (kernel_stream& c : connections) {
            if (const int error = c.connect(7); error != 0) {
                problem = std::string{"connect: "} + std::strerror(error);
            }
        }
        problem += talk_on_all(connections, 20);
        announce(before.asked);
        await(before.taken, shard_count);
        std::this_thread::sleep_for(std::chrono::seconds{5});
        problem += talk_on_all(connections, 20);
        for (kernel_stream& c : connections) {
            c.shutdown_sending();
            problem += c.receive_all().ended ? "" : "no end of the stream";
        }
        shards.stop();
    }};
    const bool graceful = shards.run([&](auto& shard) -> task<> {
        tcp_listener listener{shard.net(), our_service};
        announce(ready);
        co_await with_scope(&serve_and_sample<std::remove_reference_t<decltype(shard)>>, std::ref(listener),
                            std::ref(shard), std::ref(before));
    });
    kernel.join();
    CHECK(problem == "");
    CHECK(graceful);
    const shard_counters total = shards.total();
    CHECK(total.stack.connections_opened == 16);
    CHECK(total.stack.resets_sent == 0);
    CHECK(total.steering.dropped_ring_full + total.steering.dropped_unreachable == 0);
    const std::uint64_t first = before.handed_over[0] + before.handed_over[1];
    const std::uint64_t second = total.steering.handed_over - first;
    // The TAP learns where a flow is answered from, and forgets it: of some 700 frames each time only those few are
    // handed over that come before the first answer.
    CHECK(first > 0);
    CHECK(first <= 3 * 16);
    CHECK(second > 0);
    CHECK(second <= 3 * 16);
}
