// How the waits of sockets end otherwise than by their own completion.
#include "tcpco/async/socket_wait.hpp"

#include "socket_world.hpp"

using namespace socket_test;

namespace {

task<> close_later(tcp_socket& socket)
{
    succeeds(co_await sleep_for(10_ms));
    socket.close();
}

// A coroutine of another library, which offers its environment through its promise.
struct foreign_coroutine {
    struct promise_type {
        environment env;
        foreign_coroutine get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
        environment get_environment() const noexcept { return env; }
    };
    std::coroutine_handle<promise_type> handle;
};

foreign_coroutine write_from_elsewhere(tcp_socket& socket, std::error_code& ec)
{
    auto [failed, n] = co_await socket.write("more");
    ec = failed;
}

}  // namespace

TEST_CASE("A foreign coroutine that was asked to stop writes nothing, also where there is nothing to wait for", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        succeeds(co_await client.write("what leaves room behind it"));
        for (const bool stopped : {true, false}) {
            stop_source stop;
            if (stopped) {
                stop.request_stop();
            }
            std::error_code ec = std::make_error_code(std::errc::timed_out);
            const foreign_coroutine f = write_from_elsewhere(client, ec);
            f.handle.promise().env = {
                .stop = stop.token(), .deadline = time_point::never(), .exec = executor::current()};
            f.handle.resume();
            succeeds(co_await sleep_for(1_ms));
            CHECK(f.handle.done());
            CHECK((stopped ? ec == std::errc::operation_canceled : !ec));
            f.handle.destroy();
        }
    }(w));
}

TEST_CASE("A stop request ends each kind of wait with operation_canceled", "[async]")
{
    struct body {
        static task<> reads(tcp_socket& s, int& ended)
        {
            char room[8];
            auto [ec, n] = co_await s.read_exactly(room);
            CHECK(ec == std::errc::operation_canceled);
            CHECK(n == 3);
            CHECK(std::string_view{room, 3} == "abc");
            ++ended;
        }
        static task<> writes(tcp_socket& s, std::size_t& went, int& ended)
        {
            const octets data = pattern(3'000'000);
            auto [ec, n] = co_await s.write(data);
            CHECK(ec == std::errc::operation_canceled);
            CHECK(n > 0);
            went = n;
            ++ended;
        }
        static task<> flushes(tcp_socket& s, int& ended)
        {
            fails(co_await s.flush(), std::errc::operation_canceled);
            ++ended;
        }
        static task<> waits_for_the_end(tcp_socket& s, int& ended)
        {
            fails(co_await s.closed(), std::errc::operation_canceled);
            fails(co_await s.receive(), std::errc::operation_canceled);  // begins stopped, and takes nothing
            ++ended;
        }
        static task<> children(scope& all, tcp_socket& client, tcp_socket& other, std::size_t& went, int& ended)
        {
            all.spawn(reads, std::ref(other), std::ref(ended));
            all.spawn(writes, std::ref(client), std::ref(went), std::ref(ended));
            all.spawn(flushes, std::ref(client), std::ref(ended));
            all.spawn(waits_for_the_end, std::ref(client), std::ref(ended));
            succeeds(co_await sleep_for(100_ms));
            CHECK(ended == 0);
            all.request_stop();
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        auto [other_client, other_server] = co_await v.connected();
        succeeds(co_await other_client.write("abc"));
        succeeds(co_await server.write("unread"));
        std::size_t went = 0;
        int ended = 0;
        co_await with_scope(body::children, std::ref(client), std::ref(other_server), std::ref(went), std::ref(ended));
        CHECK(ended == 4);
        CHECK(!client.shutdown());
        equal(co_await read_all(server), text_of(pattern(3'000'000)).substr(0, went));
        equal(co_await read_text(client, 6), "unread");
    }(w));
}

