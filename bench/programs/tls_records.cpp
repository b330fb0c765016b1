// OpenSSL's record layer alone: a TLS 1.3 session writes with AES-128-GCM into a BIO that forgets each record; no stack,
// no device. Prints what kernel_client does, itself in the server's place.
//
//     copies=1   the BIO copies into a ring of 1 MiB, as a stack copies into its send buffer
#include <openssl/bio.h>

#include <cstring>
#include <vector>

#include "../../examples/tls_echo/certificate.hpp"
#include "../../examples/tls_echo/tls_stream.hpp"
#include "arguments.hpp"
#include "figures.hpp"

namespace {

using tls_example::openssl_ptr;

struct ring {
    std::vector<char> octets = std::vector<char>(1 << 20);
    std::size_t at = 0;
    std::uint64_t taken = 0;
    bool copies = false;

    int take(const char* from, int size)
    {
        const auto n = static_cast<std::size_t>(size);
        if (copies) {
            at = at + n <= octets.size() ? at : 0;
            std::memcpy(octets.data() + at, from, n);
            at += n;
        }
        taken += n;
        return size;
    }
};

BIO* bio_of(ring& r)
{
    static const openssl_ptr<BIO_METHOD> method{BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ring")};
    BIO_meth_set_write(method.get(), [](BIO* bio, const char* from, int size) {
        return static_cast<ring*>(BIO_get_data(bio))->take(from, size);
    });
    BIO_meth_set_ctrl(method.get(), [](BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1L : 0L; });
    BIO* bio = BIO_new(method.get());
    BIO_set_data(bio, &r);
    BIO_set_init(bio, 1);
    return bio;
}

// Both ends in memory; afterwards `server` writes to whatever it is given.
void shake_hands(SSL* server, SSL* client)
{
    BIO* to_client = BIO_new(BIO_s_mem());
    BIO* to_server = BIO_new(BIO_s_mem());
    BIO_up_ref(to_client);
    BIO_up_ref(to_server);
    SSL_set_bio(server, to_server, to_client);
    SSL_set_bio(client, to_client, to_server);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 10; ++i) {
        if (SSL_do_handshake(client) == 1 && SSL_do_handshake(server) == 1) {
            return;
        }
        SSL_do_handshake(server);
    }
    throw std::runtime_error{"the handshake failed"};
}

}  // namespace

int main(int argc, char** argv)
try {
    tcpco_bench::arguments given{argc, argv};
    const double seconds = given.real("seconds", 1);
    ring out;
    out.copies = given.flag("copies");
    given.done();
    const tls_example::identity own = tls_example::make_identity("bench.example");
    const openssl_ptr<SSL_CTX> context = tls_example::server_context(own);
    const openssl_ptr<SSL_CTX> other{SSL_CTX_new(TLS_client_method())};
    const openssl_ptr<SSL> server{SSL_new(context.get())};
    const openssl_ptr<SSL> client{SSL_new(other.get())};
    shake_hands(server.get(), client.get());
    SSL_set0_wbio(server.get(), bio_of(out));
    const std::vector<char> chunk(256 * 1'024, 0x55);
    const auto write_one = [&] {
        if (SSL_write(server.get(), chunk.data(), static_cast<int>(chunk.size())) != static_cast<int>(chunk.size())) {
            throw std::runtime_error{"SSL_write failed"};
        }
        return chunk.size();
    };
    const tcpco_bench::work_alone done = tcpco_bench::work_for(seconds, write_one);
    if (out.taken < done.octets) {
        throw std::runtime_error{"less came out than went in"};
    }
    done.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "tls_records: %s\n", e.what());
    return 1;
}
