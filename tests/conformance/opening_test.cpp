// Opening: active, passive and simultaneous; SYN-SENT and SYN-RECEIVED; listeners (RFC 9293 3.5, 3.9.1.1, 3.10.1,
// 3.10.7.2, 3.10.7.3).
#include "support/peer.hpp"

#include "catch.hpp"
#include "support/network.hpp"
#include "tcpco/policy/syn_defence/backlog.hpp"

using namespace tcpco_test;

// --- active ----------------------------------------------------------------------------------------------------------

TEST_CASE("Active open: SYN with MSS, SYN,ACK, ACK, ESTABLISHED",
          "[conformance][RFC9293-3.10.1b][RFC9293-3.10.7.3e][SHLD-5]")
{
    peer p;
    const packet syn = p.in_syn_sent();
    CHECK(syn == "S seq=5000 mss=1460");
    CHECK(syn.ack() == 0);
    p.send("SA seq=1000 ack=5001 mss=1000 win=3000");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
    CHECK((p.stack.readiness_of(p.id) & readiness::connected) != 0);
    CHECK(p.info().snd_wnd == 3'000);
}

TEST_CASE("Data queued in SYN-SENT leaves with or after the ACK of the handshake", "[conformance][RFC9293-3.10.2a]")
{
    peer p;
    p.in_syn_sent();
    p.write(100);
    CHECK(p.next() == "-");
    p.send("SA seq=1000 ack=5001 mss=1000");
    packet answer = p.next();
    if (answer == "A seq=5001 ack=1001") {
        answer = p.next();
    }
    CHECK(answer == "A seq=5001 ack=1001 len=100");
}

TEST_CASE("SYN-SENT: data and FIN on the SYN,ACK are taken, or asked for again", "[conformance][RFC9293-3.10.7.3e]")
{
    peer p;
    p.in_syn_sent();
    p.send("SA seq=1000 ack=5001 mss=1000 len=10");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.last() == "A");
    p.send("A seq=1001 ack=5001 len=10");
    CHECK(p.read() == 10);
    CHECK(p.last() == "A seq=5001 ack=1011");
}

TEST_CASE("SYN-SENT: an unacceptable ACK is answered by RST at SEG.ACK", "[conformance][RFC9293-3.10.7.3a]")
{
    const std::string ack = GENERATE(as<std::string>{}, "5000", "5002", "4000", "0");
    const std::string flags = GENERATE(as<std::string>{}, "A", "SA", "FA");
    INFO(flags << ' ' << ack);
    peer p;
    p.in_syn_sent();
    p.send(flags + " seq=1000 ack=" + ack);
    CHECK(p.next() == "R seq=" + ack);
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

TEST_CASE("SYN-SENT: an RST with an unacceptable ACK, or without ACK, is dropped",
          "[conformance][RFC9293-3.10.7.3b][RFC9293-3.10.7.3d][RFC5961-3.2d]")
{
    const std::string segment =
        GENERATE(as<std::string>{}, "RA seq=0 ack=5000", "RA seq=0 ack=5002", "R seq=0", "R seq=1000", "SR seq=1000");
    INFO(segment);
    peer p;
    p.in_syn_sent();
    p.send(segment);
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

TEST_CASE("SYN-SENT: an RST that acknowledges the SYN refuses the connection", "[conformance][RFC9293-3.10.7.3c]")
{
    const std::string segment =
        GENERATE(as<std::string>{}, "RA seq=0 ack=5001", "RA seq=77777 ack=5001", "SRA seq=1000 ack=5001");
    INFO(segment);
    peer p;
    p.in_syn_sent();
    p.send(segment);
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"connection refused"});
}

TEST_CASE("SYN-SENT: a segment with neither SYN nor RST is dropped", "[conformance][RFC9293-3.10.7.3g]")
{
    const std::string segment = GENERATE(as<std::string>{}, "A seq=1001 ack=5001", "A seq=1001 ack=5001 len=10",
                                         "FA seq=1001 ack=5001", ". seq=1001 len=3");
    INFO(segment);
    peer p;
    p.in_syn_sent();
    p.send(segment);
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-SENT");
}

