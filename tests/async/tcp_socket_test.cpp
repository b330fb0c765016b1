#include "tcpco/async/tcp_socket.hpp"

#include "socket_world.hpp"

#include "tcpco/policy/ack/immediate.hpp"
#include "tcpco/policy/congestion/cubic.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/send_gate/off.hpp"

using namespace socket_test;

static_assert(!std::is_copy_constructible_v<tcp_socket> && std::is_nothrow_move_constructible_v<tcp_socket>);
static_assert(std::is_nothrow_move_assignable_v<tcp_socket>);
static_assert(operation<decltype(std::declval<tcp_socket&>().read_some(std::declval<std::string&>()))>);
static_assert(operation<decltype(std::declval<tcp_socket&>().write_some("x", "y"))>);

namespace {

task<> client_of_echo(world& w, octets data)
{
    auto [ec, socket] = co_await connect(w.client, server_address);
    REQUIRE(!ec);
    octets back(data.size());
    auto [written, read] = co_await when_all(socket.write(data), socket.read_exactly(back));
    CHECK(!written.ec);
    CHECK(written.n == data.size());
    CHECK(!read.ec);
    CHECK((back == data));
    CHECK(!socket.shutdown());
    auto [end, rest] = co_await socket.receive();
    CHECK(end == errc::end_of_stream);
    CHECK(rest.empty());
    succeeds(co_await socket.closed());
}

task<> echo_one(world& w, std::error_code& end)
{
    tcp_listener listener{*w.server, server_address};
    auto [ec, socket] = co_await listener.accept();
    REQUIRE(!ec);
    CHECK(socket.local_endpoint() == server_address);
    CHECK(socket.remote_endpoint().address == client_ip);
    end = co_await echo(std::move(socket));
}

}  // namespace

TEST_CASE("An echo session returns every octet and ends with the stream", "[async][RFC9293-3.10]")
{
    world w;
    std::error_code end;
    w.run([](world& v, std::error_code& e) -> task<> {
        co_await when_all(client_of_echo(v, pattern(300'000)), echo_one(v, e));
    }(w, end));
    CHECK(end == errc::end_of_stream);
    w.reactor.run_until(w.now() + 1_s);  // the last acknowledgement is on its way
    CHECK(w.client.connection_count() == 0);
    CHECK(w.server->connection_count() == 0);
}

TEST_CASE("Half-close: after shutdown() reading goes on and writing is a broken pipe", "[async][RFC9293-3.6]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("request"));
        CHECK(!client.shutdown());
        CHECK(!client.shutdown());
        auto [late, n] = co_await client.write("more");
        CHECK(late == std::errc::broken_pipe);
        CHECK(n == 0);
        equal(co_await read_all(server), "request");
        const std::string answer(200'000, 'a');
        auto [written, got] = co_await when_all(server.write(answer), read_text(client, answer.size()));
        CHECK(!written.ec);
        CHECK((got == answer));
        CHECK(!server.shutdown());
        fails(co_await client.receive(), errc::end_of_stream);
        auto [a, b] = co_await when_all(client.closed(), server.closed());
        CHECK(!a);
        CHECK(!b);
    }(w));
}

TEST_CASE("Urgent octets arrive in line, and who waits for them is told beside the reader",
          "[async][MUST-30][MUST-32][MUST-33][RFC6093-6a]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("plain "));
        equal(co_await read_text(server, 6), "plain ");
        const auto sends = [](tcp_socket& from) -> task<> {
            succeeds(co_await sleep_for(10_ms));
            auto [ec, n] = from.write_urgent("now");
            CHECK(!ec);
            CHECK(n == 3);
        };
        auto [told, got, sent] = co_await when_all(server.urgent(), server.readable(), sends(client));
        CHECK(!told);
        CHECK(server.urgent_ahead() == 3);
        equal(co_await read_text(server, 3), "now");
        CHECK(server.urgent_ahead() == 0);
        CHECK(!client.shutdown());
        CHECK(co_await server.urgent() == errc::end_of_stream);
    }(w));
    tcp_socket none;
    CHECK(none.urgent_ahead() == 0);
    CHECK(none.write_urgent("x").ec == std::errc::bad_file_descriptor);
}

