// Octets as one would say them, for the tests of the wire formats.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace tcpco::test {

// octets(0x45, 0x00, 0x1c): an array the compiler can parse.
template <class... T>
constexpr std::array<std::byte, sizeof...(T)> octets(T... values)
{
    return {static_cast<std::byte>(values)...};
}

// The pieces behind one another, in a block of exactly their size: AddressSanitizer sees a read beyond it.
template <class... Pieces>
std::vector<std::byte> join(const Pieces&... pieces)
{
    std::vector<std::byte> all((std::size(pieces) + ... + 0));
    std::size_t at = 0;
    const auto put = [&](const auto& piece) {
        for (std::byte b : piece) {
            all[at++] = b;
        }
    };
    (put(pieces), ...);
    return all;
}

// The first `size` octets, in a block of exactly that size.
inline std::vector<std::byte> cut(std::span<const std::byte> octets, std::size_t size)
{
    return {octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)};
}

}  // namespace tcpco::test
