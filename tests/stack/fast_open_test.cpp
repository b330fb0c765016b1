// TCP Fast Open (RFC 7413) between two stacks: what the SYNs carry, who gets the text and when, and every way back.
#include "tcpco/stack/stack_port.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/network.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"

using namespace tcpco_test;

namespace {

struct seen {
    tcp_header header{};
    tcp_options options{};
    std::size_t text = 0;
    bool syn() const { return header.has(tcp_flag::syn); }
};

std::optional<seen> tcp_of(const octets& frame)
{
    const std::span<const std::byte> ip = std::span{frame}.subspan(14);
    const auto packet = parse_ipv4(ip);
    if (!packet || packet->header.protocol != ip_protocol::tcp) {
        return std::nullopt;
    }
    const auto tcp = parse_tcp(packet->payload);
    return tcp ? std::optional{seen{tcp->header, parse_tcp_options(tcp->options), tcp->payload.size()}} : std::nullopt;
}

// Client a, server b with Fast Open on; the wire takes 50 ms each way.
struct fast_network : two_stacks<> {
    static constexpr duration one_way{50'000'000};

    explicit fast_network(std::uint32_t limit = 16, stack_config<default_policies> server = config_b())
        : two_stacks<>{config_a(), server}
    {
        delay = one_way;
        listening = b.listen(here).value;
        b.set_options(listening, {.fast_open = limit});
        // Both ends know each other's MAC, so that frames are segments.
        a.set_neighbour(ipv4_address{0xC0000202}, config_b().network.mac);
        b.set_neighbour(ipv4_address{0xC0000201}, config_a().network.mac);
    }

