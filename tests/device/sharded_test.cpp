#include "tcpco/device/sharded.hpp"

#include "catch.hpp"

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>

#include "support/echo_service.hpp"
#include "support/stack_instance.hpp"
#include "tcpco/async/connect.hpp"
#include "tcpco/async/tcp_listener.hpp"
#include "tcpco/async/timeout.hpp"
#include "tcpco/device/frame_fd.hpp"

// Several stacks in threads of their own and a client on the test's, over socket pairs: no TAP and no privilege. Also
// built with -fsanitize=thread.

using namespace tcpco;

namespace {

constexpr std::uint32_t shard_count = 3;
constexpr ipv4_address servers_address{0xC6120002};
constexpr ipv4_address client_address{0xC6120001};

stack_config<default_policies> host(ipv4_address address)
{
    stack_config<default_policies> c{.address = {address, 24}, .seed = address.value};
    c.network.mac.octets[5] = static_cast<std::uint8_t>(address.value);
    c.limits = {.connections = 1'024, .small_slots = 1'024, .large_slots = 256};
    return c;
}

// The other side of all queues as one device. Unlike a TAP it remembers no flow: each frame goes to the next queue.
class queues {
public:
    explicit queues(std::size_t n)
    {
        for (std::size_t i = 0; i < n; ++i) {
            auto [ours, theirs] = frame_fd::pair();
            ours_.push_back(std::move(ours));
            theirs_.push_back(std::move(theirs));
        }
    }
    frame_fd take(std::uint32_t index) { return std::move(theirs_[index]); }

