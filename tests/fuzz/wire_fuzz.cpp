// Fuzzes every parser of wire/ (libFuzzer).
//
// The octets go to each parser as they are, and once more with their checksums made right, since otherwise nearly
// nothing would come past them. What is parsed is written and parsed again and must be the same; the fast checksum
// must equal the plain one however the octets are cut.
//
//     clang++-19 -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude tests/fuzz/wire_fuzz.cpp -o wire_fuzz
//     ./wire_fuzz -max_total_time=30 -max_len=600
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "tcpco/wire/arp.hpp"
#include "tcpco/wire/checksum.hpp"
#include "tcpco/wire/dump.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/icmp.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"
#include "tcpco/wire/tcp_options.hpp"

#define MUST_HOLD(condition) \
    (static_cast<bool>(condition) ? void(0) : must_hold_failed(#condition, __LINE__))

namespace {

using namespace tcpco;
using octets = std::span<const std::byte>;

[[noreturn]] void must_hold_failed(const char* text, int line)
{
    std::fprintf(stderr, "wire_fuzz: does not hold: %s (line %d)\n", text, line);
    std::abort();
}

bool lies_within(octets part, octets whole)
{
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void fuzz_checksum(octets data)
{
    const std::uint16_t expected = detail::sum_octets(data.data(), data.size(), nullptr);
    const std::size_t cut = data.empty() ? 0 : std::to_integer<std::size_t>(data.front()) % (data.size() + 1);
    checksum_accumulator sum;
    sum.add(data.first(cut));
    sum.add(data.subspan(cut));
    MUST_HOLD(sum.folded() == expected);

    std::vector<std::byte> copy(data.size());
    checksum_accumulator copied;
    copied.copy_and_add(data.first(cut), copy.data());
    copied.copy_and_add(data.subspan(cut), copy.data() + cut);
    MUST_HOLD(copied.folded() == expected);
    MUST_HOLD(std::equal(data.begin(), data.end(), copy.begin(), copy.end()));
}

void fuzz_tcp_options(octets data)
{
    tcp_options options = parse_tcp_options(data);
    MUST_HOLD(options.sack_count <= 4);
    options.malformed = false;
    std::vector<std::byte> written(encoded_size(options));
    MUST_HOLD(written.size() <= max_tcp_options_size && written.size() % 4 == 0);
    MUST_HOLD(write_tcp_options(options, written) == written.size());
    const tcp_options again = parse_tcp_options(written);
    MUST_HOLD(again.sack_count <= options.sack_count);
    for (std::size_t i = again.sack_count; i < options.sack_count; ++i) {
        options.sack_blocks[i] = {};  // what did not fit beside the others
    }
    options.sack_count = again.sack_count;
    if (options.user_timeout != 0 && again.user_timeout == 0) {  // gives way, as the next
        MUST_HOLD(written.size() + 4 > max_tcp_options_size);
        options.user_timeout = 0;
    }
    if (options.accecn.present && !again.accecn.present) {
        MUST_HOLD(written.size() + (2U + 3U * options.accecn.count + 3U) / 4 * 4 > max_tcp_options_size);
        options.accecn = {};
    }
    MUST_HOLD(again == options);
}

void fuzz_tcp(octets data)
{
    static_cast<void>(parse_quoted_tcp(data));
    const auto segment = parse_tcp(data);
    if (!segment) {
        return;
    }
    MUST_HOLD(lies_within(segment->options, data) && lies_within(segment->payload, data));
    MUST_HOLD(20 + segment->options.size() + segment->payload.size() == data.size());
    std::vector<std::byte> written(data.begin(), data.end());
    write_tcp(segment->header, written);
    MUST_HOLD(std::equal(data.begin(), data.end(), written.begin(), written.end()));  // not a bit is lost
    fuzz_tcp_options(segment->options);

    const ip_address source = ipv4_address{0xC6120001};
    const ip_address destination = ipv4_address{0xC6120002};
    write_tcp_checksum(0, written);
    const octets pieces[] = {written};
    const std::uint16_t checksum = transport_checksum(source, destination, ip_protocol::tcp, pieces);
    write_tcp_checksum(checksum, written);
    MUST_HOLD(transport_checksum_good(source, destination, ip_protocol::tcp, written));
}

void fuzz_icmp(octets data)
{
    if (const auto icmp = parse_icmp(data)) {
        MUST_HOLD(icmp->body.size() + icmp_header_size == data.size());
        std::vector<std::byte> written(data.begin(), data.end());
        const octets body[] = {icmp->body};
        write_icmp(icmp->header, body, written);
        // The sum has two zeros, 0000 and ffff: the field may come out as the other one, and no other octet may differ.
        const auto again = parse_icmp(written);
        MUST_HOLD(again && again->header == icmp->header);
        static_cast<void>(parse_quoted_ipv4(icmp->body));
    }
}

void fuzz_ipv4(octets data)
{
    if (const auto quoted = parse_quoted_ipv4(data)) {
        MUST_HOLD(lies_within(quoted->options, data) && lies_within(quoted->payload, data));
        static_cast<void>(parse_quoted_tcp(quoted->payload));
    }
    const auto packet = parse_ipv4(data);
    if (!packet) {
        return;
    }
    MUST_HOLD(lies_within(packet->options, data) && lies_within(packet->payload, data));
    MUST_HOLD(20 + packet->options.size() + packet->payload.size() == packet->header.total_length);
    ipv4_header header = packet->header;
    header.total_length = static_cast<std::uint16_t>(20 + packet->payload.size());  // options are not written
    std::vector<std::byte> written(20);
    write_ipv4(header, written);
    written.insert(written.end(), packet->payload.begin(), packet->payload.end());
    const auto again = parse_ipv4(written);
    MUST_HOLD(again && again->header == header);
    MUST_HOLD(std::equal(again->payload.begin(), again->payload.end(), packet->payload.begin(), packet->payload.end()));
}

void fuzz_link(octets data)
{
    if (const auto frame = parse_ethernet(data)) {
        std::vector<std::byte> written(ethernet_header_size);
        write_ethernet(frame->header, written);
        MUST_HOLD(std::equal(written.begin(), written.end(), data.begin()));
        MUST_HOLD(frame->payload.size() + ethernet_header_size == data.size());
    }
    if (const auto arp = parse_arp(data)) {
        std::vector<std::byte> written(arp_packet_size);
        write_arp(*arp, written);
        MUST_HOLD(std::equal(written.begin(), written.end(), data.begin()));
    }
}

void fuzz_all(octets data)
{
    fuzz_checksum(data);
    fuzz_link(data);
    fuzz_ipv4(data);
    fuzz_icmp(data);
    fuzz_tcp(data);
    fuzz_tcp_options(data);
    MUST_HOLD(!dump_ethernet(data).empty());
    MUST_HOLD(!dump_ip(data).empty());
    MUST_HOLD(!dump_arp(data).empty());
    MUST_HOLD(!dump_tcp(ipv4_address{1}, ipv4_address{2}, data).empty());
}

// Makes the 16 bits at `field` the checksum of the first `size` octets.
void mend(std::vector<std::byte>& data, std::size_t field, std::size_t size)
{
    if (size < field + 2 || size > data.size()) {
        return;
    }
    write_be16(data, field, 0);
    checksum_accumulator sum;
    sum.add(octets{data}.first(size));
    write_be16(data, field, sum.checksum());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_all(std::as_bytes(std::span{data, size}));
    if (size == 0) {
        return 0;
    }
    std::vector<std::byte> ipv4(size);
    std::copy_n(reinterpret_cast<const std::byte*>(data), size, ipv4.begin());
    auto icmp = ipv4;
    mend(ipv4, 10, std::to_integer<std::size_t>(ipv4[0] & std::byte{15}) * 4);
    fuzz_ipv4(ipv4);
    MUST_HOLD(!dump_ip(ipv4).empty());
    mend(icmp, 2, size);
    fuzz_icmp(icmp);
    return 0;
}
