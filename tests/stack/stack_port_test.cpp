#include "tcpco/stack/stack_port.hpp"

#include <memory>

#include "catch.hpp"
#include "support/raw_host.hpp"
#include "tcpco/stack/socket_handle.hpp"

using namespace tcpco_test;

namespace {

using host_type = raw_host<>;
using peer_type = raw_tcp<host_type>;

struct served {
    host_type host;
    peer_type peer{host};
    listener_id listener{};
    connection_id id{};

    explicit served(const stack_config<default_policies>& c = host_type::default_config()) : host{c}
    {
        host.know();
        listener = host.stack.listen({stack_ip, 80}).value;
    }
    void open()
    {
        peer.open();
        while (host.stack.poll_event()) {
        }
        id = host.stack.accept(listener).value;
    }
    // What poll_event() has to say of the connection; everything else must be silent.
    std::uint8_t news()
    {
        std::uint8_t what = 0;
        while (const auto event = host.stack.poll_event()) {
            CHECK(event->connection == id);
            what = static_cast<std::uint8_t>(what | event->what);
        }
        return what;
    }
    std::uint8_t ready() const { return host.stack.readiness_of(id); }
};

struct recorder {
    std::vector<completion*> scheduled;
    void schedule(completion& c) { scheduled.push_back(&c); }
    std::size_t count(const completion& c) const
    {
        return static_cast<std::size_t>(std::count(scheduled.begin(), scheduled.end(), &c));
    }
};

struct waiter : completion {
    waiter() : completion{[](completion&) noexcept {}} {}
};

stack_config<default_policies> with_send_buffer(std::uint32_t octets_)
{
    auto c = host_type::default_config();
    c.tcp.send_buffer_octets = octets_;
    return c;
}

}  // namespace

// --- events --------------------------------------------------------------------------------------------------------

TEST_CASE("poll_event: a listener is acceptable once for each connection that comes", "[stack]")
{
    served s;
    CHECK_FALSE(s.host.stack.poll_event());
    s.peer.open();
    const auto event = s.host.stack.poll_event();
    REQUIRE(event);
    CHECK(event->listener == s.listener);
    CHECK(event->what == readiness::acceptable);
    CHECK_FALSE(s.host.stack.poll_event());
}

TEST_CASE("poll_event: a connection that nobody accepted yet is not named, and accept() tells what it has", "[stack]")
{
    served s;
    s.peer.open();
    s.peer.send(tcp_flag::ack, pattern(10));
    while (const auto event = s.host.stack.poll_event()) {
        CHECK(event->connection == connection_id{});
    }
    s.id = s.host.stack.accept(s.listener).value;
    CHECK((s.news() & readiness::readable) != 0);
}

TEST_CASE("poll_event: octets and the end of stream are readable, an ACK is writable, all of it flushed", "[stack]")
{
    served s;
    s.open();
    s.news();
    CHECK((s.ready() & readiness::readable) == 0);
    s.peer.send(tcp_flag::ack, pattern(10));
    CHECK((s.news() & readiness::readable) != 0);
    CHECK((s.ready() & readiness::readable) != 0);
    CHECK(s.news() == 0);  // told once
    octets got(10);
    CHECK(s.host.stack.read(s.id, got).value == 10);
    CHECK((s.ready() & readiness::readable) == 0);

    REQUIRE(s.host.stack.write(s.id, pattern(10)).value == 10);
    CHECK((s.ready() & readiness::flushed) == 0);
    s.peer.take();
    s.peer.send(tcp_flag::ack);
    CHECK((s.news() & (readiness::writable | readiness::flushed)) == (readiness::writable | readiness::flushed));
    CHECK((s.ready() & readiness::flushed) != 0);

    s.peer.send(tcp_flag::ack | tcp_flag::fin);
    CHECK((s.news() & readiness::readable) != 0);
    CHECK((s.ready() & readiness::readable) != 0);
    CHECK((s.ready() & readiness::closed) == 0);
    s.peer.send(tcp_flag::rst);
    CHECK((s.news() & readiness::closed) != 0);
    CHECK((s.ready() & (readiness::closed | readiness::writable | readiness::readable)) ==
          (readiness::closed | readiness::writable | readiness::readable));
}

