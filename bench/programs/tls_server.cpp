// tcpco behind a TAP, through TLS: a source that writes as fast as it can. Started by bench/run, in a network namespace
// of its own.
//
//     offload=0|1   super-frames and checksum offload
#include <functional>
#include <vector>

#include "../../examples/tls_echo/certificate.hpp"
#include "../../examples/tls_echo/tls_stream.hpp"
#include "../tap_host.hpp"
#include "arguments.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;
using namespace tls_example;

task<> source(tcp_socket socket, SSL_CTX* context)
{
    tls_stream stream{context, tls_role::server, std::move(socket)};
    const std::vector<std::byte> chunk(256 * 1'024, std::byte{0x55});
    std::error_code failed = co_await stream.handshake();
    while (!failed) {
        const io_result sent = co_await stream.write(chunk);
        failed = sent.ec;
    }
}

task<> serve(scope& sessions, tcp_listener& listener, SSL_CTX* context)
{
    say_ready();
    for (;;) {
        auto [ec, socket] = co_await listener.accept();
        if (ec) {
            co_return;
        }
        sessions.spawn(source, std::move(socket), context);
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const tap_host_options options{.offload = given.flag("offload")};
    given.done();

    const identity own = make_identity("bench.example");
    const openssl_ptr<SSL_CTX> context = server_context(own);
    tap_host host{options};
    tcp_listener listener{host.net(), {"198.18.0.2"_ip, source_port}};
    host.reactor().run(with_scope(serve, std::ref(listener), context.get()));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "tls_server: %s\n", e.what());
    return 1;
}