TEST_CASE("A connection to an address that can have none fails without a SYN", "[conformance][MUST-46]")
{
    const endpoint remote =
        GENERATE(endpoint{"255.255.255.255"_ip, 7}, endpoint{"192.0.2.255"_ip, 7}, endpoint{"224.0.0.1"_ip, 7},
                 endpoint{"0.0.0.0"_ip, 7}, endpoint{"192.0.2.2"_ip, 0});
    INFO(to_string(remote));
    peer p;
    const auto answer = p.stack.connect(remote);
    CHECK(answer.ec != errc::ok);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("A connection that exists cannot be opened again", "[conformance][RFC9293-3.10.1c]")
{
    peer p;
    p.in_established_active();
    const auto again =
        p.stack.connect({p.peer_address, p.peer_port}, {.local = {p.sut_address, 30'000}, .no_delay = false});
    CHECK((again.ec == errc::address_in_use || again.ec == errc::already_connected));
    CHECK(p.next() == "-");
    CHECK(p.state() == "ESTABLISHED");
}

// --- simultaneous ----------------------------------------------------------------------------------------------------

TEST_CASE("Simultaneous open: a SYN in SYN-SENT is answered by SYN,ACK, and one connection results",
          "[conformance][MUST-10][RFC9293-3.10.7.3f]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "SYN-RECEIVED");
    p.send("SA seq=1000 ack=5001 mss=1000");
    const packet answer = p.next();
    CHECK(answer == "- | A seq=5001 ack=1001");
    if (p.state() != "ESTABLISHED") {
        p.send("A seq=1001 ack=5001");
    }
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.next() == "-");
    CHECK(p.connections().size() == 1);
    p.write(10);
    CHECK(p.next() == "A seq=5001 ack=1001 len=10");
}

TEST_CASE("Simultaneous open: a plain ACK of our SYN completes it too", "[conformance][MUST-10]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.send("A seq=1001 ack=5001 len=10");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.read() == 10);
}

TEST_CASE("Simultaneous open: the SYN,ACK is sent again while it is unanswered", "[conformance][MUST-10][MUST-22]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.wait(4_s);
    CHECK(p.next() == "SA seq=5000 ack=1001");
}

TEST_CASE("SYN-RECEIVED after SYN-SENT: an exact RST refuses the connection",
          "[conformance][MUST-11][RFC9293-3.10.7.4-2c]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.send("R seq=1001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == std::string{"connection refused"});
}

TEST_CASE("SYN-RECEIVED after SYN-SENT: another SYN in the window is challenged", "[conformance][RFC9293-3.10.7.4-4b]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.send("S seq=1500");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.state() == "SYN-RECEIVED");
}

TEST_CASE("SYN-RECEIVED: the peer's SYN with text or FIN is the same SYN again, an older one is challenged",
          "[conformance][RFC9293-3.10.7.4-4b][RFC5961-4.2a]")
{
    const bool active = GENERATE(true, false);
    CAPTURE(active);
    peer p;
    if (active) {
        p.in_syn_sent();
        p.send("S seq=1000");
        CHECK(p.next() == "SA seq=5000 ack=1001");
    } else {
        p.in_syn_received();
    }
    for (const char* again : {"S seq=1000 len=10", "SF seq=1000", "SF seq=1000 len=3", "S seq=1000"}) {
        p.send(again);
        CHECK(p.next() == "SA seq=5000 ack=1001");
        CHECK(p.next() == "-");
        CHECK(p.state() == "SYN-RECEIVED");
    }
    p.send("S seq=995 len=10");  // not the one that opened, and it reaches into the window
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::tcp_out_of_window) == 5);
    CHECK(p.dropped(drop_reason::tcp_no_ack_bit) == 0);
    p.send("A seq=1001 ack=5001 len=10");
    CHECK((active || p.accept()));
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.read() == 10);
}

