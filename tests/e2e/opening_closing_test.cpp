// How connections with the kernel's TCP begin and end, and what each side is told when they do not end well.
#include "e2e/world.hpp"

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

struct session_end {
    std::string got{};
    std::error_code reading{};
    std::error_code writing{};
    std::error_code closed{};
    tcp_state state = tcp_state::closed;
};

// Reads to the end, then answers with `answer`, then ends its own direction.
task<> answer_after_the_end(tcp_listener& listener, session_end& end, const std::string& answer)
{
    auto [ec, socket] = co_await listener.accept();
    end.reading = co_await read_all(socket, end.got);
    end.state = socket.info().value.state;
    end.writing = (co_await socket.write(answer)).ec;
    socket.shutdown();
    end.closed = co_await socket.closed();
}

// Ends its own direction first, then reads to the end.
task<> end_before_reading(tcp_listener& listener, session_end& end, const std::string& text)
{
    auto [ec, socket] = co_await listener.accept();
    end.writing = (co_await socket.write(text)).ec;
    socket.shutdown();
    end.reading = co_await read_all(socket, end.got);
    end.closed = co_await socket.closed();
}

task<> connect_and_echo(stack_port& net, session_end& end, const std::string& text)
{
    auto [ec, socket] = co_await connect(net, kernel_service);
    end.writing = ec;
    if (ec) {
        co_return;
    }
    end.state = socket.info().value.state;
    end.writing = (co_await socket.write(text)).ec;
    socket.shutdown();
    end.reading = co_await read_all(socket, end.got);
    end.closed = co_await socket.closed();
}

task<std::error_code> try_to_connect(stack_port& net, endpoint to)
{
    auto [ec, socket] = co_await connect(net, to);
    co_return ec;
}

task<std::error_code> try_to_connect_within(stack_port& net, endpoint to, duration limit)
{
    auto [ec, socket] = co_await with_timeout(connect(net, to), limit);
    co_return ec;
}

// Takes one octet, waits for more, and then tries to write.
task<> read_until_error(tcp_listener& listener, session_end& end)
{
    auto [ec, socket] = co_await listener.accept();
    end.reading = co_await read_all(socket, end.got);
    end.writing = (co_await socket.write("too late")).ec;
    end.closed = co_await socket.closed();
}

enum class manner { abort, linger_reset };

task<> reset_after_reading(tcp_listener& listener, manner how)
{
    auto [ec, socket] = co_await listener.accept();
    std::string octet(1, '\0');
    static_cast<void>(co_await socket.read_exactly(octet));
    if (how == manner::abort) {
        socket.abort();
    } else {
        socket.linger(on_close::reset);
    }
}

task<> read_in_vain_then_echo(tcp_listener& listener, std::error_code& in_vain, std::string& got)
{
    auto [ec, socket] = co_await listener.accept();
    std::string buffer(100, '\0');
    in_vain = (co_await with_timeout(socket.read_some(buffer), 100_ms)).ec;
    static_cast<void>(co_await socket.write("now"));
    const auto [failed, n] = co_await socket.read_some(buffer);
    got = buffer.substr(0, n);
}

task<> read_one(tcp_socket socket, std::error_code& why)
{
    std::string all;
    why = co_await read_all(socket, all);
}
task<> connect_one(stack_port& net, endpoint to, std::error_code& why) { why = (co_await connect(net, to)).ec; }

struct waits {
    std::error_code accepting{};
    std::error_code reading{};
    std::error_code connecting{};
};

// Waits in accept(), in a read and in a connect at the same time.
task<> wait_in_three_places(scope& children, stack_port& net, tcp_listener& listener, waits& w)
{
    auto [ec, socket] = co_await listener.accept();
    children.spawn(read_one, std::move(socket), std::ref(w.reading));
    children.spawn(connect_one, std::ref(net), endpoint{"198.18.0.77"_ip, 9}, std::ref(w.connecting));
    w.accepting = (co_await listener.accept()).ec;
}

}  // namespace

