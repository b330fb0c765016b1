#include "memory_clients.hpp"

#include <chrono>
#include <functional>

#include "payload.hpp"
#include "transcript.hpp"

namespace echo_example {

namespace {

using namespace tcpco;

constexpr endpoint server{"198.18.0.2"_ip, 7};

task<std::error_code> send_all(tcp_socket& socket, payload_source source, std::string& digest_text)
{
    sha256 digest;
    while (source.left() > 0) {
        const auto octets = source.next();
        digest.add(octets);
        if (auto [ec, n] = co_await socket.write(octets); ec) {
            co_return ec;
        }
    }
    digest_text = digest.hex();
    co_return socket.shutdown();
}

task<std::error_code> receive_all(tcp_socket& socket, std::size_t& received, std::string& digest_text, progress* shown)
{
    sha256 digest;
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            digest_text = digest.hex();
            co_return ec == errc::end_of_stream ? std::error_code{} : ec;
        }
        const std::span view = std::span<const std::byte>{octets.begin(), octets.end()};
        digest.add(view);
        received += view.size();
        if (shown != nullptr) {
            shown->update(received);
        }
    }
}

task<outcome> exchange(stack_port& net, std::size_t size, std::uint64_t seed, progress* shown)
{
    const auto began = std::chrono::steady_clock::now();
    outcome result;
    auto [ec, socket] = co_await connect(net, server);
    if (ec) {
        result.error = "connect: " + ec.message();
        co_return result;
    }
    std::size_t received = 0;
    std::string sent_digest;
    auto sending = send_all(socket, payload_source{size, seed}, sent_digest);
    auto receiving = receive_all(socket, received, result.digest, shown);
    auto [send_ec, receive_ec] = co_await when_all(std::move(sending), std::move(receiving));
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    if (send_ec || receive_ec) {
        result.error = (send_ec ? send_ec : receive_ec).message();
    } else if (received != size) {
        result.error = std::to_string(received) + " of " + std::to_string(size) + " octets came back";
    } else if (result.digest != sent_digest) {
        result.error = "other octets came back than were sent";
    }
    result.equal = result.error.empty();
    co_return result;
}

task<outcome> exchange_text(stack_port& net)
{
    outcome result;
    auto [ec, socket] = co_await connect(net, server);
    if (ec) {
        result.error = "connect: " + ec.message();
        co_return result;
    }
    const std::string_view text{greeting};
    co_await socket.write(text);
    std::string answer(text.size(), ' ');
    const io_result back = co_await socket.read_exactly(std::as_writable_bytes(std::span{answer}));
    result.error = back.ec ? back.ec.message() : "";
    result.equal = answer == text;
    co_return result;
}

task<> one_of_many(stack_port& net, unsigned i, std::size_t& equal, std::string& first_error)
{
    const outcome result = co_await exchange(net, 20'000 + i, 1'000 + i, nullptr);
    equal += result.equal ? 1 : 0;
    first_error = first_error.empty() ? result.error : first_error;
}

task<> many(scope& clients, stack_port& net, unsigned count, std::size_t& equal, std::string& first_error)
{
    for (unsigned i = 0; i < count; ++i) {
        clients.spawn(one_of_many, std::ref(net), i, std::ref(equal), std::ref(first_error));
    }
    co_return;
}

}  // namespace

task<bool> run_memory_clients(stack_port& net, const options& chosen)
{
    const outcome text = co_await exchange_text(net);
    print_text(text);
    progress shown{chosen.size};
    const outcome large = co_await exchange(net, chosen.size, 42, &shown);
    shown.finish();
    print_large(large, chosen.size);
    const auto began = std::chrono::steady_clock::now();
    std::size_t equal = 0;
    std::string first_error;
    co_await with_scope(many, std::ref(net), chosen.clients, std::ref(equal), std::ref(first_error));
    print_many(equal, chosen.clients, first_error,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    co_return text.equal&& large.equal&& equal == chosen.clients;
}

}  // namespace echo_example
