// A key and a certificate for it that it signed itself, made at start: enough for an example and for a measurement.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "tls_stream.hpp"

namespace tls_example {

struct key_free {
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(X509* p) const noexcept { X509_free(p); }
};

inline void check(bool good, const char* what)
{
    if (!good) {
        throw std::runtime_error{std::string{"OpenSSL: "} + what};
    }
}

struct identity {
    std::unique_ptr<EVP_PKEY, key_free> key{};
    std::unique_ptr<X509, key_free> certificate{};
};

inline identity make_identity(const char* name)
{
    identity made{std::unique_ptr<EVP_PKEY, key_free>{EVP_EC_gen("P-256")},
                  std::unique_ptr<X509, key_free>{X509_new()}};
    X509* x = made.certificate.get();
    check(made.key != nullptr && x != nullptr, "no key");
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 60 * 60);
    X509_set_pubkey(x, made.key.get());
    X509_NAME* subject = X509_get_subject_name(x);
    const auto* text = reinterpret_cast<const unsigned char*>(name);
    check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1, "the name");
    X509_set_issuer_name(x, subject);
    const std::string names = std::string{"DNS:"} + name;
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    check(extension != nullptr && X509_add_ext(x, extension, -1) == 1, "the alternative name");
    X509_EXTENSION_free(extension);
    check(X509_sign(x, made.key.get(), EVP_sha256()) > 0, "signing");
    return made;
}

// TLS 1.3 alone, with AES-128-GCM, which processors have instructions for.
inline openssl_ptr<SSL_CTX> make_context(const SSL_METHOD* method)
{
    openssl_ptr<SSL_CTX> context{SSL_CTX_new(method)};
    check(context != nullptr, "no context");
    check(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1, "TLS 1.3");
    check(SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256") == 1, "AES-128-GCM");
    return context;
}

inline openssl_ptr<SSL_CTX> server_context(const identity& own)
{
    openssl_ptr<SSL_CTX> context = make_context(TLS_server_method());
    check(SSL_CTX_use_certificate(context.get(), own.certificate.get()) == 1, "the certificate");
    check(SSL_CTX_use_PrivateKey(context.get(), own.key.get()) == 1, "the key");
    return context;
}

// Trusts that one certificate and no other.
inline openssl_ptr<SSL_CTX> client_context(const identity& trusted)
{
    openssl_ptr<SSL_CTX> context = make_context(TLS_client_method());
    check(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), trusted.certificate.get()) == 1, "trust");
    return context;
}

}  // namespace tls_example
