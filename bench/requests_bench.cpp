// Many small exchanges between two stacks in memory, on one core, without coroutines and without a device.
//
//     requests/n/connections   n octets there and n back, on each of the connections in turn; per request
//     connect_close            connect, one octet each way, close in order; per connection
#include "tcpco/core.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

namespace {

using namespace tcpco;

constexpr endpoint service{"192.0.2.2"_ip, 7};

// A wire that copies each frame once, as a device does, into the slots of the receiver's pool.
class joined_stacks {
public:
    explicit joined_stacks(std::uint32_t connections)
        : client{config("192.0.2.1/24"_net, 1, connections)}, server{config("192.0.2.2/24"_net, 2, connections)}
    {
        client.set_neighbour(server.address().v4(), mac_of(2));
        server.set_neighbour(client.address().v4(), mac_of(1));
        listener = server.listen(service, 1'024).value;
    }

    basic_stack<> client;
    basic_stack<> server;
    listener_id listener{};

    // What a driver's turn does, until nothing is left to do.
    void exchange()
    {
        now_ += 1_us;
        client.advance(now_);
        server.advance(now_);
        while (move(client, server) + move(server, client) > 0) {
        }
    }

private:
    static mac_address mac_of(std::uint8_t number)
    {
        mac_address mac = network_config{}.mac;
        mac.octets[5] = number;
        return mac;
    }
    static stack_config<default_policies> config(ip_prefix address, std::uint8_t number, std::uint32_t connections)
    {
        stack_config<default_policies> c{.address = address};
        c.network.mac = mac_of(number);
        c.limits.connections = connections + 64;
        c.time_wait.msl = 1_us;  // time hardly passes here: ports would run out
        c.seed = number;
        return c;
    }

    std::size_t move(basic_stack<>& from, basic_stack<>& to)
    {
        return from.transmit(
            now_,
            [&](const outgoing_frame& f) {
                buffer slot = pool_.acquire();
                if (!slot) {
                    return sink_verdict::refused;
                }
                f.copy_to(slot.data());
                const std::byte* first = slot.data();
                to.receive(now_, frame{slice{std::move(slot), first, static_cast<std::uint32_t>(f.size())}, f.info});
                return sink_verdict::done;
            },
            256);
    }

    buffer_pool pool_{2'048, 4'096};
    time_point now_{1'000'000'000};
};

struct pair_of_ends {
    connection_id client{};
    connection_id server{};
};

void requests(benchmark::State& state)
{
    const auto n = static_cast<std::size_t>(state.range(0));
    const auto count = static_cast<std::uint32_t>(state.range(1));
    joined_stacks net{count};
    std::vector<pair_of_ends> all(count);
    for (pair_of_ends& p : all) {
        p.client = net.client.connect(service, {.no_delay = true}).value;
        net.exchange();
        p.server = net.server.accept(net.listener).value;
        net.server.set_no_delay(p.server, true);
    }
    std::vector<std::byte> octets(n, std::byte{0x55});
    std::uint64_t complete = 0;
    std::uint64_t sent = 0;
    for (auto _ : state) {
        for (const pair_of_ends& p : all) {
            sent += net.client.write(p.client, octets).value;
        }
        net.exchange();
        for (const pair_of_ends& p : all) {
            if (net.server.read(p.server, octets).value == n) {
                sent += net.server.write(p.server, octets).value;
            }
        }
        net.exchange();
        for (const pair_of_ends& p : all) {
            complete += net.client.read(p.client, octets).value == n ? 1U : 0U;
        }
    }
    if (complete != static_cast<std::uint64_t>(state.iterations()) * count || sent != complete * 2 * n) {
        state.SkipWithError("an answer is missing");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(complete));
}

void connect_close(benchmark::State& state)
{
    joined_stacks net{16};
    std::byte octet{0x55};
    const std::span one{&octet, 1};
    for (auto _ : state) {
        const connection_id at_client = net.client.connect(service).value;
        net.exchange();
        const connection_id at_server = net.server.accept(net.listener).value;
        bool good = net.client.write(at_client, one).value == 1;
        net.exchange();
        good = good && net.server.read(at_server, one).value == 1 && net.server.write(at_server, one).value == 1;
        net.exchange();
        good = good && net.client.read(at_client, one).value == 1;
        net.client.close(at_client);
        net.exchange();
        good = good && net.server.read(at_server, one).ec == errc::end_of_stream;
        net.server.close(at_server);
        net.exchange();
        if (!good) {
            state.SkipWithError("the connection did not go its way");
            break;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

BENCHMARK(requests)->Args({64, 1'000});
BENCHMARK(connect_close);
