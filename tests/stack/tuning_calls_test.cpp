#include "tcpco/stack/tuning_calls.hpp"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "support/network.hpp"
#include "tcpco/policy/congestion/any.hpp"
#include "tcpco/policy/congestion/cubic.hpp"

using namespace tcpco_test;

namespace {

constexpr endpoint server{"192.0.2.2"_ip, 80};

// A connection from a to b, accepted.
struct joined {
    explicit joined(const connect_options& options = {}, std::uint16_t listener_mss = 0)
    {
        listener = net.b.listen(server).value;
        CHECK(net.b.set_maximum_segment(listener, listener_mss) == errc::ok);
        client = net.a.connect(server, options).value;
        net.run_for(100_ms);
        accepted = net.b.accept(listener).value;
    }
    tcp_info at_client() { return net.a.info(client).value; }
    tcp_info at_server() { return net.b.info(accepted).value; }

    two_stacks<> net;
    listener_id listener{};
    connection_id client{};
    connection_id accepted{};
};

std::size_t longest_frame(const two_stacks<>& net, int from)
{
    std::size_t longest = 0;
    for (const wire_frame& f : net.sent) {
        longest = f.from == from ? std::max(longest, f.data.size()) : longest;
    }
    return longest;
}

}  // namespace

TEST_CASE("maximum_segment: the SYN announces it, and neither side sends more", "[stack][MUST-14][MUST-16]")
{
    joined plain;
    CHECK(plain.at_client().rmss == 1'460);
    CHECK(plain.at_client().smss == 1'448);

    joined active{{.maximum_segment = 600}};
    CHECK(active.at_client().rmss == 600);
    CHECK(active.at_client().smss == 588);  // timestamps take twelve
    CHECK(active.at_server().smss == 588);
    CHECK(active.net.a.write(active.client, pattern(5'000)).value == 5'000);
    CHECK(active.net.b.write(active.accepted, pattern(5'000)).value == 5'000);
    active.net.run_for(1_s);
    CHECK(longest_frame(active.net, 0) == 14 + 20 + 20 + 600);
    CHECK(longest_frame(active.net, 1) == 14 + 20 + 20 + 600);

    joined passive{{}, 700};
    CHECK(passive.at_server().rmss == 700);
    CHECK(passive.at_client().smss == 688);
    CHECK(passive.at_server().smss == 688);

    // Also by a SYN cookie, whose SYN,ACK knows no connection.
    two_stacks<> flooded;
    const listener_id l = flooded.b.listen(server, 8).value;
    CHECK(flooded.b.set_maximum_segment(l, 700) == errc::ok);
    CHECK(flooded.b.set_options(l, {.half_open_limit = 1}) == errc::ok);
    flooded.filter = [](int from, std::size_t index, const octets&) { return from == 1 && index == 1 ? 0 : 1; };
    CHECK(flooded.a.connect(server).ec == errc::ok);  // its SYN,ACK is lost: half open for a while
    flooded.run_for(10_ms);
    const connection_id second = flooded.a.connect(server).value;
    flooded.run_for(100_ms);
    CHECK(flooded.b.counters().syn_cookies_sent == 1);
    CHECK(flooded.a.info(second).value.state == tcp_state::established);
    CHECK(flooded.a.info(second).value.smss == 688);

    joined large{{.maximum_segment = 9'000}};
    CHECK(large.at_client().rmss == 1'460);
}

TEST_CASE("receive_buffer: of one connection, from its SYN on, and later", "[stack][SHLD-14]")
{
    joined j{{.receive_buffer = 8'000}};
    CHECK(j.net.a.receive_buffer_of(j.client).value == 8'000);
    CHECK(j.at_client().rcv_wscale == 0);
    CHECK(j.at_server().snd_wnd == 8'000);
    CHECK(j.net.b.write(j.accepted, pattern(20'000)).value == 20'000);
    j.net.run_for(1_s);
    CHECK(j.net.a.look(j.client).readable == 8'000);

    CHECK(j.net.a.set_receive_buffer(j.client, 12'000) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.a.look(j.client).readable == 12'000);

    // Smaller than what was offered: the edge stays where it is, and what it promised is taken.
    octets out(12'000);
    CHECK(j.net.a.read(j.client, out).value == 12'000);
    j.net.run_for(1_ms);
    CHECK(j.net.a.set_receive_buffer(j.client, 1'000) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.a.look(j.client).readable == 8'000);
}

TEST_CASE("maximum_segment and receive_buffer: what makes no sense is refused, and changes nothing", "[stack][MUST-14]")
{
    joined j;
    for (const std::uint16_t octets : std::initializer_list<std::uint16_t>{1, 40, 87}) {
        CHECK(j.net.a.connect(server, {.maximum_segment = octets}).ec == errc::invalid_argument);
        CHECK(j.net.b.set_maximum_segment(j.listener, octets) == errc::invalid_argument);
    }
    CHECK(j.net.a.connect(server, {.maximum_segment = 88}).ec == errc::ok);
    CHECK(j.net.b.set_maximum_segment(j.listener, 88) == errc::ok);

    const octet_count before = j.net.a.receive_buffer_of(j.client).value;
    for (const octet_count octets : {octet_count{-5}, octet_count{0}, largest_receive_buffer + 1}) {
        CHECK(j.net.a.set_receive_buffer(j.client, octets) == errc::invalid_argument);
        if (octets != 0) {
            CHECK(j.net.a.connect(server, {.receive_buffer = octets}).ec == errc::invalid_argument);
        }
    }
    CHECK(j.net.a.receive_buffer_of(j.client).value == before);
    CHECK(j.net.a.set_receive_buffer(j.client, largest_receive_buffer) == errc::ok);
    CHECK(j.net.a.set_receive_buffer(j.client, 1) == errc::ok);
}

TEST_CASE("set_send_buffer: bounds what write takes", "[stack]")
{
    joined j;
    j.net.filter = [](int, std::size_t, const octets&) { return 0; };  // nothing is acknowledged
    CHECK(j.net.a.set_send_buffer(j.client, 2'896) == errc::ok);  // two segments
    CHECK(j.net.a.look(j.client).send_limit == 2'896);
    CHECK(j.net.a.write(j.client, pattern(5'000)).value == 2'896);
    CHECK(j.net.a.look(j.client).unacknowledged == 2'896);
    CHECK(j.net.a.look(j.client).unsent == 2'896);
    j.net.settle();
    CHECK(j.net.a.look(j.client).unsent == 0);
    CHECK(j.net.a.write(j.client, pattern(1)).ec == errc::would_block);
    CHECK(j.net.a.set_send_buffer(j.client, 4'000) == errc::ok);
    CHECK(j.net.a.write(j.client, pattern(5'000)).value == 1'104);
}

TEST_CASE("look: the state, the end of the peer's stream and why it ended", "[stack]")
{
    joined j;
    CHECK(j.net.a.look(j.client).state == tcp_state::established);
    CHECK_FALSE(j.net.a.look(j.client).end_received);
    CHECK(j.net.b.write(j.accepted, pattern(10)).value == 10);
    CHECK(j.net.b.shutdown(j.accepted) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.a.look(j.client).end_received);
    CHECK(j.net.a.look(j.client).readable == 10);
    CHECK(j.net.b.abort(j.accepted) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.a.look(j.client).error == errc::connection_reset);
    CHECK(j.net.a.look({}).error == errc::bad_file_descriptor);
}

TEST_CASE("is_local_in_use: listeners and connections, at their own address or any", "[stack]")
{
    joined j;
    const endpoint local = j.net.a.local_of(j.client);
    CHECK(j.net.a.is_local_in_use(local));
    CHECK(j.net.a.is_local_in_use({ip_address{}, local.port}));
    CHECK_FALSE(j.net.a.is_local_in_use({local.address, static_cast<std::uint16_t>(local.port - 1)}));
    CHECK_FALSE(j.net.a.is_local_in_use({"192.0.2.77"_ip, local.port}));
    CHECK(j.net.b.is_local_in_use(server));
    CHECK(j.net.b.close(j.listener) == errc::ok);
    CHECK(j.net.b.is_local_in_use(server));  // the accepted connection has it
    CHECK(j.net.b.close(j.accepted) == errc::ok);
    CHECK(j.net.a.close(j.client) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.b.is_local_in_use(server));  // TIME-WAIT, too
    j.net.run_for(300_s);
    CHECK_FALSE(j.net.b.is_local_in_use(server));
}

namespace {

struct choosing : default_policies {
    using congestion = tcpco::congestion::any_congestion<tcpco::congestion::reno, tcpco::congestion::cubic>;
};

}  // namespace

TEST_CASE("set_congestion: by name, in mid-life with the old windows, and it stays", "[stack]")
{
    two_stacks<choosing, default_policies> net;
    CHECK(net.b.listen(server).ec == errc::ok);
    const connection_id c = net.a.connect(server).value;
    CHECK(std::string_view{net.a.congestion_name(c)} == "reno");
    net.run_for(10_ms);
    CHECK(net.a.write(c, pattern(100'000)).value == 100'000);
    net.run_for(100_ms);
    CHECK(net.a.write(c, pattern(10)).value == 10);
    const octet_count window = net.a.info(c).value.cwnd;
    CHECK(window > 14'600);
    CHECK(net.a.set_congestion(c, "cubic") == errc::ok);
    CHECK(std::string_view{net.a.congestion_name(c)} == "cubic");
    CHECK(net.a.info(c).value.cwnd == window);
    CHECK(net.a.set_congestion(c, "vegas") == errc::invalid_argument);
    net.run_for(100_s);  // the sending half is given back meanwhile
    CHECK(net.a.write(c, pattern(10)).value == 10);
    net.run_for(1_s);
    CHECK(std::string_view{net.a.congestion_name(c)} == "cubic");
    CHECK(net.a.info(c).value.send_queued == 0);

    two_stacks<> fixed;
    CHECK(fixed.b.listen(server).ec == errc::ok);
    const connection_id d = fixed.a.connect(server).value;
    CHECK(fixed.a.set_congestion(d, "cubic") == errc::ok);
    CHECK(fixed.a.set_congestion(d, "reno") == errc::invalid_argument);
}

TEST_CASE("set_congestion: the time that tcp_info has counted is counted once", "[stack]")
{
    two_stacks<choosing, default_policies> net;
    net.delay = 50_ms;
    CHECK(net.b.listen(server).ec == errc::ok);
    const connection_id c = net.a.connect(server).value;
    net.run_for(1_s);
    CHECK(net.a.write(c, pattern(10'000)).value == 10'000);
    net.run_for(60_ms);
    const duration before = net.a.info(c).value.busy;
    CHECK(before >= 60_ms);
    CHECK(net.a.set_congestion(c, "cubic") == errc::ok);
    CHECK(net.a.info(c).value.busy >= before - 1_ms);
    CHECK(net.a.info(c).value.busy <= before + 1_ms);
}

TEST_CASE("set_fin_wait_2_timeout: of one connection, in place of the stack's", "[stack]")
{
    for (const auto& [seconds, lasts] : {std::pair{std::int16_t{0}, 60_s}, {std::int16_t{7}, 7_s}}) {
        joined j;
        CHECK(j.net.a.set_fin_wait_2_timeout(j.client, seconds) == errc::ok);
        CHECK(j.net.a.close(j.client) == errc::ok);
        j.net.run_for(lasts - 1_s);
        CHECK(j.net.a.connection_count() == 1);
        j.net.run_for(2_s);
        CHECK(j.net.a.connection_count() == 0);
    }
    joined j;
    CHECK(j.net.a.set_fin_wait_2_timeout(j.client, -1) == errc::ok);
    CHECK(j.net.a.close(j.client) == errc::ok);
    j.net.run_for(1_s);
    CHECK(j.net.a.connection_count() == 0);
}

TEST_CASE("set_backlog: how many connections wait for accept", "[stack]")
{
    two_stacks<> net;
    const listener_id l = net.b.listen(server, 1).value;
    CHECK(net.b.set_backlog(l, 3) == errc::ok);
    for (int i = 0; i < 5; ++i) {
        CHECK(net.a.connect(server).ec == errc::ok);
        net.run_for(10_ms);
    }
    int accepted = 0;
    while (net.b.accept(l).ec == errc::ok) {
        ++accepted;
    }
    CHECK(accepted == 3);
    CHECK(net.b.set_backlog({}, 3) == errc::bad_file_descriptor);
}
