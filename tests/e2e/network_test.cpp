// Beside TCP: ping and closed UDP ports; and TCP where one side does not read.
#include "e2e/world.hpp"

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

task<> wait_for_stop()
{
    async_event never;
    static_cast<void>(co_await never.wait());
}

struct stalled {
    std::string got{};  // from the client that we keep waiting
    std::error_code reading{};
    std::error_code writing{};
    tcpco::tcp_info during{};  // in the middle of the kernel's pause
};

task<> look_later(tcp_socket& socket, duration later, stalled& s)
{
    const std::error_code stopped = co_await sleep_for(later);
    if (!stopped) {
        s.during = socket.info().value;
    }
}

// The kernel does not read.
task<> write_to_the_lazy(tcp_listener& listener, const std::string& text, stalled& s)
{
    auto [ec, socket] = co_await listener.accept();
    auto writing = socket.write(text);
    auto looking = look_later(socket, 1'500_ms, s);
    auto [written, looked] = co_await when_all(std::move(writing), std::move(looking));
    s.writing = written.ec;
    if (!written.ec) {
        s.writing = co_await socket.flush();
    }
}

// We do not read.
task<> read_lazily(tcp_listener& listener, stalled& s)
{
    auto [ec, socket] = co_await listener.accept();
    static_cast<void>(co_await sleep_for(2_s));
    s.reading = co_await read_all(socket, s.got);
}

task<> both_stalls(tcp_listener& to_lazy, const std::string& text, tcp_listener& from_eager, stalled& s)
{
    auto one = write_to_the_lazy(to_lazy, text, s);
    auto other = read_lazily(from_eager, s);
    co_await when_all(std::move(one), std::move(other));
}

task<> write_to_and_read_from(tcp_listener& listener, const std::string& text, stalled& s)
{
    auto [ec, socket] = co_await listener.accept();
    auto writing = socket.write(text);
    auto reading = read_all(socket, s.got);
    auto [written, why] = co_await when_all(std::move(writing), std::move(reading));
    s.writing = written.ec;
    s.reading = why;
}

}  // namespace

TEST_CASE("the kernel's ping is answered, octet by octet", "[e2e][icmp]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    const std::string large = pattern(1'472, 1);
    std::string small_back;
    std::string large_back;
    const auto late = w.until_end_of(
        [&] {
            small_back = ping(our_host, "Are you there?");
            large_back = ping(our_host, large);
        },
        wait_for_stop());
    CHECK(!late);
    CHECK(small_back == "Are you there?");
    CHECK(difference(large_back, large) == "");
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("a UDP port that nobody has is answered by ICMP port unreachable", "[e2e][icmp]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    int told = 0;
    const auto late = w.until_end_of(
        [&] {
            kernel_socket client{SOCK_DGRAM, 0};
            client.connect(4'000);
            ::send(client.fd(), "x", 1, 0);
            char octet = 0;
            const auto receive = [&] { return ::recv(client.fd(), &octet, 1, 0); };
            told = retry_interrupted(receive) < 0 ? errno : 0;
        },
        wait_for_stop());
    CHECK(!late);
    CHECK(told == ECONNREFUSED);
}

TEST_CASE("who does not read for two seconds closes the window, and gets every octet afterwards, in both directions",
          "[e2e][zero-window]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener to_lazy{w.net, {our_service.address, 8}};
    tcp_listener from_eager{w.net, {our_service.address, 9}};
    const std::string ours = pattern(1 << 20, 2);
    const std::string theirs = pattern(4 << 20, 3);
    stalled s;
    kernel_read got;
    int sending = -1;
    const auto late = w.beside(
        [&] {
            kernel_stream lazy;
            lazy.set_receive_buffer(16'384);
            kernel_stream eager;
            lazy.connect(8);
            eager.connect(9);
            std::jthread sender{[&] {
                sending = eager.send_all(theirs);
                eager.shutdown_sending();
            }};
            std::this_thread::sleep_for(std::chrono::seconds{2});
            got = lazy.receive_all();
        },
        both_stalls(to_lazy, ours, from_eager, s));
    CHECK(!late);
    CHECK(difference(got.octets, ours) == "");
    CHECK(got.ended);
    CHECK(!s.writing);
    CHECK(s.during.state == tcp_state::established);
    CHECK(s.during.snd_wnd < 1'460);
    CHECK(s.during.send_queued > 500'000);
    CHECK(sending == 0);
    CHECK(s.reading == errc::end_of_stream);
    CHECK(difference(s.got, theirs) == "");
    CHECK(unexpected_drops(w.net.counters()) == "");
}

TEST_CASE("a peer whose window is closed still accepts our acknowledgements after it refused a probe",
          "[e2e][zero-window][RFC9293-3.8.6.1]")
{
    TCPCO_ON_EACH_RUNG(rung);
    tap_world<> w{{.rung = rung}};
    tcp_listener listener{w.net, our_service};
    const std::string ours = pattern(200'000, 4);
    const std::string theirs = pattern(50'000, 5);
    stalled s;
    ::tcp_info view{};
    kernel_read got;
    const auto late = w.beside(
        [&] {
            kernel_stream lazy;
            lazy.set_receive_buffer(8'192);
            lazy.connect(7);
            std::this_thread::sleep_for(std::chrono::milliseconds{500});  // the first probes are refused
            lazy.send_all(theirs);
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
            view = lazy.info();
            got = lazy.receive_exactly(ours.size());
        },
        write_to_and_read_from(listener, ours, s));
    CHECK(!late);
    CHECK(view.tcpi_unacked == 0);
    CHECK(view.tcpi_bytes_acked == theirs.size() + 1);
    CHECK(difference(got.octets, ours) == "");
    CHECK(difference(s.got, theirs) == "");
    CHECK(!s.writing);
    CHECK(s.reading == errc::end_of_stream);
    CHECK(w.close());
}
