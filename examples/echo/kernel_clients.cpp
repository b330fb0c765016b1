#include "kernel_clients.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "payload.hpp"
#include "transcript.hpp"

namespace echo_example {

namespace {

class kernel_socket {
public:
    kernel_socket() : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {}
    kernel_socket(const kernel_socket&) = delete;
    kernel_socket& operator=(const kernel_socket&) = delete;
    ~kernel_socket() { ::close(fd_); }

    // Empty, or what went wrong.
    std::string connect()
    {
        const timeval limit{.tv_sec = 120, .tv_usec = 0};  // nothing may hang for ever
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(7);
        ::inet_pton(AF_INET, "198.18.0.2", &to.sin_addr);
        sockaddr address{};
        std::memcpy(&address, &to, sizeof address);
        return ::connect(fd_, &address, sizeof to) == 0 ? "" : failure("connect");
    }
    std::string send(std::span<const std::byte> octets)
    {
        while (!octets.empty()) {
            const ssize_t n = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
            if (n < 0) {
                return failure("send");
            }
            octets = octets.subspan(static_cast<std::size_t>(n));
        }
        return "";
    }
    // 0 at the end of the stream, negative after an error.
    ssize_t receive(std::span<std::byte> into) { return ::recv(fd_, into.data(), into.size(), 0); }
    void shutdown() { ::shutdown(fd_, SHUT_WR); }

    static std::string failure(const char* call) { return std::string{call} + ": " + std::strerror(errno); }

private:
    int fd_;
};

// Sends `size` octets and reads what comes back, at the same time: a peer that echoes stops reading while nobody reads
// from it.
outcome exchange(std::size_t size, std::uint64_t seed, progress* shown)
{
    const auto began = std::chrono::steady_clock::now();
    outcome result;
    kernel_socket socket;
    result.error = socket.connect();
    if (!result.error.empty()) {
        return result;
    }
    std::string sent_digest;
    std::string send_error;
    std::thread writer{[&] {
        payload_source source{size, seed};
        sha256 digest;
        while (source.left() > 0 && send_error.empty()) {
            const auto octets = source.next();
            digest.add(octets);
            send_error = socket.send(octets);
        }
        socket.shutdown();
        sent_digest = digest.hex();
    }};
    sha256 digest;
    std::size_t received = 0;
    std::vector<std::byte> buffer(256 * 1024);
    ssize_t n = 0;
    while ((n = socket.receive(buffer)) > 0) {
        digest.add(std::span{buffer}.first(static_cast<std::size_t>(n)));
        received += static_cast<std::size_t>(n);
        if (shown != nullptr) {
            shown->update(received);
        }
    }
    result.error = n < 0 ? kernel_socket::failure("receive") : "";
    writer.join();
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    result.digest = digest.hex();
    result.error += send_error;
    if (result.error.empty() && received != size) {
        result.error = std::to_string(received) + " of " + std::to_string(size) + " octets came back";
    } else if (result.error.empty() && result.digest != sent_digest) {
        result.error = "other octets came back than were sent";
    }
    result.equal = result.error.empty();
    return result;
}

outcome exchange_text()
{
    outcome result;
    kernel_socket socket;
    const auto octets = std::as_bytes(std::span{greeting, sizeof greeting - 1});
    result.error = socket.connect();
    if (result.error.empty()) {
        result.error = socket.send(octets);
    }
    std::string answer;
    char buffer[256];
    while (result.error.empty() && answer.size() < octets.size()) {
        const ssize_t n = socket.receive(std::as_writable_bytes(std::span{buffer}));
        if (n <= 0) {
            result.error = n == 0 ? "the server closed early" : kernel_socket::failure("receive");
            break;
        }
        answer.append(buffer, static_cast<std::size_t>(n));
    }
    result.equal = answer == greeting;
    return result;
}

bool exchange_many(unsigned clients)
{
    const auto began = std::chrono::steady_clock::now();
    std::vector<outcome> results(clients);
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < clients; ++i) {
            threads.emplace_back([&results, i] { results[i] = exchange(20'000 + i, 1'000 + i, nullptr); });
        }
    }
    std::size_t equal = 0;
    std::string first_error;
    for (const outcome& o : results) {
        equal += o.equal ? 1 : 0;
        first_error = first_error.empty() ? o.error : first_error;
    }
    print_many(equal, clients, first_error,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return equal == clients;
}

}  // namespace

bool run_kernel_clients(const options& chosen)
{
    const outcome text = exchange_text();
    print_text(text);
    progress shown{chosen.size};
    const outcome large = exchange(chosen.size, 42, &shown);
    shown.finish();
    print_large(large, chosen.size);
    const bool many = exchange_many(chosen.clients);
    return text.equal && large.equal && many;
}

}  // namespace echo_example