TEST_CASE("SYN-RECEIVED after SYN-SENT: close() sends FIN, abort() RST",
          "[conformance][RFC9293-3.10.4b][RFC9293-3.10.5a]")
{
    peer p;
    p.in_syn_sent();
    p.send("S seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    SECTION("close, nothing queued")
    {
        p.close();
        p.send("A seq=1001 ack=5001");  // allowed before the FIN as well as after it
        packet fin = p.next();
        CHECK(fin == "FA seq=5001 ack=1001");
        CHECK(p.connections() == std::vector<std::string>{"FIN-WAIT-1"});
    }
    SECTION("close, data queued")
    {
        p.write(10);
        p.close();
        p.send("A seq=1001 ack=5001");
        CHECK(p.next() == "FA seq=5001 ack=1001 len=10");
        CHECK(p.connections() == std::vector<std::string>{"FIN-WAIT-1"});
    }
    SECTION("abort")
    {
        p.abort();
        const packet rst = p.next();
        CHECK(rst == "R seq=5001 | RA seq=5001 ack=1001");
        CHECK(p.connections().empty());
    }
}

namespace {

struct crossing {
    two_stacks<conformance_policies> net{};
    connection_id a{};
    connection_id b{};

    crossing()
    {
        net.delay = 10_ms;
        const endpoint ea{"192.0.2.1"_ip, 1111};
        const endpoint eb{"192.0.2.2"_ip, 2222};
        net.a.set_neighbour(eb.address.v4(), two_stacks<>::config_b().network.mac);
        net.b.set_neighbour(ea.address.v4(), two_stacks<>::config_a().network.mac);
        a = net.a.connect(eb, {.local = ea, .no_delay = false}).value;
        b = net.b.connect(ea, {.local = eb, .no_delay = false}).value;
    }
    bool is_open()
    {
        return net.a.info(a).value.state == tcp_state::established &&
               net.b.info(b).value.state == tcp_state::established;
    }
    int count(const char* what) const
    {
        int n = 0;
        for (const wire_frame& f : net.sent) {
            n += dump_ethernet(f.data).find(what) != std::string::npos ? 1 : 0;
        }
        return n;
    }
};

}  // namespace

TEST_CASE("Two stacks that open at the same time end in one connection", "[conformance][MUST-10]")
{
    crossing c;
    c.net.run_for(5_s);
    INFO(c.net.dump().substr(0, 3'000));
    CHECK(c.is_open());
    CHECK(c.count("Flags [R") == 0);
    CHECK(c.net.sent.size() <= 8);
    CHECK(c.net.a.connection_count() == 1);
    CHECK(c.net.b.connection_count() == 1);
    const auto data = pattern(100);
    CHECK(c.net.a.write(c.a, data).value == 100);
    c.net.run_for(1_s);
    octets out(200);
    CHECK(c.net.b.read(c.b, out).value == 100);
}

TEST_CASE("Two stacks that open at the same time survive the loss of any one or two packets", "[conformance][MUST-10]")
{
    const std::size_t first = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
    const int losses = GENERATE(1, 2);
    const int side = GENERATE(0, 1, 2);  // 2: both
    crossing c;
    c.net.filter = [&](int from, std::size_t index, const octets&) {
        const bool lost =
            (side == 2 || from == side) && index >= first && index < first + static_cast<std::size_t>(losses);
        return lost ? 0 : 1;
    };
    c.net.run_for(30_s);
    INFO(c.net.dump().substr(0, 3'000));
    CHECK(c.is_open());
    CHECK(c.count("Flags [R") == 0);
}

TEST_CASE("A connection to itself does not loop", "[conformance][MUST-10]")
{
    peer p;
    p.check_payload = false;
    const endpoint self{p.sut_address, 30'000};
    const auto answer = p.stack.connect(self, {.local = self, .no_delay = false});
    if (answer.ec == errc::ok) {
        p.id = answer.value;
        int packets = 0;
        for (packet own = p.next(); own != "-" && packets < 50; own = p.next()) {
            ++packets;
            p.send_ip(own.octets);
        }
        CHECK(packets < 10);
        CHECK((p.state() == "ESTABLISHED" || p.state() == "CLOSED"));
    }
    CHECK(p.connections().size() <= 1);
}

// --- passive and SYN-RECEIVED ----------------------------------------------------------------------------------------

TEST_CASE("Passive open: SYN, SYN,ACK, ACK, ESTABLISHED", "[conformance][RFC9293-3.10.7.2c][RFC9293-3.10.1a]")
{
    peer p;
    p.listen();
    CHECK(p.next() == "-");
    p.send("S seq=1000 mss=1000 win=4000");
    CHECK(p.next() == "SA seq=5000 ack=1001 mss=1460 win=10000");
    CHECK(p.next() == "-");
    CHECK(!p.accept());
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.next() == "-");
}

TEST_CASE("SYN-RECEIVED: the same SYN again is answered with the same numbers, on one record",
          "[conformance][RFC9293-3.10.7.4-1e]")
{
    peer p;
    p.in_syn_received();
    for (int i = 0; i < 3; ++i) {
        p.send("S seq=1000 mss=1000");
        const packet answer = p.next();
        CHECK(answer == "SA seq=5000 ack=1001 | A seq=5001 ack=1001");
        CHECK(p.next() == "-");
    }
    CHECK(p.connections().size() == 1);
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
    CHECK(!p.accept());
}

TEST_CASE("SYN-RECEIVED: the SYN,ACK is sent again after 1, 3 and 7 s, then the record is freed",
          "[conformance][RFC9293-3.10.8b][MUST-22]")
{
    peer p;
    p.in_syn_received();
    p.mark();
    p.wait(200_s);
    CHECK(p.next() == "SA seq=5000 ack=1001 t=1");
    CHECK(p.next() == "SA seq=5000 ack=1001 t=3");
    CHECK(p.next() == "SA seq=5000 ack=1001 t=7");
    CHECK(p.next() == "SA seq=5000 ack=1001 t=15");
    CHECK(p.next() == "SA seq=5000 ack=1001 t=31");
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
    CHECK(!p.accept());
}

TEST_CASE("SYN-RECEIVED after LISTEN: a new SYN in the window starts afresh", "[conformance][RFC9293-3.10.7.4-4a]")
{
    peer p;
    p.in_syn_received();
    p.send("S seq=1500 mss=1000");
    p.forget();
    p.wait(1_s);
    p.send("S seq=1500 mss=1000");  // as the peer would: again after a second
    const packet answer = p.last();
    CHECK(answer == "SA ack=1501");
    p.send("A seq=1501 ack=" + std::to_string(answer.seq() + 1));
    CHECK(p.accept());
    CHECK(p.connections().size() == 1);
}

TEST_CASE("SYN-RECEIVED: data and FIN with the final ACK give ESTABLISHED and CLOSE-WAIT",
          "[conformance][RFC9293-3.10.7.4-5b][RFC9293-3.10.7.4-8b]")
{
    peer p;
    p.in_syn_received();
    p.send("FA seq=1001 ack=5001 len=10");
    CHECK(p.next() == "A seq=5001 ack=1012");
    CHECK(p.accept());
    CHECK(p.state() == "CLOSE-WAIT");
    CHECK(p.read() == 10);
    CHECK(p.end_of_stream());
}

TEST_CASE("SYN-RECEIVED: the final ACK is lost, data with a valid ACK completes the handshake",
          "[conformance][RFC9293-3.10.7.4-5b]")
{
    peer p;
    p.in_syn_received();
    SECTION("the first octets")
    {
        p.send("A seq=1001 ack=5001 len=100");
        CHECK(p.next() == "A seq=5001 ack=1101");
        CHECK(p.accept());
        CHECK(p.read() == 100);
    }
    SECTION("octets behind a hole")
    {
        p.send("A seq=1101 ack=5001 len=100");
        CHECK(p.next() == "A seq=5001 ack=1001");
        CHECK(p.accept());
        CHECK(p.read() == 0);
        p.send("A seq=1001 ack=5001 len=100");
        CHECK(p.next() == "A seq=5001 ack=1201");
        CHECK(p.read() == 200);
    }
}

TEST_CASE("SYN-RECEIVED: data on the SYN is delivered once", "[conformance][RFC9293-3.10.7.2d]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 mss=1000 len=5");
    const packet answer = p.next();
    CHECK(answer == "SA seq=5000 ack=1001 | SA seq=5000 ack=1006");
    p.send("A seq=1006 ack=5001 len=10");
    p.send("A seq=1001 ack=5001 len=5");
    CHECK(p.last() == "A seq=5001 ack=1016");
    CHECK(p.accept());
    CHECK(p.read() == 15);
}

TEST_CASE("LISTEN: SYN with FIN opens, and the FIN is taken or asked for again", "[conformance][RFC9293-3.10.7.2d]")
{
    peer p;
    p.listen();
    p.send("SF seq=1000 mss=1000");
    CHECK(p.next() == "SA seq=5000");
    p.send("A seq=1002 ack=5001");
    p.send("FA seq=1001 ack=5001");
    CHECK(p.last() == "A seq=5001 ack=1002");
    CHECK(p.accept());
    CHECK(p.end_of_stream());
}

TEST_CASE("LISTEN: SYN with ECN bits opens a connection", "[conformance][RFC9293-3.10.7.2c]")
{
    peer p;
    p.listen();
    p.send("SEW seq=1000 mss=1000");
    const packet answer = p.next();
    CHECK(answer == "SA seq=5000 ack=1001 | SAE seq=5000 ack=1001");
}

TEST_CASE("The backlog: a full queue drops SYNs, and a place that is freed serves the next client",
          "[conformance][RFC4987-3.3a]")
{
    struct limited : conformance_policies {
        using syn_defence = syn::backlog;
    };
    peer<limited> p;
    p.check_payload = false;
    p.listen(4);
    std::size_t answered = 0;
    for (int i = 0; i < 100; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        answered += p.forget();
    }
    CHECK(answered >= 4);
    CHECK(answered < 100);
    p.wait(200_s);  // the spoofed ones are given up
    p.forget();
    CHECK(p.connections().empty());
    p.send("S seq=1000 port=9999");
    const packet answer = p.next();
    CHECK(answer == "SA ack=1001 port=9999");
    p.send("A seq=1001 port=9999 ack=" + std::to_string(answer.seq() + 1));
    CHECK(p.accept());
}

// --- listeners -------------------------------------------------------------------------------------------------------

TEST_CASE("A port can be listened on while a connection from it is being opened", "[conformance][MUST-42][MUST-41]")
{
    peer p;
    p.in_syn_sent();
    const auto listener = p.stack.listen({p.sut_address, 30'000});
    CHECK(listener.ec == errc::ok);
    CHECK(p.state() == "SYN-SENT");
    p.check_payload = false;
    p.send("S seq=9000 port=50000");
    CHECK(p.next() == "SA ack=9001 port=50000");
    p.send("SA seq=1000 ack=5001");
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A second listener on the same port is refused", "[conformance][MUST-41]")
{
    peer p;
    p.in_established();
    CHECK(p.stack.listen({p.sut_address, 7}).ec == errc::address_in_use);
    CHECK(p.state() == "ESTABLISHED");
}

TEST_CASE("A listener without an address takes connections to any address of the stack", "[conformance][MUST-43]")
{
    peer p;
    CHECK(p.stack.listen({ip_address{}, 80}).ec == errc::ok);
    p.send("S seq=1000 to=80");
    CHECK(p.next() == "SA ack=1001");
}

TEST_CASE("A listener on an address that the stack does not have is refused", "[conformance][MUST-43]")
{
    peer p;
    CHECK(p.stack.listen({"192.0.2.77"_ip, 80}).ec == errc::address_not_available);
}

TEST_CASE("The state can be asked for in every state", "[conformance][RFC9293-3.10.6a]")
{
    const std::string state = GENERATE(as<std::string>{}, "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                                       "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT");
    peer p;
    p.in(state);
    CHECK(p.state() == state);
}