TEST_CASE("the kernel ends its direction first: what it sent is read to the end, and it still gets our answer",
          "[e2e][close]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    tcp_listener listener{w.net, our_service};
    const std::string question = pattern(100'000, 1);
    const std::string answer = pattern(300'000, 2);
    session_end end;
    kernel_read got;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            client.send_all(question);
            client.shutdown_sending();
            got = client.receive_all();
        },
        answer_after_the_end(listener, end, answer));
    CHECK(!late);
    CHECK(difference(end.got, question) == "");
    CHECK(end.reading == errc::end_of_stream);
    CHECK(end.state == tcp_state::close_wait);
    CHECK(!end.writing);
    CHECK(!end.closed);
    CHECK(difference(got.octets, answer) == "");
    CHECK(got.ended);
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("we end our direction first: the kernel reads to the end, and we still get all of its answer", "[e2e][close]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    const std::string question = pattern(100'000, 3);
    const std::string answer = pattern(300'000, 4);
    session_end end;
    kernel_read got;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            got = client.receive_all();
            client.send_all(answer);
        },
        end_before_reading(listener, end, question));
    CHECK(!late);
    CHECK(difference(got.octets, question) == "");
    CHECK(got.ended);
    CHECK(difference(end.got, answer) == "");
    CHECK(end.reading == errc::end_of_stream);
    CHECK(!end.closed);
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("we connect to a listener of the kernel", "[e2e][open]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    const std::string text = pattern(200'000, 5);
    session_end end;
    kernel_listener server{kernel_service.port};
    REQUIRE(server.error == 0);
    const auto late = w.beside(
        [&] {
            kernel_stream session = server.accept();
            session.send_all(session.receive_all().octets);
        },
        connect_and_echo(w.net, end, text));
    CHECK(!late);
    CHECK(end.state == tcp_state::established);
    CHECK(!end.writing);
    CHECK(end.reading == errc::end_of_stream);
    CHECK(difference(end.got, text) == "");
    CHECK(!end.closed);
    CHECK(w.close());
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("a port without a listener refuses the connection, in both directions", "[e2e][open]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    int kernel_was_told = 0;
    const auto we_were_told = w.beside(
        [&] {
            kernel_stream client;
            kernel_was_told = client.connect(7);
        },
        try_to_connect(w.net, kernel_service));
    CHECK(kernel_was_told == ECONNREFUSED);
    CHECK(we_were_told == std::errc::connection_refused);
    CHECK(w.net.connection_count() == 0);
}

TEST_CASE("the kernel resets: our read ends with connection_reset, a later write with broken_pipe", "[e2e][reset]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    session_end end;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            client.send_all("x");
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
            client.reset();
        },
        read_until_error(listener, end));
    CHECK(!late);
    CHECK(end.got == "x");
    CHECK(end.reading == std::errc::connection_reset);
    CHECK(end.writing == std::errc::broken_pipe);
    CHECK(end.closed == std::errc::connection_reset);
    CHECK(w.net.connection_count() == 0);
}

TEST_CASE("we reset, by abort() or by closing with on_close::reset: the kernel's reader gets ECONNRESET",
          "[e2e][reset]")
{
    TCPCO_ON_EACH_RUNG(rung);
    const manner how = GENERATE(manner::abort, manner::linger_reset);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    kernel_read got;
    int sending = 0;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            client.send_all("x");
            got = client.receive_all();
            sending = client.send_all("y");
        },
        reset_after_reading(listener, how));
    CHECK(!late);
    CHECK(got.error == ECONNRESET);
    CHECK(got.octets == "");
    CHECK(sending == EPIPE);
    CHECK(w.net.connection_count() == 0);
}

TEST_CASE("an address that answers no ARP is host_unreachable after the tries, and no longer wait", "[e2e][open]")
{
    TCPCO_ON_EACH_RUNG(rung);
    network_config network{};
    network.arp_interval = 50_ms;
    tap_world<> w{{.rung = rung}, {.network = network}};
    const auto began = std::chrono::steady_clock::now();
    const auto ec = w.beside([] {}, try_to_connect(w.net, {"198.18.0.77"_ip, 9}));
    CHECK(ec == std::errc::host_unreachable);
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took >= std::chrono::milliseconds{100});
    CHECK(took < std::chrono::seconds{3});
    CHECK(w.net.connection_count() == 0);
}

TEST_CASE("a connect that nobody answers ends with timed_out at the caller's limit, and leaves nothing behind",
          "[e2e][open][timeout]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    // The kernel drops frames for another host's address.
    REQUIRE(w.net.set_neighbour(ipv4_address{0xC612004D}, mac_address{{0x02, 0, 0, 0, 0, 0x4D}}));
    const auto began = std::chrono::steady_clock::now();
    const auto ec = w.beside([] {}, try_to_connect_within(w.net, {"198.18.0.77"_ip, 9}, 150_ms));
    CHECK(ec == std::errc::timed_out);
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds{150});
    CHECK(w.net.connection_count() == 0);
}

TEST_CASE("a read that nobody serves ends with timed_out, and the connection goes on", "[e2e][timeout]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    std::error_code in_vain;
    std::string got;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            static_cast<void>(client.receive_exactly(3));
            client.send_all("after all");
            client.receive_all();
        },
        read_in_vain_then_echo(listener, in_vain, got));
    CHECK(!late);
    CHECK(in_vain == std::errc::timed_out);
    CHECK(got == "after all");
    CHECK(w.close());
}

TEST_CASE("the device is deleted: accept, read and connect all end with network_down", "[e2e][device]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung, .offload = true}};
    tcp_listener listener{w.net, our_service};
    waits all;
    bool deleted = false;
    const auto late = w.beside(
        [&] {
            kernel_stream client;
            client.connect(7);
            client.send_all("x");
            std::this_thread::sleep_for(std::chrono::milliseconds{50});
            deleted = delete_interface("tap0");
        },
        with_scope(wait_in_three_places, std::ref(w.net), std::ref(listener), std::ref(all)));
    CHECK(deleted);
    CHECK(!late);
    CHECK(all.accepting == std::errc::network_down);
    CHECK(all.reading == std::errc::network_down);
    CHECK(all.connecting == std::errc::network_down);
    CHECK(w.net.connection_count() == 0);
}
