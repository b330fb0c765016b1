// Peers that lie: about what they received, about how much room they have, about numbers, time and options. Whatever
// they say, the stack's work is bounded by the number of their packets, others are served, and nothing lasts for ever.
// Work is counted in frames for n packets and for 4 n, never in seconds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

std::string num(std::uint32_t n) { return std::to_string(n); }

// Another host's half of a connection to the stack under test, by its port; the stack's numbers differ for each.
struct half {
    std::uint16_t port = 0;
    connection_id id{};
    std::uint32_t seq = 1'001;
    std::uint32_t ack = 0;

    std::string at(std::uint32_t plus = 0) const
    {
        return " port=" + num(port) + " seq=" + num(seq + plus) + " ack=" + num(ack) + " ";
    }
};

// Opens one more connection to the listener.
half open(peer<>& p, std::uint16_t port, const std::string& options = "mss=1000", const std::string& rest = "")
{
    half h{.port = port};
    p.send("S seq=1000 port=" + num(port) + " " + options);
    h.ack = p.last().seq() + 1;
    p.send("A" + h.at() + rest);
    if (!p.accept()) {
        throw std::runtime_error{"nothing to accept"};
    }
    h.id = p.id;
    p.forget();
    return h;
}

// A segment whose text differs in every octet from the stream's.
std::vector<std::byte> forged(const peer<>& p, std::string_view text)
{
    std::vector<std::byte> packet = p.build(text);
    const auto segment = std::span{packet}.subspan(ipv4_header_size);
    for (std::size_t i = std::to_integer<std::size_t>(segment[12] >> 4) * 4; i < segment.size(); ++i) {
        segment[i] ^= std::byte{0xFF};
    }
    write_tcp_checksum(0, segment);
    const std::span<const std::byte> pieces[] = {segment};
    write_tcp_checksum(transport_checksum(p.peer_address, p.sut_address, ip_protocol::tcp, pieces), segment);
    return packet;
}

// Takes what the stack sends until it has all n octets, and says so with `options(ack)` in each ACK, a segment at a
// time. Returns the frames that the stack needed.
template <class Options>
std::size_t take_all(peer<>& p, std::uint32_t n, duration limit, Options&& options)
{
    std::uint32_t have = 5'001;
    std::size_t frames = 0;
    const time_point end = p.now + limit;
    while (have < 5'001 + n && p.now < end) {
        const packet seen = p.next();
        if (seen == "-") {
            p.wait(100_ms);
            continue;
        }
        ++frames;
        if (seen.length > 0) {
            have = seen.seq() == have ? have + static_cast<std::uint32_t>(seen.length) : have;
            p.send("A seq=1001 ack=" + num(have) + " " + options(have));
        }
    }
    CHECK(have == 5'001 + n);
    return frames;
}

}  // namespace

