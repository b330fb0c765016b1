// A scripted peer: it talks to one stack under test, packet by packet, in virtual time.
//
//     peer p;
//     p.in_established();
//     p.send("R seq=1002");
//     CHECK(p.next() == "A seq=5001 ack=1001");
//     CHECK(p.next() == "-");                     // nothing more
//
// A packet is said as flags, then fields. Flags: S A F R P U E W, or "." for none. Fields: seq ack win len urg; options mss ws
// sackok ts=VAL/ECR sack=L-R,L-R opt=HEX (raw); to send also port src dst to off (a false data offset) sum=bad and r
// (reserved bits). Numbers are absolute and decimal, or hexadecimal with 0x; the stack's first ISS is 5000, the peer's 1000.
//
// A packet that was seen equals what is expected if every field that was named agrees. Flags must agree wholly, but PSH counts
// only when named; a len that is not named is 0. To expect: t=SECONDS since mark(), within a millisecond; mss=none, ws=none,
// sack=none, ts=none; tsecr=N. "this | that" allows either. A failed comparison prints the whole conversation.
//
// Every packet that the stack sends is checked for its checksums, reserved bits, place of options and payload: the octet at a
// given place of a stream is always the same.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tcpco/core.hpp"
#include "tcpco/policy/isn/sequential.hpp"

