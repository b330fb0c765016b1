// TLS over a tcpco socket, with OpenSSL: a stream that coroutines read from and write to.
//
// OpenSSL reads and writes through a BIO whose two functions are the socket's try_read_some() and try_write_some(): what
// it encrypts is copied into the send buffer, what it decrypts comes from the slots that the octets arrived in, and
// there is no memory in between. Where the socket has nothing, or no room, OpenSSL says so, and the coroutine waits for
// readable() or writable() and asks again.
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
#include <string_view>
#include <system_error>
#include <utility>

#include <tcpco/tcpco.hpp>

namespace tls_example {

struct openssl_free {
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
    void operator()(SSL* p) const noexcept { SSL_free(p); }
    void operator()(BIO_METHOD* p) const noexcept { BIO_meth_free(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_free>;

enum class tls_role { client, server };

class tls_stream {
public:
    // Throws std::bad_alloc. The context may be shared by many.
    tls_stream(SSL_CTX* context, tls_role role, tcpco::tcp_socket socket)
        : transport_{std::make_unique<transport>(transport{std::move(socket), {}})}
    {
        BIO* bio = nullptr;
        ssl_.reset(SSL_new(context));
        if (ssl_ == nullptr || bio_method() == nullptr || (bio = BIO_new(bio_method())) == nullptr) {
            throw std::bad_alloc{};
        }
        BIO_set_data(bio, transport_.get());
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl_.get(), bio, bio);  // which it owns from now on
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
    tcpco::task<tcpco::io_result> read_some(std::span<std::byte> buffer)
    {
        if (buffer.empty()) {
            co_return tcpco::io_result{};
        }
        co_return co_await run(call::read, buffer, {});
    }

    // All octets; n is how many OpenSSL took, on any error too. One that was cancelled has left part of a record: nothing
    // can follow it, and whatever is tried says connection_aborted.
    tcpco::task<tcpco::io_result> write(std::span<const std::byte> octets)
    {
        std::size_t written = 0;
        if (cut_off_) {
            co_return tcpco::io_result{std::make_error_code(std::errc::connection_aborted), 0};
        }
        while (written < octets.size()) {
            const tcpco::io_result done = co_await run(call::write, {}, octets.subspan(written));
            written += done.n;
            if (done.ec) {
                co_return tcpco::io_result{done.ec, written};
            }
        }
        co_return tcpco::io_result{{}, written};
    }

    // Says that nothing follows (close_notify), then ends the connection's direction.
    tcpco::task<std::error_code> shutdown()
    {
        if (cut_off_) {
            static_cast<void>(transport_->socket.abort());  // the peer must not take this for the end
            co_return std::make_error_code(std::errc::connection_aborted);
        }
        const tcpco::io_result done = co_await run(call::shutdown, {}, {});
        const std::error_code ended = transport_->socket.shutdown();
        co_return done.ec ? done.ec : ended;
    }

    const char* protocol() const noexcept { return SSL_get_version(ssl_.get()); }
    const char* cipher() const noexcept { return SSL_get_cipher_name(ssl_.get()); }

private:
    enum class call { handshake, read, write, shutdown };

    // What the BIO works on; it stays where it is when the stream is moved.
    struct transport {
        tcpco::tcp_socket socket;
        std::error_code failed;  // why the BIO's last call failed for good
    };

    // What the socket's answer is to OpenSSL: a count, or -1 and whether it is to ask again.
    static int answer(BIO* bio, const tcpco::io_result& done, bool reads) noexcept
    {
        BIO_clear_retry_flags(bio);
        if (!done.ec) {
            return static_cast<int>(done.n);
        }
        if (done.ec == std::errc::operation_would_block) {
            reads ? BIO_set_retry_read(bio) : BIO_set_retry_write(bio);
        } else {
            static_cast<transport*>(BIO_get_data(bio))->failed = done.ec;
        }
        return -1;
    }

    static int read_from_socket(BIO* bio, char* to, int size)
    {
        const std::span<char> room{to, static_cast<std::size_t>(size)};
        return answer(bio, static_cast<transport*>(BIO_get_data(bio))->socket.try_read_some(room), true);
    }

    static int write_to_socket(BIO* bio, const char* from, int size)
    {
        const std::string_view octets{from, static_cast<std::size_t>(size)};
        return answer(bio, static_cast<transport*>(BIO_get_data(bio))->socket.try_write_some(octets), false);
    }

    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static const BIO_METHOD* bio_method()
    {
        static const openssl_ptr<BIO_METHOD> method = [] {
            openssl_ptr<BIO_METHOD> made{BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tcpco socket")};
            if (made != nullptr) {
                BIO_meth_set_read(made.get(), &read_from_socket);
                BIO_meth_set_write(made.get(), &write_to_socket);
                BIO_meth_set_ctrl(made.get(), &control);
            }
            return made;
        }();
        return method.get();
    }

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

    // Repeats a call until it is done.
    tcpco::task<tcpco::io_result> run(call what, std::span<std::byte> in, std::span<const std::byte> out)
    {
        for (;;) {
            const int n = ask_openssl(what, in, out);
            if (n > 0) {
                co_return tcpco::io_result{{}, static_cast<std::size_t>(n)};
            }
            std::error_code failed = std::exchange(transport_->failed, {});
            const int why = SSL_get_error(ssl_.get(), n);
            if (why == SSL_ERROR_ZERO_RETURN) {
                co_return tcpco::io_result{make_error_code(tcpco::errc::end_of_stream), 0};
            }
            if (!failed && why == SSL_ERROR_WANT_READ) {
                failed = co_await transport_->socket.readable();
            } else if (!failed && why == SSL_ERROR_WANT_WRITE) {
                failed = co_await transport_->socket.writable();
            } else if (!failed) {
                failed = std::make_error_code(std::errc::protocol_error);
            }
            if (failed) {
                cut_off_ = cut_off_ || what == call::write;
                co_return tcpco::io_result{truncated(failed), 0};
            }
        }
    }

    // A FIN without close_notify before it: somebody cut the stream off.
    static std::error_code truncated(std::error_code ec) noexcept
    {
        return ec == tcpco::errc::end_of_stream ? std::make_error_code(std::errc::connection_aborted) : ec;
    }

    std::unique_ptr<transport> transport_;
    openssl_ptr<SSL> ssl_{};
    bool cut_off_ = false;  // a write ended within a record
};

}  // namespace tls_example
