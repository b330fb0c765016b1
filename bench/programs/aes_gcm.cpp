// AES-128-GCM alone, as TLS 1.3 uses it: records of 16 KiB, from one buffer into another. Prints what kernel_client
// does, itself in the server's place.
#include <openssl/evp.h>

#include <cstring>
#include <vector>

#include "arguments.hpp"
#include "figures.hpp"

namespace {

constexpr int record = 16'384;
constexpr int header = 5;  // authenticated, too

void seal(EVP_CIPHER_CTX* context, std::uint64_t number, const std::vector<unsigned char>& in,
          std::size_t at, std::vector<unsigned char>& out)
{
    unsigned char iv[12] = {};
    std::memcpy(iv + 4, &number, sizeof number);
    const unsigned char head[header] = {23, 3, 3, 0x40, 0x11};
    int n = 0;
    const bool good = EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, iv) == 1 &&
                      EVP_EncryptUpdate(context, nullptr, &n, head, header) == 1 &&
                      EVP_EncryptUpdate(context, out.data(), &n, in.data() + at, record) == 1 &&
                      EVP_EncryptFinal_ex(context, out.data() + n, &n) == 1 &&
                      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out.data() + record) == 1;
    if (!good) {
        throw std::runtime_error{"AES-GCM failed"};
    }
}

}  // namespace

int main(int argc, char** argv)
try {
    tcpco_bench::arguments given{argc, argv};
    const double seconds = given.real("seconds", 1);
    given.done();
    EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
    const unsigned char key[16] = {1, 2, 3};
    if (context == nullptr || EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nullptr, key, nullptr) != 1) {
        throw std::runtime_error{"there is no AES-128-GCM"};
    }
    const std::vector<unsigned char> in(256 * 1'024, 0x55);
    std::vector<unsigned char> out(record + 16);
    std::uint64_t records = 0;
    const auto seal_all = [&] {
        for (std::size_t at = 0; at < in.size(); at += record) {
            seal(context, ++records, in, at, out);
        }
        return in.size();
    };
    tcpco_bench::work_for(seconds, seal_all).print();
    EVP_CIPHER_CTX_free(context);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "aes_gcm: %s\n", e.what());
    return 1;
}
