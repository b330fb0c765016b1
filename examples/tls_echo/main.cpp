// An echo server behind TLS (OpenSSL over tcpco's streams), and a client that checks its certificate.
//
//     tls_echo          both between two stacks in memory
//     tls_echo tap0     the server on a TAP, at 198.18.0.2 port 7, for `openssl s_client -connect 198.18.0.2:7`
//
// ctest:
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "certificate.hpp"
#include "tls_stream.hpp"

namespace {

using namespace tcpco;
using namespace tls_example;

constexpr endpoint address{"198.18.0.2"_ip, 7};
constexpr const char* host_name = "echo.example";
constexpr const char* usage =
    "tls_echo          an echo server behind TLS and its client, two stacks joined by memory\n"
    "tls_echo tap0     the server on that TAP, at 198.18.0.2 port 7; its certificate is made when it starts.\n"
    "                  The kernel's side: ip address add 198.18.0.1/24 dev tap0; ip link set tap0 up\n"
    "                  Then: openssl s_client -connect 198.18.0.2:7\n";

task<> echo(tcp_socket socket, SSL_CTX* context)
{
    tls_stream stream{context, tls_role::server, std::move(socket)};
    if (const std::error_code failed = co_await stream.handshake(); failed) {
        std::fprintf(stderr, "handshake: %s\n", failed.message().c_str());
        co_return;
    }
    std::vector<std::byte> buffer(16 * 1'024);  // one record
    for (;;) {
        const io_result got = co_await stream.read_some(buffer);
        if (got.ec) {
            break;
        }
        const io_result sent = co_await stream.write(std::span{buffer}.first(got.n));
        if (sent.ec) {
            co_return;
        }
    }
    co_await stream.shutdown();
}

task<> serve(scope& sessions, tcp_listener& listener, SSL_CTX* context)
{
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(echo, std::move(socket), context);
    }
}

task<std::error_code> send_all(tls_stream& stream, const std::vector<std::byte>& octets)
{
    for (std::size_t at = 0; at < octets.size();) {
        const std::size_t n = std::min<std::size_t>(octets.size() - at, 10'000);
        // No more on the way than fits into both ends' buffers: this client does not read while it writes.
        const io_result sent = co_await stream.write(std::span{octets}.subspan(at, n));
        if (sent.ec) {
            co_return sent.ec;
        }
        at += n;
        std::vector<std::byte> back(n);
        for (std::size_t got = 0; got < n;) {
            const io_result read = co_await stream.read_some(std::span{back}.subspan(got));
            if (read.ec) {
                co_return read.ec;
            }
            got += read.n;
        }
        if (!std::equal(back.begin(), back.end(), octets.begin() + static_cast<std::ptrdiff_t>(at - n))) {
            co_return std::make_error_code(std::errc::io_error);
        }
    }
    co_return std::error_code{};
}

// True when every octet came back, over TLS, from a peer that proved its name.
task<bool> talk(stack_port& net, SSL_CTX* context)
{
    auto [ec, socket] = co_await connect(net, address);
    if (ec) {
        std::fprintf(stderr, "connect: %s\n", ec.message().c_str());
        co_return false;
    }
    tls_stream stream{context, tls_role::client, std::move(socket)};
    stream.expect_peer(host_name);
    std::error_code failed = co_await stream.handshake();
    std::vector<std::byte> octets(1'000'000);
    random_source random{1};
    for (std::byte& b : octets) {
        b = static_cast<std::byte>(random.next());
    }
    if (!failed) {
        std::printf("%s, %s\n", stream.protocol(), stream.cipher());
        failed = co_await send_all(stream, octets);
    }
    if (!failed) {
        failed = co_await stream.shutdown();
    }
    if (!failed) {
        const io_result last = co_await stream.read_some(octets);
        failed = last.ec == errc::end_of_stream ? std::error_code{} : std::make_error_code(std::errc::protocol_error);
    }
    std::printf("%zu octets there and back: %s\n", octets.size(), failed ? failed.message().c_str() : "equal");
    co_return !failed;
}

// A client that trusts another certificate must not get through.
task<bool> is_refused(stack_port& net, SSL_CTX* context)
{
    auto [ec, socket] = co_await connect(net, address);
    if (ec) {
        co_return false;
    }
    tls_stream stream{context, tls_role::client, std::move(socket)};
    stream.expect_peer(host_name);
    const std::error_code failed = co_await stream.handshake();
    std::printf("a server that nobody vouches for: %s\n", failed ? "refused" : "ACCEPTED");
    co_return failed == std::errc::protocol_error;
}

stack_config<default_policies> config(ip_prefix own, std::uint8_t number)
{
    stack_config<default_policies> c{.address = own};
    c.network.mac.octets[5] = number;
    c.seed = random_seed();
    return c;
}

task<> serve_in_memory(scope& services, tcp_listener& listener, SSL_CTX* context, stack_port& client,
                       SSL_CTX* trusting, SSL_CTX* distrusting, bool& good)
{
    services.spawn(serve, std::ref(services), std::ref(listener), context);
    const bool refused = co_await is_refused(client, distrusting);
    good = co_await talk(client, trusting) && refused;
    listener.close();
}

int run_in_memory(const identity& own)
{
    system_reactor reactor;
    memory_link wire;
    basic_stack<> a{config("198.18.0.1/24"_net, 1)};
    basic_stack<> b{config("198.18.0.2/24"_net, 2)};
    driver left{a, wire.left(), reactor};
    driver right{b, wire.right(), reactor};
    tcp_listener listener{b, address};
    const openssl_ptr<SSL_CTX> context = server_context(own);
    const openssl_ptr<SSL_CTX> trusting = client_context(own);
    const identity stranger = make_identity(host_name);
    const openssl_ptr<SSL_CTX> distrusting = client_context(stranger);
    bool good = false;
    reactor.run(with_scope(serve_in_memory, std::ref(listener), context.get(), std::ref<stack_port>(a), trusting.get(),
                           distrusting.get(), std::ref(good)));
    return good ? 0 : 1;
}

void run_on_tap(const identity& own, const char* name)
{
    basic_stack<> net{config("198.18.0.2/24"_net, 2)};
    tap link = tap::open({.name = name});
    system_reactor reactor;
    driver link_driver{net, link, reactor};
    tcp_listener listener{net, address};
    const openssl_ptr<SSL_CTX> context = server_context(own);
    reactor.stop_on_signals({SIGINT, SIGTERM});
    std::printf("TLS echo at 198.18.0.2 port 7, on %s; Ctrl-C ends it\n", link.name().c_str());
    std::fflush(stdout);
    reactor.run(with_scope(serve, std::ref(listener), context.get()));
    link_driver.close_all(2_s);
}

}  // namespace

int main(int argc, char** argv)
try {
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        const bool asked = argc == 2 && (std::string{argv[1]} == "--help" || std::string{argv[1]} == "-h");
        std::fprintf(asked ? stdout : stderr, "%s", usage);
        return asked ? 0 : 2;
    }
    const identity own = make_identity(host_name);
    if (argc > 1) {
        run_on_tap(own, argv[1]);
        return 0;
    }
    return run_in_memory(own);
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