TEST_CASE("with_timeout(read) gives up at the moment, with nothing lost", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        char room[8];
        const time_point start = v.now();
        auto [ec, n] = co_await with_timeout(server.read_some(room), 50_ms);
        CHECK(ec == std::errc::timed_out);
        CHECK(n == 0);
        CHECK(v.now() == start + 50_ms);
        fails(co_await with_timeout(server.receive(), 50_ms), std::errc::timed_out);
        succeeds(co_await client.write("later"));
        auto [ok, got] = co_await with_timeout(server.read_exactly(std::span{room}.first(5)), 50_ms);
        CHECK(!ok);
        CHECK(got == 5);
        succeeds(co_await client.flush());  // or Nagle holds the next octets back
        // Octets that arrive in the very turn of the limit count: completed wins.
        succeeds(co_await client.write("exact"));
        auto [exact, five] = co_await with_timeout(server.read_some(room), 1_ms);
        CHECK(!exact);
        CHECK(five == 5);
    }(w));
}

TEST_CASE("when_any(read, closed) tells which came first, and a loser's octets do not vanish", "[async]")
{
    struct body {
        static task<> peer(tcp_socket& s)
        {
            succeeds(co_await sleep_for(10_ms));
            succeeds(co_await s.write("abc"));
            succeeds(co_await s.flush());
            succeeds(s.abort());
        }
        static task<> watch(tcp_socket& s)
        {
            char room[8];
            auto [index, results] = co_await when_any(s.read_some(room), s.closed());
            CHECK(index == 0);
            CHECK(!std::get<0>(results).ec);
            CHECK(std::get<0>(results).n == 3);
            CHECK(std::get<1>(results) == std::errc::operation_canceled);
            auto [again, second] = co_await when_any(s.read_some(room), s.closed());
            CHECK(again == 0);  // both are told of the reset
            CHECK(std::get<0>(second).ec == std::errc::connection_reset);
            CHECK(std::get<1>(second) == std::errc::connection_reset);
            auto [timer, third] = co_await when_any(sleep_for(1_ms), s.closed());
            CHECK(timer == 1);
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        co_await when_all(body::peer(client), body::watch(server));
    }(w));
}

TEST_CASE("A second reader and a second writer get operation_in_progress, and disturb nobody", "[async]")
{
    struct body {
        static task<> first(tcp_socket& s)
        {
            char room[6];
            auto [ec, n] = co_await s.read_exactly(room);
            CHECK(!ec);
            CHECK(std::string_view{room, n} == "abcdef");
        }
        static task<> second(tcp_socket& s, tcp_socket& peer)
        {
            char room[6];
            std::string line;
            fails(co_await s.read_some(room), std::errc::operation_in_progress);
            succeeds(co_await peer.write("abc"));
            succeeds(co_await sleep_for(10_ms));
            fails(co_await s.read_some(room), std::errc::operation_in_progress);
            fails(co_await s.read_exactly(room), std::errc::operation_in_progress);
            fails(co_await s.read_until(line, "\n"), std::errc::operation_in_progress);
            fails(co_await s.receive(), std::errc::operation_in_progress);
            fails(co_await s.readable(), std::errc::operation_in_progress);
            succeeds(co_await peer.write("def"));
        }
        static task<> writes(tcp_socket& s, std::size_t octets_in_all)
        {
            const octets data = pattern(octets_in_all);
            succeeds(co_await s.write(data));
        }
        static task<> writes_too(tcp_socket& s, tcp_socket& peer, std::size_t octets_in_all)
        {
            fails(co_await s.write("x"), std::errc::operation_in_progress);
            fails(co_await s.write_some("x"), std::errc::operation_in_progress);
            equal(co_await read_text(peer, octets_in_all), text_of(pattern(octets_in_all)));
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        co_await when_all(body::first(server), body::second(server, client));
        co_await when_all(body::writes(client, 500'000), body::writes_too(client, server, 500'000));
    }(w));
}

TEST_CASE("Nobody reads between the news and the reader who waited for it", "[async]")
{
    // Both connections get octets in one turn; who waits on the first then reads from the second, whose reader has been
    // told and has not run yet.
    struct body {
        static task<> patient(tcp_socket& s)
        {
            char room[3];
            auto [ec, n] = co_await s.read_some(room);
            CHECK(!ec);
            CHECK(n == 3);
        }
        static task<> thief(tcp_socket& mine, tcp_socket& other)
        {
            succeeds(co_await mine.readable());
            char room[3];
            fails(co_await other.read_some(room), std::errc::operation_in_progress);
        }
        static task<> writes(tcp_socket& a, tcp_socket& b)
        {
            succeeds(co_await sleep_for(10_ms));
            succeeds(co_await a.write("abc"));
            succeeds(co_await b.write("def"));
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client_a, server_a] = co_await v.connected();
        auto [client_b, server_b] = co_await v.connected();
        co_await when_all(body::patient(server_b), body::thief(server_a, server_b), body::writes(client_a, client_b));
    }(w));
}

