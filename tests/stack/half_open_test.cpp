// Half-open connections as compact records (RFC 4987 3.5): they answer as whole ones would, and cost little.
#include "tcpco/stack/syn_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/peer.hpp"

using namespace tcpco_test;

namespace {

// A listener for whom `records` half-open connections may be records; 0: none. And of which `whole` stay connections.
struct half_open : peer<> {
    explicit half_open(std::uint32_t records, std::uint32_t connections = 65'536, std::uint32_t limit = 10'000,
                       std::uint32_t whole = 0)
        : peer<>{with([&](auto& c) {
              c.limits.syn_received = records;
              c.limits.whole_half_open = whole;
              c.limits.connections = connections;
              c.syn_defence.use = syn::cookies::when::off;
          })}
    {
        check_payload = false;
        listen(128);
        stack.set_options(listener, {.half_open_limit = limit});
    }
    std::string syn(int port)
    {
        send("S seq=1000 mss=1000 port=" + std::to_string(port));
        return std::to_string(next().seq() + 1);
    }
};

// The same words to both; whatever comes back must be the same octets.
struct twins {
    half_open with_record{16};
    half_open without{0};

    void send(const std::string& words)
    {
        with_record.send(words);
        without.send(words);
        compare(words);
    }
    void wait(duration d)
    {
        with_record.wait(d);
        without.wait(d);
        compare("wait " + std::to_string(d.ns / 1'000'000) + " ms");
    }
    packet last{};

private:
    void compare(const std::string& after)
    {
        INFO("after " << after);
        while (true) {
            const packet a = with_record.next();
            const packet b = without.next();
            CAPTURE(a, b);
            REQUIRE(a.octets == b.octets);
            if (a.octets.empty()) {
                return;
            }
            last = a;
        }
    }
};

}  // namespace

