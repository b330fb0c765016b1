// The stack without coroutines, without Linux and without a clock: fed with frames and the time.
//
// It takes frames and the time, and gives frames and a deadline. Whoever has packets (a VPN, a fuzzer, another event
// loop) drives it as this program does: it joins two stacks by a wire that loses 5 % of all frames, and lets a client
// and an echo server talk in virtual time.
//
// ctest:
#include <algorithm>
#include <deque>
#include <iostream>
#include <vector>

#include <tcpco/core.hpp>  // all that is portable: C++20 and nothing else

using namespace tcpco;
using octets = std::vector<std::byte>;

struct packet {
    time_point at;
    basic_stack<>* to;
    octets data;
};

// The wire: what is sent arrives 10 ms later at the other end, or never.
struct wire {
    double loss = 0;
    bool ethernet = true, print = false;
    std::deque<packet> flying{};
    random_source random{2026};
    int sent = 0, lost = 0;

    // Asks a stack for all that it has to send. A frame comes as a gather list into the stack's own memory; `done` says
    // that it was copied. A device that writes later answers `held`, and calls transmitted(frame.token) when it has.
    void collect(basic_stack<>& from, basic_stack<>& to, time_point now)
    {
        from.transmit(now, [&](const outgoing_frame& frame) {
            octets data(frame.size());
            frame.copy_to(data.data());
            if (print) {
                std::cout << "  " << now.since_origin().milliseconds() << " ms  "
                          << (ethernet ? dump_ethernet(data) : dump_ip(data)) << "\n";
            }
            ++sent;
            if (random.chance(loss)) {
                ++lost;
            } else {
                flying.push_back({now + 10_ms, &to, std::move(data)});
            }
            return sink_verdict::done;
        });
    }
    time_point next() const { return flying.empty() ? time_point::never() : flying.front().at; }
};

// Both ends of the echo: sends `out` (the client all of it, the server what it has read), keeps what it reads.
struct party {
    const char* name;
    basic_stack<>& net;
    octets out{};
    bool echoes = false;
    connection_id id{};
    std::size_t written = 0;
    octets in{};
    bool finished = false;

    // News of our connection: read until would_block, write what there is room for. Events say that something changed,
    // never what is still there, so both loops run until the stack has no more to give or take.
    void on_event()
    {
        std::byte buffer[4096];
        errc end = errc::ok;
        for (std::size_t n = 1; n > 0;) {
            const auto [ec, got] = net.read(id, buffer);
            in.insert(in.end(), buffer, buffer + got);
            out.insert(out.end(), buffer, buffer + (echoes ? got : 0));
            end = ec;
            n = got;
        }
        for (std::size_t n = 1; written < out.size() && n > 0; written += n) {
            n = net.write(id, std::span{out}.subspan(written)).value;
        }
        if (written == out.size() && (!echoes || end == errc::end_of_stream)) {
            net.shutdown(id);  // our direction ends with a FIN, theirs goes on
        }
        if (end == errc::would_block || finished) {
            return;
        }
        finished = true;  // the peer's end of stream, or an error
        const tcp_info i = net.info(id).value;
        std::cout << "  " << name << ": " << message(end) << ", " << to_string(i.state) << ", read " << in.size()
                  << " octets, wrote " << written << ", " << i.segments_sent << " segments, " << i.retransmissions
                  << " of them again, " << i.timeouts << " timeouts, srtt " << i.srtt.milliseconds() << " ms, rto "
                  << i.rto.milliseconds() << " ms\n";
        net.close(id);  // lets go; the stack sees the connection to its end by itself
    }
};

// Sends n octets through an echo server and back. True when they come back equal.
bool echo(std::size_t n, wire w)
{
    stack_config<default_policies> left{.address = "192.0.2.1/24"_net, .seed = 1};  // real use: random_seed()
    stack_config<default_policies> right{.address = "192.0.2.2/24"_net, .seed = 2};
    left.network.ethernet = right.network.ethernet = w.ethernet;  // false: bare IP packets, no ARP (TUN, VPN)
    right.network.mac.octets[5] = 2;                              // every station on a link has its own
    basic_stack<> a{left};
    basic_stack<> b{right};

    party client{.name = "client", .net = a, .out = octets(n)};
    party server{.name = "server", .net = b, .echoes = true};
    random_source numbers{5};
    std::generate(client.out.begin(), client.out.end(), [&] { return static_cast<std::byte>(numbers.next()); });
    const listener_id listener = b.listen({"192.0.2.2"_ip, 7}).value;
    client.id = a.connect({"192.0.2.2"_ip, 7}).value;

    // The loop of every driver: frames that have come, then what is due, then the programs, then what is to be sent;
    // then sleep until the next frame or deadline(). Here the clock simply moves there.
    time_point now{};
    while (now != time_point::never() && !(client.finished && server.finished)) {
        while (w.next() <= now) {
            w.flying.front().to->receive_copy(now, w.flying.front().data);
            w.flying.pop_front();
        }
        a.advance(now);
        b.advance(now);
        while (const auto event = b.poll_event()) {
            server.id = event->listener == listener ? b.accept(listener).value : server.id;
            server.on_event();
        }
        while (const auto event = a.poll_event()) {
            if (client.written > 0 || (event->what & readiness::connected) != 0) {  // else still connecting
                client.on_event();
            }
        }
        w.collect(a, b, now);
        w.collect(b, a, now);
        now = std::max(now, std::min({a.deadline(), b.deadline(), w.next()}));
    }
    const bool equal = client.in == client.out;
    std::cout << "  " << n << " octets " << (equal ? "came back equal" : "CAME BACK DIFFERENT") << " after "
              << now.since_origin().milliseconds() << " ms; " << w.sent << " frames, " << w.lost << " lost\n";
    return equal;
}

int main()
{
    std::cout << "Ethernet frames, 5 % of them lost:\n";
    const bool first = echo(200'000, {.loss = 0.05});
    std::cout << "Bare IP packets:\n";
    const bool second = echo(2'000, {.ethernet = false, .print = true});
    return first && second ? 0 : 1;
}
