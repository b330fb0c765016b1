// The bare work of the rows in memory, without a stack: what is left when nothing is decided, over as much memory and in
// the same order as echo_bench.cpp, requests_bench.cpp and pair_of_stacks.hpp have it.
//
//     work=bulk       a stream, 128 segments of 1448 octets at a time: each is copied when it is written, carried and
//                     read, and summed when it leaves and when it arrives; nanoseconds a segment
//     work=requests   64 octets there and back on each of 1,000 connections in turn, likewise; and for each segment a
//                     record as large as a connection is touched, line by line, at both ends; millions a second
//     work=connect    the segments of connect, one octet each way and close, likewise, between two records that are
//                     cleared first; thousands a second
//     checksums=0     nothing is summed
//     row=name        what the figure is called
//     seconds=s
//
// Left out though somebody has to do it: ACKs of a stream, looking up whose a segment is, headers that are not copies of
// the one before.
#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "arguments.hpp"
#include "figures.hpp"
#include "tcpco/tcp/connection.hpp"
#include "tcpco/wire/checksum.hpp"

namespace {

using namespace tcpco_bench;

constexpr std::size_t header_octets = 66;  // Ethernet, IPv4, TCP with a timestamp
constexpr std::size_t below_tcp = 34;
using headers = std::array<std::byte, header_octets>;

std::uint32_t sums = 0;  // somebody looks at them

// As a stack without a device has it: a function for each step, and sizes that are not known before.
[[gnu::noinline]] void move_octets(std::byte* to, const std::byte* from, std::size_t n)
{
    std::memcpy(to, from, n);
}

[[gnu::noinline]] void sum_segment(const std::byte* header, const std::byte* text, std::size_t n)
{
    tcpco::checksum_accumulator all;
    all.add({header + below_tcp, header_octets - below_tcp});
    all.add({text, n});
    sums += all.checksum();
}

// A segment from where it waits to a slot of the other end.
void carry(std::byte* slot, const headers& header, const std::byte* text, std::size_t n, bool checksums)
{
    if (checksums) {
        sum_segment(header.data(), text, n);
    }
    move_octets(slot, header.data(), header_octets);
    move_octets(slot + header_octets, text, n);
    if (checksums) {
        sum_segment(slot, slot + header_octets, n);
    }
}

// What is known of a connection, and what waits to be sent on it.
struct record {
    static constexpr std::size_t lines = (sizeof(tcpco::connection<tcpco::default_policies>) + 63) / 64;
    struct alignas(64) line {
        std::uint64_t words[8];
    };
    std::array<line, lines> known{};
    std::array<std::byte, 64> waiting{};

    void touch() noexcept
    {
        for (line& l : known) {
            ++l.words[0];
        }
    }
};

double bulk(double seconds, bool checksums)
{
    constexpr std::size_t segments = 128;
    constexpr std::size_t text = 1'448;
    constexpr std::size_t slot_octets = 2'048;
    const headers header{};
    const std::vector<std::byte> out(segments * text, std::byte{0x55});
    std::vector<std::byte> waiting(out.size());
    std::vector<std::byte> slots(segments * slot_octets);
    std::vector<std::byte> in(out.size());
    const double rate = per_second(seconds, [&] {
        move_octets(waiting.data(), out.data(), out.size());
        for (std::size_t i = 0; i < segments; ++i) {
            carry(slots.data() + i * slot_octets, header, waiting.data() + i * text, text, checksums);
        }
        for (std::size_t i = 0; i < segments; ++i) {
            move_octets(in.data() + i * text, slots.data() + i * slot_octets + header_octets, text);
        }
        keep(in);
        return static_cast<double>(segments);
    });
    return 1e9 / rate;
}

double requests(double seconds, bool checksums)
{
    constexpr std::size_t connections = 1'000;
    constexpr std::size_t octets = 64;
    struct alignas(64) slot {
        std::array<std::byte, 192> octets{};
    };
    const headers header{};
    std::vector<record> a(connections);
    std::vector<record> b(connections);
    std::vector<slot> slots(connections);
    std::vector<std::byte> user(octets, std::byte{0x55});
    const auto carry_all = [&](std::vector<record>& from, std::vector<record>& to) {
        for (std::size_t i = 0; i < connections; ++i) {
            from[i].touch();
            carry(slots[i].octets.data(), header, from[i].waiting.data(), octets, checksums);
            to[i].touch();
        }
    };
    const double rate = per_second(seconds, [&] {
        for (record& r : a) {
            move_octets(r.waiting.data(), user.data(), octets);
        }
        carry_all(a, b);
        for (std::size_t i = 0; i < connections; ++i) {
            move_octets(user.data(), slots[i].octets.data() + header_octets, octets);
            move_octets(b[i].waiting.data(), user.data(), octets);
        }
        carry_all(b, a);
        for (const slot& s : slots) {
            move_octets(user.data(), s.octets.data() + header_octets, octets);
        }
        return static_cast<double>(connections);
    });
    return rate / 1e6;
}

double connections(double seconds, bool checksums)
{
    // SYN, SYN,ACK, ACK; an octet; an octet and an ACK; FIN, ACK; FIN, ACK. From which end, and with how much text.
    struct step {
        int from;
        std::size_t text;
    };
    constexpr std::array<step, 9> steps{{{0, 0}, {1, 0}, {0, 0}, {0, 1}, {1, 1}, {0, 0}, {1, 0}, {1, 0}, {0, 0}}};
    const headers header{};
    std::vector<record> ends(2);
    std::vector<std::byte> slot(2'048);
    std::byte user{0x55};
    const auto one = [&] {
        ends[0] = record{};
        ends[1] = record{};
        for (const step& s : steps) {
            record& from = ends[static_cast<std::size_t>(s.from)];
            move_octets(from.waiting.data(), &user, s.text);
            from.touch();
            carry(slot.data(), header, from.waiting.data(), s.text, checksums);
            ends[static_cast<std::size_t>(1 - s.from)].touch();
            move_octets(&user, slot.data() + header_octets, s.text);
            keep(ends);
        }
    };
    const double rate = per_second(seconds, [&] {
        for (int i = 0; i < 100; ++i) {
            one();
        }
        return 100.0;
    });
    return rate / 1e3;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const std::string work = given.text("work", "bulk");
    const std::string row = given.text("row", work);
    const bool checksums = given.flag("checksums", true);
    const double seconds = given.real("seconds", 1);
    given.done();
    figures found;
    if (work == "bulk") {
        found.add(row, "bare", bulk(seconds, checksums));
    } else if (work == "requests") {
        found.add(row, "bare", requests(seconds, checksums));
    } else if (work == "connect") {
        found.add(row, "bare", connections(seconds, checksums));
    } else {
        throw std::runtime_error{"work is bulk, requests or connect"};
    }
    keep(sums);
    found.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "memory_limit: %s\n", e.what());
    return 1;
}