TEST_CASE("poll_event: connect is told of its success and of its failure", "[stack]")
{
    served s;
    s.peer.self.port = 80;
    s.id = s.host.stack.connect(s.peer.self, {.local = {stack_ip, 4'000}}).value;
    s.peer.stack.port = 4'000;
    CHECK(s.news() == 0);
    CHECK((s.ready() & readiness::connected) == 0);
    const bool refused = GENERATE(false, true);
    s.peer.take();
    s.peer.send(refused ? tcp_flag::rst | tcp_flag::ack : tcp_flag::syn | tcp_flag::ack);
    CHECK((s.news() & readiness::connected) != 0);
    CHECK((s.ready() & readiness::connected) != 0);
    CHECK(((s.ready() & readiness::closed) != 0) == refused);
}

TEST_CASE("writable means that a third of the send buffer is free, or that writing fails", "[stack]")
{
    served s{with_send_buffer(30'000)};
    s.open();
    CHECK((s.ready() & readiness::writable) != 0);
    REQUIRE(s.host.stack.write(s.id, pattern(40'000)).value == 30'000);
    CHECK(s.host.stack.write(s.id, pattern(1)).ec == errc::would_block);
    CHECK((s.ready() & readiness::writable) == 0);
    s.peer.take();
    s.peer.send(tcp_flag::ack);  // ten segments of 536
    CHECK((s.ready() & readiness::writable) == 0);
    s.peer.take();
    s.peer.send(tcp_flag::ack);
    CHECK((s.ready() & readiness::writable) != 0);
    s.peer.send(tcp_flag::rst);
    CHECK((s.ready() & readiness::writable) != 0);
}

TEST_CASE("a write that met exhausted pools: not writable, and told when slots are back", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.small_slots = 4;
    c.limits.large_slots = 1;
    served s{c};
    s.open();
    peer_type hungry{s.host};
    hungry.self.port = 5'001;
    hungry.open();
    const connection_id first = s.host.stack.accept(s.listener).value;
    while (s.host.stack.poll_event()) {
    }
    REQUIRE(s.host.stack.write(first, pattern(40'000)).value > 30'000);
    REQUIRE(s.host.stack.write(s.id, pattern(5'000)).ec == errc::no_buffer_space);
    CHECK((s.ready() & readiness::writable) == 0);
    bool told = false;
    for (int i = 0; i < 100 && s.host.stack.info(first).value.send_queued > 0; ++i) {
        hungry.take();
        hungry.send(tcp_flag::ack);
    }
    s.host.stack.advance(s.host.now);
    while (const auto event = s.host.stack.poll_event()) {
        told = told || (event->connection == s.id && (event->what & readiness::writable) != 0);
    }
    CHECK(told);
    CHECK((s.ready() & readiness::writable) != 0);
    CHECK(s.host.stack.write(s.id, pattern(5'000)).value == 5'000);
}

// --- at once -------------------------------------------------------------------------------------------------------

TEST_CASE("write_at_once: all octets behind the last ones, or nothing where write() has to look", "[stack]")
{
    served s{with_send_buffer(30'000)};
    s.open();
    auto& stack = s.host.stack;
    const octets text = pattern(100);
    CHECK_FALSE(stack.write_at_once(s.id, text));  // nothing is queued, so there is no slot
    REQUIRE(stack.write(s.id, text).value == 100);
    s.host.drain();
    REQUIRE_FALSE(stack.has_output());
    CHECK(stack.write_at_once(s.id, text));
    CHECK(stack.has_output());
    CHECK(stack.info(s.id).value.send_queued == 200);
    CHECK_FALSE(stack.write_at_once(s.id, octets{}));
    CHECK_FALSE(stack.write_at_once({s.id.index + 1, s.id.generation}, text));

    waiter w;
    REQUIRE(stack.wait_for(s.id, wait_kind::write, w) == errc::ok);
    CHECK_FALSE(stack.write_at_once(s.id, text));  // somebody was here before
    stack.stop_waiting(s.id, wait_kind::write, w);
    const octet_count unsent = stack.info(s.id).value.unsent;
    REQUIRE(stack.set_low_water(s.id, static_cast<std::uint32_t>(unsent + 199)) == errc::ok);
    CHECK(stack.write_at_once(s.id, text));
    CHECK_FALSE(stack.write_at_once(s.id, text));  // one octet too many
    REQUIRE(stack.set_low_water(s.id, 0) == errc::ok);
    CHECK(stack.write_at_once(s.id, text));
    REQUIRE(stack.shutdown(s.id) == errc::ok);
    CHECK_FALSE(stack.write_at_once(s.id, text));
    CHECK(stack.info(s.id).value.send_queued == 400);
}

TEST_CASE("write_at_once: a connection beyond its share leaves what is left of the slots to the others", "[stack]")
{
    auto c = host_type::default_config();
    c.limits.large_slots = 8;
    served s{c};
    s.open();
    auto& stack = s.host.stack;
    REQUIRE(stack.write(s.id, pattern(5 * 32'768 + 10)).value == 5 * 32'768 + 10);
    CHECK_FALSE(stack.write_at_once(s.id, pattern(10)));  // two are left, a quarter
    served other{host_type::default_config()};
    other.open();
    REQUIRE(other.host.stack.write(other.id, pattern(5 * 32'768 + 10)).value == 5 * 32'768 + 10);
    CHECK(other.host.stack.write_at_once(other.id, pattern(10)));
}

TEST_CASE("read_at_once: what is there, and the window update is thought of", "[stack]")
{
    served s;
    s.open();
    auto& stack = s.host.stack;
    octets got(400);
    CHECK(stack.read_at_once(s.id, got) == 0);
    const octets text = pattern(536);
    s.peer.send(tcp_flag::ack, text);
    s.host.drain();
    CHECK(stack.read_at_once(s.id, std::span<std::byte>{}) == 0);
    waiter w;
    REQUIRE(stack.wait_for(s.id, wait_kind::read, w) == errc::ok);
    CHECK(stack.read_at_once(s.id, got) == 0);
    stack.stop_waiting(s.id, wait_kind::read, w);
    REQUIRE_FALSE(stack.has_output());
    CHECK(stack.read_at_once(s.id, std::span{got}.first(40)) == 40);
    CHECK(stack.has_output());
    CHECK(std::equal(got.begin(), got.begin() + 40, text.begin()));
    CHECK(stack.read_at_once(s.id, got) == 400);
    CHECK(std::equal(got.begin(), got.end(), text.begin() + 40));
    CHECK(stack.info(s.id).value.receive_queued == 96);
    CHECK(stack.read_at_once(s.id, got, 97) == 0);  // less is there
    CHECK(stack.info(s.id).value.receive_queued == 96);
    s.host.drain();
    CHECK(stack.read_at_once(s.id, std::span{got}.first(64)) == 64);
    CHECK(stack.read_at_once(s.id, std::span{got}.first(64)) == 32);
    CHECK(stack.has_output());
    CHECK(std::equal(got.begin(), got.begin() + 32, text.end() - 32));
    CHECK(stack.read_at_once(s.id, got) == 0);
    s.peer.send(tcp_flag::ack, text);
    REQUIRE(stack.close(s.id) == errc::ok);
    CHECK(stack.read_at_once(s.id, std::span{got}.first(32)) == 0);
}

// --- reading -------------------------------------------------------------------------------------------------------

TEST_CASE("read, peek and take see the same octets", "[stack]")
{
    served s;
    s.open();
    const octets text = pattern(5'000);
    for (std::size_t at = 0; at < text.size(); at += 500) {
        s.peer.send(tcp_flag::ack, octets(text.begin() + static_cast<std::ptrdiff_t>(at),
                                          text.begin() + static_cast<std::ptrdiff_t>(at + 500)));
        s.host.drain();
    }
    octets seen(5'000);
    CHECK(s.host.stack.peek(s.id, seen).value == 5'000);
    CHECK(seen == text);
    octets part(100);
    CHECK(s.host.stack.peek(s.id, part, 1'234).value == 100);
    CHECK(std::equal(part.begin(), part.end(), text.begin() + 1'234));
    octets got(700);
    CHECK(s.host.stack.read(s.id, got).value == 700);
    for (;;) {
        const auto piece = s.host.stack.take(s.id);
        if (piece.ec != errc::ok) {
            CHECK(piece.ec == errc::would_block);
            break;
        }
        got.insert(got.end(), piece.value.octets().begin(), piece.value.octets().end());
    }
    CHECK(got == text);
    CHECK(s.host.stack.read(s.id, {}).ec == errc::ok);  // nothing was asked for
    CHECK(s.host.stack.peek(s.id, part).ec == errc::would_block);
}

TEST_CASE("a slice that was taken outlives its connection and its stack", "[stack]")
{
    slice kept;
    {
        served s;
        s.open();
        s.peer.send(tcp_flag::ack, pattern(1'200));
        kept = s.host.stack.take(s.id).value;
        s.host.stack.abort_all(s.host.now);
        CHECK(s.host.stack.close(s.id) == errc::ok);
    }
    CHECK(octets(kept.octets().begin(), kept.octets().end()) == pattern(1'200));
}

TEST_CASE("reading owes the peer a window update when it opens a closed window", "[stack][MUST-39]")
{
    auto c = host_type::default_config();
    c.receive_window.capacity = 10'000;
    served s{c};
    s.open();
    for (int i = 0; i < 10; ++i) {
        s.peer.send(tcp_flag::ack, pattern(1'000));
    }
    const auto closed = s.host.drain();
    REQUIRE_FALSE(closed.empty());
    CHECK(closed.back().tcp()->header.window == 0);
    octets got(10'000);
    REQUIRE(s.host.stack.read(s.id, got).value == 10'000);
    CHECK(s.host.stack.has_output());
    const auto update = s.host.drain();
    REQUIRE(update.size() == 1);
    CHECK(update[0].tcp()->header.window == 10'000);
}

// --- waiting -------------------------------------------------------------------------------------------------------

TEST_CASE("wait_for: one operation of each kind, told once, and its place is kept until stop_waiting()", "[stack]")
{
    served s;
    s.open();
    waiter reader;
    waiter other;
    recorder executor;
    CHECK(s.host.stack.wait_for(s.id, wait_kind::read, reader) == errc::ok);
    CHECK(s.host.stack.wait_for(s.id, wait_kind::read, other) == errc::operation_in_progress);
    s.host.stack.dispatch(executor);
    CHECK(executor.scheduled.empty());
    s.peer.send(tcp_flag::ack, pattern(1));
    s.host.stack.dispatch(executor);
    CHECK(executor.count(reader) == 1);
    s.peer.send(tcp_flag::ack, pattern(1));
    s.host.stack.dispatch(executor);
    CHECK(executor.count(reader) == 1);
    CHECK(s.host.stack.wait_for(s.id, wait_kind::read, other) == errc::operation_in_progress);
    s.host.stack.stop_waiting(s.id, wait_kind::read, reader);
    CHECK(s.host.stack.wait_for(s.id, wait_kind::read, other) == errc::ok);
    s.host.stack.dispatch(executor);  // there are octets already
    CHECK(executor.count(other) == 1);
    s.host.stack.stop_waiting(s.id, wait_kind::read, other);
}

TEST_CASE("wait_unless_over: as wait_for, where there is something to wait for", "[stack]")
{
    served s;
    s.open();
    waiter reader;
    waiter other;
    auto& stack = s.host.stack;
    CHECK(stack.wait_unless_over({s.id.index, s.id.generation + 2}, wait_kind::read, &reader) == errc::ok);
    CHECK(stack.wait_unless_over(s.id, wait_kind::read, nullptr) == errc::operation_not_supported);
    CHECK_FALSE(stack.is_waiting(s.id, wait_kind::read));
    CHECK(stack.wait_unless_over(s.id, wait_kind::read, &reader) == errc::would_block);
    CHECK(stack.wait_unless_over(s.id, wait_kind::read, &other) == errc::operation_in_progress);
    s.peer.send(tcp_flag::ack, pattern(1));
    CHECK(stack.wait_unless_over(s.id, wait_kind::read, &other) == errc::operation_in_progress);
    recorder executor;
    stack.dispatch(executor);
    CHECK(executor.count(reader) == 1);
    stack.stop_waiting(s.id, wait_kind::read, reader);
    CHECK(stack.wait_unless_over(s.id, wait_kind::read, &other) == errc::ok);
    CHECK_FALSE(stack.is_waiting(s.id, wait_kind::read));
}

TEST_CASE("a reader and a writer of one connection are both told", "[stack]")
{
    served s{with_send_buffer(10'000)};
    s.open();
    auto& stack = s.host.stack;
    REQUIRE(stack.write(s.id, pattern(10'000)).value == 10'000);
    waiter reader;
    waiter writer;
    REQUIRE(stack.wait_for(s.id, wait_kind::read, reader) == errc::ok);
    REQUIRE(stack.wait_for(s.id, wait_kind::write, writer) == errc::ok);
    s.peer.take();
    s.peer.send(tcp_flag::ack, pattern(10));
    recorder executor;
    stack.dispatch(executor);
    CHECK(executor.count(reader) == 1);
    CHECK(executor.count(writer) == 1);
    stack.stop_waiting(s.id, wait_kind::read, reader);
    stack.stop_waiting(s.id, wait_kind::write, writer);
}

TEST_CASE("wait_for: close() and device_lost() end every wait", "[stack]")
{
    served s;
    s.open();
    waiter waiters[3];
    recorder executor;
    CHECK(s.host.stack.wait_for(s.id, wait_kind::read, waiters[0]) == errc::ok);
    CHECK(s.host.stack.wait_for(s.id, wait_kind::close, waiters[1]) == errc::ok);
    CHECK(s.host.stack.wait_for_accept(s.listener, waiters[2]) == errc::ok);
    if (GENERATE(false, true)) {
        s.host.stack.device_lost(errc::network_down);
    } else {
        CHECK(s.host.stack.close(s.id) == errc::ok);
        CHECK(s.host.stack.close(s.listener) == errc::ok);
    }
    s.host.stack.dispatch(executor);
    for (const waiter& w : waiters) {
        CHECK(executor.count(w) == 1);
    }
}

TEST_CASE("wait_for_accept: each connection tells one of those who wait", "[stack]")
{
    served s;
    waiter waiters[3];
    recorder executor;
    for (waiter& w : waiters) {
        CHECK(s.host.stack.wait_for_accept(s.listener, w) == errc::ok);
    }
    s.peer.open();
    s.host.stack.dispatch(executor);
    REQUIRE(executor.scheduled.size() == 1);
    CHECK(executor.scheduled[0] == &waiters[0]);
    SECTION("another connection tells the next, though the first was not taken yet")
    {
        peer_type second{s.host};
        second.self.port = 5'001;
        second.open();
        s.host.stack.dispatch(executor);
        CHECK(executor.count(waiters[1]) == 1);
        CHECK(executor.count(waiters[0]) == 1);
    }
    SECTION("who goes without accepting passes it on")
    {
        s.host.stack.pass_on_accept(s.listener);
        s.host.stack.dispatch(executor);
        CHECK(executor.count(waiters[1]) == 1);
        CHECK(executor.count(waiters[2]) == 0);
    }
}

TEST_CASE("a handle outlives its stack and says so", "[stack]")
{
    auto s = std::make_unique<served>();
    socket_handle handle{s->host.stack};
    socket_handle copy = handle;
    CHECK(handle.port() == &s->host.stack);
    s.reset();
    CHECK(handle.port() == nullptr);
    CHECK(copy.port() == nullptr);
}
