#include "tcpco/stack/connections.hpp"

#include "catch.hpp"
#include "support/raw_host.hpp"

using namespace tcpco_test;

namespace {

using host_type = raw_host<>;
using peer_type = raw_tcp<host_type>;

octets read_all(basic_stack<default_policies>& stack, connection_id id)
{
    octets out(1 << 20);
    out.resize(stack.read(id, out).value);
    return out;
}

errc read_error(basic_stack<default_policies>& stack, connection_id id)
{
    std::byte one{};
    return stack.read(id, {&one, 1}).ec;
}

errc write_error(basic_stack<default_policies>& stack, connection_id id) { return stack.write(id, as_octets("x")).ec; }

// A host whose neighbour is known, with a listener at port 80.
struct served {
    host_type host;
    listener_id listener{};

    explicit served(std::uint32_t backlog = 16, const stack_config<default_policies>& c = host_type::default_config())
        : host{c}
    {
        host.know();
        listener = host.stack.listen({stack_ip, 80}, backlog).value;
    }
    peer_type peer(std::uint16_t port = 5'000)
    {
        peer_type p{host};
        p.self.port = port;
        return p;
    }
    connection_id accept() { return host.stack.accept(listener).value; }
};

bool has_reset(const std::vector<sent_packet>& packets, std::uint16_t port)
{
    return std::any_of(packets.begin(), packets.end(), [&](const sent_packet& p) {
        return p.tcp() && p.tcp()->header.has(tcp_flag::rst) && p.tcp()->header.destination_port == port;
    });
}

}  // namespace

// --- errors of connect and listen ----------------------------------------------------------------------------------

TEST_CASE("listen: an address that has a listener is in use, one that lost it is free", "[stack]")
{
    host_type host;
    const listener_id first = host.stack.listen({stack_ip, 80}).value;
    CHECK(host.stack.listen({stack_ip, 80}).ec == errc::address_in_use);
    CHECK(host.stack.listen({stack_ip, 81}).ec == errc::ok);
    CHECK(host.stack.listen({ip_address{}, 80}).ec == errc::ok);  // any address beside an exact one
    CHECK(host.stack.listen({ip_address{}, 80}).ec == errc::address_in_use);
    CHECK(host.stack.listen({other_ip, 82}).ec == errc::address_not_available);
    REQUIRE(host.stack.close(first) == errc::ok);
    CHECK(host.stack.close(first) == errc::bad_file_descriptor);
    CHECK(host.stack.listen({stack_ip, 80}).ec == errc::ok);
}

TEST_CASE("listen: IPv6 addresses are refused while there is no IPv6", "[stack]")
{
    host_type host;
    CHECK(host.stack.listen({"::"_ip, 80}).ec != errc::ok);
    CHECK(host.stack.listen({"2001:db8::1"_ip, 80}).ec != errc::ok);
    CHECK(host.stack.connect({"2001:db8::2"_ip, 80}).ec != errc::ok);
}

TEST_CASE("listen: port 0 takes a free ephemeral port, each time another",
          "[stack][RFC6056-3.2a][RFC6056-3.3.3a]")
{
    host_type host;
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 20; ++i) {
        const auto l = host.stack.listen({stack_ip, 0});
        REQUIRE(l.ec == errc::ok);
        const std::uint16_t port = host.stack.local_of(l.value).port;
        CHECK(port >= 1'024);
        CHECK(std::find(ports.begin(), ports.end(), port) == ports.end());
        ports.push_back(port);
    }
}

TEST_CASE("listen: the limit of listeners refuses with no_buffer_space, and forgets nothing", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.listeners = 2;
    host_type host{c};
    const listener_id a = host.stack.listen({stack_ip, 1}).value;
    REQUIRE(host.stack.listen({stack_ip, 2}).ec == errc::ok);
    CHECK(host.stack.listen({stack_ip, 3}).ec == errc::no_buffer_space);
    REQUIRE(host.stack.close(a) == errc::ok);
    CHECK(host.stack.listen({stack_ip, 3}).ec == errc::ok);
}

TEST_CASE("connect: the same pair of endpoints twice is address_in_use", "[stack][RFC9293-3.10.1]")
{
    served s;
    const connect_options from{.local = {stack_ip, 4'000}};
    const connection_id id = s.host.stack.connect({other_ip, 80}, from).value;
    CHECK(s.host.stack.connect({other_ip, 80}, from).ec == errc::address_in_use);
    CHECK(s.host.stack.connect({other_ip, 81}, from).ec == errc::ok);
    CHECK(s.host.stack.connect({"192.0.2.10"_ip, 80}, from).ec == errc::ok);
    REQUIRE(s.host.stack.abort(id) == errc::ok);
    CHECK(s.host.stack.connect({other_ip, 80}, from).ec == errc::ok);  // though the old one has not been closed yet
}

TEST_CASE("connect: where nothing can be reached is said at once", "[stack][MUST-46]")
{
    host_type host;
    CHECK(host.stack.connect({"198.18.0.1"_ip, 80}).ec == errc::network_unreachable);
    for (const ip_address bad : {"0.0.0.0"_ip, "255.255.255.255"_ip, "192.0.2.255"_ip, "224.0.0.1"_ip}) {
        CHECK(host.stack.connect({bad, 80}).ec == errc::address_not_available);
    }
    CHECK(host.stack.connect({other_ip, 80}, {.local = {"192.0.2.2"_ip, 0}}).ec == errc::address_not_available);
    CHECK(host.stack.connect({other_ip, 0}).ec == errc::invalid_argument);
    CHECK(host.drain().empty());
    CHECK(host.stack.connection_count() == 0);
}

TEST_CASE("connect: ephemeral ports differ, and avoid those that are listened to",
          "[stack][RFC6056-3.2a][RFC6056-3.2b][RFC6056-3.3a][RFC6056-3.3.3a][RFC6056-5a]")
{
    served s;
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 50; ++i) {
        const auto c = s.host.stack.connect({other_ip, 80});
        REQUIRE(c.ec == errc::ok);
        const std::uint16_t port = s.host.stack.local_of(c.value).port;
        CHECK(port >= 1'024);
        CHECK(std::find(ports.begin(), ports.end(), port) == ports.end());
        ports.push_back(port);
    }
}

TEST_CASE("connect: a reset is connection_refused, silence is timed_out", "[stack][RFC9293-3.10.7.3][MUST-23]")
{
    served s;
    peer_type peer = s.peer();
    peer.self.port = 80;
    const connection_id id = s.host.stack.connect(peer.self, {.local = {stack_ip, 4'000}}).value;
    peer.stack.port = 4'000;
    peer.take();
    SECTION("reset")
    {
        peer.send(tcp_flag::rst | tcp_flag::ack);
        CHECK(s.host.stack.error_of(id) == errc::connection_refused);
        CHECK(read_error(s.host.stack, id) == errc::connection_refused);
        CHECK(write_error(s.host.stack, id) == errc::connection_refused);
    }
    SECTION("a reset that acknowledges something else is none")
    {
        peer.ack = peer.ack + 5;
        peer.send(tcp_flag::rst | tcp_flag::ack);
        CHECK(s.host.stack.info(id).value.state == tcp_state::syn_sent);
    }
    SECTION("silence")
    {
        s.host.wait(179_s);
        CHECK(s.host.stack.info(id).value.state == tcp_state::syn_sent);
        s.host.wait(300_s);
        CHECK(s.host.stack.error_of(id) == errc::timed_out);
        CHECK(s.host.stack.deadline() == time_point::never());
    }
    CHECK(s.host.stack.connection_count() <= 1);
}

TEST_CASE("connect: at the limit of connections it is no_buffer_space, and works again when one is over", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.connections = 2;
    served s{16, c};
    const connection_id a = s.host.stack.connect({other_ip, 1}).value;
    REQUIRE(s.host.stack.connect({other_ip, 2}).ec == errc::ok);
    CHECK(s.host.stack.connect({other_ip, 3}).ec == errc::no_buffer_space);
    CHECK(s.host.dropped(drop_reason::no_connection_slot) == 1);
    REQUIRE(s.host.stack.abort(a) == errc::ok);
    REQUIRE(s.host.stack.close(a) == errc::ok);
    CHECK(s.host.stack.connect({other_ip, 3}).ec == errc::ok);
}

// --- errors of a connection ----------------------------------------------------------------------------------------

TEST_CASE("a reset by the peer: octets that came before are read first, then connection_reset, writing is broken_pipe",
          "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    peer.send(tcp_flag::ack, pattern(10));
    peer.send(tcp_flag::rst);
    CHECK(write_error(s.host.stack, id) == errc::broken_pipe);
    CHECK(read_all(s.host.stack, id) == pattern(10));
    CHECK(read_error(s.host.stack, id) == errc::connection_reset);
    CHECK(s.host.stack.shutdown(id) == errc::connection_reset);
    CHECK(s.host.drain().empty());
}

TEST_CASE("after shutdown writing is broken_pipe, reading goes on, after the peer's FIN reading is end_of_stream",
          "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    CHECK(s.host.stack.shutdown(id) == errc::ok);
    CHECK(s.host.stack.shutdown(id) == errc::ok);
    CHECK(write_error(s.host.stack, id) == errc::broken_pipe);
    peer.take();
    peer.send(tcp_flag::ack, pattern(10));
    CHECK(read_all(s.host.stack, id) == pattern(10));
    CHECK(read_error(s.host.stack, id) == errc::would_block);
    peer.send(tcp_flag::ack | tcp_flag::fin);
    CHECK(read_error(s.host.stack, id) == errc::end_of_stream);
    CHECK(s.host.stack.error_of(id) == errc::ok);
}

TEST_CASE("after close every call says bad_file_descriptor, also when the place is used anew", "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    REQUIRE(s.host.stack.abort(id) == errc::ok);
    CHECK(s.host.stack.abort(id) == errc::not_connected);
    CHECK(read_error(s.host.stack, id) == errc::connection_aborted);
    REQUIRE(s.host.stack.close(id) == errc::ok);
    if (GENERATE(false, true)) {
        REQUIRE(s.host.stack.connect({other_ip, 7}).value.index == id.index);
    }
    CHECK(read_error(s.host.stack, id) == errc::bad_file_descriptor);
    CHECK(write_error(s.host.stack, id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.take(id).ec == errc::bad_file_descriptor);
    CHECK(s.host.stack.peek(id, {}).ec == errc::bad_file_descriptor);
    CHECK(s.host.stack.shutdown(id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.close(id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.abort(id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.info(id).ec == errc::bad_file_descriptor);
    CHECK(s.host.stack.error_of(id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.set_no_delay(id, true) == errc::bad_file_descriptor);
    CHECK(s.host.stack.readiness_of(id) == readiness::none);
}

TEST_CASE("octets that nobody acknowledges end the connection with timed_out and a reset",
          "[stack][RFC9293-3.8.3][SHLD-11]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    REQUIRE(s.host.stack.write(id, pattern(10)).value == 10);
    s.host.wait(100_s);
    CHECK(s.host.stack.info(id).value.state == tcp_state::established);
    const auto out = s.host.wait(3'600_s);
    CHECK(s.host.stack.error_of(id) == errc::timed_out);
    CHECK(has_reset(out, peer.self.port));
}

TEST_CASE("write: pools that are exhausted refuse with no_buffer_space, with slots back it goes on", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.small_slots = 1;
    c.limits.large_slots = 1;
    served s{16, c};
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    const octets text = pattern(200'000);
    const std::size_t first = s.host.stack.write(id, text).value;
    CHECK(first > 0);
    CHECK(first <= 34'816);
    CHECK(s.host.stack.write(id, text).ec == errc::no_buffer_space);
    octets got;
    for (int i = 0; i < 100 && got.size() < first; ++i) {
        const octets more = peer.take(s.host.wait(100_ms));
        got.insert(got.end(), more.begin(), more.end());
        peer.send(tcp_flag::ack);
    }
    CHECK(got == octets(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first)));
    CHECK(s.host.stack.write(id, text).value > 0);
}

TEST_CASE("short writes that wait for their ACK do not keep the ACKs out", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.small_slots = 8;
    c.limits.large_slots = 8;
    served s{64, c};
    std::vector<peer_type> peers;
    std::vector<connection_id> ids;
    for (std::uint16_t i = 0; i < 32; ++i) {
        peers.push_back(s.peer(static_cast<std::uint16_t>(5'000 + i)));
        peers.back().open();
        ids.push_back(s.accept());
        static_cast<void>(s.host.stack.write(ids.back(), as_octets("x")));
    }
    for (peer_type& p : peers) {
        p.take(s.host.drain());
    }
    for (peer_type& p : peers) {
        p.take(s.host.sent);
        p.send(tcp_flag::ack);
    }
    for (const connection_id id : ids) {
        CHECK(s.host.stack.info(id).value.send_queued == 0);
    }
}

namespace {

// Eight connections whose peers send what the window allows, and whose users do not read.
void add_slow_readers(served& s)
{
    for (std::uint16_t i = 0; i < 8; ++i) {
        peer_type slow = s.peer(static_cast<std::uint16_t>(5'000 + i));
        slow.open();
        static_cast<void>(s.accept());
        for (int k = 0; k < 700; ++k) {
            slow.send(tcp_flag::ack, pattern(1'300));
            s.host.drain();
        }
    }
}

stack_config<default_policies> with_few_slots()
{
    auto c = host_type::default_config();
    c.limits.small_slots = 64;
    c.limits.large_slots = 64;
    return c;
}

}  // namespace

TEST_CASE("readers that do not read keep neither echo requests nor new connections out", "[stack]")
{
    served s{64, with_few_slots()};
    add_slow_readers(s);
    s.host.receive_packet(
        ip_packet_of(ip_protocol::icmp, icmp_message_of(icmp_header::echo(icmp_type::echo_request, 1, 1), pattern(8))));
    const auto out = s.host.drain();
    CHECK(std::any_of(out.begin(), out.end(), [](const sent_packet& p) { return p.icmp().has_value(); }));
    s.peer(6'000).open();
    CHECK(s.host.stack.accept(s.listener).ec == errc::ok);
}

TEST_CASE("a quick reader gets its octets beside slow ones", "[stack]")
{
    served s{64, with_few_slots()};
    add_slow_readers(s);
    peer_type quick = s.peer(6'000);
    quick.open();
    const connection_id id = s.accept();
    quick.send(tcp_flag::ack, pattern(100));
    CHECK(read_all(s.host.stack, id) == pattern(100));
}

// --- listeners and their queues ------------------------------------------------------------------------------------

TEST_CASE("backlog: SYNs beyond it are dropped and counted, and succeed when there is room", "[stack]")
{
    served s{2};
    for (std::uint16_t i = 0; i < 2; ++i) {
        s.peer(static_cast<std::uint16_t>(5'000 + i)).open();
    }
    peer_type third = s.peer(5'002);
    const sequence_number at = third.seq;
    third.send(tcp_flag::syn);
    CHECK(s.host.drain().empty());
    CHECK(s.host.dropped(drop_reason::accept_queue_full) == 1);
    CHECK(s.accept().generation != 0);
    third.seq = at;
    third.open();
    CHECK(s.host.stack.connection_count() == 3);
}

TEST_CASE("accept: oldest first, none is would_block, a connection that was reset meanwhile is still handed out",
          "[stack]")
{
    served s;
    CHECK(s.host.stack.accept(s.listener).ec == errc::would_block);
    std::vector<peer_type> peers;
    for (std::uint16_t i = 0; i < 3; ++i) {
        peers.push_back(s.peer(static_cast<std::uint16_t>(5'000 + i)));
        peers.back().open();
    }
    peers[1].send(tcp_flag::rst);
    for (std::uint16_t i = 0; i < 3; ++i) {
        const auto c = s.host.stack.accept(s.listener);
        REQUIRE(c.ec == errc::ok);
        CHECK(s.host.stack.remote_of(c.value).port == 5'000 + i);
        CHECK(read_error(s.host.stack, c.value) == (i == 1 ? errc::connection_reset : errc::would_block));
    }
    CHECK(s.host.stack.accept(s.listener).ec == errc::would_block);
}

TEST_CASE("a listener that is closed resets what it has not handed out, and leaves the rest alone", "[stack]")
{
    served s;
    peer_type accepted = s.peer(5'000);
    accepted.open();
    const connection_id id = s.accept();
    s.peer(5'001).open();               // waits to be accepted
    s.peer(5'002).send(tcp_flag::syn);  // half open
    s.host.drain();
    peer_type finished = s.peer(5'003);
    finished.open();
    finished.send(tcp_flag::rst);  // over already
    REQUIRE(s.host.stack.close(s.listener) == errc::ok);
    const auto out = s.host.drain();
    CHECK(has_reset(out, 5'001));
    CHECK(has_reset(out, 5'002));
    CHECK_FALSE(has_reset(out, 5'000));
    CHECK_FALSE(has_reset(out, 5'003));
    CHECK(out.size() == 2);
    CHECK(s.host.stack.connection_count() == 1);
    CHECK(s.host.stack.accept(s.listener).ec == errc::bad_file_descriptor);
    accepted.send(tcp_flag::ack, pattern(5));
    CHECK(read_all(s.host.stack, id) == pattern(5));
    s.host.stack.check_invariants();
}

// --- simultaneous open ---------------------------------------------------------------------------------------------

TEST_CASE("simultaneous open: the SYN,ACK has all its options also when the user has closed already",
          "[stack][MUST-10]")
{
    served s;
    peer_type peer = s.peer(80);
    peer.stack.port = 4'000;
    const connection_id id = s.host.stack.connect(peer.self, {.local = {stack_ip, 4'000}}).value;
    s.host.drain();  // lost
    peer.options.has_mss = peer.options.has_window_scale = peer.options.has_timestamps = peer.options.sack_permitted =
        true;
    peer.options.mss = 1'460;
    peer.options.window_scale = 3;
    peer.send(tcp_flag::syn);
    if (GENERATE(false, true)) {
        CHECK(s.host.stack.shutdown(id) == errc::ok);
    }
    const auto out = s.host.drain();
    REQUIRE_FALSE(out.empty());
    const auto segment = out[0].tcp();
    REQUIRE(segment);
    CHECK(segment->header.has(tcp_flag::syn | tcp_flag::ack));
    const tcp_options options = parse_tcp_options(segment->options);
    CHECK(options.has_mss);
    CHECK(options.has_window_scale);
    CHECK(options.has_timestamps);
    CHECK(options.sack_permitted);
}

// --- the end of everything -----------------------------------------------------------------------------------------

TEST_CASE("close_all sends FIN after what is queued, and connection_count() falls to nothing", "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    REQUIRE(s.host.stack.write(id, pattern(100)).value == 100);
    s.host.stack.close_all(s.host.now);
    CHECK(write_error(s.host.stack, id) == errc::bad_file_descriptor);
    CHECK(s.host.stack.accept(s.listener).ec == errc::bad_file_descriptor);
    CHECK(peer.take() == pattern(100));
    peer.send(tcp_flag::ack);
    CHECK(peer.take().empty());
    peer.send(tcp_flag::ack | tcp_flag::fin);
    s.host.drain();
    CHECK(s.host.stack.connection_count() == 0);
    s.host.wait(120_s);
    s.host.stack.check_invariants();
    CHECK(s.host.stack.deadline() == time_point::never());
}

TEST_CASE("abort_all resets every connection, accepted or not, and leaves their errors to be read", "[stack]")
{
    served s;
    peer_type first = s.peer(5'000);
    first.open();
    const connection_id id = s.accept();
    s.peer(5'001).open();
    s.host.stack.abort_all(s.host.now);
    const auto out = s.host.drain();
    CHECK(has_reset(out, 5'000));
    CHECK(has_reset(out, 5'001));
    CHECK(s.host.stack.connection_count() == 0);
    CHECK(read_error(s.host.stack, id) == errc::connection_aborted);
    CHECK(s.host.stack.close(id) == errc::ok);
}

TEST_CASE("device_lost ends every connection and every accept with its reason, and sends nothing", "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    peer.send(tcp_flag::ack, pattern(10));
    s.host.drain();
    const connection_id opening = s.host.stack.connect({other_ip, 99}).value;
    s.host.stack.device_lost(errc::network_down);
    CHECK(read_all(s.host.stack, id) == pattern(10));  // what had arrived is still there
    CHECK(read_error(s.host.stack, id) == errc::network_down);
    CHECK(write_error(s.host.stack, id) == errc::network_down);
    CHECK(s.host.stack.error_of(opening) == errc::network_down);
    CHECK(s.host.stack.accept(s.listener).ec == errc::network_down);
    CHECK(s.host.stack.connection_count() == 0);
    CHECK(s.host.drain().empty());
    CHECK(s.host.stack.deadline() == time_point::never());
}

TEST_CASE("device_lost leaves the reason of what had ended before", "[stack]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    peer.send(tcp_flag::ack | tcp_flag::fin);
    peer.take();
    CHECK(s.host.stack.shutdown(id) == errc::ok);
    peer.take();
    peer.send(tcp_flag::ack);
    REQUIRE(s.host.stack.info(id).value.state == tcp_state::closed);
    s.host.stack.device_lost(errc::network_down);
    CHECK(s.host.stack.error_of(id) == errc::ok);
    CHECK(read_error(s.host.stack, id) == errc::end_of_stream);
}

TEST_CASE("orphans: close() with unread octets resets, without them finishes, and nothing is left in the end",
          "[stack][SHLD-3]")
{
    served s;
    peer_type peer = s.peer();
    peer.open();
    const connection_id id = s.accept();
    SECTION("unread octets")
    {
        peer.send(tcp_flag::ack, pattern(10));
        CHECK(s.host.stack.close(id) == errc::ok);
        CHECK(has_reset(s.host.drain(), 5'000));
        CHECK(s.host.stack.connection_count() == 0);
    }
    SECTION("text that comes later")
    {
        CHECK(s.host.stack.close(id) == errc::ok);
        peer.take();
        peer.send(tcp_flag::ack, pattern(10));
        CHECK(has_reset(s.host.drain(), 5'000));
        CHECK(s.host.stack.connection_count() == 0);
    }
    SECTION("a peer that acknowledges the FIN and says nothing more")
    {
        CHECK(s.host.stack.close(id) == errc::ok);
        peer.take();
        peer.send(tcp_flag::ack);
        s.host.wait(59_s);
        CHECK(s.host.stack.connection_count() == 1);
        s.host.wait(2_s);
        CHECK(s.host.stack.connection_count() == 0);
    }
    SECTION("a peer that is gone")
    {
        CHECK(s.host.stack.close(id) == errc::ok);
        s.host.wait(3'600_s);
        CHECK(s.host.stack.connection_count() == 0);
    }
    s.host.stack.check_invariants();
}

TEST_CASE("several stacks live beside one another and share nothing", "[stack]")
{
    served a;
    served b;
    peer_type peer = a.peer();
    peer.open();
    CHECK(b.host.stack.connection_count() == 0);
    CHECK(b.host.drain().empty());
    const connection_id id = a.accept();
    CHECK(read_error(b.host.stack, id) == errc::bad_file_descriptor);
    CHECK(read_error(a.host.stack, id) == errc::would_block);
}

TEST_CASE("ephemeral ports: one that is listened on is passed over, by connect() and by listen()",
          "[stack][RFC6056-3.2a][RFC6056-3.3.3a]")
{
    const bool wildcard = GENERATE(false, true);
    const bool connects = GENERATE(false, true);
    CAPTURE(wildcard, connects);
    const auto choose = [connects](host_type& host) {
        const endpoint chosen = connects
                                    ? host.stack.local_of(host.stack.connect({other_ip, 80}).value)
                                    : host.stack.local_of(host.stack.listen({stack_ip, 0}).value);
        REQUIRE(chosen.port != 0);
        return chosen.port;
    };
    host_type first;
    const std::uint16_t port = choose(first);
    host_type second;  // of the same seed: it would choose the same
    REQUIRE(second.stack.listen({wildcard ? ip_address{} : stack_ip, port}).ec == errc::ok);
    CHECK(choose(second) != port);
    host_type third;
    REQUIRE(third.stack.listen({wildcard ? ip_address{} : stack_ip, static_cast<std::uint16_t>(port + 1)}).ec ==
            errc::ok);
    CHECK(choose(third) == port);
}

// --- the timer that a connection has -------------------------------------------------------------------------------

TEST_CASE("a timer that moved to later times fires at the last of them, though its node is due before", "[stack]")
{
    served s;
    auto p = s.peer();
    p.open();
    const connection_id id = s.accept();
    auto& stack = s.host.stack;
    for (int i = 0; i < 40; ++i) {
        REQUIRE(stack.write(id, as_octets("something to acknowledge")).ec == errc::ok);
        p.take();
        s.host.wait(10_ms);
        p.send(tcp_flag::ack);
    }
    REQUIRE(stack.write(id, as_octets("the last")).ec == errc::ok);
    p.take();
    const time_point sent = s.host.now;
    const duration rto = stack.info(id).value.rto;
    const std::uint64_t timeouts = stack.info(id).value.timeouts;
    REQUIRE(stack.deadline() < sent + rto);  // of an earlier octet, or a probe
    s.host.wait(rto + rto);
    CHECK(stack.info(id).value.timeouts > timeouts);
    CHECK(s.host.sent.back().at <= sent + rto + rto);
}

TEST_CASE("a timer that comes nearer after the wheel moved its node is not late", "[stack]")
{
    served s;
    auto p = s.peer();
    p.open();
    const connection_id id = s.accept();
    auto& stack = s.host.stack;
    for (int i = 0; i < 200; ++i) {  // two seconds: what the timer was armed for first is long past
        REQUIRE(stack.write(id, as_octets("something to acknowledge")).ec == errc::ok);
        p.take();
        s.host.wait(10_ms);
        p.send(tcp_flag::ack, pattern(1));
    }
    s.host.wait(600_ms);  // nothing is owed now, and the life timer is what comes next
    s.host.sent.clear();
    p.send(tcp_flag::ack, pattern(1));
    REQUIRE(s.host.drain().empty());  // the ACK is delayed
    const time_point arrived = s.host.now;
    s.host.wait(600_ms);
    REQUIRE_FALSE(s.host.sent.empty());
    CHECK(s.host.sent.front().at <= arrived + 500_ms);
}

TEST_CASE("a timer whose node is hours away comes nearer, also to a time past", "[stack]")
{
    served s;
    auto p = s.peer();
    p.open();
    const connection_id id = s.accept();
    auto& stack = s.host.stack;
    REQUIRE(stack.set_keep_alive(id, keep_alive{.idle = 20'000_s, .interval = 1_s, .count = 2}) == errc::ok);
    s.host.wait(10_s);  // the sending half is given back, and only keep-alive is left
    p.window = 0;
    p.send(tcp_flag::ack);
    REQUIRE(stack.deadline() > s.host.now + 10'000_s);
    REQUIRE(stack.write(id, as_octets("into a closed window")).ec == errc::ok);
    s.host.drain();
    CHECK(stack.deadline() < s.host.now + 10_s);  // the window is probed
    s.host.wait(30_s);
    CHECK(stack.info(id).value.state == tcp_state::established);
    REQUIRE(stack.set_user_timeout(id, 1_s) == errc::ok);
    s.host.wait(1_s);
    CHECK(stack.info(id).value.state != tcp_state::established);
}

// --- finding the connection -----------------------------------------------------------------------------------------

TEST_CASE("segments of connections with one host whose ports are alike find each its own, in whatever order", "[stack]")
{
    served s;
    std::vector<peer_type> peers;
    std::vector<connection_id> ids;
    for (const int port : {5'000, 5'000 + 1'024, 5'001, 5'000 + 2'048}) {  // three of them share a hint
        peers.push_back(s.peer(static_cast<std::uint16_t>(port)));
        peers.back().open();
        ids.push_back(s.accept());
    }
    for (std::size_t round = 0; round < 8; ++round) {
        for (std::size_t i = 0; i < peers.size(); ++i) {
            const std::size_t n = (i * (round + 1)) % peers.size();
            peers[n].send(tcp_flag::ack, pattern(5 + n + round));
            CHECK(read_all(s.host.stack, ids[n]) == pattern(5 + n + round));
            s.host.drain();
        }
    }
    REQUIRE(s.host.stack.abort(ids[0]) == errc::ok);
    s.host.drain();
    peers[1].send(tcp_flag::ack, pattern(3));
    CHECK(read_all(s.host.stack, ids[1]) == pattern(3));
    peers[0].send(tcp_flag::ack, pattern(3));
    const auto out = s.host.drain();
    CHECK(has_reset(out, 5'000));
    CHECK_FALSE(has_reset(out, 5'000 + 1'024));
}