TEST_CASE("A wait ends with bad_file_descriptor when another coroutine closes the socket", "[async]")
{
    struct body {
        static task<> reads(tcp_socket& s)
        {
            fails(co_await s.receive(), std::errc::bad_file_descriptor);
        }
        static task<> writes(tcp_socket& s)
        {
            const octets data = pattern(3'000'000);
            auto [ec, n] = co_await s.write(data);
            CHECK(ec == std::errc::bad_file_descriptor);
            CHECK(n >= 64 * 1'024);
        }
        static task<> flushes(tcp_socket& s)
        {
            fails(co_await s.flush(), std::errc::bad_file_descriptor);
        }
        static task<> waits(tcp_socket& s)
        {
            fails(co_await s.closed(), std::errc::bad_file_descriptor);
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        co_await when_all(body::reads(client), body::writes(client), body::flushes(client), body::waits(client),
                          close_later(client));
    }(w));
}

TEST_CASE("A socket may be moved while operations wait on it", "[async]")
{
    struct body {
        static task<> reads(tcp_socket& s)
        {
            char room[4];
            succeeds(co_await s.read_exactly(room));
            CHECK(std::string_view{room, 4} == "move");
        }
        static task<> moves(tcp_socket& s, tcp_socket& to, tcp_socket& peer)
        {
            to = std::move(s);
            CHECK(!s.is_open());
            succeeds(co_await peer.write("move"));
        }
    };
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        tcp_socket elsewhere;
        co_await when_all(body::reads(server), body::moves(server, elsewhere, client));
        CHECK(elsewhere.is_open());
    }(w));
}

TEST_CASE("A coroutine destroyed while it reads leaves no trace, told or not", "[async]")
{
    struct body {
        static task<> reads(tcp_socket& s)
        {
            static_cast<void>(co_await s.receive());
            FAIL("never resumed");
        }
        static task<> reads_exactly(tcp_socket& s)
        {
            char room[8];
            static_cast<void>(co_await s.read_exactly(room));
            FAIL("never resumed");
        }
    };
    const bool exactly = GENERATE(false, true);
    const bool told = GENERATE(false, true);
    world w;
    w.run([](world& v, bool in_steps, bool with_octets) -> task<> {
        auto [client, server] = co_await v.connected();
        auto [client_b, server_b] = co_await v.connected();
        {
            root doomed{v.reactor.get_executor(), in_steps ? body::reads_exactly(server_b) : body::reads(server_b)};
            succeeds(co_await sleep_for(1_ms));
            if (with_octets) {
                // In one turn this coroutine is told first, and then destroys the other, which has been told too.
                succeeds(co_await client.write("x"));
                succeeds(co_await client_b.write("y"));
                succeeds(co_await server.readable());
            }
        }
        succeeds(co_await client_b.write("z"));
        std::string text;
        succeeds(co_await server_b.read_until(text, "z"));
        CHECK(text == (with_octets ? "yz" : "z"));
    }(w, exactly, told));
}

TEST_CASE("A wait outside of any executor is refused, what is ready is not", "[async]")
{
    world w;
    w.run([](world& v) -> task<> {
        auto [client, server] = co_await v.connected();
        struct : completion {
            using completion::completion;
        } nobody{nullptr};
        auto read = server.receive();
        CHECK(!read.start(nobody, environment{}));
        CHECK(read.result().ec == std::errc::operation_not_supported);
        const octets data = pattern(3'000'000);
        auto write = client.write(data);
        CHECK(!write.start(nobody, environment{}));
        auto [ec, n] = write.result();
        CHECK(ec == std::errc::operation_not_supported);
        CHECK(n == 64 * 1'024);
        succeeds(co_await server.readable());
        auto ready = server.receive();
        CHECK(ready.ready());
        CHECK(!ready.start(nobody, environment{}));
        CHECK(!ready.result().ec);
    }(w));
}
