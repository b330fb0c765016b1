// What callgrind counts for instructions.py: work between two stacks in memory, both ends and the wire in one process.
//
//     stack_cost checksums|no_checksums|echo|connect <rounds>
//
// A round of the first two is 128 segments of 1448 octets, written, carried, acknowledged and read; of echo, 64 octets
// there and back; of connect, a connection opened, one octet there and one back, and closed in order. Twice as many
// rounds cost twice as much, whatever it costs to begin. Exit code 1: octets are missing.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "pair_of_stacks.hpp"

using tcpco::bench::offload;
using tcpco::bench::pair_of_stacks;

namespace {

bool bulk_round(pair_of_stacks& net, const std::vector<std::byte>& out, std::vector<std::byte>& in)
{
    if (net.a.write(net.at_a, out).value != out.size()) {
        return false;
    }
    net.exchange();
    std::size_t received = 0;
    for (std::size_t n = 1; n > 0; received += n) {
        n = net.b.read(net.at_b, in).value;
    }
    net.exchange();  // the window update
    return received == out.size();
}

bool echo_round(pair_of_stacks& net, const std::vector<std::byte>& out, std::vector<std::byte>& in)
{
    const std::size_t n = out.size();
    const bool sent = net.a.write(net.at_a, out).value == n;
    net.exchange();
    const bool there = net.b.read(net.at_b, in).value == n && net.b.write(net.at_b, in).value == n;
    net.exchange();
    return sent && there && net.a.read(net.at_a, in).value == n;
}

bool connect_round(pair_of_stacks& net, const std::vector<std::byte>& out, std::vector<std::byte>& in)
{
    const auto [at_a, at_b] = net.connect();
    bool good = net.a.write(at_a, out).value == 1;
    net.exchange();
    good = good && net.b.read(at_b, in).value == 1 && net.b.write(at_b, in).value == 1;
    net.exchange();
    good = good && net.a.read(at_a, in).value == 1;
    net.a.close(at_a);
    net.exchange();
    good = good && net.b.read(at_b, in).ec == tcpco::errc::end_of_stream;
    net.b.close(at_b);
    net.exchange();
    return good;
}

}  // namespace

int main(int count, char** arguments)
{
    const std::string_view work = count == 3 ? arguments[1] : "";
    const bool echo = work == "echo";
    const bool connect = work == "connect";
    if (work != "checksums" && work != "no_checksums" && !echo && !connect) {
        std::fputs("stack_cost checksums|no_checksums|echo|connect <rounds>\n", stderr);
        return 2;
    }
    pair_of_stacks net{work == "no_checksums" ? offload::checksum : offload::none};
    const std::vector<std::byte> out(connect ? 1 : echo ? 64 : 128 * 1'448, std::byte{0x55});
    std::vector<std::byte> in(out.size());
    bool good = true;
    for (long rounds = std::atol(arguments[2]); rounds > 0 && good; --rounds) {
        good = connect ? connect_round(net, out, in) : echo ? echo_round(net, out, in) : bulk_round(net, out, in);
    }
    const tcpco::tcp_info sender = net.a.info(net.at_a).value;
    return good && in == out && sender.retransmissions == 0 ? 0 : 1;
}
