// TLS over a tcpco socket, with OpenSSL: a stream that coroutines read from and write to.
//
// OpenSSL never sees the connection. It reads from and writes to one end of a pair of memory BIOs; the coroutines carry
// octets between the other end and the socket: what it wants to send leaves before anything is waited for, and where it
// wants more it gets what the peer sent. The pair's own memory is what the socket reads into and writes from, so TLS
// adds no copy but its own.
//
// One coroutine at a time: TLS itself may have to write in order to read. Errors are the socket's; a peer that breaks
// the protocol is std::errc::protocol_error, and the end of the stream counts only with its close_notify, since anybody
// on the way can forge a FIN.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <utility>

#include <tcpco/tcpco.hpp>

namespace tls_example {

struct openssl_free {
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
    void operator()(SSL* p) const noexcept { SSL_free(p); }
    void operator()(BIO* p) const noexcept { BIO_free(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_free>;

enum class tls_role { client, server };

class tls_stream {
public:
    // Throws std::bad_alloc. The context may be shared by many.
    tls_stream(SSL_CTX* context, tls_role role, tcpco::tcp_socket socket) : socket_{std::move(socket)}
    {
        BIO* inside = nullptr;
        BIO* outside = nullptr;
        ssl_.reset(SSL_new(context));
        if (ssl_ == nullptr || BIO_new_bio_pair(&inside, pair_octets, &outside, pair_octets) != 1) {
            throw std::bad_alloc{};
        }
        outside_.reset(outside);
        SSL_set_bio(ssl_.get(), inside, inside);  // which it owns from now on
        SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        role == tls_role::client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
    }

    // The name that the peer's certificate must bear, and that it is asked for.
    bool expect_peer(const char* name) noexcept
    {
        SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
        return SSL_set1_host(ssl_.get(), name) == 1 &&
               SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                        const_cast<char*>(name)) == 1;  // the macro for it has a cast of old
    }

    tcpco::task<std::error_code> handshake()
    {
        const tcpco::io_result done = co_await run(call::handshake, {}, {});
        co_return done.ec;
    }

    // At least an octet, or an error: end_of_stream after the peer's close_notify.
    tcpco::task<tcpco::io_result> read_some(std::span<std::byte> buffer) { return run(call::read, buffer, {}); }

    // All octets; n is how many OpenSSL took, on any error too.
    tcpco::task<tcpco::io_result> write(std::span<const std::byte> octets)
    {
        std::size_t written = 0;
        while (written < octets.size()) {
            const tcpco::io_result done = co_await run(call::write, {}, octets.subspan(written));
            written += done.n;
            if (done.ec) {
                co_return tcpco::io_result{done.ec, written};
            }
        }
        const std::error_code failed = co_await flush();
        co_return tcpco::io_result{failed, written};
    }

    // Says that nothing follows (close_notify), then ends the connection's direction.
    tcpco::task<std::error_code> shutdown()
    {
        const tcpco::io_result done = co_await run(call::shutdown, {}, {});
        const std::error_code ended = socket_.shutdown();
        co_return done.ec ? done.ec : ended;
    }

    const char* protocol() const noexcept { return SSL_get_version(ssl_.get()); }
    const char* cipher() const noexcept { return SSL_get_cipher_name(ssl_.get()); }

private:
    enum class call { handshake, read, write, shutdown };

    // Several records, so that they leave together: a segment holds less than a tenth of one.
    static constexpr std::size_t pair_octets = 128 * 1'024;

    static int length_of(std::size_t octets) noexcept
    {
        return static_cast<int>(std::min(octets, std::size_t{std::numeric_limits<int>::max()}));
    }

    int ask_openssl(call what, std::span<std::byte> in, std::span<const std::byte> out)
    {
        ERR_clear_error();
        switch (what) {
        case call::handshake: return SSL_do_handshake(ssl_.get());
        case call::read: return SSL_read(ssl_.get(), in.data(), length_of(in.size()));
        case call::write: return SSL_write(ssl_.get(), out.data(), length_of(out.size()));
        case call::shutdown: break;
        }
        return SSL_shutdown(ssl_.get()) < 0 ? -1 : 1;  // 0: ours is said, the peer's is not here yet
    }

    // Repeats a call until it is done. What a write left in the pair stays there while there is room for more.
    tcpco::task<tcpco::io_result> run(call what, std::span<std::byte> in, std::span<const std::byte> out)
    {
        for (;;) {
            const int n = ask_openssl(what, in, out);
            if (n > 0 && what == call::write) {
                co_return tcpco::io_result{{}, static_cast<std::size_t>(n)};
            }
            const int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), n);
            if (const std::error_code failed = co_await flush(); failed) {
                co_return tcpco::io_result{failed, 0};
            }
            if (why == SSL_ERROR_NONE) {
                co_return tcpco::io_result{{}, static_cast<std::size_t>(n)};
            }
            if (why == SSL_ERROR_ZERO_RETURN) {
                co_return tcpco::io_result{make_error_code(tcpco::errc::end_of_stream), 0};
            }
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                co_return tcpco::io_result{std::make_error_code(std::errc::protocol_error), 0};
            }
            if (why == SSL_ERROR_WANT_READ) {
                if (const std::error_code failed = co_await fetch(); failed) {
                    co_return tcpco::io_result{truncated(failed), 0};
                }
            }
        }
    }

    // A FIN without close_notify before it: somebody cut the stream off.
    static std::error_code truncated(std::error_code ec) noexcept
    {
        return ec == tcpco::errc::end_of_stream ? std::make_error_code(std::errc::connection_aborted) : ec;
    }

    // From the pair to the socket, all that is there.
    tcpco::task<std::error_code> flush()
    {
        for (;;) {
            char* first = nullptr;
            const int n = BIO_nread0(outside_.get(), &first);
            if (n <= 0) {
                co_return std::error_code{};
            }
            const std::span<const char> octets{first, static_cast<std::size_t>(n)};
            const tcpco::io_result done = co_await socket_.write(std::as_bytes(octets));
            BIO_nread(outside_.get(), &first, static_cast<int>(done.n));
            if (done.ec) {
                co_return done.ec;
            }
        }
    }

    // From the socket to the pair, what there is, at least an octet. OpenSSL wants more only when it took all.
    tcpco::task<std::error_code> fetch()
    {
        char* first = nullptr;
        const int room = BIO_nwrite0(outside_.get(), &first);
        const std::span<char> buffer{first, static_cast<std::size_t>(room)};
        const tcpco::io_result done = co_await socket_.read_some(std::as_writable_bytes(buffer));
        BIO_nwrite(outside_.get(), &first, static_cast<int>(done.n));
        co_return done.ec;
    }

    tcpco::tcp_socket socket_;
    openssl_ptr<SSL> ssl_{};
    openssl_ptr<BIO> outside_{};
};

}  // namespace tls_example