TEST_CASE("A half-open record answers octet for octet as the connection would", "[stack][RFC4987-3.5a][RFC4987-4b]")
{
    const std::vector<std::string> options{"mss=1000", "mss=1300 ws=3 sackok", "mss=1400 ts=500/0 ws=7 sackok", "ts=9/0"};
    random_source random{4'711};
    std::size_t opened = 0;
    for (int round = 0; round < 120; ++round) {
        twins t;
        const std::string offer = options[random.below(static_cast<std::uint32_t>(options.size()))];
        const bool stamped = offer.find("ts=") != std::string::npos;
        const std::string stamp = stamped ? " ts=600/0" : "";
        const std::string flags = random.below(2) == 0 ? "S" : "SEW";
        t.send(flags + " seq=1000 win=5000 " + offer);
        REQUIRE(t.with_record.stack.syn_received_count() == 1);
        const std::uint32_t iss = t.last.seq();
        const std::vector<std::string> words{
            flags + " seq=1000 " + offer,
            "R seq=1002",
            "R seq=500",
            "A seq=1001 ack=" + std::to_string(iss) + stamp,
            "A seq=1001 ack=" + std::to_string(iss + 2) + stamp,
            "A seq=900 ack=" + std::to_string(iss + 1) + stamp,
            "A seq=900 len=10 ack=" + std::to_string(iss + 1) + stamp,
            ". seq=1001 len=5" + stamp,
            "A seq=60000000 ack=" + std::to_string(iss + 1) + stamp,
            stamped ? "A seq=1001 len=3 ts=5/0 ack=" + std::to_string(iss + 1) : "F seq=1001",
            "SA seq=1000 ack=" + std::to_string(iss + 1) + stamp,
        };
        for (std::uint32_t n = random.below(12); n > 0; --n) {
            if (random.below(3) == 0) {
                t.wait(duration{std::int64_t{random.below(4'000)} * 1'000'000 + 7'000});
            }
            const std::string& said = words[random.below(static_cast<std::uint32_t>(words.size()))];
            INFO("round " << round << ", " << offer << ": " << said);
            t.send(said);
            CAPTURE(t.without.connections().size(), t.with_record.connections().size());
            REQUIRE(t.with_record.stack.syn_received_count() == 1);
            REQUIRE(t.without.stack.syn_received_count() == 0);
        }
        switch (random.below(4)) {
        case 0:
            t.send("R seq=1001");
            REQUIRE(t.with_record.connections().empty());
            break;
        case 1:
            t.wait(100_s);
            REQUIRE(t.with_record.connections().empty());
            break;
        case 2: t.send("S seq=1001 " + offer); break;  // in the window: back to LISTEN
        default:
            t.send("A seq=1001 len=100 ack=" + std::to_string(iss + 1) + stamp);
            REQUIRE(t.with_record.accept());
            REQUIRE(t.without.accept());
            ++opened;
            const tcp_info a = t.with_record.info();
            const tcp_info b = t.without.info();
            CHECK(a.smss == b.smss);
            CHECK(a.srtt == b.srtt);
            CHECK(a.rto == b.rto);
            CHECK(a.cwnd == b.cwnd);
            CHECK(a.snd_wscale == b.snd_wscale);
            CHECK(a.rcv_wscale == b.rcv_wscale);
            CHECK(a.sack_permitted == b.sack_permitted);
            CHECK(a.timestamps == b.timestamps);
            CHECK(a.retransmissions == b.retransmissions);
            t.with_record.write(3'000);
            t.without.write(3'000);
            t.wait(1_s);
            t.send("FA seq=1101 ack=" + std::to_string(iss + 1001) + stamp);
            t.wait(5_s);
        }
        t.with_record.stack.check_invariants();
        t.send("S seq=7000 port=41000");  // the next one begins alike
    }
    CHECK(opened > 15);
}

TEST_CASE("A flood of SYNs needs a record each and no more, and all are gone after 63 seconds",
          "[stack][RFC4987-3.5a][RFC4987-3.3a]")
{
    half_open p{1'000, 16};  // so many connections at most
    for (int i = 0; i < 200; ++i) {
        p.send("S seq=1000 port=" + std::to_string(10'000 + i));
        CHECK(p.forget() == 1);
        p.wait(duration{100'000});
    }
    CHECK(p.stack.syn_received_count() == 200);
    CHECK(p.stack.connection_count() == 200);
    const std::string ack = p.syn(9'999);
    p.send("A seq=1001 port=9999 ack=" + ack);
    CHECK(p.accept());
    CHECK(p.state() == "ESTABLISHED");
    p.stack.check_invariants();
    p.wait(62_s);
    CHECK(p.stack.syn_received_count() == 200);
    CHECK(p.forget() == 1'000);  // five repetitions each
    p.wait(3_s);
    CHECK(p.stack.syn_received_count() == 0);
    CHECK(p.stack.connection_count() == 1);
    CHECK(p.dropped(drop_reason::no_connection_slot) == 0);
    p.stack.check_invariants();
    CHECK(p.syn(9'998) != "1");  // the listener has its places back
}

TEST_CASE("While few are half-open they stay whole, and what leaves once there are more becomes a record",
          "[stack][RFC4987-3.5a]")
{
    half_open p{100, 65'536, 10'000, 2};
    std::vector<std::string> acks;
    for (int i = 0; i < 2; ++i) {
        acks.push_back(p.syn(10'000 + i));
    }
    CHECK(p.stack.syn_received_count() == 0);
    acks.push_back(p.syn(10'002));
    CHECK(p.stack.syn_received_count() == 1);
    CHECK(p.stack.connection_count() == 3);
    p.stack.check_invariants();
    p.wait(1'001_ms);
    CHECK(p.forget() == 3);  // the SYN,ACKs that are due once more
    CHECK(p.stack.syn_received_count() == 3);
    for (std::size_t i = 0; i < acks.size(); ++i) {
        p.send("A seq=1001 port=" + std::to_string(10'000 + i) + " ack=" + acks[i]);
        CHECK(p.accept());
        p.stack.check_invariants();
    }
    p.syn(10'003);
    CHECK(p.stack.syn_received_count() == 0);
    p.send("R seq=1001 port=10003");
    CHECK(p.stack.connection_count() == 3);
    p.stack.check_invariants();
}

TEST_CASE("Half-open connections that stay whole take an eighth of the connections at most", "[stack]")
{
    half_open p{100, 16, 10'000, 64};
    for (int i = 0; i < 20; ++i) {
        p.syn(10'000 + i);
    }
    CHECK(p.stack.syn_received_count() == 18);
    CHECK(p.dropped(drop_reason::no_connection_slot) == 0);
}

TEST_CASE("The limit of a listener counts half-open records", "[stack][RFC4987-3.5a]")
{
    half_open p{100, 65'536, 3};
    for (int i = 0; i < 5; ++i) {
        p.syn(10'000 + i);
    }
    CHECK(p.stack.syn_received_count() == 3);
    CHECK(p.dropped(drop_reason::syn_backlog_full) == 2);
    p.send("R seq=1001 port=10000");
    CHECK(p.stack.syn_received_count() == 2);
    p.syn(10'009);
    CHECK(p.stack.syn_received_count() == 3);
}

TEST_CASE("Beyond the limit of half-open records a connection stays whole, which is counted", "[stack]")
{
    half_open p{2};
    std::string ack;
    for (int i = 0; i < 3; ++i) {
        ack = p.syn(10'000 + i);
    }
    CHECK(p.stack.syn_received_count() == 2);
    CHECK(p.stack.counters().syn_received_refused > 0);
    CHECK(p.connections().size() == 3);
    p.stack.check_invariants();
    p.send("A seq=1001 port=10002 ack=" + ack);
    CHECK(p.accept());
    CHECK(p.peer_port == 40'000);
}

TEST_CASE("A half-open record for which no connection is to be had waits for one, until its timer", "[stack]")
{
    half_open p{16, 1, 2};
    const std::string first = p.syn(10'000);
    const std::string second = p.syn(10'001);
    p.send("A seq=1001 port=10000 ack=" + first);
    CHECK(p.accept());
    p.send("A seq=1001 port=10001 ack=" + second);
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::no_connection_slot) == 1);
    CHECK(p.stack.syn_received_count() == 1);
    p.stack.check_invariants();
    SECTION("there is one in time")
    {
        p.abort();
        p.stack.close(p.id);
        p.forget();
        p.send("A seq=1001 port=10001 ack=" + second);
        CHECK(p.accept());
    }
    SECTION("there is none")
    {
        p.wait(2_s);
        CHECK(p.stack.syn_received_count() == 0);
        CHECK(p.stack.connection_count() == 1);
        p.stack.check_invariants();
        p.abort();
        p.stack.close(p.id);
        p.forget();
        p.syn(10'002);
        p.syn(10'003);
        CHECK(p.stack.syn_received_count() == 2);  // its place in the listener's queue is free
    }
}

TEST_CASE("Many half-open records whose timers are due at once take turns with the few connections there are",
          "[stack][RFC4987-3.3a]")
{
    half_open p{64, 3};
    std::string ack;
    for (int i = 0; i < 40; ++i) {
        ack = p.syn(10'000 + i);
    }
    CHECK(p.stack.syn_received_count() == 40);
    p.wait(1_s + 50_ms);
    CHECK(p.forget() == 40);
    CHECK(p.stack.syn_received_count() == 40);
    p.stack.check_invariants();
    p.send("A seq=1001 port=10039 ack=" + ack);
    CHECK(p.accept());
    p.wait(120_s);  // two connections are left to them: all end as they should
    CHECK(p.stack.syn_received_count() == 0);
    CHECK(p.stack.connection_count() == 1);
}

TEST_CASE("Half-open records end with their listener, with the stack and with the device", "[stack][RFC4987-3.5a]")
{
    half_open p{16, 2};
    for (int i = 0; i < 5; ++i) {
        p.syn(10'000 + i);
    }
    SECTION("the listener is closed: each peer is told, so far as there are connections")
    {
        CHECK(p.stack.close(p.listener) == errc::ok);
        std::size_t resets = 0;
        for (packet reset = p.next(); reset != "-"; reset = p.next()) {
            CHECK(reset == "RA ack=1001");
            ++resets;
        }
        CHECK(resets == 5);
    }
    SECTION("everything is aborted")
    {
        p.stack.abort_all(p.now);
        CHECK(p.forget() == 5);
    }
    SECTION("the device is gone: there is nobody to tell")
    {
        p.stack.device_lost(errc::network_down);
        CHECK(p.forget() == 0);
    }
    CHECK(p.stack.syn_received_count() == 0);
    CHECK(p.stack.connection_count() == 0);
    CHECK(p.connections().empty());
    p.stack.check_invariants();
}

TEST_CASE("An ICMP error about the SYN,ACK of a half-open record ends nothing", "[stack][RFC5927-4.1a]")
{
    half_open p{16};
    p.send("S seq=1000 mss=1000");
    const packet syn_ack = p.next();
    CHECK(p.stack.syn_received_count() == 1);
    p.send_icmp(icmp_type::destination_unreachable, 3, syn_ack);
    CHECK(p.dropped(drop_reason::icmp_ignored) == 0);
    CHECK(p.stack.syn_received_count() == 1);
    p.send("A seq=1001 ack=" + std::to_string(syn_ack.seq() + 1));
    CHECK(p.accept());
}

TEST_CASE("Half-open records send their SYN,ACK at once when the carrier is back, as far as there are connections",
          "[stack][RFC4987-3.5a]")
{
    half_open p{16, 2};
    std::string ack;
    for (int i = 0; i < 3; ++i) {
        ack = p.syn(10'000 + i);
        p.wait(100_ms);  // else their timers, too, would want three connections at once
    }
    p.stack.link_changed(p.now, false);
    p.wait(20_s);
    CHECK(p.forget() == 0);
    CHECK(p.stack.syn_received_count() == 3);
    p.stack.link_changed(p.now, true);
    CHECK(p.next() == "SA ack=1001");
    CHECK(p.next() == "SA ack=1001");
    CHECK(p.next() == "-");  // there are two connections; the third comes with its own timer, 31 s after its SYN
    CHECK(p.stack.syn_received_count() == 3);
    p.stack.check_invariants();
    p.wait(1'001_ms);
    CHECK(p.forget() == 2);  // what had backed off begins anew, too
    p.wait(11_s);
    CHECK(p.forget() == 5);
    p.send("A seq=1001 port=10002 ack=" + ack);
    CHECK(p.accept());
}

TEST_CASE("A half-open record knows when its SYN,ACK was last sent", "[stack][RFC4987-3.5a]")
{
    for (const std::uint32_t records : {16u, 0u}) {
        CAPTURE(records);
        half_open p{records};
        p.send("S seq=1000 mss=1000");
        p.wait(500_ms);
        p.send("S seq=1000 mss=1000");  // ours was lost
        CHECK(p.forget() == 2);
        p.find_connection();
        CHECK(p.stack.syn_received_count() == (records > 0 ? 1 : 0));
        p.wait(200_ms);
        CHECK(p.info().since_sent == 200_ms);
        p.wait(400_ms);  // the timer counts from the first one on
        CHECK(p.next() == "SA seq=5000 ack=1001");
        CHECK(p.info().since_sent == 100_ms);
    }
}