    // --- a polled device -------------------------------------------------------------------------------------------
    link_framing framing() const noexcept { return link_framing::ethernet; }
    std::uint32_t mtu() const noexcept { return 1'500; }
    std::size_t max_frame() const noexcept { return 1'518; }
    template <class Emit>
    void harvest(time_point, buffer_pool& pool, Emit&& emit)
    {
        for (const frame_fd& q : ours_) {
            std::byte octets[2'048];
            for (ssize_t n = 0; (n = ::recv(q.fd(), octets, sizeof octets, MSG_DONTWAIT)) > 0;) {
                const std::span whole{octets, static_cast<std::size_t>(n)};
                const bool arp = octets[12] == std::byte{0x08} && octets[13] == std::byte{0x06};
                arp_requests += arp && octets[21] == std::byte{1} ? 1U : 0U;
                arp_replies += arp && octets[21] == std::byte{2} ? 1U : 0U;
                if (frame f = copy_frame(pool, whole); f.data.owner) {
                    emit(std::move(f));
                }
            }
        }
    }
    sink_verdict send(time_point, const outgoing_frame& out)
    {
        std::byte octets[2'048];
        out.copy_to(octets);
        arp_asked += octets[12] == std::byte{0x08} && octets[13] == std::byte{0x06} && octets[21] == std::byte{1} ? 1U : 0U;
        static_cast<void>(::send(ours_[next_++ % ours_.size()].fd(), octets, out.size(), MSG_DONTWAIT));
        return sink_verdict::done;
    }
    time_point deadline() const noexcept { return again_; }
    void advance(time_point now) { again_ = now + 50_us; }

    unsigned arp_asked = 0;     // requests of the client's
    unsigned arp_replies = 0;   // from the shards
    unsigned arp_requests = 0;  // likewise

private:
    std::vector<frame_fd> ours_;
    std::vector<frame_fd> theirs_;
    std::size_t next_ = 0;
    time_point again_{};
};
static_assert(polled_device<queues>);

struct client {
    explicit client(std::size_t n) : link{n} {}
    queues link;
    system_reactor reactor{{.say = nullptr}};
    basic_stack<> net{host(client_address)};
    driver<basic_stack<>, queues, system_reactor> link_driver{net, link, reactor};
};

auto shards_of(client& c, sharded_options options)
{
    options.reactor.say = nullptr;
    return sharded{std::move(options), host(servers_address), [&c](std::uint32_t i) { return c.link.take(i); }};
}

// One connection, its octets there and back. True: all came.
task<> talk(stack_port& net, endpoint to, std::size_t size, std::size_t& good)
{
    auto [ec, socket] = co_await with_timeout(connect(net, to), 20_s);
    if (ec) {
        co_return;
    }
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 26) % 26);
    }
    if (auto [failed, n] = co_await socket.write(std::as_bytes(std::span{text})); failed) {
        co_return;
    }
    std::string back;
    while (back.size() < size) {
        auto [failed, octets] = co_await with_timeout(socket.receive(), 20_s);
        if (failed) {
            co_return;
        }
        back.append(octets.text());
    }
    good += back == text ? 1U : 0U;
}

task<> talk_to_all(scope& s, stack_port& net, endpoint to, std::size_t connections, std::size_t size, std::size_t& good)
{
    for (std::size_t i = 0; i < connections; ++i) {
        s.spawn(talk, std::ref(net), to, size, std::ref(good));
    }
    co_return;
}

void await(const std::atomic<unsigned>& value, unsigned wanted)
{
    for (unsigned seen = value.load(); seen < wanted; seen = value.load()) {
        value.wait(seen);
    }
}

}  // namespace

TEST_CASE("shards: a client meets one host, on whichever queue its frames arrive", "[device][sharded]")
{
    client c{shard_count};
    auto shards = shards_of(c, {.count = shard_count});
    std::atomic<unsigned> ready{0};
    bool graceful = false;
    std::thread servers{[&] {
        graceful = shards.run([&](auto& shard) -> task<> {
            tcp_listener listener{shard.net(), {servers_address, 7}};
            ++ready;
            ready.notify_one();
            co_await with_scope(tcpco_test::serve_echo, std::ref(listener));
        });
    }};
    await(ready, shard_count);
    std::size_t good = 0;
    c.reactor.run(with_scope(talk_to_all, std::ref(c.net), endpoint{servers_address, 7}, std::size_t{24},
                             std::size_t{40'000}, std::ref(good)));
    static_cast<void>(c.link_driver.close_all(2_s));
    shards.stop();
    servers.join();
    CHECK(good == 24);
    CHECK(graceful);
    CHECK(c.net.counters().of(drop_reason::tcp_no_connection) == 0);

    REQUIRE(shards.counters().size() == shard_count);
    for (const shard_counters& each : shards.counters()) {
        CHECK(each.stack.connections_opened > 0);
        CHECK(each.steering.kept > 0);
        CHECK(each.steering.handed_over > 0);
        CHECK(each.steering.taken_over > 0);
        CHECK(each.steering.doorbells > 0);
    }
    const shard_counters total = shards.total();
    CHECK(total.stack.connections_opened == 24);
    CHECK(total.steering.dropped_ring_full == 0);
    CHECK(total.steering.dropped_unreachable == 0);
    CHECK(total.steering.taken_over == total.steering.handed_over + total.steering.told);
    CHECK(total.io.received == total.steering.kept + total.steering.handed_over);
    // One answer to each question, and what it said of its asker all have learnt: none of them had to ask.
    CHECK(c.link.arp_asked > 0);
    CHECK(c.link.arp_replies == c.link.arp_asked);
    CHECK(c.link.arp_requests == 0);
}

TEST_CASE("shards: each opens connections whose answers are its own", "[device][sharded]")
{
    client c{shard_count};
    auto shards = shards_of(c, {.count = shard_count});
    std::atomic<std::size_t> good{0};
    std::atomic<unsigned> refused{0};  // ports whose answers would go to another shard
    bool graceful = false;
    std::thread openers{[&] {
        graceful = shards.run([&](auto& shard) -> task<> {
            std::uint16_t port = 2'000;
            while (shard.owner().owns({{servers_address, port}, {client_address, 7}})) {
                ++port;
            }
            const connect_options anothers{.local = {servers_address, port}};
            refused += shard.net().connect({client_address, 7}, anothers).ec == errc::address_not_available ? 1U : 0U;
            std::size_t mine = 0;
            co_await with_scope(talk_to_all, std::ref(shard.net()), endpoint{client_address, 7}, std::size_t{10},
                                std::size_t{3'000}, std::ref(mine));
            good += mine;
        });
        c.reactor.post([&] { c.reactor.stop(); });
    }};
    tcp_listener listener{c.net, {client_address, 7}};
    c.reactor.run(with_scope(tcpco_test::serve_echo, std::ref(listener)));
    openers.join();
    CHECK(good == 10 * shard_count);
    CHECK(refused == shard_count);
    CHECK(graceful);
    CHECK(shards.total().steering.handed_over > 0);
    for (const shard_counters& each : shards.counters()) {
        CHECK(each.stack.connections_opened == 10);
        CHECK(each.stack.of(drop_reason::tcp_no_connection) == 0);
    }
}

TEST_CASE("shards: an exception in one stops all, and is rethrown", "[device][sharded]")
{
    client c{shard_count};
    auto shards = shards_of(c, {.count = shard_count, .grace = 100_ms});
    std::atomic<unsigned> stopped{0};
    const auto run = [&] {
        shards.run([&](auto& shard) -> task<> {
            if (shard.index() == 1) {
                static_cast<void>(co_await sleep_for(5_ms));
                throw std::runtime_error{"shard 1 has had enough"};
            }
            tcp_listener listener{shard.net(), {servers_address, 7}};
            auto [ec, socket] = co_await listener.accept();
            stopped += ec == errc::operation_canceled ? 1U : 0U;
        });
    };
    CHECK_THROWS_WITH(run(), "shard 1 has had enough");
    CHECK(stopped == shard_count - 1);
}

TEST_CASE("shards: a device that cannot be opened keeps all from beginning", "[device][sharded]")
{
    client c{shard_count};
    unsigned begun = 0;
    sharded shards{{.count = shard_count, .reactor = {.say = nullptr}}, host(servers_address), [&c](std::uint32_t i) {
                       if (i == 2) {
                           throw std::runtime_error{"no third queue"};
                       }
                       return c.link.take(i);
                   }};
    CHECK_THROWS_WITH(shards.run([&](auto&) -> task<> {
        ++begun;
        co_return;
    }),
                      "no third queue");
    CHECK(begun == 0);
}

TEST_CASE("shards: a stop that came before, and a stop by signal, end all", "[device][sharded]")
{
    client c{shard_count};
    std::atomic<unsigned> ready{0};
    std::atomic<unsigned> stopped{0};
    const auto wait = [&](auto& shard) -> task<> {
        tcp_listener listener{shard.net(), {servers_address, 7}};
        ++ready;
        ready.notify_one();
        auto [ec, socket] = co_await listener.accept();
        stopped += ec == errc::operation_canceled ? 1U : 0U;
    };
    SECTION("before")
    {
        auto shards = shards_of(c, {.count = shard_count});
        shards.stop();
        CHECK(shards.run(wait));
    }
    SECTION("by signal, when the first shard's own program has ended")
    {
        auto shards = shards_of(c, {.count = shard_count});
        shards.stop_on_signals({SIGUSR1});
        const auto but_the_first = [&](auto& shard) -> task<> {
            if (shard.index() == 0) {
                ++ready;
                ready.notify_one();
                ++stopped;
                co_return;
            }
            co_await wait(shard);
        };
        std::thread sender;
        const pid_t self = ::getpid();
        sender = std::thread{[&] {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
            await(ready, shard_count);
            ::kill(self, SIGUSR1);
        }};
        CHECK(shards.run(but_the_first));
        sender.join();
    }
    CHECK(stopped == shard_count);
}

TEST_CASE("shards: one is a stack like any other", "[device][sharded]")
{
    client c{1};
    auto shards = shards_of(c, {.count = 1});
    std::atomic<unsigned> ready{0};
    std::thread server{[&] {
        shards.run([&](auto& shard) -> task<> {
            tcp_listener listener{shard.net(), {servers_address, 7}};
            ++ready;
            ready.notify_one();
            co_await with_scope(tcpco_test::serve_echo, std::ref(listener));
        });
    }};
    await(ready, 1);
    std::size_t good = 0;
    c.reactor.run(with_scope(talk_to_all, std::ref(c.net), endpoint{servers_address, 7}, std::size_t{3},
                             std::size_t{10'000}, std::ref(good)));
    static_cast<void>(c.link_driver.close_all(2_s));
    shards.stop();
    server.join();
    CHECK(good == 3);
    CHECK(shards.total().steering.handed_over == 0);
}
