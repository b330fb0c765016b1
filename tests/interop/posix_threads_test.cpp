// The façade with a thread of its own for the stacks: threads that block in calls. Worth its name under
// -fsanitize=thread only.
#include "interop/posix_world.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

#include "tcpco/device/frame_fd.hpp"

using namespace posix_test;

namespace {

// Two stacks joined by memory on one thread.
struct pair_world {
    explicit pair_world(system_reactor& reactor)
        : a_driver{a, link.left(), reactor}, b_driver{b, link.right(), reactor}, client{a, reactor.get_executor()},
          server{b, reactor.get_executor()}
    {
    }
    memory_link link;
    basic_stack<> a{host_config(1)};
    basic_stack<> b{host_config(2)};
    driver<basic_stack<>, memory_link::end, system_reactor> a_driver;
    driver<basic_stack<>, memory_link::end, system_reactor> b_driver;
    posix::host client;
    posix::host server;
};

std::vector<unsigned char> pattern(std::size_t n, std::uint64_t seed)
{
    std::vector<unsigned char> out(n);
    random_source random{seed};
    for (unsigned char& c : out) {
        c = static_cast<unsigned char>(random.next());
    }
    return out;
}

int listener_on(posix::host& h, int port)
{
    const int fd = h.socket(AF_INET, SOCK_STREAM);
    const sockaddr_in a = address_of("198.18.0.2", port);
    return h.bind(fd, generic(a), sizeof a) == 0 && h.listen(fd, 16) == 0 ? fd : -1;
}

int connection_to(posix::host& h, int port)
{
    const int fd = h.socket(AF_INET, SOCK_STREAM);
    const sockaddr_in a = address_of("198.18.0.2", port);
    return h.connect(fd, generic(a), sizeof a) == 0 ? fd : -1;
}

void echo(posix::host& h, int fd)
{
    std::vector<char> buffer(32'768);
    for (ssize_t n = 0; (n = h.recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
        if (h.send(fd, buffer.data(), static_cast<std::size_t>(n), 0) != n) {
            break;
        }
    }
    h.close(fd);
}

}  // namespace

TEST_CASE("posix, threads: 8 MiB come back equal through an echoing thread", "[interop]")
{
    posix::on_thread<pair_world> pair;
    posix::host& client = pair.world().client;
    posix::host& server = pair.world().server;
    const int listener = listener_on(server, 7);
    REQUIRE(listener >= 0);
    std::thread serving{[&] { echo(server, server.accept(listener)); }};
    const int fd = connection_to(client, 7);
    REQUIRE(fd >= 0);
    const auto out = pattern(8u << 20, 1);
    std::vector<unsigned char> in(out.size());
    std::thread sending{[&] {
        std::size_t at = 0;
        while (at < out.size()) {
            const ssize_t n = client.send(fd, out.data() + at, std::min<std::size_t>(100'000, out.size() - at), 0);
            if (n <= 0) {
                break;
            }
            at += static_cast<std::size_t>(n);
        }
        client.shutdown(fd, SHUT_WR);
    }};
    CHECK(client.recv(fd, in.data(), in.size(), MSG_WAITALL) == static_cast<ssize_t>(in.size()));
    char more = 0;
    CHECK(client.recv(fd, &more, 1, 0) == 0);
    sending.join();
    serving.join();
    CHECK((in == out));
    CHECK(client.close(fd) == 0);
    CHECK(server.close(listener) == 0);
}

TEST_CASE("posix, threads: many clients, each with its own thread, and a server that polls", "[interop]")
{
    posix::on_thread<pair_world> pair;
    posix::host& client = pair.world().client;
    posix::host& server = pair.world().server;
    constexpr int clients = 6;
    const int listener = listener_on(server, 7);
    std::thread serving{[&] {
        std::vector<pollfd> fds{{listener, POLLIN, 0}};
        int left = clients;
        while (left > 0 && server.poll(fds.data(), fds.size(), -1) > 0) {
            for (std::size_t i = fds.size(); i-- > 1;) {
                char buffer[4'096];
                const ssize_t n = fds[i].revents == 0 ? 1 : server.recv(fds[i].fd, buffer, sizeof buffer, 0);
                if (fds[i].revents != 0 && n > 0) {
                    server.send(fds[i].fd, buffer, static_cast<std::size_t>(n), 0);
                } else if (n <= 0) {
                    server.close(fds[i].fd);
                    fds.erase(fds.begin() + static_cast<std::ptrdiff_t>(i));
                    --left;
                }
            }
            if (fds[0].revents != 0) {
                fds.push_back({server.accept(listener), POLLIN, 0});
            }
        }
    }};
    std::atomic<int> equal{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i) {
        threads.emplace_back([&, i] {
            const int fd = connection_to(client, 7);
            const auto out = pattern(20'000, static_cast<std::uint64_t>(i) + 5);
            std::vector<unsigned char> in(out.size());
            client.send(fd, out.data(), out.size(), 0);
            client.recv(fd, in.data(), in.size(), MSG_WAITALL);
            equal += in == out ? 1 : 0;
            client.close(fd);
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    serving.join();
    CHECK(equal == clients);
}

TEST_CASE("posix, threads: a call that waits is ended by close() and by the end of the facade with EBADF", "[interop]")
{
    std::optional<posix::on_thread<pair_world>> pair;
    pair.emplace();
    posix::host& server = pair->world().server;
    const int listener = listener_on(server, 7);
    const int other = listener_on(server, 8);
    std::atomic<int> waiting{0};
    int first = 0;
    int second = 0;
    std::thread one{[&] {
        ++waiting;
        first = server.accept(listener) == -1 ? errno : 0;
    }};
    std::thread two{[&] {
        ++waiting;
        second = server.accept(other) == -1 ? errno : 0;
    }};
    while (waiting < 2) {
        std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    CHECK(server.close(listener) == 0);
    one.join();
    CHECK(first == EBADF);
    pair.reset();
    two.join();
    CHECK(second == EBADF);
}

namespace {

// Any call on any of a few descriptors that all threads share. Nothing waits for long: sockets do not block.
void do_something(posix::host& h, random_source& random, const sockaddr_in& there)
{
    const int fd = (1 << 20) + static_cast<int>(random.below(8));
    char octets[2'000]{};
    const auto n = static_cast<std::size_t>(random.below(sizeof octets));
    int number = static_cast<int>(random.below(3));
    socklen_t length = sizeof number;
    const sockaddr_in here = address_of("0.0.0.0", 7);
    sockaddr_in name{};
    socklen_t name_length = sizeof name;
    pollfd fds[3] = {{fd, POLLIN, 0}, {fd + 1, POLLOUT | POLLRDHUP, 0}, {fd, 0, 0}};
    linger l{number, 0};
    switch (random.below(16)) {
    case 0:
    case 1: h.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK); break;
    case 2: h.bind(fd, generic(here), sizeof here); break;
    case 3: h.listen(fd, number); break;
    case 4: h.accept4(fd, generic(name), &name_length, SOCK_NONBLOCK); break;
    case 5:
    case 6: h.connect(fd, generic(there), sizeof there); break;
    case 7:
    case 8: h.send(fd, octets, n, number == 0 ? MSG_MORE : 0); break;
    case 9:
    case 10: h.recv(fd, octets, n, number == 0 ? MSG_PEEK : 0); break;
    case 11: h.poll(fds, 3, number); break;
    case 12: h.shutdown(fd, number); break;
    case 13: h.getpeername(fd, generic(name), &name_length); break;
    case 14: h.setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l); break;
    default: number == 0 ? h.close(fd) : h.getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &length); break;
    }
}

}  // namespace

TEST_CASE("posix, threads: any calls from four threads on sockets that they share do no harm", "[interop]")
{
    posix::on_thread<pair_world> pair;
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        threads.emplace_back([&, seed] {
            random_source random{seed};
            posix::host& h = seed % 2 == 0 ? pair.world().client : pair.world().server;
            for (int i = 0; i < 3'000; ++i) {
                do_something(h, random, address_of(seed % 2 == 0 ? "198.18.0.2" : "198.18.0.1", 7));
            }
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    // It still works.
    posix::host& server = pair.world().server;
    const int listener = listener_on(server, 99);
    CHECK(listener >= 0);
    const int fd = connection_to(pair.world().client, 99);
    CHECK(fd >= 0);
    CHECK(server.accept(listener) >= 0);
}

TEST_CASE("posix, threads: what the world's constructor throws comes to whoever makes it", "[interop]")
{
    struct broken {
        explicit broken(system_reactor&) { throw std::runtime_error{"no device"}; }
    };
    CHECK_THROWS_AS(posix::on_thread<broken>{}, std::runtime_error);
}

TEST_CASE("posix, threads: stacks with threads of their own meet over a socket pair and close in order", "[interop]")
{
    auto [left, right] = frame_fd::pair();
    posix::stack<default_policies, frame_fd> client{host_config(1), std::move(left)};
    posix::stack<default_policies, frame_fd> server{host_config(2), std::move(right)};
    const int listener = listener_on(*server, 7);
    std::thread serving{[&] { echo(*server, server->accept(listener)); }};
    const int fd = connection_to(*client, 7);
    const auto out = pattern(200'000, 9);
    std::vector<unsigned char> in(out.size());
    std::thread sending{[&] { client->send(fd, out.data(), out.size(), 0); }};
    CHECK(client->recv(fd, in.data(), in.size(), MSG_WAITALL) == static_cast<ssize_t>(in.size()));
    CHECK((in == out));
    sending.join();
    client->close(fd);
    serving.join();
}

TEST_CASE("A stack without a seed gets one that nobody can guess, and a given one stays", "[interop][RFC6528-4a]")
{
    const stack_config<default_policies> none{.address = "198.18.0.2/24"_net};
    const stack_seed one = posix::seeded(none).seed;
    CHECK(one.is_given());
    CHECK(one != posix::seeded(none).seed);
    CHECK(posix::seeded(stack_config<default_policies>{.seed = 7}).seed == 7);
}