TEST_CASE("With a low-water mark no more octets wait unsent than it says, and everything arrives", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        CHECK(!client.set_low_water(20'000));
        const auto writes = [](tcp_socket& to, const octets& all) -> task<> {
            for (std::size_t at = 0; at < all.size();) {
                auto [ec, n] = co_await to.write_some(std::span{all}.subspan(at));
                REQUIRE(!ec);
                CHECK(to.info().value.unsent <= 20'000);
                at += n;
            }
            CHECK(!to.shutdown());
        };
        const octets data = pattern(400'000);
        auto [written, got] = co_await when_all(writes(client, data), read_all(server));
        CHECK(got.size() == data.size());
        tcp_socket none;
        CHECK(none.set_low_water(1) == std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("A gathered write arrives in order, a scattered read fills its buffers in turn", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const std::string world_text = "world";
        const std::string_view nothing;
        auto [ec, n] = co_await client.write("hello", nothing, std::string(1, ' '), world_text);
        CHECK(!ec);
        CHECK(n == 11);
        succeeds(co_await server.readable());
        char first[3];
        std::array<std::byte, 4> second{};
        std::string third(100, '\0');
        auto [read_ec, got] = co_await server.read_some(first, second, third);
        CHECK(!read_ec);
        REQUIRE(got == 11);
        CHECK(std::string_view{first, 3} == "hel");
        CHECK(text_of(second) == "lo w");
        CHECK(third.substr(0, 4) == "orld");
    }(w));
}

TEST_CASE("A read into no room succeeds at once, whatever the socket is doing", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        std::span<std::byte> nothing;
        auto [ec, n] = co_await server.read_some(nothing);
        CHECK(!ec);
        CHECK(n == 0);
        succeeds(co_await server.read_exactly(nothing));
        // Also beside a reader that waits, and as an operation that is started.
        octets buffer(8);
        auto [index, results] = co_await when_any(server.read_some(buffer), server.read_some(nothing, nothing));
        CHECK(index == 1);
        CHECK(std::get<0>(results).ec == std::errc::operation_canceled);
        CHECK(!std::get<1>(results).ec);
        succeeds(co_await server.write(nothing));
        server.close();
        fails(co_await server.read_some(nothing), std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("read_exactly says how much came before the end of the stream", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("12345"));
        succeeds(co_await client.flush());
        succeeds(co_await client.write("67890"));
        client.close();
        char eight[8];
        auto [ec, n] = co_await server.read_exactly(eight);
        CHECK(!ec);
        CHECK(std::string_view{eight, n} == "12345678");
        auto [end, rest] = co_await server.read_exactly(eight);
        CHECK(end == errc::end_of_stream);
        CHECK(rest == 2);
        CHECK(std::string_view{eight, 2} == "90");
    }(w));
}

TEST_CASE("read_until finds a delimiter that comes in pieces, and leaves what follows", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        client.set_no_delay(true);
        struct body {
            static task<> send(tcp_socket& to)
            {
                for (const char* piece : {"GET /", " HTTP\r", "\nHost: x\r\n\r", "\nrest"}) {
                    succeeds(co_await to.write(piece));
                    succeeds(co_await sleep_for(10_ms));
                }
            }
        };
        std::string line;
        auto [sent, first] = co_await when_all(body::send(client), server.read_until(line, "\r\n"));
        CHECK(!first.ec);
        CHECK(first.n == line.size());
        CHECK(line == "GET / HTTP\r\n");
        std::vector<std::byte> headers;
        auto [ec, n] = co_await server.read_until(headers, "\r\n\r\n");
        CHECK(!ec);
        CHECK(text_of(headers) == "Host: x\r\n\r\n");
        equal(co_await read_text(server, 4), "rest");
    }(w));
}

TEST_CASE("read_until: message_size when the delimiter does not end within the limit", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("0123456789\n01234567\n"));
        std::string line;
        auto [ec, n] = co_await server.read_until(line, "\n", 10);
        CHECK(ec == std::errc::message_size);
        CHECK(n == 10);
        CHECK(line == "0123456789");
        line.clear();
        succeeds(co_await server.read_until(line, "\n", 1));
        CHECK(line == "\n");
        line.clear();
        auto [fits, length] = co_await server.read_until(line, "\n", 9);
        CHECK(!fits);
        CHECK(length == 9);
        line.clear();
        client.close();
        auto [end, rest] = co_await server.read_until(line, "\n", 9);
        CHECK(end == errc::end_of_stream);
        CHECK(rest == 0);
        fails(co_await server.read_until(line, ""), std::errc::invalid_argument);
    }(w));
}

