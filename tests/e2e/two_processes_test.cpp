// Two stacks in two processes, over an AF_UNIX SOCK_SEQPACKET pair: no TAP, no namespace and no privilege. When one
// process ends, the other one's device is gone.
#include "e2e/world.hpp"

#include "catch.hpp"

using namespace tcpco;
using namespace tcpco_test;

namespace {

stack_config<default_policies> host(unsigned number)
{
    stack_config<default_policies> c{.address = {ipv4_address{0xC6120000U + number}, 24}, .seed = number};
    c.network.mac.octets[5] = static_cast<std::uint8_t>(number);
    return c;
}

frame_fd_options packets(bool offload)
{
    frame_fd_options o;
    if (offload) {
        o.vnet_header_size = 10;
        o.offload = {.tx_checksum = true, .tso4 = true, .tso6 = true, .tso_max = 65'535};
    }
    return o;
}

// One stack on one end of the pair.
struct end_of_pair {
    end_of_pair(int fd, unsigned number, const std::string& rung, bool offload)
        : device{frame_fd::adopt(fd, packets(offload))}, reactor{reactor_on(rung)}, net{host(number)}, link_driver{
                                                                                                           net, device,
                                                                                                           *reactor}
    {
    }
    frame_fd device;
    std::unique_ptr<linux_reactor> reactor;
    basic_stack<> net;
    driver<basic_stack<>, frame_fd, linux_reactor> link_driver;
};

task<std::error_code> serve_until_device_is_lost(scope& sessions, tcp_listener& listener)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return ec;
        }
        sessions.spawn(echo, std::move(socket));
    }
}

constexpr int saw_the_device_go = 42;

int serve(int fd, const std::string& rung, bool offload)
{
    end_of_pair here{fd, 1, rung, offload};
    tcp_listener listener{here.net, {"198.18.0.1"_ip, 7}};
    const auto why = here.reactor->run(with_scope(serve_until_device_is_lost, std::ref(listener)));
    return why == std::errc::network_down ? saw_the_device_go : 1;
}

task<> write_all(tcp_socket& socket, const std::string& text)
{
    static_cast<void>(co_await socket.write(text));
    socket.shutdown();
}

task<std::error_code> echo_with(stack_port& net, const std::string& text, std::string& back)
{
    auto [ec, socket] = co_await connect(net, {"198.18.0.1"_ip, 7});
    if (ec) {
        co_return ec;
    }
    auto writing = write_all(socket, text);
    auto reading = read_all(socket, back);
    const auto why = co_await when_all(std::move(writing), std::move(reading));
    co_return std::get<1>(why);
}

}  // namespace

TEST_CASE("two processes talk TCP over a socket pair, and the one that stays hears network_down", "[e2e][seqpacket]")
{
    const std::string rung = GENERATE(from_range(std::begin(both_rungs), std::end(both_rungs)));
    const bool offload = GENERATE(false, true);
    CAPTURE(rung, offload);
    if (rung != "off" && is_poll(*reactor_on(rung))) {
        skip("this step of the ladder cannot be had: " + reactor_on(rung)->why());
        return;
    }
    const time_limit limit{40};
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    child_process server{[&] {
        ::close(ends[0]);
        return serve(ends[1], rung, offload);
    }};
    ::close(ends[1]);
    {
        end_of_pair here{ends[0], 2, rung, offload};
        const std::string text = pattern(2 << 20, 1);
        std::string back;
        const auto outcome = here.reactor->run(with_timeout(echo_with(here.net, text, back), 15_s));
        CHECK(outcome == errc::end_of_stream);
        CHECK(difference(back, text) == "");
        CHECK(here.link_driver.close_all(2_s));
        CHECK(unexpected_drops(here.net.counters()) == "");
        CHECK(here.net.counters().retransmissions == 0);  // a full socket makes the driver wait, it loses nothing
        CHECK((here.net.counters().segments_sent > 2 * here.net.counters().frames_sent) == offload);
    }
    CHECK(server.wait() == saw_the_device_go);
}
