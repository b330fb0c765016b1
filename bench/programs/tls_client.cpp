// The kernel's TCP as the client of a TLS source: it shakes hands, then takes the records and does not open them, so
// that it is not what is measured. Prints one line of JSON, as kernel_client does for work=receive.
#include <openssl/ssl.h>

#include <vector>

#include "arguments.hpp"
#include "kernel_socket.hpp"

namespace {

using namespace tcpco_bench;

// Octets that came within so many seconds.
std::uint64_t take(int fd, double seconds, std::vector<char>& buffer)
{
    std::uint64_t octets = 0;
    for (const double began = seconds_of(CLOCK_MONOTONIC); seconds_of(CLOCK_MONOTONIC) - began < seconds;) {
        const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
        check(n > 0 || (n < 0 && errno == EAGAIN), "recv");
        octets += n > 0 ? static_cast<std::uint64_t>(n) : 0;
    }
    return octets;
}

void shake_hands(int fd)
{
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* ssl = SSL_new(context);
    if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) {
        throw std::runtime_error{"the handshake failed"};
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const std::string work = given.text("work");
    const double seconds = given.real("seconds", 1);
    const double warmup = given.real("warmup", 0.2);
    const auto server = static_cast<pid_t>(given.number("server", 0));
    given.done();
    if (work != "receive") {
        throw std::runtime_error{"work is receive"};
    }
    const kernel_socket one;
    one.connect(ipv4("198.18.0.2", source_port));
    shake_hands(one.fd());
    one.set_patience(100'000);
    std::vector<char> buffer(1 << 18);
    clockid_t server_clock{};
    const bool has_server = server != 0 && ::clock_getcpuclockid(server, &server_clock) == 0;
    take(one.fd(), warmup, buffer);
    const double wall = seconds_of(CLOCK_MONOTONIC);
    const double own = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    const double peer = has_server ? seconds_of(server_clock) : 0;
    const std::uint64_t octets = take(one.fd(), seconds, buffer);
    std::printf("{\"seconds\": %.6f, \"client_cpu\": %.6f, \"octets\": %llu", seconds_of(CLOCK_MONOTONIC) - wall,
                seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own, static_cast<unsigned long long>(octets));
    if (has_server) {
        std::printf(", \"server_cpu\": %.6f", seconds_of(server_clock) - peer);
    }
    std::puts("}");
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "tls_client: %s\n", e.what());
    return 1;
}
