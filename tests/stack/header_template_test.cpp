#include "tcpco/stack/header_template.hpp"
#include "tcpco/stack/plain_headers.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "catch.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/tcp_options.hpp"

using namespace tcpco;

namespace {

constexpr ip_address local = ipv4_address{0xC0000201};
constexpr ip_address remote = ipv4_address{0xC6120007};

struct written {
    std::array<std::byte, 128> octets{};
    std::size_t size = 0;
    std::size_t tcp_at = 0;
};

using pieces = std::vector<std::span<const std::byte>>;

// The headers of a segment with timestamps, as the codecs write them.
written headers_of(bool ethernet, bool complete, std::uint16_t id, sequence_number seq, const pieces& payload)
{
    written w;
    const std::span<std::byte> room{w.octets};
    std::size_t text = 0;
    for (const auto& piece : payload) {
        text += piece.size();
    }
    std::size_t at = 0;
    if (ethernet) {
        at = write_ethernet({.destination = {{2, 0, 0, 0, 0, 1}}, .source = {{2, 0, 0, 0, 0, 2}}, .type = ethertype::ipv4},
                            room);
    }
    const std::size_t length = tcp_header_size + 12 + text;
    at += write_ipv4({.ecn = 2,
                      .total_length = static_cast<std::uint16_t>(ipv4_header_size + length),
                      .identification = id,
                      .dont_fragment = true,
                      .ttl = 64,
                      .protocol = ip_protocol::tcp,
                      .source = local.v4(),
                      .destination = remote.v4()},
                     room.subspan(at));
    w.tcp_at = at;
    const tcp_header header{.source_port = 7,
                            .destination_port = 50'000,
                            .seq = seq,
                            .ack = {0xFFFF'FFFF},
                            .flags = tcp_flag::ack,
                            .window = 501};
    const tcp_options options{.has_timestamps = true, .tsval = 0x8000'0001, .tsecr = 3};
    w.size = at + write_tcp(header, options, room.subspan(at));
    if (complete) {
        pieces whole{std::span<const std::byte>{room.subspan(at, w.size - at)}};
        whole.insert(whole.end(), payload.begin(), payload.end());
        write_tcp_checksum(transport_checksum(local, remote, ip_protocol::tcp, whole), room.subspan(at));
    } else {
        write_tcp_checksum(partial_checksum(local, remote, ip_protocol::tcp, static_cast<std::uint32_t>(length)),
                           room.subspan(at));
    }
    return w;
}

}  // namespace

TEST_CASE("headers written from those of the frame before are those that the codecs write", "[stack][MUST-2]")
{
    std::vector<std::byte> text(1'448);
    std::uint8_t value = 3;
    std::generate(text.begin(), text.end(), [&value] { return std::byte{value = static_cast<std::uint8_t>(value * 7 + 1)}; });
    const std::span<const std::byte> octets{text};
    const pieces first{octets};
    for (const bool ethernet : {true, false}) {
        for (const bool complete : {true, false}) {
            const written before = headers_of(ethernet, complete, 0xFFFF, {0xFFFF'FA58}, first);
            header_template made;
            made.take(before.octets.data(), before.size, before.tcp_at,
                      pseudo_header(local, remote, ip_protocol::tcp, static_cast<std::uint32_t>(32 + text.size())),
                      complete);
            CHECK(made.size() == before.size);
            // The same octets in another order, and cut at an odd place.
            std::vector<std::byte> other{text.rbegin(), text.rend()};
            const std::span<const std::byte> rest{other};
            for (const pieces& payload : {first, pieces{rest}, pieces{rest.first(7), rest.subspan(7)}}) {
                for (const std::uint32_t seq : {0U, 1U, 0xFFFFU, 0x1234'5678U, 0xFFFF'FFFFU}) {
                    for (const std::uint16_t id : std::array<std::uint16_t, 4>{0, 1, 0x8000, 0xFFFF}) {
                        const written wanted = headers_of(ethernet, complete, id, {seq}, payload);
                        std::array<std::byte, 128> out{};
                        made.write(out.data(), id, {seq}, payload);
                        CHECK(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(wanted.size),
                                         wanted.octets.begin()));
                    }
                }
            }
        }
    }
}

TEST_CASE("headers of a plain segment are those that the codecs write", "[stack][MUST-2]")
{
    std::vector<std::byte> text(1'461);
    std::uint8_t value = 5;
    std::generate(text.begin(), text.end(), [&value] { return std::byte{value = static_cast<std::uint8_t>(value * 7 + 1)}; });
    const auto check = [&](const plain_headers& h, std::span<const std::byte> payload, bool completes) {
        std::array<std::byte, 128> wanted{};
        const std::span<std::byte> room{wanted};
        std::size_t at = 0;
        if (h.ethernet) {
            at = write_ethernet({.destination = h.next_hop, .source = h.source_mac, .type = ethertype::ipv4}, room);
        }
        const std::size_t head = h.timestamps ? 32 : 20;
        at += write_ipv4({.dscp = h.dscp,
                          .total_length = static_cast<std::uint16_t>(ipv4_header_size + head + payload.size()),
                          .identification = h.identification,
                          .dont_fragment = h.dont_fragment,
                          .ttl = h.ttl,
                          .protocol = ip_protocol::tcp,
                          .source = h.source,
                          .destination = h.destination},
                         room.subspan(at));
        const std::span<std::byte> tcp = room.subspan(at);
        at += write_tcp({.source_port = h.source_port,
                         .destination_port = h.destination_port,
                         .seq = h.seq,
                         .ack = h.ack,
                         .flags = h.flags,
                         .window = h.window},
                        {.has_timestamps = h.timestamps, .tsval = h.tsval, .tsecr = h.tsecr}, tcp);
        const std::array whole{std::span<const std::byte>{tcp.first(head)}, payload};
        write_tcp_checksum(completes ? transport_checksum(h.source, h.destination, ip_protocol::tcp, whole)
                                     : partial_checksum(h.source, h.destination, ip_protocol::tcp,
                                                        static_cast<std::uint32_t>(head + payload.size())),
                           tcp);
        std::array<std::byte, 128> out{};
        h.write(out.data(), payload, completes);
        CHECK(h.size() == at);
        CHECK(out == wanted);
    };
    const plain_headers usual{.next_hop = {{2, 0, 0, 0, 0, 1}},
                              .source_mac = {{2, 0, 0, 0, 0, 2}},
                              .source = local.v4(),
                              .destination = remote.v4(),
                              .identification = 0x1234,
                              .source_port = 80,
                              .destination_port = 50'000,
                              .seq = {0xFFFF'FFFF},
                              .ack = {0x8000'0000},
                              .flags = tcp_flag::ack | tcp_flag::psh,
                              .window = 0xFFFF,
                              .timestamps = true,
                              .tsval = 0xFFFF'FFFF,
                              .tsecr = 7};
    const std::span<const std::byte> all{text};
    for (const bool completes : {true, false}) {
        for (const std::size_t size : {0U, 1U, 2U, 63U, 64U, 127U, 128U, 200U, 1'448U, 1'461U}) {
            CAPTURE(completes, size);
            check(usual, all.first(size), completes);
            plain_headers other = usual;
            other.timestamps = false;
            other.ethernet = false;
            other.flags = tcp_flag::ack;
            other.dont_fragment = false;
            other.dscp = 63;
            other.ttl = 255;
            check(other, all.last(size), completes);
        }
        for (std::uint32_t bit = 0; bit < 32; ++bit) {
            plain_headers other = usual;
            other.seq = {1U << bit};
            other.ack = {~(1U << bit)};
            other.tsval = 3U << bit;
            other.identification = static_cast<std::uint16_t>(1U << bit);
            other.window = static_cast<std::uint16_t>(~(1U << bit));
            other.dscp = static_cast<std::uint8_t>(bit * 2);
            check(other, all.first(bit), completes);
        }
    }
}