// --- acknowledgements ------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: a peer that forgets all that it SACKed still gets every octet, in bounded frames",
          "[stack][RFC2018-8b]")
{
    std::size_t frames[2] = {};
    for (const std::uint32_t times : {1u, 4u}) {
        const std::uint32_t n = 8'000 * times;
        peer<> p;
        p.in_established("mss=1000 sackok");
        p.write(n);
        std::uint32_t highest = 5'001;
        bool first = true;
        std::uint32_t have = 5'001;
        for (int i = 0; i < 4'000 && have < 5'001 + n; ++i) {
            const packet seen = p.next();
            if (seen == "-") {
                p.wait(100_ms);
                continue;
            }
            ++frames[times / 4];
            const auto end = seen.seq() + static_cast<std::uint32_t>(seen.length);
            highest = std::max(highest, end);
            const bool lost = first;  // the very first segment; all behind it are SACKed, and thrown away
            first = false;
            have = !lost && seen.seq() <= have && have < end ? end : have;
            p.send("A seq=1001 ack=" + num(have) +
                   (end > have && !lost ? " sack=" + num(std::max(have + 1, seen.seq())) + "-" + num(highest) : ""));
        }
        CHECK(have == 5'001 + n);
        CHECK(frames[times / 4] <= 3 * n / 1'000);
    }
    CHECK(frames[1] <= 4 * frames[0]);
}

TEST_CASE("Byzantine: four blocks of garbage in each ACK change nothing at all", "[stack][RFC2018-5a]")
{
    const auto frames_with = [](const std::string& garbage, octet_count& cwnd) {
        peer<> p;
        p.in_established("mss=1000 sackok");
        p.write(60'000);
        const std::size_t frames =
            take_all(p, 60'000, 60_s, [&](std::uint32_t) { return garbage.empty() ? "" : "sack=" + garbage; });
        CHECK(p.info().retransmissions == 0);
        CHECK(p.info().sacked == 0);
        cwnd = p.info().cwnd;
        return frames;
    };
    octet_count honest_cwnd = 0;
    const std::size_t honest = frames_with("", honest_cwnd);
    for (const char* garbage : {
             "1-1000,2000-4000,100-4999,4000-4500",                              // never sent, behind
             "90000-91000,200000-300000,70000-70001,65002-65003",                // never sent, ahead
             "9000-6000,8000-7999,65000-5001,5002-5001",                         // inverted
             "6001-6001,5001-5001,65001-65001,7000-7000",                        // empty
             "0-4294967295,4294967295-0,2147488649-2147488650,5001-2147488650",  // across half the circle
         }) {
        CAPTURE(garbage);
        octet_count cwnd = 0;
        CHECK(frames_with(garbage, cwnd) == honest);
        CHECK(cwnd == honest_cwnd);
    }
}

TEST_CASE("Byzantine: an ACK beyond what was sent is dropped, and does not open the window",
          "[stack][RFC5961-5.2b][RFC9293-3.10.7.4-5f]")
{
    peer<> p;
    p.in_established();
    p.write(60'000);
    const std::size_t first_flight = p.forget();
    const octet_count cwnd = p.info().cwnd;
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        p.send("A seq=1001 ack=" + num(15'002 + i * 50));
    }
    CHECK(first_flight == 10);
    CHECK(p.forget() <= 10);  // challenge ACKs
    CHECK(p.info().cwnd == cwnd);
    CHECK(p.info().unacked == 10'000);
    CHECK(p.dropped(drop_reason::tcp_ack_of_unsent) == 1'000);
}

TEST_CASE("Byzantine: acknowledging what was lost opens the window by no more than the octets acknowledged",
          "[stack][RFC5681-3.1i]")
{
    peer<> p;
    p.in_established();
    p.write(400'000);
    for (int i = 0; i < 12; ++i) {  // a flight each: what arrived of it is the peer's secret
        const std::uint32_t end = p.sent_up_to();
        const tcp_info before = p.info();
        p.send("A seq=1001 ack=" + num(end));
        CHECK(p.info().cwnd <= before.cwnd + before.unacked);
        CHECK(p.info().unacked <= 65'535);
    }
}

TEST_CASE("Byzantine: a thousand ACKs for one segment open the window no wider than one", "[stack][RFC5681-3.1j]")
{
    octet_count cwnd[2] = {};
    for (const std::uint32_t pieces : {1u, 1'000u}) {
        peer<> p;
        p.in_established();
        p.write(200'000);
        p.forget();
        const octet_count before = p.info().cwnd;
        std::size_t frames = 0;
        for (std::uint32_t i = 1; i <= pieces; ++i) {
            p.send("A seq=1001 ack=" + num(5'001 + i * (1'000 / pieces)));
            frames += p.forget();
        }
        cwnd[pieces > 1] = p.info().cwnd;
        CHECK(p.info().cwnd <= before + 1'000);
        CHECK(frames <= 2);
    }
    CHECK(cwnd[1] <= cwnd[0]);
}

TEST_CASE("Byzantine: ACK division in congestion avoidance earns no more either", "[stack][RFC5681-3.1k]")
{
    octet_count grown[2] = {};
    for (const std::uint32_t pieces : {1u, 100u}) {
        peer<> p;
        p.in_established();
        p.write(200'000);
        p.forget();
        for (int i = 0; i < 4; ++i) {  // a loss: congestion avoidance from here on
            p.send("A seq=1001 ack=5001");
        }
        std::uint32_t at = 5'001;
        const std::uint32_t recovered = p.sent_up_to() > at ? at + 10'000 : at;
        at = recovered;
        p.send("A seq=1001 ack=" + num(at));
        REQUIRE(p.info().cwnd >= p.info().ssthresh);
        const octet_count before = p.info().cwnd;
        for (int round = 0; round < 20; ++round) {
            p.forget();
            for (std::uint32_t i = 0; i < pieces && p.info().unacked >= 1'000; ++i) {
                at += 1'000 / pieces;
                p.send("A seq=1001 ack=" + num(at));
            }
        }
        grown[pieces > 1] = p.info().cwnd - before;
        CHECK(grown[pieces > 1] <= 20'000);
    }
    CHECK(grown[1] <= grown[0] + 1'000);
}

// Without SACK each duplicate says that something left the network (RFC 5681 3.2 step 4; Linux counts them the same
// way): the window that the peer announced is the end of it. With SACK they say nothing.
TEST_CASE("Byzantine: spoofed duplicate ACKs release no more than the window, however many", "[stack][RFC5681-3.2f]")
{
    for (const char* options : {"mss=1000", "mss=1000 sackok"}) {
        CAPTURE(options);
        std::size_t frames[2] = {};
        for (const int n : {300, 1'200}) {
            peer<> p;
            p.in_established(options);
            p.write(400'000);
            p.forget();
            for (int i = 0; i < n; ++i) {
                p.send("A seq=1001 ack=5001");
                frames[n > 300] += p.forget();
            }
            CHECK(p.info().unacked <= 65'535);
            CHECK(p.info().cwnd <= 10'000 + 5'000);
        }
        CHECK(frames[0] <= (std::string{options} == "mss=1000" ? 65U : 2U));
        CHECK(frames[1] == frames[0]);
    }
}

// --- windows ---------------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: a window that shrinks to nothing below what is in flight is probed slowly, and survived",
          "[stack][MUST-34][MUST-35][MUST-36]")
{
    peer<> p;
    p.in_established();
    p.write(20'000);
    p.forget();
    p.send("A seq=1001 ack=7001 win=0");
    std::size_t frames = p.forget();
    for (int i = 0; i < 60; ++i) {  // an hour; each probe is answered
        p.wait(60_s);
        const std::size_t now = p.forget();
        frames += now;
        p.send("A seq=1001 ack=7001 win=0");
        frames += p.forget();
    }
    CHECK(frames >= 30);
    CHECK(frames <= 130);
    CHECK(p.state() == "ESTABLISHED");
    p.send("A seq=1001 ack=7001 win=10000");
    std::uint32_t have = 7'001;
    for (int i = 0; i < 400 && have < 25'001; ++i) {
        const packet seen = p.next();
        if (seen == "-") {
            p.wait(200_ms);
        } else if (seen.length > 0) {
            have = seen.seq() <= have ? std::max(have, seen.seq() + static_cast<std::uint32_t>(seen.length)) : have;
            p.send("A seq=1001 ack=" + num(have));
        }
    }
    CHECK(have == 25'001);
}

TEST_CASE("Byzantine: a window that shrinks with every ACK is never exceeded by new octets", "[stack][MUST-34]")
{
    peer<> p;
    p.in_established();
    p.write(100'000);
    std::uint32_t highest = p.sent_up_to();
    for (std::uint32_t win = 9'000; win > 0; win -= 100) {
        p.send("A seq=1001 ack=5001 win=" + num(win));
        const std::uint32_t end = p.sent_up_to();
        CHECK(end <= highest);
    }
    for (int i = 0; i < 20; ++i) {
        p.wait(10_s);
        const std::uint32_t end = p.sent_up_to();
        CHECK(end <= highest);
        p.send("A seq=1001 ack=5001 win=100");
    }
    CHECK(p.info().unacked <= 10'000);
}

TEST_CASE("Byzantine: storms of window updates cause no frames of ours", "[stack]")
{
    std::size_t frames[2] = {};
    for (const int n : {300, 1'200}) {
        peer<> p;
        p.in_established();
        for (int i = 0; i < n; ++i) {
            p.send("A seq=1001 ack=5001 win=" + num(static_cast<std::uint32_t>(1 + i * 7'919 % 65'535)));
        }
        p.wait(1_s);
        frames[n > 300] = p.forget();
    }
    CHECK(frames[0] == 0);
    CHECK(frames[1] == 0);
}

TEST_CASE("Byzantine: silly windows, open and shut with each ACK, never make segments of an octet",
          "[stack][MUST-38][SHLD-30]")
{
    peer<> p;
    p.in_established("mss=1000 ", "win=0");
    p.write(50'000);
    std::size_t frames = 0;
    for (int i = 0; i < 1'000; ++i) {
        p.send(std::string{"A seq=1001 ack=5001 win="} + (i % 2 == 0 ? "1" : "0"));
        frames += p.forget();
    }
    CHECK(frames <= 10);  // no time passes: probes alone may carry an octet
}

// Each peer opens, closes its window, and answers every probe. Whoever holds the connection may wait for ever (MUST-37):
// what ends it is the limit of orphans, the end of retries once nobody holds it, or a user timeout.
TEST_CASE("Byzantine: two hundred peers with windows closed for ever cost bounded memory, and end",
          "[stack][MUST-37][MAY-8]")
{
    const bool user_timeout = GENERATE(false, true);
    CAPTURE(user_timeout);
    auto c = with([&](auto& config) {
        config.limits.connections = 256;
        config.limits.orphans = 50;
        config.limits.small_slots = 512;
        config.limits.large_slots = 8;
        if (user_timeout) {
            config.tcp.user_timeout = 120_s;
        }
    });
    peer<> p{c};
    p.check_payload = false;
    p.window = 0;
    p.listen(512);
    std::vector<half> halves;
    const std::vector<std::byte> text(16'384);
    std::size_t held = 0;
    for (std::uint16_t i = 0; i < 200; ++i) {
        halves.push_back(open(p, static_cast<std::uint16_t>(1'000 + i)));
        held += p.stack.write(halves.back().id, std::span{text}.first(user_timeout ? 500 : text.size())).value;
    }
    CHECK(p.stack.connection_count() == 200);
    CHECK(held <= 512 * 2'048 + 8 * 32'768);
    if (!user_timeout) {
        for (const half& h : halves) {
            CHECK(p.stack.close(h.id) == errc::ok);
        }
        CHECK(p.stack.counters().orphans_reset == 150);
        CHECK(p.stack.connection_count() <= 50);
    }
    std::size_t frames = p.forget();
    for (int minute = 0; minute < 60 && p.stack.connection_count() > 0; ++minute) {
        for (int i = 0; i < 6; ++i) {
            p.wait(10_s);
            std::vector<std::uint16_t> asked;
            for (packet seen = p.next(); seen != "-"; seen = p.next()) {
                ++frames;
                asked.push_back(seen.header.destination_port);
            }
            for (const std::uint16_t port : asked) {
                if (!user_timeout) {  // with it, they are silent
                    p.send("A win=0" + halves[port - 1'000u].at());
                }
            }
        }
        if (user_timeout) {
            std::uint32_t timed_out = 0;
            for (const half& h : halves) {
                timed_out += p.stack.error_of(h.id) == errc::timed_out ? 1U : 0U;
            }
            if (timed_out == 200) {
                CHECK(minute <= 4);
                for (const half& h : halves) {
                    p.stack.close(h.id);
                }
            }
        }
    }
    CHECK(p.stack.connection_count() == 0);
    CHECK(frames <= 200 * 40);
    // All that they held is there again.
    p.window = 65'535;
    const half h = open(p, 5'000);
    CHECK(p.stack.write(h.id, text).value == text.size());
    CHECK(p.waiting() >= 10);
}

// --- text ------------------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: single octets behind a hole take no slots from the others, and all are delivered",
          "[stack][SHLD-31][RFC2018-4a]")
{
    const bool forwards = GENERATE(true, false);
    constexpr std::uint32_t n = 3'000;
    peer<> p{with([](auto& c) {
        c.limits.small_slots = 256;
        c.limits.large_slots = 64;
        c.receive_window.capacity = 60'000;
        c.tcp.send_buffer_initial = 65'536;
    })};
    p.in_established("mss=1000 sackok");
    const connection_id id = p.id;
    const connection_id other = open(p, 5'000).id;
    p.id = id;
    for (std::uint32_t i = 0; i < n; ++i) {
        p.send("A ack=5001 len=1 seq=" + num(1'002 + (forwards ? i : n - 1 - i)));
        p.forget();
    }
    const std::vector<std::byte> text(50'000);
    CHECK(p.stack.write(other, text).value == text.size());
    CHECK((p.dropped(drop_reason::out_of_order_limit) > 0) == !forwards);
    CHECK(p.dropped(drop_reason::no_buffer) == 0);
    p.forget();
    p.send("A ack=5001 len=1000 seq=1001");
    p.send("A ack=5001 len=1000 seq=2001");
    p.send("A ack=5001 len=1001 seq=3001");
    CHECK(p.read() == n + 1);
    CHECK(p.info().out_of_order == 0);
    p.stack.check_invariants();
}

TEST_CASE("Byzantine: single octets with holes between them are bounded, counted, and repaired",
          "[stack][SHLD-31][RFC2018-4a]")
{
    for (const std::uint32_t n : {300u, 1'200u}) {
        peer<> p;
        p.in_established("mss=1000 sackok");
        std::size_t frames = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            p.send("A ack=5001 len=1 seq=" + num(1'002 + 2 * i));
            frames += p.forget();
        }
        CHECK(p.info().out_of_order <= 64);
        CHECK(p.dropped(drop_reason::out_of_order_limit) >= n - 64);
        CHECK(frames <= n);
        p.send("A ack=5001 len=1000 seq=1001");
        p.send("A ack=5001 len=1000 seq=2001");
        CHECK(p.last() == "A ack=3001 sack=none | A ack=3001");
        CHECK(p.read() == 2'000);
        CHECK(p.info().out_of_order == 0);
    }
}

TEST_CASE("Byzantine: a stream of single octets, SACKed every other one, keeps few segments in flight", "[stack]")
{
    std::size_t frames[2] = {};
    for (const std::uint32_t n : {100u, 400u}) {
        peer<> p;
        p.in_established("mss=1000 sackok");
        REQUIRE(p.stack.set_no_delay(p.id, true) == errc::ok);
        std::uint32_t have = 5'001;
        std::uint32_t written = 0;
        std::vector<int> seen_at(5'003 + n);  // how often each octet came; every second one is lost at first
        for (std::uint32_t turn = 0; turn < 20 * n && have < 5'001 + n; ++turn) {
            if (written < n) {
                p.write(1);
                ++written;
            }
            const packet seen = p.next();
            if (seen == "-") {
                p.wait(200_ms);
                continue;
            }
            ++frames[n > 100];
            CHECK(p.info().in_flight <= 10'000);
            const auto end = seen.seq() + static_cast<std::uint32_t>(seen.length);
            for (std::uint32_t at = seen.seq(); at != end; ++at) {
                seen_at[at] += at % 2 == 0 ? 1 : 2;
            }
            while (have < 5'001 + n && seen_at[have] > 1) {
                ++have;
            }
            p.send("A seq=1001 ack=" + num(have) +
                   (end - 1 > have && seen_at[end - 1] > 1 ? " sack=" + num(end - 1) + "-" + num(end) : ""));
        }
        CHECK(have == 5'001 + n);
        CHECK(p.info().unacked == 0);
    }
    CHECK(frames[1] <= 6 * frames[0]);
}

TEST_CASE("Byzantine: of two texts for one place the first wins, wherever the second lies", "[stack][SHLD-31]")
{
    peer<> p;
    p.in_established("mss=1000 sackok");
    p.send("A ack=5001 len=100 seq=1201");  // behind a hole
    for (const char* other : {"A ack=5001 len=100 seq=1201", "A ack=5001 len=50 seq=1220",
                              "A ack=5001 len=99 seq=1201"}) {
        p.send_ip(forged(p, other));
    }
    p.send("A ack=5001 len=200 seq=1001");
    CHECK(p.last() == "A ack=1301 sack=none | A ack=1301 sack=1201-1300 | A ack=1301");
    p.send_ip(forged(p, "A ack=5001 len=250 seq=1001"));  // what was delivered
    p.send("A ack=5001 len=100 seq=1301");
    CHECK(p.read() == 400);  // read() checks every octet
}

TEST_CASE("Byzantine: two FINs at different places: the stream ends once, at the first that is reached",
          "[stack][RFC9293-3.10.7.4-8a][RFC9293-3.10.7.4-8e]")
{
    SECTION("the second before the first")
    {
        peer<> p;
        p.in_established("mss=1000 sackok");
        p.send("FA seq=1501 ack=5001 len=100");
        p.send("FA seq=1001 ack=5001 len=100");
        CHECK(p.read() == 100);
        CHECK(p.end_of_stream());
        CHECK(p.state() == "CLOSE-WAIT");
        CHECK(p.last() == "A ack=1102 sack=none");
        CHECK(p.info().out_of_order == 0);
    }
    SECTION("the second behind the first")
    {
        peer<> p;
        p.in_established("mss=1000 sackok");
        p.send("FA seq=1001 ack=5001 len=100");
        p.send("FA seq=1102 ack=5001 len=100");
        p.send("FA seq=1101 ack=5001 len=100");
        CHECK(p.read() == 100);
        CHECK(p.end_of_stream());
        CHECK(p.last() == "A ack=1102");
        CHECK(p.state() == "CLOSE-WAIT");
    }
    SECTION("the second inside text that waits")
    {
        peer<> p;
        p.in_established("mss=1000 sackok");
        p.send("A seq=1501 ack=5001 len=100");
        p.send("FA seq=1301 ack=5001 len=100");
        p.send("A seq=1001 ack=5001 len=500");
        CHECK(p.state() == "ESTABLISHED");
        CHECK(p.read() == 600);
        p.send("FA seq=1601 ack=5001");
        CHECK(p.end_of_stream());
    }
}

TEST_CASE("Byzantine: a storm of urgent pointers moves a mark, and sends nothing", "[stack][MUST-32]")
{
    std::size_t frames[2] = {};
    for (const std::uint32_t n : {300u, 1'200u}) {
        peer<> p;
        p.in_established();
        for (std::uint32_t i = 0; i < n; ++i) {
            p.send("UA seq=1001 ack=5001 urg=" + num(1 + i * 7'919 % 65'535));
        }
        p.wait(1_s);
        frames[n > 300] = p.forget();
        CHECK(p.info().urgent_ahead <= 65'536);
        p.send("A seq=1001 ack=5001 len=100");
        CHECK(p.read() == 100);
    }
    CHECK(frames[0] == 0);
    CHECK(frames[1] == 0);
}

// --- floods ----------------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: a flood against one connection is answered within its limit, and another works on",
          "[stack][RFC5961-7a]")
{
    const std::string kind =
        GENERATE(as<std::string>{}, "S seq=1001", "S seq=900000", "R seq=1500", "R seq=900000 ack=1",
                 "A seq=1001 ack=900000", "A seq=1001 ack=2147400000", "A seq=900000 ack=5001", "FA seq=900000 ack=5001",
                 "FA seq=500 ack=5001", "SFRPUA seq=1500 ack=7", "SFPUA seq=1001 ack=5001", ". seq=1001", "F seq=1001",
                 "SA seq=1000 ack=5001");
    CAPTURE(kind);
    std::size_t answers[2] = {};
    for (const std::uint32_t n : {200u, 800u}) {
        peer<> p;
        p.check_payload = false;
        p.in_established();
        half other = open(p, 41'000);
        std::size_t got = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            p.send(kind);
            answers[n > 200] += p.forget();
            if (i % 20 == 0) {
                p.send("A len=100" + other.at());
                other.seq += 100;
                CHECK(p.waiting() <= 1);
                std::byte buffer[1'000];
                got += p.stack.read(other.id, buffer).value;
                p.forget();
            }
        }
        CHECK(got == n / 20 * 100);
        CHECK(p.connections() == std::vector<std::string>{"ESTABLISHED", "ESTABLISHED"});
        p.send("A seq=1001 ack=5001 len=100");
        p.send("S seq=1001 port=41000");
        CHECK(p.waiting() >= 1);  // the other's limit is its own
    }
    // Segments with length or a FIN are answered each, as a peer whose ACK was lost needs it; nothing is amplified.
    const bool long_segments = kind[0] == 'F' && kind[1] == 'A';
    CHECK(answers[0] <= (long_segments ? 200U : 10U));
    CHECK(answers[1] <= (long_segments ? 800U : 10U));
}

// Else whoever shares one connection with the stack reads from its own limit what happens to another
// (CVE-2016-5696).
TEST_CASE("Byzantine: two connections' limits of challenge ACKs tell nothing of each other",
          "[stack][RFC5961-7a][RFC5961-7b]")
{
    peer<> p;
    p.listen();
    half a = open(p, 41'000);
    half b = open(p, 42'000);
    const auto challenged = [&](const half& h) {
        p.send("S" + h.at());
        return p.forget();
    };
    std::vector<double> ends[2];
    std::size_t of_b = 0;
    for (int i = 0; i < 15; ++i) {
        CHECK(challenged(a) == (i < 10 ? 1U : 0U));
    }
    for (int i = 0; i < 15; ++i) {
        of_b += challenged(b);
    }
    CHECK(of_b == 10);
    // The moments at which either limit is full again are apart, and differ from time to time.
    const time_point begin = p.now;
    while (p.now - begin < 40_s) {
        p.wait(20_ms);
        int which = 0;
        for (const half* h : {&a, &b}) {
            if (challenged(*h) > 0) {
                ends[which].push_back((p.now - begin).seconds());
                for (int i = 0; i < 9; ++i) {
                    challenged(*h);
                }
            }
            ++which;
        }
    }
    REQUIRE(ends[0].size() >= 6);
    REQUIRE(ends[1].size() >= 6);
    int equal = 0;
    for (std::size_t i = 0; i < 6; ++i) {
        equal += ends[0][i] == ends[1][i] ? 1 : 0;
    }
    CHECK(equal <= 2);
    CHECK(ends[0][1] - ends[0][0] != ends[0][2] - ends[0][1]);
}

TEST_CASE("Byzantine: a Christmas tree opens nothing and ends nothing", "[stack][MUST-7]")
{
    const std::string flags = GENERATE(as<std::string>{}, "SFRPUAEW", "SFRPU", "SRA", "SR", "FPU", "PU", ".");
    const std::string state =
        GENERATE(as<std::string>{}, "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
                 "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT");
    CAPTURE(flags, state);
    peer<> p;
    if (state == "LISTEN") {
        p.listen();
    } else {
        p.in(state);
    }
    std::size_t frames = p.forget();
    for (int i = 0; i < 50; ++i) {
        p.send(flags + " r seq=1500 ack=77 urg=9 len=20 ");
        frames += p.forget();
    }
    CHECK(frames <= 50);
    if (state != "LISTEN") {
        CHECK(p.state() == state);
    } else {
        CHECK(p.stack.connection_count() == 0);
        CHECK_FALSE(p.accept());
    }
}

TEST_CASE("Byzantine: a SYN from our own address and port opens no connection to ourselves", "[stack][MUST-63]")
{
    peer<> p;
    p.listen();
    std::size_t frames = 0;
    for (int i = 0; i < 50; ++i) {
        p.send("S seq=1000 src=192.0.2.1 port=7 mss=1000");
        p.send("SA seq=1000 ack=5001 src=192.0.2.1 port=7");
        frames += p.forget();
    }
    p.wait(60_s);
    CHECK(frames + p.forget() == 0);
    CHECK(p.stack.connection_count() == 0);
    CHECK_FALSE(p.accept());
    CHECK(p.dropped(drop_reason::ip_bad_source) == 100);
}

// --- time and options ------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: timestamps that jump half the circle and back are dropped meanwhile, within the limit",
          "[stack][RFC7323-5.3a]")
{
    std::size_t answers[2] = {};
    for (const int n : {200, 800}) {
        peer<> p;
        p.in_established("mss=1000 ts=1000/0", "ts=1000/0");
        std::uint32_t seq = 1'001;
        for (int i = 0; i < n; ++i) {
            p.send("A ack=5001 ts=" + num(1'000u + 0x80000000u) + "/0 seq=" + num(seq));
            answers[n > 200] += p.forget();
        }
        for (int i = 0; i < 10; ++i, seq += 10) {
            p.send("A ack=5001 len=10 ts=" + num(1'001u + static_cast<std::uint32_t>(i) + 0x80000000u) + "/0 seq=" + num(seq));
            p.send("A ack=5001 len=10 ts=1001/0 seq=" + num(seq));
        }
        CHECK(p.read() == 100);
        CHECK(p.dropped(drop_reason::tcp_paws) >= static_cast<std::uint64_t>(n));
    }
    CHECK(answers[0] <= 10);
    CHECK(answers[1] <= 10);
}

TEST_CASE("Byzantine: a peer whose clock went back for good is told from by the end of retries",
          "[stack][RFC7323-5.3a][MUST-20]")
{
    peer<> p;
    p.in_established("mss=1000 ts=1000/0", "ts=1000/0");
    p.send("A seq=1001 ack=5001 len=10 ts=" + num(1'000u + 0x7FFFFFFFu) + "/0");
    CHECK(p.read() == 10);
    p.write(1'000);
    p.forget();
    std::size_t frames = 0;
    int minutes = 0;
    for (; minutes < 60 && p.state() != "CLOSED"; ++minutes) {
        p.wait(60_s);
        p.send("A seq=1011 ack=6001 ts=2000/0");
        frames += p.forget();
    }
    CHECK(p.state() == "CLOSED");
    CHECK(p.error() == "timed out");
    CHECK(frames <= 100);
}

TEST_CASE("Byzantine: whatever a SYN says of MSS and window scale, the text arrives in bounded frames",
          "[stack][MUST-16][RFC7323-2.3c]")
{
    const std::string options =
        GENERATE(as<std::string>{}, "mss=0", "mss=1", "mss=47", "mss=65535", "mss=1000 ws=15", "mss=1000 ws=255",
                 "mss=0 ws=255 sackok ts=1/0", "opt=02040000", "opt=02030000", "opt=0202030F", "opt=FFFFFFFF", "");
    CAPTURE(options);
    peer<> p;
    p.in_established(options, options.find("ts=") == options.npos ? "" : "ts=2/0");
    p.write(9'600);
    const bool stamped = options.find("ts=") != options.npos;
    const std::size_t frames =
        take_all(p, 9'600, 60_s, [&](std::uint32_t) { return std::string{stamped ? "ts=3/0 win=8" : ""}; });
    CHECK(frames <= 9'600 / 36);
}

// --- many ------------------------------------------------------------------------------------------------------------

TEST_CASE("Byzantine: peers whose text nobody reads leave slots for one whose text is read", "[stack]")
{
    std::uint32_t slots = 128;
    auto c = with([&](auto& config) {
        config.limits.connections = 64;
        config.limits.frame_slots = slots;
        config.limits.small_slots = slots;
        config.limits.large_slots = 4;
        config.receive_window.capacity = 65'535;
    });
    peer<> p{c};
    p.listen();
    std::vector<half> hogs;
    for (std::uint16_t i = 0; i < 20; ++i) {
        hogs.push_back(open(p, static_cast<std::uint16_t>(1'000 + i)));
    }
    half quick = open(p, 2'000);
    for (std::uint32_t turn = 0; turn < 60; ++turn) {
        for (half& h : hogs) {
            if (turn % 2 == 0) {
                p.send("A len=1" + h.at(1 + 2 * turn));  // with holes
            } else {
                p.send("A len=700" + h.at());
                const packet answer = p.last();
                h.seq = answer == "-" ? h.seq : std::max(h.seq, answer.ack());
            }
        }
        p.forget();
    }
    std::size_t got = 0;
    for (int i = 0; i < 400 && got < 100'000; ++i) {
        p.send("A len=500" + quick.at());
        std::byte buffer[4'096];
        const auto r = p.stack.read(quick.id, buffer);
        got += r.value;
        quick.seq += static_cast<std::uint32_t>(r.value);
        p.wait(1_ms);
        p.forget();
    }
    CHECK(got == 100'000);
}