TEST_CASE("read_until over more than a look at a time, and after a cancelled one", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const std::string long_line = std::string(5'000, 'x') + "=";
        succeeds(co_await client.write(long_line));
        std::string line;
        auto [late, n] = co_await with_timeout(server.read_until(line, "=="), 100_ms);
        CHECK(late == std::errc::timed_out);
        CHECK(n == 5'001);
        succeeds(co_await client.write("=tail"));
        auto [ec, length] = co_await server.read_until(line, "==");  // goes on where it stopped
        CHECK(!ec);
        CHECK(length == 5'002);
        CHECK((line == long_line + "="));
        equal(co_await read_text(server, 4), "tail");
        // What is there already is found without reading.
        auto [again, same] = co_await server.read_until(line, "==");
        CHECK(!again);
        CHECK(same == 5'002);
    }(w));
}

TEST_CASE("receive() hands out octets that outlive socket and stack", "[async]")
{
    received kept;
    {
        world w;
        kept = w.run([](world& v) -> task<received> {
            auto [client, server] = co_await v.connected();
            const octets data = pattern(1'000);
            succeeds(co_await client.write(data));
            auto [ec, got] = co_await server.receive();
            CHECK(!ec);
            co_return std::move(got);
        }(w));
    }
    REQUIRE(kept.size() == 1'000);
    CHECK(octets(kept.begin(), kept.end()) == pattern(1'000));
}

TEST_CASE("readable() waits for octets and for the end, and takes nothing", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        fails(co_await with_timeout(server.readable(), 5_ms), std::errc::timed_out);
        succeeds(co_await client.write("abc"));
        succeeds(co_await server.readable());
        succeeds(co_await server.readable());
        equal(co_await read_text(server, 3), "abc");
        client.close();
        succeeds(co_await server.readable());
        fails(co_await server.receive(), errc::end_of_stream);
        server.close();
        fails(co_await server.readable(), std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("try_read_some and try_write_some wait for nothing, readable() and writable() until they would succeed",
          "[async]")
{
    struct pump {
        static task<> writes(tcp_socket& s, const octets& data, std::size_t& refused)
        {
            for (std::span<const std::byte> rest{data}; !rest.empty();) {
                const io_result done = s.try_write_some(rest);
                if (done.ec) {
                    fails(done, std::errc::operation_would_block);
                    ++refused;
                    succeeds(co_await s.writable());
                } else {
                    CHECK(done.n > 0);
                    rest = rest.subspan(done.n);
                }
            }
            succeeds(s.shutdown());
            succeeds(co_await s.writable());  // there is something to be told
            fails(s.try_write_some("x"), std::errc::broken_pipe);
        }
        static task<octets> reads(tcp_socket& s, std::size_t& refused)
        {
            octets all;
            std::array<std::byte, 5'000> room{};
            for (;;) {
                const io_result got = s.try_read_some(room);
                if (got.ec == std::errc::operation_would_block) {
                    ++refused;
                    succeeds(co_await s.readable());
                } else if (got.ec) {
                    fails(got, errc::end_of_stream);
                    co_return all;
                }
                all.insert(all.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(got.n));
            }
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        char room[4];
        fails(server.try_read_some(room), std::errc::operation_would_block);
        const octets data = pattern(3'000'000);  // more than both buffers hold
        std::size_t full = 0;
        std::size_t empty = 0;
        auto [done, all] = co_await when_all(pump::writes(client, data, full), pump::reads(server, empty));
        CHECK(all == data);
        CHECK(full > 0);
        CHECK(empty > 0);
    }(w));
}

TEST_CASE("Where an operation waits, a call that does not is refused in its place", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        char room[4];
        const auto tries = [](tcp_socket& s, tcp_socket& peer) -> task<> {
            char other[4];
            fails(s.try_read_some(other), std::errc::operation_in_progress);
            succeeds(co_await peer.write("abcd"));
        };
        auto [got, tried] = co_await when_all(server.read_exactly(room), tries(server, client));
        succeeds(got);
        CHECK(got.n == 4);
        client.close();
        fails(client.try_read_some(room), std::errc::bad_file_descriptor);
        fails(client.try_write_some("x"), std::errc::bad_file_descriptor);
        fails(co_await client.writable(), std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("write() completes when its octets are queued, flush() when they are acknowledged", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.flush());
        const time_point start = v.now();
        const octets data = pattern(10'000);
        succeeds(co_await client.write(data));
        CHECK(v.now() == start);
        CHECK(value_or_throw(client.info()).send_queued == 10'000);
        succeeds(co_await client.flush());
        CHECK(v.now() - start >= 2_ms);  // there and back
        CHECK(value_or_throw(client.info()).send_queued == 0);
    }(w));
}

TEST_CASE("A write larger than the send buffer waits for the reader, and write_some takes what fits", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const octets data = pattern(1'000'000);
        auto [some, n] = co_await client.write_some(data);
        CHECK(!some);
        CHECK(n == 64 * 1'024);
        const std::span rest = std::span{data}.subspan(n);
        auto [written, text] = co_await when_all(client.write(rest), read_text(server, data.size()));
        CHECK(!written.ec);
        CHECK(written.n == data.size() - n);
        CHECK((text == text_of(data)));
    }(w));
}

TEST_CASE("A write that times out says how much went, and exactly that arrives", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const octets data = pattern(3'000'000);
        auto [ec, n] = co_await with_timeout(client.write(data), 2_s);
        CHECK(ec == std::errc::timed_out);
        CHECK(n >= 64 * 1'024);
        CHECK(n < data.size());
        CHECK(!client.shutdown());
        equal(co_await read_all(server), text_of(std::span{data}.first(n)));
    }(w));
}

TEST_CASE("closed() succeeds after a normal close, in whichever order", "[async][RFC9293-3.6][MUST-12]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        fails(co_await with_timeout(client.closed(), 5_ms), std::errc::timed_out);
        CHECK(!client.shutdown());
        fails(co_await server.receive(), errc::end_of_stream);
        CHECK(!server.shutdown());
        const time_point start = v.now();
        succeeds(co_await server.closed());
        succeeds(co_await client.closed());      // TIME-WAIT counts as the end
        CHECK(v.now() - start < 1_s);
        client.close();
        fails(co_await client.closed(), std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("abort(): this side's waits end with connection_aborted, the peer's with connection_reset",
          "[async][RFC9293-3.10.5]")
{
    struct body {
        static task<> abort_later(tcp_socket& socket)
        {
            succeeds(co_await sleep_for(10_ms));
            CHECK(!socket.abort());
            CHECK(socket.abort() == std::errc::not_connected);
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const octets data = pattern(3'000'000);
        octets room(10);
        auto [own, peer_read, peer_write, peer_flush, peer_end, nothing] =
            co_await when_all(client.readable(), server.read_exactly(room), server.write(data), server.flush(),
                              server.closed(), body::abort_later(client));
        CHECK(!own);  // octets of the server are there
        CHECK(peer_read.ec == std::errc::connection_reset);
        CHECK(peer_write.ec == std::errc::connection_reset);
        CHECK(peer_write.n >= 64 * 1'024);
        CHECK(peer_flush == std::errc::connection_reset);
        CHECK(peer_end == std::errc::connection_reset);
        fails(co_await server.write("x"), std::errc::broken_pipe);
        fails(co_await server.receive(), std::errc::connection_reset);
        fails(co_await client.closed(), std::errc::connection_aborted);
        while (!(co_await client.receive()).ec) {  // what arrived before can be read
        }
        fails(co_await client.receive(), std::errc::connection_aborted);
        fails(co_await client.write("x"), std::errc::connection_aborted);
    }(w));
}

TEST_CASE("A reader that waits when this side aborts gets connection_aborted", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        struct body {
            static task<> abort(tcp_socket& socket)
            {
                CHECK(!socket.abort());
                co_return;
            }
        };
        auto [read, nothing] = co_await when_all(client.receive(), body::abort(client));
        CHECK(read.ec == std::errc::connection_aborted);
    }(w));
}

TEST_CASE("Octets that came before a reset are read first", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("last words"));
        succeeds(co_await client.flush());
        CHECK(!client.abort());
        succeeds(co_await sleep_for(10_ms));
        equal(co_await read_text(server, 10), "last words");
        fails(co_await server.receive(), std::errc::connection_reset);
    }(w));
}

TEST_CASE("linger(on_close::reset) makes close() a reset", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        CHECK(!client.linger(on_close::reset));
        client.close();
        client.close();
        fails(co_await server.receive(), std::errc::connection_reset);
        CHECK(client.linger(on_close::finish) == std::errc::bad_file_descriptor);
    }(w));
}

TEST_CASE("The destructor closes, and the stack delivers what was queued", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const octets data = pattern(50'000);
        {
            const tcp_socket gone = std::move(client);
            CHECK(gone.is_open());
        }
        CHECK(!client.is_open());
        fails(co_await server.receive(), errc::end_of_stream);
        succeeds(co_await server.write("unheard"));
    }(w));
    world x;
    x.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        const octets data = pattern(50'000);
        succeeds(co_await client.write(data));
        client = tcp_socket{};
        equal(co_await read_all(server), text_of(data));
    }(x));
}

namespace {

// How many segments five single octets become before the peer acknowledges any.
task<std::uint64_t> segments_of_five_writes(world& w, bool no_delay, bool cork)
{
    auto [client, server] = co_await w.connected();
    CHECK(!client.set_no_delay(no_delay));
    CHECK(!client.set_cork(cork));
    const std::uint64_t before = value_or_throw(client.info()).segments_sent;
    for (int i = 0; i < 5; ++i) {
        succeeds(co_await client.write("x"));
        succeeds(co_await sleep_for(100_us));
    }
    const std::uint64_t sent = value_or_throw(client.info()).segments_sent - before;
    CHECK(!client.set_cork(false));
    equal(co_await read_text(server, 5), "xxxxx");
    co_return sent;
}

}  // namespace

TEST_CASE("set_no_delay and set_cork decide whether small segments wait", "[async][MUST-17]")
{
    world nagle;
    CHECK(nagle.run(segments_of_five_writes(nagle, false, false)) == 1);
    world no_delay;
    CHECK(no_delay.run(segments_of_five_writes(no_delay, true, false)) == 5);
    world corked;
    CHECK(corked.run(segments_of_five_writes(corked, true, true)) == 0);
}

TEST_CASE("A closed socket answers bad_file_descriptor to everything", "[async]")
{
    world w;
    w.run([](world&) -> task<> {
        tcp_socket socket;
        char room[4];
        std::string text;
        CHECK(!socket.is_open());
        fails(co_await socket.read_some(room), std::errc::bad_file_descriptor);
        fails(co_await socket.read_exactly(room), std::errc::bad_file_descriptor);
        fails(co_await socket.read_until(text, "x"), std::errc::bad_file_descriptor);
        fails(co_await socket.receive(), std::errc::bad_file_descriptor);
        fails(co_await socket.readable(), std::errc::bad_file_descriptor);
        fails(co_await socket.writable(), std::errc::bad_file_descriptor);
        fails(socket.try_read_some(room), std::errc::bad_file_descriptor);
        fails(socket.try_write_some("x"), std::errc::bad_file_descriptor);
        fails(co_await socket.write("x"), std::errc::bad_file_descriptor);
        fails(co_await socket.write_some("x"), std::errc::bad_file_descriptor);
        fails(co_await socket.flush(), std::errc::bad_file_descriptor);
        fails(co_await socket.closed(), std::errc::bad_file_descriptor);
        CHECK(socket.shutdown() == std::errc::bad_file_descriptor);
        CHECK(socket.abort() == std::errc::bad_file_descriptor);
        CHECK(socket.set_no_delay(true) == std::errc::bad_file_descriptor);
        CHECK(socket.info().ec == std::errc::bad_file_descriptor);
        CHECK(socket.remote_endpoint() == endpoint{});
    }(w));
}

TEST_CASE("A socket that outlives its stack answers bad_file_descriptor", "[async]")
{
    world w;
    tcp_socket client;
    tcp_socket server;
    w.run([](world& v, tcp_socket& c, tcp_socket& s) -> task<> {
        auto [a, b] = co_await v.connected();
        c = std::move(a);
        s = std::move(b);
    }(w, client, server));
    w.server_driver.reset();
    w.server.reset();
    w.run([](tcp_socket& s) -> task<> {
        char room[4];
        std::string text;
        CHECK(!s.is_open());
        fails(co_await s.read_some(room), std::errc::bad_file_descriptor);
        fails(co_await s.read_exactly(room), std::errc::bad_file_descriptor);
        fails(co_await s.write("x"), std::errc::bad_file_descriptor);
        fails(co_await s.closed(), std::errc::bad_file_descriptor);
        CHECK(s.shutdown() == std::errc::bad_file_descriptor);
        CHECK(s.info().ec == std::errc::bad_file_descriptor);
    }(server));
    server.close();
}

namespace {

struct other_policies : default_policies {
    using congestion = tcpco::congestion::cubic;
    using recovery = tcpco::recovery::sack;
    using ack = tcpco::ack::immediate;
    using send_gate = gate::off;
};

// Compiled once, for sockets of every stack.
task<std::size_t> talk(tcp_socket& from, tcp_socket& to)
{
    const octets data = pattern(100'000);
    octets got(data.size());
    auto [written, read] = co_await when_all(from.write(data), to.read_exactly(got));
    CHECK(!written.ec);
    CHECK(!read.ec);
    CHECK((got == data));
    co_return read.n;
}

}  // namespace

TEST_CASE("Sockets of stacks with different policies go through the same function", "[async]")
{
    basic_world<default_policies, other_policies> w;
    const std::size_t n = w.run([](basic_world<default_policies, other_policies>& v) -> task<std::size_t> {
        auto [client, server] = co_await v.connected();
        const std::size_t there = co_await talk(client, server);
        co_return there + co_await talk(server, client);
    }(w));
    CHECK(n == 200'000);
}
