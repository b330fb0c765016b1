// tcpco behind a TAP: echo, sink and source as coroutines. Started by bench/run, in a network namespace of its own.
//
//     offload=0|1     super-frames and checksum offload
//     slots=n         packet slots of the driver (0: the driver's choice)
//     batch=octets    read before the stack looks at them
//     every=n         full-sized segments per ACK; stretch=1: one ACK per batch, for plain segments too
//     window=octets   receive buffer of a connection
//     read=copy|view  into the user's buffer, or handed over where the octets arrived
//     busy=1          polls without ever sleeping
#include <functional>
#include <memory>
#include <vector>

#include "../tap_host.hpp"
#include "arguments.hpp"
#include "echo_sessions.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

constexpr std::size_t chunk_octets = 256 * 1'024;

// All sinks read into the same memory, which nobody looks at: so do the bare TAP and the kernel's server. With 64
// sessions a buffer for each would be 16 MiB that leave the cache before they are written again.
task<> sink_by_copy(tcp_socket socket)
{
    static const auto buffer = std::make_unique<std::byte[]>(chunk_octets);
    for (;;) {
        auto [ec, n] = co_await socket.read_some(std::span{buffer.get(), chunk_octets});
        if (ec) {
            co_return;
        }
    }
}

task<> sink_by_view(tcp_socket socket)
{
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return;
        }
    }
}

task<> source(tcp_socket socket)
{
    const std::vector<std::byte> chunk(chunk_octets, std::byte{0x55});
    for (;;) {
        auto [ec, n] = co_await socket.write(chunk);
        if (ec) {
            co_return;
        }
    }
}

struct service {
    tcp_listener listener;
    task<> (*session)(tcp_socket);
};

task<> serve_all(scope& sessions, std::vector<service>& services)
{
    for (service& s : services) {
        sessions.spawn(serve, std::ref(sessions), std::ref(s.listener), s.session);
    }
    say_ready();
    co_return;
}

std::vector<service> listen_to_all(stack_port& net, bool by_view)
{
    std::vector<service> services;
    services.push_back({tcp_listener{net, {"198.18.0.2"_ip, echo_port}, 1'024}, &echo});
    services.push_back({tcp_listener{net, {"198.18.0.2"_ip, sink_port}, 1'024}, by_view ? &sink_by_view : &sink_by_copy});
    services.push_back({tcp_listener{net, {"198.18.0.2"_ip, source_port}, 1'024}, &source});
    return services;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const std::string read = given.text("read", "copy");
    if (read != "copy" && read != "view") {
        throw std::runtime_error{"read is copy or view"};
    }
    tap_host_options options{.offload = given.flag("offload")};
    options.busy_poll = given.flag("busy") ? duration::max() : duration{};
    driver_options& slots = options.slots;
    slots.slots = given.number("slots", 0);
    slots.batch_octets = given.number("batch", static_cast<unsigned>(slots.batch_octets));
    auto& config = options.stack;
    config.ack.every = static_cast<std::uint8_t>(given.number("every", config.ack.every));
    config.ack.stretch = given.flag("stretch");
    config.receive_window.capacity = given.number("window", static_cast<unsigned>(config.receive_window.capacity));
    given.done();

    tap_host host{options};
    std::vector<service> services = listen_to_all(host.net(), read == "view");
    host.reactor().run(with_scope(serve_all, std::ref(services)));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "tcpco_server: %s\n", e.what());
    return 1;
}