    connection_id open(std::string_view text)
    {
        const connection_id id = a.connect(here, {.fast_open = true}).value;
        REQUIRE(a.write(id, as_octets(text)).value == text.size());
        return id;
    }
    // One connection of which nothing is kept but the cookie.
    void get_cookie()
    {
        const connection_id id = open("x");
        run_for(duration{2'000'000'000});
        const auto accepted = b.accept(listening);
        REQUIRE(accepted);
        REQUIRE(read_all(b, accepted.value) == "x");
        a.abort(id);
        a.close(id);
        b.close(accepted.value);
        run_for(duration{1'000'000'000});
        sent.clear();
    }
    template <class Stack>
    static std::string read_all(Stack& stack, connection_id id)
    {
        std::string out;
        std::byte buffer[4'096];
        for (auto r = stack.read(id, buffer); r.value > 0; r = stack.read(id, buffer)) {
            out.append(reinterpret_cast<const char*>(buffer), r.value);
        }
        return out;
    }
    std::vector<seen> syns(int from) const
    {
        std::vector<seen> out;
        for (const wire_frame& f : sent) {
            if (const auto s = tcp_of(f.data); f.from == from && s && s->syn()) {
                out.push_back(*s);
            }
        }
        return out;
    }

    endpoint here{"192.0.2.2"_ip, 7};
    listener_id listening{};
};

constexpr duration seconds(std::int64_t n) { return duration{n * 1'000'000'000}; }

}  // namespace

TEST_CASE("Fast Open: the first SYN asks for a cookie and carries no text, the SYN,ACK gives one",
          "[stack][RFC7413-4.2.1a][RFC7413-4.2.2a][RFC7413-4.1.1a]")
{
    fast_network net;
    net.open("hello");
    net.run_for(seconds(1));
    const auto asked = net.syns(0);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].options.has_fast_open);
    CHECK(asked[0].options.cookie.size == 0);
    CHECK(asked[0].text == 0);
    const auto given = net.syns(1);
    REQUIRE(given.size() == 1);
    CHECK(given[0].options.cookie.size == 8);
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    CHECK(net.read_all(net.b, accepted.value) == "hello");
}

TEST_CASE("Fast Open: with a cookie the text is there after half a round trip, and the answer after one",
          "[stack][RFC7413-4.2.2c][RFC7413-4.1.3a]")
{
    fast_network net;
    net.get_cookie();
    const time_point begun = net.now;
    const connection_id client = net.open("GET /");
    std::optional<connection_id> served;
    std::string reply;
    std::optional<time_point> answered;
    net.run_for(seconds(1), [&] {
        if (!served) {
            if (const auto accepted = net.b.accept(net.listening)) {
                served = accepted.value;
                CHECK(net.now - begun == fast_network::one_way);
                CHECK(net.b.info(*served).value.state == tcp_state::syn_received);
                CHECK(net.read_all(net.b, *served) == "GET /");
                CHECK(net.b.write(*served, as_octets("200 OK")).value == 6);
            }
        }
        reply += net.read_all(net.a, client);
        if (!answered && reply.size() == 6) {
            answered = net.now;
        }
    });
    REQUIRE(served);
    REQUIRE(answered);
    CHECK((*answered - begun).milliseconds() == 100);
    CHECK(reply == "200 OK");
    const auto syn = net.syns(0);
    REQUIRE(syn.size() == 1);
    CHECK(syn[0].text == 5);
    const auto syn_ack = net.syns(1);
    REQUIRE(syn_ack.size() == 1);
    CHECK_FALSE(syn_ack[0].options.has_fast_open);  // the cookie was good
    CHECK(syn_ack[0].header.ack - syn[0].header.seq == 6);
    CHECK(net.b.info(*served).value.state == tcp_state::established);
    CHECK(net.a.info(client).value.retransmissions == 0);
    CHECK(net.a.counters().fast_open_sent == 1);
    CHECK(net.b.counters().fast_open_accepted == 1);
}

TEST_CASE("Fast Open: a SYN takes no more text than the MSS that came with the cookie allows",
          "[stack][RFC7413-4.2.2a]")
{
    fast_network net;
    net.get_cookie();
    const octets text = pattern(5'000);
    const connection_id client = net.a.connect(net.here, {.fast_open = true}).value;
    REQUIRE(net.a.write(client, text).value == text.size());
    net.run_for(seconds(1));
    const auto syn = net.syns(0);
    REQUIRE(syn.size() == 1);
    CHECK(syn[0].text == 1'460 - encoded_size(syn[0].options));
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    const std::string got = net.read_all(net.b, accepted.value);
    CHECK(got.size() == text.size());
    CHECK(std::equal(text.begin(), text.end(), as_octets(got).begin(), as_octets(got).end()));
}

TEST_CASE("Fast Open: a lost SYN is repeated without text and option, and the server is left in peace for a while",
          "[stack][RFC7413-4.2.2b][RFC7413-4.1.3b]")
{
    fast_network net;
    net.get_cookie();
    bool lost = false;
    net.filter = [&](int from, std::size_t, const octets& frame) {
        const auto s = tcp_of(frame);
        const bool drop = !lost && from == 0 && s && s->syn();
        lost = lost || drop;
        return drop ? 0 : 1;
    };
    net.open("once");
    net.run_for(seconds(5));
    const auto syn = net.syns(0);
    REQUIRE(syn.size() == 2);
    CHECK(syn[0].text == 4);
    CHECK(syn[1].text == 0);
    CHECK_FALSE(syn[1].options.has_fast_open);
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    CHECK(net.read_all(net.b, accepted.value) == "once");

    net.sent.clear();
    net.open("plain");
    net.run_for(seconds(1));
    REQUIRE(net.syns(0).size() == 1);
    CHECK_FALSE(net.syns(0)[0].options.has_fast_open);

    net.run_for(seconds(601));
    net.sent.clear();
    net.open("again");
    net.run_for(seconds(1));
    REQUIRE(net.syns(0).size() == 1);
    CHECK(net.syns(0)[0].options.has_fast_open);
    CHECK(net.syns(0)[0].text == 0);  // what it knew is forgotten
}

TEST_CASE("Fast Open: where the SYN that asks for a cookie is lost, the next connections do without for a while",
          "[stack][RFC7413-4.1.3b]")
{
    fast_network net;
    net.filter = [](int from, std::size_t index, const octets&) { return from == 0 && index == 0 ? 0 : 1; };
    net.open("one");
    net.run_for(seconds(5));
    REQUIRE(net.syns(0).size() == 2);
    CHECK(net.syns(0)[0].options.has_fast_open);
    CHECK_FALSE(net.syns(0)[1].options.has_fast_open);
    net.open("two");
    net.run_for(seconds(5));
    REQUIRE(net.syns(0).size() == 3);
    CHECK_FALSE(net.syns(0)[2].options.has_fast_open);
}

TEST_CASE("Fast Open: a repeated SYN,ACK carries neither text nor option, and the text arrives once",
          "[stack][RFC7413-4.2.2f]")
{
    fast_network net;
    net.get_cookie();
    int lost = 0;
    net.filter = [&](int from, std::size_t, const octets&) {
        const bool drop = from == 1 && lost < 2;
        lost += drop ? 1 : 0;
        return drop ? 0 : 1;
    };
    const connection_id client = net.open("text");
    std::optional<connection_id> served;
    net.run_for(seconds(10), [&] {
        if (!served) {
            if (const auto accepted = net.b.accept(net.listening)) {
                served = accepted.value;
                CHECK(net.b.write(*served, as_octets("reply")).value == 5);
            }
        }
    });
    const auto syn_ack = net.syns(1);
    REQUIRE(syn_ack.size() >= 2);
    for (std::size_t i = 1; i < syn_ack.size(); ++i) {
        CHECK_FALSE(syn_ack[i].options.has_fast_open);
        CHECK(syn_ack[i].text == 0);
    }
    REQUIRE(served);
    CHECK(net.read_all(net.b, *served) == "text");
    CHECK(net.read_all(net.a, client) == "reply");
}

TEST_CASE("Fast Open: a server that has it off ignores the option, and the text follows the handshake",
          "[stack][RFC7413-4.2b][RFC7413-4.2.2d][RFC7413-2a]")
{
    fast_network net;
    net.get_cookie();
    net.b.set_options(net.listening, {.fast_open = 0});
    const connection_id client = net.open("later");
    net.run_for(seconds(1));
    const auto syn_ack = net.syns(1);
    REQUIRE(syn_ack.size() == 1);
    CHECK_FALSE(syn_ack[0].options.has_fast_open);
    CHECK(syn_ack[0].header.ack - net.syns(0)[0].header.seq == 1);
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    CHECK(net.read_all(net.b, accepted.value) == "later");
    CHECK(net.a.info(client).value.timeouts == 0);  // with the first ACK, not by the timer
}

TEST_CASE("Fast Open: beyond the limit of pending connections the handshake comes first",
          "[stack][RFC7413-4.2a]")
{
    fast_network net{1};
    net.get_cookie();
    net.filter = [](int from, std::size_t, const octets&) { return from == 1 ? 0 : 1; };  // no handshake completes
    net.open("first");
    net.run_for(duration{200'000'000});
    CHECK(net.b.counters().fast_open_accepted == 1);
    net.open("second");
    net.run_for(duration{200'000'000});
    CHECK(net.b.counters().fast_open_accepted == 1);
    CHECK(net.b.counters().fast_open_refused == 1);
    const auto only = net.b.accept(net.listening);
    REQUIRE(only);
    CHECK(net.read_all(net.b, only.value) == "first");
    CHECK_FALSE(net.b.accept(net.listening));
}

TEST_CASE("Fast Open: cookies outlive one rotation of the key, which gives a new one, and no second",
          "[stack][RFC7413-4.1.2a]")
{
    fast_network net;
    net.get_cookie();
    const bool twice = GENERATE(false, true);
    net.b.rotate_fast_open_key(99);
    if (twice) {
        net.b.rotate_fast_open_key(100);
    }
    net.open("key");
    net.run_for(seconds(1));
    CHECK(net.b.counters().fast_open_accepted == (twice ? 0U : 1U));
    REQUIRE(net.syns(1).size() == 1);
    CHECK(net.syns(1)[0].options.cookie.size == 8);
    CHECK_FALSE(net.syns(1)[0].options.cookie == net.syns(0)[0].options.cookie);
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    CHECK(net.read_all(net.b, accepted.value) == "key");

    net.sent.clear();
    net.open("new");
    net.run_for(seconds(1));
    CHECK(net.syns(0)[0].text == 3);
    CHECK(net.b.counters().fast_open_accepted == (twice ? 1U : 2U));
}

TEST_CASE("Fast Open: before the handshake ends the server sends no more than the initial window",
          "[stack][RFC7413-4.2.2e]")
{
    fast_network net;
    net.get_cookie();
    net.filter = [](int from, std::size_t, const octets& frame) {
        const auto s = tcp_of(frame);
        return from == 0 && s && !s->syn() ? 0 : 1;  // the client's ACKs are lost
    };
    net.open("GET /");
    std::optional<connection_id> served;
    net.run_for(duration{900'000'000}, [&] {
        if (!served) {
            if (const auto accepted = net.b.accept(net.listening)) {
                served = accepted.value;
                CHECK(net.b.write(*served, octets(500'000)).value == 500'000);
            }
        }
    });
    REQUIRE(served);
    CHECK(net.b.info(*served).value.state == tcp_state::syn_received);
    std::size_t text = 0;
    for (const wire_frame& f : net.sent) {
        const auto s = tcp_of(f.data);
        text += f.from == 1 && s ? s->text : 0;
    }
    CHECK(text >= 9 * 1'448);
    CHECK(text <= 14'600);
}

TEST_CASE("Fast Open: an RST before the handshake ends is told to whoever has the connection", "[stack][RFC7413-4.2a]")
{
    fast_network net;
    net.get_cookie();
    net.filter = [](int from, std::size_t, const octets&) { return from == 1 ? 0 : 1; };
    const connection_id client = net.open("text");
    net.run_for(duration{60'000'000});
    const auto accepted = net.b.accept(net.listening);
    REQUIRE(accepted);
    // The client's stack sends no RST in SYN-SENT: one is made of its SYN.
    static_cast<void>(client);
    octets rst = net.sent.front().data;
    const auto syn = tcp_of(rst);
    REQUIRE(syn);
    tcp_header header = syn->header;
    header.seq = header.seq + 5;  // rcv.nxt
    header.flags = tcp_flag::rst;
    const std::size_t size = write_tcp(header, {}, std::span{rst}.subspan(14 + ipv4_header_size));
    ipv4_header ip = parse_ipv4(std::span{rst}.subspan(14))->header;
    ip.total_length = static_cast<std::uint16_t>(ipv4_header_size + size);
    write_ipv4(ip, std::span{rst}.subspan(14));
    rst.resize(14 + ipv4_header_size + size);
    net.b.receive_copy(net.now, rst, frame_info{.checksum = checksum_state::good});
    CHECK(net.read_all(net.b, accepted.value) == "text");
    std::byte one[1];
    CHECK(net.b.read(accepted.value, one).ec == errc::connection_reset);
    net.b.check_invariants();
}

TEST_CASE("Fast Open: whatever two of the first frames are lost, each end gets what the other wrote, once",
          "[stack][RFC7413-4.2.2b][RFC7413-4.2.2d]")
{
    for (std::size_t first = 0; first < 8; ++first) {
        for (std::size_t second = first; second < 8; ++second) {
            INFO("lost: " << first << " and " << second);
            fast_network net;
            net.get_cookie();
            std::size_t count = 0;
            net.filter = [&](int, std::size_t, const octets&) {
                const std::size_t i = count++;
                return i == first || i == second ? 0 : 1;
            };
            const octets text = pattern(4'000, 7);
            const octets answer = pattern(6'000, 8);
            const connection_id client = net.a.connect(net.here, {.fast_open = true}).value;
            REQUIRE(net.a.write(client, text).value == text.size());
            std::optional<connection_id> served;
            std::string request;
            std::string reply;
            net.run_for(seconds(60), [&] {
                if (!served) {
                    if (const auto accepted = net.b.accept(net.listening)) {
                        served = accepted.value;
                        CHECK(net.b.write(*served, answer).value == answer.size());
                        net.b.shutdown(*served);
                    }
                }
                if (net.a.info(client).value.state == tcp_state::established) {
                    net.a.shutdown(client);
                }
                request += served ? net.read_all(net.b, *served) : "";
                reply += net.read_all(net.a, client);
            });
            const auto same = [](const std::string& got, const octets& wanted) {
                const auto seen = as_octets(got);
                return std::equal(wanted.begin(), wanted.end(), seen.begin(), seen.end());
            };
            CHECK(same(request, text));
            CHECK(same(reply, answer));
            net.a.check_invariants();
            net.b.check_invariants();
        }
    }
}

TEST_CASE("Fast Open: the cache holds so many servers, the one used longest ago gives way", "[stack][RFC7413-4.1.3a]")
{
    fast_open_cache cache{2};
    const fast_open_cookie cookie{.size = 4};
    const auto at = [](std::int64_t s) { return time_point{seconds(s)}; };
    cache.learn("192.0.2.1"_ip, cookie, 1'000, at(1));
    cache.learn("192.0.2.2"_ip, cookie, 1'000, at(2));
    cache.learn("192.0.2.3"_ip, cookie, 1'000, at(3));
    CHECK(cache.find("192.0.2.1"_ip) == nullptr);
    REQUIRE(cache.find("192.0.2.2"_ip) != nullptr);
    CHECK(cache.find("192.0.2.3"_ip)->mss == 1'000);
    cache.refuse("192.0.2.3"_ip, at(4), at(10));
    CHECK_FALSE(cache.may_try("192.0.2.3"_ip, at(9)));
    CHECK(cache.may_try("192.0.2.3"_ip, at(10)));
    CHECK(cache.find("192.0.2.3"_ip)->cookie.size == 0);
    fast_open_cache none{0};
    none.learn("192.0.2.1"_ip, cookie, 1'000, at(1));
    CHECK_FALSE(none.may_try("192.0.2.1"_ip, at(1)));
}
