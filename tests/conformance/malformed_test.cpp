// Malformed and odd segments, options and addresses (RFC 9293 3.1, 3.2, 3.9.2.3).
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

// --- options ---------------------------------------------------------------------------------------------------------

TEST_CASE("A SYN with broken options opens a connection with what was read before the break",
          "[conformance][MUST-5][MUST-7][MUST-64]")
{
    struct row {
        const char* options;
        int smss;
    };
    const row r =
        GENERATE(row{"02000000", 536},            // length 0
                 row{"02010000", 536},            // length 1
                 row{"01010204", 536},            // MSS, cut at the end of the header
                 row{"0101080a", 536},            // timestamps, cut
                 row{"fe000000", 536},            // unknown, length 0
                 row{"feff0000", 536},            // unknown, longer than the header
                 row{"01010108", 536},            // a kind without a length
                 row{"020403e8fe000000", 1'000},  // MSS, then a break
                 row{"00020403e8000000", 536},    // end of list, then what looks like MSS
                 row{"1e04aaaa020403e8", 1'000},  // unknown, then MSS
                 row{"01020403e8010101", 1'000},  // MSS, not aligned
                 row{"fd03aa020403e801", 1'000},  // unknown of odd length, then MSS
                 row{"0203e801020403e8", 1'000},  // MSS of a wrong length, then a right one
                 row{"01010101010101010101010101010101010101010101010101010101010101010101010101010101", 536});
    INFO(r.options);
    peer p;
    p.listen();
    p.send(std::string{"S seq=1000 opt="} + r.options);
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.find_connection();
    CHECK(p.info().smss == r.smss);
    p.send("A seq=1001 ack=5001");
    CHECK(p.accept());
}

TEST_CASE("Of two MSS options one counts, the first", "[conformance][MUST-7]")
{
    peer p;
    p.in_established("opt=020403e802040200");
    CHECK(p.info().smss == 1'000);
}

TEST_CASE("Unknown options on a data segment are skipped", "[conformance][MUST-5][MUST-6]")
{
    const std::string options =
        GENERATE(as<std::string>{}, "1e04aaaa", "fd020101", "00ffffff", "22020101", "fe000000", "feff0000");
    INFO(options);
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10 opt=" + options);
    CHECK(p.next() == "A seq=5001 ack=1011");
    CHECK(p.read() == 10);
}

TEST_CASE("Broken SACK options are ignored", "[conformance][MUST-7]")
{
    const std::string options =
        GENERATE(as<std::string>{}, "01010502", "0101050600001389", "050a0000138a00001389ffff", "0109050000000000");
    INFO(options);
    peer p;
    p.in_established("mss=1000 sackok");
    p.write(3'000);
    CHECK(p.forget() == 3);
    p.send("A seq=1001 ack=6001 opt=" + options);
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.info().unacked == 2'000);
}

TEST_CASE("Every option list of one word on a SYN is survived", "[conformance][MUST-7]")
{
    constexpr char digits[] = "0123456789abcdef";
    peer p;
    p.check_payload = false;
    p.listen();
    int port = 10'000;
    for (unsigned kind = 0; kind < 256; kind += 1) {
        for (const unsigned length : {0u, 1u, 2u, 3u, 4u, 255u}) {
            const std::string hex{digits[kind >> 4], digits[kind & 15], digits[length >> 4], digits[length & 15]};
            p.send("S seq=1000 opt=" + hex + "ffff port=" + std::to_string(port));
            REQUIRE(p.next() == "SA ack=1001 port=" + std::to_string(port));
            p.send("R seq=1001 port=" + std::to_string(port));
            ++port;
        }
    }
}

// --- headers ---------------------------------------------------------------------------------------------------------

TEST_CASE("A false data offset is dropped and counted", "[conformance]")
{
    const std::string offset = GENERATE(as<std::string>{}, "0", "1", "4", "9", "15");
    INFO(offset);
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=10 off=" + offset);
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.dropped(drop_reason::tcp_malformed) == 1);
}

TEST_CASE("A segment shorter than a TCP header is dropped and counted", "[conformance]")
{
    peer p;
    p.in_established();
    const auto whole = p.build("A seq=1001 ack=5001");
    for (std::size_t n = 0; n < 20; ++n) {
        std::vector<std::byte> cut{whole.begin(), whole.begin() + 20 + static_cast<std::ptrdiff_t>(n)};
        ipv4_header ip = parse_ipv4(whole)->header;
        ip.total_length = static_cast<std::uint16_t>(cut.size());
        write_ipv4(ip, cut);
        p.send_ip(cut);
    }
    CHECK(p.next() == "-");
    CHECK(p.dropped(drop_reason::tcp_malformed) + p.dropped(drop_reason::tcp_checksum) == 20);
}

TEST_CASE("A wrong checksum is dropped and counted, in every state and without one", "[conformance][MUST-3]")
{
    const std::string sum = GENERATE(as<std::string>{}, "bad", "zero");
    const std::string segment = GENERATE(as<std::string>{}, "A seq=1001 ack=5001 len=11", "R seq=1001",
                                         "S seq=77 port=40001", "A seq=1 ack=1 to=9");
    INFO(segment << ' ' << sum);
    peer p;
    p.in_established();
    p.send(segment + " sum=" + sum);
    CHECK(p.next() == "-");
    CHECK(p.read() == 0);
    CHECK(p.state() == "ESTABLISHED");
    CHECK(p.dropped(drop_reason::tcp_checksum) == 1);
}

TEST_CASE("An odd number of payload octets has its checksum padded with zero", "[conformance][MUST-2][MUST-3]")
{
    peer p;
    p.in_established();
    p.send("A seq=1001 ack=5001 len=11");
    CHECK(p.read() == 11);
    p.forget();
    auto octets = p.build("A seq=1012 ack=5001 len=11");
    octets.push_back(std::byte{0x55});  // behind the packet: padding of a frame
    p.send_ip(octets);
    CHECK(p.read() == 11);
}

TEST_CASE("Reserved bits are ignored", "[conformance][RFC9293-3.10.7.4-7a]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 mss=1000 r");
    CHECK(p.next() == "SA seq=5000 ack=1001");
    p.send("A seq=1001 ack=5001 r");
    CHECK(p.accept());
    p.send("A seq=1001 ack=5001 len=10 r");
    CHECK(p.next() == "A ack=1011");
    CHECK(p.read() == 10);
}

TEST_CASE("Odd combinations of flags follow the tables", "[conformance][RFC9293-3.10.7.2a][RFC9293-3.10.7.2b]")
{
    peer p;
    p.listen();
    SECTION("LISTEN: all flags: RST comes first")
    {
        p.send("SAFRPUEW seq=1000 ack=777");
        CHECK(p.next() == "-");
    }
    SECTION("LISTEN: SYN and RST")
    {
        p.send("SR seq=1000");
        CHECK(p.next() == "-");
    }
    SECTION("LISTEN: FIN alone, URG alone, nothing at all")
    {
        p.send("F seq=1000");
        p.send("U seq=1000 urg=1");
        p.send(". seq=1000");
        CHECK(p.next() == "-");
    }
    SECTION("LISTEN: SYN, PSH and URG open")
    {
        p.send("SPU seq=1000 urg=5");
        CHECK(p.next() == "SA ack=1001");
    }
}

TEST_CASE("All flags in ESTABLISHED: the RST counts", "[conformance][RFC9293-3.10.7.4-2d]")
{
    peer p;
    p.in_established();
    p.send("SAFRPU seq=1001 ack=5001");
    CHECK(p.next() == "-");
    CHECK(p.state() == "CLOSED");
}

TEST_CASE("SYN and FIN in ESTABLISHED: a challenge ACK, the FIN is not taken", "[conformance][RFC5961-4.2a]")
{
    peer p;
    p.in_established();
    p.send("SFA seq=1001 ack=5001");
    CHECK(p.next() == "A seq=5001 ack=1001");
    CHECK(p.state() == "ESTABLISHED");
    CHECK(!p.end_of_stream());
}

TEST_CASE("Every combination of flags in every state is survived", "[conformance]")
{
    const std::string state = GENERATE(as<std::string>{}, "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                                       "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT");
    for (unsigned bits = 0; bits < 64; ++bits) {
        std::string flags;
        constexpr char letters[] = "FSRPAU";
        for (unsigned i = 0; i < 6; ++i) {
            flags += (bits >> i & 1) != 0 ? std::string{letters[i]} : "";
        }
        peer p;
        p.in(state);
        p.check_payload = false;
        p.send((flags.empty() ? "." : flags) + " seq=1001 ack=5001 len=3 urg=2");
        CHECK(p.waiting() <= 2);
        bool has_rst = false;
        for (packet seen = p.next(); seen != "-"; seen = p.next()) {
            has_rst = has_rst || seen.header.has(tcp_flag::rst);
        }
        CHECK(!((bits & 4) != 0 && has_rst));  // an RST is never answered by an RST
    }
}

TEST_CASE("URG: the data is delivered in line", "[conformance][MUST-30]")
{
    peer p;
    p.in_established();
    p.send("UA seq=1001 ack=5001 len=10 urg=5");
    CHECK(p.next() == "A ack=1011");
    CHECK(p.read() == 10);
}

// --- addresses -------------------------------------------------------------------------------------------------------

TEST_CASE("A segment to a broadcast or multicast address is dropped in silence", "[conformance][MUST-57]")
{
    const std::string to = GENERATE(as<std::string>{}, "255.255.255.255", "192.0.2.255", "224.0.0.1");
    const std::string segment = GENERATE(as<std::string>{}, "S seq=1000", "A seq=1 ack=777");
    INFO(to << ' ' << segment);
    peer p;
    p.listen();
    p.send(segment + " dst=" + to);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("A segment from an address that can have no connection is dropped in silence", "[conformance][MUST-63]")
{
    const std::string from =
        GENERATE(as<std::string>{}, "0.0.0.0", "255.255.255.255", "192.0.2.255", "224.0.0.1", "127.0.0.1");
    const std::string segment = GENERATE(as<std::string>{}, "S seq=1000", "S seq=1000 to=9");
    INFO(from << ' ' << segment);
    peer p;
    p.listen();
    p.send(segment + " src=" + from);
    CHECK(p.next() == "-");
    CHECK(p.connections().empty());
}

TEST_CASE("A segment for somebody else is dropped", "[conformance]")
{
    peer p;
    p.listen();
    p.send("S seq=1000 dst=192.0.2.77");
    CHECK(p.next() == "-");
}

TEST_CASE("IP options are ignored", "[conformance][MUST-50]")
{
    peer p;
    p.in_established();
    auto plain = p.build("A seq=1001 ack=5001 len=10");
    std::vector<std::byte> octets(plain.begin(), plain.begin() + 20);
    for (const unsigned b : {0x94u, 0x04u, 0x00u, 0x00u}) {  // router alert
        octets.push_back(static_cast<std::byte>(b));
    }
    octets.insert(octets.end(), plain.begin() + 20, plain.end());
    octets[0] = std::byte{0x46};
    write_be16(octets.data() + 2, static_cast<std::uint16_t>(octets.size()));
    write_be16(octets.data() + 10, 0);
    checksum_accumulator sum;
    sum.add(std::span{octets}.first(24));
    write_be16(octets.data() + 10, sum.checksum());
    p.send_ip(octets);
    CHECK(p.next() == "A ack=1011");
    CHECK(p.read() == 10);
}
