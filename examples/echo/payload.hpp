// What the clients send, and how they know it when it comes back.
#pragma once

#include <openssl/evp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tcpco/core/random.hpp"

namespace echo_example {

// A stream of octets that is cheap to make and differs at every place.
class payload_source {
public:
    payload_source(std::size_t size, std::uint64_t seed) : left_{size}, random_{seed} {}

    std::span<const std::byte> next()
    {
        buffer_.resize(std::min(left_, chunk) / 8 * 8 + 8);
        for (std::size_t i = 0; i + 8 <= buffer_.size(); i += 8) {
            const std::uint64_t word = random_.next();
            std::memcpy(buffer_.data() + i, &word, 8);
        }
        const std::size_t n = std::min(left_, chunk);
        left_ -= n;
        return std::span{buffer_}.first(n);
    }
    std::size_t left() const noexcept { return left_; }

private:
    static constexpr std::size_t chunk = 64 * 1024;
    std::size_t left_;
    tcpco::random_source random_;
    std::vector<std::byte> buffer_;
};

class sha256 {
public:
    sha256() : context_{EVP_MD_CTX_new()} { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
    void add(std::span<const std::byte> octets) { EVP_DigestUpdate(context_.get(), octets.data(), octets.size()); }
    std::string hex()
    {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), digest, &size);
        std::string text;
        for (unsigned i = 0; i < size; ++i) {
            text += "0123456789abcdef"[digest[i] >> 4];
            text += "0123456789abcdef"[digest[i] & 15];
        }
        return text;
    }

private:
    struct deleter {
        void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
    };
    std::unique_ptr<EVP_MD_CTX, deleter> context_;
};

// What became of one client.
struct outcome {
    bool equal = false;
    std::string digest;  // of what came back
    std::string error;
    double seconds = 0;
};

inline constexpr char greeting[] = "Hello from the other side of the wire.\n";

}  // namespace echo_example