namespace tcpco_test {

using namespace tcpco;

struct conformance_policies : default_policies {
    using isn = tcpco::isn::sequential;
};

// The octet at a place of either stream, counted from its first octet of data.
inline std::byte stream_octet(std::uint32_t offset)
{
    return static_cast<std::byte>((offset * 2'654'435'761u) >> 24);
}

// What was said of a packet.
struct packet_words {
    bool nothing = false;
    std::uint16_t flags = 0;
    bool icmp = false;
    std::map<std::string, std::string> fields;

    explicit packet_words(std::string_view text)
    {
        std::istringstream words{std::string{text}};
        std::string word;
        words >> word;
        nothing = word == "-";
        icmp = word == "icmp";
        if (!nothing && !icmp && word != ".") {
            for (const char letter : word) {
                flags = static_cast<std::uint16_t>(flags | flag_of(letter));
            }
        }
        while (words >> word) {
            const auto equals = word.find('=');
            fields[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
        }
    }

    bool has(const std::string& name) const { return fields.count(name) > 0; }
    std::string text(const std::string& name) const { return has(name) ? fields.at(name) : ""; }
    std::uint32_t number(const std::string& name, std::uint32_t otherwise = 0) const
    {
        return has(name) ? static_cast<std::uint32_t>(std::stoul(fields.at(name), nullptr, 0)) : otherwise;
    }

    static std::uint16_t flag_of(char letter)
    {
        switch (letter) {
        case 'S': return tcp_flag::syn;
        case 'A': return tcp_flag::ack;
        case 'F': return tcp_flag::fin;
        case 'R': return tcp_flag::rst;
        case 'P': return tcp_flag::psh;
        case 'U': return tcp_flag::urg;
        case 'E': return tcp_flag::ece;
        case 'W': return tcp_flag::cwr;
        default: throw std::invalid_argument{std::string{"no flag is called "} + letter};
        }
    }
};

// Something that the stack sent, or nothing.
struct packet {
    enum class kind : std::uint8_t { nothing, tcp, icmp, other };

    kind what = kind::nothing;
    tcp_header header{};
    tcp_options options{};
    std::size_t length = 0;  // payload octets
    duration at{};           // since mark()
    icmp_header icmp{};
    std::vector<std::byte> octets;  // from the IP header on
    std::shared_ptr<const std::string> conversation;

    std::uint32_t seq() const { return header.seq.value; }
    std::uint32_t ack() const { return header.ack.value; }
    std::uint16_t win() const { return header.window; }

    bool is(const packet_words& words) const
    {
        if (words.nothing || what == kind::nothing) {
            return words.nothing && what == kind::nothing;
        }
        if (words.has("t") && std::fabs(at.seconds() - std::stod(words.text("t"))) > 0.001) {
            return false;
        }
        if (words.icmp || what != kind::tcp) {
            return words.icmp && what == kind::icmp && words.number("type") == static_cast<unsigned>(icmp.type) &&
                   words.number("code") == icmp.code;
        }
        return flags_are(words.flags) && header_is(words) && options_are(words);
    }

private:
    bool flags_are(std::uint16_t wanted) const
    {
        const auto ignored = static_cast<std::uint16_t>(~wanted & tcp_flag::psh);
        return (header.flags & ~ignored) == wanted;
    }
    bool header_is(const packet_words& words) const
    {
        return seq() == words.number("seq", seq()) && ack() == words.number("ack", ack()) &&
               header.window == words.number("win", header.window) && length == words.number("len", 0) &&
               header.destination_port == words.number("port", header.destination_port) &&
               header.urgent_pointer == words.number("urg", header.urgent_pointer);
    }
    static bool optional_is(const packet_words& words, const char* name, bool present, std::uint32_t value)
    {
        if (!words.has(name)) {
            return true;
        }
        return words.text(name) == "none" ? !present : present && (words.text(name).empty() || words.number(name) == value);
    }
    bool options_are(const packet_words& words) const
    {
        return optional_is(words, "mss", options.has_mss, options.mss) &&
               optional_is(words, "ws", options.has_window_scale, options.window_scale) &&
               optional_is(words, "ts", options.has_timestamps, options.tsval) &&
               optional_is(words, "tsecr", options.has_timestamps, options.tsecr) &&
               optional_is(words, "sackok", options.sack_permitted, 0) && sacks_are(words);
    }
    bool sacks_are(const packet_words& words) const
    {
        if (!words.has("sack")) {
            return true;
        }
        std::string text;
        for (const sack_block& b : options.sacks()) {
            text += (text.empty() ? "" : ",") + std::to_string(b.left.value) + '-' + std::to_string(b.right.value);
        }
        return words.text("sack") == (text.empty() ? "none" : text);
    }
};

inline bool operator==(const packet& seen, std::string_view expected)
{
    for (auto bar = expected.find('|'); bar != expected.npos; bar = expected.find('|')) {
        if (seen.is(packet_words{expected.substr(0, bar)})) {
            return true;
        }
        expected.remove_prefix(bar + 1);
    }
    return seen.is(packet_words{expected});
}
inline bool operator!=(const packet& seen, std::string_view expected) { return !(seen == expected); }
inline bool operator==(const packet& seen, const char* expected) { return seen == std::string_view{expected}; }
inline bool operator!=(const packet& seen, const char* expected) { return !(seen == expected); }

inline std::ostream& operator<<(std::ostream& out, const packet& p)
{
    if (p.what == packet::kind::nothing) {
        out << "nothing";
    } else {
        out << "at " << p.at.seconds() << " s: " << dump_ip(p.octets);
    }
    if (p.conversation != nullptr) {
        out << "\nafter this conversation (< to the stack, > from it):\n" << *p.conversation << "that packet";
    }
    return out;
}

// The stack's configuration for the sequences of the specification: ISS 5000, a window of 10,000 octets, RTO 1 s, no ARP.
template <class Bundle = conformance_policies>
stack_config<Bundle> baseline()
{
    stack_config<Bundle> c{.address = "192.0.2.1/24"_net};
    c.network.ethernet = false;
    c.receive_window.capacity = 10'000;
    c.rto.minimum = 1_s;
    c.seed = 9;
    return c;
}

template <class Bundle = conformance_policies, class F>
stack_config<Bundle> with(F&& change)
{
    stack_config<Bundle> c = baseline<Bundle>();
    change(c);
    return c;
}

template <class Bundle = conformance_policies>
class peer {
public:
    explicit peer(const stack_config<Bundle>& c = baseline<Bundle>()) : stack{c}
    {
        iss = sequence_number{c.isn.first};
        mark();
    }

    basic_stack<Bundle> stack;
    time_point now{duration{1'000'000'000}};
    ip_address sut_address = "192.0.2.1"_ip;
    ip_address peer_address = "192.0.2.2"_ip;
    std::uint16_t sut_port = 7;
    std::uint16_t peer_port = 40'000;
    sequence_number iss{5'000};  // of the stack's connection, to check its payload
    sequence_number irs{1'000};  // the peer's own
    std::uint16_t window = 65'535;  // what the peer's packets say unless told otherwise
    bool check_payload = true;
    listener_id listener{};
    connection_id id{};

    // --- packets -------------------------------------------------------------------------------------------------------

    // One packet to the stack; what it sends in answer waits for next().
    void send(std::string_view text)
    {
        deliver(text);
        collect();
    }
    // Several packets in one turn: the stack may answer only when it has seen them all.
    void send_together(std::initializer_list<std::string_view> texts)
    {
        for (const std::string_view text : texts) {
            deliver(text);
        }
        collect();
    }
    void send_ip(const std::vector<std::byte>& octets)
    {
        say('<', octets);
        stack.receive_copy(now, octets);
        stack.check_invariants();
        collect();
    }

    // The next packet that the stack has sent, at the present time or before.
    packet next()
    {
        collect();
        if (seen_.empty()) {
            packet none;
            none.conversation = conversation();
            return none;
        }
        packet first = std::move(seen_.front());
        seen_.pop_front();
        first.conversation = conversation();
        return first;
    }
    // The last packet that waits; the others are forgotten.
    packet last()
    {
        packet p = next();
        while (!seen_.empty()) {
            p = next();
        }
        return p;
    }
    // The sequence number behind the last octet of all packets that wait; they are forgotten.
    std::uint32_t sent_up_to()
    {
        std::uint32_t end = 0;
        for (packet p = next(); p.what != packet::kind::nothing; p = next()) {
            end = std::max(end, p.seq() + static_cast<std::uint32_t>(p.length));
        }
        return end;
    }
    std::size_t forget()
    {
        collect();
        const std::size_t n = seen_.size();
        seen_.clear();
        return n;
    }
    std::size_t waiting()
    {
        collect();
        return seen_.size();
    }

    // An ICMP error about a packet that the stack sent.
    void send_icmp(icmp_type type, std::uint8_t code, const packet& about, std::uint16_t mtu = 0)
    {
        send_icmp_quoting(icmp_header{type, code, mtu}, {about.octets.data(), std::min<std::size_t>(about.octets.size(), 28)});
    }
    void send_icmp_quoting(const icmp_header& header, std::span<const std::byte> quoted)
    {
        std::vector<std::byte> out(ipv4_header_size + icmp_header_size + quoted.size());
        write_ipv4(ip_header(out.size(), ip_protocol::icmp, peer_address, sut_address), out);
        const std::span<const std::byte> pieces[] = {quoted};
        write_icmp(header, pieces, std::span{out}.subspan(ipv4_header_size));
        std::copy(quoted.begin(), quoted.end(), out.begin() + ipv4_header_size + icmp_header_size);
        send_ip(out);
    }

    // The IP packet that these words describe.
    std::vector<std::byte> build(std::string_view text) const { return build(packet_words{text}); }

    // --- time ----------------------------------------------------------------------------------------------------------

    void mark() { marked_ = now; }
    duration since_mark() const { return now - marked_; }

    // Lets time pass, stopping at every deadline of the stack.
    void wait(duration d)
    {
        const time_point end = now + d;
        collect();
        for (int idle = 0; stack.deadline() <= end;) {
            idle = stack.deadline() <= now ? idle + 1 : 0;
            if (idle > 1'000) {
                throw std::runtime_error{"the stack's deadline does not move on:\n" + *conversation()};
            }
            now = std::max(now, stack.deadline());
            stack.advance(now);
            stack.check_invariants();
            collect();
        }
        now = end;
        stack.advance(now);
        collect();
    }

    // --- the stack's user ----------------------------------------------------------------------------------------------

    void listen(std::uint32_t backlog = 128) { listener = stack.listen({sut_address, sut_port}, backlog).value; }
    void connect()
    {
        sut_port = 30'000;
        const auto [ec, connection] =
            stack.connect({peer_address, peer_port}, {.local = {sut_address, sut_port}, .no_delay = false});
        if (ec != errc::ok) {
            throw std::runtime_error{std::string{"connect: "} + message(ec)};
        }
        id = connection;
    }
    bool accept()
    {
        const auto [ec, connection] = stack.accept(listener);
        if (ec == errc::ok) {
            id = connection;
        }
        return ec == errc::ok;
    }
    // Writes the next n octets of the stream; all of them must fit.
    void write(std::size_t n)
    {
        std::vector<std::byte> octets(n);
        for (std::byte& b : octets) {
            b = stream_octet(written_++);
        }
        const auto [ec, taken] = stack.write(id, octets);
        if (ec != errc::ok || taken != n) {
            throw std::runtime_error{std::string{"write: "} + message(ec)};
        }
    }
    errc write_error()
    {
        const std::byte one[] = {std::byte{0}};
        return stack.write(id, one).ec;
    }
    // Reads up to `limit` octets and checks them against the stream; returns how many there were.
    std::size_t read(std::size_t limit = 1'000'000)
    {
        std::vector<std::byte> octets(limit);
        std::size_t total = 0;
        while (total < limit) {
            const auto [ec, n] = stack.read(id, std::span{octets}.subspan(total));
            read_error_ = ec;
            if (ec != errc::ok || n == 0) {
                break;
            }
            total += n;
        }
        for (std::size_t i = 0; i < total; ++i) {
            if (octets[i] != stream_octet(read_++)) {
                throw std::runtime_error{"the reader got a wrong octet:\n" + *conversation()};
            }
        }
        return total;
    }
    std::string read_error()
    {
        std::byte one[1];
        return message(stack.read(id, one).ec);
    }
    bool end_of_stream()
    {
        std::byte one[1];
        return stack.read(id, one).ec == errc::end_of_stream;
    }
    void shutdown() { shutdown_result = stack.shutdown(id); }
    void close() { close_result = stack.close(id); }
    void abort() { close_result = stack.abort(id); }
    errc shutdown_result = errc::ok;
    errc close_result = errc::ok;

    // --- looking -------------------------------------------------------------------------------------------------------

    tcp_info info() { return stack.info(id).value; }
    // As in RFC 9293 figure 5; "CLOSED" when there is no connection any more.
    std::string state()
    {
        const auto [ec, i] = stack.info(id);
        return ec == errc::ok ? to_string(i.state) : "CLOSED";
    }
    // Why it ended. Of a connection whose owner closed it nobody can ask.
    std::string error() { return message(stack.error_of(id)); }
    std::uint64_t dropped(drop_reason reason) const { return stack.counters().of(reason); }
    // States of all connections that the stack has, closed ones excluded.
    std::vector<std::string> connections()
    {
        std::vector<std::string> states;
        stack.for_each_connection([&](connection_id c, const tcp_info& i) {
            if (i.state != tcp_state::closed) {
                states.push_back(to_string(i.state));
                found_ = c;
            }
        });
        return states;
    }
    // Takes the only connection in sight as the one to ask about.
    void find_connection()
    {
        if (connections().size() != 1) {
            throw std::runtime_error{"there is not exactly one connection:\n" + *conversation()};
        }
        id = found_;
    }

    // --- states. `options` goes with the peer's SYN, the rest of the sequence is fixed. ---------------------------------

    void in_syn_received(std::string_view options = "mss=1000")
    {
        listen();
        send("S seq=" + number(irs) + " " + std::string{options});
        require(next(), "SA seq=" + number(iss) + " ack=" + number(irs + 1));
        find_connection();
    }
    void in_established(std::string_view options = "mss=1000", std::string_view ack_options = "")
    {
        in_syn_received(options);
        send("A seq=" + number(irs + 1) + " ack=" + number(iss + 1) + " " + std::string{ack_options});
        require(next(), "-");
        if (!accept()) {
            throw std::runtime_error{"nothing to accept:\n" + *conversation()};
        }
        require_state("ESTABLISHED");
        mark();
    }
    packet in_syn_sent()
    {
        connect();
        packet syn = next();
        require(syn, "S seq=" + number(iss));
        require_state("SYN-SENT");
        mark();
        return syn;
    }
    void in_established_active(std::string_view options = "mss=1000")
    {
        in_syn_sent();
        send("SA seq=" + number(irs) + " ack=" + number(iss + 1) + " " + std::string{options});
        require(next(), "A seq=" + number(iss + 1) + " ack=" + number(irs + 1));
        require_state("ESTABLISHED");
        mark();
    }
    // By shutdown(): the reader is still there. The FIN has seq 5001.
    void in_fin_wait_1()
    {
        in_established();
        shutdown();
        require(next(), "FA seq=5001 ack=1001");
        require_state("FIN-WAIT-1");
        mark();
    }
    void in_fin_wait_2()
    {
        in_fin_wait_1();
        send("A seq=1001 ack=5002");
        require(next(), "-");
        require_state("FIN-WAIT-2");
        mark();
    }
    void in_closing()
    {
        in_fin_wait_1();
        send("FA seq=1001 ack=5001");
        require(next(), "A seq=5002 ack=1002");
        require_state("CLOSING");
        mark();
    }
    void in_time_wait()
    {
        in_fin_wait_2();
        send("FA seq=1001 ack=5002");
        require(next(), "A seq=5002 ack=1002");
        require_state("TIME-WAIT");
        mark();
    }
    void in_close_wait()
    {
        in_established();
        send("FA seq=1001 ack=5001");
        require(next(), "A seq=5001 ack=1002");
        require_state("CLOSE-WAIT");
        mark();
    }
    void in_last_ack()
    {
        in_close_wait();
        shutdown();
        require(next(), "FA seq=5001 ack=1002");
        require_state("LAST-ACK");
        mark();
    }
    // By name; rcv_nxt() and snd_nxt() then say where it stands.
    void in(const std::string& wanted)
    {
        const std::map<std::string, std::function<void()>> builders{
            {"SYN-SENT", [&] { in_syn_sent(); }},       {"SYN-RECEIVED", [&] { in_syn_received(); }},
            {"ESTABLISHED", [&] { in_established(); }}, {"FIN-WAIT-1", [&] { in_fin_wait_1(); }},
            {"FIN-WAIT-2", [&] { in_fin_wait_2(); }},   {"CLOSE-WAIT", [&] { in_close_wait(); }},
            {"CLOSING", [&] { in_closing(); }},         {"LAST-ACK", [&] { in_last_ack(); }},
            {"TIME-WAIT", [&] { in_time_wait(); }}};
        builders.at(wanted)();
    }
    std::string rcv_nxt(int plus = 0) { return std::to_string((peer_fin_taken() ? 1'002 : 1'001) + plus); }
    std::string snd_nxt(int plus = 0)
    {
        const std::string s = state();
        return std::to_string((s == "SYN-RECEIVED" || s == "ESTABLISHED" || s == "CLOSE-WAIT" ? 5'001 : 5'002) + plus);
    }

    std::shared_ptr<const std::string> conversation() const { return std::make_shared<std::string>(conversation_); }

private:
    static std::string number(sequence_number s) { return std::to_string(s.value); }

    bool peer_fin_taken()
    {
        const std::string s = state();
        return s == "CLOSE-WAIT" || s == "CLOSING" || s == "LAST-ACK" || s == "TIME-WAIT";
    }

    void require(const packet& seen, const std::string& expected)
    {
        if (seen != expected) {
            std::ostringstream text;
            text << "on the way to the state under test, expected " << expected << " but saw " << seen;
            throw std::runtime_error{text.str()};
        }
    }
    void require_state(const char* expected)
    {
        if (state() != expected) {
            throw std::runtime_error{"expected " + std::string{expected} + " but is in " + state() + ":\n" + *conversation()};
        }
    }

    static ipv4_header ip_header(std::size_t size, ip_protocol protocol, const ip_address& from, const ip_address& to)
    {
        ipv4_header ip;
        ip.total_length = static_cast<std::uint16_t>(size);
        ip.ttl = 64;
        ip.protocol = protocol;
        ip.source = from.v4();
        ip.destination = to.v4();
        return ip;
    }

    static std::vector<std::byte> from_hex(const std::string& hex)
    {
        std::vector<std::byte> out;
        for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
            out.push_back(static_cast<std::byte>(std::stoul(hex.substr(i, 2), nullptr, 16)));
        }
        return out;
    }
    static std::vector<std::byte> options_of(const packet_words& words)
    {
        if (words.has("opt")) {  // whole words of 4 octets
            return from_hex(words.text("opt"));
        }
        tcp_options o;
        o.has_mss = words.has("mss");
        o.mss = static_cast<std::uint16_t>(words.number("mss"));
        o.has_window_scale = words.has("ws");
        o.window_scale = static_cast<std::uint8_t>(words.number("ws"));
        o.sack_permitted = words.has("sackok");
        if (words.has("ts")) {
            const std::string text = words.text("ts");
            const auto slash = text.find('/');
            o.has_timestamps = true;
            o.tsval = static_cast<std::uint32_t>(std::stoul(text, nullptr, 0));
            o.tsecr = slash == std::string::npos
                          ? 0
                          : static_cast<std::uint32_t>(std::stoul(text.substr(slash + 1), nullptr, 0));
        }
        std::istringstream blocks{words.text("sack")};
        for (std::string block; std::getline(blocks, block, ',');) {
            const auto dash = block.find('-');
            o.sack_blocks[o.sack_count++] = {{static_cast<std::uint32_t>(std::stoul(block))},
                                             {static_cast<std::uint32_t>(std::stoul(block.substr(dash + 1)))}};
        }
        std::vector<std::byte> out(encoded_size(o));
        write_tcp_options(o, out);
        return out;
    }

    tcp_header header_of(const packet_words& words, std::size_t options_size) const
    {
        tcp_header h;
        h.source_port = static_cast<std::uint16_t>(words.number("port", peer_port));
        h.destination_port = static_cast<std::uint16_t>(words.number("to", sut_port));
        h.seq = {words.number("seq")};
        h.ack = {words.number("ack")};
        h.flags = static_cast<std::uint16_t>(words.flags | (words.has("r") ? tcp_flag::reserved : 0));
        h.window = static_cast<std::uint16_t>(words.number("win", window));
        h.urgent_pointer = static_cast<std::uint16_t>(words.number("urg"));
        h.data_offset = static_cast<std::uint8_t>(5 + options_size / 4);
        return h;
    }

    std::vector<std::byte> build(const packet_words& words) const
    {
        const std::vector<std::byte> options = options_of(words);
        const std::size_t length = words.number("len");
        const tcp_header h = header_of(words, options.size());
        std::vector<std::byte> out(ipv4_header_size + h.header_length() + length);
        const auto address = [&](const char* name, const ip_address& otherwise) {
            return words.has(name) ? *ip_address::parse(words.text(name)) : otherwise;
        };
        const ip_address from = address("src", peer_address);
        const ip_address to = address("dst", sut_address);
        write_ipv4(ip_header(out.size(), ip_protocol::tcp, from, to), out);
        const auto segment = std::span{out}.subspan(ipv4_header_size);
        write_tcp(h, segment);
        std::copy(options.begin(), options.end(), segment.begin() + tcp_header_size);
        const std::uint32_t first = h.seq.value + (h.has(tcp_flag::syn) ? 1 : 0) - (irs.value + 1);
        for (std::size_t i = 0; i < length; ++i) {
            segment[h.header_length() + i] = stream_octet(first + static_cast<std::uint32_t>(i));
        }
        if (words.has("off")) {
            segment[12] = static_cast<std::byte>(words.number("off") << 4);
        }
        const std::span<const std::byte> pieces[] = {segment};
        const std::uint16_t sum = transport_checksum(from, to, ip_protocol::tcp, pieces);
        write_tcp_checksum(words.text("sum") == "bad" ? static_cast<std::uint16_t>(sum ^ 0x5555) : sum, segment);
        if (words.text("sum") == "zero") {
            write_tcp_checksum(0, segment);
        }
        return out;
    }

    void deliver(std::string_view text)
    {
        const std::vector<std::byte> octets = build(text);
        say('<', octets);
        stack.receive_copy(now, octets);
        stack.check_invariants();
    }

    void say(char direction, std::span<const std::byte> octets)
    {
        conversation_ += std::string{direction} + ' ' + std::to_string(since_mark().seconds()) + ' ' + dump_ip(octets) + '\n';
        if (conversation_.size() > 6'000) {  // the older half is of little use
            conversation_.erase(0, conversation_.find('\n', 3'000) + 1);
        }
    }

    // Takes what the stack has to send.
    void collect()
    {
        const auto sink = [this](const outgoing_frame& f) {
            std::vector<std::byte> octets(f.size());
            f.copy_to(octets.data());
            take(std::move(octets));
            return sink_verdict::done;
        };
        for (int rounds = 0; stack.transmit(now, sink) > 0; ++rounds) {
            if (rounds > 10'000) {
                throw std::runtime_error{"the stack does not stop sending:\n" + *conversation()};
            }
        }
        stack.check_invariants();
    }

    void take(std::vector<std::byte> octets)
    {
        say('>', octets);
        packet p;
        p.at = since_mark();
        const auto ip = parse_ipv4(octets);
        if (!ip) {
            broken("a broken IP packet");
        }
        p.what = packet::kind::other;
        if (ip->header.protocol == ip_protocol::tcp) {
            take_segment(p, *ip);
        } else if (ip->header.protocol == ip_protocol::icmp) {
            const auto icmp = parse_icmp(ip->payload);
            if (!icmp) {
                broken("a broken ICMP message");
            }
            p.what = packet::kind::icmp;
            p.icmp = icmp->header;
        }
        p.octets = std::move(octets);
        seen_.push_back(std::move(p));
    }

    void take_segment(packet& p, const ipv4_packet& ip)
    {
        const auto segment = parse_tcp(ip.payload);
        if (!segment || !transport_checksum_good(ip.header.source, ip.header.destination, ip_protocol::tcp, ip.payload)) {
            broken("a broken TCP segment (MUST-2)");
        }
        p.what = packet::kind::tcp;
        p.header = segment->header;
        p.options = parse_tcp_options(segment->options);
        p.length = segment->payload.size();
        const bool syn = p.header.has(tcp_flag::syn);
        if ((p.header.flags & tcp_flag::reserved) != 0 || p.options.malformed) {
            broken("reserved bits or malformed options");
        }
        if (!syn && (p.options.has_mss || p.options.has_window_scale || p.options.sack_permitted)) {
            broken("an option that belongs to a SYN (MUST-65)");
        }
        if (check_payload && p.header.destination_port == peer_port && !p.header.has(tcp_flag::rst)) {
            const auto first = static_cast<std::uint32_t>(p.header.seq - (iss + (syn ? 0 : 1)));
            for (std::size_t i = 0; i < p.length; ++i) {
                if (segment->payload[i] != stream_octet(first + static_cast<std::uint32_t>(i))) {
                    broken("a wrong octet of payload");
                }
            }
        }
    }

    [[noreturn]] void broken(const char* what)
    {
        throw std::runtime_error{"the stack sent " + std::string{what} + ":\n" + *conversation()};
    }

    std::deque<packet> seen_;
    std::string conversation_;
    time_point marked_{};
    std::uint32_t written_ = 0;
    std::uint32_t read_ = 0;
    errc read_error_ = errc::ok;
    connection_id found_{};
};

}  // namespace tcpco_test
