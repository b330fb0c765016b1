// An echo server on several cores: one stack for each, all at one address, and clients that are sharded likewise.
//
// Here socket pairs join the two sides, queue by queue. With a TAP the servers would be
//     sharded servers{options, config, tap_queues({.name = "tap0"})};
//
// ctest:
#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include <tcpco/tcpco.hpp>

using namespace tcpco;

constexpr unsigned shards = 2;
constexpr unsigned clients_of_a_shard = 50;

// What opens the queue of a shard.
struct queue_of {
    std::vector<frame_fd>* queues;
    frame_fd operator()(std::uint32_t shard) const { return std::move((*queues)[shard]); }
};

task<> echo(tcp_socket socket)
{
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return;
        }
        if (auto [failed, n] = co_await socket.write(octets); failed) {
            co_return;
        }
    }
}

task<> serve(scope& sessions, tcp_listener& listener)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(echo, std::move(socket));
    }
}

task<> talk(stack_port& net, std::atomic<unsigned>& good)
{
    auto [ec, socket] = co_await with_timeout(connect(net, {"198.18.0.2"_ip, 7}), 10_s);
    if (ec) {
        co_return;
    }
    std::vector<std::byte> sent(10'000, std::byte{'x'});
    static_cast<void>(co_await socket.write(sent));
    std::vector<std::byte> back(sent.size());
    auto [failed, n] = co_await with_timeout(socket.read_exactly(back), 10_s);
    good += !failed && back == sent ? 1U : 0U;
}

task<> talk_often(scope& clients, stack_port& net, std::atomic<unsigned>& good)
{
    for (unsigned i = 0; i < clients_of_a_shard; ++i) {
        clients.spawn(talk, std::ref(net), std::ref(good));
    }
    co_return;
}

void print(const char* side, const std::vector<shard_counters>& all)
{
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::printf("%s %zu: %llu connections; of %llu frames on its queue %llu were another's\n", side, i,
                    static_cast<unsigned long long>(all[i].stack.connections_opened),
                    static_cast<unsigned long long>(all[i].io.received),
                    static_cast<unsigned long long>(all[i].steering.handed_over));
    }
}

int main()
try {
    std::vector<frame_fd> here;
    std::vector<frame_fd> there;
    for (unsigned i = 0; i < shards; ++i) {
        auto [one, other] = frame_fd::pair();
        here.push_back(std::move(one));
        there.push_back(std::move(other));
    }
    using config = stack_config<default_policies>;
    sharded servers{sharded_options{.count = shards},
                    config{.address = "198.18.0.2/24"_net, .network = {.mac = {{2, 0, 0, 0, 0, 2}}}},
                    queue_of{&here}};
    sharded clients{sharded_options{.count = shards},
                    config{.address = "198.18.0.1/24"_net, .network = {.mac = {{2, 0, 0, 0, 0, 1}}}},
                    queue_of{&there}};

    std::atomic<unsigned> ready{0};
    std::exception_ptr servers_failed;
    std::thread server_side{[&] {
        try {
            servers.run([&ready](auto& shard) -> task<> {
                tcp_listener listener{shard.net(), {"198.18.0.2"_ip, 7}};
                ++ready;
                ready.notify_all();
                co_await with_scope(serve, std::ref(listener));
            });
        } catch (...) {
            servers_failed = std::current_exception();
        }
        ready = shards;  // whatever became of them: nobody has to wait any more
        ready.notify_all();
    }};
    for (unsigned n = ready; n < shards; n = ready) {
        ready.wait(n);
    }
    std::atomic<unsigned> good{0};
    std::exception_ptr clients_failed;
    try {
        clients.run([&good](auto& shard) -> task<> {
            co_await with_scope(talk_often, std::ref(shard.net()), std::ref(good));
        });
    } catch (...) {
        clients_failed = std::current_exception();
    }
    servers.stop();
    server_side.join();
    for (const std::exception_ptr& failed : {servers_failed, clients_failed}) {
        if (failed) {
            std::rethrow_exception(failed);
        }
    }

    print("server", servers.counters());
    print("client", clients.counters());
    std::printf("%u of %u clients got their octets back\n", good.load(), shards * clients_of_a_shard);
    return good == shards * clients_of_a_shard ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
