// Requests in memory on one shard, and on two at the same time: driver, reactor, steering and coroutines in it, where
// two_cores has the bare stacks.
//
//     seconds=s connections=n   requests of 64 octets on each of n connections at a time, on each shard
//
// A shard's queue is one end of a link in memory, and the clients' stack is on the same thread at the other end. Clients
// take ports with which their connections are the shard's own, so nothing is handed over. Beside it, what two processes
// of one shard each do at the same time: the difference is what the shards of one process take from each other.
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include "arguments.hpp"
#include "echo_sessions.hpp"
#include "figures.hpp"
#include "own_cpus.hpp"
#include "tcpco/tcpco.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr endpoint service{ipv4_address{0xC6120002}, 7};
constexpr std::size_t request_octets = 64;

// One end of a link that both ends own.
class shared_end {
public:
    shared_end(std::shared_ptr<memory_link> link, memory_link::end& end) : link_{std::move(link)}, end_{&end} {}

    link_framing framing() const noexcept { return end_->framing(); }
    std::uint32_t mtu() const noexcept { return end_->mtu(); }
    std::size_t max_frame() const noexcept { return end_->max_frame(); }
    template <class Emit>
    void harvest(time_point now, buffer_pool& pool, Emit&& emit)
    {
        end_->harvest(now, pool, emit);
    }
    sink_verdict send(time_point now, const outgoing_frame& out) noexcept { return end_->send(now, out); }
    time_point deadline() const noexcept { return end_->deadline(); }
    void advance(time_point now) noexcept { end_->advance(now); }

private:
    std::shared_ptr<memory_link> link_;
    memory_link::end* end_;
};
static_assert(polled_device<shared_end>);

stack_config<default_policies> host(std::uint8_t number, std::uint32_t connections)
{
    stack_config<default_policies> c{.address = {ipv4_address{0xC6120000U + number}, 24}};
    c.network.mac.octets[5] = number;
    c.limits.connections = 2 * connections + 16;
    c.seed = number;
    return c;
}

// What a shard has done so far.
struct tally {
    unsigned connected = 0;
    std::uint64_t requests = 0;
};

task<> ask(stack_port& net, endpoint from, tally& done)
{
    auto [ec, socket] = co_await connect(net, service, {.local = from, .no_delay = true});
    if (ec) {
        throw std::system_error{ec};
    }
    ++done.connected;
    const std::vector<std::byte> request(request_octets, std::byte{0x55});
    std::vector<std::byte> answer(request_octets);
    for (;;) {
        static_cast<void>(co_await socket.write(request));
        auto [failed, n] = co_await socket.read_exactly(answer);
        if (failed) {
            co_return;
        }
        ++done.requests;
    }
}

constexpr duration of_seconds(double seconds)
{
    return duration{static_cast<std::int64_t>(seconds * 1e9)};
}

// Connects all, then measures for so long; the rate in millions a second of the thread's own time.
template <class Shard>
task<> measure(scope& all, Shard& shard, tcp_listener& listener, stack_port& net, unsigned connections, duration length,
               double& rate)
{
    all.spawn(serve, std::ref(all), std::ref(listener), &echo);
    tally done;
    std::uint16_t port = 10'000;
    for (unsigned i = 0; i < connections; ++i, ++port) {
        while (!shard.owner().owns({service, {ipv4_address{0xC6120001}, port}})) {
            ++port;
        }
        all.spawn(ask, std::ref(net), endpoint{ipv4_address{0xC6120001}, port}, std::ref(done));
    }
    while (done.connected < connections) {
        static_cast<void>(co_await sleep_for(1_ms));
    }
    static_cast<void>(co_await sleep_for(of_seconds(warm_up_seconds)));
    const std::uint64_t before = done.requests;
    const double used = thread_seconds();
    static_cast<void>(co_await sleep_for(length));
    rate = static_cast<double>(done.requests - before) / (thread_seconds() - used) / 1e6;
    all.request_stop();
    co_await all.join();
}

template <class Shard>
task<> run_shard(Shard& shard, memory_link& link, unsigned connections, duration length, double& rate)
{
    basic_stack<> net{host(1, connections)};
    driver clients{net, link.right(), shard.reactor()};
    tcp_listener listener{shard.net(), service, 1'024};
    co_await with_scope(&measure<Shard>, std::ref(shard), std::ref(listener), std::ref(net), connections, length,
                        std::ref(rate));
}

// Of all cpus together.
double run(const std::vector<int>& cpus, double seconds, unsigned connections)
{
    std::vector<std::shared_ptr<memory_link>> links(cpus.size());
    std::vector<double> rates(cpus.size());
    sharded shards{sharded_options{.count = static_cast<unsigned>(cpus.size()), .cpus = cpus, .grace = 10_ms},
                   host(2, connections), [&](std::uint32_t i) {
                       links[i] = std::make_shared<memory_link>(memory_link_options{.queue_frames = 8'192});
                       return shared_end{links[i], links[i]->left()};
                   }};
    const duration length = of_seconds(seconds);
    shards.run([&](auto& shard) -> task<> {
        co_await run_shard(shard, *links[shard.index()], connections, length, rates[shard.index()]);
    });
    if (const auto& s = shards.total().steering; s.handed_over + s.dropped_unreachable != 0) {
        throw std::runtime_error{"a shard got another's frames"};
    }
    return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const double seconds = given.real("seconds", 1);
    const unsigned connections = given.number("connections", 1'000);
    given.done();
    print_alone_and_together("two_shards", seconds, true, [&](const std::vector<int>& cpus, double length) {
        return run(cpus, length, connections);
    });
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "two_shards: %s\n", e.what());
    return 1;
}
