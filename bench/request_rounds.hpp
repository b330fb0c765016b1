// Requests and their answers on each of many connections in turn, between two stacks in memory.
#pragma once

#include "pair_of_stacks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace tcpco::bench {

class request_rounds {
public:
    request_rounds(std::uint32_t connections, std::size_t octets)
        : net_{offload::none, connections}, all_(connections), octets_(octets, std::byte{0x55})
    {
        std::generate(all_.begin(), all_.end(), [&] { return net_.connect(); });
    }

    // One request and its answer on each connection. Returns how many there were; throws where an octet is missing.
    std::uint64_t round()
    {
        constexpr std::size_t burst = 256;  // frames of a turn
        const std::size_t n = octets_.size();
        std::uint64_t complete = 0;
        std::uint64_t sent = 0;
        for (const auto& p : all_) {
            sent += net_.a.write(p.a, octets_).value;
        }
        net_.exchange(burst);
        for (const auto& p : all_) {
            if (net_.b.read(p.b, octets_).value == n) {
                sent += net_.b.write(p.b, octets_).value;
            }
        }
        net_.exchange(burst);
        for (const auto& p : all_) {
            complete += net_.a.read(p.a, octets_).value == n ? 1U : 0U;
        }
        if (sent != 2 * n * all_.size() || complete != all_.size()) {
            throw std::runtime_error{"an answer is missing"};
        }
        return complete;
    }

private:
    pair_of_stacks net_;
    std::vector<pair_of_stacks::pair_of_ends> all_;
    std::vector<std::byte> octets_;
};

}  // namespace tcpco::bench
