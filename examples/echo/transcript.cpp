#include "transcript.hpp"

#include <unistd.h>

#include <algorithm>

namespace echo_example {

progress::progress(std::size_t total) : total_{total}, terminal_{::isatty(STDOUT_FILENO) == 1} {}

void progress::update(std::size_t done)
{
    const auto now = clock::now();
    const auto pause = terminal_ ? std::chrono::milliseconds{200} : std::chrono::seconds{5};
    if (now - last_ < pause || done == 0) {
        return;
    }
    last_ = now;
    const double elapsed = std::chrono::duration<double>(now - began_).count();
    const double left = elapsed * static_cast<double>(total_ - done) / static_cast<double>(done);
    std::printf("%s  %6.1f of %.1f MiB came back, about %.0f s left   %s", terminal_ ? "\r" : "",
                static_cast<double>(done) / (1 << 20), static_cast<double>(total_) / (1 << 20), left,
                terminal_ ? "" : "\n");
    std::fflush(stdout);
    shown_ = true;
}

void progress::finish()
{
    if (shown_ && terminal_) {
        std::printf("\r%60s\r", "");
    }
}

void print_link(const std::string& what)
{
    std::printf("link      %s\n", what.c_str());
    std::fflush(stdout);
}

void print_text(const outcome& text)
{
    std::printf("text      %s\n", text.equal ? "came back as it was sent" : ("FAILED: " + text.error).c_str());
    std::fflush(stdout);
}

void print_large(const outcome& large, std::size_t size)
{
    if (!large.equal) {
        std::printf("large     FAILED: %s\n", large.error.c_str());
    } else {
        const double mbit = static_cast<double>(size) * 8 / large.seconds / 1e6;
        std::printf(
            "large     %.1f MiB there and back in %.2f s, %.0f Mbit/s each way\n"
            "          SHA-256 of both: %s\n",
            static_cast<double>(size) / (1 << 20), large.seconds, mbit, large.digest.c_str());
    }
    std::fflush(stdout);
}

void print_many(std::size_t equal, std::size_t clients, const std::string& first_error, double seconds)
{
    std::printf("many      %zu of %zu clients at the same time got their octets back, in %.2f s\n", equal, clients,
                seconds);
    if (equal != clients) {
        std::printf("          FAILED, for instance: %s\n", first_error.c_str());
    }
    std::fflush(stdout);
}

namespace {

void print_session(const char* name, const session_report& session, const state_observer& states)
{
    const tcpco::tcp_info& i = session.info;
    std::string path = "LISTEN";
    for (const tcpco::event::state_changed& change : states.changes) {
        if (change.connection == session.connection) {
            path += std::string{" > "} + tcpco::to_string(change.to);
        }
    }
    std::printf("  %-6s  %s\n", name, path.c_str());
    char rtt[80] = "RTT not measured (no segment was acknowledged at its first try)";
    if (i.srtt > tcpco::duration{}) {
        std::snprintf(rtt, sizeof rtt, "RTT %.3f ms (min %.3f)", i.srtt.seconds() * 1e3, i.min_rtt.seconds() * 1e3);
    }
    std::printf(
        "          %s: %s, RTO %.0f ms, %llu segments sent, %llu again, %llu timeouts,\n"
        "          %llu fast recoveries, cwnd %lld octets\n",
        tcpco::to_string(i.remote).c_str(), rtt, i.rto.seconds() * 1e3,
        static_cast<unsigned long long>(i.segments_sent), static_cast<unsigned long long>(i.retransmissions),
        static_cast<unsigned long long>(i.timeouts), static_cast<unsigned long long>(i.fast_recoveries),
        static_cast<long long>(i.cwnd));
}

}  // namespace

void print_server(const service_report& report, const state_observer& states, const tcpco::stack_counters& counters)
{
    std::printf("server    %zu sessions, at most %zu at a time\n", report.sessions.size(), report.most_open);
    if (!report.sessions.empty()) {
        print_session("text", report.sessions.front(), states);
    }
    if (report.sessions.size() > 1) {
        print_session("large", report.sessions[1], states);
    }
    std::printf("stack     %llu frames in, %llu out, %llu segments sent again, %llu timeouts\n",
                static_cast<unsigned long long>(counters.frames_received),
                static_cast<unsigned long long>(counters.frames_sent),
                static_cast<unsigned long long>(counters.retransmissions),
                static_cast<unsigned long long>(counters.timeouts));
    for (std::size_t i = 0; i < tcpco::drop_reason_count; ++i) {
        if (counters.dropped[i] != 0) {
            std::printf("          dropped %llu: %s\n", static_cast<unsigned long long>(counters.dropped[i]),
                        tcpco::to_string(static_cast<tcpco::drop_reason>(i)));
        }
    }
    std::fflush(stdout);
}

}  // namespace echo_example
