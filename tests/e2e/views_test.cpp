// Two views of one connection: what the kernel's TCP_INFO says and what ours says; and what a third party, tshark,
// thinks of our packets.
#include "e2e/world.hpp"

#include <cstdio>
#include <fstream>

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

// On a slow machine tail loss probes, the kernel's and ours, repeat what is not lost: without them, a clean link sees
// nothing twice.
void without_tail_loss_probes() { std::ofstream{"/proc/sys/net/ipv4/tcp_early_retrans"} << "0\n"; }

// Echoes until it has seen `octets`, and looks at the connection before it ends it.
task<> echo_and_look(tcp_listener& listener, std::size_t octets, tcpco::tcp_info& seen, async_event& go_on)
{
    auto [ec, socket] = co_await listener.accept();
    std::size_t n = 0;
    while (n < octets) {
        auto [failed, some] = co_await socket.receive();
        if (failed) {
            co_return;
        }
        n += some.size();
        static_cast<void>(co_await socket.write(some));
    }
    static_cast<void>(co_await socket.flush());
    seen = socket.info().value;
    static_cast<void>(co_await go_on.wait());
}

// A file that goes with this object.
class temporary_file {
public:
    temporary_file()
    {
        const int fd = ::mkstemp(path_);
        if (fd >= 0) {
            ::close(fd);
        }
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() { ::unlink(path_); }
    std::string path() const { return path_; }

private:
    char path_[32] = "/tmp/tcpco-e2e-XXXXXX";
};

struct command_output {
    std::string text{};
    int status = -1;
};

command_output run_command(const std::string& command)
{
    command_output out;
    if (std::FILE* pipe = ::popen(command.c_str(), "r")) {
        char buffer[4096];
        for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
            out.text.append(buffer, n);
        }
        out.status = ::pclose(pipe);
    }
    return out;
}

// Without anybody's preferences; tshark 4 crashes over those that it may not read.
command_output tshark(const std::string& file, const std::string& filter)
{
    return run_command("HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent timeout 30 tshark -n -r " + file +
                       " -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y '" + filter + "' 2>/dev/null");
}

constexpr const char* from_us = "eth.src == 02:74:63:70:63:6f";

}  // namespace

TEST_CASE("the kernel's view of a connection and ours agree, and on a clean link nothing is sent twice", "[e2e][info]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const bool offload = GENERATE(false, true);
    CAPTURE(offload);
    without_tail_loss_probes();
    tap_world<> w{{.rung = rung, .offload = offload}};
    tcp_listener listener{w.net, our_service};
    const std::string text = pattern(256 << 10, 1);
    tcpco::tcp_info ours;
    ::tcp_info theirs{};
    std::string back;
    async_event go_on;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            std::jthread sender{[&] { client.send_all(text); }};
            back = client.receive_exactly(text.size()).octets;
            sender.join();
            std::this_thread::sleep_for(std::chrono::milliseconds{100});  // the last ACK, ours may be delayed
            theirs = client.info();
            w.reactor->post([&] { go_on.set(); });
            static_cast<void>(client.receive_all());
        },
        echo_and_look(listener, text.size(), ours, go_on));
    CHECK(!late);
    CHECK(difference(back, text) == "");

    CHECK((theirs.tcpi_options & TCPI_OPT_SACK) != 0);
    CHECK((theirs.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0);
    CHECK((theirs.tcpi_options & TCPI_OPT_WSCALE) != 0);
    CHECK(ours.sack_permitted);
    CHECK(ours.timestamps);
    CHECK(int{theirs.tcpi_snd_wscale} == int{ours.rcv_wscale});
    CHECK(int{theirs.tcpi_rcv_wscale} == int{ours.snd_wscale});

    CHECK(theirs.tcpi_advmss == 1'448);  // 1460 less the timestamps
    CHECK(theirs.tcpi_snd_mss == 1'448);
    CHECK(ours.smss == 1'448);
    CHECK(ours.rmss == 1'460);

    CHECK(theirs.tcpi_state == 1);  // ESTABLISHED
    CHECK(ours.state == tcp_state::established);
    CHECK(theirs.tcpi_bytes_received == text.size());
    CHECK(ours.octets_received == text.size());
    CHECK(theirs.tcpi_bytes_acked == text.size() + 1);  // the SYN counts
    CHECK(ours.octets_sent == text.size());
    CHECK(theirs.tcpi_unacked == 0);
    CHECK(ours.unacked == 0);

    CHECK(theirs.tcpi_total_retrans == 0);
    CHECK(theirs.tcpi_lost == 0);
    CHECK(ours.retransmissions == 0);
    CHECK(ours.timeouts == 0);
    CHECK(ours.srtt > duration::zero());
    CHECK(ours.srtt < 1_s);
    CHECK(w.close());
}

TEST_CASE("tshark finds no fault with what we sent over a clean link", "[e2e][capture]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const bool offload = GENERATE(false, true);
    CAPTURE(offload);
    if (run_command("tshark --version 2>/dev/null").status != 0) {
        skip("there is no tshark here (Debian: apt-get install tshark)");
        return;
    }
    without_tail_loss_probes();
    const temporary_file file;
    std::string problem;
    {
        capture record{link_framing::ethernet};
        REQUIRE(!record.open(file.path()));
        tap_world<default_policies, capture> w{
            {.rung = rung, .offload = offload}, {.recovery = {.base = {.tail_loss_probe = false}}}, record};
        tcp_listener listener{w.net, our_service};
        const auto late = w.until_end_of(
            [&] {
                problem = exchange_with(7, pattern(512 << 10, 2));
                problem += ping(our_host, "ping") == "ping" ? "" : "; no ping";
                kernel_stream refused;
                refused.connect(4'000);
            },
            with_scope(serve_echo, std::ref(listener)));
        CHECK(!late);
        CHECK(problem == "");
        CHECK(w.close());
        REQUIRE(!record.close());
    }
    const command_output all = tshark(file.path(), std::string{from_us} + " && tcp.len > 0");
    CHECK(all.status == 0);
    CHECK(std::count(all.text.begin(), all.text.end(), '\n') > 5);
    const command_output faults =
        tshark(file.path(),
               std::string{from_us} +
                   " && (tcp.analysis.retransmission || tcp.analysis.fast_retransmission || "
                   "tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order || "
                   "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.duplicate_ack || "
                   "tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" || "
                   "icmp.checksum.status == \"Bad\" || _ws.malformed || tcp.options.mss_val == 0)");
    CHECK(faults.status == 0);
    CHECK(faults.text == "");
}
