// The coroutine echo server, with clients on the kernel's side of a TAP or on a second stack in memory.
//
// ctest: --link memory --size 4MiB --no-capture
// ctest: --link memory --size 256KiB --clients 20 --loss 2% --reorder 2% --delay 1ms --no-capture
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <thread>

#include "kernel_clients.hpp"
#include "memory_clients.hpp"
#include "options.hpp"
#include "service.hpp"
#include "transcript.hpp"

using namespace tcpco;
using namespace echo_example;

namespace {

constexpr endpoint service_endpoint{"198.18.0.2"_ip, 7};

void open_capture(capture& record, const options& chosen, time_point now)
{
    if (chosen.capture.empty()) {
        return;
    }
    if (const auto ec = record.open(
            chosen.capture,
            {.epoch_offset = capture::offset_to_wall_clock(now), .snap_length = 256, .flush_each_turn = chosen.keep})) {
        std::fprintf(stderr, "no capture: %s: %s\n", chosen.capture.c_str(), ec.message().c_str());
    }
}

void print_capture(const options& chosen)
{
    if (!chosen.capture.empty()) {
        std::printf("capture   %s (headers only; Wireshark opens it)\n", chosen.capture.c_str());
    }
}

// "1 % loss, 5 ms delay, 1 % reordering, each way"
std::string describe(const impairment_config& i)
{
    char text[100];
    std::snprintf(text, sizeof text, ", %g %% loss, %g ms delay, %g %% reordering, each way", i.loss * 100,
                  i.delay.seconds() * 1e3, i.reorder * 100);
    return text;
}

// How to talk to a server that was left up.
void print_how_to_reach()
{
    const char* join = std::getenv("TCPCO_JOIN");
    std::printf(
        "\nThe server stays up until Ctrl-C. Its address exists in its network namespace only; from another terminal:\n"
        "  %s %d nc 198.18.0.2 7\n",
        join != nullptr ? join : "nsenter -n -t", static_cast<int>(::getpid()));
    std::fflush(stdout);
}

bool over_tap(const options& chosen)
{
    // The impairment acts on frames: super-frames would be lost 40 segments at a time.
    tap link = tap::open({.name = "tap0", .offload = !chosen.impaired()});
    for (const device_error& e : {set_interface_address("tap0", "198.18.0.1/24"_net), set_interface_up("tap0")}) {
        if (e) {
            throw_device_error(e);
        }
    }
    system_reactor reactor;
    echo_stack net{{.address = "198.18.0.2/24"_net, .seed = random_seed()}};
    impairment weather{chosen.impairment, chosen.impairment, chosen.seed};
    capture record{link_framing::ethernet};
    open_capture(record, chosen, reactor.now());
    decorated device{link, weather, record};
    driver link_driver{net, device, reactor};
    print_link("TAP tap0, kernel 198.18.0.1 <-> tcpco 198.18.0.2; " + reactor.why() +
               (link.offload().tso_max != 0 ? "; super-frames" : "") +
               (chosen.impaired() ? describe(chosen.impairment) : std::string{}));

    tcp_listener listener{net, service_endpoint, 1024};
    service_report report;
    reactor.stop_on_signals({SIGINT, SIGTERM});
    bool all_equal = false;
    std::atomic<bool> clients_ended = false;
    std::jthread clients{[&] {
        all_equal = run_kernel_clients(chosen);
        clients_ended = true;
        reactor.post([&] { chosen.keep ? print_how_to_reach() : reactor.stop(); });
    }};
    reactor.run(with_scope(serve, std::ref(listener), std::ref(report), std::ref(net)));
    link_driver.close_all(2_s);
    while (!clients_ended) {
        reactor.turn(20_ms);  // stopped early: who still talks or connects is answered with an RST
    }
    clients.join();
    print_server(report, net.observer(), net.counters());
    print_capture(chosen);
    return all_equal;
}

task<bool> serve_and_talk(tcp_listener& listener, service_report& report, stack_port& server, stack_port& client,
                          const options& chosen)
{
    auto service = with_scope(serve, std::ref(listener), std::ref(report), std::ref(server));
    auto talk = run_memory_clients(client, chosen);
    auto both = co_await when_any(std::move(talk), std::move(service));  // the service ends when the clients have
    co_return std::get<0>(both.results);
}

bool in_memory(const options& chosen)
{
    memory_link link;
    system_reactor reactor;
    echo_stack server{{.address = "198.18.0.2/24"_net, .seed = random_seed()}};
    stack_config<echo_policies> other{.address = "198.18.0.1/24"_net, .seed = random_seed()};
    other.network.mac.octets[5] ^= 1;
    echo_stack client{other};
    impairment weather{chosen.impairment, chosen.impairment, chosen.seed};
    capture record{link_framing::ethernet};
    open_capture(record, chosen, reactor.now());
    decorated device{link.left(), weather, record};
    driver server_driver{server, device, reactor};
    driver client_driver{client, link.right(), reactor};
    print_link("memory, tcpco 198.18.0.1 <-> tcpco 198.18.0.2; " + reactor.why() +
               (chosen.impaired() ? describe(chosen.impairment) : std::string{}));
    if (chosen.keep) {
        std::printf("          --keep means nothing here: nobody outside can reach a link in memory\n");
    }

    tcp_listener listener{server, service_endpoint, 1024};
    service_report report;
    reactor.stop_on_signals({SIGINT, SIGTERM});
    const bool all_equal = reactor.run(serve_and_talk(listener, report, server, client, chosen));
    server_driver.close_all(2_s);
    client_driver.close_all(2_s);
    print_server(report, server.observer(), server.counters());
    print_capture(chosen);
    return all_equal;
}

}  // namespace

int main(int argc, char** argv)
try {
    const options chosen = parse(argc, argv);
    const bool all_equal = chosen.in_memory ? in_memory(chosen) : over_tap(chosen);
    std::printf(all_equal ? "\nEvery octet came back.\n" : "\nFAILED: see above.\n");
    return all_equal ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
