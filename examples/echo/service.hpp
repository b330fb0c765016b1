// The echo service: the same coroutines over a TAP and in memory, and what they note for the transcript.
#pragma once

#include <string>
#include <vector>

#include "tcpco/tcpco.hpp"

namespace echo_example {

// Notes each state that a connection passes through.
struct state_observer {
    struct config {};
    state_observer() = default;
    explicit state_observer(const config&) {}

    void on(const tcpco::event::state_changed& e) { changes.push_back(e); }

    std::vector<tcpco::event::state_changed> changes;
};

// The default policies with modern loss recovery, so that a bad link does not take for ever.
struct echo_policies : tcpco::default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::rack_tlp;
    using recovery_rate = tcpco::reduction::prr;
    using observer = state_observer;
};
using echo_stack = tcpco::basic_stack<echo_policies>;

struct session_report {
    tcpco::event::connection_key connection = 0;
    tcpco::tcp_info info{};
    double seconds = 0;
};

struct service_report {
    std::vector<session_report> sessions;
    std::size_t open = 0;
    std::size_t most_open = 0;
};

// Sends back what comes, then closes as the peer did.
inline tcpco::task<> echo(tcpco::tcp_socket socket, service_report& report, tcpco::stack_port& net)
{
    const tcpco::time_point began = net.last_time();
    report.most_open = std::max(report.most_open, ++report.open);
    std::error_code failed;
    while (!failed) {
        auto [ec, octets] = co_await socket.receive();  // waits without holding a buffer
        if (ec) {
            break;
        }
        failed = (co_await socket.write(octets)).ec;
    }
    const tcpco::io_result_of<tcpco::tcp_info> last = socket.info();
    const tcpco::connection_id id = socket.id();
    report.sessions.push_back({tcpco::event::connection_key{id.generation} << 32 | id.index, last.value,
                               (net.last_time() - began).seconds()});
    --report.open;
}

inline tcpco::task<> serve(tcpco::scope& sessions, tcpco::tcp_listener& listener, service_report& report,
                           tcpco::stack_port& net)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(echo, std::move(socket), std::ref(report), std::ref(net));
    }
}

}  // namespace echo_example
