// What idle connections cost: memory, with the coroutine that waits on each; and whether one that is active notices.
//
//     connections=n   established, each with an echo session that waits for octets
//     questions=n     of 64 octets on one of them, timed where it is alone in its stack and beside the others in theirs
//
// Time is virtual; the peers are a device (crowd.hpp) that keeps no memory of them. A minute passes before anything is
// weighed, so that whatever a connection gives back when it goes quiet has come back. The two stacks are asked in turn,
// in short rounds, since seconds later the processor may run at another rate; the medians count.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <limits>
#include <vector>

#include "arguments.hpp"
#include "crowd.hpp"
#include "figures.hpp"

namespace {

using namespace tcpco_bench;

double resident_octets()
{
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    unsigned long total = 0;
    unsigned long resident = 0;
    const bool good = file != nullptr && std::fscanf(file, "%lu %lu", &total, &resident) == 2;
    if (file != nullptr) {
        std::fclose(file);
    }
    return good ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

task<> echo(tcp_socket socket, std::uint32_t& sessions)
{
    static_cast<void>(socket.set_no_delay(true));
    ++sessions;
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

task<> serve(scope& children, tcp_listener& listener, std::uint32_t& sessions)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        children.spawn(echo, std::move(socket), std::ref(sessions));
    }
}

task<> serve_all(tcp_listener& listener, std::uint32_t& sessions)
{
    co_await with_scope(serve, std::ref(listener), std::ref(sessions));
}

class world {
public:
    explicit world(std::uint32_t connections)
        : net_{config(connections)}, driver_{net_, peers_, reactor_}, listener_{net_, crowded_server, 4'096},
          serving_{reactor_.get_executor(), serve_all(listener_, sessions_)}
    {
    }

    void grow_to(std::uint32_t connections)
    {
        peers_.grow_to(connections);
        turn_while([&] { return sessions_ < connections; });
        reactor_.run_until(reactor_.now() + 60_s);
        if (net_.connection_count() != connections) {
            throw std::runtime_error{"connections are missing"};
        }
    }

    // Nanoseconds of a question and its answer.
    double ask(std::uint64_t questions)
    {
        peers_.ask(questions / 10);
        turn_while([&] { return peers_.asking(); });
        peers_.ask(questions);
        const double began = processor_seconds();
        turn_while([&] { return peers_.asking(); });
        const double each = (processor_seconds() - began) / static_cast<double>(questions) * 1e9;
        if (net_.counters().timeouts != 0) {  // then it is a connection after a timeout that is measured
            throw std::runtime_error{"an answer was not acknowledged in time"};
        }
        return each;
    }

private:
    static stack_config<default_policies> config(std::uint32_t connections)
    {
        stack_config<default_policies> c{.address = "198.18.0.2/15"_net};
        c.limits.connections = connections;
        c.seed = 1;
        return c;
    }

    template <class Condition>
    void turn_while(Condition&& condition)
    {
        while (condition()) {
            if (!reactor_.turn(duration::max())) {
                throw std::runtime_error{"nothing goes on any more"};
            }
        }
    }

    crowd peers_;
    virtual_reactor reactor_{{.turns_per_instant = std::numeric_limits<std::uint64_t>::max()}};
    basic_stack<> net_;
    driver<basic_stack<>, crowd, virtual_reactor> driver_;
    std::uint32_t sessions_ = 0;
    tcp_listener listener_;
    root<> serving_;
};

double median(std::vector<double> of)
{
    const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
    std::nth_element(of.begin(), middle, of.end());
    return *middle;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const unsigned connections = given.number("connections", 1'000'000);
    const unsigned questions = given.number("questions", 200'000);
    given.done();
    figures found;
    world one{connections};
    one.grow_to(1);
    const double before = resident_octets();
    world all{connections};
    all.grow_to(connections);
    found.add("idle_memory", "tcpco", (resident_octets() - before) / connections);
    constexpr std::size_t rounds = 21;
    std::vector<double> alone;
    std::vector<double> beside;
    while (beside.size() < rounds) {
        alone.push_back(one.ask(questions / rounds));
        beside.push_back(all.ask(questions / rounds));
    }
    found.add("idle_active", "alone", median(alone));
    found.add("idle_active", "tcpco", median(beside));
    found.add("time_wait_record", "tcpco", sizeof(time_wait_record));
    found.add("syn_received_record", "tcpco", sizeof(syn_received_record));
    found.print();
    std::fflush(stdout);
    std::_Exit(0);  // without taking a million coroutines apart
} catch (const std::exception& e) {
    std::fprintf(stderr, "idle_connections: %s\n", e.what());
    return 1;
}
